"""The extracted text of each ready document, kept beside the store for citations and the source viewer."""

from __future__ import annotations

import contextlib
import hashlib
import json
import zlib
from dataclasses import dataclass
from pathlib import Path

from engine.errors import LibraryError

__all__ = ["Texts", "document_key"]


def document_key(path: str) -> str:
    """Return a short name for a document that is fit for file names and ids."""
    return hashlib.blake2b(path.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


@dataclass(frozen=True, slots=True)
class StoredText:
    """A document's text with its pages."""

    text: str
    page_starts: tuple[int, ...]
    page_numbers: tuple[int, ...]


class Texts:
    """One compressed file per document. Reading needs no process, so the conductor does it itself."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "texts"

    def save(self, path: str, stored: StoredText) -> None:
        """Replace a document's text in one atomic step."""
        content = {"text": stored.text, "page_starts": stored.page_starts, "page_numbers": stored.page_numbers}
        data = zlib.compress(json.dumps(content, ensure_ascii=False).encode("utf-8", "replace"), 1)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        target = self._file(path)
        # One process writes: what a killed one left under this name is overwritten.
        fresh = target.with_suffix(".new")
        try:
            fresh.write_bytes(data)
            fresh.replace(target)
        except OSError as exc:
            with contextlib.suppress(OSError):
                fresh.unlink()
            raise LibraryError(
                f"The library can't be written ({exc.strerror}): free some disk space, then go on indexing."
            ) from exc

    def load(self, path: str) -> StoredText:
        """Return a document's text; raises LibraryError if there is none."""
        try:
            content = json.loads(zlib.decompress(self._file(path).read_bytes()))
            return StoredText(content["text"], tuple(content["page_starts"]), tuple(content["page_numbers"]))
        except (OSError, ValueError, KeyError, zlib.error) as exc:
            raise LibraryError(f"The text of {Path(path).name} is not in the library: rebuild this document.") from exc

    def remove(self, path: str) -> None:
        """Forget a document's text."""
        with contextlib.suppress(FileNotFoundError):
            self._file(path).unlink()

    def has(self, path: str) -> bool:
        """Whether there is a text of this document."""
        return self._file(path).exists()

    def _file(self, path: str) -> Path:
        return self._folder / f"{document_key(path)}.json.z"
