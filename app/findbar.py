"""Find in the chat that is shown."""

from __future__ import annotations

from PySide6.QtCore import QPoint, Qt, Signal, Slot
from PySide6.QtGui import QColor, QKeyEvent, QTextCursor
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QPlainTextEdit, QTextEdit, QWidget

from app.theme import Theme
from app.transcript import Transcript
from app.widgets import IconButton

__all__ = ["FindBar"]

_TextEdit = QTextEdit | QPlainTextEdit
_MOST = 500


class FindBar(QWidget):
    """Mark every place where a text stands and go from one to the next."""

    closed = Signal()

    def __init__(self, theme: Theme, transcript: Transcript, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("findBar")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._theme = theme
        self._transcript = transcript
        self._hits: list[tuple[_TextEdit, QTextCursor]] = []
        self._current = -1
        self.field = QLineEdit()
        self.field.setPlaceholderText("Find in this chat")
        self.field.setAccessibleName("Find in this chat")
        self.field.textChanged.connect(self.on_text_changed)
        self.field.returnPressed.connect(self.on_next)
        self.count = QLabel()
        self.count.setProperty("role", "caption")
        previous = IconButton(theme, "chevron-up", "Previous (Shift+Enter)")
        previous.clicked.connect(self.on_previous)
        following = IconButton(theme, "chevron-down", "Next (Enter)")
        following.clicked.connect(self.on_next)
        close = IconButton(theme, "close", "Close (Esc)")
        close.clicked.connect(self.on_close)
        row = QHBoxLayout(self)
        row.setContentsMargins(16, 6, 8, 6)
        row.setSpacing(8)
        row.addWidget(self.field, 1)
        row.addWidget(self.count)
        for button in (previous, following, close):
            row.addWidget(button)
        self.hide()

    def open(self) -> None:
        """Show the bar and take the keyboard."""
        self.show()
        self.field.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.field.selectAll()
        self.on_text_changed()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Close on Esc, go back on Shift+Enter."""
        if event.key() == Qt.Key.Key_Escape:
            self.on_close()
        elif event.key() == Qt.Key.Key_Return and event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self.on_previous()
        else:
            super().keyPressEvent(event)

    @Slot()
    def on_text_changed(self) -> None:
        """Look for the text anew, from the end."""
        self._search()
        self._current = len(self._hits) - 1
        self._show()

    @Slot()
    def on_next(self) -> None:
        """Go to the next place, from the last to the first."""
        self._step(1)

    @Slot()
    def on_previous(self) -> None:
        """Go to the place before."""
        self._step(-1)

    @Slot()
    def on_close(self) -> None:
        """Take the marks away."""
        if self.isVisible():
            self._clear()
            self.hide()
            self.closed.emit()

    def _step(self, by: int) -> None:
        # The views may have been laid out anew since the last look.
        current = self._current
        self._search()
        if self._hits:
            self._current = (current + by) % len(self._hits)
        self._show()

    def _search(self) -> None:
        self._clear()
        text = self.field.text()
        for view in self._transcript.views if text else ():
            for edit in view.texts():
                self._hits.extend((edit, cursor) for cursor in _all_in(edit, text))

    def _clear(self) -> None:
        for view in self._transcript.views:
            for edit in view.texts():
                edit.setExtraSelections([])
        self._hits, self._current = [], -1

    def _show(self) -> None:
        marks: dict[_TextEdit, list[QTextEdit.ExtraSelection]] = {}
        for number, (edit, cursor) in enumerate(self._hits[:_MOST]):
            mark = QTextEdit.ExtraSelection()
            mark.cursor = cursor
            current = number == self._current
            colour = self._theme.tokens.accent if current else self._theme.tokens.selection
            mark.format.setBackground(QColor(colour))
            if current:
                mark.format.setForeground(QColor(self._theme.tokens.on_accent))
            marks.setdefault(edit, []).append(mark)
        for edit, selections in marks.items():
            edit.setExtraSelections(selections)
        if not self._hits:
            self.count.setText("Nothing found" if self.field.text() else "")
            return
        self.count.setText(f"{self._current + 1} of {len(self._hits)}")
        edit, cursor = self._hits[self._current]
        self._transcript.reveal_place(edit, QPoint(0, edit.cursorRect(cursor).center().y()))


def _all_in(edit: _TextEdit, text: str) -> list[QTextCursor]:
    found: list[QTextCursor] = []
    cursor = edit.document().find(text, 0)
    while not cursor.isNull() and len(found) < _MOST:
        found.append(cursor)
        cursor = edit.document().find(text, cursor)
    return found
