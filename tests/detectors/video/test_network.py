import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from faimtrack.detectors.video.aggregation import Aggregation
from faimtrack.detectors.video.config import ProposalConfig, VideoNetworkConfig
from faimtrack.detectors.video.network import Proposals, VideoYolox
from faimtrack.detectors.video.selection import select_proposals
from faimtrack.detectors.yolox.folding import fold_batch_norm
from faimtrack.detectors.yolox.network import Yolox, YoloxSize

CLASSES = 3
SIZE = YoloxSize(name="tiny", depth=0.33, width=0.125)
CHANNELS = 32
VARIANTS = {
    "FAIM": {},
    "YOLOV": {"partner": "regression"},
    "YOLOV after 2023": {"partner": "regression", "partner_confidence": False},
    "values of both": {"value": "sum"},
    "no pooling": {"pooling": False},
    "few instance channels": {"instance_channels": 6},
    "group norm, a block a level": {"norm": "group", "shared_levels": False},
    "added to the base detector's": {"refinement": "add"},
}


def make(variant="FAIM"):
    torch.manual_seed(0)
    network = VideoYolox(Yolox(SIZE, CLASSES), VideoNetworkConfig(**VARIANTS[variant]))
    with torch.no_grad():
        network.train()(torch.randn(4, 3, 64, 96))  # statistics: else maps shrink to nothing
    network.video.classifier.reset_parameters()  # one that adds nothing has nothing to show
    return network.eval()


@pytest.fixture(scope="module", params=VARIANTS)
def network(request):
    return make(request.param).requires_grad_(False)


def random_clip(counts, seed=0, channels=CHANNELS, partner_channels=CHANNELS):
    """Frames with some numbers of proposals."""
    random = torch.Generator().manual_seed(seed)

    def numbers(*shape):
        return torch.rand(*shape, generator=random)

    return [
        Proposals(
            torch.arange(count),
            50 * numbers(count, 4),
            numbers(count),
            numbers(count, CLASSES),
            numbers(count, channels) - 0.5,
            numbers(count, partner_channels) - 0.5,
        )
        for count in counts
    ]


def partner_channels_of(network):
    extraction = network.video.extraction
    return CHANNELS if extraction is None else extraction.channels


def test_maps_have_their_shapes_and_the_base_detector_is_untouched(network):
    images = torch.randn(2, 3, 64, 96)
    output = network(images)
    base = Yolox(SIZE, CLASSES).eval()
    own = {key: each for key, each in network.state_dict().items() if "video." not in key}
    base.load_state_dict(own)
    assert all(map(torch.equal, output.base.class_logits, base(images).class_logits))
    assert torch.equal(output.base.rows(), base(images).rows())
    sizes = [(8, 12), (4, 6), (2, 3)]
    channels = partner_channels_of(network)
    assert [each.shape for each in output.classification] == [(2, CHANNELS, *s) for s in sizes]
    assert [each.shape for each in output.partner] == [(2, channels, *s) for s in sizes]
    if network.video.extraction is None:
        assert all(map(torch.equal, output.partner, output.base.regression))


def test_the_video_branch_is_fed_by_the_stems_and_ifem_by_the_branch():
    network = make().requires_grad_(False)
    output = network(torch.randn(1, 3, 64, 96))
    for level, (stem, classification, partner) in enumerate(
        zip(output.base.stems, output.classification, output.partner, strict=True)
    ):
        assert torch.equal(network.video.branch.levels[level](stem), classification)
        assert torch.equal(network.video.extraction.blocks[0](classification), partner)


