"""`faimtrack train`: detectors and re-identification networks learn from videos."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from faimtrack.cli.progress import make_console
from faimtrack.cli.running import existing_outputs

if TYPE_CHECKING:  # torch takes seconds, and --help needs none
    from faimtrack.training.progress import Progress as TrainingProgress
    from faimtrack.training.run import TrainingRun

DEFAULT_OUTPUT = Path("faimtrack-run")


def train(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="A YAML file, or the name of a recipe.")
    ],
    data: Annotated[
        Path,
        typer.Option(
            help="Folder of MOTChallenge sequences, a crowd, or the videos that the recipe names."
        ),
    ],
    crowd_human: Annotated[
        Path | None,
        typer.Option(help="CrowdHuman's folder, for recipes with data.crowd_human."),
    ] = None,
    masks_root: Annotated[
        Path | None,
        typer.Option(help="Where masks are, if not in the sequences' folders."),
    ] = None,
    validation_data: Annotated[
        Path | None,
        typer.Option(help="What validation looks at, if not DATA: other crowds, say."),
    ] = None,
    output: Annotated[Path, typer.Option(help="Folder of the run.")] = DEFAULT_OUTPUT,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="One setting, such as schedule.epochs=10 or mask_branch.source=sam; may be "
            "given again.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint in the folder.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a run that is in the folder.")
    ] = False,
    devices: Annotated[
        int | None, typer.Option(min=1, help="GPUs of a machine; unset: all, else the CPU.")
    ] = None,
    nodes: Annotated[
        int, typer.Option(min=1, help="Machines; torchrun or SLURM starts one process each.")
    ] = 1,
    workers: Annotated[
        int, typer.Option(min=0, help="Processes for each device that make samples ahead.")
    ] = 2,
    max_steps: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many steps; --resume does the rest.")
    ] = None,
    sanity: Annotated[
        bool,
        typer.Option("--sanity", help="Learn one batch by heart, and say whether data are sound."),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Do one real step; say how long it took, and its memory."),
    ] = False,
) -> None:
    """Train a detector or a re-identification network as a recipe says.

    Writes OUTPUT/weights.safetensors, which `track` takes as its detector or embedder, the best
    weights by validation, checkpoints, metrics, pictures and the recipe with every setting.
    """
    existing = existing_outputs(resume=resume, overwrite=overwrite)
    if sanity and dry_run:
        raise typer.BadParameter("expected either --sanity or --dry-run, got both")
    from faimtrack.training.fit import Machines
    from faimtrack.training.recipe import resolve_training_recipe
    from faimtrack.training.run import TrainingRun, is_first_process
    from faimtrack.training.run import train as run_training
    from faimtrack.training.samples import DataPlaces

    run = TrainingRun(
        recipe=resolve_training_recipe(recipe, overrides=overrides or ()),
        places=DataPlaces(
            data=data,
            crowd_human=crowd_human,
            masks_root=masks_root,
            validation_data=validation_data,
        ),
        output=output,
        machines=Machines(devices=devices, nodes=nodes, workers=workers),
        existing=existing,
        max_steps=max_steps,
    )
    if dry_run:
        _try_one_step(run)
        return
    if sanity:
        raise typer.Exit(_check_sanity(run))
    try:
        with _Bar() as bar:
            result = run_training(run, bar.report)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("--resume goes on from the last checkpoint") from None
    if not is_first_process():
        return
    print(f"weights: {result.weights}")
    if result.best is not None:
        print(f"best by validation: {result.best}")
    if result.step < result.total:
        print(f"stopped after {result.step} of {result.total} steps; --resume does the rest")


def _try_one_step(run: TrainingRun) -> None:
    from faimtrack.training.dry_run import dry_run as try_one_step

    done = try_one_step(run.recipe, run.places, run.machines)
    for remark in done.remarks:
        print(f"faimtrack: {remark}", file=sys.stderr)
    images = f"{done.images} image{'s' if done.images > 1 else ''}"
    print(
        f"one step with {images} of {done.size[1]} x {done.size[0]} pixels: {done.seconds:.1f} s, "
        f"at most {done.peak_memory_bytes / 2**30:.1f} GiB, {done.parameters / 1e6:.1f} million "
        "weights that learn"
    )
    print("  ".join(f"{name} {value:.4g}" for name, value in done.values.items()))


def _check_sanity(run: TrainingRun) -> int:
    """Say what was found; the exit status."""
    from faimtrack.training.sanity import check_sanity

    with _Bar() as bar:
        findings = check_sanity(run.recipe, run.places, run.machines, report=bar.report)
    for finding in findings:
        print(f"{'good' if finding.is_good else 'BAD '}  {finding.sentence}")
    bad = sum(not finding.is_good for finding in findings)
    print("The data are sound." if not bad else f"The data are not sound: {bad} findings are bad.")
    return 1 if bad else 0


class _Bar:
    """A bar with the last losses; where there is no terminal, a line now and then."""

    def __init__(self) -> None:
        self._console = make_console(stderr=True)
        self._is_live = self._console.is_terminal
        self._bar = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
            TimeRemainingColumn(compact=True),
            console=self._console,
            disable=not self._is_live,
            transient=True,
        )
        self._task = self._bar.add_task("", total=None)
        logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)

    def __enter__(self) -> _Bar:
        self._bar.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.__exit__(kind, error, trace)

    def report(self, progress: TrainingProgress) -> None:
        """Show a step."""
        if progress.remark:
            self._console.print(Text(f"faimtrack: {progress.remark}"), soft_wrap=True)
            return
        self._bar.update(self._task, completed=progress.step, total=progress.total)
        if not progress.values:
            return
        shown = "  ".join(
            f"{name} {value:.4g}"
            for name, value in progress.values.items()
            if name in {"loss", "masks", "mask_iou", "accuracy", "images_per_s"}
        )
        self._bar.update(self._task, description=escape(shown))
        if not self._is_live:
            line = f"step {progress.step}/{progress.total}  {shown}"
            self._console.print(Text(line), soft_wrap=True)
