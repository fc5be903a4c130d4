"""A report as rows, JSON, CSV and a plot of HOTA over the localisation threshold."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from faimtrack import __version__
from faimtrack.atomic import atomic_file, check_writable
from faimtrack.eval.differences import Difference, differences
from faimtrack.eval.reading import EvaluationSettings
from faimtrack.eval.scores import ALPHAS, SUMMARY_METRICS, Report, Scores, SequenceScores
from faimtrack.provenance import Provenance, provenance_path

PLOT_SUFFIXES = (".png", ".pdf", ".svg")
_CURVES = ("HOTA", "DetA", "AssA", "LocA", "DetRe", "DetPr", "AssRe", "AssPr")
_CURVE_COUNTS = ("HOTA_TP", "HOTA_FN", "HOTA_FP")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of a table.

    Attributes:
        label: A sequence's name or `COMBINED`, and the class if there are several.
        scores: What stands in it.
        is_combined: Whether it covers all sequences.
    """

    label: str
    scores: Scores
    is_combined: bool


def rows(report: Report) -> list[Row]:
    """The table's lines: each sequence, then all together; classes above their mean."""
    lines: list[Row] = []
    for sequence in report.sequences:
        lines += _rows_of(sequence.name, sequence.scores, sequence.by_class, combined=False)
    if report.combined is not None:
        lines += _rows_of("COMBINED", report.combined, report.combined_by_class, combined=True)
    return lines


def _rows_of(name: str, scores: Scores, by_class: Any, *, combined: bool) -> Iterator[Row]:
    if len(by_class) > 1:
        for class_id, of_class in by_class.items():
            label = f"{name} class {class_id}"
            yield Row(label=label, scores=of_class, is_combined=combined)
    yield Row(label=name, scores=scores, is_combined=combined)


def report_to_dict(report: Report) -> dict[str, Any]:
    """The whole report as JSON's types, in full precision; ratios are fractions."""
    return {
        "faimtrack": __version__,
        "alphas": np.round(ALPHAS, 2).tolist(),
        "coverage": report.coverage,
        "mode": report.mode,
        "sequences": {s.name: _sequence_to_dict(s) for s in report.sequences},
        "combined": None if report.combined is None else _scores_to_dict(report.combined),
        "combined_by_class": _classes_to_dict(report.combined_by_class),
        "failures": {failure.name: failure.message for failure in report.failures},
        "notes": list(report.notes),
        "cross_check": [_difference_to_dict(difference) for difference in differences(report)],
    }


def _difference_to_dict(difference: Difference) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in asdict(difference).items()
    }


def _sequence_to_dict(sequence: SequenceScores) -> dict[str, Any]:
    return {
        **_scores_to_dict(sequence.scores),
        "frames": [sequence.frames.start, sequence.frames.stop - 1],
        "rules": sequence.rules.name,
        "rules_reason": sequence.rules_reason,
        "removed_row_count": sequence.removed_row_count,
        "results_missing": sequence.results_missing,
        "mode": sequence.mode,
        "by_class": _classes_to_dict(sequence.by_class),
    }


def _classes_to_dict(by_class: Any) -> dict[str, Any]:
    if len(by_class) < 2:
        return {}
    return {str(class_id): _scores_to_dict(scores) for class_id, scores in by_class.items()}


def _scores_to_dict(scores: Scores) -> dict[str, Any]:
    values: dict[str, Any] = dict(scores.summary)
    for name in _CURVES + _CURVE_COUNTS:
        key = name if name in _CURVE_COUNTS else f"{name}_alpha"
        values[key] = scores.hota[name].tolist()
    if scores.cross_check is not None:
        # NaN, "nothing was matched", is not JSON.
        values["motmetrics"] = {
            name: None if math.isnan(value) else value
            for name, value in scores.cross_check.motmetrics.items()
        }
    return values


