"""`faimtrack detect`: sequences, videos and streams in, files of detections out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from faimtrack.cli.detector_option import (
    DETECTOR_HELP,
    WEIGHTS_HELP,
    detector_inputs,
    named_network,
)
from faimtrack.cli.following_options import EMBEDDER_HELP, embedder_input
from faimtrack.cli.running import (
    JOBS_HELP,
    RAY_HELP,
    class_names,
    existing_outputs,
    run_and_show,
)
from faimtrack.detectors.files.formats import DetectionFormat
from faimtrack.motfile import SplitName
from faimtrack.pipeline import plan_detection
from faimtrack.recipes import resolve_recipe

DEFAULT_OUTPUT = Path("faimtrack-detections")


def detect(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE",
            help="Sequence folders (or folders of them), videos, folders or patterns of images, "
            "camera numbers, URLs.",
        ),
    ],
    detector: Annotated[str | None, typer.Option(metavar="NAME|FILE", help=DETECTOR_HELP)] = None,
    weights: Annotated[
        str | None, typer.Option(metavar="random|NAME|FILE", help=WEIGHTS_HELP)
    ] = None,
    detections: Annotated[
        Path | None,
        typer.Option(
            help="Detections to write in another format: a file, or a folder of them named after "
            "the sequences; without this and a detector each sequence's det/det.txt."
        ),
    ] = None,
    format: Annotated[  # noqa: A002 - it is the word of the command line
        DetectionFormat,
        typer.Option(help="mot: MOTChallenge text; coco: COCO's JSON; parquet: columns."),
    ] = "mot",
    masks: Annotated[
        bool,
        typer.Option(
            "--masks",
            help="Also write masks (coco and parquet); the detector needs a mask branch.",
        ),
    ] = False,
    embedder: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE|FEATURES",
            help=f"Also write how people look (parquet). {EMBEDDER_HELP}",
        ),
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(help="A YAML file, or the name of a recipe that comes along.")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="One setting, such as detector.score_threshold=0.3; may be given again.",
        ),
    ] = None,
    classes: Annotated[
        str | None, typer.Option(metavar="NAMES", help="What to keep, such as person,car.")
    ] = None,
    split: Annotated[SplitName | None, typer.Option(help="Which part of each sequence.")] = None,
    output: Annotated[
        Path, typer.Option(help="Folder of the results, <sequence>.txt, .json or .parquet.")
    ] = DEFAULT_OUTPUT,
    jobs: Annotated[int | None, typer.Option(min=1, help=JOBS_HELP)] = None,
    ray: Annotated[str | None, typer.Option(metavar="ADDRESS", help=RAY_HELP)] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep finished sequences, do the rest.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace results that are there.")
    ] = False,
    allow_empty: Annotated[
        bool, typer.Option("--allow-empty", help="An empty detection file means: nothing there.")
    ] = False,
) -> None:
    """Find objects in sequences, videos, images, cameras and streams.

    Writes OUTPUT/<sequence>.txt (or .json, .parquet) with a sidecar that says how it was made;
    `faimtrack track SOURCE --detections OUTPUT` tracks from it as often as you like, without the
    detector. A sequence that fails is reported and the others go on; --resume does the rest later.
    """
    existing = existing_outputs(resume=resume, overwrite=overwrite)
    resolved = resolve_recipe(
        recipe,
        detector=named_network(detector, weights),
        settings={
            "classes": class_names(classes),
            "split": split,
            "embedder.weights": embedder,
        },
        overrides=overrides or (),
    )
    network, detections = detector_inputs(resolved.weights, detections)
    tasks = plan_detection(
        sources,
        resolved,
        output,
        format=format,
        detections=detections,
        weights=network,
        embedder=embedder_input(resolved.embedder_weights),
        masks=masks,
        existing=existing,
        allow_empty=allow_empty,
    )
    raise typer.Exit(run_and_show(tasks, output, jobs=jobs, ray=ray))
