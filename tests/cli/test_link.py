import json

import numpy as np
import pycocotools.mask
import pytest

from faimtrack.detectors.files import SUFFIXES, DetectionFile, read_detections
from faimtrack.detectors.video.linking import ReppConfig, SeqNmsConfig, link
from faimtrack.detectors.video.linking.coefficients import read_coefficients
from faimtrack.provenance import Provenance, file_sha256, read_provenance, write_provenance
from faimtrack.structures import Detections, SourceInfo

NAMES = ("cat", "dog")
FRAMES = (1, 2, 3, 5)


def frame_of(number, **more):
    """A cat that walks, a box beside it that is taken for another, a dog; frame 3 is empty."""
    if number == 3:
        return Detections.empty(NAMES)
    boxes = [[x, 0, x + 20, 40] for x in (number, number + 4, 80)]
    return Detections(boxes, [number / 10, 0.05, 0.3], [0, 0, 1], NAMES, **more)


@pytest.fixture
def write(tmp_path):
    """Write a file of detections as `faimtrack detect` does."""

    def make(name="walk", kind="parquet", frames=FRAMES, folder="dets", with_masks=False):
        path = tmp_path / folder / f"{name}{SUFFIXES[kind]}"
        info = SourceInfo(name=name, width=128, height=64)
        mask = pycocotools.mask.encode(np.zeros((64, 128), np.uint8, order="F"))
        record = Provenance(
            kind="detections",
            configuration={"detector": {"name": "nano"}},
            inputs={"images": "0123"},
            weights={"detector": "4567"},
            split="full",
            mode="online",
        )
        with DetectionFile(path, kind, NAMES, info, record=record, with_masks=with_masks) as file:
            for number in frames:
                detections = frame_of(number)
                masks = (mask,) * len(detections) if with_masks else None
                file.write(
                    number,
                    Detections(
                        detections.boxes,
                        detections.scores,
                        detections.class_ids,
                        NAMES,
                        masks=masks,
                    ),
                )
        write_provenance(
            path,
            Provenance(
                **{
                    **{key: getattr(record, key) for key in record.__dataclass_fields__},
                    "contents": file.contents.to_tree(),
                }
            ),
        )
        return path

    return make


@pytest.mark.parametrize("kind", sorted(SUFFIXES))
@pytest.mark.parametrize(
    ("method", "config"), [("seq-nms", SeqNmsConfig()), ("repp", ReppConfig())]
)
def test_detections_are_linked_in_their_format(faimtrack, write, tmp_path, kind, method, config):
    source = write(kind=kind)
    done = faimtrack("link", "--detections", "dets", "--method", method, "--output", "out")
    assert (done.status, done.out) == (0, f"detections: out/walk{SUFFIXES[kind]}\n")
    assert "[1/1] walk  4 frames, 9 detections became" in done.err
    found = read_detections(tmp_path / "out" / source.name)
    expected = link([frame_of(number) for number in FRAMES], config, FRAMES)
    assert found.contents.frames == ((1, 3), (5, 5))
    assert (found.contents.width, found.contents.sequence) == (128, "walk")
    for number, answer in zip(FRAMES, expected, strict=True):
        written = found.detections(number, NAMES)
        np.testing.assert_allclose(written.boxes, answer.boxes)
        assert written.scores.tolist() == answer.scores.tolist()
        assert written.class_ids.tolist() == answer.class_ids.tolist()
    record = read_provenance(tmp_path / "out" / source.name)
    assert (record.kind, record.mode, record.split) == ("detections", "offline", "full")
    assert record.inputs["detections"] == file_sha256(source)
    assert record.weights == {"detector": "4567"}
    assert record.configuration["postprocessing"]["method"] == method
    assert record.configuration["detections"]["detector"] == {"name": "nano"}
    assert ("link_coefficients" in record.inputs) == (method == "repp")


