"""Recipes of video object detectors: twins, defaults by name, and what they refuse."""

import pytest

from faimtrack.detectors.video.detector_config import VideoDetectorConfig
from faimtrack.recipes import recipe_names
from faimtrack.training.config import DataConfig
from faimtrack.training.recipe import resolve_training_recipe
from faimtrack.training.schedule import Schedule
from faimtrack.training.video.config import VideoFramesConfig, VideoTrainingNetworkConfig

DETECTORS = [
    name for name in recipe_names()
    if name.partition("/")[2].startswith(("faim", "yolov-", "yolov"))
]  # fmt: skip
TWINS = [
    *((f"vid/yolov-{size}", f"vid/faim-{size}") for size in "slx"),
    ("ovis/yolov-x", "ovis/faim-x"),
    ("epic/yolov-x", "epic/faim-x"),
    ("crowd/yolov", "crowd/faim"),
]


def leaves(tree, prefix=""):
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def differences(first, second):
    ours, theirs = (dict(leaves(resolve_training_recipe(each).tree())) for each in (first, second))
    return {key for key in ours.keys() | theirs.keys() if ours.get(key, ...) != theirs.get(key)}


@pytest.mark.parametrize(("yolov", "faim"), TWINS)
def test_faim_differs_from_its_twin_in_name_partner_and_masks_alone(yolov, faim):
    found = differences(yolov, faim)
    assert {key for key in found if not key.startswith("mask_branch.")} == {
        "network.name", "network.partner",
    }  # fmt: skip
    assert "mask_branch.level" in found


@pytest.mark.parametrize("dataset", ["vid/{}-s", "crowd/{}"])
def test_yolov_with_ifem_stands_between_the_two(dataset):
    yolov, middle, faim = (dataset.format(name) for name in ("yolov", "yolov-ifem", "faim"))
    assert all(key.startswith("mask_branch.") for key in differences(yolov, middle))
    assert differences(middle, faim) == {"network.name", "network.partner"}


@pytest.mark.parametrize("name", DETECTORS)
def test_every_recipe_of_the_paper_resolves_and_can_be_written_and_read(name, tmp_path):
    import yaml

    recipe = resolve_training_recipe(name)
    assert recipe.family == "video"
    assert isinstance(recipe.network, VideoTrainingNetworkConfig)
    assert isinstance(recipe.tracking.detector, VideoDetectorConfig)
    assert recipe.network.proposals == recipe.tracking.detector.proposals
    assert recipe.network.frozen == "base"
    assert recipe.assignment["radius"] == 4.5
    assert recipe.losses["iou_weight"] == 3.0
    assert recipe.losses["refined_weight"] == 2.0
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe.tree()))
    assert resolve_training_recipe(path).tree() == recipe.tree()


@pytest.mark.parametrize(
    ("size", "epochs", "lowest", "plain"), [("s", 7, 0.3, 2), ("l", 10, 0.5, 4), ("x", 20, 0.5, 4)]
)
def test_schedules_are_those_of_the_authors_code(size, epochs, lowest, plain):
    for kind in ("faim", "yolov"):
        recipe = resolve_training_recipe(f"vid/{kind}-{size}")
        schedule = Schedule(config=recipe.schedule, image_count=15000, sample_images=16)
        assert schedule.steps_per_epoch == schedule.warm_up_steps == 15000
        assert schedule.total_steps == epochs * 15000
        assert schedule.plain_from == (epochs - plain) * 15000
        assert schedule.rate_at(15000) == pytest.approx(5e-4)
        assert schedule.rate_at(epochs * 15000 - 1) == pytest.approx(5e-4 * lowest)
        assert recipe.schedule.averaging == 0.9998
        assert recipe.data.group_frames == 16
        assert recipe.data.epoch_groups == 15000
        changes = recipe.augmentation
        assert (changes.smallest_input * 32, changes.largest_input * 32) == (352, 672)


@pytest.mark.parametrize("name", ["vid/yolox-s", "vid/yolox-x", "ovis/yolox-x", "epic/yolox-x",
                                  "crowd/yolox-objects"])  # fmt: skip
def test_base_detectors_learn_from_single_frames(name):
    recipe = resolve_training_recipe(name)
    assert recipe.family == "yolox"
    assert recipe.learns_from_videos
    assert isinstance(recipe.data, VideoFramesConfig)
    assert recipe.validation.choose_by == "AP50"
    if name.startswith("vid/"):
        assert recipe.data.stride == 10
        assert recipe.data.det


def test_recipes_about_people_stay_what_they_were():
    recipe = resolve_training_recipe("crowd/bytetrack")
    assert isinstance(recipe.data, DataConfig)
    assert recipe.validation.choose_by == "HOTA"
    assert not recipe.learns_from_videos
    faim = resolve_training_recipe("mot20-half/faim-s")
    assert faim.network.proposals == 400
    assert faim.validation.choose_by == "HOTA"


def test_the_partner_follows_from_the_name():
    recipe = resolve_training_recipe("crowd/faim", overrides=["network.name=yolov-tiny"])
    assert recipe.network.partner == "regression"
    old = resolve_training_recipe(
        "crowd/yolov", overrides=["network.preset=yolov-post-2023", "network.heads=8"]
    )
    assert (old.network.partner_confidence, old.network.heads) == (False, 8)
    assert old.network.building.heads == 8


@pytest.mark.parametrize(
    ("name", "override", "message"),
    [
        ("crowd/faim", "network.partner=regression",
         r"network.partner: expected instance for faim-nano, got regression"),
        ("crowd/faim", "network.name=faim-q", "the nearest is faim-"),
        ("crowd/faim", "data.sampling=random", "data.sampling: expected .*global.*, got 'random'"),
        ("crowd/faim", "data.split=train-half", "split: expected full of crowd, got 'train-half'"),
        ("crowd/faim", "data.det=true", "det: expected"),
        ("crowd/faim", "augmentation.mosaic_probability=1",
         "mosaic_probability: expected 0 where clips are learnt"),
        ("crowd/faim-people", "data.crowd_human=true", "crowd_human: expected false"),
        ("crowd/faim", "data.grop_frames=3", "unknown key; the nearest is data.group_frames"),
        ("crowd/faim", "mask_branch.channel=other", "channel: expected .*predicted"),
        ("crowd/yolov", "mask_branch.channel=predicted", "expected a recipe with a mask branch"),
        ("crowd/bytetrack", "data.group_frames=3", "unknown key"),
        ("vid/yolox-s", "data.dataset=ovis", "det: expected true with dataset vid only"),
        ("crowd/yolox-objects", "data.dataset=mot", "data.dataset: expected"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(name, override, message):
    with pytest.raises(ValueError, match=message):
        resolve_training_recipe(name, overrides=[override])
