import numpy as np
import pytest

from faimtrack.camera_motion.agreement import agreed_motion

MOTION = np.array([[1.01, -0.02, 4.0], [0.02, 1.01, -3.0]])


def pairs(count, agreeing):
    """Points of which the first `agreeing` move alike and the others anywhere."""
    random = np.random.default_rng(4)
    last = random.uniform(0, 600, (count, 2)).astype(np.float32)
    now = (last @ MOTION[:, :2].T + MOTION[:, 2]).astype(np.float32)
    now[agreeing:] = random.uniform(0, 600, (count - agreeing, 2))
    return last, now


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize(("count", "agreeing"), [(200, 200), (200, 60), (14, 12)])
def test_the_motion_of_enough_points_is_found(count, agreeing, affine):
    found = agreed_motion(*pairs(count, agreeing), affine=affine, minimum_inliers=12)
    np.testing.assert_allclose(found, MOTION, atol=1e-2)


@pytest.mark.parametrize(("count", "agreeing"), [(200, 30), (14, 8), (11, 11), (0, 0), (2, 2)])
def test_too_few_points_tell_nothing(count, agreeing):
    assert agreed_motion(*pairs(count, agreeing), affine=False, minimum_inliers=12) is None


def test_points_that_are_all_one_tell_nothing_or_nothing_wrong():
    same = np.full((30, 2), 7, np.float32)
    found = agreed_motion(same, same, affine=True, minimum_inliers=12)
    assert found is None or np.isfinite(found).all()
