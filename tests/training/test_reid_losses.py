"""The losses of re-identification, against numbers by hand and plain loops."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from faimtrack.appearance.network import ReidNetwork
from faimtrack.training.reid.config import ReidLossConfig
from faimtrack.training.reid.groups import CropBatch
from faimtrack.training.reid.learner import ReidLearner
from faimtrack.training.reid.losses import batch_hard_triplet_loss


def triplet(embeddings, identities, margin=0.3):
    loss = batch_hard_triplet_loss(
        torch.tensor([embeddings], dtype=torch.float64), torch.tensor([identities]), margin
    )
    return float(loss)


def naive(embeddings, identities, margin):
    """Eq. 5 of Hermans et al., pair by pair."""
    losses = []
    for anchor, who in zip(embeddings, identities, strict=True):
        to_all = [math.dist(anchor, other) for other in embeddings]
        alike = [d for d, other in zip(to_all, identities, strict=True) if other == who]
        unlike = [d for d, other in zip(to_all, identities, strict=True) if other != who]
        losses.append(max(0.0, margin + max(alike) - min(unlike)) if unlike else 0.0)
    return sum(losses) / len(losses)


def test_four_points_on_a_line_by_hand():
    # People a at 0 and 3, b at 4 and 10. Farthest likes: 3, 3, 6, 6; nearest unlikes: 4, 1, 1, 7.
    # With a margin of 0.5: 0, 2.5, 5.5, 0.
    assert triplet([[0.0], [3.0], [4.0], [10.0]], [0, 0, 1, 1], 0.5) == pytest.approx(8 / 4)
    # A margin of 2 adds 1 for the first and 1 for the last, and 1.5 for the others.
    assert triplet([[0.0], [3.0], [4.0], [10.0]], [0, 0, 1, 1], 2.0) == pytest.approx(13 / 4)


def test_people_who_are_far_apart_cost_nothing_and_equal_vectors_the_margin():
    assert triplet([[0.0, 0], [0, 1], [9, 9], [9, 8]], [4, 4, 2, 2]) == 0
    assert triplet([[1.0, 2]] * 4, [0, 0, 1, 1]) == pytest.approx(0.3)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 9), st.integers(1, 4), st.integers(1, 4))
def test_it_is_what_plain_loops_give(seed, count, people, dimension):
    random = np.random.default_rng(seed)
    embeddings = random.normal(size=(count, dimension)).tolist()
    identities = random.integers(0, people, count).tolist()
    expected = naive(embeddings, identities, 0.3)
    assert triplet(embeddings, identities) == pytest.approx(expected, abs=1e-5)


def test_groups_do_not_see_each_other():
    random = np.random.default_rng(0)
    groups = torch.from_numpy(random.normal(size=(3, 6, 4)))
    identities = torch.tensor([[0, 0, 1, 1, 2, 2]] * 3)
    whole = batch_hard_triplet_loss(groups, identities, 0.3)
    each = [batch_hard_triplet_loss(groups[k : k + 1], identities[:1], 0.3) for k in range(3)]
    assert float(whole) == pytest.approx(float(torch.stack(each).mean()))


def test_gradients_of_equal_vectors_are_finite():
    embeddings = torch.zeros(1, 4, 3, requires_grad=True)
    batch_hard_triplet_loss(embeddings, torch.tensor([[0, 0, 1, 1]]), 0.3).backward()
    assert torch.isfinite(embeddings.grad).all()


def learner(**losses):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = ReidNetwork(
            "mobilenet-v3-small", input_size=(32, 32), hidden_channels=8, dimension=4
        )
        torch.nn.init.normal_(network.embedding.weight)
        made = ReidLearner(network, 5, 4, ReidLossConfig(**losses))
        torch.nn.init.normal_(made.classifier.weight)
    return made.train()


def batch(groups=2):
    images = np.random.default_rng(1).integers(0, 256, (4 * groups, 3, 32, 32), np.uint8)
    identities = torch.tensor([0, 0, 3, 3, 1, 1, 4, 4])[: 4 * groups]
    return CropBatch(torch.from_numpy(images), identities, (("crop",),) * 4 * groups)


def test_the_learner_adds_cross_entropy_behind_a_norm_to_triplets_of_the_vectors_as_they_are():
    made, crops = learner(margin=0.7), batch()
    seen = []
    made.network.register_forward_hook(lambda _, __, out: seen.append(out.detach().double()))
    answer = made(crops, is_plain=False, divide_by=float)
    vectors = seen[0]
    expected = np.mean([
        naive(vectors[rows].tolist(), crops.identities[rows].tolist(), 0.7)
        for rows in (slice(0, 4), slice(4, 8))
    ])  # fmt: skip
    assert answer.losses["triplet"].item() == pytest.approx(expected, rel=1e-5)
    normed = (vectors - vectors.mean(0)) / torch.sqrt(vectors.var(0, unbiased=False) + 1e-5)
    scores = normed @ made.classifier.weight.double().T
    rows = zip(scores.tolist(), crops.identities.tolist(), strict=True)
    entropy = [math.log(sum(map(math.exp, row))) - row[who] for row, who in rows]
    assert answer.losses["identity"].item() == pytest.approx(np.mean(entropy), rel=1e-4)
    right = (scores.argmax(1) == crops.identities).double().mean()
    assert float(answer.numbers["accuracy"]) == pytest.approx(float(right))
    assert set(answer.losses) == set(made.loss_names)
    assert set(answer.numbers) == set(made.number_names)


def test_weights_of_losses_multiply_them():
    plain, heavy = learner(), learner(identity_weight=2.0, triplet_weight=0.5)
    losses = [each(batch(), is_plain=False, divide_by=float).losses for each in (plain, heavy)]
    assert losses[1]["identity"].item() == pytest.approx(2 * losses[0]["identity"].item())
    assert losses[1]["triplet"].item() == pytest.approx(0.5 * losses[0]["triplet"].item())
    with pytest.raises(ValueError, match="identity_weight: expected more than 0"):
        ReidLossConfig(identity_weight=0.0, triplet_weight=0.0)


def test_a_file_has_nothing_of_the_classifier():
    made = learner()
    tensors = made.file_tensors(made.state_dict())
    assert tensors.keys() == made.network.state_dict().keys()
    left = made.state_dict().keys() - {f"network.{key}" for key in tensors}
    assert {key.partition(".")[0] for key in left} == {"classifier", "norm"}


def test_two_groups_apart_have_the_gradients_of_both_together_where_norms_stand_still():
    made = learner()
    for module in made.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            module.eval()
    crops = batch()
    halves = [
        CropBatch(crops.images[rows], crops.identities[rows], crops.names[rows])
        for rows in (slice(0, 4), slice(4, 8))
    ]

    def gradients(parts):
        made.zero_grad()
        for part in parts:
            losses = made(part, is_plain=False, divide_by=float).losses
            (sum(losses.values()) / len(parts)).backward()
        return [weight.grad.clone() for weight in made.parameters()]

    for whole, apart in itertools.zip_longest(gradients([crops]), gradients(halves)):
        torch.testing.assert_close(whole, apart, rtol=1e-3, atol=1e-5)
