"""Our reference presets against the originals' answers on a synthetic crowd (golden/README.md)."""

import gzip
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from faimtrack.motfile import format_tracks, read_mot
from faimtrack.structures import Detections
from faimtrack.trackers import (
    ByteTrack,
    ByteTrackConfig,
    OcSort,
    OcSortConfig,
    Sort,
    SortConfig,
)

GOLDEN = Path(__file__).parent / "golden"
INDEX = json.loads((GOLDEN / "index.json").read_text(encoding="utf-8"))
TRACKERS = {
    "bytetrack": (ByteTrack, ByteTrackConfig),
    "ocsort": (OcSort, OcSortConfig),
    "sort": (Sort, SortConfig),
}
# The golden files are rounded to 0.001 px.
TOLERANCE_PX = 0.0006


def read_input():
    table = read_mot(GOLDEN / "det.txt.gz")
    dropped = {
        frame for first, last in INDEX["dropped_frames"] for frame in range(first, last + 1)
    }
    return {
        frame: Detections.empty() if frame in dropped else table.detections(frame)
        for frame in range(1, INDEX["crowd"]["frames"] + 1)
    }


@pytest.fixture(scope="module")
def detections():
    return read_input()


def read_golden(name):
    text = gzip.decompress((GOLDEN / f"{name}.txt.gz").read_bytes()).decode("ascii")
    rows = np.array([line.split(",") for line in text.splitlines()], dtype=np.float64)
    return {int(frame): rows[rows[:, 0] == frame, 1:] for frame in np.unique(rows[:, 0])}


def run(name, detections):
    entry = INDEX["outputs"][name]
    tracker_class, config_class = TRACKERS[entry["tracker"]]
    tracker = tracker_class(
        config_class.preset(entry["preset"]), frame_rate=float(INDEX["crowd"]["frame_rate"])
    )
    return {
        frame: tracker.update(found)
        for frame, found in detections.items()
        if len(found) or entry["empty_frames"] == "given"
    }


def test_input_is_the_one_that_the_originals_were_given():
    text = gzip.decompress((GOLDEN / "det.txt.gz").read_bytes())
    assert hashlib.sha256(text).hexdigest() == INDEX["detections_sha256"]


@pytest.mark.parametrize("name", INDEX["outputs"])
def test_reference_preset_repeats_every_row_of_the_original(name, detections):
    expected = read_golden(name)
    answers = run(name, detections)
    assert sum(map(len, answers.values())) == sum(map(len, expected.values()))
    pairs = set()
    for frame, rows in expected.items():
        tracks = answers[frame]
        assert len(tracks) == len(rows), f"frame {frame}"
        boxes = np.concatenate([tracks.boxes[:, :2], tracks.boxes[:, 2:] - tracks.boxes[:, :2]], 1)
        distances = np.abs(boxes[:, None] - rows[None, :, 1:5]).max(axis=2)
        nearest = distances.argmin(axis=0)
        worst = distances[nearest, np.arange(len(rows))].max()
        assert worst <= TOLERANCE_PX, f"frame {frame}"
        pairs |= set(zip(rows[:, 0].tolist(), tracks.ids[nearest].tolist(), strict=True))
    ids, our_ids = zip(*pairs, strict=True)
    assert len(pairs) == len(set(ids)) == len(set(our_ids)), "an identity has two names"


@pytest.mark.parametrize(
    "name", [name for name, entry in INDEX["outputs"].items() if entry["scores"]]
)
def test_reference_preset_repeats_the_scores_of_the_original(name, detections):
    answers = run(name, detections)
    for frame, rows in read_golden(name).items():
        np.testing.assert_array_equal(np.sort(answers[frame].scores), np.sort(rows[:, 5]))


@pytest.mark.parametrize("name", INDEX["outputs"])
def test_text_of_our_tracks_stays_byte_for_byte_the_same(name, detections):
    text = "".join(format_tracks(frame, tracks) for frame, tracks in run(name, detections).items())
    assert hashlib.sha256(text.encode()).hexdigest() == INDEX["outputs"][name]["our_text_sha256"]
