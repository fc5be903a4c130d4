"""Learning which boxes show the same object, from detections and annotated tracks."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

import faimtrack
from faimtrack.boxes import Boxes, box_iou
from faimtrack.config import PresetConfig, parameter
from faimtrack.detectors.files import DetectionTable
from faimtrack.detectors.video.linking.coefficients import LinkCoefficients
from faimtrack.detectors.video.linking.logistic_regression import fit_logistic_regression
from faimtrack.detectors.video.linking.pair_features import PAIR_FEATURES, pair_features
from faimtrack.provenance import file_sha256
from faimtrack.structures import Detections

_BACKGROUND = -1
_UNKNOWN = -2


class TrackedObjects(Protocol):
    """The objects of a frame; `faimtrack.datasets.annotated.AnnotatedImage` is one."""

    @property
    def boxes(self) -> Boxes:
        """`(G, 4)` corners in pixels."""

    @property
    def class_ids(self) -> NDArray[np.int64]:
        """`(G,)` indices into the set's class names."""

    @property
    def track_ids(self) -> NDArray[np.int64]:
        """`(G,)`; −1 where nobody follows the object."""


class TrackedVideo(Protocol):
    """A video with its objects; `faimtrack.datasets.videos.AnnotatedVideo` is one."""

    @property
    def name(self) -> str:
        """Of its file of detections."""

    @property
    def frame_numbers(self) -> NDArray[np.int64]:
        """`(F,)` numbers of the annotated frames, rising."""

    @property
    def has_tracks(self) -> bool:
        """Whether track ids tell the same object in several frames."""

    def __getitem__(self, place: int, /) -> TrackedObjects:
        """The objects of the frame number `place`, from 0."""


