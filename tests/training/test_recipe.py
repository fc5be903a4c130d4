"""Recipes of training: twins, unknown keys, impossible values."""

import pytest

from faimtrack.recipes import read_recipe_tree, recipe_names, resolve_recipe
from faimtrack.training.recipe import resolve_training_recipe

TRAINING = [name for name in recipe_names() if "network" in read_recipe_tree(name)]
MASKED = [name for name in TRAINING if "-mask" in name]
ROWS = ("bytetrack", "bytetrack-mask", "tracktor", "tracktor-mask")


def test_the_papers_rows_and_their_small_versions_are_there():
    assert {f"{place}/{row}" for place in ("mot20-half", "crowd") for row in ROWS} <= set(TRAINING)


@pytest.mark.parametrize("name", TRAINING)
def test_each_recipe_trains_and_tracks(name):
    recipe = resolve_training_recipe(name)
    assert recipe.tracking.tree() == resolve_recipe(name).tree()
    kinds = {"video": ("faim-", "yolov-")}.get(recipe.family, recipe.family)
    assert recipe.tree()["network"]["name"].startswith(kinds)


@pytest.mark.parametrize("name", MASKED)
def test_twins_differ_in_the_mask_branch_alone(name):
    plain = name[: name.index("-mask")]
    masked = resolve_training_recipe(name).tree()
    assert masked.pop("mask_branch")
    assert masked == resolve_training_recipe(plain).tree()


def test_what_the_authors_truly_ran_stands_in_the_recipe():
    recipe = resolve_training_recipe("mot20-half/bytetrack")
    network, schedule, changes = recipe.network, recipe.schedule, recipe.augmentation
    assert (network.name, network.input_height, network.input_width) == ("yolox-x", 896, 1600)
    assert schedule.epochs == 80
    assert schedule.learning_rate_per_image * schedule.batch_size == pytest.approx(0.001)
    assert (changes.smallest_input, changes.largest_input) == (20, 36)
    assert changes.mosaic_probability == changes.mixup_probability == 0
    assert recipe.data.split == "train-half"
    assert not recipe.data.crowd_human
    tracktor = resolve_training_recipe("mot20-half/tracktor").schedule
    assert tracktor.learning_rate_per_image * tracktor.batch_size == pytest.approx(0.02)
    assert (tracktor.epochs, tracktor.decay_epochs, tracktor.warm_up_steps) == (8, (6,), 100)


def test_what_the_paper_cites_stands_in_a_recipe_of_its_own():
    recipe = resolve_training_recipe("mot20-half/bytetrack-crowdhuman")
    schedule, changes = recipe.schedule, recipe.augmentation
    assert recipe.data.crowd_human
    assert schedule.learning_rate_per_image * schedule.batch_size == pytest.approx(0.0005)
    assert changes.mosaic_probability == changes.mixup_probability == 1
    assert (changes.smallest_scale, changes.largest_scale) == (0.1, 2.0)
    assert (changes.smallest_mixup_scale, changes.largest_mixup_scale) == (0.8, 1.6)
    assert (changes.smallest_input, changes.largest_input) == (20, 36)


def test_settings_are_changed_by_their_names():
    recipe = resolve_training_recipe(
        "mot20-half/bytetrack-mask",
        overrides=["mask_branch.source=box2mask", "epochs=3", "tracker.track_threshold=0.7"],
    )
    assert recipe.mask_branch.source == "box2mask"
    assert recipe.schedule.epochs == 3
    assert recipe.tracking.tracker.track_threshold == 0.7


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("epoch=3", "^epoch: unknown key; the nearest is epochs"),
        ("schedule.epoch=3", "^schedule.epoch: unknown key; the nearest is schedule.epochs"),
        ("tracker.track_treshold=3", "nearest is tracker.track_threshold"),
        ("schedule.batch_size=0", "batch_size: expected 1 or more, got 0"),
        ("schedule.batch_size=many", "schedule.batch_size: expected a valid integer"),
        ("input_height=100", "network.input_height: expected a multiple of 32, got 100"),
        ("network.name=yolox-q", "network.name: expected yolox-nano, .*the nearest is yolox-s"),
        ("augmentation.style=faster-rcnn", "augmentation.style: expected yolox for yolox-nano"),
        ("mask_branch.source=sam", "expected a recipe with a mask branch, got one without"),
        ("epochs", "epochs: expected key=value"),
    ],
)
def test_faulty_settings_are_refused(override, message):
    with pytest.raises(ValueError, match=message):
        resolve_training_recipe("crowd/bytetrack", overrides=[override])


def test_a_recipe_that_only_tracks_is_refused():
    with pytest.raises(ValueError, match="expected a recipe that trains"):
        resolve_training_recipe("mot20-val-half/bytetrack")


def test_an_unknown_key_in_a_file_names_the_nearest(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("extends: crowd/bytetrack\nschedule:\n  epoch: 3\n")
    with pytest.raises(ValueError, match=r"schedule\.epoch: unknown key; the nearest is sched"):
        resolve_training_recipe(path)
