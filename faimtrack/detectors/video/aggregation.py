"""How proposals of many frames learn from each other; TICAM is the paper's way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from faimtrack.detectors.video.config import VideoNetworkConfig

_NUMBERS_AT_ONCE = {"cpu": 1 << 20, "cuda": 1 << 27}
"""Of an attention in memory at once, by device: a CPU's cache holds 4 MiB, a GPU wants all."""
_FEWEST_ROWS = 16
_MOST_TOKENS_KEPT = 8192
"""Up to so many the mean over heads stays in memory (256 MiB) and is not computed twice."""


class Tokens(NamedTuple):
    """The proposals of clips, one after the other; shorter clips are filled up at the end.

    Attributes:
        classification: `(B, N, C)` features F_cls.
        partner: `(B, N, C')` instance features F_ins, or regression features.
        class_scores: `(B, N)` the base detector's highest class probability.
        objectness: `(B, N)` its objectness.
        is_real: `(B, N)` bool: false where a clip is filled up.
    """

    classification: Tensor
    partner: Tensor
    class_scores: Tensor
    objectness: Tensor
    is_real: Tensor


class Aggregation(nn.Module, ABC):
    """A way to make each proposal's features out of those of all proposals of its clip (Eq. 4).

    Attributes:
        out_channels: Of what comes out.
    """

    out_channels: int

    @abstractmethod
    def forward(self, tokens: Tokens, queries: int | None = None) -> Tensor:
        """Aggregated features.

        Args:
            tokens: Of clips.
            queries: For how many tokens of each clip, from the first, features are wanted; all
                tokens are looked at all the same. None: for all.

        Returns:
            `(B, N, out_channels)`, or as many rows as queries; those of tokens that are not real
            mean nothing.
        """


