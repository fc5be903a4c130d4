"""Our run lengths against pycocotools."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools import mask as coco

from faimtrack.run_lengths import (
    decode_counts,
    decode_window,
    do_overlap,
    encode_counts,
    encode_window,
    separate_masks,
)

SIDES = st.integers(1, 12)
SIZES = st.tuples(SIDES, SIDES)


def pictures(size, count=1):
    return arrays.arrays(bool, (count, *size))


def encoded(pixels):
    return coco.encode(np.asfortranarray(pixels, np.uint8))


def decoded(mask):
    pixels = np.zeros(mask["size"], bool)
    window, covered = decode_window(mask)
    pixels[window] = covered
    return pixels


@given(SIZES.flatmap(pictures))
def test_masks_are_read_and_written_as_pycocotools_does(pixels):
    mask = encoded(pixels[0])
    assert encode_counts(decode_counts(mask["counts"])) == mask["counts"]
    assert np.array_equal(decoded(mask), pixels[0])
    assert encode_window(mask["size"], *decode_window(mask)) == mask
    height, width = pixels[0].shape
    assert encode_window(mask["size"], np.s_[0:height, 0:width], pixels[0]) == mask


@pytest.mark.parametrize("lengths", [[4], [0, 4], [3, 1, 2**20, 1, 5], [2**33, 1, 0, 2**33]])
def test_runs_of_any_length_come_back(lengths):
    assert decode_counts(encode_counts(np.array(lengths))).tolist() == lengths


@given(SIZES.flatmap(lambda size: pictures(size, 4)), st.permutations(range(4)))
def test_a_pixel_of_several_masks_stays_with_the_first_in_order(pixels, order):
    masks = [encoded(each) for each in pixels]
    assert do_overlap(masks) == bool((pixels.sum(axis=0) > 1).any())
    apart = separate_masks(masks, order)
    assert not do_overlap(apart)
    taken = np.zeros(pixels[0].shape, bool)
    for row in order:
        assert np.array_equal(decoded(apart[row]), pixels[row] & ~taken)
        assert apart[row] == encoded(pixels[row] & ~taken)
        taken |= pixels[row]


def test_masks_of_several_sizes_are_not_of_one_frame():
    masks = [encoded(np.ones((2, 3), bool)), encoded(np.ones((3, 2), bool))]
    with pytest.raises(ValueError, match="masks: expected one size in a frame"):
        separate_masks(masks, [0, 1])


def test_no_masks_are_apart():
    assert separate_masks([], []) == []
    assert not do_overlap([])
