"""The SQLite file of the chats: opened, checked, migrated, and moved aside if it is damaged."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from engine.errors import HistoryError

__all__ = ["Damaged", "connect", "mapped", "move_aside"]

BUSY_TIMEOUT_S = 5.0

# The words are kept a second time, folded, in tables of trigrams: these find a part of a word, and languages
# without spaces. Their rowid is the id of the turn or the chat.
_MIGRATIONS = (
    """
    CREATE TABLE chats (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        title TEXT NOT NULL,
        created REAL NOT NULL,
        updated REAL NOT NULL
    );
    CREATE TABLE turns (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        chat_id INTEGER NOT NULL REFERENCES chats(id) ON DELETE CASCADE,
        question TEXT NOT NULL,
        answer TEXT NOT NULL DEFAULT '',
        route TEXT NOT NULL,
        reason TEXT,
        citations TEXT NOT NULL DEFAULT '[]',
        metrics TEXT NOT NULL DEFAULT '{}',
        asked REAL NOT NULL
    );
    CREATE INDEX turns_of_chat ON turns(chat_id, id);
    CREATE INDEX turns_unfinished ON turns(id) WHERE reason IS NULL;
    CREATE VIRTUAL TABLE turn_words USING fts5(words, tokenize = 'trigram');
    CREATE VIRTUAL TABLE chat_words USING fts5(words, tokenize = 'trigram');
    """,
    """
    ALTER TABLE turns ADD COLUMN plan TEXT NOT NULL DEFAULT 'null';
    ALTER TABLE turns ADD COLUMN sentences TEXT NOT NULL DEFAULT '[]';
    ALTER TABLE turns ADD COLUMN verdict TEXT NOT NULL DEFAULT 'unchecked';
    """,
)


class Damaged(Exception):
    """The file is not a sound database."""


def connect(file: Path) -> sqlite3.Connection:
    """Open, check and migrate the file; raise Damaged if it is not a sound database."""
    with mapped(file):
        _make_private(file)
        connection = sqlite3.connect(file, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        try:
            _prepare(connection, file)
        except BaseException as exc:
            connection.close()
            if isinstance(exc, sqlite3.DatabaseError) and _tells_damage(exc):
                raise Damaged from exc
            raise
    return connection


def _prepare(connection: sqlite3.Connection, file: Path) -> None:
    """Set up the connection, check the file, and bring it to the newest form."""
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > len(_MIGRATIONS):
        raise HistoryError(f"Your chats in {file} were written by a newer Hola: update Hola to read them.")
    problem = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if problem != "ok":
        raise Damaged(problem)
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have migrated the file just now.
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        for number, script in enumerate(_MIGRATIONS[version:], version + 1):
            for statement in filter(str.strip, script.split(";")):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _make_private(file: Path) -> None:
    """Create the file if it is missing, readable by the user alone; SQLite gives its side files the same mode."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
        file.chmod(0o600)
    except OSError as exc:
        raise HistoryError(
            f"Hola can't write your chats to {file} ({exc.strerror}): make the file writable, "
            "or set HOLA_DATA_DIR to another folder."
        ) from exc


def move_aside(file: Path) -> Path:
    """Give a damaged file, with its side files, a name with the time in it, and return that name."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    aside = file.with_name(f"{file.stem}.damaged-{stamp}{file.suffix}")
    count = 1
    while aside.exists():
        count += 1
        aside = file.with_name(f"{file.stem}.damaged-{stamp}-{count}{file.suffix}")
    try:
        # The side files first: left behind, they would be read into the new file.
        for ending in ("-wal", "-shm", "-journal", ""):
            source = file.with_name(file.name + ending)
            if source.exists():
                source.rename(aside.with_name(aside.name + ending))
    except OSError as exc:
        raise HistoryError(
            f"Your stored chats in {file} are damaged and can't be moved aside ({exc.strerror}): "
            "close other windows of Hola and start it again."
        ) from exc
    return aside


def _tells_damage(error: sqlite3.DatabaseError) -> bool:
    """Tell damage from a disk or a lock that may be better tomorrow."""
    text = str(error)
    return any(sign in text for sign in ("malformed", "not a database", "unsupported file format"))


@contextlib.contextmanager
def mapped(file: Path) -> Iterator[None]:
    """Turn an error of SQLite into a HistoryError."""
    try:
        yield
    except sqlite3.Error as exc:
        text = str(exc)
        if "full" in text:
            sentence = "The disk is full, so this chat can't be stored: free some space and try again."
        elif "locked" in text or "busy" in text:
            sentence = "Another program holds the stored chats: close it, or wait a moment, and try again."
        elif "readonly" in text or "unable to open" in text:
            sentence = f"Hola can't write your chats to {file}: make the file and its folder writable."
        elif isinstance(exc, sqlite3.DatabaseError) and _tells_damage(exc):
            sentence = "Your stored chats are damaged: start Hola again, it keeps them aside and begins new ones."
        else:
            sentence = f"The stored chats in {file} can't be used ({text}): start Hola again."
        raise HistoryError(sentence) from exc
