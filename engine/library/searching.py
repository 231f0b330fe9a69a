"""One search, from the questions to what is read of the library."""

from __future__ import annotations

import time

from engine.library.embed import Embedder
from engine.library.protocol import Mentions, Search
from engine.library.store import Store
from engine.messages import SearchResult
from engine.retrieval.adacomp import AdaComp

__all__ = ["find_mentions", "search"]

MOST_MENTIONS = 5_000
"""Passages that a count looks at."""


def search(request: Search, store: Store, embedder: Embedder, adacomp: AdaComp) -> SearchResult:
    """Search for each part of a question, and choose what is read."""
    begun = time.perf_counter()
    vectors = embedder.embed_queries(request.queries)
    embedded = time.perf_counter()
    candidates = [
        store.candidates(query, vector, request.documents)
        for query, vector in zip(request.queries, vectors, strict=True)
    ]
    searched = time.perf_counter()
    reading = adacomp.read_parts(
        request.queries,
        candidates,
        request.most_tokens,
        request.most_passages,
        is_fixed=request.is_fixed,
        is_limited=request.documents is not None,
        is_multilingual=embedder.is_multilingual,
    )
    return SearchResult(
        passages=reading.excerpts,
        total_chunks=store.count(request.documents),
        embed_ms=(embedded - begun) * 1000,
        search_ms=(searched - embedded) * 1000,
        read_ms=(time.perf_counter() - searched) * 1000,
        read=reading.passages,
        best=reading.best,
        kept=reading.kept,
    )


def find_mentions(request: Mentions, store: Store) -> SearchResult:
    """Find every passage that has all words of a term, up to a number that the result tells."""
    begun = time.perf_counter()
    found = store.mentions(request.phrases, MOST_MENTIONS + 1, request.documents)
    elapsed = (time.perf_counter() - begun) * 1000
    is_complete = len(found) <= MOST_MENTIONS
    return SearchResult(found[:MOST_MENTIONS], store.count(request.documents), 0.0, elapsed, is_complete=is_complete)
