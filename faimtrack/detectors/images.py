"""Detectors that look at each image alone: their session, and the classes that they keep."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from faimtrack.detectors.coco import COCO_CLASS_NAMES
from faimtrack.detectors.config import Keep
from faimtrack.detectors.session import Detector
from faimtrack.structures import Detections, Frame, SourceInfo

_GPU_BATCH = 8


class ImageDetector(Detector, Protocol):
    """A detector that remembers nothing from one frame to the next, and can be asked directly."""

    def detect(self, frames: Sequence[Frame], keep: Keep | None = None) -> list[Detections]:
        """Detections of each frame.

        Args:
            frames: In any order, of any sizes.
            keep: What to give besides boxes; None: what the configuration says.

        Raises:
            ValueError: The detector has no mask branch to give it.
        """
        ...


class ImageSession:
    """Gathers frames until a batch is full; `finish` answers the rest.

    Batches are counted from the sequence's first frame, however the frames are pushed: the last
    bits of a network's answer may depend on what else is in its batch.
    """

    def __init__(self, detector: ImageDetector, batch_size: int) -> None:
        """Ask `detector` about `batch_size` frames at a time."""
        self._detector = detector
        self._batch_size = batch_size
        self._waiting: list[Frame] = []

    def push(self, frames: Sequence[Frame]) -> list[tuple[Frame, Detections]]:
        """Frames with their detections, as far as batches are full."""
        self._waiting += frames
        answers: list[tuple[Frame, Detections]] = []
        while len(self._waiting) >= self._batch_size:
            answers += self._answer(self._batch_size)
        return answers

    def finish(self) -> list[tuple[Frame, Detections]]:
        """The frames of the last batch with their detections."""
        return self._answer(len(self._waiting))

    def _answer(self, count: int) -> list[tuple[Frame, Detections]]:
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return list(zip(batch, self._detector.detect(batch), strict=True)) if batch else []


def session_batch_size(wanted: int | None, *, on_gpu: bool, info: SourceInfo | None) -> int:
    """Frames a batch: what is wanted, or what suits the device and the source.

    A live source (one without a known end) is answered frame by frame.

    Args:
        wanted: The configuration's `batch_size`.
        on_gpu: Where the network runs.
        info: The source; None if the frames are all there.
    """
    if wanted is not None:
        return wanted
    is_live = info is not None and info.frame_count is None
    return _GPU_BATCH if on_gpu and not is_live else 1


def refuse_to_keep(keep: Keep | None, where: str | os.PathLike[str]) -> None:
    """See that nothing is asked for that only a mask branch has, of a model in ONNX.

    Raises:
        ValueError: Something is.
    """
    if keep not in (None, "none"):
        raise ValueError(
            f"{os.fspath(where)}: keep: expected none, for a model in ONNX has no mask branch "
            f"(the weights that it was made of may have one), got {keep}"
        )


def name_classes(
    count: int, class_names: Sequence[str] | None, where: str | os.PathLike[str]
) -> tuple[str, ...]:
    """Names for a network's classes: the given ones, COCO's for 80 classes, `person` for one.

    Args:
        count: Classes of the network.
        class_names: Names, or None.
        where: The network's file, for the message.

    Raises:
        ValueError: There are more or fewer names than classes.
    """
    known = {len(COCO_CLASS_NAMES): COCO_CLASS_NAMES, 1: ("person",)}
    if isinstance(class_names, str):
        raise ValueError(f"class_names: expected names, one a class, got {class_names!r}")
    names = known.get(count, ()) if class_names is None else tuple(class_names)
    if len(names) != count:
        raise ValueError(
            f"{os.fspath(where)}: expected {count} class names, as the network has classes, "
            f"got {len(names) if names else 'none (class_names gives them)'}"
        )
    return names


def class_numbers(
    classes: Sequence[str] | None, class_names: tuple[str, ...]
) -> NDArray[np.int64] | None:
    """Numbers of the classes to keep; None keeps all.

    Raises:
        ValueError: A class is none of the detector's; the nearest is named.
    """
    if classes is None:
        return None
    for name in classes:
        if name not in class_names:
            nearest = difflib.get_close_matches(name, class_names, n=1, cutoff=0.0)
            raise ValueError(f"classes: expected a class of the model, got {name!r}; "
                             f"did you mean {nearest[0]!r}?")  # fmt: skip
    return np.array([class_names.index(name) for name in classes], np.int64)
