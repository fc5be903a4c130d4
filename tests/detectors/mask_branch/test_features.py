"""Vectors of detections: averaged over boxes or in masks, whitened, and of any boxes."""

import copy
import dataclasses
import functools
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from faimtrack.detectors.faster_rcnn.config import FasterRcnnTrainingConfig
from faimtrack.detectors.faster_rcnn.detector import FasterRcnnDetector
from faimtrack.detectors.faster_rcnn.network import build_faster_rcnn
from faimtrack.detectors.mask_branch.branch import mean_of_stripes
from faimtrack.detectors.mask_branch.config import MaskBranchConfig
from faimtrack.detectors.mask_branch.embedder import FeatureEmbedder
from faimtrack.detectors.mask_branch.loading import build_mask_branch
from faimtrack.detectors.mask_branch.whitening import whitening_matrix
from faimtrack.detectors.yolox.detector import YoloxDetector
from faimtrack.interfaces import Embedder
from faimtrack.structures import Frame

KINDS = ["yolox", "faster-rcnn"]
FEATURES = ["instance_features", "mask_features"]


@functools.cache
def faster_rcnn():
    """A random Faster R-CNN for small frames, and its branch; neither is to be changed."""
    settings = MaskBranchConfig(roi_size=7, hidden_channels=16, convolutions=1)
    config = FasterRcnnTrainingConfig(short_side=64, long_side=96)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build_faster_rcnn("resnet18-fpn", ("person",), config)
        return network, build_mask_branch(settings, network).eval()


@pytest.fixture(scope="module")
def make(twin_weights):
    """A detector of a kind that keeps something; each is made once."""

    @functools.cache
    def make(kind, keep, **parameters):
        parameters = {"device": "cpu", "score_threshold": 0.3, "keep": keep, **parameters}
        if kind == "yolox":
            return YoloxDetector(twin_weights.masks, **parameters)
        network, branch = faster_rcnn()
        return FasterRcnnDetector(
            network, mask_branch=copy.deepcopy(branch), proposals_after_nms=20, **parameters
        )

    return make


def random_frame(index=1, height=90, width=120):
    random = np.random.default_rng(index)
    return Frame(index, image=random.integers(0, 256, (height, width, 3), np.uint8))


@pytest.fixture
def half_masks():
    """Pooled features that are 1 on the left and 5 on the right, and masks of the right half."""
    pooled = torch.ones(2, 3, 4, 4)
    pooled[..., 2:] = 5
    masks = torch.zeros(2, 8, 8)
    masks[0, :, 4:] = 1
    return SimpleNamespace(pooled=pooled, masks=masks)


def test_features_are_averaged_in_the_mask_and_over_the_box_where_it_is_empty(half_masks):
    means = mean_of_stripes(half_masks.pooled, half_masks.masks, 1)
    assert means.shape == (2, 1, 3)
    assert means[0].tolist() == [[5, 5, 5]]
    assert means[1].tolist() == [[3, 3, 3]]
    assert (mean_of_stripes(half_masks.pooled, None, 1) == 3).all()


def test_a_cell_counts_by_how_probably_it_is_the_object(half_masks):
    masks = half_masks.masks * 0.6 + 0.2
    means = mean_of_stripes(half_masks.pooled, masks, 1)
    assert means[0, 0, 0].item() == pytest.approx((0.2 * 1 + 0.8 * 5) / (0.2 + 0.8))
    assert means[1, 0, 0].item() == pytest.approx(3)


def test_stripes_run_from_the_top_to_the_bottom_and_are_empty_each_by_itself(half_masks):
    pooled = half_masks.pooled
    pooled[:, :, 2:] += 10
    masks = half_masks.masks
    masks[0, 4:] = 0
    means = mean_of_stripes(pooled, masks, 2)
    assert means[:, :, 0].tolist() == [[5, 13], [3, 13]]


def test_whitened_cells_are_even_in_all_directions():
    random = torch.Generator().manual_seed(0)
    spread = torch.randn(500, 6, generator=random) * torch.tensor([9.0, 1, 1, 1, 0.5, 0.3]) + 4
    matrix = whitening_matrix(spread)
    torch.testing.assert_close(matrix, matrix.T)
    white = spread @ matrix
    moments = white.T @ white / len(white)
    assert (moments - torch.eye(6)).abs().max() < 0.2
    assert moments.diagonal().min() > 0.8


