import cv2
import numpy as np
import pytest

from faimtrack.datasets.crowd import (
    KINDS,
    VISIBILITY_ONE,
    CrowdConfig,
    Renderer,
    sequence_texts,
    simulate_crowd,
)
from faimtrack.datasets.crowd.annotations import visibility
from faimtrack.datasets.crowd.figure import outlines
from faimtrack.datasets.crowd.scene import Scene


def area_by_pixels(corners, distance, size):
    """Visibility the slow way: every pixel asks for its nearest box."""
    nearest = np.full(size, -1)
    for row in np.argsort(-distance, kind="stable"):
        x1, y1, x2, y2 = corners[row]
        nearest[y1:y2, x1:x2] = row
    areas = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    shown = np.array([np.count_nonzero(nearest == row) for row in range(len(corners))])
    return shown / areas


def test_visibility_is_the_share_that_no_nearer_box_covers():
    random = np.random.default_rng(1)
    low = random.integers(0, 60, (40, 2))
    corners = np.concatenate([low, low + random.integers(1, 40, (40, 2))], axis=1)
    distance = random.permutation(40)
    found = visibility(corners, distance, (100, 100)) / VISIBILITY_ONE
    assert found == pytest.approx(area_by_pixels(corners, distance, (100, 100)), abs=6e-6)


def test_nearest_figure_is_wholly_visible_and_some_are_hidden(dense):
    table = dense.annotations
    for frame in (1, 20, 40):
        rows = table.rows_of(frame)
        assert table.visibility[rows][np.argmin(table.distance[rows])] == VISIBILITY_ONE
    people = table.visibility[table.class_ids == 0] / VISIBILITY_ONE
    assert (people < 0.2).mean() > 0.08
    assert 0.45 < people.mean() < 0.75


def test_nearer_people_are_larger_and_lower(medium):
    figures, distance = medium.annotations.figures, medium.annotations.distance
    assert np.corrcoef(distance, figures.height)[0, 1] < -0.8
    assert np.corrcoef(distance, figures.y)[0, 1] < -0.9


def test_people_walk_no_faster_than_people_do(medium):
    table = medium.annotations
    scene = Scene.of(medium.config)
    for track in np.unique(table.track_ids[table.class_ids == 0]):
        rows = table.track_ids == track
        if np.count_nonzero(rows) < 3:
            continue
        x, z = scene.ground(table.figures.x[rows], table.figures.y[rows])
        step = np.hypot(np.diff(x), np.diff(z)) / 1e6 * medium.config.frame_rate
        # A subpixel is a few centimetres on the far ground.
        assert np.median(step) < 2.3


def test_people_walk_stop_and_come_and_go():
    crowd = simulate_crowd(CrowdConfig(frames=250, seed=8, distractors=False))
    table = crowd.annotations
    first, last = {}, {}
    for frame, track in zip(table.frames.tolist(), table.track_ids.tolist(), strict=True):
        first.setdefault(track, frame)
        last[track] = frame
    assert sum(frame > 1 for frame in first.values()) >= 4
    assert sum(frame < 250 for frame in last.values()) >= 4
    swing = table.figures.swing
    assert (swing < 50).mean() > 0.03
    assert (swing > 500).mean() > 0.2


def test_feet_of_different_people_keep_apart(dense):
    table = dense.annotations
    rows = table.rows_of(40)
    figures = table.figures.select(rows)
    x, z = Scene.of(dense.config).ground(figures.x, figures.y)
    moving = np.flatnonzero([KINDS[kind].moves for kind in figures.kinds])
    gaps = np.hypot(x[moving, None] - x[None, moving], z[moving, None] - z[None, moving]) / 1e6
    gaps[np.arange(len(moving)), np.arange(len(moving))] = np.inf
    assert np.median(gaps.min(axis=1)) > 0.2


