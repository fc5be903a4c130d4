"""Pictures of people by who they are, from ground truth: what re-identification learns from."""

from __future__ import annotations

import logging
import os
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from faimtrack.appearance.rectangles import pixel_rectangles
from faimtrack.config import PresetConfig, parameter
from faimtrack.datasets.annotated import AnnotatedImage, check_index
from faimtrack.datasets.half_split import HalfSplit, HalfSplitConfig
from faimtrack.motfile import SplitName, find_sequences, read_sequence_info
from faimtrack.structures import Frame, Image

_LOG = logging.getLogger(__name__)

_CACHED_FRAMES = 4
_ANY_SIZE = 1 << 30  # where no seqinfo.ini tells how large the images are


@dataclass(frozen=True, kw_only=True)
class PersonCropsConfig(PresetConfig):
    """Which people are taken, and how often each; the defaults are those of MMTracking.

    MMTracking's `tools/convert_datasets/mot/mot2reid.py` has the first three, with a random
    subset where this one is evenly spaced; it asks for no size.
    """

    minimum_visibility: float = parameter(
        0.3, "Leave out views of which less is seen, where the ground truth says it.",
        low=0, high=1,
    )  # fmt: skip
    min_images: int = parameter(
        8, "Leave out people with fewer views in the split.", unit="images", low=1
    )
    max_images: int = parameter(
        1000, "Of people with more views so many, evenly spaced in time.", unit="images", low=1
    )
    minimum_width: float = parameter(
        8.0, "Leave out views that are narrower, within the image.", unit="px", low=1
    )
    minimum_height: float = parameter(
        16.0, "Leave out views that are lower, within the image.", unit="px", low=1
    )
    benchmark: Literal["auto", "mot15", "mot16", "mot17", "mot20"] = parameter(
        "auto", "Whose classes the ground truth has; auto: as names, sidecars and rows tell."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_images < self.min_images:
            raise ValueError(
                f"max_images: expected {self.min_images} (min_images) or more, "
                f"got {self.max_images}"
            )


@dataclass(frozen=True, eq=False)
class _Views:
    """One row a view of a person, all of them in the order of frames."""

    images: NDArray[np.int64]  # number of the image
    people: NDArray[np.int64]  # index of the identity
    boxes: NDArray[np.float64]

    def select(self, rows: NDArray[Any]) -> _Views:
        return _Views(self.images[rows], self.people[rows], self.boxes[rows])


class PersonCrops:
    """Views of people, cut out of their frames when they are asked for.

    They are in the order of sequences and frames: in that order each frame is decoded once. The
    last few frames are kept, by each process for itself. Only frames of the split are ever
    looked at, and people are chosen and counted by their views in the split alone.

    Attributes:
        identities: Names such as ``MOT20-02/17``, in the order of sequences and ids.
        sequences: Their names, in order.
        identity_indices: `(N,)` int64, the row of `identities` that each view belongs to.
        sequence_indices: `(N,)` int64, the row of `sequences` that each view belongs to.
        frames: `(N,)` int64, the number of each view's frame in the full sequence, from 1.
        boxes: `(N, 4)` float64 corners ``x1 y1 x2 y2`` in pixels; they may reach out of the image.
        ground_truths: The file of each sequence, by its name.
        split: Which frames of each sequence.
        config: Which people were taken.
        left_out: How many views were not, by the reason.
    """

    def __init__(
        self,
        images: HalfSplit,
        ground_truths: Mapping[str, Path],
        *,
        split: SplitName,
        config: PersonCropsConfig,
    ) -> None:
        """Choose from images with people; `open` reads them."""
        self._images = images
        self.split: SplitName = split
        self.config = config
        left_out: Counter[str] = Counter(images.left_out)
        annotated = [images[number] for number in range(len(images))]
        names, self._sequence_of_image = _sequences(annotated)
        views, identities = _all_views(annotated, names, self._sequence_of_image)
        views, identities = _choose(views, identities, annotated, config, left_out)
        self._image_numbers = views.images
        self.sequences = tuple(names)
        self.ground_truths = {name: ground_truths[name] for name in names}
        self.identities = tuple(identities)
        self.identity_indices = views.people
        self.sequence_indices = self._sequence_of_image[views.images]
        self.frames = np.array([_frame(image) for image in annotated], np.int64)[views.images]
        self.boxes = views.boxes
        self.left_out: Mapping[str, int] = dict(left_out)
        self._cache: OrderedDict[int, Image] = OrderedDict()

    @classmethod
    def open(
        cls,
        root: str | os.PathLike[str],
        *,
        split: SplitName = "train-half",
        config: PersonCropsConfig | None = None,
    ) -> PersonCrops:
        """Read ground truth, and see that every image of the split is there; none is decoded.

        Args:
            root: A folder of MOTChallenge sequences, or one sequence; of MOT17's three copies of
                a sequence one is taken.
            split: Which frames of each sequence.
            config: Which people are taken; None takes the defaults.

        Raises:
            ValueError: A file is wrong, two sequences have one name, or nobody is left; the
                message says which.
            OSError: A file is missing or cannot be read.
        """
        config = config or PersonCropsConfig()
        rows = HalfSplitConfig(
            benchmark=config.benchmark, minimum_visibility=config.minimum_visibility
        )
        images = HalfSplit.open(root, split=split, config=rows)
        found = map(read_sequence_info, find_sequences(root))
        truths = {info.name: info.ground_truth_path for info in found}
        made = cls(images, truths, split=split, config=config)
        if not len(made):
            reasons = ", ".join(f"{number} {what}" for what, number in made.left_out.items())
            raise ValueError(
                f"{root}: expected people with {config.min_images} or more views in the {split} "
                f"split, got none (left out: {reasons or 'nobody'})"
            )
        _LOG.info(
            "%s: %d people in %d views; %s", root, len(made.identities), len(made),
            ", ".join(f"{number} {what}" for what, number in made.left_out.items() if number),
        )  # fmt: skip
        return made

    def __len__(self) -> int:
        """Number of views."""
        return len(self.boxes)

    def image(self, index: int) -> Image:
        """One view, `(height, width, 3)` uint8 RGB, a copy; as large as it is in its frame.

        Raises:
            IndexError: There is none of that number.
            OSError: The frame cannot be read.
            ValueError: The frame is no image, has another size than the sequence, or does not
                reach to the box; the message names sequence and frame.
        """
        check_index(index, len(self))
        frame = self._decoded(int(self._image_numbers[index]))
        height, width = frame.shape[:2]
        x1, y1, x2, y2 = pixel_rectangles(self.boxes[index : index + 1], width, height)[0]
        if x1 == x2:
            raise ValueError(
                f"{self._where(index)}: expected a box within {width} x {height} pixels, got "
                f"{self.boxes[index].tolist()}"
            )
        return frame[y1:y2, x1:x2].copy()

    def by_frame(self) -> Iterator[tuple[Frame, NDArray[np.int64]]]:
        """Each frame that shows somebody, and the rows of its views; in order, without caching.

        Errors as in `image` come when a frame's pixels are asked for.
        """
        starts = np.flatnonzero(np.diff(self._image_numbers, prepend=-1))
        for rows in np.split(np.arange(len(self)), starts[1:]):
            number = int(self._image_numbers[rows[0]])
            yield Frame(int(self.frames[rows[0]]), load=partial(self._load, number)), rows

    def _decoded(self, number: int) -> Image:
        """A whole frame; the last few are kept."""
        if number in self._cache:
            self._cache.move_to_end(number)
            return self._cache[number]
        self._cache[number] = image = self._load(number)
        if len(self._cache) > _CACHED_FRAMES:
            self._cache.popitem(last=False)
        return image

    def _load(self, number: int) -> Image:
        annotated = self._images[number]
        try:
            return annotated.image()
        except (OSError, ValueError) as error:
            kind = ValueError if isinstance(error, ValueError) else OSError
            sequence = self.sequences[self._sequence_of_image[number]]
            raise kind(f"{sequence}, frame {_frame(annotated)}: {error}") from error

    def _where(self, index: int) -> str:
        return f"{self.identities[self.identity_indices[index]]}, frame {self.frames[index]}"

    def __getstate__(self) -> dict[str, Any]:
        """All but the frames that are kept: another process decodes its own."""
        return {**self.__dict__, "_cache": OrderedDict()}


def _frame(image: AnnotatedImage) -> int:
    """The frame's number in the full sequence."""
    return int(image.name.rpartition("/")[2])


def _sequences(images: Sequence[AnnotatedImage]) -> tuple[list[str], NDArray[np.int64]]:
    """Names of the sequences, and whose each image is."""
    folders: dict[str, Any] = {}
    of_image = np.zeros(len(images), np.int64)
    for number, image in enumerate(images):
        name = image.name.rpartition("/")[0]
        folder = folders.setdefault(name, image.path.parent)
        if folder != image.path.parent:
            raise ValueError(
                f"{image.path.parent}: expected another name than {name}, which {folder} has, "
                "for people are named after their sequence"
            )
        of_image[number] = list(folders).index(name)
    return list(folders), of_image


def _all_views(
    images: Sequence[AnnotatedImage], names: Sequence[str], sequence_of_image: NDArray[np.int64]
) -> tuple[_Views, list[str]]:
    """A view for each row of the ground truth, and the people's names by sequence and id."""
    numbers = np.repeat(np.arange(len(images)), [len(image) for image in images])
    ids = np.concatenate([image.track_ids for image in images])
    boxes = np.concatenate([image.boxes for image in images])
    keys = np.stack([sequence_of_image[numbers], ids], axis=1)
    unique, people = np.unique(keys, axis=0, return_inverse=True)
    identities = [f"{names[sequence]}/{track}" for sequence, track in unique.tolist()]
    return _Views(numbers, people.reshape(-1), boxes), identities


def _choose(
    views: _Views,
    identities: Sequence[str],
    images: Sequence[AnnotatedImage],
    config: PersonCropsConfig,
    left_out: Counter[str],
) -> tuple[_Views, list[str]]:
    """The views that are taken, of people who have enough, numbered anew."""
    sizes = np.array([image.size or (_ANY_SIZE, _ANY_SIZE) for image in images])
    limits = sizes[views.images][:, [1, 0, 1, 0]]  # (N, 4), width and height twice
    inside = np.clip(views.boxes, 0, limits)
    extents = inside[:, 2:] - inside[:, :2]
    is_large = (extents[:, 0] >= config.minimum_width) & (extents[:, 1] >= config.minimum_height)
    left_out["too small"] += int((~is_large).sum())
    views = views.select(is_large)
    counts = np.bincount(views.people, minlength=len(identities))
    is_often = counts[views.people] >= config.min_images
    left_out["of people with too few views"] += int((~is_often).sum())
    views = views.select(is_often)
    keep = np.zeros(len(views.people), bool)
    order = np.argsort(views.people, kind="stable")  # of each person in the order of frames
    starts = np.flatnonzero(np.diff(views.people[order], prepend=-1))
    for rows in np.split(order, starts[1:]):
        if len(rows) > config.max_images:
            spaced = np.linspace(0, len(rows) - 1, config.max_images)
            rows = rows[np.floor(spaced + 0.5).astype(np.int64)]
        keep[rows] = True
    left_out["beyond the most views of a person"] += int((~keep).sum())
    views = views.select(keep)
    present, people = np.unique(views.people, return_inverse=True)
    views = _Views(views.images, people.reshape(-1), views.boxes)
    return views, [identities[person] for person in present.tolist()]
