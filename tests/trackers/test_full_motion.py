import filterpy.kalman
import numpy as np
import pytest

from faimtrack.trackers import full_motion
from faimtrack.trackers.full_motion import XYWH

FRAMES, TRACKS = 60, 7


def boxes_of_walkers(rng):
    """Random walks of plausible boxes, `(frames, tracks, 4)` corners."""
    centre = np.cumsum(rng.normal(0, 5, (FRAMES, TRACKS, 2)), axis=0) + rng.uniform(200, 900, 2)
    height = np.abs(np.cumsum(rng.normal(0, 2, (FRAMES, TRACKS)), axis=0) + 120)
    half = np.stack([height * rng.uniform(0.3, 0.5, (FRAMES, TRACKS)), height], axis=2) / 2
    return np.concatenate([centre - half, centre + half], axis=2)


def small_transforms(rng, count):
    """Turns, zooms, shears and shifts as between two frames of a shaky video."""
    linear = np.eye(2) + rng.normal(0, 0.02, (count, 2, 2))
    return np.concatenate([linear, rng.normal(0, 3, (count, 2, 1))], axis=2)


def states_of(rng, count=TRACKS, size=8):
    root = rng.normal(0, 3, (count, size, size))
    means = np.concatenate([rng.uniform(50, 500, (count, 4)), rng.normal(0, 3, (count, 4))], 1)
    return means[:, :size], root @ root.transpose(0, 2, 1) + np.eye(size)


def xysr_boxes(boxes):
    sizes = boxes[:, 2:] - boxes[:, :2]
    return np.column_stack([
        boxes[:, :2] + sizes / 2, sizes[:, 0] * sizes[:, 1], sizes[:, 0] / sizes[:, 1]
    ])  # fmt: skip


def sided(mean, position, velocity):
    width, height = mean[2], mean[3]
    return np.diag(np.square([
        *[position * width, position * height] * 2, *[velocity * width, velocity * height] * 2
    ]))  # fmt: skip


