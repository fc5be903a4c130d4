"""Detections that are kept from run to run, as long as all that they depend on stays the same.

One Parquet file a sequence: `<sequence>-<digest>.parquet`. The digest is that of the frames, the
weights, the detector's configuration, the classes, the split and faimtrack's version; the file
itself tells them too. What another network than the detector says of their looks is kept beside
them (`<sequence>-<digest>.embeddings.parquet`): see `embeddings`.
"""

from __future__ import annotations

import dataclasses
import glob
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faimtrack.detectors.files import DetectionFile, read_detections
from faimtrack.detectors.files.parquet import read_parquet_record
from faimtrack.detectors.recorded import RecordedDetections
from faimtrack.detectors.session import Detector
from faimtrack.errors import describe_error
from faimtrack.pipeline.tasks import EMBEDDING_KEEPS
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
    cache = DetectionCache(folder, info.name, detections_key(tracks))
    remark = warning = None
    try:
        found = cache.find(info)
        if found is not None:
            return KeptDetector(detector=found, remark=f"detections replayed from {cache.path}")
        remark = made_again("detected", cache.stale())
    except (OSError, ValueError) as error:
        warning = f"detected again, for what was kept is no good: {describe_error(error)}"
    detector, keep = make(), tracks.configuration["detector"].get("keep")
    file = cache.file(
        detector.class_names,
        info,
        with_masks=keep == "masks",
        with_embeddings=keep in EMBEDDING_KEEPS,
    )
    return KeptDetector(detector=detector, file=file, remark=remark, warning=warning)


def made_again(participle: str, stale: str | None) -> str | None:
    """What to tell of something that is made anew; None if it was never made before."""
    return (
        None
        if stale is None
        else f"{participle} again: what is kept was made with another {stale}"
    )


class DetectionCache:
    """The detections of one sequence by one detector, or with the looks that one network sees.

    Attributes:
        path: The file.
        key: All that they depend on.
    """

    def __init__(
        self, folder: Path, name: str, key: Provenance, *, suffix: str = ".parquet"
    ) -> None:
        """Look into `folder`.

        Args:
            folder: Where the files are; it need not be there.
            name: The sequence's.
            key: All that they depend on.
            suffix: Tells the kind of file.
        """
        self._folder, self._name, self._suffix = folder, name, suffix
        self.key = key
        digest = hashlib.sha256(self.key.to_json().encode()).hexdigest()[:_DIGITS]
        self.path = folder / f"{name}-{digest}{suffix}"

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
        ending = re.escape(self._suffix)
        pattern = re.compile(rf"{re.escape(self._name)}-[0-9a-f]{{{_DIGITS}}}{ending}")
        differences: list[list[str]] = []
        for path in sorted(self._folder.glob(f"{glob.escape(self._name)}-*{self._suffix}")):
            if pattern.fullmatch(path.name) is None:
                continue
            try:
                record = read_parquet_record(path)
            except (OSError, ValueError):
                continue
            if record is not None:
                differences.append(record.differences(self.key))
        nearest = min(differences, key=lambda names: len(names), default=None)
        return None if nearest is None else ", ".join(nearest)

    def file(
        self,
        class_names: tuple[str, ...],
        info: SourceInfo,
        *,
        with_masks: bool = False,
        with_embeddings: bool = False,
    ) -> DetectionFile:
        """Where the detections of a run go; it has its name when all are there.

        Args:
            class_names: The detector's.
            info: The sequence.
            with_masks: Whether they have masks, which are kept then.
            with_embeddings: Whether they have embeddings, which are kept then.
        """
        return DetectionFile(
            self.path,
            "parquet",
            class_names,
            info,
            record=self.key,
            keep_partial=False,
            with_masks=with_masks,
            with_embeddings=with_embeddings,
        )


def detections_key(tracks: Provenance) -> Provenance:
    """What of the provenance of tracks decides a network's detections.

    The weights are known by their hash. What their file is called matters where it says nothing
    of itself: the name tells torchvision's two MobileNets from each other.
    """
    return dataclasses.replace(
        tracks,
        kind="detections",
        configuration={
            "detector": without_name(tracks.configuration["detector"]),
            "classes": tracks.configuration["classes"],
        },
        inputs={"frames": tracks.inputs["frames"]},
        weights={"detector": tracks.weights["detector"]},
        numbering="kept",
    )


def without_name(network: Mapping[str, Any]) -> dict[str, Any]:
    """A network's configuration without the name of its weights, if their hash tells all."""
    block = dict(network)
    if Path(str(block.get("weights"))).suffix.lower() in _TELL_ALL:
        del block["weights"]
    return block
