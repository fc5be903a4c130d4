"""Figure IV: the worst pseudo masks, by true ones where there are any, else by their own word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

from faimtrack.datasets.annotated import AnnotatedImage
from faimtrack.datasets.videos import AnnotatedVideos
from faimtrack.drawing import contact_sheet
from faimtrack.masks.mask import Mask
from faimtrack.reproduce.figures.crops import crop_window, warped
from faimtrack.reproduce.figures.proposals import evenly
from faimtrack.structures import Image

_LEAST_AREA = 64  # pixels of a true mask: of fewer nothing can be seen
_VIDEOS, _FRAMES = 60, 8
_TILE = 150
_MADE, _TRUE = (235, 60, 40), (60, 235, 90)
_OPACITY = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class JudgedMask:
    """A pseudo mask and how good it is.

    Attributes:
        image: Its frame.
        row: Of its object.
        video: Number of its video.
        made: The mask.
        true: The true one; None where nobody knows it.
        score: IoU with the true one, else its own quality.
    """

    image: AnnotatedImage
    row: int
    video: int
    made: Mask
    true: Mask | None
    score: float


@dataclass(frozen=True, kw_only=True)
class JudgedMasks:
    """Masks of objects from all over some videos.

    Attributes:
        masks: Those that there are.
        without: Objects that have none.
        by_truth: Whether scores are IoUs with true masks.
    """

    masks: tuple[JudgedMask, ...]
    without: int
    by_truth: bool

    @property
    def scores(self) -> NDArray[np.float64]:
        """Of all masks."""
        return np.array([each.score for each in self.masks])


def judge_masks(made: AnnotatedVideos, true: AnnotatedVideos | None) -> JudgedMasks:
    """Compare pseudo masks with true ones.

    Args:
        made: Videos with pseudo masks.
        true: The same videos with true masks; None where there are none.

    Raises:
        ValueError: A mask is damaged.
        OSError: One cannot be read.
    """
    judged, without = [], 0
    for number in evenly(len(made), _VIDEOS):
        video = made[number]
        truth = None if true is None else true[number]
        for place in evenly(len(video), _FRAMES):
            image = video[place]
            masks = image.masks()
            true_masks = (None,) * len(masks) if truth is None else truth[place].masks()
            for row, (mask, exact) in enumerate(zip(masks, true_masks, strict=True)):
                if truth is not None and (exact is None or exact.area < _LEAST_AREA):
                    continue  # hardly anything of it is to be seen
                if mask is None:
                    without += 1
                    continue
                score = mask.quality
                if exact is not None:
                    score = float(coco.iou([mask.rle], [exact.rle], [0])[0, 0])
                judged.append(
                    JudgedMask(
                        image=image, row=row, video=number, made=mask, true=exact, score=score
                    )
                )
    return JudgedMasks(masks=tuple(judged), without=without, by_truth=true is not None)


def draw_worst(
    judged: JudgedMasks, class_names: Sequence[str], *, count: int = 24, columns: int = 8
) -> Image:
    """A tile a mask, the worst first: the pseudo mask red, the true one's outline green.

    Of each object only its worst mask is shown.

    Raises:
        ValueError: There is no mask.
    """
    if not judged.masks:
        raise ValueError("figure-iv: expected pseudo masks, got none")
    tiles, titles = [], []
    seen: set[tuple[int, int]] = set()
    for each in sorted(judged.masks, key=lambda each: each.score):
        key = (each.video, int(each.image.track_ids[each.row]))
        if key in seen and key[1] >= 0:
            continue
        seen.add(key)
        tiles.append(_tile(each))
        name = class_names[int(each.image.class_ids[each.row])]
        titles.append(f"{name} {each.score:.2f}")
        if len(tiles) == count:
            break
    return contact_sheet(tiles, titles, columns=columns, tile_height=_TILE)


def _tile(judged: JudgedMask) -> Image:
    import cv2

    box = judged.image.boxes[judged.row]
    left, top, scale = crop_window(box, _TILE)
    crop = warped(judged.image.image(), left, top, scale, _TILE)
    made = _warped_mask(judged.made, left, top, scale)
    colour = np.array(_MADE, np.float64)
    crop[made] = ((1 - _OPACITY) * crop[made] + _OPACITY * colour).astype(np.uint8)
    if judged.true is not None:
        true = _warped_mask(judged.true, left, top, scale).astype(np.uint8)
        outlines, _ = cv2.findContours(true, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(crop, outlines, -1, _TRUE, 1)
    corners = np.rint((box - np.array([left, top, left, top])) * scale).astype(int).tolist()
    cv2.rectangle(crop, (corners[0], corners[1]), (corners[2], corners[3]), (255, 255, 255), 1)
    return crop


def _warped_mask(mask: Mask, left: float, top: float, scale: float) -> NDArray[np.bool_]:
    import cv2

    matrix = np.array([[scale, 0, -left * scale], [0, scale, -top * scale]])
    flat = mask.decode().astype(np.uint8)
    found = cv2.warpAffine(flat, matrix, (_TILE, _TILE), flags=cv2.INTER_NEAREST)
    covered: NDArray[np.bool_] = np.asarray(found) > 0
    return covered
