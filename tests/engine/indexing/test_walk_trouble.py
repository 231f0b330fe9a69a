"""Walks of trees that change, or can't be reached, while they are walked."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Generator
from pathlib import Path

import pytest

from engine.errors import LibraryError, UnsupportedFile
from engine.indexing.extract import extract
from engine.indexing.walk import Found, is_missing, walk, walk_by_steps


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "wörk 東"
    for name in ("a/1.txt", "b/2.txt", "c/3.txt", "0.txt"):
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("text", "utf-8")
    return root


def refuse(monkeypatch: pytest.MonkeyPatch, *names: str, code: int = errno.EACCES) -> None:
    """Let files and folders of these names be listed and not looked at; even root may not then."""
    real = Path.stat

    def stat(self: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if self.name in names:
            raise OSError(code, os.strerror(code), str(self))
        return real(self, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", stat)


def to_the_end(steps: Generator[None, None, Found]) -> tuple[int, Found]:
    """Return how many pauses were left, and what was found."""
    pauses = 0
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return pauses, end.value
        pauses += 1


def test_a_walk_pauses_after_each_folder(tree: Path) -> None:
    pauses, found = to_the_end(walk_by_steps([tree]))
    assert pauses == 4
    assert found == walk([tree])
    assert [file.name for file in found.files] == ["0.txt", "1.txt", "2.txt", "3.txt"]


def test_a_folder_that_is_taken_away_meanwhile_ends_no_walk(tree: Path) -> None:
    steps = walk_by_steps([tree])
    next(steps)
    shutil.rmtree(tree / "b")
    _, found = to_the_end(steps)
    assert [file.name for file in found.files] == ["0.txt", "1.txt", "3.txt"]
    assert found.roots == ()
    assert "b" in found.unreadable[0]


def test_a_folder_that_cant_be_entered_is_told_and_the_others_are_walked(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, "b")
    found = walk([tree])
    assert [file.name for file in found.files] == ["0.txt", "1.txt", "3.txt"]
    assert found.roots == ()
    assert found.unreadable[0].startswith(f"The folder {tree / 'b'} can't be opened (Permission denied)")


def test_a_file_that_cant_be_looked_at_is_kept_for_the_parser_to_tell(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, "2.txt", code=errno.EIO)
    found = walk([tree])
    assert "2.txt" in {file.name for file in found.files}
    assert found.roots == (tree,)


def test_a_path_that_cant_be_reached_is_told(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, "0.txt")
    with pytest.raises(LibraryError, match="check its permissions"):
        walk([tree / "0.txt"])


def test_only_what_is_surely_gone_is_missing(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_missing(tree / "gone.txt")
    assert is_missing(tree / "0.txt" / "below a file.txt")
    assert not is_missing(tree / "0.txt")
    refuse(monkeypatch, "0.txt", code=errno.EACCES)
    assert not is_missing(tree / "0.txt")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_named_pipe_is_not_waited_for(tree: Path) -> None:
    os.mkfifo(tree / "pipe.txt")
    with pytest.raises(UnsupportedFile, match="pipe"):
        extract(tree / "pipe.txt")


def test_a_folder_is_no_document(tree: Path) -> None:
    with pytest.raises(UnsupportedFile, match="folder"):
        extract(tree / "a")
