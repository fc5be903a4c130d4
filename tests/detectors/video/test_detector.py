"""FAIM and YOLOV as detectors: groups, single frames, sessions."""

import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch

from faimtrack.boxes import clip_boxes
from faimtrack.detectors.loading import open_detector
from faimtrack.detectors.video.checkpoint import load_video_yolox
from faimtrack.detectors.video.detector import VideoDetector
from faimtrack.detectors.video.detector_config import VideoDetectorConfig
from faimtrack.detectors.video.making import fitted_weights
from faimtrack.detectors.video.reading import read_proposals
from faimtrack.detectors.video.sampling import GlobalSampling
from faimtrack.detectors.yolox.detector import YoloxDetector
from faimtrack.nms import suppress_overlaps
from faimtrack.structures import Frame, SourceInfo
from faimtrack.testing import check_detector
from faimtrack.weights import Checkpoint, read_checkpoint, write_weights

SAMPLINGS = ("global", "local", "mixed", "causal")


@pytest.fixture(scope="module")
def faim_weights(twin_weights, tmp_path_factory):
    """A nano that finds people in anything, with random video parts."""
    return write("faim-nano", twin_weights, tmp_path_factory)


@pytest.fixture(scope="module")
def faim(faim_weights):
    """The same, loaded: detectors are made of it in no time."""
    return load_video_yolox(read_checkpoint(faim_weights))


@pytest.fixture(scope="module")
def yolov(twin_weights, tmp_path_factory):
    path = write("yolov-nano", twin_weights, tmp_path_factory)
    return load_video_yolox(read_checkpoint(path))


@pytest.fixture(scope="module")
def three_classes(twin_weights):
    """A faim around the twin's network with its one class three times, shifted."""
    checkpoint = read_checkpoint(twin_weights.plain)
    tensors = dict(checkpoint.tensors)
    for level in range(3):
        for name, shift in (("weight", 0), ("bias", 0.3)):
            key = f"head.cls_preds.{level}.{name}"
            one = tensors[key]
            tensors[key] = torch.cat([one, one - shift, one + shift])
    metadata = replace(checkpoint.metadata, classes=("red", "green", "blue"))
    made = fitted_weights("faim-nano", Checkpoint(tensors, metadata, checkpoint.path))
    return load_video_yolox(Checkpoint(made.tensors, made.metadata, checkpoint.path))


@pytest.fixture(scope="module")
def base(twin_weights):
    """The detector in all of them, but for that of three classes."""
    return YoloxDetector(twin_weights.plain, nms_threshold=0.5)


def write(architecture, twin_weights, tmp_path_factory):
    made = fitted_weights(architecture, read_checkpoint(twin_weights.plain))
    path = tmp_path_factory.mktemp("video") / f"{architecture}.safetensors"
    write_weights(path, made.tensors, made.metadata)
    return path


def make_frames(count, *, first=1, size=(96, 128), seed=0):
    random = np.random.default_rng(seed)
    return [
        Frame(index, image=random.integers(0, 256, (*size, 3), dtype=np.uint8))
        for index in range(first, first + count)
    ]


def answers(detector, frames, frame_count="known", **info):
    count = len(frames) if frame_count == "known" else frame_count
    session = detector.open(SourceInfo(name="test", frame_count=count, **info))
    return [found for _, found in (*session.push(frames), *session.finish())]


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_it_keeps_what_every_detector_promises(faim, sampling):
    config = VideoDetectorConfig(sampling=sampling, group_frames=4, proposals=12, device="cpu")
    check_detector(lambda: VideoDetector(faim, config))


def test_yolov_keeps_what_every_detector_promises(yolov):
    check_detector(lambda: VideoDetector(yolov, group_frames=32, labels="all"))


