import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from faimtrack.masks import (
    GrabCutConfig,
    MaskConfig,
    MaskStore,
    ShuffledConfig,
    make_many_masks,
    make_masks,
    mask_file,
    plan_masks,
    sources,
)
from faimtrack.masks.grabcut import GrabCutSegmenter
from faimtrack.masks.objects import read_objects
from faimtrack.masks.parts import MaskParts
from faimtrack.masks.segmenter import Segment
from faimtrack.masks.sources import SegmentedImages
from faimtrack.motfile import read_sequence_info
from faimtrack.provenance import Provenance, file_sha256, read_provenance

SIZE = (128, 192)


def objects_of(crowd, split="full"):
    return read_objects(read_sequence_info(crowd), SIZE, classes=(1,), split=split)


def make(crowd, method="grabcut", config=None, **settings):
    (task,) = plan_masks(crowd, method, config, **settings)
    return make_masks(task)


def keys(objects):
    return list(zip(objects.frames.tolist(), objects.track_ids.tolist(), strict=True))


@pytest.mark.parametrize("method", ["grabcut", "box", "truth", "shuffled"])
def test_masks_are_found_by_frame_and_track_and_cut_to_their_boxes(crowd, method):
    summary = make(crowd, method)
    objects = objects_of(crowd)
    assert summary.objects == len(objects)
    with MaskStore.open(mask_file(crowd, method)) as store:
        stored = {(frame, track): mask for frame, masks in store for track, mask in masks.items()}
        metadata = store.metadata
    assert stored.keys() <= set(keys(objects))
    assert len(stored) == summary.counts["kept"] == metadata["counts"]["kept"]
    for row, key in enumerate(keys(objects)):
        if key in stored:
            pixels = stored[key].decode()
            x1, y1, x2, y2 = objects.windows[row]
            assert pixels.any()
            assert stored[key].method == method
            outside = pixels.copy()
            outside[y1:y2, x1:x2] = False
            assert not outside.any()


def test_store_and_sidecar_say_how_it_was_made(crowd):
    make(crowd, "grabcut", GrabCutConfig(minimum_quality=0.25))
    path = mask_file(crowd, "grabcut")
    with MaskStore.open(path) as store:
        metadata = store.metadata
    truth = file_sha256(crowd / "gt" / "gt.txt")
    record = read_provenance(path)
    assert metadata["ground_truth_sha256"] == record.inputs["ground_truth"] == truth
    assert metadata["class_names"] == ["person"]
    assert metadata["minimum_quality"] == record.configuration["minimum_quality"] == 0.25
    assert metadata["weights_sha256"] is None
    assert record.kind == "masks"
    assert record.contents["counts"] == metadata["counts"]
    assert metadata["counts"]["low_quality"] > 0


def test_box_fills_its_box_and_truth_is_the_truth(crowd):
    make(crowd, "box")
    make(crowd, "truth")
    objects = objects_of(crowd)
    boxes, truth = (
        MaskStore.open(mask_file(crowd, "box")),
        MaskStore.open(mask_file(crowd, "truth")),
    )
    exact = MaskStore.open(crowd / "gt" / "masks.parquet")
    for row, (frame, track) in enumerate(keys(objects)):
        x1, y1, x2, y2 = objects.windows[row]
        assert boxes.frame(frame)[track].area == (x2 - x1) * (y2 - y1)
        found, expected = truth.frame(frame).get(track), exact.frame(frame).get(track)
        assert (found is None) == (expected is None)
        if found is not None:
            assert found.counts == expected.counts


def test_shuffled_masks_are_those_of_others_and_depend_on_the_seed_alone(crowd):
    make(crowd, "truth")
    make(crowd, "shuffled")
    path = mask_file(crowd, "shuffled")
    first = dict(MaskStore.open(path))
    make(crowd, "shuffled", existing="overwrite")
    assert dict(MaskStore.open(path)) == first
    make(crowd, "shuffled", ShuffledConfig(seed=5), existing="overwrite")
    other = dict(MaskStore.open(path))
    truth = dict(MaskStore.open(mask_file(crowd, "truth")))
    assert other != first
    same = [
        first[frame][track].counts == truth[frame][track].counts
        for frame in first
        for track in first[frame].keys() & truth[frame].keys()
    ]
    assert np.mean(same) < 0.1


def test_who_is_alone_has_no_mask_of_another(crowd):
    path = crowd / "gt" / "gt.txt"
    rows = [line for line in path.read_text().splitlines() if line.split(",")[6:8] == ["1", "1"]]
    track = rows[0].split(",")[1]
    path.write_text("".join(f"{row}\n" for row in rows if row.split(",")[1] == track))
    summary = make(crowd, "shuffled")
    assert summary.counts["unmatched"] == summary.objects > 1


