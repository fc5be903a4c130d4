import json
import re

import av
import cv2
import pytest

from faimtrack.datasets.crowd import CrowdConfig
from faimtrack.demo import make_demo
from faimtrack.provenance import read_provenance

SMALL = CrowdConfig(name="demo", seed=3, frames=24, width=320, height=180, people=12)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    steps = []
    made = make_demo(
        tmp_path_factory.mktemp("demo") / "faimtrack-demo",
        SMALL,
        report=lambda step, done, total: steps.append((step, done, total)),
    )
    return made, steps


def everything_in(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_folder_holds_page_video_picture_crowd_and_results(demo):
    made, _ = demo
    names = set(everything_in(made.folder))
    assert {
        "index.html", "tracks.mp4", "side-by-side.png", "crowd/demo/seqinfo.ini",
        "crowd/demo/gt/gt.txt", "crowd/demo/det/det.txt", "crowd/demo/img1/000024.jpg",
        "bytetrack/demo.txt", "ocsort/demo.txt", "sort/demo.txt",
    } <= names  # fmt: skip
    assert not [name for name in names if "partial" in name]


def test_every_output_has_its_sidecar(demo):
    made, _ = demo
    for path, kind in ((made.page, "demo"), (made.video, "video"), (made.picture, "picture")):
        assert read_provenance(path).kind == kind
    assert read_provenance(made.page).seed == 3
    assert read_provenance(made.folder / "bytetrack" / "demo.txt").kind == "tracks"


def test_every_tracker_is_scored(demo):
    made, _ = demo
    titles = ["ByteTrack", "OC-SORT", "SORT", "BoT-SORT", "Deep OC-SORT"]
    assert [score.title for score in made.scores] == titles
    for score in made.scores:
        assert 0.2 < score.metrics["HOTA"] < 1


def test_the_page_needs_only_the_files_beside_it(demo):
    made, _ = demo
    page = made.page.read_text()
    wanted = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert wanted
    for name in wanted:
        assert (made.folder / name).is_file()
    assert not re.findall(r"https?://", page)
    assert str(made.folder.parent) not in page
    for score in made.scores:
        assert f"<td>{score.title}</td><td>{100 * score.metrics['HOTA']:.1f}</td>" in page


def test_the_video_has_every_frame_and_the_picture_three_views(demo):
    made, _ = demo
    with av.open(str(made.video)) as container:
        assert len(list(container.decode(video=0))) == 24
        assert container.streams.video[0].codec_context.name == "h264"
        assert container.streams.video[0].pix_fmt == "yuv420p"
    height, width = cv2.imread(str(made.picture)).shape[:2]
    assert width >= 3 * 320
    assert 180 < height < 260


def test_steps_are_reported_to_their_end(demo):
    _, steps = demo
    assert {("draw the crowd", 24, 24), ("track with SORT", 24, 24)} <= set(steps)
    assert steps[-1] == ("draw the page", 1, 1)


def test_again_replaces_the_folder_with_the_same_bytes(demo):
    made, _ = demo
    before = everything_in(made.folder)
    (made.folder / "crowd" / "left over").write_text("")
    make_demo(made.folder, SMALL)
    after = everything_in(made.folder)
    # Now and then x264 makes another file of the same frames.
    assert {name for name in after if after[name] != before.get(name)} <= {
        "tracks.mp4", "tracks.mp4.json",
    }  # fmt: skip
    assert after.keys() == before.keys()
    records = [json.loads(each["tracks.mp4.json"]) for each in (before, after)]
    assert records[0] | {"output_sha256": ""} == records[1] | {"output_sha256": ""}


def test_a_folder_that_is_not_a_demo_is_left_alone(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    with pytest.raises(FileExistsError, match="mine: expected no such folder, or that of an earl"):
        make_demo(tmp_path / "mine", SMALL)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years"
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FileExistsError, match="file: expected no such folder"):
        make_demo(tmp_path / "file", SMALL)


def test_a_failure_leaves_no_half_of_a_demo(tmp_path, monkeypatch):
    from faimtrack.demo import make

    def fail(*arguments, **keywords):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(make, "draw_picture", fail)
    with pytest.raises(OSError, match="No space left"):
        make_demo(tmp_path / "demo", SMALL)
    assert list(tmp_path.iterdir()) == []


def test_a_title_cannot_break_the_page(tmp_path):
    from faimtrack.demo.make import Demo, TrackerScore
    from faimtrack.demo.show import metric_names, write_page

    score = TrackerScore(title="<script>", metrics=dict.fromkeys(metric_names(), 0.5))
    demo = Demo(folder=tmp_path, crowd=SMALL, detections=1, scores=(score,))
    write_page(
        tmp_path / "p.html", demo, detector="<i>", video="v", picture="p", shown="<b>", frame=1
    )
    assert "<script>" not in (tmp_path / "p.html").read_text()
    assert "<i>" not in (tmp_path / "p.html").read_text()
    assert "<b>" not in (tmp_path / "p.html").read_text()
