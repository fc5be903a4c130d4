import hashlib
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from faimtrack.datasets.annotated import AnnotatedImage
from faimtrack.detectors.faster_rcnn.sizes import scaled_size
from faimtrack.detectors.yolox.letterbox import letterbox
from faimtrack.masks.mask import Mask
from faimtrack.training.augmentation.config import AugmentationConfig
from faimtrack.training.augmentation.make import make_sample

PLAIN = {"hue_gain": 0, "saturation_gain": 0, "value_gain": 0, "colour_probability": 0}
STYLES = {
    "letterbox": {},
    "mosaic": {"mosaic_probability": 1, "smallest_scale": 0.5, "largest_scale": 1.5},
    "turned": {
        "mosaic_probability": 1, "smallest_scale": 0.6, "largest_scale": 1.5, "rotation": 20,
        "shear": 5,
    },
    "faster-rcnn": {"style": "faster-rcnn"},
}  # fmt: skip
SIZE = 128, 160
ABSENT = (0, 3, 5, 10)


def make(images, index=0, *, seed=0, epoch=0, size=SIZE, strong=True, **changes):
    config = AugmentationConfig(**changes)
    return make_sample(
        images, index, config, seed=seed, epoch=epoch, input_size=size, strong=strong
    )


def sample_bytes(sample):
    tensors = [sample.image, sample.boxes, sample.class_ids]
    tensors += [sample.masks.pixels, sample.masks.rectangles, sample.masks.heights]
    return b"".join(each.numpy().tobytes() for each in tensors) + repr(sample.names).encode()


def digest(sample):
    return hashlib.sha256(sample_bytes(sample)).hexdigest()


def grown(pixels, by):
    """Pixels with a rim of `by` more, or less; nothing is known beyond the borders."""
    kernel = np.ones((2 * abs(by) + 1,) * 2, np.uint8)
    change = cv2.dilate if by > 0 else cv2.erode
    return change(
        pixels.astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0
    ).astype(bool)


def tight_box(pixels):
    ys, xs = np.nonzero(pixels)
    return np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])


def check_painted(sample, palette, picture=None, *, absent=()):
    """Each mask is where its object's colour is, and the box is around it."""
    pixels = (sample.image if picture is None else picture).permute(1, 2, 0).numpy().astype(int)
    height, width = pixels.shape[:2]
    masks = sample.masks.dense(height, width).numpy()
    kinds = sample.class_ids.tolist()
    assert not any(
        kind in absent and present
        for kind, present in zip(kinds, sample.masks.present.tolist(), strict=True)
    )
    for number, kind in enumerate(kinds):
        box, mask = sample.boxes[number].numpy(), masks[number]
        assert (box[:2] >= 0).all()
        assert (box[:2] < box[2:]).all()
        assert (box[2:] <= (width, height)).all()
        if kind in absent:
            continue
        painted = np.abs(pixels - palette[kind].astype(int)).max(axis=-1) <= 4
        # Pixels of a mosaic are read twice between their neighbours: three may be blended.
        assert painted[grown(mask, -3)].all()
        # A mosaic may show the same image several times, and one of an object's copies may be so
        # far out of view that it is left out: at the border there is paint without a mask.
        of_kind = masks[sample.class_ids.numpy() == kind].any(axis=0)
        rim = 2 if len(set(sample.names)) < len(sample.names) else 0
        inside = (slice(rim, height - rim), slice(rim, width - rim))
        assert grown(of_kind, 2)[inside][painted[inside]].all()
        if mask.any():
            tight = tight_box(mask)
            assert (tight[:2] >= box[:2] - 1.01).all()
            assert (tight[2:] <= box[2:] + 1.01).all()