def test_settings_and_presets_are_taken(faimtrack, write, tmp_path):
    write()
    options = ["link", "--detections", "dets", "--method", "seq-nms", "--output", "out"]
    done = faimtrack(*options, "--set", "rescore=maximum", "--set", "preset=crowd")
    assert done.status == 0
    settings = read_provenance(tmp_path / "out" / "walk.parquet").configuration["postprocessing"]
    assert settings == {
        "method": "seq-nms",
        "max_step_frames": 1,
        "link_iou": 0.5,
        "suppress_iou": 0.7,
        "rescore": "maximum",
    }


def test_masks_come_along_and_a_note_says_where_they_stay(faimtrack, write, tmp_path):
    write(with_masks=True)
    done = faimtrack("link", "--detections", "dets", "--method", "repp", "--output", "out")
    assert "warning: walk: masks stay where the detector put them" in done.err
    found = read_detections(tmp_path / "out" / "walk.parquet")
    assert len(found.detections(1, NAMES).masks) == 3


def test_plain_text_counts_all_frames_up_to_its_last_row(faimtrack, tmp_path):
    (tmp_path / "dets").mkdir()
    (tmp_path / "dets" / "walk.txt").write_text("2,-1,0,0,9,9,0.5,-1,-1,-1\n4,-1,0,0,9,9,0.7\n")
    faimtrack("link", "--detections", "dets/walk.txt", "--method", "seq-nms", "--output", "out")
    found = read_detections(tmp_path / "out" / "walk.txt")
    assert found.contents.frames == ((1, 4),)
    assert found.scores.tolist() == [0.5, 0.7]


def test_what_is_there_is_refused_kept_or_replaced(faimtrack, write, tmp_path, complaint):
    write("a")
    write("b")
    options = ["link", "--detections", "dets", "--method", "seq-nms", "--output", "out"]
    assert faimtrack(*options).out == "detections: 2 files in out\n"
    refused = faimtrack(*options)
    assert refused.status == 1
    assert complaint(refused.err).startswith("out/a.parquet: already there; --resume keeps")
    assert faimtrack(*options, "--resume").err.count("finished before; kept") == 2
    again = faimtrack(*options, "--resume", "--set", "link_iou=0.9")
    assert "finished before" not in again.err
    record = read_provenance(tmp_path / "out" / "a.parquet")
    assert record.configuration["postprocessing"]["link_iou"] == 0.9
    assert faimtrack(*options, "--overwrite").status == 0
    assert faimtrack(*options, "--overwrite", "--resume").status == 2


def test_a_video_that_fails_is_told_and_the_others_go_on(faimtrack, write, tmp_path):
    write("a")
    (tmp_path / "dets" / "b.txt").write_text("no numbers\n")
    done = faimtrack("link", "--detections", "dets", "--method", "repp", "--output", "out")
    assert (done.status, done.out) == (1, "detections: out/a.parquet\n")
    assert "faimtrack: error: b: dets/b.txt" in done.err
    assert not (tmp_path / "out" / "b.txt").exists()


def test_detections_are_not_replaced_by_themselves(faimtrack, write, complaint):
    source = write()
    before = source.read_bytes()
    options = ["link", "--detections", "dets", "--method", "repp", "--output", "dets"]
    done = faimtrack(*options, "--overwrite")
    assert "expected another file than the detections that are linked" in complaint(done.err)
    assert source.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["--method", "repp"], 2, "got no --detections"),
        (["--detections", "dets"], 2, "got no --method"),
        (["--detections", "nothing", "--method", "repp"], 1, "nothing: expected a folder"),
        (["--detections", ".", "--method", "repp"], 1, "expected files of detections"),
        (["--detections", "dets", "--method", "x"], 2, "seq-nms"),
        (["--detections", "dets", "--method", "repp", "--set", "x"], 2, "expected KEY=VALUE"),
        (["--detections", "dets", "--method", "repp", "--set", "link_treshold=1"], 2, "such as"),
        (["--detections", "dets", "--method", "repp", "--set", "link_threshold=2"], 1, "0.0 to 1"),
        (["--detections", "dets", "--method", "repp", "--set", "preset=x"], 1, "expected default"),
        (
            ["--detections", "dets", "--method", "repp", "--set", "coefficients=x"],
            1,
            "x: expected coefficients of linking, a JSON file of `faimtrack link train`, got no",
        ),
        (["--method", "repp", "train"], 2, "expected options after train"),
    ],
)
def test_what_makes_no_sense_is_said_in_one_line(
    faimtrack, write, complaint, arguments, status, text
):
    write()
    if arguments[-1] == "train":
        arguments = [*arguments, "--detections", "dets", "--data", "."]
        arguments += ["--dataset", "crowd", "--output", "own.json"]
    done = faimtrack("link", *arguments)
    assert (done.status, text in complaint(done.err)) == (status, True), done.err


