"""What of a video object detector learns, what stays as it is, and that resuming is exact."""

import dataclasses

import drawn_videos
import pytest
import torch

from faimtrack.detectors.video.checkpoint import load_video_yolox
from faimtrack.training.augmentation.config import AugmentationConfig
from faimtrack.training.checkpoints import checkpoints
from faimtrack.training.config import ScheduleConfig
from faimtrack.training.fit import fit
from faimtrack.training.module import TrainingModule
from faimtrack.training.recipe import resolve_training_recipe
from faimtrack.training.schedule import Schedule
from faimtrack.training.video.clips import VideoClips
from faimtrack.training.video.config import ClipsConfig
from faimtrack.training.video.learner import build_video_learner
from faimtrack.weights.files import read_checkpoint, write_weights

CLASSES = ("dark", "light")
# All 84 anchors are proposals: some answer for an object even where nothing was trained.
SMALL = [
    "input_height=64", "input_width=64", "group_frames=3", "network.proposals=100",
    "network.proposal_nms_threshold=1.0", "network.branch_norms=follow",
]  # fmt: skip
MASKS = ["mask_branch.roi_size=4", "mask_branch.hidden_channels=8"]


def learner_of(name="faim", *settings):
    masks = [] if name == "yolov" else MASKS
    recipe = resolve_training_recipe(f"crowd/{name}", overrides=[*SMALL, *masks, *settings])
    return build_video_learner(recipe, CLASSES)


def schedule_of(clips, **changes):
    values = {
        "steps": 6, "batch_size": 2, "warm_up_steps": 1, "plain_steps": 2,
        "learning_rate_per_image": 0.002, "checkpoint_every": 2, "averaging_warm_up": 3.0,
    } | changes  # fmt: skip
    return Schedule(config=ScheduleConfig(**values), image_count=clips, sample_images=3)


