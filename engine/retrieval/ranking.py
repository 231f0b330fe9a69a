"""Adaptive fusion: how likely each candidate of a hybrid search is to hold what a question asks for.

Reciprocal rank fusion weighs both rankings alike, whatever they show of themselves, and so loses to its better half.
Here each candidate gets features of both rankings (levels, gaps, places, agreement, words in common), and a conditional
logit (McFadden 1974) turns them into probabilities: P(i) = exp(w x_i) / (sum_j exp(w x_j) + exp(v z)), where z
describes the search as a whole and stands for "none of them". The weights are learned (`packaging/train_adacomp.py`).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import PurePath

import numpy as np
import numpy.typing as npt

from engine.evidence import Passage
from engine.retrieval.terms import content_terms, terms

__all__ = [
    "NAME",
    "NONE_FEATURES",
    "NUMBER",
    "PASSAGE_FEATURES",
    "Asked",
    "Candidates",
    "asked",
    "phrase_share",
    "weigh",
]

Floats = npt.NDArray[np.float64]

BY_MEANING = ("similarity", "similarity gap", "similarity z", "vector place")
BY_WORDS = ("bm25", "bm25 share", "text place", "coverage", "coverage gap", "heading")
ALIKE = ("agreement", "phrase", "has number", "has name", "length")
PASSAGE_FEATURES = (
    *BY_MEANING,
    *BY_WORDS,
    *ALIKE,
    # What an English embedder says of another script counts less: each of its features once more, times that share.
    *(f"{name}, foreign" for name in (*BY_MEANING, *BY_WORDS)),
)
"""Names of the columns of `Candidates.features`."""
NONE_FEATURES = ("none", "none, foreign", "top similarity", "top coverage", "entropy by meaning", "entropy by words")
"""Names of the entries of `Candidates.none`."""

NUMBER = re.compile(r"\d")
NAME = re.compile(r"(?<=[a-z,;] )[A-Z][\w’'-]+")
_COUNTS = re.compile(
    r"\bhow (?:many|much|long|often|old|far|tall|big|high|fast|large)\b|\bwhen\b|\b(?:what|which) (?:year|date|day|"
    r"month|time|percentage|number|amount|age|price|cost)\b|\bwie (?:viele?|lange|oft|alt|hoch|groß)\b|\bwann\b|"
    r"\bcombien\b|\bquand\b|\bcuánt\w+|\bcuándo\b|何[年月日時人個円]|いつ|いく[つら]|多少|几",
    re.IGNORECASE,
)
_NAMES = re.compile(
    r"\bwho(?:se|m)?\b|\bwhere\b|\bwer\b|\bwo\b|\bqui\b|\boù\b|\bquién\b|\bdónde\b|誰|どこ|谁|哪里", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, as the ranking reads it."""

    terms: tuple[str, ...]
    """Its words without grammar, each once, in order; all its words if there are no others."""
    pairs: frozenset[tuple[str, str]]
    """Neighbouring words."""
    wants_number: bool
    wants_name: bool
    foreign: float
    """Share of its letters beyond the Latin script, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """What a search found for a question, as numbers."""

    features: Floats
    """Shape (candidates, len(PASSAGE_FEATURES))."""
    none: Floats
    """Shape (len(NONE_FEATURES),)."""
    rarity: Mapping[str, float] = field(repr=False)
    """Weight of each word of the question, by how few of the candidates have it."""
    top_similarity: float
    top_coverage: float
    """Share of the question's words in the passage that has the most of them, weighted."""


def asked(question: str) -> Asked:
    """Read a question."""
    every = terms(question)
    letters = [char for char in question if char.isalpha()]
    foreign = sum(ord(char) > 0x24F for char in letters) / max(1, len(letters))
    return Asked(
        terms=tuple(dict.fromkeys(content_terms(question))) or tuple(dict.fromkeys(every)),
        pairs=frozenset(pairwise(every)),
        wants_number=bool(_COUNTS.search(question)),
        wants_name=bool(_NAMES.search(question)),
        foreign=foreign,
    )


