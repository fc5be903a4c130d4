"""`faimtrack eval`: score results against ground truth."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from faimtrack.eval import (
    CrossCheck,
    EvaluationRules,
    EvaluationSettings,
    Report,
    SequenceScores,
    benchmark_rules,
    class_rules,
    evaluate_files,
    evaluate_folders,
)
from faimtrack.eval.differences import Difference, differences
from faimtrack.eval.report import (
    Row,
    check_output_paths,
    check_plot_path,
    report_provenance,
    rows,
    write_csv,
    write_json,
    write_plot,
)
from faimtrack.motfile import Numbering, SplitName
from faimtrack.provenance import write_provenance

_RATIOS = ("HOTA", "DetA", "AssA", "LocA", "MOTA", "MOTP", "IDF1", "IDR", "IDP")
_RATIOS_IF_NARROW = _RATIOS[:7]
_NARROW_COLUMNS = 90
_UNWRAPPED_COLUMNS = 2000
_COUNTS = ("CLR_TP", "CLR_FP", "CLR_FN", "IDSW", "Frag", "MT", "PT", "ML")
_MOTMETRICS = {
    "MOTA": "mota", "IDF1": "idf1", "FP": "num_false_positives", "FN": "num_misses",
    "IDSW": "num_switches", "Frag": "num_fragmentations", "MT": "mostly_tracked",
    "ML": "mostly_lost", "distance": "motp",
}  # fmt: skip

# What compare-video takes too.
NUMBERING = Annotated[
    Numbering,
    typer.Option(help="Frame numbers of the results: the full sequence's, or the split's."),
]
BENCHMARK = Annotated[
    str | None,
    typer.Option(help="mot15, mot16, mot17, mot20 or dancetrack; chosen by name if not given."),
]
DISTRACTORS = Annotated[
    str | None, typer.Option(help="With --classes: classes that may be found unpunished.")
]


def evaluate(
    results: Annotated[
        Path, typer.Option(help="Folder of <sequence>.txt or .txt.gz, or one such file.")
    ],
    data: Annotated[
        Path | None, typer.Option(help="Folder of MOTChallenge sequences, or one of them.")
    ] = None,
    gt: Annotated[
        Path | None, typer.Option(help="One ground-truth file, instead of --data.")
    ] = None,
    split: Annotated[SplitName, typer.Option(help="Which frames are scored.")] = "full",
    numbering: NUMBERING = "kept",
    benchmark: BENCHMARK = None,
    classes: Annotated[
        str | None, typer.Option(help="Own classes to evaluate, such as 1,2 (column 8).")
    ] = None,
    distractors: DISTRACTORS = None,
    sequences: Annotated[
        list[str] | None, typer.Option(help="Only these; patterns such as '*-FRCNN' are fine.")
    ] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="All but these.")] = None,
    frame_count: Annotated[
        int | None, typer.Option(min=1, help="With --gt: the full sequence's length.")
    ] = None,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="No file of results means nothing found.")
    ] = False,
    cross_check: Annotated[
        bool, typer.Option("--cross-check", help="Ask py-motmetrics too; explain differences.")
    ] = False,
    json: Annotated[Path | None, typer.Option(help="Write every number here.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the table here.")] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw HOTA over alpha (png, pdf, svg).")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Sequences scored side by side.")] = 1,
) -> None:
    """Score tracks: HOTA, CLEAR and Identity, as TrackEval counts them."""
    if (data is None) == (gt is None):
        raise ValueError(
            "eval: expected one of --data and --gt, got " + ("both" if gt else "none")
        )
    if plot is not None:
        check_plot_path(plot)
    outputs = [path for path in (json, csv, plot) if path is not None]
    check_output_paths(outputs, _inputs(gt or data, results))
    settings = EvaluationSettings(
        split=split,
        numbering=numbering,
        rules=rules_of_options(benchmark, classes, distractors),
        allow_missing=allow_missing,
        cross_check=cross_check,
        jobs=jobs,
    )
    if gt is not None:
        if sequences or exclude:
            raise ValueError("--sequences and --exclude: expected with --data, got --gt")
        report = evaluate_files(gt, results, settings, frame_count=frame_count)
    else:
        assert data is not None
        if frame_count is not None:
            raise ValueError("--frame-count: expected with --gt, got --data")
        report = evaluate_folders(
            data, results, settings, sequences=sequences or (), exclude=exclude or ()
        )
    _show(report)
    for write, path in ((write_json, json), (write_csv, csv), (write_plot, plot)):
        if path is not None and report.combined is not None:
            write(report, path)
            write_provenance(path, report_provenance(report, settings))
    for line in [*report.notes, *(failure.message for failure in report.failures)]:
        print(line, file=sys.stderr)
    if report.failures:
        names = ", ".join(failure.name for failure in report.failures)
        print(f"eval: not scored: {names}", file=sys.stderr)
        raise typer.Exit(1)


def _inputs(truth: Path | None, results: Path) -> Iterator[Path]:
    """The files that are read, as far as their names are known."""
    for path in (truth, results):
        if path is not None and path.is_dir():
            for pattern in ("*.txt", "*.txt.gz", "gt/gt.txt*", "*/gt/gt.txt*"):
                yield from path.glob(pattern)
        elif path is not None:
            yield path


def rules_of_options(
    benchmark: str | None, classes: str | None, distractors: str | None
) -> EvaluationRules | None:
    """What `--benchmark`, `--classes` and `--distractors` say; None if they say nothing."""
    if classes is None:
        if distractors is not None:
            raise ValueError("--distractors: expected with --classes, got it alone")
        return None if benchmark is None else benchmark_rules(benchmark)
    if benchmark is not None:
        raise ValueError("expected one of --benchmark and --classes, got both")
    return class_rules(
        _numbers("--classes", classes),
        distractor_ids=_numbers("--distractors", distractors) if distractors else (),
    )


def _numbers(option: str, text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(
            f"{option}: expected whole numbers with commas between, got {text!r}"
        ) from None


def _console() -> Console:
    console = Console(highlight=False, markup=False)
    if console.is_terminal:
        return console
    # A file or a pipe has no width: nothing is cut or wrapped there.
    return Console(highlight=False, markup=False, width=_UNWRAPPED_COLUMNS, color_system=None)


def _show(report: Report) -> None:
    console = _console()
    lines = rows(report)
    if not lines:
        return
    ratios = _RATIOS_IF_NARROW if console.width < _NARROW_COLUMNS else _RATIOS
    console.print(_table(lines, report, ratios))
    console.print()
    console.print(_table(lines, report, _COUNTS))
    console.print()
    for rules, reason in dict.fromkeys((s.rules.name, _shown_reason(s)) for s in report.sequences):
        console.print(f"Rules: {rules} ({reason})")
    if len(report.combined_by_class) > 1:
        console.print("A row without a class is the mean over classes; its counts are sums.")
    removed = sum(sequence.removed_row_count for sequence in report.sequences)
    if removed:
        console.print(f"Results on distractors, taken away before counting: {removed}")
    missing = [sequence.name for sequence in report.sequences if sequence.results_missing]
    if missing:
        console.print(f"Without results, counted as nothing found: {', '.join(missing)}")
    offline = [sequence.name for sequence in report.sequences if sequence.mode == "offline"]
    if offline:
        console.print(f"Offline results, which know later frames: {', '.join(offline)}")
    _show_cross_check(report, lines, console)


def _table(lines: Sequence[Row], report: Report, names: Sequence[str]) -> Table:
    """Ratios in per cent, counts as they are; two such tables fit into 80 columns."""
    shown = [name.removeprefix("CLR_") for name in names]
    table = _number_table("%" if "HOTA" in names else "count", shown)
    for row in lines:
        summary = row.scores.summary
        cells = [f"{summary[name]:.0f}" for name in names]
        if "HOTA" in names:
            cells = [f"{100 * summary[name]:.3f}" for name in names]
            if not row.scores.hota["HOTA_TP"].any():
                # TrackEval's value for "nothing found" is 100 %: true of a file, odd in a table.
                cells[names.index("LocA")] = "-"
        label = row.label
        if row.is_combined:
            label = label.replace("COMBINED", _combined_label(report), 1)
        style = "bold" if row.is_combined else None
        table.add_row(Text(label), *cells, style=style)
    return table


def _number_table(title: str, columns: Iterable[str]) -> Table:
    """A table without rows: a column of labels under `title`, then columns of numbers."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(title, no_wrap=True)
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _combined_label(report: Report) -> str:
    scored, wanted = len(report.sequences), len(report.sequences) + len(report.failures)
    return "COMBINED" if scored == wanted else f"COMBINED ({scored} of {wanted})"


