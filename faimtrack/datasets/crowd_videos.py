"""Crowds of objects or of people, and MOTChallenge sequences, as annotated videos."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from faimtrack.datasets.annotated import check_index
from faimtrack.datasets.annotated_sequence import AnnotatedSequence, image_names
from faimtrack.datasets.crowd.objects.kinds import OBJECT_CLASS_NAMES, OBJECT_KINDS
from faimtrack.datasets.half_split import CLASS_NAMES as PEOPLE_CLASS_NAMES
from faimtrack.datasets.half_split import HalfSplitConfig, choose_copies, open_masks, people_of
from faimtrack.datasets.videos import AnnotatedVideo
from faimtrack.masks.methods import MaskMethod
from faimtrack.motfile import MotTable, find_sequences, read_mot, read_sequence_info
from faimtrack.motfile.sequence import SequenceInfo

_LOG = logging.getLogger(__name__)

_OBJECT_CLASSES = np.array([kind.mot_class for kind in OBJECT_KINDS])


class CrowdVideos:
    """Sequences of a folder, each a video; every frame of them is annotated.

    Sequences of objects have eight classes. In those of people the rows count that `HalfSplit`
    takes. A sequence whose ground truth is empty is a video without objects.

    Attributes:
        class_names: What class ids mean: `OBJECT_CLASS_NAMES`, or ``person`` alone.
        has_masks: Whether a source of masks was named.
        has_ground_truth: True: a sequence without is refused.
    """

    has_ground_truth = True

    def __init__(
        self,
        sequences: Sequence[AnnotatedSequence],
        class_names: tuple[str, ...],
        *,
        has_masks: bool,
    ) -> None:
        self._sequences = tuple(sequences)
        self.class_names = class_names
        self.has_masks = has_masks

    @classmethod
    def open(
        cls,
        data: str | os.PathLike[str],
        *,
        mask_source: MaskMethod | None = None,
        masks_root: Path | None = None,
    ) -> CrowdVideos:
        """Read ground truth and masks, and see that every image is there; none is decoded.

        Args:
            data: A folder of sequences, or one sequence.
            mask_source: How the masks were made that are to be read; None: no masks. A sequence
                without objects needs none.
            masks_root: Where masks lie if not with their sequences.

        Raises:
            ValueError: A file is wrong, there is no object at all, there are sequences of objects
                beside those of people, two of the same name, or masks belong to another ground
                truth or another image size; the message names the file.
            OSError: A file is missing or cannot be read.
        """
        infos = choose_copies([read_sequence_info(each) for each in find_sequences(data)])
        _refuse_twins(infos)
        class_names: tuple[str, ...] | None = None
        sequences = []
        for info in infos:
            table, own_names = _objects(info)
            if own_names is not None and class_names not in (None, own_names):
                raise ValueError(
                    f"{info.ground_truth_path}: expected the classes of the sequences before it, "
                    f"{', '.join(class_names or ())}, got {', '.join(own_names)}"
                )
            class_names = class_names or own_names
            masks = None
            if mask_source is not None and len(table):
                masks = open_masks(info, mask_source, masks_root)
            frames = np.arange(1, info.frame_count + 1, dtype=np.int64)
            class_ids = np.zeros(len(table), dtype=np.int64)
            if own_names == OBJECT_CLASS_NAMES:
                class_ids = np.searchsorted(_OBJECT_CLASSES, table.class_ids).astype(np.int64)
            names = image_names(info, frames.tolist())
            sequences.append(AnnotatedSequence(info, frames, table, class_ids, names, masks))
        if class_names is None:
            raise ValueError(f"{data}: expected objects in the sequences, got none")
        rows = sum(len(each.table) for each in sequences)
        _LOG.info("%s: %d videos with %d boxes", data, len(sequences), rows)
        return cls(sequences, class_names, has_masks=mask_source is not None)

    def __len__(self) -> int:
        return len(self._sequences)

    def __getitem__(self, index: int) -> AnnotatedVideo:
        check_index(index, len(self))
        sequence = self._sequences[index]
        return AnnotatedVideo(
            name=sequence.info.name,
            source=sequence.info.folder,
            frame_numbers=sequence.frames.copy(),
            has_tracks=True,
            read=sequence.image,
        )


def _refuse_twins(infos: Sequence[SequenceInfo]) -> None:
    """Refuse videos of one name: files of detections are told apart by it."""
    folders: dict[str, Path] = {}
    for info in infos:
        if info.name in folders:
            raise ValueError(
                f"{info.folder}: expected a name of its own in seqinfo.ini, got {info.name} as in "
                f"{folders[info.name]}"
            )
        folders[info.name] = info.folder


def _objects(info: SequenceInfo) -> tuple[MotTable, tuple[str, ...] | None]:
    """The rows of a sequence that are learnt, and the classes they have; None: no rows at all."""
    path = info.ground_truth_path
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: expected the ground truth of {info.name}, got no such file"
        )
    table = read_mot(path, "ground truth", frame_count=info.frame_count, allow_empty=True)
    if not len(table):
        return table, None
    is_object = np.isin(table.class_ids, _OBJECT_CLASSES)
    if not is_object.any():
        everything = range(1, info.frame_count + 1)
        return people_of(info, everything, HalfSplitConfig())[0], PEOPLE_CLASS_NAMES
    if not is_object.all():
        raise ValueError(
            f"{path}: expected classes {_OBJECT_CLASSES[0]} to {_OBJECT_CLASSES[-1]} alone, as "
            f"scenes of objects have, got {np.unique(table.class_ids[~is_object]).tolist()} too"
        )
    corners = table.boxes
    has_area = np.asarray((corners[:, 2:] > corners[:, :2]).all(axis=1))
    if not has_area.all():
        _LOG.warning("%s: left out %d boxes of no area", path, int((~has_area).sum()))
    counts = np.asarray(np.trunc(table.confidences) != 0)
    return table.select(counts & has_area), OBJECT_CLASS_NAMES
