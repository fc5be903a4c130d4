"""What a training run needs before its first step, and what tells it from other runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from faimtrack.datasets.half_split import HalfSplit, masks_path
from faimtrack.datasets.person_crops import PersonCrops
from faimtrack.detectors.families import detector_file
from faimtrack.detectors.video.checkpoint import published_keys
from faimtrack.motfile import find_sequences
from faimtrack.provenance import file_sha256
from faimtrack.training.config import DataConfig
from faimtrack.training.identity import Identity, identity_of
from faimtrack.training.initial_weights import input_convention_of, take_weights
from faimtrack.training.learners.build import build_learner
from faimtrack.training.learners.learner import Learner
from faimtrack.training.recipe import AnyTrainingRecipe, ReidTrainingRecipe, TrainingRecipe
from faimtrack.training.reid.groups import CropGroups
from faimtrack.training.reid.learner import build_reid_learner
from faimtrack.training.reid.validation import open_validation_crops
from faimtrack.training.samples import AugmentedSamples, DataPlaces, input_size, open_images
from faimtrack.training.schedule import Schedule
from faimtrack.training.validation import require_scoring_networks
from faimtrack.training.video.clips import VideoClips, clip_plan
from faimtrack.training.video.config import (
    ClipsConfig,
    SequenceClipsConfig,
    VideoFramesConfig,
    VideoTrainingNetworkConfig,
    VideoValidationConfig,
)
from faimtrack.training.video.data import (
    learnt_hashes,
    open_clip_videos,
    open_scored_videos,
    video_hashes,
)
from faimtrack.training.video.learner import build_video_learner, copy_classification_branch
from faimtrack.weights import find_weights, weights_entries, weights_sha256
from faimtrack.weights.files import Checkpoint, read_checkpoint


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A training that could begin.

    Attributes:
        recipe: What it does.
        places: Where its data lie.
        learner: With its initial weights.
        samples: What it learns from.
        schedule: What holds at each step.
        inputs: SHA-256 of each file of data by its role, but for images.
        weights: SHA-256 of the initial weights; empty for random ones.
        remarks: Lines for people.
    """

    recipe: AnyTrainingRecipe
    places: DataPlaces
    learner: Learner
    samples: AugmentedSamples | CropGroups | VideoClips
    schedule: Schedule
    inputs: Mapping[str, str]
    weights: Mapping[str, str]
    remarks: tuple[str, ...]

    def identity(self) -> Identity:
        """What a checkpoint must have been made with."""
        return identity_of(self.recipe, self.inputs, self.weights)


def prepare_training(
    recipe: AnyTrainingRecipe, places: DataPlaces, *, need_initial_weights: bool = True
) -> Prepared:
    """Open the data and build what learns.

    Args:
        recipe: What to do.
        places: Where the data lie.
        need_initial_weights: Whether initial weights that are not on this machine are an error;
            else random ones take their place, and a remark says so.

    Raises:
        ValueError: Data or weights do not fit.
        OSError: A file is missing or cannot be read.
    """
    if isinstance(recipe, ReidTrainingRecipe):
        return _prepare_reid(recipe, places, need_initial_weights=need_initial_weights)
    if recipe.family == "video":
        return _prepare_video(recipe, places, need_initial_weights=need_initial_weights)
    images = open_images(recipe, places)
    _check_validation(recipe, places)
    schedule = Schedule(config=recipe.schedule, image_count=len(images))
    remarks = [
        f"{len(images)} images, {schedule.steps_per_epoch} steps an epoch, "
        f"{schedule.total_steps} in all"
    ]
    checkpoint = _initial_checkpoint(recipe, remarks, is_needed=need_initial_weights)
    convention = input_convention_of(checkpoint)
    learner = build_learner(recipe, images.class_names, input_convention=convention)
    weights = _take_initial(learner, checkpoint, images.class_names, remarks)
    samples = AugmentedSamples(
        images=images,
        config=recipe.augmentation,
        schedule=schedule,
        base_size=input_size(recipe),
    )
    return Prepared(
        recipe=recipe,
        places=places,
        learner=learner,
        samples=samples,
        schedule=schedule,
        inputs=data_hashes(recipe, places),
        weights=weights,
        remarks=tuple(remarks),
    )


def _check_validation(recipe: TrainingRecipe, places: DataPlaces) -> None:
    """See now, and not after an epoch, what is wrong with what validation needs.

    Raises:
        ValueError: Something in it is wrong.
        OSError: A file is missing or cannot be read.
    """
    validation = recipe.validation
    if not validation.takes_place:
        return
    if isinstance(validation, VideoValidationConfig):
        open_scored_videos(recipe, places)
        return
    assert isinstance(recipe.data, DataConfig)
    HalfSplit.open(places.scored, split=validation.split, config=recipe.data)
    require_scoring_networks(recipe)


