"""`faimtrack eval-vod`: files of detections scored against annotated videos."""

import csv
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from faimtrack.datasets.annotated import AnnotatedImage
from faimtrack.datasets.crowd import CrowdConfig, simulate_crowd, write_crowd
from faimtrack.datasets.videos import AnnotatedVideo
from faimtrack.detectors.files import SUFFIXES, DetectionFile
from faimtrack.provenance import Provenance, file_sha256, read_provenance, write_provenance
from faimtrack.structures import Detections, SourceInfo

CLASSES = ("dog", "cat", "bus")
FRAMES = 6
ANNOTATED = (1, 2, 4, 6)


def boxes_of(frame):
    """A dog that stands, and a cat that runs."""
    return np.array([[10, 10, 49, 49], [20.0 * frame, 60, 20.0 * frame + 29, 79]])


class FakeVideos:
    """Two videos, one dog and one cat in each annotated frame."""

    class_names = CLASSES
    has_masks = False
    has_ground_truth = True

    def __init__(self, folder, *, classes=(0, 1), tracks=True):
        self._folder, self._classes, self._tracks = Path(folder), classes, tracks
        self._names = ("one", "two")

    def __len__(self):
        return len(self._names)

    def __getitem__(self, index):
        def read(place):
            frame = ANNOTATED[place]
            return AnnotatedImage(
                name=f"{self._names[index]}/{frame}", path=Path("none.jpg"),
                boxes=boxes_of(frame), class_ids=np.array(self._classes),
                track_ids=np.array([3, 4]) if self._tracks else np.array([-1, -1]),
                visibilities=np.full(2, -1.0),
            )  # fmt: skip

        return AnnotatedVideo(
            name=self._names[index], source=self._folder / self._names[index],
            frame_numbers=np.array(ANNOTATED), has_tracks=self._tracks, read=read,
        )  # fmt: skip


@pytest.fixture
def data(tmp_path):
    """Where the frames of the fake videos are."""
    folder = tmp_path / "data"
    for name in ("one", "two"):
        (folder / name).mkdir(parents=True)
        for frame in range(1, FRAMES + 1):
            cv2.imwrite(str(folder / name / f"{frame:06d}.png"), np.zeros((100, 160, 3), np.uint8))
    return folder


@pytest.fixture(autouse=True)
def opener(data, monkeypatch):
    """Stands for the door to data sets; remembers what it was asked for."""
    door = SimpleNamespace(asked=None, videos=FakeVideos(data))

    def open_videos(dataset, where, *, split):
        door.asked = dataset, Path(where), split
        return door.videos

    monkeypatch.setattr("faimtrack.datasets.vod.opening.open_videos", open_videos)
    return door


def write_detections(
    path, kind="parquet", *, shift=0.0, classes=("cat", "dog"), frames=FRAMES, mode=None, extra=()
):
    """What a detector whose classes have another order finds: all, `shift` pixels beside."""
    info = SourceInfo(name=path.name, frame_rate=None, frame_count=FRAMES, width=160, height=100)
    record = None if mode is None else Provenance(kind="detections", mode=mode)
    path = path.with_name(path.name + SUFFIXES[kind])
    path.parent.mkdir(parents=True, exist_ok=True)
    with DetectionFile(path, kind, classes, info, record=record) as file:
        for frame in range(1, frames + 1):
            boxes = np.concatenate([boxes_of(frame)[::-1] + shift, np.array(extra).reshape(-1, 4)])
            ids = np.array([0, 1, *(2 for _ in extra)])
            scores = np.linspace(0.9, 0.5, len(boxes))
            file.write(frame, Detections(boxes, scores, ids, classes))
        contents = file.contents
    if mode is not None or kind == "mot":
        whole = Provenance(kind="detections", mode=mode, contents=contents.to_tree())
        write_provenance(path, whole)
    return path


@pytest.fixture
def perfect(tmp_path):
    for name in ("one", "two"):
        write_detections(tmp_path / "perfect" / name)
    return tmp_path / "perfect"


@pytest.fixture
def shifted(tmp_path):
    for name in ("one", "two"):
        write_detections(tmp_path / "shifted" / name, shift=6.0)
    return tmp_path / "shifted"


def words(line):
    return line.split()


