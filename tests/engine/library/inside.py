"""The library service run inside the test's own process, with a real parser process beside it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.library.protocol import Index, LibraryConfig, Remove, Search, Stats
from engine.library.service import LibraryService
from engine.messages import (
    Document,
    DocumentChanged,
    DocumentStatus,
    IndexFinished,
    LibraryStats,
    SearchResult,
)
from engine.service import IDLE, STEP, CancelToken

__all__ = ["ASSETS", "DIMENSION", "Inside", "statuses"]

ASSETS = Path(__file__).resolve().parents[3] / "assets"
DIMENSION = 384


class Inside:
    """Advance the service's requests as its loop does, but under the test's eyes."""

    def __init__(self, data: Path, *, embedder: Path = ASSETS / "embedder", **limits: Any) -> None:
        for folder in (data / "library", data / "logs"):
            folder.mkdir(parents=True, exist_ok=True)
        config = LibraryConfig(
            folder=data / "library",
            journal=data / "journal.sqlite",
            embedder=embedder,
            weights=ASSETS / "adacomp.json",
            threads=1,
            logs=data / "logs",
            parse_timeout_s=120.0,
            parse_memory_mb=2048,
        )
        self.config = replace(config, **limits)
        self.service = LibraryService(self.config)
        self.cancel = CancelToken()
        self._nap = threading.Event()

    def __enter__(self) -> Inside:
        return self

    def __exit__(self, *_: object) -> None:
        self.service.close()

    def events(self, request: Any) -> Iterator[Any]:
        """Yield what a request says."""
        for event in self.service.handle(request, self.cancel):
            if event is IDLE:
                self._nap.wait(0.002)
            elif event is not STEP:
                yield event

    def index(self, *paths: Path, rebuild: bool = False) -> IndexFinished:
        return self.watch(lambda _: None, *paths, rebuild=rebuild)

    def watch(self, look: Callable[[Any], None], *paths: Path, rebuild: bool = False) -> IndexFinished:
        """Index and let `look` see every event."""
        last = None
        for last in self.events(Index(paths, rebuild)):
            look(last)
        assert isinstance(last, IndexFinished)
        return last

    def changes(self, *paths: Path, rebuild: bool = False) -> list[Document]:
        """Index and return each change of a document."""
        seen: list[Document] = []
        self.watch(lambda event: seen.append(event.document) if isinstance(event, DocumentChanged) else None, *paths)
        return seen

    def search(self, query: str, limit: int = 5) -> SearchResult:
        [result] = self.events(Search((query,), 2_000, limit))
        assert isinstance(result, SearchResult)
        return result

    def found(self, query: str) -> set[str]:
        """Return the names of the documents that a search finds by its words."""
        return {Path(each.path).name for each in self.search(query).passages if each.text_rank is not None}

    def remove(self, *paths: Path) -> int:
        [removed] = self.events(Remove(paths))
        return int(removed.documents)

    def stats(self) -> LibraryStats:
        [stats] = self.events(Stats(check=True))
        assert isinstance(stats, LibraryStats)
        return stats

    def identities(self) -> list[tuple[str, str, str]]:
        return sorted(self.service._open_store().identities())


def statuses(finished: IndexFinished) -> dict[str, DocumentStatus]:
    """Return what became of each file, by its name."""
    return {Path(each.path).name: each.status for each in finished.files}