@pytest.mark.parametrize(
    ("kind", "sampling"), [("yolov", "global"), *(("faim", sampling) for sampling in SAMPLINGS)]
)
def test_a_frame_that_is_alone_gets_what_the_base_detector_finds(request, base, kind, sampling):
    detector = VideoDetector(request.getfixturevalue(kind), sampling=sampling)
    for seed, size in enumerate([(96, 128), (50, 200)]):
        (frame,) = make_frames(1, size=size, seed=seed)
        (expected,) = base.detect([frame])
        assert len(expected) > 3
        assert detector.detect([frame]) == [expected]
        assert answers(detector, [frame]) == [expected]
        assert detector.decode(detector.encode([frame])) == [expected]


def test_a_first_frame_knows_no_other_one_while_a_camera_runs(faim, base):
    frames = make_frames(3)
    expected = base.detect(frames)
    found = answers(VideoDetector(faim), frames, frame_count=None)
    assert found[0] == expected[0]
    assert found[1] != expected[1]


def test_a_lone_frame_needs_what_the_base_detector_found(faim):
    detector = VideoDetector(faim)
    encodings = detector.encode(make_frames(1), keep_base=False)
    with pytest.raises(ValueError, match="expected a lone frame encoded with keep_base"):
        detector.decode(encodings)


@pytest.mark.parametrize(("per_class", "kept"), [(True, [0, 1, 2]), (False, [0, 2])])
def test_boxes_of_two_classes_suppress_each_other_only_where_that_is_wanted(per_class, kept):
    boxes = np.array([[0.0, 0, 20, 20], [0, 0, 20, 18], [50, 50, 60, 60]])
    class_scores = np.array([[0.9, 0.1], [0.1, 0.8], [0.7, 0.2]], np.float32)
    found = read_proposals(
        boxes,
        np.ones(3, np.float32),
        class_scores,
        VideoDetectorConfig(nms_per_class=per_class),
        size=(100, 100),
        class_names=("one", "other"),
    )
    np.testing.assert_array_equal(found.boxes, boxes[kept])
    assert found.class_ids.tolist() == [[0, 1, 0][row] for row in kept]


def test_labels_of_one_proposal_do_not_suppress_each_other(faim):
    with pytest.raises(ValueError, match="nms_per_class: expected true with labels=all, for"):
        VideoDetector(faim, labels="all", nms_per_class=False)


def loop_over_proposals(detector, encoding, logits):
    """Detections before suppression, one proposal after the other."""
    rows = []
    config = detector.config
    height, width = encoding.frame_size
    for proposal in range(len(encoding)):
        probabilities = torch.sigmoid(logits[proposal]).numpy()
        labels = range(len(probabilities))
        if config.labels == "best":
            labels = [int(probabilities.argmax())]
        for label in labels:
            score = encoding.proposals.objectness[proposal].numpy() * probabilities[label]
            if score >= config.score_threshold:
                box = encoding.proposals.boxes[proposal].double().numpy() / encoding.ratio
                rows.append((box, float(score), label))
    boxes = np.array([row[0] for row in rows]).reshape(-1, 4)
    scores, labels = np.array([row[1] for row in rows]), np.array([row[2] for row in rows], int)
    kept = suppress_overlaps(boxes, scores, labels, config.nms_threshold)
    return clip_boxes(boxes[kept], width, height), scores[kept], labels[kept]


@pytest.mark.parametrize("labels", ["best", "all"])
def test_scores_are_objectness_times_refined_probabilities(labels, three_classes):
    detector = VideoDetector(three_classes, labels=labels, score_threshold=0.05, proposals=20)
    encodings = detector.encode(make_frames(3))
    with torch.no_grad():
        (logits,) = detector.network.refine([[each.proposals for each in encodings]])
    found = detector.decode(encodings[:2], encodings[2:])
    assert len(found) == 2
    each_frame = logits.split([len(each) for each in encodings])
    for encoding, its_logits, detections in zip(encodings, each_frame, found, strict=False):
        boxes, scores, class_ids = loop_over_proposals(detector, encoding, its_logits)
        is_inside = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        assert len(detections) > 3
        np.testing.assert_array_equal(detections.boxes, boxes[is_inside])
        np.testing.assert_allclose(detections.scores, scores[is_inside], rtol=1e-6)
        np.testing.assert_array_equal(detections.class_ids, class_ids[is_inside])
    if labels == "all":
        assert max(len(each) for each in found) > 20


