"""MOTChallenge sequences and crowds as images to learn from, whole or half of each."""

from __future__ import annotations

import logging
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from faimtrack.config import PresetConfig, parameter
from faimtrack.datasets.annotated import AnnotatedImage, check_index
from faimtrack.datasets.annotated_sequence import AnnotatedSequence, image_names
from faimtrack.eval.rules import BENCHMARKS, EvaluationRules, choose_rules
from faimtrack.masks.methods import MaskMethod
from faimtrack.masks.places import EXACT_MASKS, mask_file
from faimtrack.masks.table import MaskTable
from faimtrack.motfile import (
    MotTable,
    SplitName,
    find_sequences,
    read_mot,
    read_sequence_info,
    split_frames,
)
from faimtrack.motfile.sequence import SequenceInfo

_LOG = logging.getLogger(__name__)

CLASS_NAMES = ("person",)
"""MOTChallenge's ground truth follows nothing else."""

_COPIES = re.compile(r"(MOT\d\d-\d\d)-(FRCNN|SDP|DPM)", re.IGNORECASE)
_PREFERRED_COPY = ("FRCNN", "SDP", "DPM")


@dataclass(frozen=True, kw_only=True)
class HalfSplitConfig(PresetConfig):
    """Which rows of the ground truth are objects to learn."""

    benchmark: Literal["auto", "mot15", "mot16", "mot17", "mot20"] = parameter(
        "auto",
        "Whose classes the ground truth has; auto: as names, sidecars and rows tell. Of mot16, "
        "mot17 and mot20 pedestrians count, of mot15 every row, each only if it is marked to be "
        "evaluated.",
    )
    minimum_visibility: float = parameter(
        0.0, "Leave out people of whom less is seen, where the ground truth says it.",
        low=0, high=1,
    )  # fmt: skip


class HalfSplit:
    """Frames of MOTChallenge sequences with the people who are evaluated in them.

    Frames without people belong to the set. MOT17 has each sequence three times, once for each
    of its public detectors, with the same images and ground truth: one of the three is taken.

    Attributes:
        class_names: What class ids mean.
        has_masks: Whether a source of masks was named.
        left_out: How many rows of the ground truth are not learnt, by the reason.
    """

    def __init__(self, parts: Sequence[AnnotatedSequence], left_out: Mapping[str, int]) -> None:
        self._parts = tuple(parts)
        self._ends = np.cumsum([len(part.frames) for part in parts])
        self.class_names = CLASS_NAMES
        self.has_masks = any(part.masks is not None for part in parts)
        self.left_out = dict(left_out)

    @classmethod
    def open(
        cls,
        data: str | os.PathLike[str],
        *,
        split: SplitName = "train-half",
        config: HalfSplitConfig | None = None,
        mask_source: MaskMethod | None = None,
        masks_root: Path | None = None,
    ) -> HalfSplit:
        """Read ground truth and masks, and see that every image is there; none is decoded.

        Args:
            data: A folder of sequences, or one sequence.
            split: Which frames of each sequence.
            config: Which rows count.
            mask_source: How the masks were made that are to be read; None: no masks.
            masks_root: Where masks lie if not with their sequences.

        Raises:
            ValueError: A file is wrong, has no object to learn, or masks belong to another ground
                truth or another image size; the message names the file.
            OSError: A file is missing or cannot be read.
        """
        config = config or HalfSplitConfig()
        left_out: Counter[str] = Counter()
        parts = []
        for info in choose_copies([read_sequence_info(each) for each in find_sequences(data)]):
            frames = split_frames(info.frame_count, split)
            table, reasons = people_of(info, frames, config)
            left_out += reasons
            names = image_names(info, frames)
            masks = None
            if mask_source is not None:
                masks = open_masks(info, mask_source, masks_root, split=split)
            numbers = np.arange(frames.start, frames.stop, dtype=np.int64)
            people = np.zeros(len(table), dtype=np.int64)
            parts.append(AnnotatedSequence(info, numbers, table, people, names, masks))
        made = cls(parts, left_out)
        if not sum(len(part.table) for part in parts):
            raise ValueError(f"{data}: expected people in the {split} split, got none")
        made._log(str(data))
        return made

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> AnnotatedImage:
        check_index(index, len(self))
        number = int(np.searchsorted(self._ends, index, side="right"))
        return self._parts[number].image(index - int(self._ends[number - 1] if number else 0))

    def _log(self, data: str) -> None:
        count = sum(len(part.table) for part in self._parts)
        reasons = "".join(f"; {number} {what}" for what, number in self.left_out.items() if number)
        _LOG.info("%s: %d images, %d people%s", data, len(self), count, reasons)


