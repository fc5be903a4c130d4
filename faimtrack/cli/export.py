"""`faimtrack export`: a detector's weights in, ONNX or our own safetensors out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from faimtrack.cli.detector_option import detector_inputs
from faimtrack.cli.running import class_names as split_names
from faimtrack.detectors.export import Exported, ExportFormat, export_detector
from faimtrack.detectors.yolox.config import InputConvention, YoloxExportConfig

_DEFAULT = YoloxExportConfig()


def export(
    weights: Annotated[
        str,
        typer.Argument(
            metavar="NAME|FILE",
            help="A name of `faimtrack weights list`, a YOLOX (.pth, .onnx), a YOLOV or a Faster "
            "R-CNN (.pth), or our own .safetensors.",
        ),
    ],
    format: Annotated[  # noqa: A002 - it is the word of the command line
        ExportFormat,
        typer.Option(help="onnx: runs without torch; safetensors: weights with metadata."),
    ] = "onnx",
    output: Annotated[
        Path | None, typer.Option(help="The file; else NAME.onnx or NAME.safetensors, here.")
    ] = None,
    class_names: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="What the network's classes are, such as person,car."),
    ] = None,
    input_convention: Annotated[
        InputConvention,
        typer.Option(
            help="What pixels a YOLOX was trained on; auto: what the weights say of themselves, "
            "else current."
        ),
    ] = _DEFAULT.input_convention,
    input_height: Annotated[
        int | None, typer.Option(min=32, help="Of a YOLOX, in pixels; else as the weights say.")
    ] = _DEFAULT.input_height,
    input_width: Annotated[
        int | None, typer.Option(min=32, help="Of a YOLOX, in pixels; else as the weights say.")
    ] = _DEFAULT.input_width,
    dynamic_size: Annotated[
        bool, typer.Option("--dynamic-size", help="onnx: take any height and width.")
    ] = _DEFAULT.dynamic_size,
    nms: Annotated[
        bool, typer.Option("--nms", help="onnx: keep high scores and suppress overlaps inside.")
    ] = _DEFAULT.nms,
    score_threshold: Annotated[
        float, typer.Option(min=0, max=1, help="With --nms: the lowest score that is kept.")
    ] = _DEFAULT.score_threshold,
    nms_threshold: Annotated[
        float, typer.Option(min=0, max=1, help="With --nms: the largest overlap, as IoU.")
    ] = _DEFAULT.nms_threshold,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a file that is there.")
    ] = False,
) -> None:
    """Write a detector as ONNX, or its weights as safetensors.

    The file holds class names, input size and convention: `--detector FILE` needs nothing else.
    A model in ONNX takes any number of images at a time, gives boxes in pixels, and is compared
    with torch before it gets its name. Of FAIM and YOLOV there are two: NAME.onnx sees frames,
    NAME-aggregation.onnx joins their proposals.
    """
    detector_inputs(weights, None)  # fetches what is not in the cache
    config = YoloxExportConfig(
        input_convention=input_convention,
        input_height=input_height,
        input_width=input_width,
        dynamic_size=dynamic_size,
        nms=nms,
        score_threshold=score_threshold,
        nms_threshold=nms_threshold,
    )
    exported = export_detector(
        weights,
        output,
        format=format,
        config=config,
        class_names=split_names(class_names, "--class-names"),
        overwrite=overwrite,
    )
    _show(exported)


def _show(exported: Exported) -> None:
    """What was written and how to use it."""
    names = exported.class_names
    classes = ", ".join(names) if len(names) <= 3 else f"{len(names)} classes"
    megabytes = exported.path.stat().st_size / 1e6
    print(
        f"{exported.path}: {exported.architecture}, {megabytes:.1f} MB, input {exported.input}, "
        f"{classes}"
    )
    if exported.comparison:
        print(f"compared with torch on two pictures: {exported.comparison}")
    if exported.left_aside:
        print(f"left aside: {exported.left_aside} tensors that are no part of the detector")
    for path in exported.beside:
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, joins the proposals of many frames")
    if not exported.beside:
        print(f"use it: faimtrack track VIDEO --detector {exported.path}")
