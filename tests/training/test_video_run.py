"""Whole runs on small crowds of objects: base detector, video object detector, scores, files."""

import csv
import dataclasses
import json
import shutil

import drawn_videos
import numpy as np
import pytest
import torch

from faimtrack.datasets.crowd import OBJECT_KINDS, CrowdConfig, simulate_crowd, write_crowd
from faimtrack.datasets.crowd_videos import CrowdVideos
from faimtrack.datasets.videos import VideoFrames
from faimtrack.datasets.vod.imagenet_det import ImagenetDet
from faimtrack.detectors.loading import open_detector
from faimtrack.detectors.video.detector import VideoDetector
from faimtrack.masks import make_many_masks, plan_masks
from faimtrack.masks.config import CONFIG_CLASSES
from faimtrack.masks.places import EXACT_MASKS, mask_file
from faimtrack.recipes import recipe_names
from faimtrack.training import prepare, samples
from faimtrack.training.dry_run import dry_run
from faimtrack.training.fit import Machines
from faimtrack.training.recipe import resolve_training_recipe
from faimtrack.training.run import TrainingRun, train
from faimtrack.training.samples import DataPlaces
from faimtrack.training.sanity import check_sanity
from faimtrack.training.video import data as video_data
from faimtrack.weights.files import read_checkpoint

ALONE = Machines(devices=1, workers=0, accelerator="cpu")
SIZE = ["input_height=64", "input_width=96"]
NO_SCALES = ["smallest_input=2", "largest_input=3"]
MASKS = ["mask_branch.roi_size=4", "mask_branch.hidden_channels=8"]


def run_of(name, data, output, *settings, **arguments):
    masks = MASKS if name in ("crowd/faim", "crowd/yolov-ifem", "crowd/faim-people") else []
    overrides = [*SIZE, *NO_SCALES, *masks, "checkpoint_every=2", "log_every=1", *settings]
    places = arguments.pop("places", DataPlaces(data=data))
    return TrainingRun(
        recipe=resolve_training_recipe(name, overrides=overrides),
        places=places, output=output, machines=ALONE, **arguments,
    )  # fmt: skip