def _prepare_video(
    recipe: TrainingRecipe, places: DataPlaces, *, need_initial_weights: bool
) -> Prepared:
    config, network = recipe.data, recipe.network
    assert isinstance(config, ClipsConfig)
    assert isinstance(network, VideoTrainingNetworkConfig)
    videos = open_clip_videos(recipe, places)
    _check_validation(recipe, places)
    plan = clip_plan(videos, config, recipe.schedule.seed)
    schedule = Schedule(
        config=recipe.schedule, image_count=plan.clip_count, sample_images=config.group_frames
    )
    remarks = [
        f"{len(videos)} videos, {plan.clip_count} clips of up to {config.group_frames} frames an "
        f"epoch, {schedule.steps_per_epoch} steps an epoch, {schedule.total_steps} in all"
    ]
    checkpoint = _initial_checkpoint(recipe, remarks, is_needed=need_initial_weights)
    if checkpoint is None and network.frozen != "none":
        if need_initial_weights:
            raise ValueError(
                "network.initial_weights: expected the base detector's weights, for "
                f"network.frozen is {network.frozen} and random ones would stay random, got none"
            )
        remarks.append(f"network.frozen is {network.frozen}: random weights will stay random")
    learner = build_video_learner(
        recipe, videos.class_names, input_convention=input_convention_of(checkpoint)
    )
    weights = _take_initial(learner, checkpoint, videos.class_names, remarks)
    has_branch = checkpoint is not None and any(
        key.startswith("video.branch.") for key in published_keys(checkpoint.tensors)
    )
    if network.branch_start == "classification" and not has_branch:
        copy_classification_branch(learner.network)
        remarks.append("the video object branch starts as a copy of the classification branch")
    samples = VideoClips(
        videos=videos,
        config=config,
        augmentation=recipe.augmentation,
        schedule=schedule,
        base_size=(network.input_height, network.input_width),
    )
    return Prepared(
        recipe=recipe,
        places=places,
        learner=learner,
        samples=samples,
        schedule=schedule,
        inputs=data_hashes(recipe, places)
        if isinstance(config, SequenceClipsConfig)
        else video_hashes(videos, "videos"),
        weights=weights,
        remarks=tuple(remarks),
    )


def _prepare_reid(
    recipe: ReidTrainingRecipe, places: DataPlaces, *, need_initial_weights: bool
) -> Prepared:
    if places.crowd_human is not None or places.masks_root is not None:
        raise ValueError(
            "--crowd-human, --masks-root: expected neither with a re-identification network, "
            f"got {places.crowd_human or places.masks_root}"
        )
    crops = PersonCrops.open(places.data, split=recipe.data.split, config=recipe.data)
    if recipe.validation.takes_place:  # what is wrong there is told now, not after an epoch
        open_validation_crops(recipe, places.data)
    schedule = Schedule(config=recipe.schedule, image_count=len(crops))
    remarks = [
        f"{len(crops.identities)} people, {len(crops)} crops, {schedule.steps_per_epoch} steps an "
        f"epoch, {schedule.total_steps} in all, of {schedule.config.batch_size} "
        f"x {recipe.data.group_size} crops each"
    ]
    config = recipe.network
    samples = CropGroups(
        crops=crops,
        data=recipe.data,
        augmentation=recipe.augmentation,
        seed=recipe.schedule.seed,
        size=(config.input_height, config.input_width),
    )
    checkpoint = _initial_checkpoint(recipe, remarks, is_needed=need_initial_weights)
    learner = build_reid_learner(recipe, len(crops.identities))
    weights = _take_initial(learner, checkpoint, (), remarks)
    return Prepared(
        recipe=recipe,
        places=places,
        learner=learner,
        samples=samples,
        schedule=schedule,
        inputs=data_hashes(recipe, places),
        weights=weights,
        remarks=tuple(remarks),
    )


def data_hashes(recipe: AnyTrainingRecipe, places: DataPlaces) -> dict[str, str]:
    """SHA-256 of ground truth and of the masks that are learnt; images are too many.

    Raises:
        ValueError: Data are wrong.
        OSError: A file is missing or cannot be read.
    """
    if isinstance(recipe, TrainingRecipe) and isinstance(recipe.data, VideoFramesConfig):
        return learnt_hashes(recipe, places)
    hashes = {}
    branch = None if isinstance(recipe, ReidTrainingRecipe) else recipe.mask_branch
    for folder in find_sequences(places.data):
        files = {"gt": folder / "gt" / "gt.txt", "seqinfo": folder / "seqinfo.ini"}
        if branch is not None:
            files["masks"] = masks_path(folder, branch.source, places.masks_root)
        for role, path in files.items():
            if path.is_file():
                hashes[f"{folder.name} {role}"] = file_sha256(path)
    if places.crowd_human is not None:
        for path in sorted(places.crowd_human.glob("*.odgt")):
            hashes[f"CrowdHuman {path.name}"] = file_sha256(path)
    return hashes


def _initial_checkpoint(
    recipe: AnyTrainingRecipe, remarks: list[str], *, is_needed: bool
) -> Checkpoint | None:
    weights = recipe.network.initial_weights
    if weights is None:
        remarks.append("random initial weights")
        return None
    try:
        return read_checkpoint(_initial_file(weights))
    except FileNotFoundError as error:
        if is_needed:
            raise
        remarks.append(f"random weights in place of the initial ones: {error}")
        return None


def _take_initial(
    learner: Learner,
    checkpoint: Checkpoint | None,
    class_names: tuple[str, ...],
    remarks: list[str],
) -> dict[str, str]:
    """Give a learner its initial weights, if it has some; their SHA-256 by their role."""
    if checkpoint is None:
        return {}
    taken = take_weights(learner.network, checkpoint, class_names)
    remarks.append(f"{checkpoint.path.name}: {taken.sentence()}")
    return {"initial": weights_sha256(checkpoint.path)}


def _initial_file(weights: str) -> Path:
    """The file of a detector, or of a backbone, which nothing but training begins with."""
    backbones = {entry.name for entry in weights_entries() if entry.kind == "backbone"}
    return find_weights(weights) if weights in backbones else detector_file(weights)
