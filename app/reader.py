"""What the source viewer reads: pages of PDFs from the page viewer, everything else from the indexed text."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtGui import QImage

from app.lanes import Lane, Worker, boundary
from app.ports import EnginePort, LibraryPort, PagesPort
from app.sources import file_name
from engine.errors import HolaError
from engine.messages import Citation
from engine.viewing.protocol import Located, Marks

__all__ = ["EXCERPT_CHARS", "Excerpt", "OpenedPage", "OpenedText", "Picture", "ReaderThread", "excerpt_of", "is_pdf"]

EXCERPT_CHARS = 20_000
"""As much text as Qt lays out within a few milliseconds."""
_CUT_CHARS = 400
"""How far a cut moves so that it falls between two lines, in characters."""
_HEAD_BYTES = 1024
"""A PDF says that it is one within so many bytes (ISO 32000-2, Annex I)."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A page of a PDF."""

    page: int
    """1-based."""
    pages: int
    """How many the PDF has."""
    image: QImage
    asked_width: int
    """The width that was asked for, in pixels; the image may be smaller."""


@dataclass(frozen=True, slots=True)
class OpenedPage:
    """A citation, shown on its page."""

    picture: Picture
    marks: tuple[Marks, ...]
    note: str
    """What the user should know about it, a sentence; empty if there is nothing."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A part of a document's text."""

    text: str
    start: int
    """Its offset in the document's text, in characters."""
    total: int
    """Length of the document's text, in characters."""
    mark: tuple[int, int] | None
    """Begin and end of the cited text in `text`, in characters; None if it is not in it."""

    @property
    def end(self) -> int:
        """End offset in the document's text, exclusive."""
        return self.start + len(self.text)


@dataclass(frozen=True, slots=True)
class OpenedText:
    """A citation, shown in its document's text."""

    excerpt: Excerpt
    note: str
    """What the user should know about it, a sentence; empty if there is nothing."""


def excerpt_of(text: str, start: int, span: tuple[int, int] | None) -> Excerpt:
    """Return the part of a text that begins near an offset, cut between lines where there are any."""
    start = max(0, min(start, len(text) - EXCERPT_CHARS))
    end = min(len(text), start + EXCERPT_CHARS)
    if start:
        start = text.find("\n", start, start + _CUT_CHARS) + 1 or start
    if end < len(text):
        end = text.rfind("\n", end - _CUT_CHARS, end) + 1 or end
    inside = span is not None and start <= span[0] < span[1] <= end
    mark = (span[0] - start, span[1] - start) if span is not None and inside else None
    return Excerpt(text[start:end], start, len(text), mark)


def is_pdf(path: Path) -> bool:
    """Tell whether a file is a PDF by its content; False if it can't be read."""
    try:
        # Opening a pipe would wait for its writer.
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return b"%PDF-" in file.read(_HEAD_BYTES)
    except OSError:
        return False


class _ReaderWorker(Worker):
    answered = Signal(int, object)
    refused = Signal(int, str)

    def __init__(self, engine: EnginePort, pages: PagesPort) -> None:
        super().__init__(engine)
        self._pages = pages
        self.latest = 0
        """Number of the last request; what came before it need not be answered any more."""

    @Slot(int, object, int)
    def on_open(self, number: int, citation: Citation, width: int) -> None:
        if self._is_over(number):
            return
        with boundary(self.failed, self.closed):
            try:
                self.answered.emit(number, self._open(citation, width))
            except HolaError as exc:
                self.refused.emit(number, exc.sentence)

    @Slot(int, str, int, int)
    def on_draw(self, number: int, path: str, page: int, width: int) -> None:
        if self._is_over(number):
            return
        with boundary(self.failed, self.closed):
            try:
                self.answered.emit(number, self._draw(path, page, width))
            except HolaError as exc:
                self.refused.emit(number, exc.sentence)

    @Slot(int, object, int, str)
    def on_read(self, number: int, citation: Citation, start: int, note: str) -> None:
        if self._is_over(number):
            return
        with boundary(self.failed, self.closed):
            try:
                self.answered.emit(number, self._read(citation, start, note))
            except HolaError as exc:
                self.refused.emit(number, exc.sentence)

    def _is_over(self, number: int) -> bool:
        return self.closed.is_set() or number != self.latest

    def _open(self, citation: Citation, width: int) -> OpenedPage | OpenedText:
        name, path = file_name(citation.path), Path(citation.path)
        if not path.exists():
            return self._read(citation, -1, f"{name} is not where it was: this is its indexed text.")
        if citation.page is None or not is_pdf(path):
            return self._read(citation, -1, "")
        try:
            position = _position(self._engine.library, citation)
            located = self._pages.locate(citation.path, citation.page, citation.snippet, position)
            page = located.marks[0].page if located.marks else citation.page
            picture = self._draw(citation.path, page, width)
        except HolaError as exc:
            try:
                return self._read(citation, -1, f"{exc.sentence} This is its indexed text.")
            except HolaError:
                # Why there is no page tells more than why there is no text either.
                raise exc from None
        return OpenedPage(picture, located.marks, _note(located, citation.page, page))

    def _draw(self, path: str, page: int, width: int) -> Picture:
        drawn = self._pages.draw(path, page, width)
        image = QImage(drawn.pixels, drawn.width, drawn.height, drawn.width * 4, QImage.Format.Format_RGB32)
        # The image only borrows the bytes.
        return Picture(drawn.page, drawn.pages, image.copy(), width)

    def _read(self, citation: Citation, start: int, note: str) -> OpenedText:
        """Return a part of the text from an offset on; from -1, the part around the citation."""
        text = self._engine.library.text(citation.path)
        span: tuple[int, int] | None = (citation.start, citation.end)
        if text[citation.start : citation.end] != citation.snippet:
            found = text.find(citation.snippet)
            span = (found, found + len(citation.snippet)) if found >= 0 else None
            if span is None and not note:
                note = "The passage is no longer in the indexed text: the file has changed since this answer."
        if start < 0:
            start = (span[0] if span is not None else citation.start) - EXCERPT_CHARS // 2
        return OpenedText(excerpt_of(text, start, span), note)


