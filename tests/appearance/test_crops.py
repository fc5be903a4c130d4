import numpy as np
import pytest

from faimtrack.appearance.config import EmbedderConfig
from faimtrack.appearance.crops import CropEmbedding, CropInput
from faimtrack.structures import Frame

MEAN = np.array([0.485, 0.456, 0.406])
DEVIATION = np.array([0.229, 0.224, 0.225])


def filled(crop, **settings):
    out = np.full((3, *crop.shape[:2]), np.nan, np.float32)
    CropInput(*crop.shape[:2], **settings).fill(crop, out)
    return out


@pytest.mark.parametrize(
    ("normalisation", "expected"),
    [
        ("imagenet", lambda crop: (crop / 255 - MEAN) / DEVIATION),
        ("unit", lambda crop: crop / 255),
        ("none", lambda crop: crop),
    ],
)
def test_pixels_are_normalised_as_asked(frame, normalisation, expected):
    crop = frame.image[3:13, 5:11]
    wanted = expected(crop.astype(float)).transpose(2, 0, 1)
    np.testing.assert_allclose(filled(crop, normalisation=normalisation), wanted, atol=1e-5)


def test_channels_come_in_the_order_asked_for_with_their_own_numbers(frame):
    crop = frame.image[3:13, 5:11]
    rgb, bgr = filled(crop), filled(crop, colour_order="bgr")
    assert np.array_equal(bgr, rgb[::-1])
    assert not np.array_equal(bgr, rgb)


def test_a_crop_is_resized_bilinearly():
    crop = np.zeros((2, 2, 3), np.uint8)
    crop[:, 1] = 200
    out = np.empty((3, 2, 4), np.float32)
    CropInput(2, 4, "none").fill(crop, out)
    assert out[0].tolist() == [[0, 50, 150, 200]] * 2


def mean_colour(inputs):
    return inputs.mean(axis=(2, 3))


def embedding(run=mean_colour, *, batch_size=4, full=False):
    return CropEmbedding(CropInput(16, 8, "none"), run, 3, batch_size, full, "net")


def test_vectors_stand_where_their_boxes_are_and_zeros_where_nothing_shows():
    image = np.zeros((40, 60, 3), np.uint8)
    image[:, :20], image[:, 20:40], image[:, 40:] = (200, 0, 0), (0, 100, 0), (0, 0, 50)
    boxes = np.array(
        [[45, 0, 55, 9], [3, 3, 3, 9], [70, 0, 80, 9], [-9, -9, 15, 9], [25, 5, 35, 30]]
    )
    vectors = embedding().embed(Frame(1, image=image), boxes)
    assert vectors.dtype == np.float32
    assert vectors.tolist() == [[0, 0, 1], [0, 0, 0], [0, 0, 0], [1, 0, 0], [0, 1, 0]]


@pytest.mark.parametrize("full", [False, True])
def test_all_people_of_a_frame_go_in_batches_and_fare_as_alone(frame, full):
    sizes = []

    def run(inputs):
        sizes.append(len(inputs))
        return mean_colour(inputs)

    random = np.random.default_rng(0)
    corners = random.uniform(0, 30, (10, 2))
    boxes = np.concatenate([corners, corners + random.uniform(2, 20, (10, 2))], axis=1)
    vectors = embedding(run, full=full).embed(frame, boxes)
    assert sizes == ([4, 4, 4] if full else [4, 4, 2])
    alone = np.concatenate([embedding().embed(frame, box[None]) for box in boxes])
    assert np.array_equal(vectors, alone)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_nothing_is_decoded_or_run_without_boxes():
    def run(inputs):
        raise AssertionError("was run")

    assert embedding(run).embed(Frame(1), np.zeros((0, 4))).shape == (0, 3)
    outside = embedding(run).embed(
        Frame(1, image=np.zeros((9, 9, 3), np.uint8)), np.array([[20, 20, 30, 30]])
    )
    assert outside.tolist() == [[0, 0, 0]]


def test_inputs_stay_as_they_are(frame):
    image, boxes = frame.image.copy(), np.array([[-5.0, 2, 20, 30]])
    kept = boxes.copy()
    embedding().embed(frame, boxes)
    assert np.array_equal(frame.image, image)
    assert np.array_equal(boxes, kept)


def test_a_frame_without_pixels_is_named():
    with pytest.raises(ValueError, match="frame 9: there are no images in this sequence"):
        embedding().embed(Frame(9), np.array([[0, 0, 5, 5]]))


def test_numbers_that_are_not_finite_are_named_with_frame_and_box(frame):
    def run(inputs):
        answers = mean_colour(inputs)
        answers[1, 2] = np.nan
        return answers

    boxes = np.array([[0, 0, 5, 5], [70, 0, 80, 9], [1, 2, 9, 9]])
    expected = r"net: expected finite numbers, got others for the box \[1.0, 2.0, .* of frame 7"
    with pytest.raises(ValueError, match=expected):
        embedding(run).embed(frame, boxes)


def test_the_kind_tells_everything_that_changes_a_vector():
    kinds = {
        CropInput.of_config(config, size).kind
        for config in (
            EmbedderConfig(),
            EmbedderConfig(normalisation="unit"),
            EmbedderConfig(normalisation="none"),
            EmbedderConfig(colour_order="bgr"),
        )
        for size in ((256, 128), (128, 64))
    }
    assert len(kinds) == 8
    assert "crop-256x128-imagenet-rgb" in kinds
