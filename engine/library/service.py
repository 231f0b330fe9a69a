"""What runs in the library process: searches first, an index job in between."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from engine.errors import LibraryError
from engine.indexing.journal import Journal
from engine.indexing.parser import ParserService
from engine.indexing.walk import is_missing
from engine.library.embed import Embedder, tokenizer_file
from engine.library.intake import Intake, take_in, under
from engine.library.job import Desk, Worker
from engine.library.pace import Pace
from engine.library.protocol import (
    Busy,
    Index,
    LibraryConfig,
    Mentions,
    Pause,
    Remove,
    Removed,
    Search,
    Stats,
    WarmUp,
)
from engine.library.searching import find_mentions, search
from engine.library.store import Store
from engine.library.texts import Texts
from engine.library.turn import Turn
from engine.messages import (
    Document,
    DocumentChanged,
    DocumentStatus,
    IndexEvent,
    IndexFinished,
    IndexProgress,
    LibraryStats,
    SearchResult,
)
from engine.process import ChildProcess
from engine.retrieval.adacomp import AdaComp, Weights
from engine.service import IDLE, STEP, CancelToken

__all__ = ["LibraryService"]

logger = logging.getLogger(__name__)

TELL_INTERVAL_S, PAUSED_TELL_INTERVAL_S = 0.1, 1.0
UPKEEP_EVERY_CHUNKS = 1000
PARSER_NICENESS = 5
EMBEDDED_AS = "{}, below headings"
"""How vectors are made with an embedder of that name: a library that was made otherwise has to be rebuilt."""
CANCELLED = "Indexing was cancelled before this file's turn: add it again to index it."


class LibraryService:
    """Answer the requests of `engine.library.protocol`; native libraries are loaded at the first need."""

    def __init__(self, config: LibraryConfig) -> None:
        self._config = config
        self._journal = Journal(config.journal)
        self._texts = Texts(config.folder)
        self._turn = Turn(config.folder / "turn.sqlite")
        self._pace = Pace(paused=self._journal.note("paused") == "1")
        self._embedder: Embedder | None = None
        self._store: Store | None = None
        self._adacomp: AdaComp | None = None
        self._upkeep = ThreadPoolExecutor(1, "upkeep")
        self._indexing = False
        self._maintaining = False

    def handle(self, request: Any, cancel: CancelToken) -> Iterator[Any]:
        """Answer a request by events."""
        if isinstance(request, Search):
            yield self._search(request)
        elif isinstance(request, Mentions):
            yield find_mentions(request, self._open_store())
        elif isinstance(request, Index):
            yield from self._index(request, cancel)
        elif isinstance(request, Busy):
            self._pace.answering(request.on)
        elif isinstance(request, Pause):
            self._pace.paused = request.on
        elif isinstance(request, Remove):
            yield from self._remove(request)
        elif isinstance(request, WarmUp):
            self._warm_up()
        elif isinstance(request, Stats):
            yield self._stats(request)

    def close(self) -> None:
        """Close the files."""
        self._upkeep.shutdown(wait=False, cancel_futures=True)
        if self._store is not None:
            self._store.close()
        self._journal.close()

    # ------------------------------------------------------------ parts

    def _open_embedder(self) -> Embedder:
        if self._embedder is None:
            self._embedder = Embedder(self._config.embedder, self._config.threads)
        return self._embedder

    def _open_store(self, *, anew: bool = False) -> Store:
        """Open the table; `anew` drops one that is damaged or was made with another embedder."""
        embedder = self._open_embedder()
        made_with = self._journal.note("embedder")
        makes = EMBEDDED_AS.format(embedder.name)
        foreign = bool(made_with) and made_with != makes
        if foreign and not anew:
            raise LibraryError("The library was made with another embedder, or by an older Hola: rebuild it.")
        if anew and (foreign or not self._is_sound(embedder.dimension)):
            # First the journal: what is ready in it would be held for unchanged after a crash, and never come back.
            self._journal.requeue_all()
            if self._store is not None:
                self._store.close()
                self._store = None
            Store.destroy(self._config.folder)
        if self._store is None:
            self._store = Store(self._config.folder, embedder.dimension)
        if made_with != makes:
            self._journal.set_note("embedder", makes)
        return self._store

    def _is_sound(self, dimension: int) -> bool:
        try:
            if self._store is None:
                self._store = Store(self._config.folder, dimension)
            self._store.read_through()
        except LibraryError:
            return False
        return True

    def _warm_up(self) -> None:
        try:
            self._open_store()
            self._open_embedder().embed_query("warm up")
        except LibraryError:
            # The first search or index job tells the reason to somebody who waits for it.
            logger.warning("the library is not ready", exc_info=True)

    # ------------------------------------------------------------ short requests

    def _search(self, request: Search) -> SearchResult:
        if self._adacomp is None:
            self._adacomp = AdaComp(Weights.load(self._config.weights))
        return search(request, self._open_store(), self._open_embedder(), self._adacomp)

    def _remove(self, request: Remove) -> Iterator[Any]:
        paths = under(self._journal, request.paths)
        yield from self._take_turn()
        try:
            while self._maintaining:
                yield IDLE
            self._open_store().refresh()
            self._forget(paths)
        finally:
            self._turn.release()
        yield Removed(len(paths))

    def _forget(self, paths: Sequence[str]) -> None:
        # The journal goes last: what it still names is removed again after a crash.
        self._open_store().remove(paths)
        for path in paths:
            self._texts.remove(path)
        self._journal.remove(paths)

    def _stats(self, request: Stats) -> LibraryStats:
        store = self._open_store()
        documents = self._journal.documents()
        problems = self._problems(store, documents) if request.check else ()
        ready = sum(document.status is DocumentStatus.READY for document in documents)
        return LibraryStats(ready, store.count(), store.bytes_on_disk(), self._open_embedder().name, problems)

    def _problems(self, store: Store, documents: tuple[Document, ...]) -> tuple[str, ...]:
        stored = store.chunks_per_document()
        found = []
        for document in documents:
            name = Path(document.path).name
            has = stored.pop(document.path, 0)
            if document.status is not DocumentStatus.READY:
                continue
            if has != document.chunks:
                found.append(f"{name} has {has} of its {document.chunks} chunks: rebuild it.")
            if not self._texts.has(document.path):
                found.append(f"The text of {name} is missing: rebuild it.")
        found += [f"{Path(path).name} is stored and not listed: add it again, or rebuild." for path in stored]
        return tuple(found)

    # ------------------------------------------------------------ indexing

    def _index(self, request: Index, cancel: CancelToken) -> Iterator[Any]:
        while self._indexing:
            if cancel.cancelled:
                return
            yield IDLE
        self._indexing = True
        try:
            yield from self._take_turn()
        except BaseException:
            self._indexing = False
            raise
        try:
            store = self._open_store(anew=request.rebuild and not request.paths)
            store.refresh()
            desk = Desk(
                self._journal,
                store,
                self._open_embedder(),
                self._texts,
                self._make_parser,
                self._config.parse_timeout_s,
                self._pace,
            )
            yield from self._run(request, desk, cancel)
        finally:
            self._turn.release()
            self._indexing = False

    def _take_turn(self) -> Iterator[Any]:
        for _ in self._turn.take():
            yield IDLE

    def _make_parser(self) -> ChildProcess:
        config = self._config
        return ChildProcess(
            "parser process",
            ParserService,
            (tokenizer_file(config.embedder),),
            log_file=config.logs / "parser.log",
            memory_limit_mb=config.parse_memory_mb,
            niceness=PARSER_NICENESS,
        )

    def _run(self, request: Index, desk: Desk, cancel: CancelToken) -> Iterator[Any]:
        self._drop_strangers(desk.store)
        intake = Intake()
        told = time.monotonic()
        for step in self._take_in(request):
            if cancel.cancelled:
                break
            if step is not None:
                intake = step
            yield STEP
            if time.monotonic() - told >= TELL_INTERVAL_S:
                told = time.monotonic()
                yield IndexProgress(0, 0, 0, 0.0, None)
        if intake.gone:
            self._forget(intake.gone)
        for path in intake.gone:
            yield DocumentChanged(Document(path, DocumentStatus.REMOVED))
        for document in intake.changed:
            yield DocumentChanged(document)
        worker = Worker(desk, intake.queued)
        try:
            yield from self._work(worker, len(intake.queued) + len(intake.settled), len(intake.settled), cancel)
        finally:
            worker.close()
        left = [path for path in intake.queued if path not in worker.tally.ended] if cancel.cancelled else []
        for path in left:
            yield from self._give_up(path)
        yield from self._maintain(at_end=True)
        yield self._finished(intake, worker, cancelled=cancel.cancelled)

    def _drop_strangers(self, store: Store) -> None:
        """Remove chunks of files that the journal does not know, as after its loss: adding them would double them."""
        stored = self._journal.stored()
        strangers = [path for path in store.chunks_per_document() if path not in stored]
        if strangers:
            logger.warning("chunks of %d files that are not listed are removed", len(strangers))
            store.remove(strangers)

    def _take_in(self, request: Index) -> Iterator[Intake | None]:
        if request.paths:
            yield from take_in(self._journal, request.paths, request.rebuild)
        elif request.rebuild:
            every = [Path(document.path) for document in self._journal.documents()]
            gone = {path for path in every if is_missing(path)}
            # What can't be reached now stays as it is.
            present = [path for path in every if path not in gone and os.access(path, os.F_OK)]
            for step in take_in(self._journal, present, True):
                if step is not None:
                    step.gone += sorted(map(str, gone))
                yield step
        else:
            yield Intake(queued=list(self._journal.unfinished()))

    def _work(self, worker: Worker, total: int, settled: int, cancel: CancelToken) -> Iterator[Any]:
        begun = time.monotonic()
        told = kept = 0.0
        queued_bytes = sum(entry.document.size for path in worker.waiting if (entry := self._journal.entry(path)))
        while not worker.finished and not cancel.cancelled:
            yield from worker.news()
            now = time.monotonic()
            if now - told >= (PAUSED_TELL_INTERVAL_S if self._pace.paused else TELL_INTERVAL_S):
                told = now
                yield from worker.fractions()
                yield self._progress(worker, total, settled, now - begun, queued_bytes)
            if self._pace.holds:
                worker.watch()
                yield IDLE
                continue
            yield STEP if worker.step() else IDLE
            if worker.tally.chunks - kept >= UPKEEP_EVERY_CHUNKS:
                kept = worker.tally.chunks
                yield from self._maintain(at_end=False, tend=worker.watch)
        yield from worker.news()
        yield self._progress(worker, total, settled, time.monotonic() - begun, queued_bytes)

    def _progress(self, worker: Worker, total: int, settled: int, elapsed: float, size: int) -> IndexProgress:
        tally = worker.tally
        share = tally.bytes_done / size if size else 0.0
        return IndexProgress(
            done=settled + len(tally.ended),
            total=total,
            chunks=tally.chunks,
            chunks_per_s=tally.chunks / elapsed if elapsed > 0 else 0.0,
            seconds_left=elapsed * (1 - share) / share if share > 0 else None,
            paused=self._pace.paused,
        )

    def _maintain(self, *, at_end: bool, tend: Callable[[], None] | None = None) -> Iterator[Any]:
        """Keep the store's indexes in order in another thread; searches go on meanwhile, and `tend` is called."""
        store = self._open_store()
        if not store.needs_upkeep(at_end=at_end):
            return
        self._maintaining = True
        try:
            running = self._upkeep.submit(store.upkeep)
            while not running.done():
                if tend is not None:
                    tend()
                yield IDLE
            running.result()
        except LibraryError:
            # The documents are stored and found all the same; the next job tries again.
            logger.warning("the upkeep of the library failed", exc_info=True)
        finally:
            self._maintaining = False

    def _give_up(self, path: str) -> Iterator[IndexEvent]:
        """Leave a file out that was cancelled; its former content stays until it is added again."""
        entry = self._journal.entry(path)
        if entry is None or entry.document.status.is_final:
            return
        if entry.stored and not entry.document.chunks:
            # A killed run may have stored chunks that no row of the journal counts.
            self._open_store().remove([path])
            self._texts.remove(path)
        yield DocumentChanged(self._journal.give_up(path, CANCELLED))

    def _finished(self, intake: Intake, worker: Worker, *, cancelled: bool) -> IndexFinished:
        files = tuple(
            entry.document for path in sorted({*intake.settled, *intake.queued}) if (entry := self._journal.entry(path))
        )
        statuses = [document.status for document in files]
        settled = set(intake.settled)
        return IndexFinished(
            ready=worker.tally.ready,
            skipped=statuses.count(DocumentStatus.SKIPPED),
            failed=statuses.count(DocumentStatus.FAILED),
            unchanged=sum(each.path in settled and each.status is DocumentStatus.READY for each in files),
            removed=len(intake.gone),
            chunks=worker.tally.chunks,
            files=files,
            cancelled=cancelled,
        )
