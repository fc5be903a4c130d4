import numpy as np
import pytest

from faimtrack.camera_motion import (
    CameraMotionConfig,
    MotionFile,
    PictureMotion,
    StillCamera,
    create_camera_motion,
)
from faimtrack.datasets.crowd import CrowdConfig, sequence_texts, simulate_crowd
from faimtrack.datasets.crowd.text import CAMERA_FILE
from faimtrack.interfaces import CameraMotion
from faimtrack.structures import Frame

NOBODY = np.zeros((0, 4))
GMC = (
    "0\t1.000000\t0.000000\t0.000000\t0.000000\t1.000000\t0.000000\t\n"
    "1\t1.010000\t0.020000\t3.000000\t-0.020000\t1.010000\t-4.000000\t\n"
    "2\t1.000000\t0.000000\t5.000000\t0.000000\t1.000000\t6.000000\t\n"
    "3\t0.990000\t0.000000\t-1.000000\t0.000000\t0.980000\t0.500000\t\n"
)
ROWS = np.array(
    [
        [[1, 0, 0], [0, 1, 0]],
        [[1.01, 0.02, 3], [-0.02, 1.01, -4]],
        [[1, 0, 5], [0, 1, 6]],
        [[0.99, 0, -1], [0, 0.98, 0.5]],
    ]
)


def write(folder, text):
    path = folder / "GMC-x.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def joined(*rows):
    whole = np.eye(3)
    for row in rows:
        whole = np.vstack([row, [0, 0, 1]]) @ whole
    return whole[:2]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: text.replace("\t\n", "\n"),
        lambda text: text.replace("\t", "  "),
        lambda text: text.replace("\n", "\r\n") + "\r\n",
        lambda text: "\ufeff" + text,
    ],
    ids=["as published", "no tab at the end", "blanks", "from Windows", "byte order mark"],
)
def test_a_gmc_file_gives_its_transforms_frame_by_frame(tmp_path, change):
    motion = MotionFile(write(tmp_path, change(GMC)))
    assert isinstance(motion, CameraMotion)
    assert not motion.needs_images
    found = [motion.estimate(Frame(index), NOBODY) for index in (1, 2, 3, 4)]
    np.testing.assert_array_equal(found, ROWS)
    assert motion.failures == 0


def test_a_crowds_file_gives_its_transforms(tmp_path):
    crowd = simulate_crowd(CrowdConfig(seed=3, frames=5, people=2, camera="moving"))
    motion = MotionFile(write(tmp_path, sequence_texts(crowd)[CAMERA_FILE]))
    for index, (zoom, x, y) in enumerate(crowd.camera.steps(10).tolist(), 1):
        found = motion.estimate(Frame(index), NOBODY) * 1e10
        np.testing.assert_allclose(found, [[zoom, 0, x], [0, zoom, y]], atol=0.5)


def test_frames_that_are_left_out_are_joined(tmp_path):
    motion = MotionFile(write(tmp_path, GMC))
    motion.estimate(Frame(1), NOBODY)
    np.testing.assert_allclose(motion.estimate(Frame(4), NOBODY), joined(*ROWS[1:]))
    motion.reset()
    motion.estimate(Frame(2), NOBODY)
    np.testing.assert_allclose(motion.estimate(Frame(4), NOBODY), joined(*ROWS[2:]))


def test_a_sequence_that_starts_late_begins_with_the_identity(tmp_path):
    motion = MotionFile(write(tmp_path, GMC))
    np.testing.assert_array_equal(motion.estimate(Frame(3), NOBODY), np.eye(2, 3))
    np.testing.assert_array_equal(motion.estimate(Frame(4), NOBODY), ROWS[3])


