"""What is to be done with one sequence: plain data that any process can be handed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, get_args

from faimtrack.detectors.config import FeatureKind
from faimtrack.detectors.files.formats import DetectionFormat
from faimtrack.recipes import Recipe

Existing = Literal["refuse", "resume", "overwrite"]
EMBEDDING_KEEPS: tuple[FeatureKind, ...] = get_args(FeatureKind)
"""What detectors keep that says how people look."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What every kind of work on a sequence has.

    Attributes:
        name: For messages and file names.
        source: What `faimtrack.video.open_source` takes.
        output: The file to write.
        recipe: Tracker, detector and split.
        detections: A file of detections; None takes the sequence's own ``det/det.txt``.
        weights: A detector's file; it then looks at the pixels and no detection file is read.
        embedder: What describes how detections look: a network's file, or the name of an embedder
            that has no weights; None for nothing.
        existing: What to do with outputs that are there: `refuse` to touch them, `resume` (keep
            them if the same run made them of the same inputs, else make them anew) or
            `overwrite`.
        allow_empty: Whether a detection file without rows is an answer.
        product: What comes of this kind of work, in one word.
        participle: What has been done with a sequence then.
    """

    product: ClassVar[str]
    participle: ClassVar[str]

    name: str
    source: str
    output: Path
    recipe: Recipe
    detections: Path | None = None
    weights: Path | None = None
    embedder: Path | str | None = None
    existing: Existing = "refuse"
    allow_empty: bool = False

    @property
    def files(self) -> dict[str, Path]:
        """All files that will be there when it is done, without their sidecars, by what they are.

        The first is the output itself.
        """
        return {self.product: self.output}

    @property
    def outputs(self) -> tuple[Path, ...]:
        """The same files alone."""
        return tuple(self.files.values())


@dataclass(frozen=True, kw_only=True)
class SequenceTask(Task):
    """A sequence to be tracked; the output is a MOTChallenge file.

    Attributes:
        video: Where an annotated video goes; None for none.
        cache: The folder where a network's detections are kept for later runs; None for none.
        masks: Where the tracks' masks go as MOTS text; None for nowhere. They are drawn in the
            video too then.
        regressor: The file of the network that moves boxes, for trackers that need one; None:
            the detector does it.
        camera_motion: The file of transforms, where camera motion is read from one.
    """

    product: ClassVar[str] = "tracks"
    participle: ClassVar[str] = "tracked"

    video: Path | None = None
    cache: Path | None = None
    masks: Path | None = None
    regressor: Path | None = None
    camera_motion: Path | None = None

    @property
    def files(self) -> dict[str, Path]:
        """The tracks, the masks and the video."""
        others = {"masks": self.masks, "video": self.video}
        made = {what: path for what, path in others.items() if path is not None}
        return {**super().files, **made}


@dataclass(frozen=True, kw_only=True)
class DetectionTask(Task):
    """A sequence in which objects are to be found; the output is a file of detections.

    Whatever the recipe says of numbering, frames keep the numbers of the full sequence: detections
    are replayed by them.

    Attributes:
        format: How the file is written; see `faimtrack.detectors.files`.
        masks: Whether masks are written too; if not, those of a file are carried over where the
            format has a place for them.
    """

    product: ClassVar[str] = "detections"
    participle: ClassVar[str] = "detected"

    format: DetectionFormat = "mot"
    masks: bool = False
