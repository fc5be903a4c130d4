"""Masks from the command line: through tracking, files of detections and pictures."""

import numpy as np
import pytest
from pycocotools import mask as coco

from faimtrack.motfile import read_mot, read_mots, track_number
from faimtrack.provenance import file_sha256, read_provenance
from faimtrack.run_lengths import decode_window

SETTINGS = ("--set", "detector.device=cpu", "--set", "detector.score_threshold=0.3",
            "--set", "track_threshold=0.3", "--set", "new_track_threshold=0.3")  # fmt: skip
FRAMES = 4


@pytest.fixture
def walk(make_sequence):
    return make_sequence(frames=FRAMES, images=True, detections=None)


@pytest.fixture
def track(faimtrack, walk):
    def call(*options, output="out", detector=None):
        given = () if detector is None else ("--detector", detector)
        return faimtrack("track", walk, *given, *SETTINGS, "--output", output, *options)

    return call


@pytest.fixture
def tracked(track, twin_weights):
    done = track("--masks", "--video", detector=twin_weights.masks)
    assert done.status == 0, done.err
    return done


def test_tracks_with_masks_are_the_tracks_without(tracked, track, twin_weights, tmp_path):
    assert tracked.out == "tracks: out/walk.txt\nmasks: out/walk.mots.txt\nvideo: out/walk.mp4\n"
    assert track(output="plain", detector=twin_weights.plain).status == 0
    plain, ours = (tmp_path / folder / "walk.txt" for folder in ("plain", "out"))
    assert plain.read_bytes() == ours.read_bytes() != b""


def test_masks_are_read_by_pycocotools_and_lie_in_the_boxes_of_their_tracks(tracked, tmp_path):
    masks = read_mots(tmp_path / "out" / "walk.mots.txt", frame_count=FRAMES)
    rows = read_mot(tmp_path / "out" / "walk.txt", "results")
    boxes = dict(zip(zip(rows.frames.tolist(), rows.ids.tolist(), strict=True), rows.boxes,
                     strict=True))  # fmt: skip
    assert len(masks) > FRAMES
    for frame, number, kind, mask in zip(
        masks.frames.tolist(), masks.ids.tolist(), masks.classes.tolist(), masks.masks, strict=True
    ):
        assert kind == 2
        assert mask["size"] == [64, 128]
        x1, y1, x2, y2 = boxes[frame, track_number(number)]
        window, covered = decode_window(mask)
        assert covered.sum() == coco.area(mask) > 0
        left, top, width, height = coco.toBbox(mask)
        assert (left, top) == (window[1].start, window[0].start)
        # The tracker's box is the detection's where it was matched, within its filter.
        assert left + width / 2 == pytest.approx((x1 + x2) / 2, abs=(x2 - x1) + 2)
        assert top + height / 2 == pytest.approx((y1 + y2) / 2, abs=(y2 - y1) + 2)


def test_masks_have_a_sidecar(tracked, tmp_path, twin_weights):
    path = tmp_path / "out" / "walk.mots.txt"
    record = read_provenance(path)
    assert record.kind == "masks"
    assert record.contents == {"classes": {"2": "person"}}
    assert record.output_sha256 == file_sha256(path)
    assert record.weights == {"detector": file_sha256(twin_weights.masks)}
    assert record.configuration["detector"]["keep"] == "masks"


def test_masks_are_drawn_in_the_video(tracked, track, twin_weights, tmp_path):
    import av

    assert track("--video", output="plain", detector=twin_weights.plain).status == 0
    pictures = []
    for folder in ("out", "plain"):
        with av.open(str(tmp_path / folder / "walk.mp4")) as video:
            pictures.append([each.to_ndarray(format="rgb24") for each in video.decode(video=0)])
    assert len(pictures[0]) == FRAMES
    difference = np.abs(np.subtract(*pictures, dtype=np.int16)).max(axis=3)
    assert (difference > 40).mean() > 0.01


def test_finished_masks_are_kept_and_missing_ones_made_again(
    tracked, track, twin_weights, tmp_path
):
    path = tmp_path / "out" / "walk.mots.txt"
    whole = path.read_bytes()
    again = track("--masks", "--video", "--resume", detector=twin_weights.masks)
    assert "finished before; kept" in again.err
    path.unlink()
    again = track("--masks", "--video", "--resume", detector=twin_weights.masks)
    assert "tracked again: walk.mots.txt or its sidecar" in again.err
    assert path.read_bytes() == whole
    refused = track("--masks", detector=twin_weights.masks)
    assert "already there" in refused.err


@pytest.mark.parametrize("kind", ["coco", "parquet"])
def test_masks_go_through_files_of_detections(
    faimtrack, tracked, track, walk, twin_weights, tmp_path, kind
):
    options = ("--detector", twin_weights.masks, *SETTINGS[:4], "--output", "found")
    done = faimtrack("detect", walk, *options, "--masks", "--format", kind)
    assert done.status == 0, done.err
    assert track("--masks", "--detections", "found", output="again").status == 0
    first, second = (tmp_path / folder / "walk.mots.txt" for folder in ("out", "again"))
    assert first.read_bytes() == second.read_bytes()


def test_a_cache_keeps_masks_too(tracked, track, twin_weights, tmp_path):
    for output in ("one", "two"):
        done = track("--masks", "--cache", "cache", output=output, detector=twin_weights.masks)
        assert done.status == 0, done.err
    assert "replayed" in done.err
    first, second = (tmp_path / folder / "walk.mots.txt" for folder in ("out", "two"))
    assert first.read_bytes() == second.read_bytes()
    done = track("--cache", "cache", output="three", detector=twin_weights.masks)
    assert "replayed" not in done.err  # what is kept for masks is not what is found without


def test_the_split_numbers_masks_as_it_numbers_tracks(track, twin_weights, tmp_path):
    options = ("--masks", "--split", "val-half", "--numbering", "from-1")
    assert track(*options, detector=twin_weights.masks).status == 0
    frames = read_mots(tmp_path / "out" / "walk.mots.txt").frames
    assert set(frames.tolist()) <= {1}


def test_who_has_no_masks_says_so_in_one_line(
    faimtrack, track, walk, twin_weights, complaint, tmp_path
):
    done = track("--masks", detector=twin_weights.plain)
    assert done.status == 1
    assert "plain.safetensors: keep: expected none, for these weights" in complaint(done.err)
    options = ("--detector", twin_weights.masks, "--output", "found")
    done = faimtrack("detect", walk, *options, "--masks")
    assert complaint(done.err) == (
        "format: expected coco or parquet for detections with masks, got mot, which has no place "
        "for them"
    )
    assert faimtrack("detect", walk, *options, "--set", "detector.device=cpu").status == 0
    done = track("--masks", "--detections", "found/walk.txt")
    assert "walk.txt: expected detections with masks, got none" in complaint(done.err)
    assert not list((tmp_path / "out").glob("*"))


def test_masks_beside_results_are_no_results(faimtrack, tracked, walk, tmp_path):
    (walk / "gt").mkdir()
    (walk / "gt" / "gt.txt").write_text("1,1,10,10,20,30,1,1,1\n")
    done = faimtrack("eval", "--data", walk.parent, "--results", "out")
    assert done.status == 0, done.err
    assert "mots" not in done.err + done.out


def test_a_sequence_named_as_anothers_masks_is_refused(faimtrack, make_sequence, complaint):
    one, other = make_sequence("walk"), make_sequence("walk.mots")
    done = faimtrack("track", one, other, "--masks")
    assert complaint(done.err) == (
        "sequences: expected no walk.mots beside walk, whose masks have that name"
    )
