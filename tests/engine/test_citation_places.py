"""Every citation is found word for word on the page that it names, whatever the format of the file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from engine.errors import HolaError
from engine.indexing.chunk import Chunker
from engine.indexing.extract import Extracted, extract, page_at
from engine.library.embed import tokenizer_file
from engine.messages import Citation, Passage
from engine.retrieval.adacomp import AdaComp, Weights
from engine.retrieval.sentences import split_sentences
from engine.review import review
from tests.engine.library.inside import ASSETS

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "documents"
FILES = sorted(file for file in SHARED.rglob("*") if file.is_file())[::3] if SHARED.is_dir() else []
MOST_BYTES = 3_000_000
CHUNKS = 6

pytestmark = pytest.mark.skipif(not FILES, reason="the folder of test documents is not there")


@pytest.fixture(scope="module")
def chunker() -> Chunker:
    return Chunker(Tokenizer.from_file(str(tokenizer_file(ASSETS / "embedder"))))


def passages_of(extracted: Extracted, path: str, chunker: Chunker) -> list[Passage]:
    """Return chunks from all over a document."""
    chunks = list(chunker.chunks(extracted))
    chosen = chunks[:: max(1, len(chunks) // CHUNKS)][:CHUNKS]
    return [
        Passage(f"{path}:{one.start}", path, one.text, one.page, one.heading, one.start, one.end, 0.0, at, at, 0.5, 5.0)
        for at, one in enumerate(chosen)
    ]


def citations_of(extracted: Extracted, path: str, chunker: Chunker) -> Iterator[Citation]:
    """Answer with sentences of the document, from what is read for a question about each."""
    ada = AdaComp(Weights.load(ASSETS / "adacomp.json"))
    passages = passages_of(extracted, path, chunker)
    for passage in passages:
        spans = [span for span in split_sentences(passage.text) if 30 < span.end - span.start < 300]
        if not spans:
            continue
        said = passage.text[spans[-1].start : spans[-1].end]
        read = ada.read(ada.rank(said, passages), 400).excerpts
        found = review(said, read, "", page_of=lambda _, at: page_at(extracted.page_starts, extracted.page_numbers, at))
        yield from found.citations


@pytest.mark.timeout(600)
def test_citations_stand_word_for_word_on_their_pages(chunker: Chunker) -> None:
    cited, paged = set(), 0
    for file in FILES:
        if file.stat().st_size > MOST_BYTES:
            continue
        try:
            extracted = extract(file)
        except HolaError:
            continue
        for citation in citations_of(extracted, str(file), chunker):
            assert citation.path == str(file)
            assert extracted.text[citation.start : citation.end] == citation.snippet
            assert citation.snippet.strip()
            if extracted.page_starts:
                at = extracted.page_numbers.index(citation.page or 0)
                end = extracted.page_starts[at + 1] if at + 1 < len(extracted.page_starts) else len(extracted.text)
                assert extracted.page_starts[at] <= citation.start < end
                paged += 1
            cited.add(file.suffix)
    assert paged >= 20
    assert len(cited) >= 8
