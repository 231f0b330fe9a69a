"""Where the user writes: grows to eight lines, Enter sends, Send becomes Stop."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from PySide6.QtCore import QEvent, QMimeData, QObject, Qt, Signal, Slot
from PySide6.QtGui import QFontMetricsF, QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPlainTextEdit, QVBoxLayout, QWidget

from app.theme import Theme
from app.transcript import measure
from app.widgets import IconButton, TickBox

__all__ = ["Composer"]

_MAX_LINES = 8
_FROM = re.compile(r'(?<!\S)from:(?:"[^"]*"|\S+)\s*', re.IGNORECASE)
_DOCUMENTS_ONLY_TIP = "Answer from your documents alone, and say so where they don't hold the answer"


class _Edit(QPlainTextEdit):
    """Take text only, as tall as what is in it."""

    sent = Signal()
    escaped = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self.setObjectName("composerEdit")
        self.setAccessibleName("Your question")
        self.setPlaceholderText("Ask about your documents…")
        self.setTabChangesFocus(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.document().setDocumentMargin(0)
        self.document().documentLayout().documentSizeChanged.connect(self.fit)
        theme.changed.connect(self.fit)

    @Slot()
    def fit(self) -> None:
        """Take the height of the text, between one line and eight."""
        line = QFontMetricsF(self._theme.font(15)).lineSpacing()
        lines = min(_MAX_LINES, max(1, round(self.document().size().height())))
        self.setFixedHeight(math.ceil(line * lines) + 4)
        whole = self.document().size().height() <= _MAX_LINES
        policy = Qt.ScrollBarPolicy.ScrollBarAlwaysOff if whole else Qt.ScrollBarPolicy.ScrollBarAsNeeded
        self.setVerticalScrollBarPolicy(policy)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit again when lines wrap otherwise."""
        super().resizeEvent(event)
        self.fit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Send on Enter, break the line on Shift+Enter."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
                self.insertPlainText("\n")
                self.ensureCursorVisible()
            else:
                self.sent.emit()
            return
        if event.key() == Qt.Key.Key_Escape:
            self.escaped.emit()
            return
        super().keyPressEvent(event)

    def canInsertFromMimeData(self, source: QMimeData) -> bool:
        """Leave files to the window, which indexes them."""
        return not source.hasUrls() and super().canInsertFromMimeData(source)


