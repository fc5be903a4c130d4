"""The 30 classes of ImageNet VID, in the order of their names as published code has them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faimtrack.detectors.imagenet_vid import IMAGENET_VID_CLASS_NAMES

WORDNET_IDS = (
    "n02691156", "n02419796", "n02131653", "n02834778", "n01503061", "n02924116", "n02958343",
    "n02402425", "n02084071", "n02121808", "n02503517", "n02118333", "n02510455", "n02342885",
    "n02374451", "n02129165", "n01674464", "n02484322", "n03790512", "n02324045", "n02509815",
    "n02411705", "n01726692", "n02355227", "n02129604", "n04468005", "n01662784", "n04530566",
    "n02062744", "n02391049",
)  # fmt: skip
"""What annotations call the classes; the order of FGFA, MMTracking and YOLOV."""

CLASS_NAMES = IMAGENET_VID_CLASS_NAMES
"""Their names; a class's number is its place."""

_CLASS_ID_OF = {wordnet_id: number for number, wordnet_id in enumerate(WORDNET_IDS)}


def class_ids_of(wordnet_ids: NDArray[np.str_]) -> NDArray[np.int64]:
    """The numbers of classes, `(N,)`; −1 for what is none of the 30.

    >>> class_ids_of(np.array(["n02391049", "n00000000"])).tolist()
    [29, -1]
    """
    if not len(wordnet_ids):
        return np.zeros(0, np.int64)
    found, places = np.unique(wordnet_ids, return_inverse=True)
    numbers = [_CLASS_ID_OF.get(each, -1) for each in found.tolist()]
    return np.array(numbers, np.int64)[places]
