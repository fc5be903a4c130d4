"""Comparisons of results: which boxes are drawn as what, in which frames, from which images."""

import av
import cv2
import numpy as np
import pytest

from faimtrack.drawing import EVENT_COLOURS
from faimtrack.eval.reading import EvaluationSettings, find_files
from faimtrack.pipeline.comparison import EventHistory, read_comparison
from faimtrack.pipeline.comparison_video import (
    ComparisonPictures,
    write_comparison_picture,
    write_comparison_video,
)
from faimtrack.provenance import Provenance, read_provenance, write_provenance

FRAMES = 10


def rows_of(frames, track_id, left):
    return "".join(f"{frame},{track_id},{left},20,16,30,1,1,1\n" for frame in frames)


@pytest.fixture
def folder(tmp_path):
    """A sequence of two people who stand still, and two results of it."""
    sequence = tmp_path / "MOT17-99"
    (sequence / "gt").mkdir(parents=True)
    (sequence / "img1").mkdir()
    (sequence / "seqinfo.ini").write_text(
        f"[Sequence]\nname=MOT17-99\nframeRate=25\nseqLength={FRAMES}\nimWidth=96\nimHeight=64\n"
    )
    every = range(1, FRAMES + 1)
    (sequence / "gt" / "gt.txt").write_text(rows_of(every, 1, 10) + rows_of(every, 2, 60))
    for index in every:
        picture = np.full((64, 96, 3), 10 * index, np.uint8)
        cv2.imwrite(str(sequence / "img1" / f"{index:06d}.jpg"), picture)
    (tmp_path / "good.txt").write_text(rows_of(every, 5, 10) + rows_of(every, 6, 60))
    (tmp_path / "bad.txt").write_text(
        rows_of(range(1, 4), 5, 10) + rows_of(range(4, 11), 8, 10) + rows_of([2], 9, 35)
    )
    return tmp_path


@pytest.fixture
def compare(folder):
    def read(*names, **settings):
        chosen = EvaluationSettings(**settings)
        truth = folder / "MOT17-99" / "gt" / "gt.txt"
        files = [find_files(truth, folder / f"{name}.txt", chosen) for name in names]
        return read_comparison(files, names, chosen)

    return read


def test_boxes_of_a_frame_are_what_clear_counts(compare):
    comparison = compare("good", "bad")
    history = EventHistory(comparison.sides[1], comparison.ground_truth, 3)
    assert sorted(history.advance_to(2).kinds) == ["false alarm", "hit", "miss"]
    switched = history.advance_to(4)
    assert switched.kinds == ("identity switch", "miss")
    assert switched.switch_labels == ("5>8", "")
    assert switched.boxes.tolist() == [[10, 20, 26, 50], [60, 20, 76, 50]]
    assert history.advance_to(6).switch_labels == ("5>8", "")
    assert history.advance_to(7).switch_labels == ("", "")
    counts = history.counts
    assert (counts.hits, counts.misses, counts.false_alarms, counts.switches) == (7, 7, 1, 1)


def test_offline_results_are_called_so(compare, folder):
    write_provenance(folder / "good.txt", Provenance(kind="tracks", mode="offline"))
    write_provenance(folder / "bad.txt", Provenance(kind="tracks", mode="online"))
    assert [side.name for side in compare("good", "bad").sides] == ["good (offline)", "bad"]


def test_pictures_hold_both_results_and_only_the_frames_asked_for(compare, folder):
    comparison = compare("good", "bad")
    with ComparisonPictures(comparison, folder / "MOT17-99") as pictures:
        drawn = list(pictures.draw(range(4, 6)))
    assert [frame.index for frame, _ in drawn] == [4, 5]
    half = drawn[0][1].shape[1] // 2
    left, right = drawn[0][1][:, :half], drawn[0][1][:, half:]
    body = slice(drawn[0][1].shape[0] - 64, None)
    blue = EVENT_COLOURS["identity switch"]
    assert not (left[body] == blue).all(axis=2).any()
    assert (right[body] == blue).all(axis=2).any()


def test_frames_are_let_go_of_once_drawn(compare, folder):
    with ComparisonPictures(compare("good"), folder / "MOT17-99") as pictures:
        drawn = pictures.draw(range(1, 4))
        first, _ = next(drawn)
        next(drawn)
        assert first._image is None


def test_video_has_every_frame_and_its_sidecar(compare, folder):
    output = folder / "out" / "compare.mp4"
    seen = []
    with ComparisonPictures(compare("good", "bad"), folder / "MOT17-99", width=100) as pictures:
        write_comparison_video(pictures, range(3, 9), output, lambda *done: seen.append(done))
    with av.open(str(output)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert len(list(container.decode(stream))) == 6
    record = read_provenance(output)
    assert record.kind == "video"
    assert record.configuration["frames"] == [3, 8]
    assert set(record.inputs) == {"ground truth", "results 1", "results 2", "frames"}
    assert seen == [(done, 6) for done in range(1, 7)]


def test_val_half_keeps_numbers_and_counts_from_its_first_frame(compare, folder):
    (folder / "half.txt").write_text(rows_of(range(1, 5), 5, 10))
    comparison = compare("half", split="val-half", numbering="from-1")
    assert comparison.frames == range(7, 11)
    history = EventHistory(comparison.sides[0], comparison.ground_truth, 3)
    history.advance_to(8)
    assert (history.counts.hits, history.counts.misses) == (2, 2)
    with (
        ComparisonPictures(comparison, folder / "MOT17-99") as pictures,
        pytest.raises(ValueError, match="frames: expected some of 7 to 10, got 2 to 3"),
    ):
        next(pictures.draw(range(2, 4)))


def test_images_may_come_from_elsewhere_but_must_be_all(compare, folder):
    comparison = compare("good", "bad")
    elsewhere = folder / "stills"
    (folder / "MOT17-99" / "img1").rename(elsewhere)
    write_comparison_picture(ComparisonPictures(comparison, elsewhere), 10, folder / "a.png")
    assert read_provenance(folder / "a.png").kind == "picture"
    with pytest.raises(ValueError, match="expected images of the sequence, got a folder without"):
        ComparisonPictures(comparison, folder / "MOT17-99")
    (elsewhere / "000010.jpg").unlink()
    with pytest.raises(ValueError, match="whole sequence's images, up to frame 10, got 9"):
        ComparisonPictures(comparison, elsewhere)


def test_a_broken_image_leaves_no_video_and_keeps_an_older_one(compare, folder):
    output = folder / "compare.mp4"
    output.write_bytes(b"older")
    (folder / "MOT17-99" / "img1" / "000005.jpg").write_bytes(b"\xff\xd8 no picture")
    with (
        ComparisonPictures(compare("good", "bad"), folder / "MOT17-99") as pictures,
        pytest.raises(ValueError, match=r"000005\.jpg: expected a"),
    ):
        write_comparison_video(pictures, range(1, 11), output)
    assert output.read_bytes() == b"older"
    assert not list(folder.glob(".*partial*"))


def test_sizes_that_cannot_be_are_refused(compare, folder):
    comparison = compare("good", "bad")
    with pytest.raises(ValueError, match="expected one of width and scale, got both"):
        ComparisonPictures(comparison, folder / "MOT17-99", width=100, scale=0.5)
    with pytest.raises(ValueError, match="scale: expected above 0 and up to 8, got 0"):
        ComparisonPictures(comparison, folder / "MOT17-99", scale=0)
