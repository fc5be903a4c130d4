import filterpy.kalman
import numpy as np
import pytest

from faimtrack.trackers.motion import STATE_FIELDS, XYAH, XYSR

TRACKS = np.dtype(STATE_FIELDS)


def boxes_of_walkers(rng, frames, count):
    """Random walks of plausible boxes, `(frames, count, 4)` corners."""
    centre = np.cumsum(rng.normal(0, 5, (frames, count, 2)), axis=0) + rng.uniform(200, 900, 2)
    height = np.abs(np.cumsum(rng.normal(0, 2, (frames, count)), axis=0) + rng.uniform(60, 200))
    width = height * rng.uniform(0.3, 0.5, (frames, count))
    half = np.stack([width, height], axis=2) / 2
    return np.concatenate([centre - half, centre + half], axis=2)


def filterpy_xyah(box):
    """A textbook filter with DeepSORT's numbers; its noise is set anew at each step."""
    kalman = filterpy.kalman.KalmanFilter(dim_x=8, dim_z=4)
    kalman.F = np.eye(8) + np.eye(8, k=4)
    kalman.H = np.eye(4, 8)
    x1, y1, x2, y2 = box
    height = y2 - y1
    kalman.x = np.array(
        [[(x1 + x2) / 2], [(y1 + y2) / 2], [(x2 - x1) / height], [height], *[[0.0]] * 4]
    )
    position, velocity = height / 10, height / 16
    deviations = [position, position, 1e-2, position, velocity, velocity, 1e-5, velocity]
    kalman.P = np.diag(np.square(deviations))
    return kalman


def filterpy_xyah_step(kalman, box):
    height = kalman.x[3, 0]
    position, velocity = height / 20, height / 160
    kalman.Q = np.diag(
        np.square([position, position, 1e-2, position, velocity, velocity, 1e-5, velocity])
    )
    kalman.predict()
    if box is not None:
        position = kalman.x[3, 0] / 20
        kalman.R = np.diag(np.square([position, position, 1e-1, position]))
        x1, y1, x2, y2 = box
        kalman.update(np.array([(x1 + x2) / 2, (y1 + y2) / 2, (x2 - x1) / (y2 - y1), y2 - y1]))


def filterpy_xysr(box):
    kalman = filterpy.kalman.KalmanFilter(dim_x=7, dim_z=4)
    kalman.F = np.eye(7) + np.eye(7, k=4)
    kalman.H = np.eye(4, 7)
    kalman.R = np.diag([1.0, 1.0, 10.0, 10.0])
    kalman.P = np.diag([10.0, 10.0, 10.0, 10.0, 1e4, 1e4, 1e4])
    kalman.Q = np.diag([1.0, 1.0, 1.0, 1.0, 1e-2, 1e-2, 1e-4])
    x1, y1, x2, y2 = box
    width, height = x2 - x1, y2 - y1
    kalman.x = np.array(
        [[(x1 + x2) / 2], [(y1 + y2) / 2], [width * height], [width / height], *[[0.0]] * 3]
    )
    return kalman


def filterpy_xysr_step(kalman, box):
    kalman.predict()
    if box is not None:
        x1, y1, x2, y2 = box
        width, height = x2 - x1, y2 - y1
        kalman.update(np.array([(x1 + x2) / 2, (y1 + y2) / 2, width * height, width / height]))


@pytest.mark.parametrize(
    ("model", "begin", "step"),
    [
        (XYAH, filterpy_xyah, filterpy_xyah_step),
        (XYSR, filterpy_xysr, filterpy_xysr_step),
    ],
    ids=["xyah", "xysr"],
)
def test_batched_filter_equals_filterpy(model, begin, step):
    rng = np.random.default_rng(1)
    boxes = boxes_of_walkers(rng, frames=60, count=7)
    seen = rng.random((60, 7)) < 0.7  # tracks miss different frames
    tracks = np.zeros(7, TRACKS)
    model.start(tracks, boxes[0])
    originals = [begin(box) for box in boxes[0]]
    for frame in range(1, 60):
        model.predict(tracks)
        rows = np.flatnonzero(seen[frame])
        model.update(tracks, rows, model.measure(boxes[frame][rows]))
        for row, kalman in enumerate(originals):
            step(kalman, boxes[frame][row] if seen[frame, row] else None)
            size = kalman.dim_x - 4
            state = kalman.x.ravel()
            np.testing.assert_allclose(tracks["mean"][row, 0], state[:4], rtol=1e-9)
            np.testing.assert_allclose(
                tracks["mean"][row, 1, :size], state[4:], rtol=1e-9, atol=1e-9
            )
            position, cross, velocity = tracks["covariance"][row]
            np.testing.assert_allclose(position, np.diag(kalman.P)[:4], rtol=1e-9)
            np.testing.assert_allclose(velocity[:size], np.diag(kalman.P)[4:], rtol=1e-9)
            np.testing.assert_allclose(
                cross[:size], np.diag(kalman.P, k=4)[:size], rtol=1e-9, atol=1e-9
            )
            # What the batched filter leaves out is nothing.
            kept = np.eye(kalman.dim_x) + np.eye(kalman.dim_x, k=4) + np.eye(kalman.dim_x, k=-4)
            assert np.abs(kalman.P * (1 - kept)).max() < 1e-9 * np.abs(kalman.P).max()


@pytest.mark.parametrize("model", [XYAH, XYSR], ids=["xyah", "xysr"])
def test_one_step_of_three_frames_moves_as_far_as_three_of_one(model):
    boxes = boxes_of_walkers(np.random.default_rng(2), frames=9, count=4)
    once, thrice = np.zeros(4, TRACKS), np.zeros(4, TRACKS)
    for tracks in (once, thrice):
        model.start(tracks, boxes[0])
        for frame in range(1, 9):
            model.predict(tracks)
            model.update(tracks, np.arange(4), model.measure(boxes[frame]))
    model.predict(once, 3.0)
    for _ in range(3):
        model.predict(thrice)
    np.testing.assert_allclose(once["mean"], thrice["mean"], rtol=1e-12)


@pytest.mark.parametrize("model", [XYAH, XYSR], ids=["xyah", "xysr"])
def test_measuring_a_box_and_back_gives_the_box(model):
    boxes = boxes_of_walkers(np.random.default_rng(3), frames=1, count=20)[0]
    np.testing.assert_allclose(model.to_boxes(model.measure(boxes)), boxes, rtol=1e-12)


def test_an_impossible_area_becomes_nan_without_a_warning():
    assert np.isnan(XYSR.to_boxes(np.array([[10.0, 10.0, -5.0, 0.5]]))).any()


@pytest.mark.parametrize("model", [XYAH, XYSR], ids=["xyah", "xysr"])
def test_each_track_may_be_given_its_own_number_of_steps(model):
    boxes = boxes_of_walkers(np.random.default_rng(4), frames=3, count=3)
    together, apart = np.zeros(3, TRACKS), np.zeros(3, TRACKS)
    for tracks in (together, apart):
        model.start(tracks, boxes[0])
        model.predict(tracks)
        model.update(tracks, np.arange(3), model.measure(boxes[1]))
    steps = np.array([[1.0], [2.0], [0.5]])
    model.predict(together, steps)
    for row in range(3):
        one = apart[row : row + 1]
        model.predict(one, float(steps[row, 0]))
    np.testing.assert_allclose(together["mean"], apart["mean"], rtol=1e-14)
    np.testing.assert_allclose(together["covariance"], apart["covariance"], rtol=1e-14)
