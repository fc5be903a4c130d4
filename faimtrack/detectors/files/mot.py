"""Detections as MOTChallenge text, in which no bit of a box or a score is lost.

A row is ``frame,-1,left,top,width,height,score,class,-1,-1``. Numbers are the shortest texts that
are read as the very same numbers; see `faimtrack.motfile.exact` for widths and heights. The class
is counted from 1 where there are several, and else −1 as MOTChallenge has it; their names, and
which frames were looked at, stand in the sidecar.
"""

from __future__ import annotations

from faimtrack.atomic import PartialFile
from faimtrack.detectors.files.contents import FileContents
from faimtrack.motfile.exact import extent_text, number_text
from faimtrack.structures import Detections


class MotEncoder:
    """Writes detections as MOTChallenge text."""

    can_lack_its_end = True

    def __init__(self, file: PartialFile, class_names: tuple[str, ...]) -> None:
        self._file = file
        self._has_classes = len(class_names) > 1

    def begin(self) -> None:
        """Nothing comes before the first row."""

    def add(self, frame: int, detections: Detections) -> None:
        """Write the rows of one frame; a kill afterwards does not lose them."""
        self._file.write(format_detections(frame, detections, with_classes=self._has_classes))
        self._file.keep()

    def end(self, contents: FileContents, is_whole: bool) -> None:
        """Nothing comes after the last row."""


def format_detections(frame: int, detections: Detections, *, with_classes: bool) -> str:
    r"""The rows of one frame; empty without detections.

    >>> format_detections(3, Detections([[0.1, 2, 0.3, 4]], [0.7]), with_classes=False)
    '3,-1,0.1,2,0.19999999999999998,2,0.7,-1,-1,-1\n'
    """
    kinds = (detections.class_ids + 1).tolist() if with_classes else [-1] * len(detections)
    rows = zip(detections.boxes.tolist(), detections.scores.tolist(), kinds, strict=True)
    return "".join(
        f"{frame},-1,{number_text(x1)},{number_text(y1)},{extent_text(x1, x2)},"
        f"{extent_text(y1, y2)},{number_text(score)},{kind},-1,-1\n"
        for (x1, y1, x2, y2), score, kind in rows
    )
