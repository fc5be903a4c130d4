"""`faimtrack masks`: make pseudo masks, look at them, and score them where the truth is known."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from faimtrack.atomic import atomic_file
from faimtrack.cli.progress import SequenceProgress, make_console, make_table
from faimtrack.cli.running import RESUME, existing_outputs
from faimtrack.cli.split_option import frames_split
from faimtrack.datasets.vod.faults import Faults
from faimtrack.datasets.vod.mask_tasks import videos_with_objects
from faimtrack.datasets.vod.opening import VideoDataset, open_tables
from faimtrack.masks import (
    CONFIG_CLASSES,
    DEFAULT_METHOD,
    MaskConfig,
    MaskMethod,
    MaskOutcome,
    MaskScores,
    MaskSummary,
    MaskTask,
    joined_scores,
    make_many_masks,
    mask_file,
    mask_sheet,
    plan_masks,
    plan_video_masks,
    score_masks,
)
from faimtrack.masks.config import Device
from faimtrack.masks.scoring import BANDS
from faimtrack.motfile import SplitName, find_sequences

masks = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_DATA = Annotated[
    Path, typer.Argument(metavar="DATA", help="A sequence's folder, or a folder of sequences.")
]
_ROOT_HELP = "Folder of <sequence>/<method>.parquet; unset: masks in each sequence's folder."
_OUTCOME_WORDS = {
    "outside": "outside the image",
    "unmatched": "without an answer",
    "empty": "empty",
    "low_quality": "under the quality floor",
}


@masks.callback(invoke_without_command=True)
def _masks(context: typer.Context) -> None:
    """Make masks of objects from their boxes, look at them, and score them."""
    if context.invoked_subcommand is None:
        print(context.get_help())


@masks.command()
def make(
    data: _DATA,
    method: Annotated[
        MaskMethod,
        typer.Option(
            help="grabcut: by colours, needs no weights. sam, mobile-sam, sam2: networks that the "
            "boxes prompt. box2mask: instances of another program. As controls: box, shuffled "
            "(another object's mask), truth (a crowd's exact masks)."
        ),
    ] = DEFAULT_METHOD,
    output: Annotated[Path | None, typer.Option(metavar="ROOT", help=_ROOT_HELP)] = None,
    dataset: Annotated[
        VideoDataset | None,
        typer.Option(help="DATA is this data set of videos. None: sequences, or crowds."),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="Which part of each sequence: full, train-half or val-half (default: full); or "
            "which videos of a data set (default: train)."
        ),
    ] = None,
    min_quality: Annotated[
        float | None, typer.Option(help="Drop masks that the method judges worse, 0 to 1.")
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(metavar="NUMBERS", help="Of column 8 of the ground truth (1 if not given)."),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE", help="For sam (sam-vit-h), mobile-sam and sam2."),
    ] = None,
    device: Annotated[Device | None, typer.Option(help="Where their network runs.")] = None,
    boxes_at_once: Annotated[
        int | None, typer.Option(help="Prompts in one go (32): more need more memory.")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="For grabcut: default is for people, objects for anything else (unset: objects "
            "with the data sets vid, ovis and epic)."
        ),
    ] = None,
    instances: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR|FILE",
            help="For box2mask: a folder of <sequence>.json with COCO results, whose image_id is "
            "the frame's number.",
        ),
    ] = None,
    shuffled: Annotated[
        MaskMethod | None,
        typer.Option(
            "--from",
            help="For shuffled: whose masks; unset: truth where there is one, else grabcut.",
        ),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="How many sequences at a time.")] = 1,
    resume: RESUME = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace masks that are there, begin again.")
    ] = False,
) -> None:
    """Make one mask for each object of the ground truth.

    Writes <sequence>/masks/<method>.parquet, found by frame and track id, with a sidecar that says
    how it was made. What was broken off goes on where it stopped.
    """
    changes: dict[str, Any] = {
        "minimum_quality": min_quality,
        "classes": _class_numbers(classes),
        "device": device,
        "boxes_at_once": boxes_at_once,
    }
    if preset is None and method == "grabcut" and dataset not in (None, "crowd"):
        preset = "objects"
    config = _configuration(method, changes, preset)
    options: dict[str, Any] = {
        "root": output,
        "weights": weights,
        "instances": instances,
        "shuffled": shuffled,
        "existing": existing_outputs(resume=resume, overwrite=overwrite),
    }
    if dataset is None or dataset == "crowd":
        tasks = plan_masks(data, method, config, split=frames_split(split), **options)
    elif classes is not None:
        raise typer.BadParameter(f"--classes: expected no such option with --dataset {dataset}")
    else:
        videos = open_tables(dataset, data, split or "train", Faults())
        tasks = plan_video_masks(videos_with_objects(videos), method, config, **options)
    outcomes = _run(tasks, jobs)
    raise typer.Exit(_show(outcomes))


def _class_numbers(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(int(number) for number in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"--classes {text!r}: expected numbers between commas") from None


def _configuration(method: MaskMethod, changes: dict[str, Any], preset: str | None) -> MaskConfig:
    """The method's parameters with what was given; what belongs to another method is refused."""
    kind = CONFIG_CLASSES[method]
    try:
        base = kind.preset(preset or "default")
    except ValueError as error:
        raise typer.BadParameter(f"--preset, of --method {method}: {error}") from None
    given = {name: value for name, value in changes.items() if value is not None}
    known = {each.name for each in dataclasses.fields(kind)}
    for name in given:
        if name not in known:
            option = f"--{name.replace('_', '-')}"
            raise typer.BadParameter(f"{option}: expected no such option with --method {method}")
    return dataclasses.replace(base, **given)


