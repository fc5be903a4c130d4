"""What is found wrong in annotations: refused at once, or counted to be shown together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from faimtrack.datasets.findings import PartReport

MissingImages = Literal["refuse", "leave-out"]
"""What to do with annotated frames whose images are not there."""


class Faults:
    """Who is told of faults while annotations are read.

    Attributes:
        report: Where faults are counted; None: the first that must not be is refused.
        left_out: How much is not learnt, by the reason.
    """

    def __init__(
        self, report: PartReport | None = None, *, missing_images: MissingImages = "refuse"
    ) -> None:
        """Take a report to count in.

        Raises:
            ValueError: `missing_images` is something else.
        """
        if missing_images not in ("refuse", "leave-out"):
            raise ValueError(
                f"missing_images: expected refuse or leave-out, got {missing_images!r}"
            )
        self.report = report
        self.left_out: Counter[str] = Counter()
        self._leaves_out = missing_images == "leave-out"

    def error(self, kind: str, message: str, count: int = 1) -> None:
        """Tell of something that must not be, one of `findings.FINDINGS`.

        Raises:
            ValueError: Nobody counts; the text is `message`.
        """
        if not count:
            return
        if self.report is None:
            raise ValueError(message)
        self.report.add(kind, message, count)

    def leave_out(self, kind: str, first: str, count: int = 1) -> None:
        """Tell of something that is not learnt, but may be."""
        if count:
            self.left_out[kind] += count
            if self.report is not None:
                self.report.add(kind, first, count)

    def remark(self, kind: str, first: str, count: int = 1) -> None:
        """Tell of something that is as it may be, for who counts."""
        if self.report is not None:
            self.report.add(kind, first, count)

    def missing(self, paths: Sequence[Path]) -> None:
        """Tell of images of annotated frames that are not there, all of them together.

        Raises:
            FileNotFoundError: There are some, and nobody counts or leaves them out.
        """
        if not paths:
            return
        others = f" (nor for {len(paths) - 1} other frames)" if len(paths) > 1 else ""
        message = f"{paths[0]}: expected the image of an annotated frame, got no such file{others}"
        if self.report is not None:
            self.report.add("missing images", message, len(paths))
        elif self._leaves_out:
            self.left_out["frames without their images"] += len(paths)
        else:
            raise FileNotFoundError(
                f"{message}; missing images can be left out (missing_images='leave-out')"
            )
