import dataclasses
import hashlib
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faimtrack.datasets.crowd import (
    KINDS,
    VISIBILITY_ONE,
    CrowdConfig,
    bench_sequences,
    detection_table,
    ground_truth_table,
    make_bench_crowd,
    sequence_texts,
    simulate_crowd,
    text_digests,
)
from faimtrack.datasets.crowd import simulate as simulate_module
from faimtrack.motfile import read_mot, read_sequence_info

COLUMNS = ("frames", "ids", "boxes_xywh", "confidences", "class_ids", "visibilities")


def write_texts(crowd, folder):
    for name, content in sequence_texts(crowd).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)


def test_same_configuration_gives_the_same_bytes():
    config = CrowdConfig(frames=6, seed=3, camera="moving")
    assert sequence_texts(simulate_crowd(config)) == sequence_texts(simulate_crowd(config))


def test_another_seed_gives_another_crowd():
    first, second = (simulate_crowd(CrowdConfig(frames=4, seed=seed)) for seed in (1, 2))
    assert sequence_texts(first)["gt/gt.txt"] != sequence_texts(second)["gt/gt.txt"]
    assert sequence_texts(first)["det/det.txt"] != sequence_texts(second)["det/det.txt"]


@pytest.mark.parametrize("camera", ["static", "moving"])
def test_longer_crowd_begins_with_the_shorter_one(camera):
    short, long = (simulate_crowd(CrowdConfig(frames=count, camera=camera)) for count in (5, 12))
    for name in ("det/det.txt", "camera_motion.txt"):
        assert sequence_texts(long)[name].startswith(sequence_texts(short)[name])
    rows = long.annotations.frames <= 5
    assert (long.annotations.boxes_xywh[rows] == short.annotations.boxes_xywh).all()
    assert (long.annotations.visibility[rows] == short.annotations.visibility).all()


def test_rows_look_like_those_of_mot20(medium):
    texts = {name: content.decode("ascii") for name, content in sequence_texts(medium).items()}
    ground_truth = re.compile(r"\d+,\d+,\d+,\d+,\d+,\d+,[01],\d+,(0|1|0\.\d{0,4}[1-9])")
    box = r"\d+\.\d"
    detection = re.compile(rf"\d+,-1,{box},{box},{box},{box},(0\.\d?[1-9]|1),-1,-1,-1")
    for name, pattern in (("gt/gt.txt", ground_truth), ("det/det.txt", detection)):
        lines = texts[name].splitlines()
        assert len(lines) > 1000
        assert texts[name].endswith("\n")
        assert [line for line in lines if not pattern.fullmatch(line)] == []
    assert texts["seqinfo.ini"] == (
        "[Sequence]\nname=medium\nimDir=img1\nframeRate=25\nseqLength=75\n"
        "imWidth=640\nimHeight=360\nimExt=.jpg\n\n"
    )


def test_ground_truth_is_sorted_by_track_and_frame(medium):
    lines = sequence_texts(medium)["gt/gt.txt"].decode().splitlines()
    keys = [tuple(map(int, line.split(",")[:2]))[::-1] for line in lines]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)


def test_tables_hold_what_the_files_say(tmp_path, medium):
    write_texts(medium, tmp_path)
    info = read_sequence_info(tmp_path)
    assert (info.name, info.frame_count, info.width, info.height) == ("medium", 75, 640, 360)
    truth = read_mot(info.ground_truth_path, "ground truth", frame_count=75)
    direct = ground_truth_table(medium)
    truth_order = np.lexsort((truth.ids, truth.frames))
    for name in COLUMNS:
        assert (getattr(truth, name)[truth_order] == getattr(direct, name)).all(), name
    found, direct = read_mot(info.detections_path), detection_table(medium)
    for name in COLUMNS[:4]:
        assert (getattr(found, name) == getattr(direct, name)).all(), name


@settings(max_examples=25, deadline=None)
@given(
    st.integers(32, 700),
    st.integers(32, 500),
    st.integers(0, 40),
    st.integers(1, 3),
    st.sampled_from(["sparse", "medium", "dense"]),
    st.sampled_from(["static", "moving"]),
    st.integers(0, 2**63 - 1),
)
def test_any_size_and_length_gives_boxes_inside_the_image(
    width, height, people, frames, density, camera, seed
):
    config = CrowdConfig(
        width=width, height=height, people=people, frames=frames, density=density,
        camera=camera, seed=seed,
    )  # fmt: skip
    crowd = simulate_crowd(config)
    for boxes, unit in ((crowd.annotations.boxes_xywh, 1), (crowd.detections.boxes_xywh, 10)):
        assert (boxes[:, :2] >= 0).all()
        assert (boxes[:, 2:] >= 1).all()
        assert (boxes[:, 0] + boxes[:, 2] <= width * unit).all()
        assert (boxes[:, 1] + boxes[:, 3] <= height * unit).all()
    assert (crowd.annotations.visibility <= VISIBILITY_ONE).all()
    assert (crowd.annotations.visibility >= 0).all()
    assert ((crowd.detections.scores >= 1) & (crowd.detections.scores <= 100)).all()