def choose_copies(sequences: Sequence[SequenceInfo]) -> list[SequenceInfo]:
    """The sequences, but only one of each that is there with several public detectors."""
    copies: dict[str, list[SequenceInfo]] = {}
    for info in sequences:
        match = _COPIES.fullmatch(info.name)
        copies.setdefault(match[1].upper() if match else f"/{info.folder}", []).append(info)

    def rank(info: SequenceInfo) -> int:
        match = _COPIES.fullmatch(info.name)
        return _PREFERRED_COPY.index(match[2].upper()) if match else 0

    chosen = [min(group, key=rank) for group in copies.values()]
    left = sorted(info.name for group in copies.values() for info in group if info not in chosen)
    if left:
        _LOG.info("left out as copies with other detections: %s", ", ".join(left))
    return chosen


def masks_path(sequence: Path, method: MaskMethod, root: Path | None = None) -> Path:
    """Where `open_masks` looks for a sequence's masks, whether they are there or not."""
    path, exact = mask_file(sequence, method, root), sequence / EXACT_MASKS
    is_exact = method == "truth" and not path.is_file() and exact.is_file()
    return exact if is_exact else path


def open_masks(
    info: SequenceInfo,
    method: MaskMethod,
    root: Path | None = None,
    *,
    split: SplitName = "full",
) -> MaskTable:
    """A sequence's masks; a crowd's exact ones where no others were made from them.

    Args:
        info: The sequence.
        method: How its masks were made.
        root: Where masks lie if not with their sequences.
        split: Which frames are of interest.

    Raises:
        ValueError: The file is wrong, or made for another ground truth, image size or half.
        OSError: There is none, or it cannot be read.
    """
    path = masks_path(info.folder, method, root)
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: expected masks of {info.name}, got no such file: "
            f"`faimtrack masks make --method {method}` makes them"
        )
    masks = MaskTable.open(path, info.ground_truth_path)
    made_for = masks.metadata.get("split", "full")
    if {split, made_for} == {"train-half", "val-half"}:
        raise ValueError(f"{path}: expected masks of the split {split}, got those of {made_for}")
    size = (info.height, info.width)
    if masks.size is not None and None not in size and masks.size != size:
        raise ValueError(
            f"{path}: expected masks of {info.width} x {info.height} pixels as {info.name} has, "
            f"got {masks.size[1]} x {masks.size[0]} in frame {masks.frames[0]}"
        )
    return masks


def sequence_rules(
    info: SequenceInfo, table: MotTable, config: HalfSplitConfig
) -> EvaluationRules:
    """Which rows of a sequence's ground truth count.

    Raises:
        ValueError: Nothing tells whose classes it has.
    """
    if config.benchmark != "auto":
        return BENCHMARKS[config.benchmark]
    try:
        return choose_rules(info.name, table)[0]
    except ValueError:
        raise ValueError(
            f"{table.path}: expected the data's benchmark to be said, because neither the name "
            f"nor the folder tells it, got classes {np.unique(table.class_ids).tolist()}"
        ) from None


def people_of(
    info: SequenceInfo, frames: range, config: HalfSplitConfig
) -> tuple[MotTable, Counter[str]]:
    """The rows of some frames that are learnt, and why how many others are not.

    Raises:
        ValueError: The ground truth is wrong, or nothing tells whose classes it has.
        FileNotFoundError: There is none.
    """
    path = info.ground_truth_path
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: expected the ground truth of {info.name}, got no such file"
        )
    table = read_mot(path, "ground truth", frame_count=info.frame_count)
    rules = sequence_rules(info, table, config)
    table = table.select((table.frames >= frames.start) & (table.frames < frames.stop))
    reasons: Counter[str] = Counter()

    def leave_out(wrong: NDArray[np.bool_], reason: str) -> None:
        nonlocal table
        reasons[reason] += int(wrong.sum())
        table = table.select(~wrong)

    leave_out(np.asarray(np.trunc(table.confidences) == 0), "not to be evaluated")
    if rules.class_ids is not None:
        leave_out(~np.isin(table.class_ids, rules.class_ids), "of other classes")
        known = (table.visibilities >= 0) & (table.visibilities < config.minimum_visibility)
        leave_out(known, "hidden too much")
    corners = table.boxes  # sums of float64: a width may vanish beside its left
    has_area = np.asarray((corners[:, 2:] > corners[:, :2]).all(axis=1))
    leave_out(~has_area, "boxes of no area")
    if reasons["boxes of no area"]:
        _LOG.warning("%s: left out %d boxes of no area", path, reasons["boxes of no area"])
    return table, reasons
