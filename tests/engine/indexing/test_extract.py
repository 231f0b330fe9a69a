from __future__ import annotations

import socket
import sys
from pathlib import Path

import pypdfium2
import pytest

from engine.errors import ExtractionError, UnsupportedFile
from engine.indexing.extract import Extracted, extract, page_at
from tests.engine.indexing.builders import write_docx, write_pdf

SAMPLES = Path(__file__).resolve().parents[3] / "assets" / "samples"
SHARED = Path(__file__).resolve().parents[4] / "shared" / "data" / "documents"
MANY_BYTES = [
    ["Œuvre complète: café, crème brûlée", "Straßenverkäufer grüßen – höflich"],
    ["Zweite Seite: Übermut tut selten gut", "€ 25 für Äpfel"],
    ["Third page in plain words"],
]
"""Pages full of characters of two and three bytes, so that offsets in bytes and in characters differ."""


def pages_of(extracted: Extracted) -> list[str]:
    ends = [*extracted.page_starts[1:], len(extracted.text)]
    return [extracted.text[start:end] for start, end in zip(extracted.page_starts, ends, strict=True)]


def pdfium_pages(file: Path) -> list[str]:
    document = pypdfium2.PdfDocument(file)
    try:
        return [document[number].get_textpage().get_text_bounded() for number in range(len(document))]
    finally:
        document.close()


def test_the_pages_of_a_pdf_are_its_real_pages_in_characters(tmp_path: Path) -> None:
    file = write_pdf(tmp_path / "Größe.pdf", MANY_BYTES)
    extracted = extract(file)
    assert extracted.page_numbers == (1, 2, 3)
    assert [page.split() for page in pages_of(extracted)] == [text.split() for text in pdfium_pages(file)]
    for number, lines in enumerate(MANY_BYTES, 1):
        for line in lines:
            at = extracted.text.index(line)
            assert page_at(extracted.page_starts, extracted.page_numbers, at) == number


def test_an_empty_page_in_between_keeps_the_numbers_of_the_others(tmp_path: Path) -> None:
    file = write_pdf(tmp_path / "a.pdf", [["First"], [], ["Third"]])
    extracted = extract(file)
    at = extracted.text.index("Third")
    assert page_at(extracted.page_starts, extracted.page_numbers, at) == 3


def test_the_sample_manual_has_its_words_on_the_right_pages() -> None:
    [file] = SAMPLES.glob("*.pdf")
    extracted = extract(file)
    assert [page.split() for page in pages_of(extracted)] == [text.split() for text in pdfium_pages(file)]


@pytest.mark.skipif(not SHARED.is_dir(), reason="the folder of test documents is not there")
def test_pages_of_foreign_pdfs_hold_the_words_of_the_real_pages() -> None:
    compared = 0
    for file in sorted(SHARED.rglob("*.pdf"))[::6]:
        try:
            extracted = extract(file)
            real = pdfium_pages(file)
        except (ExtractionError, pypdfium2.PdfiumError):
            continue
        for number, text in zip(extracted.page_numbers, pages_of(extracted), strict=True):
            words = set(text.split())
            if len(words) >= 20:
                compared += 1
                assert len(words & set(real[number - 1].split())) >= 0.5 * len(words), (file.name, number)
    assert compared > 10


def test_headings_stand_where_they_are_in_the_text(tmp_path: Path) -> None:
    styles = [("Heading1", "Räder und Öle"), ("Normal", "Vom Ölen."), ("Heading2", "Ketten"), ("Normal", "Von Ketten.")]
    extracted = extract(write_docx(tmp_path / "a.docx", styles))
    assert [heading.text for heading in extracted.headings] == ["Räder und Öle", "Ketten"]
    for heading in extracted.headings:
        assert extracted.text.startswith(heading.text, heading.start)
    assert extracted.page_starts == ()


