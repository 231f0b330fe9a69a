from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from engine.indexing.chunk import MOST_CHARACTERS, MOST_TOKENS, WINDOW, Chunk, Chunker
from engine.indexing.extract import Extracted, Heading, page_at

TOKENIZER = Path(__file__).resolve().parents[3] / "assets" / "embedder" / "tokenizer.json"
PIECES = (
    *"the house stands by a river and the water is cold in winter , but not frozen . Why ?".split(),
    *"Straße Überraschung café naïve l'été Ærø".split(),
    *"東京タワーは高いです。 北京的长城非常古老， 서울은 한국의 수도입니다. ประเทศไทยสวยงาม مرحبا بالعالم".split(),
    *"😀 👍🏽 👩‍👩‍👧 🇩🇪 e\u0301 \u200b \u00a0".split(" "),
    "x" * 300,
    "\n",
    "\n\n",
    "\t",
    "```",
    "| a | b |",
)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    loaded = Tokenizer.from_str(TOKENIZER.read_text("utf-8"))
    loaded.no_truncation()
    loaded.no_padding()
    return loaded


@pytest.fixture(scope="module")
def chunker(tokenizer: Tokenizer) -> Chunker:
    return Chunker(tokenizer)


def plain(text: str) -> Extracted:
    return Extracted(text, (), (), ())


def check(chunks: list[Chunk], text: str, tokenizer: Tokenizer) -> None:
    """What holds for the chunks of every text."""
    covered = bytearray(len(text))
    for chunk in chunks:
        assert text[chunk.start : chunk.end] == chunk.text
        assert chunk.text
        assert len(chunk.text) <= MOST_CHARACTERS
        assert len(tokenizer.encode(chunk.text, add_special_tokens=False)) <= MOST_TOKENS
        covered[chunk.start : chunk.end] = b"\1" * (chunk.end - chunk.start)
    assert [text[at] for at, done in enumerate(covered) if not done and not text[at].isspace()] == []
    starts = [chunk.start for chunk in chunks]
    assert starts == sorted(set(starts))


@pytest.mark.parametrize("seed", range(12))
def test_chunks_of_any_text_cover_it_and_fit_the_embedder(seed: int, chunker: Chunker, tokenizer: Tokenizer) -> None:
    source = random.Random(seed)
    joint = source.choice([" ", "", "\n"])
    text = joint.join(source.choices(PIECES, k=source.randrange(1, 1500)))
    check(list(chunker.chunks(plain(text))), text, tokenizer)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("東京タワーは高いです。" * 2_000, id="japanese"),
        pytest.param("😀👍🏽 " * 4_000, id="emoji"),
        pytest.param("x" * 50_000, id="one word"),
        pytest.param("ประเทศไทย" * 4_000, id="thai"),
        pytest.param("a\n" * 10_000, id="short lines"),
        pytest.param("word " * 12_000, id="one line"),
    ],
)
def test_chunks_of_texts_that_are_hard_to_cut(text: str, chunker: Chunker, tokenizer: Tokenizer) -> None:
    check(list(chunker.chunks(plain(text))), text, tokenizer)


def sentences(count: int) -> str:
    """Sentences in paragraphs, each with its own number."""
    return "".join(
        f"Sentence number {number} speaks of rivers, bridges and mills. {chr(10) * 2 if number % 6 == 5 else ''}"
        for number in range(count)
    )


def test_chunks_are_about_as_long_as_the_embedder_reads(chunker: Chunker, tokenizer: Tokenizer) -> None:
    chunks = list(chunker.chunks(plain(sentences(900))))
    lengths = sorted(len(tokenizer.encode(chunk.text)) for chunk in chunks)
    assert lengths[len(lengths) // 2] > 150
    assert lengths[-1] <= 256


def test_neighbours_overlap_a_little_across_windows_too(chunker: Chunker) -> None:
    # Overlap is made of whole units: sentences here, as the text has no paragraphs.
    chunks = list(chunker.chunks(plain(sentences(2_000).replace("\n", ""))))
    assert chunks[-1].start > 3 * WINDOW
    shared = [max(0, before.end - after.start) for before, after in pairwise(chunks)]
    assert sum(length > 0 for length in shared) > 0.9 * len(shared)
    assert max(shared) < 400


def test_chunks_carry_page_and_heading(chunker: Chunker) -> None:
    parts = [sentences(40), sentences(40), sentences(40)]
    text = "\n\n".join(f"Title {number}\n\n{part}" for number, part in enumerate(parts))
    starts = tuple(text.index(f"Title {number}") for number in range(3))
    headings = tuple(Heading(start, f"Title {number}") for number, start in enumerate(starts))
    numbers = (1, 2, 4)
    chunks = list(chunker.chunks(Extracted(text, starts, numbers, headings)))
    for chunk in chunks:
        assert chunk.page == page_at(starts, numbers, chunk.start)
        assert chunk.heading == f"Title {numbers.index(chunk.page or 0)}"
    assert {chunk.page for chunk in chunks} == {1, 2, 4}


def test_text_before_the_first_heading_has_none(chunker: Chunker) -> None:
    text = sentences(60)
    chunks = list(chunker.chunks(Extracted(text + "Late\n\nend", (), (), (Heading(len(text), "Late"),))))
    assert chunks[0].heading == ""
    assert chunks[0].page is None


def test_an_empty_text_has_no_chunks(chunker: Chunker) -> None:
    assert list(chunker.chunks(plain(""))) == []
    assert list(chunker.chunks(plain(" \n "))) == []


def test_the_same_text_gives_the_same_chunks(chunker: Chunker) -> None:
    document = plain(sentences(500))
    assert list(chunker.chunks(document)) == list(chunker.chunks(document))
