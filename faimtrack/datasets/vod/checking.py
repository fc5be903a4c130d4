"""Looks through data sets of videos before anything is learnt from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from faimtrack.datasets.findings import DataReport, PartReport
from faimtrack.datasets.vod.faults import Faults
from faimtrack.datasets.vod.opening import VideoDataset, open_tables
from faimtrack.datasets.vod.tables import VideoTable, VideoTables
from faimtrack.errors import describe_error
from faimtrack.video.image_headers import stored_size
from faimtrack.video.images import read_image

Progress = Callable[[str, int, int], None]
"""Called with the part's name, images done and images in all."""


@dataclass(frozen=True)
class VideoDataReport(DataReport):
    """What was found in a data set of videos.

    Attributes:
        videos: How many there are.
        class_counts: Objects that are learnt, by class; also classes that have none.
    """

    videos: int = 0
    class_counts: dict[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The same for programs."""
        return super().as_json() | {"videos": self.videos, "classes": self.class_counts}


def check_videos(
    dataset: VideoDataset,
    data: Path,
    *,
    split: str,
    decode: bool = False,
    progress: Progress | None = None,
) -> VideoDataReport:
    """Count what is wrong with a data set of videos.

    A file of annotations that cannot be read as a whole is one error, and ends the look.

    Args:
        dataset: Not `crowd`, whose folders are sequences.
        data: Its folder.
        split: Which videos.
        decode: Whether images are decoded; else only their headers are read.
        progress: Told after each image.

    Raises:
        ValueError: There is no such data set or split.
    """
    report = PartReport(f"{dataset} {split}")
    faults = Faults(report)
    try:
        tables = open_tables(dataset, data, split, faults)
    except (ValueError, OSError) as error:
        report.add("no ground truth", describe_error(error))
        return VideoDataReport((report,))
    there = sum(len(table.frame_numbers) for table in tables.tables)
    absent = report.findings.get("missing images")
    report.images = there + (absent.count if absent else 0)
    report.objects = sum(len(table.boxes) for table in tables.tables)
    report.rows = report.objects + sum(faults.left_out.values())
    done = 0
    for table in tables.tables:
        _count_empty(table, report)
        for place in range(len(table.frame_numbers)):
            _check_image(table, place, decode, report)
            done += 1
            if progress is not None:
                progress(report.name, done, there)
    return VideoDataReport((report,), len(tables), _class_counts(tables))


def _count_empty(table: VideoTable, report: PartReport) -> None:
    empty = np.flatnonzero(np.diff(table.ends, prepend=0) == 0)
    if len(empty):
        first = f"{table.name}: frame {table.frame_numbers[empty[0]]}"
        report.add("frames without objects", first, len(empty))


def _check_image(table: VideoTable, place: int, decode: bool, report: PartReport) -> None:
    path = table.folder / str(table.file_names[place])
    height, width = table.sizes[place].tolist()
    try:
        size = None if decode else stored_size(path)
        if size is None or size != (height, width):
            # The header does not say whether the picture is turned when it is decoded.
            size = read_image(path).shape[:2]
    except (ValueError, OSError) as error:
        report.add("images that cannot be decoded", describe_error(error))
        return
    if height and width and size != (height, width):
        report.add(
            "images of another size",
            f"{path}: expected {width} x {height}, got {size[1]} x {size[0]}",
        )


def _class_counts(tables: VideoTables) -> dict[str, int]:
    counts = np.zeros(len(tables.class_names), np.int64)
    for table in tables.tables:
        counts += np.bincount(table.class_ids, minlength=len(counts))
    return dict(zip(tables.class_names, counts.tolist(), strict=True))
