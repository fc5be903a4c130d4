"""What those who do jobs are handed beside the jobs' settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from faimtrack.detectors.video.linking.config import LinkConfig
from faimtrack.masks.config import MaskConfig
from faimtrack.masks.methods import MaskMethod

if TYPE_CHECKING:  # it takes its loss functions' settings from beside torch
    from faimtrack.training.recipe import TrainingRecipe
    from faimtrack.training.samples import DataPlaces


@dataclass(frozen=True, kw_only=True)
class MasksTask:
    """Masks to be made of all sequences of a folder."""

    data: Path
    method: MaskMethod
    config: MaskConfig
    root: Path


@dataclass(frozen=True, kw_only=True)
class TrainingTask:
    """A network to be trained, or one step of its training."""

    recipe: TrainingRecipe
    places: DataPlaces
    folder: Path


@dataclass(frozen=True, kw_only=True)
class ScoredVideos:
    """Videos with their objects, as `open_videos` finds them."""

    dataset: str
    data: Path
    split: str


@dataclass(frozen=True, kw_only=True)
class DetectionTask:
    """Videos in which a trained network is to find objects.

    Attributes:
        recipe: How it detects.
        weights: Its file.
        videos: Which.
        folder: For a file of detections a video.
    """

    recipe: TrainingRecipe
    weights: Path
    videos: ScoredVideos
    folder: Path


@dataclass(frozen=True, kw_only=True)
class ScoresTask:
    """Detections to be scored.

    Attributes:
        videos: With the truth.
        folder: Of the detections.
        linking: How they are linked before; None: not at all.
        linked: A folder for linked ones, which is removed again.
    """

    videos: ScoredVideos
    folder: Path
    linking: LinkConfig | None = None
    linked: Path | None = None


@dataclass(frozen=True, kw_only=True)
class TrackingTask:
    """Sequences to be tracked and scored with a trained detector."""

    recipe: TrainingRecipe
    weights: Path
    data: Path
    split: str
    folder: Path
