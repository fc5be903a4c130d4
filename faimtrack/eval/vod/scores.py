"""Scores of video object detection by class, and their means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOTION_GROUPS = ("slow", "medium", "fast")
COCO_METRICS = ("ap50", "ap75", "ap")
METRICS = ("vid", *MOTION_GROUPS, *COCO_METRICS)
"""All average precisions: of the VID protocol over all objects and by motion group, and COCO's at
an IoU of 0.5, of 0.75 and the mean over 0.5 to 0.95."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassScores:
    """How well objects of a class are found.

    Attributes:
        name: The class.
        truths: Number of annotated objects, each in each frame.
        truths_by_motion: The same of each of `MOTION_GROUPS`; None without groups.
        detections: Number of detections in annotated frames.
        values: Fractions by `METRICS`; None where there is nothing to be found, or no groups.
        precisions: `(101,)` of the VID protocol at recalls 0, 0.01 … 1; None without truth.
    """

    name: str
    truths: int
    truths_by_motion: Mapping[str, int] | None
    detections: int
    values: Mapping[str, float | None]
    precisions: NDArray[np.float64] | None


@dataclass(frozen=True, kw_only=True, eq=False)
class VodScores:
    """Scores of all classes.

    Attributes:
        classes: In the order of their ids.
        videos: Number of videos.
        frames: Number of annotated frames.
        coco_detections: How many detections of a frame and class COCO's metrics look at.
        most_objects: The largest number of objects of a class in a frame.
        no_groups_because: Why there are no motion groups; None if there are.
        alone: Number of objects that are in no frame around, and so count as slow.
        not_followed: Number of objects that nobody follows, and so are in no motion group.
    """

    classes: tuple[ClassScores, ...]
    videos: int
    frames: int
    coco_detections: int
    most_objects: int
    no_groups_because: str | None
    alone: int
    not_followed: int

    @property
    def truths(self) -> int:
        """Number of objects of all classes."""
        return sum(each.truths for each in self.classes)

    @property
    def detections(self) -> int:
        """Number of detections of all classes in annotated frames."""
        return sum(each.detections for each in self.classes)

    @property
    def mean(self) -> Mapping[str, float | None]:
        """The mean of each of `METRICS` over the classes that have a value there."""
        means: dict[str, float | None] = {}
        for metric in METRICS:
            values = [each.values[metric] for each in self.classes]
            known = [value for value in values if value is not None]
            means[metric] = float(np.mean(known)) if known else None
        return means
