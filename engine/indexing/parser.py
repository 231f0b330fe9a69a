"""The parser process: a file in, its text and chunks out. It is disposable: what kills it costs one file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.indexing.chunk import Chunk, Chunker
from engine.indexing.extract import Extracted, extract
from engine.service import CancelToken

__all__ = ["Begun", "ParseRequest", "Parsed", "ParserService"]


@dataclass(frozen=True, slots=True)
class ParseRequest:
    """Read this file."""

    path: Path


@dataclass(frozen=True, slots=True)
class Begun:
    """The parser is up and takes the file in hand: what happens from now on is the file's doing."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A file, read and cut."""

    extracted: Extracted
    chunks: tuple[Chunk, ...]


class ParserService:
    """Extract and chunk, so that the embedder beside it has both cores' worth of work at hand."""

    def __init__(self, tokenizer_file: Path) -> None:
        self._tokenizer_file = tokenizer_file
        self._chunker: Chunker | None = None

    def handle(self, request: Any, cancel: CancelToken) -> Iterator[Begun | Parsed]:
        """Answer a ParseRequest by Begun and one Parsed; raises ExtractionError."""
        if cancel.cancelled:
            return
        if self._chunker is None:
            self._chunker = _load_chunker(self._tokenizer_file)
        yield Begun()
        extracted = extract(request.path)
        yield Parsed(extracted, tuple(self._chunker.chunks(extracted)))

    def close(self) -> None:
        """Nothing is held between two files."""


def _load_chunker(tokenizer_file: Path) -> Chunker:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(tokenizer_file.read_text("utf-8"))
    # A truncated count would pass any text for one chunk.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return Chunker(tokenizer)
