"""What the window needs of the engine: the part of its public names that `app` calls.

`engine.engine.Engine` fits these protocols as it is, and so does the fake of the tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from engine.lobi.messages import Made, Step, Wish
from engine.messages import Chat, Document, Event, IndexEvent, Question, Turn
from engine.viewing.protocol import Drawn, Located

__all__ = ["EnginePort", "HistoryPort", "LibraryPort", "MemoryPort", "ModelPort", "OptimiserPort", "PagesPort"]


class MemoryPort(Protocol):
    """Resident memory by part of Hola, and what the machine has free, in MiB."""

    @property
    def app_mb(self) -> float:
        """The window's own process."""

    @property
    def model_mb(self) -> float:
        """The model process."""

    @property
    def library_mb(self) -> float:
        """The library process and its children."""

    @property
    def free_mb(self) -> float:
        """What the machine has left."""


class ModelPort(Protocol):
    """The language model and how far it is: loading, ready or failed."""

    @property
    def name(self) -> str:
        """What the user knows it by."""

    @property
    def state(self) -> str:
        """One of "loading", "ready", "failed"."""

    @property
    def detail(self) -> str:
        """A sentence on why it failed."""


class HistoryPort(Protocol):
    """The stored chats; thread-safe."""

    def chats(self) -> tuple[Chat, ...]:
        """Every chat, newest first."""

    def turns(self, chat_id: int, /) -> tuple[Turn, ...]:
        """The turns of one chat, oldest first."""

    def rename(self, chat_id: int, title: str, /) -> None:
        """Give a chat another title."""

    def delete(self, chat_id: int, /) -> None:
        """Remove a chat and its turns."""

    def search(self, text: str, /) -> tuple[Chat, ...]:
        """The chats in which the text occurs."""


class LibraryPort(Protocol):
    """The document library; thread-safe."""

    @property
    def paused(self) -> bool:
        """Whether a job waits for `resume`."""

    def documents(self) -> tuple[Document, ...]:
        """Every file of the library."""

    def index(self, paths: Sequence[Path], /) -> Iterator[IndexEvent]:
        """Index files and folders; none resumes what is unfinished."""

    def rebuild(self, paths: Sequence[Path] = (), /) -> Iterator[IndexEvent]:
        """Index documents anew; none takes every one."""

    def remove(self, paths: Sequence[Path], /) -> int:
        """Forget documents; the files stay on the disk."""

    def text(self, path: str, /) -> str:
        """The extracted text of a ready document."""

    def page_of(self, path: str, offset: int, /) -> int | None:
        """The 1-based page of an offset in a document's text; None where the format has no pages."""

    def pause(self) -> None:
        """Let the job wait."""

    def resume(self) -> None:
        """Let the job go on."""


class OptimiserPort(Protocol):
    """What versions of the model this computer lacks; thread-safe."""

    def lacks(self) -> bool:
        """Whether versions of the chosen model are wanted and missing."""

    def stop(self) -> None:
        """End what is being made soon."""


class PagesPort(Protocol):
    """The page viewer; thread-safe. `engine.viewing.client.PageViewer` fits it."""

    def draw(self, path: str, page: int, width: int, /) -> Drawn:
        """A picture of a page of a PDF."""

    def locate(self, path: str, page: int, snippet: str, position: float, /) -> Located:
        """Where a text stands on the pages of a PDF."""

    def close(self) -> None:
        """End its process."""


class EnginePort(Protocol):
    """The engine, as the bridge drives it."""

    @property
    def mode(self) -> str:
        """The scaling mode."""

    @property
    def model(self) -> ModelPort:
        """The language model as it stands."""

    @property
    def history(self) -> HistoryPort:
        """The stored chats."""

    @property
    def library(self) -> LibraryPort:
        """The document library."""

    @property
    def optimiser(self) -> OptimiserPort:
        """What makes versions of models."""

    def optimise(self, source: Path | None = None, wish: Wish = ..., /) -> Iterator[Step | Made]:
        """Make the version of a model; without one, what the chosen one lacks."""

    def start(self) -> None:
        """Spawn the child processes and return."""

    def ask(self, question: Question, /) -> Iterator[Event]:
        """Answer a question, event by event."""

    def stop(self) -> None:
        """End the running answer soon."""

    def close(self) -> None:
        """End everything."""

    def memory(self) -> MemoryPort:
        """Resident memory by part."""
