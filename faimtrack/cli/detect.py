"""`faimtrack detect`: sequences, videos and streams in, files of detections out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from faimtrack.cli.detector_option import (
    DETECTOR,
    WEIGHTS,
    detector_inputs,
    resolve_with_weights,
)
from faimtrack.cli.following_options import EMBEDDER_HELP, embedder_input
from faimtrack.cli.running import (
    ALLOW_EMPTY,
    JOBS,
    OVERWRITE,
    RAY,
    RECIPE,
    RESUME,
    SOURCES,
    SPLIT,
    class_names,
    existing_outputs,
    run_and_show,
)
from faimtrack.detectors.files.formats import DetectionFormat
from faimtrack.pipeline import plan_detection

DEFAULT_OUTPUT = Path("faimtrack-detections")


def detect(
    sources: SOURCES,
    detector: DETECTOR = None,
    weights: WEIGHTS = None,
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
    recipe: RECIPE = None,
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
    split: SPLIT = None,
    output: Annotated[
        Path, typer.Option(help="Folder of the results, <sequence>.txt, .json or .parquet.")
    ] = DEFAULT_OUTPUT,
    jobs: JOBS = None,
    ray: RAY = None,
    resume: RESUME = False,
    overwrite: OVERWRITE = False,
    allow_empty: ALLOW_EMPTY = False,
) -> None:
    """Find objects in sequences, videos, images, cameras and streams.

    Writes OUTPUT/<sequence>.txt (or .json, .parquet) with a sidecar that says how it was made;
    `faimtrack track SOURCE --detections OUTPUT` tracks from it as often as you like, without the
    detector. A sequence that fails is reported and the others go on; --resume does the rest later.
    """
    existing = existing_outputs(resume=resume, overwrite=overwrite)
    resolved = resolve_with_weights(
        recipe,
        detector=detector,
        weights=weights,
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
