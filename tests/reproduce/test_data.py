"""Where data lie, and that nothing is drawn twice or over others."""

import threading
import time

import pytest

from faimtrack.datasets.crowd.bench import bench_sequences
from faimtrack.reproduce import data as data_module
from faimtrack.reproduce.data import draw_data, locate_data
from faimtrack.reproduce.suites import CROWD_OBJECTS

BENCH = "objects-v2"


def lay_out(folder):
    """The folders of the bench's sequences, almost empty."""
    for sequence in bench_sequences(BENCH):
        place = folder / sequence.split / sequence.config.name
        place.mkdir(parents=True)
        (place / "seqinfo.ini").touch()
        place.with_suffix(".json").touch()
    return folder


def test_crowds_are_drawn_once_with_a_line_before_and_after(tmp_path, monkeypatch):
    happened = []

    def write_bench(name, folder):
        happened.append(f"write {name}")
        lay_out(folder)

    monkeypatch.setattr(data_module, "write_bench", write_bench)
    data = locate_data(CROWD_OBJECTS, "crowd", tmp_path)
    assert happened == []
    assert data.train == tmp_path / "data" / BENCH / "train"
    draw_data(data, happened.append)
    assert [line.partition(" ")[0] for line in happened] == [f"{BENCH}:", "write", f"{BENCH}:"]
    again = locate_data(CROWD_OBJECTS, "crowd", tmp_path)
    assert (again.train, again.test) == (data.train, data.test)
    draw_data(again, happened.append)
    assert len(happened) == 3


def test_two_commands_that_want_one_bench_draw_it_once(tmp_path, monkeypatch):
    data = locate_data(CROWD_OBJECTS, "crowd", tmp_path)
    happened, is_drawing = [], threading.Event()

    def write_bench(name, folder):
        happened.append("drawn")
        is_drawing.set()
        time.sleep(0.2)  # the other one finds it claimed
        lay_out(folder)

    monkeypatch.setattr(data_module, "write_bench", write_bench)
    monkeypatch.setattr(data_module, "_WAIT_S", 0.02)
    said = []
    first = threading.Thread(target=draw_data, args=(data,))
    first.start()
    assert is_drawing.wait(10)
    draw_data(data, said.append)
    first.join(10)
    assert happened == ["drawn"]
    assert said == [f"{BENCH}: another command draws it; waiting"]
    assert locate_data(CROWD_OBJECTS, "crowd", tmp_path).undrawn is None
    assert not list((tmp_path / "data").glob(".*claim"))


def test_a_fault_of_drawing_is_not_waited_for(tmp_path, monkeypatch):
    def write_bench(name, folder):
        raise BlockingIOError("the disk is locked")

    monkeypatch.setattr(data_module, "write_bench", write_bench)
    with pytest.raises(BlockingIOError, match="the disk is locked"):
        draw_data(locate_data(CROWD_OBJECTS, "crowd", tmp_path))
    assert not list((tmp_path / "data").glob(".*claim"))


def test_a_link_to_the_bench_is_taken(tmp_path):
    bench = lay_out(tmp_path / "elsewhere")
    link = tmp_path / "out" / "data" / BENCH
    link.parent.mkdir(parents=True)
    link.symlink_to(bench, target_is_directory=True)
    assert locate_data(CROWD_OBJECTS, "crowd", tmp_path / "out").undrawn is None


def test_crowds_of_others_in_the_place_of_a_bench_are_refused(tmp_path):
    folder = lay_out(tmp_path / "data" / BENCH)
    sequences = bench_sequences(BENCH)
    first = sorted((folder / "train").glob("*/seqinfo.ini"))[0]
    first.unlink()
    message = (
        rf"{BENCH}: expected the {len(sequences)} sequences of {BENCH}, got "
        rf"{len(sequences) - 1}: 1 missing \(such as train/{first.parent.name}\); without that"
    )
    with pytest.raises(ValueError, match=message):
        locate_data(CROWD_OBJECTS, "crowd", tmp_path)
    first.touch()
    other = folder / "test" / "other"
    other.mkdir()
    (other / "seqinfo.ini").touch()
    with pytest.raises(ValueError, match=r": 1 of others \(such as test/other\)"):
        locate_data(CROWD_OBJECTS, "crowd", tmp_path)


def test_an_empty_folder_is_no_bench(tmp_path):
    (tmp_path / "data" / BENCH).mkdir(parents=True)
    with pytest.raises(ValueError, match=r"got 0: \d+ missing"):
        locate_data(CROWD_OBJECTS, "crowd", tmp_path)


def test_a_folder_of_masks_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(NotADirectoryError, match="none: expected a folder of masks"):
        locate_data(CROWD_OBJECTS, "crowd", tmp_path, masks_root=tmp_path / "none")
