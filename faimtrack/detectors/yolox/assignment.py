"""SimOTA: which anchors answer for which object while a YOLOX learns (Ge et al. 2021, 2.5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor

from faimtrack.config import PresetConfig, parameter

_PAIRS_AT_ONCE = 1 << 21  # of a truth and an anchor: 8 MiB a float matrix, about ten at a time
_LOG_FLOOR = -100.0  # where torch's binary cross entropy stops, for the same costs


@dataclass(frozen=True, kw_only=True)
class SimOtaConfig(PresetConfig):
    """How anchors are given to truths.

    Presets: `default` is YOLOX since 0.3; `yolov-base` is YOLOX before that, with which YOLOV's
    base detectors were trained; `bytetrack` is the same with centres moved into the image;
    `yolov` reaches farther.
    """

    _presets: ClassVar[dict[str, dict[str, Any]]] = {
        "default": {},
        "yolov-base": {"candidates": "box_or_centre", "radius": 2.5, "outside_cost": 1e5},
        "bytetrack": {
            "candidates": "box_or_centre",
            "radius": 2.5,
            "outside_cost": 1e5,
            "centres_in_image": True,
        },
        "yolov": {"candidates": "box_or_centre", "radius": 4.5, "outside_cost": 1e5},
    }

    candidates: Literal["centre", "box_or_centre"] = parameter(
        "centre",
        "centre: an anchor suits a truth if it lies near its centre; box_or_centre: an anchor "
        "inside a box or near a centre takes part, and suits the truths for which both hold.",
    )
    radius: float = parameter(
        1.5, "How far near reaches, to each side.", unit="cells of the anchor's level", low=0
    )
    iou_weight: float = parameter(3.0, "Weight of −log IoU beside the class cost.", low=0)
    outside_cost: float = parameter(1e6, "Cost of an anchor that does not suit the truth.", low=0)
    iou_count: int = parameter(
        10, "A truth gets as many anchors as its this many best IoUs sum up to.", low=1
    )
    centres_in_image: bool = parameter(
        False, "Near is measured from the image's point nearest to the truth's centre."
    )


class AnchorPoints(NamedTuple):
    """Where anchors lie in the network's input.

    Attributes:
        centres: `(A, 2)` float32 centres ``x y`` of the anchors' cells in pixels.
        cells: `(A,)` float32 sizes of the cells in pixels.
    """

    centres: Tensor
    cells: Tensor


class Assignment(NamedTuple):
    """The anchors of one image that answer for an object, each for one.

    Attributes:
        anchors: `(P,)` int64 anchor numbers, ascending.
        truths: `(P,)` int64 rows of the truth that each answers for.
        ious: `(P,)` float32 IoU of each one's predicted box with its truth.
    """

    anchors: Tensor
    truths: Tensor
    ious: Tensor


def assign(
    rows: Tensor,
    boxes: Tensor,
    class_ids: Tensor,
    points: AnchorPoints,
    config: SimOtaConfig | None = None,
) -> Assignment:
    """Give one image's truths the anchors that predict them best.

    A truth gets the anchors of lowest cost, as many as the sum of its best IoUs, and one at least
    while there are candidates at all. An anchor that several truths want goes to the truth for
    which it costs least. All is computed in float32, whatever surrounds it, and in blocks of
    truths, so that memory stays within about 200 MB for any crowd.

    Args:
        rows: `(A, 5 + K)` predictions: centre ``x y``, width and height in pixels of the input,
            and the logits of objectness and of `K` classes.
        boxes: `(G, 4)` truths' corners ``x1 y1 x2 y2`` in pixels of the input, of positive area;
            they may lie outside the image.
        class_ids: `(G,)` int64 in [0, K).
        points: Where the `A` anchors lie.
        config: The parameters.

    Returns:
        Empty where no anchor lies near any truth.

    Raises:
        ValueError: A prediction is not finite, or a class is unknown.
    """
    with torch.no_grad(), torch.autocast(rows.device.type, enabled=False):
        rows = rows.float()
        _require_sense(rows, class_ids)
        costs = _Costs(rows, boxes.float(), class_ids, points, config or SimOtaConfig())
        truths, columns = costs.cheapest()
        owners = costs.owners(truths, columns)
        columns = torch.nonzero(owners >= 0)[:, 0]
        truths = owners[columns]
        ious = _iou(costs.truths[truths], costs.predictions[columns])
    return Assignment(costs.anchors[columns], truths, ious)


def corners_to_centres(boxes: Tensor) -> Tensor:
    """Turn `(…, 4)` corners into centre ``x y``, width and height."""
    first, last = boxes[..., :2], boxes[..., 2:]
    return torch.cat([(first + last) / 2, last - first], dim=-1)


class _Costs:
    """What each candidate costs each truth; the whole matrix never exists.

    Attributes:
        truths: `(G, 4)` truths, centre and size.
        anchors: `(C,)` numbers of the anchors that are candidates, ascending.
        predictions: `(C, 4)` their boxes, centre and size.
    """

    def __init__(
        self,
        rows: Tensor,
        boxes: Tensor,
        class_ids: Tensor,
        points: AnchorPoints,
        config: SimOtaConfig,
    ) -> None:
        self._config = config
        self.truths = corners_to_centres(boxes)
        self._class_ids = class_ids
        self._aims = self._aim(points)
        self.anchors = self._candidates(points)
        self._points = AnchorPoints(*(each[self.anchors] for each in points))
        self.predictions = rows[self.anchors, :4]
        # The geometric mean of objectness and class score is what a candidate says of a class.
        logits = rows[self.anchors, 4:]
        said = (logits[:, 1:].sigmoid() * logits[:, :1].sigmoid()).sqrt()
        self._if_present = -said.log().clamp(min=_LOG_FLOOR)  # (C, K)
        self._if_absent = -torch.log1p(-said).clamp(min=_LOG_FLOOR)  # (C, K)
        self._if_all_absent = self._if_absent.sum(dim=1)  # (C,)

    def cheapest(self) -> tuple[Tensor, Tensor]:
        """Each truth's anchors of lowest cost: `(P,)` truths and `(P,)` candidates' columns."""
        empty = self._class_ids.new_zeros(0)
        pairs = [(empty, empty)]
        count = min(self._config.iou_count, len(self.anchors))
        for block in self._blocks(len(self.anchors)) if count else ():
            ious = _iou(self.truths[block, None], self.predictions)
            wanted = ious.topk(count, dim=1).values.sum(dim=1).int().clamp(min=1, max=count)
            costs = self._of(block, slice(None), ious)
            # Row by row topk would settle ties alike, but takes longer than one call a number.
            for each in wanted.unique().tolist():
                truths = torch.nonzero(wanted == each)[:, 0]
                columns = costs[truths].topk(each, dim=1, largest=False).indices
                pairs.append(((truths + block.start).repeat_interleave(each), columns.flatten()))
        return torch.cat([pair[0] for pair in pairs]), torch.cat([pair[1] for pair in pairs])

    def owners(self, truths: Tensor, columns: Tensor) -> Tensor:
        """`(C,)` the truth that each candidate answers for, −1 for none."""
        owners = torch.full_like(self.anchors, -1)
        owners[columns] = truths
        contested = torch.nonzero(columns.bincount(minlength=len(owners)) > 1)[:, 0]
        # All truths bid for a contested anchor, as in the original, not only those that chose it.
        step = max(1, _PAIRS_AT_ONCE // max(1, len(self.truths)))
        for some in contested.split(step) if len(contested) else ():
            ious = _iou(self.truths[:, None], self.predictions[some])
            owners[some] = self._of(slice(None), some, ious).argmin(dim=0)
        return owners

    def _of(self, truths: slice, columns: slice | Tensor, ious: Tensor) -> Tensor:
        """`(g, c)` costs, of some truths and some candidates with their `(g, c)` IoUs."""
        ids = self._class_ids[truths]
        present, absent = self._if_present[columns].T, self._if_absent[columns].T
        costs = self._if_all_absent[columns] - absent[ids] + present[ids]
        costs += self._config.iou_weight * -torch.log(ious + 1e-8)
        points = AnchorPoints(*(each[columns] for each in self._points))
        costs += self._config.outside_cost * ~self._suits(truths, points)
        return costs

    def _suits(self, truths: slice, points: AnchorPoints) -> Tensor:
        """`(g, a)` whether each anchor suits each truth."""
        suits = self._is_near(truths, points)
        if self._config.candidates == "box_or_centre":
            suits &= self._is_inside(truths, points)
        return suits

    def _is_near(self, truths: slice, points: AnchorPoints) -> Tensor:
        reach = points.cells * self._config.radius
        aims = self._aims[truths, None]
        return _is_between(points.centres, aims - reach[:, None], aims + reach[:, None])

    def _is_inside(self, truths: slice, points: AnchorPoints) -> Tensor:
        centres, halves = self.truths[truths, None, :2], self.truths[truths, None, 2:] / 2
        return _is_between(points.centres, centres - halves, centres + halves)

    def _aim(self, points: AnchorPoints) -> Tensor:
        """`(G, 2)` the points that near is measured from."""
        centres = self.truths[:, :2]
        if not self._config.centres_in_image or not len(points.cells):
            return centres
        corner = (points.centres + points.cells[:, None] / 2).amax(dim=0)
        return centres.clamp(min=0).minimum(corner)

    def _candidates(self, points: AnchorPoints) -> Tensor:
        """`(C,)` numbers of the anchors that lie in any truth's region."""
        takes_part = torch.zeros_like(points.cells, dtype=torch.bool)
        for block in self._blocks(len(points.cells)):
            takes_part |= self._is_near(block, points).any(dim=0)
            if self._config.candidates == "box_or_centre":
                takes_part |= self._is_inside(block, points).any(dim=0)
        return torch.nonzero(takes_part)[:, 0]

    def _blocks(self, columns: int) -> Iterator[slice]:
        """Truths, as many at once as make not too many pairs with so many columns."""
        step = max(1, _PAIRS_AT_ONCE // max(1, columns))
        for start in range(0, len(self.truths), step):
            yield slice(start, min(start + step, len(self.truths)))


def _is_between(places: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Whether `(…, 2)` places lie inside of limits, in x and in y."""
    (x, y), (left, top), (right, bottom) = (each.unbind(-1) for each in (places, low, high))
    is_between = x > left
    is_between &= x < right
    is_between &= y > top
    is_between &= y < bottom
    return is_between


def _iou(first: Tensor, second: Tensor) -> Tensor:
    """IoU of `(…, 4)` boxes, centre and size, that broadcast; their areas are positive."""
    # Side by side: what ends in an axis of two is several times slower.
    sides = []
    for axis in (0, 1):
        low = [each[..., axis] - each[..., axis + 2] / 2 for each in (first, second)]
        high = [each[..., axis] + each[..., axis + 2] / 2 for each in (first, second)]
        sides.append((torch.minimum(*high) - torch.maximum(*low)).clamp_(min=0))
    shared = sides[0].mul_(sides[1])
    areas = first[..., 2] * first[..., 3] + second[..., 2] * second[..., 3]
    return shared / areas.sub_(shared)


def _require_sense(rows: Tensor, class_ids: Tensor) -> None:
    wrong = int((~rows.isfinite()).any(dim=1).sum())
    if wrong:
        raise ValueError(
            f"predictions: expected finite numbers, got NaN or infinity at {wrong} of "
            f"{len(rows)} anchors: the training has come apart"
        )
    classes = rows.shape[1] - 5
    unknown = class_ids[(class_ids < 0) | (class_ids >= classes)]
    if len(unknown):
        raise ValueError(f"class_ids: expected 0 to {classes - 1}, got {int(unknown[0])}")
