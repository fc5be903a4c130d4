"""Our YOLOX beside the `yolox` package: keys, weights and outputs, size by size."""

import copy
import dataclasses

import pytest
import torch

from faimtrack.detectors.yolox.folding import fold_batch_norm
from faimtrack.detectors.yolox.network import YOLOX_SIZES, Yolox, YoloxOutput, YoloxSize


@pytest.fixture
def official():
    """Makes the package's network of a size, as its experiments do."""
    config = pytest.importorskip("yolox.config", reason="the yolox package is not here")

    def make(name, class_count=80):
        settings = config.YoloxConfig.get_named_config(f"yolox_{name}")
        settings.num_classes = class_count
        return settings.get_model()

    return make


def make_lively(network, seed=0):
    """Batch norms as after training, not as born: each channel its own scale and shift."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 1.5, generator=generator)
            module.bias.data.normal_(0, 0.3, generator=generator)
            module.running_mean.normal_(0, 0.3, generator=generator)
            module.running_var.uniform_(0.3, 1.5, generator=generator)
    return network


def images(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 255


@torch.no_grad()
def training_rows(head, levels, monkeypatch):
    """What the package's head hands to its losses: boxes in pixels and logits."""
    handed = []
    monkeypatch.setattr(head, "get_losses", lambda *given, **rest: handed.append(given[5]))
    head(levels, labels=torch.zeros(0), imgs=None)
    return handed[0]


@pytest.mark.parametrize("name", YOLOX_SIZES)
def test_a_size_computes_bit_for_bit_what_the_package_computes(name, official, monkeypatch):
    torch.manual_seed(7)
    theirs = official(name, class_count=5)
    torch.manual_seed(7)
    ours = Yolox(name, 5)
    state = theirs.state_dict()
    assert list(ours.state_dict()) == list(state)
    for key, tensor in ours.state_dict().items():
        assert torch.equal(tensor, state[key]), f"{key} at birth"
    make_lively(theirs)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    batch = images(2, 3, 64, 96)
    with torch.no_grad():
        theirs.eval()
        ours.eval()
        expected = theirs(batch)
        output = ours(batch)
        for level, same in zip(output.levels, theirs.backbone(batch), strict=True):
            assert torch.equal(level, same)
        assert torch.equal(output.rows(), expected)
        assert float(expected[..., 4:].std()) > 1e-4  # there is something to compare
        theirs.train()
        ours.train()
        levels = theirs.backbone(batch)
        output = ours(batch)
        for level, same in zip(output.levels, levels, strict=True):
            assert torch.equal(level, same)
        assert torch.equal(output.logit_rows(), training_rows(theirs.head, levels, monkeypatch))
    after = theirs.state_dict()
    for key, tensor in ours.state_dict().items():
        assert torch.equal(tensor, after[key]), f"{key} after a step in training mode"


def test_gradients_are_those_of_the_package(official, monkeypatch):
    theirs = make_lively(official("nano", class_count=2))
    ours = Yolox("nano", 2)
    ours.load_state_dict(theirs.state_dict())
    batch = images(2, 3, 64, 64)
    handed = []
    monkeypatch.setattr(theirs.head, "get_losses", lambda *given, **rest: handed.append(given[5]))
    theirs.head(theirs.backbone(batch), labels=torch.zeros(0), imgs=None)
    handed[0].square().mean().backward()
    ours(batch).logit_rows().square().mean().backward()
    expected = dict(theirs.named_parameters())
    for key, tensor in ours.named_parameters():
        # Sums run over other layouts in memory, so the last bits differ.
        other = expected[key].grad
        assert float((tensor.grad - other).norm() / other.norm()) < 1e-5, key


@pytest.fixture(scope="module")
def nano():
    torch.manual_seed(0)
    return make_lively(Yolox("nano", 3)).eval()


def test_the_parts_run_one_by_one_give_the_whole(nano):
    batch = images(2, 3, 96, 64)
    with torch.no_grad():
        whole = nano(batch)
        parts = nano.head(nano.features(batch))
    assert isinstance(whole, YoloxOutput)
    for field, same in zip(whole, parts, strict=True):
        assert all(map(torch.equal, field, same))


def test_shapes_of_an_output_by_name(nano):
    with torch.no_grad():
        output = nano(images(2, 3, 96, 64))
    cells = [(12, 8), (6, 4), (3, 2)]
    for field, channels in (
        (output.levels, (64, 128, 256)),
        (output.classification, (64,) * 3),
        (output.regression, (64,) * 3),
        (output.box_offsets, (4,) * 3),
        (output.objectness, (1,) * 3),
        (output.class_logits, (3,) * 3),
    ):
        expected = [(2, count, *cell) for count, cell in zip(channels, cells, strict=True)]
        assert [tuple(each.shape) for each in field] == expected
    assert output.strides == (8, 16, 32)
    corners, sizes = output.grid()
    assert corners.shape == (126, 2)
    assert sizes.shape == (126, 1)
    assert corners[9].tolist() == [1, 1]  # row by row: eight columns, then the next row
    assert corners[-1].tolist() == [1, 2]
    assert sizes[[0, 95, 96, 119, 120, 125], 0].tolist() == [8, 8, 16, 16, 32, 32]


