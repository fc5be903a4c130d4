"""Every tracker follows the camera: in a moving picture it does what it does in a still one."""

import dataclasses

import numpy as np
import pytest

from faimtrack.structures import Detections, Frame
from faimtrack.testing import crossing_sequence
from faimtrack.trackers.botsort import BotSort
from faimtrack.trackers.bytetrack import ByteTrack
from faimtrack.trackers.deepocsort import DeepOcSort
from faimtrack.trackers.motion import STATE_FIELDS, XYAH, XYSR, side_scales, warp_boxes
from faimtrack.trackers.ocsort import OcSort
from faimtrack.trackers.sort import Sort

TRACKERS = [BotSort, ByteTrack, DeepOcSort, OcSort, Sort]
EVERY_PRESET = [
    (tracker_class, preset)
    for tracker_class in TRACKERS
    for preset in tracker_class.config_class.preset_names()
]
# The published code of Deep OC-SORT moves a last observation twice and the starts of virtual paths
# late: a camera that moves disturbs it, known or not (its golden tests hold it to that).
FOLLOWING = [
    (tracker_class, preset)
    for tracker_class, preset in EVERY_PRESET
    if tracker_class is not DeepOcSort
    or not tracker_class.config_class.preset(preset).published_quirks
]
SIZE = 640, 480


def turn(angle, zoom=1.0, shift=(0.0, 0.0)):
    cosine, sine = zoom * np.cos(angle), zoom * np.sin(angle)
    return np.array([[cosine, -sine, shift[0]], [sine, cosine, shift[1]]])


def run(tracker, sequence):
    return [tracker.update(detections, frame) for detections, frame in sequence]


def filmed(sequence, views, *, tell=True):
    """A sequence as a moving camera sees it.

    Args:
        sequence: As a still one sees it.
        views: `(frames, 2, 3)` from the still picture to the moving one; zooms and shifts only.
        tell: Whether the frames know the camera's motion.
    """
    moved, before = [], np.eye(3)
    for (detections, frame), view in zip(sequence, views, strict=True):
        corners = detections.boxes.reshape(-1, 2) @ view[:, :2].T + view[:, 2]
        view = np.vstack([view, [0, 0, 1]])
        again = Frame(frame.index, time_s=frame.time_s)
        if tell:
            again.camera_motion = (view @ np.linalg.inv(before))[:2]
        moved.append((dataclasses.replace(detections, boxes=corners.reshape(-1, 4)), again))
        before = view
    return moved


def check_equal_but_for_the_view(still, moving, views):
    assert any(len(tracks) for tracks in still)
    for number, (expected, tracks, view) in enumerate(zip(still, moving, views, strict=True), 1):
        assert tracks.ids.tolist() == expected.ids.tolist(), f"frame {number}"
        corners = expected.boxes.reshape(-1, 2) @ view[:, :2].T + view[:, 2]
        np.testing.assert_allclose(tracks.boxes.reshape(-1, 2), corners, rtol=1e-7, atol=1e-6)


def pans(frames):
    """A camera that jerks by up to 60 px a frame."""
    shifts = np.cumsum(np.random.default_rng(0).integers(-60, 61, (frames, 2)), axis=0)
    return np.concatenate([np.tile(np.eye(2), (frames, 1, 1)), shifts[:, :, None]], axis=2)


@pytest.mark.parametrize(("tracker_class", "preset"), FOLLOWING)
def test_a_camera_that_jerks_changes_nothing_if_it_is_known(tracker_class, preset):
    config = dataclasses.replace(tracker_class.config_class.preset(preset), clip_boxes=False)
    sequence = crossing_sequence()
    views = pans(len(sequence))
    still = run(tracker_class(config), sequence)
    moving = run(tracker_class(config), filmed(sequence, views))
    check_equal_but_for_the_view(still, moving, views)
    unknown = run(tracker_class(config), filmed(sequence, views, tell=False))
    lost = [tracks.ids.tolist() for tracks in unknown]
    assert lost != [tracks.ids.tolist() for tracks in still], "the camera was too calm"


@pytest.mark.parametrize("tracker_class", [BotSort, ByteTrack])
def test_a_zoom_changes_nothing_if_it_is_known(tracker_class):
    """Where all noise is relative to the box (XYSR's is not), scale means nothing."""
    sequence = crossing_sequence()
    rng = np.random.default_rng(1)
    zooms = np.exp(np.cumsum(rng.normal(0, 0.1, len(sequence))))
    views = pans(len(sequence))
    views[:, 0, 0] = views[:, 1, 1] = zooms
    config = tracker_class.config_class(pixel_offset=0.0)
    still = run(tracker_class(config), sequence)
    check_equal_but_for_the_view(still, run(tracker_class(config), filmed(sequence, views)), views)


@pytest.mark.parametrize(("tracker_class", "preset"), EVERY_PRESET)
def test_a_camera_known_to_stand_still_is_one_of_which_nothing_is_known(tracker_class, preset):
    config = tracker_class.config_class.preset(preset)
    expected = run(tracker_class(config), crossing_sequence())
    sequence = crossing_sequence()
    for _, frame in sequence:
        frame.camera_motion = np.eye(2, 3)
    assert run(tracker_class(config), sequence) == expected


