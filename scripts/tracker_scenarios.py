"""The detections that the tracker benchmark feeds to every contestant, as arrays in one file."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faimtrack.motfile import MotTable, read_mot, read_sequence_info, split_frames

CROWD_SIZES = (10, 20, 100, 200)
_CROWD_SEED = 7
_REPOSITORY = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One sequence's detections.

    Attributes:
        name: Shown in tables.
        frames: A `(N, 5)` array a frame: corners and score.
        crowded: Whether the trackers' MOT20 settings apply.
        digest: SHA-256 of the text that the arrays were read from.
    """

    name: str
    frames: list[NDArray[np.float64]]
    crowded: bool
    digest: str

    @property
    def mean_detections(self) -> float:
        """Detections a frame."""
        return float(np.mean([len(frame) for frame in self.frames]))

    def save(self, path: Path) -> None:
        """Write the frames for another process, without pickle."""
        counts = np.array([len(frame) for frame in self.frames], dtype=np.int64)
        np.savez(path, rows=np.concatenate(self.frames), counts=counts)


def load_frames(path: Path) -> list[NDArray[np.float64]]:
    """Read what `Scenario.save` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        return np.split(arrays["rows"], np.cumsum(arrays["counts"])[:-1])


def _frames(table: MotTable, numbers: range) -> list[NDArray[np.float64]]:
    rows = np.column_stack([table.boxes, table.confidences])
    return [rows[table.rows_of(number)] for number in numbers]


def crowd_scenario(people: int, frame_count: int) -> Scenario:
    """The detector's view of a crowd of about `people` a frame, read back from its text."""
    # Here, because the contestants' processes need `load_frames` only.
    from faimtrack.datasets.crowd import CrowdConfig, sequence_texts, simulate_crowd

    config = CrowdConfig(
        name=f"crowd-{people}",
        seed=_CROWD_SEED,
        frames=frame_count,
        width=1920,
        height=1080,
        density="sparse" if people < 30 else "medium" if people < 150 else "dense",
        people=people,
    )
    text = sequence_texts(simulate_crowd(config))["det/det.txt"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "det.txt"
        path.write_bytes(text)
        frames = _frames(read_mot(path), range(1, frame_count + 1))
    return Scenario(
        name=f"crowd of {people}",
        frames=frames,
        crowded=False,
        digest=hashlib.sha256(text).hexdigest(),
    )


def mot20_scenario() -> Scenario | None:
    """The second half of MOT20-01 with real detections; None where the data is absent."""
    data = Path(os.environ.get("FAIMTRACK_TEST_DATA", _REPOSITORY.parent / "shared" / "data"))
    folder = data / "mot20" / "MOT20-01"
    if not folder.is_dir():
        return None
    info = read_sequence_info(folder)
    return Scenario(
        name="MOT20-01",
        frames=_frames(read_mot(info.detections_path), split_frames(info.frame_count, "val-half")),
        crowded=True,
        digest=hashlib.sha256(info.detections_path.read_bytes()).hexdigest(),
    )
