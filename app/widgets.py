"""Small controls that several parts of the window share."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Slot
from PySide6.QtGui import QFocusEvent, QPaintEvent
from PySide6.QtWidgets import QPushButton, QToolButton, QWidget

from app.theme import Theme

__all__ = ["IconButton", "QuietButton", "RowButton"]


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
