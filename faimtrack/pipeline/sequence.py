"""What all work on one sequence has in common: its result, and outputs that are there already."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from faimtrack.errors import describe_error
from faimtrack.pipeline.stages import PipelineSummary
from faimtrack.pipeline.tasks import Task
from faimtrack.provenance import Provenance, file_sha256, provenance_path, read_provenance

Report = Callable[[int, "int | None"], None]
"""Called after each frame with the frames done and the frames to do, None if nobody knows."""


@dataclass(frozen=True, kw_only=True)
class SequenceResult:
    """A sequence that is done.

    Attributes:
        summary: What the run did; None if it had been done before and was kept.
        notes: Warnings for the reader, such as that there was not a single detection.
        remarks: What else is worth telling, such as that detections were replayed.
    """

    summary: PipelineSummary | None
    notes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


class SequenceStopped(ValueError):
    """A sequence that could not be finished; its one line says what was saved."""


class GrowingFile(Protocol):
    """An output that is written frame by frame."""

    first_frame: int
    last_frame: int
    partial_path: Path


def stopped(error: Exception, file: GrowingFile) -> Exception:
    """What to raise for an error in the midst of a sequence: what was saved is said."""
    if not file.last_frame:
        return error
    return SequenceStopped(
        f"{describe_error(error)}; frames {file.first_frame} to {file.last_frame} are "
        f"kept in {file.partial_path}"
    )


def refuse_existing(task: Task) -> None:
    """Do nothing unless the task would have to touch an output that is there.

    Raises:
        FileExistsError: It would.
    """
    for path in task.outputs:
        if task.existing == "refuse" and path.exists():
            raise FileExistsError(
                f"{path}: already there; --resume keeps what is finished, --overwrite starts again"
            )


def look_back(task: Task, record: Provenance) -> tuple[bool, list[str]]:
    """Whether a task is done already, and what to tell of it.

    Args:
        task: What to do.
        record: The provenance that its output would have.
    """
    if task.existing != "resume" or not task.output.exists():
        return False, []
    reason = _reason_to_begin_again(task, record)
    return reason is None, [] if reason is None else [f"{task.participle} again: {reason}"]


def _reason_to_begin_again(task: Task, record: Provenance) -> str | None:
    """Why outputs that are there are not those of this task; None if they are."""
    for path in task.outputs:
        try:
            found = read_provenance(path)
            if found.output_sha256 != file_sha256(path):
                return f"{path.name} is not the file that its sidecar describes"
        except (OSError, ValueError):
            return f"{path.name} or its sidecar {provenance_path(path).name} is not there whole"
        if path == task.output and (differences := found.differences(record)):
            return f"it was made with another {', '.join(differences)}"
    return None
