import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faimtrack.camera_motion import CameraMotionConfig, PictureMotion, create_camera_motion
from faimtrack.datasets.crowd import (
    CrowdConfig,
    Renderer,
    detection_table,
    ground_truth_table,
    simulate_crowd,
)
from faimtrack.interfaces import CameraMotion
from faimtrack.structures import Frame

METHODS = ("sparse-flow", "orb", "ecc")
NOBODY = np.zeros((0, 4))
WIDTH, HEIGHT = 320, 200


def texture(width, height, seed=0):
    """A picture with structure of several sizes, as float32 RGB."""
    random = np.random.default_rng(seed)
    picture = np.zeros((height, width, 3), np.float32)
    for side in (5, 16, 40):
        cells = random.uniform(-0.7, 0.7, (height // side + 1, width // side + 1, 3))
        tiles = cells.astype(np.float32).repeat(side, axis=0).repeat(side, axis=1)
        picture += tiles[:height, :width]
    return cv2.GaussianBlur(picture, (5, 5), 0.8)


def view(canvas, to_frame, size):
    """What a camera shows whose pixels' corners are at `to_frame` of the canvas's."""
    centres = to_frame.copy()
    centres[:, 2] += to_frame[:, :2] @ [0.5, 0.5] - 0.5
    shown = cv2.warpAffine(canvas, centres, size, flags=cv2.INTER_CUBIC)
    return np.clip(128 + 100 * shown, 0, 255).astype(np.uint8)


def about_centre(angle_degrees, zoom, shift, size):
    turn = np.deg2rad(angle_degrees)
    linear = zoom * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    centre = np.asarray(size) / 2
    return np.column_stack([linear, centre - linear @ centre + shift])


def pair_of_views(motion, size=(WIDTH, HEIGHT), seed=0):
    width, height = size
    canvas = texture(2 * width, 2 * height, seed)
    first = np.array([[1, 0, -width / 2], [0, 1, -height / 2]])
    second = motion[:, :2] @ first
    second[:, 2] += motion[:, 2]
    return view(canvas, first, size), view(canvas, second, size)


def error_px(found, truth, size=(WIDTH, HEIGHT)):
    """How far apart two motions put a point, in the mean over the frame."""
    across, down = np.meshgrid(np.linspace(0, size[0], 7), np.linspace(0, size[1], 7))
    points = np.stack([across.ravel(), down.ravel(), np.ones(across.size)])
    return float(np.linalg.norm((found - truth) @ points, axis=0).mean())


def estimate_all(config, images, boxes=None):
    method = create_camera_motion(config)
    boxes = boxes or [NOBODY] * len(images)
    motions = [
        method.estimate(Frame(index, image=image), of_frame)
        for index, (image, of_frame) in enumerate(zip(images, boxes, strict=True), 1)
    ]
    return method, motions


def config_of(method, **values):
    return CameraMotionConfig(method=method, **values)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_keeps_the_protocol(method):
    made = create_camera_motion(config_of(method))
    assert isinstance(made, CameraMotion)
    assert made.needs_images
    assert made.failures == 0


@pytest.mark.parametrize(
    ("method", "longest_side"),
    # ORB's patches of 31 px hardly fit into the smallest picture.
    [
        (method, side)
        for method in METHODS
        for side in (WIDTH, 160, 117)[: 2 if method == "orb" else 3]
    ],
)
@pytest.mark.parametrize(
    "motion",
    [
        about_centre(0, 1, (5.0, -3.0), (WIDTH, HEIGHT)),
        about_centre(0, 1, (0.6, 0.3), (WIDTH, HEIGHT)),
        about_centre(1.5, 1, (1.0, 2.0), (WIDTH, HEIGHT)),
    ],
    ids=["shift", "less than a pixel", "turn"],
)
def test_a_known_motion_is_found_with_its_sign_and_scale(method, longest_side, motion):
    images = pair_of_views(motion)
    made, (first, found) = estimate_all(config_of(method, longest_side=longest_side), images)
    np.testing.assert_array_equal(first, np.eye(2, 3))
    assert made.failures == 0
    assert error_px(found, motion) < (0.5 if method == "orb" else 0.1) * WIDTH / longest_side


@pytest.mark.parametrize("method", METHODS)
def test_zoom_is_found(method):
    motion = about_centre(0.5, 1.03, (2.0, 1.0), (WIDTH, HEIGHT))
    images = pair_of_views(motion)
    config = config_of(method, affine=method == "ecc")
    _, (_, found) = estimate_all(config, images)
    assert error_px(found, motion) < 0.5


@pytest.mark.parametrize("method", METHODS)
def test_shear_is_found_where_it_is_allowed(method):
    motion = np.array([[1.02, 0.015, -2.0], [-0.005, 0.985, 3.0]])
    images = pair_of_views(motion)
    _, (_, found) = estimate_all(config_of(method, affine=True), images)
    assert error_px(found, motion) < 0.5
    _, (_, stiff) = estimate_all(config_of(method), images)
    np.testing.assert_allclose(stiff[0, 0], stiff[1, 1], atol=1e-5)
    np.testing.assert_allclose(stiff[0, 1], -stiff[1, 0], atol=1e-5)


class ScriptedMatcher:
    """Answers every comparison with the same motion of small pixels."""

    def __init__(self, motion):
        self.answer = np.asarray(motion, dtype=np.float64)

    def look(self, grey, free):
        return grey

    def motion(self, last, now):
        return self.answer


@settings(max_examples=50, deadline=None)
@given(
    st.floats(0.9, 1.1), st.floats(-0.1, 0.1), st.floats(-2, 2), st.floats(-2, 2),
    st.sampled_from([(64, 48), (129, 77), (400, 131)]),
)  # fmt: skip
def test_small_pixels_become_full_ones_exactly(zoom, turn, x, y, size):
    small = np.array([[zoom, -turn, x], [turn, zoom, y]])
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    made = PictureMotion(ScriptedMatcher(small), 64)
    made.estimate(Frame(1, image=picture), NOBODY)
    found = made.estimate(Frame(2, image=picture), NOBODY)
    shrink = 64 / max(size)
    scale = np.array([round(size[0] * shrink), round(size[1] * shrink)]) / size
    assert made.failures == 0
    # A corner of a full pixel, as the centre of a small one, moved, and back.
    corner = np.array([17.0, 5.0])
    moved = small[:, :2] @ (corner * scale - 0.5) + small[:, 2]
    np.testing.assert_allclose(found @ [*corner, 1], (moved + 0.5) / scale, atol=1e-9)


@pytest.mark.parametrize(
    "absurd",
    [
        [[3, 0, 0], [0, 3, 0]],
        [[0.3, 0, 0], [0, 0.3, 0]],
        [[1, 0, 0], [0, -1, 0]],
        [[1, 0, 50], [0, 1, 0]],
        [[np.nan, 0, 0], [0, 1, 0]],
    ],
)
def test_what_no_camera_does_is_a_failure(absurd):
    made = PictureMotion(ScriptedMatcher(absurd), 64)
    picture = np.zeros((64, 64, 3), np.uint8)
    made.estimate(Frame(1, image=picture), NOBODY)
    np.testing.assert_array_equal(made.estimate(Frame(2, image=picture), NOBODY), np.eye(2, 3))
    assert made.failures == 1


def moving_clip(size=(WIDTH, HEIGHT), frames=6):
    """Views of one canvas that go 4 px to the right and 2 down a frame."""
    width, height = size
    canvas = texture(2 * width, 2 * height)
    return [
        view(canvas, np.array([[1, 0, 4.0 * n - 60], [0, 1, 2.0 * n - 40]]), size)
        for n in range(frames)
    ]


STEP = np.array([[1, 0, 4.0], [0, 1, 2.0]])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("level", [0, 128, 255])
def test_after_a_frame_without_anything_the_motion_over_both_is_found(method, level):
    images = moving_clip()
    images[2] = np.full_like(images[2], level)
    made, motions = estimate_all(config_of(method), images)
    assert made.failures == 1
    np.testing.assert_array_equal(motions[2], np.eye(2, 3))
    both = np.array([[1, 0, 8.0], [0, 1, 4.0]])
    for found, truth in zip(motions, [np.eye(2, 3), STEP, np.eye(2, 3), both, STEP, STEP],
                            strict=True):  # fmt: skip
        assert error_px(found, truth) < 0.6


@pytest.mark.parametrize("method", METHODS)
def test_a_sequence_may_begin_in_the_dark(method):
    images = moving_clip(frames=4)
    images[0] = np.zeros_like(images[0])
    made, motions = estimate_all(config_of(method), images)
    assert made.failures == 1  # of the second frame nothing can be told; the first needs nothing
    np.testing.assert_array_equal(motions[1], np.eye(2, 3))
    assert error_px(motions[2], STEP) < 0.6


@pytest.mark.parametrize("method", METHODS)
def test_a_cut_is_a_failure_and_the_next_frame_is_not(method):
    images = moving_clip()[:3]
    after = [view(texture(640, 400, 9), np.array([[1, 0, x], [0, 1, x]]), (320, 200))
             for x in (-40.0, -38.0)]  # fmt: skip
    made, motions = estimate_all(config_of(method), images + after)
    assert made.failures == 1
    np.testing.assert_array_equal(motions[3], np.eye(2, 3))
    assert error_px(motions[4], np.array([[1, 0, 2.0], [0, 1, 2.0]])) < 0.6


@pytest.mark.parametrize("method", METHODS)
def test_another_size_is_a_failure_and_the_next_frame_is_not(method):
    images = moving_clip()[:2] + moving_clip((240, 160))[2:4]
    made, motions = estimate_all(config_of(method), images)
    assert made.failures == 1
    np.testing.assert_array_equal(motions[2], np.eye(2, 3))
    assert error_px(motions[3], STEP, (240, 160)) < 0.6


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3), (16, 16), (33, 17)])
def test_tiny_frames_give_an_answer(method, size):
    images = [texture(*size)] * 2
    images = [np.clip(128 + 100 * each, 0, 255).astype(np.uint8) for each in images]
    _, motions = estimate_all(config_of(method), images)
    for found in motions:
        assert error_px(found, np.eye(2, 3), size) < 0.1


