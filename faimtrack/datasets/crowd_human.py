"""CrowdHuman in its own format, as more boxes of people to learn from; it has no masks."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faimtrack.boxes import box_xywh_to_xyxy
from faimtrack.datasets.annotated import NO_TRACK, AnnotatedImage, check_index
from faimtrack.datasets.half_split import CLASS_NAMES

_LOG = logging.getLogger(__name__)

ANNOTATION_FILES = ("annotation_train.odgt", "annotation_val.odgt")
"""What CrowdHuman calls the files that have boxes; its test set has none."""
_IMAGE_SUFFIX = ".jpg"


@dataclass(kw_only=True)
class CrowdHumanLine:
    """One image's line of a file.

    Attributes:
        identity: The image's name.
        boxes_xywh: `(G, 4)` float64 whole bodies, left, top, width, height in pixels; they may
            reach out of the image.
        ignored: Boxes that stand for groups, or for figures that are no people.
        without_area: Boxes of people that have none.
    """

    identity: str
    boxes_xywh: NDArray[np.float64]
    ignored: int = 0
    without_area: int = 0


@dataclass
class _Table:
    """All lines in arrays, which forked processes share."""

    identities: list[str] = field(default_factory=list)
    boxes: list[NDArray[np.float64]] = field(default_factory=list)
    image_files: list[str] = field(default_factory=list)


class CrowdHuman:
    """CrowdHuman's people by the boxes of their whole bodies, as ByteTrack learns from them.

    Groups that are to be ignored and figures that are no people (tag `mask`) are left out.

    Attributes:
        class_names: What class ids mean.
        has_masks: False.
        left_out: How many boxes are not learnt, by the reason.
    """

    has_masks = False

    def __init__(self, root: Path, table: _Table, left_out: dict[str, int]) -> None:
        self._root = root
        self._files = np.array(table.image_files, dtype=np.str_)
        self._identities = np.array(table.identities, dtype=np.str_)
        self._ends = np.cumsum([len(boxes) for boxes in table.boxes])
        self._boxes = np.concatenate([np.zeros((0, 4)), *table.boxes])
        self.class_names = CLASS_NAMES
        self.left_out = left_out

    @classmethod
    def open(
        cls, folder: str | os.PathLike[str], *, files: Sequence[str] = ANNOTATION_FILES
    ) -> CrowdHuman:
        """Read boxes, and see that every image is there; none is decoded.

        Args:
            folder: Where the files of annotations are; images in `Images`, or in folders
                `Images` of the folders there, as CrowdHuman's archives unpack.
            files: Which of them; those that are not there are passed over.

        Raises:
            ValueError: A line is wrong; the message names file and line.
            OSError: No file of annotations or an image is there, or one cannot be read.
        """
        folder = Path(folder)
        images = find_images(folder)
        table, ignored, without_area = _Table(), 0, 0
        missing = []
        for path in annotation_files(folder, files):
            for number, text in numbered_lines(path):
                line = parse_line(path, number, text)
                image = images.get(line.identity)
                if image is None:
                    missing.append(line.identity)
                    continue
                table.identities.append(line.identity)
                table.image_files.append(str(image.relative_to(folder)))
                table.boxes.append(box_xywh_to_xyxy(line.boxes_xywh))
                ignored += line.ignored
                without_area += line.without_area
        if missing:
            others = f" (nor {len(missing) - 1} others)" if len(missing) > 1 else ""
            raise FileNotFoundError(
                f"{folder / 'Images' / missing[0]}{_IMAGE_SUFFIX}: expected the image, got no "
                f"such file{others}"
            )
        if not any(len(boxes) for boxes in table.boxes):
            raise ValueError(f"{folder}: expected people, got none")
        left_out = {"to be ignored": ignored, "boxes of no area": without_area}
        made = cls(folder, table, left_out)
        _LOG.info("%s: %d images, %d people; left out: %s", folder, len(made),
                  len(made._boxes), left_out)  # fmt: skip
        return made

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> AnnotatedImage:
        check_index(index, len(self))
        rows = slice(int(self._ends[index - 1]) if index else 0, int(self._ends[index]))
        boxes = self._boxes[rows].copy()
        return AnnotatedImage(
            name=f"CrowdHuman/{self._identities[index]}",
            path=self._root / str(self._files[index]),
            boxes=boxes,
            class_ids=np.zeros(len(boxes), np.int64),
            track_ids=np.full(len(boxes), NO_TRACK, np.int64),
            visibilities=np.full(len(boxes), -1.0),
        )


def annotation_files(folder: Path, names: Sequence[str] = ANNOTATION_FILES) -> list[Path]:
    """The files of annotations that are there.

    Raises:
        FileNotFoundError: There is none.
    """
    found = [folder / name for name in names if (folder / name).is_file()]
    if not found:
        raise FileNotFoundError(f"{folder}: expected {' or '.join(names)}, got neither")
    return found


def find_images(folder: Path) -> dict[str, Path]:
    """All images by their names without the suffix."""
    places = [folder / "Images", *sorted(folder.glob("*/Images"))]
    return {
        path.stem: path
        for place in reversed(places)
        if place.is_dir()
        for path in place.iterdir()
        if path.suffix.lower() == _IMAGE_SUFFIX
    }


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a file that are not blank, with their numbers from 1.

    Raises:
        ValueError: It is no text.
        OSError: It cannot be read.
    """
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, line
    except UnicodeDecodeError:
        raise ValueError(f"{path}: expected JSON lines, got a file that is not text") from None


def parse_line(path: Path, number: int, text: str) -> CrowdHumanLine:
    """Read one image's line.

    Raises:
        ValueError: It is no image of CrowdHuman.
    """

    def wrong(expected: str, came: object) -> ValueError:
        shown = repr(came)
        shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
        return ValueError(f"{path}, line {number}: expected {expected}, got {shown}")

    try:
        content = json.loads(text)
    except ValueError:
        raise wrong("a JSON object", text.strip()) from None
    if not isinstance(content, dict) or not isinstance(content.get("ID"), str):
        raise wrong('a JSON object with an "ID"', content)
    identity = content["ID"]
    if identity in {"", ".", ".."} or "/" in identity or "\\" in identity:
        raise wrong("an ID that can be a file's name", identity)
    entries = content.get("gtboxes")
    if not isinstance(entries, list):
        raise wrong('a list "gtboxes"', entries)
    ignored, boxes = 0, []
    for entry in entries:
        if not isinstance(entry, dict):
            raise wrong("a box as a JSON object", entry)
        if _is_ignored(entry):
            ignored += 1
            continue
        box = entry.get("fbox")
        if not _is_box(box):
            raise wrong('four finite numbers as "fbox"', box)
        boxes.append(box)
    all_boxes = np.array(boxes, np.float64).reshape(-1, 4)
    corners = box_xywh_to_xyxy(all_boxes)
    has_area = np.asarray((corners[:, 2:] > corners[:, :2]).all(axis=1))
    return CrowdHumanLine(
        identity=identity,
        boxes_xywh=all_boxes[has_area],
        ignored=ignored,
        without_area=int((~has_area).sum()),
    )


def _is_ignored(entry: dict[str, Any]) -> bool:
    """Whether a box is no person to learn."""
    extra = entry.get("extra")
    is_marked = isinstance(extra, dict) and extra.get("ignore", 0) not in (0, False)
    return entry.get("tag") != "person" or is_marked


def _is_box(value: object) -> bool:
    return isinstance(value, list) and len(value) == 4 and _are_finite(value)


def _are_finite(values: Iterable[object]) -> bool:
    return all(
        isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= 1e9
        for value in values
    )
