"""A training run from recipe to files: `train` is what `faimtrack train` does."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from torch import Tensor

from faimtrack.atomic import atomic_file, claimed
from faimtrack.pipeline.tasks import Existing
from faimtrack.provenance import Provenance, write_provenance
from faimtrack.training.checkpoints import checkpoints, load_state, remove_parts, step_of
from faimtrack.training.fit import Machines, fit
from faimtrack.training.logs import RunLog, StepLog
from faimtrack.training.module import check_identity
from faimtrack.training.prepare import Prepared, prepare_training
from faimtrack.training.progress import Progress, Report, no_report
from faimtrack.training.recipe import AnyTrainingRecipe
from faimtrack.training.samples import DataPlaces
from faimtrack.training.validating import Validating, score_names
from faimtrack.weights.files import write_weights

WEIGHTS, BEST, CHECKPOINTS, RECIPE = (
    "weights.safetensors", "best.safetensors", "checkpoints", "recipe.yaml",
)  # fmt: skip
_OURS = (
    WEIGHTS, BEST, CHECKPOINTS, RECIPE, "metrics.csv", "tensorboard", "pictures", "validation",
    f"{WEIGHTS}.json", f"{BEST}.json",
)  # fmt: skip
_CLAIM = ".claim"


@dataclass(frozen=True, kw_only=True)
class TrainingRun:
    """What to train, on what, and where to.

    Attributes:
        recipe: What to do.
        places: Where the data lie.
        output: The folder of the run.
        machines: Where it runs.
        existing: What to do with a run that is in the folder.
        max_steps: Stop after so many steps of the schedule; None does them all.
    """

    recipe: AnyTrainingRecipe
    places: DataPlaces
    output: Path
    machines: Machines = field(default_factory=Machines)
    existing: Existing = "refuse"
    max_steps: int | None = None


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """How a run ended.

    Attributes:
        step: Steps done.
        total: Steps of the schedule; more than `step` if it was told to stop before.
        weights: The file of weights.
        best: The best ones by validation; None if it never took place.
    """

    step: int
    total: int
    weights: Path
    best: Path | None


def train(run: TrainingRun, report: Report = no_report) -> TrainingResult:
    """Train a detector or a re-identification network.

    The folder gets `weights.safetensors` and, by validation, `best.safetensors`, each with a
    sidecar; `checkpoints/`, `metrics.csv`, `tensorboard/`, `pictures/` and `recipe.yaml`.

    Args:
        run: What to do.
        report: Called after each step.

    Raises:
        FileExistsError: There is a run in the folder, and nothing says what to do with it.
        BlockingIOError: Another process is training into the folder.
        ValueError: Data or weights do not fit, a loss is not finite, or the checkpoint is of
            another training.
        OSError: A file is missing or cannot be written; checkpoints that were there stay.
    """
    if not is_first_process():
        return _train(run, no_report)
    _refuse_existing(run)
    with _sole_use(run.output):
        return _train(run, report)


def _train(run: TrainingRun, report: Report) -> TrainingResult:
    resume_from = _resume_from(run)
    prepared = prepare_training(run.recipe, run.places)
    if resume_from is not None:  # before anything in the folder is touched
        check_identity(load_state(resume_from, lazily=True), prepared.identity())
    start, last = _steps(run, prepared, resume_from)
    is_first = is_first_process()
    for remark in prepared.remarks:
        report(Progress(step=start, total=last, remark=remark))
    if is_first:
        _start_folder(run)
    log = RunLog(run.output, _columns(prepared), from_step=start) if is_first else None
    callbacks: list[Any] = [
        StepLog(log, report, every=prepared.schedule.config.log_every, total=last),
        Validating(
            prepared,
            run.output,
            lambda path, tensors, step: save_weights(path, prepared, tensors, step=step),
            log=log,
            report=report,
            last_step=last,
        ),
    ]
    try:
        module = fit(
            prepared.learner,
            prepared.samples,
            prepared.schedule,
            run.output / CHECKPOINTS,
            machines=run.machines,
            max_steps=run.max_steps,
            resume_from=resume_from,
            callbacks=callbacks,
            identity=prepared.identity(),
        )
    finally:
        if log is not None:
            log.close()
    weights, best = run.output / WEIGHTS, run.output / BEST
    if is_first:
        save_weights(weights, prepared, module.kept_tensors(), step=last)
    return TrainingResult(
        step=last,
        total=prepared.schedule.total_steps,
        weights=weights,
        best=best if best.is_file() else None,
    )


def _steps(run: TrainingRun, prepared: Prepared, resume_from: Path | None) -> tuple[int, int]:
    """How many steps are done, and after how many the run ends.

    Raises:
        ValueError: More are done than it is to have.
    """
    start = 0 if resume_from is None else step_of(resume_from)
    total = prepared.schedule.total_steps
    last = min(total, run.max_steps or total)
    if start > last:
        raise ValueError(
            f"max_steps: expected {start} or more, the steps of {resume_from}, got {last}"
        )
    return start, last


def save_weights(
    path: Path, prepared: Prepared, tensors: Mapping[str, Tensor], *, step: int
) -> None:
    """Write weights as users load them, and their sidecar.

    Raises:
        OSError: They cannot be written.
    """
    recipe = prepared.recipe
    metadata = prepared.learner.metadata(recipe=recipe.name, data=prepared.places.data.name)
    write_weights(path, prepared.learner.file_tensors(tensors), metadata)
    record = Provenance(
        kind="weights",
        configuration=recipe.tree(),
        inputs=dict(prepared.inputs),
        weights=dict(prepared.weights),
        seed=recipe.schedule.seed,
        split=recipe.data.split,
        contents={"step": step},
    )
    write_provenance(path, record)


def is_first_process() -> bool:
    """Whether this process is the one that writes files, also before they have found together."""
    from lightning.pytorch.utilities import rank_zero_only

    return getattr(rank_zero_only, "rank", 0) in (0, None)


def _columns(prepared: Prepared) -> tuple[str, ...]:
    learner, clips = prepared.learner, prepared.schedule.config.gradient_clip > 0
    norm = ("gradient_norm",) if clips else ()
    logged = ("epoch", "learning_rate", "images_per_s", "loss")
    return (
        *logged,
        *learner.loss_names,
        *learner.number_names,
        *norm,
        *score_names(prepared.recipe),
    )


def _refuse_existing(run: TrainingRun) -> None:
    """Refuse a folder with a run, if nothing says what to do with it.

    Raises:
        FileExistsError: There is a run already.
        NotADirectoryError: There is a file.
    """
    output = run.output
    if output.exists() and not output.is_dir():
        raise NotADirectoryError(f"{output}: expected a folder for the run, got a file")
    there = [name for name in _OURS if (output / name).exists()]
    if there and run.existing == "refuse":
        raise FileExistsError(
            f"{output}: there is a run already ({', '.join(there[:3])}); --resume goes on with "
            "it, --overwrite starts it anew"
        )


@contextmanager
def _sole_use(folder: Path) -> Iterator[None]:
    """Keep other trainings out of a folder; one that is new and stays empty is removed.

    Workers that load images are forked. They outlive a killed run for some seconds, in which it
    may be resumed.
    """
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with ExitStack() as stack:
            try:
                stack.enter_context(claimed(folder / _CLAIM, across_forks=False))
            except BlockingIOError:
                raise BlockingIOError(f"{folder}: another run trains into it now") from None
            yield
    finally:
        if is_new:
            with suppress(OSError):  # there is something in it
                folder.rmdir()


def _resume_from(run: TrainingRun) -> Path | None:
    """The checkpoint to go on from; None to start at the beginning."""
    if run.existing != "resume":
        return None
    found = checkpoints(run.output / CHECKPOINTS)
    return found[-1] if found else None


def _start_folder(run: TrainingRun) -> None:
    if run.existing == "overwrite":
        for name in _OURS:
            path = run.output / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    remove_parts(run.output / CHECKPOINTS)
    with atomic_file(run.output / RECIPE) as temporary:
        temporary.write_text(
            yaml.safe_dump(run.recipe.tree(), sort_keys=False), encoding="utf-8", newline="\n"
        )
