"""What `torch.save` wrote, read without running anything that the file names."""

from __future__ import annotations

import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

_NAMED_CODE = re.compile(r"GLOBAL ([^\s,]+)")
_HARMLESS = (
    "numpy.core.multiarray.scalar",
    "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
    "numpy._core.multiarray._reconstruct",
    "numpy.dtype",
    "numpy.ndarray",
    "argparse.Namespace",
)
"""What trainers leave beside the weights: their best score, their command line."""


class _LeftAside:
    """Stands where a checkpoint names something harmless that nobody needs: it does nothing."""

    def __new__(cls, *arguments: object) -> _LeftAside:
        return super().__new__(cls)

    def __setstate__(self, state: object) -> None:
        pass


def load_pickle(path: Path) -> Any:
    """The content of a checkpoint: tensors on the CPU, plain values and containers only.

    Raises:
        ValueError: It is cut off or no checkpoint, or it wants to run code.
        ModuleNotFoundError: torch is not installed.
    """
    import torch

    check_archive(path)
    try:
        with torch.serialization.safe_globals(_left_aside()), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they are about what is checked afterwards
            return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, MemoryError):
        raise
    except Exception as error:  # a file may hold anything, and fails in as many ways
        raise ValueError(f"{path}: {_reason(path, str(error))}") from None


def _left_aside() -> list[type[_LeftAside]]:
    """A class for each harmless name: torch asks what a class calls itself."""
    names = [name.rpartition(".") for name in _HARMLESS]
    return [type(name, (_LeftAside,), {"__module__": module}) for module, _, name in names]


def check_archive(path: Path) -> None:
    """Tell a zip file that is cut off, or of something else, from one of `torch.save`.

    Raises:
        ValueError: It is one of these.
    """
    with path.open("rb") as file:
        if not file.read(4).startswith(b"PK"):
            return
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, EOFError, NotImplementedError, ValueError):
        raise ValueError(f"{path}: expected a checkpoint, got a file that is cut off") from None
    if any(name.endswith("/constants.pkl") for name in names):
        raise ValueError(
            f"{path}: expected a checkpoint, got a TorchScript program; its weights alone are "
            "what is needed (its state_dict)"
        )
    if not any(name.endswith("data.pkl") for name in names):
        shown = ", ".join(names[:3]) or "nothing"
        raise ValueError(f"{path}: expected a checkpoint, got a zip archive of {shown}")


def _reason(path: Path, text: str) -> str:
    """Why torch did not read a file, in one line."""
    named = _NAMED_CODE.search(text)
    if named is not None and not _ends_within(path, named[1]):
        return (
            f"refused: the file wants to run code ({named[1]}); expected a checkpoint of tensors "
            "and plain values (a state_dict)"
        )
    if "legacy .tar" in text:
        return "expected a checkpoint, got one of a format that torch gave up (before 2018)"
    return "expected a checkpoint, got a file that is cut off, broken or no checkpoint at all"


def _ends_within(path: Path, name: str) -> bool:
    """Whether a name came out odd because the file is cut off in it."""
    _, _, last = name.rpartition(".")
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 300))
        tail = file.read().rpartition(b"\n")[2]
    return not last or tail[:-1] == last.encode()
