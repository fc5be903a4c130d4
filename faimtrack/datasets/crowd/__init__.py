"""Built-in synthetic crowds: hard like MOT20, exact, and the same on every machine."""

from faimtrack.datasets.crowd.annotations import VISIBILITY_ONE, Annotations
from faimtrack.datasets.crowd.bench import (
    BENCH_NAMES,
    BenchSequence,
    bench_sequences,
    make_bench_crowd,
    write_bench,
)
from faimtrack.datasets.crowd.config import DENSITIES, GENERATOR_VERSION, CrowdConfig
from faimtrack.datasets.crowd.detections import PublicDetections
from faimtrack.datasets.crowd.kinds import CLASS_NAMES, KINDS, Kind
from faimtrack.datasets.crowd.objects.kinds import (
    OBJECT_CLASS_NAMES,
    OBJECT_KINDS,
    ObjectKind,
)
from faimtrack.datasets.crowd.pictures import Renderer, frames
from faimtrack.datasets.crowd.rendered import RenderedFrame
from faimtrack.datasets.crowd.simulate import Crowd, simulate_crowd
from faimtrack.datasets.crowd.tables import detection_table, ground_truth_table
from faimtrack.datasets.crowd.text import sequence_texts, text_digests
from faimtrack.datasets.crowd.write import MASK_FILE, MASK_METHOD, exact_masks, write_crowd

__all__ = [
    "BENCH_NAMES",
    "CLASS_NAMES",
    "DENSITIES",
    "GENERATOR_VERSION",
    "KINDS",
    "MASK_FILE",
    "MASK_METHOD",
    "OBJECT_CLASS_NAMES",
    "OBJECT_KINDS",
    "VISIBILITY_ONE",
    "Annotations",
    "BenchSequence",
    "Crowd",
    "CrowdConfig",
    "Kind",
    "ObjectKind",
    "PublicDetections",
    "RenderedFrame",
    "Renderer",
    "bench_sequences",
    "detection_table",
    "exact_masks",
    "frames",
    "ground_truth_table",
    "make_bench_crowd",
    "sequence_texts",
    "simulate_crowd",
    "text_digests",
    "write_bench",
    "write_crowd",
]
