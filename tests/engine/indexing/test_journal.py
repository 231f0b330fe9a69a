from __future__ import annotations

import multiprocessing
import os
import signal
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import LibraryError
from engine.indexing.journal import Journal
from engine.messages import DocumentStatus


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "dätä 東" / "journal.sqlite"


@pytest.fixture
def journal(file: Path) -> Journal:
    file.parent.mkdir()
    return Journal(file)


def status(journal: Journal, path: str) -> DocumentStatus:
    entry = journal.entry(path)
    assert entry is not None
    return entry.document.status


def test_a_file_goes_from_the_queue_to_ready(journal: Journal) -> None:
    queued = journal.enqueue("/docs/ä 1.txt", 12, 99, "hash")
    assert (queued.status, queued.size) == (DocumentStatus.QUEUED, 12)
    assert journal.begin("/docs/ä 1.txt") == 1
    assert status(journal, "/docs/ä 1.txt") is DocumentStatus.EXTRACTING
    assert journal.embedding("/docs/ä 1.txt", 3).status is DocumentStatus.EMBEDDING
    journal.ready([("/docs/ä 1.txt", 7)])
    [document] = journal.documents()
    assert (document.status, document.chunks, document.pages) == (DocumentStatus.READY, 7, 3)
    assert document.fraction == 1.0
    assert journal.has(DocumentStatus.READY)
    journal.close()


def test_each_begin_without_an_end_is_counted_and_an_end_forgets_them(journal: Journal) -> None:
    journal.enqueue("a", 1, 1, "")
    assert [journal.begin("a") for _ in range(3)] == [1, 2, 3]
    journal.ready([("a", 1)])
    assert journal.begin("a") == 1
    journal.end("a", DocumentStatus.FAILED, "Why.")
    assert journal.begin("a") == 1
    journal.enqueue("a", 1, 2, "")
    assert journal.begin("a") == 1
    journal.close()


def test_unfinished_files_are_those_whose_work_goes_on(journal: Journal) -> None:
    for path in "abcdef":
        journal.enqueue(path, 1, 1, "")
    journal.begin("b")
    journal.embedding("c", 0)
    journal.ready([("d", 1)])
    journal.end("e", DocumentStatus.SKIPPED, "Because.")
    journal.end("f", DocumentStatus.FAILED, "Because.")
    assert journal.unfinished() == ("a", "b", "c")
    journal.close()


def test_the_reason_of_a_failure_is_kept_until_the_file_changes(journal: Journal) -> None:
    journal.enqueue("a", 1, 1, "")
    assert journal.end("a", DocumentStatus.FAILED, "It is damaged.").reason == "It is damaged."
    assert journal.enqueue("a", 2, 2, "").reason == ""
    journal.close()


def test_what_the_store_may_hold_is_remembered_while_a_changed_file_waits(journal: Journal) -> None:
    journal.enqueue("a", 1, 1, "one")
    entry = journal.entry("a")
    assert entry is not None
    assert not entry.stored
    journal.embedding("a", 0)
    journal.ready([("a", 2)])
    journal.enqueue("a", 1, 2, "two")
    entry = journal.entry("a")
    assert entry is not None
    assert entry.stored
    assert entry.hash == "two"
    journal.close()


def test_removed_files_are_gone(journal: Journal) -> None:
    for path in ("a", "b", "c"):
        journal.enqueue(path, 1, 1, "")
    journal.remove(["a", "c", "never there"])
    assert [document.path for document in journal.documents()] == ["b"]
    assert journal.entry("a") is None
    journal.close()


def test_a_file_that_is_not_in_the_journal_is_told(journal: Journal) -> None:
    with pytest.raises(LibraryError, match="not in the library"):
        journal.embedding("unknown", 0)
    journal.close()


def test_paths_with_quotes_and_odd_characters_are_kept(journal: Journal) -> None:
    paths = ["/a'b\"c.txt", "/percent %_.txt", "/東京 😀.pdf", "/new\nline.txt"]
    for path in paths:
        journal.enqueue(path, 1, 1, "")
    assert {document.path for document in journal.documents()} == set(paths)
    journal.close()


def test_notes_and_roots_are_kept(journal: Journal, file: Path) -> None:
    journal.set_note("paused", "1")
    journal.set_note("paused", "0")
    journal.add_roots(["/b", "/a", "/b"])
    journal.close()
    again = Journal(file)
    assert (again.note("paused"), again.note("never set")) == ("0", "")
    assert again.roots() == ("/a", "/b")
    again.close()


def test_a_reader_sees_what_a_writer_has_committed(journal: Journal, file: Path) -> None:
    reader = Journal(file)
    journal.enqueue("a", 1, 1, "")
    assert [document.path for document in reader.documents()] == ["a"]
    reader.close()
    journal.close()


def test_a_transaction_that_fails_changes_nothing(journal: Journal) -> None:
    journal.enqueue("a", 1, 1, "")

    def broken() -> Iterator[tuple[str, int]]:
        yield "a", 1
        raise LibraryError("The list could not be made.")

    with pytest.raises(LibraryError, match="could not be made"):
        journal.ready(broken())
    assert status(journal, "a") is DocumentStatus.QUEUED
    journal.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_the_file_is_private(journal: Journal, file: Path) -> None:
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    journal.close()


@pytest.mark.parametrize("content", [b"this is no database" * 200, b"SQLite format 3\0" + b"\xff" * 4000])
def test_a_damaged_journal_is_told_and_is_no_crash(file: Path, content: bytes) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    with pytest.raises(LibraryError, match="can't be used"):
        Journal(file)


def _write_and_die(file: str) -> None:
    journal = Journal(Path(file))
    journal.enqueue("whole", 1, 1, "")
    connection = journal._connection
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO files (path, status, updated) VALUES ('half', 'queued', 0)")
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_writer_leaves_what_it_committed_and_nothing_else(file: Path) -> None:
    file.parent.mkdir()
    process = multiprocessing.get_context("spawn").Process(target=_write_and_die, args=(str(file),))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    journal = Journal(file)
    assert [document.path for document in journal.documents()] == ["whole"]
    journal.enqueue("next", 1, 1, "")
    journal.close()
