import dataclasses

from faimtrack.detectors.families import DETECTOR_KINDS
from faimtrack.recipes import resolve_recipe


def test_every_parameter_of_every_kind_is_listed(faimtrack, monkeypatch):
    monkeypatch.setenv("COLUMNS", "250")
    done = faimtrack("detectors")
    assert (done.status, done.err) == (0, "")
    sections = done.out.split("\n\n")
    assert len(sections) == len(DETECTOR_KINDS)
    for kind, section in zip(DETECTOR_KINDS, sections, strict=True):
        assert section.startswith(f"{kind.name} {kind.title}")
        lines = {line.split()[0]: line for line in section.splitlines() if line.strip()}
        for field in dataclasses.fields(kind.config_class):
            assert field.metadata["help"] in lines[field.name]
        for preset in kind.config_class.preset_names():
            assert preset == "default" or f"detector.preset={preset}:" in section


def test_a_preset_can_be_typed_as_it_is_shown(faimtrack):
    out = faimtrack("detectors", "faster-rcnn").out
    assert "detector.preset=tracktor-paper" in out
    detector = resolve_recipe(
        detector="faster-rcnn-resnet50-fpn", overrides=["detector.preset=tracktor-paper"]
    ).detector
    assert detector.max_detections == 100


def test_an_unknown_kind_is_one_line(faimtrack, complaint):
    done = faimtrack("detectors", "yolo")
    assert done.status == 1
    kinds = "yolox, yolox-onnx, video, faster-rcnn, faster-rcnn-onnx"
    assert f"expected {kinds}, got 'yolo'" in complaint(done.err)
