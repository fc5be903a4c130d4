"""Where an experiment's data lie; crowds are drawn if there are none yet."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from faimtrack.atomic import claimed
from faimtrack.datasets.crowd import write_bench
from faimtrack.datasets.crowd.bench import bench_sequences
from faimtrack.reproduce.suites import Suite

CROWD = "crowd"
"""What stands for data that are made here."""
_HALVES = ("train", "test")
_SPLIT = "full"
_WAIT_S = 0.5


@dataclass(frozen=True, kw_only=True)
class Data:
    """Where what is learnt from and what is scored on lie.

    Attributes:
        train: A folder.
        test: A folder; the same where a data set has splits of its own.
        split: Which part of `test` is scored; None: what a recipe validates on.
        masks: Where pseudo masks lie if not with their videos.
        makes_masks: Whether those that need no network are made if they are not there.
        undrawn: The bench that is to be drawn there first; None: the data are there.
    """

    train: Path
    test: Path
    split: str | None = None
    masks: Path | None = None
    makes_masks: bool = False
    undrawn: str | None = None


def locate_data(suite: Suite, named: str, output: Path, *, masks_root: Path | None = None) -> Data:
    """Find the data of a suite, or the place where they will be drawn.

    Args:
        suite: Whose.
        named: A folder, or `crowd` for crowds that are drawn in the output folder, once.
        output: Of the experiments.
        masks_root: Where pseudo masks lie if not with their videos.

    Raises:
        ValueError: There is nothing to be drawn for the suite, or other crowds lie there.
        OSError: A folder is not there or cannot be read.
    """
    if masks_root is not None and not masks_root.is_dir():
        raise NotADirectoryError(f"{masks_root}: expected a folder of masks, got none")
    undrawn = None
    if named == CROWD:
        if suite.bench is None:
            raise ValueError(f"data: expected a folder of {suite.title}, got {CROWD}")
        folder = output / "data" / suite.bench
        if folder.is_dir():
            _require_bench(folder, suite.bench)
        else:
            undrawn = suite.bench
    else:
        folder = Path(named)
        _require_data(suite, folder)
    if not suite.has_halves:
        return Data(train=folder, test=folder, masks=masks_root)
    return Data(
        train=folder / "train",
        test=folder / "test",
        split=_SPLIT,
        masks=masks_root,
        makes_masks=masks_root is None,
        undrawn=undrawn,
    )


def draw_data(data: Data, say: Callable[[str], None] = lambda line: None) -> None:
    """Draw data that are not there yet; while another command is at it, wait for that.

    Args:
        data: As `locate_data` found them.
        say: Takes lines for people.

    Raises:
        ValueError: Crowds are drawn otherwise than when the bench was frozen.
        OSError: They cannot be written; nothing is left behind.
    """
    if data.undrawn is None:
        return
    folder = data.train.parent
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _claim(folder.parent / f".{data.undrawn}.claim", data.undrawn, say):
        if not folder.is_dir():  # it appears when it is whole
            say(f"{data.undrawn}: is drawn into {folder}, once")
            write_bench(data.undrawn, folder)
            say(f"{data.undrawn}: drawn")


@contextmanager
def _claim(path: Path, bench: str, say: Callable[[str], None]) -> Iterator[None]:
    """Hold a claim while a block runs, as soon as no other command holds it."""
    with ExitStack() as held:
        has_told = False
        while True:
            try:
                held.enter_context(claimed(path))
                break
            except BlockingIOError:
                if not has_told:
                    say(f"{bench}: another command draws it; waiting")
                has_told = True
                time.sleep(_WAIT_S)
        yield


def _require_data(suite: Suite, folder: Path) -> None:
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder}: expected a folder of {suite.title}, got none")
    for half in _HALVES if suite.has_halves else ():
        if not (folder / half).is_dir():
            raise NotADirectoryError(f"{folder / half}: expected a folder of crowds, got none")


def _require_bench(folder: Path, bench: str) -> None:
    """Refuse crowds of others, or of an earlier version, in a bench's place; by their names."""
    expected = {f"{each.split}/{each.config.name}" for each in bench_sequences(bench)}
    found = {
        f"{half}/{path.parent.name}"
        for half in _HALVES
        for path in (folder / half).glob("*/seqinfo.ini")
    }
    if found == expected:
        return
    wrong = [
        f"{len(names)} {word} (such as {min(names)})"
        for names, word in ((expected - found, "missing"), (found - expected, "of others"))
        if names
    ]
    raise ValueError(
        f"{folder}: expected the {len(expected)} sequences of {bench}, got {len(found)}: "
        f"{' and '.join(wrong)}; without that folder they are drawn anew"
    )
