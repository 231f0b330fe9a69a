"""Cut a text into chunks that the embedder can read whole, at the best places, with a little overlap."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.indexing.extract import Extracted, page_at

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["Chunk", "Chunker"]

FULL_TOKENS, MOST_TOKENS = 200, 254
"""A chunk is full from 200 tokens on and never has more than 254: with [CLS] and [SEP] the embedder reads 256."""
OVERLAP_TOKENS = 32
MOST_CHARACTERS = 8 * MOST_TOKENS
"""A word without a space in it may be one unknown token and very long."""
WINDOW = 20_000
"""Characters that are split at once: the splitter's time grows faster than the length of its text."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document: `extracted.text[start:end] == text`."""

    text: str
    start: int
    """Offset in characters."""
    end: int
    """End offset, exclusive."""
    page: int | None
    """1-based page on which it starts; None where the format has no pages."""
    heading: str
    """The heading above it, or the one that opens it; empty if there is none."""


class Chunker:
    """Split by meaning (paragraphs, sentences, words), measured in the embedder's own tokens."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        from semantic_text_splitter import TextSplitter

        capacity = (FULL_TOKENS, MOST_TOKENS)
        self._splitter = TextSplitter.from_huggingface_tokenizer(tokenizer, capacity, OVERLAP_TOKENS)
        self._cutter = TextSplitter(MOST_CHARACTERS, MOST_CHARACTERS // 8)

    def chunks(self, extracted: Extracted) -> Iterator[Chunk]:
        """Yield the chunks of one document, in order; every character that is not a space is in one of them."""
        starts = [heading.start for heading in extracted.headings]
        for start, end in self._spans(extracted.text):
            above = bisect_right(starts, start)
            yield Chunk(
                text=extracted.text[start:end],
                start=start,
                end=end,
                page=page_at(extracted.page_starts, extracted.page_numbers, start),
                heading=extracted.headings[above - 1].text if above else "",
            )

    def _spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Split window by window; the last chunk of a window begins the next one, so that the overlap goes on."""
        at = 0
        while at < len(text):
            window = text[at : at + WINDOW]
            spans = [(at + start, at + start + len(chunk)) for start, chunk in self._splitter.chunk_indices(window)]
            if at + WINDOW >= len(text) or len(spans) < 2:
                at += len(window)
            else:
                at = spans.pop()[0]
            for start, end in spans:
                yield from self._cut(text, start, end)

    def _cut(self, text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
        if end - start <= MOST_CHARACTERS:
            yield start, end
            return
        for offset, piece in self._cutter.chunk_indices(text[start:end]):
            yield start + offset, start + offset + len(piece)
