"""`faimtrack crowd`: make a synthetic crowd, or a frozen bench of them."""

from __future__ import annotations

import dataclasses
import re
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from faimtrack.cli.progress import make_console
from faimtrack.datasets.crowd import (
    BENCH_NAMES,
    CrowdConfig,
    simulate_crowd,
    write_bench,
    write_crowd,
)
from faimtrack.datasets.crowd.config import Camera, Density, SceneName

_DEFAULTS = {each.name: each.default for each in dataclasses.fields(CrowdConfig)}
_HELPS = {each.name: each.metadata["help"] for each in dataclasses.fields(CrowdConfig)}
_DEFAULT_SIZE = f"{_DEFAULTS['width']}x{_DEFAULTS['height']}"


def crowd(
    output: Annotated[Path, typer.Argument(help="Folder of the sequence, or of the bench.")],
    seed: Annotated[int | None, typer.Option(help=_HELPS["seed"])] = None,
    frames: Annotated[int | None, typer.Option(help=_HELPS["frames"])] = None,
    size: Annotated[
        str | None, typer.Option(help=f"Width x height in pixels ({_DEFAULT_SIZE} if not given).")
    ] = None,
    density: Annotated[Density | None, typer.Option(help=_HELPS["density"])] = None,
    people: Annotated[int | None, typer.Option(help=_HELPS["people"])] = None,
    camera: Annotated[Camera | None, typer.Option(help=_HELPS["camera"])] = None,
    frame_rate: Annotated[int | None, typer.Option(help=_HELPS["frame_rate"])] = None,
    distractors: Annotated[
        bool | None, typer.Option("--distractors/--no-distractors", help=_HELPS["distractors"])
    ] = None,
    scene: Annotated[SceneName | None, typer.Option(help=_HELPS["scene"])] = None,
    name: Annotated[
        str | None, typer.Option(help="Sequence name (the folder's if not given).")
    ] = None,
    bench: Annotated[
        str | None, typer.Option(help=f"Write a frozen bench instead: {', '.join(BENCH_NAMES)}.")
    ] = None,
    images: Annotated[
        bool, typer.Option("--images/--no-images", help="Draw pictures; text alone is fast.")
    ] = True,
    masks: Annotated[
        bool | None,
        typer.Option("--masks/--no-masks", help="Write exact masks (as --images if not given)."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a crowd that is there.")
    ] = False,
) -> None:
    """Make a synthetic crowd in MOT20 layout: pictures, annotations, masks, detections."""
    if output.exists() and not overwrite:
        raise FileExistsError(f"{output}: already there; --overwrite replaces it")
    chosen: dict[str, Any] = {
        "seed": seed,
        "frames": frames,
        "density": density,
        "people": people,
        "camera": camera,
        "frame_rate": frame_rate,
        "distractors": distractors,
        "scene": scene,
        "name": name,
    }
    chosen = {key: value for key, value in chosen.items() if value is not None}
    if size is not None:
        chosen["width"], chosen["height"] = _parse_size(size)
    settings = {
        "images": images,
        "masks": images if masks is None else masks,
        "overwrite": overwrite,
    }
    if bench is not None:
        if chosen:
            given = ", ".join(f"--{key.replace('_', '-')}" for key in chosen)
            raise ValueError(f"--bench: expected no {given} beside it, got both")
        _write(output, settings, bench, None)
    else:
        config = CrowdConfig(**({"name": output.resolve().name} | chosen))
        _write(output, settings, None, config)
    print(f"crowd: {output}")


def _parse_size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,6})[xX×](\d{1,6})", text.strip())
    if match is None:
        raise ValueError(f"--size: expected width x height such as {_DEFAULT_SIZE}, got {text!r}")
    return int(match[1]), int(match[2])


def _write(
    output: Path, settings: dict[str, bool], bench: str | None, config: CrowdConfig | None
) -> None:
    """Write with a bar a sequence where somebody watches."""
    console = make_console(stderr=True)
    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("frames"),
        TimeRemainingColumn(compact=True),
        console=console,
        transient=True,
    )
    tasks: dict[str, Any] = {}

    def report(title: str, done: int, total: int) -> None:
        if title not in tasks:
            tasks[title] = bars.add_task(title, total=total)
        bars.update(tasks[title], completed=done)

    with bars if console.is_terminal else nullcontext():
        if bench is not None:
            write_bench(bench, output, progress=report, **settings)
        elif config is not None:

            def tell(done: int, total: int) -> None:
                report(config.name, done, total)

            write_crowd(simulate_crowd(config), output, progress=tell, **settings)