@pytest.mark.parametrize("style", STYLES)
@settings(max_examples=25, deadline=None)
@given(
    data_seed=st.integers(0, 3), seed=st.integers(0, 10**6), index=st.integers(0, 3),
    size=st.sampled_from([(128, 160), (96, 96), (64, 128)]),
)  # fmt: skip
def test_masks_and_boxes_stay_on_their_objects(
    painted, palette, style, data_seed, seed, index, size
):
    images = painted(data_seed, absent=ABSENT)
    sample = make(images, index, seed=seed, size=size, **PLAIN, **STYLES[style])
    assert sample.image.dtype == torch.uint8
    assert sample.image.is_contiguous()
    assert sample.boxes.dtype == torch.float32
    assert sample.class_ids.dtype == torch.int64
    assert len(sample.masks) == len(sample.boxes) == len(sample.class_ids)
    check_painted(sample, palette, absent=ABSENT)


@pytest.mark.parametrize("style", ["letterbox", "mosaic", "faster-rcnn"])
def test_boxes_stay_tight_around_objects_that_are_not_cut(painted, style):
    compared = 0
    for seed in range(12):
        changes = PLAIN | STYLES[style]
        sample = make(painted(seed % 4), seed % 3, seed=seed, **changes)
        whole = make(painted(seed % 4), seed % 3, seed=seed, clip_boxes=False, **changes)
        is_whole = (sample.boxes == whole.boxes).all(dim=1)
        rectangles = sample.masks.rectangles[is_whole]
        assert torch.allclose(rectangles, sample.boxes[is_whole], atol=1e-3)
        compared += len(rectangles)
    assert compared > 20


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), is_smaller=st.booleans())
def test_mixup_blends_another_image_with_its_objects(painted, palette, seed, is_smaller):
    images = painted(1, absent=ABSENT)
    scales = (0.5, 0.9) if is_smaller else (1.1, 1.5)
    changes = PLAIN | STYLES["mosaic"]
    changes |= {"smallest_mixup_scale": scales[0], "largest_mixup_scale": scales[1]}
    alone = make(images, seed=seed, **changes)
    mixed = make(images, seed=seed, mixup_probability=1, **changes)
    count = len(alone.boxes)
    if not count:
        return
    assert torch.equal(mixed.boxes[:count], alone.boxes)
    assert len(mixed.names) == len(alone.names) + 1
    partner = (2 * mixed.image.int() - alone.image.int()).clamp(0, 255)
    rows = torch.arange(len(mixed.boxes)) >= count
    added = type(mixed)(
        mixed.image,
        mixed.boxes[rows],
        mixed.class_ids[rows],
        mixed.masks.select(rows),
        mixed.names,
    )
    check_painted(added, palette, partner, absent=ABSENT)


def test_mixup_does_happen_and_adds_objects(painted):
    images = painted(1)
    counts = [
        [
            len(make(images, seed=seed, mixup_probability=p, mosaic_probability=1).boxes)
            for seed in range(8)
        ]
        for p in (0, 1)
    ]
    assert sum(counts[1]) > sum(counts[0])


@pytest.mark.parametrize("style", STYLES)
def test_a_sample_depends_on_seed_epoch_and_index_alone(painted, style):
    images, changes = painted(2), STYLES[style]
    first = digest(make(images, 1, seed=5, epoch=2, **changes))
    for other in ((0, 5, 2), (1, 6, 2), (1, 5, 3)):
        index, seed, epoch = other
        assert digest(make(images, index, seed=seed, epoch=epoch, **changes)) != first
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    random.seed(1)
    states = np.random.get_state()[1].tobytes(), torch.get_rng_state(), random.getstate()  # noqa: NPY002
    assert digest(make(images, 1, seed=5, epoch=2, **changes)) == first
    assert np.random.get_state()[1].tobytes() == states[0]  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), states[1])
    assert random.getstate() == states[2]


