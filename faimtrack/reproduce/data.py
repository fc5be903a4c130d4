"""Where an experiment's data lie; crowds are made if there are none yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from faimtrack.datasets.crowd import write_bench
from faimtrack.reproduce.suites import Suite

CROWD = "crowd"
"""What stands for data that are made here."""
_SPLIT = "full"


@dataclass(frozen=True, kw_only=True)
class Data:
    """Where what is learnt from and what is scored on lie.

    Attributes:
        train: A folder.
        test: A folder; the same where a data set has splits of its own.
        split: Which part of `test` is scored; None: what a recipe validates on.
        masks: Where pseudo masks lie if not with their videos.
        makes_masks: Whether those that need no network are made if they are not there.
    """

    train: Path
    test: Path
    split: str | None = None
    masks: Path | None = None
    makes_masks: bool = False


def locate_data(
    suite: Suite,
    named: str,
    output: Path,
    *,
    masks_root: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Data:
    """Find the data of a suite, or make them.

    Args:
        suite: Whose.
        named: A folder, or `crowd` for crowds that are made in the output folder, once.
        output: Of the experiments.
        masks_root: Where pseudo masks lie if not with their videos.
        say: Takes lines for people.

    Raises:
        ValueError: There is nothing to be made for the suite.
        OSError: A folder is not there, or cannot be written.
    """
    if named == CROWD:
        if suite.bench is None:
            raise ValueError(f"data: expected a folder of {suite.title}, got {CROWD}")
        folder = output / "data" / suite.bench
        if not folder.is_dir():
            say(f"{suite.bench}: drawn into {folder}")
            write_bench(suite.bench, folder)
    else:
        folder = Path(named)
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder}: expected a folder of {suite.title}, got none")
    if not suite.has_halves:
        return Data(train=folder, test=folder, masks=masks_root)
    for half in (folder / "train", folder / "test"):
        if not half.is_dir():
            raise NotADirectoryError(f"{half}: expected a folder of crowds, got none")
    return Data(
        train=folder / "train",
        test=folder / "test",
        split=_SPLIT,
        masks=masks_root,
        makes_masks=masks_root is None,
    )
