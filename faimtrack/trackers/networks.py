"""What a tracker asks of networks, with their answers checked: they may be anybody's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faimtrack.boxes import Boxes
from faimtrack.interfaces import BoxRegressor, Embedder
from faimtrack.structures import Detections, Frame


def require_regressor(tracker_name: str, regressor: object) -> BoxRegressor:
    """The regressor, if it is one.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(regressor, BoxRegressor):
        came = "none" if regressor is None else type(regressor).__name__
        raise ValueError(
            f"{tracker_name}: expected a detector that can regress boxes (a Faster R-CNN), "
            f"got {came}"
        )
    return regressor


def regress_boxes(
    regressor: BoxRegressor, frame: Frame | None, boxes: Boxes, class_ids: NDArray[np.int64]
) -> tuple[Boxes, NDArray[np.float64]]:
    """Ask where the objects of some boxes are; without boxes nobody is asked.

    Args:
        regressor: Is asked once.
        frame: With pixels, if the regressor looks at them.
        boxes: `(N, 4)` corners in pixels.
        class_ids: `(N,)` in the regressor's numbering.

    Returns:
        `(N, 4)` corners and `(N,)` scores.

    Raises:
        ValueError: The answer is not what a `BoxRegressor` promises.
    """
    count = len(boxes)
    if frame is None or not count:
        return np.zeros((0, 4)), np.zeros(0)
    moved, scores = regressor.regress(frame, boxes.copy(), class_ids.copy())
    moved, scores = np.asarray(moved, np.float64), np.asarray(scores, np.float64)
    if moved.shape != (count, 4) or scores.shape != (count,):
        raise ValueError(
            f"{type(regressor).__name__}, frame {frame.index}: expected {count} boxes and "
            f"scores, got shapes {moved.shape} and {scores.shape}"
        )
    is_right = np.isfinite(moved).all(axis=1) & np.isfinite(scores)
    is_right &= (moved[:, 2:] >= moved[:, :2]).all(axis=1)
    if not is_right.all():
        row = int(np.flatnonzero(~is_right)[0])
        raise ValueError(
            f"{type(regressor).__name__}, frame {frame.index}: expected finite corners, "
            f"x1 <= x2 and y1 <= y2, and a finite score, got {moved[row].tolist()} and "
            f"{scores[row]} in row {row}"
        )
    return moved, scores


def embed_boxes(embedder: Embedder, frame: Frame | None, boxes: Boxes) -> NDArray[np.float32]:
    """Ask what some boxes look like; without boxes nobody is asked.

    Args:
        embedder: Is asked once.
        frame: With pixels, if the embedder looks at them.
        boxes: `(N, 4)` corners in pixels.

    Returns:
        `(N, D)`; a row of zeros where a box shows nothing.

    Raises:
        ValueError: The answer is not what an `Embedder` promises.
    """
    shape = (len(boxes), embedder.dimension)
    if frame is None or not len(boxes):
        return np.zeros(shape, np.float32)
    embeddings = np.asarray(embedder.embed(frame, boxes.copy()), np.float32)
    if embeddings.shape != shape or not np.isfinite(embeddings).all():
        raise ValueError(
            f"{embedder.name}, frame {frame.index}: expected {shape} finite numbers, "
            f"got {embeddings.shape}{'' if embeddings.shape != shape else ', not all finite'}"
        )
    return embeddings


def regressor_classes(regressor: BoxRegressor, detections: Detections) -> NDArray[np.int64]:
    """What the classes of detections are called by the regressor, which may be another network.

    A regressor of one class stands for detections of one class, whatever the two are named.

    Args:
        regressor: Knows names of its own.
        detections: Of one frame.

    Returns:
        The regressor's class id of each of the detections' class names; −1 where it has none.

    Raises:
        ValueError: A detection is of a class that the regressor does not know.
    """
    names, known = detections.class_names, tuple(regressor.class_names)
    if len(names) == len(known) == 1:
        return np.zeros(1, np.int64)
    numbers = np.array([known.index(name) if name in known else -1 for name in names], np.int64)
    unknown = detections.class_ids[numbers[detections.class_ids] < 0]
    if len(unknown):
        raise ValueError(
            f"detections: expected classes that the regressor knows ({', '.join(known)}), "
            f"got {names[unknown[0]]}"
        )
    return numbers