def test_a_table_by_class_with_motion_groups(faimtrack, data, opener, perfect):
    done = faimtrack("eval-vod", "--data", data, "--dataset", "vid", "--detections", perfect)
    assert done.status == 0, done.err
    assert opener.asked == ("vid", data, "val")
    lines = done.out.splitlines()
    assert words(lines[0]) == [
        "%", "objects", "found", "VID", "AP", "slow", "medium", "fast", "AP50", "AP75", "AP50:95"
    ]  # fmt: skip
    assert words(lines[1]) == ["dog", "8", "8", "100.00", "100.00", "-", "-", *["100.00"] * 3]
    assert words(lines[2]) == ["cat", "8", "8", "100.00", "-", "-", "100.00", *["100.00"] * 3]
    assert words(lines[3]) == ["MEAN", "16", "16", "100.00", "100.00", "-", *["100.00"] * 4]
    assert words(lines[4]) == ["objects", "16", "8", "0", "8"]
    assert "2 videos, 8 annotated frames, 16 objects. COCO: the best 100" in done.out
    assert "Without ground truth, not in the mean: 1 classes (0 detections)." in done.out


@pytest.mark.parametrize("kind", SUFFIXES)
def test_files_of_every_format_are_joined_by_the_names_of_classes(
    faimtrack, data, opener, tmp_path, kind
):
    write_detections(tmp_path / "out" / "one", kind)
    write_detections(tmp_path / "out" / "two", kind)
    done = faimtrack("eval-vod", "--data", data, "--dataset", "ovis", "--detections", "out",
                     "--json", "scores.json", "--split", "val-local")  # fmt: skip
    assert done.status == 0, done.err
    assert opener.asked[2] == "val-local"
    assert not done.err
    tree = json.loads((tmp_path / "scores.json").read_text())
    assert tree["results"]["out"]["mean"]["vid"] == 1


def test_outputs_have_sidecars_that_say_what_was_scored(faimtrack, data, tmp_path, perfect):
    done = faimtrack("eval-vod", "--data", data, "--dataset", "vid", "--detections", perfect,
                     "--output", "scored", "--cross-check")  # fmt: skip
    assert done.status == 0, done.err
    assert "perfect: pycocotools' metrics of each class differ by at most" in done.out
    folder = tmp_path / "scored"
    assert {path.name for path in folder.iterdir()} == {
        f"{name}{suffix}"
        for name in ("scores.json", "scores.csv", "curves.png")
        for suffix in ("", ".json")
    }
    record = read_provenance(folder / "scores.json")
    assert record.kind == "video object detection scores"
    assert record.split == "val"
    assert record.inputs["perfect: one"] == file_sha256(perfect / "one.parquet")
    assert len(record.inputs["ground truth"]) == 64
    assert record.configuration["dataset"] == "vid"
    assert record.configuration["evaluation"]["motion_window"] == 10
    with (folder / "scores.csv").open(newline="") as file:
        assert [row["class"] for row in csv.DictReader(file)] == [*CLASSES, "MEAN"]
    assert cv2.imread(str(folder / "curves.png")) is not None


def test_results_stand_beside_each_other_with_differences(
    faimtrack, data, tmp_path, perfect, shifted
):
    done = faimtrack("eval-vod", "--data", data, "--dataset", "vid", "--detections", perfect,
                     "--against", shifted, "--json", "scores.json")  # fmt: skip
    assert done.status == 0, done.err
    lines = done.out.splitlines()
    assert words(lines[1])[:3] == ["A", "perfect", "100.00"]
    assert words(lines[2])[:2] == ["B", "shifted"]
    tree = json.loads((tmp_path / "scores.json").read_text())
    gap = tree["differences"]["shifted"]
    assert words(lines[3])[:3] == ["A", "−", "B"]
    assert words(lines[3])[-1] == f"{100 * gap['ap']:+.2f}"
    assert gap["ap"] > 0.3
    assert words(lines[5]) == ["VID", "AP,", "%", "objects", "A", "B", "A", "−", "B"]
    assert words(lines[6])[:3] == ["dog", "8", "100.00"]
    assert list(tree["results"]) == ["perfect", "shifted"]


def test_folders_of_one_name_are_told_apart(faimtrack, data, tmp_path):
    for parent in ("ours", "base"):
        for name in ("one", "two"):
            write_detections(tmp_path / parent / "det" / name)
    done = faimtrack("eval-vod", "--data", data, "--dataset", "vid", "--detections", "ours/det",
                     "--against", "base/det")  # fmt: skip
    assert done.status == 0, done.err
    assert "A  ours/det" in done.out
    assert "B  base/det" in done.out