def test_two_files_of_one_video_are_refused(faimtrack, write, complaint):
    write(kind="parquet")
    write(kind="coco")
    done = faimtrack("link", "--detections", "dets", "--method", "repp")
    assert "expected one file of detections for walk, got" in complaint(done.err)


def test_a_video_longer_than_any_is_refused(faimtrack, tmp_path, complaint):
    (tmp_path / "dets").mkdir()
    (tmp_path / "dets" / "walk.txt").write_text("900000000,-1,0,0,9,9,0.5,-1,-1,-1\n")
    done = faimtrack("link", "--detections", "dets", "--method", "repp")
    assert "expected a video of at most 10,000,000 frames" in complaint(done.err)


# Learning


class Objects:
    def __init__(self, number):
        found = frame_of(number)
        self.boxes = found.boxes[[0, 2]] if len(found) else found.boxes
        self.class_ids = np.array([0, 1])[: len(self.boxes)]
        self.track_ids = np.array([5, 6])[: len(self.boxes)]


class Video:
    name, has_tracks = "walk", True
    frame_numbers = np.array([1, 2, 3])

    def __getitem__(self, place):
        return Objects(place + 1)


class Videos:
    class_names = NAMES

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return Video()


@pytest.fixture
def videos(monkeypatch):
    asked = []

    def open_videos(dataset, data, *, split):
        asked.append((dataset, str(data), split))
        return Videos()

    monkeypatch.setattr("faimtrack.datasets.vod.opening.open_videos", open_videos)
    return asked


TRAIN = ["link", "train", "--detections", "dets", "--data", "crowds", "--output", "own.json"]
# The box beside the cat counts as background.
STRICT = ["--set", "match_iou=0.7", "--set", "background_iou=0.69"]


def test_coefficients_are_learnt_and_used(faimtrack, write, tmp_path, videos):
    write()
    done = faimtrack(*TRAIN, "--dataset", "crowd", *STRICT)
    assert done.status == 0, done.err
    assert videos == [("crowd", "crowds", "full")]
    found = read_coefficients(tmp_path / "own.json")
    assert done.out == (
        f"learnt from {found.positives} pairs of the same object and {found.negatives} of "
        "different ones\ncoefficients: own.json\n"
    )
    assert (found.positives, found.negatives) == (2, 2)
    assert json.loads((tmp_path / "own.json").read_text())["provenance"]["videos"] == 1
    options = ["link", "--detections", "dets", "--method", "repp", "--set"]
    assert faimtrack(*options, "coefficients=own.json", "--output", "out").status == 0
    record = read_provenance(tmp_path / "out" / "walk.parquet")
    assert record.inputs["link_coefficients"] == file_sha256(tmp_path / "own.json")


def test_the_split_is_train_where_there_are_splits(faimtrack, write, videos):
    write()
    faimtrack(*TRAIN, "--dataset", "vid", *STRICT)
    faimtrack(*TRAIN, "--dataset", "vid", "--split", "val", "--overwrite", *STRICT)
    assert [split for _, _, split in videos] == ["train", "val"]


def test_what_cannot_be_learnt_from_is_refused(faimtrack, write, tmp_path, videos, complaint):
    write("other")
    done = faimtrack(*TRAIN, "--dataset", "crowd")
    assert complaint(done.err) == "dets: expected one file of detections for walk, got none"
    assert not (tmp_path / "own.json").exists()
    (tmp_path / "own.json").write_text("mine")
    done = faimtrack(*TRAIN, "--dataset", "crowd")
    assert complaint(done.err) == "own.json: already there; --overwrite replaces it"
    assert (tmp_path / "own.json").read_text() == "mine"