@pytest.mark.parametrize("kind", ["faim", "yolov"])
def test_a_key_is_answered_the_same_whoever_else_is_a_key(request, kind):
    detector = VideoDetector(request.getfixturevalue(kind), score_threshold=0.01)
    first, second, third = detector.encode(make_frames(3))
    together = detector.decode([first, second], [third])
    alone = detector.decode([first], [third, second])
    np.testing.assert_allclose(together[0].boxes, alone[0].boxes)
    np.testing.assert_allclose(together[0].scores, alone[0].scores, rtol=1e-4)
    assert detector.decode([], [first, second]) == []


@pytest.mark.parametrize("kind", ["faim", "yolov"])
def test_what_other_frames_show_matters(request, kind):
    frames, others = make_frames(3), make_frames(3, seed=9)
    detector = VideoDetector(request.getfixturevalue(kind))
    one = answers(detector, frames)
    assert answers(detector, [frames[0], *others[1:]])[0] != one[0]


def test_an_offline_session_looks_at_the_groups_of_its_sampling(faim):
    frames = make_frames(7)
    detector = VideoDetector(faim, group_frames=3, seed=5)
    encodings = detector.encode(frames)
    expected = {}
    for keys, references in GlobalSampling(3, 5).groups(7):
        found = detector.decode(
            [encodings[key] for key in keys], [encodings[r] for r in references]
        )
        expected.update(zip(keys, found, strict=True))
    assert answers(detector, frames) == [expected[place] for place in range(7)]


def test_a_video_shorter_than_a_group_is_one_group(faim):
    frames = make_frames(2)
    detector = VideoDetector(faim)
    found = answers(detector, frames)
    encodings = detector.encode(frames)
    orders = [detector.decode(encodings), detector.decode(encodings[::-1])[::-1]]
    assert found in orders


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_frames_without_proposals_give_nothing(faim, sampling):
    detector = VideoDetector(faim, sampling=sampling, minimum_objectness=1.0, proposals=3)
    assert [len(each) for each in detector.encode(make_frames(1))] == [0]
    found = answers(detector, make_frames(4))
    # The very first frame of a camera is alone, and answered by the base detector.
    assert [len(each) for each in found[1:]] == [0, 0, 0]
    assert found[0].class_names == ("person",)


def test_a_frame_without_proposals_does_not_disturb_the_others(faim):
    detector = VideoDetector(faim)
    empty = VideoDetector(faim, minimum_objectness=1.0).encode(make_frames(1))[0]
    frames = detector.encode(make_frames(2))
    expected = detector.decode(frames)
    first, nothing, second = detector.decode([frames[0], empty, frames[1]])
    assert len(nothing) == 0
    for found, one in zip((first, second), expected, strict=True):
        np.testing.assert_allclose(found.scores, one.scores, rtol=1e-5)


def test_frames_of_changing_size_get_boxes_in_their_own_pixels(faim):
    frames = [
        *make_frames(2, size=(96, 128)), *make_frames(2, first=3, size=(200, 60))
    ]  # fmt: skip
    for sampling in ("global", "causal"):
        found = answers(VideoDetector(faim, sampling=sampling), frames)
        assert max(each.boxes[:, 3].max() for each in found[:2]) <= 96
        assert max(each.boxes[:, 3].max() for each in found[2:]) > 96
        assert all(each.boxes[:, 2].max() <= 60 for each in found[2:])


