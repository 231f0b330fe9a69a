"""Find the files under what the user named."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.errors import LibraryError

__all__ = ["Found", "is_missing", "is_noise", "walk", "walk_by_steps"]

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
    steps = walk_by_steps(paths)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: Found = end.value
            return found


def walk_by_steps(paths: Iterable[Path]) -> Generator[None, None, Found]:
    """Do what `walk` does with a pause after each folder, as a large tree on a slow disk takes minutes."""
    files: dict[Path, None] = {}
    roots: list[Path] = []
    unreadable: list[str] = []
    for path in paths:
        absolute = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links and change what users see
        kind = _kind(absolute)
        if kind is None:
            raise LibraryError(f"{path} is not there: check the path.")
        if stat.S_ISDIR(kind):
            before = len(unreadable)
            for folder in _folders(absolute, unreadable):
                files.update(dict.fromkeys(folder))
                yield
            if len(unreadable) == before:
                roots.append(absolute)
        else:
            files[absolute] = None
    return Found(tuple(files), tuple(roots), tuple(unreadable))


def is_missing(path: Path) -> bool:
    """Whether a file is surely gone: one in a folder that can't be opened now is not."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _kind(path: Path) -> int | None:
    """Return the mode of what a path names, or None if there is nothing."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as exc:
        raise LibraryError(f"{path} can't be opened ({exc.strerror}): check its permissions.") from exc


def _folders(root: Path, unreadable: list[str]) -> Iterator[list[Path]]:
    """Yield the files of each folder below a root, this one first."""
    seen: set[tuple[int, int]] = set()

    def report(error: OSError) -> None:
        unreadable.append(f"The folder {error.filename} can't be opened ({error.strerror}): check its permissions.")

    for folder, subfolders, names in os.walk(root, onerror=report, followlinks=True):
        try:
            status = Path(folder).stat()
            if (status.st_dev, status.st_ino) in seen and status.st_ino:
                subfolders.clear()
                continue
            seen.add((status.st_dev, status.st_ino))
            subfolders[:] = sorted(name for name in subfolders if not is_noise(name))
        except OSError as error:
            # It was taken away meanwhile, or may be listed and not entered.
            subfolders.clear()
            report(error)
            continue
        yield [Path(folder, name) for name in sorted(names) if not is_noise(name) and _may_be_file(folder, name)]


def _may_be_file(folder: str, name: str) -> bool:
    """Whether a name stands for a file, or for something that can't be looked at now."""
    try:
        return stat.S_ISREG(Path(folder, name).stat().st_mode)
    except FileNotFoundError:
        return False
    except OSError as exc:
        return exc.errno != errno.ELOOP
