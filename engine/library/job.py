"""The index job: a generator that embeds one small batch per step, so that searches go in between.

A file's way: queued -> extracting (in the parser's hands) -> embedding -> ready, or skipped, or failed. Files are
embedded and stored in lots: one commit for several small files, or for one large one. The journal is written before
and after each commit, so that after any end the work goes on without a duplicate and without a loss.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engine.errors import ExtractionError, ProcessCrashed, ProcessError, ProcessTimeout, UnsupportedFile
from engine.indexing.journal import Journal
from engine.indexing.parser import Begun, Parsed, ParseRequest
from engine.library.embed import Embedder, with_heading
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
SUSPECT_AFTER = 3
"""From so many begins without an end on a file is worked on alone, so that no other file shares its blame."""
START_LIMIT_S = 120.0
DEAD_STARTS = 3
"""So many parsers in a row that end before they have a file in hand end the job."""
PARSER_GRACE_S = 0.2


@dataclass(frozen=True, slots=True)
class Desk:
    """What the job works with."""

    journal: Journal
    store: Store
    embedder: Embedder
    texts: Texts
    make_parser: Callable[[], ChildProcess]
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
class _Reading:
    """A file in the parser's hands."""

    path: str
    reply: Reply
    number: int
    """1 at the first try."""
    is_fresh: bool
    """Whether it is the first file of this parser."""
    deadline: float
    """By the monotonic clock, in seconds: of the parser's start, then of the file."""
    begun: bool = False


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
        self._parser = desk.make_parser()
        self._reading: _Reading | None = None
        self._dead_starts = 0
        self._suspect = ""
        self._parsed: deque[_Work] = deque()
        self._lot: list[_Work] = []
        self._batches: deque[list[tuple[_Work, int]]] = deque()
        self._news: deque[IndexEvent] = deque()
        self.tally = Tally()

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return not (self._queue or self._reading or self._parsed or self._lot or self._news)

    @property
    def waiting(self) -> tuple[str, ...]:
        """Paths that nobody has begun with."""
        return tuple(self._queue)

    def close(self) -> None:
        """End the parser."""
        if self._reading is not None:
            self._reading.reply.close()
            self._reading = None
        self._parser.close(PARSER_GRACE_S)

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

    def watch(self) -> None:
        """Hold the parser to its limits while the job itself rests."""
        if self._reading is not None:
            self._take_parsed(self._reading)

    def _tend_parser(self) -> None:
        """Take what the parser has made and keep it busy, as far as the embedder keeps up."""
        self.watch()
        waiting = sum(len(work.parsed.chunks) for work in self._parsed)
        if self._reading is None and self._queue and waiting < PARSED_AHEAD and self._may_begin():
            self._hand_over(self._queue.popleft())

    def _may_begin(self) -> bool:
        """Whether the next file may be worked on together with those that are: one that may end the program may not."""
        if not (self._parsed or self._lot):
            return True
        entry = self._desk.journal.entry(self._queue[0])
        return self._suspect not in {work.path for work in (*self._parsed, *self._lot)} and (
            entry is None or entry.attempts < SUSPECT_AFTER
        )

    def _hand_over(self, path: str) -> None:
        journal = self._desk.journal
        entry = journal.entry(path)
        if entry is None:
            return
        self._suspect = path if entry.attempts >= SUSPECT_AFTER else ""
        if journal.begin(path) > ATTEMPTS_PER_FILE:
            reason = f"{Path(path).name} seems to end the program: rebuild it to try again."
            self._end(path, DocumentStatus.FAILED, reason)
            return
        self._tell(path)
        self._read(path, 1)

    def _read(self, path: str, number: int) -> None:
        is_fresh = self._parser.pid is None
        reply = self._parser.request(ParseRequest(Path(path)))
        self._reading = _Reading(path, reply, number, is_fresh, time.monotonic() + START_LIMIT_S)

    def _take_parsed(self, reading: _Reading) -> None:
        try:
            parsed = reading.reply.poll()
            if isinstance(parsed, Begun):
                self._dead_starts = 0
                reading.begun = True
                reading.deadline = time.monotonic() + self._desk.parse_timeout_s
                return
            if parsed is None and not reading.reply.finished:
                if time.monotonic() > reading.deadline:
                    self._parser.kill()
                    raise ProcessTimeout("The parser process took too long and was ended.")
                return
            self._reading = None
            if isinstance(parsed, Parsed):
                reading.reply.close()
                self._take_up(reading.path, parsed)
        except ExtractionError as error:
            self._reading = None
            status = DocumentStatus.SKIPPED if isinstance(error, UnsupportedFile) else DocumentStatus.FAILED
            self._end(reading.path, status, error.sentence)
        except ProcessError as error:
            self._reading = None
            self._parser_failed(reading, error)

    def _parser_failed(self, reading: _Reading, error: ProcessError) -> None:
        """Blame the file for what befell the parser while it had it in hand, but for nothing else."""
        name = Path(reading.path).name
        if not reading.begun:
            self._dead_starts += 1
            if self._dead_starts >= DEAD_STARTS:
                raise error
            self._renew_parser()
            self._read(reading.path, reading.number)
        elif isinstance(error, ProcessTimeout) and "MiB" in error.sentence and not reading.is_fresh:
            # The memory may be what the files before have left behind.
            self._read(reading.path, reading.number)
        elif isinstance(error, ProcessTimeout):
            seconds = f"more than {self._desk.parse_timeout_s:.0f} seconds"
            detail = "too much memory" if "MiB" in error.sentence else seconds
            reason = f"{name} needs {detail} to read: split it, or raise the limit in the settings."
            self._end(reading.path, DocumentStatus.FAILED, reason)
        elif isinstance(error, ProcessCrashed):
            self._renew_parser()
            if reading.number < TRIES_PER_FILE:
                self._read(reading.path, reading.number + 1)
            else:
                reason = f"{name} crashes the parser: save it anew in its own program, or leave it out."
                self._end(reading.path, DocumentStatus.FAILED, reason)
        else:
            reason = f"{name} could not be read ({error.sentence.rstrip('.')})."
            self._end(reading.path, DocumentStatus.FAILED, reason)

    def _renew_parser(self) -> None:
        """Take a new parser, as the old one would wait longer and longer before it starts again."""
        self._parser.close(0.0)
        self._parser = self._desk.make_parser()

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
        vectors = self._desk.embedder.embed_passages([_as_embedded(work, index) for work, index in batch])
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


def _as_embedded(work: _Work, index: int) -> str:
    chunk = work.parsed.chunks[index]
    return with_heading(chunk.heading or Path(work.path).stem, chunk.text)


def _rows(work: _Work) -> list[Row]:
    key = document_key(work.path)
    return [
        Row(f"{key}:{number:06d}", work.path, chunk.page, chunk.heading, chunk.start, chunk.end, chunk.text)
        for number, chunk in enumerate(work.parsed.chunks)
    ]