def test_half_that_is_not_asked_for_is_left_out(crowd):
    make(crowd, "grabcut", split="train-half")
    assert MaskStore.open(mask_file(crowd, "grabcut")).frames == [1, 2, 3, 4]
    make(crowd, "shuffled", split="val-half", shuffled="truth")
    assert MaskStore.open(mask_file(crowd, "shuffled")).frames == [5, 6]


def test_missing_and_empty_masks_shift_nobody_elses(crowd, monkeypatch):
    objects = objects_of(crowd)
    fates = {key: number % 4 for number, key in enumerate(keys(objects))}

    class Source:
        def segments(self, there):
            answers = []
            for track, (x1, y1, x2, y2) in zip(
                there.track_ids.tolist(), there.windows.tolist(), strict=True
            ):
                fate = fates[there.index, track]
                pixels = np.zeros((y2 - y1, x2 - x1), dtype=bool)
                if fate != 1:  # a mark that tells whose it is
                    pixels.flat[: 1 + track] = True
                answers.append(None if fate == 0 else Segment(pixels, 0.1 if fate == 2 else 0.9))
            return answers

    monkeypatch.setattr("faimtrack.masks.making.open_masks", lambda *_: Source())
    summary = make(crowd, "box", MaskConfig(minimum_quality=0.5))
    stored = dict(MaskStore.open(mask_file(crowd, "box")))
    kept = {(frame, track) for frame, masks in stored.items() for track in masks}
    assert kept == {key for key, fate in fates.items() if fate == 3}
    for row, (frame, track) in enumerate(keys(objects)):
        if (frame, track) in kept:
            x1, y1, x2, y2 = objects.windows[row]
            assert stored[frame][track].area == min(1 + track, (x2 - x1) * (y2 - y1))
    assert summary.counts == {
        name: sum(value == fate for value in fates.values()) if fate is not None else 0
        for name, fate in (
            ("kept", 3), ("outside", None), ("unmatched", 0), ("empty", 1), ("low_quality", 2),
        )
    }  # fmt: skip


def test_box_outside_of_the_image_is_counted_and_shifts_nobody(crowd):
    path = crowd / "gt" / "gt.txt"
    before = make(crowd, "grabcut")
    stored = dict(MaskStore.open(mask_file(crowd, "grabcut")))
    path.write_text("1,1000,-50,10,20,40,1,1,1\n" + path.read_text())
    after = make(crowd, "grabcut", existing="overwrite")
    assert after.counts["outside"] == 1
    assert after.counts["kept"] == before.counts["kept"]
    assert dict(MaskStore.open(mask_file(crowd, "grabcut"))) == stored


class BrokenOff(Exception):
    pass


def broken_after(frames, monkeypatch):
    """Let the segmenter fail after some frames."""
    original = GrabCutSegmenter.segment
    seen = []

    def segment(self, image, boxes):
        if len(seen) == frames:
            raise BrokenOff
        seen.append(len(boxes))
        return original(self, image, boxes)

    monkeypatch.setattr(GrabCutSegmenter, "segment", segment)
    return seen


@pytest.mark.parametrize("frames_a_part", [1, 2, 64])
def test_run_that_was_broken_off_goes_on_and_ends_with_the_same_bytes(
    crowd, monkeypatch, frames_a_part
):
    make(crowd)
    path = mask_file(crowd, "grabcut")
    expected, sidecar = path.read_bytes(), (path.parent / "grabcut.parquet.json").read_bytes()
    path.unlink()
    monkeypatch.setattr("faimtrack.masks.making._FRAMES_A_PART", frames_a_part)
    for done in (2, 1, 0):
        with monkeypatch.context() as patch:
            broken_after(done, patch)
            with pytest.raises(BrokenOff):
                make(crowd)
        assert not path.exists()
    with monkeypatch.context() as patch:
        seen = broken_after(99, patch)
        summary = make(crowd)
    assert len(seen) == 3
    assert summary.notes == ("frames up to 3 had been done before",)
    assert path.read_bytes() == expected
    assert (path.parent / "grabcut.parquet.json").read_bytes() == sidecar
    assert sorted(each.name for each in path.parent.iterdir()) == [path.name, f"{path.name}.json"]


def test_parts_that_were_made_otherwise_are_thrown_away(crowd, monkeypatch):
    with monkeypatch.context() as patch:
        broken_after(3, patch)
        with pytest.raises(BrokenOff):
            make(crowd)
    seen = broken_after(99, monkeypatch)
    make(crowd, "grabcut", GrabCutConfig(iterations=2))
    assert len(seen) == 6


