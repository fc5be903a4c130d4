"""The second stage on given boxes, which is what Tracktor follows people with."""

import gc
import weakref

import numpy as np
import pytest
import torch

from faimtrack.detectors.faster_rcnn.detector import FasterRcnnDetector, FrameFeatures
from faimtrack.interfaces import BoxRegressor
from faimtrack.pipeline import run_pipeline
from faimtrack.structures import Frame, SourceInfo, Tracks

SMALL = {"short_side": 160, "long_side": 256}
TINY = {"short_side": 48, "long_side": 80, "proposals_before_nms": 60}


@pytest.fixture
def make_detector(make_network):
    def make(outputs=2, class_names=None, **arguments):
        return FasterRcnnDetector(make_network(outputs, class_names), **(TINY | arguments))

    return make


@pytest.fixture
def count_calls():
    """Counts the calls of a detector's backbone, and the frames in them."""

    def count(detector):
        calls = []
        detector.network.backbone.register_forward_hook(
            lambda module, inputs, output: calls.append(len(inputs[0]))
        )
        return calls

    return count


def some_boxes(count=12, width=200, height=120):
    random = np.random.default_rng(8)
    corners = random.random((count, 2, 2)) * [width, height]
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    boxes[:, 2:] += 2
    return boxes


def regress_with_torchvision(model, frame, boxes, label, as_tensor):
    """torchvision's own heads on proposals of one frame: all boxes and scores of a label."""
    with torch.inference_mode():
        images, _ = model.transform([as_tensor(frame)])
        ratio = torch.tensor(images.image_sizes[0]) / torch.tensor(frame.image.shape[:2])
        ratio = ratio.flip(0).repeat(2)
        proposals = [torch.from_numpy(boxes).float() * ratio]
        heads = model.roi_heads
        pooled = heads.box_roi_pool(model.backbone(images.tensors), proposals, images.image_sizes)
        logits, offsets = heads.box_predictor(heads.box_head(pooled))
        moved = heads.box_coder.decode(offsets, proposals)[:, label] / ratio
    return moved.numpy(), logits.softmax(1)[:, label].numpy(), pooled.numpy()


@pytest.mark.parametrize("class_id", [0, 15])
def test_regression_equals_torchvisions_heads(
    class_id, make_detector, make_torchvision, make_frame, as_tensor
):
    detector = make_detector(outputs=91, **SMALL)
    frame, boxes = make_frame(), some_boxes()
    class_ids = None if class_id == 0 else np.full(len(boxes), class_id)
    label = int(detector.network.output_of_class[class_id])
    moved, scores = detector.regress(frame, boxes, class_ids)
    expected, likely, pooled = regress_with_torchvision(
        make_torchvision(), frame, boxes, label, as_tensor
    )
    expected = np.clip(expected, 0, [200, 120, 200, 120])
    assert moved.dtype == scores.dtype == np.float64
    assert np.abs(moved - boxes).max() > 1
    np.testing.assert_allclose(moved, expected, atol=1e-3)
    np.testing.assert_allclose(scores, likely, atol=1e-5)
    features = detector.roi_features(frame, boxes)
    assert features.shape == (12, 256, 7, 7)
    np.testing.assert_allclose(features, pooled, atol=1e-4 * np.abs(pooled).max())


def test_the_detections_of_a_frame_are_its_proposals_regressed(make_detector, make_frame):
    detector, frame = make_detector(keep_features=True, **SMALL), make_frame()
    (found,) = detector.detect([frame])
    encoding = frame.features.encoding
    with torch.inference_mode():
        proposals = detector.network.propose(encoding, detector.config)[0].double().numpy()
    scale = np.array([200 / 256, 120 / 153] * 2)
    moved, scores = detector.regress(frame, proposals * scale)
    assert scores.max() == pytest.approx(found.scores[0], abs=1e-5)
    np.testing.assert_allclose(moved[scores.argmax()], found.boxes[0], atol=1e-2)


def test_the_backbone_runs_once_for_a_frame_however_often_it_is_asked(
    make_detector, make_frame, count_calls
):
    detector, boxes = make_detector(keep_features=True, batch_size=2), some_boxes()
    calls = count_calls(detector)
    frames = [make_frame(1), make_frame(2)]
    detector.detect(frames)
    for frame in frames * 3:
        detector.regress(frame, boxes)
        detector.roi_features(frame, boxes)
    assert calls == [2]
    other = make_frame(3)
    answers = [detector.regress(other, boxes) for _ in range(3)]
    assert calls == [2, 1]
    assert all(np.array_equal(answers[0][0], boxes) for boxes, _ in answers)


def test_regression_is_the_same_whether_the_frame_was_detected_in_or_not(
    make_detector, make_frame
):
    detector, frames = make_detector(keep_features=True, batch_size=2), [make_frame(1)] * 2
    detector.detect(frames)
    kept = detector.regress(frames[0], some_boxes())
    fresh = detector.regress(make_frame(1), some_boxes())
    np.testing.assert_allclose(kept[0], fresh[0], atol=1e-3)
    np.testing.assert_allclose(kept[1], fresh[1], atol=1e-5)


