"""The paper's tables of trackers whose detectors learn masks: 9 (and VIII), and II."""

from __future__ import annotations

from collections.abc import Mapping

from faimtrack.reproduce.experiments import Row, Table

_COLUMNS = ("mota", "idf1", "hota", "idsw", "fp", "fn")
_TRACKTOR = (70.5, 65.3, 53.0, 1442, 3659, 176118)
_BYTETRACK = (86.4, 82.7, 65.5, 995, 19176, 63370)
_PUBLIC = (
    "The paper's Tracktor baseline, called private, has the numbers that MMTracking publishes "
    "for public detections; ours detects for itself (mot20-half/tracktor)."
)
_CROWD_MASKS = "On crowds {} masks stand for those of {}."
_THRESHOLD = (
    "On crowds ByteTrack's threshold is 0.5, which suits detectors that train for minutes "
    "(docs/mask-learning.md, where more of this has been measured)."
)
# What a detector of ten minutes' training is sure of.
_CROWD_BYTETRACK = ("tracker.track_threshold=0.5", "tracker.new_track_threshold=0.6")


def _numbers(values: tuple[float, ...]) -> Mapping[str, float]:
    return dict(zip(_COLUMNS, values, strict=True))


def _rows(
    tracktor: tuple[float, ...], bytetrack: tuple[float, ...], source: str, crowd_source: str
) -> tuple[Row, ...]:
    def learning(network: str, label: str, values: tuple[float, ...]) -> Row:
        return Row(
            label=f"{label} + masks",
            network=f"{network}-mask",
            training=(f"mask_branch.source={source}",),
            crowd_training=(f"mask_branch.source={crowd_source}",),
            paper=_numbers(values),
            compared_with=label,
        )

    return (
        Row(label="Tracktor", network="tracktor", paper=_numbers(_TRACKTOR)),
        learning("tracktor", "Tracktor", tracktor),
        Row(label="ByteTrack", network="bytetrack", paper=_numbers(_BYTETRACK)),
        learning("bytetrack", "ByteTrack", bytetrack),
    )


TABLE_9 = Table(
    name="table-9",
    title="Trackers whose detectors learn SAM's masks",
    source="Tables 9 and VIII",
    datasets=("mot20", "crowd"),
    columns=_COLUMNS,
    rows=_rows(
        (71.4, 66.7, 53.1, 1344, 3419, 171174), (88.1, 83.7, 68.9, 911, 18647, 53825),
        "sam", "truth",
    ),
    notes=(_PUBLIC,),
    crowd_notes=(_CROWD_MASKS.format("exact", "SAM"), _THRESHOLD),
)  # fmt: skip

TABLE_II = Table(
    name="table-ii",
    title="Trackers whose detectors learn Box2Mask's masks",
    source="Table II",
    datasets=("mot20", "crowd"),
    columns=_COLUMNS,
    rows=_rows(
        (71.7, 67.5, 53.5, 1307, 4003, 168595), (86.9, 81.8, 67.0, 974, 20938, 58648),
        "box2mask", "grabcut",
    ),
    notes=(
        _PUBLIC,
        "The paper's Tracktor gains more with Box2Mask's masks than with SAM's, and its ByteTrack "
        "loses 0.9 points of IDF1.",
    ),
    crowd_notes=(_CROWD_MASKS.format("GrabCut's", "Box2Mask"), _THRESHOLD),
)  # fmt: skip
CROWD_SETTINGS: Mapping[str, tuple[str, ...]] = {
    "bytetrack": _CROWD_BYTETRACK,
    "bytetrack-mask": _CROWD_BYTETRACK,
}
"""Changes of how crowds are tracked, by networks."""
