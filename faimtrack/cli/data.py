"""`faimtrack data`: look through data before they are learnt from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from faimtrack.cli.progress import make_console, make_table
from faimtrack.cli.split_option import frames_split
from faimtrack.datasets.check import CheckSettings, check_crowd_human, check_sequences
from faimtrack.datasets.findings import DataReport, PartReport
from faimtrack.datasets.vod.checking import VideoDataReport, check_videos
from faimtrack.datasets.vod.opening import VideoDataset, check_split
from faimtrack.datasets.vod.ovis_results import write_ovis_results
from faimtrack.masks.methods import MaskMethod

data = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@data.callback(invoke_without_command=True)
def _data(context: typer.Context) -> None:
    """Look through data before they are learnt from."""
    if context.invoked_subcommand is None:
        print(context.get_help())


@data.command()
def check(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DATA]", help="A folder of sequences, or one sequence; or a --dataset's."
        ),
    ] = None,
    dataset: Annotated[
        VideoDataset | None,
        typer.Option(help="The data are this data set of videos. None: sequences, or crowds."),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="Which frames of each sequence: full, train-half or val-half (default: full); or "
            "which videos of a data set (default: train)."
        ),
    ] = None,
    masks: Annotated[
        MaskMethod | None, typer.Option(help="Look at the masks that were made so, too.")
    ] = None,
    masks_root: Annotated[
        Path | None, typer.Option(help="Where masks lie if not with their sequences.")
    ] = None,
    crowd_human: Annotated[
        Path | None, typer.Option(help="CrowdHuman's folder, to be looked through too.")
    ] = None,
    decode: Annotated[
        bool, typer.Option("--decode", help="Decode every image; else headers are read.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON with every finding for programs.")
    ] = False,
) -> None:
    """Count what is wrong with sequences or videos: images, ground truth and masks.

    Errors are what training or scoring would stop at or learn wrongly, and make the exit status
    1; remarks are what is left out or cut, and what is only worth knowing.
    """
    if folder is None and crowd_human is None:
        raise typer.BadParameter("expected a folder of sequences or --crowd-human, got neither")
    if dataset is not None and dataset != "crowd":
        if folder is None or crowd_human is not None or masks is not None:
            raise typer.BadParameter(
                "--dataset: expected DATA, and neither --crowd-human nor --masks, got others"
            )
        report: DataReport = _run_videos(dataset, folder, split or "train", decode)
    else:
        settings = CheckSettings(
            split=frames_split(split), mask_source=masks, masks_root=masks_root, decode=decode
        )
        report = _run(folder, crowd_human, settings)
    if as_json:
        print(json.dumps(report.as_json(), indent=2))
    else:
        _show(report)
    if report.error_count:
        raise typer.Exit(1)


@data.command("ovis-results")
def ovis_results(
    detections: Annotated[
        Path, typer.Argument(help="A folder with a file of detections a video, by its name.")
    ],
    annotations: Annotated[
        Path, typer.Option(help="OVIS's file of the split, such as annotations_valid.json.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The file to write, *.json or *.zip.")
    ],
    minimum_score: Annotated[
        float, typer.Option(min=0, max=1, help="Leave out detections with less.")
    ] = 0.001,
) -> None:
    """Write detections in OVIS's videos as the one file that is sent to be scored."""
    made = write_ovis_results(annotations, detections, output, minimum_score=minimum_score)
    make_console().print(
        f"{output}: {made.detections:,} detections of {made.videos:,} videos, "
        f"{made.left_out:,} left out",
        markup=False,
    )


def _run_videos(dataset: VideoDataset, folder: Path, split: str, decode: bool) -> VideoDataReport:
    """Look through a data set of videos."""
    check_split(dataset, split)
    with _bars() as tell:
        return check_videos(dataset, folder, split=split, decode=decode, progress=tell)


def _run(folder: Path | None, crowd_human: Path | None, settings: CheckSettings) -> DataReport:
    """Look through everything, with a bar a part where somebody watches."""
    parts: list[PartReport] = []
    with _bars() as tell:
        if folder is not None:
            parts += check_sequences(folder, settings, tell).parts
        if crowd_human is not None:
            parts += check_crowd_human(crowd_human, decode=settings.decode, progress=tell).parts
    return DataReport(tuple(parts))


@contextmanager
def _bars() -> Iterator[Callable[[str, int, int], None]]:
    """Who is told of progress, and shows it where somebody watches."""
    console = make_console(stderr=True)
    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("images"),
        TimeRemainingColumn(compact=True),
        console=console,
        transient=True,
    )
    tasks: dict[str, Any] = {}

    def tell(name: str, done: int, total: int) -> None:
        if name not in tasks:
            tasks[name] = bars.add_task(Text(name).plain, total=total)
        bars.update(tasks[name], completed=done)

    with bars if console.is_terminal else nullcontext():
        yield tell


def _show(report: DataReport) -> None:
    console = make_console()
    sizes = make_table("name", "images", "rows", "objects", "errors", "remarks")
    for column in sizes.columns[1:]:
        column.justify = "right"
    for part in report.parts:
        counts = {True: 0, False: 0}
        for finding in part.ordered:
            counts[finding.is_error] += finding.count
        numbers = (part.images, part.rows, part.objects, counts[True], counts[False])
        sizes.add_row(Text(part.name), *(f"{number:,}" for number in numbers))
    console.print(sizes)
    if isinstance(report, VideoDataReport):
        _show_classes(report)
    findings = make_table("name", "", "count", "what", "first")
    findings.columns[2].justify = "right"
    for part in report.parts:
        for finding in part.ordered:
            word = Text("error", "red") if finding.is_error else Text("remark")
            findings.add_row(
                Text(part.name), word, f"{finding.count:,}", finding.kind, Text(finding.first)
            )
    if findings.row_count:
        console.print()
        console.print(findings)
    console.print()
    errors, remarks = report.error_count, report.remark_count
    verdict = f"{errors:,} error{'' if errors == 1 else 's'}" if errors else "nothing is wrong"
    console.print(f"{verdict}, {remarks:,} remark{'' if remarks == 1 else 's'}", markup=False)


def _show_classes(report: VideoDataReport) -> None:
    """How many objects of each class there are; those that have none only as a number."""
    console = make_console()
    classes = make_table("class", "objects")
    classes.columns[1].justify = "right"
    for name, count in sorted(report.class_counts.items(), key=lambda each: -each[1]):
        if count:
            classes.add_row(Text(name), f"{count:,}")
    console.print()
    console.print(f"{report.videos:,} video{'' if report.videos == 1 else 's'}")
    if classes.row_count:
        console.print(classes)
    without = sum(not count for count in report.class_counts.values())
    if without:
        console.print(f"{without:,} of {len(report.class_counts):,} classes have no object")
