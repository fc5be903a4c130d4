"""The one door to all methods: a task in, a source of masks out."""

from __future__ import annotations

from typing import cast

from faimtrack.masks.config import GrabCutConfig, InstancesConfig, PromptConfig, ShuffledConfig
from faimtrack.masks.objects import SequenceObjects
from faimtrack.masks.segmenter import MaskSource, SegmentedImages, Segmenter
from faimtrack.masks.tasks import MaskTask


class SegmenterLoader:
    """Loads networks and keeps the last one, to give it again when the same is asked for."""

    def __init__(self) -> None:
        self._key: object = None
        self._segmenter: Segmenter | None = None

    def load(self, task: MaskTask) -> Segmenter:
        """The segmenter of a task that has weights.

        Raises:
            ValueError: The weights are those of another network, or the device is not there.
            OSError: They cannot be read.
            ModuleNotFoundError: A package is not installed.
        """
        key = (task.method, task.weights_digest, task.config)
        if self._segmenter is None or key != self._key:
            self._key = self._segmenter = None  # two networks may be more than the memory holds
            self._segmenter = _open(task)
            self._key = key
        return self._segmenter


def _open(task: MaskTask) -> Segmenter:
    from faimtrack.masks.sam import open_mobile_sam, open_sam, open_sam2

    openers = {"sam": open_sam, "mobile-sam": open_mobile_sam, "sam2": open_sam2}
    assert task.weights is not None, "planned without weights"
    return openers[task.method](task.weights, cast("PromptConfig", task.config))


def open_masks(
    task: MaskTask, objects: SequenceObjects, loader: SegmenterLoader | None = None
) -> MaskSource:
    """The masks of a task's sequence.

    Args:
        task: What is to be made.
        objects: The sequence's objects.
        loader: Where networks come from; None loads one for this sequence.

    Raises:
        ValueError: Weights, instances or stored masks are not what they should be.
        OSError: They cannot be read.
        ModuleNotFoundError: A package is not installed.
    """
    # Imported here, so that each method needs its own libraries only.
    if task.needs_images and task.weights is not None:
        return SegmentedImages((loader or SegmenterLoader()).load(task))
    if task.method == "grabcut":
        from faimtrack.masks.grabcut import GrabCutSegmenter

        return SegmentedImages(GrabCutSegmenter(cast("GrabCutConfig", task.config)))
    if task.method == "box2mask":
        from faimtrack.masks.instances import AlignedInstances

        assert task.instances is not None, "planned without instances"
        return AlignedInstances(task.instances, objects.size, cast("InstancesConfig", task.config))
    from faimtrack.masks.controls import ShuffledMasks, StoredMasks, WholeBoxes

    if task.method == "box":
        return WholeBoxes()
    assert task.donors is not None, "planned without masks to take"
    if task.method == "truth":
        return StoredMasks(task.donors, objects.size)
    seed = cast("ShuffledConfig", task.config).seed
    return ShuffledMasks(task.donors, objects, seed=seed)
