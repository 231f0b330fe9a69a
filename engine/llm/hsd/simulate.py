"""Replay a known answer against a cost curve: how fast the chooser is, and how fast anyone could be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.llm.hsd.cost import MOST_ROWS, CostCurve
from engine.llm.hsd.drafter import NgramDrafter, Outlook
from engine.llm.hsd.ngram import NgramIndex

__all__ = ["Replay", "replay", "text_oracle"]


@dataclass(frozen=True, slots=True)
class Replay:
    """Times to decode one answer, in units of T(1)."""

    tokens: int
    plain: float
    chooser: float
    """With the drafts that our chooser takes, learning as it goes."""
    oracle: float
    """With the best of the same drafts at each step, their accepted length known in advance."""
    drafted: int
    """Tokens that the chooser drafted."""
    accepted: int
    """Drafted tokens that were right."""


def replay(prompt: Sequence[int], answer: Sequence[int], curve: CostCurve, outlook: Outlook | None = None) -> Replay:
    """Decode a known answer on paper.

    The first token comes with the prefill and costs nothing; each further one is decoded or drafted and verified.
    """
    outlook = outlook or Outlook(curve.ratios(min(MOST_ROWS, curve.widest)))
    costs = outlook.costs
    drafter = NgramDrafter(prompt, outlook)
    spent, drafted, right, at = 0.0, 0, 0, 1
    for token in answer[:1]:
        drafter.append(token)
    while at < len(answer):
        draft, _ = drafter.propose(min(len(costs) - 2, len(answer) - at))
        spent += float(costs[len(draft) + 1])
        accepted = _equal(draft, answer[at : at + len(draft)])
        drafted += len(draft)
        right += accepted
        for token in answer[at : at + accepted + 1]:
            drafter.append(token)
        at += accepted + 1
    plain = float(max(0, len(answer) - 1))
    return Replay(len(answer), plain, spent, _oracle(prompt, answer, costs.tolist()), drafted, right)


def text_oracle(tokens: int, curve: CostCurve) -> float:
    """Return the time, in T(1), of a drafter that knows the whole text: the best split into batches."""
    costs = curve.ratios(min(MOST_ROWS, curve.widest))
    best = [0.0] * max(1, tokens)
    for left in range(1, tokens):
        best[left] = min(float(costs[rows]) + best[left - rows] for rows in range(1, min(left, len(costs) - 1) + 1))
    return best[-1]


def _oracle(prompt: Sequence[int], answer: Sequence[int], costs: Sequence[float]) -> float:
    """Return the least time over all ways to use the matches: dynamic programming from the answer's end."""
    reach = _accepted_lengths(prompt, answer, len(costs) - 2)
    best = [0.0] * (len(answer) + 1)
    for at in range(len(answer) - 1, 0, -1):
        steps = range(min(reach[at], len(answer) - at) + 1)
        best[at] = min(costs[length + 1] + best[min(len(answer), at + length + 1)] for length in steps)
    return best[1] if len(answer) > 1 else 0.0


def _accepted_lengths(prompt: Sequence[int], answer: Sequence[int], most: int) -> list[int]:
    """Return for each place in the answer how many drafted tokens the best match there would have right."""
    index = NgramIndex(prompt)
    lengths = []
    for at, token in enumerate(answer):
        known, matches = answer[at : at + most], index.matches()
        lengths.append(max((_equal(index.draft(match, len(known)), known) for match in matches), default=0))
        index.append(token, max(matches, key=lambda match: match.length, default=None))
    return lengths


def _equal(left: Sequence[int], right: Sequence[int]) -> int:
    for index, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return index
    return min(len(left), len(right))
