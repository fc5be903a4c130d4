import dataclasses
import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faimtrack.boxes import box_xywh_to_xyxy
from faimtrack.cli.crowd import crowd as crowd_command
from faimtrack.datasets.crowd import (
    MASK_FILE,
    OBJECT_CLASS_NAMES,
    OBJECT_KINDS,
    VISIBILITY_ONE,
    CrowdConfig,
    Renderer,
    bench_sequences,
    detection_table,
    exact_masks,
    ground_truth_table,
    make_bench_crowd,
    sequence_texts,
    simulate_crowd,
    text_digests,
    write_crowd,
)
from faimtrack.datasets.crowd.objects import simulate as simulate_module
from faimtrack.datasets.crowd.objects.colours import Coat
from faimtrack.datasets.crowd.objects.kinds import HABITATS, kinds_of
from faimtrack.datasets.crowd.objects.render import _Layer
from faimtrack.datasets.crowd.objects.states import ObjectStates, silhouettes
from faimtrack.eval.rules import choose_rules
from faimtrack.masks.store import MaskStore
from faimtrack.motfile import read_mot, read_sequence_info

WHITE = Coat(palette=np.full((16, 3), 255, np.uint8), texture=np.zeros((64, 64), np.int16))
BENCH_SIZES = {"objects-v1": (168, 24), "objects-v2": (480, 60)}
COLUMNS = ("frames", "ids", "boxes_xywh", "confidences", "class_ids", "visibilities")


def scene(seed=2, frames=6, *, size=(160, 128), camera="static", name="scene"):
    return simulate_crowd(
        CrowdConfig(
            name=name, seed=seed, frames=frames, width=size[0], height=size[1], camera=camera,
            scene="objects",
        )
    )  # fmt: skip


@pytest.fixture(scope="module", params=BENCH_SIZES)
def bench(request):
    return [(each, make_bench_crowd(each)) for each in bench_sequences(request.param)]


def test_same_configuration_gives_the_same_bytes_and_another_seed_others():
    assert sequence_texts(scene()) == sequence_texts(scene())
    assert sequence_texts(scene())["gt/gt.txt"] != sequence_texts(scene(3))["gt/gt.txt"]


@pytest.mark.parametrize("camera", ["static", "moving"])
def test_longer_scene_begins_with_the_shorter_one(camera):
    short, long = (scene(frames=count, camera=camera) for count in (7, 40))
    rows = long.annotations.frames <= 7
    for name in ("frames", "track_ids", "boxes_xywh", "class_ids", "visibility"):
        expected = getattr(short.annotations, name)
        assert (getattr(long.annotations, name)[rows] == expected).all(), name
    assert (long.objects.select(rows).defocus == short.objects.defocus).all()
    assert len(np.unique(long.annotations.frames)) > 30


def test_long_scenes_are_simulated_in_blocks_that_nobody_sees(monkeypatch):
    whole = scene(frames=12, camera="moving")
    monkeypatch.setattr(simulate_module, "_FRAMES_AT_ONCE", 5)
    assert text_digests(scene(frames=12, camera="moving")) == text_digests(whole)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(32, 500),
    st.integers(32, 400),
    st.integers(1, 4),
    st.sampled_from(["static", "moving"]),
    st.integers(1, 240),
    st.integers(0, 2**63 - 1),
)
def test_any_scene_has_boxes_inside_the_image_of_one_habitat(
    width, height, frames, camera, rate, seed
):
    crowd = simulate_crowd(
        CrowdConfig(
            width=width, height=height, frames=frames, camera=camera, frame_rate=rate, seed=seed,
            scene="objects",
        )
    )  # fmt: skip
    table = crowd.annotations
    boxes = table.boxes_xywh
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] >= 1).all()
    assert (boxes[:, :2] + boxes[:, 2:] <= [width, height]).all()
    assert ((table.visibility >= 0) & (table.visibility <= VISIBILITY_ONE)).all()
    assert len({OBJECT_KINDS[kind].habitat for kind in table.class_ids.tolist()}) <= 1
    assert set(table.track_ids.tolist()) <= {1, 2, 3, 4}
    assert len(crowd.objects) == len(table)
    for track in np.unique(table.track_ids):
        assert len(set(table.class_ids[table.track_ids == track].tolist())) == 1