def rows_of(folder):
    with (folder / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def base(object_crowds, tmp_path_factory):
    """A base detector that has hardly learnt, and its run's folder."""
    folder = tmp_path_factory.mktemp("base")
    settings = ["batch_size=2", "steps=2", "at_end=true"]
    return train(run_of("crowd/yolox-objects", object_crowds, folder, *settings))


def test_a_base_detector_of_objects_is_trained_and_scored(base, object_crowds):
    found = read_checkpoint(base.weights)
    assert found.metadata.architecture == "yolox-nano"
    assert found.metadata.classes == CrowdVideos.open(object_crowds).class_names
    (scored,) = (row for row in rows_of(base.weights.parent) if row["AP50"])
    assert 0 <= float(scored["AP50"]) <= 1
    scores = json.loads((base.weights.parent / "validation" / "scores.json").read_text())
    assert set(scores["2"]) == {"AP50", "AP75", "AP", "VID"}
    assert base.best is not None


@pytest.mark.parametrize("name", ["crowd/faim", "crowd/yolov"])
def test_a_run_that_went_on_ends_as_a_whole_one_whether_validated_or_not(
    name, base, object_crowds, tmp_path
):
    settings = [
        "group_frames=4", "steps=4", f"network.initial_weights={base.weights}",
        "detector.group_frames=4",
    ]  # fmt: skip
    validated = [*settings, "every_steps=2", "at_end=true"]
    whole = train(run_of(name, object_crowds, tmp_path / "whole", *validated))
    train(run_of(name, object_crowds, tmp_path / "cut", *settings, max_steps=3))
    cut = train(run_of(name, object_crowds, tmp_path / "cut", *settings, existing="resume"))
    first, second = (read_checkpoint(each.weights) for each in (whole, cut))
    assert [key for key in first.tensors
            if not torch.equal(first.tensors[key], second.tensors[key])] == []  # fmt: skip
    given = read_checkpoint(base.weights).tensors
    assert all(torch.equal(first.tensors[key], given[key]) for key in given)
    assert first.metadata.architecture == f"{name.removeprefix('crowd/')}-nano"
    detector = open_detector(whole.weights)
    assert isinstance(detector, VideoDetector)
    assert detector.class_names == CrowdVideos.open(object_crowds).class_names
    scored = [row for row in rows_of(tmp_path / "whole") if row["AP50"]]
    assert [row["step"] for row in scored] == ["2", "4"]


@pytest.mark.parametrize("start", ["random", "classification"])
def test_the_video_branch_starts_at_random_or_as_the_classification_branch(
    start, base, object_crowds
):
    settings = [f"network.initial_weights={base.weights}", f"network.branch_start={start}"]
    run = run_of("crowd/faim", object_crowds, None, *settings)
    network = prepare.prepare_training(run.recipe, run.places).learner.network
    pairs = zip(
        network.video.branch.parameters(), network.head.cls_convs.parameters(), strict=True
    )
    assert all(torch.equal(*each) for each in pairs) == (start == "classification")


def test_another_folder_can_be_validated_on(base, object_crowds, tmp_path, capsys):
    crowd = simulate_crowd(
        CrowdConfig(name="other", scene="objects", seed=71000, frames=3, width=96, height=64)
    )
    other = write_crowd(crowd, tmp_path / "data" / "other").parent
    places = DataPlaces(data=object_crowds, validation_data=other)
    settings = ["group_frames=2", "steps=1", f"network.initial_weights={base.weights}"]
    run = run_of("crowd/yolov", None, tmp_path / "run", *settings, "at_end=true", places=places)
    before = prepare.prepare_training(run.recipe, places).identity()
    alone = dataclasses.replace(places, validation_data=None)
    assert before == prepare.prepare_training(run.recipe, alone).identity()
    assert train(run).best is not None
    faulty = dataclasses.replace(places, validation_data=tmp_path / "nowhere")
    with pytest.raises(OSError, match="nowhere"):
        train(dataclasses.replace(run, places=faulty, output=tmp_path / "none"))


def test_a_base_detector_of_other_classes_is_refused_before_anything_is_written(
    base, small_crowd, tmp_path
):
    run = run_of("crowd/yolov", small_crowd, tmp_path / "run",
                 f"network.initial_weights={base.weights}")  # fmt: skip
    with pytest.raises(ValueError, match="expected a base detector of the classes person, got"):
        train(run)
    assert not (tmp_path / "run").exists()


def test_faim_learns_people_too_and_says_what_its_proposals_cover(small_crowd, tmp_path):
    said = []
    run = run_of("crowd/faim-people", small_crowd, tmp_path / "run", "group_frames=3", "steps=1",
                 "pictures=0", "at_end=true", "network.frozen=none")  # fmt: skip
    result = train(run, lambda progress: said.append(progress.remark))
    assert read_checkpoint(result.weights).metadata.classes == ("person",)
    scored = [row for row in rows_of(tmp_path / "run") if row["HOTA"]]
    assert 0 <= float(scored[0]["proposal_recall"]) <= 1
    assert any("proposals a frame cover" in line for line in said)


def test_a_base_detector_of_random_weights_is_not_frozen(object_crowds, tmp_path):
    run = run_of("crowd/yolov", object_crowds, tmp_path / "run", "group_frames=3", "steps=1",
                 "network.initial_weights=null")  # fmt: skip
    with pytest.raises(ValueError, match="expected the base detector's weights, for network"):
        train(run)
    assert not (tmp_path / "run").exists()


def test_data_that_changed_are_another_training(object_crowds, tmp_path):
    videos = drawn_videos.drawn_videos(tmp_path, [4, 3])
    one = video_data.video_hashes(videos, "videos")
    assert one == video_data.video_hashes(drawn_videos.drawn_videos(tmp_path, [4, 3]), "videos")
    assert one != video_data.video_hashes(drawn_videos.drawn_videos(tmp_path, [3, 4]), "videos")
    without = drawn_videos.drawn_videos(tmp_path / "c", [4, 3], has_masks=False)
    assert one != video_data.video_hashes(without, "videos")
    larger = drawn_videos.drawn_videos(tmp_path / "b", [4, 3], size=(96, 64))
    assert one != video_data.video_hashes(larger, "videos")


@pytest.fixture(scope="module")
def mask_roots(object_crowds, tmp_path_factory):
    """Two folders with masks of one name: the exact ones, and full boxes."""
    exact, full = (tmp_path_factory.mktemp(name) for name in ("exact", "full"))
    kinds = tuple(kind.mot_class for kind in OBJECT_KINDS)
    for outcome in make_many_masks(
        plan_masks(object_crowds, "box", CONFIG_CLASSES["box"](classes=kinds), root=full)
    ):
        assert outcome.error is None
    for sequence in object_crowds.iterdir():
        if sequence.is_dir():
            mask_file(sequence, "box", exact).parent.mkdir()
            shutil.copy(sequence / EXACT_MASKS, mask_file(sequence, "box", exact))
    return exact, full


@pytest.fixture
def frames_with_masks(tmp_path):
    """The recipe of a detector that learns masks of single frames of videos."""
    path = tmp_path / "yolox-mask.yaml"
    path.write_text("extends: crowd/yolox-objects\nmask_branch:\n  preset: small\n")
    return str(path)


@pytest.mark.parametrize("learns", ["frames", "clips"])
def test_a_run_does_not_go_on_with_other_masks(
    learns, object_crowds, mask_roots, frames_with_masks, tmp_path
):
    name = frames_with_masks if learns == "frames" else "crowd/faim"
    settings = [*(MASKS if learns == "frames" else ()), "mask_branch.source=box", "steps=2",
                "validation.every_steps=0"]  # fmt: skip
    settings += ["batch_size=2"] if learns == "frames" else [
        "group_frames=3", "network.frozen=none"]  # fmt: skip
    one, other = (DataPlaces(data=object_crowds, masks_root=root) for root in mask_roots)
    first = run_of(name, None, tmp_path / "run", *settings, places=one, max_steps=1)
    train(first)
    again = dataclasses.replace(first, max_steps=None, existing="resume")
    with pytest.raises(ValueError, match=r"got one with input videos '\w+' \(now '\w+'\)$"):
        train(dataclasses.replace(again, places=other))
    assert train(again).step == 2


def test_images_of_det_are_part_of_the_data(tmp_path, monkeypatch):
    videos = drawn_videos.drawn_videos(tmp_path / "v", [4, 3])
    monkeypatch.setattr(samples, "open_videos", lambda *_, **__: videos)
    places = DataPlaces(data=tmp_path)

    def hashes(length, *overrides):
        images = VideoFrames(drawn_videos.drawn_videos(tmp_path / "d", [length]))
        monkeypatch.setattr(ImagenetDet, "open", lambda data: images)
        return prepare.data_hashes(
            resolve_training_recipe("vid/yolox-s", overrides=overrides), places
        )

    alone = hashes(3, "data.det=false")
    assert alone == video_data.video_hashes(videos, "videos")
    both = hashes(3, "data.det=true")
    assert both == hashes(3, "data.det=true")
    assert both.keys() == {"videos", "ImageNet DET"}
    assert both["videos"] == alone["videos"]
    assert hashes(4, "data.det=true")["ImageNet DET"] != both["ImageNet DET"]


def test_learning_by_heart_is_no_test_of_what_looks_at_clips(object_crowds, tmp_path):
    run = run_of("crowd/faim", object_crowds, tmp_path)
    with pytest.raises(ValueError, match="expected the recipe of a detector that looks at single"):
        check_sanity(run.recipe, run.places, run.machines)


def test_crowd_human_is_refused_where_videos_are_learnt(object_crowds, tmp_path):
    places = DataPlaces(data=object_crowds, crowd_human=tmp_path)
    for name in ("crowd/faim", "crowd/yolox-objects"):
        with pytest.raises(ValueError, match="--crowd-human: expected with a recipe"):
            train(run_of(name, None, tmp_path / "run", places=places))


VIDEO_RECIPES = [
    name for name in recipe_names()
    if name.split("/")[0] in ("vid", "ovis", "epic") or name == "mot20-half/faim-s"
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", VIDEO_RECIPES)
def test_one_step_of_each_recipe_at_its_full_size(name, small_crowd, tmp_path, monkeypatch):
    videos = drawn_videos.drawn_videos(tmp_path, [6, 3], size=(120, 160))
    # The true trees are read by tests of their own; here it is about the networks.
    for module in (video_data, samples):
        monkeypatch.setattr(module, "open_videos", lambda *_, **__: videos)
    overrides = ["data.det=false"] if name.startswith("vid/yolox") else []
    if "/faim" in name or "/yolov" in name:
        overrides += ["data.group_frames=3"]
    if name.startswith("mot20"):
        overrides += ["mask_branch.source=truth"]
    recipe = resolve_training_recipe(name, overrides=overrides)
    done = dry_run(recipe, DataPlaces(data=small_crowd), ALONE)
    largest = 32 * recipe.augmentation.largest_input
    assert done.size[0] == largest
    assert all(np.isfinite(value) for value in done.values.values())
    if recipe.family == "video":
        assert done.images == 3
        assert ("masks" in done.values) == (recipe.mask_branch is not None)
        assert "refined" in done.values
        everything = {"s": 9e6, "l": 54e6, "x": 99e6}[recipe.network.name[-1]]
        assert done.parameters < everything  # most of it is frozen
    assert done.seconds > 0
