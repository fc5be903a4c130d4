"""What coefficients are learnt from, how they are fitted, and their file."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from faimtrack.detectors.files import DetectionTable
from faimtrack.detectors.video.linking.coefficients import (
    LinkCoefficients,
    bundled_path,
    read_coefficients,
    write_coefficients,
)
from faimtrack.detectors.video.linking.learning import (
    LinkLearningConfig,
    LinkPairs,
    fit_coefficients,
    learn_coefficients,
    video_pairs,
)
from faimtrack.detectors.video.linking.pair_features import pair_features

CONFIG = LinkLearningConfig()


@dataclass
class Objects:
    boxes: np.ndarray
    class_ids: np.ndarray
    track_ids: np.ndarray


@dataclass
class Video:
    """Objects as `(frame, track, class, left)`: boxes of 20 x 40 pixels."""

    objects: list
    frames: tuple = (1, 2, 3)
    name: str = "walk"
    has_tracks: bool = True

    @property
    def frame_numbers(self):
        return np.array(self.frames)

    def __getitem__(self, place):
        rows = [each for each in self.objects if each[0] == self.frames[place]]
        return Objects(
            np.array([box_at(each[3]) for each in rows]).reshape(-1, 4),
            np.array([each[2] for each in rows], dtype=np.int64),
            np.array([each[1] for each in rows], dtype=np.int64),
        )


def box_at(left):
    return [left, 0.0, left + 20.0, 40.0]


def table(rows, class_names=None, path="det.txt"):
    """Detections as `(frame, class, left)`."""
    rows = sorted(rows)
    return DetectionTable(
        path=Path(path),
        frames=np.array([row[0] for row in rows], dtype=np.int64),
        boxes=np.array([box_at(row[2]) for row in rows]).reshape(-1, 4),
        scores=np.full(len(rows), 0.5),
        class_ids=np.array([row[1] for row in rows], dtype=np.int64),
        class_names=class_names,
    )


def found_pairs(video, rows, names=("cat", "dog"), class_names=("cat", "dog"), config=CONFIG):
    """Distance of each pair's left edges and whether it is positive, sorted."""
    pairs = video_pairs(video, table(rows, class_names), names, config)
    diagonal = np.hypot(20, 40)
    distances = np.round(pairs.features[:, 0] * diagonal).astype(int).tolist()
    return sorted(zip(distances, pairs.is_same.tolist(), strict=True))


def test_pairs_of_one_track_are_positive_and_of_two_negative():
    video = Video([(1, 7, 0, 0), (1, 8, 0, 30), (2, 7, 0, 2), (2, 8, 0, 31)])
    rows = [(1, 0, 0), (1, 0, 30), (2, 0, 2), (2, 0, 31)]
    assert found_pairs(video, rows) == [(1, True), (2, True), (28, False), (31, False)]


def test_false_alarms_are_negatives_beside_objects_and_nothing_among_themselves():
    video = Video([(1, 7, 0, 0)])
    rows = [(1, 0, 0), (1, 0, 30), (2, 0, 31)]
    assert found_pairs(video, rows) == [(31, False)]


def test_detections_that_half_hit_are_not_learnt_from():
    video = Video([(1, 7, 0, 0), (2, 7, 0, 0)])
    # 8 px aside: an IoU of 12/28, between background and match.
    assert found_pairs(video, [(1, 0, 0), (2, 0, 8)]) == []
    # 12 px aside: an IoU of 8/32, background.
    assert found_pairs(video, [(1, 0, 0), (2, 0, 12)]) == [(12, False)]


def test_objects_that_nobody_follows_are_not_learnt_from():
    video = Video([(1, -1, 0, 0), (2, -1, 0, 0)])
    assert found_pairs(video, [(1, 0, 0), (2, 0, 0)]) == []


