"""Small videos to learn from: a rectangle that moves before noise, of one of two classes."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from faimtrack.datasets.annotated import AnnotatedImage
from faimtrack.datasets.videos import AnnotatedVideo
from faimtrack.drawing import write_picture
from faimtrack.masks.mask import Mask


@dataclass(frozen=True)
class DrawnVideos:
    """Videos in memory and their pictures in a folder."""

    videos: tuple
    has_masks: bool = True
    has_ground_truth: bool = True
    class_names: tuple = ("dark", "light")

    def __len__(self):
        return len(self.videos)

    def __getitem__(self, index):
        return self.videos[index]


def drawn_videos(
    folder, lengths, *, size=(64, 64), grows=False, empty=(), is_ambiguous=False, has_masks=True
):
    """Videos of some lengths.

    Args:
        folder: Of the pictures.
        lengths: Frames of each video.
        size: Height and width of the pictures.
        grows: Whether the second half of a video has larger pictures.
        empty: Numbers of videos without any object.
        is_ambiguous: Whether only every fourth frame tells the class; all others are the same
            pixels in videos of both classes.
        has_masks: Whether objects have masks.
    """
    return DrawnVideos(
        tuple(
            _video(
                Path(folder), number, length, size,
                grows=grows, is_empty=number in empty, is_ambiguous=is_ambiguous,
                has_masks=has_masks,
            )
            for number, length in enumerate(lengths)
        )
    )  # fmt: skip


def _video(folder, number, length, size, *, grows, is_empty, is_ambiguous, has_masks):
    random = np.random.default_rng(number // 2 if is_ambiguous else number)
    frames = []
    for place in range(length):
        height, width = (side * (2 if grows and place >= length // 2 else 1) for side in size)
        image = random.integers(90, 160, (height, width, 3), dtype=np.uint8)
        x, y = 4 + place % (width // 4), 6 + place % (height // 4)
        box = (x, y, x + width // 3, y + height // 2)
        pixels = np.zeros((height, width), bool)
        if not is_empty:
            pixels[box[1] : box[3], box[0] : box[2]] = True
            image[pixels] = 20 if number % 2 == 0 else 235
            if is_ambiguous and place % 4:
                image[pixels] = (200, 40, 40)
        path = folder / f"video-{number}" / f"{place:06d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_picture(image, path)
        frame = _frame(path, f"video-{number}/{place}", box, number % 2, pixels, is_empty)
        frames.append(frame if has_masks else dataclasses.replace(frame, read_masks=None))
    return AnnotatedVideo(
        name=f"video-{number}",
        source=folder / f"video-{number}",
        frame_numbers=np.arange(1, length + 1, dtype=np.int64),
        has_tracks=True,
        read=frames.__getitem__,
    )


def _frame(path, name, box, class_id, pixels, is_empty):
    count = 0 if is_empty else 1
    return AnnotatedImage(
        name=name,
        path=path,
        boxes=np.array([box], np.float64)[:count],
        class_ids=np.array([class_id], np.int64)[:count],
        track_ids=np.zeros(count, np.int64),
        visibilities=-np.ones(count),
        read_masks=lambda: [Mask.encode(pixels)][:count],
    )
