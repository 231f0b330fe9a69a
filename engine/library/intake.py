"""Compare the disk with the journal: what is new, changed, unchanged or gone."""

from __future__ import annotations

import hashlib
import logging
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.errors import LibraryError
from engine.indexing.journal import Entry, Journal
from engine.indexing.walk import Found, is_missing, walk_by_steps
from engine.messages import Document, DocumentStatus

__all__ = ["Intake", "content_hash", "take_in"]

logger = logging.getLogger(__name__)

BLOCK_BYTES = 4 * 2**20


@dataclass(slots=True)
class Intake:
    """What an index job has to do."""

    queued: list[str] = field(default_factory=list)
    settled: list[str] = field(default_factory=list)
    """Files that are as they were: ready, skipped or failed."""
    gone: list[str] = field(default_factory=list)
    """Files of the library that are no longer on the disk."""
    changed: list[Document] = field(default_factory=list)
    """Rows that changed, to be told."""


def take_in(journal: Journal, paths: Iterable[Path], rebuild: bool) -> Iterator[Intake | None]:
    """Walk the paths and queue what is new or changed; yields None between steps, and the Intake at last."""
    found = yield from walk_by_steps(paths)
    for sentence in found.unreadable:
        logger.warning("%s", sentence)
    if found.unreadable and not found.files:
        raise LibraryError(found.unreadable[0])
    intake = Intake()
    for number, file in enumerate(found.files):
        yield from _look_at(journal, intake, file, rebuild)
        if number % 32 == 0:
            yield None
    journal.add_roots(str(root) for root in found.roots)
    present = {str(file) for file in found.files}
    for number, each in enumerate(journal.documents()):
        if each.path not in present and _is_gone(each.path, found):
            intake.gone.append(each.path)
        if number % 256 == 255:
            yield None
    yield intake


def _look_at(journal: Journal, intake: Intake, file: Path, rebuild: bool) -> Iterator[None]:
    path = str(file)
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        # The name is no text: it can't be shown or cited.
        return
    entry = journal.entry(path)
    try:
        status = file.stat()
    except FileNotFoundError:
        return
    except OSError:
        if entry is not None and entry.document.status.is_final:
            # What can't be looked at now may be as it was.
            intake.settled.append(path)
            return
        # The parser meets the same trouble and tells it with the file's name.
        intake.changed.append(journal.enqueue(path, 0, 0, ""))
        intake.queued.append(path)
        return
    if entry is not None and not entry.document.status.is_final:
        intake.queued.append(path)
        return
    same_stamp = entry is not None and (entry.document.size, entry.mtime_ns) == (status.st_size, status.st_mtime_ns)
    if same_stamp and not rebuild:
        intake.settled.append(path)
        return
    digest = ""
    if stat.S_ISREG(status.st_mode):
        # Opening a named pipe waits for a writer, perhaps for ever.
        for block in content_hash(file):
            digest = block or digest
            yield None
    if entry is not None and not rebuild and _is_same(entry, digest):
        journal.touch(path, status.st_size, status.st_mtime_ns)
        intake.settled.append(path)
        return
    intake.changed.append(journal.enqueue(path, status.st_size, status.st_mtime_ns, digest))
    intake.queued.append(path)


def _is_same(entry: Entry, digest: str) -> bool:
    return bool(digest) and entry.hash == digest and entry.document.status is not DocumentStatus.FAILED


def _is_gone(path: str, found: Found) -> bool:
    """Whether a file that was not found lies where this walk would have found it."""
    file = Path(path)
    below = any(root in file.parents for root in found.roots)
    return below and is_missing(file)


def content_hash(file: Path) -> Iterator[str]:
    """Yield empty strings while reading a file, and its BLAKE2b hash (hexadecimal) last; empty if it can't be read."""
    digest = hashlib.blake2b(digest_size=16)
    try:
        with file.open("rb") as stream:
            while block := stream.read(BLOCK_BYTES):
                digest.update(block)
                yield ""
    except OSError:
        # The parser meets the same trouble and tells it with the file's name.
        return
    yield digest.hexdigest()


def under(journal: Journal, paths: Sequence[Path]) -> list[str]:
    """Return the library's files that are, or lie below, one of the paths; raises LibraryError if none does."""
    chosen = [Path(path).absolute() for path in paths]
    found = [
        each.path
        for each in journal.documents()
        if any(path == Path(each.path) or path in Path(each.path).parents for path in chosen)
    ]
    if not found:
        names = ", ".join(path.name for path in chosen)
        raise LibraryError(f"{names} is not in the library: `hola library list` shows what is.")
    return found