def test_predictions_are_read_from_the_features_that_are_named_so(nano):
    with torch.no_grad():
        output = nano(images(1, 3, 64, 64))
        for level in range(3):
            head = nano.head
            classes = head.cls_preds[level](output.classification[level])
            boxes = head.reg_preds[level](output.regression[level])
            assert torch.equal(classes, output.class_logits[level])
            assert torch.equal(boxes, output.box_offsets[level])


def test_rows_are_decoded_offsets_and_scores_of_logits(nano):
    with torch.no_grad():
        output = nano(images(1, 3, 64, 96))
    offsets, logits, rows = output.offset_rows(), output.logit_rows(), output.rows()
    corners, sizes = output.grid()
    assert torch.equal(rows[..., :2], (offsets[..., :2] + corners) * sizes)
    assert torch.equal(rows[..., 2:4], offsets[..., 2:].exp() * sizes)
    assert torch.equal(logits[..., :4], rows[..., :4])
    assert torch.allclose(logits[..., 4:].sigmoid(), rows[..., 4:])


@pytest.mark.parametrize("shape", [(1, 3, 64, 90), (1, 3, 33, 64), (3, 64, 64), (1, 4, 64, 64)])
def test_images_of_other_shapes_are_refused(nano, shape):
    with pytest.raises(
        ValueError, match=r"expected \(N, 3, height, width\).*multiples of 32, got"
    ):
        nano(torch.zeros(shape))


def test_an_unknown_size_and_no_class_are_refused():
    with pytest.raises(ValueError, match="size: expected nano, tiny, s, m, l, x, got 'xl'"):
        Yolox("xl", 1)
    with pytest.raises(ValueError, match="class_count: expected 1 or more, got 0"):
        Yolox("nano", 0)


def test_a_size_of_ones_own_is_a_network_too():
    size = YoloxSize(name="pico", depth=0.1, width=0.125, depthwise=True)
    network = Yolox(size, 1).eval()
    with torch.no_grad():
        assert network(images(1, 3, 32, 32)).rows().shape == (1, 21, 6)
    assert network.size == dataclasses.replace(size)


def test_the_folded_copy_computes_the_same_and_leaves_the_network_alone(nano):
    before = copy.deepcopy(nano.state_dict())
    folded = fold_batch_norm(nano)
    batch = images(1, 3, 64, 96)
    with torch.no_grad():
        expected = nano(batch).rows()
        torch.testing.assert_close(folded(batch).rows(), expected, rtol=1e-4, atol=1e-4)
    assert folded.is_folded
    assert not nano.is_folded
    assert not any(".bn." in key for key in folded.state_dict())
    assert all(torch.equal(before[key], tensor) for key, tensor in nano.state_dict().items())


def test_folded_weights_load_into_a_network_that_is_made_folded(nano):
    folded = fold_batch_norm(nano)
    again = Yolox("nano", 3, folded=True).eval()
    again.load_state_dict(folded.state_dict(), strict=True)
    batch = images(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(again(batch).rows(), folded(batch).rows())
    twice = fold_batch_norm(folded)
    assert all(torch.equal(twice.state_dict()[key], folded.state_dict()[key])
               for key in folded.state_dict())  # fmt: skip


def test_half_precision_decodes_in_full(nano):
    network = copy.deepcopy(nano).to(torch.bfloat16)
    with torch.no_grad():
        output = network(images(1, 3, 64, 1088).to(torch.bfloat16))
    rows = output.rows()
    assert output.box_offsets[0].dtype == torch.bfloat16
    assert rows.dtype == torch.float32
    corners, sizes = output.grid()
    offsets = output.offset_rows().float()
    assert torch.equal(rows[..., :2], (offsets[..., :2] + corners) * sizes)


def test_channels_last_computes_the_same(nano):
    network = copy.deepcopy(nano).to(memory_format=torch.channels_last)
    batch = images(2, 3, 64, 96)
    with torch.no_grad():
        rows = network(batch.to(memory_format=torch.channels_last)).rows()
        torch.testing.assert_close(rows, nano(batch).rows(), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_it_compiles_in_one_piece_and_for_other_sizes_after(nano):
    compiled = torch.compile(nano, backend="eager", fullgraph=True)
    with torch.no_grad():
        for size in ((64, 96), (96, 64)):
            batch = images(1, 3, *size)
            assert torch.equal(compiled(batch).rows(), nano(batch).rows())
