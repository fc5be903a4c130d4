"""An image and its objects on their way to a training sample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms.v2 import functional

from faimtrack.boxes import Boxes, box_areas, clip_boxes
from faimtrack.datasets.annotated import AnnotatedImage
from faimtrack.detectors.mask_branch.instances import InstanceMasks
from faimtrack.structures import Image
from faimtrack.training.augmentation.config import AugmentationConfig
from faimtrack.training.augmentation.sample import TrainingSample

Keep = Callable[[Boxes], NDArray[np.bool_]]
"""Which objects will be seen, `(G,)`, of boxes `(G, 4)` that are cut at their image's borders."""


@dataclass(frozen=True, eq=False)
class Scene:
    """An image and its objects; every change gives a new one.

    Attributes:
        image: `(H, W, 3)` uint8 RGB.
        boxes: `(G, 4)` float64 corners in pixels of the image: what may be seen of each object.
        whole_boxes: `(G, 4)` the same without any cuts.
        class_ids: `(G,)` int64.
        masks: A mask an object, or none.
        names: The images that it is made of.
    """

    image: Image
    boxes: Boxes
    whole_boxes: Boxes
    class_ids: NDArray[np.int64]
    masks: InstanceMasks
    names: tuple[str, ...]

    def __len__(self) -> int:
        """Number of objects."""
        return len(self.boxes)

    def select(self, rows: NDArray[np.bool_]) -> Scene:
        """Only the objects of some rows, `(G,)`."""
        if rows.all():
            return self
        return replace(
            self,
            boxes=self.boxes[rows],
            whole_boxes=self.whole_boxes[rows],
            class_ids=self.class_ids[rows],
            masks=self.masks.select(torch.from_numpy(rows)),
        )

    def with_objects(self, other: Scene) -> Scene:
        """The same image with the objects of another beside its own."""
        return replace(
            self,
            boxes=np.concatenate([self.boxes, other.boxes]),
            whole_boxes=np.concatenate([self.whole_boxes, other.whole_boxes]),
            class_ids=np.concatenate([self.class_ids, other.class_ids]),
            masks=InstanceMasks.concatenate([self.masks, other.masks]),
            names=self.names + other.names,
        )


def load_scene(annotated: AnnotatedImage, keep: Callable[[Image], Keep] | None = None) -> Scene:
    """Decode an image and the masks of its objects.

    Args:
        annotated: Which.
        keep: Given the pixels, tells which objects will be seen in the end, so that no masks are
            decoded in vain; None: all that lie in the image.

    Raises:
        ValueError: The image is damaged, or a mask has another size.
        OSError: It cannot be read.
    """
    image = annotated.image()
    height, width = image.shape[:2]
    boxes = clip_boxes(annotated.boxes, width, height)
    is_seen = np.asarray((boxes[:, 2:] > boxes[:, :2]).all(axis=1))
    if keep is not None:
        is_seen &= keep(image)(boxes)
    return Scene(
        image,
        boxes[is_seen],
        np.array(annotated.boxes[is_seen], np.float64),
        annotated.class_ids[is_seen],
        _load_masks(annotated, is_seen, (height, width)),
        (annotated.name,),
    )


def _load_masks(
    annotated: AnnotatedImage, rows: NDArray[np.bool_], size: tuple[int, int]
) -> InstanceMasks:
    if annotated.read_masks is None:
        return InstanceMasks.none(int(rows.sum()))
    masks = [mask for mask, row in zip(annotated.masks(), rows.tolist(), strict=True) if row]
    for mask in masks:
        if mask is not None and (mask.height, mask.width) != size:
            raise ValueError(
                f"{annotated.path}: expected masks of {size[1]} x {size[0]} pixels as the image "
                f"has, got {mask.width} x {mask.height} ({annotated.name})"
            )
    return InstanceMasks.from_masks(masks)


def flipped(scene: Scene) -> Scene:
    """The scene mirrored, left to right."""
    width = scene.image.shape[1]
    return replace(
        scene,
        image=array_of(functional.horizontal_flip(tensor_of(scene.image))),
        boxes=_flipped_boxes(scene.boxes, width),
        whole_boxes=_flipped_boxes(scene.whole_boxes, width),
        masks=scene.masks.flipped(width),
    )


def _flipped_boxes(boxes: Boxes, width: int) -> Boxes:
    mirrored = boxes.copy()
    mirrored[:, 0], mirrored[:, 2] = width - boxes[:, 2], width - boxes[:, 0]
    return mirrored


def placed(
    scene: Scene, image: Image, scale: tuple[float, float], shift: tuple[float, float]
) -> Scene:
    """The scene's objects in another image, which shows it scaled and then shifted.

    Args:
        scene: What is shown.
        image: Where it is shown, whole or in part.
        scale: Pixels of `image` to a pixel of the scene, across and down.
        shift: Where the scene's left top corner lies, x and y in pixels of `image`.
    """
    factors, offsets = np.tile(scale, 2), np.tile(shift, 2)
    return cut(
        replace(
            scene,
            image=image,
            boxes=scene.boxes * factors + offsets,
            whole_boxes=scene.whole_boxes * factors + offsets,
            masks=scene.masks.scaled(*scale).shifted(*shift),
        )
    )


def cut(scene: Scene) -> Scene:
    """The scene without what lies out of its image; an object that does wholly is none any more.

    Boxes and masks of the others end at the borders; `whole_boxes` stay.
    """
    height, width = scene.image.shape[:2]
    boxes = clip_boxes(scene.boxes, width, height)
    if np.array_equal(boxes, scene.boxes):
        return scene
    is_seen = np.asarray((boxes[:, 2:] > boxes[:, :2]).all(axis=1))
    seen = replace(scene, boxes=boxes).select(is_seen)
    return replace(seen, masks=seen.masks.cut(0, 0, width, height))


def sample_of(scene: Scene, config: AugmentationConfig) -> TrainingSample:
    """The scene as a detector learns from it; objects that are too small are left out."""
    scene = cut(scene)
    is_kept = large_enough(scene.boxes, config)
    if config.smallest_share:
        is_kept &= box_areas(scene.boxes) >= config.smallest_share * box_areas(scene.whole_boxes)
    if is_kept.sum() > config.most_objects:
        areas = np.where(is_kept, box_areas(scene.boxes), -1.0)
        is_kept[np.argsort(-areas, kind="stable")[config.most_objects :]] = False
    scene = scene.select(is_kept)
    boxes = scene.boxes if config.clip_boxes else scene.whole_boxes
    return TrainingSample(
        tensor_of(scene.image).contiguous(),
        torch.from_numpy(boxes.astype(np.float32)),
        torch.from_numpy(scene.class_ids.astype(np.int64)),
        scene.masks,
        scene.names,
    )


def large_enough(boxes: Boxes, config: AugmentationConfig) -> NDArray[np.bool_]:
    """Which boxes are wide and high enough to be learnt, `(G,)`; in float32, as they will be."""
    corners = boxes.astype(np.float32)
    sides: NDArray[np.bool_] = corners[:, 2:] - corners[:, :2] > config.smallest_box
    return np.asarray(sides.all(axis=1))


def tensor_of(image: Image) -> Tensor:
    """`(H, W, 3)` pixels as torchvision wants them, `(3, H, W)`, without moving any."""
    return torch.from_numpy(image if image.flags.writeable else image.copy()).permute(2, 0, 1)


def array_of(image: Tensor) -> Image:
    """The way back from `tensor_of`."""
    pixels: Any = image.permute(1, 2, 0).contiguous().numpy()
    array: Image = pixels
    return array