def test_the_file_of_a_second_half_can_start_late(tmp_path):
    config = CameraMotionConfig(
        method="file", file=str(write(tmp_path, GMC)), file_first_frame=301
    )
    motion = create_camera_motion(config)
    motion.require_frames(304)
    motion.estimate(Frame(302), NOBODY)
    np.testing.assert_array_equal(motion.estimate(Frame(303), NOBODY), ROWS[2])
    with pytest.raises(ValueError, match=r"GMC-x\.txt: expected line 5 for frame 305, got 4"):
        motion.require_frames(305)
    motion.reset()
    with pytest.raises(ValueError, match="expected frames from 301, got frame 300"):
        motion.estimate(Frame(300), NOBODY)


def test_a_file_shorter_than_the_video_is_refused(tmp_path):
    motion = MotionFile(write(tmp_path, GMC))
    assert motion.last_frame == 4
    motion.require_frames(4)
    message = r"GMC-x\.txt: expected line 9 for frame 9, got 4 lines \(up to frame 4\)"
    with pytest.raises(ValueError, match=message):
        motion.require_frames(9)
    with pytest.raises(ValueError, match=message):
        motion.estimate(Frame(9), NOBODY)


@pytest.mark.parametrize("index", [3, 2])
def test_frames_only_go_forward(tmp_path, index):
    motion = MotionFile(write(tmp_path, GMC))
    motion.estimate(Frame(3), NOBODY)
    with pytest.raises(ValueError, match=f"expected a frame after 3, got frame {index}"):
        motion.estimate(Frame(index), NOBODY)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty file"),
        ("\n \n", "empty file"),
        (b"\xff\xfe\x00\x01", "no text"),
        ("0 1 0 0 0 1\n", "line 1: .* got 6 columns"),
        ("0 1 0 0 0 1 0\n1 1 0 0 0 1 0 9\n", "line 2: .* got 8 columns"),
        ("0 1 0 0 0 1 0\n1 1 0 x 0 1 0\n", "line 2: .* got '1 1 0 x 0 1 0'"),
        ("0 1 0 0 0 1 0\n1 1 0 1_0 0 1 0\n", "line 2: .* got '1 1 0 1_0 0 1 0'"),
        ("0 1 0 0 0 1 0\n\n1 1 0 nan 0 1 0\n", "line 3: expected finite numbers"),
        ("0 1 0 0 0 1 0\n1 1 0 inf 0 1 0\n", "line 2: expected finite numbers"),
        ("0 1 0 0 0 1 0\n2 1 0 0 0 1 0\n", "line 2: expected frame number 1, got 2"),
        ("1 1 0 0 0 1 0\n", "line 1: expected frame number 0, got 1"),
        ("0,1,0,0,0,1,0\n", "line 1: expected frame number 1, got 0"),
        ("0 1 0 0 0 1 0\n1 0 0 0 0 0 0\n", "line 2: .* neither folds nor mirrors"),
        ("0 1 0 0 0 1 0\n1,1,0,0,0,1,0\n", "line 2: .* got 1 columns"),
    ],
)
def test_a_wrong_line_is_refused_with_its_number(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(ValueError, match=rf"GMC-x\.txt.*{message}") as caught:
        MotionFile(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        MotionFile(tmp_path / "nothing.txt")


def test_a_still_camera_asks_for_nothing():
    still = create_camera_motion(CameraMotionConfig(method="none"))
    assert isinstance(still, StillCamera)
    assert isinstance(still, CameraMotion)
    assert not still.needs_images
    first = still.estimate(Frame(1), NOBODY)
    first[:] = 5
    np.testing.assert_array_equal(still.estimate(Frame(2), NOBODY), np.eye(2, 3))
    still.reset()
    assert still.failures == 0


def test_the_default_looks_at_pictures():
    assert isinstance(create_camera_motion(), PictureMotion)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"method": "magic"}, "method: expected none or sparse-flow"),
        ({"method": "file"}, "file: expected a file of transforms"),
        ({"method": "orb", "file": "x.txt"}, "file: expected none for method orb, got x.txt"),
        ({"longest_side": 5}, "longest_side: expected 32 or more"),
        ({"ecc_iterations": 0}, "ecc_iterations"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        CameraMotionConfig(**values)