def test_what_is_spilled_to_disk_gives_the_same(faim):
    frames = make_frames(6)
    found = [
        answers(VideoDetector(faim, group_frames=4, spill_mib=mib), frames) for mib in (0, 256)
    ]
    assert found[0] == found[1]


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_no_session_keeps_pixels(faim, sampling):
    detector = VideoDetector(faim, sampling=sampling, group_frames=4, proposals=2)
    session = detector.open(SourceInfo(name="test", frame_count=5))
    gone = []
    found = []
    for index in range(1, 6):
        (frame,) = make_frames(1, first=index)
        gone.append(weakref.ref(frame.image))
        found += [(each.index, len(detections)) for each, detections in session.push([frame])]
        del frame
        assert [image() is None for image in gone] == [True] * index
    found += [(each.index, len(detections)) for each, detections in session.finish()]
    assert [index for index, _ in found] == list(range(1, 6))


def test_offline_answers_say_which_frames_they_are_of(faim):
    frames = make_frames(2, first=7)
    session = VideoDetector(faim).open(SourceInfo(name="test", frame_count=2))
    assert session.is_offline
    assert session.push(frames) == []
    came = [frame for frame, _ in session.finish()]
    assert [(each.index, each.size, each.has_image) for each in came] == [
        (7, (128, 96), False),
        (8, (128, 96), False),
    ]


def test_a_causal_session_answers_at_once_and_remembers_a_few_frames(faim):
    config = VideoDetectorConfig(sampling="causal", group_frames=4, local_frames=2, proposals=3)
    session = VideoDetector(faim, config).open(SourceInfo(name="test"))
    assert not session.is_offline
    for frame in make_frames(20):
        ((same, _),) = session.push([frame])
        assert same is frame
        assert len(session._memory) <= 4
    assert session.finish() == []


def test_a_failed_batch_leaves_the_frames_before_it(faim):
    def broken():
        raise ValueError("frame 3 is broken")

    session = VideoDetector(faim).open(SourceInfo(name="test", frame_count=3))
    session.push(make_frames(2))
    with pytest.raises(ValueError, match="frame 3 is broken"):
        session.push([Frame(3, load=broken)])
    assert [frame.index for frame, _ in session.finish()] == [1, 2]


@pytest.mark.parametrize("labels", ["best", "all"])
def test_classes_are_kept_by_name(labels, three_classes):
    frames = make_frames(3)
    everything = VideoDetector(three_classes, labels=labels).detect(frames)
    kept = VideoDetector(three_classes, labels=labels, classes=["green"])
    assert kept.class_names == ("red", "green", "blue")
    for one, some in zip(everything, kept.detect(frames), strict=True):
        assert one[one.class_ids == 1] == some
    assert sum(len(each) for each in kept.detect(frames))


def test_masks_and_features_are_not_given(faim, faim_weights):
    with pytest.raises(ValueError, match=r"keep: expected none, for a video .*, got masks"):
        VideoDetector(faim, keep="masks")
    with pytest.raises(ValueError, match="keep: expected none"):
        VideoDetector(faim).detect(make_frames(1), keep="instance_features")
    with pytest.raises(
        ValueError, match=r"keep_features: expected .* got a detector of kind video"
    ):
        open_detector(faim_weights, keep_features=True)


def test_numbers_that_are_none_are_told(faim_weights, tmp_path):
    checkpoint = read_checkpoint(faim_weights)
    tensors = dict(checkpoint.tensors)
    tensors["video.classifier.weight"] = torch.full((2, 256), 3e38)
    tensors["video.classifier.weight"][:, ::2] = -3e38
    tensors["video.aggregation.linear2.bias"] = torch.full_like(
        tensors["video.aggregation.linear2.bias"], 3e38
    )
    path = tmp_path / "large.safetensors"
    write_weights(path, tensors, checkpoint.metadata)
    detector = VideoDetector(path)
    with pytest.raises(ValueError, match="not a finite number"):
        detector.detect(make_frames(2))


def test_reading_no_proposals_gives_no_detections():
    config = VideoDetectorConfig()
    empty = np.zeros((0, 4)), np.zeros(0, np.float32), np.zeros((0, 3), np.float32)
    for labels in ("best", "all"):
        config = VideoDetectorConfig(labels=labels)
        names = ("a", "b", "c")
        assert len(read_proposals(*empty, config, size=(8, 8), class_names=names)) == 0
