"""Mean average precision and CMC of re-identification: who is found by how they look."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faimtrack.config import PresetConfig, parameter
from faimtrack.vectors import unit_vectors

_LONGEST_RANK = 50
_BLOCK_NUMBERS = 1 << 24
_TIE = 1e-6  # cosines that differ by less are equal: sums of float32 are not better than that


@dataclass(frozen=True, kw_only=True)
class ReidEvaluationConfig(PresetConfig):
    """Which views of a sequence are looked for among which."""

    query_interval: int = parameter(
        25, "Of each person the first view is a query, and the next at least so much later.",
        unit="frames", low=1,
    )  # fmt: skip
    minimum_gap: int = parameter(
        25, "A person's views nearer in time than this to the query are neither hits nor misses: "
        "they are nearly the same picture.", unit="frames", low=1,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class ReidScores:
    """How well queries find their own people.

    Attributes:
        mean_average_precision: 0 to 1 (0 without queries), the mean over queries of the mean,
            over the views of the query's person, of the precision at that view's rank.
        cmc: `(50,)` cumulative matching characteristics: ``cmc[k - 1]`` is the share of queries
            with a view of their person among the first `k`.
        queries: Number of queries that have somebody to find.
        queries_left_out: Number of queries that have not.
        gallery: Number of views that are looked through.
        identities: Number of people among the queries that count.
    """

    mean_average_precision: float
    cmc: NDArray[np.float64]
    queries: int
    queries_left_out: int
    gallery: int
    identities: int

    def rank(self, number: int) -> float:
        """The share of queries with a hit among the first `number`, 1 to 50."""
        return float(self.cmc[number - 1])


def evaluate_reid_by_sequence(
    vectors: ArrayLike,
    identities: ArrayLike,
    sequences: ArrayLike,
    frames: ArrayLike,
    config: ReidEvaluationConfig | None = None,
) -> dict[int, ReidScores]:
    """Score vectors of people in videos of one camera each, as tracking meets them.

    The gallery of a query are all views of its sequence but those of the same person within
    `minimum_gap` frames: other people count whenever they are seen, at the same moment too.

    Args:
        vectors: `(N, D)` of views, of any length; zeros where nothing is known.
        identities: `(N,)` whole numbers.
        sequences: `(N,)` whole numbers.
        frames: `(N,)` of the views in their sequences.
        config: Which views are queries; None takes the defaults.

    Returns:
        Scores by sequence, in ascending order, which `combined_scores` joins; those of a sequence
        in which no query has anybody to find count its queries as left out.

    Raises:
        ValueError: Shapes differ, a number is not finite, or no query has anybody to find.
    """
    config = config or ReidEvaluationConfig()
    units = _units(vectors)
    people, places, times = (
        _column(name, values, len(units))
        for name, values in (
            ("identities", identities), ("sequences", sequences), ("frames", frames),
        )
    )  # fmt: skip
    found = {}
    for sequence in np.unique(places).tolist():
        rows = np.flatnonzero(places == sequence)
        found[int(sequence)] = _evaluate_sequence(units[rows], people[rows], times[rows], config)
    if not any(scores.queries for scores in found.values()):
        raise ValueError(
            f"views: expected a person seen twice, {config.minimum_gap} (minimum_gap) frames or "
            f"more apart, got none among {len(units)} views"
        )
    return found


def evaluate_reid_over_time(
    vectors: ArrayLike,
    identities: ArrayLike,
    sequences: ArrayLike,
    frames: ArrayLike,
    config: ReidEvaluationConfig | None = None,
) -> ReidScores:
    """Scores over the queries of all sequences; else as `evaluate_reid_by_sequence`."""
    found = evaluate_reid_by_sequence(vectors, identities, sequences, frames, config)
    return combined_scores(found.values())


def _evaluate_sequence(
    units: NDArray[np.float32],
    people: NDArray[np.int64],
    times: NDArray[np.int64],
    config: ReidEvaluationConfig,
) -> ReidScores:
    def is_ignored(query: int) -> NDArray[np.bool_]:
        near = np.abs(times - times[query]) < config.minimum_gap
        ignored: NDArray[np.bool_] = (people == people[query]) & near
        return ignored

    queries = spaced_queries(people, times, config.query_interval)
    return _evaluate(units, people, queries, np.arange(len(units)), is_ignored)


def combined_scores(scores: Iterable[ReidScores]) -> ReidScores:
    """Scores over the queries of several sequences, whose people differ.

    Raises:
        ValueError: There is no query in any.
    """
    parts = list(scores)
    queries = sum(part.queries for part in parts)
    if not queries:
        raise ValueError("scores: expected some with queries, got none")
    means = sum(part.queries * part.mean_average_precision for part in parts)
    return ReidScores(
        mean_average_precision=means / queries,
        cmc=np.sum([part.queries * part.cmc for part in parts], axis=0) / queries,
        queries=queries,
        queries_left_out=sum(part.queries_left_out for part in parts),
        gallery=sum(part.gallery for part in parts),
        identities=sum(part.identities for part in parts),
    )


def evaluate_reid_across_cameras(
    vectors: ArrayLike,
    identities: ArrayLike,
    cameras: ArrayLike,
    is_query: ArrayLike,
) -> ReidScores:
    """Score vectors as Market-1501 does: people are to be found in other cameras.

    Views of a query's person by the query's camera are neither hits nor misses. Average precision
    is the mean of precisions at the hits, as in most code of today; the original of Market-1501
    (Zheng et al., ICCV 2015) takes trapezia between them.

    Args:
        vectors: `(N, D)` of views, of any length; zeros where nothing is known.
        identities: `(N,)` whole numbers.
        cameras: `(N,)` whole numbers.
        is_query: `(N,)` bool; all other views are the gallery.

    Raises:
        ValueError: Shapes differ, a number is not finite, or no query has anybody to find.
    """
    units = _units(vectors)
    people = _column("identities", identities, len(units))
    places = _column("cameras", cameras, len(units))
    asked = _column("is_query", is_query, len(units)).astype(bool)
    gallery = np.flatnonzero(~asked)

    def is_ignored(query: int) -> NDArray[np.bool_]:
        ignored: NDArray[np.bool_] = (people[gallery] == people[query]) & (
            places[gallery] == places[query]
        )
        return ignored

    scores = _evaluate(units, people, np.flatnonzero(asked), gallery, is_ignored)
    if not scores.queries:
        raise ValueError(
            f"is_query: expected some with views of the same person by another camera, got none "
            f"of {scores.queries_left_out}"
        )
    return scores


def spaced_queries(
    identities: NDArray[np.int64], frames: NDArray[np.int64], interval: int
) -> NDArray[np.int64]:
    """Rows of each person's first view and of next ones, each at least `interval` frames later.

    >>> spaced_queries(np.array([7, 7, 7, 9]), np.array([1, 2, 5, 2]), 3)
    array([0, 2, 3])
    """
    order = np.lexsort((frames, identities))
    chosen: list[int] = []
    for row in order.tolist():
        is_next = chosen and identities[row] == identities[chosen[-1]]
        if not is_next or frames[row] - frames[chosen[-1]] >= interval:
            chosen.append(row)
    return np.sort(np.array(chosen, np.int64))


def _evaluate(
    units: NDArray[np.float32],
    people: NDArray[np.int64],
    queries: NDArray[np.int64],
    gallery: NDArray[np.int64],
    is_ignored: Callable[[int], NDArray[np.bool_]],
) -> ReidScores:
    """Scores of queries in a gallery, both given as rows; `is_ignored` of a query's gallery."""
    precisions, firsts, found = [], [], []
    looked_through = np.zeros(len(gallery), bool)
    step = max(1, _BLOCK_NUMBERS // max(1, len(gallery)))
    for start in range(0, len(queries), step):
        block = queries[start : start + step]
        cosines = np.rint(units[block] @ units[gallery].T / _TIE)
        for query, cosine in zip(block.tolist(), cosines, strict=True):
            counts = ~is_ignored(query)
            is_same = people[gallery] == people[query]
            ranks = match_ranks(cosine[counts & is_same], cosine[counts & ~is_same])
            if len(ranks):
                looked_through |= counts
                precisions.append(float(np.mean(np.arange(1, len(ranks) + 1) / ranks)))
                firsts.append(int(ranks[0]))
                found.append(int(people[query]))
    first = np.array(firsts, np.int64)
    reached = [np.count_nonzero(first <= rank) for rank in range(1, _LONGEST_RANK + 1)]
    count = max(1, len(found))
    return ReidScores(
        mean_average_precision=sum(precisions) / count,
        cmc=np.array(reached) / count,
        queries=len(found),
        queries_left_out=len(queries) - len(found),
        gallery=int(looked_through.sum()),
        identities=len(set(found)),
    )


def match_ranks(matches: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.int64]:
    """Ranks (from 1, ascending) of a person's views among all, by similarity to the query.

    Of equal similarities other people come first, so that the order of rows has no say and a
    vector that is the same for all finds nobody.

    >>> match_ranks(np.array([0.9, 0.5]), np.array([0.7, 0.5, 0.1]))
    array([1, 4])

    Args:
        matches: `(M,)` similarities of the person's views.
        others: `(K,)` similarities of other people's.
    """
    ascending = np.sort(others)
    best_first = np.sort(matches)[::-1]
    before = len(others) - np.searchsorted(ascending, best_first, side="left")
    ranks: NDArray[np.int64] = np.arange(1, len(best_first) + 1) + before
    return ranks


def _units(vectors: ArrayLike) -> NDArray[np.float32]:
    """What comes in as `unit_vectors`, if it can be."""
    rows = np.asarray(vectors, np.float64)
    if rows.ndim != 2:
        raise ValueError(f"vectors: expected shape (N, D), got {rows.shape}")
    if not np.isfinite(rows).all():
        row = int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])
        raise ValueError(f"vectors: expected finite numbers, got others in row {row}")
    return unit_vectors(rows).astype(np.float32)


def _column(name: str, values: ArrayLike, count: int) -> NDArray[np.int64]:
    column = np.asarray(values)
    if column.shape != (count,) or column.dtype.kind not in "iub":
        raise ValueError(
            f"{name}: expected {count} whole numbers, one a vector, got {column.shape} "
            f"{column.dtype}"
        )
    return column.astype(np.int64)
