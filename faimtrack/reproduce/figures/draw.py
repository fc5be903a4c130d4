"""Each figure from its trained networks to a picture with numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import faimtrack
from faimtrack.datasets.vod.opening import VideoDataset, open_videos
from faimtrack.masks.methods import MaskMethod
from faimtrack.provenance import Provenance, file_sha256
from faimtrack.reproduce.detecting import open_scored
from faimtrack.reproduce.experiments import Figure
from faimtrack.reproduce.figures.figure import Drawing
from faimtrack.reproduce.figures.proposals import some_videos
from faimtrack.reproduce.jobs import Job
from faimtrack.reproduce.networks import NetworkJobs
from faimtrack.reproduce.request import Request
from faimtrack.reproduce.tasks import DetectionTask, MasksTask
from faimtrack.structures import Image

if TYPE_CHECKING:
    from faimtrack.detectors.video.detector import VideoDetector

_MOST_VIDEOS = 48
_TRAIN_SPLITS = {"vid": "train", "ovis": "train-local", "crowd": "full"}
_SOURCE_KEYS = ("mask_branch.source", "source")


def figure_jobs(figure: Figure, networks: NetworkJobs, seed: int) -> list[Job]:
    """What has to be done before a figure can be drawn.

    Raises:
        ValueError: Data are wrong, or the data have no recipe of a network.
        OSError: Data cannot be read.
    """
    if figure.name == "figure-iv":
        for recipe in networks.suite.recipes.values():  # none is trained, and yet they know keys
            networks.overrides.known_to(recipe)
        masks = networks.masks.job(_method(networks.request))
        return [] if masks is None else [masks]
    return [networks.detection(network, seed) for network in figure.networks]


def draw_figure(figure: Figure, jobs: Sequence[Job], request: Request) -> Drawing:
    """Draw a figure whose jobs are done.

    Raises:
        ValueError: There is nothing to draw.
        OSError: Something cannot be read.
        ModuleNotFoundError: scikit-learn is not installed.
    """
    if figure.name == "figure-iv":
        return _worst_masks(figure, jobs, request)
    makers: Mapping[str, Callable[..., tuple[Image, list[str], dict[str, Any]]]] = {
        "figure-5": _features, "figure-i": _references, "figure-ii": _twins,
    }  # fmt: skip
    tasks = [cast("DetectionTask", job.task) for job in jobs]
    by_name = dict(zip((name.upper() for name in figure.networks), tasks, strict=True))
    image, lines, numbers = makers[figure.name](by_name)
    return Drawing(
        name=figure.name,
        image=image,
        lines=tuple(lines),
        numbers={"figure": figure.name, "faimtrack": faimtrack.__version__, **numbers},
        record=Provenance(
            kind="reproduction",
            configuration={
                "figure": figure.name,
                "dataset": request.suite.name,
                "overrides": list(request.overrides),
                "jobs": {job.name: job.settings for job in jobs},
            },
            weights={name: file_sha256(task.weights) for name, task in by_name.items()},
            seed=request.seeds[0],
        ),
    )


def _detector(task: DetectionTask) -> VideoDetector:
    from faimtrack.detectors.loading import open_detector
    from faimtrack.detectors.video.detector import VideoDetector

    detector = open_detector(task.weights, task.recipe.tracking.detector)
    assert isinstance(detector, VideoDetector)
    return detector


def _features(tasks: Mapping[str, DetectionTask]) -> tuple[Image, list[str], dict[str, Any]]:
    from faimtrack.reproduce.figures import features

    videos = open_scored(next(iter(tasks.values())).videos)
    chosen = some_videos(videos, _MOST_VIDEOS)
    sets = {
        name: features.proposal_features(_detector(task), chosen) for name, task in tasks.items()
    }
    image = features.draw_features(sets, videos.class_names)
    numbers: dict[str, Any] = {}
    lines = [
        f"objects in frames of {len(chosen)} videos, the best proposal of each; neighbours: the "
        f"{features.NEIGHBOURS} nearest in other videos"
    ]
    for name, found in sets.items():
        by_chance = features.chance(found)
        numbers[name] = {"objects": len(found.class_ids), "by_chance": by_chance}
        for kind, words in features.FEATURES.items():
            score = features.separation(found, kind)
            numbers[name][kind] = score
            lines.append(
                f"{name}, features {words}: neighbours of the same class "
                f"{_shown(score['neighbours_of_same_class'])} (by chance {by_chance:.3f}), "
                f"silhouette {_shown(score['silhouette'])}"
            )
    return image, lines, {"networks": numbers, "videos": len(chosen)}


def _references(tasks: Mapping[str, DetectionTask]) -> tuple[Image, list[str], dict[str, Any]]:
    from faimtrack.reproduce.figures import references

    videos = open_scored(next(iter(tasks.values())).videos)
    chosen = [video for video in some_videos(videos, _MOST_VIDEOS) if len(video) > 1]
    ranked = {}
    for name, task in tasks.items():
        detector = _detector(task)
        ranked[name] = [references.rank_references(detector, video) for video in chosen]
    image = references.draw_references(ranked, videos.class_names)
    shares = {name: references.count_kinds(each) for name, each in ranked.items()}
    lines = [
        f"top {references.TOP} references in other frames of all objects' best proposals "
        f"({len(chosen)} videos); frames of crops: blue the key, green the same object, light "
        "green the same class, orange another class, yellow a loose box, red background"
    ]
    for name, share in shares.items():
        told = ", ".join(f"{kind} {100 * value:.1f} %" for kind, value in share.items())
        lines.append(f"{name}: {told}")
    return image, lines, {"networks": shares, "videos": len(chosen)}


def _twins(tasks: Mapping[str, DetectionTask]) -> tuple[Image, list[str], dict[str, Any]]:
    from faimtrack.reproduce.figures import twins

    videos = open_scored(next(iter(tasks.values())).videos)
    chosen = [video for video in some_videos(videos, _MOST_VIDEOS) if len(video)]
    findings = {
        name: [twins.read_findings(video, task.folder) for video in chosen]
        for name, task in tasks.items()
    }
    errors = {name: twins.count_errors(each) for name, each in findings.items()}
    image = twins.draw_twins(chosen, findings, errors, videos.class_names)
    lines = [f"green: hits; red: false alarms; purple: misses ({len(chosen)} videos)"]
    for name, each in errors.items():
        lines.append(
            f"{name}: {each.hits} hits, {each.false_alarms} false alarms, {each.misses} misses, "
            f"F1 {each.f1:.3f} at a score of {each.threshold:.2f}, where it is highest"
        )
    numbers = {name: {**dataclasses.asdict(each), "f1": each.f1} for name, each in errors.items()}
    return image, lines, {"networks": numbers, "videos": len(chosen)}


def _worst_masks(figure: Figure, jobs: Sequence[Job], request: Request) -> Drawing:
    import numpy as np

    from faimtrack.reproduce.figures import worst_masks

    name = request.suite.name
    dataset, split = cast("VideoDataset", name), _TRAIN_SPLITS[name]
    method = _method(request)
    root: Path | None = request.data.masks
    if jobs:
        root = cast("MasksTask", jobs[0].task).root
    data = request.data.train
    made = open_videos(dataset, data, split=split, mask_source=method, masks_root=root)
    has_truth = name in ("crowd", "ovis")
    true = open_videos(dataset, data, split=split, mask_source="truth") if has_truth else None
    judged = worst_masks.judge_masks(made, true)
    image = worst_masks.draw_worst(judged, made.class_names)
    scores = judged.scores
    numbers: dict[str, Any] = {
        "figure": figure.name,
        "method": method,
        "by_truth": judged.by_truth,
        "masks": len(scores),
        "without": judged.without,
        "mean": float(scores.mean()),
        "below_half": float((scores < 0.5).mean()),
        "tenth": float(np.quantile(scores, 0.1)),
    }
    what = "IoU with the true mask" if judged.by_truth else "the method's own quality"
    lines = [
        f"{len(scores)} masks by {method}, {judged.without} objects without: {what} "
        f"{numbers['mean']:.3f} in the mean, under one half {100 * numbers['below_half']:.1f} %",
        "red: the pseudo mask" + ("; green: the outline of the true one" if has_truth else ""),
    ]  # fmt: skip
    return Drawing(
        name=figure.name,
        image=image,
        lines=tuple(lines),
        numbers=numbers,
        record=Provenance(
            kind="reproduction",
            configuration={
                "figure": figure.name,
                "dataset": name,
                "method": method,
                "jobs": {job.name: job.settings for job in jobs},
            },
        ),
    )


def _method(request: Request) -> MaskMethod:
    """Whose masks are judged: what was set for all, else GrabCut's on crowds and SAM's."""
    for text in reversed(request.overrides):
        key, _, value = text.partition("=")
        if key.strip() in _SOURCE_KEYS:
            return cast("MaskMethod", value.strip())
    return "grabcut" if request.suite.name == "crowd" else "sam"


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