def _run(tasks: list[MaskTask], jobs: int) -> list[MaskOutcome]:
    """Do tasks under a progress bar."""
    outcomes = []
    with SequenceProgress([task.name for task in tasks]) as progress:
        run = make_many_masks(tasks, jobs=jobs, report=progress.report)
        try:
            with contextlib.closing(run):
                for outcome in run:
                    progress.end(
                        outcome.task.name, _ending(outcome.summary), is_failure=not outcome.summary
                    )
                    if outcome.summary is not None and not outcome.summary.counts.get("kept"):
                        progress.warn(outcome.task.name, "there are no masks in it")
                    outcomes.append(outcome)
        except KeyboardInterrupt:
            raise KeyboardInterrupt("the same command with --resume goes on from there") from None
    return outcomes


def _ending(summary: MaskSummary | None) -> str:
    if summary is None:
        return "failed"
    dropped = [
        f"{summary.counts[name]:,} {words}"
        for name, words in _OUTCOME_WORDS.items()
        if summary.counts.get(name)
    ]
    kept = f"{summary.counts.get('kept', 0):,} masks of {summary.objects:,} objects"
    text = "; ".join([kept + (f" ({', '.join(dropped)})" if dropped else ""), *summary.notes])
    if summary.seconds is None:
        return f"finished before; kept: {text}"
    return f"{text}; {summary.frames:,} frames in {summary.seconds:,.1f} s"


def _show(outcomes: list[MaskOutcome]) -> int:
    """Print where masks are and what failed; the exit status."""
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    done = [outcome for outcome in outcomes if outcome.error is None]
    for outcome in failed:
        prefix = "" if len(outcomes) == 1 else f"{outcome.task.name}: "
        print(f"faimtrack: error: {prefix}{outcome.error}", file=sys.stderr)
    if len(outcomes) > 1 and failed:
        print(
            f"faimtrack: {len(failed)} of {len(outcomes)} sequences failed; "
            "--resume does the rest",
            file=sys.stderr,
        )
    for outcome in done:
        print(f"masks: {outcome.task.output}")
    return 1 if failed else 0