class ReaderThread(Lane):
    """Open citations, draw pages and read texts; only the last request is answered."""

    answered = Signal(object)
    """OpenedPage, OpenedText or Picture"""
    refused = Signal(str)
    """A sentence"""
    _open = Signal(int, object, int)
    _draw = Signal(int, str, int, int)
    _read = Signal(int, object, int, str)

    def __init__(self, engine: EnginePort, pages: PagesPort, parent: QObject | None = None) -> None:
        self._pages = pages
        self._worker = _ReaderWorker(engine, pages)
        super().__init__(engine, self._worker, "reader", parent)
        self._worker.answered.connect(self.on_answered)
        self._worker.refused.connect(self.on_refused)
        self._open.connect(self._worker.on_open)
        self._draw.connect(self._worker.on_draw)
        self._read.connect(self._worker.on_read)
        self.run()

    def open(self, citation: Citation, width: int) -> None:
        """Show a citation on its page, `width` pixels wide, or in its text."""
        self._open.emit(self._next(), citation, width)

    def draw(self, path: str, page: int, width: int) -> None:
        """Draw a page (1-based) of a PDF, `width` pixels wide."""
        self._draw.emit(self._next(), path, page, width)

    def read(self, citation: Citation, start: int = -1, note: str = "") -> None:
        """Show the indexed text from an offset on, or around the citation."""
        self._read.emit(self._next(), citation, start, note)

    def forget(self) -> None:
        """Let nothing that was asked for be answered any more."""
        self._next()

    def request_close(self) -> None:
        """End the page viewer too: a page that takes long must not keep the window."""
        super().request_close()
        self._pages.close()

    def _next(self) -> int:
        self._worker.latest += 1
        return self._worker.latest

    @Slot(int, object)
    def on_answered(self, number: int, answer: OpenedPage | OpenedText | Picture) -> None:
        """Hand on what is still wanted."""
        if number == self._worker.latest:
            self.answered.emit(answer)

    @Slot(int, str)
    def on_refused(self, number: int, sentence: str) -> None:
        """Hand on why there is nothing to show."""
        if number == self._worker.latest:
            self.refused.emit(sentence)


def _position(library: LibraryPort, citation: Citation) -> float:
    """Return where on its page a citation begins, as a share of the page's text; 0 if the text is gone."""
    try:
        length = len(library.text(citation.path))
    except HolaError:
        return 0.0

    def page_at(offset: int) -> int:
        return library.page_of(citation.path, offset) or 0

    page = page_at(citation.start)
    first = bisect_left(range(length), page, key=page_at)
    last = bisect_right(range(length), page, lo=first, key=page_at)
    return min(1.0, max(0.0, (citation.start - first) / max(1, last - first)))


def _note(located: Located, expected: int, page: int) -> str:
    if located.match == "moved":
        return f"The passage is on page {page}, not {expected}: the file may have changed since it was indexed."
    if located.match == "part":
        return "Only a part of the passage was found on this page."
    if located.match == "none":
        return "The passage was not found on this page: the file may have changed since it was indexed."
    if not any(marks.boxes for marks in located.marks):
        return "The passage lies outside of what this page shows."
    return ""