def test_batched_xywh_filter_equals_filterpy_under_a_moving_camera():
    rng = np.random.default_rng(1)
    boxes, transforms = boxes_of_walkers(rng), small_transforms(rng, FRAMES)
    seen = rng.random((FRAMES, TRACKS)) < 0.7  # tracks miss different frames
    means, covariances = XYWH.start(boxes[0])
    textbook = []
    for row in range(TRACKS):
        kalman = filterpy.kalman.KalmanFilter(dim_x=8, dim_z=4)
        kalman.F, kalman.H = np.eye(8) + np.eye(8, k=4), np.eye(4, 8)
        kalman.x[:4, 0] = XYWH.measure(boxes[0])[row]
        kalman.P = sided(kalman.x[:, 0], 2 / 20, 10 / 160)
        textbook.append(kalman)
    for frame in range(1, FRAMES):
        means, covariances = full_motion.predict(means, covariances, XYWH.step_variances(means))
        means, covariances = full_motion.warp_pairs(means, covariances, transforms[frame])
        rows = np.flatnonzero(seen[frame])
        measured = XYWH.measure(boxes[frame])
        means[rows], covariances[rows] = full_motion.update(
            means[rows], covariances[rows], measured[rows],
            XYWH.measurement_variances(means[rows]),
        )  # fmt: skip
        turn = np.kron(np.eye(4), transforms[frame, :, :2])
        for row, kalman in enumerate(textbook):
            kalman.Q = sided(kalman.x[:, 0], 1 / 20, 1 / 160)
            kalman.predict()
            kalman.x = turn @ kalman.x
            kalman.x[:2, 0] += transforms[frame, :, 2]
            kalman.P = turn @ kalman.P @ turn.T
            if seen[frame, row]:
                kalman.R = sided(kalman.x[:, 0], 1 / 20, 0)[:4, :4]
                kalman.update(measured[row])
            np.testing.assert_allclose(means[row], kalman.x[:, 0], rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(covariances[row], kalman.P, rtol=1e-9, atol=1e-9)
    ties = np.abs(covariances[:, 0, 1]) / covariances[:, 0, 0]
    assert ties.max() > 0.01, "nothing in this test ties x to y"


def test_batched_filter_of_seven_states_equals_filterpy():
    rng = np.random.default_rng(2)
    boxes, transforms = boxes_of_walkers(rng), small_transforms(rng, FRAMES)
    first = [10.0, 10.0, 10.0, 10.0, 1e4, 1e4, 1e4]
    step, noise = [1.0, 1.0, 1.0, 1.0, 1e-2, 1e-2, 1e-4], [1.0, 1.0, 10.0, 10.0]
    means = np.concatenate([xysr_boxes(boxes[0]), np.zeros((TRACKS, 3))], axis=1)
    covariances = np.tile(np.diag(first), (TRACKS, 1, 1))
    textbook = []
    for mean in means:
        kalman = filterpy.kalman.KalmanFilter(dim_x=7, dim_z=4)
        kalman.F, kalman.H = np.eye(7) + np.eye(7, k=4), np.eye(4, 7)
        kalman.x, kalman.P = mean[:, None].copy(), np.diag(first)
        kalman.Q, kalman.R = np.diag(step), np.diag(noise)
        textbook.append(kalman)
    for frame in range(1, FRAMES):
        means, covariances = full_motion.predict(means, covariances, np.array(step))
        means, covariances = full_motion.warp_area(means, covariances, transforms[frame])
        measured = xysr_boxes(boxes[frame])
        means, covariances = full_motion.update(means, covariances, measured, np.array(noise))
        linear = transforms[frame, :, :2]
        across, down = np.linalg.norm(linear, axis=0)
        turn = np.diag([1, 1, across * down, across / down, 1, 1, across * down])
        turn[:2, :2] = turn[4:6, 4:6] = linear
        for row, kalman in enumerate(textbook):
            kalman.predict()
            kalman.x, kalman.P = turn @ kalman.x, turn @ kalman.P @ turn.T
            kalman.x[:2, 0] += transforms[frame, :, 2]
            kalman.update(measured[row])
            np.testing.assert_allclose(means[row], kalman.x[:, 0], rtol=1e-8, atol=1e-8)
            np.testing.assert_allclose(covariances[row], kalman.P, rtol=1e-8, atol=1e-8)


def test_each_track_may_be_given_its_own_number_of_steps():
    means, covariances = states_of(np.random.default_rng(3), count=3)
    variances = XYWH.step_variances(means)
    steps = np.array([[1.0], [2.0], [0.5]])
    together = full_motion.predict(means, covariances, variances, steps)
    for row in range(3):
        one = slice(row, row + 1)
        alone = full_motion.predict(
            means[one], covariances[one], variances[one], float(steps[row, 0])
        )
        np.testing.assert_allclose(together[0][one], alone[0], rtol=1e-14)
        np.testing.assert_allclose(together[1][one], alone[1], rtol=1e-14)


def test_one_step_of_three_frames_moves_as_far_as_three_of_one():
    means, covariances = states_of(np.random.default_rng(4))
    once = full_motion.predict(means, covariances, np.zeros(8), 3.0)
    thrice = means, covariances
    for _ in range(3):
        thrice = full_motion.predict(*thrice, np.zeros(8))
    np.testing.assert_allclose(once[0], thrice[0], rtol=1e-12)
    np.testing.assert_allclose(once[1], thrice[1], rtol=1e-12)


def test_turning_pairs_is_a_kronecker_product():
    rng = np.random.default_rng(5)
    means, covariances = states_of(rng)
    transform = small_transforms(rng, 1)[0]
    warped_means, warped = full_motion.warp_pairs(means, covariances, transform)
    turn = np.kron(np.eye(4), transform[:, :2])
    for row in range(TRACKS):
        expected = turn @ means[row] + np.array([*transform[:, 2], 0, 0, 0, 0, 0, 0])
        np.testing.assert_allclose(warped_means[row], expected, rtol=1e-12)
        np.testing.assert_allclose(warped[row], turn @ covariances[row] @ turn.T, rtol=1e-12)


def test_an_upright_box_keeps_its_sides_in_a_turn_where_pairs_lose_them():
    means, covariances = XYWH.start(np.array([[100.0, 100.0, 140.0, 200.0]]))
    cosine, sine = np.cos(0.1), np.sin(0.1)
    turn = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0]])
    upright = full_motion.warp_upright(means, covariances, turn)[0]
    np.testing.assert_allclose(upright[0, 2:4], [40.0, 100.0])
    np.testing.assert_allclose(upright[0, :2], turn[:, :2] @ [120.0, 150.0])
    pairs = full_motion.warp_pairs(means, covariances, turn)[0]
    np.testing.assert_allclose(pairs[0, 2], 40 * cosine - 100 * sine)
    np.testing.assert_allclose(pairs[0, :2], upright[0, :2])