@pytest.mark.parametrize("method", METHODS)
def test_noise_moves_nothing(method):
    random = np.random.default_rng(3)
    images = [random.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8) for _ in range(4)]
    made, motions = estimate_all(config_of(method), images)
    np.testing.assert_array_equal(motions, [np.eye(2, 3)] * 4)
    assert made.failures == 3


def clip_with_a_crowd():
    """Views whose larger part moves three times as fast as the camera, and its boxes."""
    images = moving_clip(frames=4)
    crowd = texture(WIDTH, HEIGHT, 5)
    boxes = []
    for n, image in enumerate(images):
        left = 20 + 12 * n
        boxes.append(np.array([[left, 10.0, left + 200, 190.0]]))
        image[10:190, left : left + 200] = np.clip(128 + 100 * crowd[10:190, 20:220], 0, 255)
    return images, boxes


@pytest.mark.parametrize("method", METHODS)
def test_people_who_walk_together_do_not_move_the_camera(method):
    images, boxes = clip_with_a_crowd()
    made, motions = estimate_all(config_of(method), images, boxes)
    assert made.failures == 0
    for found in motions[1:]:
        assert error_px(found, STEP) < 0.6
    _, deceived = estimate_all(config_of(method), images)
    assert max(error_px(found, STEP) for found in deceived[1:]) > 2


