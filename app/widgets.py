"""Small controls that several parts of the window share."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Slot
from PySide6.QtGui import QColor, QFocusEvent, QPainter, QPaintEvent, QPalette, QPen, QResizeEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QStyle,
    QStyleOptionButton,
    QToolButton,
    QWidget,
)

from app.theme import Theme

__all__ = ["DraftLegend", "ElidedLabel", "IconButton", "QuietButton", "RowButton", "TickBox"]


class DraftLegend(QWidget):
    """Say in words what the tint behind drafted words means; nothing hides it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        swatch = QFrame()
        swatch.setObjectName("draftSwatch")
        swatch.setFixedSize(12, 12)
        self._words = QLabel()
        self._words.setProperty("role", "caption")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(swatch)
        row.addWidget(self._words, 1)
        self.setToolTip("Several tokens were guessed at once, then confirmed by the model")
        self.hide()

    @property
    def text(self) -> str:
        """What it says."""
        return self._words.text()

    def set_text(self, text: str) -> None:
        """Say it, or hide."""
        self._words.setText(text)
        self.setVisible(bool(text))


class ElidedLabel(QLabel):
    """One line of text that ends in an ellipsis where there is too little room."""

    def __init__(self) -> None:
        super().__init__(textFormat=Qt.TextFormat.PlainText)
        self.full_text = ""
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def set_full_text(self, text: str) -> None:
        """Show a text, as much of it as there is room for."""
        self.full_text = text
        self.setAccessibleName(text)
        self._elide()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show more or less of the text."""
        super().resizeEvent(event)
        self._elide()

    def changeEvent(self, event: QEvent) -> None:
        """Measure anew in another font."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._elide()

    def _elide(self) -> None:
        self.setText(self.fontMetrics().elidedText(self.full_text, Qt.TextElideMode.ElideMiddle, self.width()))


class IconButton(QToolButton):
    """A flat button with an icon that follows the theme, a tooltip and an accessible name."""

    def __init__(self, theme: Theme, icon: str, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._icon_name = icon
        self._colour: str | None = None
        self.setIconSize(QSize(20, 20))
        self.setAccessibleName(name)
        self.setToolTip(name)
        self.setAutoRaise(True)
        theme.changed.connect(self.on_theme_changed)
        self.on_theme_changed()

    def set_icon_name(self, icon: str, name: str | None = None) -> None:
        """Show another icon, under another name."""
        self._icon_name = icon
        if name is not None:
            self.setAccessibleName(name)
            self.setToolTip(name)
        self.on_theme_changed()

    @Slot()
    def on_theme_changed(self) -> None:
        """Take the icon in the new text colour."""
        self.setIcon(self._theme.icon(self._icon_name, self._colour_of_icon()))

    def _colour_of_icon(self) -> str:
        return self._theme.tokens.text


class QuietButton(IconButton):
    """A small button with a word that keeps its place and appears on hover and on keyboard focus."""

    def __init__(self, theme: Theme, icon: str, text: str, name: str, parent: QWidget | None = None) -> None:
        self._revealed = False
        super().__init__(theme, icon, name, parent)
        self.setIconSize(QSize(16, 16))
        self.setText(text)
        self.setProperty("role", "quiet")
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)

    def set_revealed(self, revealed: bool) -> None:
        """Show or hide it; hidden, it still takes the keyboard focus."""
        if revealed != self._revealed:
            self._revealed = revealed
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint only what is revealed or focused."""
        if self._revealed or self.hasFocus():
            super().paintEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Appear."""
        super().focusInEvent(event)
        self.update()

    def _colour_of_icon(self) -> str:
        return self._theme.tokens.muted


class RowButton(QPushButton):
    """A flat button as wide as its panel, its icon and word on the left."""

    def __init__(self, theme: Theme, icon: str, text: str, keys: str, parent: QWidget | None = None) -> None:
        super().__init__(f" {text}", parent)
        self._theme = theme
        self._icon_name = icon
        self.setProperty("role", "row")
        self.setIconSize(QSize(20, 20))
        self.setAccessibleName(text)
        self.setToolTip(f"{text} ({keys})")
        theme.changed.connect(self.on_theme_changed)
        self.on_theme_changed()

    @Slot()
    def on_theme_changed(self) -> None:
        """Take the icon in the new text colour."""
        self.setIcon(self._theme.icon(self._icon_name))


class TickBox(QCheckBox):
    """A check box whose outline stands out in light and dark."""

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the box in the colours of the palette, and its words as the style does."""
        option = QStyleOptionButton()
        self.initStyleOption(option)
        style, palette = self.style(), self.palette()
        room = QRectF(style.subElementRect(QStyle.SubElement.SE_CheckBoxIndicator, option, self))
        edge = QColor(palette.color(QPalette.ColorRole.WindowText))
        edge.setAlpha(150)
        accent, ground = palette.color(QPalette.ColorRole.Accent), palette.color(QPalette.ColorRole.Base)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.hasFocus():
            edge = palette.color(QPalette.ColorRole.WindowText) if self.isChecked() else accent
        elif self.isChecked():
            edge = accent
        painter.setPen(QPen(edge, 2 if self.hasFocus() else 1))
        painter.setBrush(accent if self.isChecked() else ground)
        box = room.adjusted(1, 1, -1, -1)
        painter.drawRoundedRect(box, 3, 3)
        if self.isChecked():
            painter.setPen(QPen(ground, 2, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin))
            tick = ((0.24, 0.52), (0.43, 0.71), (0.77, 0.31))
            painter.drawPolyline([QPointF(box.x() + x * box.width(), box.y() + y * box.height()) for x, y in tick])
        option.rect = style.subElementRect(QStyle.SubElement.SE_CheckBoxContents, option, self)
        style.drawControl(QStyle.ControlElement.CE_CheckBoxLabel, option, painter, self)
        painter.end()
