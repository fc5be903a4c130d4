"""What passes between the rooms: detections, tracks, frames and what is known of their source."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

Image = NDArray[np.uint8]
"""`(height, width, 3)` uint8 in RGB order."""
AffineTransform = NDArray[np.float64]
"""`(2, 3)`, rows ``a b tx`` and ``c d ty``: a point `x y` in pixels goes to `A (x y) + t`."""


class RunLengthMask(TypedDict):
    """A mask as COCO's compressed run lengths: `size` is `[height, width]` of the frame."""

    size: list[int]
    counts: bytes


def _array(name: str, values: ArrayLike, dtype: type, shape: tuple[int | None, ...]) -> Any:
    """A contiguous array of `dtype`, or a ValueError that says which shape was expected."""
    array = np.asarray(values)
    empty = [length or 0 for length in shape]
    if array.size == 0 and 0 in empty:
        array = array.reshape(empty)
    fits = array.ndim == len(shape) and all(
        expected is None or expected == came
        for expected, came in zip(shape, array.shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("N" if length is None else str(length) for length in shape)
        raise ValueError(f"{name}: expected shape ({wanted}), got {array.shape}")
    if dtype is np.int64 and array.dtype.kind not in "iub" and array.size:
        raise ValueError(f"{name}: expected whole numbers, got {array.dtype}")
    return np.array(array, dtype=dtype)


def _check_boxes(boxes: NDArray[np.float64]) -> None:
    """Refuse boxes that are not finite or whose corners are the wrong way round."""
    if not np.isfinite(boxes).all():
        row = int(np.flatnonzero(~np.isfinite(boxes).all(axis=1))[0])
        raise ValueError(f"boxes: expected finite corners, got {boxes[row].tolist()} in row {row}")
    wrong = (boxes[:, 2] < boxes[:, 0]) | (boxes[:, 3] < boxes[:, 1])
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise ValueError(
            f"boxes: expected x1 <= x2 and y1 <= y2, got {boxes[row].tolist()} in row {row}"
        )


class _Rows:
    """Arrays that share their first axis; indexing selects rows without checking them again."""

    def __len__(self) -> int:
        return len(self.boxes)  # type: ignore[attr-defined]

    def _select(self, rows: Any) -> dict[str, Any]:
        raise AssertionError("each kind of rows selects for itself")

    @classmethod
    def _unchecked(cls, **values: Any) -> Any:
        """Build from values that are known to be right; `values` names every field."""
        made = object.__new__(cls)
        for name, value in values.items():
            object.__setattr__(made, name, value)
        return made

    def __getitem__(self, rows: Any) -> Any:
        """The rows of a slice, a boolean mask, an index array or one number (kept as one row)."""
        if isinstance(rows, (int, np.integer)):
            rows = np.arange(len(self))[[int(rows)]]
        elif isinstance(rows, list):
            rows = np.asarray(rows, dtype=np.int64) if not rows else np.asarray(rows)
        return self._unchecked(**self._select(rows))

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return all(
            np.array_equal(getattr(self, f.name), getattr(other, f.name))
            if isinstance(getattr(self, f.name), np.ndarray)
            else getattr(self, f.name) == getattr(other, f.name)
            for f in fields(self)  # type: ignore[arg-type]
        )

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, eq=False)
class Detections(_Rows):
    """The objects that a detector found in one frame.

    Attributes:
        boxes: `(N, 4)` float64, corners ``x1 y1 x2 y2`` in pixels of the original frame.
        scores: `(N,)` float64 exactly as the detector or its file gave them.
        class_ids: `(N,)` int64, indices into `class_names`; zeros if not given.
        class_names: What the class ids mean.
        embeddings: `(N, D)` float32 appearance vectors, or None; a row of zeros where nothing is
            known of an appearance.
        embedding_name: Which model and kind made the embeddings; vectors of two names are never
            compared.
        masks: One run-length mask a row, or None.

    Raises:
        ValueError: A shape is wrong, a number is not finite, or corners are the wrong way round.
    """

    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    class_ids: NDArray[np.int64] = field(default=None)  # type: ignore[arg-type]
    class_names: tuple[str, ...] = ("person",)
    embeddings: NDArray[np.float32] | None = None
    embedding_name: str | None = None
    masks: tuple[RunLengthMask, ...] | None = None

    def __post_init__(self) -> None:
        boxes = _array("boxes", self.boxes, np.float64, (None, 4))
        count = len(boxes)
        scores = _array("scores", self.scores, np.float64, (count,))
        class_ids = np.zeros(count, np.int64) if self.class_ids is None else self.class_ids
        class_ids = _array("class_ids", class_ids, np.int64, (count,))
        if isinstance(self.class_names, str):  # its letters would be taken for names
            raise ValueError(f"class_names: expected a tuple of names, got {self.class_names!r}")
        class_names = tuple(self.class_names)
        _check_boxes(boxes)
        if not np.isfinite(scores).all():
            raise ValueError("scores: expected finite numbers")
        if count and (class_ids.min() < 0 or class_ids.max() >= len(class_names)):
            raise ValueError(
                f"class_ids: expected 0 to {len(class_names) - 1} ({', '.join(class_names)}), "
                f"got {int(class_ids.min())} to {int(class_ids.max())}"
            )
        embeddings = self.embeddings
        if embeddings is not None:
            dimension = np.asarray(embeddings).shape[-1] if np.ndim(embeddings) == 2 else None
            embeddings = _array("embeddings", embeddings, np.float32, (count, dimension))
            if not np.isfinite(embeddings).all():
                raise ValueError("embeddings: expected finite numbers")
        if (embeddings is None) != (self.embedding_name is None):
            raise ValueError("embeddings and embedding_name: expected both or neither")
        masks = None if self.masks is None else tuple(self.masks)
        if masks is not None and len(masks) != count:
            raise ValueError(f"masks: expected {count}, one a box, got {len(masks)}")
        for name, value in (
            ("boxes", boxes), ("scores", scores), ("class_ids", class_ids),
            ("class_names", class_names), ("embeddings", embeddings), ("masks", masks),
        ):  # fmt: skip
            object.__setattr__(self, name, value)

    @classmethod
    def empty(cls, class_names: Sequence[str] = ("person",)) -> Detections:
        """No detection at all."""
        return cls(np.zeros((0, 4)), np.zeros(0), class_names=tuple(class_names))

    def _select(self, rows: Any) -> dict[str, Any]:
        chosen = None
        if self.masks is not None:
            chosen = tuple(self.masks[row] for row in np.arange(len(self))[rows])
        return {
            "boxes": self.boxes[rows],
            "scores": self.scores[rows],
            "class_ids": self.class_ids[rows],
            "class_names": self.class_names,
            "embeddings": None if self.embeddings is None else self.embeddings[rows],
            "embedding_name": self.embedding_name,
            "masks": chosen,
        }

    def to_supervision(self) -> Any:
        """The same detections as a `supervision.Detections` (masks are left out).

        Raises:
            ImportError: supervision is not installed (`pip install 'faimtrack[supervision]'`).
        """
        import supervision

        return supervision.Detections(
            xyxy=self.boxes.astype(np.float32).reshape(-1, 4),
            confidence=self.scores.astype(np.float32),
            class_id=self.class_ids.astype(int),
        )

    @classmethod
    def from_supervision(cls, detections: Any, class_names: Sequence[str]) -> Detections:
        """Detections from a `supervision.Detections`; a missing confidence counts as 1."""
        count = len(detections)
        scores = np.ones(count) if detections.confidence is None else detections.confidence
        class_ids = np.zeros(count, int) if detections.class_id is None else detections.class_id
        return cls(detections.xyxy, scores, class_ids, tuple(class_names))


@dataclass(frozen=True, eq=False)
class Tracks(_Rows):
    """A tracker's answer for one frame.

    Attributes:
        ids: `(N,)` int64, from 1; one id is one object for as long as the tracker lives.
        boxes: `(N, 4)` float64, corners ``x1 y1 x2 y2`` in pixels of the original frame.
        scores: `(N,)` float64, the score of the detection that was last matched.
        class_ids: `(N,)` int64, as in the detections.
        detection_indices: `(N,)` int64, the row of this frame's detections that each track took;
            −1 where the box was predicted or regressed.

    Raises:
        ValueError: A shape is wrong, a number is not finite, or an id comes twice.
    """

    ids: NDArray[np.int64]
    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    class_ids: NDArray[np.int64]
    detection_indices: NDArray[np.int64]

    def __post_init__(self) -> None:
        boxes = _array("boxes", self.boxes, np.float64, (None, 4))
        count = len(boxes)
        ids = _array("ids", self.ids, np.int64, (count,))
        scores = _array("scores", self.scores, np.float64, (count,))
        class_ids = _array("class_ids", self.class_ids, np.int64, (count,))
        indices = _array("detection_indices", self.detection_indices, np.int64, (count,))
        _check_boxes(boxes)
        if not np.isfinite(scores).all():
            raise ValueError("scores: expected finite numbers")
        if len(np.unique(ids)) != count:
            raise ValueError("ids: expected each id once in a frame")
        for name, value in (
            ("ids", ids), ("boxes", boxes), ("scores", scores), ("class_ids", class_ids),
            ("detection_indices", indices),
        ):  # fmt: skip
            object.__setattr__(self, name, value)

    @classmethod
    def empty(cls) -> Tracks:
        """No track at all."""
        nothing = np.zeros(0, np.int64)
        return cls(nothing, np.zeros((0, 4)), np.zeros(0), nothing, nothing)

    def _select(self, rows: Any) -> dict[str, Any]:
        return {f.name: getattr(self, f.name)[rows] for f in fields(self)}


class Frame:
    """One frame of a sequence; its pixels are read when they are first asked for.

    Attributes:
        index: From 1; keeps the numbers of the full sequence under every split.
        time_s: When the frame was shown, in seconds from the sequence's start; None if unknown.
        size: `(width, height)` in pixels; None if unknown before decoding.
        features: What a detector's session keeps for a regressor; freed by `release`.
        camera_motion: `(2, 3)` float64: the affine map from where a still thing was in the frame
            before to where it is in this one, ``x' y' = A (x y) + t`` in pixels with rows
            ``a b tx`` and ``c d ty``. None: nobody looked, and trackers take the camera as still.
    """

    __slots__ = ("_image", "_load", "_size", "camera_motion", "features", "index", "time_s")

    def __init__(
        self,
        index: int,
        *,
        time_s: float | None = None,
        image: Image | None = None,
        load: Callable[[], Image] | None = None,
        size: tuple[int, int] | None = None,
    ) -> None:
        """Describe a frame by its RGB pixels (`image`), by how to get them (`load`) or neither."""
        if index < 1:
            raise ValueError(f"frame index: expected 1 or more, got {index}")
        if time_s is not None and not math.isfinite(time_s):
            raise ValueError(f"frame {index}: expected a time in finite seconds, got {time_s}")
        self.index = index
        self.time_s = time_s
        self.features: Any = None
        self.camera_motion: AffineTransform | None = None
        self._image = None if image is None else _check_image(image)
        self._load = load
        self._size = size

    @property
    def size(self) -> tuple[int, int] | None:
        """`(width, height)` in pixels, without decoding anything; None if unknown."""
        if self._image is not None:
            return self._image.shape[1], self._image.shape[0]
        return self._size

    @property
    def has_image(self) -> bool:
        """Whether there is an image to ask for (it may still fail to load)."""
        return self._image is not None or self._load is not None

    @property
    def image(self) -> Image:
        """`(height, width, 3)` uint8 RGB, loaded on first access.

        Raises:
            ValueError: The sequence has no images, or the image cannot be decoded.
            OSError: The image cannot be read.
        """
        if self._image is None:
            if self._load is None:
                raise ValueError(f"frame {self.index}: there are no images in this sequence")
            self._image = _check_image(self._load())
        return self._image

    def release(self) -> None:
        """Let go of the pixels (where they can be loaded again) and of a detector's features."""
        self.features = None
        if self._load is not None:
            self._image = None

    def __repr__(self) -> str:
        return f"Frame(index={self.index}, time_s={self.time_s}, size={self.size})"


def _check_image(image: Image) -> Image:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise ValueError(
            f"image: expected (height, width, 3) uint8 RGB, got {image.shape} {image.dtype}"
        )
    return image


@dataclass(frozen=True, kw_only=True)
class SourceInfo:
    """What is known of a sequence before its first frame.

    Attributes:
        name: Names the output files.
        frame_rate: Frames per second; None if unknown.
        frame_count: Number of frames that will come; None for a stream.
        width: Pixels; None if unknown.
        height: Pixels; None if unknown.
        first_index: Index of the first frame that will come (a split may start late).
    """

    name: str
    frame_rate: float | None = None
    frame_count: int | None = None
    width: int | None = None
    height: int | None = None
    first_index: int = 1