class TemporalInstanceClassificationAggregation(Aggregation):
    """TICAM (paper, 3.2): YOLOV's aggregation, with instance features as one of its two sides.

    Both sides have a linear projection to queries, keys and values without bias; queries and keys
    are of length 1 in each head. With ``s`` the class scores and ``o`` the objectness of the
    references::

        A_cls = softmax_j(25 q_cls k_clsᵀ s_j)        A_ins = softmax_j(25 q_ins k_insᵀ o_j)
        A = (A_cls + A_ins) / 2                       M = linear1([A v_cls ; v_cls])
        w = softmax over the references that look alike (mean over heads of A)
        output = linear2([w M ; M])

    Two references look alike where the mean over heads of their values' cosine is above 0.75.
    """

    def __init__(self, channels: int, partner_channels: int, config: VideoNetworkConfig) -> None:
        """Make the module with random weights.

        Args:
            channels: Of the classification features.
            partner_channels: Of instance or regression features.
            config: The variant.

        Raises:
            ValueError: Channels cannot be shared out among the heads.
        """
        super().__init__()
        if channels % config.heads:
            raise ValueError(
                f"heads: expected a divisor of {channels}, the channels, got {config.heads}"
            )
        self.config = config
        self.out_channels = 4 * channels
        self.project_classification = nn.Linear(channels, 3 * channels, bias=False)
        self.project_partner = nn.Linear(partner_channels, 3 * channels, bias=False)
        self.linear1 = nn.Linear(2 * channels, 2 * channels)
        self.linear2 = nn.Linear(4 * channels, 4 * channels)

    def forward(self, tokens: Tokens, queries: int | None = None) -> Tensor:
        """See `Aggregation`."""
        attention = self._attend(tokens)
        values = attention.values.transpose(1, 2).flatten(2)  # (B, N, C)
        gathered = torch.cat(
            [(each @ attention.values).transpose(1, 2).flatten(2) for each in attention.weights()],
            dim=1,
        )
        refined = self.linear1(torch.cat((gathered, values), dim=2))  # M (B, N, 2C)
        wanted = refined[:, :queries]
        if not self.config.pooling:
            return self.linear2(torch.cat((wanted, wanted), dim=2))
        alike = attention.weights_of_alike(self.config.similarity, queries)
        pooled = torch.cat([weights @ refined for weights in alike], dim=1)
        features: Tensor = self.linear2(torch.cat((pooled, wanted), dim=2))
        return features

    def similarities(self, tokens: Tokens) -> Tensor:
        """How much each proposal takes from each other one: the attention's mean over heads.

        `(B, N, N)`; a row sums up to 1 over the real tokens. What Figure I ranks references by.
        """
        return torch.cat([each for _, each in self._attend(tokens).means()], dim=1)

    def _attend(self, tokens: Tokens) -> _Attention:
        config = self.config
        cls_query, cls_key, cls_value = self._heads(
            self.project_classification(tokens.classification)
        )
        query, key, value = self._heads(self.project_partner(tokens.partner))
        objectness = tokens.objectness
        if not config.partner_confidence:
            objectness = torch.ones_like(objectness)
        return _Attention(
            queries=(_unit(cls_query), _unit(query)),
            keys=(  # a number for each of them costs less than one for each pair
                _unit(cls_key) * (config.scale * tokens.class_scores[:, None, :, None]),
                _unit(key) * (config.scale * objectness[:, None, :, None]),
            ),
            values=cls_value + value if config.value == "sum" else cls_value,
            is_real=tokens.is_real,
        )

    def _heads(self, projected: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`(B, N, 3C)` to queries, keys and values `(B, H, N, C / H)`."""
        split = projected.unflatten(2, (3, self.config.heads, -1)).permute(2, 0, 3, 1, 4)
        return split[0], split[1], split[2]


class _Attention:
    """The attention of two sides among tokens, some rows at a time.

    All of it at once would be gigabytes where a frame has hundreds of proposals, and what does
    not fit into a cache is many times slower.
    """

    def __init__(
        self,
        *,
        queries: tuple[Tensor, Tensor],
        keys: tuple[Tensor, Tensor],
        values: Tensor,
        is_real: Tensor,
    ) -> None:
        self.values = values
        self._queries, self._keys = queries, keys
        self._is_real = is_real
        self._means: dict[int, Tensor] = {}

    def weights(self) -> Iterator[Tensor]:
        """A `(B, H, rows, N)`, some rows at a time."""
        for rows in self._blocks(None):
            weights = self._rows(rows)
            if self.values.shape[2] <= _MOST_TOKENS_KEPT:
                self._means[rows.start] = weights.mean(dim=1)
            yield weights

    def means(self, queries: int | None = None) -> Iterator[tuple[slice, Tensor]]:
        """Some of the first rows and A's mean over heads `(B, rows, N)`."""
        for rows in self._blocks(queries):
            mean = self._means.get(rows.start)
            if mean is None:
                mean = self._rows(rows).mean(dim=1)
            elif rows.stop is not None:
                mean = mean[:, : rows.stop - rows.start]
            yield rows, mean

    def weights_of_alike(self, similarity: float, queries: int | None) -> Iterator[Tensor]:
        """``w`` `(B, rows, N)`, some rows at a time: over the tokens that look like the query's.

        A token looks like itself, so that every row of a real token has a weight.
        """
        units = _unit(self.values).transpose(1, 2).flatten(2)  # (B, N, C): a sum over heads, too
        heads = self.values.shape[1]
        for rows, mean in self.means(queries):
            cosines = (units[:, rows] @ units.transpose(-2, -1)) / heads
            is_alike = (cosines > similarity) & self._is_real[:, None]
            raised = mean.exp() * is_alike
            yield raised / raised.sum(dim=2, keepdim=True).clamp(min=_least(raised))

    def _blocks(self, queries: int | None) -> Iterator[slice]:
        batch, heads, tokens, _ = self.values.shape
        numbers = _NUMBERS_AT_ONCE.get(self.values.device.type, _NUMBERS_AT_ONCE["cuda"])
        step = max(_FEWEST_ROWS, int(numbers // max(batch * heads * tokens, 1)))
        if tokens <= step:
            yield slice(0, queries)  # no number of tokens: a traced graph is to take any
            return
        count = tokens if queries is None else queries
        for first in range(0, max(count, 1), step):  # no rows are a block, too
            yield slice(first, min(first + step, count))

    def _rows(self, rows: slice) -> Tensor:
        halves = []
        for queries, keys in zip(self._queries, self._keys, strict=True):
            logits = queries[:, :, rows] @ keys.transpose(-2, -1)
            # Not minus infinity: of a clip without a single real token nothing would be a number.
            logits = logits.masked_fill(
                ~self._is_real[:, None, None], torch.finfo(logits.dtype).min
            )
            halves.append(logits.softmax(dim=-1))
        return (halves[0] + halves[1]).div_(2)


def _unit(vectors: Tensor) -> Tensor:
    """Vectors of length 1; none becomes of what is all 0."""
    return functional.normalize(vectors, dim=-1, eps=_least(vectors))


def _least(numbers: Tensor) -> float:
    """What they may be divided by, in their precision: half makes 0 of 1e-12."""
    return max(1e-12, float(torch.finfo(numbers.dtype).tiny))
