"""Words as the ranking compares them: folded, stemmed and cheap, in any script."""

from __future__ import annotations

import re
from functools import lru_cache

from engine.retrieval.vocabulary import STOP
from engine.retrieval.words import CJK, stem

__all__ = ["content_terms", "estimated_tokens", "terms"]

_TOKEN = re.compile(rf"[{CJK}]+|[^\W_{CJK}]+(?:['’][^\W\d_{CJK}]+)*")
_CJK_CHAR = re.compile(rf"[{CJK}]")


def terms(text: str) -> list[str]:
    """Return the stemmed words of a text in order; a run without spaces as its overlapping pairs of characters."""
    found: list[str] = []
    for token in _TOKEN.findall(text):
        if _CJK_CHAR.match(token):
            found += [token[at : at + 2] for at in range(max(1, len(token) - 1))]
        else:
            found.append(_stemmed(token))
    return found


def content_terms(text: str) -> list[str]:
    """Return the words of a text without those that only serve grammar."""
    return [term for term in terms(text) if term not in _GRAMMAR]


def estimated_tokens(text: str) -> int:
    """Return about how many tokens a language model reads a text as: four letters each, of other scripts one."""
    wide = len(_CJK_CHAR.findall(text))
    return (len(text) - wide) // 4 + wide + 1


@lru_cache(maxsize=50_000)
def _stemmed(word: str) -> str:
    return stem(word)


_GRAMMAR = frozenset(stem(word) for word in STOP)