@pytest.mark.slow  # importing torch and torchvision anew takes most of it
def test_a_sample_is_the_same_in_another_process(tmp_path, painted_class):
    here = Path(__file__).parent
    code = (
        "import importlib.util, sys; from pathlib import Path\n"
        "def load(path):\n"
        "    spec = importlib.util.spec_from_file_location(Path(path).stem, path)\n"
        "    module = importlib.util.module_from_spec(spec); spec.loader.exec_module(module)\n"
        "    return module\n"
        "here = Path(sys.argv[1]); painted = load(here / 'conftest.py').Painted(sys.argv[2], 3)\n"
        "print(*load(here / 'test_make.py').digests(painted))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(here), str(tmp_path)],
        capture_output=True, text=True, timeout=200, check=True,
    )  # fmt: skip
    images = painted_class(tmp_path, 3)
    make(images, 1, seed=3)
    torch.rand(5)
    assert done.stdout.split() == digests(images)


def digests(images):
    return [
        digest(make(images, 2, seed=9, **changes))
        for changes in (STYLES["turned"] | {"mixup_probability": 1}, {"style": "faster-rcnn"})
    ]


@pytest.mark.parametrize("style", STYLES)
def test_masks_change_neither_pixels_nor_boxes(painted, style):
    for seed in range(5):
        with_masks = make(painted(2), 1, seed=seed, **STYLES[style])
        without = make(painted(2, read_masks=False), 1, seed=seed, **STYLES[style])
        assert torch.equal(with_masks.image, without.image)
        assert torch.equal(with_masks.boxes, without.boxes)
        assert not without.masks.present.any()


@pytest.mark.parametrize("style", STYLES)
def test_images_without_objects_are_samples_without_objects(painted, style):
    sample = make(painted(0, people=0), mixup_probability=1, **STYLES[style])
    assert sample.boxes.shape == (0, 4)
    assert sample.class_ids.shape == (0,)
    assert len(sample.masks) == 0


def test_without_chance_the_input_is_what_the_detector_sees(painted):
    images = painted(0)
    sample = make(images, flip_probability=0, **PLAIN)
    expected, ratio = letterbox(images[0].image(), SIZE)
    assert np.array_equal(sample.image.permute(1, 2, 0).numpy(), expected)
    assert torch.allclose(sample.boxes, torch.tensor(images[0].boxes * ratio).float())


def test_margins_are_grey_at_the_right_and_the_bottom_whatever_the_colours_do(painted):
    for seed in range(4):
        sample = make(painted(0), seed=seed, size=(128, 320), flip_probability=1)
        assert (sample.image[:, :, 192:] == 114).all()


def test_strong_changes_end_before_the_last_epochs(painted):
    changes = STYLES["mosaic"] | {"mixup_probability": 1}
    sample = make(painted(0), strong=False, **changes)
    assert sample.names == ("image 0",)
    assert torch.equal(sample.image, make(painted(0), strong=True).image)
    assert len(make(painted(0), strong=True, **changes).names) == 5


def test_flipping_is_drawn_by_itself(painted):
    images = painted(1)
    flipped = [
        not torch.equal(
            make(images, seed=seed, **PLAIN).image,
            make(images, seed=seed, flip_probability=0, **PLAIN).image,
        )
        for seed in range(40)
    ]
    assert 10 < sum(flipped) < 30


def test_colours_move_by_their_gains_at_most(painted):
    images = painted(1)
    plain = make(images, flip_probability=0, **PLAIN).image.permute(1, 2, 0).numpy()
    before = cv2.cvtColor(plain, cv2.COLOR_RGB2HSV).astype(int)
    moved = 0
    for seed in range(6):
        sample = make(images, seed=seed, flip_probability=0)
        after = cv2.cvtColor(sample.image.permute(1, 2, 0).numpy(), cv2.COLOR_RGB2HSV).astype(int)
        difference = np.abs(after - before)[..., 2]
        assert difference.max() <= 31
        turns = np.abs(after - before)[..., 0]
        is_coloured = (np.minimum(before, after)[..., 1:] > 90).all(axis=-1)
        assert np.minimum(turns, 180 - turns)[is_coloured].max() <= 7
        moved += difference.max() > 0
    assert moved > 0