def write_json(report: Report, path: str | os.PathLike[str]) -> None:
    """Write the report as JSON.

    Raises:
        OSError: The file cannot be written.
    """
    text = json.dumps(report_to_dict(report), indent=1, allow_nan=False)
    with atomic_file(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def write_csv(report: Report, path: str | os.PathLike[str]) -> None:
    """Write the table's lines as CSV in full precision; ratios are fractions.

    Raises:
        OSError: The file cannot be written.
    """
    with (
        atomic_file(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as out,
    ):
        writer = csv.writer(out)
        writer.writerow(["sequence", *SUMMARY_METRICS])
        for row in rows(report):
            summary = row.scores.summary
            writer.writerow([row.label, *(repr(summary[name]) for name in SUMMARY_METRICS)])


def report_provenance(report: Report, settings: EvaluationSettings) -> Provenance:
    """What a file made of the report was made from."""
    return Provenance(
        kind="scores",
        configuration={
            "rules": {sequence.name: sequence.rules.name for sequence in report.sequences},
            "allow_missing": settings.allow_missing,
            "cross_check": settings.cross_check,
            "coverage": report.coverage,
        },
        inputs={
            f"{sequence.name} {role}": digest
            for sequence in report.sequences
            for role, digest in sequence.input_sha256.items()
        },
        split=settings.split,
        numbering=settings.numbering,
        mode=report.mode,
    )


def check_plot_path(path: str | os.PathLike[str]) -> None:
    """Refuse a suffix that no plot can have.

    Raises:
        ValueError: It is none of `PLOT_SUFFIXES`.
    """
    if Path(path).suffix.lower() not in PLOT_SUFFIXES:
        raise ValueError(f"{path}: expected a plot as {', '.join(PLOT_SUFFIXES)}")


def check_output_paths(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Refuse outputs that would replace an input or one another, or that cannot be written.

    Sidecars count too.

    Raises:
        ValueError: One would replace another file.
        OSError: One cannot be written.
    """
    taken = {each.resolve() for path in inputs for each in (path, provenance_path(path))}
    for path in outputs:
        written = {path.resolve(), provenance_path(path).resolve()}
        if written & taken:
            raise ValueError(
                f"{path}: expected a file of its own, got the name of an input or another output"
            )
        taken |= written
        check_writable(path)


def write_plot(report: Report, path: str | os.PathLike[str]) -> None:
    """Draw HOTA, DetA and AssA over the threshold for all sequences, and HOTA for each.

    The suffix of `path` chooses the format: png, pdf or svg.

    Raises:
        ValueError: There is nothing to draw, or no such format.
        OSError: The file cannot be written.
    """
    # Half a second to import, and the pyplot state machine stays out.
    from matplotlib.figure import Figure

    check_plot_path(path)
    if report.combined is None:
        raise ValueError(f"{path}: expected at least one scored sequence to plot, got none")
    figure = Figure(figsize=(7.0, 4.5), layout="constrained")
    axes = figure.subplots()
    if len(report.sequences) > 1:
        for sequence in report.sequences:
            axes.plot(ALPHAS, sequence.scores.hota_by_alpha, color="0.75", linewidth=1.0)
    for name, colour in (("HOTA", "C3"), ("DetA", "C0"), ("AssA", "C2")):
        curve = report.combined.hota[name]
        label = f"{name} {100 * float(np.mean(curve)):.1f}"
        axes.plot(ALPHAS, curve, color=colour, marker="o", markersize=3, label=label)
    axes.set(xlabel="localisation threshold α (IoU)", ylabel="score", xlim=(0, 1), ylim=(0, 1))
    title = f"HOTA over α, {report.coverage}{', offline' if report.mode == 'offline' else ''}"
    axes.set_title(title + (" (grey: HOTA of each)" if len(report.sequences) > 1 else ""))
    axes.grid(alpha=0.3)
    axes.legend(loc="lower left")
    with atomic_file(path) as temporary:
        figure.savefig(temporary, dpi=150)
