"""What travels between the conductor and the library process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Busy", "Index", "LibraryConfig", "Pause", "Remove", "Removed", "Search", "Stats", "WarmUp"]


@dataclass(frozen=True, slots=True)
class LibraryConfig:
    """All that the library process is told at its start."""

    folder: Path
    """Where LanceDB and the texts lie."""
    journal: Path
    embedder: Path
    """Folder of the embedder's files."""
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
    """Find passages."""

    query: str
    limit: int


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
