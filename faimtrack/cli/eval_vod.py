"""`faimtrack eval-vod`: score detections in videos, and results beside each other."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from faimtrack.provenance import Provenance, write_provenance

if TYPE_CHECKING:
    from faimtrack.eval.vod import VodConfig, VodScores
    from faimtrack.pipeline.video_scoring import VideoScoring

VodDataset = Literal["vid", "ovis", "epic", "crowd"]

_SPLITS: dict[VodDataset, str] = {
    "vid": "val", "ovis": "val-local", "epic": "S1-local", "crowd": "full",
}  # fmt: skip
"""What is scored if nobody says: of each data set a part whose objects are public."""
_FILES = ("scores.json", "scores.csv", "curves.png")


def eval_vod(
    data: Annotated[Path, typer.Option(help="Folder of the data set.")],
    dataset: Annotated[
        VodDataset,
        typer.Option(help="vid: ImageNet VID; ovis; epic: EPIC-KITCHENS-55; crowd: our own."),
    ],
    detections: Annotated[
        Path,
        typer.Option(help="Folder of <video>.parquet, .json or .txt, as faimtrack detect writes."),
    ],
    split: Annotated[
        str | None,
        typer.Option(
            help="Which videos; if not given "
            + ", ".join(f"{name} of {dataset}" for dataset, name in _SPLITS.items())
            + "."
        ),
    ] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(metavar="FOLDER", help="Another result to compare with; may be given again."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(help=f"Folder for {', '.join(_FILES)}; each has a sidecar."),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write every number here.")] = None,
    classes: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="Score only these, such as dog,car; all others go."),
    ] = None,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="No file of a video means nothing found.")
    ] = False,
    cross_check: Annotated[
        bool,
        typer.Option(
            "--cross-check", help="Ask pycocotools too, which is slow; say what differs."
        ),
    ] = False,
    max_detections: Annotated[
        int | None,
        typer.Option(
            min=1, help="COCO looks at the best so many of a frame and class; its own 100."
        ),
    ] = None,
) -> None:
    """Score detections in videos: ILSVRC VID's AP by class and by motion, and COCO's AP.

    Only annotated frames count. With --against the table shows how much better --detections is.
    """
    from faimtrack.cli.running import class_names
    from faimtrack.datasets.vod.opening import open_videos
    from faimtrack.eval.report import check_output_paths
    from faimtrack.eval.vod import VodConfig
    from faimtrack.pipeline.video_scoring import score_detection_files

    folders = _named([detections, *(against or ())])
    outputs = [] if output is None else [output / name for name in _FILES]
    jsons = [path for path in (*outputs[:1], json) if path is not None]
    check_output_paths(dict.fromkeys([*outputs, *jsons]), _inputs(folders.values()))
    config = VodConfig()
    if max_detections is not None:
        config = VodConfig(coco_detections=max_detections)
    split = split or _SPLITS[dataset]
    done = score_detection_files(
        open_videos(dataset, data, split=split), folders,
        classes=class_names(classes), config=config, allow_missing=allow_missing,
        cross_check=cross_check,
    )  # fmt: skip
    if done.scores:
        _show(done)
        _write(done, outputs, jsons, _provenance(done, dataset, split, config, allow_missing))
    for note in done.notes:
        print(f"faimtrack: warning: {note}", file=sys.stderr)
    for name, message in done.failures.items():
        print(f"faimtrack: error: {name}: {message}", file=sys.stderr)
    if done.failures:
        raise typer.Exit(1)


def _write(
    done: VideoScoring, outputs: Sequence[Path], jsons: Sequence[Path], record: Provenance
) -> None:
    from faimtrack.eval.vod.plot import write_plot
    from faimtrack.eval.vod.report import report_to_dict, write_csv, write_json

    tree = report_to_dict(done.scores, modes=done.modes, failures=done.failures, notes=done.notes)
    for path in jsons:
        write_json(tree, path)
    if outputs:
        write_csv(done.scores, outputs[1])
        write_plot(done.scores, outputs[2])
    for path in dict.fromkeys([*outputs, *jsons]):
        write_provenance(path, record)


def _named(folders: Sequence[Path]) -> dict[str, Path]:
    """Results by the last part of their folder's name, or by as many as tell them apart."""
    for parts in range(1, max(len(folder.absolute().parts) for folder in folders) + 1):
        names = ["/".join(folder.absolute().parts[-parts:]) for folder in folders]
        if len(set(names)) == len(names):
            return dict(zip(names, folders, strict=True))
    raise ValueError("--against: expected folders other than --detections, got the same twice")


def _inputs(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        yield from folder.glob("**/*.*")


def _provenance(
    done: VideoScoring, dataset: str, split: str, config: VodConfig, allow_missing: bool
) -> Provenance:
    """What the files were made from; `offline` if any of the results knows later frames."""
    modes = set(done.modes.values())
    scores = next(iter(done.scores.values()))
    return Provenance(
        kind="video object detection scores",
        configuration={
            "dataset": dataset,
            "results": list(done.scores),
            "classes": [each.name for each in scores.classes],
            "allow_missing": allow_missing,
            "evaluation": config,
        },
        inputs=done.inputs,
        split=split,
        mode="offline" if "offline" in modes else "online" if modes == {"online"} else None,
    )


def _show(done: VideoScoring) -> None:
    from faimtrack.cli.progress import make_console
    from faimtrack.cli.vod_tables import class_table, comparison_tables

    console = make_console()
    tables = (
        comparison_tables(done.scores)
        if len(done.scores) > 1
        else [class_table(next(iter(done.scores.values())))]
    )
    for table in tables:
        console.print(table)
        console.print()
    for line in _remarks(done, next(iter(done.scores.values()))):
        console.print(line, markup=False, soft_wrap=True)


def _remarks(done: VideoScoring, scores: VodScores) -> Iterator[str]:
    """What the numbers stand on."""
    wanted = scores.videos + len(done.failures)
    part = f" of {wanted}" if done.failures else ""
    yield (
        f"{scores.videos:,}{part} videos, {scores.frames:,} annotated frames, "
        f"{scores.truths:,} objects. COCO: the best {scores.coco_detections} of a frame and class."
    )
    if scores.most_objects > scores.coco_detections:
        yield (
            f"A frame has up to {scores.most_objects} objects of a class: COCO's metrics cannot "
            "find them all without --max-detections."
        )
    if scores.no_groups_because is not None:
        yield f"No motion groups: {scores.no_groups_because}."
    elif scores.not_followed:
        yield f"In no motion group, for nobody follows them: {scores.not_followed:,} objects."
    without = [each for each in scores.classes if not each.truths]
    if without:
        found = sum(each.detections for each in without)
        yield (
            f"Without ground truth, not in the mean: {len(without)} classes "
            f"({found:,} detections)."
        )
    for name, missing in done.missing.items():
        if missing:
            yield f"{name}: no file, counted as nothing found: {', '.join(missing)}"
    for name, gap in done.cross_checks.items():
        yield f"{name}: pycocotools' metrics of each class differ by at most {gap:.1g}"
    offline = [name for name, mode in done.modes.items() if mode == "offline"]
    if offline:
        yield f"Offline results, which know later frames: {', '.join(offline)}"
