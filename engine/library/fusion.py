"""Reciprocal rank fusion: one ranking out of several, from ranks alone.

Cormack, Clarke, Buettcher (SIGIR 2009): score(d) = sum over rankings r of 1 / (k + rank_r(d)), ranks from 1.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["reciprocal_rank_fusion"]

K = 60
"""The constant of the paper: the larger it is, the less the first places count."""


def reciprocal_rank_fusion(rankings: Sequence[Sequence[str]], k: int = K) -> list[tuple[str, float]]:
    """Return (id, score) of all ids, best first; equal scores keep the order of the first ranking they appear in."""
    scores: dict[str, float] = {}
    for ranking in rankings:
        for rank, item in enumerate(ranking, 1):
            scores[item] = scores.get(item, 0.0) + 1.0 / (k + rank)
    return sorted(scores.items(), key=lambda pair: -pair[1])
