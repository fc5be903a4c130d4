"""Small hand-made scenes, and the golden files of trackers that know looks."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from faimtrack.structures import Detections, Frame

APPEARANCE = Path(__file__).parent / "golden" / "appearance"
# The golden files are rounded to 0.001 px.
TOLERANCE_PX = 0.0006


def box(x, y=100.0, width=40.0, height=100.0):
    """Corners of a box whose left top is at x, y."""
    return [x, y, x + width, y + height]


def seen(*rows, class_names=("person", "car")):
    """Detections of rows `box, score` or `box, score, class id`."""
    boxes = np.array([row[0] for row in rows], dtype=float).reshape(-1, 4)
    scores = np.array([row[1] for row in rows], dtype=float)
    class_ids = np.array([row[2] if len(row) > 2 else 0 for row in rows], dtype=np.int64)
    return Detections(boxes, scores, class_ids, class_names)


@pytest.fixture
def scene():
    """The helpers `box`, `seen` and `follow` under one name."""
    return Scene


class Scene:
    box = staticmethod(box)
    seen = staticmethod(seen)

    @staticmethod
    def follow(tracker, frames, *, size=None):
        """Run a tracker over lists of rows; the ids of each frame."""
        answers = []
        for index, rows in enumerate(frames, 1):
            answers.append(tracker.update(seen(*rows), Frame(index, size=size)))
        return answers


def read_rows(path, separator=","):
    text = gzip.decompress(path.read_bytes()).decode("ascii")
    return np.array([line.split(separator) for line in text.splitlines()], dtype=np.float64)


def check_rows(answers, expected, *, sizes):
    """Every row of the original, and no other; identities equal up to renaming.

    Args:
        answers: Tracks by frame.
        expected: Rows `frame, id`, four numbers of a box, and more.
        sizes: Whether a box is its corner, width and height there; else it is its two corners.

    Returns:
        By frame, the row of our tracks that is each of the original's.
    """
    assert sum(map(len, answers.values())) == len(expected)
    pairs, places = set(), {}
    for frame in np.unique(expected[:, 0]).astype(int):
        rows, tracks = expected[expected[:, 0] == frame], answers[frame]
        assert len(tracks) == len(rows), f"frame {frame}"
        boxes = tracks.boxes.copy()
        if sizes:
            boxes[:, 2:] -= boxes[:, :2]
        distances = np.abs(boxes[:, None] - rows[None, :, 2:6]).max(axis=2)
        nearest = places[frame] = distances.argmin(axis=0)
        worst = distances[nearest, np.arange(len(rows))].max()
        assert worst <= TOLERANCE_PX, f"frame {frame}"
        pairs |= set(zip(rows[:, 1].tolist(), tracks.ids[nearest].tolist(), strict=True))
    ids, our_ids = zip(*pairs, strict=True)
    assert len(pairs) == len(set(ids)) == len(set(our_ids)), "an identity has two names"
    return places


@pytest.fixture(scope="session")
def golden():
    """The helpers `read_rows` and `check_rows` under one name."""
    return Golden


class Golden:
    read_rows = staticmethod(read_rows)
    check_rows = staticmethod(check_rows)


@pytest.fixture(scope="session")
def inputs():
    """By key: rows of detections, their embeddings and the camera's motion by frame − 1."""
    read = {}
    for key in ("moving52", "gaps52", "chaos54"):
        motion = np.loadtxt(APPEARANCE / f"GMC-{key}.txt")[:, 1:].reshape(-1, 2, 3)
        read[key] = (
            read_rows(APPEARANCE / f"{key}.det.txt.gz"),
            read_rows(APPEARANCE / f"{key}.emb.txt.gz", " "),
            motion,
        )
    return read