def test_features_are_kept_only_where_wanted_and_go_with_the_frame(
    make_detector, make_frame, count_calls
):
    frame = make_frame()
    make_detector().detect([frame])
    assert frame.features is None
    detector = make_detector(keep_features=True)
    detector.detect([frame])
    assert isinstance(frame.features, FrameFeatures)
    kept = weakref.ref(frame.features)
    frame.release()
    gc.collect()
    assert kept() is None
    calls = count_calls(detector)
    detector.regress(frame, some_boxes())
    assert calls == [1]


def test_features_of_another_detector_are_not_used(make_detector, make_frame, count_calls):
    first, second = make_detector(keep_features=True), make_detector(keep_features=True)
    frame, calls = make_frame(), count_calls(second)
    first.detect([frame])
    second.regress(frame, some_boxes())
    assert calls == [1]
    assert frame.features.owner is second


def test_features_of_one_frame_do_not_hold_those_of_its_batch(make_detector, make_frame):
    detector = make_detector(keep_features=True, batch_size=4)
    frames = [make_frame(index) for index in range(1, 5)]
    detector.detect(frames)
    for level in frames[0].features.encoding.levels.values():
        assert level.untyped_storage().nbytes() == level.numel() * level.element_size()


class _Follower:
    """A tracker that asks for regression in each frame, and counts the features alive."""

    def __init__(self, detector, frames):
        self.detector, self.frames, self.alive, self.asked = detector, frames, [], 0

    def reset(self):
        pass

    def update(self, detections, frame=None):
        self.detector.regress(frame, some_boxes(3))
        self.detector.regress(frame, detections.boxes)
        self.alive.append(sum(each.features is not None for each in self.frames))
        return Tracks.empty()


class _Source:
    def __init__(self, frames):
        self.info = SourceInfo(name="noise", frame_rate=25.0, frame_count=len(frames))
        self.frames = frames

    def __iter__(self):
        return iter(self.frames)


def test_a_handful_of_features_is_alive_in_a_long_sequence(make_detector, make_frame, count_calls):
    frames = [make_frame(index, 30, 40) for index in range(1, 31)]
    detector = make_detector(
        keep_features=True, short_side=32, long_side=64, proposals_after_nms=5
    )
    calls = count_calls(detector)
    tracker = _Follower(detector, frames)
    run_pipeline(_Source(frames), detector, tracker, [])
    assert sum(calls) == 30
    assert len(tracker.alive) == 30
    assert max(tracker.alive) <= 12
    assert all(frame.features is None for frame in frames)


def test_boxes_outside_the_frame_end_on_its_border(make_detector, make_frame):
    boxes = np.array([[-900.0, -900, -800, -700], [5000, 10, 5100, 80], [-50, -50, 400, 300]])
    moved, scores = make_detector().regress(make_frame(), boxes)
    assert (moved.min(axis=0) >= 0).all()
    assert (moved <= [200, 120, 200, 120]).all()
    assert moved[0].tolist() == [0, 0, 0, 0]
    assert (moved[1, [0, 2]] == 200).all()
    assert ((scores >= 0) & (scores <= 1)).all()


def test_boxes_without_area_are_answered(make_detector, make_frame):
    moved, scores = make_detector().regress(make_frame(), np.array([[5.0, 5, 5, 5]]))
    assert np.isfinite(moved).all()
    assert moved.shape == (1, 4)
    assert scores.shape == (1,)


def test_no_boxes_are_no_answer_and_no_work(make_detector, make_frame, count_calls):
    detector = make_detector()
    calls = count_calls(detector)
    moved, scores = detector.regress(make_frame(), np.zeros((0, 4)))
    assert moved.shape == (0, 4)
    assert scores.shape == (0,)
    assert not calls
    assert detector.roi_features(make_frame(), np.zeros((0, 4))).shape == (0, 256, 7, 7)


def test_wrong_boxes_and_classes_are_refused(make_detector, make_frame):
    detector, frame = make_detector(outputs=3, class_names=("cat", "dog")), make_frame()
    box = np.array([[1.0, 2, 30, 40]])
    for wrong, message in (
        ([[1, 2, np.nan, 4]], "expected finite corners"),
        ([[10, 2, 3, 4]], "x1 <= x2"),
        ([[1, 2, 3]], r"expected shape \(N, 4\), got \(1, 3\)"),
    ):
        with pytest.raises(ValueError, match=message):
            detector.regress(frame, np.array(wrong))
    with pytest.raises(ValueError, match="no class of"):
        detector.regress(frame, box)
    for class_ids in ([2], [-1], [0, 1], [0.5]):
        with pytest.raises(ValueError, match="class_ids: expected"):
            detector.regress(frame, box, np.array(class_ids))
    with pytest.raises(ValueError, match="no images"):
        detector.regress(Frame(1), box, np.array([1]))


def test_the_detector_is_a_box_regressor(make_detector):
    assert isinstance(make_detector(), BoxRegressor)
