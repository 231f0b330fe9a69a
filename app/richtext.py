"""Write Markdown tokens into a text document with the theme's formats."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QRect, QRectF, QSizeF, Qt
from PySide6.QtGui import (
    QBrush,
    QColor,
    QFont,
    QFontMetricsF,
    QPainter,
    QPyTextObject,
    QTextBlockFormat,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
    QTextFormat,
    QTextFrameFormat,
    QTextLength,
    QTextList,
    QTextListFormat,
    QTextTableFormat,
)

from app.markdown import CHIP
from app.marks import Mark, Trace
from app.theme import Theme
from app.tooltips import plain_tip

if TYPE_CHECKING:
    from markdown_it.token import Token

__all__ = ["CHIP_SCHEME", "BlockWriter", "ChipObject"]

CHIP_SCHEME = "cite:"
"""What the anchor of a chip begins with; its number follows."""

_CHIP_TYPE = QTextFormat.ObjectTypes.UserObject.value + 1
_CHIP_NUMBER = QTextFormat.Property.UserProperty.value + 1
_OBJECT = "\ufffc"
_HEADING_SIZES = {"h1": 18.0, "h2": 17.0, "h3": 16.0}
_LINE_HEIGHT = 150.0


class ChipObject(QPyTextObject):
    """Paint a citation chip: a number on a rounded tint, raised above the line."""

    def __init__(self, theme: Theme, parent: QTextDocument) -> None:
        super().__init__(parent)
        self._theme = theme
        parent.documentLayout().registerHandler(_CHIP_TYPE, self)

    def intrinsicSize(self, doc: QTextDocument, posInDocument: int, style: QTextFormat) -> QSizeF:
        """Return the room of the chip with a gap on its left."""
        metrics = QFontMetricsF(self._font())
        width = max(metrics.horizontalAdvance(str(style.property(_CHIP_NUMBER))) + 8, metrics.height())
        return QSizeF(width + 2, QFontMetricsF(self._theme.font(15)).ascent() + 2)

    def drawObject(
        self, painter: QPainter, rect: QRectF | QRect, doc: QTextDocument, posInDocument: int, style: QTextFormat
    ) -> None:
        """Paint the chip into the upper part of its room."""
        tokens = self._theme.tokens
        height = QFontMetricsF(self._font()).height()
        box = QRectF(rect.left() + 2, rect.top() - 1, rect.width() - 2, height)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(tokens.raised))
        painter.drawRoundedRect(box, 4, 4)
        painter.setPen(QColor(tokens.accent))
        painter.setFont(self._font())
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, str(style.property(_CHIP_NUMBER)))
        painter.restore()

    def _font(self) -> QFont:
        return self._theme.font(10.5, bold=True)


@dataclass(slots=True)
class _OpenList:
    style: QTextListFormat
    items: QTextList | None = None
    """Made with the first item: Qt deletes a list without one."""


class BlockWriter:
    """Append blocks at the end of a document."""

    def __init__(self, document: QTextDocument, theme: Theme) -> None:
        self._theme = theme
        self._document = document
        self._cursor = QTextCursor(document)
        self._fresh = document.isEmpty()
        self._lists: list[_OpenList] = []
        self._item_open = False
        self._quotes = 0
        self._gap = 0
        self._trace: Trace | None = None

    def write(self, tokens: Sequence[Token], trace: Trace | None = None) -> None:
        """Append one top-level block; `trace` tells which of its words are marked."""
        self._trace = trace
        self._cursor.movePosition(QTextCursor.MoveOperation.End)
        self._cursor.beginEditBlock()
        stream = iter(tokens)
        for token in stream:
            self._write_token(token, stream)
        self._cursor.endEditBlock()

    def restart(self) -> None:
        """Take everything away."""
        self._document.clear()
        self._cursor = QTextCursor(self._document)
        self._fresh, self._gap = True, 0

    def rewind(self, mark: tuple[int, bool]) -> None:
        """Take away what was written since `mark`."""
        position, self._fresh = mark
        self._cursor.setPosition(position)
        self._cursor.movePosition(QTextCursor.MoveOperation.End, QTextCursor.MoveMode.KeepAnchor)
        self._cursor.removeSelectedText()
        if self._fresh:
            self._cursor.setBlockFormat(QTextBlockFormat())

    @property
    def mark(self) -> tuple[int, bool]:
        """The end of the document, for `rewind`."""
        self._cursor.movePosition(QTextCursor.MoveOperation.End)
        return self._cursor.position(), self._fresh

    # -- blocks

    def _write_token(self, token: Token, stream: Iterator[Token]) -> None:
        kind = token.type
        if kind == "inline":
            self._inline(self._cursor, token.children or [], self._char_format())
        elif kind == "paragraph_open":
            self._begin_paragraph(4 if token.hidden else 10)
        elif kind == "heading_open":
            self._heading(token.tag, stream)
        elif kind == "hr":
            self._rule()
        elif kind in ("fence", "code_block"):
            self._nested_code(token)
        elif kind == "table_open":
            self._table(stream)
        else:
            self._nest(token)

    def _nest(self, token: Token) -> None:
        kind = token.type
        if kind in ("bullet_list_open", "ordered_list_open"):
            self._begin_list(token)
        elif kind in ("bullet_list_close", "ordered_list_close"):
            self._lists.pop()
            self._gap = 0 if self._lists else 6
        elif kind == "list_item_open":
            self._item_open = True
        elif kind == "list_item_close" and self._item_open:
            self._begin_paragraph(4)
        elif kind.startswith("blockquote"):
            self._quotes += token.nesting

    def _begin_block(self, block: QTextBlockFormat, char: QTextCharFormat) -> None:
        if self._fresh:
            self._cursor.setBlockFormat(block)
            self._cursor.setBlockCharFormat(char)
            self._fresh = False
        else:
            self._cursor.insertBlock(block, char)

    def _begin_paragraph(self, below: int, char: QTextCharFormat | None = None) -> None:
        block = QTextBlockFormat()
        block.setLineHeight(_LINE_HEIGHT, QTextBlockFormat.LineHeightTypes.ProportionalHeight.value)
        block.setBottomMargin(below)
        block.setLeftMargin(16 * self._quotes)
        block.setTopMargin(self._gap)
        self._gap = 0
        depth = len(self._lists)
        starts_item = self._item_open and depth > 0
        if depth and not starts_item:
            block.setIndent(depth)
        self._begin_block(block, char or self._char_format())
        if starts_item:
            self._item_open = False
            opened = self._lists[-1]
            if opened.items is None:
                opened.items = self._cursor.createList(opened.style)
            else:
                opened.items.add(self._cursor.block())

    def _heading(self, tag: str, stream: Iterator[Token]) -> None:
        char = self._char_format()
        font = self._theme.font(_HEADING_SIZES.get(tag, 15.0), bold=True)
        char.setFont(font)
        block = QTextBlockFormat()
        block.setTopMargin(0 if self._fresh else 8)
        block.setBottomMargin(6)
        block.setHeadingLevel(int(tag[1]))
        self._begin_block(block, char)
        for token in stream:
            if token.type == "heading_close":
                return
            self._inline(self._cursor, token.children or [], char)

    def _begin_list(self, token: Token) -> None:
        style = QTextListFormat()
        style.setIndent(len(self._lists) + 1)
        if token.type == "ordered_list_open":
            style.setStyle(QTextListFormat.Style.ListDecimal)
            style.setStart(int(token.attrGet("start") or 1))
        else:
            styles = (QTextListFormat.Style.ListDisc, QTextListFormat.Style.ListCircle)
            style.setStyle(styles[len(self._lists) % 2])
        self._lists.append(_OpenList(style))

    def _rule(self) -> None:
        block = QTextBlockFormat()
        block.setProperty(
            QTextFormat.Property.BlockTrailingHorizontalRulerWidth,
            QTextLength(QTextLength.Type.PercentageLength, 100),
        )
        block.setBackground(QBrush(QColor(self._theme.tokens.border)))
        block.setBottomMargin(8)
        self._begin_block(block, self._char_format())

    def _nested_code(self, token: Token) -> None:
        char = self._code_format()
        self._begin_paragraph(8, char)
        code = CHIP.sub("", token.content.rstrip("\n"))
        if self._trace is not None:
            self._trace.pass_over(token.info)
        for run, marks in self._trace.take_lines(code) if self._trace is not None else [(code, ())]:
            self._cursor.insertText(run.replace("\n", "\u2028"), self._marked(char, marks))

    def _table(self, stream: Iterator[Token]) -> None:
        rows: list[list[tuple[Token, Token]]] = []
        opened: Token | None = None
        for token in stream:
            if token.type == "table_close":
                break
            if token.type == "tr_open":
                rows.append([])
            elif token.type in ("th_open", "td_open"):
                opened = token
            elif token.type == "inline" and opened is not None:
                rows[-1].append((opened, token))
        self._begin_block(QTextBlockFormat(), self._char_format())
        table = self._cursor.insertTable(len(rows), max(len(row) for row in rows), self._table_format())
        for row_number, row in enumerate(rows):
            for column, (cell, inline) in enumerate(row):
                char = self._char_format()
                char.setFontWeight(QFont.Weight.DemiBold if cell.tag == "th" else QFont.Weight.Normal)
                cursor = table.cellAt(row_number, column).firstCursorPosition()
                block = QTextBlockFormat()
                if "right" in str(cell.attrGet("style") or ""):
                    block.setAlignment(Qt.AlignmentFlag.AlignRight)
                cursor.setBlockFormat(block)
                self._inline(cursor, inline.children or [], char)
        self._cursor.movePosition(QTextCursor.MoveOperation.End)
        # Qt always keeps a paragraph behind a table: the next block takes it over.
        self._fresh = True
        thin = QTextBlockFormat()
        thin.setLineHeight(1, QTextBlockFormat.LineHeightTypes.FixedHeight.value)
        self._cursor.setBlockFormat(thin)

    def _table_format(self) -> QTextTableFormat:
        style = QTextTableFormat()
        style.setBorderCollapse(True)
        style.setBorder(1)
        style.setBorderStyle(QTextFrameFormat.BorderStyle.BorderStyle_Solid)
        style.setBorderBrush(QBrush(QColor(self._theme.tokens.raised)))
        style.setCellPadding(6)
        style.setCellSpacing(0)
        style.setHeaderRowCount(1)
        style.setTopMargin(4)
        style.setBottomMargin(8)
        return style

    # -- text

    def _char_format(self) -> QTextCharFormat:
        char = QTextCharFormat()
        char.setFont(self._theme.font(15))
        char.setForeground(QColor(self._theme.tokens.muted if self._quotes else self._theme.tokens.text))
        return char

    def _code_format(self) -> QTextCharFormat:
        char = QTextCharFormat()
        char.setFont(self._theme.font(13.5, mono=True))
        char.setForeground(QColor(self._theme.tokens.text))
        char.setBackground(QColor(self._theme.tokens.surface))
        return char

    def _inline(self, cursor: QTextCursor, children: Sequence[Token], base: QTextCharFormat) -> None:
        formats = [base]
        for child in children:
            kind = child.type
            if kind.endswith("_open"):
                formats.append(self._opened(child, formats[-1]))
            elif kind.endswith("_close"):
                formats.pop()
            elif kind == "code_inline":
                self._put(cursor, CHIP.sub("", child.content), self._code_format())
            elif kind == "softbreak":
                self._put(cursor, " ", formats[-1], "\n")
            elif kind == "hardbreak":
                self._put(cursor, "\u2028", formats[-1], "\n")
            elif kind == "text_special":
                self._put(cursor, child.content, formats[-1], child.markup)
            else:
                self._text(cursor, child.content, formats[-1])
            if kind in ("link_close", "image") and self._trace is not None:
                self._trace.pass_link()

    def _opened(self, token: Token, outer: QTextCharFormat) -> QTextCharFormat:
        char = QTextCharFormat(outer)
        if token.type == "strong_open":
            char.setFontWeight(QFont.Weight.Bold)
        elif token.type == "em_open":
            char.setFontItalic(True)
        elif token.type == "s_open":
            char.setFontStrikeOut(True)
        elif token.type == "link_open":
            char.setAnchor(True)
            char.setAnchorHref(str(token.attrGet("href") or ""))
            char.setForeground(QColor(self._theme.tokens.accent))
            char.setFontUnderline(True)
        return char

    def _text(self, cursor: QTextCursor, text: str, char: QTextCharFormat) -> None:
        parts = CHIP.split(text)
        for index, part in enumerate(parts):
            if index % 2:
                self._chip(cursor, int(part))
            elif part:
                self._put(cursor, part, char)

    def _put(self, cursor: QTextCursor, shown: str, char: QTextCharFormat, source: str = "") -> None:
        """Insert text that stands in the answer as it is shown, or else as `source`."""
        runs = [(shown, ())] if self._trace is None else self._trace.take(source or shown)
        if source:
            runs = [(shown, runs[0][1])]
        for run, marks in runs:
            cursor.insertText(run, self._marked(char, marks))

    def _marked(self, char: QTextCharFormat, marks: Sequence[Mark]) -> QTextCharFormat:
        if not marks:
            return char
        tokens, underline = self._theme.tokens, QTextCharFormat.UnderlineStyle
        marked = QTextCharFormat(char)
        for mark in marks:
            if mark.kind == "drafted":
                marked.setBackground(QColor(tokens.drafted))
            else:
                lacks = mark.kind == "unsupported"
                marked.setUnderlineStyle(underline.DotLine if lacks else underline.DashUnderline)
                marked.setUnderlineColor(QColor(tokens.warning if lacks else tokens.positive))
        marked.setToolTip(plain_tip("\n".join(mark.tip for mark in reversed(marks))))
        return marked

    def _chip(self, cursor: QTextCursor, number: int) -> None:
        if self._trace is not None:
            self._trace.pass_over(f"⸨{number}⸩")
        char = QTextCharFormat()
        char.setFont(self._theme.font(15))
        char.setObjectType(_CHIP_TYPE)
        char.setProperty(_CHIP_NUMBER, number)
        char.setAnchor(True)
        char.setAnchorHref(f"{CHIP_SCHEME}{number}")
        char.setToolTip(f"Source {number}")
        cursor.insertText(_OBJECT, char)
