"""What a chat without messages shows: one sentence, and documents or questions to try."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from PySide6.QtCore import QSize, Qt, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from app.samples import SAMPLES, sample_paths
from app.theme import Theme
from app.transcript import measure

__all__ = ["EmptyState"]

_LEAD = "Ask your documents anything"
_DROP = "Drop files or folders anywhere in this window. They never leave this computer.\nOr begin with a sample:"
_ASK = "Try one of these questions:"


class EmptyState(QWidget):
    """Offer the samples; once they are ready, questions about them."""

    sample_requested = Signal(object)
    question_requested = Signal(str)

    def __init__(self, theme: Theme, assets: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("emptyState")
        self._theme = theme
        self._paths = {path.name: path for path in sample_paths(assets)}
        self._asking: dict[str, bool] = {}
        self._lead = QLabel(_LEAD, wordWrap=True, alignment=Qt.AlignmentFlag.AlignCenter)
        self._lead.setProperty("role", "lead")
        self._hint = QLabel(wordWrap=True, alignment=Qt.AlignmentFlag.AlignCenter)
        self._hint.setProperty("role", "muted")
        self.buttons: dict[str, QPushButton] = {}
        self._middle = QWidget()
        column = QVBoxLayout(self._middle)
        column.setSpacing(8)
        column.addStretch(2)
        column.addWidget(self._lead)
        column.addWidget(self._hint)
        column.addSpacing(8)
        for sample in SAMPLES:
            if sample.file in self._paths:
                button = QPushButton()
                button.setProperty("role", "suggestion")
                button.setProperty("sample", sample.file)
                button.setIconSize(QSize(16, 16))
                button.clicked.connect(self.on_clicked)
                self.buttons[sample.file] = button
                column.addWidget(button, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(3)
        row = QHBoxLayout(self)
        row.setContentsMargins(24, 16, 24, 16)
        row.addStretch(1)
        row.addWidget(self._middle, 1000)
        row.addStretch(1)
        theme.changed.connect(self.on_theme_changed)
        self.show_ready(())

    def show_ready(self, ready: Collection[str]) -> None:
        """Offer a question for each sample whose path is ready, else the document itself."""
        self._asking = {name: str(path) in ready for name, path in self._paths.items()}
        self.on_theme_changed()

    @Slot()
    def on_theme_changed(self) -> None:
        """Show words, icons and width."""
        self._middle.setMaximumWidth(measure(self._theme))
        self._hint.setText(_ASK if any(self._asking.values()) else _DROP)
        self._hint.setVisible(bool(self.buttons))
        for sample in SAMPLES:
            button = self.buttons.get(sample.file)
            if button is None:
                continue
            asking = self._asking[sample.file]
            button.setText(f"  {sample.question if asking else sample.about}")
            button.setIcon(self._theme.icon("send" if asking else "file", self._theme.tokens.accent))
            button.setAccessibleName(f"Ask: {sample.question}" if asking else f"Try the sample: {sample.about}")
            button.setFixedWidth(min(400, measure(self._theme)))
            button.setToolTip(sample.file)

    @Slot()
    def on_clicked(self) -> None:
        """Index the sample, or ask its question."""
        name = str(self.sender().property("sample"))
        sample = next(each for each in SAMPLES if each.file == name)
        if self._asking[name]:
            self.question_requested.emit(sample.question)
        else:
            self.sample_requested.emit((self._paths[name],))
