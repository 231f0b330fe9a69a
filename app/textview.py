"""The views that an answer consists of: prose as tall as its text, code with a copy button."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PySide6.QtCore import QSizeF, Qt, QTimer, QUrl, Signal, Slot
from PySide6.QtGui import (
    QColor,
    QFontMetricsF,
    QGuiApplication,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QTextCharFormat,
    QTextCursor,
    QTextOption,
    QWheelEvent,
)
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QSizePolicy,
    QTextBrowser,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.drafts import DRAFTED_TIP
from app.richtext import BlockWriter, ChipObject
from app.theme import Theme, Tokens

__all__ = ["CodeView", "TextView"]

_COPIED_MS = 1500
_HIGHLIGHT_LIMIT = 40_000


class TextView(QTextBrowser):
    """Show rich text at its full height; it never scrolls and never loads anything."""

    link_clicked = Signal(str)

    def __init__(self, theme: Theme, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._caret = False
        self.setAccessibleName(name)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setOpenLinks(False)
        self.setUndoRedoEnabled(False)
        self.setAcceptDrops(False)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setWordWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextBrowserInteraction | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.viewport().setAutoFillBackground(False)
        document = self.document()
        document.setDocumentMargin(0)
        document.setIndentWidth(22)
        document.setDefaultFont(theme.font(15))
        self._chips = ChipObject(theme, document)
        self.writer = BlockWriter(document, theme)
        document.documentLayout().documentSizeChanged.connect(self.on_size_changed)
        self.anchorClicked.connect(self.on_anchor_clicked)
        self.setFixedHeight(1)

    def restyle(self) -> None:
        """Take the size of the theme anew."""
        self.document().setDefaultFont(self._theme.font(15))

    def restart(self) -> None:
        """Become empty, to be written anew."""
        self.writer.restart()

    def set_plain(self, text: str) -> None:
        """Show text as it is."""
        char = QTextCharFormat()
        char.setFont(self._theme.font(15))
        char.setForeground(QColor(self._theme.tokens.text))
        cursor = QTextCursor(self.document())
        cursor.select(QTextCursor.SelectionType.Document)
        cursor.insertText(text, char)

    @property
    def has_caret(self) -> bool:
        """Whether the caret is shown."""
        return self._caret

    def set_caret(self, shown: bool) -> None:
        """Show or hide the caret behind the last character."""
        if shown != self._caret:
            self._caret = shown
            self.viewport().update()

    def loadResource(self, type: int, name: QUrl | str) -> object:  # noqa: A002  the name in Qt's interface
        """Load nothing, local or remote."""
        return None

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Let the transcript scroll."""
        event.ignore()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the text, then the caret, which takes no room in the layout."""
        super().paintEvent(event)
        if self._caret:
            cursor = QTextCursor(self.document())
            cursor.movePosition(QTextCursor.MoveOperation.End)
            place = self.cursorRect(cursor)
            painter = QPainter(self.viewport())
            painter.fillRect(
                place.x() + 2, place.y() + 1, 7, min(place.height(), 20) - 2, QColor(self._theme.tokens.accent)
            )
            painter.end()

    @Slot(QSizeF)
    def on_size_changed(self, size: QSizeF) -> None:
        """Take the height of the text."""
        height = max(1, math.ceil(size.height()))
        if height != self.height():
            self.setFixedHeight(height)

    @Slot(QUrl)
    def on_anchor_clicked(self, url: QUrl) -> None:
        """Hand on a link; nothing opens by itself."""
        self.link_clicked.emit(url.toString())


class CodeView(QFrame):
    """Show highlighted code that scrolls sideways, with its language and a copy button."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("code")
        self._theme = theme
        self._code = ""
        self._widest = 0.0
        self.language_label = QLabel(textFormat=Qt.TextFormat.PlainText)
        self.language_label.setProperty("role", "caption")
        self.copy_button = QToolButton()
        self.copy_button.setText("Copy")
        self.copy_button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.copy_button.setProperty("role", "quiet")
        self.copy_button.setAccessibleName("Copy this code")
        self.copy_button.setIcon(theme.icon("copy", theme.tokens.muted))
        self.copy_button.clicked.connect(self.on_copy)
        self._text = QPlainTextEdit(readOnly=True, lineWrapMode=QPlainTextEdit.LineWrapMode.NoWrap)
        self._text.setObjectName("codeText")
        self._text.setAccessibleName("Code")
        self._text.setAcceptDrops(False)
        self._text.setUndoRedoEnabled(False)
        self._text.setTabChangesFocus(True)
        self._text.setFrameShape(QFrame.Shape.NoFrame)
        self._text.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._text.viewport().setAutoFillBackground(False)
        self._text.setFont(theme.font(13, mono=True))
        self._text.document().setDocumentMargin(0)
        self._text.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self._back = QTimer(self, singleShot=True, interval=_COPIED_MS)
        self._back.timeout.connect(self.on_copied_over)
        top = QHBoxLayout()
        top.addWidget(self.language_label)
        top.addStretch(1)
        top.addWidget(self.copy_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 4, 8, 10)
        layout.setSpacing(2)
        layout.addLayout(top)
        layout.addWidget(self._text)

    @property
    def text_edit(self) -> QPlainTextEdit:
        """The view of the code, for find."""
        return self._text

    def set_code(self, runs: Sequence[tuple[str, bool]], language: str, *, final: bool) -> None:
        """Show code, given as runs that were drafted ahead or not; it is highlighted once it is complete."""
        self.language_label.setText(language or "code")
        code = "".join(run for run, _drafted in runs)
        is_tinted = any(drafted for _run, drafted in runs)
        if (final and is_tinted) or not code.startswith(self._code):
            # White space at the end of a draft is tinted once more of it follows.
            self._text.clear()
            self._code = ""
        self._append(runs, len(self._code))
        self._code = code
        metrics = QFontMetricsF(self._text.font())
        self._widest = max((metrics.horizontalAdvance(line) for line in code.split("\n")), default=0.0)
        self._fit()
        if final and len(code) < _HIGHLIGHT_LIMIT:
            self._highlight(code, language)

    def restart(self) -> None:
        """Become empty, to be written anew."""
        self._text.clear()
        self._code = ""

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Make room for the bar where the code is wider."""
        super().resizeEvent(event)
        self._fit()

    def _append(self, runs: Sequence[tuple[str, bool]], shown: int) -> None:
        cursor = QTextCursor(self._text.document())
        cursor.movePosition(QTextCursor.MoveOperation.End)
        cursor.beginEditBlock()
        for run, drafted in runs:
            char = QTextCharFormat()
            if drafted:
                char.setBackground(QColor(self._theme.tokens.drafted))
                char.setToolTip(DRAFTED_TIP)
            cursor.insertText(run[shown:], char)
            shown = max(0, shown - len(run))
        cursor.endEditBlock()

    def _fit(self) -> None:
        # Room for the bar, so that it never covers the last line.
        bar = 14 if self._widest > self.width() - 24 else 4
        lines = QFontMetricsF(self._text.font()).lineSpacing() * (self._code.count("\n") + 1)
        self._text.setFixedHeight(math.ceil(lines) + bar)

    @Slot()
    def on_copy(self) -> None:
        """Put the code into the clipboard and say so for a moment."""
        QGuiApplication.clipboard().setText(self._code)
        self.copy_button.setText("Copied")
        self._back.start()

    @Slot()
    def on_copied_over(self) -> None:
        """Offer to copy again."""
        self.copy_button.setText("Copy")

    def _highlight(self, code: str, language: str) -> None:
        from pygments.lexers import get_lexer_by_name
        from pygments.util import ClassNotFound

        try:
            lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
        except ClassNotFound:
            return
        cursor = QTextCursor(self._text.document())
        cursor.beginEditBlock()
        place = 0
        for _start, kind, value in lexer.get_tokens_unprocessed(code):
            # The document counts UTF-16 units, Pygments characters.
            begin, place = place, place + len(value.encode("utf-16-le", "surrogatepass")) // 2
            colour = _code_colour(str(kind), self._theme.tokens)
            if colour:
                char = QTextCharFormat()
                char.setForeground(QColor(colour))
                cursor.setPosition(begin)
                cursor.setPosition(place, QTextCursor.MoveMode.KeepAnchor)
                cursor.mergeCharFormat(char)
        cursor.endEditBlock()


def _code_colour(kind: str, tokens: Tokens) -> str:
    """Return the colour of a Pygments token kind, from the tokens of the theme; empty for plain text."""
    if kind.startswith("Token.Comment"):
        return tokens.muted
    if kind.startswith(("Token.Keyword", "Token.Name.Tag", "Token.Operator.Word")):
        return tokens.accent
    if kind.startswith("Token.Literal.String"):
        return tokens.positive
    if kind.startswith(("Token.Literal.Number", "Token.Name.Builtin", "Token.Name.Decorator")):
        return tokens.warning
    return ""
