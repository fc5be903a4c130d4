"""Reading what is to be scored: ground truth and results of one sequence, and by which rules."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np

from faimtrack.eval.rules import EvaluationRules, choose_rules
from faimtrack.eval.scores import ResultMode
from faimtrack.motfile import (
    MotTable,
    Numbering,
    SplitName,
    read_mot,
    read_sequence_info,
    renumber,
    split_frames,
)
from faimtrack.provenance import file_sha256, provenance_path, read_provenance

RESULT_SUFFIXES = (".txt", ".txt.gz")
_LONGEST_UNTOLD = 10_000_000


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """How files are read and scored.

    Attributes:
        split: Frames to evaluate: all, or one of the two halves.
        numbering: Whether results keep the full sequence's frame numbers or count from 1 within
            the split.
        rules: Which rows count; None to choose for each sequence by its name or content.
        allow_missing: Whether a sequence without a file of results counts as nothing found.
        cross_check: Whether to ask py-motmetrics too.
        jobs: Processes that score sequences side by side.
    """

    split: SplitName = "full"
    numbering: Numbering = "kept"
    rules: EvaluationRules | None = None
    allow_missing: bool = False
    cross_check: bool = False
    jobs: int = 1


@dataclass(frozen=True, kw_only=True)
class SequenceFiles:
    """Where one sequence's ground truth and results are.

    Attributes:
        name: The sequence's.
        ground_truth: The file.
        results: The file; it need not exist.
        frame_count: Length of the full sequence; None to take the ground truth's last frame.
    """

    name: str
    ground_truth: Path
    results: Path
    frame_count: int | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class SequenceTables:
    """One sequence's rows, and what is to be scored of them.

    Attributes:
        ground_truth: Rows of the whole sequence.
        results: Rows with the full sequence's frame numbers, all of them in `frames`.
        frames: The split's frames.
        rules: Which rows count.
        rules_reason: Why these rules.
        results_missing: There was no file of results, and that was allowed.
        mode: What the results' provenance says of them; None where nothing is known.
    """

    ground_truth: MotTable
    results: MotTable
    frames: range
    rules: EvaluationRules
    rules_reason: str
    results_missing: bool
    mode: ResultMode | None = None


def find_files(
    ground_truth: str | os.PathLike[str],
    results: str | os.PathLike[str],
    settings: EvaluationSettings,
    *,
    frame_count: int | None = None,
) -> SequenceFiles:
    """Name the files of one sequence; arguments as `evaluate_files` takes them.

    Raises:
        ValueError: The length must be known for the split, and is not.
        OSError: The `seqinfo.ini` cannot be read.
    """
    ground_truth, results = Path(ground_truth), Path(results)
    name = ground_truth.name.removesuffix(".gz").removesuffix(".txt")
    if ground_truth.parent.name == "gt" and (ground_truth.parents[1] / "seqinfo.ini").is_file():
        info = read_sequence_info(ground_truth.parents[1])
        name, frame_count = info.name, frame_count or info.frame_count
    if settings.split != "full" and frame_count is None:
        raise ValueError(
            f"{ground_truth}: expected the sequence's length for the split {settings.split} "
            "(--frame-count, or a seqinfo.ini beside the folder gt), got none"
        )
    return SequenceFiles(
        name=name,
        ground_truth=ground_truth,
        results=find_results(results, name),
        frame_count=frame_count,
    )


def read_tables(files: SequenceFiles, settings: EvaluationSettings) -> SequenceTables:
    """Read one sequence's files.

    Raises:
        ValueError: A file is wrong.
        OSError: A file cannot be read.
    """
    if not files.ground_truth.is_file():
        raise FileNotFoundError(f"{files.ground_truth}: expected ground truth, got no such file")
    ground_truth = read_mot(files.ground_truth, "ground truth", frame_count=files.frame_count)
    if files.frame_count is None and ground_truth.last_frame > _LONGEST_UNTOLD:
        raise ValueError(
            f"{files.ground_truth}: expected frames up to {_LONGEST_UNTOLD} unless the sequence's "
            f"length is given, got frame {ground_truth.last_frame}"
        )
    frames = split_frames(files.frame_count or ground_truth.last_frame, settings.split)
    missing = not files.results.exists()
    if missing and not settings.allow_missing:
        raise FileNotFoundError(
            f"{files.results}: expected results of {files.name}, got no such file "
            "(--allow-missing counts it as nothing found)"
        )
    results, mode = _no_results(files.results), None
    if not missing:
        mode = _check_origin(files.results, settings)
        results = _read_results(files, frames, settings)
    rules, reason = settings.rules, "as asked for"
    if rules is None:
        rules, reason = choose_rules(files.name, ground_truth)
    return SequenceTables(
        ground_truth=ground_truth,
        results=results,
        frames=frames,
        rules=rules,
        rules_reason=reason,
        results_missing=missing,
        mode=mode,
    )


def _read_results(files: SequenceFiles, frames: range, settings: EvaluationSettings) -> MotTable:
    """The rows of a file that is there, with the full sequence's frame numbers."""
    results = read_mot(files.results, "results", allow_empty=True)
    try:
        return renumber(results, frames, settings.numbering)
    except ValueError as error:
        if files.frame_count is not None:
            raise
        hint = "the sequence ends where its ground truth does unless --frame-count is given"
        raise ValueError(f"{error} ({hint})") from None


def _check_origin(results: Path, settings: EvaluationSettings) -> ResultMode | None:
    """Refuse what the results' own provenance contradicts; gives the mode that it says.

    Without a sidecar, or with one of another file (the results were edited), nothing is known.
    """
    try:
        origin = read_provenance(results)
    except (OSError, ValueError):
        return None
    if origin.output_sha256 != file_sha256(results):
        return None
    for name, said, asked in (
        ("split", origin.split, settings.split),
        ("numbering", origin.numbering, settings.numbering),
    ):
        if said is not None and said != asked:
            raise ValueError(
                f"{results}: expected results made with {name} {asked}, got {said} "
                f"(says {provenance_path(results).name})"
            )
    return origin.mode if origin.mode in get_args(ResultMode) else None


def find_results(results: Path, name: str) -> Path:
    """The file of a sequence's results in a folder; `results` itself if that is no folder."""
    if not results.is_dir():
        return results
    candidates = [results / f"{name}{suffix}" for suffix in RESULT_SUFFIXES]
    return next((path for path in candidates if path.is_file()), candidates[0])


def _no_results(path: Path) -> MotTable:
    nothing = np.zeros(0, np.int64)
    return MotTable(path, nothing, nothing, np.zeros((0, 4)), np.zeros(0), nothing, np.zeros(0))