def test_legs_and_boxes_swing_with_the_gait(medium):
    table = medium.annotations
    walks = (table.class_ids == 0) & (table.figures.swing > 600)
    track = np.bincount(table.track_ids[walks]).argmax()
    rows = walks & (table.track_ids == track)
    widths = table.boxes_xywh[rows][:, 2]
    assert len(np.unique(table.figures.phase[rows])) > 10
    assert widths.max() > widths.min()


def parse_motion(crowd):
    text = sequence_texts(crowd)["camera_motion.txt"].decode()
    return np.array([[float(part) for part in line.split(",")] for line in text.splitlines()])


def test_static_camera_has_identities(medium):
    rows = parse_motion(medium)
    assert (rows[:, 0] == np.arange(1, 76)).all()
    assert (rows[:, 1:] == [1, 0, 0, 0, 1, 0]).all()


def test_written_motion_chains_to_the_true_view(moving):
    rows = parse_motion(moving)
    assert np.abs(rows[1:, [3, 6]]).max() > 1
    point = np.array([200.0, 150.0, 1.0])
    start = np.linalg.inv(np.vstack([moving.camera.canvas_to_frame(1), [0, 0, 1]]))
    reached = point
    for frame, row in enumerate(rows, start=1):
        reached = np.append(row[1:].reshape(2, 3) @ reached, 1.0)
        true = moving.camera.canvas_to_frame(frame) @ start @ point
        assert reached[:2] == pytest.approx(true, abs=1e-6)


def test_static_things_move_as_the_camera_says(moving):
    rows = parse_motion(moving)
    table = moving.annotations
    still = [kind for kind, entry in enumerate(KINDS) if not entry.moves]
    checked = 0
    for frame in range(2, 41):
        step = rows[frame - 1, 1:].reshape(2, 3)
        now, before = table.rows_of(frame), table.rows_of(frame - 1)
        for row in range(now.start, now.stop):
            match = np.flatnonzero(table.track_ids[before] == table.track_ids[row])
            if table.class_ids[row] not in still or not len(match):
                continue
            old = before.start + match[0]
            there = np.array([table.figures.x[old], table.figures.y[old]]) / 256
            here = np.array([table.figures.x[row], table.figures.y[row]]) / 256
            assert step @ np.append(there, 1) == pytest.approx(here, abs=0.02)
            checked += 1
    assert checked > 50


def test_background_pixels_move_as_the_camera_says():
    crowd = simulate_crowd(
        CrowdConfig(people=0, frames=40, camera="moving", seed=7, width=480, height=270)
    )
    renderer = Renderer(crowd)
    first, last = (
        cv2.cvtColor(renderer.render(frame).image, cv2.COLOR_RGB2GRAY) for frame in (20, 24)
    )
    corners = cv2.goodFeaturesToTrack(first, 150, 0.02, 8)
    found, status, _ = cv2.calcOpticalFlowPyrLK(first, last, corners, None)
    there, here = corners[status == 1].reshape(-1, 2), found[status == 1].reshape(-1, 2)
    warp = np.eye(3)
    for row in parse_motion(crowd)[20:24]:
        warp = np.vstack([row[1:].reshape(2, 3), [0, 0, 1]]) @ warp
    # The motion maps pixel corners; OpenCV counts from pixel centres.
    expected = (there + 0.5) @ warp[:2, :2].T + warp[:2, 2] - 0.5
    assert np.abs(expected - there).max() > 2
    error = np.median(np.abs(here - expected), axis=0)
    assert (error < 0.15).all()


def test_outline_covers_the_whole_figure_even_outside_the_image(medium):
    from faimtrack.datasets.crowd.figure import habits

    table = medium.annotations
    full = outlines(table.figures, habits(medium.draws, table.figures)) / 256
    boxes = table.boxes_xywh.astype(float)
    corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    cut = np.clip(full, 0, [640, 360, 640, 360])
    assert np.abs(corners - cut).max() <= 0.5 + 1 / 256
    assert (full[:, 3] > 361).any()
