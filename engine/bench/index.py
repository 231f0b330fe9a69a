"""Rate of the whole index pipeline against the embedder alone and against fastembed as it comes, in one run.

All three work on the same chunks. Imports fastembed to measure it; runs in the process of the bench.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from engine.bench.corpus import paragraphs
from engine.config import DataPaths, EngineConfig
from engine.errors import LibraryError
from engine.indexing.chunk import Chunker
from engine.indexing.extract import extract
from engine.library.client import Library
from engine.library.embed import BATCH, Embedder, tokenizer_file
from engine.messages import DocumentStatus, IndexFinished

__all__ = ["run"]

CORPUS_BYTES = 1_000_000
"""More than 1,000 chunks: long enough to be steady, short enough to wait for."""
OWN_PARAGRAPHS, OWN_WORDS, OWN_SPREAD = 1_500, 70, 0.8
"""Made-up documents mix short and long paragraphs, as real ones do."""
OWN_FILE_PARAGRAPHS = (1, 2, 4, 8, 120)
"""Paragraphs of one file after the other: notes, letters, and now and then a long document."""
STOCK_CHUNKS = 512
"""Fastembed as it comes is measured on so many chunks, evenly taken from all: two of its batches."""


def run(config: EngineConfig, data: Path | None = None) -> dict[str, Any]:
    """Index documents of `data` (else made-up ones) into an empty library.

    Returns:
        `chunks_per_s`: from the request to the end of the job with the library process warm: walk, extract, chunk,
        embed, store, index. `embed_only_chunks_per_s`: the embedder alone, all chunks sorted by length, half of them
        before and half after the job. `stock_fastembed_chunks_per_s`: the same model in batches of 256, unsorted.
    """
    with tempfile.TemporaryDirectory(prefix="hola-bench-", ignore_cleanup_errors=True) as folder:
        root = Path(folder)
        files = _choose(data) if data is not None else _write_corpus(root / "documents")
        embedder = Embedder(config.embedder_path(), config.settings.embedder_threads)
        texts = _chunk_texts(files, config.embedder_path())
        embedder.embed_passages(texts[: 4 * BATCH])
        sample = texts[:: max(1, len(texts) // STOCK_CHUNKS)][:STOCK_CHUNKS]
        halves = len(sample) // 2
        stock_s = _embed_as_it_comes(embedder.name, config.embedder_path(), sample[:halves])
        alone_s = _embed_sorted(embedder, texts[::2])
        chunks, seconds = _index(replace(config, data=DataPaths(root / "data")), files)
        alone_s += _embed_sorted(embedder, texts[1::2])
        stock_s += _embed_as_it_comes(embedder.name, config.embedder_path(), sample[halves:])
    rate, alone, stock = chunks / seconds, len(texts) / alone_s, len(sample) / stock_s
    return {
        "files": len(files),
        "chunks": chunks,
        "chunks_per_s": rate,
        "embed_only_chunks_per_s": alone,
        "stock_fastembed_chunks_per_s": stock,
        "of_embed_only": rate / alone,
        "of_stock_fastembed": rate / stock,
    }


def _choose(data: Path) -> list[Path]:
    """Return the first files of a folder that make up the corpus, or the file that `data` is."""
    chosen: list[Path] = []
    size = 0
    for file in [data] if data.is_file() else sorted(data.rglob("*")):
        if file.is_file() and size < CORPUS_BYTES:
            chosen.append(file.absolute())
            size += file.stat().st_size
    if not chosen:
        raise LibraryError(f"There is no file in {data} to index: name a folder with documents.")
    return chosen


def _write_corpus(folder: Path) -> list[Path]:
    folder.mkdir()
    made = paragraphs(OWN_PARAGRAPHS, OWN_WORDS, spread=OWN_SPREAD)
    files: list[Path] = []
    for size in cycle(OWN_FILE_PARAGRAPHS):
        taken = list(islice(made, size))
        if not taken:
            return files
        file = folder / f"document {len(files):03d}.txt"
        file.write_text("\n\n".join(taken), "utf-8")
        files.append(file)
    return files


def _chunk_texts(files: Sequence[Path], embedder: Path) -> list[str]:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(os.fspath(tokenizer_file(embedder)))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    chunker = Chunker(tokenizer)
    texts = []
    for file in files:
        try:
            texts += [chunk.text for chunk in chunker.chunks(extract(file))]
        except LibraryError:
            # The job leaves it out as well.
            continue
    return texts


def _embed_sorted(embedder: Embedder, texts: Sequence[str]) -> float:
    """Return the seconds that the embedder takes for the texts at its best."""
    ordered = sorted(texts, key=len)
    begun = time.perf_counter()
    for start in range(0, len(ordered), embedder.batch):
        embedder.embed_passages(ordered[start : start + embedder.batch])
    return time.perf_counter() - begun


def _index(config: EngineConfig, files: Sequence[Path]) -> tuple[int, float]:
    """Return the chunks stored and the seconds of the job."""
    config.data.create()
    library = Library(config)
    try:
        library.stats()
        begun = time.perf_counter()
        *_, finished = library.index(files)
        seconds = time.perf_counter() - begun
    finally:
        library.close()
    assert isinstance(finished, IndexFinished)
    if not finished.chunks:
        reasons = [document.reason for document in finished.files if document.status is not DocumentStatus.READY]
        raise LibraryError(f"Nothing could be indexed ({'; '.join(reasons[:1])}): name a folder with documents.")
    return finished.chunks, seconds


def _embed_as_it_comes(name: str, folder: Path, texts: Sequence[str]) -> float:
    """Return the seconds that fastembed takes with its own defaults; `Embedder` has made the model known to it."""
    from fastembed import TextEmbedding

    model = TextEmbedding(name, specific_model_path=os.fspath(folder))
    list(model.embed(texts[:BATCH]))
    begun = time.perf_counter()
    list(model.embed(texts))
    return time.perf_counter() - begun
