import copy
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from faimtrack.detectors.mask_branch.config import MaskBranchConfig
from faimtrack.detectors.mask_branch.extraction import InstanceFeatureExtraction
from faimtrack.detectors.video import patches
from faimtrack.detectors.video.branch import VideoObjectBranch
from faimtrack.detectors.video.config import ProposalConfig, VideoNetworkConfig
from faimtrack.detectors.video.network import VideoYolox
from faimtrack.detectors.video.patches import features_at, read_anchors
from faimtrack.detectors.video.selection import select_proposals
from faimtrack.detectors.yolox.blocks import fold_blocks
from faimtrack.detectors.yolox.network import Yolox, YoloxSize

CHANNELS = 8
SIZES = ((10, 13), (5, 7), (1, 2))
ANCHORS = sum(height * width for height, width in SIZES)
ALL = torch.arange(ANCHORS)


def shake(module):
    """Statistics and shifts that make a convolution of zeros far from zero."""
    for each in module.modules():
        if isinstance(each, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(each.weight, 0.5, 1.5)
            torch.nn.init.normal_(each.bias, std=2)
            each.running_mean.normal_(std=0.5)
            each.running_var.uniform_(0.5, 2)
    return module.eval().requires_grad_(False)


def make(*, depthwise=False, folded=False, norm="batch", shared=True, instance_channels=None):
    torch.manual_seed(3)
    branch = shake(VideoObjectBranch(CHANNELS, len(SIZES), depthwise=depthwise))
    config = MaskBranchConfig(norm=norm, shared_levels=shared, instance_channels=instance_channels)
    extraction = shake(InstanceFeatureExtraction(CHANNELS, config, map_count=len(SIZES)))
    if folded:
        fold_blocks(branch)
    stems = [torch.randn(3, CHANNELS, *size) for size in SIZES]
    return SimpleNamespace(branch=branch, extraction=extraction, stems=stems)


def dense(parts, anchors, extraction=True):
    """Whole maps, then the columns of the anchors, one by one."""
    classification = parts.branch(parts.stems)
    levels = [classification, *([parts.extraction(classification)] if extraction else [])]
    answers = []
    for maps in levels:
        rows = torch.cat([each.flatten(2) for each in maps], dim=2)
        found = [rows[frame, :, at] for frame, its in enumerate(anchors) for at in its.tolist()]
        answers.append(torch.stack(found) if found else rows.new_zeros(0, rows.shape[1]))
    return answers


def assert_same(found, expected):
    scale = expected.abs().max().item() if expected.numel() else 1
    assert found.shape == expected.shape
    assert torch.allclose(found, expected, rtol=0, atol=1e-5 * scale)


KINDS = {
    "plain": {},
    "depthwise": {"depthwise": True},
    "folded": {"folded": True},
    "depthwise and folded": {"depthwise": True, "folded": True},
    "no norm": {"norm": "none"},
    "a block a level": {"shared": False},
    "other channels": {"instance_channels": 5},
}


@pytest.mark.parametrize("kind", KINDS)
def test_patches_of_all_anchors_are_the_whole_maps(kind):
    parts = make(**KINDS[kind])
    anchors = [ALL, ALL.flip(0), ALL[::2]]
    found = features_at(parts.stems, parts.branch, parts.extraction, anchors, "patches")
    expected = dense(parts, anchors)
    assert_same(found.classification, expected[0])
    assert_same(found.instance, expected[1])


@given(
    rows=st.lists(st.lists(st.integers(0, ANCHORS - 1), max_size=9), min_size=3, max_size=3),
    method=st.sampled_from(["auto", "patches", "dense"]),
    extraction=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_any_anchors_in_any_order_have_their_dense_features(rows, method, extraction):
    parts = make()
    anchors = [torch.tensor(each, dtype=torch.int64) for each in rows]
    module = parts.extraction if extraction else None
    found = features_at(parts.stems, parts.branch, module, anchors, method)
    expected = dense(parts, anchors, extraction)
    assert_same(found.classification, expected[0])
    if extraction:
        assert_same(found.instance, expected[1])
    else:
        assert found.instance is None


def test_between_convolutions_the_margin_is_zero_and_not_the_bias():
    parts = make(folded=True)
    corner = [torch.tensor([0]), torch.tensor([]).long(), torch.tensor([])[:0].long()]
    found = features_at(parts.stems, parts.branch, parts.extraction, corner, "patches")
    expected = dense(parts, corner)
    assert_same(found.classification, expected[0])
    # What a margin of convolved zeros would give is far from it: the test can fail.
    blocks = copy.deepcopy(parts.branch.levels[0])
    padded = torch.nn.functional.pad(parts.stems[0], (3, 3, 3, 3))
    wrong = blocks(padded)[0, :, 3, 3]
    assert (wrong - expected[0][0]).abs().max() > 0.01 * expected[0].abs().max()


def test_maps_whose_channels_lie_together_give_the_same():
    parts = make()
    anchors = [ALL[3:9], ALL[:1], ALL[-2:]]
    expected = dense(parts, anchors)
    last = {"memory_format": torch.channels_last}
    stems = [each.contiguous(**last) for each in parts.stems]
    found = features_at(stems, parts.branch.to(**last), parts.extraction, anchors, "patches")
    assert_same(found.classification, expected[0])
    assert_same(found.instance, expected[1])


def test_windows_in_blocks_give_the_same(monkeypatch):
    parts = make()
    anchors = [ALL, ALL[4:], ALL[:9]]
    whole = features_at(parts.stems, parts.branch, parts.extraction, anchors, "patches")
    monkeypatch.setattr(patches, "_WINDOWS_AT_ONCE", 7)
    found = features_at(parts.stems, parts.branch, parts.extraction, anchors, "patches")
    assert_same(found.classification, whole.classification)
    assert_same(found.instance, whole.instance)


@pytest.mark.parametrize("case", ["group norm", "batch norm that learns"])
def test_a_norm_that_looks_at_whole_maps_gets_them(case):
    parts = make(norm="group" if case == "group norm" else "batch")
    if case != "group norm":
        parts.branch.train()
    anchors = [ALL[3:9], ALL[:1], ALL[-2:]]
    state = copy.deepcopy(parts.branch.state_dict())
    expected = dense(parts, anchors)
    parts.branch.load_state_dict(state)
    found = features_at(parts.stems, parts.branch, parts.extraction, anchors, "patches")
    assert_same(found.classification, expected[0])
    assert_same(found.instance, expected[1])


def test_operations_are_counted_for_distinct_cells():
    parts = make()
    nobody = torch.zeros(0, dtype=torch.int64)
    cell = 9 * CHANNELS * CHANNELS  # multiplications of a 3 by 3 convolution

    def operations(anchors, method):
        return features_at(parts.stems, parts.branch, parts.extraction, anchors, method).operations

    middle = 5 * 13 + 6
    one = torch.tensor([middle])
    assert operations([one, nobody, nobody], "patches") == (25 + 9 + 1) * cell
    assert operations([one.repeat(2), nobody, nobody], "patches") == (25 + 9 + 1) * cell
    assert operations([one, one, nobody], "patches") == 2 * (25 + 9 + 1) * cell
    beside = torch.tensor([middle, middle + 1])
    assert operations([beside, nobody, nobody], "patches") == (30 + 12 + 2) * cell
    assert operations([torch.tensor([0]), nobody, nobody], "patches") == (9 + 4 + 1) * cell
    assert operations([nobody] * 3, "dense") == 3 * 3 * ANCHORS * cell
    assert operations([nobody] * 3, "auto") == 0


def test_auto_computes_a_level_as_a_whole_where_that_is_cheaper():
    parts = make()
    nobody = torch.zeros(0, dtype=torch.int64)

    def operations(anchors, method):
        return features_at(parts.stems, parts.branch, parts.extraction, anchors, method).operations

    crowded = [ALL, nobody, nobody]  # one frame of three: patches cost a third, but each more
    assert operations(crowded, "patches") * 3 == operations(crowded, "dense")
    assert operations(crowded, "auto") == operations(crowded, "patches")
    assert operations([ALL] * 3, "auto") == operations([ALL] * 3, "dense")
    mixed = [ALL[-2:]] * 3  # all of the smallest level, nothing of the others
    assert operations(mixed, "auto") == 3 * 3 * 2 * 9 * CHANNELS * CHANNELS


def test_gradients_flow_through_patches_as_through_whole_maps():
    anchors = [ALL[3:9], ALL[:1], ALL[-4:]]
    gradients = []
    for method in ("dense", "patches"):
        parts = make()
        parts.branch.requires_grad_(True)
        parts.extraction.requires_grad_(True)
        found = features_at(parts.stems, parts.branch, parts.extraction, anchors, method)
        (found.classification.square().sum() + found.instance.square().sum()).backward()
        learnt = [*parts.branch.parameters(), *parts.extraction.parameters()]
        gradients.append([each.grad for each in learnt])
    for expected, found in zip(*gradients, strict=True):
        assert_same(found, expected)


def test_maps_are_read_at_anchors_frame_after_frame():
    maps = [torch.randn(2, 4, *size) for size in SIZES]
    rows = torch.cat([each.flatten(2) for each in maps], dim=2)
    anchors = [torch.tensor([ANCHORS - 1, 0, 131]), torch.tensor([130])]
    expected = torch.stack(
        [rows[0, :, ANCHORS - 1], rows[0, :, 0], rows[0, :, 131], rows[1, :, 130]]
    )
    assert torch.equal(read_anchors(maps, anchors), expected)


@pytest.fixture(scope="module", params=["default", "yolov"])
def network(request):
    torch.manual_seed(0)
    size = YoloxSize(name="tiny", depth=0.33, width=0.125)
    config = VideoNetworkConfig.preset(request.param)
    return shake(VideoYolox(Yolox(size, 3), config))


@pytest.mark.parametrize("method", ["auto", "patches", "dense"])
@pytest.mark.parametrize("proposals", [1, 30, 300])
def test_encoding_is_selection_and_gathering_from_whole_maps(network, method, proposals):
    images = torch.randn(3, 3, 96, 160) * 50 + 100
    config = ProposalConfig(proposals=proposals)
    rows, found = network.encode(images, config, method=method)
    output = network(images)
    assert torch.equal(rows, output.base.rows())
    expected = network.gather(output, select_proposals(rows, config))
    assert len(found) == len(expected) == 3
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one.anchors, other.anchors)
        assert torch.equal(one.boxes, other.boxes)
        assert torch.equal(one.objectness, other.objectness)
        assert torch.equal(one.class_scores, other.class_scores)
        assert_same(one.classification, other.classification)
        assert_same(one.partner, other.partner)


@pytest.mark.parametrize("method", ["auto", "patches", "dense"])
def test_frames_without_proposals_are_encoded_to_nothing(network, method):
    config = ProposalConfig(minimum_objectness=1.0)
    rows, found = network.encode(torch.zeros(2, 3, 32, 64), config, method=method)
    assert rows.shape[0] == len(found) == 2
    for each in found:
        assert each.classification.shape == (0, 32)
        assert each.partner.shape == (0, 32)
    (logits,) = network.refine([found])
    assert logits.shape == (0, 3)


def test_images_of_another_shape_are_refused(network):
    with pytest.raises(ValueError, match="images: expected"):
        network.encode(torch.zeros(1, 3, 33, 64), ProposalConfig())
