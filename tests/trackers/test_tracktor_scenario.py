"""The scenario tables of docs/tracktor.md, played row by row."""

import re
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pytest

from faimtrack.structures import Detections, Frame
from faimtrack.trackers import Tracktor, TracktorConfig

PAGE = (Path(__file__).parents[2] / "docs" / "tracktor.md").read_text(encoding="utf-8")
LOOKS = {"A": (1, 0, 0), "B": (0, 1, 0), "C": (0, 0, 1), "D": (0.6, 0.8, 0)}


@dataclass
class Row:
    """One line of a table."""

    frame: int
    camera: float | None
    detections: list[tuple[float, float]]
    answers: list[tuple[float, float, float]]  # asked about, answer, score
    looks: list[tuple[float, str]]
    tracks: list[tuple[int, float, float, int]]  # id, left edge, score, detection
    lost: list[tuple[int, float]]
    says: str


def entries(cell, pattern):
    """What is listed in a cell; all of it must be understood."""
    if cell == "–":
        return []
    found = [re.fullmatch(pattern, entry) for entry in cell.split(", ")]
    assert all(found), f"cannot read {cell}"
    return [each.groups() for each in found]


def read_row(line):
    frame, camera, detections, answers, looks, tracks, lost, says = (
        cell.strip() for cell in line.strip("|").split("|")
    )
    number = r"(-?\d+(?:\.\d+)?)"
    return Row(
        frame=int(frame),
        camera=None if camera == "–" else float(camera),
        detections=[tuple(map(float, each)) for each in entries(detections, f"{number}:{number}")],
        answers=[
            tuple(map(float, each)) for each in entries(answers, f"{number}→{number}:{number}")
        ],
        looks=[(float(left), name) for left, name in entries(looks, f"{number}=([A-D])")],
        tracks=[
            (int(who), float(left), float(score), -1 if taken is None else int(taken))
            for who, left, score, taken in entries(
                tracks, rf"(\d+) at {number}:{number}(?: #(\d+))?"
            )
        ],
        lost=[(int(who), float(left)) for who, left in entries(lost, rf"(\d+) at {number}")],
        says=says,
    )


def read_tables():
    scenarios = {}
    for section in re.split(r"^### ", PAGE, flags=re.MULTILINE)[1:]:
        title, text = section.split("\n", 1)
        parameters = dict(
            each.split("=") for each in re.search("Parameters: `(.*)`", text).group(1).split()
        )
        known = {field.name for field in fields(TracktorConfig)}
        assert parameters.keys() <= known
        values = {"true": True, "false": False}
        config = TracktorConfig(
            **{key: values.get(word) or int(word) for key, word in parameters.items()}
        )
        lines = [line for line in text.splitlines() if re.match(r"\| \d", line)]
        scenarios[title] = (config, [read_row(line) for line in lines])
    return scenarios


SCENARIOS = read_tables()


def boxes_at(lefts):
    return np.array([[left, 100.0, left + 40.0, 200.0] for left in lefts]).reshape(-1, 4)


class Script:
    """A regressor and an embedder that answer what a row says, and insist on its questions."""

    class_names = ("person",)
    name = "looks"
    dimension = 3

    def __init__(self):
        self.row = None
        self.questions = []

    def regress(self, frame, boxes, class_ids=None):
        self.questions.append("regress")
        assert frame.index == self.row.frame
        np.testing.assert_allclose(boxes, boxes_at([each[0] for each in self.row.answers]))
        assert class_ids.tolist() == [0] * len(boxes)
        return boxes_at([each[1] for each in self.row.answers]), np.array(
            [each[2] for each in self.row.answers]
        )

    def embed(self, frame, boxes):
        self.questions.append("embed")
        assert frame.index == self.row.frame
        np.testing.assert_allclose(boxes, boxes_at([each[0] for each in self.row.looks]))
        return np.array([LOOKS[name] for _, name in self.row.looks], np.float32)


@pytest.mark.parametrize("title", SCENARIOS)
def test_every_row_of_the_table_is_what_happens(title):
    config, rows = SCENARIOS[title]
    script = Script()
    tracker = Tracktor(config, regressor=script, embedder=script)
    for row in rows:
        script.row, script.questions = row, []
        detections = Detections(
            boxes_at([left for left, _ in row.detections]), [score for _, score in row.detections]
        )
        frame = Frame(row.frame)
        if row.camera is not None:
            frame.camera_motion = np.array([[1, 0, row.camera], [0, 1, 0]], float)
        tracks = tracker.update(detections, frame)
        expected = ["regress"] * bool(row.answers) + ["embed"] * bool(row.looks)
        assert script.questions == expected, f"frame {row.frame}"
        came = zip(
            tracks.ids.tolist(),
            tracks.boxes[:, 0].tolist(),
            tracks.scores.tolist(),
            tracks.detection_indices.tolist(),
            strict=True,
        )
        assert list(came) == row.tracks, f"frame {row.frame}"
        np.testing.assert_allclose(tracks.boxes, boxes_at(tracks.boxes[:, 0]))
        state = tracker.state()
        lost = zip(state["lost.id"].tolist(), state["lost.box"][:, 0].tolist(), strict=True)
        assert list(lost) == row.lost, f"frame {row.frame}"


@pytest.mark.parametrize("title", SCENARIOS)
def test_the_arithmetic_in_the_remarks_is_right(title):
    remarks = " ".join(row.says for row in SCENARIOS[title][1])
    fractions = re.findall(r"(\d+)/(\d+) = (0\.\d+)", remarks)
    assert fractions
    for above, below, value in fractions:
        assert int(above) + int(below) == 80, "boxes of 40 pixels"
        assert f"{int(above) / int(below):.2f}" == value


def test_the_tables_show_every_step():
    rows = [row for _, rows in SCENARIOS.values() for row in rows]
    assert len(rows) == 23
    assert any(row.camera for row in rows)
    assert sum(len(row.answers) for row in rows) > 30
