"""Figure II: the same frames with the hits, false alarms and misses of two networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faimtrack.boxes import Boxes, box_iou
from faimtrack.datasets.videos import AnnotatedVideo
from faimtrack.detectors.files import read_detections
from faimtrack.drawing import contact_sheet
from faimtrack.drawing.strokes import Style, draw_box, draw_label, on_pixels
from faimtrack.reproduce.figures.proposals import evenly
from faimtrack.structures import Image

HIT, FALSE_ALARM, MISS = (40, 170, 70), (225, 30, 30), (160, 40, 200)
_LEAST_IOU = 0.5
_THRESHOLDS = np.round(np.arange(0.02, 0.96, 0.02), 2)
_SAME_PLACE_IOU = 0.9
_VIDEOS, _FRAMES = 4, 4
_TILE_HEIGHT = 240


@dataclass(frozen=True, kw_only=True, eq=False)
class FrameFindings:
    """What was found in a frame, and what was to be found.

    Attributes:
        boxes: `(N, 4)`, the highest score first.
        scores: `(N,)`.
        class_ids: `(N,)`.
        truth_boxes: `(G, 4)`.
        truth_class_ids: `(G,)`.
    """

    boxes: Boxes
    scores: NDArray[np.float64]
    class_ids: NDArray[np.int64]
    truth_boxes: Boxes
    truth_class_ids: NDArray[np.int64]

    def marks(self, threshold: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which of the detections of at least a score are hits, and which objects are hit.

        Of one class and the most certain first, each object once, from an IoU of one half on.

        Returns:
            `(M,)` and `(G,)`, with `M` the number of detections of at least that score.
        """
        count = int((self.scores >= threshold).sum())
        is_hit, is_found = np.zeros(count, bool), np.zeros(len(self.truth_boxes), bool)
        ious = box_iou(self.boxes[:count], self.truth_boxes)
        ious[self.class_ids[:count, None] != self.truth_class_ids[None]] = 0
        for row in range(count):
            free = np.where(is_found, 0.0, ious[row])
            if len(free) and free.max() >= _LEAST_IOU:
                is_hit[row] = True
                is_found[int(free.argmax())] = True
        return is_hit, is_found


@dataclass(frozen=True, kw_only=True)
class Errors:
    """How often a network was right and wrong at the score that suits it best.

    Attributes:
        threshold: The score at which F1 over all frames is highest.
        hits: Objects that were found.
        false_alarms: Detections of nothing.
        misses: Objects that were not found.
    """

    threshold: float
    hits: int
    false_alarms: int
    misses: int

    @property
    def f1(self) -> float:
        """2 hits / (2 hits + false alarms + misses)."""
        return 2 * self.hits / max(2 * self.hits + self.false_alarms + self.misses, 1)


def read_findings(video: AnnotatedVideo, folder: Path) -> list[FrameFindings]:
    """What was found in each annotated frame of a video.

    Raises:
        ValueError: The file is damaged.
        OSError: It is not there.
    """
    table = read_detections(folder / f"{video.name}.parquet", allow_empty=True)
    found = []
    for place, number in enumerate(video.frame_numbers.tolist()):
        rows = np.flatnonzero(table.frames == number)
        rows = rows[np.argsort(-table.scores[rows], kind="stable")]
        image = video[place]
        found.append(
            FrameFindings(
                boxes=table.boxes[rows],
                scores=table.scores[rows],
                class_ids=table.class_ids[rows],
                truth_boxes=image.boxes,
                truth_class_ids=image.class_ids,
            )
        )
    return found


def count_errors(videos: Sequence[Sequence[FrameFindings]]) -> Errors:
    """Hits, false alarms and misses over all frames, at the best of some thresholds."""
    counted = [_count(videos, float(threshold)) for threshold in _THRESHOLDS]
    return max(counted, key=lambda each: each.f1)


def draw_twins(
    videos: Sequence[AnnotatedVideo],
    findings: Mapping[str, Sequence[Sequence[FrameFindings]]],
    errors: Mapping[str, Errors],
    class_names: Sequence[str],
) -> Image:
    """For some videos a row a network: green hits, red false alarms, purple misses.

    The videos are those in which all networks together err most. Of false alarms in one place the
    most certain is drawn.

    Args:
        videos: All.
        findings: By the network's name, of each video.
        errors: By the network's name; says from which score on detections are shown.
        class_names: What class ids mean.

    Raises:
        ValueError: There is no annotated frame.
    """
    wrong = [
        sum(
            _errors_of(frame, errors[name].threshold)
            for name, of_network in findings.items()
            for frame in of_network[number]
        )
        for number in range(len(videos))
    ]
    chosen = sorted(np.argsort([-count for count in wrong], kind="stable")[:_VIDEOS].tolist())
    tiles, titles = [], []
    for number in chosen:
        places = evenly(len(videos[number]), _FRAMES)
        for name, of_network in findings.items():
            for place in places:
                frame = of_network[number][place]
                image = videos[number][place].image()
                tiles.append(_draw(image, frame, errors[name].threshold, class_names))
                titles.append(f"{name}, frame {videos[number].frame_numbers[place]}")
    return contact_sheet(tiles, titles, columns=_FRAMES, tile_height=_TILE_HEIGHT)


def _count(videos: Sequence[Sequence[FrameFindings]], threshold: float) -> Errors:
    hits = detections = truths = 0
    for video in videos:
        for frame in video:
            is_hit, is_found = frame.marks(threshold)
            hits += int(is_hit.sum())
            detections += len(is_hit)
            truths += len(is_found)
    return Errors(
        threshold=threshold, hits=hits, false_alarms=detections - hits, misses=truths - hits
    )


def _errors_of(frame: FrameFindings, threshold: float) -> int:
    is_hit, is_found = frame.marks(threshold)
    return int((~is_hit).sum() + (~is_found).sum())


def _draw(
    image: Image, frame: FrameFindings, threshold: float, class_names: Sequence[str]
) -> Image:
    import cv2

    scale = max(1, round(2 * _TILE_HEIGHT / image.shape[0]))
    large = np.asarray(cv2.resize(image, None, fx=scale, fy=scale), dtype=np.uint8)
    style = Style(2, 0.8, 3)
    is_hit, is_found = frame.marks(threshold)
    count = len(is_hit)
    ious = box_iou(frame.boxes[:count], frame.boxes[:count])
    is_hidden = np.tril(ious > _SAME_PLACE_IOU, -1).any(axis=1)
    missed, found = frame.truth_boxes[~is_found], frame.boxes[:count]
    for boxes, class_ids, colour in (
        (missed, frame.truth_class_ids[~is_found], MISS),
        (found[~is_hit & ~is_hidden], frame.class_ids[:count][~is_hit & ~is_hidden], FALSE_ALARM),
        (found[is_hit], frame.class_ids[:count][is_hit], HIT),
    ):
        # A miss that was taken for another class is seen around the false alarm.
        outset = np.array([-3, -3, 3, 3]) * (colour == MISS)
        corners = on_pixels(boxes * scale + outset)
        for box, number in zip(corners, class_ids.tolist(), strict=True):
            draw_box(large, box.tolist(), colour, True, style)
            draw_label(large, box.tolist(), colour, (class_names[number], ""), style)
    return large
