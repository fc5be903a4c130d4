"""TrackEval's HOTA, CLEAR and Identity, fed from memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np

from faimtrack.eval.matching_input import MatchingInput

MetricFields: TypeAlias = Mapping[str, Any]
"""What TrackEval calls a result: numbers by name, and arrays over the 19 thresholds for HOTA."""


@lru_cache(maxsize=1)
def _metrics() -> Mapping[str, Any]:
    """TrackEval's metric objects with their default settings; they keep no state."""
    # Importing TrackEval takes a second: only those who score pay for it.
    from trackeval.metrics import CLEAR, HOTA, Identity

    quiet = {"PRINT_CONFIG": False}
    return {"HOTA": HOTA(), "CLEAR": CLEAR(quiet), "Identity": Identity(quiet)}


def score(sequence: MatchingInput) -> dict[str, MetricFields]:
    """TrackEval's fields for one class of one sequence, by metric."""
    data = {
        "num_timesteps": len(sequence.frames),
        "num_gt_ids": sequence.ground_truth_id_count,
        "num_tracker_ids": sequence.result_id_count,
        "num_gt_dets": sequence.ground_truth_row_count,
        "num_tracker_dets": sequence.result_row_count,
        "gt_ids": sequence.ground_truth_ids,
        "tracker_ids": sequence.result_ids,
        "similarity_scores": sequence.similarities,
    }
    return {name: _plain(metric.eval_sequence(data)) for name, metric in _metrics().items()}


def combine_sequences(parts: Sequence[Mapping[str, MetricFields]]) -> dict[str, MetricFields]:
    """One class over several sequences, as TrackEval's `COMBINED_SEQ`."""
    return _combine(parts, lambda metric, fields: metric.combine_sequences(fields))


def average_classes(parts: Sequence[Mapping[str, MetricFields]]) -> dict[str, MetricFields]:
    """The mean over classes, as TrackEval's `cls_comb_cls_av`; counts are added up.

    Classes with neither ground truth nor results are left out of the mean.
    """
    return _combine(
        parts,
        lambda metric, fields: metric.combine_classes_class_averaged(
            fields, ignore_empty_classes=True
        ),
    )


def _combine(
    parts: Sequence[Mapping[str, MetricFields]],
    combine: Callable[[Any, dict[str, MetricFields]], MetricFields],
) -> dict[str, MetricFields]:
    return {
        name: _plain(
            combine(metric, {str(number): part[name] for number, part in enumerate(parts)})
        )
        for name, metric in _metrics().items()
    }


def _plain(fields: Mapping[str, Any]) -> MetricFields:
    """Arrays stay read-only arrays; the rest becomes Python's own int or float."""
    plain: dict[str, Any] = {}
    for name, value in fields.items():
        if np.ndim(value):
            plain[name] = np.array(value, dtype=np.float64)
            plain[name].flags.writeable = False
        else:
            plain[name] = value.item() if isinstance(value, np.generic) else value
    return plain
