"""Trackers on disk: a state as an `.npz` file of arrays and JSON, never a pickle."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from faimtrack.atomic import atomic_file
from faimtrack.interfaces import BoxRegressor, Embedder
from faimtrack.trackers.base import State, Tracker
from faimtrack.trackers.registry import restore_tracker

_SCALARS = "scalars.json"


def save_state(path: str | os.PathLike[str], state: State) -> None:
    """Write what `Tracker.state` gave; the file appears when it is whole.

    Raises:
        OSError: The file cannot be written.
    """
    entries: dict[str, Any] = {
        key: value for key, value in state.items() if isinstance(value, np.ndarray)
    }
    scalars = {key: value for key, value in state.items() if not isinstance(value, np.ndarray)}
    with atomic_file(path) as temporary, temporary.open("wb") as out:
        entries[_SCALARS] = np.array(json.dumps(scalars))
        np.savez(out, **entries)


def load_state(path: str | os.PathLike[str]) -> State:
    """Read what `save_state` wrote.

    Raises:
        ValueError: The file is no tracker state.
        OSError: The file cannot be read.
    """
    path = Path(path)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as entries:
            state: dict[str, Any] = json.loads(str(entries[_SCALARS]))
            state.update({key: entries[key] for key in entries.files if key != _SCALARS})
    except (KeyError, ValueError, EOFError, zipfile.BadZipFile, TypeError, AttributeError):
        raise ValueError(f"{path}: expected a tracker state, got another kind of file") from None
    return state


def load_tracker(
    path: str | os.PathLike[str],
    *,
    regressor: BoxRegressor | None = None,
    embedder: Embedder | None = None,
) -> Tracker:
    """The tracker whose state `save_state` wrote, whichever it was.

    Args:
        path: The file.
        regressor: As it had, if it is one that needs one; networks are no part of a state.
        embedder: Likewise.

    Raises:
        ValueError: The file is no tracker state that this version can read, or the networks are
            not those that it had.
        OSError: The file cannot be read.
    """
    return restore_tracker(load_state(path), regressor=regressor, embedder=embedder)