@pytest.mark.parametrize("warp", ["warp_pairs", "warp_upright", "warp_area"])
def test_a_warp_and_its_inverse_leave_the_state_as_it_was(warp):
    rng = np.random.default_rng(6)
    means, covariances = states_of(rng, size=7 if warp == "warp_area" else 8)
    # Sides of upright boxes have no inverse under a shear: turns, zooms and shifts.
    cosine, sine = 1.03 * np.cos(0.2), 1.03 * np.sin(0.2)
    there = np.array([[cosine, -sine, 7.0], [sine, cosine, -4.0]])
    back = np.linalg.inv(np.vstack([there, [0, 0, 1]]))[:2]
    move = getattr(full_motion, warp)
    again = move(*move(means, covariances, there), back)
    np.testing.assert_allclose(again[0], means, rtol=1e-9)
    np.testing.assert_allclose(again[1], covariances, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("warp", ["warp_pairs", "warp_upright", "warp_area"])
def test_moving_on_and_then_with_the_camera_is_the_same_as_the_other_way_round(warp):
    rng = np.random.default_rng(7)
    size = 7 if warp == "warp_area" else 8
    means, covariances = states_of(rng, size=size)
    transform, move = small_transforms(rng, 1)[0], getattr(full_motion, warp)
    nothing = np.zeros(size)
    first = move(*full_motion.predict(means, covariances, nothing, 2.0), transform)
    second = full_motion.predict(*move(means, covariances, transform), nothing, 2.0)
    np.testing.assert_allclose(first[0], second[0], rtol=1e-12)
    np.testing.assert_allclose(first[1], second[1], rtol=1e-10, atol=1e-9)


@pytest.mark.parametrize("warp", ["warp_pairs", "warp_upright", "warp_area"])
def test_a_camera_that_stands_still_changes_no_bit(warp):
    means, covariances = states_of(np.random.default_rng(8), size=7 if warp == "warp_area" else 8)
    covariances = (covariances + covariances.transpose(0, 2, 1)) / 2
    warped = getattr(full_motion, warp)(means, covariances, np.eye(2, 3))
    np.testing.assert_array_equal(warped[0], means)
    np.testing.assert_array_equal(warped[1], covariances)


def test_nothing_that_is_given_is_changed():
    rng = np.random.default_rng(9)
    means, covariances = states_of(rng)
    transform = small_transforms(rng, 1)[0]
    kept = means.copy(), covariances.copy(), transform.copy()
    variances = XYWH.measurement_variances(means)
    full_motion.predict(means, covariances, XYWH.step_variances(means), 2.0)
    full_motion.update(means, covariances, means[:, :4] + 1.0, variances)
    full_motion.warp_pairs(means, covariances, transform)
    full_motion.warp_upright(means, covariances, transform)
    for before, after in zip(kept, (means, covariances, transform), strict=True):
        np.testing.assert_array_equal(before, after)


def test_covariances_stay_covariances_for_as_long_as_the_camera_shakes():
    rng = np.random.default_rng(10)
    boxes = boxes_of_walkers(rng)
    means, covariances = XYWH.start(boxes[0])
    for frame, transform in enumerate(small_transforms(rng, 1500)):
        means, covariances = full_motion.predict(means, covariances, XYWH.step_variances(means))
        means, covariances = full_motion.warp_upright(means, covariances, transform)
        means, covariances = full_motion.update(
            means, covariances, XYWH.measure(boxes[frame % FRAMES]),
            XYWH.measurement_variances(means),
        )  # fmt: skip
    np.testing.assert_allclose(covariances, covariances.transpose(0, 2, 1), rtol=1e-9, atol=1e-9)
    assert np.linalg.eigvalsh(covariances).min() > 0


def test_no_tracks_are_moved_too():
    means, covariances = XYWH.start(np.zeros((0, 4)))
    means, covariances = full_motion.predict(means, covariances, XYWH.step_variances(means))
    means, covariances = full_motion.warp_pairs(means, covariances, np.eye(2, 3))
    means, covariances = full_motion.update(
        means, covariances, np.zeros((0, 4)), XYWH.measurement_variances(means)
    )
    assert means.shape == (0, 8)
    assert covariances.shape == (0, 8, 8)
    assert XYWH.boxes(means).shape == (0, 4)


def test_measuring_a_box_and_back_gives_the_box():
    boxes = boxes_of_walkers(np.random.default_rng(11))[0]
    means, _ = XYWH.start(boxes)
    np.testing.assert_allclose(XYWH.boxes(means), boxes, rtol=1e-12)
