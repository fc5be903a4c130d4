"""Frozen sets of crowds: what is trained on, what is tested on, and the hashes of their text."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, get_args

from faimtrack.atomic import atomic_directory
from faimtrack.datasets.crowd.config import GENERATOR_VERSION, CrowdConfig
from faimtrack.datasets.crowd.simulate import Crowd, simulate_crowd
from faimtrack.datasets.crowd.text import text_digests
from faimtrack.datasets.crowd.write import foreign_folder, is_own_crowd, write_crowd
from faimtrack.provenance import provenance_path

BENCH_NAMES = ("crowd-bench-v1", "objects-v1", "objects-v2")
"""The benches that this version can make."""

Split = Literal["train", "test"]


@dataclass(frozen=True, kw_only=True)
class BenchSequence:
    """One crowd of a bench.

    Attributes:
        split: `train`, or `test`: whose seeds nothing may be trained or tuned on.
        config: What it is made from.
        sha256: Path of a text file in the sequence's folder → SHA-256 of its bytes.
    """

    split: Split
    config: CrowdConfig
    sha256: dict[str, str]


def bench_sequences(name: str) -> tuple[BenchSequence, ...]:
    """The sequences of a bench, those for training first.

    Raises:
        ValueError: There is no bench of that name.
    """
    if name not in BENCH_NAMES:
        raise ValueError(f"bench: expected one of {', '.join(BENCH_NAMES)}, got {name!r}")
    path = Path(__file__).with_name(f"{name}.json")
    content = json.loads(path.read_text(encoding="utf-8"))
    return tuple(
        BenchSequence(
            split=entry["split"],
            config=CrowdConfig(**entry["config"]),
            sha256=entry["sha256"],
        )
        for entry in content["sequences"]
    )


def make_bench_crowd(sequence: BenchSequence) -> Crowd:
    """Simulate a sequence and check that its text has the frozen bytes.

    Raises:
        ValueError: The generator gives other bytes than when the bench was frozen.
    """
    crowd = simulate_crowd(sequence.config)
    for path, digest in text_digests(crowd).items():
        if digest != sequence.sha256.get(path):
            raise ValueError(
                f"{sequence.config.name}/{path}: expected SHA-256 {sequence.sha256.get(path)}, "
                f"got {digest} from generator version {GENERATOR_VERSION}; the bench is frozen"
            )
    return crowd


def write_bench(
    name: str,
    directory: str | os.PathLike[str],
    *,
    images: bool = True,
    masks: bool = True,
    overwrite: bool = False,
    workers: int = 2,
    progress: Callable[[str, int, int], None] | None = None,
) -> Path:
    """Write all sequences of a bench into `train/` and `test/`; the folder appears when whole.

    Args:
        name: One of `BENCH_NAMES`.
        directory: The bench's folder.
        images: Whether to draw pictures.
        masks: Whether to write exact masks.
        overwrite: Whether a bench that is there may be replaced.
        workers: Threads that draw.
        progress: Told the sequence's name, its frames done and all its frames.

    Returns:
        `directory` as a path.

    Raises:
        FileExistsError: The folder is there and may not be replaced, or is not that of a bench.
        ValueError: There is no such bench, or the generator's text has changed.
        OSError: The folder cannot be written; nothing is left behind.
    """
    sequences = bench_sequences(name)
    final = Path(directory)
    if overwrite and not _is_own_bench(final):
        raise foreign_folder(final, "bench")
    with atomic_directory(final, overwrite=overwrite) as folder:
        for sequence in sequences:
            title = sequence.config.name
            write_crowd(
                make_bench_crowd(sequence),
                folder / sequence.split / title,
                images=images,
                masks=masks,
                workers=workers,
                progress=None if progress is None else partial(progress, title),
            )
    return final


def _is_own_bench(folder: Path) -> bool:
    """Whether a folder may be replaced by a bench: it holds crowds and their sidecars only."""
    if not folder.is_dir():
        return True
    halves = list(folder.iterdir())
    if not all(half.is_dir() and half.name in get_args(Split) for half in halves):
        return False
    found = [path for half in halves for path in half.iterdir()]
    crowds = {path for path in found if path.is_dir() and is_own_crowd(path)}
    return set(found) == crowds | {provenance_path(path) for path in crowds}