@pytest.mark.xfail(reason="kreuzberg 4.10 drops &, < and > from Word files", raises=AssertionError)
def test_signs_that_xml_writes_as_entities_are_kept(tmp_path: Path) -> None:
    file = write_docx(tmp_path / "a.docx", [("Normal", "R&D: 3 < 5 & 7 > 5")])
    assert extract(file).text.strip() == "R&D: 3 < 5 & 7 > 5"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.md", "# Head\n\nSome *plain* words & more.\n"),
        ("b.html", "<h1>Head</h1><script>hide()</script><p>Some <i></i>plain words &amp; more.</p>"),
    ],
)
def test_markup_is_read_as_text_with_headings(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, "utf-8")
    extracted = extract(tmp_path / name)
    assert "Some plain words & more." in extracted.text
    assert "hide()" not in extracted.text
    assert [heading.text for heading in extracted.headings] == ["Head"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_plain_text_is_read_in_its_encoding(tmp_path: Path, encoding: str) -> None:
    text = "Die Straße führt über die Brücke, und der Käse schmeckt köstlich.\n" * 5
    file = tmp_path / "a.txt"
    file.write_bytes(text.encode(encoding))
    assert extract(file).text.split() == text.split()


def test_program_code_is_read_as_it_is_and_without_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    code = 'def area(r):\n    """Return the area."""\n    return 3.14 * r * r\n'
    for name in ("a.py", "b.rs", "c.yaml", "Makefile"):
        (tmp_path / name).write_text(code, "utf-8")
        assert extract(tmp_path / name).text.strip() == code.strip()


def test_a_file_with_a_misleading_name_is_read_by_its_content(tmp_path: Path) -> None:
    pdf = write_pdf(tmp_path / "really a pdf.docx", [["Words of the page"]])
    docx = write_docx(tmp_path / "really a docx.pdf", [("Normal", "Words of the letter")])
    assert "Words of the page" in extract(pdf).text
    assert "Words of the letter" in extract(docx).text


def test_a_password_is_told(tmp_path: Path) -> None:
    file = write_pdf(tmp_path / "a.pdf", [["Secret"]], locked=True)
    with pytest.raises(ExtractionError, match="password"):
        extract(file)


def test_a_scan_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFile, match="scan"):
        extract(write_pdf(tmp_path / "a.pdf", [[], []]))


@pytest.mark.parametrize("name", ["a.pdf", "a.docx", "a.pptx", "a.xlsx", "a.epub", "a.odt"])
def test_a_damaged_document_is_told_in_one_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PK\x03\x04 this is none of these formats" * 20)
    with pytest.raises(ExtractionError) as caught:
        extract(tmp_path / name)
    assert "\n" not in caught.value.sentence
    assert caught.value.sentence.endswith((".", ").", '".'))


def test_a_truncated_pdf_is_no_crash(tmp_path: Path) -> None:
    whole = write_pdf(tmp_path / "whole.pdf", MANY_BYTES).read_bytes()
    file = tmp_path / "cut.pdf"
    for length in range(8, len(whole), len(whole) // 12):
        file.write_bytes(whole[:length])
        try:
            assert extract(file).text
        except ExtractionError as error:
            assert error.sentence  # noqa: PT017 - either end is right, silence is not


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.txt", b"", "empty"),
        ("blank.txt", b" \n\t\n ", "no text"),
        ("data.bin", bytes(range(256)) * 40, "does not read"),
        ("photo.jpg", b"\xff\xd8\xff\xe0" + bytes(100), "picture"),
        ("files.zip", b"PK\x03\x04" + bytes(100), "archive"),
        ("song.mp3", b"ID3" + bytes(100), "sound"),
        ("~$letter.docx", b"\x05user" + bytes(100), "temporary"),
        (".DS_Store", b"\0\0\0\1Bud1" + bytes(100), "hidden"),
    ],
)
def test_what_is_no_document_is_skipped_with_the_reason(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnsupportedFile, match=reason):
        extract(tmp_path / name)


def test_a_file_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(ExtractionError, match="can't be opened"):
        extract(tmp_path / "gone.txt")


def test_a_text_beyond_all_measure_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules["engine.indexing.extract"]
    monkeypatch.setattr(module, "MOST_CHARACTERS", 10_000)
    (tmp_path / "a.txt").write_text("word " * 3_000, "utf-8")
    with pytest.raises(ExtractionError, match="split it"):
        extract(tmp_path / "a.txt")


def test_without_pages_there_is_no_page() -> None:
    assert page_at((), (), 5) is None
    assert page_at((0, 10), (1, 2), 9) == 1
    assert page_at((0, 10), (1, 2), 10) == 2
