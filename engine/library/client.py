"""The conductor's side of the library. Imports nothing heavy: it lives in the window's process."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from engine.config import EngineConfig
from engine.errors import LibraryError, ProcessCrashed, ProcessError
from engine.indexing.journal import Journal
from engine.library.protocol import Busy, Index, LibraryConfig, Mentions, Pause, Remove, Search, Stats, WarmUp
from engine.library.texts import StoredText, Texts
from engine.messages import Document, IndexEvent, LibraryStats, SearchResult
from engine.process import ChildProcess
from engine.service import Service

__all__ = ["Library"]

logger = logging.getLogger(__name__)

NICENESS = 5
"""Indexing stays behind the window and the model where all want the same core."""
RESUMES = 6
"""How often an index job goes on by itself after the library process died."""
JOB_PRIORITY = 1


def _make_service(config: LibraryConfig) -> Service:
    from engine.library.service import LibraryService

    return LibraryService(config)


class Library:
    """Documents, search and indexing. All methods may be called from any thread."""

    def __init__(self, config: EngineConfig) -> None:
        data, settings = config.data, config.settings
        library_config = LibraryConfig(
            folder=data.library,
            journal=data.journal,
            embedder=config.embedder_path(),
            weights=config.assets / "adacomp.json",
            threads=settings.embedder_threads,
            logs=data.logs,
            parse_timeout_s=settings.parse_timeout_s,
            parse_memory_mb=settings.parse_memory_mb,
        )
        log_file = data.logs / "library.log"
        self._child = ChildProcess(
            "library process", _make_service, (library_config,), log_file=log_file, niceness=NICENESS
        )
        self._journal = Journal(data.journal)
        self._texts = Texts(data.library)
        self._busy = False
        self._closed = False
        self._paused = self._journal.note("paused") == "1"
        # The text of the last document is asked for once per citation.
        self._last_text = lru_cache(maxsize=1)(lambda path, _changed: self._texts.load(path))

    @property
    def pid(self) -> int | None:
        """Process id of the library process, or None."""
        return self._child.pid

    @property
    def paused(self) -> bool:
        """Whether index jobs are held."""
        return self._paused

    def start(self) -> None:
        """Spawn the process and load its libraries behind the scenes."""
        threading.Thread(target=self._warm_up, name="library warm-up", daemon=True).start()

    def documents(self) -> tuple[Document, ...]:
        """Return every file of the library with its status, by path."""
        return self._journal.documents()

    def has_ready_documents(self) -> bool:
        """Whether there is anything to search."""
        return self._journal.has_chunks()

    def index(self, paths: Sequence[Path]) -> Iterator[IndexEvent]:
        """Bring files and folders up to date; with no paths go on with what is unfinished.

        Ends with IndexFinished. Closing the generator cancels the job. Raises LibraryError or ProcessError.
        """
        return self._run(Index(tuple(path.absolute() for path in paths)))

    def rebuild(self, paths: Sequence[Path] = ()) -> Iterator[IndexEvent]:
        """Read documents anew, changed or not; with no paths the whole library."""
        return self._run(Index(tuple(path.absolute() for path in paths), rebuild=True))

    def remove(self, paths: Sequence[Path]) -> int:
        """Take documents (or all below a folder) out of the library; the files stay. Returns how many."""
        removed = self._child.request(Remove(tuple(path.absolute() for path in paths))).result()
        return int(removed.documents)

    def search(self, search: Search) -> SearchResult:
        """Return what is to be read for a question."""
        result: SearchResult = self._child.request(search).result()
        return result

    def mentions(self, mentions: Mentions) -> SearchResult:
        """Return every passage that has all words of a phrase, the best by BM25 first."""
        result: SearchResult = self._child.request(mentions).result()
        return result

    def text(self, path: str) -> str:
        """Return the extracted text of a ready document."""
        return self._stored(path).text

    def page_of(self, path: str, offset: int) -> int | None:
        """Return the 1-based page of an offset in a document's text; None where the format has no pages."""
        from engine.indexing.extract import page_at

        stored = self._stored(path)
        return page_at(stored.page_starts, stored.page_numbers, offset)

    def stats(self, check: bool = False) -> LibraryStats:
        """Describe the library; `check` compares all its parts."""
        stats: LibraryStats = self._child.request(Stats(check)).result()
        return stats

    def pause(self) -> None:
        """Hold the index job, now and after a restart."""
        self._set_paused(True)

    def resume(self) -> None:
        """Let the index job go on."""
        self._set_paused(False)

    def yield_to_answer(self, busy: bool) -> None:
        """Let indexing take little of the machine while an answer is made."""
        self._busy = busy
        self._tell(Busy(busy))

    def close(self) -> None:
        """End the library process; unfinished work goes on at the next start."""
        self._closed = True
        self._child.close()
        self._journal.close()

    def _warm_up(self) -> None:
        try:
            self._child.request(WarmUp())
        except ProcessError:
            if not self._closed:
                logger.warning("the library process does not start", exc_info=True)

    def _stored(self, path: str) -> StoredText:
        entry = self._journal.entry(path)
        if entry is None:
            raise LibraryError(f"{Path(path).name} is not in the library: add it first.")
        # A text is replaced together with its status, so the time of the last change tells old from new.
        stored: StoredText = self._last_text(path, entry.document.updated)
        return stored

    def _set_paused(self, on: bool) -> None:
        self._paused = on
        self._journal.set_note("paused", "1" if on else "0")
        self._tell(Pause(on))

    def _tell(self, message: Any) -> None:
        """Tell the library process something, if it runs."""
        if self._child.pid is not None:
            try:
                self._child.request(message)
            except ProcessError:
                if not self._closed:
                    logger.warning("the library process did not hear %s", message, exc_info=True)

    def _run(self, request: Index) -> Iterator[IndexEvent]:
        for attempt in range(RESUMES + 1):
            try:
                reply = self._child.request(request, priority=JOB_PRIORITY)
            except ProcessError:
                if self._closed:
                    return
                raise
            # A process that was just started has not heard of the answer that is being made.
            self._tell(Busy(self._busy))
            try:
                yield from reply
                return
            except ProcessCrashed:
                if self._closed:
                    return
                if attempt == RESUMES:
                    raise
                logger.warning("the library process died while indexing: going on", exc_info=True)
            finally:
                reply.close()
