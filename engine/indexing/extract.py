"""The text of one file, with its pages and headings; runs in the disposable parser process.

Sole importer of kreuzberg. Documents are untrusted: whatever a parser does to this process, only one file is lost.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import ExtractionError, UnsupportedFile

__all__ = ["Extracted", "extract", "heading_at", "page_at"]

MAX_CHARACTERS = 20_000_000
PAGE_GAP = "\n\n"
PAGED_BY_CONTENT = "application/pdf"
PAGED_BY_BOUNDARIES = ("presentation", "powerpoint")
"""Slides; a Word file has no fixed pages, and a sheet is no page."""
MAX_HEADING = 200
UNWANTED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff\ud800-\udfff]")
NO_TEXT = "has no text; it may be a scan or a picture, and reading those needs the extra hola-desktop[ocr]."


@dataclass(frozen=True, slots=True)
class Extracted:
    """What a file says. All offsets are in characters of `text`."""

    text: str
    page_starts: tuple[int, ...]
    """Offset at which each page begins; empty where the format has no pages."""
    page_numbers: tuple[int, ...]
    """1-based number of each page."""
    headings: tuple[tuple[int, str], ...]
    """Offset and text of each heading, in order."""
    mime_type: str

    @property
    def pages(self) -> int:
        """How many pages the file has; 0 where the format has none."""
        return len(self.page_starts)


def page_at(page_starts: Sequence[int], page_numbers: Sequence[int], offset: int) -> int | None:
    """Return the 1-based page on which an offset lies; None where there are no pages."""
    if not page_starts:
        return None
    return page_numbers[max(0, bisect_right(page_starts, offset) - 1)]


def heading_at(headings: Sequence[tuple[int, str]], start: int, end: int) -> str:
    """Return the heading above a span, or the one that opens it; empty if there is none."""
    index = bisect_right(headings, start, key=lambda heading: heading[0])
    if index < len(headings) and headings[index][0] < min(end, start + MAX_HEADING) and index == 0:
        index += 1
    return headings[index - 1][1] if index else ""


def extract(path: Path) -> Extracted:
    """Return the text of a file; raises UnsupportedFile for one to skip and ExtractionError for one that failed."""
    import kreuzberg

    name = path.name
    try:
        if path.stat().st_size == 0:
            raise UnsupportedFile(f"{name} is empty.")
        with path.open("rb") as file:
            beginning = file.read(8192)
    except OSError as exc:
        raise ExtractionError(f"{name} can't be opened ({exc.strerror}): check its permissions.") from exc
    config = kreuzberg.ExtractionConfig(
        use_cache=False,
        disable_ocr=True,
        output_format="plain",
        enable_quality_processing=False,
        include_document_structure=True,
        pages=kreuzberg.PageConfig(extract_pages=True),
    )
    try:
        result = _read(path, beginning, config)
    except kreuzberg.ValidationError as exc:
        raise UnsupportedFile(f"{name} is of a kind that Hola does not read.") from exc
    except kreuzberg.MissingDependencyError as exc:
        raise UnsupportedFile(f"{name} needs a program that is not installed to be read ({exc}).") from exc
    except kreuzberg.KreuzbergError as exc:
        raise _failed(name, exc) from exc
    except (OSError, RuntimeError) as exc:
        raise _failed(name, exc) from exc
    return _checked(name, result)


def _read(path: Path, beginning: bytes, config: Any) -> Any:
    import kreuzberg

    try:
        return kreuzberg.extract_file_sync(path, None, config)
    except kreuzberg.ParsingError as exc:
        # The ending may lie about what is inside (a .ppt that is a .pptx): ask the bytes.
        if "password" in str(exc).lower():
            raise
        try:
            named = kreuzberg.detect_mime_type_from_path(path)
            inside = kreuzberg.detect_mime_type_from_bytes(path.read_bytes() if beginning[:2] == b"PK" else beginning)
        except (kreuzberg.KreuzbergError, RuntimeError, OSError):
            raise exc from None
        if inside == named:
            raise
        return kreuzberg.extract_file_sync(path, inside, config)


def _failed(name: str, error: Exception) -> ExtractionError:
    text = " ".join(str(error).split())
    if "password" in text.lower() or "encrypted" in text.lower():
        return ExtractionError(f"{name} is protected by a password: save a copy without it and add that.")
    detail = text.split(":", 1)[-1].strip()[:160].rstrip(".")
    return ExtractionError(f"{name} is damaged or not what its name says ({detail}): save it anew in its own program.")


def _checked(name: str, result: Any) -> Extracted:
    made = _with_pages(result)
    if not any(character.isalnum() for character in made.text):
        raise UnsupportedFile(f"{name} {NO_TEXT}")
    if len(made.text) > MAX_CHARACTERS:
        raise ExtractionError(
            f"{name} has {len(made.text) / 1e6:.0f} million characters, more than Hola reads from one file: split it."
        )
    return made


def _with_pages(result: Any) -> Extracted:
    """Build the text from its pages where the format has some; else take it as it is."""
    mime: str = result.mime_type
    parts: list[tuple[int, str]] = []
    if mime == PAGED_BY_CONTENT:
        parts = _pages_by_content(result) or _pages_by_boundaries(result)
    elif any(word in mime for word in PAGED_BY_BOUNDARIES):
        parts = _pages_by_boundaries(result)
    numbers = tuple(number for number, _ in parts)
    texts = [_clean(text) for _, text in parts] or [_clean(result.content)]
    starts, position = [], 0
    for text in texts:
        starts.append(position)
        position += len(text) + len(PAGE_GAP)
    text = PAGE_GAP.join(texts)
    return Extracted(text, tuple(starts) if parts else (), numbers, _headings(result.document, text), mime)


def _pages_by_content(result: Any) -> list[tuple[int, str]]:
    pages = [(int(page["page_number"]), str(page["content"])) for page in result.pages or []]
    kept = sum(len(text) for _, text in pages)
    return pages if kept * 2 >= len(result.content) and kept else []


def _pages_by_boundaries(result: Any) -> list[tuple[int, str]]:
    """Cut the content at the reported page boundaries, which are in bytes of its UTF-8 form."""
    metadata: Mapping[str, Any] = result.metadata if isinstance(result.metadata, dict) else {}
    boundaries = (metadata.get("pages") or {}).get("boundaries") or []
    data = result.content.encode("utf-8", "replace")
    starts = [int(each["byte_start"]) for each in boundaries]
    if not starts or starts != sorted(starts) or starts[-1] > len(data):
        return []
    # Each page reaches to the next, so that nothing between two pages is lost.
    ends = [*starts[1:], len(data)]
    starts[0] = 0
    return [
        (int(each["page_number"]), data[start:end].decode("utf-8", "ignore"))
        for each, start, end in zip(boundaries, starts, ends, strict=True)
    ]


def _clean(text: str) -> str:
    unified = text.replace("\r\n", "\n").replace("\r", "\n")
    return UNWANTED.sub("", unified).strip("\n")


def _headings(document: Any, text: str) -> tuple[tuple[int, str], ...]:
    """Locate the headings that the parser names, in order; one that is not found verbatim is left out."""
    nodes = document.get("nodes", []) if isinstance(document, dict) else []
    found, position = [], 0
    for node in nodes:
        content = node.get("content", {})
        if content.get("node_type") != "heading":
            continue
        heading = _clean(str(content.get("text", ""))).strip()
        at = text.find(heading, position) if heading and len(heading) <= MAX_HEADING else -1
        if at >= 0:
            found.append((at, heading))
            position = at + len(heading)
    return tuple(found)
