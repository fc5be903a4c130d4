"""Scoring of video object detection: the ILSVRC VID protocol with motion groups, and COCO's AP."""

from faimtrack.eval.vod.config import VodConfig
from faimtrack.eval.vod.cross_check import coco_scores_by_pycocotools
from faimtrack.eval.vod.motion import motion_ious
from faimtrack.eval.vod.scorer import VideoScorer, score_videos
from faimtrack.eval.vod.scores import COCO_METRICS, METRICS, MOTION_GROUPS, ClassScores, VodScores
from faimtrack.eval.vod.videos import VideoDetections, VideoTruth

__all__ = [
    "COCO_METRICS",
    "METRICS",
    "MOTION_GROUPS",
    "ClassScores",
    "VideoDetections",
    "VideoScorer",
    "VideoTruth",
    "VodConfig",
    "VodScores",
    "coco_scores_by_pycocotools",
    "motion_ious",
    "score_videos",
]
