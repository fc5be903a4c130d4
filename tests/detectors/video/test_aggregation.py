import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from faimtrack.detectors.video import aggregation as module
from faimtrack.detectors.video.aggregation import (
    TemporalInstanceClassificationAggregation,
    Tokens,
)
from faimtrack.detectors.video.config import VideoNetworkConfig
from faimtrack.detectors.video.network import Proposals, join

CHANNELS, PARTNER_CHANNELS = 8, 6
GOLDEN = Path(__file__).parent / "golden" / "yolov.npz"

VARIANTS = {
    "FAIM": {},
    "after 2023": {"partner_confidence": False},
    "values of both": {"value": "sum"},
    "no pooling": {"pooling": False},
    "one head": {"heads": 1},
    "eight heads": {"heads": 8},
    "another scale": {"scale": 4.0},
    "all look alike": {"similarity": -1.0},
    "none looks alike": {"similarity": 0.999999},
    "everything": {"value": "sum", "partner_confidence": False, "heads": 2, "similarity": 0.3},
}


def make(variant="FAIM", channels=CHANNELS, partner_channels=PARTNER_CHANNELS):
    torch.manual_seed(0)
    config = VideoNetworkConfig(**VARIANTS[variant])
    made = TemporalInstanceClassificationAggregation(channels, partner_channels, config)
    for each in made.parameters():
        torch.nn.init.normal_(each, std=0.5)
    return made.double()


def make_tokens(*counts, seed=0, channels=CHANNELS, partner_channels=PARTNER_CHANNELS):
    """Clips of some numbers of tokens, which come in a few kinds so that some look alike."""
    random = torch.Generator().manual_seed(seed)

    def numbers(*shape):
        return torch.randn(*shape, generator=random, dtype=torch.float64)

    kinds = numbers(3, channels + partner_channels)
    most = max(counts)
    which = torch.randint(3, (len(counts), most), generator=random)
    features = kinds[which] + 0.4 * numbers(len(counts), most, channels + partner_channels)
    scores = torch.rand(2, len(counts), most, generator=random, dtype=torch.float64)
    is_real = torch.arange(most) < torch.tensor(counts)[:, None]
    return Tokens(
        features[..., :channels].contiguous(),
        features[..., channels:].contiguous(),
        scores[0],
        scores[1],
        is_real,
    )


def apply(weight, vector, bias=None):
    """A linear layer, number by number."""
    return [
        sum(weight[row][column] * vector[column] for column in range(len(vector)))
        + (0.0 if bias is None else bias[row])
        for row in range(len(weight))
    ]


def dot(one, other):
    return sum(a * b for a, b in zip(one, other, strict=True))


def unit(vector):
    length = math.sqrt(dot(vector, vector))
    return [each / length for each in vector]


def softmax(values):
    powers = [math.exp(each) for each in values]
    return [each / sum(powers) for each in powers]


