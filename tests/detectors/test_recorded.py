import pytest

from faimtrack.detectors.recorded import RecordedDetections
from faimtrack.detectors.session import Detector
from faimtrack.motfile import read_mot
from faimtrack.structures import Frame, SourceInfo
from faimtrack.testing import check_detector
from faimtrack.video import open_source


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "det.txt"
    rows = [f"{frame},-1,10,{frame},20,30,0.70\n" for frame in (6, 6, 9, 12)]
    rows[1] = "6,-1,50,6,20,30,0.9\n"
    path.write_text("".join(rows))
    return read_mot(path)


def test_each_frame_is_answered_by_its_number_without_its_pixels(table):
    detector = RecordedDetections(table)

    def never():
        raise AssertionError("the pixels were asked for")

    session = detector.open(SourceInfo(name="any"))
    frames = [Frame(index, load=never) for index in (5, 6, 9)]
    answers = session.push(frames)
    assert [frame for frame, _ in answers] == frames
    assert [len(found) for _, found in answers] == [0, 2, 1]
    assert answers[1][1].boxes.tolist() == [[10, 6, 30, 36], [50, 6, 70, 36]]
    assert answers[1][1].scores.tolist() == [0.7, 0.9]
    assert session.finish() == []
    assert isinstance(detector, Detector)


def test_class_names_are_carried(table):
    detector = RecordedDetections(table, ("car",))
    ((_, found),) = detector.open(SourceInfo(name="any")).push([Frame(6)])
    assert found.class_names == detector.class_names == ("car",)


@pytest.mark.parametrize("class_names", ["person", ()])
def test_class_names_that_are_none_are_refused(table, class_names):
    with pytest.raises(ValueError, match="class_names: expected names"):
        RecordedDetections(table, class_names)


def test_replaying_keeps_the_promises_of_all_detectors(table):
    check_detector(lambda: RecordedDetections(table))


def test_a_real_half_is_answered_with_the_rows_of_its_frames(shared_data):
    folder = shared_data / "mot17" / "MOT17-05-FRCNN"
    table = read_mot(folder / "det" / "det.txt")
    with open_source(folder, split="val-half") as source:
        session = RecordedDetections(table).open(source.info)
        count = sum(len(found) for _, found in session.push(list(source)))
    assert count == (table.frames >= 420).sum() > 1000
