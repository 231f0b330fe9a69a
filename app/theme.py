"""Colours as tokens, a light and a dark set, and the stylesheet, palette and icons made from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QByteArray, QObject, QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QFont, QFontDatabase, QGuiApplication, QIcon, QPainter, QPalette, QPixmap
from PySide6.QtWidgets import QApplication

from app.stylesheet import stylesheet

__all__ = ["DARK", "LIGHT", "Theme", "Tokens", "contrast"]


@dataclass(frozen=True, slots=True)
class Tokens:
    """One set of colours, each `#rrggbb`."""

    background: str
    """Behind the answers."""
    surface: str
    """Panels, the question and code."""
    raised: str
    """A hovered or pressed row on a surface."""
    text: str
    muted: str
    """Captions and what is less important."""
    accent: str
    """Links, chips and the one main action."""
    on_accent: str
    """Text on the accent colour."""
    positive: str
    warning: str
    danger: str
    selection: str
    """Behind selected text and rows."""
    drafted: str
    """Behind words that were drafted ahead."""
    border: str
    """Outline of a control that takes input."""
    hairline: str
    """Between two areas: 8 % of the text colour on the background."""


LIGHT = Tokens(
    background="#fcfcfb",
    surface="#f3f3f0",
    raised="#e8e8e4",
    text="#1c1d1f",
    muted="#5c5e64",
    accent="#1f5fbf",
    on_accent="#ffffff",
    positive="#1b6e3c",
    warning="#855200",
    danger="#b3261e",
    selection="#cfe0fa",
    drafted="#d3ebd8",
    border="#85868c",
    hairline="#eaeae9",
)

DARK = Tokens(
    background="#1a1b1d",
    surface="#232427",
    raised="#303237",
    text="#e9e9eb",
    muted="#a6a8af",
    accent="#8ab4f8",
    on_accent="#10141b",
    positive="#79cf98",
    warning="#e5ba63",
    danger="#ff8f87",
    selection="#2c4a78",
    drafted="#20382a",
    border="#7d7f87",
    hairline="#2b2c2e",
)

_ICON_SIZES = (16, 20)
_ZOOM_STEP = 0.1


def _luminance(colour: str) -> float:
    """Return the relative luminance of a colour (WCAG 2.2, section 'relative luminance')."""

    def linear(channel: float) -> float:
        return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4

    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)


def contrast(first: str, second: str) -> float:
    """Return the contrast ratio of two colours, 1 to 21 (WCAG 2.2)."""
    bright, dim = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


class Theme(QObject):
    """Hold the colours and sizes in use; follow the system or the setting."""

    changed = Signal()

    def __init__(self, icons: Path, choice: str = "system", zoom: float = 1.0, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._icons = icons
        self._choice = choice
        self._zoom = zoom
        self._cache: dict[tuple[str, str], QIcon] = {}
        self._sources: dict[str, str] = {}
        self._tokens = self._choose()
        QGuiApplication.styleHints().colorSchemeChanged.connect(self.on_system_changed)

    @property
    def tokens(self) -> Tokens:
        """The colours in use."""
        return self._tokens

    @property
    def is_dark(self) -> bool:
        """Whether the dark set is in use."""
        return self._tokens is DARK

    @property
    def zoom(self) -> float:
        """Factor on every text size, 0.6 to 2."""
        return self._zoom

    def pixels(self, size: float) -> int:
        """Return a text size in pixels under the zoom."""
        return max(8, round(size * self._zoom))

    def font(self, size: float, *, bold: bool = False, mono: bool = False) -> QFont:
        """Return the system's font (or its monospace) at a size in pixels, before zoom."""
        kind = QFontDatabase.SystemFont.FixedFont if mono else QFontDatabase.SystemFont.GeneralFont
        font = QFontDatabase.systemFont(kind)
        font.setPixelSize(self.pixels(size))
        font.setWeight(QFont.Weight.DemiBold if bold else QFont.Weight.Normal)
        return font

    def set_choice(self, choice: str) -> None:
        """Take "system", "light" or "dark"."""
        if choice != self._choice:
            self._choice = choice
            self.apply()

    def set_zoom(self, zoom: float) -> None:
        """Scale every text."""
        zoom = round(min(2.0, max(0.6, zoom)), 2)
        if zoom != self._zoom:
            self._zoom = zoom
            self.apply()

    def apply(self) -> None:
        """Give the application its palette and stylesheet and tell who paints by hand."""
        self._tokens = self._choose()
        self._cache.clear()
        app = QApplication.instance()
        if isinstance(app, QApplication):
            app.setFont(self.font(13))
            app.setPalette(self.palette())
            app.setStyleSheet(stylesheet(self._tokens, self.pixels))
        self.changed.emit()

    @Slot()
    def on_zoom_in(self) -> None:
        """Make the text larger."""
        self.set_zoom(self._zoom + _ZOOM_STEP)

    @Slot()
    def on_zoom_out(self) -> None:
        """Make the text smaller."""
        self.set_zoom(self._zoom - _ZOOM_STEP)

    @Slot()
    def on_zoom_reset(self) -> None:
        """Show the text in its normal size."""
        self.set_zoom(1.0)

    @Slot()
    def on_system_changed(self) -> None:
        """Follow the system from light to dark and back."""
        if self._choice == "system" and self._choose() is not self._tokens:
            self.apply()

    def palette(self) -> QPalette:
        """Return the palette for what no stylesheet reaches."""
        tokens, palette, role = self._tokens, QPalette(), QPalette.ColorRole
        for each, colour in (
            (role.Window, tokens.background),
            (role.WindowText, tokens.text),
            (role.Base, tokens.background),
            (role.AlternateBase, tokens.surface),
            (role.Text, tokens.text),
            (role.Button, tokens.surface),
            (role.ButtonText, tokens.text),
            (role.ToolTipBase, tokens.surface),
            (role.ToolTipText, tokens.text),
            (role.PlaceholderText, tokens.muted),
            (role.Highlight, tokens.selection),
            (role.HighlightedText, tokens.text),
            (role.Link, tokens.accent),
            (role.LinkVisited, tokens.accent),
            (role.Accent, tokens.accent),
        ):
            palette.setColor(each, QColor(colour))
        for each in (role.WindowText, role.Text, role.ButtonText):
            palette.setColor(QPalette.ColorGroup.Disabled, each, QColor(tokens.border))
        return palette

    def icon(self, name: str, colour: str | None = None) -> QIcon:
        """Return an icon of `assets/icons` in a colour, sharp at 100, 150 and 200 %."""
        colour = colour or self._tokens.text
        found = self._cache.get((name, colour))
        if found is None:
            found = QIcon()
            for size in _ICON_SIZES:
                for ratio in (1.0, 1.5, 2.0):
                    found.addPixmap(self._pixmap(name, colour, size, ratio))
            self._cache[name, colour] = found
        return found

    def _pixmap(self, name: str, colour: str, size: int, ratio: float) -> QPixmap:
        from PySide6.QtSvg import QSvgRenderer

        if name not in self._sources:
            self._sources[name] = (self._icons / f"{name}.svg").read_text("utf-8")
        renderer = QSvgRenderer(QByteArray(self._sources[name].replace("currentColor", colour).encode()))
        pixmap = QPixmap(QSize(size, size) * ratio)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        renderer.render(painter, QRectF(0, 0, size * ratio, size * ratio))
        painter.end()
        pixmap.setDevicePixelRatio(ratio)
        return pixmap

    def _choose(self) -> Tokens:
        if self._choice != "system":
            return DARK if self._choice == "dark" else LIGHT
        scheme = QGuiApplication.styleHints().colorScheme()
        return DARK if scheme == Qt.ColorScheme.Dark else LIGHT