def test_text_says_what_the_simulation_found(tmp_path):
    crowd = scene(frames=12, camera="moving")
    texts = sequence_texts(crowd)
    assert set(texts) == {"seqinfo.ini", "gt/gt.txt", "gt/conditions.txt", "camera_motion.txt"}
    for name, content in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    info = read_sequence_info(tmp_path)
    assert (info.name, info.frame_count, info.width, info.height) == ("scene", 12, 160, 128)
    truth = read_mot(info.ground_truth_path, "ground truth", frame_count=12)
    direct = ground_truth_table(crowd)
    order = np.lexsort((truth.ids, truth.frames))
    for name in COLUMNS:
        assert (getattr(truth, name)[order] == getattr(direct, name)).all(), name
    assert (truth.confidences == 1).all()
    assert set(truth.class_ids.tolist()) <= set(range(101, 109))
    assert len(detection_table(crowd)) == len(crowd.detections) == 0


def test_conditions_have_a_row_for_each_of_the_ground_truth():
    crowd = scene(frames=20)
    texts = {name: content.decode("ascii") for name, content in sequence_texts(crowd).items()}
    truth = [line.split(",")[:2] for line in texts["gt/gt.txt"].splitlines()]
    rows = [line.split(",") for line in texts["gt/conditions.txt"].splitlines()]
    assert [row[:2] for row in rows] == truth
    values = np.array(rows, dtype=np.float64)[:, 2:]
    assert (values >= 0).all()
    assert (values[:, :2] <= 1).all()
    order = np.lexsort((crowd.annotations.frames, crowd.objects.ids))
    assert np.abs(values[:, 2] - crowd.objects.defocus[order] / 256).max() < 0.011


def test_text_has_the_frozen_bytes():
    assert text_digests(scene(seed=41, frames=9, camera="moving")) == FROZEN


FROZEN = {
    "seqinfo.ini": "fce75cac99cf20f20980f94ac2e29e25d9e2cc0ef21b7b132809533087947d60",
    "gt/gt.txt": "a1e08db8677bdb8c5816b9f8592d9a1f0340a642a1dad82f08e493ee4854f493",
    "gt/conditions.txt": "1797b14fbba9eed7691cf4abfd7f94b741ee1b074ab5333992d43cbd2a38a098",
    "camera_motion.txt": "037506ad1600b545bf549e387ce635cf72cb6f4fe5a753eb233dc89e84322b79",
}


@pytest.mark.parametrize("habitat", HABITATS)
def test_two_kinds_of_a_habitat_differ_in_shape_when_seen_from_the_side(habitat):
    first, second = (filled(kind, yaw=0, curl=0) for kind in kinds_of(habitat))
    shared = np.count_nonzero(first & second) / np.count_nonzero(first | second)
    assert 0.2 < shared < 0.8


def filled(kind, *, yaw, curl):
    """The pixels of a body 100 long about the middle of a picture of 160 by 160."""
    values = {name: np.zeros(1, dtype=np.int64) for name in ObjectStates.__dataclass_fields__}
    for name, value in (("x", 80), ("y", 80), ("size", 100)):
        values[name] += value * 256
    values["yaw"] += yaw
    values["curl"] += curl
    values["elevation"] += 160 if OBJECT_KINDS[kind].habitat == "grass" else 20
    shape = silhouettes(kind, ObjectStates(**values))
    ids = np.zeros((160, 160), dtype=np.int32)
    layer = _Layer(shape.discs[0], shape.roles, WHITE)
    layer.lay(np.zeros((160, 160, 3), np.uint8), ids, 1, 0.0, (0.0, 0.0))
    rows, columns = np.nonzero(ids)
    x1, y1, x2, y2 = (shape.boxes[0] / 256).tolist()
    assert np.abs(np.subtract([columns.min(), rows.min()], [x1, y1])).max() <= 1.5
    assert np.abs(np.subtract([columns.max() + 1, rows.max() + 1], [x2, y2])).max() <= 1.5
    return ids == 1


