"""ImageNet VID's lists of videos and frames."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from faimtrack.datasets.vod.faults import Faults
from faimtrack.datasets.vod.image_folders import confined

VidSplit = Literal["train", "val"]
"""The splits whose annotations are published."""

_CLASS_LISTS = "train_[0-9]*.txt"


def find_tree(data: Path, kind: Literal["VID", "DET"]) -> Path:
    """The folder that has ImageNet's `Annotations` and `Data` of a task.

    Raises:
        FileNotFoundError: There is none.
    """
    for root in (data, data / "ILSVRC2015", data / "ILSVRC"):
        if (root / "Annotations" / kind).is_dir():
            return root
    raise FileNotFoundError(
        f"{data / 'Annotations' / kind}: expected ImageNet's annotations, got no such folder"
    )


def listed_frames(root: Path, split: VidSplit, faults: Faults) -> dict[str, list[str] | None]:
    """The videos of a split, by their folders below the split's, and the frames listed of each.

    `ImageSets/VID/<split>.txt` names frames; where it is not there the training set's lists by
    class, `train_1.txt` to `train_30.txt`, name whole videos; without any list all folders that
    have annotations count.

    Returns:
        Stems of the frames' files; None: all that have annotations.

    Raises:
        ValueError: A line is wrong, or names a frame for the second time.
        OSError: A list cannot be read.
    """
    folder = root / "ImageSets" / "VID"
    whole = folder / f"{split}.txt"
    if whole.is_file():
        return _frames_of(whole, faults)
    by_class = sorted(folder.glob(_CLASS_LISTS)) if split == "train" else []
    if by_class:
        return {name: None for path in by_class for _, name in _names_of(path)}
    return dict.fromkeys(annotated_folders(root / "Annotations" / "VID" / split))


def annotated_folders(annotations: Path) -> list[str]:
    """All folders that have XML files, relative to `annotations` and with `/`, sorted.

    Raises:
        FileNotFoundError: There is no such folder.
    """
    if not annotations.is_dir():
        raise FileNotFoundError(f"{annotations}: expected annotations, got no such folder")
    found = []
    for place, _, files in os.walk(annotations):
        if any(name.endswith(".xml") for name in files):
            found.append(Path(place).relative_to(annotations).as_posix())
    return sorted(found)


def _names_of(path: Path) -> Iterator[tuple[int, str]]:
    """The first word of each line, which is a file's or a folder's name, and its number."""
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    name = line.split()[0]
                    yield number, confined(f"{path}, line {number}", name).as_posix()
    except UnicodeDecodeError:
        raise ValueError(
            f"{path}: expected a list of frames, got a file that is not text"
        ) from None


def _frames_of(path: Path, faults: Faults) -> dict[str, list[str] | None]:
    frames: dict[str, dict[str, None]] = {}
    for number, name in _names_of(path):
        folder, _, stem = name.rpartition("/")
        if not folder:
            raise ValueError(
                f"{path}, line {number}: expected a frame as VIDEO/FRAME, got {name!r}"
            )
        stems = frames.setdefault(folder, {})
        if stem in stems:
            faults.error(
                "images twice",
                f"{path}, line {number}: expected each frame once, got {name} again",
            )
        stems[stem] = None
    if not frames:
        raise ValueError(f"{path}: expected a list of frames, got an empty file")
    return {folder: sorted(stems) for folder, stems in frames.items()}
