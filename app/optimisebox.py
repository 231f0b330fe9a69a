"""The controls beside the model in the settings: optimise it for this computer, see how far that is, stop it."""

from __future__ import annotations

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QLineEdit, QProgressBar, QPushButton, QVBoxLayout, QWidget

from app.optimise import Optimising, Outcome
from app.optimise_words import GIVES_WAY, PREFERENCES, STAGES, made_report, percent
from engine.lobi.messages import Prefer, Step, Wish

__all__ = ["OptimiseBox"]

_HELP: dict[Prefer, str] = {
    "balanced": "Faster and smaller, and nearly as exact as the original.",
    "size": "As little memory and disk as the answers allow.",
    "speed": "As fast as the answers allow.",
    "accuracy": "As close to the original as can be.",
}
_GO_ON = "You can go on working; closing this does not end it."
_NOW = "Answers come from it from now on."
_LATER = "Hola uses it when this model is chosen, from the next start."


class OptimiseBox(QWidget):
    """Make a version of the model that a field names; the work outlives the dialog."""

    def __init__(self, optimising: Optimising, model: QLineEdit, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._optimising = optimising
        self._model = model
        self.choice = QComboBox()
        self.choice.setAccessibleName("What the optimised model should be")
        for preference, words in PREFERENCES.items():
            self.choice.addItem(words, preference)
        self.choice.setMinimumWidth(128)
        self.choice.currentIndexChanged.connect(self.on_choice)
        self.button = QPushButton("Optimise for this computer")
        self.button.setAutoDefault(False)
        self.button.clicked.connect(self.on_begin)
        self.bar = QProgressBar(textVisible=False)
        self.bar.setRange(0, 100)
        self.bar.setAccessibleName("Progress of the optimising")
        self.stop = QPushButton("Stop")
        self.stop.setAutoDefault(False)
        self.stop.setAccessibleName("Stop optimising")
        self.stop.clicked.connect(self.on_stop)
        self.words = QLabel(wordWrap=True)
        self.words.setProperty("role", "caption")
        self._build()
        optimising.stepped.connect(self.on_stepped)
        optimising.ended.connect(self.on_ended)
        self.on_choice()
        if optimising.step is not None:
            self.on_stepped(optimising.step)

    def _build(self) -> None:
        line = QHBoxLayout()
        line.setSpacing(8)
        line.addWidget(self.choice)
        line.addWidget(self.button)
        line.addStretch(1)
        self._progress = QWidget()
        progress = QHBoxLayout(self._progress)
        progress.setContentsMargins(0, 0, 0, 0)
        progress.setSpacing(12)
        progress.addWidget(self.bar, 1)
        progress.addWidget(self.stop)
        self._progress.hide()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 4, 0, 0)
        column.setSpacing(4)
        column.addLayout(line)
        column.addWidget(self._progress)
        column.addWidget(self.words)

    @property
    def is_running(self) -> bool:
        """Whether it shows work that goes on."""
        return self._progress.isVisibleTo(self)

    # -- slots

    @Slot()
    def on_choice(self) -> None:
        """Say what the choice means."""
        if not self.is_running:
            self._say(_HELP[self.choice.currentData()])

    @Slot()
    def on_begin(self) -> None:
        """Optimise the model that the field names."""
        self._show_running(True)
        self.bar.setValue(0)
        self._say("Beginning…")
        self._optimising.begin(self._model.text().strip(), Wish(self.choice.currentData()))

    @Slot()
    def on_stop(self) -> None:
        """End the work."""
        self._say("Stopping…")
        self._optimising.stop()

    @Slot(object)
    def on_stepped(self, step: Step) -> None:
        """Show how far it is."""
        self._show_running(True)
        self.bar.setValue(round(100 * step.share))
        more = GIVES_WAY if self._optimising.is_by_itself else _GO_ON
        self._say(f"{percent(step.share)}: {STAGES[step.stage]}. {more}")

    @Slot(object)
    def on_ended(self, outcome: Outcome) -> None:
        """Say what came of it, in one sentence."""
        if not self.is_running or self._optimising.is_followed:
            return
        self._show_running(False)
        if outcome.made is not None:
            told = f"{made_report(outcome.made)} {_NOW if outcome.in_use else _LATER}"
            self._say(f"{told} {outcome.trouble}".rstrip())
        elif outcome.trouble:
            self._say(outcome.trouble, is_trouble=True)
        else:
            self._say("Stopped: the model is what it was.")

    def _show_running(self, running: bool) -> None:
        had_keyboard = self.button.hasFocus() or self.stop.hasFocus()
        self._progress.setVisible(running)
        self.choice.setDisabled(running)
        self.button.setDisabled(running)
        if had_keyboard:
            (self.stop if running else self.button).setFocus()

    def _say(self, sentence: str, *, is_trouble: bool = False) -> None:
        role = "danger" if is_trouble else "caption"
        if self.words.property("role") != role:
            self.words.setProperty("role", role)
            self.words.style().polish(self.words)
        self.words.setText(sentence)
