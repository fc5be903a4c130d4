"""How good a detector of objects in videos is: videos detected and scored as users do it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from faimtrack.datasets.videos import AnnotatedVideo, AnnotatedVideos
from faimtrack.detectors.loading import open_detector
from faimtrack.detectors.session import Detector
from faimtrack.detectors.video.detector import VideoDetector
from faimtrack.detectors.video.recall import proposal_recall
from faimtrack.eval.vod import VideoDetections, VideoScorer, VideoTruth
from faimtrack.structures import Detections, Frame, SourceInfo
from faimtrack.training.recipe import TrainingRecipe
from faimtrack.training.samples import DataPlaces
from faimtrack.training.video.config import VideoValidationConfig
from faimtrack.training.video.data import open_scored_videos

VIDEO_SCORES = ("AP50", "AP75", "AP", "VID")
_METRICS = {"AP50": "ap50", "AP75": "ap75", "AP": "ap", "VID": "vid"}
_RECALL_FRAMES = 100


def validate_on_videos(
    recipe: TrainingRecipe, places: DataPlaces, weights: Path
) -> dict[str, float]:
    """Score weights on whole videos.

    Nothing that trains is touched: a detector of its own reads the file, as users do. It sees the
    annotated frames alone, as if the video had no others.

    Args:
        recipe: Which videos, and the detector's thresholds.
        places: Where they lie.
        weights: The file.

    Returns:
        `VIDEO_SCORES` by name, means over the classes, 0 to 1.

    Raises:
        ValueError: Something in the videos is wrong, or there is nothing to be found in them.
        OSError: A file cannot be read.
    """
    config = recipe.validation
    assert isinstance(config, VideoValidationConfig)
    videos = open_scored_videos(recipe, places)
    detector = open_detector(weights, recipe.tracking.detector)
    scorer = VideoScorer(videos.class_names)
    for number in _evenly(len(videos), config.videos):
        video = videos[number]
        chosen = np.arange(0, len(video), config.stride)
        scorer.add(_truth(video, chosen), _found(detector, video, chosen))
    means = scorer.finish().mean
    return {name: means[metric] or 0.0 for name, metric in _METRICS.items()}


def recall_of_proposals(
    recipe: TrainingRecipe, videos: AnnotatedVideos, weights: Path
) -> tuple[float, int, int]:
    """Which share of objects the proposals cover, in frames from all over some videos.

    Args:
        recipe: Says how many proposals a frame has.
        videos: Of people, with the truth.
        weights: Of a video object detector.

    Returns:
        The share, the proposals of a frame at most, and the most objects of a frame.
    """
    detector = open_detector(weights, recipe.tracking.detector)
    assert isinstance(detector, VideoDetector)
    frames = [(video, place) for video in _all(videos) for place in range(len(video))]
    proposals, truth = [], []
    for row in _evenly(len(frames), _RECALL_FRAMES):
        video, place = frames[row]
        annotated = video[place]
        (found,) = detector.encode([Frame(1, image=annotated.image())], keep_base=False)
        proposals.append(found.boxes)
        truth.append(annotated.boxes)
    most = max((len(each) for each in truth), default=0)
    return proposal_recall(proposals, truth), detector.config.proposals, most


def _all(videos: AnnotatedVideos) -> list[AnnotatedVideo]:
    return [videos[number] for number in range(len(videos))]


def _evenly(count: int, wanted: int | None) -> list[int]:
    """Numbers from 0 to `count`, all or some that are spread evenly."""
    if wanted is None or wanted >= count:
        return list(range(count))
    numbers: list[int] = np.linspace(0, count - 1, wanted).astype(int).tolist()
    return numbers


def _truth(video: AnnotatedVideo, places: np.ndarray) -> VideoTruth:
    frames = [video[place] for place in places.tolist()]
    numbers = video.frame_numbers[places]
    counts = [len(frame) for frame in frames]
    return VideoTruth(
        name=video.name,
        frame_numbers=numbers,
        frames=np.repeat(numbers, counts),
        boxes=np.concatenate([np.zeros((0, 4)), *(frame.boxes for frame in frames)]),
        class_ids=np.concatenate([np.zeros(0, np.int64), *(each.class_ids for each in frames)]),
        track_ids=np.concatenate([np.zeros(0, np.int64), *(each.track_ids for each in frames)])
        if video.has_tracks
        else None,
    )


def _found(detector: Detector, video: AnnotatedVideo, places: np.ndarray) -> VideoDetections:
    session = detector.open(SourceInfo(name=video.name, frame_count=len(places)))
    answers: list[tuple[Frame, Detections]] = []
    for order, place in enumerate(places.tolist(), 1):
        answers += session.push([Frame(order, image=video[place].image())])
    answers += session.finish()
    found = [detections for _, detections in answers]
    numbers = video.frame_numbers[places]
    return VideoDetections(
        name=video.name,
        frames=np.repeat(numbers, [len(each) for each in found]),
        boxes=np.concatenate([np.zeros((0, 4)), *(each.boxes for each in found)]),
        scores=np.concatenate([np.zeros(0), *(each.scores for each in found)]),
        class_ids=np.concatenate([np.zeros(0, np.int64), *(each.class_ids for each in found)]),
    )
