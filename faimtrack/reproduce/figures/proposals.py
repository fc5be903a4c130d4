"""Proposals of a trained network in videos whose objects are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from faimtrack.boxes import Boxes, box_iou
from faimtrack.datasets.annotated import AnnotatedImage
from faimtrack.datasets.videos import AnnotatedVideo, AnnotatedVideos
from faimtrack.structures import Frame

if TYPE_CHECKING:
    from faimtrack.detectors.video.detector import VideoDetector
    from faimtrack.detectors.video.encoding import FrameEncoding

LEAST_IOU = 0.5
NOTHING = -1


@dataclass(frozen=True, kw_only=True, eq=False)
class ClipProposals:
    """All proposals of some frames of a video, frame after frame.

    Attributes:
        video: Its name.
        images: The frames, with their objects.
        frames: `(N,)` the place of each proposal's frame among `images`.
        boxes: `(N, 4)` corners in pixels of the frame.
        class_ids: `(N,)` of the object that each overlaps most, −1 where that is under one half.
        track_ids: `(N,)` likewise.
        overlaps: `(N,)` IoU with the object that each overlaps most.
        is_best: `(N,)` whether none of its frame fits its object better.
        encodings: What the network keeps of the frames.
    """

    video: str
    images: tuple[AnnotatedImage, ...]
    frames: NDArray[np.int64]
    boxes: Boxes
    class_ids: NDArray[np.int64]
    track_ids: NDArray[np.int64]
    overlaps: NDArray[np.float64]
    is_best: NDArray[np.bool_]
    encodings: tuple[FrameEncoding, ...]


def clip_proposals(
    detector: VideoDetector, video: AnnotatedVideo, frame_count: int
) -> ClipProposals:
    """Look at frames from all over a video.

    Raises:
        ValueError: An image is damaged.
        OSError: One cannot be read.
    """
    images = [video[place] for place in evenly(len(video), frame_count)]
    encodings = [
        encoding
        for number, image in enumerate(images, 1)
        for encoding in detector.encode([Frame(number, image=image.image())], keep_base=False)
    ]
    matched = [
        _matched(encoding.boxes, image) for encoding, image in zip(encodings, images, strict=True)
    ]
    counts = [len(encoding) for encoding in encodings]
    return ClipProposals(
        video=video.name,
        images=tuple(images),
        frames=np.repeat(np.arange(len(images)), counts),
        boxes=np.concatenate([np.zeros((0, 4)), *(each.boxes for each in encodings)]),
        class_ids=np.concatenate([each[0] for each in matched]),
        track_ids=np.concatenate([each[1] for each in matched]),
        overlaps=np.concatenate([each[2] for each in matched]),
        is_best=np.concatenate([each[3] for each in matched]),
        encodings=tuple(encodings),
    )


def tokens_of(detector: VideoDetector, clip: ClipProposals) -> Any:
    """The proposals as the network's aggregation takes them, on its device."""
    from faimtrack.detectors.video.network import join

    network = detector.network
    network.requires_grad_(False)
    joined = join([[each.proposals for each in clip.encodings]])
    device = next(network.parameters()).device
    return type(joined)(*(each.to(device) for each in joined))


def evenly(count: int, wanted: int) -> list[int]:
    """Numbers from 0 to `count`, all or some that are spread evenly."""
    if wanted >= count:
        return list(range(count))
    places: list[int] = np.linspace(0, count - 1, wanted).astype(int).tolist()
    return places


def some_videos(videos: AnnotatedVideos, wanted: int) -> Sequence[AnnotatedVideo]:
    """Videos from all over a set."""
    return [videos[number] for number in evenly(len(videos), wanted)]


def _matched(
    boxes: Boxes, image: AnnotatedImage
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
    """Class, track and IoU of each box's object, and whether no other box fits it better."""
    nothing = np.full(len(boxes), NOTHING)
    if not len(image) or not len(boxes):
        return nothing, nothing.copy(), np.zeros(len(boxes)), np.zeros(len(boxes), bool)
    ious = box_iou(boxes, image.boxes)
    nearest, overlaps = ious.argmax(axis=1), ious.max(axis=1)
    is_object = overlaps >= LEAST_IOU
    is_best = is_object & (ious.argmax(axis=0)[nearest] == np.arange(len(boxes)))
    return (
        np.where(is_object, image.class_ids[nearest], NOTHING),
        np.where(is_object, image.track_ids[nearest], NOTHING),
        overlaps,
        is_best,
    )
