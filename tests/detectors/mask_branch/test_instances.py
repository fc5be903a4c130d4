"""Ragged bitmaps move as the pictures that they were cut from."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.models.detection.roi_heads import project_masks_on_boxes
from torchvision.ops import roi_align

from faimtrack.detectors.mask_branch.instances import InstanceMasks
from faimtrack.masks.mask import Mask

HEIGHT, WIDTH = 24, 40


def blobs(count, seed=0, height=HEIGHT, width=WIDTH):
    """`(count, height, width)` bool: rectangles with holes, away from the edges."""
    random = np.random.default_rng(seed)
    pixels = np.zeros((count, height, width), dtype=bool)
    for each in pixels:
        top, left = random.integers(2, height // 2), random.integers(2, width // 2)
        bottom, right = random.integers(top + 2, height - 2), random.integers(left + 2, width - 2)
        each[top:bottom, left:right] = random.random((bottom - top, right - left)) > 0.3
        each[top, left] = each[bottom - 1, right - 1] = True
    return pixels


def masks_of(pixels):
    return InstanceMasks.from_masks(
        [None if each is None else Mask.encode(each) for each in pixels]
    )


pictures = st.lists(
    st.one_of(st.none(), st.integers(0, 10**6).map(lambda seed: blobs(1, seed)[0])), max_size=4
)


def dense_of(pictures):
    """The pictures as one tensor; who has no mask covers nothing."""
    empty = np.zeros((HEIGHT, WIDTH), dtype=bool)
    stacked = [empty if each is None else each for each in pictures]
    return torch.from_numpy(np.array(stacked, dtype=bool).reshape(-1, HEIGHT, WIDTH))


@settings(deadline=None, max_examples=40)
@given(pictures)
def test_masks_come_back_as_they_were(pictures):
    masks = masks_of(pictures)
    assert len(masks) == len(pictures)
    assert masks.present.tolist() == [each is not None for each in pictures]
    assert torch.equal(masks.dense(HEIGHT, WIDTH), dense_of(pictures))


@settings(deadline=None, max_examples=40)
@given(pictures)
def test_a_flip_mirrors_the_picture(pictures):
    flipped = masks_of(pictures).flipped(WIDTH)
    assert torch.equal(flipped.dense(HEIGHT, WIDTH), dense_of(pictures).flip(2))


@settings(deadline=None, max_examples=40)
@given(pictures, st.integers(-30, 30), st.integers(-30, 30))
def test_a_shift_moves_the_picture(pictures, dx, dy):
    canvas = torch.zeros(len(pictures), HEIGHT + 60, WIDTH + 60, dtype=torch.bool)
    canvas[:, 30 + dy : 30 + dy + HEIGHT, 30 + dx : 30 + dx + WIDTH] = dense_of(pictures)
    shifted = masks_of(pictures).shifted(dx + 30, dy + 30)
    assert torch.equal(shifted.dense(HEIGHT + 60, WIDTH + 60), canvas)


@settings(deadline=None, max_examples=40)
@given(pictures, st.integers(1, 3), st.integers(1, 3))
def test_whole_scales_repeat_pixels_and_their_inverse_brings_them_back(pictures, x, y):
    scaled = masks_of(pictures).scaled(x, y)
    repeated = dense_of(pictures).repeat_interleave(y, 1).repeat_interleave(x, 2)
    assert torch.equal(scaled.dense(HEIGHT * y, WIDTH * x), repeated)
    assert torch.equal(scaled.scaled(1 / x, 1 / y).dense(HEIGHT, WIDTH), dense_of(pictures))


@settings(deadline=None, max_examples=40)
@given(
    pictures, st.integers(-5, WIDTH), st.integers(-5, HEIGHT), st.integers(0, WIDTH + 5),
    st.integers(0, HEIGHT + 5),
)  # fmt: skip
def test_a_cut_leaves_nothing_outside_and_everything_inside(pictures, left, top, width, height):
    expected = torch.zeros(len(pictures), HEIGHT, WIDTH, dtype=torch.bool)
    window = np.s_[:, max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)]
    expected[window] = dense_of(pictures)[window]
    cut = masks_of(pictures).cut(left, top, left + width, top + height)
    assert torch.equal(cut.dense(HEIGHT, WIDTH), expected)
    assert torch.equal(cut.present, expected.flatten(1).any(1))


@settings(deadline=None, max_examples=40)
@given(pictures, pictures, st.data())
def test_rows_are_chosen_and_joined_in_order(first, second, data):
    joined = InstanceMasks.concatenate([masks_of(first), masks_of(second)])
    both = dense_of([*first, *second])
    assert torch.equal(joined.dense(HEIGHT, WIDTH), both)
    if len(joined):
        rows = torch.tensor(data.draw(st.lists(st.integers(0, len(joined) - 1), max_size=5)))
        rows = rows.long()
        assert torch.equal(joined.select(rows).dense(HEIGHT, WIDTH), both[rows])
    kept = joined.select(joined.present)
    assert torch.equal(kept.dense(HEIGHT, WIDTH), both[both.flatten(1).any(1)])


def boxes_inside(count, random):
    """Boxes of any size that do not leave the picture."""
    low = random.random((count, 2)) * (WIDTH / 2, HEIGHT / 2)
    sides = 3 + random.random((count, 2)) * ((WIDTH, HEIGHT) - low - 3)
    return torch.from_numpy(np.concatenate([low, low + sides], 1)).float()


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.sampled_from([7, 14, 28]))
def test_samples_are_what_torchvision_pools_from_the_dense_mask(seed, size):
    pixels = torch.from_numpy(blobs(3, seed))
    boxes, rows = boxes_inside(5, np.random.default_rng(seed)), torch.tensor([2, 0, 1, 1, 0])
    sampled = masks_of(pixels.numpy()).sample(boxes, rows, size)
    rois = torch.cat([rows[:, None].float(), boxes], dim=1)
    dense = pixels[:, None].float()
    pooled = roi_align(dense, rois, (size, size), sampling_ratio=2, aligned=True)[:, 0]
    assert sampled.shape == (5, size, size)
    torch.testing.assert_close(sampled, pooled, rtol=0, atol=1e-4)


def test_samples_are_near_to_the_targets_of_torchvision_s_mask_rcnn():
    rows, columns = np.mgrid[:120, :90]
    disc = (rows - 60) ** 2 + (columns - 45) ** 2 < 35**2
    boxes = torch.tensor([[10.0, 25, 80, 95], [30, 30, 60, 90], [12, 20, 50, 70]])
    objects = torch.tensor([0, 0, 0])
    theirs = project_masks_on_boxes(torch.from_numpy(disc[None]).float(), boxes, objects, 28)
    # Theirs lies half a pixel off: they pool without aligning.
    ours = masks_of([disc]).sample(boxes + 0.5, objects, 28)
    assert float((ours - theirs).abs().mean()) < 0.01
    assert float(((ours > 0.5) != (theirs > 0.5)).float().mean()) < 0.02


def test_samples_follow_scales_shifts_and_flips():
    pixels, boxes = blobs(4, 3), boxes_inside(4, np.random.default_rng(0))
    masks, rows = masks_of(pixels), torch.arange(4)
    before = masks.sample(boxes, rows, 14)
    moved = masks.scaled(0.6, 1.3).shifted(7, -3)
    boxes_moved = boxes * torch.tensor([0.6, 1.3, 0.6, 1.3]) + torch.tensor([7, -3, 7, -3])
    torch.testing.assert_close(moved.sample(boxes_moved, rows, 14), before, rtol=0, atol=1e-3)
    mirrored = torch.stack([WIDTH - boxes[:, 2], boxes[:, 1], WIDTH - boxes[:, 0], boxes[:, 3]], 1)
    flipped = masks.flipped(WIDTH).sample(mirrored, rows, 14)
    torch.testing.assert_close(flipped.flip(2), before, rtol=0, atol=1e-3)


def test_objects_without_a_mask_sample_as_nothing_and_shift_nobody_else_s():
    pixels, boxes = blobs(3), boxes_inside(3, np.random.default_rng(1))
    expected = masks_of(pixels).sample(boxes, torch.arange(3), 14)
    nothing = np.zeros((HEIGHT, WIDTH), dtype=bool)
    masks = masks_of([None, pixels[0], nothing, pixels[1], pixels[2], None])
    assert masks.present.tolist() == [False, True, False, True, True, False]
    assert torch.equal(masks.sample(boxes, torch.tensor([1, 3, 4]), 14), expected)
    assert not masks.sample(boxes, torch.tensor([0, 2, 5]), 14).any()
    none = InstanceMasks.none(2)
    assert not none.present.any()
    assert not none.sample(boxes, torch.tensor([0, 1, 1]), 14).any()
    assert none.sample(boxes[:0], torch.tensor([], dtype=torch.int64), 14).shape == (0, 14, 14)


def test_no_method_changes_what_it_is_asked_of():
    masks = masks_of([*blobs(2), None])
    before = [getattr(masks, name).clone() for name in vars(masks)]
    masks.scaled(2, 3), masks.shifted(1, 1), masks.flipped(WIDTH), masks.cut(0, 0, 9, 9)
    masks.select(torch.tensor([0])), masks.concatenate([masks, masks]), masks.to("cpu")
    masks.sample(torch.tensor([[0.0, 0, 9, 9]]), torch.tensor([0]), 7)
    assert all(
        torch.equal(getattr(masks, name), old)
        for name, old in zip(vars(masks), before, strict=True)
    )


def test_a_cut_between_pixels_keeps_those_whose_centres_are_inside():
    masks = masks_of([np.ones((4, 4), dtype=bool)]).scaled(3, 3).cut(4, 0, 12, 7.6)
    assert (int(masks.widths[0]), int(masks.heights[0])) == (3, 3)
    assert masks.rectangles.tolist() == [[3, 0, 12, 9]]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_masks_of_a_gpu_sample_the_same():
    masks = masks_of([*blobs(3), None])
    boxes, rows = boxes_inside(4, np.random.default_rng(0)), torch.arange(4)
    there = masks.pin_memory().to("cuda").sample(boxes.cuda(), rows.cuda(), 14)
    torch.testing.assert_close(there.cpu(), masks.sample(boxes, rows, 14), rtol=0, atol=1e-5)
