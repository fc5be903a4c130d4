"""Scores of video object detection as JSON, CSV and a plot."""

import csv
import json

import cv2
import numpy as np
import pytest

from faimtrack.eval.vod import METRICS, VideoDetections, VideoTruth, score_videos
from faimtrack.eval.vod.plot import MOST_BARS, write_plot
from faimtrack.eval.vod.report import (
    CSV_COLUMNS,
    MEAN,
    difference,
    report_to_dict,
    write_csv,
    write_json,
)


def result(*, shift=0.0, classes=2, tracks=True):
    """One object a class in three frames, found with an offset of `shift` pixels."""
    frames = np.repeat(np.arange(1, 4), classes)
    kinds = np.tile(np.arange(classes), 3)
    corner = np.stack([40.0 * kinds, 3.0 * frames * (kinds % 2)], axis=1)
    boxes = np.concatenate([corner, corner + 30], axis=1)
    truth = VideoTruth(
        name="v", frame_numbers=np.arange(1, 4), frames=frames, boxes=boxes, class_ids=kinds,
        track_ids=kinds if tracks else None,
    )  # fmt: skip
    found = VideoDetections(
        name="v", frames=frames, boxes=boxes + shift, scores=np.linspace(0.9, 0.1, len(frames)),
        class_ids=kinds,
    )  # fmt: skip
    return score_videos([(truth, found)], [f"kind {number}" for number in range(classes)])


def test_json_has_every_number_and_differences(tmp_path):
    results = {"ours": result(), "base": result(shift=6.0)}
    tree = report_to_dict(results, modes={"ours": "offline", "base": None}, notes=["a note"])
    write_json(tree, tmp_path / "scores.json")
    read = json.loads((tmp_path / "scores.json").read_text())
    assert read == tree
    ours, base = (read["results"][name] for name in ("ours", "base"))
    assert ours["mean"]["vid"] == ours["classes"]["kind 0"]["vid"] == 1
    assert (ours["truths"], ours["videos"], ours["frames"]) == (6, 1, 3)
    assert len(read["recalls"]) == len(ours["classes"]["kind 1"]["precisions"]) == 101
    for metric in METRICS:
        expected = difference(ours["mean"][metric], base["mean"][metric])
        assert read["differences"]["base"][metric] == expected
    assert read["differences"]["base"]["ap"] > 0.2
    assert read["modes"] == {"ours": "offline", "base": None}


def test_csv_has_a_row_a_class_and_the_mean(tmp_path):
    write_csv({"ours": result()}, tmp_path / "scores.csv")
    with (tmp_path / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert [row["class"] for row in rows] == ["kind 0", "kind 1", MEAN]
    assert [row["truths"] for row in rows] == ["3", "3", "6"]
    assert sum(int(rows[2][f"{group}_truths"]) for group in ("slow", "medium", "fast")) == 6
    assert float(rows[2]["vid"]) == 1
    assert rows[0]["fast"] == ""


def test_what_cannot_be_had_is_null_in_json_and_empty_in_csv(tmp_path):
    results = {"ours": result(tracks=False)}
    tree = report_to_dict(results)["results"]["ours"]
    assert tree["mean"]["slow"] is None
    assert "tracks" in tree["no_groups_because"]
    write_csv(results, tmp_path / "scores.csv")
    with (tmp_path / "scores.csv").open(newline="") as file:
        assert {row["slow"] + row["slow_truths"] for row in csv.DictReader(file)} == {""}


@pytest.mark.parametrize(
    "results",
    [
        {"one": {}},
        {"one": {"classes": 1}},
        {"one": {"tracks": False}, "two": {"tracks": False, "shift": 6.0}},
        {"one": {"classes": MOST_BARS + 5}, "two": {
            "classes": MOST_BARS + 5, "shift": 5.0}},
    ],
    ids=["one", "one class", "no groups", "many classes"],
)  # fmt: skip
def test_the_plot_is_a_picture_of_something(tmp_path, results):
    write_plot({name: result(**keys) for name, keys in results.items()}, tmp_path / "plot.png")
    picture = cv2.imread(str(tmp_path / "plot.png"))
    assert picture.shape[1] == 1320
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 20


def test_a_plot_of_nothing_or_of_no_known_kind_is_refused(tmp_path):
    with pytest.raises(ValueError, match="at least one result"):
        write_plot({}, tmp_path / "plot.png")
    with pytest.raises(ValueError, match="expected a plot as"):
        write_plot({"one": result()}, tmp_path / "plot.bmp")