def test_parts_of_two_ways_are_never_mixed(crowd, monkeypatch):
    other = GrabCutConfig(iterations=3)
    make(crowd, "grabcut", other)
    path = mask_file(crowd, "grabcut")
    expected = path.read_bytes()
    path.unlink()
    monkeypatch.setattr("faimtrack.masks.making._FRAMES_A_PART", 1)
    for frames, config in ((4, GrabCutConfig()), (1, other)):
        with monkeypatch.context() as patch:
            broken_after(frames, patch)
            with pytest.raises(BrokenOff):
                make(crowd, "grabcut", config)
    assert make(crowd, "grabcut", other).notes == ("frames up to 1 had been done before",)
    assert path.read_bytes() == expected


def test_damaged_part_and_those_after_it_are_made_again(crowd, monkeypatch):
    make(crowd)
    path = mask_file(crowd, "grabcut")
    expected = path.read_bytes()
    path.unlink()
    monkeypatch.setattr("faimtrack.masks.making._FRAMES_A_PART", 1)
    with monkeypatch.context() as patch:
        broken_after(4, patch)
        with pytest.raises(BrokenOff):
            make(crowd)
    parts = sorted((path.parent / "grabcut.parquet.parts").glob("*.parquet"))
    assert len(parts) == 4
    parts[1].write_bytes(parts[1].read_bytes()[:-9])
    seen = broken_after(99, monkeypatch)
    make(crowd)
    assert len(seen) == 5
    assert path.read_bytes() == expected