def test_features_are_gathered_anchor_by_anchor(network):
    images = torch.randn(2, 3, 64, 96)
    output = network(images)
    selections = select_proposals(output.base.rows(), ProposalConfig(proposals=9))
    for frame, found in enumerate(network.gather(output, selections)):
        for name, maps in (("classification", output.classification), ("partner", output.partner)):
            for row, anchor in enumerate(found.anchors.tolist()):
                for each in maps:  # levels one after the other, row by row
                    height, width = each.shape[-2:]
                    if anchor < height * width:
                        break
                    anchor -= height * width
                expected = each[frame, :, anchor // width, anchor % width]
                assert torch.equal(getattr(found, name)[row], expected)


@given(
    counts=st.lists(st.integers(0, 6), min_size=1, max_size=5),
    seed=st.integers(0, 99),
    data=st.data(),
)
@settings(max_examples=10, deadline=None)
def test_permuting_frames_permutes_logits(network, counts, seed, data):
    clip = random_clip(counts, seed, partner_channels=partner_channels_of(network))
    order = data.draw(st.permutations(range(len(counts))))
    (logits,) = network.refine([clip])
    (found,) = network.refine([[clip[number] for number in order]])
    expected = logits.split(counts)
    torch.testing.assert_close(
        found, torch.cat([expected[number] for number in order]), rtol=0, atol=1e-5
    )


def test_clips_together_are_clips_one_by_one(network):
    channels = partner_channels_of(network)
    every = [(4, 0, 7), (1,), (0, 0), (30, 2, 5, 11), (3, 3)]
    clips = [random_clip(counts, sum(counts), partner_channels=channels) for counts in every]
    found = network.refine(clips)
    assert [len(each) for each in found] == list(map(sum, every))
    for clip, logits in zip(clips, found, strict=True):
        assert logits.shape[1] == CLASSES
        assert logits.isfinite().all()
        torch.testing.assert_close(network.refine([clip])[0], logits, rtol=0, atol=1e-5)


@pytest.mark.parametrize("keys", [0, 1, 2, 3, 9])
def test_logits_of_the_first_frames_are_the_first_of_all(network, keys):
    channels = partner_channels_of(network)
    clips = [random_clip(each, partner_channels=channels) for each in ((4, 0, 7), (1, 2), (0,))]
    found = network.refine(clips, keys)
    for clip, logits, every in zip(clips, found, network.refine(clips), strict=True):
        count = sum(len(frame.anchors) for frame in clip[:keys])
        assert logits.shape == (count, CLASSES)
        torch.testing.assert_close(logits, every[:count], rtol=0, atol=1e-5)


def test_other_frames_change_what_a_frame_gets(network):
    channels = partner_channels_of(network)
    one, other, third = random_clip((5, 5, 5), partner_channels=channels)
    first = network.refine([[one, other]], keys=1)[0]
    second = network.refine([[one, third]], keys=1)[0]
    assert not torch.allclose(first, second)


def test_what_is_added_to_the_base_detectors_logits_begins_at_nothing():
    network = VideoYolox(Yolox(SIZE, CLASSES), VideoNetworkConfig(refinement="add"))
    clips = [random_clip((4, 0, 7)), random_clip((2,), seed=1)]
    for clip, logits in zip(clips, network.refine(clips, keys=1), strict=True):
        torch.testing.assert_close(logits.sigmoid(), clip[0].class_scores, rtol=0, atol=1e-6)
    network.video.classifier.reset_parameters()
    (found,) = network.refine(clips[:1])
    assert not torch.allclose(found.sigmoid(), torch.cat([f.class_scores for f in clips[0]]))
    network.video.reset_classifier()
    assert not any(weights.any() for weights in network.video.classifier.parameters())


def test_what_replaces_logits_and_what_is_added_to_them_are_the_same_numbers():
    networks = {}
    for refinement in ("replace", "add"):
        torch.manual_seed(0)
        config = VideoNetworkConfig(refinement=refinement)
        networks[refinement] = VideoYolox(Yolox(SIZE, CLASSES), config).eval()
    networks["add"].load_state_dict(networks["replace"].state_dict())
    clip = random_clip((4, 9, 1))
    clip[0].class_scores[0] = torch.tensor([0.0, 1.0, 0.5])
    (replaced,), (added,) = (network.refine([clip]) for network in networks.values())
    scores = torch.cat([frame.class_scores for frame in clip]).double().clamp(1e-6, 1 - 1e-6)
    expected = replaced.double() + torch.log(scores / (1 - scores))
    torch.testing.assert_close(added[1:].double(), expected[1:], rtol=0, atol=1e-4)
    # float32 has 1 - 1e-6 no more exactly than that its logit is off by some hundredths
    torch.testing.assert_close(added[0].double(), expected[0], rtol=0, atol=2e-2)
    torch.testing.assert_close(added[1:].double(), expected[1:], rtol=0, atol=1e-4)
    assert added.isfinite().all()


def test_the_last_output_of_the_classifier_is_dropped(network):
    (clip,) = [random_clip((4,), partner_channels=partner_channels_of(network))]
    assert network.video.classifier.out_features == CLASSES + 1
    (before,) = network.refine([clip])
    bias = network.video.classifier.bias
    bias[-1] += 5
    (after,) = network.refine([clip])
    bias[-1] -= 5
    assert torch.equal(before, after)


@pytest.mark.parametrize("variant", VARIANTS)
def test_refined_logits_teach_all_that_is_new(variant):
    """IFEM learns through the aggregation, not from masks alone."""
    network = make(variant)
    network.train()
    output = network(torch.randn(2, 3, 64, 96))
    selections = select_proposals(output.base.rows(), ProposalConfig(proposals=80))
    counts = [len(each.anchors) for each in selections]
    assert min(counts) > 60  # all levels are among them
    (logits,) = network.refine([network.gather(output, selections)])
    logits.square().sum().backward()
    for name, parameter in network.video.named_parameters():
        gradient = parameter.grad
        assert gradient is not None, name
        assert gradient.isfinite().all(), name
        assert gradient.abs().sum() > 0, name
    if network.video.extraction is not None:
        for block in network.video.extraction.blocks:
            assert block[0].weight.grad.abs().sum() > 0
    heads = network.head
    for unused in (*heads.cls_preds, *heads.obj_preds, *heads.cls_convs):
        assert all(each.grad is None for each in unused.parameters())


def test_a_folded_network_gives_the_same():
    network = make().requires_grad_(False)
    images = torch.randn(2, 3, 64, 96)
    config = ProposalConfig(proposals=5)
    folded = fold_batch_norm(network)
    _, expected = network.encode(images, config)
    _, found = folded.encode(images, config)
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one.anchors, other.anchors)
        scale = other.classification.abs().max()
        assert (one.classification - other.classification).abs().max() < 1e-4 * scale
    torch.testing.assert_close(
        folded.refine([found])[0], network.refine([expected])[0], rtol=0, atol=1e-3
    )


