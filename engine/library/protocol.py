"""What travels between the conductor and the library process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "Busy",
    "Index",
    "LibraryConfig",
    "Mentions",
    "Pause",
    "Remove",
    "Removed",
    "Search",
    "Stats",
    "WarmUp",
]


@dataclass(frozen=True, slots=True)
class LibraryConfig:
    """All that the library process is told at its start."""

    folder: Path
    """Where LanceDB and the texts lie."""
    journal: Path
    embedder: Path
    """Folder of the embedder's files."""
    weights: Path
    """What AdaComp has learned."""
    threads: int
    """For the embedder; 0 takes the physical cores."""
    logs: Path
    parse_timeout_s: float
    parse_memory_mb: int


@dataclass(frozen=True, slots=True)
class WarmUp:
    """Import and load everything, so that the first search does not wait."""


@dataclass(frozen=True, slots=True)
class Index:
    """Bring files up to date."""

    paths: tuple[Path, ...]
    """Files and folders; none means: go on with what is unfinished."""
    rebuild: bool = False
    """Do them all anew, changed or not; with no paths, the whole library."""


@dataclass(frozen=True, slots=True)
class Search:
    """Find what is to be read for a question."""

    queries: tuple[str, ...]
    """One for each part of the question."""
    most_tokens: int
    """Budget of the reading, in tokens of the language model (estimated)."""
    most_passages: int
    documents: tuple[str, ...] | None = None
    """Search these alone (absolute paths); None: the whole library."""
    is_fixed: bool = False
    """Take the `most_passages` best whole, whatever they say: for comparison."""


@dataclass(frozen=True, slots=True)
class Mentions:
    """Find every passage that has all words of one of some phrases."""

    phrases: tuple[str, ...]
    """The spellings of a term."""
    documents: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Remove:
    """Take files, or all files below folders, out of the library; the files themselves stay."""

    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Removed:
    """How many documents left the library."""

    documents: int


@dataclass(frozen=True, slots=True)
class Pause:
    """Hold the index job, or let it go on; survives a restart."""

    on: bool


@dataclass(frozen=True, slots=True)
class Busy:
    """An answer is being made: the index job takes little of the machine."""

    on: bool


@dataclass(frozen=True, slots=True)
class Stats:
    """Describe the stored library; `check` compares every part with the journal."""

    check: bool