@masks.command()
def show(
    data: Annotated[Path, typer.Argument(metavar="SEQUENCE", help="A sequence's folder.")],
    output: Annotated[Path, typer.Argument(metavar="PICTURE", help="A .png or .jpg to write.")],
    methods: Annotated[
        list[str] | None,
        typer.Option("--method", help="Whose masks; given again: side by side."),
    ] = None,
    root: Annotated[Path | None, typer.Option("--masks", metavar="ROOT", help=_ROOT_HELP)] = None,
    split: Annotated[SplitName, typer.Option(help="Which part of the sequence.")] = "full",
    count: Annotated[int, typer.Option(min=1, max=2000, help="How many objects.")] = 48,
    columns: Annotated[int, typer.Option(min=1, max=100, help="Tiles in a row.")] = 12,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a picture that is there.")
    ] = False,
) -> None:
    """Paint a contact sheet of objects with their masks.

    They are drawn evenly from the whole sequence. Above each: frame:track and the quality.
    """
    if output.suffix.lower() not in {".png", ".jpg", ".jpeg"}:
        raise typer.BadParameter(f"{output}: expected a picture's name, .png or .jpg")
    if output.exists() and not overwrite:
        raise FileExistsError(f"{output}: already there; --overwrite replaces it")
    stores = [mask_file(data, method, root) for method in _known(methods) or [DEFAULT_METHOD]]
    sheet = mask_sheet(data, stores, count=count, columns=columns, split=split)
    import cv2

    with atomic_file(output) as temporary:
        if not cv2.imwrite(str(temporary), sheet[..., ::-1]):
            raise OSError(f"{output}: expected OpenCV to write a picture, got a failure")
    print(f"picture: {output}")


@masks.command()
def score(
    data: _DATA,
    methods: Annotated[
        list[str] | None,
        typer.Option(
            "--method", help="Which masks; may be given again. Unset: all that are there."
        ),
    ] = None,
    root: Annotated[Path | None, typer.Option("--masks", metavar="ROOT", help=_ROOT_HELP)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Compare masks with a crowd's exact ones.

    Mean IoU over all people that show at least one pixel; who has no mask counts 0.
    """
    folders = list(find_sequences(data))
    chosen = _known(methods) or [
        method
        for method in CONFIG_CLASSES
        if all(mask_file(folder, method, root).is_file() for folder in folders)
    ]
    if not chosen:
        raise FileNotFoundError(
            f"{data}: expected masks that `faimtrack masks make` made for all sequences, got none"
        )
    scores = {
        method: {
            folder.resolve().name: score_masks(folder, mask_file(folder, method, root))
            for folder in folders
        }
        for method in chosen
    }
    if as_json:
        print(json.dumps(_tree(scores), indent=2))
    else:
        _print_scores(scores)


def _known(names: list[str] | None) -> list[MaskMethod]:
    """Methods by their names."""
    for name in names or ():
        if name not in CONFIG_CLASSES:
            raise typer.BadParameter(
                f"--method: expected {', '.join(CONFIG_CLASSES)}, got {name!r}"
            )
    return [method for name in names or () for method in CONFIG_CLASSES if method == name]


def _tree(scores: dict[MaskMethod, dict[str, MaskScores]]) -> dict[str, object]:
    return {
        method: {
            "all": joined_scores(list(found.values())).to_tree(),
            "sequences": {name: each.to_tree() for name, each in found.items()},
        }
        for method, found in scores.items()
    }


def _print_scores(scores: dict[MaskMethod, dict[str, MaskScores]]) -> None:
    bands = [f"visible {low:g}-{high:g}" for low, high in BANDS]
    table = make_table("method", "people", "masks", "mean IoU", "of masks", *bands)
    for column in table.columns[1:]:
        column.justify = "right"
    for method, found in scores.items():
        joined = joined_scores(list(found.values()))
        table.add_row(
            method,
            f"{len(joined.ious):,}",
            f"{100 * joined.coverage:.1f} %" if len(joined.ious) else "-",
            _mean(joined.mean_iou),
            _mean(joined.mean_iou_of_masks),
            *(_band(joined, low, high) for low, high in BANDS),
        )
    console = make_console()
    console.print(table)
    first = joined_scores(list(next(iter(scores.values())).values()))
    console.print(f"{first.hidden:,} people show no pixel and are left out.", markup=False)


def _mean(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def _band(scores: MaskScores, low: float, high: float) -> str:
    ious = scores.band(low, high)
    return f"{ious.mean():.3f} ({len(ious):,})" if len(ious) else "-"
