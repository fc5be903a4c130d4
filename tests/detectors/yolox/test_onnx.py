import cv2
import numpy as np
import pytest

from faimtrack.boxes import box_iou
from faimtrack.detectors.session import Detector, Session
from faimtrack.detectors.yolox.letterbox import anchor_grid, fill_input, letterbox
from faimtrack.detectors.yolox.onnx import YoloxOnnxDetector
from faimtrack.motfile import read_mot
from faimtrack.structures import Frame, SourceInfo
from faimtrack.testing import check_detector
from faimtrack.video import open_source

ANCHORS = 84  # of a 64 × 64 input: 8 × 8 + 4 × 4 + 2 × 2


@pytest.fixture(scope="module")
def nano(shared_data):
    return YoloxOnnxDetector(shared_data / "models" / "yolox_nano.onnx")


@pytest.fixture
def crossing(shared_data):
    """The first frame of MOT17-04."""
    with open_source(shared_data / "frames" / "MOT17-04-FRCNN") as source:
        return next(iter(source))


def rows_with(objects, columns=7, decoded=False):
    """Output rows `(84, columns)`: silence but for `objects` {anchor: (x, y, w, h, class)}."""
    corners, cells = anchor_grid((64, 64), (8, 16, 32))
    rows = np.zeros((ANCHORS, columns))
    if decoded:
        rows[:, :2] = corners
    for anchor, (x, y, width, height, class_id) in objects.items():
        place, size = np.array([x, y]), np.array([width, height])
        if not decoded:
            place = (place - corners[anchor]) / cells[anchor]
            size = np.log(size / cells[anchor])
        rows[anchor, :4] = *place, *size
        rows[anchor, 4], rows[anchor, 5 + class_id] = 0.8, 0.5
    return rows


def frame_of(height, width, index=1):
    return Frame(index, image=np.full((height, width, 3), 7, np.uint8))


def test_official_weights_find_the_people_of_a_real_frame(nano, crossing, shared_data):
    found = nano.detect([crossing])[0]
    people = found[(found.class_ids == 0) & (found.scores > 0.5)]
    truth = read_mot(shared_data / "frames" / "MOT17-04-FRCNN" / "gt" / "gt.txt", "ground truth")
    assert len(people) >= 8
    overlaps = box_iou(people.boxes, truth.boxes[truth.rows_of(1)]).max(axis=1)
    assert (overlaps > 0.5).mean() >= 0.8
    assert overlaps.min() > 0.4
    assert [nano.class_names[i] for i in found.class_ids[found.scores > 0.65]].count("car") == 1


