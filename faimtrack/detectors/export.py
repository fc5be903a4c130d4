"""A detector's weights in another file: ONNX to run without torch, or safetensors of ours."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from faimtrack.detectors.families import detector_file, family_of
from faimtrack.detectors.yolox.config import YoloxExportConfig
from faimtrack.detectors.yolox.onnx_metadata import read_yolox_metadata
from faimtrack.onnx import read_onnx_metadata
from faimtrack.provenance import Provenance, write_provenance
from faimtrack.weights import (
    Checkpoint,
    WeightsMetadata,
    read_checkpoint,
    weights_entries,
    weights_sha256,
    write_weights,
)

ExportFormat = Literal["onnx", "safetensors"]

_SUFFIXES = (".onnx", ".safetensors", ".pth", ".pt", ".tar", ".ckpt")
_PIXELS = {"current": "BGR 0 to 255", "legacy": "RGB normalised as ImageNet"}


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A file that was written.

    Attributes:
        path: The file.
        architecture: Such as `yolox-nano`.
        input: What it takes, for people.
        class_names: What the class ids mean.
        comparison: By how much it differs from torch, for people; empty for weights.
        left_aside: Tensors of the source that are no part of a detector, such as a mask branch.
        beside: Other files that were written with it, such as a video detector's aggregation.
    """

    path: Path
    architecture: str
    input: str
    class_names: tuple[str, ...]
    comparison: str = ""
    left_aside: int = 0
    beside: tuple[Path, ...] = ()


def export_detector(
    weights: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    format: ExportFormat,  # noqa: A002 - it is the word of the command line
    config: YoloxExportConfig | None = None,
    class_names: Sequence[str] | None = None,
    overwrite: bool = False,
) -> Exported:
    """Write a detector's weights in another format, with all that running them needs.

    Beside the file goes its provenance. An ONNX file is compared with torch before it gets its
    name. Of a video object detector there are two: one for frames, and beside it one that joins
    their proposals.

    Args:
        weights: What `open_detector` takes; of an ONNX file the weights are found in its graph.
        output: The file; None: named after the weights, in the working directory.
        format: Which.
        config: How; input sizes and convention count in both formats. None takes the defaults.
        class_names: Names of the network's classes; None takes the file's, else COCO's for 80
            classes and `person` for one.
        overwrite: Replace a file that is there.

    Raises:
        FileExistsError: The file is there already.
        ValueError: It is no detector or cannot be written in this format, or the ONNX model does
            not agree with torch.
        OSError: A file cannot be read or written.
        ModuleNotFoundError: torch or, for ONNX, `onnx` is not installed.
    """
    config = config or YoloxExportConfig()
    family, source = family_of(weights), detector_file(weights)
    path = _default_path(weights, format) if output is None else Path(output)
    _check_output(path, source, format, overwrite=overwrite)
    if format != "onnx" and (config.nms or config.dynamic_size):
        raise ValueError(f"nms and dynamic_size: expected the format onnx, got {format}")
    if family == "recorded":
        raise ValueError(f"{source}: expected a network, got a file of detections")
    origin = _origin(weights)
    # Functions below import networks when they are called: torch takes seconds.
    if family == "faster-rcnn-onnx":
        raise ValueError(f"{source}: expected weights of a Faster R-CNN, got a model in ONNX")
    if family == "faster-rcnn":
        _check_no_settings_of_yolox(config, source)
        exported = _export_faster_rcnn(source, path, class_names, origin)
    elif family == "video":
        exported = _export_video(source, path, config, class_names, origin, overwrite=overwrite)
    else:
        exported = _export_yolox(source, path, config, class_names, origin)
    names = list(exported.class_names)
    record = Provenance(
        kind="weights",
        configuration={"format": format, "class_names": names, "export": asdict(config)},
        weights={"source": weights_sha256(source)},
    )
    for each in (path, *exported.beside):
        write_provenance(each, record)
    return exported


def _default_path(weights: str | os.PathLike[str], format: ExportFormat) -> Path:  # noqa: A002
    name = Path(weights).name
    while Path(name).suffix.lower() in _SUFFIXES:
        name = Path(name).stem
    return Path(f"{name}.{format}")


def _check_output(
    path: Path,
    source: Path,
    format: ExportFormat,  # noqa: A002
    *,
    overwrite: bool,
) -> None:
    if path.suffix.lower() != f".{format}":
        raise ValueError(f"{path}: expected a name that ends with .{format}")
    if not path.exists():
        return
    if path.samefile(source):
        raise ValueError(f"{path}: expected another file than the one that is read")
    if not overwrite:
        raise FileExistsError(f"{path}: already there (--overwrite replaces it)")


