"""`faimtrack track`: sequences, videos and streams in, MOTChallenge files out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from faimtrack.cli.detector_option import (
    DETECTOR,
    WEIGHTS,
    detector_inputs,
    resolve_with_weights,
)
from faimtrack.cli.following_options import (
    CAMERA_MOTION_HELP,
    EMBEDDER_HELP,
    POSTPROCESS_HELP,
    REGRESSOR_HELP,
    camera_motion_settings,
    embedder_input,
    refuse_idle_postprocessing,
    regressor_input,
)
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
from faimtrack.motfile import Numbering
from faimtrack.pipeline import plan_tasks

DEFAULT_OUTPUT = Path("faimtrack-results")
_BESIDE_RESULTS = "<output>"


class _TrackCommand(TyperCommand):
    """Lets `--video` stand alone: it then means the folder of the results."""

    def parse_args(self, context: Any, arguments: list[str]) -> Any:
        spelled = []
        end = arguments.index("--") if "--" in arguments else len(arguments)
        for position, argument in enumerate(arguments):
            spelled.append(argument)
            if position >= end:  # what follows are sources, whatever they look like
                continue
            following = arguments[position + 1 : position + 2]
            if argument == "--video" and (not following or following[0].startswith("-")):
                spelled.append(_BESIDE_RESULTS)
        return super().parse_args(context, spelled)


def track(
    sources: SOURCES,
    tracker: Annotated[
        str | None, typer.Option(help="Its name; `faimtrack trackers` lists them.")
    ] = None,
    recipe: RECIPE = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="One setting, such as preset=reference or tracker.track_threshold=0.5; "
            "may be given again.",
        ),
    ] = None,
    detections: Annotated[
        Path | None,
        typer.Option(
            help="A file of detections (MOTChallenge text, COCO's JSON, Parquet), or a folder of "
            "<sequence>.txt, .json or .parquet; else each sequence's det/det.txt."
        ),
    ] = None,
    detector: DETECTOR = None,
    weights: WEIGHTS = None,
    embedder: Annotated[
        str | None, typer.Option(metavar="NAME|FILE|FEATURES", help=EMBEDDER_HELP)
    ] = None,
    camera_motion: Annotated[
        str | None, typer.Option(metavar="METHOD|FILE", help=CAMERA_MOTION_HELP)
    ] = None,
    regressor: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help=REGRESSOR_HELP)
    ] = None,
    postprocess: Annotated[str | None, typer.Option(metavar="HOW", help=POSTPROCESS_HELP)] = None,
    classes: Annotated[
        str | None, typer.Option(metavar="NAMES", help="What to track, such as person,car.")
    ] = None,
    split: SPLIT = None,
    numbering: Annotated[
        Numbering | None,
        typer.Option(help="Frame numbers: the full sequence's, or from the split's first frame."),
    ] = None,
    output: Annotated[
        Path, typer.Option(help="Folder of the results, <sequence>.txt.")
    ] = DEFAULT_OUTPUT,
    video: Annotated[
        str | None,
        typer.Option(
            metavar="[PATH]",
            help="Also write annotated videos: a file's name for one sequence, a folder for "
            "several; alone: beside the results.",
        ),
    ] = None,
    masks: Annotated[
        bool,
        typer.Option(
            "--masks",
            help="Also write the tracks' masks in MOTS format, <sequence>.mots.txt, and draw them "
            "in the video; the detector needs a mask branch, or its file of detections masks.",
        ),
    ] = False,
    cache: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Keep what the detector finds and the embedder sees in this folder, and do not "
            "run them again while frames, weights and settings stay the same.",
        ),
    ] = None,
    jobs: JOBS = None,
    ray: RAY = None,
    resume: RESUME = False,
    overwrite: OVERWRITE = False,
    allow_empty: ALLOW_EMPTY = False,
) -> None:
    """Track sequences, videos, images, cameras and streams.

    Writes OUTPUT/<sequence>.txt in MOTChallenge format, each with a sidecar that says how it was
    made. A sequence that fails is reported and the others go on; --resume does the rest later.
    """
    existing = existing_outputs(resume=resume, overwrite=overwrite)
    resolved = resolve_with_weights(
        recipe,
        tracker=tracker,
        detector=detector,
        weights=weights,
        settings={
            "classes": class_names(classes),
            "split": split,
            "numbering": numbering,
            "embedder.weights": embedder,
            "regressor.weights": regressor,
            "postprocess.interpolation": postprocess,
            **camera_motion_settings(camera_motion),
        },
        overrides=overrides or (),
    )
    refuse_idle_postprocessing(resolved, overrides or ())
    network, detections = detector_inputs(resolved.weights, detections)
    tasks = plan_tasks(
        sources,
        resolved,
        output,
        detections=detections,
        weights=network,
        embedder=embedder_input(resolved.embedder_weights),
        regressor=regressor_input(resolved, regressor),
        video=output if video == _BESIDE_RESULTS else None if video is None else Path(video),
        cache=cache,
        masks=masks,
        existing=existing,
        allow_empty=allow_empty,
    )
    raise typer.Exit(run_and_show(tasks, output, jobs=jobs, ray=ray))


track.command_class = _TrackCommand  # type: ignore[attr-defined]
