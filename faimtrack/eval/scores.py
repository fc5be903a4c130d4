"""What an evaluation answers: the scores of a sequence, of all together, and what went wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from faimtrack.eval.rules import EvaluationRules

ALPHAS: NDArray[np.float64] = np.arange(0.05, 0.99, 0.05)
"""`(19,)` the localisation thresholds over which HOTA is averaged."""
ALPHAS.flags.writeable = False

ResultMode = Literal["online", "offline"]
"""Whether each frame's answer knew nothing of later frames, as provenance has it."""

_HOTA_MEANS = ("HOTA", "DetA", "AssA", "LocA", "DetRe", "DetPr", "AssRe", "AssPr", "OWTA")
_CLEAR = (
    "MOTA", "MOTP", "MODA", "CLR_Re", "CLR_Pr", "CLR_TP", "CLR_FN", "CLR_FP", "IDSW", "MT", "PT",
    "ML", "Frag",
)  # fmt: skip
_IDENTITY = ("IDF1", "IDR", "IDP", "IDTP", "IDFN", "IDFP")
SUMMARY_METRICS = _HOTA_MEANS + _CLEAR + _IDENTITY


@dataclass(frozen=True, eq=False, kw_only=True)
class CrossCheck:
    """What py-motmetrics says of the same rows, and how far its pairs are from TrackEval's.

    Attributes:
        motmetrics: Its numbers by its own names; `motp` is a mean distance, 1 − IoU.
        frame_count: Frames that were looked at.
        differing_frame_count: Frames in which the two pair objects and results differently.
        first_differing_frame: The first of them; None if there is none or over many sequences.
        unexplained_frame_count: Frames in which they would still differ if py-motmetrics, as
            TrackEval does, forgot each pair after one frame.
        by_motmetrics_rules: `Frag`, `MT`, `PT` and `ML` counted on TrackEval's pairs by
            py-motmetrics' definitions. What is left between these and py-motmetrics' own counts
            comes from the pairs.
    """

    motmetrics: Mapping[str, float]
    frame_count: int
    differing_frame_count: int
    first_differing_frame: int | None
    unexplained_frame_count: int
    by_motmetrics_rules: Mapping[str, int]


@dataclass(frozen=True, eq=False, kw_only=True)
class Scores:
    """The scores of one row of the table. Ratios are fractions, never per cent.

    Attributes:
        hota: TrackEval's fields of HOTA; most are `(19,)` arrays over `ALPHAS`.
        clear: TrackEval's fields of CLEAR at an overlap of 0.5.
        identity: TrackEval's fields of Identity at an overlap of 0.5.
        cross_check: py-motmetrics on the same rows; None unless asked for.
    """

    hota: Mapping[str, Any]
    clear: Mapping[str, Any]
    identity: Mapping[str, Any]
    cross_check: CrossCheck | None = None

    @property
    def summary(self) -> dict[str, float]:
        """The numbers that tables show, by TrackEval's names; HOTA's are means over `ALPHAS`."""
        values = {name: float(np.mean(self.hota[name])) for name in _HOTA_MEANS}
        values.update({name: self.clear[name] for name in _CLEAR})
        values.update({name: self.identity[name] for name in _IDENTITY})
        return values

    @property
    def hota_by_alpha(self) -> NDArray[np.float64]:
        """`(19,)` HOTA at each of `ALPHAS`."""
        curve: NDArray[np.float64] = self.hota["HOTA"]
        return curve

    def fields(self) -> dict[str, Mapping[str, Any]]:
        """TrackEval's fields by metric."""
        return {"HOTA": self.hota, "CLEAR": self.clear, "Identity": self.identity}

    @classmethod
    def from_fields(
        cls,
        fields: Mapping[str, Mapping[str, Any]],
        cross_check: CrossCheck | None = None,
    ) -> Scores:
        """Scores from TrackEval's fields by metric."""
        return cls(
            hota=fields["HOTA"],
            clear=fields["CLEAR"],
            identity=fields["Identity"],
            cross_check=cross_check,
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class SequenceScores:
    """The scores of one sequence.

    Attributes:
        name: The sequence's.
        frames: The frame numbers that were evaluated.
        rules: Which rows counted.
        rules_reason: Why these rules.
        scores: Of the one class, or the mean over classes.
        by_class: The same for each class; the key is None where the data has no classes.
        removed_row_count: Results that were taken away because they match a distractor.
        results_missing: There was no file of results, and that was allowed.
        mode: What the results' provenance says of them; None where nothing is known.
        input_sha256: Of the files of `ground truth` and `results`; empty for tables in memory.
    """

    name: str
    frames: range
    rules: EvaluationRules
    rules_reason: str
    scores: Scores
    by_class: Mapping[int | None, Scores]
    removed_row_count: int
    results_missing: bool = False
    mode: ResultMode | None = None
    input_sha256: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def summary(self) -> dict[str, float]:
        """The numbers that tables show, by TrackEval's names."""
        return self.scores.summary


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A sequence that could not be scored, and the one line that says why."""

    name: str
    message: str


@dataclass(frozen=True, eq=False, kw_only=True)
class Report:
    """The scores of several sequences.

    Attributes:
        sequences: Those that could be scored, in the order they were given.
        failures: Those that could not.
        combined: Over all that could be scored; None if there are none.
        combined_by_class: The same for each class.
        notes: What the reader should know besides, a line each.
    """

    sequences: tuple[SequenceScores, ...]
    failures: tuple[Failure, ...]
    combined: Scores | None
    combined_by_class: Mapping[int | None, Scores] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def mode(self) -> ResultMode | None:
        """Offline if any results are known to be; online if all are; else None."""
        modes = {sequence.mode for sequence in self.sequences if not sequence.results_missing}
        if "offline" in modes:
            return "offline"
        return "online" if modes == {"online"} else None

    @property
    def coverage(self) -> str:
        """What the combined row covers, such as `3 sequences` or `2 of 3 sequences`."""
        scored, wanted = len(self.sequences), len(self.sequences) + len(self.failures)
        unit = "sequence" if wanted == 1 else "sequences"
        return f"{scored} {unit}" if scored == wanted else f"{scored} of {wanted} {unit}"
