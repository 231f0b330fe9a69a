"""The index job: a generator that embeds one small batch per step, so that searches go in between.

A file's way: queued -> extracting (in the parser's hands) -> embedding -> ready, or skipped, or failed. Files are
embedded and stored in lots: one commit for several small files, or for one large one. The journal is written before
and after each commit, so that after any end the work goes on without a duplicate and without a loss.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engine.errors import ExtractionError, ProcessCrashed, ProcessError, ProcessTimeout, UnsupportedFile
from engine.indexing.journal import Journal
from engine.indexing.parser import Parsed, ParseRequest
from engine.library.embed import Embedder
from engine.library.pace import Pace
from engine.library.store import Row, Store
from engine.library.texts import StoredText, Texts, document_key
from engine.messages import Document, DocumentChanged, DocumentStatus, IndexEvent
from engine.process import ChildProcess, Reply

__all__ = ["Desk", "Worker"]

LOT_CHUNKS = 192
"""A lot is closed when it has so many chunks, so that a commit holds many small files."""
PARSED_AHEAD = 512
"""Chunks that may wait for the embedder."""
TRIES_PER_FILE = 3
"""How often a file may be in the parser's hands when the parser dies, before the file is held to be the cause."""
ATTEMPTS_PER_FILE = 8
"""The same for the end of everything: a program that is killed again and again is seldom a file's fault."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What the job works with."""

    journal: Journal
    store: Store
    embedder: Embedder
    texts: Texts
    parser: ChildProcess
    parse_timeout_s: float
    pace: Pace


@dataclass(slots=True)
class _Work:
    """A parsed file on its way through the embedder."""

    path: str
    parsed: Parsed
    was_stored: bool
    pages: int
    vectors: npt.NDArray[np.float32]
    done: int = 0


@dataclass(slots=True)
class Tally:
    """What a job has done so far."""

    ready: int = 0
    skipped: int = 0
    failed: int = 0
    chunks: int = 0
    bytes_done: int = 0
    embed_s: float = 0.0
    ended: set[str] = field(default_factory=set)


