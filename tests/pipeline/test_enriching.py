import numpy as np
import pytest

from faimtrack.camera_motion import PictureMotion, SparseFlowMatcher
from faimtrack.detectors.files.table import DetectionTable
from faimtrack.detectors.recorded import RecordedDetections
from faimtrack.pipeline.enriching import EmbeddingEnricher, MotionEnricher, RecordedEmbeddings
from faimtrack.pipeline.run import run_pipeline
from faimtrack.structures import Detections, Frame, SourceInfo, Tracks

FRAMES = 6


class Source:
    info = SourceInfo(name="fake", frame_rate=25.0, frame_count=FRAMES)

    def __init__(self):
        self.decoded = 0

    def __iter__(self):
        for index in range(1, FRAMES + 1):
            yield Frame(index, load=self._decode)

    def _decode(self):
        self.decoded += 1
        return np.zeros((20, 30, 3), np.uint8)


class Detector:
    """A sure and a weak box in each frame but the last."""

    class_names = ("person",)
    needs_images = False

    def open(self, info):
        return self

    def push(self, frames):
        return [(frame, self._answer(frame.index)) for frame in frames]

    def finish(self):
        return []

    def _answer(self, index):
        if index == FRAMES:
            return Detections.empty()
        return Detections([[index, 0, index + 9, 9], [0, 9, 9, 19]], [0.9, 0.1])


class Tracker:
    """Notes what it is given."""

    config = None

    def __init__(self):
        self.given = []

    def update(self, detections, frame=None):
        self.given.append((detections, frame.camera_motion))
        return Tracks.empty()


class Motion:
    failures = 0

    def __init__(self, *, needs_images=False):
        self.needs_images = needs_images
        self.boxes = []

    def estimate(self, frame, boxes):
        self.boxes.append(boxes.tolist())
        return np.array([[1.0, 0, frame.index], [0, 1, 0]])

    def reset(self):
        raise AssertionError("a sequence has its own")


class Embedder:
    name, dimension = "fake", 2

    def embed(self, frame, boxes):
        assert frame.image.shape == (20, 30, 3)
        return np.tile(np.array([[0.6, 0.8]], np.float32), (len(boxes), 1))


class Sink:
    needs_images = False

    def __init__(self):
        self.names = []

    def write(self, frame, detections, tracks):
        self.names.append(detections.embedding_name)


def test_the_tracker_gets_frames_and_detections_with_what_was_added_to_them():
    tracker, sink, motion = Tracker(), Sink(), Motion()
    enrichers = [MotionEnricher(motion), EmbeddingEnricher(Embedder(), 0.5)]
    summary = run_pipeline(Source(), Detector(), tracker, [sink], enrichers=enrichers)
    for index, (detections, moved) in enumerate(tracker.given, 1):
        assert moved[0, 2] == index
        assert detections.embedding_name == "fake"
        if index < FRAMES:
            assert detections.embeddings.tolist() == [[np.float32(0.6), np.float32(0.8)], [0, 0]]
    assert sink.names == ["fake"] * FRAMES
    assert list(summary.stage_seconds) == ["decode", "detect", "track", "write", "motion", "embed"]
    assert set(summary.stage_cpu_seconds) == set(summary.stage_seconds)
    assert enrichers[0].frames == FRAMES


def test_camera_motion_is_told_who_moves_by_himself_and_not_what_may_be_background():
    motion = Motion()
    run_pipeline(Source(), Detector(), Tracker(), enrichers=[MotionEnricher(motion)])
    assert motion.boxes == [[[index, 0, index + 9, 9]] for index in range(1, FRAMES)] + [[]]


@pytest.mark.parametrize("overlap", [False, True])
@pytest.mark.parametrize(
    ("enricher", "decoded"),
    [
        (MotionEnricher(Motion(needs_images=True)), FRAMES),
        (EmbeddingEnricher(Embedder(), 0.5), FRAMES),
        (MotionEnricher(Motion()), 0),
    ],
)
def test_pixels_are_decoded_ahead_for_who_looks_at_them_and_for_nobody_else(
    enricher, decoded, overlap
):
    source = Source()
    run_pipeline(source, Detector(), Tracker(), enrichers=[enricher], overlap=overlap)
    assert source.decoded == decoded


def test_frames_in_which_nothing_can_be_told_are_counted():
    enricher = MotionEnricher(
        PictureMotion(SparseFlowMatcher(features=50, minimum_inliers=12, affine=False), 640)
    )
    tracker = Tracker()
    run_pipeline(Source(), Detector(), tracker, enrichers=[enricher])
    assert enricher.failures == FRAMES - 1  # of a first one nothing is expected
    assert all(np.array_equal(moved, np.eye(2, 3)) for _, moved in tracker.given)


def test_an_error_of_who_adds_something_keeps_the_frames_before_it():
    class Breaks(Motion):
        def estimate(self, frame, boxes):
            if frame.index == 4:
                raise ValueError("motion: expected a frame that can be read")
            return super().estimate(frame, boxes)

    sink = Sink()
    with pytest.raises(ValueError, match="a frame that can be read"):
        run_pipeline(Source(), Detector(), Tracker(), [sink], enrichers=[MotionEnricher(Breaks())])
    assert len(sink.names) == 3


def recording(scores, tmp_path):
    count = len(scores)
    return RecordedDetections(
        DetectionTable(
            path=tmp_path / "kept.parquet",
            frames=np.ones(count, np.int64),
            boxes=np.tile([1.0, 0, 10, 9], (count, 1)),
            scores=np.array(scores),
            class_ids=np.zeros(count, np.int64),
            embeddings=np.ones((count, 3), np.float32),
            embedding_name="before",
        )
    )


def test_recorded_embeddings_go_with_their_own_detections_only(tmp_path):
    enricher = RecordedEmbeddings(recording([0.9], tmp_path))
    detections = Detections([[1, 0, 10, 9]], [0.9])
    found = enricher.enrich(Frame(1), detections)
    assert (found.embedding_name, found.embeddings.tolist()) == ("before", [[1, 1, 1]])
    assert detections.embeddings is None
    other = Detections([[1, 0, 10, 9]], [0.8])
    with pytest.raises(
        ValueError, match=r"kept\.parquet: expected embeddings of the 1 detections"
    ):
        enricher.enrich(Frame(1), other)
