"""The extracted text of each ready document, for the source viewer: one compressed file per document.

A file's name carries the digest of the document's content. Only the journal says which file counts, so that text and
chunks change together in the journal's commit. Standard library only: the window's process reads here.
"""

from __future__ import annotations

import bisect
import contextlib
import functools
import json
import os
import tempfile
import zlib
from collections.abc import Collection, Sequence
from pathlib import Path

from engine.errors import LibraryError

__all__ = ["Texts"]

LEVEL = 1
"""zlib's fastest: 3 times smaller is enough."""


class Texts:
    """Keep texts in a folder, by document and digest."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, document: str, digest: str, text: str, page_starts: Sequence[int]) -> None:
        """Store a text; raises OSError if the disk does not take it."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        header = json.dumps({"page_starts": list(page_starts)}).encode() + b"\n"
        handle, name = tempfile.mkstemp(dir=self._folder, suffix=".new")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(header)
                stream.write(zlib.compress(text.encode("utf-8", errors="replace"), LEVEL))
            Path(name).replace(self._file(document, digest))
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise

    def read(self, document: str, digest: str) -> str:
        """Return a text; raises LibraryError if it is gone or damaged."""
        return _read(self._file(document, digest))[0]

    def page_of(self, document: str, digest: str, offset: int) -> int | None:
        """Return the 1-based page at an offset in characters; None where there are no pages."""
        starts = _page_starts(self._file(document, digest))
        return max(1, bisect.bisect_right(starts, offset)) if starts else None

    def exists(self, document: str, digest: str) -> bool:
        """Tell whether a text is there."""
        return self._file(document, digest).is_file()

    def remove(self, document: str, digest: str) -> None:
        """Delete a text, if it is there."""
        with contextlib.suppress(OSError):
            self._file(document, digest).unlink()

    def keep_only(self, wanted: Collection[tuple[str, str]]) -> None:
        """Delete what no (document, digest) of `wanted` names: leftovers of interrupted work."""
        names = {self._file(*each).name for each in wanted}
        with contextlib.suppress(OSError):
            for file in list(self._folder.iterdir()):
                if file.name not in names:
                    file.unlink()

    def _file(self, document: str, digest: str) -> Path:
        return self._folder / f"{document}-{digest[:16]}.text"


def _load(file: Path) -> tuple[bytes, bytes]:
    try:
        header, _, body = file.read_bytes().partition(b"\n")
    except OSError as exc:
        raise LibraryError("The stored text of this document is missing: rebuild the document.") from exc
    return header, body


@functools.lru_cache(maxsize=4)
def _read(file: Path) -> tuple[str, tuple[int, ...]]:
    header, body = _load(file)
    try:
        return zlib.decompress(body).decode(), tuple(json.loads(header)["page_starts"])
    except (zlib.error, ValueError, KeyError) as exc:
        raise LibraryError("The stored text of this document is damaged: rebuild the document.") from exc


@functools.lru_cache(maxsize=64)
def _page_starts(file: Path) -> tuple[int, ...]:
    header, _ = _load(file)
    try:
        return tuple(json.loads(header)["page_starts"])
    except (ValueError, KeyError) as exc:
        raise LibraryError("The stored text of this document is damaged: rebuild the document.") from exc