class Worker:
    """Work through a queue of paths."""

    def __init__(self, desk: Desk, paths: list[str]) -> None:
        self._desk = desk
        self._queue = deque(paths)
        self._parsing: tuple[str, Reply, int] | None = None
        self._parsed: deque[_Work] = deque()
        self._lot: list[_Work] = []
        self._batches: deque[list[tuple[_Work, int]]] = deque()
        self._news: deque[IndexEvent] = deque()
        self.tally = Tally()

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return not (self._queue or self._parsing or self._parsed or self._lot or self._news)

    @property
    def waiting(self) -> tuple[str, ...]:
        """Paths that nobody has begun with."""
        return tuple(self._queue)

    def close(self) -> None:
        """Let go of the parser."""
        if self._parsing is not None:
            self._parsing[1].close()
            self._parsing = None

    def news(self) -> Iterator[IndexEvent]:
        """Take out what happened since the last call."""
        while self._news:
            yield self._news.popleft()

    def step(self) -> bool:
        """Do the next small piece of work; False if there is nothing to do but wait for the parser."""
        self._tend_parser()
        if not self._batches and not self._open_lot():
            return False
        if self._batches:
            self._embed(self._batches.popleft())
        if not self._batches:
            self._store_lot()
        return True

    # ------------------------------------------------------------ the parser

    def _tend_parser(self) -> None:
        """Take what the parser has made and keep it busy, as far as the embedder keeps up."""
        if self._parsing is not None:
            self._take_parsed(*self._parsing)
        waiting = sum(len(work.parsed.chunks) for work in self._parsed)
        if self._parsing is None and self._queue and waiting < PARSED_AHEAD:
            self._hand_over(self._queue.popleft(), 1)

    def _hand_over(self, path: str, number: int) -> None:
        desk = self._desk
        if desk.journal.entry(path) is None:
            return
        if desk.journal.begin(path) > ATTEMPTS_PER_FILE:
            self._end(
                path, DocumentStatus.FAILED, f"{Path(path).name} seems to end the program: rebuild it to try again."
            )
            return
        self._tell(path)
        request = ParseRequest(Path(path))
        self._parsing = path, desk.parser.request(request, timeout_s=desk.parse_timeout_s), number

    def _take_parsed(self, path: str, reply: Reply, number: int) -> None:
        name = Path(path).name
        try:
            parsed = reply.poll()
            if parsed is None and not reply.finished:
                return
            self._parsing = None
            if isinstance(parsed, Parsed):
                reply.close()
                self._take_up(path, parsed)
        except UnsupportedFile as error:
            self._parsing = None
            self._end(path, DocumentStatus.SKIPPED, error.sentence)
        except ExtractionError as error:
            self._parsing = None
            self._end(path, DocumentStatus.FAILED, error.sentence)
        except ProcessTimeout as error:
            self._parsing = None
            detail = (
                "too much memory" if "MiB" in error.sentence else f"more than {self._desk.parse_timeout_s:.0f} seconds"
            )
            self._end(
                path,
                DocumentStatus.FAILED,
                f"{name} needs {detail} to read: split it, or raise the limit in the settings.",
            )
        except ProcessCrashed:
            self._parsing = None
            if number < TRIES_PER_FILE:
                self._hand_over(path, number + 1)
            else:
                self._end(
                    path,
                    DocumentStatus.FAILED,
                    f"{name} crashes the parser: save it anew in its own program, or leave it out.",
                )
        except ProcessError as error:
            self._parsing = None
            self._end(path, DocumentStatus.FAILED, f"{name} could not be read ({error.sentence.rstrip('.')}).")

    def _take_up(self, path: str, parsed: Parsed) -> None:
        entry = self._desk.journal.entry(path)
        if entry is None:
            return
        vectors = np.empty((len(parsed.chunks), self._desk.embedder.dimension), np.float32)
        self._parsed.append(_Work(path, parsed, entry.stored, parsed.extracted.pages, vectors))

    # ------------------------------------------------------------ the embedder

    def _open_lot(self) -> bool:
        """Take parsed files together; sort all their chunks by length, so that no batch pays for padding."""
        size = 0
        while self._parsed and size < LOT_CHUNKS:
            work = self._parsed.popleft()
            if self._desk.journal.entry(work.path) is None:
                continue
            self._desk.journal.embedding(work.path, work.pages)
            self._tell(work.path)
            self._lot.append(work)
            size += len(work.parsed.chunks)
        pieces = [(work, index) for work in self._lot for index in range(len(work.parsed.chunks))]
        pieces.sort(key=lambda piece: len(piece[0].parsed.chunks[piece[1]].text))
        width = self._desk.embedder.batch
        self._batches.extend(pieces[start : start + width] for start in range(0, len(pieces), width))
        return bool(self._lot)

    def _embed(self, batch: list[tuple[_Work, int]]) -> None:
        begun = time.perf_counter()
        vectors = self._desk.embedder.embed_passages([work.parsed.chunks[index].text for work, index in batch])
        for (work, index), vector in zip(batch, vectors, strict=True):
            work.vectors[index] = vector
            work.done += 1
        took = time.perf_counter() - begun
        self.tally.embed_s += took
        self._desk.pace.worked(took)

    def fractions(self) -> Iterator[DocumentChanged]:
        """Say how far the files in the embedder are."""
        for work in self._lot:
            if 0 < work.done < len(work.parsed.chunks):
                entry = self._desk.journal.entry(work.path)
                if entry is not None:
                    share = work.done / len(work.parsed.chunks)
                    yield DocumentChanged(replace(entry.document, fraction=share))

    # ------------------------------------------------------------ the store

    def _store_lot(self) -> None:
        desk = self._desk
        # A file that was removed meanwhile must not come back.
        lot = [work for work in self._lot if desk.journal.entry(work.path) is not None]
        self._lot = []
        if not lot:
            return
        for work in lot:
            extracted = work.parsed.extracted
            desk.texts.save(work.path, StoredText(extracted.text, extracted.page_starts, extracted.page_numbers))
        rows = [row for work in lot for row in _rows(work)]
        vectors = np.concatenate([work.vectors for work in lot])
        desk.store.add(rows, vectors, [work.path for work in lot if work.was_stored])
        desk.journal.ready((work.path, len(work.parsed.chunks)) for work in lot)
        for work in lot:
            self.tally.ready += 1
            self.tally.chunks += len(work.parsed.chunks)
            self._ended(work.path)

    def _end(self, path: str, status: DocumentStatus, reason: str) -> None:
        """Mark a file as skipped or failed; nothing of it stays in the store."""
        desk = self._desk
        entry = desk.journal.entry(path)
        if entry is None:
            return
        if entry.stored:
            desk.store.remove([path])
            desk.texts.remove(path)
        desk.journal.end(path, status, reason)
        if status is DocumentStatus.SKIPPED:
            self.tally.skipped += 1
        else:
            self.tally.failed += 1
        self._ended(path)

    def _ended(self, path: str) -> None:
        document = self._tell(path)
        self.tally.ended.add(path)
        self.tally.bytes_done += document.size if document else 0

    def _tell(self, path: str) -> Document | None:
        entry = self._desk.journal.entry(path)
        if entry is None:
            return None
        self._news.append(DocumentChanged(entry.document))
        return entry.document


def _rows(work: _Work) -> list[Row]:
    key = document_key(work.path)
    return [
        Row(f"{key}:{number:06d}", work.path, chunk.page, chunk.heading, chunk.start, chunk.end, chunk.text)
        for number, chunk in enumerate(work.parsed.chunks)
    ]