@pytest.mark.parametrize("missed", [0, 1], ids=["in the last frame", "in this frame"])
@pytest.mark.parametrize("method", METHODS)
def test_people_may_be_missed_in_one_of_two_frames(method, missed):
    images, boxes = clip_with_a_crowd()
    boxes[missed] = NOBODY
    _, (_, found) = estimate_all(config_of(method), images[:2], boxes[:2])
    assert error_px(found, STEP) < 0.6


@pytest.mark.parametrize("method", METHODS)
def test_a_frame_full_of_people_tells_nothing(method):
    images = moving_clip(frames=2)
    everywhere = [np.array([[-50.0, -50.0, 999.0, 999.0]])] * 2
    made, motions = estimate_all(config_of(method), images, everywhere)
    assert made.failures == 1
    np.testing.assert_array_equal(motions[1], np.eye(2, 3))


@pytest.mark.parametrize("method", METHODS)
def test_reset_forgets_the_last_frame_and_the_count(method):
    images = moving_clip(frames=3)
    made = create_camera_motion(config_of(method))
    made.estimate(Frame(1, image=images[0]), NOBODY)
    made.estimate(Frame(2, image=np.zeros_like(images[0])), NOBODY)
    assert made.failures == 1
    made.reset()
    assert made.failures == 0
    np.testing.assert_array_equal(made.estimate(Frame(1, image=images[2]), NOBODY), np.eye(2, 3))
    assert made.failures == 0


