"""The words that the library is searched for."""

from __future__ import annotations

import re

__all__ = ["search_query"]

LEANS_ON_WHAT_WENT_BEFORE = re.compile(
    r"^(and|also|but|or|so|then|what about|how about|why|why not|really|which one|what else)\b"
    r"|\b(it|its|that|this|they|them|their|those|these|he|she|his|her|there|one|ones|same|former|latter)\b",
    re.IGNORECASE,
)
SHORT_WORDS = 12


def search_query(question: str, previous: str) -> str:
    """Return the question, led by the previous one where a short question leans on it ("and for tea?")."""
    short = len(question.split()) <= SHORT_WORDS
    if previous and short and LEANS_ON_WHAT_WENT_BEFORE.search(question.strip()):
        return f"{previous}\n{question}"
    return question