def test_official_outputs_are_read_as_yolox_reads_them(nano, crossing):
    # By the letter of YOLOX's own preproc and postprocess, one anchor after another.
    bgr = crossing.image[:, :, ::-1]
    ratio = min(416 / 1080, 416 / 1920)
    view = np.full((416, 416, 3), 114, np.uint8)
    small = cv2.resize(bgr, (int(1920 * ratio), int(1080 * ratio)), interpolation=cv2.INTER_LINEAR)
    view[: small.shape[0], : small.shape[1]] = small
    blob = np.ascontiguousarray(view.transpose(2, 0, 1), np.float32)[None]
    output = nano.model.run(blob)[0][0]
    expected = []
    anchor = 0
    for stride in (8, 16, 32):
        for row in range(416 // stride):
            for column in range(416 // stride):
                x, y, w, h, objectness, *scores = output[anchor]
                anchor += 1
                if objectness * max(scores) >= 0.4:
                    x, y = (x + column) * stride / ratio, (y + row) * stride / ratio
                    w, h = np.exp(w) * stride / ratio, np.exp(h) * stride / ratio
                    box = x - w / 2, y - h / 2, x + w / 2, y + h / 2
                    expected.append((objectness * max(scores), int(np.argmax(scores)), box))
    detector = YoloxOnnxDetector(nano.model, score_threshold=0.4, nms_threshold=1.0)
    found = detector.detect([crossing])[0]
    expected.sort(key=lambda each: -each[0])
    assert len(found) == len(expected) > 20
    assert found.scores == pytest.approx([score for score, _, _ in expected], abs=1e-6)
    assert found.class_ids.tolist() == [class_id for _, class_id, _ in expected]
    boxes = np.clip([box for _, _, box in expected], 0, [1920, 1080, 1920, 1080])
    assert np.abs(found.boxes - boxes).max() < 0.02


def test_a_real_video_is_detected_with_one_class_kept(nano, shared_data):
    detector = YoloxOnnxDetector(nano.model, classes=["person"], score_threshold=0.3)
    session = detector.open(SourceInfo(name="skate"))
    with open_source(shared_data / "video" / "snakeboard.mp4") as source:
        for frame in source:
            ((_, found),) = session.push([frame])
            assert len(found) >= 2, frame
            assert set(found.class_ids.tolist()) == {0}
            if frame.index == 12:
                break
    assert session.finish() == []


def test_the_detector_keeps_the_promises_of_all_detectors(nano):
    check_detector(lambda: YoloxOnnxDetector(nano.model, score_threshold=0.01))
    assert isinstance(nano, Detector)
    assert isinstance(nano.open(SourceInfo(name="any")), Session)


@pytest.mark.parametrize("decoded", [False, True])
@pytest.mark.parametrize("told", [None, "right"])
def test_grid_offsets_and_pixels_give_the_same_boxes(write_model, decoded, told):
    rows = rows_with({9: (20, 16, 12, 24, 1), 80: (40, 40, 30, 16, 0)}, decoded=decoded)
    detector = YoloxOnnxDetector(
        write_model(rows), class_names=("cat", "dog"), decoded=decoded if told else None
    )
    found = detector.detect([frame_of(128, 96)])[0]  # twice the network's view
    by_class = found[np.argsort(found.class_ids)]
    expected = [[50, 64, 96, 96], [28, 8, 52, 56]]  # the first is cut at the right
    assert by_class.boxes == pytest.approx(np.array(expected, float), abs=1e-4)
    assert by_class.scores == pytest.approx([0.4, 0.4])
    assert by_class.class_names == ("cat", "dog")


def test_boxes_of_two_classes_do_not_suppress_each_other(write_model):
    for class_id, kept in ((1, 2), (0, 1)):
        rows = rows_with({9: (20, 16, 12, 24, 0), 10: (20, 16, 12, 23, class_id)})
        detector = YoloxOnnxDetector(write_model(rows), class_names=("cat", "dog"))
        assert len(detector.detect([frame_of(64, 64)])[0]) == kept


def test_what_is_told_of_the_boxes_goes_before_what_is_seen(write_model):
    path = write_model(rows_with({9: (20, 16, 12, 24, 0)}, columns=6))
    seen, told = (
        YoloxOnnxDetector(path, decoded=decoded).detect([frame_of(64, 64)])[0]
        for decoded in (None, True)
    )
    assert len(seen) == 1
    assert not np.array_equal(seen.boxes, told.boxes)


def test_a_box_outside_the_image_is_no_detection(write_model):
    detector = YoloxOnnxDetector(write_model(rows_with({9: (60, 16, 6, 6, 0)}, columns=6)))
    assert len(detector.detect([frame_of(64, 64)])[0]) == 1
    assert len(detector.detect([frame_of(128, 96)])[0]) == 0  # there it lies in the padding
    assert detector.class_names == ("person",)


@pytest.mark.parametrize("batch", [None, 1, 3])
def test_any_number_of_frames_fits_any_batch_of_the_model(write_model, batch):
    gain = np.zeros((ANCHORS, 6))
    gain[9, 4] = 1e-3  # the brighter the image, the surer
    rows = rows_with({9: (20, 16, 12, 24, 0)}, columns=6)
    path = write_model(rows, shape=(batch, 3, 64, 64), gain=gain)
    detector = YoloxOnnxDetector(path, batch_size=2)
    frames = [
        Frame(index, image=np.full((64, 64, 3), 20 * index, np.uint8)) for index in range(1, 8)
    ]
    session = detector.open(SourceInfo(name="any", frame_count=7))
    answers = session.push(frames) + session.finish()
    assert [frame.index for frame, _ in answers] == list(range(1, 8))
    scores = [found.scores[0] for _, found in answers]
    assert scores == pytest.approx([(0.8 + 0.02 * i) * 0.5 for i in range(1, 8)], abs=1e-5)
    check_detector(lambda: YoloxOnnxDetector(path))


def test_a_live_source_does_not_wait_until_a_fixed_batch_is_full(write_model):
    path = write_model(rows_with({9: (20, 16, 12, 24, 0)}, columns=6), shape=(3, 3, 64, 64))
    detector = YoloxOnnxDetector(path)
    for frame_count, answered in ((None, 1), (7, 0)):
        session = detector.open(SourceInfo(name="any", frame_count=frame_count))
        assert len(session.push([frame_of(64, 64)])) == answered


def test_a_model_of_any_size_wants_to_be_told_one(write_model):
    path = write_model(rows_with({}, columns=6), shape=(1, 3, None, None))
    with pytest.raises(ValueError, match=r"model\.onnx: expected input_height and input_width"):
        YoloxOnnxDetector(path)
    assert YoloxOnnxDetector(path, input_height=64, input_width=64).detect([frame_of(9, 9)])


def test_a_model_of_one_size_takes_no_other(write_model):
    path = write_model(rows_with({}, columns=6), shape=(None, 3, 64, 64))
    assert YoloxOnnxDetector(path, input_height=64, input_width=64)
    with pytest.raises(ValueError, match=r"input_width: expected 64 as the model has, got 96"):
        YoloxOnnxDetector(path, input_height=64, input_width=96)


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_onnxruntime_does_not_know_is_named(write_model, monkeypatch, device):
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(ValueError, match=rf"device: expected auto or cpu, got {device}: this onn"):
        YoloxOnnxDetector(write_model(rows_with({})), device=device)


def network_view(image, convention):
    """What the network is shown of `image`, `(3, 64, 64)`."""
    out = np.zeros((3, 64, 64), np.float32)
    assert fill_input(image, convention, out) == 64 / 100
    return out


def test_the_current_convention_is_bgr_from_0_to_255():
    image = np.zeros((50, 100, 3), np.uint8)
    image[:] = (10, 20, 30)
    view = network_view(image, "current")
    assert view[:, 0, 0].tolist() == [30, 20, 10]
    assert view[:, 31, 63].tolist() == [30, 20, 10]
    assert view[:, 32, 0].tolist() == [114, 114, 114]


def test_the_legacy_convention_is_rgb_normalised_as_imagenet():
    image = np.zeros((50, 100, 3), np.uint8)
    image[:] = (10, 20, 30)
    view = network_view(image, "legacy")
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    expected = (np.array([10, 20, 30]) / 255 - mean) / deviation
    assert view[:, 0, 0] == pytest.approx(expected, abs=1e-5)
    assert view[:, 40, 0] == pytest.approx((114 / 255 - mean) / deviation, abs=1e-5)


def test_a_letterbox_rounds_down_and_pads_right_and_below():
    image = np.full((100, 333, 3), 200, np.uint8)
    view, ratio = letterbox(image, (64, 64))
    assert ratio == 64 / 333
    filled = (view == 200).all(axis=2)
    assert filled.sum() == int(100 * ratio) * 64 == 19 * 64
    assert filled[:19].all()


def test_an_unknown_class_names_the_nearest(nano):
    with pytest.raises(ValueError, match="got 'persn'; did you mean 'person'"):
        YoloxOnnxDetector(nano.model, classes=["persn"])


def test_class_names_must_be_as_many_as_the_model_s_classes(nano, write_model):
    with pytest.raises(ValueError, match=r"expected 80 class names.*got 2"):
        YoloxOnnxDetector(nano.model, class_names=("cat", "dog"))
    with pytest.raises(ValueError, match=r"expected 2 class names.*got none \(class_names gives"):
        YoloxOnnxDetector(write_model(rows_with({})))
    with pytest.raises(ValueError, match="class_names: expected names, one a class, got 'ab'"):
        YoloxOnnxDetector(write_model(rows_with({})), class_names="ab")


def test_a_model_that_is_no_yolox_is_named(shared_data, write_model):
    with pytest.raises(ValueError, match=r"osnet.*expected a YOLOX model's output"):
        YoloxOnnxDetector(shared_data / "models" / "osnet_x0_25_msmt17.onnx")
    with pytest.raises(ValueError, match=r"expected 84 anchors of a YOLOX with 64 x 64.*got 50"):
        YoloxOnnxDetector(write_model(np.zeros((50, 6))))
    with pytest.raises(ValueError, match="one input"):
        YoloxOnnxDetector(write_model(np.zeros((84, 6)), shape=(1, 4, 64, 64)))


def test_a_threshold_out_of_range_is_refused(nano):
    with pytest.raises(ValueError, match="score_threshold: expected 0 to 1, got 3"):
        YoloxOnnxDetector(nano.model, score_threshold=3)
    with pytest.raises(ValueError, match="input_convention: expected auto or current or legacy"):
        YoloxOnnxDetector(nano.model, input_convention="rgb")


def test_models_with_a_fourth_level_are_known():
    corners, cells = anchor_grid((64, 128), (8, 16, 32, 64))
    assert len(corners) == 8 * 16 + 4 * 8 + 2 * 4 + 2
    assert corners[17].tolist() == [8, 8]
    assert cells[-1] == 64