def by_the_formulas(made, clip):
    """METHOD.md 2 for one clip, with plain numbers; `(features, A, alike pairs)`."""
    config = made.config
    heads = config.heads
    weights = {name: each.tolist() for name, each in made.named_parameters()}
    count = len(clip.classification)

    def project(name, features):
        """Queries, keys and values `[which][token][head]` -> list of numbers."""
        projected = [apply(weights[f"{name}.weight"], each) for each in features.tolist()]
        third = len(projected[0]) // 3
        part = third // heads
        return [
            [
                [row[which * third + head * part :][:part] for head in range(heads)]
                for row in projected
            ]
            for which in range(3)
        ]

    q_c, k_c, v = project("project_classification", clip.classification)
    q_r, k_r, v_r = project("project_partner", clip.partner)
    if config.value == "sum":
        for token in range(count):
            for head in range(heads):
                pairs = zip(v[token][head], v_r[token][head], strict=True)
                v[token][head] = [one + other for one, other in pairs]
    s, o = clip.class_scores.tolist(), clip.objectness.tolist()
    if not config.partner_confidence:
        o = [1.0] * count

    def attention(queries, keys, confidences, head):
        rows = []
        for i in range(count):
            logits = []
            for j in range(count):
                cosine = dot(unit(queries[i][head]), unit(keys[j][head]))
                logits.append(config.scale * cosine * confidences[j])
            rows.append(softmax(logits))
        return rows

    a = []  # [head][i][j]
    for head in range(heads):
        a_c = attention(q_c, k_c, s, head)
        a_r = attention(q_r, k_r, o, head)
        a.append([[(a_c[i][j] + a_r[i][j]) / 2 for j in range(count)] for i in range(count)])
    m = []
    for i in range(count):
        gathered, own = [], []
        for head in range(heads):
            part = len(v[i][head])
            gathered += [
                sum(a[head][i][j] * v[j][head][channel] for j in range(count))
                for channel in range(part)
            ]
            own += v[i][head]
        m.append(apply(weights["linear1.weight"], gathered + own, weights["linear1.bias"]))
    mean_a = [
        [sum(a[head][i][j] for head in range(heads)) / heads for j in range(count)]
        for i in range(count)
    ]
    features, alike = [], 0
    for i in range(count):
        pooled = m[i]
        if config.pooling:
            cosines = [
                sum(dot(unit(v[i][head]), unit(v[j][head])) for head in range(heads)) / heads
                for j in range(count)
            ]
            again = softmax(mean_a[i])
            w = [again[j] if cosines[j] > config.similarity else 0.0 for j in range(count)]
            alike += sum(each > 0 for each in w) - 1
            w = [each / sum(w) for each in w]
            pooled = [
                sum(w[j] * m[j][channel] for j in range(count)) for channel in range(len(m[i]))
            ]
        features.append(apply(weights["linear2.weight"], pooled + m[i], weights["linear2.bias"]))
    kind = {"dtype": torch.float64}
    return torch.tensor(features, **kind), torch.tensor(mean_a, **kind), alike


def clip_of(tokens, number):
    """The real tokens of one clip, without its dimension."""
    real = tokens.is_real[number]
    return Tokens(*(each[number][real] for each in tokens))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("counts", [(11,), (1,), (4, 9)])
def test_aggregation_is_what_the_formulas_say(variant, counts):
    made, tokens = make(variant), make_tokens(*counts)
    with torch.no_grad():
        found, similarities = made(tokens), made.similarities(tokens)
    for number, count in enumerate(counts):
        expected, attention, _ = by_the_formulas(made, clip_of(tokens, number))
        assert found.shape[2] == made.out_channels == 4 * CHANNELS
        torch.testing.assert_close(found[number, :count], expected, rtol=0, atol=1e-10)
        mine = similarities[number, :count]
        torch.testing.assert_close(mine[:, :count], attention, rtol=0, atol=1e-12)
        assert (mine[:, count:] == 0).all()


def test_some_tokens_look_alike_and_some_do_not():
    """Else the comparison above would say nothing of average pooling."""
    alike = by_the_formulas(make(), clip_of(make_tokens(11), 0))[2]
    assert 5 < alike < 11 * 10 - 5


def test_every_variant_gives_something_else():
    tokens = make_tokens(9)
    found = {variant: make(variant)(tokens) for variant in VARIANTS}
    for number, one in enumerate(VARIANTS):
        for other in list(VARIANTS)[:number]:
            # Where a token looks like itself alone, the average is itself.
            is_same = {one, other} == {"no pooling", "none looks alike"}
            assert torch.allclose(found[one], found[other]) == is_same