def test_classes_go_together_by_name_and_never_mix():
    video = Video([(1, 7, 0, 0), (2, 7, 0, 1), (1, 8, 1, 0), (2, 8, 1, 3)])
    rows = [(1, 0, 0), (2, 0, 3), (1, 2, 0), (2, 2, 1), (1, 1, 0), (2, 1, 0)]
    pairs = found_pairs(video, rows, class_names=("dog", "bird", "cat"))
    assert pairs == [(1, True), (3, True)]


def test_a_single_class_goes_with_a_single_class_whatever_their_names():
    video = Video([(1, 7, 0, 0), (2, 7, 0, 1)])
    assert found_pairs(video, [(1, 0, 0), (2, 0, 1)], ("pedestrian",), None) == [(1, True)]


def test_classes_with_nothing_in_common_are_refused():
    with pytest.raises(ValueError, match=r"det\.txt: expected some class of cat, dog, got bird"):
        found_pairs(Video([]), [(1, 0, 0)], class_names=("bird",))


def test_pairs_over_a_gap_or_out_of_reach_are_left_out():
    video = Video([(1, 7, 0, 0), (3, 7, 0, 0)], frames=(1, 3))
    assert found_pairs(video, [(1, 0, 0), (3, 0, 0)]) == []
    video = Video([(1, 7, 0, 0), (2, 8, 0, 60)])
    rows = [(1, 0, 0), (2, 0, 60)]
    assert found_pairs(video, rows) == []
    assert found_pairs(video, rows, config=replace(CONFIG, reach_diagonals=2)) == [(60, False)]


def random_pairs(seed=0, count=400):
    random = np.random.default_rng(seed)
    features = random.normal([0.5, 0.8, 0.2, 0.7], [0.3, 0.1, 0.2, 0.1], (count, 4))
    margins = 3 * (features[:, 2] - 0.2) / 0.2 - 2 * features[:, 0] + 1
    return LinkPairs(features=features, is_same=random.random(count) < 1 / (1 + np.exp(-margins)))


def test_the_fit_is_the_minimum_that_scipy_finds():
    pairs = random_pairs()
    found = fit_coefficients(pairs, 1e-3, {})
    inputs = (pairs.features - np.array(found.means)) / np.array(found.deviations)
    signs = np.where(pairs.is_same, 1, -1)

    def loss(weights):
        margins = signs * (inputs @ weights[:4] + weights[4])
        return np.logaddexp(0, -margins).mean() + 0.5e-3 * (weights[:4] ** 2).sum()

    expected = minimize(loss, np.zeros(5), method="BFGS", options={"gtol": 1e-9}).x
    np.testing.assert_allclose([*found.weights, found.intercept], expected, atol=1e-4)
    assert (found.positives, found.negatives) == (pairs.is_same.sum(), (~pairs.is_same).sum())
    # At the minimum the mean probability is the share of positives.
    assert found.probabilities(pairs.features).mean() == pytest.approx(pairs.is_same.mean())


def test_pairs_that_a_plane_divides_and_features_that_never_change_are_fitted():
    features = np.array([[0.1, 1, 0.9, 1], [0.9, 1, 0.1, 1]] * 5)
    found = fit_coefficients(
        LinkPairs(features=features, is_same=features[:, 2] > 0.5), CONFIG.ridge, {}
    )
    probabilities = found.probabilities(features)
    assert probabilities[0] > 0.9 > 0.1 > probabilities[1]
    assert found.weights[1] == found.weights[3] == 0


@pytest.mark.parametrize("is_same", [True, False])
def test_pairs_of_one_kind_are_refused(is_same):
    pairs = LinkPairs(features=np.ones((3, 4)), is_same=np.full(3, is_same))
    with pytest.raises(ValueError, match="expected some of the same object and some of different"):
        fit_coefficients(pairs, 1e-3, {})


class Videos(list):
    class_names = ("cat", "dog")


