"""One file a finished job."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from faimtrack.atomic import atomic_file
from faimtrack.reproduce.jobs import Job

KIND, FORMAT_VERSION = "reproduction-job", 1


def result_path(folder: Path, job: Job) -> Path:
    """Where the result of a job is kept: jobs of other settings have other names."""
    return folder / f"{job.name}.json"


def write_result(folder: Path, job: Job, result: Mapping[str, Any]) -> Path:
    """Keep what came of a job; gives the file.

    Raises:
        ValueError: A number is not finite.
        OSError: The file cannot be written.
    """
    tree = {
        "kind": KIND,
        "format_version": FORMAT_VERSION,
        "job": job.kind,
        "title": job.title,
        "settings": dict(job.settings),
        "result": dict(result),
    }
    path = result_path(folder, job)
    with atomic_file(path) as temporary:
        text = json.dumps(tree, indent=1, sort_keys=True, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")
    return path


def read_result(folder: Path, job: Job) -> dict[str, Any] | None:
    """What came of a job; None if it has not been done.

    Raises:
        ValueError: The file is damaged, of another version, or of other settings.
        OSError: The file cannot be read.
    """
    path = result_path(folder, job)
    if not path.is_file():
        return None
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise ValueError(f"{path}: expected the result of a job, got no JSON") from None
    if not isinstance(tree, dict) or tree.get("kind") != KIND:
        raise ValueError(f"{path}: expected the result of a job (kind {KIND}), got other JSON")
    if tree.get("format_version") != FORMAT_VERSION:
        came = tree.get("format_version")
        raise ValueError(f"{path}: expected format {FORMAT_VERSION}, got {came!r}")
    wanted = json.loads(json.dumps(dict(job.settings)))
    result = tree.get("result")
    if tree.get("job") != job.kind or tree.get("settings") != wanted or not result:
        raise ValueError(
            f"{path}: expected the result of {job.title} with its settings, got that of others; "
            "without the file it is made anew"
        )
    return dict(result)
