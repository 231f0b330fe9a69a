from __future__ import annotations

import zipfile
from pathlib import Path

import pypdfium2
import pytest

from tests.packaging import ROOT, load_script

samples = load_script("make_samples")
FOLDER = ROOT / "assets" / "samples"


def words_of_page(file: Path, page: int) -> str:
    """The text of a PDF page, one space between words; `page` counts from 0."""
    document = pypdfium2.PdfDocument(file)
    try:
        return " ".join(document[page].get_textpage().get_text_range().split())
    finally:
        document.close()


@pytest.mark.parametrize("page", range(len(samples.MANUAL_PAGES)))
def test_each_page_of_the_committed_manual_carries_its_text(page: int) -> None:
    heading, paragraphs = samples.MANUAL_PAGES[page]
    text = words_of_page(FOLDER / samples.MANUAL, page)
    assert heading in text
    assert all(paragraph in text for paragraph in paragraphs)


def test_the_manual_has_no_other_pages() -> None:
    document = pypdfium2.PdfDocument(FOLDER / samples.MANUAL)
    try:
        assert len(document) == len(samples.MANUAL_PAGES)
    finally:
        document.close()


def test_the_committed_word_document_is_what_the_script_writes(tmp_path: Path) -> None:
    samples.write_returns(tmp_path / samples.RETURNS)
    with zipfile.ZipFile(tmp_path / samples.RETURNS) as written, zipfile.ZipFile(FOLDER / samples.RETURNS) as committed:
        assert written.namelist() == committed.namelist()
        assert all(written.read(name) == committed.read(name) for name in written.namelist())


def test_each_fact_is_stated_once_in_all_samples() -> None:
    texts = [
        sentence for _, paragraphs in (*samples.MANUAL_PAGES, *samples.RETURNS_SECTIONS) for sentence in paragraphs
    ]
    everything = "\n".join([*texts, (FOLDER / "Travel Policy.md").read_text("utf-8")])
    for fact in ("24 months", "every 2 months", "1.8 litres", "within 30 days", "3 years", "42 euros", "120 euros"):
        assert everything.count(fact) == 1, fact
