"""Instance masks: how they are stored and where they come from."""

from faimtrack.masks.config import (
    CONFIG_CLASSES,
    GrabCutConfig,
    InstancesConfig,
    MaskConfig,
    PromptConfig,
    ShuffledConfig,
)
from faimtrack.masks.making import MaskSummary, make_masks
from faimtrack.masks.many import MaskOutcome, make_many_masks
from faimtrack.masks.mask import Mask
from faimtrack.masks.methods import DEFAULT_METHOD, MaskMethod
from faimtrack.masks.places import EXACT_MASKS, mask_file
from faimtrack.masks.scoring import MaskScores, joined_scores, score_masks
from faimtrack.masks.segmenter import FrameObjects, MaskSource, Segment, Segmenter
from faimtrack.masks.sheet import mask_sheet
from faimtrack.masks.store import MaskStore, MaskStoreWriter
from faimtrack.masks.table import MaskTable
from faimtrack.masks.tasks import MaskTask, plan_masks, plan_video_masks

__all__ = [
    "CONFIG_CLASSES",
    "DEFAULT_METHOD",
    "EXACT_MASKS",
    "FrameObjects",
    "GrabCutConfig",
    "InstancesConfig",
    "Mask",
    "MaskConfig",
    "MaskMethod",
    "MaskOutcome",
    "MaskScores",
    "MaskSource",
    "MaskStore",
    "MaskStoreWriter",
    "MaskSummary",
    "MaskTable",
    "MaskTask",
    "PromptConfig",
    "Segment",
    "Segmenter",
    "ShuffledConfig",
    "joined_scores",
    "make_many_masks",
    "make_masks",
    "mask_file",
    "mask_sheet",
    "plan_masks",
    "plan_video_masks",
    "score_masks",
]
