"""Texts are read in parts, and a PDF is known by its content."""

from __future__ import annotations

from pathlib import Path

from app.reader import EXCERPT_CHARS, excerpt_of, is_pdf


def test_excerpts_are_cut_between_lines_and_cover_the_text() -> None:
    text = "".join(f"Line {number}\n" for number in range(20_000))
    at, pieces = 0, []
    while at < len(text):
        excerpt = excerpt_of(text, at, None)
        assert excerpt.text == text[excerpt.start : excerpt.end]
        assert excerpt.text.startswith("Line")
        assert excerpt.text.endswith("\n")
        pieces.append(excerpt)
        at = excerpt.end
    assert excerpt_of(text, 10**9, None).end == len(text)
    assert excerpt_of("short", -50, (0, 5)).mark == (0, 5)
    assert excerpt_of("x" * 100_000, 30_000, (30_000 + EXCERPT_CHARS - 1, 99_999)).mark is None


def test_a_pdf_is_known_by_its_content(tmp_path: Path) -> None:
    for name, content, expected in (("a.pdf", b"text", False), ("b.dat", b"\n%PDF-1.4", True)):
        (tmp_path / name).write_bytes(content)
        assert is_pdf(tmp_path / name) == expected
    assert not is_pdf(tmp_path)
    assert not is_pdf(tmp_path / "gone.pdf")
