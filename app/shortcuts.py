"""The keyboard shortcuts: one table, from which the actions and the list of F1 are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QGridLayout, QLabel, QVBoxLayout, QWidget

__all__ = ["SHORTCUTS", "Shortcut", "ShortcutsDialog", "add_shortcuts"]


@dataclass(frozen=True, slots=True)
class Shortcut:
    """Keys and what they do."""

    action: str
    """Name of what the window does; empty where a control handles the keys itself."""
    keys: tuple[str, ...]
    about: str


SHORTCUTS = (
    Shortcut("", ("Return",), "Send the question"),
    Shortcut("", ("Shift+Return",), "Break the line"),
    Shortcut("stop", ("Esc",), "Stop the answer"),
    Shortcut("new_chat", ("Ctrl+N",), "New chat"),
    Shortcut("search_chats", ("Ctrl+K",), "Search chats"),
    Shortcut("find", ("Ctrl+F",), "Find in this chat"),
    Shortcut("add_files", ("Ctrl+O",), "Add files"),
    Shortcut("toggle_sidebar", ("Ctrl+B",), "Show or hide the chats"),
    Shortcut("toggle_documents", ("Ctrl+D",), "Show or hide the documents"),
    Shortcut("zoom_in", ("Ctrl++", "Ctrl+="), "Larger text"),
    Shortcut("zoom_out", ("Ctrl+-",), "Smaller text"),
    Shortcut("zoom_reset", ("Ctrl+0",), "Text in its normal size"),
    Shortcut("settings", ("Ctrl+,",), "Settings"),
    Shortcut("shortcuts", ("F1",), "This list"),
    Shortcut("quit", ("Ctrl+Q",), "Quit"),
)


def add_shortcuts(window: QWidget, slots: Mapping[str, Callable[[], object]]) -> None:
    """Give a window an action for each shortcut that it handles; `slots` are its own, by the action's name."""
    for shortcut in SHORTCUTS:
        if shortcut.action:
            action = QAction(shortcut.about, window)
            action.setShortcuts([QKeySequence(keys) for keys in shortcut.keys])
            action.triggered.connect(slots[shortcut.action])
            window.addAction(action)


class ShortcutsDialog(QDialog):
    """List the shortcuts."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keyboard shortcuts")
        grid = QGridLayout()
        grid.setHorizontalSpacing(32)
        grid.setVerticalSpacing(8)
        for row, shortcut in enumerate(SHORTCUTS):
            native = QKeySequence.SequenceFormat.NativeText
            keys = QLabel(QKeySequence(shortcut.keys[0]).toString(native))
            keys.setProperty("role", "title")
            grid.addWidget(keys, row, 0, Qt.AlignmentFlag.AlignLeft)
            grid.addWidget(QLabel(shortcut.about), row, 1)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 24, 24, 16)
        layout.setSpacing(16)
        layout.addLayout(grid)
        layout.addWidget(buttons)