def test_a_video_without_a_file_is_an_error_that_names_it(faimtrack, data, perfect, complaint):
    (perfect / "two.parquet").unlink()
    done = faimtrack("eval-vod", "--data", data, "--dataset", "vid", "--detections", perfect)
    assert done.status == 1
    assert complaint(done.err).startswith("two: ")
    assert "expected two as .txt, .json, .parquet, got no such file" in complaint(done.err)
    assert "1 of 2 videos" in done.out


def test_a_missing_file_may_mean_that_nothing_was_found(faimtrack, data, perfect):
    (perfect / "two.parquet").unlink()
    done = faimtrack("eval-vod", "--data", data, "--dataset", "vid", "--detections", perfect,
                     "--allow-missing")  # fmt: skip
    assert done.status == 0, done.err
    assert "perfect: no file, counted as nothing found: two" in done.out
    assert "50.00" in words(done.out.splitlines()[3])


def test_a_video_that_fails_in_one_result_is_scored_in_none(faimtrack, data, perfect, shifted,
                                                            tmp_path):  # fmt: skip
    (shifted / "two.parquet").write_bytes(b"PAR1 and no more")
    done = faimtrack("eval-vod", "--data", data, "--dataset", "vid", "--detections", perfect,
                     "--against", shifted, "--json", "scores.json")  # fmt: skip
    assert done.status == 1
    tree = json.loads((tmp_path / "scores.json").read_text())
    assert {each["videos"] for each in tree["results"].values()} == {1}
    assert list(tree["failures"]) == ["two"]


def test_only_the_classes_that_were_asked_for_count(faimtrack, data, tmp_path):
    for name in ("one", "two"):
        write_detections(tmp_path / "out" / name, classes=("cat", "dog", "dragon"),
                         extra=[(0, 0, 9, 9)])  # fmt: skip
    done = faimtrack("eval-vod", "--data", data, "--dataset", "vid", "--detections", "out",
                     "--classes", "cat")  # fmt: skip
    assert done.status == 0, done.err
    assert words(done.out.splitlines()[1])[:4] == ["cat", "8", "8", "100.00"]


def test_ground_truth_without_tracks_has_no_groups_and_says_why(faimtrack, data, opener, perfect):
    opener.videos = FakeVideos(data, tracks=False)
    done = faimtrack("eval-vod", "--data", data, "--dataset", "epic", "--detections", perfect)
    assert done.status == 0, done.err
    assert "No motion groups: motion is measured along tracks" in done.out
    assert "slow" not in done.out.splitlines()[0]


def test_more_objects_than_coco_looks_at_are_told(faimtrack, data, opener, perfect):
    ask = ("eval-vod", "--data", data, "--dataset", "vid", "--detections", perfect)
    done = faimtrack(*ask, "--max-detections", 1)
    assert "COCO: the best 1 of a frame and class." in done.out
    assert "--max-detections" not in done.out
    opener.videos = FakeVideos(data, classes=(0, 0))
    assert "has up to 2 objects of a class" in faimtrack(*ask, "--max-detections", 1).out


def test_files_of_no_video_are_told(faimtrack, data, perfect):
    write_detections(perfect / "three", "mot")
    done = faimtrack("eval-vod", "--data", data, "--dataset", "vid", "--detections", perfect)
    assert done.status == 0
    assert done.err.count("warning") == 1
    assert done.err.strip().endswith("files of no video in the data, not scored: three.txt")


def test_offline_results_are_called_so_and_not_mixed_with_online_ones(
    faimtrack, data, tmp_path, complaint
):
    for name in ("one", "two"):
        write_detections(tmp_path / "out" / name, mode="offline")
    ask = ("eval-vod", "--data", data, "--dataset", "vid", "--detections", "out")
    done = faimtrack(*ask, "--json", "scores.json")
    assert "Offline results, which know later frames: out" in done.out
    assert read_provenance(tmp_path / "scores.json").mode == "offline"
    (tmp_path / "out" / "two.parquet").unlink()
    write_detections(tmp_path / "out" / "two", mode="online")
    done = faimtrack(*ask)
    assert done.status == 1
    assert "out: expected all online or all offline, got both" in complaint(done.err)