@pytest.mark.slow
def test_killed_process_loses_a_part_at_most(crowd):
    make(crowd)
    path = mask_file(crowd, "grabcut")
    expected = path.read_bytes()
    path.unlink()
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from faimtrack.masks import make_masks, making, plan_masks\n"
        "making._FRAMES_A_PART = 1\n"
        "(task,) = plan_masks(Path(sys.argv[1]))\n"
        "make_masks(task, lambda done, total: time.sleep(0.2 if done < 3 else 60))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(crowd)])
    folder = path.parent / "grabcut.parquet.parts"
    deadline = time.monotonic() + 60
    while len(list(folder.glob("0*.parquet"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not path.exists()
    summary = make(crowd)
    assert "frames up to 2 had been done before" in summary.notes
    assert path.read_bytes() == expected


def test_second_run_at_once_is_refused(crowd, monkeypatch):
    (task,) = plan_masks(crowd)
    with (
        MaskParts(task.output, Provenance(kind="masks")),
        pytest.raises(BlockingIOError, match="another run is at it"),
    ):
        make_masks(task)


def test_store_that_is_there_is_not_touched_unless_it_may_be(crowd):
    make(crowd, "box")
    path = mask_file(crowd, "box")
    before = path.stat().st_mtime_ns
    with pytest.raises(FileExistsError, match=r"box\.parquet: already there; --resume"):
        make(crowd, "box")
    kept = make(crowd, "box", existing="resume")
    assert kept.seconds is None
    assert kept.counts["kept"] == kept.objects
    assert path.stat().st_mtime_ns == before
    again = make(crowd, "box", MaskConfig(minimum_quality=0.5), existing="resume")
    assert again.notes == ("made again: it was made with another configuration.minimum_quality",)
    path.write_bytes(path.read_bytes()[:-5])
    (note,) = make(crowd, "box", MaskConfig(minimum_quality=0.5), existing="resume").notes
    assert note == "made again: box.parquet is not the file that its sidecar describes"


@pytest.mark.slow
def test_several_processes_make_what_one_makes(crowd, crowd_once, tmp_path):
    data = crowd.parent
    shutil.copytree(crowd_once, data / "other")
    (data / "broken").mkdir()
    shutil.copy(crowd / "seqinfo.ini", data / "broken")
    names = ("broken", "other", "small")
    stores = {}
    for jobs in (1, 2):
        root = tmp_path / f"jobs-{jobs}"
        seen = []
        outcomes = list(
            make_many_masks(
                plan_masks(data, root=root),
                jobs=jobs,
                report=lambda name, done, total, seen=seen: seen.append((done, total)),
            )
        )
        assert sorted(outcome.task.sequence.name for outcome in outcomes) == list(names)
        failed = [outcome for outcome in outcomes if outcome.error]
        assert [outcome.task.sequence.name for outcome in failed] == ["broken"]
        assert failed[0].error.endswith("gt.txt: expected the ground truth, got no such file")
        assert (6, 6) in seen
        stores[jobs] = [(root / name / "grabcut.parquet").read_bytes() for name in names[1:]]
    assert stores[1] == stores[2]


def test_sequence_without_images_serves_methods_that_need_none(crowd):
    shutil.rmtree(crowd / "img1")
    make(crowd, "truth")
    with pytest.raises(FileNotFoundError, match=r"img1: expected a folder of images.*grabcut"):
        make(crowd, "grabcut")
    assert sorted(each.name for each in (crowd / "masks").iterdir()) == [
        "truth.parquet",
        "truth.parquet.json",
    ]


def test_missing_image_is_named(crowd):
    (crowd / "img1" / "000004.jpg").rename(crowd / "aside.jpg")
    with pytest.raises(FileNotFoundError, match=r"000004\.jpg: expected the image of frame 4"):
        make(crowd)
    (crowd / "aside.jpg").rename(crowd / "img1" / "000004.jpg")
    # The pictures are others than those of the parts: nothing is taken over.
    assert make(crowd).notes == ()


def test_image_of_another_size_is_refused(crowd):
    cv2.imwrite(str(crowd / "img1" / "000002.jpg"), np.zeros((100, 100, 3), np.uint8))
    with pytest.raises(ValueError, match=r"000002\.jpg: expected 192 x 128 pixels.*got 100 x 100"):
        make(crowd)


def test_size_comes_from_the_images_where_nothing_else_says_it(crowd):
    path = crowd / "seqinfo.ini"
    lines = [line for line in path.read_text().splitlines() if not line.startswith(("imW", "imH"))]
    path.write_text("\n".join(lines))
    make(crowd, "box")
    with MaskStore.open(mask_file(crowd, "box")) as store:
        mask = next(iter(store.frame(1).values()))
    assert (mask.height, mask.width) == SIZE


def test_store_cut_short_cannot_be_shuffled(crowd):
    exact = crowd / "gt" / "masks.parquet"
    exact.write_bytes(exact.read_bytes()[:-200])
    for method in ("truth", "shuffled"):
        with pytest.raises(ValueError, match=r"masks\.parquet: expected a whole Parquet file"):
            make(crowd, method)


def test_masks_to_shuffle_must_be_there(crowd):
    (crowd / "gt" / "masks.parquet").unlink()
    with pytest.raises(FileNotFoundError, match=r"grabcut\.parquet: expected masks to shuffle"):
        plan_masks(crowd, "shuffled")
    with pytest.raises(FileNotFoundError, match=r"masks\.parquet: expected a crowd's exact masks"):
        plan_masks(crowd, "truth")
    make(crowd, "grabcut")
    (task,) = plan_masks(crowd, "shuffled")
    assert task.donors == mask_file(crowd, "grabcut")


@pytest.mark.parametrize(
    ("method", "settings", "message"),
    [
        ("magic", {}, "method: expected grabcut, .*, got 'magic'"),
        ("box", {"weights": "x"}, "box: expected no weights"),
        ("sam2", {}, "sam2: expected weights"),
        ("box2mask", {}, "box2mask: expected instances"),
        ("shuffled", {"shuffled": "shuffled"}, "shuffled: expected masks of another method"),
        ("box", {"config": GrabCutConfig()}, "box: expected a MaskConfig, got a GrabCutConfig"),
    ],
)
def test_plans_that_make_no_sense_are_refused(crowd, method, settings, message):
    with pytest.raises(ValueError, match=message):
        plan_masks(crowd, method, **settings)


def test_network_is_loaded_once_for_many_sequences(crowd, monkeypatch):
    opened = []
    monkeypatch.setattr(sources, "_open", lambda task: opened.append(task) or GrabCutSegmenter())
    (task,) = plan_masks(crowd)
    task = dataclasses.replace(
        task, method="sam", weights=crowd / "seqinfo.ini", weights_digest="1"
    )
    loader = sources.SegmenterLoader()
    found = [sources.open_masks(task, objects_of(crowd), loader) for _ in range(2)]
    assert all(isinstance(each, SegmentedImages) for each in found)
    sources.open_masks(dataclasses.replace(task, weights_digest="2"), objects_of(crowd), loader)
    assert len(opened) == 2


def test_one_that_fails_is_an_outcome_with_its_trace_where_that_is_asked_for(crowd, monkeypatch):
    tasks = plan_masks(crowd, "grabcut")
    (crowd / "img1" / "000003.jpg").unlink()
    monkeypatch.setenv("FAIMTRACK_DEBUG", "1")
    (outcome,) = make_many_masks(tasks)
    assert outcome.summary is None
    assert outcome.error.startswith("Traceback")