def _shown_reason(sequence: SequenceScores) -> str:
    """The reason without the sequence's own name: a line for each kind is enough."""
    reason = sequence.rules_reason
    return "from the names" if reason == f"from the name {sequence.name}" else reason


def _show_cross_check(report: Report, lines: Sequence[Row], console: Console) -> None:
    checked = [(row, row.scores.cross_check) for row in lines if row.scores.cross_check]
    if not checked:
        return
    table = _number_table("motmetrics", _MOTMETRICS)
    for row, check in checked:
        assert check is not None
        values = [(name, check.motmetrics[other]) for name, other in _MOTMETRICS.items()]
        cells = [_motmetrics_cell(name, value) for name, value in values]
        table.add_row(Text(row.label), *cells, style="bold" if row.is_combined else None)
    console.print()
    console.print(table)
    console.print()
    found = differences(report)
    if not found:
        console.print("TrackEval and py-motmetrics agree in every metric they share.")
        return
    console.print(_difference_table(found))
    console.print()
    for row, check in checked:
        if check is not None and check.differing_frame_count:
            console.print(Text(f"{row.label}: {_pairs_sentence(check)}"))
    for reason in dict.fromkeys(reason for item in found for reason in item.reasons):
        console.print(Text(f"- {reason}."))


def _difference_table(found: Sequence[Difference]) -> Table:
    columns = ("metric", "TrackEval", "motmetrics", "by definition", "by pairs")
    table = _number_table("difference", columns)
    for item in found:
        table.add_row(
            Text(item.row),
            item.metric.removeprefix("CLR_"),
            f"{item.trackeval:.6g}",
            f"{item.motmetrics:.6g}",
            f"{item.by_definition:+.3g}" if item.by_definition else "",
            f"{item.by_pairs:+.3g}" if item.by_pairs else "",
        )
    return table


def _pairs_sentence(check: CrossCheck) -> str:
    first = (
        "" if check.first_differing_frame is None else f", first in {check.first_differing_frame}"
    )
    still = check.unexplained_frame_count
    return (
        f"other pairs in {check.differing_frame_count} of {check.frame_count} frames{first}; "
        f"if py-motmetrics forgot partners after one frame, in {still}"
    )


def _motmetrics_cell(name: str, value: float) -> str:
    if name in {"MOTA", "IDF1"}:
        return f"{100 * value:.3f}"
    return f"{value:.4f}" if name == "distance" else f"{value:.0f}"