def source_of(videos, schedule):
    return VideoClips(
        videos=videos,
        config=ClipsConfig(group_frames=3),
        augmentation=AugmentationConfig(),
        schedule=schedule,
        base_size=(64, 64),
    )


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Videos of full clips, of one frame, and without any object."""
    folder = tmp_path_factory.mktemp("drawn")
    return drawn_videos.drawn_videos(folder, [6, 7, 1, 4], empty=(3,))


def train(learner, videos, folder, **arguments):
    schedule = schedule_of(6, **arguments.pop("schedule", {}))
    return fit(learner, source_of(videos, schedule), schedule, folder, **arguments)


def tensors_of(module):
    return {
        **{f"weights {key}": value for key, value in module.learner.state_dict().items()},
        **{f"average {key}": value for key, value in module.average.tensors.items()},
    }


def different(first, second):
    assert first.keys() == second.keys()
    return [key for key in first if not torch.equal(first[key], second[key])]


def is_base(key):
    return "network.backbone." in key or "network.head." in key


def test_the_base_detector_stays_as_it_is_to_the_last_bit(videos, tmp_path):
    before = {key: value.clone() for key, value in learner_of().state_dict().items()}
    module = train(learner_of(), videos, tmp_path)
    for tensors in (module.learner.state_dict(), module.average.tensors):
        moved = different(before, dict(tensors))
        assert not [key for key in moved if is_base(key)]
        assert any("video.extraction" in key for key in moved)
        assert any("video.aggregation.project_partner" in key for key in moved)
        assert any("mask_branch.mask_head" in key for key in moved)
        assert any("running_mean" in key for key in moved)
    values = module.result.values()
    assert values["refined"] > 0
    assert values["masks"] > 0
    optimizer = module.optimizers()
    held = {id(each) for group in optimizer.param_groups for each in group["params"]}
    assert held == {id(each) for each in module.learner.parameters() if each.requires_grad}
    names = [name for name, each in module.learner.named_parameters() if id(each) in held]
    assert not [name for name in names if is_base(name)]


@pytest.mark.parametrize("name", ["faim", "yolov-ifem"])
def test_batch_norms_that_stand_keep_their_averages_while_all_else_learns(name, videos, tmp_path):
    before, moved = {}, {}
    for norms in ("follow", "stand"):
        learner = learner_of(name, f"network.branch_norms={norms}")
        before = {key: value.clone() for key, value in learner.state_dict().items()}
        module = train(learner, videos, tmp_path, max_steps=3)
        moved[norms] = different(before, module.learner.state_dict())
    assert any("running_mean" in key for key in moved["follow"])
    assert not [key for key in moved["stand"] if "running" in key or "num_batches" in key]
    assert any(".extraction." in key for key in moved["stand"])
    # A scale near 1 hides the small steps of so short a training, a shift of 0 does not.
    assert any("video.branch" in key and key.endswith(".bn.bias") for key in moved["stand"])


@pytest.mark.parametrize(
    ("frozen", "norms", "expected"),
    [
        ("features", "true", {"cls_preds", "obj_preds"}),
        ("base", "false", {"running"}),
        ("none", "true", {"cls_preds", "reg_preds", "obj_preds", "stems", "backbone", "running"}),
    ],
)
def test_what_learns_of_the_base_detector_is_chosen(frozen, norms, expected, videos, tmp_path):
    settings = [f"network.frozen={frozen}", f"network.frozen_norms={norms}"]
    before = {
        key: value.clone() for key, value in learner_of("faim", *settings).state_dict().items()
    }
    module = train(learner_of("faim", *settings), videos, tmp_path, max_steps=3)
    moved = [key for key in different(before, module.learner.state_dict()) if is_base(key)]
    parts = {
        "running" if "running" in key else key.split(".")[1 + ("head" in key)]
        for key in moved
        if "num_batches" not in key
    }
    if frozen == "none":
        assert expected <= parts
    else:
        assert parts == expected


def test_losses_that_teach_nobody_are_numbers(videos):
    for frozen, learnt in (
        ("base", ()),
        ("features", ("objectness", "classification")),
        ("none", ("iou", "objectness", "classification", "l1")),
    ):
        learner = learner_of("faim", f"network.frozen={frozen}").train()
        answer = answer_of(learner, batch_of(videos))
        assert tuple(answer.losses) == learner.loss_names == ("refined", *learnt, "masks")
        assert tuple(answer.numbers) == learner.number_names
        assert all(each.requires_grad for each in answer.losses.values())
        assert not any(getattr(each, "requires_grad", False) for each in answer.numbers.values())
        assert {"iou", "l1", "objectness"} < set(answer.losses) | set(answer.numbers)


def batch_of(videos, clips=(0, 1)):
    source = source_of(videos, schedule_of(6))
    samples = [source.sample(0, 0, index) for index in clips]
    return source.join(samples)


def answer_of(learner, batch):
    return learner(batch, is_plain=False, divide_by=lambda count: float(max(count, 1)))


def test_a_batch_of_clips_is_the_clips_one_by_one(videos):
    learner = learner_of().train()
    # Batch norms look at all that is there, so that here they have to stand still.
    learner.network.eval()
    learner.mask_branch.eval()
    sums, gradients = [], []
    for clips in ((0, 1, 2), (0,), (1,), (2,)):
        batch = batch_of(videos, clips)
        learner.zero_grad()
        answer = learner(batch, is_plain=False, divide_by=lambda count: 10.0)
        torch.stack(list(answer.losses.values())).sum().backward()
        sums.append(torch.stack([each.detach() for each in answer.losses.values()]))
        weight = learner.network.video.aggregation.project_partner.weight
        gradients.append(weight.grad.clone())
    assert sums[0].min() > 0
    torch.testing.assert_close(sums[0], sum(sums[1:]), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(gradients[0], sum(gradients[1:]), rtol=1e-3, atol=1e-6)


def test_clips_of_one_frame_and_without_objects_are_learnt_from_without_a_crash(videos):
    learner = learner_of().train()
    sizes = set()
    for index in range(source_of(videos, schedule_of(6)).image_count):
        batch = batch_of(videos, (index,))
        answer = answer_of(learner, batch)
        sizes.add((batch.clip_lengths[0], sum(map(len, batch.boxes)) > 0))
        total = torch.stack(list(answer.losses.values())).sum()
        total.backward()
        assert torch.isfinite(total)
        if not sum(map(len, batch.boxes)):
            assert float(total.detach()) == 0
        for name, weight in learner.named_parameters():
            assert not weight.requires_grad or torch.isfinite(weight.grad).all(), name
    assert sizes == {(3, True), (1, True), (3, False)}


@pytest.mark.parametrize("name", ["faim", "yolov-ifem"])
def test_a_run_that_goes_on_ends_with_the_same_bits(name, videos, tmp_path):
    schedule = {"gradient_clip": 5.0, "optimizer": "adamw", "batch_size": 2, "accumulate": 2}
    whole = train(learner_of(name), videos, tmp_path / "whole", schedule=schedule)
    train(learner_of(name), videos, tmp_path / "cut", schedule=schedule, max_steps=4)
    last = checkpoints(tmp_path / "cut")[-1]
    assert last.name == "step-00000004.ckpt"
    resumed = train(
        learner_of(name), videos, tmp_path / "cut", schedule=schedule, resume_from=last
    )
    assert different(tensors_of(whole), tensors_of(resumed)) == []


def test_twins_have_all_weights_in_common_that_both_have():
    faim, yolov, masked = (learner_of(name) for name in ("faim", "yolov", "yolov-ifem"))
    ours, theirs = faim.network.state_dict(), yolov.network.state_dict()
    assert theirs.keys() < ours.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    assert not different(theirs, masked.network.state_dict())
    heads = [
        {key: value for key, value in each.mask_branch.state_dict().items() if "head" in key}
        for each in (faim, masked)
    ]
    assert heads[0].keys() == heads[1].keys()
    other = learner_of("faim", "schedule.seed=1").network.state_dict()
    assert any(not torch.equal(ours[key], other[key]) for key in ours)


def test_the_rate_counts_the_frames_of_clips():
    schedule = schedule_of(6, learning_rate_per_image=0.002 / 64, batch_size=1)
    sixteen = dataclasses.replace(schedule, sample_images=16)
    assert sixteen.rate_at(1) == pytest.approx(5e-4)
    assert sixteen.rate_at(2) == pytest.approx(16 / 3 * schedule.rate_at(2))


@pytest.mark.parametrize(("name", "architecture"), [("faim", "faim-nano"), ("yolov", "yolov-nano"),
                                                    ("yolov-ifem", "yolov-nano")])  # fmt: skip
def test_a_file_of_weights_says_all_that_a_detector_needs(name, architecture, tmp_path):
    learner = learner_of(name)
    path = tmp_path / "weights.safetensors"
    metadata = learner.metadata(recipe=f"crowd/{name}")
    write_weights(path, learner.file_tensors(learner.state_dict()), metadata)
    assert metadata.architecture == architecture
    assert metadata.settings["input_size"] == [64, 64]
    assert ("mask_branch" in metadata.settings) == (name != "yolov")
    loaded = load_video_yolox(read_checkpoint(path))
    assert loaded.network.config == learner.network.config
    assert all(key.startswith("mask_branch.") for key in loaded.left_aside)
    assert not different(learner.network.state_dict(), loaded.network.state_dict())


def test_frozen_parts_have_no_gradient_and_keep_their_norms_while_it_learns(videos):
    learner = learner_of()
    module = TrainingModule(learner, schedule_of(6))
    module.learner.train()
    norms = [
        (name, each.training)
        for name, each in learner.named_modules()
        if isinstance(each, torch.nn.BatchNorm2d)
    ]
    assert {is_base(f"{name}.") for name, is_training in norms if not is_training} == {True}
    assert {is_base(f"{name}.") for name, is_training in norms if is_training} == {False}
    answer = answer_of(learner, batch_of(videos))
    torch.stack(list(answer.losses.values())).sum().backward()
    assert all(
        (weight.grad is None) == is_base(name) for name, weight in learner.named_parameters()
    )
