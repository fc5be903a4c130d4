"""The demonstration's picture and page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import faimtrack
from faimtrack.boxes import box_xywh_to_xyxy
from faimtrack.drawing import draw_detections, draw_tracks, side_by_side, write_picture
from faimtrack.motfile import MotTable, read_mot
from faimtrack.structures import Tracks
from faimtrack.video.images import read_image

if TYPE_CHECKING:
    from faimtrack.demo.make import Demo

_TEMPLATE = Path(__file__).with_name("page.html.jinja")
_SHOWN_SCORE = 0.3
_COLUMNS = ("HOTA", "DetA", "AssA", "MOTA", "IDF1", "IDSW")


def draw_picture(
    sequence: Path, detections: Path, results: Path, output: Path, frame: int
) -> None:
    """Draw detections, tracks and ground truth of one frame beside each other.

    Args:
        sequence: A sequence folder with images and `gt`.
        detections: The file of detections.
        results: Folder of the tracks.
        output: The PNG to write.
        frame: Its number.

    Raises:
        OSError: A file cannot be read or written.
    """
    image = read_image(sequence / "img1" / f"{frame:06d}.jpg")
    found = read_mot(detections, allow_empty=True).detections(frame)
    tracks = read_mot(results / f"{sequence.name}.txt", "results", allow_empty=True)
    truth = read_mot(sequence / "gt" / "gt.txt", "ground truth", allow_empty=True)
    picture = side_by_side(
        [
            draw_detections(image, found[found.scores >= _SHOWN_SCORE]),
            draw_tracks(image, _tracks_of(tracks, frame)),
            draw_tracks(image, _tracks_of(truth.select(truth.confidences > 0), frame)),
        ],
        [f"detections from {_SHOWN_SCORE} on", "tracks", "ground truth"],
    )
    write_picture(picture, output)


def _tracks_of(table: MotTable, frame: int) -> Tracks:
    rows = table.rows_of(frame)
    ids = table.ids[rows]
    nothing = np.zeros(len(ids), np.int64)
    return Tracks(
        ids, box_xywh_to_xyxy(table.boxes_xywh[rows]), table.confidences[rows], nothing, nothing
    )


def metric_cells(metrics: dict[str, float]) -> list[str]:
    """The numbers of `metric_names`: ratios in per cent, counts as they are."""
    return [
        f"{metrics[name]:.0f}" if name == "IDSW" else f"{100 * metrics[name]:.1f}"
        for name in _COLUMNS
    ]


def metric_names() -> tuple[str, ...]:
    """The metrics that the demonstration shows."""
    return _COLUMNS


def write_page(
    output: Path, demo: Demo, *, detector: str, video: str, picture: str, shown: str, frame: int
) -> None:
    """Write the page; it needs nothing but the files beside it.

    Args:
        output: The HTML file.
        demo: What to tell.
        detector: Name of the detector.
        video: Name of the video beside the page.
        picture: Name of the picture beside the page.
        shown: Title of the tracker in video and picture.
        frame: Which frame the picture shows.
    """
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    page = template.render(
        crowd=demo.crowd,
        detections=demo.detections,
        detector=detector,
        columns=_COLUMNS,
        rows=[(score.title, metric_cells(score.metrics)) for score in demo.scores],
        video=video,
        picture=picture,
        shown=shown,
        frame=frame,
        version=faimtrack.__version__,
    )
    output.write_text(page, encoding="utf-8", newline="\n")
