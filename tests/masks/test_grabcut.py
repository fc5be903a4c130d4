import cv2
import numpy as np
import pytest

from faimtrack.masks.config import GrabCutConfig
from faimtrack.masks.grabcut import GrabCutSegmenter


def person(image, centre, colour, height=60):
    """Paint a figure; gives its pixels."""
    pixels = np.zeros(image.shape[:2], np.uint8)
    x, y = centre
    cv2.ellipse(pixels, (x, y), (height // 5, height // 2), 0, 0, 360, 1, -1)
    image[pixels == 1] = colour
    return pixels == 1


def noisy(image):
    noise = np.random.default_rng(0).integers(-12, 13, image.shape)
    return np.clip(image.astype(int) + noise, 0, 255).astype(np.uint8)


def box_of(pixels):
    rows, columns = np.nonzero(pixels)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def overlap(segment, pixels, box):
    x1, y1, x2, y2 = box
    truth = pixels[y1:y2, x1:x2]
    return (segment.pixels & truth).sum() / (segment.pixels | truth).sum()


def test_figure_of_its_own_colour_is_found():
    image = np.full((120, 160, 3), (70, 90, 70), np.uint8)
    pixels = person(image, (60, 60), (200, 60, 60))
    box = box_of(pixels)
    before = image.copy()
    (segment,) = GrabCutSegmenter().segment(noisy(image), np.array([box]))
    assert overlap(segment, pixels, box) > 0.95
    assert segment.pixels.shape == (box[3] - box[1], box[2] - box[0])
    assert segment.quality == 1
    assert (image == before).all()


def test_nearer_person_is_not_part_of_the_one_behind():
    image = np.full((120, 160, 3), (70, 90, 70), np.uint8)
    far = person(image, (60, 50), (200, 60, 60))
    near = person(image, (74, 66), (50, 60, 220))
    visible = far & ~near
    boxes = np.array([box_of(far), box_of(near)])
    for order in ([0, 1], [1, 0]):
        segments = GrabCutSegmenter().segment(noisy(image), boxes[order])
        by_row = dict(zip(order, segments, strict=True))
        assert overlap(by_row[0], visible, boxes[0]) > 0.85
        assert overlap(by_row[1], near, boxes[1]) > 0.9
        assert by_row[0].quality < by_row[1].quality == 1


def test_same_picture_gives_the_same_masks_whatever_came_before():
    image = noisy(np.full((120, 160, 3), 90, np.uint8))
    boxes = np.array([[20, 20, 60, 110], [50, 10, 90, 100]])
    first = GrabCutSegmenter().segment(image, boxes)
    cv2.setRNGSeed(77)
    second = GrabCutSegmenter().segment(image, boxes)
    assert all((a.pixels == b.pixels).all() for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize(
    "box", [[0, 0, 1, 1], [5, 5, 6, 40], [0, 0, 160, 120], [159, 119, 160, 120], [0, 0, 2, 2]]
)
def test_tiny_and_huge_boxes_have_an_answer(box):
    image = noisy(np.full((120, 160, 3), 90, np.uint8))
    (segment,) = GrabCutSegmenter().segment(image, np.array([box]))
    assert segment.pixels.shape == (box[3] - box[1], box[2] - box[0])


def test_large_boxes_are_worked_at_in_small():
    image = np.full((600, 400, 3), (70, 90, 70), np.uint8)
    pixels = person(image, (200, 300), (200, 60, 60), height=500)
    box = box_of(pixels)
    config = GrabCutConfig(longest_side=64)
    (segment,) = GrabCutSegmenter(config).segment(noisy(image), np.array([box]))
    assert overlap(segment, pixels, box) > 0.9


def test_no_boxes_no_segments():
    assert (
        list(GrabCutSegmenter().segment(np.zeros((9, 9, 3), np.uint8), np.zeros((0, 4), int)))
        == []
    )