@pytest.mark.parametrize("variant", ["FAIM", "everything"])
@given(count=st.integers(1, 12), extra=st.integers(1, 9), seed=st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_filling_up_changes_nothing_whatever_it_is(variant, count, extra, seed):
    made, tokens = make(variant), make_tokens(count, seed=seed)

    def filled(each):
        if each.dtype == torch.bool:
            return torch.cat((each, each.new_zeros(1, extra)), dim=1)
        shape = (1, extra, *each.shape[2:])
        return torch.cat((each, 1e3 * torch.randn(shape, dtype=torch.float64)), dim=1)

    with torch.no_grad():
        expected, found = made(tokens), made(Tokens(*map(filled, tokens)))
    torch.testing.assert_close(found[:, :count], expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("variant", VARIANTS)
@given(seed=st.integers(0, 99), count=st.integers(1, 12))
@settings(max_examples=10, deadline=None)
def test_permuting_tokens_permutes_what_comes_out(variant, seed, count):
    made, tokens = make(variant), make_tokens(count, seed=seed)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        found = made(Tokens(*(each[:, order] for each in tokens)))
        torch.testing.assert_close(found, made(tokens)[:, order], rtol=0, atol=1e-10)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_batch_of_clips_is_the_clips_one_by_one(variant):
    made, tokens = make(variant), make_tokens(7, 1, 12, 0)
    with torch.no_grad():
        found = made(tokens)
        for number, count in enumerate((7, 1, 12)):
            alone = Tokens(*(each[None] for each in clip_of(tokens, number)))
            torch.testing.assert_close(found[number, :count], made(alone)[0], rtol=0, atol=1e-10)
    assert found.isfinite().all()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("queries", [None, 0, 1, 5, 12])
@pytest.mark.parametrize("kept", [True, False])
def test_blocks_of_rows_are_all_at_once(monkeypatch, variant, queries, kept):
    made, tokens = make(variant), make_tokens(12, 3)
    with torch.no_grad():
        expected = made(tokens)[:, :queries]
        whole = made.similarities(tokens)
        monkeypatch.setattr(module, "_NUMBERS_AT_ONCE", {"cpu": 0, "cuda": 0})
        monkeypatch.setattr(module, "_FEWEST_ROWS", 5)
        monkeypatch.setattr(module, "_MOST_TOKENS_KEPT", 12 if kept else 11)
        torch.testing.assert_close(made(tokens, queries), expected, rtol=0, atol=1e-10)
        torch.testing.assert_close(made.similarities(tokens), whole, rtol=0, atol=1e-12)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("queries", [0, 1, 4, 9])
def test_the_first_tokens_alone_are_the_first_of_all(variant, queries):
    made, tokens = make(variant), make_tokens(9, 4)
    with torch.no_grad():
        found = made(tokens, queries)
    assert found.shape == (2, queries, made.out_channels)
    torch.testing.assert_close(found, made(tokens)[:, :queries], rtol=0, atol=1e-10)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_weight_that_is_used_learns(variant):
    made, tokens = make(variant), make_tokens(9, 4)
    features = [each.requires_grad_(True) for each in tokens[:2]]
    made(tokens).square().sum().backward()
    third = PARTNER_CHANNELS and CHANNELS
    for name, parameter in made.named_parameters():
        gradient = parameter.grad
        assert gradient.isfinite().all()
        if name == "project_partner.weight" and VARIANTS[variant].get("value") != "sum":
            # YOLOV's values of the second side are there, and are used by nobody.
            assert (gradient[2 * third :] == 0).all()
            gradient = gradient[: 2 * third]
        if VARIANTS[variant].get("heads") == 8 and "project" in name:
            # A cosine of single numbers is a sign: their queries and keys cannot learn.
            gradient = gradient[-third:] if "classification" in name else gradient[:0]
        rows = gradient.flatten(1) if gradient.dim() > 1 else gradient[:, None]
        assert (rows.abs().sum(dim=1) > 0).all(), name
    if VARIANTS[variant].get("heads") != 8:
        for each in features:  # the partner's network learns through the attention
            assert (each.grad[tokens.is_real].abs().sum(dim=1) > 0).all()
    for each in features:
        assert each.grad.isfinite().all()
        assert (each.grad[~tokens.is_real][:, :] * 0 == 0).all()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("what", ["zero features", "no confidence", "nothing real", "no tokens"])
def test_nothing_becomes_not_a_number(variant, what):
    made = make(variant).float()
    tokens = Tokens(
        *(each if each.dtype == torch.bool else each.float() for each in make_tokens(6, 2))
    )
    if what == "zero features":
        tokens = tokens._replace(
            classification=torch.zeros_like(tokens.classification),
            partner=torch.zeros_like(tokens.partner),
        )
    elif what == "no confidence":
        nothing = torch.zeros_like(tokens.objectness)
        tokens = tokens._replace(class_scores=nothing, objectness=nothing)
    elif what == "nothing real":
        tokens = tokens._replace(is_real=torch.zeros_like(tokens.is_real))
    else:
        tokens = Tokens(*(each[:, :0] for each in tokens))
    tokens.classification.requires_grad_(True)
    found = made(tokens)
    assert found.isfinite().all()
    found.sum().backward()
    assert tokens.classification.grad.isfinite().all()
    assert all(each.grad.isfinite().all() for each in made.parameters() if each.grad is not None)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_is_near(kind):
    made = make().float()
    tokens = Tokens(
        *(each if each.dtype == torch.bool else each.float() for each in make_tokens(9, 4))
    )
    with torch.no_grad():
        expected = made(tokens)
        half = Tokens(*(each if each.dtype == torch.bool else each.to(kind) for each in tokens))
        found = made.to(kind)(half).float()
    assert found.isfinite().all()
    scale = expected.abs().max()
    assert (found - expected)[tokens.is_real].abs().median() < 0.02 * scale
    zeros = Tokens(*(each if each.dtype == torch.bool else each * 0 for each in half))
    assert made(zeros).isfinite().all()


def test_features_in_half_precision_are_joined_in_the_weights_precision():
    def frame(count):
        return Proposals(
            torch.arange(count),
            torch.zeros(count, 4),
            torch.rand(count),
            torch.rand(count, 3),
            torch.randn(count, CHANNELS).half(),
            torch.randn(count, PARTNER_CHANNELS).half(),
        )

    clips = [[frame(3), frame(0), frame(2)], [frame(1)], [frame(0)]]
    tokens = join(clips)
    assert {each.dtype for each in tokens[:4]} == {torch.float32}
    assert tokens.is_real.tolist() == [[True] * 5, [True] + [False] * 4, [False] * 5]
    assert torch.equal(tokens.class_scores[0, 3], clips[0][2].class_scores[0].max())
    assert torch.equal(tokens.partner[0, 4], clips[0][2].partner[1].float())


def test_channels_that_heads_cannot_share_are_refused():
    with pytest.raises(ValueError, match="heads: expected a divisor of 10, the channels, got 4"):
        TemporalInstanceClassificationAggregation(10, 10, VideoNetworkConfig())


@pytest.mark.parametrize(
    ("variant", "name"), [("FAIM", "logits"), ("after 2023", "logits_post_2023")]
)
def test_logits_are_those_of_yolovs_own_code(variant, name):
    with np.load(GOLDEN) as file:
        golden = {key: torch.from_numpy(file[key]) for key in file.files}
    made = make(variant, 16, 16).float()
    with torch.no_grad():
        for key in ("project_classification", "project_partner"):
            getattr(made, key).weight.copy_(golden[key])
        for key in ("linear1", "linear2"):
            getattr(made, key).weight.copy_(golden[f"{key}_weight"])
            getattr(made, key).bias.copy_(golden[f"{key}_bias"])
        names = ("classification", "partner", "class_scores", "objectness")
        given = [golden[each][None] for each in names]
        features = made(Tokens(*given, torch.ones(1, 36, dtype=torch.bool)))
        logits = torch.nn.functional.linear(
            features, golden["classifier_weight"], golden["classifier_bias"]
        )[0, :, :-1]
    torch.testing.assert_close(logits, golden[name], rtol=0, atol=2e-6)
