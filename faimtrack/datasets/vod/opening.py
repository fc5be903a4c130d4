"""The one door to data sets of videos."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, cast, get_args

from faimtrack.datasets.videos import AnnotatedVideos
from faimtrack.datasets.vod.epic_kitchens import EpicSplit, open_epic_kitchens
from faimtrack.datasets.vod.faults import Faults, MissingImages
from faimtrack.datasets.vod.imagenet_lists import VidSplit
from faimtrack.datasets.vod.imagenet_vid import open_imagenet_vid
from faimtrack.datasets.vod.ovis import OvisSplit, open_ovis
from faimtrack.datasets.vod.stored_masks import with_stored_masks
from faimtrack.datasets.vod.tables import VideoTables
from faimtrack.masks.methods import MaskMethod

VideoDataset = Literal["vid", "ovis", "epic", "crowd"]
"""ImageNet VID, OVIS, EPIC-KITCHENS-55, and our own crowds with several kinds of objects."""

SPLITS: dict[VideoDataset, tuple[str, ...]] = {
    "vid": get_args(VidSplit),
    "ovis": get_args(OvisSplit),
    "epic": get_args(EpicSplit),
    "crowd": ("full",),
}
"""The splits of each data set; a folder of crowds is one whole."""


def open_videos(
    dataset: VideoDataset,
    data: str | os.PathLike[str],
    *,
    split: str,
    mask_source: MaskMethod | None = None,
    masks_root: Path | None = None,
    missing_images: MissingImages = "refuse",
) -> AnnotatedVideos:
    """Open a data set of videos; nothing is decoded.

    Every image of an annotated frame is looked for. ImageNet VID's million takes half a minute,
    and some minutes the first time, for an index of its annotations is made then.

    Args:
        dataset: Which.
        data: Its folder, as the data set unpacks; docs/video-datasets.md shows each.
        split: Which videos, one of `SPLITS`.
        mask_source: How the masks were made that are to be read; `truth`: OVIS's own, or a
            crowd's exact ones. None: no masks.
        masks_root: Where masks lie if not in `masks` in each video's folder.
        missing_images: `leave-out` leaves annotated frames without images out, and logs how many.

    Raises:
        ValueError: There is no such data set or split, annotations are wrong or have no object,
            or masks belong to others; the message names the file.
        OSError: Annotations, images or masks are missing or cannot be read.
    """
    check_split(dataset, split)
    if dataset == "crowd":
        from faimtrack.datasets.crowd_videos import CrowdVideos

        return CrowdVideos.open(Path(data), mask_source=mask_source, masks_root=masks_root)
    faults = Faults(missing_images=missing_images)
    has_true_masks = dataset == "ovis" and mask_source == "truth"
    tables = open_tables(dataset, data, split, faults, with_true_masks=has_true_masks)
    if mask_source is None or has_true_masks:
        return tables
    return with_stored_masks(tables, mask_source, masks_root)


def open_tables(
    dataset: VideoDataset,
    data: str | os.PathLike[str],
    split: str,
    faults: Faults,
    *,
    with_true_masks: bool = False,
) -> VideoTables:
    """As `open_videos`, for a data set that others publish, without stored masks.

    Args:
        dataset: Not `crowd`.
        data: Its folder.
        split: Which videos, one of `SPLITS`.
        faults: What to do with faults.
        with_true_masks: Whether OVIS's own masks are kept.

    Raises:
        ValueError: As `open_videos`.
        OSError: As `open_videos`.
    """
    check_split(dataset, split)
    if dataset == "vid":
        return open_imagenet_vid(data, cast("VidSplit", split), faults)
    if dataset == "ovis":
        return open_ovis(data, cast("OvisSplit", split), faults, with_masks=with_true_masks)
    if dataset == "epic":
        return open_epic_kitchens(data, cast("EpicSplit", split), faults)
    raise ValueError(f"dataset: expected vid, ovis or epic, got {dataset!r}")


def check_split(dataset: str, split: str) -> None:
    """Refuse what is not there.

    Raises:
        ValueError: There is no such data set, or no such split of it.
    """
    splits = cast("dict[str, tuple[str, ...]]", SPLITS).get(dataset)
    if splits is None:
        raise ValueError(f"dataset: expected {', '.join(SPLITS)}, got {dataset!r}")
    if split not in splits:
        raise ValueError(f"split: expected {', '.join(splits)} of {dataset}, got {split!r}")
