"""Detections that are kept from run to run, as long as all that they depend on stays the same.

One Parquet file a sequence: `<sequence>-<digest>.parquet`. The digest is that of the frames, the
weights, the detector's configuration, the classes, the split and faimtrack's version; the file
itself tells them too.
"""

from __future__ import annotations

import dataclasses
import glob
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from faimtrack.detectors.files import DetectionFile, read_detections
from faimtrack.detectors.files.parquet import read_parquet_record
from faimtrack.detectors.recorded import RecordedDetections
from faimtrack.detectors.session import Detector
from faimtrack.errors import describe_error
from faimtrack.provenance import Provenance
from faimtrack.structures import SourceInfo

_DIGITS = 16
# Kinds of weights whose name tells nothing that is not in them.
_TELL_ALL = (".onnx", ".safetensors")


@dataclass(frozen=True, kw_only=True)
class KeptDetector:
    """A detector whose answers are kept, or were.

    Attributes:
        detector: The network, or what replays its answers.
        file: Where they go; None if they are there already, or cannot be kept.
        remark: What to tell of answers that are replayed, or cannot be.
        warning: What to tell of answers that are damaged.
    """

    detector: Detector
    file: DetectionFile | None = None
    remark: str | None = None
    warning: str | None = None


def kept_detector(
    folder: Path, info: SourceInfo, tracks: Provenance, make: Callable[[], Detector]
) -> KeptDetector:
    """What answers for a network: its answers of an earlier run if they are good, else itself.

    Args:
        folder: Where answers are kept.
        info: The sequence.
        tracks: The provenance of the tracks to be made.
        make: Makes the network.

    Raises:
        As `make`.
    """
    if tracks.inputs["frames"] is None:
        return KeptDetector(detector=make(), remark="detections of a live source are not kept")
    if tracks.configuration["detector"].get("keep") == "instance_features":
        return KeptDetector(detector=make(), remark="detections with embeddings are not kept")
    cache = DetectionCache(folder, info.name, tracks)
    remark = warning = None
    try:
        found = cache.find(info)
        if found is not None:
            return KeptDetector(detector=found, remark=f"detections replayed from {cache.path}")
        remark = cache.stale()
    except (OSError, ValueError) as error:
        warning = f"detected again, for what was kept is no good: {describe_error(error)}"
    detector = make()
    file = cache.file(detector.class_names, info)
    return KeptDetector(detector=detector, file=file, remark=remark, warning=warning)


class DetectionCache:
    """The detections of one sequence by one detector.

    Attributes:
        path: The file.
        key: All that the detections depend on.
    """

    def __init__(self, folder: Path, name: str, tracks: Provenance) -> None:
        """Look into `folder`.

        Args:
            folder: Where the files are; it need not be there.
            name: The sequence's.
            tracks: The provenance of the tracks that a network's detections will give.
        """
        self._folder, self._name = folder, name
        self.key = _key(tracks)
        digest = hashlib.sha256(self.key.to_json().encode()).hexdigest()[:_DIGITS]
        self.path = folder / f"{name}-{digest}.parquet"

    def find(self, info: SourceInfo) -> RecordedDetections | None:
        """The detector that replays what is kept; None if nothing is.

        Args:
            info: The sequence.

        Raises:
            ValueError: What is kept is damaged, or of something else.
            OSError: It cannot be read.
        """
        if not self.path.exists():
            return None
        table = read_detections(self.path)
        if table.record is None or (wrong := table.record.differences(self.key)):
            what = ", ".join(wrong) if table.record is not None else "program"
            raise ValueError(f"{self.path}: it was made with another {what}")
        detector = RecordedDetections(table)
        detector.open(info)
        return detector

    def stale(self) -> str | None:
        """What is different about the nearest that is kept of the sequence; None if none is."""
        pattern = re.compile(rf"{re.escape(self._name)}-[0-9a-f]{{{_DIGITS}}}\.parquet")
        differences = []
        for path in sorted(self._folder.glob(f"{glob.escape(self._name)}-*.parquet")):
            if pattern.fullmatch(path.name) is None:
                continue
            try:
                record = read_parquet_record(path)
            except (OSError, ValueError):
                continue
            if record is not None:
                differences.append(record.differences(self.key))
        if not differences:
            return None
        nearest = min(differences, key=len)
        return f"detected again: what is kept was made with another {', '.join(nearest)}"

    def file(self, class_names: tuple[str, ...], info: SourceInfo) -> DetectionFile:
        """Where the detections of a run go; it has its name when all are there.

        Args:
            class_names: The detector's.
            info: The sequence.
        """
        return DetectionFile(
            self.path,
            "parquet",
            class_names,
            info,
            record=self.key,
            keep_partial=False,
            with_masks=self.key.configuration["detector"].get("keep") == "masks",
        )


def _key(tracks: Provenance) -> Provenance:
    """What of the tracks' provenance decides the detections.

    The weights are known by their hash. What their file is called matters where it says nothing
    of itself: the name tells torchvision's two MobileNets from each other.
    """
    detector = dict(tracks.configuration["detector"])
    if Path(str(detector.get("weights"))).suffix.lower() in _TELL_ALL:
        del detector["weights"]
    return dataclasses.replace(
        tracks,
        kind="detections",
        configuration={"detector": detector, "classes": tracks.configuration["classes"]},
        inputs={"frames": tracks.inputs["frames"]},
        numbering="kept",
    )
