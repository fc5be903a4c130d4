"""Crops of boxes as a network's input, and vectors from what it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from faimtrack.appearance.config import ColourOrder, EmbedderConfig, Normalisation
from faimtrack.appearance.conventions import IMAGENET_DEVIATION, IMAGENET_MEAN
from faimtrack.appearance.rectangles import pixel_rectangles
from faimtrack.boxes import Boxes
from faimtrack.structures import Frame, Image
from faimtrack.vectors import unit_vectors

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""A network: `(B, 3, height, width)` in, `(B, D)` out."""

CPU_BATCH, GPU_BATCH = 16, 128


@dataclass(frozen=True)
class CropInput:
    """How a network wants its crops.

    Attributes:
        height: In pixels.
        width: In pixels.
        normalisation: What numbers become of 0 to 255, as in `EmbedderConfig`.
        colour_order: Of the channels.
    """

    height: int
    width: int
    normalisation: Normalisation = "imagenet"
    colour_order: ColourOrder = "rgb"

    @classmethod
    def of_config(cls, config: EmbedderConfig, size: tuple[int, int]) -> CropInput:
        """As a configuration says; `size` is the network's height and width."""
        return cls(*size, config.normalisation, config.colour_order)

    @property
    def kind(self) -> str:
        """All of it in a word, such as ``crop-256x128-imagenet-rgb``, for names of embeddings."""
        return f"crop-{self.height}x{self.width}-{self.normalisation}-{self.colour_order}"

    def fill(self, crop: Image, out: NDArray[np.float32]) -> None:
        """Write one crop into a network's input, at its size (bilinear, aspect ratio not kept).

        Args:
            crop: `(h, w, 3)` uint8 RGB, of a pixel at least.
            out: `(3, height, width)`, written to.
        """
        resized = cv2.resize(crop, (self.width, self.height), interpolation=cv2.INTER_LINEAR)
        for channel in range(3):
            scale, offset = self._affine(channel)
            plane = out[channel if self.colour_order == "rgb" else 2 - channel]
            np.multiply(resized[..., channel], np.float32(scale), out=plane)
            if offset:
                plane += np.float32(offset)

    def batch(self, image: Image, rectangles: NDArray[np.int64]) -> NDArray[np.float32]:
        """`(N, 3, height, width)`: the content of rectangles of an image, each of some area."""
        inputs = np.empty((len(rectangles), 3, self.height, self.width), np.float32)
        for (x1, y1, x2, y2), out in zip(rectangles.tolist(), inputs, strict=True):
            self.fill(image[y1:y2, x1:x2], out)
        return inputs

    def _affine(self, channel: int) -> tuple[float, float]:
        """What a value of R, G or B is multiplied by, and what is added."""
        if self.normalisation == "none":
            return 1.0, 0.0
        if self.normalisation == "unit":
            return 1 / 255, 0.0
        deviation = IMAGENET_DEVIATION[channel]
        return 1 / (255 * deviation), -IMAGENET_MEAN[channel] / deviation


@dataclass(frozen=True)
class CropEmbedding:
    """The way from boxes to vectors that all networks on crops share.

    Attributes:
        crop_input: How the network wants its crops.
        run: The network.
        dimension: Of its vectors.
        batch_size: Most crops in one call.
        needs_full_batches: Whether it takes exactly `batch_size` crops, no fewer.
        source: Names the network in messages.
    """

    crop_input: CropInput
    run: Run
    dimension: int
    batch_size: int
    needs_full_batches: bool
    source: str

    def embed(self, frame: Frame, boxes: Boxes) -> NDArray[np.float32]:
        """One vector of length 1 a box, as in `faimtrack.interfaces.Embedder`.

        Raises:
            ValueError: A box is not finite, the frame has no pixels, or the network gives a
                number that is not finite.
            OSError: The frame's image cannot be read.
        """
        boxes = np.asarray(boxes, np.float64)
        vectors = np.zeros((len(boxes), self.dimension), np.float32)
        if not len(boxes):
            return vectors
        height, width = frame.image.shape[:2]
        rectangles = pixel_rectangles(boxes, width, height)
        rows = np.flatnonzero(rectangles[:, 2] > rectangles[:, 0])
        for start in range(0, len(rows), self.batch_size):
            part = rows[start : start + self.batch_size]
            answers = self._answers(self.crop_input.batch(frame.image, rectangles[part]))
            finite = np.isfinite(answers).all(axis=1)
            if not finite.all():
                wrong = boxes[part[np.flatnonzero(~finite)[0]]].tolist()
                raise ValueError(
                    f"{self.source}: expected finite numbers, got others for the box {wrong} of "
                    f"frame {frame.index}"
                )
            vectors[part] = unit_vectors(answers)
        return vectors

    def _answers(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        count = len(inputs)
        if self.needs_full_batches and count < self.batch_size:
            missing = np.zeros((self.batch_size - count, *inputs.shape[1:]), np.float32)
            inputs = np.concatenate([inputs, missing])
        return self.run(inputs)[:count]
