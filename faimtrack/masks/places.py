"""Where the masks of a sequence lie."""

from __future__ import annotations

from pathlib import Path

EXACT_MASKS = "gt/masks.parquet"
"""Where a crowd's exact masks lie in its folder."""


def mask_file(sequence: Path, method: str, root: Path | None = None) -> Path:
    """The file of a sequence's pseudo masks, whether it is there or not.

    Args:
        sequence: The sequence's folder.
        method: How they are made, a `MaskMethod`.
        root: A folder for masks of many sequences; None: `masks` in the sequence's own.

    >>> mask_file(Path("MOT20/train/MOT20-01"), "grabcut").as_posix()
    'MOT20/train/MOT20-01/masks/grabcut.parquet'
    >>> mask_file(Path("MOT20/train/MOT20-01"), "sam", Path("out")).as_posix()
    'out/MOT20-01/sam.parquet'
    """
    sequence = Path(sequence)
    folder = sequence / "masks" if root is None else Path(root) / sequence.resolve().name
    return folder / f"{method}.parquet"