@pytest.mark.parametrize("method", METHODS)
def test_the_same_frames_give_the_same_bits_and_inputs_stay(method):
    images = moving_clip(frames=3)
    before = [image.copy() for image in images]
    boxes = [np.array([[10.0, 20.0, 60.0, 150.0]])] * 3
    _, first = estimate_all(config_of(method), images, boxes)
    _, again = estimate_all(config_of(method), images, boxes)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(images, before)
    np.testing.assert_array_equal(boxes[0], [[10.0, 20.0, 60.0, 150.0]])


def test_an_answer_is_the_callers_own():
    images = moving_clip(frames=2)
    made = create_camera_motion(config_of("sparse-flow"))
    made.estimate(Frame(1, image=images[0]), NOBODY)[:] = 7
    assert error_px(made.estimate(Frame(2, image=images[1]), NOBODY), STEP) < 0.2


def test_a_frame_without_pixels_is_refused():
    made = create_camera_motion(config_of("sparse-flow"))
    with pytest.raises(ValueError, match="frame 4: there are no images"):
        made.estimate(Frame(4), NOBODY)


def test_boxes_that_are_not_finite_are_refused():
    made = create_camera_motion(config_of("sparse-flow"))
    with pytest.raises(ValueError, match="finite"):
        made.estimate(Frame(1, image=moving_clip(frames=1)[0]), [[0, 0, np.nan, 1]])


@pytest.fixture(scope="module")
def crowd_clip():
    """Ten frames of a crowd: pictures, true motion, boxes of people and detections."""
    config = CrowdConfig(
        seed=903, frames=10, width=640, height=360, camera="moving", frame_rate=12
    )
    crowd = simulate_crowd(config)
    renderer = Renderer(crowd)
    images = [renderer.render(index).image for index in range(1, 11)]
    steps = crowd.camera.steps(10).astype(np.float64) / 1e10
    truth = [np.array([[zoom, 0, x], [0, zoom, y]]) for zoom, x, y in steps]
    boxes = [
        [table.boxes[table.rows_of(index)] for index in range(1, 11)]
        for table in (ground_truth_table(crowd), detection_table(crowd))
    ]
    return images, truth, boxes


# Where the camera zooms ecc needs the affine map: the Euclidean one, Tracktor's, has no zoom.
@pytest.mark.parametrize(
    ("config", "bound_px"),
    [
        (config_of("sparse-flow"), 0.1),
        (config_of("sparse-flow", longest_side=320), 0.3),
        (config_of("orb"), 0.5),
        (config_of("ecc"), 1.0),
        (config_of("ecc", affine=True), 0.1),
    ],
    ids=["flow", "flow at half size", "orb", "ecc", "affine ecc"],
)
@pytest.mark.parametrize("which", [0, 1], ids=["true boxes", "detections"])
def test_a_crowds_camera_is_found(crowd_clip, config, bound_px, which):
    images, truth, boxes = crowd_clip
    made, motions = estimate_all(config, images, boxes[which])
    errors = [
        error_px(found, true, (640, 360))
        for found, true in zip(motions[1:], truth[1:], strict=True)
    ]
    unmoved = [error_px(np.eye(2, 3), true, (640, 360)) for true in truth[1:]]
    assert made.failures == 0
    assert np.median(errors) < bound_px < np.median(unmoved)
