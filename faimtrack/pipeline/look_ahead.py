"""Detectors that answer when they have seen all: a first pass for them, a second for the others.

The first pass goes through the source with the detector alone, which keeps little of each frame.
The second gives its answers to tracker, enrichers and sinks as if they came one by one; pixels are
decoded again only if any of these looks at them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from faimtrack.detectors.session import Session
from faimtrack.detectors.video.detector_config import VideoDetectorConfig
from faimtrack.pipeline.tasks import Task
from faimtrack.structures import Detections, Frame, SourceInfo, Tracks
from faimtrack.video import FrameSource

Answers = list[tuple[Frame, Detections]]


class _Source(Protocol):
    """What frames come from."""

    @property
    def info(self) -> SourceInfo: ...

    def __iter__(self) -> Iterator[Frame]: ...


def is_offline_session(session: Session) -> bool:
    """Whether a session answers when it has seen all, with frames that have no pixels."""
    return bool(getattr(session, "is_offline", False))


def knows_later_frames(task: Task, info: SourceInfo) -> bool:
    """Whether a task's detector answers with what it has seen of later frames."""
    config = task.recipe.detector
    if task.weights is None or not isinstance(config, VideoDetectorConfig):
        return False
    return config.is_offline(info)


def require_two_passes(task: Task, source: FrameSource) -> None:
    """See that a source can be gone through twice, if its detector wants to see all first.

    Raises:
        ValueError: It cannot.
    """
    if knows_later_frames(task, source.info) and (source.is_live or Path(task.source).is_fifo()):
        raise refusal(task.name)


def refusal(name: str) -> ValueError:
    """What to raise for a source that cannot be gone through twice."""
    return ValueError(
        f"{name}: expected a source that ends and can be read twice, for this detector looks at "
        "the whole video first, got a live one: --set detector.sampling=causal answers each frame "
        "at once"
    )


class FirstPass:
    """A session that is fed in the first pass, and what it answers.

    Attributes:
        needs_images: False, as a sink.
        answers: As a sink it gathers them here.
    """

    needs_images = False

    def __init__(self, session: Session, report: Callable[[int], None] | None) -> None:
        """Feed `session`, and call `report` with the number of frames it has after each."""
        self._session = session
        self._report = report
        self._frames = 0
        self._is_finished = False
        self.answers: Answers = []

    def push(self, frames: Sequence[Frame]) -> Answers:
        """As of a session."""
        answers = self._session.push(frames)
        self._frames += len(frames)
        if self._report is not None:
            self._report(self._frames)
        return answers

    def finish(self) -> Answers:
        """As of a session."""
        self._is_finished = True
        return self._session.finish()

    def write(self, frame: Frame, detections: Detections, tracks: Tracks) -> None:
        """As of a sink: gather an answer."""
        self.answers.append((frame, detections))

    def salvage(self) -> None:
        """After a frame that the session could not take: have those before it answered."""
        if not self._is_finished:
            self.answers += self.finish()


class SecondPass:
    """The frames of the first pass once more, and a session that has their answers.

    Attributes:
        info: The source's.
    """

    def __init__(self, source: _Source, answers: Answers, *, with_images: bool) -> None:
        """Replay answers.

        Args:
            source: Where frames with pixels come from.
            answers: All of the first pass.
            with_images: Whether anybody looks at pixels; else the source is left alone.
        """
        self.info = source.info
        self._source = source
        self._answers = dict(enumerate(answers))
        self._with_images = with_images
        self._given = 0

    def __iter__(self) -> Iterator[Frame]:
        """The frames that were answered.

        Raises:
            ValueError: The source gives others than in the first pass.
        """
        expected = [frame for frame, _ in self._answers.values()]
        if not self._with_images:
            yield from expected
            return
        again = iter(self._source)
        for first in expected:
            frame = next(again, None)
            if frame is None or frame.index != first.index:
                came = "none" if frame is None else f"frame {frame.index}"
                raise ValueError(
                    f"{self.info.name}: expected frame {first.index} in the second pass as in the "
                    f"first, got {came}: it gives other frames each time; "
                    "detector.sampling=causal needs one pass"
                )
            yield frame

    def push(self, frames: Sequence[Frame]) -> Answers:
        """As of a session: frames with their answers, which are let go of."""
        answers = []
        for frame in frames:
            answers.append((frame, self._answers.pop(self._given)[1]))
            self._given += 1
        return answers

    def finish(self) -> Answers:
        """As of a session: nothing is owed."""
        return []
