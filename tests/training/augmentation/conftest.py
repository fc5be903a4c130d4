"""Images in which each object is painted in a colour of its own, on disk."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from faimtrack.datasets.annotated import AnnotatedImage
from faimtrack.masks.mask import Mask

PEOPLE = 4
IMAGES = 4


def colours(count):
    """RGB colours on a sphere: a blend of some of them is never another of them."""
    steps = np.arange(count)
    heights = 1 - 2 * (steps + 0.5) / count
    angles = steps * np.pi * (3 - np.sqrt(5))
    radii = np.sqrt(1 - heights**2)
    points = np.stack([radii * np.cos(angles), radii * np.sin(angles), heights], axis=1)
    return np.rint(128 + 120 * points).astype(np.uint8)


COLOURS = colours(PEOPLE * IMAGES)


class Painted:
    """A set of images; the class of an object is the number of its colour."""

    class_names = tuple(f"colour {number}" for number in range(PEOPLE * IMAGES))
    has_masks = True

    def __init__(self, folder, seed, *, people=PEOPLE, absent=(), size=(90, 130), read_masks=True):
        generator = np.random.default_rng(seed)
        self.absent, self.read_masks = set(absent), read_masks
        self.images = [
            self._paint(Path(folder), number, generator, people, size) for number in range(IMAGES)
        ]

    def _paint(self, folder, number, generator, people, size):
        height, width = size[0] + 7 * number, size[1] - 11 * number
        owner = np.full((height, width), -1)
        for colour in range(people * number, people * (number + 1)):
            # An ellipse, a part of which the next may hide.
            rows, columns = np.mgrid[:height, :width]
            y, x = generator.uniform(0, height), generator.uniform(0, width)
            b, a = generator.uniform(10, 25, 2)
            owner[((rows - y) / b) ** 2 + ((columns - x) / a) ** 2 < 1] = colour
        pixels = np.where(owner[..., None] < 0, 90, COLOURS[owner]).astype(np.uint8)
        path = folder / f"{number}.png"
        cv2.imwrite(str(path), pixels[..., ::-1])
        boxes, ids, masks = [], [], []
        for colour in np.unique(owner[owner >= 0]).tolist():
            ys, xs = np.nonzero(owner == colour)
            boxes.append([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])
            ids.append(colour)
            masks.append(None if colour in self.absent else Mask.encode(owner == colour))
        arrays = {
            "boxes": np.array(boxes, np.float64).reshape(-1, 4),
            "class_ids": np.array(ids, np.int64),
            "track_ids": np.array(ids, np.int64),
            "visibilities": np.ones(len(ids)),
        }
        for array in arrays.values():
            array.flags.writeable = False
        reader = (lambda: tuple(masks)) if self.read_masks else None
        return AnnotatedImage(name=f"image {number}", path=path, read_masks=reader, **arrays)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.images[index]


@pytest.fixture(scope="session")
def painted(tmp_path_factory):
    """Makes a painted set, once for the same arguments."""
    made = {}

    def make(seed=0, **keywords):
        key = seed, *sorted(keywords.items())
        if key not in made:
            made[key] = Painted(tmp_path_factory.mktemp("painted"), seed, **keywords)
        return made[key]

    return make


@pytest.fixture(scope="session")
def palette():
    """The colour of each class, `(C, 3)`."""
    return COLOURS


@pytest.fixture(scope="session")
def painted_class():
    """The class of painted sets, for a folder of one's own."""
    return Painted