def test_mask_holds_the_pixels_that_are_at_least_half_covered():
    radius = 5000 / 256
    discs = np.full((1, 4, 3), [6000, 6100, 5000])
    ids, image = np.zeros((48, 48), np.int32), np.zeros((48, 48, 3), np.uint8)
    _Layer(discs, np.array([1]), WHITE).lay(image, ids, 7, 0.0, (0.0, 0.0))
    rows, columns = np.mgrid[:48, :48] + 0.5
    away = np.hypot(rows - 6100 / 256, columns - 6000 / 256) - radius
    assert (ids[away < -1] == 7).all()
    assert not ids[away > 0.5].any()
    area = 8 * np.sin(np.pi / 8) * radius**2  # of a polygon of 16 corners
    assert np.count_nonzero(ids) == pytest.approx(area, rel=0.02)


@pytest.mark.parametrize("kind", range(len(OBJECT_KINDS)), ids=OBJECT_CLASS_NAMES)
@pytest.mark.parametrize(("yaw", "curl"), [(0, 0), (256, 0), (0, 1024), (700, 500)])
def test_bodies_fill_their_boxes_in_every_pose(kind, yaw, curl):
    assert filled(kind, yaw=yaw, curl=curl).sum() > 300


@pytest.mark.parametrize("camera", ["static", "moving"])
@pytest.mark.parametrize("seed", [2, 4, 7, 8])
def test_masks_hold_what_is_seen_and_never_leave_their_boxes(seed, camera):
    crowd = scene(seed, camera=camera)
    renderer, table = Renderer(crowd), crowd.annotations
    for frame in (1, 6):
        drawn = renderer.render(frame)
        assert drawn.image.shape == (128, 160, 3)
        rows = table.rows_of(frame)
        masks = exact_masks(drawn, table)
        # Not one pixel of any object outside of the boxes in which masks are cut out.
        assert sum(mask.decode().sum() for mask in masks.values()) == (drawn.ids > 0).sum()
        for track, kind in zip(
            table.track_ids[rows].tolist(), table.class_ids[rows].tolist(), strict=True
        ):
            if track in masks:
                assert (masks[track].class_id, masks[track].method) == (kind, "simulator")


def test_blur_changes_pictures_but_no_mask():
    crowd = scene(8, frames=30)
    worst = int(crowd.annotations.frames[crowd.objects.defocus.argmax()])
    nothing = np.zeros_like(crowd.objects.defocus)
    sharp = dataclasses.replace(
        crowd,
        objects=dataclasses.replace(
            crowd.objects, defocus=nothing, blur_x=nothing, blur_y=nothing
        ),
    )
    seen, clear = (Renderer(each).render(worst) for each in (crowd, sharp))
    assert (seen.ids == clear.ids).all()
    changed = np.abs(seen.image.astype(int) - clear.image).max(axis=2) > 24
    assert np.count_nonzero(changed) > 0.2 * np.count_nonzero(seen.ids)
    assert not changed[:4, :4].any()  # far from everything


def test_frames_can_be_drawn_in_any_order():
    crowd = scene(camera="moving")
    first, second = Renderer(crowd), Renderer(crowd)
    first.render(1)
    a, b = first.render(4), second.render(4)
    assert (a.image == b.image).all()
    assert (a.ids == b.ids).all()


