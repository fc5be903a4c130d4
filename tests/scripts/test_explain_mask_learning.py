"""What the networks of the comparison do differently: matching, recalls, and whole tables."""

import json
import sys

import numpy as np
import pytest

from faimtrack.datasets.crowd import CrowdConfig, simulate_crowd, write_crowd
from faimtrack.datasets.half_split import HalfSplit
from faimtrack.detectors.files.writer import DetectionFile
from faimtrack.motfile import write_tracks
from faimtrack.structures import Detections, SourceInfo, Tracks


@pytest.fixture
def script(load_script):
    return load_script("explain_mask_learning")


def test_the_surest_takes_the_best_and_the_next_what_is_left(script):
    people = np.array([[0, 0, 10, 10], [2, 0, 12, 10], [50, 0, 60, 10]], float)
    found = np.array([[1, 0, 11, 10], [2, 0, 12, 10], [2, 0, 12, 9], [50, 0, 60, 4]], float)
    # The second fits the second person wholly, and comes first; the third has to go without,
    # since the first, surer than it, takes who is left; the fourth covers too little.
    given = script.match(found, np.array([0.8, 0.9, 0.7, 0.95]), people)
    assert given.tolist() == [0, 1, -1, -1]
    assert script.match(np.zeros((0, 4)), np.zeros(0), people).tolist() == []
    assert script.match(found, np.ones(4), np.zeros((0, 4))).tolist() == [-1] * 4


def test_recalls_are_those_of_the_lowest_score_that_keeps_the_precision(script):
    found = script.Found(
        # In order of scores: hit, hit, false, hit, false.
        scores=np.array([0.5, 0.9, 0.8, 0.7, 0.6]),
        overlaps=np.array([0.0, 0.6, 0.8, 0.0, 1.0]),
        visibilities=np.array([np.nan, 0.25, 1.0, np.nan, 0.0]),
        wanted=np.array([0.0, 0.25, 0.6, 1.0]),
    )
    numbers = script.detection_numbers(found, precision=0.75)
    assert numbers == pytest.approx({
        "recall": 0.75, "recall 0–0.25": 1.0, "recall 0.25–0.5": 0.0, "recall 0.5–0.75": 0.0,
        "recall 0.75–1": 1.0, "IoU of hits": 0.8,
    })  # fmt: skip
    assert script.detection_numbers(found, precision=1.0)["recall"] == 0.5
    nothing = script.Found(
        scores=np.ones(1), overlaps=np.zeros(1), visibilities=np.full(1, np.nan), wanted=np.ones(1)
    )
    with pytest.raises(ValueError, match=r"expected a precision of 0\.8, got none"):
        script.detection_numbers(nothing)


def perfect_run(folder, crowd):
    """What a run leaves that found everybody."""
    images = HalfSplit.open(crowd, split="full")
    (folder / "test" / "tracks").mkdir(parents=True)
    info, rows = SourceInfo(name=crowd.name), []
    path = folder / "test" / "detections" / f"{crowd.name}.parquet"
    with DetectionFile(path, "parquet", ("person",), info) as file:
        for frame, image in enumerate(images, 1):
            scores = np.ones(len(image.boxes))
            file.write(frame, Detections(boxes=image.boxes, scores=scores))
            tracks = Tracks(
                boxes=image.boxes, ids=image.track_ids, scores=scores,
                class_ids=image.class_ids, detection_indices=np.arange(len(scores)),
            )  # fmt: skip
            rows.append((frame, tracks))
    write_tracks(folder / "test" / "tracks" / f"{crowd.name}.txt", rows)
    lines = ["step,iou,objectness,masks,mask_iou"]
    lines += [f"{step},{step},1,0.5,0.25" for step in range(1, 8)]
    (folder / "metrics.csv").write_text("\n".join(lines) + "\n")


def test_a_run_that_found_everybody(script, load_script, tmp_path, monkeypatch, capsys):
    comparison = load_script("compare_mask_learning")
    config = CrowdConfig(name="c", frames=4, width=192, height=128, people=4)
    crowd = write_crowd(simulate_crowd(config), tmp_path / "work" / script.BENCH / "test" / "c")
    scores = dict.fromkeys(comparison.METRICS, 1.0)
    for arm in ("none", "truth"):
        result = comparison.RunResult(
            run={}, arm=arm, seed=0, sequences={"c": scores}, combined=scores, track_threshold=0.5
        )
        path = comparison.write_result(tmp_path / "results", result)
        if arm == "truth":  # the other was done elsewhere
            perfect_run(tmp_path / "work" / path.stem, crowd)
    arguments = [tmp_path / "results", "--work", tmp_path / "work", "--json", tmp_path / "t.json"]
    monkeypatch.setattr(sys, "argv", ["explain", *map(str, arguments)])
    assert script.main() == 0
    assert "none-seed0: left out, the run was done elsewhere" in capsys.readouterr().err
    tables = json.loads((tmp_path / "t.json").read_text())["tables"]
    assert list(tables) == ["all runs: tracks", "all runs: detections", "all runs: log"]
    assert tables["all runs: tracks"]["rows"] == [["truth", "1", *["1.000"] * 8]]
    found = tables["all runs: detections"]
    assert [found["rows"][0][found["columns"].index(name)] for name in ("recall", "IoU of hits")] \
        == ["1.000", "1.000"]  # fmt: skip
    # The mean of the last five lines.
    assert tables["all runs: log"]["rows"] == [["truth", "1", "5.000", "1.000", "0.500", "0.250"]]
