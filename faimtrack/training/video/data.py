"""The videos that a recipe's clips are made of, and those that it is scored on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from faimtrack.datasets.annotated import AnnotatedImages, check_index
from faimtrack.datasets.half_split import HalfSplit, choose_copies
from faimtrack.datasets.videos import AnnotatedVideo, AnnotatedVideos
from faimtrack.datasets.vod.opening import check_split, open_videos
from faimtrack.masks.methods import MaskMethod
from faimtrack.motfile import SplitName, find_sequences, read_sequence_info, split_frames
from faimtrack.training.recipe import TrainingRecipe
from faimtrack.training.samples import (
    DataPlaces,
    open_learnt_images,
    open_learnt_videos,
    refuse_crowd_human,
)
from faimtrack.training.video.config import (
    SequenceClipsConfig,
    VideoClipsConfig,
    VideoFramesConfig,
    VideoValidationConfig,
)

_HASHED_FRAMES = 2000


def open_clip_videos(recipe: TrainingRecipe, places: DataPlaces) -> AnnotatedVideos:
    """The videos that a recipe's clips are made of; nothing is decoded.

    Raises:
        ValueError: Something in them is wrong, or CrowdHuman was named.
        OSError: A file is missing or cannot be read.
    """
    config, branch = recipe.data, recipe.mask_branch
    if isinstance(config, VideoClipsConfig):
        return open_learnt_videos(recipe, places)
    refuse_crowd_human(places)
    source = None if branch is None else branch.source
    assert isinstance(config, SequenceClipsConfig)
    return open_sequences(
        config, places.data, config.split, mask_source=source, masks_root=places.masks_root
    )


def open_sequences(
    config: SequenceClipsConfig,
    data: Path,
    split: SplitName,
    *,
    mask_source: MaskMethod | None = None,
    masks_root: Path | None = None,
) -> AnnotatedVideos:
    """Sequences of people as videos, each half or whole; nothing is decoded.

    Args:
        config: Which people count.
        data: A folder of sequences, or one sequence.
        split: Which frames of each.
        mask_source: How the masks were made that are to be read; None: no masks.
        masks_root: Where they lie if not with their sequences.

    Raises:
        ValueError: Something in them is wrong.
        OSError: A file is missing or cannot be read.
    """
    infos = choose_copies([read_sequence_info(each) for each in find_sequences(data)])
    halves = [
        HalfSplit.open(
            info.folder, split=split, config=config,
            mask_source=mask_source, masks_root=masks_root,
        )
        for info in infos
    ]  # fmt: skip
    videos = [
        AnnotatedVideo(
            name=info.name,
            source=info.folder,
            frame_numbers=np.array(split_frames(info.frame_count, split), np.int64),
            has_tracks=True,
            read=half.__getitem__,
        )
        for info, half in zip(infos, halves, strict=True)
    ]
    return _Halves(halves, videos)


def open_scored_videos(recipe: TrainingRecipe, places: DataPlaces) -> AnnotatedVideos:
    """The videos on which a recipe that learns from videos is scored.

    Raises:
        ValueError: Something in them is wrong.
        OSError: A file is missing or cannot be read.
    """
    config, validation = recipe.data, recipe.validation
    assert isinstance(config, VideoFramesConfig)
    assert isinstance(validation, VideoValidationConfig)
    try:
        check_split(config.dataset, validation.split)
    except ValueError as error:
        raise ValueError(f"validation.{error}") from None
    return open_videos(config.dataset, places.scored, split=validation.split)


def learnt_hashes(recipe: TrainingRecipe, places: DataPlaces) -> dict[str, str]:
    """SHA-256 of videos with their masks, and of ImageNet DET's images if a recipe learns them.

    Raises:
        ValueError: Something in them is wrong, or CrowdHuman was named.
        OSError: A file is missing or cannot be read.
    """
    hashes = video_hashes(open_learnt_videos(recipe, places), "videos")
    images = open_learnt_images(recipe, places)
    return hashes if images is None else {**hashes, **image_hashes(images, "ImageNet DET")}


def image_hashes(images: AnnotatedImages, role: str) -> dict[str, str]:
    """SHA-256 of the names and objects of images, all of them."""
    digest = hashlib.sha256("\n".join(images.class_names).encode())
    for number in range(len(images)):
        image = images[number]
        digest.update(f"\n{image.name}\n".encode())
        digest.update(np.ascontiguousarray(image.boxes, "<f8").tobytes())
        digest.update(np.ascontiguousarray(image.class_ids, "<i8").tobytes())
    return {role: digest.hexdigest()}


def video_hashes(videos: AnnotatedVideos, role: str) -> dict[str, str]:
    """SHA-256 of names, annotated frames, and the objects and masks of some, from all over.

    Data sets of videos have millions of files of annotations: a change of many is seen, one of a
    single box may not be.
    """
    digest = hashlib.sha256("\n".join(videos.class_names).encode())
    everything = [videos[number] for number in range(len(videos))]
    for video in everything:
        digest.update(f"\n{video.name}\n".encode())
        digest.update(np.ascontiguousarray(video.frame_numbers, "<i8").tobytes())
    step = max(1, sum(map(len, everything)) // _HASHED_FRAMES)
    for video in everything:
        for place in range(0, len(video), step):
            frame = video[place]
            digest.update(np.ascontiguousarray(frame.boxes, "<f8").tobytes())
            digest.update(np.ascontiguousarray(frame.class_ids, "<i8").tobytes())
            for mask in frame.masks():
                digest.update(b"none" if mask is None else mask.counts)
    return {role: digest.hexdigest()}


class _Halves:
    """Sequences of people as videos, each half or whole."""

    has_ground_truth = True

    def __init__(self, halves: Sequence[HalfSplit], videos: Sequence[AnnotatedVideo]) -> None:
        self.class_names = halves[0].class_names
        self.has_masks = any(each.has_masks for each in halves)
        self._videos = tuple(videos)

    def __len__(self) -> int:
        return len(self._videos)

    def __getitem__(self, index: int) -> AnnotatedVideo:
        check_index(index, len(self))
        return self._videos[index]