@pytest.mark.parametrize("tracker_class", TRACKERS)
def test_who_is_hidden_while_the_camera_turns_is_found_again(scene, tracker_class):
    """The centre and the velocity go round with the picture."""
    step = turn(0.15, shift=(40.0, -25.0))
    config = tracker_class.config_class(lost_buffer_frames=10)
    found = {}
    for tell in (True, False):
        tracker = tracker_class(config)
        view = np.eye(3)
        for index in range(1, 17):
            if index > 1:
                view = np.vstack([step, [0, 0, 1]]) @ view
            world = np.array([400.0 + 6.0 * index, 300.0, 1.0])
            x, y = (view @ world)[:2]
            frame = Frame(index)
            frame.camera_motion = step if tell and index > 1 else None
            hidden = 9 <= index < 13
            boxes = np.array([[x - 30, y - 60, x + 30, y + 60]])[: 0 if hidden else 1]
            tracks = tracker.update(Detections(boxes, np.full(len(boxes), 0.9)), frame)
        found[tell] = tracks.ids.tolist()
    assert found[True] == [1]
    assert found[False] != [1]


BAD = {
    "another shape": np.eye(3),
    "a row": np.zeros(6),
    "not a number": [[1, 0, np.nan], [0, 1, 0]],
    "endless": [[1, 0, 0], [0, np.inf, 0]],
    "flat": [[1, 0, 0], [2, 0, 0]],
    "a point": np.zeros((2, 3)),
    "mirrored": [[-1, 0, 640], [0, 1, 0]],
    "upside down, but not turned": [[1, 0, 0], [0, -1, 480]],
    "too far": [[1, 0, 0], [0, 1, 1e12]],
    "too large": [[1e5, 0, 0], [0, 1e5, 0]],
}


@pytest.mark.parametrize("tracker_class", TRACKERS)
@pytest.mark.parametrize("why", BAD)
def test_a_camera_motion_that_is_none_is_refused_and_the_tracker_goes_on(tracker_class, why):
    sequence = crossing_sequence(frame_count=12)
    tracker = tracker_class()
    run(tracker, sequence[:9])
    before = tracker.state()
    detections, frame = sequence[9]
    frame.camera_motion = np.asarray(BAD[why], dtype=float)
    with pytest.raises(ValueError, match=r"^camera_motion of frame 10: expected [^\n]*$"):
        tracker.update(detections, frame)
    for key, value in tracker.state().items():
        np.testing.assert_array_equal(before[key], value)
    frame.camera_motion = None
    tracker.update(detections, frame)


@pytest.mark.parametrize("tracker_class", TRACKERS)
def test_a_refused_frame_does_not_move_the_tracks(tracker_class):
    sequence = crossing_sequence(frame_count=12)
    tracker = tracker_class()
    run(tracker, sequence)
    before = tracker.state()
    late = Frame(3)
    late.camera_motion = turn(0.1, shift=(50.0, 0.0))
    with pytest.raises(ValueError, match="expected an index after 12, got 3"):
        tracker.update(sequence[2][0], late)
    for key, value in tracker.state().items():
        np.testing.assert_array_equal(before[key], value)


@pytest.mark.parametrize("tracker_class", TRACKERS)
def test_the_camera_motion_is_not_changed(tracker_class):
    transform = turn(0.1, zoom=1.01, shift=(5.0, 2.0))
    kept = transform.copy()
    transform.flags.writeable = False
    sequence = crossing_sequence()
    for _, frame in sequence:
        frame.camera_motion = transform
    run(tracker_class(), sequence)
    np.testing.assert_array_equal(transform, kept)


@pytest.mark.parametrize("tracker_class", TRACKERS)
def test_a_camera_that_zooms_for_ever_does_not_leave_the_range_of_numbers(tracker_class):
    """People stay as large as they are: they walk away from a camera that zooms in."""
    tracker = tracker_class()
    detections = Detections([[300, 200, 340, 300], [100, 200, 140, 300]], [0.9, 0.9])
    for index in range(1, 401):
        frame = Frame(index)
        frame.camera_motion = np.array([[2.0, 0.0, -320.0], [0.0, 2.0, -240.0]])
        tracker.update(detections, frame)
    for value in tracker.state().values():
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            assert np.isfinite(value).all()
            assert np.abs(value).max(initial=0.0) < 1e60


def rows_after_a_while(model):
    """Tracks that have been seen, missed and seen again."""
    rng = np.random.default_rng(2)
    tracks = np.zeros(5, np.dtype(STATE_FIELDS))
    corner = rng.uniform(100, 500, (5, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(30, 120, (5, 2))], axis=1)
    model.start(tracks, boxes)
    for step in range(12):
        boxes = boxes + rng.normal(2, 1, (5, 4))
        model.predict(tracks)
        if step % 4 != 2:
            model.update(tracks, np.arange(5), model.measure(boxes))
    return tracks


