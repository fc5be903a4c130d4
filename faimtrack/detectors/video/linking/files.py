"""A file of detections linked to another one of the same format, with its provenance."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from faimtrack.detectors.files import SUFFIXES, DetectionFile, DetectionTable, read_detections
from faimtrack.detectors.files.formats import EMBEDDING_FORMATS, MASK_FORMATS, DetectionFormat
from faimtrack.detectors.files.reading import format_of
from faimtrack.detectors.video.linking.coefficients import bundled_path
from faimtrack.detectors.video.linking.config import LinkConfig, ReppConfig
from faimtrack.detectors.video.linking.link import link, method_of
from faimtrack.provenance import (
    Provenance,
    file_sha256,
    read_provenance,
    write_provenance,
)
from faimtrack.structures import SourceInfo

Existing = Literal["refuse", "resume", "overwrite"]
"""What to do with an output that is there."""

_MOST_FRAMES = 10_000_000
"""Two days of video; a wrong frame number should not take all memory."""
_MASKS_OF_SMOOTH_BOXES = "masks stay where the detector put them, while boxes are smoothed"


@dataclass(frozen=True, kw_only=True)
class LinkedFile:
    """A video whose detections are linked.

    Attributes:
        path: The file.
        frames: How many frames it has.
        detections_before: How many detections came.
        detections: How many are in it.
        was_kept: Whether it had been there already, made in the same way of the same detections;
            then the numbers are 0.
        notes: What the reader should know.
    """

    path: Path
    frames: int = 0
    detections_before: int = 0
    detections: int = 0
    was_kept: bool = False
    notes: tuple[str, ...] = ()


def detection_files(source: str | os.PathLike[str]) -> list[Path]:
    """The files of detections in a folder, by name, without their sidecars.

    Args:
        source: The folder; a file stands for itself.

    Raises:
        ValueError: A video has several.
        FileNotFoundError: There is none.
    """
    source = Path(source)
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise FileNotFoundError(f"{source}: expected a folder of detections, got nothing")
    found = [path for path in sorted(source.iterdir()) if path.suffix in SUFFIXES.values()]
    names = {path.name for path in found}
    files = [path for path in found if path.suffix != ".json" or path.stem not in names]
    if not files:
        raise FileNotFoundError(
            f"{source}: expected files of detections ({', '.join(SUFFIXES.values())}), got none"
        )
    stems = [path.stem for path in files]
    for path in files:
        if stems.count(path.stem) > 1:
            raise ValueError(
                f"{source}: expected one file of detections for {path.stem}, got "
                f"{' and '.join(each.name for each in files if each.stem == path.stem)}"
            )
    return files


def linked_path(source: Path, folder: Path) -> Path:
    """Where the linked detections of a file go.

    Raises:
        OSError: The file cannot be read.
    """
    return folder / f"{source.stem}{SUFFIXES[format_of(source)]}"


def link_file(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    config: LinkConfig,
    *,
    existing: Existing = "refuse",
    allow_empty: bool = False,
) -> LinkedFile:
    """Link the detections of one video, and write them in the format in which they came.

    Classes, embeddings and masks come along. A file that does not say which frames were looked at
    is taken for one of all frames up to its last row.

    Args:
        source: A file of detections of a whole video.
        output: The file to write; its sidecar is written beside it.
        config: Which method, and its parameters.
        existing: What to do with an output that is there: `refuse` to touch it, `resume` (keep it
            if it was made in the same way of the same detections, else make it anew) or
            `overwrite`.
        allow_empty: Whether a file without rows is an answer.

    Raises:
        ValueError: The file is damaged, or is to be replaced by its own linked detections.
        FileExistsError: The output is there and may not be touched.
        OSError: Something cannot be read or written.
    """
    source, output = Path(source), Path(output)
    if output.exists() and output.samefile(source):
        raise ValueError(f"{output}: expected another file than the detections that are linked")
    if existing == "refuse":
        refuse_existing(output)
    kind = format_of(source)
    table = read_detections(source, allow_empty=allow_empty)
    record = _record(table, kind, config)
    if existing == "resume" and _is_done(output, record):
        return LinkedFile(path=output, was_kept=True)
    done, contents = _write(table, output, kind, config, record)
    write_provenance(output, dataclasses.replace(record, contents=contents))
    return done


def refuse_existing(output: Path) -> None:
    """Do nothing unless a file that is there would have to be touched.

    Raises:
        FileExistsError: It would.
    """
    if output.exists():
        raise FileExistsError(
            f"{output}: already there; --resume keeps what is finished, --overwrite starts again"
        )


def _write(
    table: DetectionTable,
    output: Path,
    kind: DetectionFormat,
    config: LinkConfig,
    record: Provenance,
) -> tuple[LinkedFile, dict[str, Any]]:
    """Link, and write all frames; gives what was done, and what the file says of itself."""
    names = table.class_names or ("person",)
    numbers = _frame_numbers(table)
    frames = link([table.detections(number, names) for number in numbers], config, numbers)
    contents = table.contents
    info = SourceInfo(
        name=(contents.sequence if contents else None) or table.path.stem,
        width=contents.width if contents else None,
        height=contents.height if contents else None,
        frame_count=len(numbers),
    )
    has_masks = table.masks is not None and kind in MASK_FORMATS
    file = DetectionFile(
        output,
        kind,
        names,
        info,
        record=record,
        keep_partial=False,
        with_masks=has_masks,
        with_embeddings=table.embeddings is not None and kind in EMBEDDING_FORMATS,
    )
    with file:
        for number, detections in zip(numbers, frames, strict=True):
            file.write(number, detections)
    is_moved = isinstance(config, ReppConfig) and config.smoothing_std_frames > 0
    done = LinkedFile(
        path=output,
        frames=len(numbers),
        detections_before=len(table),
        detections=sum(len(each) for each in frames),
        notes=(_MASKS_OF_SMOOTH_BOXES,) if has_masks and is_moved else (),
    )
    return done, file.contents.to_tree()


def _frame_numbers(table: DetectionTable) -> list[int]:
    """The frames that were looked at.

    Raises:
        ValueError: They are more than any video has.
    """
    spans = table.contents.frames if table.contents else ((1, int(table.frames.max(initial=0))),)
    count = sum(last - first + 1 for first, last in spans)
    if count > _MOST_FRAMES:
        raise ValueError(
            f"{table.path}: expected a video of at most {_MOST_FRAMES:,} frames, got {count:,}"
        )
    return [number for first, last in spans for number in range(first, last + 1)]


def _record(table: DetectionTable, kind: DetectionFormat, config: LinkConfig) -> Provenance:
    """How the linked file is made: like its detections, and then offline."""
    before = table.record
    inputs: dict[str, str | None] = {"detections": file_sha256(table.path)}
    if isinstance(config, ReppConfig):
        coefficients = config.coefficients or bundled_path()
        inputs["link_coefficients"] = file_sha256(coefficients)
    settings: dict[str, Any] = {
        "format": kind,
        "postprocessing": {"method": method_of(config), **_settings(config)},
    }
    if before is not None:
        settings["detections"] = {"inputs": before.inputs, **before.configuration}
    return Provenance(
        kind="detections",
        configuration=settings,
        inputs=inputs,
        weights={} if before is None else before.weights,
        seed=None if before is None else before.seed,
        split=None if before is None else before.split,
        numbering="kept",
        mode="offline",
    )


def _settings(config: LinkConfig) -> dict[str, Any]:
    """All parameters; of a file its name only, for its content is among the inputs."""
    settings = {each.name: getattr(config, each.name) for each in dataclasses.fields(config)}
    if settings.get("coefficients") is not None:
        settings["coefficients"] = Path(settings["coefficients"]).name
    return settings


def _is_done(output: Path, record: Provenance) -> bool:
    """Whether the output is there and whole, and is what would be written."""
    try:
        found = read_provenance(output)
        return found.output_sha256 == file_sha256(output) and not found.differences(record)
    except (OSError, ValueError):
        return False
