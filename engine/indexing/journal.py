"""What became of every file: SQLite, written by the library process, read by the conductor at any time.

A file's row says where it stands, so that work goes on where it was after any kind of end, and nothing is done twice.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import LibraryError
from engine.messages import Document, DocumentStatus

__all__ = ["Entry", "Journal"]

VERSION = 1
SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY,
    status TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    hash TEXT NOT NULL DEFAULT '',
    size INTEGER NOT NULL DEFAULT 0,
    mtime_ns INTEGER NOT NULL DEFAULT 0,
    chunks INTEGER NOT NULL DEFAULT 0,
    pages INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    stored INTEGER NOT NULL DEFAULT 0,
    updated REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS roots (path TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notes (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
BUSY_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Entry:
    """A file's row."""

    document: Document
    hash: str
    """Of the content that the status speaks of; empty while unknown."""
    mtime_ns: int
    attempts: int
    """How often its work was begun and not ended; 0 once it has ended."""
    stored: bool
    """Whether the store may hold chunks of this file."""


class Journal:
    """The rows, one per file. All methods may be called from any thread."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.RLock()
        with self._mapped():
            self._connection = sqlite3.connect(
                file, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
            try:
                self._prepare()
            except BaseException:
                # An open handle would keep Windows from deleting the damaged file, which the error asks for.
                self._connection.close()
                raise

    def _prepare(self) -> None:
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(SCHEMA)
        self._connection.execute(f"PRAGMA user_version = {VERSION}")
        self._file.chmod(0o600)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    # ------------------------------------------------------------ reading

    def documents(self) -> tuple[Document, ...]:
        """Return every file that is part of the library, by path."""
        query = "SELECT path, status, reason, chunks, pages, size, updated FROM files ORDER BY path"
        return tuple(_document(row) for row in self._rows(query))

    def has(self, status: DocumentStatus) -> bool:
        """Whether any file has this status."""
        return bool(self._rows("SELECT 1 FROM files WHERE status = ? LIMIT 1", (status.value,)))

    def has_chunks(self) -> bool:
        """Whether the store holds chunks of any file, even if the file waits to be read again."""
        return bool(self._rows("SELECT 1 FROM files WHERE stored = 1 AND chunks > 0 LIMIT 1"))

    def entry(self, path: str) -> Entry | None:
        """Return a file's row, or None."""
        query = (
            "SELECT path, status, reason, chunks, pages, size, updated, hash, mtime_ns, attempts, stored "
            "FROM files WHERE path = ?"
        )
        for row in self._rows(query, (path,)):
            return Entry(_document(row[:7]), row[7], row[8], row[9], bool(row[10]))
        return None

    def unfinished(self) -> tuple[str, ...]:
        """Return the paths whose work is not ended, by path."""
        final = tuple(status.value for status in DocumentStatus if status.is_final)
        marks = ",".join("?" * len(final))
        return tuple(
            row[0] for row in self._rows(f"SELECT path FROM files WHERE status NOT IN ({marks}) ORDER BY path", final)
        )

    def stored(self) -> frozenset[str]:
        """Return the paths of which the store may hold chunks."""
        return frozenset(row[0] for row in self._rows("SELECT path FROM files WHERE stored = 1"))

    def roots(self) -> tuple[str, ...]:
        """Return the folders that were indexed."""
        return tuple(row[0] for row in self._rows("SELECT path FROM roots ORDER BY path"))

    def note(self, key: str) -> str:
        """Return a remembered text (such as which embedder made the vectors), or an empty one."""
        for row in self._rows("SELECT value FROM notes WHERE key = ?", (key,)):
            return str(row[0])
        return ""

    # ------------------------------------------------------------ writing

    def enqueue(self, path: str, size: int, mtime_ns: int, content_hash: str) -> Document:
        """Put a file into the queue; what the store holds of it stays until it is replaced."""
        self._write(
            "INSERT INTO files (path, status, size, mtime_ns, hash, updated) VALUES (?, 'queued', ?, ?, ?, ?) "
            "ON CONFLICT (path) DO UPDATE SET status = 'queued', reason = '', size = excluded.size, attempts = 0, "
            "mtime_ns = excluded.mtime_ns, hash = excluded.hash, updated = excluded.updated",
            (path, size, mtime_ns, content_hash, time.time()),
        )
        return self._known(path)

    def requeue_all(self) -> None:
        """Put every file whose text the store holds back into the queue: the store is about to be emptied."""
        self._write(
            "UPDATE files SET status = 'queued', reason = '', chunks = 0, attempts = 0, updated = ? WHERE stored = 1",
            (time.time(),),
        )

    def give_up(self, path: str, reason: str) -> Document:
        """Leave the work on a file until it is added again; return what the file is meanwhile.

        What the store holds of its former content stays and is ready; a file without any is skipped for `reason`.
        """
        self._write(
            "UPDATE files SET status = iif(chunks, 'ready', 'skipped'), reason = iif(chunks, '', ?), hash = '', "
            "mtime_ns = 0, attempts = 0, stored = iif(chunks, 1, 0), updated = ? WHERE path = ?",
            (reason, time.time(), path),
        )
        return self._known(path)

    def touch(self, path: str, size: int, mtime_ns: int) -> None:
        """Remember a new stamp of a file whose content is the same."""
        self._write("UPDATE files SET size = ?, mtime_ns = ? WHERE path = ?", (size, mtime_ns, path))

    def begin(self, path: str) -> int:
        """Mark a file as in the parser's hands; return how often that was begun without an end, this time included."""
        self._write(
            "UPDATE files SET status = 'extracting', attempts = attempts + 1, updated = ? WHERE path = ?",
            (time.time(), path),
        )
        entry = self.entry(path)
        return entry.attempts if entry else 0

    def embedding(self, path: str, pages: int) -> Document:
        """Mark a file as extracted; from now on the store may hold chunks of it."""
        self._write(
            "UPDATE files SET status = 'embedding', pages = ?, stored = 1, updated = ? WHERE path = ?",
            (pages, time.time(), path),
        )
        return self._known(path)

    def ready(self, chunks_of: Iterable[tuple[str, int]]) -> None:
        """Mark files (path, number of chunks) as ready, all in one step."""
        now = time.time()
        with self._transaction() as connection:
            connection.executemany(
                "UPDATE files SET status = 'ready', reason = '', chunks = ?, attempts = 0, stored = 1, updated = ? "
                "WHERE path = ?",
                [(chunks, now, path) for path, chunks in chunks_of],
            )

    def end(self, path: str, status: DocumentStatus, reason: str) -> Document:
        """Mark a file as skipped or failed, with the reason in one sentence; the store holds nothing of it."""
        self._write(
            "UPDATE files SET status = ?, reason = ?, chunks = 0, pages = 0, attempts = 0, stored = 0, updated = ? "
            "WHERE path = ?",
            (status.value, reason, time.time(), path),
        )
        return self._known(path)

    def remove(self, paths: Iterable[str]) -> None:
        """Forget files."""
        with self._transaction() as connection:
            connection.executemany("DELETE FROM files WHERE path = ?", [(path,) for path in paths])

    def add_roots(self, paths: Iterable[str]) -> None:
        """Remember folders that were indexed."""
        with self._transaction() as connection:
            connection.executemany("INSERT OR IGNORE INTO roots VALUES (?)", [(path,) for path in paths])

    def set_note(self, key: str, value: str) -> None:
        """Remember a text."""
        self._write("INSERT OR REPLACE INTO notes VALUES (?, ?)", (key, value))

    # ------------------------------------------------------------ SQLite

    def _known(self, path: str) -> Document:
        entry = self.entry(path)
        if entry is None:
            raise LibraryError(f"{path} is not in the library: add it first.")
        return entry.document

    def _rows(self, query: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        with self._lock, self._mapped():
            return self._connection.execute(query, values).fetchall()

    def _write(self, statement: str, values: tuple[object, ...]) -> None:
        with self._transaction() as connection:
            connection.execute(statement, values)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._mapped():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                # On a full disk SQLite may have rolled back by itself; a transaction left open would block the next.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as exc:
            text = str(exc)
            if "full" in text:
                advice = "the disk is full: free some space and try again"
            elif "malformed" in text or "not a database" in text:
                advice = "it is damaged: delete it and index your documents anew"
            else:
                advice = f"{text}: close other copies of Hola and try again"
            raise LibraryError(f"The list of documents {self._file} can't be used; {advice}.") from exc


def _document(row: tuple[Any, ...]) -> Document:
    path, status, reason, chunks, pages, size, updated = row
    return Document(
        path=str(path),
        status=DocumentStatus(status),
        reason=str(reason),
        chunks=int(chunks),
        pages=int(pages),
        size=int(size),
        fraction=1.0 if status == "ready" else 0.0,
        updated=float(updated),
    )
