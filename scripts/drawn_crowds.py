"""Crowds that scripts draw for themselves."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from faimtrack.datasets.crowd import CrowdConfig, simulate_crowd, write_crowd
from faimtrack.provenance import read_provenance


def draw_crowds(configs: Sequence[CrowdConfig], folder: Path) -> Path:
    """Write the crowds that are not there yet, without masks; others of their names are replaced.

    Args:
        configs: What the folder is to hold; names differ.
        folder: Of sequences.

    Returns:
        The folder.

    Raises:
        ValueError: The folder holds other sequences too, which would be used with them.
        OSError: A file cannot be read or written.
    """
    there = {path.parent.name for path in folder.glob("*/seqinfo.ini")}
    if foreign := sorted(there - {config.name for config in configs}):
        raise ValueError(
            f"{folder}: expected no other sequences than are drawn here, got "
            f"{', '.join(foreign[:3])}"
        )
    for config in configs:
        path = folder / config.name
        wanted = dataclasses.asdict(config)
        if path.is_dir() and wanted.items() <= read_provenance(path).configuration.items():
            continue
        write_crowd(simulate_crowd(config), path, masks=False, overwrite=True)
    return folder
