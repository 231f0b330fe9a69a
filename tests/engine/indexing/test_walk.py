from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from engine.errors import LibraryError
from engine.indexing.walk import is_noise, walk


def make(folder: Path, *names: str) -> None:
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("text", "utf-8")


def found(*paths: Path) -> set[str]:
    return {file.name for file in walk(paths).files}


def test_folders_are_walked_to_the_bottom(tmp_path: Path) -> None:
    make(tmp_path, "a.txt", "sub/b.txt", "sub/deep er/ü 東京.txt")
    assert found(tmp_path) == {"a.txt", "b.txt", "ü 東京.txt"}


def test_paths_are_absolute_and_come_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "a.txt")
    monkeypatch.chdir(tmp_path)
    files = walk([Path(), Path("a.txt"), tmp_path / "a.txt"]).files
    assert files == (tmp_path / "a.txt",)


def test_hidden_folders_and_leftovers_of_programs_are_left_out(tmp_path: Path) -> None:
    make(tmp_path, "kept.txt", ".git/config", ".DS_Store", "~$letter.docx", "Thumbs.db", "half.part")
    assert found(tmp_path) == {"kept.txt"}


def test_a_file_that_is_named_itself_is_taken_whatever_it_is_called(tmp_path: Path) -> None:
    make(tmp_path, ".notes.txt")
    assert found(tmp_path / ".notes.txt") == {".notes.txt"}


def test_a_path_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match=r"missing\.txt is not there"):
        walk([tmp_path / "missing.txt"])


def test_walked_folders_are_roots_and_single_files_are_not(tmp_path: Path) -> None:
    make(tmp_path, "docs/a.txt", "b.txt")
    assert walk([tmp_path / "docs", tmp_path / "b.txt"]).roots == (tmp_path / "docs",)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
def test_loops_of_links_end_and_linked_folders_are_read_once(tmp_path: Path) -> None:
    make(tmp_path, "docs/a.txt", "elsewhere/b.txt")
    (tmp_path / "docs" / "loop").symlink_to(tmp_path / "docs", target_is_directory=True)
    (tmp_path / "docs" / "other").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    files = walk([tmp_path / "docs"]).files
    assert sorted(file.name for file in files) == ["a.txt", "b.txt"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
def test_a_broken_link_is_no_file(tmp_path: Path) -> None:
    make(tmp_path, "a.txt")
    (tmp_path / "broken.txt").symlink_to(tmp_path / "nowhere")
    assert found(tmp_path) == {"a.txt"}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_named_pipe_is_no_file(tmp_path: Path) -> None:
    make(tmp_path, "a.txt")
    os.mkfifo(tmp_path / "pipe.txt")
    assert found(tmp_path) == {"a.txt"}


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_cant_be_opened_is_told_and_costs_nothing_else(tmp_path: Path) -> None:
    make(tmp_path, "a.txt", "locked/b.txt")
    (tmp_path / "locked").chmod(0)
    try:
        result = walk([tmp_path])
    finally:
        (tmp_path / "locked").chmod(0o700)
    assert [file.name for file in result.files] == ["a.txt"]
    assert "locked" in result.unreadable[0]
    assert result.roots == ()


@pytest.mark.parametrize(
    ("name", "noise"),
    [("~$a.docx", True), (".hidden", True), ("a.txt~", True), ("desktop.ini", True), ("a.txt", False), ("x", False)],
)
def test_noise_is_told_by_the_name(name: str, noise: bool) -> None:
    assert is_noise(name) is noise
