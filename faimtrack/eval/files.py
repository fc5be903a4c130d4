"""Scoring of files: one ground truth and one result, or a folder of sequences and of results."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

from faimtrack.eval.evaluate import evaluate_sequence, evaluate_sequences
from faimtrack.eval.reading import (
    RESULT_SUFFIXES,
    EvaluationSettings,
    SequenceFiles,
    find_files,
    find_results,
    read_tables,
)
from faimtrack.eval.scores import Failure, Report, SequenceScores
from faimtrack.motfile import find_sequences, read_sequence_info
from faimtrack.provenance import file_sha256


def evaluate_files(
    ground_truth: str | os.PathLike[str],
    results: str | os.PathLike[str],
    settings: EvaluationSettings | None = None,
    *,
    frame_count: int | None = None,
) -> Report:
    """Score one file of results against one file of ground truth.

    Args:
        ground_truth: MOTChallenge text. In a sequence's folder `gt`, the `seqinfo.ini` beside
            that folder gives the name and the length.
        results: MOTChallenge text, or a folder with a file of the sequence's name.
        settings: How to score; the defaults if None.
        frame_count: Length of the full sequence, in place of `seqinfo.ini`. Without both the
            sequence ends at the ground truth's last frame.

    Raises:
        ValueError: A file is wrong; the message says where.
        OSError: A file cannot be read.
    """
    settings = settings or EvaluationSettings()
    files = find_files(ground_truth, results, settings, frame_count=frame_count)
    return evaluate_sequences([score_sequence_files(files, settings)])


def evaluate_folders(
    data: str | os.PathLike[str],
    results: str | os.PathLike[str],
    settings: EvaluationSettings | None = None,
    *,
    sequences: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> Report:
    """Score a folder of results, `<sequence name>.txt` each, against a folder of sequences.

    A sequence that is faulty or has no results is a failure in the report; the others are scored.

    Args:
        data: A folder of MOTChallenge sequence folders, or one sequence folder.
        results: The folder of results; for one sequence its file will do.
        settings: How to score; the defaults if None.
        sequences: Names or patterns such as `*-FRCNN` of those to score; all if empty.
        exclude: Names or patterns of those to leave out.

    Raises:
        ValueError: There are no sequences, a name or pattern fits none, or results are of two
            modes, as `evaluate_sequences`.
        OSError: A folder cannot be read.
    """
    settings = settings or EvaluationSettings()
    data, results = Path(data), Path(results)
    if not data.is_dir():
        came = "a file" if data.exists() else "no such folder"
        raise NotADirectoryError(f"{data}: expected a folder of sequences, got {came}")
    failures: list[Failure] = []
    every: dict[str, SequenceFiles] = {}
    for folder in find_sequences(data):
        try:
            info = read_sequence_info(folder)
        except (ValueError, OSError) as error:
            failures.append(Failure(name=folder.name, message=str(error)))
            continue
        if info.name in every:
            raise ValueError(f"{folder}: expected a name of its own, got {info.name} again")
        every[info.name] = SequenceFiles(
            name=info.name,
            ground_truth=_ground_truth_path(info.ground_truth_path),
            results=find_results(results, info.name),
            frame_count=info.frame_count,
        )
    chosen = _choose([*every, *(failure.name for failure in failures)], sequences, exclude)
    wanted = [files for name, files in every.items() if name in chosen]
    if not results.is_dir():
        if len(wanted) > 1 or not results.is_file():
            kind = "a folder of results" if len(wanted) > 1 else "results"
            came = "a file" if results.is_file() else "no such folder"
            raise FileNotFoundError(f"{results}: expected {kind}, got {came}")
        notes: list[str] = []
    else:
        notes = _unknown_results(results, set(every) | {failure.name for failure in failures})
    scored, faulty = _score_all(wanted, settings)
    failures = [failure for failure in failures if failure.name in chosen] + faulty
    return evaluate_sequences(scored, failures=failures, notes=notes)


def score_sequence_files(files: SequenceFiles, settings: EvaluationSettings) -> SequenceScores:
    """Read one sequence's files and score them.

    Raises:
        ValueError: A file is wrong.
        OSError: A file cannot be read.
    """
    tables = read_tables(files, settings)
    scores = evaluate_sequence(
        tables.ground_truth,
        tables.results,
        tables.frames,
        tables.rules,
        name=files.name,
        rules_reason=tables.rules_reason,
        cross_check=settings.cross_check,
    )
    return replace(
        scores,
        results_missing=tables.results_missing,
        mode=tables.mode,
        input_sha256={
            "ground truth": file_sha256(files.ground_truth),
            "results": None if tables.results_missing else file_sha256(files.results),
        },
    )


def _score_all(
    wanted: Sequence[SequenceFiles], settings: EvaluationSettings
) -> tuple[list[SequenceScores], list[Failure]]:
    work = [(files, settings) for files in wanted]
    answers: list[SequenceScores | Failure]
    if settings.jobs > 1 and len(work) > 1:
        # A fresh interpreter each: forking under threads (numpy's, a server's) can hang.
        context = multiprocessing.get_context("spawn")
        workers = min(settings.jobs, len(work))
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            answers = list(pool.map(_score_or_fail, work))
    else:
        answers = [_score_or_fail(item) for item in work]
    scored = [answer for answer in answers if isinstance(answer, SequenceScores)]
    return scored, [answer for answer in answers if isinstance(answer, Failure)]


def _score_or_fail(
    work: tuple[SequenceFiles, EvaluationSettings],
) -> SequenceScores | Failure:
    files, settings = work
    try:
        return score_sequence_files(files, settings)
    except (ValueError, OSError) as error:
        return Failure(name=files.name, message=str(error))


def _ground_truth_path(path: Path) -> Path:
    packed = path.with_name(path.name + ".gz")
    return packed if packed.is_file() and not path.is_file() else path


def _unknown_results(results: Path, known: set[str]) -> list[str]:
    """A note for each file of results that belongs to no sequence."""
    notes = []
    for path in sorted(results.iterdir()):
        name = path.name.removesuffix(".gz").removesuffix(".txt")
        is_masks = name.removesuffix(".mots") in known  # what `track --masks` puts beside them
        if path.name.endswith(RESULT_SUFFIXES) and name not in known and not is_masks:
            notes.append(f"{path}: expected the name of a sequence, got {name}; not scored")
    return notes


def _choose(names: Sequence[str], include: Sequence[str], exclude: Sequence[str]) -> set[str]:
    for pattern in [*include, *exclude]:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ValueError(
                f"sequences: expected a name or pattern among {', '.join(names)}, got {pattern!r}"
            )
    chosen = {
        name
        for name in names
        if (not include or any(fnmatchcase(name, pattern) for pattern in include))
        and not any(fnmatchcase(name, pattern) for pattern in exclude)
    }
    if not chosen:
        raise ValueError("sequences: expected at least one to score, got all of them excluded")
    return chosen
