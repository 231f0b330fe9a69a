"""Text of a file with its pages and headings; runs in the disposable parser process. Sole importer of kreuzberg.

Kreuzberg reads the documents; plain text and program code are read here, because its own code reader wants to download
grammars. Its page boundaries are offsets in UTF-8 bytes; all offsets that leave this file are in characters.
"""

from __future__ import annotations

import contextlib
import stat
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import ExtractionError, UnsupportedFile
from engine.indexing.decode import SNIFFED_BYTES, clean, decode, is_text
from engine.indexing.walk import is_noise

__all__ = ["MOST_CHARACTERS", "Extracted", "Heading", "extract", "page_at"]

MOST_CHARACTERS = 20_000_000
MOST_PLAIN_BYTES = 4 * MOST_CHARACTERS
SCAN = "The file has no text: it may be a scan, and Hola can't read those yet."

_DOCUMENTS = frozenset(
    [
        "pdf",
        "doc",
        "docx",
        "docm",
        "dotx",
        "odt",
        "rtf",
        "ppt",
        "pptx",
        "pptm",
        "ppsx",
        "odp",
        "xls",
        "xlsx",
        "xlsm",
        "xlsb",
        "ods",
        "epub",
        "fb2",
        "eml",
        "msg",
        "hwp",
        "hwpx",
        "pages",
        "numbers",
        "key",
        "ipynb",
    ]
)
"""Suffixes of files that only kreuzberg can read."""
_MARKUP = {
    "md": "text/markdown",
    "markdown": "text/markdown",
    "html": "text/html",
    "htm": "text/html",
    "xhtml": "text/html",
    "csv": "text/csv",
    "tsv": "text/tab-separated-values",
    "rst": "text/x-rst",
    "org": "text/x-org",
    "tex": "application/x-latex",
}
"""Suffixes of text files that kreuzberg understands, once they are UTF-8."""
_PICTURES = frozenset(
    ["png", "jpg", "jpeg", "gif", "bmp", "tif", "tiff", "webp", "heic", "heif", "avif", "ico", "svg", "psd", "jp2"]
)
_ARCHIVES = frozenset("zip 7z rar tar gz tgz bz2 xz zst jar iso dmg".split())
_MEDIA = frozenset("mp3 mp4 m4a wav flac ogg avi mov mkv webm".split())
_BY_CONTENT = {
    "application/pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.oasis.opendocument.text",
    "application/rtf",
    "application/msword",
    "application/epub+zip",
}
"""What a file with a wrong suffix may turn out to be."""
PDF = "application/pdf"
SLIDES = ("presentation", "powerpoint")
"""A slide is a page; a Word file has no fixed pages, and a sheet is none."""
PAGE_GAP = "\n\n"


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of a document."""

    start: int
    """Offset in the text, in characters."""
    text: str


@dataclass(frozen=True, slots=True)
class Extracted:
    """What a file says."""

    text: str
    page_starts: tuple[int, ...]
    """Offset of each page in the text, in characters; empty where the format has no pages."""
    page_numbers: tuple[int, ...]
    """1-based number of each page."""
    headings: tuple[Heading, ...]
    """In the order of the text."""

    @property
    def pages(self) -> int:
        """How many pages there are; 0 where the format has none."""
        return len(self.page_starts)


def page_at(page_starts: Sequence[int], page_numbers: Sequence[int], offset: int) -> int | None:
    """Return the 1-based page on which an offset lies; None where there are no pages."""
    if not page_starts:
        return None
    return page_numbers[max(0, bisect_right(page_starts, offset) - 1)]


def extract(path: Path) -> Extracted:
    """Return the text of a file.

    Raises UnsupportedFile if it is of a kind that is not read, ExtractionError if it can't be read or has no text.
    """
    suffix = path.suffix.lower().removeprefix(".")
    if is_noise(path.name):
        raise UnsupportedFile("This is a hidden or temporary file, not a document.")
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise UnsupportedFile("This is a pipe, a device or a folder, not a document.")
        size = status.st_size
        with path.open("rb") as stream:
            head = stream.read(SNIFFED_BYTES)
    except OSError as exc:
        raise ExtractionError(_unreadable(exc)) from exc
    if not size:
        raise UnsupportedFile("The file is empty.")
    if suffix in _DOCUMENTS or head.startswith(b"%PDF-"):
        result = _parse(path, "application/pdf" if head.startswith(b"%PDF-") else None)
        extracted = _from_result(result)
    else:
        extracted = _from_text_file(path, suffix, head, size)
    if not any(character.isalnum() for character in extracted.text):
        if extracted.page_starts or suffix == "pdf":
            raise UnsupportedFile(SCAN)
        raise UnsupportedFile("The file has no text.")
    if len(extracted.text) > MOST_CHARACTERS:
        raise ExtractionError(f"The file has more than {MOST_CHARACTERS // 10**6} million characters: split it.")
    return extracted


def _from_text_file(path: Path, suffix: str, head: bytes, size: int) -> Extracted:
    if suffix in _PICTURES:
        raise UnsupportedFile("This is a picture: Hola reads text.")
    if suffix in _ARCHIVES:
        raise UnsupportedFile("This is an archive: unpack it, then add the files in it.")
    if suffix in _MEDIA:
        raise UnsupportedFile("This is a sound or a video: Hola reads text.")
    if not is_text(head):
        raise UnsupportedFile("Hola does not read this kind of file.")
    if size > MOST_PLAIN_BYTES:
        raise ExtractionError(f"The file has more than {MOST_CHARACTERS // 10**6} million characters: split it.")
    try:
        text = decode(path.read_bytes())
    except OSError as exc:
        raise ExtractionError(_unreadable(exc)) from exc
    kind = _MARKUP.get(suffix)
    return _from_result(_parse(text.encode(), kind)) if kind else Extracted(clean(text), (), (), ())


def _unreadable(exc: OSError) -> str:
    return f"The file can't be opened ({exc.strerror or exc}): check that it exists and that you may read it."


def _parse(source: Path | bytes, mime: str | None) -> Any:
    """Run kreuzberg; a file with a misleading name is tried once more as what its content says."""
    import kreuzberg

    config = kreuzberg.ExtractionConfig(
        use_cache=False,
        enable_quality_processing=False,
        include_document_structure=True,
        output_format="plain",
        disable_ocr=True,
        pages=kreuzberg.PageConfig(extract_pages=True),
        postprocessor=kreuzberg.PostProcessorConfig(enabled=False),
    )
    try:
        if isinstance(source, bytes):
            return kreuzberg.extract_bytes_sync(source, mime or "text/plain", config=config)
        try:
            return kreuzberg.extract_file_sync(str(source), mime, config=config)
        except kreuzberg.ParsingError:
            found = _kind_by_content(source)
            if found is None or found == mime:
                raise
            return kreuzberg.extract_file_sync(str(source), found, config=config)
    except kreuzberg.KreuzbergError as exc:
        raise _sentence(exc) from exc
    except (OSError, ValueError, RuntimeError) as exc:
        raise ExtractionError(f"The file can't be read ({_first_line(exc)}).") from exc


def _kind_by_content(path: Path) -> str | None:
    import kreuzberg

    with contextlib.suppress(kreuzberg.KreuzbergError, OSError, ValueError, RuntimeError):
        found = str(kreuzberg.detect_mime_type_from_bytes(path.read_bytes()))
        return found if found in _BY_CONTENT else None
    return None


def _sentence(exc: Exception) -> ExtractionError:
    import kreuzberg

    message = str(exc).lower()
    if "password" in message or "encrypted" in message:
        return ExtractionError("The file is protected by a password: save a copy without it.")
    if isinstance(exc, kreuzberg.OCRError):
        return UnsupportedFile(SCAN)
    if isinstance(exc, (kreuzberg.ValidationError, kreuzberg.MissingDependencyError)) or "unsupported" in message:
        return UnsupportedFile("Hola does not read this kind of file.")
    return ExtractionError(f"The file is damaged, or is not what its name says ({_first_line(exc)}).")


def _first_line(exc: Exception) -> str:
    """The part of a foreign message that fits into a sentence."""
    line = next(iter(str(exc).strip().splitlines()), "") or type(exc).__name__
    line = line.removeprefix(f"{type(exc).__name__}: ").rstrip(".")
    return line if len(line) <= 120 else line[:119] + "…"


def _from_result(result: Any) -> Extracted:
    """Build the text from its pages where the format has some; else take it as it is."""
    pages: list[tuple[int, str]] = []
    if result.mime_type == PDF:
        pages = _pages_by_content(result) or _pages_by_boundaries(result)
    elif any(word in result.mime_type for word in SLIDES):
        pages = _pages_by_boundaries(result)
    texts = [clean(text).strip("\n") for _, text in pages] or [clean(result.content)]
    starts, at = [], 0
    for text in texts:
        starts.append(at)
        at += len(text) + len(PAGE_GAP)
    text = PAGE_GAP.join(texts)
    numbers = tuple(number for number, _ in pages)
    return Extracted(text, tuple(starts) if pages else (), numbers, tuple(_headings(text, result.document)))


def _pages_by_content(result: Any) -> list[tuple[int, str]]:
    """Take the pages as kreuzberg lists them: of a PDF they are exact, while its boundaries drift."""
    pages = [(int(page["page_number"]), str(page["content"])) for page in result.pages or []]
    kept = sum(len(text) for _, text in pages)
    return pages if kept and kept * 2 >= len(result.content) else []


def _pages_by_boundaries(result: Any) -> list[tuple[int, str]]:
    """Cut the content at the reported boundaries; each page reaches to the next, so that nothing is lost."""
    boundaries = ((result.metadata or {}).get("pages") or {}).get("boundaries") or []
    content = result.content.encode("utf-8", "replace")
    starts = [int(each["byte_start"]) for each in boundaries]
    if not starts or starts != sorted(starts) or starts[-1] > len(content):
        return []
    spans = zip([0, *starts[1:]], [*starts[1:], len(content)], strict=True)
    numbers = [int(each["page_number"]) for each in boundaries]
    return [
        (number, content[start:end].decode("utf-8", "ignore"))
        for number, (start, end) in zip(numbers, spans, strict=True)
    ]


def _headings(text: str, document: dict[str, Any] | None) -> Iterable[Heading]:
    """Find the headings, which the structure lists in the order of the text."""
    at = 0
    for node in (document or {}).get("nodes", ()):
        content = node.get("content", {})
        heading = clean(content.get("text") or "").strip()
        if content.get("node_type") != "heading" or not heading:
            continue
        found = text.find(heading, at)
        if found >= 0:
            yield Heading(found, " ".join(heading.split()))
            at = found + len(heading)