@pytest.mark.parametrize("cells", [torch.zeros(5, 3), torch.ones(1, 3)])
def test_cells_that_are_all_alike_are_whitened_too(cells):
    assert torch.isfinite(whitening_matrix(cells)).all()


def test_features_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match="instance feature that is not a finite number"):
        whitening_matrix(torch.tensor([[1.0, torch.nan]]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("keep", FEATURES)
def test_detections_have_vectors_of_length_1_that_say_what_they_are(make, kind, keep):
    found, other = make(kind, keep).detect([random_frame(1), random_frame(2)])
    assert len(found) > 3
    np.testing.assert_allclose(np.linalg.norm(found.embeddings, axis=1), 1, atol=1e-5)
    assert found.embedding_name == other.embedding_name
    assert found.embedding_name.endswith(f"{keep.replace('_', '-')}-whitened")
    bare, _ = make(kind, keep, feature_whitening="none").detect([random_frame(1)] * 2)
    assert bare.embedding_name == found.embedding_name.removesuffix("-whitened")
    assert np.mean(bare.embeddings @ bare.embeddings.T) > np.mean(
        found.embeddings @ found.embeddings.T
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_two_kinds_of_vectors_differ_and_so_do_their_names(make, kind):
    over_boxes, in_masks = (make(kind, keep).detect([random_frame()])[0] for keep in FEATURES)
    assert np.array_equal(over_boxes.boxes, in_masks.boxes)
    assert over_boxes.embedding_name[:16] != in_masks.embedding_name[:16]
    assert np.abs(over_boxes.embeddings - in_masks.embeddings).max() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_a_vector_does_not_depend_on_the_other_boxes_of_its_frame(make, kind):
    embedder, frame = FeatureEmbedder(make(kind, "mask_features")), random_frame()
    boxes = np.array([[5.0, 5, 40, 80], [30, 20, 90, 70], [60, 10, 75, 50]])
    together = embedder.embed(frame, boxes)
    for row in range(3):
        alone = embedder.embed(frame, boxes[row : row + 1])
        np.testing.assert_allclose(alone[0], together[row], atol=1e-4)
    assert not np.allclose(together[0], together[1], atol=1e-2)


@pytest.mark.parametrize("kind", KINDS)
def test_stripes_make_vectors_longer(make, kind):
    one = make(kind, "instance_features").detect([random_frame()])[0]
    three = make(kind, "instance_features", feature_stripes=3).detect([random_frame()])[0]
    assert three.embeddings.shape[1] == 3 * one.embeddings.shape[1]
    assert three.embedding_name.endswith("-instance-features-3-stripes-whitened")
    with pytest.raises(ValueError, match=r"feature_stripes: expected 7 at most, .*, got 8"):
        make(kind, "instance_features", feature_stripes=8)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("keep", FEATURES)
def test_the_embedder_gives_detections_their_own_vectors(make, kind, keep):
    detector, frame = make(kind, keep, keep_features=True), random_frame()
    embedder = FeatureEmbedder(detector)
    assert isinstance(embedder, Embedder)
    (found,) = detector.detect([frame])
    assert (embedder.name, embedder.dimension) == (
        found.embedding_name, found.embeddings.shape[1],
    )  # fmt: skip
    vectors = embedder.embed(frame, found.boxes)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, found.embeddings, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_the_network_runs_once_for_a_frame_however_often_the_embedder_is_asked(make, kind):
    detector = make(kind, "mask_features", keep_features=True)
    embedder, calls = FeatureEmbedder(detector), []
    backbone = detector.network.backbone
    hook = backbone.register_forward_hook(lambda *call: calls.append(1))
    try:
        frame, boxes = random_frame(), np.array([[5.0, 5, 40, 80]])
        detector.detect([frame])
        first = embedder.embed(frame, boxes)
        assert len(calls) == 1
        frame.release()
        assert frame.features is None
        again = [embedder.embed(frame, boxes) for _ in range(2)]
        assert len(calls) == 2
    finally:
        hook.remove()
    np.testing.assert_allclose(again, [first, first], atol=1e-5)


def test_a_yolox_keeps_no_more_of_a_frame_than_its_branch_needs(make):
    detector = make("yolox", "mask_features", keep_features=True, batch_size=2)
    frames = [random_frame(1), random_frame(2)]
    detector.detect(frames)
    output = frames[1].features.output
    assert not output.levels
    for level in output.classification:
        assert len(level) == 1
        assert level.untyped_storage().nbytes() == level.numel() * level.element_size()
    plain = make("yolox", "none", keep_features=True)
    plain.detect(frames[:1])
    make("yolox", "mask_features").detect([third := random_frame(3)])
    assert frames[0].features.owner is detector
    assert third.features is None


@pytest.mark.parametrize("kind", KINDS)
def test_boxes_that_show_nothing_are_rows_of_zeros(make, kind):
    embedder = FeatureEmbedder(make(kind, "instance_features"))
    boxes = np.array([
        [5.0, 5, 5, 80], [5, 5, 5.5, 80], [-50, -50, -10, 40], [200, 5, 300, 80],
        [-20, -20, 60, 60], [0, 0, 120, 90],
    ])  # fmt: skip
    vectors = embedder.embed(random_frame(), boxes)
    assert vectors.any(axis=1).tolist() == [False, False, False, False, True, True]
    inside = embedder.embed(random_frame(), np.array([[0.0, 0, 60, 60]]))
    np.testing.assert_allclose(vectors[4], inside[0], atol=1e-4)
    assert embedder.embed(random_frame(), boxes[:4]).shape == (4, embedder.dimension)
    assert embedder.embed(Frame(1), np.zeros((0, 4))).shape == (0, embedder.dimension)


def test_the_embedder_says_what_is_wrong(make):
    embedder = FeatureEmbedder(make("yolox", "instance_features"))
    with pytest.raises(ValueError, match=r"expected finite corners, .* in row 1"):
        embedder.embed(random_frame(), np.array([[0.0, 0, 1, 1], [0, 0, np.nan, 1]]))
    with pytest.raises(ValueError, match="no images"):
        embedder.embed(Frame(1), np.array([[0.0, 0, 9, 9]]))
    with pytest.raises(ValueError, match="keep mask_features, got one that keeps instance_fea"):
        FeatureEmbedder(make("yolox", "instance_features"), "mask_features")
    with pytest.raises(ValueError, match="keep mask_features, got one that keeps none"):
        FeatureEmbedder(make("yolox", "none"))
    detector = make("yolox", "instance_features")
    animals = SimpleNamespace(class_names=("cat", "dog"), kept=detector.kept)
    with pytest.raises(ValueError, match="expected one that knows people"):
        FeatureEmbedder(animals)


def test_a_detector_that_keeps_masks_can_describe_boxes_in_both_ways(make):
    detector = make("yolox", "masks")
    for kind in FEATURES:
        embedder = FeatureEmbedder(detector, kind)
        own = make("yolox", kind)
        assert embedder.name == FeatureEmbedder(own).name
        (found,) = own.detect([random_frame()])
        vectors = embedder.embed(random_frame(), found.boxes)
        np.testing.assert_allclose(vectors, found.embeddings, atol=1e-4)


def test_what_is_usual_is_read_from_the_frame_and_not_from_the_margins(make):
    """A wide frame in a YOLOX's input leaves margins; their cells are none of the frame's."""
    detector = make("yolox", "instance_features")
    wide = random_frame(height=30, width=120)
    features, placed = detector.look(wide, np.array([[5.0, 5, 40, 28]]))
    assert placed.input_size == (24, 96)
    branch = detector.kept._branch
    with torch.inference_mode():
        maps = branch.maps(features)
        cells = branch.cells_of_level(maps, 0, 0, placed.input_size)
        p3 = maps["8"][0]
        assert len(cells) == 3 * 12
        assert torch.equal(cells, p3[:, :3].flatten(1).T)


def test_cells_of_a_faster_rcnn_are_of_boxes_all_over_the_frame(make):
    detector = make("faster-rcnn", "instance_features")
    features, placed = detector.look(random_frame(), np.array([[5.0, 5, 40, 80]]))
    branch = detector.kept._branch
    with torch.inference_mode():
        for number in range(len(branch.pool.strides)):
            cells = branch.cells_of_level(branch.maps(features), number, 0, placed.input_size)
            assert cells.shape == (16 * 7 * 7, branch.extraction.channels)
            assert torch.isfinite(cells).all()


def test_the_configuration_knows_its_words():
    from faimtrack.detectors.yolox.config import YoloxConfig

    config = YoloxConfig(keep="mask_features", feature_whitening="none", feature_stripes=2)
    assert dataclasses.replace(config).feature_stripes == 2
    with pytest.raises(ValueError, match="feature_whitening: expected frame or none"):
        YoloxConfig(feature_whitening="video")