class Composer(QWidget):
    """Write a question and send it, or stop the answer."""

    submitted = Signal(str)
    stop_requested = Signal()
    add_requested = Signal()
    edit_cancelled = Signal()
    documents_only_changed = Signal(bool)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._busy = False
        self._editing = False
        self.edit = _Edit(theme)
        self.edit.sent.connect(self.on_send)
        self.edit.escaped.connect(self.on_escape)
        self.edit.textChanged.connect(self.on_text_changed)
        self.edit.installEventFilter(self)
        self._add = IconButton(theme, "plus", "Add documents")
        self._add.clicked.connect(self.add_requested)
        self.send = _SendButton(theme)
        self.send.clicked.connect(self.on_send_clicked)
        self._note = QLabel("Editing an earlier question: what follows it is replaced. Esc cancels.")
        self._note.setProperty("role", "caption")
        self._note.setWordWrap(True)
        self._note.hide()
        self.documents_only = TickBox("Documents only")
        self.documents_only.setAccessibleName("Documents only")
        self.documents_only.setAccessibleDescription(_DOCUMENTS_ONLY_TIP)
        self.documents_only.setToolTip(_DOCUMENTS_ONLY_TIP)
        self.documents_only.toggled.connect(self.documents_only_changed)
        self._build_layout()
        theme.changed.connect(self.on_theme_changed)
        self.on_theme_changed()
        self.on_text_changed()

    def _build_layout(self) -> None:
        self._frame = QFrame()
        self._frame.setObjectName("composerFrame")
        inner = QHBoxLayout(self._frame)
        inner.setContentsMargins(6, 6, 6, 6)
        inner.setSpacing(6)
        inner.addWidget(self._add, 0, Qt.AlignmentFlag.AlignBottom)
        inner.addWidget(self.edit, 1, Qt.AlignmentFlag.AlignVCenter)
        inner.addWidget(self.send, 0, Qt.AlignmentFlag.AlignBottom)
        self._middle = QWidget()
        middle = QVBoxLayout(self._middle)
        middle.setContentsMargins(0, 0, 0, 0)
        middle.setSpacing(4)
        middle.addWidget(self._note)
        middle.addWidget(self._frame)
        below = QHBoxLayout()
        below.setContentsMargins(14, 0, 0, 0)
        below.addWidget(self.documents_only)
        below.addStretch(1)
        middle.addLayout(below)
        outer = QHBoxLayout(self)
        outer.setContentsMargins(24, 4, 24, 8)
        outer.addStretch(1)
        outer.addWidget(self._middle, 1000)
        outer.addStretch(1)

    @property
    def text(self) -> str:
        """What is written."""
        return self.edit.toPlainText()

    def set_busy(self, busy: bool) -> None:
        """Show Stop while an answer is being made, else Send."""
        self._busy = busy
        self.send.show_stop(busy)
        self.on_text_changed()

    def set_text(self, text: str, *, editing: bool = False) -> None:
        """Put a text in, the cursor at its end."""
        self.edit.setPlainText(text)
        cursor = self.edit.textCursor()
        cursor.movePosition(cursor.MoveOperation.End)
        self.edit.setTextCursor(cursor)
        self._editing = editing
        self._note.setVisible(editing)
        self.focus()

    @Slot(object)
    def on_documents_named(self, names: Sequence[str]) -> None:
        """Limit the question to documents of these names, in place of those that it was limited to."""
        asked = _FROM.sub("", self.text).strip()
        filters = " ".join(f'from:"{name}"' for name in names if '"' not in name)
        self.set_text(f"{filters} {asked}".strip() + ("" if asked else " "), editing=self._editing)

    def focus(self) -> None:
        """Take the keyboard."""
        self.edit.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Show on the frame that the keyboard is here."""
        if event.type() in (QEvent.Type.FocusIn, QEvent.Type.FocusOut):
            self._frame.setProperty("active", event.type() == QEvent.Type.FocusIn)
            self._frame.style().unpolish(self._frame)
            self._frame.style().polish(self._frame)
        return super().eventFilter(watched, event)

    @Slot()
    def on_send(self) -> None:
        """Hand on the question, if there is one and no answer runs."""
        text = self.text.strip()
        if text and not self._busy:
            self.edit.clear()
            self._editing = False
            self._note.hide()
            self.submitted.emit(text)

    @Slot()
    def on_send_clicked(self) -> None:
        """Send, or stop."""
        if self._busy:
            self.stop_requested.emit()
        else:
            self.on_send()

    @Slot()
    def on_escape(self) -> None:
        """Stop the answer, or else leave editing."""
        if self._busy:
            self.stop_requested.emit()
        elif self._editing:
            self.set_text("")
            self.edit_cancelled.emit()

    @Slot()
    def on_text_changed(self) -> None:
        """Offer Send only where there is something to send."""
        self.send.setEnabled(self._busy or bool(self.text.strip()))

    @Slot()
    def on_theme_changed(self) -> None:
        """Be as wide as the conversation."""
        self._middle.setMaximumWidth(measure(self._theme) + 24)


class _SendButton(IconButton):
    def __init__(self, theme: Theme) -> None:
        super().__init__(theme, "send", "Send (Enter)")
        self.setProperty("role", "send")

    def changeEvent(self, event: QEvent) -> None:
        """Take the icon of the other state."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.EnabledChange:
            self.on_theme_changed()

    def show_stop(self, stop: bool) -> None:
        """Become Stop or Send."""
        self.set_icon_name("stop" if stop else "send", "Stop (Esc)" if stop else "Send (Enter)")

    def _colour_of_icon(self) -> str:
        return self._theme.tokens.on_accent if self.isEnabled() else self._theme.tokens.muted
