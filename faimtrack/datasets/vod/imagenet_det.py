"""ImageNet DET's images of ImageNet VID's 30 classes, for base detectors to learn from."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from faimtrack.boxes import Boxes
from faimtrack.datasets.annotated import NO_TRACK, AnnotatedImage, check_index
from faimtrack.datasets.vod.box_checks import usable_boxes
from faimtrack.datasets.vod.faults import Faults, MissingImages
from faimtrack.datasets.vod.image_folders import frame_numbers
from faimtrack.datasets.vod.imagenet_classes import CLASS_NAMES, class_ids_of
from faimtrack.datasets.vod.imagenet_index import (
    FolderAnnotations,
    read_annotations,
    rows_of_places,
)
from faimtrack.datasets.vod.imagenet_lists import annotated_folders, find_tree
from faimtrack.datasets.vod.imagenet_vid import IMAGE_SUFFIX

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class _Folder:
    """The images of one folder that show one of the classes."""

    folder: Path
    file_names: NDArray[np.str_]
    ends: NDArray[np.int64]
    boxes: Boxes
    class_ids: NDArray[np.int64]


class ImagenetDet:
    """Images of ImageNet DET that show at least one object of ImageNet VID's 30 classes.

    Objects of DET's other 170 classes are left out. Sizes that annotations give are not held
    against the images: some of DET's are known to be wrong.

    Attributes:
        class_names: What class ids mean.
        has_masks: False.
        left_out: How many objects and images are not learnt, by the reason.
    """

    has_masks = False

    def __init__(self, folders: Sequence[_Folder], left_out: dict[str, int]) -> None:
        self._folders = tuple(folders)
        self._ends = np.cumsum([len(each.file_names) for each in folders])
        self.class_names = CLASS_NAMES
        self.left_out = left_out

    @classmethod
    def open(
        cls,
        data: str | os.PathLike[str],
        *,
        split: Literal["train", "val"] = "train",
        missing_images: MissingImages = "refuse",
    ) -> ImagenetDet:
        """Read annotations, and see that every image is there; none is decoded.

        Args:
            data: The folder of ILSVRC2015 (`Annotations`, `Data`), or one that holds it.
            split: `train` or `val`.
            missing_images: What to do with images that are not there.

        Raises:
            ValueError: An annotation is wrong, or none has one of the classes.
            OSError: Annotations or images are missing or cannot be read.
        """
        root = find_tree(Path(data), "DET")
        faults = Faults(missing_images=missing_images)
        annotations = root / "Annotations" / "DET" / split
        folders = annotated_folders(annotations)
        found = read_annotations(annotations, folders, f"{split}.faimtrack.parquet", faults)
        missing: list[Path] = []
        parts = []
        for folder in folders:
            images = root / "Data" / "DET" / split / folder
            part = _part(images, annotations / folder, found[folder], missing, faults)
            if len(part.file_names):
                parts.append(part)
        faults.missing(missing)
        if not parts:
            raise ValueError(
                f"{annotations}: expected objects of ImageNet VID's classes, got none"
            )
        made = cls(parts, dict(faults.left_out))
        reasons = "".join(f"; {count} {what}" for what, count in made.left_out.items())
        objects = sum(len(part.boxes) for part in parts)
        _LOG.info("%s: %d images, %d objects%s", annotations, len(made), objects, reasons)
        return made

    def __len__(self) -> int:
        """Number of images."""
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> AnnotatedImage:
        """An image by its number from 0.

        Raises:
            IndexError: There is none.
        """
        check_index(index, len(self))
        number = int(np.searchsorted(self._ends, index, side="right"))
        part = self._folders[number]
        place = index - int(self._ends[number - 1] if number else 0)
        rows = slice(int(part.ends[place - 1]) if place else 0, int(part.ends[place]))
        count = rows.stop - rows.start
        path = part.folder / str(part.file_names[place])
        return AnnotatedImage(
            name=f"{part.folder.name}/{path.stem}",
            path=path,
            boxes=part.boxes[rows].copy(),
            class_ids=part.class_ids[rows].copy(),
            track_ids=np.full(count, NO_TRACK, np.int64),
            visibilities=np.full(count, -1.0),
        )


def _part(
    images: Path,
    annotations: Path,
    found: FolderAnnotations,
    missing: list[Path],
    faults: Faults,
) -> _Folder:
    rows, owners = rows_of_places(found, np.arange(len(found.stems)))

    def where(row: int) -> str:
        return f"{annotations / str(found.stems[owners[row]])}.xml"

    kinds = class_ids_of(found.wordnet_ids)
    is_ours = kinds >= 0
    faults.leave_out("objects of other classes", str(annotations), int((~is_ours).sum()))
    is_kept = is_ours.copy()
    ours = np.flatnonzero(is_ours)
    is_kept[ours] = usable_boxes(
        found.boxes[ours], found.sizes[owners[ours]], lambda row: where(int(ours[row])), faults
    )
    counts = np.bincount(owners[is_kept], minlength=len(found.stems))
    names = np.array([f"{stem}{IMAGE_SUFFIX}" for stem in found.stems.tolist()], np.str_)
    there = frame_numbers(images)
    is_there = np.array([name in there for name in names.tolist()], bool)
    shows = counts > 0
    missing += [images / name for name in names[shows & ~is_there].tolist()]
    is_image = shows & is_there
    is_kept &= is_image[owners]
    return _Folder(
        folder=images,
        file_names=names[is_image],
        ends=np.cumsum(counts[is_image]).astype(np.int64),
        boxes=found.boxes[rows][is_kept],
        class_ids=kinds[is_kept],
    )