class TrackedVideos(Protocol):
    """Videos to learn from; `faimtrack.datasets.videos.AnnotatedVideos` is one."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """What class ids mean."""

    def __len__(self) -> int:
        """Number of videos."""

    def __getitem__(self, index: int, /) -> TrackedVideo:
        """A video by its number from 0."""


@dataclass(frozen=True, kw_only=True)
class LinkLearningConfig(PresetConfig):
    """What the coefficients are learnt from, and how."""

    minimum_score: float = parameter(
        0.001, "Detections that score less are not learnt from.", low=0.0
    )
    match_iou: float = parameter(
        0.5,
        "A detection is of the object of its class that it overlaps most, from here on.",
        unit="IoU",
        low=0.01,
        high=1.0,
    )
    background_iou: float = parameter(
        0.3,
        "One that overlaps no object so much is of none; what lies between is not learnt from.",
        unit="IoU",
        low=0.01,
        high=1.0,
    )
    reach_diagonals: float = parameter(
        1.0,
        "Pairs whose centres lie further apart are not learnt from: nobody would link them.",
        unit="mean diagonals",
        low=0.01,
    )
    ridge: float = parameter(
        1e-3, "Pull of the weights towards 0, for pairs that a plane divides.", low=1e-9
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class LinkPairs:
    """Pairs of boxes of consecutive frames.

    Attributes:
        features: `(P, 4)` as `pair_features` gives them.
        is_same: `(P,)` whether they show the same object.
    """

    features: NDArray[np.float64]
    is_same: NDArray[np.bool_]


def learn_coefficients(
    videos: TrackedVideos,
    detections_of: Callable[[TrackedVideo], DetectionTable],
    config: LinkLearningConfig,
    *,
    dataset: str,
) -> LinkCoefficients:
    """Learn from the detections of annotated videos which boxes show the same object.

    Args:
        videos: The annotated videos. Those without tracks are left out.
        detections_of: Gives the detections of a video.
        config: What to learn from.
        dataset: What the videos are, for the file.

    Raises:
        ValueError: There are no pairs of one kind, or classes do not go together.
        OSError: A file cannot be read.
    """
    parts, names = [], []
    digest = hashlib.sha256()
    for number in range(len(videos)):
        video = videos[number]
        if not video.has_tracks:
            continue
        table = detections_of(video)
        digest.update(f"{video.name} {file_sha256(table.path)}\n".encode())
        parts.append(video_pairs(video, table, videos.class_names, config))
        names.append(video.name)
    pairs = LinkPairs(
        features=np.concatenate([np.zeros((0, len(PAIR_FEATURES))), *(p.features for p in parts)]),
        is_same=np.concatenate([np.zeros(0, bool), *(p.is_same for p in parts)]),
    )
    provenance = {
        "faimtrack": faimtrack.__version__,
        "dataset": dataset,
        "videos": len(names),
        "detections_sha256": digest.hexdigest(),
        "settings": dataclasses.asdict(config),
    }
    return fit_coefficients(pairs, config.ridge, provenance)


def video_pairs(
    video: TrackedVideo,
    table: DetectionTable,
    class_names: tuple[str, ...],
    config: LinkLearningConfig,
) -> LinkPairs:
    """The pairs of detections of a class in annotated frames that follow each other.

    A pair is positive if both are of one track, and negative if they are of two or one of them is
    of no object. Two false alarms are not learnt from, nor are detections of objects that nobody
    follows.

    Args:
        video: With its tracks.
        table: Its detections.
        class_names: What the class ids of the video's objects mean.
        config: What to learn from.

    Raises:
        ValueError: No class of the detections is one of the video's.
    """
    kinds = _common_classes(table, class_names)
    features, is_same = [], []
    last: tuple[int, Detections, NDArray[np.int64]] | None = None
    for place, frame in enumerate(video.frame_numbers.tolist()):
        found = table.detections(frame, table.class_names or ("person",))
        found = found[(found.scores >= config.minimum_score) & (kinds[found.class_ids] >= 0)]
        owners = _owners(found.boxes, kinds[found.class_ids], video[place], config)
        if last is not None and last[0] == frame - 1:
            for pairs in _frame_pairs(last[1], last[2], found, owners, config):
                features.append(pairs.features)
                is_same.append(pairs.is_same)
        last = frame, found, owners
    return LinkPairs(
        features=np.concatenate([np.zeros((0, len(PAIR_FEATURES))), *features]),
        is_same=np.concatenate([np.zeros(0, bool), *is_same]),
    )


def _common_classes(table: DetectionTable, class_names: tuple[str, ...]) -> NDArray[np.int64]:
    """For each class of the detections the one of the video; −1 where it has none such."""
    names = table.class_names or ("person",)
    if len(names) == len(class_names) == 1:  # whatever they are called
        return np.zeros(1, np.int64)
    known = {name: number for number, name in enumerate(class_names)}
    kinds = np.array([known.get(name, -1) for name in names])
    if (kinds < 0).all():
        raise ValueError(
            f"{table.path}: expected some class of {', '.join(class_names)}, "
            f"got {', '.join(names)}"
        )
    return kinds


def _owners(
    boxes: Boxes, kinds: NDArray[np.int64], objects: TrackedObjects, config: LinkLearningConfig
) -> NDArray[np.int64]:
    """`(N,)` the track that each detection is of, or that it is of none or of an unknown one."""
    owners = np.full(len(boxes), _BACKGROUND)
    if not len(boxes) or not len(objects.boxes):
        return owners
    overlaps = box_iou(boxes, objects.boxes)
    overlaps[kinds[:, None] != objects.class_ids] = 0.0
    nearest = overlaps.argmax(axis=1)
    largest = overlaps.max(axis=1)
    owners[largest >= config.background_iou] = _UNKNOWN
    is_of = (largest >= config.match_iou) & (objects.track_ids[nearest] >= 0)
    owners[is_of] = objects.track_ids[nearest[is_of]]
    return owners


def _frame_pairs(
    first: Detections,
    first_owners: NDArray[np.int64],
    second: Detections,
    second_owners: NDArray[np.int64],
    config: LinkLearningConfig,
) -> Iterator[LinkPairs]:
    """The pairs of two frames, class by class."""
    for kind in np.intersect1d(first.class_ids, second.class_ids).tolist():
        rows = np.flatnonzero((first.class_ids == kind) & (first_owners != _UNKNOWN))
        columns = np.flatnonzero((second.class_ids == kind) & (second_owners != _UNKNOWN))
        features = pair_features(first.boxes[rows], second.boxes[columns])
        mine, others = first_owners[rows][:, None], second_owners[columns]
        is_known = (mine >= 0) | (others >= 0)
        is_near = features[..., 0] <= config.reach_diagonals
        chosen = is_known & is_near
        yield LinkPairs(features=features[chosen], is_same=(mine == others)[chosen])


def fit_coefficients(
    pairs: LinkPairs, ridge: float, provenance: Mapping[str, Any]
) -> LinkCoefficients:
    """Fit a logistic regression by Newton's method, features standardised before.

    Args:
        pairs: What to learn from.
        ridge: Weight of half the squared weights beside the mean loss.
        provenance: What the pairs come from, as JSON values.

    Raises:
        ValueError: All pairs are of one kind.
    """
    positives = int(pairs.is_same.sum())
    negatives = len(pairs.is_same) - positives
    if not positives or not negatives:
        raise ValueError(
            "pairs: expected some of the same object and some of different ones, got "
            f"{positives} and {negatives}"
        )
    means = pairs.features.mean(axis=0)
    deviations = pairs.features.std(axis=0)
    deviations[deviations < 1e-6] = 1.0  # a feature that tells nothing
    inputs = np.column_stack([(pairs.features - means) / deviations, np.ones(len(pairs.is_same))])
    solution = fit_logistic_regression(inputs, pairs.is_same.astype(np.float64), ridge)
    return LinkCoefficients(
        means=tuple(means.tolist()),
        deviations=tuple(deviations.tolist()),
        weights=tuple(solution[:-1].tolist()),
        intercept=float(solution[-1]),
        positives=positives,
        negatives=negatives,
        provenance=provenance,
    )