def test_empty_scene_gives_empty_files():
    crowd = simulate_crowd(CrowdConfig(people=0, frames=1))
    texts = sequence_texts(crowd)
    assert texts["gt/gt.txt"] == texts["det/det.txt"] == b""
    assert texts["camera_motion.txt"] == b"1,1,0,0,0,1,0\n"


def test_only_people_are_considered(medium):
    table = medium.annotations
    assert (table.considered == (table.class_ids == 0)).all()
    assert KINDS[0].name == "person"
    assert KINDS[0].mot_class == 1
    assert set(np.unique(table.class_ids)) == set(range(len(KINDS)))


def test_without_distractors_there_are_only_people():
    crowd = simulate_crowd(CrowdConfig(frames=2, distractors=False))
    assert (crowd.annotations.class_ids == 0).all()


@pytest.mark.parametrize("density", ["sparse", "medium", "dense"])
@pytest.mark.parametrize("camera", ["static", "moving"])
def test_about_as_many_people_are_in_view_as_wanted(density, camera):
    config = CrowdConfig(density=density, camera=camera, frames=20, seed=11)
    table = simulate_crowd(config).annotations
    seen = np.count_nonzero(table.class_ids == 0) / 20
    wanted = config.people_a_frame
    # A moving camera may look at the thickest part for a while.
    assert 0.7 * wanted - 3 <= seen <= (1.5 if camera == "moving" else 1.1) * wanted + 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frames": 0}, "frames: expected a whole number from 1 to 1000000, got 0"),
        ({"width": 31}, "width: expected a whole number from 32 to 8192, got 31"),
        ({"people": -1}, "people: expected a whole number from 0 to 2000, got -1"),
        ({"seed": 1.5}, "seed: expected a whole number"),
        ({"density": "thick"}, "density: expected one of sparse, medium, dense, got 'thick'"),
        ({"camera": "lost"}, "camera: expected one of static, moving, got 'lost'"),
        ({"name": "../up"}, "name: expected a name that can be a file's name, got '../up'"),
        ({"name": ""}, "name: expected a name that can be a file's name, got ''"),
        ({"name": "who?"}, "name: expected a name that can be a file's name, got 'who?'"),
        ({"name": " a"}, "name: expected a name that can be a file's name, got ' a'"),
        ({"distractors": 1}, "distractors: expected true or false, got 1"),
    ],
)
def test_wrong_values_are_refused_in_one_clear_line(change, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        CrowdConfig(**change)
    assert "\n" not in str(caught.value)


def test_every_field_of_the_configuration_says_unit_and_help():
    for each in dataclasses.fields(CrowdConfig):
        assert each.metadata["unit"], each.name
        assert each.metadata["help"].endswith("."), each.name


BENCH = bench_sequences("crowd-bench-v1")


@pytest.mark.parametrize(
    "sequence",
    [
        pytest.param(
            each,
            id=each.config.name,
            marks=[pytest.mark.slow] if each.config.density == "dense" else [],
        )
        for each in BENCH
    ],
)
def test_bench_text_has_the_frozen_bytes(sequence):
    crowd = make_bench_crowd(sequence)
    assert text_digests(crowd) == sequence.sha256
    content = sequence_texts(crowd)["gt/gt.txt"]
    assert hashlib.sha256(content).hexdigest() == sequence.sha256["gt/gt.txt"]


def test_dense_crowd_has_the_frozen_bytes():
    # A short stand-in for the dense sequences of the bench, which are checked as slow tests.
    crowd = simulate_crowd(CrowdConfig(name="d", density="dense", camera="moving", frames=8))
    assert text_digests(crowd) == FROZEN_DENSE


FROZEN_DENSE = {
    "seqinfo.ini": ("d8f18e05e5abe23aaa365bb054a10377daa1acf2aa159ca2d172d3542d92970a"),
    "gt/gt.txt": ("425bd0649767348c93050de169fee31ed26aa3b28ba8ee050405910d71196f09"),
    "det/det.txt": ("2e90be33c0094155ec853d5307534c96ef784361b81c53aa91264902d513c6d4"),
    "camera_motion.txt": ("98cf55d9f7a485563a4fb598a697993dbe93f3aede584dadf81142f9ac94f677"),
}


def test_bumped_generator_breaks_the_bench(monkeypatch):
    monkeypatch.setattr(simulate_module, "GENERATOR_VERSION", 2)
    with pytest.raises(ValueError, match=r"gt\.txt: expected SHA-256 \w+, got \w+"):
        make_bench_crowd(BENCH[0])


def test_bench_has_unseen_seeds_for_its_tests():
    seeds = [each.config.seed for each in BENCH]
    assert len(set(seeds)) == len(seeds)
    for split in ("train", "test"):
        chosen = [each.config for each in BENCH if each.split == split]
        assert {each.density for each in chosen} == {"sparse", "medium", "dense"}
        assert {each.camera for each in chosen} == {"static", "moving"}


def test_unknown_bench_is_refused():
    with pytest.raises(ValueError, match="crowd-bench-v1, objects-v1, objects-v2, got 'v0'"):
        bench_sequences("v0")
