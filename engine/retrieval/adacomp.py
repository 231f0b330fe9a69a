"""AdaComp: read as little as suffices (HOLA, arXiv 2506.18952; AdaComp, arXiv 2409.01579).

AdaComp predicts the smallest number of passages that holds the evidence. Here the prediction is a probability for each
passage and each sentence (`engine.retrieval.ranking`, `engine.retrieval.compress`): the best passages are read whole
until their probabilities sum to a target, and of the further ones those sentences that are still likely. One clear
passage makes a short prompt, many doubtful ones a long one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.errors import LibraryError
from engine.evidence import Passage
from engine.retrieval.compress import SENTENCE_FEATURES, Sentence, describe, read_sentences
from engine.retrieval.ranking import NONE_FEATURES, PASSAGE_FEATURES, Asked, asked, weigh
from engine.retrieval.terms import estimated_tokens, terms

__all__ = ["AdaComp", "Ranking", "Reading", "Weights"]

Floats = npt.NDArray[np.float64]

LOOKED_INTO = 10
"""Passages whose sentences are looked at: the next ones hold the evidence of one question in a hundred."""
LEAST_SIMILARITY = 0.15
"""With the bundled embedder 99 % of questions have more than 0.20 to the passage that answers them (400 pairs of
Natural Questions), and at the median 0.10 to the nearest of six others."""
LEAST_COVERAGE = 0.5
"""Share of the question's words in one passage that makes up for a low similarity: the embedder may not know the
language, and names have no neighbours."""
NEARLY_WHOLE = 0.75
"""Share of a passage's text from which on it is read whole: gaps cost the reader more than they save."""


@dataclass(frozen=True, slots=True)
class Weights:
    """What `packaging/train_adacomp.py` has learned."""

    passage: Floats
    """Shape (len(PASSAGE_FEATURES),)."""
    none: Floats
    """Shape (len(NONE_FEATURES),)."""
    sentence: Floats
    """Shape (len(SENTENCE_FEATURES),)."""
    passage_mass: float
    """The probabilities of the passages that are read whole sum to this."""
    sentence_mass: float
    """Those of all sentences that are read sum to this."""
    absent: float
    """From this probability that no candidate holds the answer, nothing is read."""

    @classmethod
    def load(cls, file: Path) -> Weights:
        """Read the weights from JSON; raises LibraryError."""
        try:
            content: dict[str, Any] = json.loads(file.read_text("utf-8"))
            return cls(
                passage=_column(content["passage"], PASSAGE_FEATURES),
                none=_column(content["none"], NONE_FEATURES),
                sentence=_column(content["sentence"], SENTENCE_FEATURES),
                passage_mass=float(content["passage_mass"]),
                sentence_mass=float(content["sentence_mass"]),
                absent=float(content["absent"]),
            )
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise LibraryError(f"The weights in {file.name} can't be read ({exc}): install Hola anew.") from exc


@dataclass(frozen=True, slots=True)
class Ranking:
    """The candidates of a search, judged."""

    question: Asked
    passages: tuple[Passage, ...]
    """Best first, near duplicates behind; `score` is each one's probability to hold the evidence."""
    absent: float
    """Probability that none of them does."""
    rarity: dict[str, float]
    """Weight of each word of the question."""
    is_near: bool = True
    """Whether any candidate is near to the question, by meaning or by its words."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What is read for a question."""

    excerpts: tuple[Passage, ...]
    """Passages or parts of them, best first; parts of one passage from its end to its begin."""
    passages: int
    """From how many passages they come."""
    kept: float
    """Probability that the evidence is in them, given that it is in a candidate."""
    best: float = 0.0
    """Probability of the best passage."""


