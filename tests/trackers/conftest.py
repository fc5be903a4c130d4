"""Small hand-made scenes: what the trackers' tests are written with."""

import numpy as np
import pytest

from faimtrack.structures import Detections, Frame


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
