"""Looks through data before anything is learnt from them, and counts what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from faimtrack.boxes import box_xywh_to_xyxy, clip_boxes
from faimtrack.datasets.check_rows import check_rows
from faimtrack.datasets.crowd_human import (
    annotation_files,
    find_images,
    numbered_lines,
    parse_line,
)
from faimtrack.datasets.findings import DataReport, PartReport
from faimtrack.datasets.half_split import HalfSplitConfig, open_masks
from faimtrack.errors import describe_error
from faimtrack.masks.methods import MaskMethod
from faimtrack.motfile import (
    MotTable,
    SplitName,
    find_sequences,
    read_sequence_info,
    split_frames,
)
from faimtrack.motfile.sequence import SequenceInfo
from faimtrack.video.image_headers import stored_size
from faimtrack.video.images import read_image

Progress = Callable[[str, int, int], None]
"""Called with a part's name, images done and images in all."""

_MASK_MARGIN_PX = 1.0  # masks are whole pixels, boxes may end between them


@dataclass(frozen=True, kw_only=True)
class CheckSettings:
    """What is looked at.

    Attributes:
        split: Which frames of each sequence.
        config: Which rows of the ground truth are learnt.
        mask_source: Whose masks are looked at too; None: none.
        masks_root: Where masks lie if not with their sequences.
        decode: Whether images are decoded; else only their headers are read.
    """

    split: SplitName = "full"
    config: HalfSplitConfig | None = None
    mask_source: MaskMethod | None = None
    masks_root: Path | None = None
    decode: bool = False


def check_sequences(
    data: Path, settings: CheckSettings | None = None, progress: Progress | None = None
) -> DataReport:
    """Look through sequences.

    Args:
        data: A folder of sequences, or one sequence.
        settings: What to look at.
        progress: Told after each image.

    Raises:
        ValueError: There is no sequence.
        OSError: The folder cannot be read.
    """
    settings = settings or CheckSettings()
    return DataReport(
        tuple(_check_sequence(folder, settings, progress) for folder in find_sequences(data))
    )


def check_crowd_human(
    folder: Path, *, decode: bool = False, progress: Progress | None = None
) -> DataReport:
    """Look through CrowdHuman.

    Args:
        folder: As in `CrowdHuman.open`.
        decode: Whether images are decoded; else only their headers are read.
        progress: Told after each image.

    Raises:
        OSError: There are no annotations.
    """
    images = find_images(folder)
    return DataReport(
        tuple(
            _check_crowd_human(path, images, decode, progress) for path in annotation_files(folder)
        )
    )


def _check_sequence(
    folder: Path, settings: CheckSettings, progress: Progress | None
) -> PartReport:
    report = PartReport(folder.name)
    try:
        info = read_sequence_info(folder)
    except (ValueError, OSError) as error:
        report.add("no seqinfo.ini that can be read", describe_error(error))
        return report
    report.name = info.name
    frames = split_frames(info.frame_count, settings.split)
    report.images = len(frames)
    table = check_rows(info, frames, settings.config or HalfSplitConfig(), report)
    _check_images(info, frames, settings.decode, report, progress)
    if settings.mask_source is not None and table is not None:
        _check_masks(info, frames, table, settings, report)
    return report


def _check_images(
    info: SequenceInfo,
    frames: range,
    decode: bool,
    report: PartReport,
    progress: Progress | None,
) -> None:
    if not info.image_folder.is_dir():
        report.add("missing images", f"{info.image_folder}: no such folder", len(frames))
        return
    found = {
        int(path.stem): path
        for path in sorted(info.image_folder.iterdir())
        if path.suffix.lower() == info.image_suffix.lower()
        and path.stem.isascii()
        and path.stem.isdigit()
    }
    for number in sorted(found):
        if not 1 <= number <= info.frame_count:
            report.add("images beyond the sequence", str(found[number]))
    size = None
    if info.width is not None and info.height is not None:
        size = info.height, info.width
    for done, frame in enumerate(frames, 1):
        if frame not in found:
            expected = info.image_folder / f"{frame:06d}{info.image_suffix}"
            report.add("missing images", str(expected))
        else:
            came = _image_size(found[frame], size, decode, report)
            size = size or came
        if progress is not None:
            progress(info.name, done, len(frames))