def test_written_folder_is_known_as_one_of_objects(tmp_path):
    folder = write_crowd(scene(frames=2), tmp_path / "scene")
    assert not (folder / "det").exists()
    assert json.loads((tmp_path / "scene.json").read_text())["kind"] == "crowd of objects"
    with MaskStore.open(folder / MASK_FILE) as store:
        assert store.metadata["class_names"] == list(OBJECT_CLASS_NAMES)
    truth = read_mot(folder / "gt" / "gt.txt", "ground truth")
    with pytest.raises(ValueError, match="expected --benchmark or --classes"):
        choose_rules("scene", truth)  # MOT20's rules would find no object in it
    write_crowd(scene(frames=2), folder, images=False, masks=False, overwrite=True)
    assert not (folder / "img1").exists()


def test_command_writes_a_scene_of_objects(tmp_path):
    crowd_command(tmp_path / "s", seed=2, frames=2, size="160x128", scene="objects", images=False)
    expected = sequence_texts(scene(frames=2, name="s"))
    assert (tmp_path / "s" / "gt" / "gt.txt").read_bytes() == expected["gt/gt.txt"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scene": "zoo"}, "scene: expected one of people, objects, got 'zoo'"),
        ({"people": 3}, "people: expected nothing but None in a scene of objects, got 3"),
        ({"density": "dense"}, "density: expected nothing but 'medium' in a scene of objects"),
        ({"distractors": False}, "distractors: expected nothing but True in a scene of objects"),
    ],
)
def test_what_means_nothing_in_such_a_scene_is_refused(change, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        CrowdConfig(**({"scene": "objects"} | change))


@pytest.mark.parametrize("name", BENCH_SIZES)
def test_bench_has_many_videos_of_as_many_seeds(name):
    sequences = bench_sequences(name)
    train, test = BENCH_SIZES[name]
    assert [each.split for each in sequences] == ["train"] * train + ["test"] * test
    assert len({each.config.seed for each in sequences}) == train + test
    assert len({each.config.name for each in sequences}) == train + test


def test_bench_text_has_the_frozen_bytes(bench):
    for sequence, crowd in bench:  # make_bench_crowd has compared them, too
        assert text_digests(crowd) == sequence.sha256


@pytest.mark.parametrize("split", ["train", "test"])
def test_bench_shows_every_kind_about_as_often(bench, split):
    classes = [crowd.annotations.class_ids for each, crowd in bench if each.split == split]
    counts = np.bincount(np.concatenate(classes), minlength=8)
    assert counts.min() > 0.9 * counts.max()
    cameras = [each.config.camera for each, _ in bench if each.split == split]
    assert cameras.count("moving") * 3 == len(cameras)


@pytest.mark.parametrize("split", ["train", "test"])
def test_bench_has_objects_of_all_motion_groups(bench, split):
    means = np.array(
        [m for each, crowd in bench if each.split == split for m in motion_ious(crowd)]
    )
    shares = [np.mean(means > 0.9), np.mean((means >= 0.7) & (means <= 0.9)), np.mean(means < 0.7)]
    assert min(shares) > 0.2, shares


def motion_ious(crowd):
    """Of each box the mean IoU with its object's other boxes 10 frames before to 10 after."""
    table = crowd.annotations
    for track in np.unique(table.track_ids).tolist():
        rows = table.track_ids == track
        corners = box_xywh_to_xyxy(table.boxes_xywh[rows].astype(np.float64))
        areas = np.prod(corners[:, 2:] - corners[:, :2], axis=1)
        low = np.maximum(corners[:, None, :2], corners[None, :, :2])
        high = np.minimum(corners[:, None, 2:], corners[None, :, 2:])
        shared = np.prod(np.maximum(high - low, 0), axis=2)
        ious = shared / (areas[:, None] + areas - shared)
        apart = np.abs(table.frames[rows][:, None] - table.frames[rows])
        near = (apart <= 10) & (apart > 0)
        for own, others in zip(ious, near, strict=True):
            if others.any():
                yield own[others].mean()
