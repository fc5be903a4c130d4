"""A crowd's rows as the tables that trackers and scoring take, without a detour over files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from faimtrack.datasets.crowd.annotations import VISIBILITY_ONE
from faimtrack.datasets.crowd.simulate import Crowd
from faimtrack.motfile import MotTable


def ground_truth_table(crowd: Crowd) -> MotTable:
    """The same rows as `read_mot` finds in the crowd's gt.txt, in another order in a frame."""
    table = crowd.annotations
    return MotTable(
        Path(crowd.config.name) / "gt" / "gt.txt",
        table.frames,
        table.track_ids,
        table.boxes_xywh.astype(np.float64),
        table.considered.astype(np.float64),
        np.array(crowd.mot_classes)[table.class_ids],
        table.visibility / VISIBILITY_ONE,
    )


def detection_table(crowd: Crowd) -> MotTable:
    """The same rows as `read_mot` finds in the crowd's det.txt."""
    table = crowd.detections
    nothing = np.full(len(table), -1, dtype=np.int64)
    return MotTable(
        Path(crowd.config.name) / "det" / "det.txt",
        table.frames,
        nothing,
        table.boxes_xywh / 10,
        table.scores / 100,
        nothing,
        nothing.astype(np.float64),
    )
