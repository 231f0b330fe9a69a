"""The stylesheet, built from the colour tokens and the zoomed text sizes."""

from __future__ import annotations

from collections.abc import Callable
from string import Template
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.theme import Tokens

__all__ = ["stylesheet"]

_SHEET = Template("""
* { outline: none; }
QMainWindow, QDialog, #centre, #transcript, #column, #emptyState { background: $background; }
QWidget { color: $text; selection-background-color: $selection; selection-color: $text; }
#sidebar, #documents, #viewer, #statusLine, #plots { background: $surface; }
#sidebar { border-right: 1px solid $hairline; }
#documents, #viewer { border-left: 1px solid $hairline; }
#viewer { border-top: 1px solid $hairline; }
#page, #excerpt { background: transparent; border: 2px solid transparent; border-radius: 4px; }
#page::corner { background: transparent; border: none; }
#page:focus, #excerpt:focus { border-color: $accent; }
#header { background: $background; border-bottom: 1px solid $hairline; }
#statusLine { border: none; border-top: 1px solid $hairline; }
#plots { border-top: 1px solid $hairline; }
QLabel { background: transparent; }
#statusLine QLabel { font-size: ${caption}px; }
QLabel[role="title"] { font-weight: 600; }
QLabel[role="muted"] { color: $muted; }
QLabel[role="caption"] { color: $muted; font-size: ${caption}px; }
QLabel[role="plan"] {
    color: $muted; font-size: ${caption}px; border: 2px solid transparent; border-radius: 6px;
    padding: 2px 4px 2px 2px;
}
QLabel[role="plan"]:focus { border-color: $accent; }
QLabel[role="danger"] { color: $danger; font-size: ${caption}px; }
QLabel[role="lead"] { font-size: ${lead}px; font-weight: 600; }

QToolButton { background: transparent; border: 2px solid transparent; border-radius: 8px; padding: 4px; }
QToolButton:hover { background: $raised; }
QToolButton:pressed, QToolButton:checked { background: $raised; }
QToolButton:focus { border-color: $accent; }
QToolButton:disabled { color: $border; }
QToolButton::menu-indicator { image: none; }
QToolButton[role="quiet"] { color: $muted; font-size: ${caption}px; padding: 2px 4px; }
QToolButton[role="send"] { background: $accent; border-radius: 8px; padding: 5px; }
QToolButton[role="send"]:disabled { background: $raised; }
QToolButton[role="send"]:focus { border-color: $text; }

QPushButton {
    background: $background; border: 1px solid $border; border-radius: 8px; padding: 6px 14px; min-height: 18px;
}
QPushButton:hover { background: $raised; }
QPushButton:focus { border: 2px solid $accent; padding: 5px 13px; }
QPushButton:disabled { color: $border; border-color: $hairline; }
QPushButton[role="primary"] { background: $accent; color: $on_accent; border-color: $accent; }
QPushButton[role="primary"]:focus { border-color: $text; }
QPushButton[role="row"] { text-align: left; padding: 6px; border: 2px solid transparent; background: transparent; }
QPushButton[role="row"]:hover { background: $raised; }
QPushButton[role="row"]:focus { border-color: $accent; padding: 6px; }
QPushButton[role="suggestion"] { text-align: left; padding: 8px 12px; border-color: $hairline; background: $surface; }
QPushButton[role="suggestion"]:hover { background: $raised; }
QPushButton[role="suggestion"]:focus { border: 2px solid $accent; padding: 7px 11px; }
QPushButton[role="pill"] { border-radius: 15px; padding: 5px 14px; background: $surface; font-size: ${caption}px; }
QPushButton[role="pill"]:focus { padding: 4px 13px; }
QPushButton[role="sources"] {
    background: transparent; border: 2px solid transparent; border-radius: 6px; padding: 2px 4px 2px 0;
    color: $accent; font-size: ${caption}px; text-align: left; min-height: 16px;
}
QPushButton[role="sources"]:hover { background: $surface; }
QPushButton[role="sources"]:focus { border-color: $accent; }

QLineEdit, QPlainTextEdit { placeholder-text-color: $muted; }
QLineEdit { background: $background; border: 1px solid $border; border-radius: 8px; padding: 5px 8px; }
QLineEdit:focus { border: 2px solid $accent; padding: 4px 7px; }
#composerFrame { background: $background; border: 1px solid $border; border-radius: 12px; }
#composerFrame[active="true"] { border: 2px solid $accent; }
#composerEdit { background: transparent; border: none; font-size: ${talk}px; padding: 2px 0; }
QPlainTextEdit#longField { background: $background; border: 1px solid $border; border-radius: 8px; padding: 4px; }
QPlainTextEdit#longField:focus { border: 2px solid $accent; padding: 3px; }

QListView { background: transparent; border: none; }
QAbstractScrollArea#talk, QScrollArea { background: transparent; border: none; }
TextView { background: transparent; border: none; }
#bubble { background: $surface; border-radius: 12px; }
#code { background: $surface; border-radius: 8px; }
#draftSwatch { background: $drafted; border: 1px solid $positive; border-radius: 3px; }
#codeText { background: transparent; border: none; }
#card { background: $surface; border-radius: 8px; border: 2px solid transparent; }
#card:focus, #card[current="true"] { border-color: $accent; }
#banner { background: $surface; border-radius: 8px; }
#findBar { background: $surface; border-bottom: 1px solid $hairline; }
QComboBox, QDoubleSpinBox { min-height: 26px; }
QComboBox:disabled { color: $border; }

QSplitter::handle { background: transparent; }
QScrollBar:vertical { background: transparent; width: 10px; margin: 0; }
QScrollBar:horizontal { background: transparent; height: 10px; margin: 0; }
QScrollBar::handle { background: $border; border-radius: 3px; margin: 2px; }
QScrollBar::handle:vertical { min-height: 32px; }
QScrollBar::handle:horizontal { min-width: 32px; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }

QMenu { background: $background; border: 1px solid $hairline; padding: 4px; }
QMenu::item { padding: 6px 20px; border-radius: 6px; }
QMenu::item:selected { background: $raised; }
QMenu::item:disabled { color: $border; }
QMenu::separator { height: 1px; background: $hairline; margin: 4px 8px; }
QToolTip { background: $surface; color: $text; border: 1px solid $border; padding: 4px; }
QProgressBar { background: $raised; border: none; border-radius: 2px; max-height: 4px; min-height: 4px; }
QProgressBar::chunk { background: $accent; border-radius: 2px; }
""")


def stylesheet(tokens: Tokens, pixels: Callable[[float], int]) -> str:
    """Return the stylesheet of the whole application."""
    colours = {name: getattr(tokens, name) for name in tokens.__dataclass_fields__}
    return _SHEET.substitute(colours, caption=pixels(12), lead=pixels(15), talk=pixels(15))
