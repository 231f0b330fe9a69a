"""Time of a hybrid search over a large library, through the library process as a question goes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.bench.corpus import paragraphs, vocabulary
from engine.config import DataPaths, EngineConfig
from engine.library.client import Library
from engine.library.embed import BATCH, Embedder
from engine.library.protocol import Search
from engine.library.store import Row, Store

__all__ = ["run"]

WORDS_PER_CHUNK = 150
EMBEDDED = 1_000
"""Chunks with a vector of their own text; the others' vectors are these with noise, as texts on like subjects have."""
NOISE = 0.6
"""Length of the noise; the vectors have length 1."""
ROWS_PER_COMMIT = 10_000
CHUNKS_PER_DOCUMENT = 100
QUERIES, WARM_UP = 300, 30
COMMON_WORDS = 100
RECALL_QUERIES = 50
MOST_TOKENS = 1_200
"""Budget of what is read for a question."""


def run(config: EngineConfig, chunks: int = 100_000) -> dict[str, Any]:
    """Search a made-up library; the time of a search runs from the call to the passages, query embedding included.

    Returns:
        `chunks`, `p50_ms`, `p95_ms`, `p99_ms`, `embed_p50_ms` (of the query) and `build_s` (storing and indexing all),
        and `recall_at_5`: how much of the five nearest by an exact comparison the vector search's five contain.
    """
    with tempfile.TemporaryDirectory(prefix="hola-bench-", ignore_cleanup_errors=True) as folder:
        here = replace(config, data=DataPaths(Path(folder)))
        here.data.create()
        embedder = Embedder(config.embedder_path(), config.settings.embedder_threads)
        begun = time.perf_counter()
        vectors = _build(here, embedder, chunks)
        build_s = time.perf_counter() - begun
        questions = list(_questions(QUERIES + WARM_UP))
        recall = _recall(here, embedder, vectors, questions[:RECALL_QUERIES])
        del vectors
        times, embedding, found = _search(here, questions)
    p50, p95, p99 = np.percentile(times, [50, 95, 99])
    return {
        "chunks": found,
        "queries": len(times),
        "p50_ms": float(p50),
        "p95_ms": float(p95),
        "p99_ms": float(p99),
        "embed_p50_ms": float(np.median(embedding)),
        "recall_at_5": recall,
        "build_s": build_s,
    }


def _build(config: EngineConfig, embedder: Embedder, chunks: int) -> npt.NDArray[np.float32]:
    """Fill the table and bring its indexes up to date; return all vectors (chunks, dimension)."""
    texts = paragraphs(chunks, WORDS_PER_CHUNK)
    head = list(islice(texts, min(EMBEDDED, chunks)))
    steps = range(0, len(head), BATCH)
    bases = np.concatenate([embedder.embed_passages(head[start : start + BATCH]) for start in steps])
    random = np.random.default_rng(3)
    vectors = np.empty((chunks, embedder.dimension), np.float32)
    store = Store(config.data.library, embedder.dimension)
    try:
        for start in range(0, chunks, ROWS_PER_COMMIT):
            size = min(ROWS_PER_COMMIT, chunks - start)
            numbers = range(start, start + size)
            rows = [_row(number, head[number] if number < len(head) else next(texts)) for number in numbers]
            block = bases[np.arange(start, start + size) % len(bases)]
            noise = random.standard_normal(block.shape, np.float32) * (NOISE / np.sqrt(embedder.dimension))
            block = block + noise * (np.arange(start, start + size) >= len(bases))[:, None]
            vectors[start : start + size] = block / np.linalg.norm(block, axis=1, keepdims=True)
            store.add(rows, vectors[start : start + size], [])
        store.upkeep()
    finally:
        store.close()
    return vectors


def _row(number: int, text: str) -> Row:
    document = f"{Path.home().anchor}documents/{number // CHUNKS_PER_DOCUMENT:05d}.txt"
    return Row(f"{number:08d}", document, None, "", 0, len(text), text)


def _questions(count: int) -> Iterator[str]:
    """Yield questions of common and rare words, as people ask them."""
    random = np.random.default_rng(4)
    words = vocabulary()
    for _ in range(count):
        common = [words[index] for index in random.integers(0, COMMON_WORDS, 5)]
        rare = [words[index] for index in random.integers(COMMON_WORDS, len(words) // 4, 3)]
        yield f"What {' '.join(common[:3])} {rare[0]} {' '.join(common[3:])} {rare[1]} {rare[2]}?"


def _recall(config: EngineConfig, embedder: Embedder, vectors: npt.NDArray[np.float32], questions: list[str]) -> float:
    """Compare the five passages that lead the vector ranking with the five nearest of all vectors."""
    store = Store(config.data.library, embedder.dimension)
    shares = []
    try:
        for question in questions:
            query = embedder.embed_query(question)
            exact = {f"{number:08d}" for number in np.argsort(-(vectors @ query))[:5]}
            passages = store.candidates(question, query)
            found = {each.chunk_id for each in passages if each.vector_rank is not None and each.vector_rank < 5}
            shares.append(len(exact & found) / len(exact))
    finally:
        store.close()
    return float(np.mean(shares))


def _search(config: EngineConfig, questions: list[str]) -> tuple[list[float], list[float], int]:
    """Return the time of each search and of its query's embedding in milliseconds, and the size of the library."""
    library = Library(config)
    times, embedding, total = [], [], 0
    try:
        for number, question in enumerate(questions):
            begun = time.perf_counter()
            result = library.search(Search((question,), MOST_TOKENS, config.settings.passages))
            elapsed = (time.perf_counter() - begun) * 1000
            if number >= WARM_UP:
                times.append(elapsed)
                embedding.append(result.embed_ms)
                total = result.total_chunks
    finally:
        library.close()
    return times, embedding, total
