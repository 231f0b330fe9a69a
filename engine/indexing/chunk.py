"""Cut a text into chunks that the embedder can read whole, at the best places, with a little overlap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.indexing.extract import Extracted, heading_at, page_at

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["Chunk", "Chunker"]

FULL_TOKENS, MOST_TOKENS = 200, 254
"""A chunk is full from 200 tokens on and never has more than 254: with [CLS] and [SEP] the embedder reads 256."""
OVERLAP_TOKENS = 32


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


class Chunker:
    """Split by meaning (paragraphs, sentences, words), measured in the embedder's own tokens."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        from semantic_text_splitter import TextSplitter

        capacity = (FULL_TOKENS, MOST_TOKENS)
        self._splitter = TextSplitter.from_huggingface_tokenizer(tokenizer, capacity, OVERLAP_TOKENS)

    def chunks(self, extracted: Extracted) -> Iterator[Chunk]:
        """Yield the chunks of one document, in order; every character that is not a space is in one of them."""
        for start, text in self._splitter.chunk_indices(extracted.text):
            end = start + len(text)
            yield Chunk(
                text=text,
                start=start,
                end=end,
                page=page_at(extracted.page_starts, extracted.page_numbers, start),
                heading=heading_at(extracted.headings, start, end),
            )
