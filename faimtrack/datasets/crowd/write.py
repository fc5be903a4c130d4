"""Write a crowd to disk in MOT20's layout, with exact masks beside the ground truth."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import cv2

from faimtrack.atomic import atomic_directory
from faimtrack.datasets.crowd.annotations import Annotations
from faimtrack.datasets.crowd.config import GENERATOR_VERSION, SceneName
from faimtrack.datasets.crowd.pictures import Renderer
from faimtrack.datasets.crowd.rendered import RenderedFrame, in_order
from faimtrack.datasets.crowd.simulate import Crowd
from faimtrack.datasets.crowd.text import sequence_texts
from faimtrack.masks.mask import Mask
from faimtrack.masks.store import MaskStoreWriter
from faimtrack.provenance import Provenance, read_provenance, write_provenance

MASK_FILE = "gt/masks.parquet"
"""Where the exact masks stand in a sequence's folder."""
MASK_METHOD = "simulator"
"""What the method column of exact masks says."""

_KINDS: dict[SceneName, str] = {"people": "crowd", "objects": "crowd of objects"}
"""What provenance says. MOT20's rules are for a "crowd"; they know nothing of objects."""
_JPEG_QUALITY = 92

Progress = Callable[[int, int], None]
"""Called with the number of frames done and the number of all."""


def write_crowd(
    crowd: Crowd,
    directory: str | os.PathLike[str],
    *,
    images: bool = True,
    masks: bool = True,
    overwrite: bool = False,
    workers: int = 2,
    progress: Progress | None = None,
) -> Path:
    """Write one sequence; its folder appears only when it is whole, its provenance beside it.

    Args:
        crowd: What to write.
        directory: The sequence's folder.
        images: Whether to draw pictures. Without them and without masks only text is written,
            which is very fast.
        masks: Whether to write exact masks.
        overwrite: Whether a crowd that is there may be replaced.
        workers: Threads that draw.
        progress: Told after each frame that was drawn.

    Returns:
        `directory` as a path.

    Raises:
        FileExistsError: The folder is there and may not be replaced, or is not that of a crowd.
        OSError: It cannot be written; nothing is left behind.
    """
    final = Path(directory)
    if overwrite and not is_own_crowd(final):
        raise foreign_folder(final, "crowd")
    with atomic_directory(final, overwrite=overwrite) as folder:
        for name, content in sequence_texts(crowd).items():
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        if images:
            (folder / "img1").mkdir()
        if images or masks:
            _draw(crowd, folder, images, masks, workers, progress)
    settings = {"generator_version": GENERATOR_VERSION, "images": images, "masks": masks}
    record = Provenance(
        kind=_KINDS[crowd.config.scene],
        configuration=settings | asdict(crowd.config),
        seed=crowd.config.seed,
    )
    write_provenance(final, record)
    return final


def is_own_crowd(folder: Path) -> bool:
    """Whether a crowd may replace a folder: it is absent, empty or made by `write_crowd`."""
    if not folder.is_dir() or not any(folder.iterdir()):
        return True
    try:
        return read_provenance(folder).kind in _KINDS.values()
    except (OSError, ValueError):
        return False


def foreign_folder(folder: Path, kind: str) -> FileExistsError:
    """The error for a folder that holds something else than what was made here."""
    return FileExistsError(
        f"{folder}: expected no such folder, or that of an earlier {kind}, got something else"
    )


def _draw(
    crowd: Crowd,
    folder: Path,
    images: bool,
    masks: bool,
    workers: int,
    progress: Progress | None,
) -> None:
    """Draw all frames and write what is wanted of them, in order."""
    renderer = Renderer(crowd)

    def make(frame: int) -> tuple[int, dict[int, Mask]]:
        drawn = renderer.render(frame)
        if images:
            _write_jpeg(folder / "img1" / f"{frame:06d}.jpg", drawn)
        return frame, exact_masks(drawn, crowd.annotations) if masks else {}

    metadata = {
        "source": f"faimtrack crowd {crowd.config.name}",
        "seed": crowd.config.seed,
        "generator_version": GENERATOR_VERSION,
        "class_names": list(crowd.class_names),
    }
    with ExitStack() as stack:
        writer = None
        if masks:
            writer = stack.enter_context(MaskStoreWriter(folder / MASK_FILE, metadata=metadata))
        finished: Iterator[tuple[int, dict[int, Mask]]] = in_order(
            make, range(1, crowd.config.frames + 1), workers
        )
        for frame, found in finished:
            if writer is not None:
                writer.write(frame, found)
            if progress is not None:
                progress(frame, crowd.config.frames)


def _write_jpeg(path: Path, drawn: RenderedFrame) -> None:
    """Encode and write one picture; OpenCV wants BGR."""
    settings = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    encoded, content = cv2.imencode(".jpg", drawn.image[..., ::-1], settings)
    if not encoded:
        raise OSError(f"{path}: expected OpenCV to encode a JPEG, got a failure")
    path.write_bytes(content.tobytes())


def exact_masks(drawn: RenderedFrame, annotations: Annotations) -> dict[int, Mask]:
    """The visible pixels of all figures of a frame; wholly hidden ones have none.

    Returns:
        Track id → mask, by rising track id.
    """
    rows = annotations.rows_of(drawn.index)
    boxes = annotations.boxes_xywh[rows].tolist()
    tracks = annotations.track_ids[rows].tolist()
    kinds = annotations.class_ids[rows].tolist()
    height, width = drawn.ids.shape
    masks = {}
    for (left, top, wide, tall), track, kind in zip(boxes, tracks, kinds, strict=True):
        part = drawn.ids[top : top + tall, left : left + wide] == track
        if part.any():
            masks[track] = Mask.encode_part(
                part, left, top, (height, width), class_id=kind, method=MASK_METHOD
            )
    return masks