def _image_size(
    path: Path, expected: tuple[int, int] | None, decode: bool, report: PartReport
) -> tuple[int, int] | None:
    """An image's height and width; what is wrong with them is reported."""
    try:
        size = None if decode else stored_size(path)
        if size is None or (expected is not None and size != expected):
            # The header does not say whether the picture is turned when it is decoded.
            size = read_image(path).shape[:2]
    except (ValueError, OSError) as error:
        report.add("images that cannot be decoded", describe_error(error))
        return None
    if expected is not None and size != expected:
        report.add(
            "images of another size",
            f"{path}: expected {expected[1]} x {expected[0]}, got {size[1]} x {size[0]}",
        )
    return size


def _check_masks(
    info: SequenceInfo,
    frames: range,
    table: MotTable,
    settings: CheckSettings,
    report: PartReport,
) -> None:
    assert settings.mask_source is not None
    try:
        masks = open_masks(info, settings.mask_source, settings.masks_root, split=settings.split)
    except (ValueError, OSError) as error:
        report.add("masks that cannot be used", describe_error(error))
        return
    everyone = _all_objects(info)
    for frame in frames:
        rows = table.rows_of(frame)
        boxes = dict(zip(table.ids[rows].tolist(), table.boxes[rows], strict=True))
        found = masks.frame(frame)
        where = f"{masks.path}: frame {frame}, track"
        for track, mask in found.items():
            if (frame, track) not in everyone:
                report.add("masks without an object", f"{where} {track}")
            elif track in boxes:
                left, top, width, height = mask.box_xywh
                tight = np.array([left, top, left + width, top + height])
                beyond = np.concatenate(
                    [boxes[track][:2] - tight[:2], tight[2:] - boxes[track][2:]]
                )
                if width and (beyond > _MASK_MARGIN_PX).any():
                    report.add("masks beyond their boxes", f"{where} {track}")
        absent = [track for track in boxes if track not in found]
        if absent:
            report.add("objects without a mask", f"{where} {absent[0]}", len(absent))


def _all_objects(info: SequenceInfo) -> set[tuple[int, int]]:
    """Frame and id of every row, also of those that are not learnt: they may have masks."""
    objects = set()
    for line in info.ground_truth_path.read_text(encoding="utf-8-sig").splitlines():
        texts = line.split(",") if "," in line else line.split()
        try:
            objects.add((int(float(texts[0])), int(float(texts[1]))))
        except (ValueError, IndexError, OverflowError):
            continue  # counted already
    return objects


def _check_crowd_human(
    path: Path, images: dict[str, Path], decode: bool, progress: Progress | None
) -> PartReport:
    report = PartReport(path.name)
    seen: set[str] = set()
    try:
        lines = list(numbered_lines(path))
    except (ValueError, OSError) as error:
        report.add("no ground truth", describe_error(error))
        return report
    report.images = len(lines)
    for done, (number, text) in enumerate(lines, 1):
        if progress is not None:
            progress(path.name, done, len(lines))
        try:
            line = parse_line(path, number, text)
        except ValueError as error:
            report.add("lines that cannot be read", str(error))
            continue
        where = f"{path}, line {number}: {line.identity}"
        if line.identity in seen:
            report.add("images twice", where)
        seen.add(line.identity)
        report.objects += len(line.boxes_xywh)
        report.rows += len(line.boxes_xywh) + line.ignored + line.without_area
        report.add("boxes to be ignored", where, line.ignored)
        report.add("boxes of no area", where, line.without_area)
        if not len(line.boxes_xywh):
            report.add("frames without objects", where)
        image = images.get(line.identity)
        size = None if image is None else _image_size(image, None, decode, report)
        if image is None:
            report.add("missing images", where)
        if size is not None:
            boxes = box_xywh_to_xyxy(line.boxes_xywh)
            clipped = clip_boxes(boxes, size[1], size[0])
            is_outside = np.asarray((clipped[:, 2:] <= clipped[:, :2]).any(axis=1))
            is_cut = np.asarray((clipped != boxes).any(axis=1))
            report.add("boxes wholly outside", where, int(is_outside.sum()))
            report.add("boxes partly outside", where, int((is_cut & ~is_outside).sum()))
    if not report.objects:
        report.add("nothing to learn", f"{path}: no people")
    return report
