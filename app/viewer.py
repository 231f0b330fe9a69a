"""The source viewer: a citation on its page, or in its document's text, with the span marked."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app.excerptview import ExcerptView
from app.pageview import PageTools, PageView
from app.reader import OpenedPage, OpenedText, Picture, ReaderThread
from app.sources import SourceChoice, file_name
from app.theme import Theme
from app.tooltips import plain_tip
from app.widgets import ElidedLabel, IconButton
from engine.viewing.protocol import Marks

__all__ = ["SourceViewer", "support_text"]


def support_text(support: float) -> str:
    """Say in words and as a share how well a source supports its sentence."""
    word = "Strong" if support >= 0.85 else "Good" if support >= 0.65 else "Partial"
    return f"{word} support, {support:.0%}"


class SourceViewer(QWidget):
    """Show one citation of an answer, and the way to its others and to the other pages."""

    open_requested = Signal(str)
    """Path of a file to be opened in its own program"""
    close_requested = Signal()

    def __init__(self, theme: Theme, reader: ReaderThread, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("viewer")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._theme = theme
        self._reader = reader
        self._choice: SourceChoice | None = None
        self._path = ""
        self._page = self._pages = 0
        self._shown_page = 0
        """Page of the picture; `_page` runs ahead of it while pages are turned."""
        self._opening = False
        self._marks: dict[int, Marks] = {}
        self.page_view = PageView(theme)
        self.tools = PageTools(theme, self.page_view)
        self.tools.turned.connect(self.on_turned)
        self.excerpt_view = ExcerptView(theme)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(9, 8, 8, 6)
        layout.setSpacing(4)
        layout.addLayout(self._build_title())
        layout.addLayout(self._build_caption())
        layout.addWidget(self._build_note())
        layout.addWidget(self._build_stack(), 1)
        layout.addWidget(self.tools)
        self.page_view.picture_wanted.connect(self.on_picture_wanted)
        self.excerpt_view.read_wanted.connect(self.on_read_wanted)
        reader.answered.connect(self.on_answered)
        reader.refused.connect(self.on_refused)
        reader.failed.connect(self.on_refused)
        self.hide()

    # -- building

    def _build_title(self) -> QHBoxLayout:
        self._title = ElidedLabel()
        self._title.setProperty("role", "title")
        opener = IconButton(self._theme, "open", "Open file in its own program")
        opener.clicked.connect(self.on_open_file)
        close = IconButton(self._theme, "close", "Close the source (Esc)")
        close.clicked.connect(self.close_requested)
        row = QHBoxLayout()
        row.setContentsMargins(8, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self._title, 1)
        row.addWidget(opener)
        row.addWidget(close)
        return row

    def _build_caption(self) -> QHBoxLayout:
        self._caption = ElidedLabel()
        self._caption.setProperty("role", "caption")
        self._count = QLabel()
        self._count.setProperty("role", "caption")
        self.previous_source = IconButton(self._theme, "chevron-up", "Previous source of this answer")
        self.previous_source.clicked.connect(self.on_previous_source)
        self.next_source = IconButton(self._theme, "chevron-down", "Next source of this answer")
        self.next_source.clicked.connect(self.on_next_source)
        row = QHBoxLayout()
        row.setContentsMargins(8, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self._caption, 1)
        row.addSpacing(8)
        row.addWidget(self._count)
        row.addSpacing(4)
        row.addWidget(self.previous_source)
        row.addWidget(self.next_source)
        return row

    def _build_note(self) -> QWidget:
        self._note = QWidget()
        self._note_text = QLabel(wordWrap=True, textFormat=Qt.TextFormat.PlainText)
        self._note_text.setProperty("role", "caption")
        self.text_button = QPushButton("Show its text")
        self.text_button.setProperty("role", "sources")
        self.text_button.clicked.connect(self.on_show_text)
        row = QHBoxLayout(self._note)
        row.setContentsMargins(8, 2, 4, 4)
        row.addWidget(self._note_text, 1)
        row.addWidget(self.text_button, 0, Qt.AlignmentFlag.AlignBottom)
        self._note.hide()
        return self._note

    def _build_stack(self) -> QStackedWidget:
        self._loading = QLabel(wordWrap=True, textFormat=Qt.TextFormat.PlainText, margin=16)
        self._loading.setProperty("role", "muted")
        self._loading.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._failed_text = QLabel(wordWrap=True, textFormat=Qt.TextFormat.PlainText)
        self._failed_text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.again = QPushButton("Try again")
        self.again.setAccessibleName("Try to show this source again")
        self.again.clicked.connect(self.on_again)
        self._failed = QWidget()
        column = QVBoxLayout(self._failed)
        column.setContentsMargins(16, 16, 16, 16)
        column.setSpacing(12)
        column.addStretch(1)
        column.addWidget(self._failed_text)
        column.addWidget(self.again, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(1)
        self._stack = QStackedWidget()
        for view in (self._loading, self.page_view, self.excerpt_view, self._failed):
            self._stack.addWidget(view)
        return self._stack

    # -- showing

    @property
    def title(self) -> str:
        """The file that is shown."""
        return self._title.full_text

    @property
    def caption(self) -> str:
        """Place and support of what is shown, and its number among the sources."""
        return f"{self._caption.full_text} {self._count.text()}".strip()

    @property
    def note(self) -> str:
        """What the user should know about the page or the text; empty if there is nothing."""
        return self._note_text.text()

    @property
    def trouble(self) -> str:
        """Why there is nothing to show; empty if there is something."""
        return self._failed_text.text() if self.showing == "failed" else ""

    @property
    def showing(self) -> str:
        """One of "loading", "page", "text", "failed"."""
        return ("loading", "page", "text", "failed")[self._stack.currentIndex()]

    @property
    def page(self) -> int:
        """1-based number of the page that is shown."""
        return self._page

    @property
    def is_opening(self) -> bool:
        """Whether a source is being loaded."""
        return self._opening

    @property
    def has_keyboard(self) -> bool:
        """Whether the keyboard is in it."""
        focus = QApplication.focusWidget()
        return focus is not None and self.isAncestorOf(focus)

    def show_source(self, choice: SourceChoice) -> None:
        """Load a citation; the viewer must be visible already, so that it knows its width."""
        citation = choice.citation
        if citation.path != self._path or self.showing == "failed":
            name = file_name(citation.path)
            self._title.set_full_text(name)
            self._title.setToolTip(plain_tip(citation.path))
            self._loading.setText(f"Opening {name}…")
            self._stack.setCurrentWidget(self._loading)
            self.tools.hide()
            self.excerpt_view.forget()
        self._choice, self._path, self._opening = choice, citation.path, True
        self._say("")
        self._describe(citation.page)
        self._reader.open(citation, self.page_view.wanted_width)

    def forget(self) -> None:
        """Show nothing any more and let the pictures go."""
        self._choice, self._path = None, ""
        self._reader.forget()
        self.page_view.clear()
        self.excerpt_view.forget()
        self._stack.setCurrentWidget(self._loading)

    def _show_picture(self, picture: Picture, *, reveal: bool) -> None:
        self._page, self._pages = picture.page, picture.pages
        self.tools.show_place(picture.page, picture.pages)
        self.tools.show()
        self._stack.setCurrentWidget(self.page_view)
        marks = self._marks.get(picture.page)
        boxes = marks.boxes if marks is not None else ()
        self.page_view.show_picture(picture.image, picture.asked_width, boxes, reveal=reveal)
        lines = f"{len(boxes)} line{'s' if len(boxes) > 1 else ''} marked" if boxes else "nothing marked"
        self.page_view.setAccessibleName(f"Page {picture.page} of {self.title}, {lines}")
        self._describe(picture.page)

    def _describe(self, page: int | None) -> None:
        """Say place and support, and offer the other sources of the answer."""
        choice = self._choice
        if choice is None:
            return
        support = support_text(choice.citation.support)
        self._caption.set_full_text(f"Page {page} · {support}" if page is not None else support)
        count = len(choice.citations)
        self._count.setText(f"{choice.index + 1} of {count}" if count > 1 else "")
        for widget in (self._count, self.previous_source, self.next_source):
            widget.setVisible(count > 1)
        self.previous_source.setEnabled(choice.index > 0)
        self.next_source.setEnabled(choice.index + 1 < count)

    def _say(self, sentence: str, *, text_helps: bool = False) -> None:
        self._note_text.setText(sentence)
        self._note.setVisible(bool(sentence))
        self.text_button.setVisible(text_helps)

    # -- slots

    @Slot(object)
    def on_answered(self, answer: OpenedPage | OpenedText | Picture) -> None:
        """Show what was asked for."""
        self._opening = False
        if self._choice is None:
            return
        if isinstance(answer, OpenedText):
            self._say(answer.note)
            self.tools.hide()
            self._stack.setCurrentWidget(self.excerpt_view)
            self.excerpt_view.show_excerpt(answer.excerpt)
        elif isinstance(answer, OpenedPage):
            self._marks = {marks.page: marks for marks in answer.marks}
            self._say(answer.note, text_helps=not answer.marks)
            self._show_picture(answer.picture, reveal=True)
        else:
            self._show_picture(answer, reveal=answer.page != self._shown_page)
        self._shown_page = self._page

    @Slot(str)
    def on_refused(self, sentence: str) -> None:
        """Say why there is nothing to show."""
        self._opening = False
        if self._choice is not None:
            self._say("")
            self._failed_text.setText(sentence)
            self.tools.hide()
            self._stack.setCurrentWidget(self._failed)

    @Slot()
    def on_picture_wanted(self) -> None:
        """Draw the page in its new size; one that is being opened is drawn in its size afterwards."""
        if self._choice is not None and not self._opening and self.showing == "page":
            self._reader.draw(self._path, self._page, self.page_view.wanted_width)

    @Slot(int)
    def on_turned(self, by: int) -> None:
        """Go some pages on or back."""
        page = min(max(1, self._page + by), self._pages)
        if not self._opening and page != self._page:
            # Noted before it is drawn, so that hasty clicks count.
            self._page = page
            self.tools.show_place(page, self._pages)
            self._reader.draw(self._path, page, self.page_view.wanted_width)

    @Slot(int)
    def on_read_wanted(self, start: int) -> None:
        """Show another part of the text."""
        if self._choice is not None:
            self._reader.read(self._choice.citation, start, self.note)

    @Slot()
    def on_show_text(self) -> None:
        """Show the indexed text in place of a page on which the passage was not found."""
        if self._choice is not None:
            self._reader.read(self._choice.citation, note="This is the text as it was indexed.")

    @Slot()
    def on_previous_source(self) -> None:
        """Show the source before."""
        self._step(-1)

    @Slot()
    def on_next_source(self) -> None:
        """Show the source after."""
        self._step(1)

    @Slot()
    def on_again(self) -> None:
        """Try to show the same source."""
        if self._choice is not None:
            self.show_source(self._choice)

    @Slot()
    def on_open_file(self) -> None:
        """Ask for the file's own program."""
        if self._path:
            self.open_requested.emit(self._path)

    def _step(self, by: int) -> None:
        choice = self._choice
        if choice is not None and 0 <= choice.index + by < len(choice.citations):
            self.show_source(SourceChoice(choice.citations, choice.index + by))
