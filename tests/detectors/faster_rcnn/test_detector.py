import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from faimtrack.detectors.coco import COCO_CLASS_NAMES
from faimtrack.detectors.faster_rcnn.checkpoint import load_faster_rcnn
from faimtrack.detectors.faster_rcnn.config import FasterRcnnConfig
from faimtrack.detectors.faster_rcnn.detector import FasterRcnnDetector
from faimtrack.detectors.session import Detector
from faimtrack.structures import Frame, SourceInfo
from faimtrack.testing import check_detector
from faimtrack.weights.files import Checkpoint

SMALL = {"short_side": 160, "long_side": 256}
TINY = {"short_side": 48, "long_side": 80, "proposals_before_nms": 60}


@pytest.fixture
def make_detector(make_network):
    def make(outputs=2, config=None, class_names=None, **arguments):
        network = make_network(outputs, class_names)
        return FasterRcnnDetector(network, config, **(TINY | arguments))

    return make


def assert_equals_torchvision(model, frames, as_tensor):
    checkpoint = Checkpoint(dict(model.state_dict()), None, Path("weights.pth"))
    detector = FasterRcnnDetector(checkpoint, max_detections=100, **SMALL)
    with torch.inference_mode():
        expected = model([as_tensor(frame) for frame in frames])
    named = detector.network.output_of_class.tolist()
    for detections, answer in zip(detector.detect(frames), expected, strict=True):
        assert len(answer["boxes"]) == 100
        # torchvision reports outputs that stand for no class, and they count in its hundred.
        rows = [row for row, label in enumerate(answer["labels"].tolist()) if label in named]
        assert len(rows) > 50
        ours = detections[: len(rows)]
        np.testing.assert_allclose(ours.scores, answer["scores"][rows], atol=1e-4)
        np.testing.assert_allclose(ours.boxes, answer["boxes"][rows], atol=1e-3)
        assert [named[number] for number in ours.class_ids] == answer["labels"][rows].tolist()


@pytest.mark.parametrize("architecture", ["resnet18-fpn", "mobilenet-v3-large-fpn"])
def test_detections_equal_those_of_torchvision(
    architecture, make_torchvision, make_frame, as_tensor
):
    frames = [make_frame(1), make_frame(2)]
    assert_equals_torchvision(make_torchvision(architecture), frames, as_tensor)


@pytest.mark.slow
@pytest.mark.parametrize(
    "architecture", ["resnet50-fpn", "resnet50-fpn-v2", "mobilenet-v3-large-320-fpn"]
)
def test_detections_of_large_networks_equal_those_of_torchvision(
    architecture, make_torchvision, make_frame, as_tensor
):
    settings = {"rpn_pre_nms_top_n_test": 1000, "rpn_post_nms_top_n_test": 1000}
    model = make_torchvision(architecture, **settings)
    assert_equals_torchvision(model, [make_frame(1)], as_tensor)


def test_all_boxes_are_given_where_the_original_cuts_at_a_hundred(make_detector, make_frame):
    frame = make_frame()
    sizes = SMALL | {"proposals_before_nms": 1000, "nms_threshold": 0.7}
    everything = make_detector(**sizes).detect([frame])[0]
    paper = FasterRcnnConfig.preset("tracktor-paper")
    cut = make_detector(config=paper, **sizes).detect([frame])[0]
    assert len(everything) > len(cut) == 100
    assert cut == everything[:100]


def test_detections_are_ordered_inside_and_of_positive_area(make_detector, make_frame):
    detector = make_detector(outputs=91, score_threshold=0.02)
    (found,) = detector.detect([make_frame(height=97, width=131)])
    assert found.boxes.dtype == np.float64
    assert len(found) > 100
    assert (np.diff(found.scores) <= 0).all()
    assert found.scores.min() > 0.02
    assert (found.boxes[:, 2:] > found.boxes[:, :2]).all()
    assert found.boxes.min() >= 0
    assert (found.boxes.max(axis=0) <= [131, 97, 131, 97]).all()


def test_torchvisions_91_outputs_are_the_80_classes_of_coco(make_detector):
    detector = make_detector(outputs=91)
    assert detector.class_names == COCO_CLASS_NAMES
    assert detector.network.output_of_class.tolist()[:13] == [*range(1, 12), 13, 14]
    assert detector.network.output_of_class[-1] == 90


def test_one_class_is_a_person_and_others_are_named(make_detector):
    assert make_detector().class_names == ("person",)
    named = make_detector(outputs=3, class_names=("cat", "dog"))
    assert named.class_names == ("cat", "dog")
    with pytest.raises(ValueError, match="expected 2 class names, as the network has classes"):
        make_detector(outputs=3)


