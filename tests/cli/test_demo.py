import pytest


@pytest.fixture
def small_crowd(monkeypatch):
    from faimtrack.cli import demo as module
    from faimtrack.datasets.crowd import CrowdConfig

    made = module.make_demo
    crowd = CrowdConfig(name="demo", seed=3, frames=12, width=320, height=180, people=8)
    monkeypatch.setattr(
        module, "make_demo", lambda folder, report: made(folder, crowd, report=report)
    )


def test_the_demo_prints_a_table_and_where_its_files_are(faimtrack, small_crowd, tmp_path):
    done = faimtrack("demo")
    assert done.status == 0, done.err
    lines = done.out.splitlines()
    assert lines[0].split() == ["tracker", "HOTA", "DetA", "AssA", "MOTA", "IDF1", "IDSW"]
    shown = [line.split()[0] for line in lines[1:6]]
    assert shown == ["ByteTrack", "OC-SORT", "SORT", "BoT-SORT", "Deep"]
    assert "only people that faimtrack drew" in lines[-4]
    assert lines[-3:] == [
        "page:    faimtrack-demo/index.html",
        "video:   faimtrack-demo/tracks.mp4",
        "picture: faimtrack-demo/side-by-side.png",
    ]
    for line in lines[-3:]:
        assert (tmp_path / line.split()[-1]).is_file()
    assert "draw the crowd\ndetect with crowd-nano\ntrack with ByteTrack\n" in done.err


def test_the_demo_does_not_touch_a_folder_of_something_else(
    faimtrack, small_crowd, complaint, tmp_path
):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    done = faimtrack("demo", "--output", "mine")
    assert done.status == 1
    assert complaint(done.err).startswith("mine: expected no such folder")
    assert (tmp_path / "mine" / "thesis.txt").exists()


@pytest.mark.slow
def test_the_whole_demo_runs_as_a_stranger_types_it(start, tmp_path):
    process = start("demo")
    out, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    assert "ByteTrack" in out
    assert (tmp_path / "faimtrack-demo" / "index.html").is_file()
