"""Who says how detections look: a network, or what it said in an earlier run.

What it said is kept beside the detections, in a file of its own, so that another embedder leaves
them as they are: `<sequence>-<digest>.embeddings.parquet`, the same detections with embeddings.
The digest is that of all on which detections and embeddings depend.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from faimtrack.detectors.files import DetectionFile
from faimtrack.detectors.recorded import RecordedDetections
from faimtrack.detectors.session import Detector
from faimtrack.errors import describe_error
from faimtrack.pipeline.cache import DetectionCache, made_again, without_name
from faimtrack.pipeline.enriching import (
    EmbeddingEnricher,
    Enricher,
    RecordedEmbeddings,
    is_same_boxes,
)
from faimtrack.pipeline.following import needs_regressor
from faimtrack.pipeline.loader import NetworkLoader
from faimtrack.pipeline.replay import recorded_embedding_name
from faimtrack.pipeline.tasks import SequenceTask, Task
from faimtrack.provenance import Provenance
from faimtrack.structures import SourceInfo

_SUFFIX = ".embeddings.parquet"


@dataclass(frozen=True, kw_only=True)
class KeptEmbeddings:
    """Who says how detections look.

    Attributes:
        enricher: Adds it to them; None if nobody does.
        file: Where it goes for later runs; None if it is there already, or is not kept.
        remarks: What to tell of it.
        warning: What to tell of what was kept and is damaged.
        is_unused: Whether there is a network that nobody asks.
    """

    enricher: Enricher | None = None
    file: DetectionFile | None = None
    remarks: tuple[str, ...] = ()
    warning: str | None = None
    is_unused: bool = False


def open_embeddings(
    task: SequenceTask,
    info: SourceInfo,
    tracks: Provenance,
    detector: Detector,
    minimum_score: float | None,
    loader: NetworkLoader,
) -> KeptEmbeddings:
    """Who says how the detections of a task look.

    Args:
        task: The task.
        info: The sequence.
        tracks: The provenance of the tracks to be made.
        detector: Who finds them, or replays them.
        minimum_score: What a detection must score to be looked at; None: nobody asks.
        loader: Where the network comes from.

    Raises:
        ValueError: The detections have embeddings of another network.
        OSError: A file cannot be read.
    """
    if task.embedder is None:
        return KeptEmbeddings()
    if minimum_score is None:  # a tracker that moves boxes embeds its own
        return KeptEmbeddings(is_unused=not needs_regressor(task))
    if recorded_embedding_name(detector) is not None:
        refuse_other_embedder(task, detector, loader)
        return KeptEmbeddings(remarks=("embeddings are those of the file of detections",))
    embedder = task.embedder

    def make() -> Enricher:
        network = loader.load_embedder(embedder, task.recipe.embedder)
        return EmbeddingEnricher(network, minimum_score)

    if task.cache is None:
        return KeptEmbeddings(enricher=make())
    if tracks.inputs.get("frames") is None:
        return KeptEmbeddings(
            enricher=make(), remarks=("embeddings of a live source are not kept",)
        )
    key = _key(tracks, minimum_score)
    cache = DetectionCache(task.cache, info.name, key, suffix=_SUFFIX)
    remark: str | None = None
    warning: str | None = None
    try:
        # A network that runs anew may find other last bits: then all is embedded anew as well.
        found = cache.find(info) if isinstance(detector, RecordedDetections) else None
        if found is not None and isinstance(detector, RecordedDetections):
            _require_same(found, detector, info)
            remarks = (f"embeddings replayed from {cache.path}",)
            return KeptEmbeddings(enricher=RecordedEmbeddings(found), remarks=remarks)
        remark = made_again("embedded", cache.stale())
    except (OSError, ValueError) as error:
        warning = f"embedded again, for what was kept is no good: {describe_error(error)}"
    return KeptEmbeddings(
        enricher=make(),
        file=cache.file(detector.class_names, info, with_embeddings=True),
        remarks=() if remark is None else (remark,),
        warning=warning,
    )


def _require_same(
    embedded: RecordedDetections, detections: RecordedDetections, info: SourceInfo
) -> None:
    """Refuse embeddings that are not of these detections, in any frame that will come."""
    for index in range(info.first_index, info.first_index + (info.frame_count or 0)):
        found, wanted = embedded.answer(index), detections.answer(index)
        if not is_same_boxes(found, wanted):
            raise ValueError(
                f"{embedded.table.path}: expected embeddings of the {len(wanted)} detections of "
                f"frame {index}, got those of {len(found)} others"
            )


def refuse_other_embedder(task: Task, detector: Detector, loader: NetworkLoader) -> None:
    """See that the embeddings in a file of detections are those that a task would make.

    Raises:
        ValueError: They are another network's.
    """
    recorded = recorded_embedding_name(detector)
    if recorded is None or task.embedder is None:
        return
    embedder = loader.load_embedder(task.embedder, task.recipe.embedder)
    if embedder.name != recorded:
        raise ValueError(
            f"{task.name}: expected detections without embeddings or with those of the embedder, "
            f"{embedder.name}, got a file with those of {recorded}"
        )


def _key(tracks: Provenance, minimum_score: float) -> Provenance:
    """What of the provenance of tracks decides the embeddings of their detections."""
    tree = tracks.configuration
    configuration = {
        "embedder": without_name(tree["embedder"]),
        "classes": tree["classes"],
        "minimum_score": minimum_score,
    }
    if "detector" in tree:
        configuration["detector"] = without_name(tree["detector"])
    return dataclasses.replace(
        tracks,
        kind="embeddings",
        configuration=configuration,
        inputs={
            name: digest
            for name, digest in tracks.inputs.items()
            if name in {"frames", "detections"}
        },
        weights={
            name: digest
            for name, digest in tracks.weights.items()
            if name in {"detector", "embedder"}
        },
        numbering="kept",
    )