def test_small_objects_are_left_out_with_their_masks(painted):
    images = painted(3)
    sample = make(images, smallest_box=31, flip_probability=0, **PLAIN)
    sides = sample.boxes[:, 2:] - sample.boxes[:, :2]
    assert 0 < len(sample.boxes) < len(images[0].boxes)
    assert (sides > 31).all()
    assert sample.masks.present.all()


def test_objects_of_which_too_little_is_left_are_left_out(painted):
    changes = PLAIN | STYLES["mosaic"]
    counts = [
        sum(len(make(painted(0), seed=seed, smallest_share=share, **changes).boxes)
            for seed in range(6))
        for share in (0.0, 0.5, 1.0)
    ]  # fmt: skip
    assert counts[0] > counts[1] > counts[2] > 0


def test_of_too_many_objects_the_largest_stay(painted):
    everything = make(painted(3), flip_probability=0, **PLAIN)
    sample = make(painted(3), flip_probability=0, most_objects=2, **PLAIN)
    sizes = (everything.boxes[:, 2:] - everything.boxes[:, :2]).prod(dim=1)
    rows = torch.sort(torch.argsort(-sizes, stable=True)[:2]).values
    assert torch.equal(sample.boxes, everything.boxes[rows])


def test_boxes_may_reach_out_of_the_input(painted):
    changes = PLAIN | STYLES["mosaic"]
    boxes = torch.cat(
        [make(painted(0), seed=seed, clip_boxes=False, **changes).boxes for seed in range(4)]
    )
    assert (boxes.min() < 0) or (boxes[:, 2].max() > SIZE[1])
    assert (boxes[:, 2:] > boxes[:, :2]).all()


def test_faster_rcnn_inputs_keep_the_image_s_proportions_and_fit(painted):
    image = painted(0)[0].image()
    for seed in range(6):
        sample = make(painted(0), seed=seed, style="faster-rcnn", size=(200, 200))
        assert max(sample.image.shape[1:]) <= 200
        sample = make(
            painted(0), seed=seed, style="faster-rcnn", size=(200, 200),
            smallest_resize=0.8, largest_resize=0.8,
        )  # fmt: skip
        ratio = 0.8 * 200 / image.shape[1]
        assert sample.image.shape[1:] == (round(image.shape[0] * ratio), 160)


def test_upright_images_are_scaled_as_when_a_faster_rcnn_detects(tmp_path):
    path = tmp_path / "upright.png"
    cv2.imwrite(str(path), np.zeros((320, 200, 3), np.uint8))
    image = AnnotatedImage(
        name="upright", path=path, boxes=np.zeros((0, 4)), class_ids=np.zeros(0, np.int64),
        track_ids=np.zeros(0, np.int64), visibilities=np.zeros(0),
    )  # fmt: skip
    sample = make(
        [image], style="faster-rcnn", size=(100, 200), smallest_resize=1.0, largest_resize=1.0
    )
    assert sample.image.shape[1:] == scaled_size((320, 200), (100, 200)) == (160, 100)


def test_masks_of_another_size_than_the_image_are_refused(painted):
    images = painted(0)
    wrong = Mask.encode(np.ones((5, 5), bool))
    image = replace(images[0], read_masks=lambda: (wrong,) * len(images[0]))
    with pytest.raises(ValueError, match=r"expected masks of 130 x 90 .* got 5 x 5 \(image 0\)"):
        make([image])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"smallest_scale": 2.0}, "smallest_scale: expected at most 1.0, got 2.0"),
        ({"smallest_input": 3}, "smallest_input and largest_input: expected both or neither"),
        ({"style": "detr"}, "style: expected yolox or faster-rcnn"),
    ],
)
def test_impossible_configurations_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        AugmentationConfig(**changes)


@pytest.mark.parametrize("preset", AugmentationConfig.preset_names())
def test_every_preset_makes_samples(painted, preset):
    config = AugmentationConfig.preset(preset)
    sample = make_sample(painted(0), 0, config, seed=0, epoch=0, input_size=(96, 128), strong=True)
    assert sample.image.shape[0] == 3
