"""Extractive compression: how likely each sentence of the found passages is the one that answers a question.

The second stage of the conditional logit of `engine.retrieval.ranking`: its candidates are the sentences of the best
passages, and the first stage's probability of their passage is one of their features.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.evidence import Passage
from engine.retrieval.ranking import NAME, NUMBER, Asked, phrase_share
from engine.retrieval.sentences import Span, split_sentences
from engine.retrieval.terms import terms

__all__ = ["SENTENCE_FEATURES", "Sentence", "describe", "read_sentences"]

Floats = npt.NDArray[np.float64]

SENTENCE_FEATURES = (
    "passage",
    "coverage",
    "coverage with the one before",
    "coverage with the one after",
    "share of the passage's coverage",
    "best of the passage",
    "phrase",
    "number wanted",
    "number not wanted",
    "name wanted",
    "new words",
    "few words",
    "first",
    "position",
    "leans",
    "heading",
)
"""Names of the columns that `describe` returns."""
FEW_WORDS = 4
LEANS = re.compile(
    r"(?:it|its|they|their|them|this|that|these|those|he|she|his|her|him|such|however|but|also|then|therefore|thus|"
    r"moreover|furthermore|otherwise|instead|both|either|neither|er|sie|es|dies\w*|jedoch|aber|auch|dann|daher|il|elle|"
    r"ils|elles|ce|cette|ces|cela|él|ella|ellos|ellas|esto|esta|este)\b"
    r"|これ|それ|その|この|また|しかし|そして|它|他们|她|这|那",
    re.IGNORECASE,
)
"""A sentence that begins so is understood with the one before it."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a found passage."""

    passage: int
    """Index of its passage."""
    index: int
    """Its place among the sentences of the passage."""
    span: Span
    """Where it stands in the passage's text."""
    terms: tuple[str, ...]

    def leans(self, text: str) -> bool:
        """Tell whether it is understood only with the sentence before it; `text` is its passage's."""
        return self.index > 0 and LEANS.match(text, self.span.start) is not None


def read_sentences(passages: Sequence[Passage]) -> list[Sentence]:
    """Return the sentences of passages, in order."""
    found = []
    for number, passage in enumerate(passages):
        spans = split_sentences(passage.text) or (Span(0, len(passage.text)),)
        for index, span in enumerate(spans):
            found.append(Sentence(number, index, span, tuple(terms(passage.text[span.start : span.end]))))
    return found


def describe(
    question: Asked,
    rarity: Mapping[str, float],
    passages: Sequence[Passage],
    chances: Floats,
    sentences: Sequence[Sentence],
) -> Floats:
    """Return the features of each sentence, shape (sentences, len(SENTENCE_FEATURES)).

    `rarity` weighs the question's words, `chances` are the probabilities of the passages.
    """
    total = sum(rarity.values()) or 1.0
    had = [set(sentence.terms) & set(rarity) for sentence in sentences]
    coverage = [sum(rarity[term] for term in words) / total for words in had]
    rows = np.zeros((len(sentences), len(SENTENCE_FEATURES)))
    for start, end in _groups(sentences):
        whole = sum(rarity[term] for term in set().union(*had[start:end])) / total
        best = max(coverage[start:end])
        for at in range(start, end):
            sentence = sentences[at]
            passage = passages[sentence.passage]
            text = passage.text[sentence.span.start : sentence.span.end]
            before = had[at] | had[at - 1] if at > start else had[at]
            after = had[at] | had[at + 1] if at + 1 < end else had[at]
            new = len(set(sentence.terms) - set(rarity))
            rows[at] = (
                math.log(max(float(chances[sentence.passage]), 1e-6)),
                coverage[at],
                sum(rarity[term] for term in before) / total,
                sum(rarity[term] for term in after) / total,
                coverage[at] / whole if whole else 0.0,
                float(coverage[at] >= best > 0.0),
                phrase_share(question, sentence.terms),
                float(question.wants_number and bool(NUMBER.search(text))),
                float(not question.wants_number and bool(NUMBER.search(text))),
                float(question.wants_name and bool(NAME.search(text))),
                math.log1p(new) - 2.0,
                float(new < FEW_WORDS),
                float(sentence.index == 0),
                sentence.index / (end - start),
                float(sentence.leans(passage.text)),
                float(sentence.span.kind == "heading"),
            )
    return rows


def _groups(sentences: Sequence[Sentence]) -> list[tuple[int, int]]:
    """Return where the sentences of each passage begin and end."""
    starts = [at for at, one in enumerate(sentences) if at == 0 or sentences[at - 1].passage != one.passage]
    return list(zip(starts, [*starts[1:], len(sentences)], strict=True))