def coco(path, records):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(records))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            lambda out: write_detections(out / "two", frames=FRAMES + 1),
            "expected frames up to 6, the sequence's length, got 7",
        ),
        (
            lambda out: write_detections(out / "two", classes=("cat", "dogg")),
            "expected classes of the data, got 'dogg'; the nearest is dog",
        ),
        (
            lambda out: write_detections(out / "two", frames=3),
            "expected all 4 annotated frames, got frames 1 to 3: 2 not looked at, the first 4",
        ),
        (
            lambda out: coco(out / "two.json", [
                {"image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], "score": 0.5}]),
            "expected names of classes, which the data have 3 of, got none",
        ),
        (
            lambda out: [write_detections(out / "two", kind) for kind in ("mot", "parquet")],
            "expected one file of two, got two.txt, two.parquet",
        ),
        (lambda out: coco(out / "two.json", {"images": []}), "expected COCO's object"),
    ],
    ids=["frames beyond", "unknown class", "a part", "no names", "two files", "other JSON"],
)  # fmt: skip
def test_files_that_do_not_fit_are_refused_in_one_line(
    faimtrack, data, perfect, complaint, change, expected
):
    (perfect / "two.parquet").unlink()
    change(perfect)
    done = faimtrack("eval-vod", "--data", data, "--dataset", "vid", "--detections", perfect)
    assert done.status == 1
    assert complaint(done.err).startswith("two: ")
    assert expected in complaint(done.err)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--detections", "nowhere"), "nowhere: expected a folder of detections, got none"),
        (("--against", "perfect"), "expected folders other than --detections"),
        (("--classes", "cats"), "got 'cats'; the nearest is cat"),
        (("--classes", "bus"), "expected objects to be found, got none in 2 videos"),
        (("--dataset", "imagenet"), "'imagenet' is not one of"),
        (("--json", "perfect/one.parquet"), "expected a file of its own"),
        (("--output", "file"), "file: expected a folder for scores.json, got a file"),
        (("--output", "file/below"), "file: expected a folder for scores.json, got a file"),
        (("--json", "perfect"), "perfect: expected a file to write, got a folder"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    faimtrack, data, perfect, complaint, tmp_path, arguments, expected
):
    (tmp_path / "file").write_text("mine")
    given = {"--data": data, "--dataset": "vid", "--detections": perfect}
    option, value = arguments
    given = {**given, option: value}
    done = faimtrack("eval-vod", *[str(each) for pair in given.items() for each in pair])
    assert done.status in (1, 2)
    assert expected in complaint(done.err)
    assert not done.out


def test_videos_whose_objects_are_held_back_are_refused_with_a_hint(
    faimtrack, data, opener, perfect, complaint
):
    opener.videos.has_ground_truth = False
    done = faimtrack("eval-vod", "--data", data, "--dataset", "ovis", "--split", "val",
                     "--detections", perfect)  # fmt: skip
    assert done.status == 1
    assert "expected one whose objects are public" in complaint(done.err)
    assert "-local" in complaint(done.err)
    assert not done.out


def test_crowds_are_scored_through_their_own_door(faimtrack, tmp_path, monkeypatch):
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    config = CrowdConfig(name="walk", seed=3, frames=8, width=128, height=96, density="sparse")
    write_crowd(simulate_crowd(config), tmp_path / "crowd" / "walk", masks=False, workers=1)
    shutil.copytree(tmp_path / "crowd" / "walk" / "det", tmp_path / "out")
    (tmp_path / "out" / "det.txt").rename(tmp_path / "out" / "walk.txt")
    done = faimtrack("eval-vod", "--data", "crowd", "--dataset", "crowd", "--detections", "out",
                     "--json", "scores.json")  # fmt: skip
    assert done.status == 0, done.err
    assert words(done.out.splitlines()[1])[0] == "person"
    scores = json.loads((tmp_path / "scores.json").read_text())["results"]["out"]
    assert 0.3 < scores["mean"]["vid"] < 1
    assert scores["frames"] == 8


def test_help_imports_no_network(start):
    code = (
        "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); "
        "from faimtrack.cli.main import run; run(['eval-vod', '--help'])"
    )
    with start(code=code) as process:
        out, err = process.communicate(timeout=60)
    assert "--against" in out
    loaded = {name.partition(".")[0] for name in err.split()}
    assert not loaded & {"av", "matplotlib", "onnxruntime", "torch"}
