from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import LibraryError
from engine.indexing.journal import Journal
from engine.library.intake import Intake, content_hash, take_in, under
from engine.messages import DocumentStatus


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    folder = tmp_path / "meine dökumente 東"
    folder.mkdir()
    for name in ("a", "b", "c"):
        (folder / f"{name}.txt").write_text(f"text of {name}", "utf-8")
    return folder


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path / "journal.sqlite")
    yield made
    made.close()


def look(journal: Journal, *paths: Path, rebuild: bool = False) -> Intake:
    *_, intake = take_in(journal, paths, rebuild)
    assert intake is not None
    return intake


def settle(journal: Journal, *paths: Path) -> None:
    """Bring everything below the paths to its end, as an index job does."""
    journal.ready([(path, 1) for path in look(journal, *paths).queued])


def names(paths: list[str]) -> list[str]:
    return [Path(path).name for path in paths]


def test_new_files_are_queued_with_their_stamp_and_hash(journal: Journal, documents: Path) -> None:
    intake = look(journal, documents)
    assert names(intake.queued) == ["a.txt", "b.txt", "c.txt"]
    assert [each.status for each in intake.changed] == [DocumentStatus.QUEUED] * 3
    entry = journal.entry(str(documents / "a.txt"))
    assert entry is not None
    assert entry.hash == hashlib.blake2b(b"text of a", digest_size=16).hexdigest()
    assert entry.document.size == 9
    assert entry.mtime_ns == (documents / "a.txt").stat().st_mtime_ns
    assert journal.roots() == (str(documents),)


