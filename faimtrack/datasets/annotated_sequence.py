"""Frames of a MOTChallenge sequence as images to learn from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faimtrack.datasets.annotated import AnnotatedImage
from faimtrack.masks.mask import Mask
from faimtrack.masks.table import MaskTable
from faimtrack.motfile import MotTable
from faimtrack.motfile.sequence import SequenceInfo
from faimtrack.video.images import numbered_images


@dataclass(frozen=True, eq=False)
class AnnotatedSequence:
    """Some frames of one sequence: arrays alone, which forked processes share.

    Attributes:
        info: What its `seqinfo.ini` says.
        frames: `(F,)` int64 numbers of the frames, ascending.
        table: The rows of the ground truth that are objects to learn.
        class_ids: `(R,)` int64: what each row is.
        image_names: `(F,)` file names.
        masks: Their masks; None: nobody asked for them.
    """

    info: SequenceInfo
    frames: NDArray[np.int64]
    table: MotTable
    class_ids: NDArray[np.int64]
    image_names: NDArray[np.str_]
    masks: MaskTable | None

    def image(self, position: int) -> AnnotatedImage:
        """The frame at a place in `frames`; nothing is decoded."""
        frame = int(self.frames[position])
        rows = self.table.rows_of(frame)
        ids = self.table.ids[rows]
        info, masks = self.info, self.masks

        def read_masks() -> Sequence[Mask | None]:
            found: Mapping[int, Mask] = {} if masks is None else masks.frame(frame)
            return [found.get(track) for track in ids.tolist()]

        is_sized = info.width is not None and info.height is not None
        return AnnotatedImage(
            name=f"{info.name}/{frame:06d}",
            path=info.image_folder / str(self.image_names[position]),
            boxes=self.table.boxes[rows],
            class_ids=self.class_ids[rows].copy(),
            track_ids=ids.copy(),
            visibilities=self.table.visibilities[rows].copy(),
            size=(info.height, info.width) if is_sized else None,  # type: ignore[arg-type]
            read_masks=None if masks is None else read_masks,
        )


def image_names(info: SequenceInfo, frames: Iterable[int]) -> NDArray[np.str_]:
    """The file names of the images of some frames.

    Raises:
        FileNotFoundError: One has none.
    """
    frames = list(frames)
    found = numbered_images(info.image_folder, info.image_suffix)
    missing = [frame for frame in frames if frame not in found]
    if missing:
        expected = info.image_folder / f"{missing[0]:06d}{info.image_suffix}"
        others = f" (nor for {len(missing) - 1} other frames)" if len(missing) > 1 else ""
        raise FileNotFoundError(
            f"{expected}: expected the image of frame {missing[0]}, got no such file{others}"
        )
    return np.array([found[frame].name for frame in frames])
