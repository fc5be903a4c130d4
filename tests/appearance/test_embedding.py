import numpy as np
import pytest

from faimtrack.appearance.embedding import embed_detections, embed_views
from faimtrack.appearance.simple import ColourEmbedder, NoEmbedder
from faimtrack.interfaces import Embedder
from faimtrack.structures import Detections, Frame


@pytest.fixture
def detections():
    boxes = [[2, 3, 20, 30], [5, 5, 25, 35], [90, 0, 99, 9]]
    masks = ({"size": [40, 60], "counts": b"a"},) * 3
    return Detections(boxes, [0.9, 0.2, 0.8], [0, 1, 0], ("person", "car"), masks=masks)


def test_detections_get_vectors_and_keep_all_else(frame, detections):
    embedder = ColourEmbedder()
    found = embed_detections(embedder, frame, detections)
    assert found.embedding_name == embedder.name
    assert np.array_equal(found.embeddings, embedder.embed(frame, detections.boxes))
    assert detections.embeddings is None
    for name in ("boxes", "scores", "class_ids", "class_names", "masks"):
        assert np.array_equal(getattr(found, name), getattr(detections, name))


def test_detections_below_the_score_get_zeros_and_are_not_looked_at(frame, detections):
    found = embed_detections(ColourEmbedder(), frame, detections, minimum_score=0.9)
    assert found.embeddings.any(axis=1).tolist() == [True, False, False]
    none = embed_detections(ColourEmbedder(), Frame(1), detections, minimum_score=0.95)
    assert none.embeddings.shape == (3, 18)
    assert not none.embeddings.any()


def test_no_detections_need_no_pixels():
    found = embed_detections(ColourEmbedder(), Frame(1), Detections.empty())
    assert found.embeddings.shape == (0, 18)
    assert found.embedding_name == "colours-6"


def test_vectors_that_are_there_stay_and_those_of_another_model_are_refused(frame, detections):
    found = embed_detections(ColourEmbedder(), frame, detections)
    assert embed_detections(ColourEmbedder(), Frame(7), found) is found

    class Other(ColourEmbedder):
        name = "another"

    with pytest.raises(ValueError, match=r"frame 7: expected .* those of another, got .* colours"):
        embed_detections(Other(), frame, found)


def test_the_embedder_of_nothing_leaves_detections_as_they_are(detections):
    embedder = NoEmbedder()
    assert isinstance(embedder, Embedder)
    assert embed_detections(embedder, Frame(1), detections) is detections
    assert embedder.embed(Frame(1), detections.boxes).shape == (3, 0)


def test_views_of_many_frames_are_embedded_in_order_and_let_go_of(detections):
    images = {k: np.full((40, 60, 3), 60 * k, np.uint8) for k in (1, 2, 3)}
    frames = [Frame(k, load=lambda k=k: images[k]) for k in images]
    boxes = [detections.boxes[:2], detections.boxes[:0], detections.boxes[1:2]]
    vectors, seconds = embed_views(ColourEmbedder(), zip(frames, boxes, strict=True))
    assert vectors.shape == (3, 18)
    assert np.array_equal(vectors[2:], ColourEmbedder().embed(frames[2], boxes[2]))
    assert seconds > 0
    assert all(frame._image is None for frame in frames[:2])
    assert embed_views(ColourEmbedder(), [])[0].shape == (0, 18)


def test_colours_are_those_of_stripes_from_head_to_feet():
    image = np.full((70, 40, 3), 127, np.uint8)
    image[10:20, 10:30] = (255, 0, 0)  # a head in the first of six stripes of ten pixels
    vectors = ColourEmbedder().embed(
        Frame(1, image=image), np.array([[10, 10, 30, 70], [40, 0, 50, 9], [5, 5, 6, 6]])
    )
    assert vectors.dtype == np.float32
    stripes = vectors[0].reshape(6, 3)
    assert stripes[0] == pytest.approx([0.577, -0.577, -0.577], abs=0.01)
    assert np.abs(stripes[1:]).max() < 0.01
    assert not vectors[1].any()
    assert np.linalg.norm(vectors[2]) == pytest.approx(1)
