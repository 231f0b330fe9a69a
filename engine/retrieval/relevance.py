"""Whether what a search found has anything to do with the question.

A search always returns its nearest passages, and a small model that reads foreign ones talks about them.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.messages import Passage
from engine.retrieval.words import read_words

__all__ = ["is_near"]

LEAST_SIMILARITY = 0.15
"""With the bundled embedder 99 % of questions have more than 0.20 to the passage that answers them (400 pairs of
Natural Questions), and at the median 0.10 to the nearest of six others."""
LEAST_COVERAGE = 0.5
"""Share of the question's words in one passage that makes up for a low similarity: the embedder may not know the
language, and names have no neighbours."""


def is_near(query: str, passages: Sequence[Passage]) -> bool:
    """Return whether any passage is near to a query, by meaning or by its words."""
    if any(passage.similarity is not None and passage.similarity >= LEAST_SIMILARITY for passage in passages):
        return True
    asked = {word.key for word in read_words(query)}
    if not asked:
        return False
    return any(_coverage(asked, passage.text) >= LEAST_COVERAGE for passage in passages)


def _coverage(asked: set[str], text: str) -> float:
    return len(asked & {word.key for word in read_words(text)}) / len(asked)