class AdaComp:
    """Rank what a search found, and choose what is read of it."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights

    def rank(self, query: str, candidates: Sequence[Passage], *, is_multilingual: bool = False) -> Ranking:
        """Judge the candidates of one search, by an embedder that is for English or `is_multilingual`."""
        question = replace(asked(query), foreign=0.0) if is_multilingual else asked(query)
        if not candidates:
            return Ranking(question, (), 1.0, {}, is_near=False)
        seen = weigh(question, candidates)
        chances = _softmax(np.append(seen.features @ self.weights.passage, seen.none @ self.weights.none))
        scored = [replace(one, score=float(chance)) for one, chance in zip(candidates, chances[:-1], strict=True)]
        scored.sort(key=lambda one: -one.score)
        near = seen.top_similarity >= LEAST_SIMILARITY or seen.top_coverage >= LEAST_COVERAGE
        passages = tuple(_duplicates_last(scored))
        return Ranking(question, passages, float(chances[-1]), dict(seen.rarity), is_near=near)

    def is_absent(self, ranking: Ranking) -> bool:
        """Tell whether what was found has nothing to do with the question."""
        return not ranking.is_near or ranking.absent >= self.weights.absent

    def read(self, ranking: Ranking, most_tokens: int, most_passages: int = LOOKED_INTO) -> Reading:
        """Choose what is read: the least that holds the evidence with the target probability, within the budget."""
        passages = ranking.passages[: min(LOOKED_INTO, most_passages)]
        if not passages:
            return Reading((), 0, 0.0)
        present = np.array([passage.score for passage in passages])
        total = max(sum(passage.score for passage in ranking.passages), 1e-12)
        sentences = read_sentences(passages)
        rows = describe(ranking.question, ranking.rarity, passages, present, sentences)
        chances = _softmax(rows @ self.weights.sentence)
        whole = int(np.searchsorted(np.cumsum(present) / total, self.weights.passage_mass)) + 1
        wanted = self._by_worth(sentences, chances, whole)
        chosen = _within(wanted, sentences, passages, most_tokens)
        excerpts = tuple(_excerpts(passages, sentences, chosen))
        kept = float(sum(chances[at] for at in chosen))
        return Reading(excerpts, len({sentences[at].passage for at in chosen}), min(1.0, kept), passages[0].score)

    def read_parts(
        self,
        queries: Sequence[str],
        candidates: Sequence[Sequence[Passage]],
        most_tokens: int,
        most_passages: int = LOOKED_INTO,
        *,
        is_fixed: bool = False,
        is_limited: bool = False,
        is_multilingual: bool = False,
    ) -> Reading:
        """Read for each part of a question what was found for it; the parts share the budget.

        `is_fixed` takes the `most_passages` best whole, for comparison. `is_limited`: the user has said where to look,
        so something is read there in any case.
        """
        rankings = [
            self.rank(query, found, is_multilingual=is_multilingual)
            for query, found in zip(queries, candidates, strict=True)
        ]
        if is_fixed:
            return _whole(rankings, most_passages)
        present = [ranking for ranking in rankings if not self.is_absent(ranking)]
        if is_limited:
            present = present or [ranking for ranking in rankings if ranking.passages]
        readings = [self.read(one, most_tokens // len(present), most_passages) for one in present]
        return _merged(readings)

    def _by_worth(self, sentences: Sequence[Sentence], chances: Floats, whole: int) -> list[int]:
        """Return the sentences to read (indices), the most likely first."""
        order = np.argsort(-chances, kind="stable")
        likely = int(np.searchsorted(np.cumsum(chances[order]), self.weights.sentence_mass)) + 1
        return [int(at) for place, at in enumerate(order) if place < likely or sentences[int(at)].passage < whole]


def _whole(rankings: Sequence[Ranking], depth: int) -> Reading:
    found = {one.chunk_id: one for ranking in rankings for one in ranking.passages[:depth]}
    best = max((one.score for one in found.values()), default=0.0)
    return Reading(tuple(found.values()), len(found), 1.0, best)


def _merged(readings: Sequence[Reading]) -> Reading:
    """Join what is read for the parts of a question, turn by turn, each passage once."""
    if len(readings) < 2:
        return readings[0] if readings else Reading((), 0, 0.0)
    found: list[Passage] = []
    for place in range(max(len(reading.excerpts) for reading in readings)):
        for reading in readings:
            if place < len(reading.excerpts) and not any(_holds(one, reading.excerpts[place]) for one in found):
                found = [one for one in found if not _holds(reading.excerpts[place], one)]
                found.append(reading.excerpts[place])
    return Reading(
        tuple(found),
        len({one.chunk_id for one in found}),
        min(reading.kept for reading in readings),
        min(reading.best for reading in readings),
    )


def _holds(one: Passage, other: Passage) -> bool:
    return one.path == other.path and one.start <= other.start and other.end <= one.end


def _column(weights: dict[str, float], names: Sequence[str]) -> Floats:
    return np.array([float(weights[name]) for name in names])


def _softmax(values: Floats) -> Floats:
    powers: Floats = np.exp(values - values.max())
    shares: Floats = powers / powers.sum()
    return shares


def _duplicates_last(passages: Sequence[Passage]) -> list[Passage]:
    """Put passages that say nothing new behind all others, and give their probability to the one that says it.

    Maximal marginal relevance (Carbonell and Goldstein 1998) with a threshold. A passage is redundant only if a better
    one has every pair of its words: two contracts that differ in one name or one "not" are both worth reading.
    """
    fresh: list[Passage] = []
    seen: list[frozenset[tuple[str, str]]] = []
    behind: list[Passage] = []
    for passage in passages:
        # Pairs of neighbours: the same words in another order, or with a "not" between, say something else.
        words = frozenset(pairwise(terms(passage.text))) if len(fresh) < LOOKED_INTO else frozenset()
        twin = next((at for at, other in enumerate(seen) if words and words <= other), None)
        if twin is None:
            fresh.append(passage)
            seen.append(words)
        else:
            fresh[twin] = replace(fresh[twin], score=fresh[twin].score + passage.score)
            behind.append(replace(passage, score=0.0))
    fresh.sort(key=lambda one: -one.score)
    return fresh + behind


def _within(
    wanted: Sequence[int], sentences: Sequence[Sentence], passages: Sequence[Passage], most_tokens: int
) -> list[int]:
    """Take sentences until the budget is used up, each with the one that it leans on; at least the first."""
    chosen: set[int] = set()
    left = most_tokens
    for at in wanted:
        group = [at]
        while sentences[group[-1]].leans(passages[sentences[at].passage].text) and len(group) < 3:
            group.append(group[-1] - 1)
        new = [one for one in group if one not in chosen]
        cost = sum(_tokens(sentences[one], passages) for one in new)
        if cost <= left or not chosen:
            chosen.update(new)
            left -= cost
    return sorted(chosen)


def _tokens(sentence: Sentence, passages: Sequence[Passage]) -> int:
    return estimated_tokens(passages[sentence.passage].text[sentence.span.start : sentence.span.end])


def _excerpts(passages: Sequence[Passage], sentences: Sequence[Sentence], chosen: Sequence[int]) -> list[Passage]:
    """Return the chosen sentences as parts of their passages, joined where nothing lies between them."""
    found: list[Passage] = []
    for number, passage in enumerate(passages):
        own = [at for at in chosen if sentences[at].passage == number]
        if not own:
            continue
        taken = sum(sentences[at].span.end - sentences[at].span.start for at in own)
        if taken >= NEARLY_WHOLE * len(passage.text.strip()):
            found.append(passage)
            continue
        runs: list[list[int]] = []
        for at in own:
            if runs and runs[-1][-1] == at - 1:
                runs[-1].append(at)
            else:
                runs.append([at])
        parts = [(sentences[run[0]].span.start, sentences[run[-1]].span.end) for run in runs]
        found += [
            replace(passage, text=passage.text[start:end], start=passage.start + start, end=passage.start + end)
            for start, end in reversed(parts)
        ]
    return found
