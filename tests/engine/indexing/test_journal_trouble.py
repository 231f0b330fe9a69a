"""The journal on a full disk, beside another writer, and in the steps of a rebuild and a cancelled job."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import LibraryError
from engine.indexing import journal as module
from engine.indexing.journal import Journal
from engine.messages import DocumentStatus


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


@pytest.fixture
def journal(file: Path) -> Iterator[Journal]:
    made = Journal(file)
    yield made
    made.close()


def fill(journal: Journal) -> None:
    for number in range(1_000):
        journal.enqueue(f"/file {number} {'x' * 200}.txt", 1, 1, "")


def test_a_full_disk_is_told_and_the_journal_works_again_when_there_is_room(journal: Journal) -> None:
    journal.enqueue("/first.txt", 1, 1, "")
    [[pages]] = journal._rows("PRAGMA page_count")
    journal._rows(f"PRAGMA max_page_count = {pages + 1}")
    with pytest.raises(LibraryError, match="the disk is full: free some space"):
        fill(journal)
    assert not journal._connection.in_transaction
    before = journal.documents()
    journal._rows("PRAGMA max_page_count = 1000000")
    journal.enqueue("/last.txt", 1, 1, "")
    assert len(journal.documents()) == len(before) + 1


def test_a_commit_that_fails_leaves_no_transaction_open(journal: Journal) -> None:
    connection = journal._connection
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("CREATE TABLE child (path TEXT REFERENCES files (path) DEFERRABLE INITIALLY DEFERRED)")
    with pytest.raises(LibraryError, match="can't be used"):
        journal._write("INSERT INTO child VALUES (?)", ("nobody",))
    assert not connection.in_transaction
    journal.enqueue("/a.txt", 1, 1, "")
    assert len(journal.documents()) == 1


def test_a_writer_that_never_ends_is_told(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUSY_TIMEOUT_S", 0.0)
    journal = Journal(file)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LibraryError, match="close other copies of Hola"):
        journal.enqueue("/a.txt", 1, 1, "")
    other.execute("ROLLBACK")
    journal.enqueue("/a.txt", 1, 1, "")
    other.close()
    journal.close()


def make_ready(journal: Journal, path: str, chunks: int) -> None:
    journal.enqueue(path, 5, 7, "hash")
    journal.begin(path)
    journal.embedding(path, 0)
    journal.ready([(path, chunks)])


def test_all_that_is_stored_goes_back_into_the_queue(journal: Journal) -> None:
    make_ready(journal, "ready", 3)
    journal.enqueue("failed", 1, 1, "")
    journal.end("failed", DocumentStatus.FAILED, "Why.")
    journal.requeue_all()
    assert journal.unfinished() == ("ready",)
    assert journal.stored() == {"ready"}
    assert not journal.has_chunks()


def test_what_is_given_up_without_a_former_content_is_skipped_and_taken_up_when_added_again(journal: Journal) -> None:
    journal.enqueue("new", 5, 7, "hash")
    document = journal.give_up("new", "It was cancelled.")
    assert (document.status, document.reason) == (DocumentStatus.SKIPPED, "It was cancelled.")
    entry = journal.entry("new")
    assert entry is not None
    assert (entry.hash, entry.mtime_ns, entry.stored) == ("", 0, False)


def test_what_is_given_up_with_a_former_content_is_ready_with_it(journal: Journal) -> None:
    make_ready(journal, "known", 3)
    journal.enqueue("known", 6, 8, "other")
    assert journal.has_chunks()
    journal.begin("known")
    document = journal.give_up("known", "It was cancelled.")
    assert (document.status, document.reason, document.chunks) == (DocumentStatus.READY, "", 3)
    entry = journal.entry("known")
    assert entry is not None
    assert (entry.hash, entry.mtime_ns, entry.attempts, entry.stored) == ("", 0, 0, True)


def test_whether_there_are_chunks_follows_what_is_ready_and_what_goes(journal: Journal) -> None:
    assert not journal.has_chunks()
    make_ready(journal, "a", 3)
    assert journal.has_chunks()
    journal.remove(["a"])
    assert not journal.has_chunks()
