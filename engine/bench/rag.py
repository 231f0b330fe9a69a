"""What retrieval keeps of the evidence, and what it makes the model read: AdaComp against fixed depths."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.bench.questions import Case, is_held_out, read_cases
from engine.config import EngineConfig
from engine.errors import HolaError
from engine.evidence import Passage
from engine.indexing.chunk import Chunker
from engine.indexing.extract import Extracted
from engine.library.embed import Embedder, tokenizer_file, with_heading
from engine.library.store import Row, Store
from engine.retrieval.adacomp import AdaComp, Weights
from engine.retrieval.terms import estimated_tokens

__all__ = ["Found", "run", "search_all"]

ROWS_PER_COMMIT = 5_000
EMBEDDED_AT_ONCE = 64
MOST_TOKENS = 1_200
"""Budget of a reading; fixed depths have none."""
DISTRACTOR_CHARS = 2_000_000
"""Of each book."""
FIXED = (1, 3, 5, 10)


@dataclass(frozen=True, slots=True)
class Found:
    """A question with what the search found for it."""

    case: Case
    candidates: tuple[Passage, ...]
    search_ms: float
    """Embedding the question and searching, in milliseconds."""


def run(
    config: EngineConfig,
    data: Path,
    books: Path | None = None,
    *,
    limit: int | None = None,
    held_out: bool = False,
) -> dict[str, Any]:
    """Measure retrieval on the questions of a file; all of its passages, and the books, are the library.

    Returns:
        For `adacomp`, `fixed_1`, `fixed_3`, `fixed_5`, `fixed_10`, `vector_5` and `bm25_5`: `recall` (share of the
        questions whose evidence is in what the model reads), `prompt_tokens` (mean tokens of it, estimated) and
        `p95_ms` (search, ranking and compression). And `questions`, `chunks`, `passages` (mean number that AdaComp
        reads). `held_out` leaves out the questions that the weights were learned from.
    """
    if books is not None and not any(books.rglob("*.md")):
        raise HolaError(f"There are no Markdown files in {books}: give a folder of them with --books.")
    cases = read_cases(data)
    asked = [case for case in cases if case.evidence and (is_held_out(case.question) or not held_out)][:limit]
    if not asked:
        raise HolaError(f"{data.name} holds no question with an answer: give rows with question, passage and answers.")
    adacomp = AdaComp(Weights.load(config.assets / "adacomp.json"))
    with tempfile.TemporaryDirectory(prefix="hola-bench-", ignore_cleanup_errors=True) as folder:
        results, chunks = _measure(config, Path(folder), cases, asked, books, adacomp)
    return {**results, "questions": len(asked), "chunks": chunks}


def search_all(
    config: EngineConfig, folder: Path, cases: Sequence[Case], asked: Sequence[Case], books: Path | None
) -> Iterator[tuple[Found, int]]:
    """Store the passages of all cases in a folder, and search for each question; yields also the number of chunks."""
    embedder = Embedder(config.embedder_path(), config.settings.embedder_threads)
    store = Store(folder, embedder.dimension)
    try:
        _fill(store, embedder, config.embedder_path(), cases, books)
        chunks = store.count()
        for case in asked:
            begun = time.perf_counter()
            candidates = store.candidates(case.question, embedder.embed_query(case.question))
            yield Found(case, candidates, (time.perf_counter() - begun) * 1000), chunks
    finally:
        store.close()


def _fill(store: Store, embedder: Embedder, folder: Path, cases: Sequence[Case], books: Path | None) -> None:
    from tokenizers import Tokenizer

    chunker = Chunker(Tokenizer.from_file(str(tokenizer_file(folder))))
    texts = {case.document: (case.title, case.text) for case in cases}
    for book in sorted(books.rglob("*.md")) if books else ():
        texts[str(book)] = (book.stem, book.read_text("utf-8", "replace")[:DISTRACTOR_CHARS])
    rows = []
    for document, (title, text) in texts.items():
        for number, chunk in enumerate(chunker.chunks(Extracted(text, (), (), ()))):
            rows.append(Row(f"{document}:{number:06d}", document, None, title, chunk.start, chunk.end, chunk.text))
    # Texts of like length in one call cost least.
    rows.sort(key=lambda row: len(row.text))
    for start in range(0, len(rows), ROWS_PER_COMMIT):
        part = rows[start : start + ROWS_PER_COMMIT]
        steps = range(0, len(part), EMBEDDED_AT_ONCE)
        vectors = [
            embedder.embed_passages([with_heading(row.heading, row.text) for row in part[at : at + EMBEDDED_AT_ONCE]])
            for at in steps
        ]
        store.add(part, np.concatenate(vectors), [])
    store.upkeep()


def _measure(
    config: EngineConfig, folder: Path, cases: Sequence[Case], asked: Sequence[Case], books: Path | None, ada: AdaComp
) -> tuple[dict[str, Any], int]:
    ways = _ways(ada)
    kept: dict[str, list[bool]] = {name: [] for name in ways}
    tokens: dict[str, list[int]] = {name: [] for name in ways}
    times: dict[str, list[float]] = {name: [] for name in ways}
    passages, chunks = [], 0
    for found, size in search_all(config, folder, cases, asked, books):
        chunks = size
        for name, way in ways.items():
            begun = time.perf_counter()
            read = way(found)
            times[name].append(found.search_ms + (time.perf_counter() - begun) * 1000)
            kept[name].append(found.case.is_kept(read))
            tokens[name].append(sum(estimated_tokens(one.text) for one in read))
            if name == "adacomp":
                passages.append(len({one.chunk_id for one in read}))
    results: dict[str, Any] = {
        name: {
            "recall": float(np.mean(kept[name])),
            "prompt_tokens": float(np.mean(tokens[name])),
            "p95_ms": float(np.percentile(times[name], 95)),
        }
        for name in ways
    }
    results["passages"] = float(np.mean(passages))
    return results, chunks


def _ways(ada: AdaComp) -> dict[str, Callable[[Found], Sequence[Passage]]]:
    """Return what is compared: each turns a search into what the model reads."""

    def adaptive(found: Found) -> Sequence[Passage]:
        ranking = ada.rank(found.case.question, found.candidates)
        return () if ada.is_absent(ranking) else ada.read(ranking, MOST_TOKENS).excerpts

    def fixed(depth: int) -> Callable[[Found], Sequence[Passage]]:
        return lambda found: ada.rank(found.case.question, found.candidates).passages[:depth]

    def by_meaning(found: Found) -> Sequence[Passage]:
        return [one for one in found.candidates if one.vector_rank is not None and one.vector_rank < 5]

    def by_words(found: Found) -> Sequence[Passage]:
        return [one for one in found.candidates if one.text_rank is not None and one.text_rank < 5]

    return {
        "adacomp": adaptive,
        **{f"fixed_{depth}": fixed(depth) for depth in FIXED},
        "vector_5": by_meaning,
        "bm25_5": by_words,
    }