def test_unchanged_files_are_known_by_their_stamp_and_not_opened(
    journal: Journal, documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(journal, documents)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a file was opened")

    monkeypatch.setattr(Path, "open", refuse)
    intake = look(journal, documents)
    assert (names(intake.settled), intake.queued, intake.changed) == (["a.txt", "b.txt", "c.txt"], [], [])


def test_a_touched_file_is_known_by_its_content_and_its_new_stamp_is_kept(journal: Journal, documents: Path) -> None:
    settle(journal, documents)
    file = documents / "a.txt"
    os.utime(file, ns=(1, 1_700_000_000_000_000_000))
    assert look(journal, documents).queued == []
    entry = journal.entry(str(file))
    assert entry is not None
    assert entry.mtime_ns == file.stat().st_mtime_ns


def test_a_stamp_that_was_taken_before_a_change_is_put_right(journal: Journal, documents: Path) -> None:
    settle(journal, documents)
    file = documents / "a.txt"
    entry = journal.entry(str(file))
    assert entry is not None
    journal.touch(str(file), 1, 1)
    assert look(journal, documents).queued == []
    assert journal.entry(str(file)) == entry


def test_a_changed_file_is_queued_even_if_its_size_is_the_same(journal: Journal, documents: Path) -> None:
    settle(journal, documents)
    (documents / "a.txt").write_text("text of x", "utf-8")
    os.utime(documents / "a.txt", ns=(1, 1_700_000_000_000_000_000))
    assert names(look(journal, documents).queued) == ["a.txt"]


def test_a_failed_file_is_queued_again_when_it_is_touched_only(journal: Journal, documents: Path) -> None:
    look(journal, documents)
    for name in ("a", "b", "c"):
        journal.end(str(documents / f"{name}.txt"), DocumentStatus.FAILED, "Why.")
    assert look(journal, documents).queued == []
    os.utime(documents / "b.txt", ns=(1, 1_700_000_000_000_000_000))
    assert names(look(journal, documents).queued) == ["b.txt"]


def test_unfinished_files_are_queued_without_being_told_anew(journal: Journal, documents: Path) -> None:
    look(journal, documents)
    journal.begin(str(documents / "b.txt"))
    intake = look(journal, documents)
    assert names(intake.queued) == ["a.txt", "b.txt", "c.txt"]
    assert intake.changed == []


def test_a_rebuild_queues_everything(journal: Journal, documents: Path) -> None:
    settle(journal, documents)
    assert names(look(journal, documents, rebuild=True).queued) == ["a.txt", "b.txt", "c.txt"]


def test_files_that_are_gone_from_a_walked_folder_are_told(journal: Journal, documents: Path) -> None:
    settle(journal, documents)
    (documents / "b.txt").unlink()
    assert names(look(journal, documents).gone) == ["b.txt"]
    assert look(journal, documents / "a.txt").gone == []


def test_a_folder_within_that_is_gone_takes_its_files_along(journal: Journal, documents: Path) -> None:
    (documents / "sub").mkdir()
    (documents / "sub" / "d.txt").write_text("text", "utf-8")
    settle(journal, documents)
    (documents / "sub" / "d.txt").unlink()
    (documents / "sub").rmdir()
    assert names(look(journal, documents).gone) == ["d.txt"]


def test_nothing_is_gone_below_a_folder_that_is_not_there(journal: Journal, documents: Path) -> None:
    settle(journal, documents)
    documents.rename(documents.with_name("elsewhere"))
    with pytest.raises(LibraryError, match="is not there"):
        look(journal, documents)
    assert len(journal.documents()) == 3


def lock(monkeypatch: pytest.MonkeyPatch, locked: Path, code: int = errno.EACCES) -> None:
    """Let a folder's content be out of reach, as on a share that has gone away; even root may not look then."""
    real_stat, real_scandir = Path.stat, os.scandir

    def refused(path: object) -> bool:
        return locked in (Path(str(path)), *Path(str(path)).parents)

    def stat(self: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if refused(self) and self != locked:
            raise OSError(code, os.strerror(code), str(self))
        return real_stat(self, follow_symlinks=follow_symlinks)

    def scandir(path: str) -> object:
        if refused(path):
            raise OSError(code, os.strerror(code), str(path))
        return real_scandir(path)

    monkeypatch.setattr(Path, "stat", stat)
    monkeypatch.setattr(os, "scandir", scandir)


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO, errno.ESTALE])
def test_a_folder_that_cant_be_reached_removes_nothing(
    code: int, journal: Journal, documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = documents / "share"
    locked.mkdir()
    (locked / "d.txt").write_text("text", "utf-8")
    settle(journal, documents)
    with monkeypatch.context() as while_away:
        lock(while_away, locked, code)
        intake = look(journal, documents)
        assert (intake.gone, intake.queued) == ([], [])
        with pytest.raises(LibraryError, match="can't be opened"):
            look(journal, locked / "d.txt")
        with pytest.raises(LibraryError, match="can't be opened"):
            look(journal, locked)
    assert names(look(journal, documents).settled) == ["a.txt", "b.txt", "c.txt", "d.txt"]


def test_a_file_of_the_library_that_cant_be_looked_at_stays_as_it_is(
    journal: Journal, documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(journal, documents)
    (documents / "new.txt").write_text("text", "utf-8")
    real = Path.stat

    def stat(self: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if self.name in ("a.txt", "new.txt"):
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return real(self, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", stat)
    intake = look(journal, documents)
    assert (names(intake.settled), intake.gone) == (["a.txt", "b.txt", "c.txt"], [])
    # The parser says of a new one why it can't be read.
    assert names(intake.queued) == ["new.txt"]


def test_a_file_that_cant_be_read_has_no_hash(tmp_path: Path) -> None:
    assert list(content_hash(tmp_path / "gone.txt")) == []


def test_large_files_are_read_in_blocks_with_pauses(tmp_path: Path) -> None:
    data = os.urandom(9 * 2**20)
    (tmp_path / "large").write_bytes(data)
    *pauses, digest = content_hash(tmp_path / "large")
    assert pauses == ["", "", ""]
    assert digest == hashlib.blake2b(data, digest_size=16).hexdigest()


def test_documents_are_chosen_by_file_and_by_folder(journal: Journal, documents: Path) -> None:
    beside = documents.with_name(documents.name + " 2")
    beside.mkdir()
    (beside / "d.txt").write_text("text", "utf-8")
    settle(journal, documents, beside)
    assert names(under(journal, [documents])) == ["a.txt", "b.txt", "c.txt"]
    assert sorted(names(under(journal, [documents / "b.txt", beside]))) == ["b.txt", "d.txt"]
    with pytest.raises(LibraryError, match=r"x\.txt is not in the library"):
        under(journal, [documents / "x.txt"])
