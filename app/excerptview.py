"""A part of a document's text with the cited span marked, and the way to what stands before and after it."""

from __future__ import annotations

import re

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QColor, QTextCursor, QTextOption
from PySide6.QtWidgets import QFrame, QPlainTextEdit, QPushButton, QTextEdit, QVBoxLayout, QWidget

from app.reader import EXCERPT_CHARS, Excerpt
from app.theme import Theme

__all__ = ["ExcerptView"]

_OVERLAP_CHARS = 2_000
"""What two excerpts that follow each other share, so that the reader finds the place again."""
_UNBROKEN = re.compile(r"\S{1000}")


class ExcerptView(QWidget):
    """Show an excerpt as plain text; nothing in it is interpreted or loaded."""

    read_wanted = Signal(int)
    """The excerpt from this offset on is wanted."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._excerpt: Excerpt | None = None
        self._kept = -1
        self.earlier = QPushButton("Show earlier text")
        self.earlier.clicked.connect(self.on_earlier)
        self.later = QPushButton("Show later text")
        self.later.clicked.connect(self.on_later)
        for button in (self.earlier, self.later):
            button.setProperty("role", "sources")
        self.edit = QPlainTextEdit(readOnly=True)
        self.edit.setObjectName("excerpt")
        self.edit.setAccessibleName("Text of the document")
        self.edit.setAcceptDrops(False)
        self.edit.setUndoRedoEnabled(False)
        self.edit.setTabChangesFocus(True)
        self.edit.setFrameShape(QFrame.Shape.NoFrame)
        self.edit.viewport().setAutoFillBackground(False)
        self.edit.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.earlier, 0, Qt.AlignmentFlag.AlignHCenter)
        layout.addWidget(self.edit, 1)
        layout.addWidget(self.later, 0, Qt.AlignmentFlag.AlignHCenter)
        theme.changed.connect(self.on_theme_changed)
        self.on_theme_changed()

    @property
    def marked_text(self) -> str:
        """The text that is marked."""
        selections = self.edit.extraSelections()
        return str(selections[0].cursor.selectedText()).replace("\u2029", "\n") if selections else ""

    def show_excerpt(self, excerpt: Excerpt) -> None:
        """Show an excerpt; what was in sight stays there, and at first that is the mark."""
        before, self._excerpt = self._excerpt, excerpt
        # Qt takes a quarter of a second to find out that a word of 40,000 letters can't be wrapped.
        modes = QTextOption.WrapMode
        is_unbroken = _UNBROKEN.search(excerpt.text) is not None
        self.edit.setWordWrapMode(modes.WrapAnywhere if is_unbroken else modes.WrapAtWordBoundaryOrAnywhere)
        self.edit.setPlainText(excerpt.text)
        self.earlier.setVisible(excerpt.start > 0)
        self.later.setVisible(excerpt.end < excerpt.total)
        self._mark()
        if before is not None and excerpt.start <= self._kept <= excerpt.end:
            self._scroll_to(self._kept - excerpt.start)
        elif excerpt.mark is not None:
            self._scroll_to(excerpt.mark[0])
        self._kept = -1

    def forget(self) -> None:
        """Show nothing; the next excerpt is another document's."""
        self._excerpt, self._kept = None, -1
        self.edit.clear()

    @Slot()
    def on_earlier(self) -> None:
        """Ask for the text before this one."""
        if self._excerpt is not None:
            self._kept = self._excerpt.start
            self.read_wanted.emit(max(0, self._excerpt.start - EXCERPT_CHARS + _OVERLAP_CHARS))

    @Slot()
    def on_later(self) -> None:
        """Ask for the text after this one."""
        if self._excerpt is not None:
            self._kept = self._excerpt.end
            self.read_wanted.emit(self._excerpt.end - _OVERLAP_CHARS)

    @Slot()
    def on_theme_changed(self) -> None:
        """Take other colours and sizes."""
        self.edit.setFont(self._theme.font(13))
        self._mark()

    def _mark(self) -> None:
        excerpt = self._excerpt
        if excerpt is None or excerpt.mark is None:
            self.edit.setExtraSelections([])
            return
        selection = QTextEdit.ExtraSelection()
        selection.cursor = self._cursor(excerpt.mark[0])
        selection.cursor.setPosition(_units(excerpt.text[: excerpt.mark[1]]), QTextCursor.MoveMode.KeepAnchor)
        selection.format.setBackground(QColor(self._theme.tokens.selection))
        selection.format.setForeground(QColor(self._theme.tokens.text))
        self.edit.setExtraSelections([selection])

    def _cursor(self, offset: int) -> QTextCursor:
        cursor = QTextCursor(self.edit.document())
        if self._excerpt is not None:
            cursor.setPosition(_units(self._excerpt.text[:offset]))
        return cursor

    def _scroll_to(self, offset: int) -> None:
        self.edit.setTextCursor(self._cursor(offset))
        self.edit.centerCursor()


def _units(text: str) -> int:
    """Return the length of a text as Qt counts it, in UTF-16 units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
