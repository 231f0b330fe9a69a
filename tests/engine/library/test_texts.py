from __future__ import annotations

import errno
from pathlib import Path

import pytest

from engine.errors import LibraryError
from engine.library.texts import StoredText, Texts, document_key

STORED = StoredText("Größe 東京 😀\n\nsecond page", (0, 13), (1, 3))


@pytest.fixture
def texts(tmp_path: Path) -> Texts:
    return Texts(tmp_path / "dätä 東")


def test_a_text_comes_back_with_its_pages(texts: Texts) -> None:
    texts.save("/docs/ä b.pdf", STORED)
    assert texts.load("/docs/ä b.pdf") == STORED
    assert texts.has("/docs/ä b.pdf")


def test_a_new_text_takes_the_place_of_the_old_one(texts: Texts, tmp_path: Path) -> None:
    for text in ("first", "second"):
        texts.save("/a.txt", StoredText(text, (), ()))
    assert texts.load("/a.txt").text == "second"
    assert len([file for file in tmp_path.rglob("*") if file.is_file()]) == 1


def test_paths_that_look_alike_are_kept_apart(texts: Texts) -> None:
    paths = ["/a/b.txt", "/a/B.txt", "/a/b.txt ", "/a\\b.txt", "/a/b.txt\n"]
    for path in paths:
        texts.save(path, StoredText(path, (), ()))
    assert [texts.load(path).text for path in paths] == paths
    assert len({document_key(path) for path in paths}) == len(paths)


def test_a_removed_text_is_gone_and_may_be_removed_again(texts: Texts) -> None:
    texts.save("/a.txt", STORED)
    texts.remove("/a.txt")
    texts.remove("/a.txt")
    assert not texts.has("/a.txt")
    with pytest.raises(LibraryError, match="rebuild this document"):
        texts.load("/a.txt")


@pytest.mark.parametrize("content", [b"", b"damaged", b"x\x9c\x03\x00\x00\x00\x00\x01"])
def test_a_damaged_text_is_told(texts: Texts, tmp_path: Path, content: bytes) -> None:
    texts.save("/a.txt", STORED)
    [file] = [file for file in tmp_path.rglob("*") if file.is_file()]
    file.write_bytes(content)
    with pytest.raises(LibraryError, match="rebuild this document"):
        texts.load("/a.txt")


def test_a_full_disk_keeps_the_old_text_and_leaves_nothing_behind(
    texts: Texts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts.save("/a.txt", STORED)
    write = Path.write_bytes

    def cut(self: Path, data: bytes) -> int:
        write(self, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", cut)
    with pytest.raises(LibraryError, match="No space left on device"):
        texts.save("/a.txt", StoredText("new", (), ()))
    assert texts.load("/a.txt") == STORED
    assert len([file for file in tmp_path.rglob("*") if file.is_file()]) == 1


def test_what_a_killed_writer_left_is_overwritten(texts: Texts, tmp_path: Path) -> None:
    texts.save("/a.txt", STORED)
    [file] = [file for file in tmp_path.rglob("*") if file.is_file()]
    file.with_suffix(".new").write_bytes(b"half")
    texts.save("/a.txt", STORED)
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == [file]