def _check_no_settings_of_yolox(config: YoloxExportConfig, source: Path) -> None:
    default = asdict(YoloxExportConfig())
    changed = [name for name, value in asdict(config).items() if value != default[name]]
    if changed:
        raise ValueError(
            f"{source}: expected no {' or '.join(changed)} for a Faster R-CNN, which takes images "
            "of any size, one at a time, and leaves thresholds to its reader"
        )


def _origin(weights: str | os.PathLike[str]) -> dict[str, str]:
    """Data and licence of registered weights."""
    for entry in weights_entries():
        if entry.name == os.fspath(weights) and not Path(weights).is_file():
            return {"data": entry.data, "licence": entry.licence}
    return {}


def _export_yolox(
    source: Path, path: Path, config: YoloxExportConfig, class_names: Sequence[str] | None,
    origin: dict[str, str],
) -> Exported:  # fmt: skip
    from faimtrack.detectors.yolox.checkpoint import load_yolox
    from faimtrack.detectors.yolox.export import export_onnx, export_weights

    checkpoint = _read(source)
    loaded = load_yolox(checkpoint)
    write = export_onnx if path.suffix.lower() == ".onnx" else export_weights
    origin = _texts(checkpoint.metadata) | origin
    done = write(loaded, path, config, class_names=class_names, origin=origin)
    height, width = done.metadata.input_size
    pixels = _PIXELS[done.metadata.input_convention]
    usual = "any size, usually " if config.dynamic_size else ""
    return Exported(
        path=path,
        architecture=done.metadata.architecture,
        input=f"{usual}{height} x {width} (height x width) {pixels}",
        class_names=done.metadata.class_names,
        comparison="" if done.difference is None else str(done.difference),
        left_aside=len(loaded.left_aside),
    )


def _export_video(
    source: Path, path: Path, config: YoloxExportConfig, class_names: Sequence[str] | None,
    origin: dict[str, str], *, overwrite: bool,
) -> Exported:  # fmt: skip
    from faimtrack.detectors.video.checkpoint import load_video_yolox
    from faimtrack.detectors.video.export import aggregation_path, export_onnx, export_weights

    checkpoint = read_checkpoint(source)
    loaded = load_video_yolox(checkpoint)
    write = export_weights
    if path.suffix.lower() == ".onnx":
        write = export_onnx
        _check_output(aggregation_path(path), source, "onnx", overwrite=overwrite)
    origin = _texts(checkpoint.metadata) | origin
    done = write(loaded, path, config, class_names=class_names, origin=origin)
    height, width = done.metadata.input_size
    return Exported(
        path=path,
        architecture=done.metadata.architecture,
        input=f"{height} x {width} (height x width) {_PIXELS[done.metadata.input_convention]}",
        class_names=done.metadata.class_names,
        comparison="" if done.difference is None else str(done.difference),
        left_aside=len(loaded.left_aside),
        beside=() if done.aggregation is None else (done.aggregation,),
    )


def _export_faster_rcnn(
    source: Path, path: Path, class_names: Sequence[str] | None, origin: dict[str, str]
) -> Exported:
    from faimtrack.detectors.faster_rcnn.checkpoint import describe_network, load_faster_rcnn
    from faimtrack.detectors.faster_rcnn.export import export_onnx

    checkpoint = read_checkpoint(source)
    loaded = load_faster_rcnn(checkpoint, class_names=class_names)
    origin = _texts(checkpoint.metadata) | origin
    metadata = describe_network(loaded.network, **origin)
    comparison = ""
    if path.suffix.lower() == ".onnx":
        comparison = str(export_onnx(loaded.network, path, origin=origin))
    else:
        write_weights(path, loaded.network.state_dict(), metadata)
    sides = f"{loaded.network.config.short_side} x {loaded.network.config.long_side}"
    return Exported(
        path=path,
        architecture=metadata.architecture,
        input=f"{sides} (short x long side)",
        class_names=loaded.network.class_names,
        comparison=comparison,
        left_aside=len(loaded.left_aside),
    )


def _read(source: Path) -> Checkpoint:
    """The weights in a YOLOX's file, of whatever format, and what it says of them."""
    if source.suffix.lower() != ".onnx":
        return read_checkpoint(source)
    from faimtrack.detectors.yolox.onnx_weights import read_onnx_weights

    tensors = read_onnx_weights(source)
    told = read_yolox_metadata(read_onnx_metadata(source), source)
    if told is None:
        return Checkpoint(tensors, None, source)
    metadata = WeightsMetadata(
        architecture=told.architecture,
        classes=told.class_names,
        recipe=told.recipe,
        data=told.data,
        licence=told.licence,
        settings={
            "input_size": list(told.input_size), "input_convention": told.input_convention
        },
    )  # fmt: skip
    return Checkpoint(tensors, metadata, source)


def _texts(metadata: WeightsMetadata | None) -> dict[str, str]:
    if metadata is None:
        return {}
    return {"recipe": metadata.recipe, "data": metadata.data, "licence": metadata.licence}
