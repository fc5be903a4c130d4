"""`faimtrack link`: detections of whole videos in, detections linked over time out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from faimtrack.cli.progress import SequenceProgress
from faimtrack.cli.running import ALLOW_EMPTY, OVERWRITE, existing_outputs
from faimtrack.detectors.files import SUFFIXES, DetectionTable, read_detections
from faimtrack.detectors.video.linking.coefficients import (
    LinkCoefficients,
    read_coefficients,
    write_coefficients,
)
from faimtrack.detectors.video.linking.config import (
    CONFIG_CLASSES,
    LinkConfig,
    LinkMethod,
    ReppConfig,
)
from faimtrack.detectors.video.linking.files import (
    Existing,
    LinkedFile,
    detection_files,
    link_file,
    linked_path,
    refuse_existing,
)
from faimtrack.detectors.video.linking.learning import (
    LinkLearningConfig,
    TrackedVideo,
    learn_coefficients,
)
from faimtrack.errors import describe_failure
from faimtrack.recipes.values import build_config, field_types, nearest, parse_text

DEFAULT_OUTPUT = Path("faimtrack-linked")

_SET_HELP = "One setting, such as {example}; may be given again."

link = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@link.callback(invoke_without_command=True)
def _link(
    context: typer.Context,
    detections: Annotated[
        Path | None,
        typer.Option(help="A folder of files of detections, each of a whole video, or one file."),
    ] = None,
    method: Annotated[
        LinkMethod | None,
        typer.Option(
            help="seq-nms: paths of greatest score; repp: tubelets by a learnt likeness."
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help=_SET_HELP.format(example="suppress_iou=0.7 or preset=crowd"),
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option(help="Folder of the results, named and written as the detections are.")
    ] = DEFAULT_OUTPUT,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep finished videos, do the rest.")
    ] = False,
    overwrite: OVERWRITE = False,
    allow_empty: ALLOW_EMPTY = False,
) -> None:
    """Link the detections of whole videos over time, so that scores tell of the whole video.

    Writes OUTPUT/<video> in the format of its detections (.txt, .json, .parquet) with a sidecar
    that says how it was made. A video that fails is reported and the others go on.
    """
    if context.invoked_subcommand is not None:
        if detections is not None or method is not None or overrides:
            raise typer.BadParameter(
                f"expected options after {context.invoked_subcommand}, got some before it"
            )
        return
    if detections is None and method is None:
        print(context.get_help())
        return
    if detections is None or method is None:
        missing = "--detections" if detections is None else "--method"
        raise typer.BadParameter(f"expected both --detections and --method, got no {missing}")
    config = _configured(CONFIG_CLASSES[method], overrides or ())
    existing = existing_outputs(resume=resume, overwrite=overwrite)
    raise typer.Exit(_run(detection_files(detections), output, config, existing, allow_empty))


def _configured(config_class: Any, overrides: Sequence[str]) -> Any:
    """A configuration from what `--set` says; a preset counts first, wherever it stands."""
    types = field_types(config_class)
    values: dict[str, Any] = {}
    base = config_class()
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals:
            raise typer.BadParameter(f"--set {text!r}: expected KEY=VALUE")
        if key == "preset":
            base = config_class.preset(value)
        elif key not in types:
            raise typer.BadParameter(
                f"--set {key}: expected a parameter of {config_class.__name__}, such as "
                f"{nearest(key, types)}, got {key!r}"
            )
        else:
            values[key] = parse_text(key, value, types[key])
    return build_config("", base, values)


def _run(
    files: Sequence[Path], output: Path, config: LinkConfig, existing: Existing, allow_empty: bool
) -> int:
    """Link one video after the other under a progress bar; the exit status."""
    if isinstance(config, ReppConfig) and config.coefficients is not None:
        read_coefficients(config.coefficients)  # what is wrong with it is told once
    if existing == "refuse":
        for path in files:
            refuse_existing(linked_path(path, output))
    failures, done = [], []
    with SequenceProgress([path.stem for path in files]) as progress:
        for path in files:
            try:
                linked = link_file(
                    path,
                    linked_path(path, output),
                    config,
                    existing=existing,
                    allow_empty=allow_empty,
                )
            except Exception as error:
                failures.append((path.stem, describe_failure(error)))
                progress.end(path.stem, "failed", is_failure=True)
                continue
            progress.end(path.stem, _ending(linked), is_failure=False)
            for note in linked.notes:
                progress.warn(path.stem, note)
            done.append(linked)
    for name, failure in failures:
        prefix = "" if len(files) == 1 else f"{name}: "
        print(f"faimtrack: error: {prefix}{failure}", file=sys.stderr)
    if done:
        where = done[0].path if len(done) == 1 else f"{len(done)} files in {output}"
        print(f"detections: {where}")
    return 1 if failures else 0


def _ending(linked: LinkedFile) -> str:
    if linked.was_kept:
        return "finished before; kept"
    return (
        f"{linked.frames:,} frames, {linked.detections_before:,} detections became "
        f"{linked.detections:,}"
    )


@link.command()
def train(
    detections: Annotated[
        Path, typer.Option(help="A folder of files of detections, named after the videos.")
    ],
    data: Annotated[Path, typer.Option(help="The folder of the data set, for its tracks.")],
    dataset: Annotated[str, typer.Option(help="Which it is: crowd, vid, ovis, epic.")],
    output: Annotated[Path, typer.Option(help="The JSON file to write.")],
    split: Annotated[
        str | None, typer.Option(help="Which videos; unset: train, of crowds all.")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help=_SET_HELP.format(example="match_iou=0.6")),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a file that is there.")
    ] = False,
) -> None:
    """Learn which boxes REPP links, from the detections of videos whose tracks are known.

    `faimtrack link --method repp --set coefficients=OUTPUT` uses what was learnt.
    """
    if output.exists() and not overwrite:
        raise FileExistsError(f"{output}: already there; --overwrite replaces it")
    config = _configured(LinkLearningConfig, overrides or ())
    from faimtrack.datasets.vod.opening import open_videos

    videos = open_videos(
        dataset,  # type: ignore[arg-type] # it says itself which ones it knows
        data,
        split=split or ("full" if dataset == "crowd" else "train"),
    )

    def detections_of(video: TrackedVideo) -> DetectionTable:
        return read_detections(_file_of(video.name, detections))

    coefficients = learn_coefficients(videos, detections_of, config, dataset=dataset)
    write_coefficients(output, coefficients)
    _show(coefficients, output)


def _file_of(name: str, folder: Path) -> Path:
    """A video's file of detections."""
    paths = [folder / f"{name}{suffix}" for suffix in SUFFIXES.values()]
    found = [path for path in paths if path.is_file()]
    if len(found) != 1:
        came = " and ".join(path.name for path in found) or "none"
        raise FileNotFoundError(
            f"{folder}: expected one file of detections for {name}, got {came}"
        )
    return found[0]


def _show(coefficients: LinkCoefficients, output: Path) -> None:
    print(
        f"learnt from {coefficients.positives:,} pairs of the same object and "
        f"{coefficients.negatives:,} of different ones"
    )
    print(f"coefficients: {output}")