def weigh(question: Asked, passages: Sequence[Passage]) -> Candidates:
    """Describe the candidates of a search, in the order given, and the search as a whole."""
    read = [terms(passage.text) for passage in passages]
    rarity = _rarity(question, read)
    total = sum(rarity.values()) or 1.0
    rows = np.zeros((len(passages), len(PASSAGE_FEATURES)))
    similarity = np.array([passage.similarity or 0.0 for passage in passages])
    bm25 = np.array([passage.text_score or 0.0 for passage in passages])
    coverage = np.array([sum(rarity.get(term, 0.0) for term in set(words)) / total for words in read])
    spread = similarity - similarity.sum() / max(1, len(passages))
    deviation = math.sqrt(float((spread**2).sum()) / max(1, len(passages))) or 1.0
    columns = [
        similarity,
        similarity - similarity.max(initial=0.0),
        spread / deviation,
        np.array([_place(passage.vector_rank) for passage in passages]),
        np.log1p(bm25),
        bm25 / max(float(bm25.max(initial=0.0)), 1e-9),
        np.array([_place(passage.text_rank) for passage in passages]),
        coverage,
        coverage - coverage.max(initial=0.0),
        np.array(
            [_coverage(question, rarity, f"{passage.heading} {PurePath(passage.path).stem}") for passage in passages]
        )
        / total,
        np.array([_place(passage.vector_rank) * _place(passage.text_rank) for passage in passages]),
        np.array([phrase_share(question, words) for words in read]),
        np.array([question.wants_number and bool(NUMBER.search(passage.text)) for passage in passages], float),
        np.array([question.wants_name and bool(NAME.search(passage.text)) for passage in passages], float),
        np.array([math.log1p(len(words)) - 4.0 for words in read]),
    ]
    for at, column in enumerate(columns):
        rows[:, at] = column
    first = len(columns)
    rows[:, first:] = question.foreign * rows[:, : len(BY_MEANING) + len(BY_WORDS)]
    top_similarity, top_coverage = float(similarity.max(initial=0.0)), float(coverage.max(initial=0.0))
    none = np.array(
        [
            1.0,
            question.foreign,
            top_similarity,
            top_coverage,
            _entropy(np.exp(20.0 * (similarity - similarity.max(initial=0.0)))),
            _entropy(bm25),
        ]
    )
    return Candidates(rows, none, rarity, top_similarity, top_coverage)


def _rarity(question: Asked, read: Sequence[Sequence[str]]) -> dict[str, float]:
    """Return ln(1 + n / (n_word + 0.5)) of each word of the question over the candidates."""
    having = Counter(term for words in read for term in set(words))
    return {term: math.log1p(len(read) / (having[term] + 0.5)) for term in question.terms}


def _coverage(question: Asked, rarity: Mapping[str, float], text: str) -> float:
    return sum(rarity[term] for term in set(terms(text)) & set(question.terms)) if text else 0.0


def _place(rank: int | None) -> float:
    """Return 1 for the first place, 1/2 for the second, ... and 0 for none."""
    return 0.0 if rank is None else 1.0 / (1.0 + rank)


def phrase_share(question: Asked, words: Sequence[str]) -> float:
    """Return the share of the question's neighbouring words that are neighbours in a text too."""
    if not question.pairs:
        return 0.0
    return len(question.pairs & set(pairwise(words))) / len(question.pairs)


def _entropy(scores: Floats) -> float:
    """Return the entropy of scores taken as a distribution, as a share of the largest possible one."""
    total = float(scores.sum())
    if total <= 0.0 or len(scores) < 2:
        return 0.0
    shares = scores[scores > 0.0] / total
    return float(-(shares * np.log(shares)).sum() / math.log(len(scores)))
