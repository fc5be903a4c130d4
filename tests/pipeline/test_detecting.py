import pytest

from faimtrack.detectors.files import read_detections
from faimtrack.pipeline import detect_sequence, detecting, plan_detection, run_task
from faimtrack.pipeline.cache import DetectionCache, detections_key, kept_detector
from faimtrack.provenance import Provenance, read_provenance
from faimtrack.recipes import resolve_recipe
from faimtrack.structures import Frame, SourceInfo
from faimtrack.video import FrameSource


class Camera(FrameSource):
    """Shows five frames; then somebody presses Ctrl-C."""

    is_live = True
    info = SourceInfo(name="camera-0", width=64, height=48)

    def __iter__(self):
        for index in range(1, 6):
            yield Frame(index, time_s=index / 25)
        raise KeyboardInterrupt


@pytest.mark.parametrize("kind", ["mot", "coco", "parquet"])
def test_ctrl_c_is_the_good_end_of_a_live_source(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(detecting, "open_source", lambda *_, **__: Camera())
    path = tmp_path / "det.txt"
    path.write_text("".join(f"{index},-1,{index},2,10,20,0.9\n" for index in (1, 2, 5, 9)))
    (task,) = plan_detection(
        ["0"], resolve_recipe(), tmp_path / "out", format=kind, detections=path
    )
    summary = detect_sequence(task).summary
    assert (summary.frames, summary.detections) == (5, 3)
    table = read_detections(task.output)
    assert table.frames.tolist() == [1, 2, 5]
    assert table.contents.frames == ((1, 5),)
    assert read_provenance(task.output).inputs["frames"] is None


def test_a_task_that_fails_is_an_outcome(tmp_path):
    (task,) = plan_detection(["nowhere.mp4"], resolve_recipe(), tmp_path)
    outcome = run_task(task, lambda *_: None)
    assert outcome.result is None
    assert outcome.error.startswith("nowhere.mp4: expected a sequence folder, images, a video")


def test_what_a_live_source_showed_is_not_kept(tmp_path):
    made = object()
    kept = kept_detector(
        tmp_path, Camera.info, Provenance(kind="tracks", inputs={"frames": None}), lambda: made
    )
    assert (kept.detector, kept.file) == (made, None)
    assert kept.remark == "detections of a live source are not kept"


def test_the_name_of_a_checkpoint_counts_for_what_is_kept(tmp_path):
    """It tells torchvision's two MobileNets from each other; what has metadata needs no name."""

    def path(weights):
        made = Provenance(
            kind="tracks",
            configuration={"detector": {"weights": weights}, "classes": []},
            inputs={"frames": "f" * 64},
            weights={"detector": "d" * 64},
        )
        return DetectionCache(tmp_path, "walk", detections_key(made)).path

    assert path("large_fpn.pth") != path("large_320_fpn.pth")
    assert path("one.onnx") == path("two.onnx")
    assert path("one.safetensors") == path("two.onnx")