def test_aggregation_in_autocast_stays_in_full_precision():
    network = make().requires_grad_(False)
    clip = random_clip((6, 4))
    (expected,) = network.refine([clip])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        (found,) = network.refine([clip])
    assert torch.equal(found, expected)


@pytest.mark.parametrize("method", ["auto", "patches", "dense"])
def test_encoding_in_autocast_has_no_number_that_is_none(method):
    network = make().requires_grad_(False)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rows, found = network.encode(torch.randn(2, 3, 64, 96), ProposalConfig(), method=method)
    assert rows.dtype == torch.float32
    (logits,) = network.refine([found])
    assert logits.dtype == torch.float32
    assert logits.isfinite().all()


def test_another_way_of_aggregation_can_be_put_in():
    class Itself(Aggregation):
        out_channels = CHANNELS

        def forward(self, tokens, queries=None):
            return tokens.classification[:, :queries]

    network = VideoYolox(Yolox(SIZE, CLASSES), aggregation=Itself())
    clip = random_clip((3, 2))
    (logits,) = network.refine([clip])
    features = torch.cat([each.classification for each in clip])
    assert torch.equal(logits, network.video.classifier(features)[:, :-1])


def test_images_of_another_shape_are_refused(network):
    with pytest.raises(ValueError, match="images: expected"):
        network(torch.zeros(1, 3, 33, 64))
