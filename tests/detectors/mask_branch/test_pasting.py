"""Masks of boxes become masks of frames."""

import numpy as np
import pytest

from faimtrack.detectors.mask_branch.pasting import paste_masks
from faimtrack.run_lengths import decode_window

SIZE = 60, 80


def decoded(mask):
    pixels = np.zeros(mask["size"], dtype=bool)
    window, covered = decode_window(mask)
    pixels[window] = covered
    return pixels


def test_a_grid_as_fine_as_the_pixels_comes_through_as_it_is():
    grid = np.random.default_rng(0).random((1, 20, 20)).astype(np.float32)
    (mask,) = paste_masks(grid, np.array([[30.0, 10, 50, 30]]), SIZE)
    expected = np.zeros(SIZE, dtype=bool)
    expected[10:30, 30:50] = grid[0] >= 0.5
    assert mask["size"] == [60, 80]
    assert np.array_equal(decoded(mask), expected)


def test_pixels_are_read_between_cells_and_only_inside_of_the_box():
    grid = np.array([[[1.0, 0.0], [1.0, 0.0]]])
    (mask,) = paste_masks(grid, np.array([[10.0, 20, 30, 40]]), SIZE)
    expected = np.zeros(SIZE, dtype=bool)
    expected[20:40, 10:20] = True
    assert np.array_equal(decoded(mask), expected)
    (lower,) = paste_masks(grid, np.array([[10.0, 20, 30, 40]]), SIZE, threshold=0.25)
    expected[20:40, 10:23] = True  # probability falls from 1 to 0 over ten pixels
    assert np.array_equal(decoded(lower), expected)


def test_what_reaches_out_of_the_frame_is_cut_and_boxes_beside_it_are_empty():
    grid = np.ones((5, 7, 7), np.float32)
    boxes = np.array(
        [[-10.0, -5, 10, 8], [70, 50, 95, 70], [-30, 0, -5, 20], [5.6, 5, 6.4, 9], [9, 9, 9, 9]]
    )
    masks = [decoded(mask) for mask in paste_masks(grid, boxes, SIZE)]
    assert masks[0].sum() == 10 * 8
    assert masks[1].sum() == 10 * 10
    assert not any(mask.any() for mask in masks[2:])


def test_no_boxes_give_no_masks():
    assert paste_masks(np.zeros((0, 7, 7), np.float32), np.zeros((0, 4)), SIZE) == ()


def test_pasting_undoes_sampling(scene):
    import torch

    grids = scene.masks[0].sample(scene.boxes, torch.tensor([0, 1]), 28).numpy()
    masks = paste_masks(grids, scene.boxes.numpy(), scene.dense.shape[2:])
    for mask, truth in zip(masks, scene.dense[0], strict=True):
        given = decoded(mask)
        assert (given & truth).sum() / (given | truth).sum() > 0.97
    with pytest.raises(ValueError, match="shorter"):
        paste_masks(grids, scene.boxes[:1].numpy(), SIZE)