def test_learning_from_videos_says_what_it_learnt_from(tmp_path):
    tracks = [(frame, track, 0, 25 * track + frame) for frame in (1, 2, 3) for track in (1, 2)]
    path = tmp_path / "walk.txt"
    path.write_text("some bytes")
    rows = [(frame, 0, left) for frame, _, _, left in tracks]
    videos = Videos([Video(tracks), Video(tracks, name="stills", has_tracks=False)])
    asked = []

    def detections_of(video):
        asked.append(video.name)
        return table(rows, ("cat",), path)

    found = learn_coefficients(videos, detections_of, CONFIG, dataset="crowd")
    assert asked == ["walk"]
    assert (found.positives, found.negatives) == (4, 4)
    assert found.provenance["videos"] == 1
    assert found.provenance["dataset"] == "crowd"
    assert found.provenance["settings"]["match_iou"] == 0.5
    boxes = np.array([box_at(0), box_at(25)])
    likely = found.probabilities(pair_features(boxes, boxes))
    assert likely[0, 0] > 0.7 > likely[0, 1]


# The file

GOOD = json.loads(bundled_path().read_text())


def test_coefficients_come_back_from_their_file(tmp_path):
    found = fit_coefficients(random_pairs(), 1e-3, {"dataset": "crowd"})
    write_coefficients(tmp_path / "own.json", found)
    assert read_coefficients(tmp_path / "own.json") == found


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"kind": "tracks"}, "expected coefficients of linking, got other JSON"),
        ({"format_version": 2}, "expected format_version 1, got 2"),
        ({"features": ["iou"]}, "expected features"),
        ({"weights": None}, "weights: expected numbers, got None"),
        ({"weights": [1, 2, 3]}, "weights: expected 4 numbers"),
        ({"weights": [1, 2, 3, float("nan")]}, "weights: expected finite numbers, got nan"),
        ({"weights": [1, 2, 3, 10**400]}, "weights: expected finite numbers"),
        ({"weights": [1, 2, 3, True]}, "weights: expected finite numbers, got True"),
        ({"means": [1, 2, 3, "4"]}, "means: expected finite numbers, got '4'"),
        ({"deviations": [1, 1, 1, 0]}, "deviations: expected numbers above 0"),
        ({"deviations": [1, 1, 1, -1]}, "deviations: expected numbers above 0"),
        ({"intercept": None}, "intercept: expected finite numbers, got None"),
        ({"positives": -1}, "positives: expected a count, got -1"),
        ({"negatives": 1.5}, "negatives: expected a count, got 1.5"),
        ({"provenance": []}, "provenance: expected a mapping"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path, changes, complaint):
    path = tmp_path / "own.json"
    path.write_text(json.dumps({**GOOD, **changes}))
    with pytest.raises(ValueError, match=complaint) as refused:
        read_coefficients(path)
    assert str(refused.value).startswith(str(path))


def test_a_file_that_is_not_there_is_told_with_what_was_expected(tmp_path):
    for path, came in ((tmp_path / "none.json", "no such file"), (tmp_path, "a folder")):
        with pytest.raises(FileNotFoundError) as raised:
            read_coefficients(path)
        assert str(raised.value) == (
            f"{path}: expected coefficients of linking, a JSON file of `faimtrack link train`, "
            f"got {came}"
        )


@given(st.binary(max_size=40))
def test_bytes_that_are_no_coefficients_are_refused(content):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "own.json")
        path.write_bytes(content)
        with pytest.raises(ValueError, match="expected coefficients of linking"):
            read_coefficients(path)


def test_probabilities_are_those_of_the_formula():
    known = LinkCoefficients(
        means=(1.0, 0, 0, 0), deviations=(2.0, 1, 1, 1), weights=(4.0, 0, 3, 0), intercept=0.5
    )
    features = np.array([[3.0, 9, 0.1, 9]])
    assert known.probabilities(features) == pytest.approx(1 / (1 + np.exp(-(0.5 + 4 + 0.3))))
