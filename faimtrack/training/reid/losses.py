"""The triplet loss over the hardest pairs of a group."""

from __future__ import annotations

import torch
from torch import Tensor

_SMALLEST_SQUARE = 1e-12  # a root's slope at 0 is infinite


def batch_hard_triplet_loss(embeddings: Tensor, identities: Tensor, margin: float) -> Tensor:
    """How far, for each crop, its farthest like is from being nearer than its nearest unlike.

    Hermans, Beyer, Leibe, "In Defense of the Triplet Loss for Person Re-Identification", 2017,
    eq. 5, with Euclidean distances of vectors as they are, of any length. Pairs are looked for
    inside of each group; a crop is its own like, and one without an unlike counts as 0.

    Args:
        embeddings: `(G, N, D)` floats: G groups of N crops.
        identities: `(G, N)` who each crop shows.
        margin: By how much the like is to be nearer.

    Returns:
        The mean of ``max(0, margin + farthest like − nearest unlike)`` over all crops.
    """
    differences = embeddings[:, :, None] - embeddings[:, None]  # (G, N, N, D)
    distances = differences.square().sum(-1).clamp(min=_SMALLEST_SQUARE).sqrt()
    alike = identities[:, :, None] == identities[:, None]  # (G, N, N)
    farthest = distances.masked_fill(~alike, 0.0).amax(-1)
    nearest = distances.masked_fill(alike, torch.inf).amin(-1)
    return torch.relu(margin + farthest - nearest).mean()
