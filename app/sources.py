"""The sources under an answer: file, page and the cited snippet marked inside its passage."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from PySide6.QtCore import QEvent, QObject, QPoint, Qt, Signal, Slot
from PySide6.QtGui import (
    QColor,
    QKeyEvent,
    QMouseEvent,
    QTextBlockFormat,
    QTextCharFormat,
    QTextCursor,
    QTextFormat,
)
from PySide6.QtWidgets import QApplication, QFrame, QHBoxLayout, QLabel, QToolButton, QVBoxLayout, QWidget

from app.textview import TextView
from app.theme import Theme
from app.tooltips import plain_tip
from app.widgets import ElidedLabel
from engine.messages import Citation, Passage

__all__ = ["SourceCard", "SourceChoice", "SourcesView", "file_name", "place_of"]

_CONTEXT_CHARS = 240
_BACKGROUND = QTextFormat.Property.BackgroundBrush.value
# Scripts without spaces have no piece of a word to lose.
_FIRST_PIECE = re.compile(r"^\S{1,24}(?=\s)")
_LAST_PIECE = re.compile(r"(?<=\s)\S{1,24}$")


def file_name(path: str) -> str:
    """Return the last part of a path of this or another system."""
    return PurePath(path.replace("\\", "/")).name or path


def place_of(citation: Citation) -> str:
    """Return "page 7", or nothing where the format has no pages."""
    return f"page {citation.page}" if citation.page is not None else ""


@dataclass(frozen=True, slots=True)
class SourceChoice:
    """A source of an answer that is to be shown, among all of them."""

    citations: tuple[Citation, ...]
    """One for each number, in their order."""
    index: int
    """0-based index of the one that is chosen."""

    @property
    def citation(self) -> Citation:
        """The one that is chosen."""
        return self.citations[self.index]


class SourceCard(QFrame):
    """Show one citation; a click on its text, or Enter, shows it in its document."""

    open_requested = Signal(str)
    view_requested = Signal(int)
    """Number of the citation"""
    context_wanted = Signal(object)

    def __init__(
        self, theme: Theme, citation: Citation, passage: Passage | None, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("card")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._theme = theme
        self.citation = citation
        name, place = file_name(citation.path), place_of(citation)
        self.setAccessibleName(f"Source {citation.number}: {name} {place}".strip())
        number = QLabel(str(citation.number))
        number.setProperty("role", "caption")
        title = ElidedLabel()
        title.setProperty("role", "title")
        title.set_full_text(name)
        title.setToolTip(plain_tip(citation.path))
        where = QLabel(place)
        where.setProperty("role", "muted")
        self.viewer_button = self._button("file", "Show page" if place else "Show text", f"Show {name} {place} here")
        self.viewer_button.clicked.connect(self.on_view)
        self.open_button = self._button("open", "Open file", f"Open {name} in its own program")
        self.open_button.clicked.connect(self.on_open)
        top = QHBoxLayout()
        top.setSpacing(8)
        top.addWidget(number)
        top.addWidget(title, 1)
        top.addWidget(where)
        top.addWidget(self.viewer_button)
        top.addWidget(self.open_button)
        self._text = TextView(theme, f"Cited text of {name}")
        self._text.viewport().setCursor(Qt.CursorShape.PointingHandCursor)
        self._text.viewport().installEventFilter(self)
        self._pressed: QPoint | None = None
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 6, 8, 10)
        layout.setSpacing(4)
        layout.addLayout(top)
        layout.addWidget(self._text)
        before, after = _around(citation, passage)
        self._needs_context = not before and not after
        self.set_context(before, after)

    @property
    def text(self) -> str:
        """The snippet with what is shown around it."""
        return self._text.toPlainText()

    @property
    def marked_text(self) -> str:
        """The part of the text that is marked."""
        block = self._text.document().firstBlock()
        ranges = [each for each in block.textFormats() if each.format.hasProperty(_BACKGROUND)]
        return "".join(self.text[each.start : each.start + each.length] for each in ranges)

    def request_context(self) -> None:
        """Ask for the text around the snippet, if it is not known yet."""
        if self._needs_context:
            self._needs_context = False
            self.context_wanted.emit(self.citation)

    def set_context(self, before: str, after: str) -> None:
        """Show the snippet marked between the text before and after it, up to whole words."""
        before, after = _from_a_word(before), _to_a_word(after)
        tokens = self._theme.tokens
        block = QTextBlockFormat()
        block.setLineHeight(140, QTextBlockFormat.LineHeightTypes.ProportionalHeight.value)
        cursor = QTextCursor(self._text.document())
        cursor.select(QTextCursor.SelectionType.Document)
        cursor.removeSelectedText()
        cursor.setBlockFormat(block)
        around, marked = QTextCharFormat(), QTextCharFormat()
        for char, colour in ((around, tokens.muted), (marked, tokens.text)):
            char.setFont(self._theme.font(13))
            char.setForeground(QColor(colour))
        marked.setBackground(QColor(tokens.selection))
        cursor.insertText(_one_line(before, lead=True), around)
        cursor.insertText(_one_line(self.citation.snippet), marked)
        cursor.insertText(_one_line(after, trail=True), around)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Show the source after a click on the text; whoever marks text wants to copy it."""
        if isinstance(event, QMouseEvent) and event.button() == Qt.MouseButton.LeftButton:
            if event.type() == QEvent.Type.MouseButtonPress:
                self._pressed = event.position().toPoint()
            elif event.type() == QEvent.Type.MouseButtonRelease and self._pressed is not None:
                moved = (event.position().toPoint() - self._pressed).manhattanLength()
                self._pressed = None
                if moved < QApplication.startDragDistance():
                    self.on_view()
        return super().eventFilter(watched, event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Show the source on Enter and Space."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.on_view()
        else:
            super().keyPressEvent(event)

    @Slot()
    def on_open(self) -> None:
        """Ask for the file's own program."""
        self.open_requested.emit(self.citation.path)

    @Slot()
    def on_view(self) -> None:
        """Ask for the source to be shown in its document."""
        self.view_requested.emit(self.citation.number)

    def _button(self, icon: str, text: str, name: str) -> QToolButton:
        button = QToolButton()
        button.setText(text)
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        button.setProperty("role", "quiet")
        button.setIcon(self._theme.icon(icon, self._theme.tokens.muted))
        button.setAccessibleName(name)
        return button


class SourcesView(QWidget):
    """List the sources of one answer, one card per number."""

    open_requested = Signal(str)
    view_requested = Signal(object)
    """SourceChoice"""
    context_wanted = Signal(object)

    def __init__(
        self, theme: Theme, citations: Sequence[Citation], passages: Sequence[Passage], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 4)
        layout.setSpacing(8)
        self.cards: dict[int, SourceCard] = {}
        for citation in citations:
            if citation.number in self.cards:
                continue
            passage = next((each for each in passages if _holds(each, citation)), None)
            card = SourceCard(theme, citation, passage)
            card.open_requested.connect(self.open_requested)
            card.view_requested.connect(self.on_view)
            card.context_wanted.connect(self.context_wanted)
            layout.addWidget(card)
            self.cards[citation.number] = card

    def showEvent(self, event: object) -> None:
        """Fetch the text around the snippets when it is first needed."""
        for card in self.cards.values():
            card.request_context()

    @Slot(int)
    def on_view(self, number: int) -> None:
        """Ask for one source to be shown, with the way to the others."""
        numbers = list(self.cards)
        if number in numbers:
            citations = tuple(card.citation for card in self.cards.values())
            self.view_requested.emit(SourceChoice(citations, numbers.index(number)))

    def set_context(self, citation: Citation, before: str, after: str) -> None:
        """Show what surrounds a citation."""
        card = self.cards.get(citation.number)
        if card is not None and card.citation == citation:
            card.set_context(before, after)


def _holds(passage: Passage, citation: Citation) -> bool:
    return passage.path == citation.path and passage.start <= citation.start and citation.end <= passage.end


def _around(citation: Citation, passage: Passage | None) -> tuple[str, str]:
    if passage is None:
        return "", ""
    return passage.text[: citation.start - passage.start], passage.text[citation.end - passage.start :]


def _from_a_word(text: str) -> str:
    """Return the end of a long text, from the begin of a word."""
    kept = text[-_CONTEXT_CHARS:]
    return kept if len(kept) == len(text) or text[-_CONTEXT_CHARS - 1].isspace() else _FIRST_PIECE.sub("", kept)


def _to_a_word(text: str) -> str:
    """Return the begin of a long text, to the end of a word."""
    kept = text[:_CONTEXT_CHARS]
    return kept if len(kept) == len(text) or text[_CONTEXT_CHARS].isspace() else _LAST_PIECE.sub("", kept)


def _one_line(text: str, *, lead: bool = False, trail: bool = False) -> str:
    """Return the text with its line breaks as spaces, and an ellipsis where it was cut."""
    words = " ".join(text.split())
    if not words:
        return ""
    before = " " if text[0].isspace() and not lead else ""
    after = " " if text[-1].isspace() and not trail else ""
    return f"{'… ' if lead else before}{words}{' …' if trail else after}"
