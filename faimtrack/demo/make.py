"""Make the demonstration's folder."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from faimtrack.atomic import atomic_directory
from faimtrack.datasets.crowd import CrowdConfig, simulate_crowd, write_crowd
from faimtrack.demo.show import draw_picture, write_page
from faimtrack.detectors.families import detector_file
from faimtrack.eval import EvaluationSettings, benchmark_rules, evaluate_folders
from faimtrack.pipeline import (
    PipelineSummary,
    detect_sequence,
    plan_detection,
    plan_tasks,
    track_sequence,
)
from faimtrack.provenance import Provenance, file_sha256, read_provenance, write_provenance
from faimtrack.recipes import resolve_recipe
from faimtrack.trackers import tracker_entry, tracker_names
from faimtrack.weights import weights_sha256

PAGE, VIDEO, PICTURE = "index.html", "tracks.mp4", "side-by-side.png"
DETECTOR = "crowd-nano"
_DETECTIONS = "detections"
_KIND = "demo"
_SHOWN_TRACKER = "bytetrack"

Report = Callable[[str, int, "int | None"], None]
"""Called with the name of a step, how much of it is done, and how much there is."""


@dataclass(frozen=True, kw_only=True)
class TrackerScore:
    """How one tracker did.

    Attributes:
        title: The tracker's.
        metrics: By TrackEval's names; ratios are fractions.
    """

    title: str
    metrics: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Demo:
    """What a demonstration gave.

    Attributes:
        folder: Holds everything.
        crowd: What the crowd was made from.
        detections: How many detections the trackers were given.
        scores: One a tracker.
    """

    folder: Path
    crowd: CrowdConfig
    detections: int
    scores: tuple[TrackerScore, ...]

    @property
    def page(self) -> Path:
        """The page to look at."""
        return self.folder / PAGE

    @property
    def video(self) -> Path:
        """The annotated video."""
        return self.folder / VIDEO

    @property
    def picture(self) -> Path:
        """One frame's detections, tracks and ground truth beside each other."""
        return self.folder / PICTURE


def make_demo(
    folder: str | os.PathLike[str],
    crowd: CrowdConfig | None = None,
    *,
    report: Report | None = None,
) -> Demo:
    """Make a crowd, find its people with the bundled detector, track, score and show them.

    Args:
        folder: Appears when everything is whole; that of an earlier demonstration is replaced.
        crowd: What to make; None takes a street of about forty people.
        report: Called as the steps go on.

    Raises:
        FileExistsError: The folder is there and is not that of a demonstration.
        OSError: It cannot be written; nothing is left behind.
    """
    folder = Path(folder)
    refuse_foreign(folder)
    report = report or (lambda step, done, total: None)
    crowd = crowd or CrowdConfig(name="demo", seed=7, frames=200, width=960, height=540)
    with atomic_directory(folder, overwrite=True) as temporary:
        sequence = temporary / "crowd" / crowd.name
        write_crowd(
            simulate_crowd(crowd),
            sequence,
            masks=False,
            progress=lambda done, total: report("draw the crowd", done, total),
        )
        detections = _detect(sequence, temporary / _DETECTIONS, report)
        scores, shown = [], None
        for name in tracker_names(needs_regressor=False):
            score, summary = _try_tracker(name, temporary, sequence, detections, report)
            scores.append(score)
            if name == _SHOWN_TRACKER:
                shown = summary
        assert shown is not None, "the shown tracker is one of all"
        report("draw the page", 0, 1)
        middle = crowd.frames * 3 // 4
        draw_picture(sequence, detections, temporary / _SHOWN_TRACKER, temporary / PICTURE, middle)
        demo = Demo(folder=folder, crowd=crowd, detections=shown.detections, scores=tuple(scores))
        write_page(
            temporary / PAGE,
            demo,
            detector=DETECTOR,
            video=VIDEO,
            picture=PICTURE,
            shown=tracker_entry(_SHOWN_TRACKER).title,
            frame=middle,
        )
        _write_records(temporary, crowd, sequence, detections)
        report("draw the page", 1, 1)
    return demo


def refuse_foreign(folder: Path) -> None:
    """Do nothing if the folder is absent, empty or an earlier demonstration's.

    Raises:
        FileExistsError: It holds something else.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    try:
        is_own = read_provenance(folder / PAGE).kind == _KIND
    except (OSError, ValueError):
        is_own = False
    if not is_own:
        raise FileExistsError(
            f"{folder}: expected no such folder, or that of an earlier demo, got something else"
        )


def _detect(sequence: Path, folder: Path, report: Report) -> Path:
    """Find the crowd's people; gives the file of detections."""
    (task,) = plan_detection(
        [str(sequence)],
        resolve_recipe(detector=DETECTOR),
        folder,
        weights=detector_file(DETECTOR),
    )
    detect_sequence(task, lambda done, total: report(f"detect with {DETECTOR}", done, total))
    return task.output


def _try_tracker(
    name: str, folder: Path, sequence: Path, detections: Path, report: Report
) -> tuple[TrackerScore, PipelineSummary]:
    """Track the crowd and score the tracks; the shown tracker also writes the video."""
    title = tracker_entry(name).title
    (task,) = plan_tasks(
        [str(sequence)],
        resolve_recipe(tracker=name),
        folder / name,
        detections=detections,
        video=folder / VIDEO if name == _SHOWN_TRACKER else None,
    )
    summary = track_sequence(
        task, lambda done, total: report(f"track with {title}", done, total)
    ).summary
    assert summary is not None, "nothing was there to be kept"
    settings = EvaluationSettings(rules=benchmark_rules("mot20"))
    scored = evaluate_folders(sequence.parent, folder / name, settings)
    if scored.combined is None:
        raise ValueError("; ".join(failure.message for failure in scored.failures))
    return TrackerScore(title=title, metrics=scored.combined.summary), summary


def _write_records(folder: Path, crowd: CrowdConfig, sequence: Path, detections: Path) -> None:
    """Sidecars of the picture and of the page; that of the page marks the folder as ours."""
    inputs: dict[str, str | None] = {
        "ground truth": file_sha256(sequence / "gt" / "gt.txt"),
        "detections": file_sha256(detections),
    }
    weights = {"detector": weights_sha256(detector_file(DETECTOR))}
    for name, kind in ((PICTURE, "picture"), (PAGE, _KIND)):
        record = Provenance(
            kind=kind,
            configuration={
                "crowd": dataclasses.asdict(crowd),
                "trackers": list(tracker_names(needs_regressor=False)),
            },
            inputs=inputs,
            weights=weights,
            seed=crowd.seed,
            split="full",
            numbering="kept",
            mode="online",
        )
        write_provenance(folder / name, record)
