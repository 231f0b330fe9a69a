"""Made-up text for the benches: words as frequent as in a language, the same for the same seed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

__all__ = ["COMMON", "paragraphs", "vocabulary"]

COMMON = (
    "the of and to in is that for it with as on be at by this had not are but from or have an they which one you were "
    "all her she there would their we him been has when who will no more if out so up said what its about than into "
    "them can only other time new some could these two may first then do any like my now over such our man me even "
    "most made after also did many before must through years where much your way well down should because each just "
    "those people how too little state good very make world still see own work long here get both between life being "
    "under three never know same last another while us off might great go come since against right came take used "
    "house water letter garden price contract winter engine doctor school market river bridge window paper colour"
).split()
SYLLABLES = (
    "ba be bo da de di fa fe ga go ha he ka ki la le li lo ma me mi mo na ne no pa pe ra re ri ro sa se si so ta te "
    "ti to va ve vi wa za ter ling tion ment ner sel mar tin bel cor dan fel gar hol"
).split()
VOCABULARY = 30_000
WORDS_PER_SENTENCE = (6, 24)


def vocabulary(size: int = VOCABULARY, seed: int = 1) -> list[str]:
    """Return distinct words, the most frequent ones first."""
    random = np.random.default_rng(seed)
    words = dict.fromkeys(COMMON)
    while len(words) < size:
        count = int(random.integers(2, 5))
        words["".join(random.choice(SYLLABLES, count))] = None
    return list(words)


def paragraphs(count: int, words: int, seed: int = 2, spread: float = 0.0) -> Iterator[str]:
    """Yield paragraphs of about so many words, drawn by Zipf's law and cut into sentences.

    `spread` is the standard deviation of the logarithm of their lengths: 0 makes all alike.
    """
    random = np.random.default_rng(seed)
    known = np.array(vocabulary())
    weights = 1.0 / (np.arange(len(known)) + 2.7)
    bounds = np.cumsum(weights / weights.sum())
    for _ in range(count):
        size = max(WORDS_PER_SENTENCE[0], int(words * np.exp(random.normal(0.0, spread))))
        drawn = known[np.minimum(np.searchsorted(bounds, random.random(size)), len(known) - 1)]
        cuts = np.cumsum(random.integers(*WORDS_PER_SENTENCE, size=size // WORDS_PER_SENTENCE[0]))
        sentences = np.split(drawn, cuts[cuts < size])
        yield " ".join(" ".join(sentence).capitalize() + "." for sentence in sentences if len(sentence))