def test_only_the_classes_asked_for_come_and_they_alone_fill_the_limit(make_detector, make_frame):
    frame = make_frame()
    everything = make_detector(outputs=91, max_detections=100).detect([frame])[0]
    numbers, counts = np.unique(everything.class_ids, return_counts=True)
    name = COCO_CLASS_NAMES[numbers[counts.argmax()]]
    chosen = make_detector(outputs=91, classes=[name]).detect([frame])[0]
    assert {COCO_CLASS_NAMES[number] for number in chosen.class_ids} == {name}
    of_class = everything[everything.class_ids == COCO_CLASS_NAMES.index(name)]
    assert chosen[: len(of_class)] == of_class
    with pytest.raises(ValueError, match="did you mean 'person'"):
        make_detector(outputs=91, classes=["persons"])


def test_it_keeps_the_promises_of_detectors(make_network):
    network = make_network(outputs=2)
    settings = {"short_side": 32, "long_side": 48, "proposals_after_nms": 20}

    def make():
        return FasterRcnnDetector(network, keep_features=True, batch_size=3, **settings)

    assert isinstance(make(), Detector)
    check_detector(make)


def test_frames_of_several_sizes_in_a_batch_are_found_as_if_alone(make_detector, make_frame):
    sizes = [(60, 90), (60, 90), (90, 60), (1, 1), (1, 300), (300, 1), (60, 90)]
    frames = [make_frame(row, *size) for row, size in enumerate(sizes, 1)]
    detector = make_detector(batch_size=7)
    for frame, found in zip(frames, detector.detect(frames), strict=True):
        (alone,) = detector.detect([frame])
        assert len(alone) == len(found)
        np.testing.assert_allclose(found.boxes, alone.boxes, atol=1e-3)
        np.testing.assert_allclose(found.scores, alone.scores, atol=1e-5)


def test_no_frames_and_no_detections_are_nothing(make_detector, make_frame):
    detector = make_detector(score_threshold=1.0)
    assert detector.detect([]) == []
    (found,) = detector.detect([make_frame()])
    assert len(found) == 0
    assert found.class_names == ("person",)


def test_a_session_answers_when_its_batch_is_full(make_detector, make_frame):
    detector = make_detector(batch_size=2)
    session = detector.open(SourceInfo(name="noise", frame_count=3))
    frames = [make_frame(index) for index in (1, 2, 3)]
    answers = [session.push([frame]) for frame in frames] + [session.finish()]
    assert [len(each) for each in answers] == [0, 2, 0, 1]
    assert [frame.index for frame, _ in itertools.chain(*answers)] == [1, 2, 3]


def test_numbers_that_are_not_finite_are_an_error_and_not_an_empty_frame(
    make_detector, make_frame
):
    detector = make_detector()
    detector.network.backbone.body["conv1"].weight[0] = torch.nan
    with pytest.raises(ValueError, match="not a finite number"):
        detector.detect([make_frame()])
    judged = make_detector()
    judged.network.roi_heads.box_predictor.cls_score.bias[0] = torch.nan
    with pytest.raises(ValueError, match="not a finite number"):
        judged.detect([make_frame()])


def test_a_network_is_copied_and_stays_as_it_was(make_checkpoint, make_frame):
    network = load_faster_rcnn(make_checkpoint(outputs=2)).network.train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    detector = FasterRcnnDetector(network, **TINY)
    detector.detect([make_frame()])
    assert network.training
    assert network.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert not detector.network.training
    with pytest.raises(ValueError, match="class_names: expected none"):
        FasterRcnnDetector(network, class_names=["person"], **TINY)


def test_layouts_give_the_same(make_detector, make_frame):
    frame = make_frame()
    (plain,) = make_detector().detect([frame])
    (other,) = make_detector(channels_last=False).detect([frame])
    np.testing.assert_allclose(other.scores, plain.scores, atol=1e-4)


def test_half_precision_on_a_cpu_is_refused(make_detector):
    with pytest.raises(ValueError, match="precision: expected full on a CPU"):
        make_detector(precision="half", device="cpu")


def test_pixels_that_cannot_be_written_to_are_read(make_detector, make_frame):
    frame = make_frame()
    frozen = frame.image.copy()
    frozen.flags.writeable = False
    detector = make_detector()
    assert detector.detect([Frame(1, image=frozen)]) == detector.detect([frame])


def test_a_frame_without_pixels_is_an_error(make_detector):
    with pytest.raises(ValueError, match="no images in this sequence"):
        make_detector().detect([Frame(1, size=(20, 10))])