def full_covariances(tracks):
    """`(N, 8, 8)` of positions and velocities."""
    position, cross, velocity = np.moveaxis(tracks["covariance"], 1, 0)
    whole = np.zeros((len(tracks), 8, 8))
    for column in range(4):
        whole[:, column, column] = position[:, column]
        whole[:, column, column + 4] = whole[:, column + 4, column] = cross[:, column]
        whole[:, column + 4, column + 4] = velocity[:, column]
    return whole


@pytest.mark.parametrize("model", [XYAH, XYSR], ids=["xyah", "xysr"])
@pytest.mark.parametrize(
    ("transform", "tie_limit"),
    [
        (turn(0.3, 1.2, (30.0, -10.0)), 1e-12),
        (turn(0.1) + np.array([[0.01, 0.02, 0], [0, -0.01, 0]]), 0.04),
    ],
    ids=["turn and zoom", "with shear"],
)
def test_little_is_lost_where_coordinates_are_kept_apart(model, transform, tie_limit):
    """Against the whole covariance: exact but for ties, which only a shear brings about."""
    tracks = rows_after_a_while(model)
    before, whole = tracks.copy(), full_covariances(tracks)
    model.warp(tracks, transform)
    scales = np.array(model.scaled(*side_scales(transform)))
    matrix = np.diag([1, 1, *scales, 1, 1, *scales])
    matrix[:2, :2] = matrix[4:6, 4:6] = transform[:, :2]
    mean = before["mean"].reshape(5, 8) @ matrix.T
    mean[:, :2] += transform[:, 2]
    np.testing.assert_allclose(tracks["mean"].reshape(5, 8), mean, rtol=1e-12)
    expected = matrix @ whole @ matrix.T
    came = full_covariances(tracks)
    kept = came != 0
    np.testing.assert_allclose(came[kept], expected[kept], rtol=1e-9)
    deviations = np.sqrt(np.einsum("nkk->nk", expected))
    with np.errstate(invalid="ignore", divide="ignore"):
        ties = np.abs(expected) / deviations[:, :, None] / deviations[:, None, :]
    assert np.nanmax(np.where(kept, 0.0, ties)) <= tie_limit


@pytest.mark.parametrize("model", [XYAH, XYSR], ids=["xyah", "xysr"])
def test_boxes_of_states_move_as_boxes_do(model):
    tracks = rows_after_a_while(model)
    boxes = model.boxes(tracks)
    transform = turn(0.2, 1.1, (10.0, 20.0))
    model.warp(tracks, transform)
    np.testing.assert_allclose(model.boxes(tracks), warp_boxes(boxes, transform), rtol=1e-12)


def test_boxes_stay_upright_and_whole():
    boxes = np.array([[0.0, 0.0, 40.0, 100.0], [10.0, 10.0, 10.0, 10.0]])
    moved = warp_boxes(boxes, turn(np.pi / 3, 2.0, (5.0, 7.0)))
    np.testing.assert_allclose(moved[:, 2:] - moved[:, :2], [[80, 200], [0, 0]], atol=1e-12)
    centre = turn(np.pi / 3, 2.0)[:, :2] @ [20.0, 50.0] + [5.0, 7.0]
    np.testing.assert_allclose((moved[0, :2] + moved[0, 2:]) / 2, centre)


def test_what_oc_sort_remembers_goes_along():
    """Observations, their direction and what was frozen, by the state of a tracker."""
    tracker = OcSort()
    box = np.array([100.0, 100.0, 140.0, 200.0])
    for index in range(1, 9):
        seen = index < 7
        boxes = (box + 4 * index * np.array([1, 0, 1, 0]))[None][: int(seen)]
        tracker.update(Detections(boxes, np.full(len(boxes), 0.9)), Frame(index))
    before = tracker.state()
    quarter = turn(np.pi / 2, 1.0, (500.0, 0.0))
    frame = Frame(9)
    frame.camera_motion = quarter
    tracker.update(Detections.empty(), frame)
    after = tracker.state()
    expected = warp_boxes(before["tracks.observation"], quarter)
    np.testing.assert_allclose(after["tracks.observation"], expected)
    # What is older than any direction is taken from stays as it is, and is never looked at.
    is_used = before["tracks.recent_age"] > before["tracks.age"][:, None] - 3
    assert is_used.any()
    assert not is_used.all()
    moved, was = after["tracks.recent"], before["tracks.recent"]
    np.testing.assert_allclose(moved[is_used], warp_boxes(was[is_used], quarter))
    np.testing.assert_array_equal(moved[~is_used], was[~is_used])
    np.testing.assert_allclose(before["tracks.direction"], [[0.0, 1.0]], atol=1e-6)
    np.testing.assert_allclose(after["tracks.direction"], [[1.0, 0.0]], atol=1e-6)
    frozen, moved = before["tracks.frozen_mean"][0], after["tracks.frozen_mean"][0]
    np.testing.assert_allclose(moved[0, :2], quarter[:, :2] @ frozen[0, :2] + [500.0, 0.0])
    np.testing.assert_allclose(moved[1, :2], quarter[:, :2] @ frozen[1, :2], atol=1e-12)
    np.testing.assert_allclose(moved[0, 2:], frozen[0, 2:])
