"""Find the files under what the user named."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.errors import LibraryError

__all__ = ["Found", "is_noise", "walk"]

NOISE_NAMES = frozenset({"thumbs.db", "desktop.ini", "icon\r"})
NOISE_PREFIXES = (".", "~$", "._")
NOISE_SUFFIXES = (".tmp", ".part", ".crdownload", ".lock", "~")


@dataclass(frozen=True, slots=True)
class Found:
    """What a walk found."""

    files: tuple[Path, ...]
    """Absolute paths, each once, in the order of their names."""
    roots: tuple[Path, ...]
    """The folders that were walked completely: what is gone from them may leave the library."""
    unreadable: tuple[str, ...]
    """Folders that can't be opened, a sentence each."""


def is_noise(name: str) -> bool:
    """Whether a file or folder of this name is none of the user's documents: hidden, temporary, a lock."""
    lowered = name.lower()
    return lowered.startswith(NOISE_PREFIXES) or lowered.endswith(NOISE_SUFFIXES) or lowered in NOISE_NAMES


def walk(paths: Iterable[Path]) -> Found:
    """Return all files under the paths; a file that is named itself is taken whatever it is called.

    Follows links to folders, each folder once, so that loops end. Raises LibraryError for a path that does not exist.
    """
    files: dict[Path, None] = {}
    roots: list[Path] = []
    unreadable: list[str] = []
    for path in paths:
        absolute = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links and change what users see
        if absolute.is_dir():
            before = len(unreadable)
            files.update(dict.fromkeys(_files_below(absolute, unreadable)))
            if len(unreadable) == before:
                roots.append(absolute)
        elif absolute.exists():
            files[absolute] = None
        else:
            raise LibraryError(f"{path} is not there: check the path.")
    return Found(tuple(files), tuple(roots), tuple(unreadable))


def _files_below(root: Path, unreadable: list[str]) -> Iterator[Path]:
    seen: set[tuple[int, int]] = set()

    def report(error: OSError) -> None:
        unreadable.append(f"The folder {error.filename} can't be opened ({error.strerror}): check its permissions.")

    for folder, subfolders, names in os.walk(root, onerror=report, followlinks=True):
        status = Path(folder).stat()
        if (status.st_dev, status.st_ino) in seen and status.st_ino:
            subfolders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        subfolders[:] = sorted(name for name in subfolders if not is_noise(name))
        for name in sorted(names):
            file = Path(folder, name)
            if not is_noise(name) and file.is_file():
                yield file
