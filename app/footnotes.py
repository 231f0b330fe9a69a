"""The quiet lines under an answer: what the review found, and what was decided about the passages."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QToolTip, QVBoxLayout, QWidget

from app.findings import REFUSED, corrections, unsupported_sentences, unsupported_words
from app.retrieval_words import plan_line, plan_tip
from app.theme import Theme
from app.tooltips import plain_tip
from app.turn_state import TurnState
from engine.messages import RetrievalPlan

__all__ = ["FindingsView", "Note", "PlanLine", "notes_of"]

_ROOM_AROUND = 12


@dataclass(frozen=True, slots=True)
class Note:
    """One line about an answer."""

    icon: str
    colour: str
    """Name of the colour token of the icon."""
    text: str
    details: tuple[str, ...] = ()
    """What it is about, quoted; shown on hover and told to screen readers."""


def notes_of(state: TurnState) -> tuple[Note, ...]:
    """Return what is to be said under an answer."""
    notes: list[Note] = []
    if state.notice == REFUSED:
        notes.append(Note("search", "muted", state.notice))
    elif state.notice:
        notes.append(Note("warning", "warning", state.notice))
    words = unsupported_words(state.verdict, state.sentences)
    if words:
        sentences = unsupported_sentences(state.answer, state.sentences)
        notes.append(Note("warning", "warning", f"{words} (dotted underline).", sentences))
    notes += [Note("edit", "positive", correction) for correction in corrections(state.sentences)]
    return tuple(notes)


class FindingsView(QWidget):
    """Say in words what the marks on an answer mean, so that nothing is said by colour alone."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._notes: tuple[Note, ...] = ()
        self._shown: list[QWidget] = []
        self.labels: list[QLabel] = []
        self._rows = QVBoxLayout(self)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setSpacing(4)
        self.hide()

    @property
    def text(self) -> str:
        """What it says, a line each."""
        return "\n".join(note.text for note in self._notes)

    def set_notes(self, notes: tuple[Note, ...]) -> None:
        """Show the notes, or hide."""
        if notes != self._notes:
            self._notes = notes
            self.rebuild()
        self.setVisible(bool(notes))

    def rebuild(self) -> None:
        """Lay the notes out anew, in other colours."""
        for row in self._shown:
            self._rows.removeWidget(row)
            row.hide()
            row.deleteLater()
        self.labels.clear()
        self._shown = [self._row(note) for note in self._notes]
        for row in self._shown:
            self._rows.addWidget(row)

    def _row(self, note: Note) -> QWidget:
        row = QWidget()
        icon = QLabel()
        icon.setPixmap(self._theme.icon(note.icon, getattr(self._theme.tokens, note.colour)).pixmap(16, 16))
        label = QLabel(note.text, wordWrap=True, textFormat=Qt.TextFormat.PlainText)
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        quoted = "\n".join(f"“{detail}”" for detail in note.details)
        row.setToolTip(plain_tip(quoted))
        label.setAccessibleDescription(quoted)
        self.labels.append(label)
        line = QHBoxLayout(row)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(8)
        line.addWidget(icon, 0, Qt.AlignmentFlag.AlignTop)
        line.addWidget(label, 1)
        return row


class PlanLine(QLabel):
    """Tell what was decided about an answer's passages; on hover, or Enter, also why and what the words mean."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "plan")
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setWordWrap(True)
        self.setIndent(0)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.hide()

    def set_plan(self, plan: RetrievalPlan | None) -> None:
        """Show a plan, or hide."""
        words, explained = (plan_line(plan), plan_tip(plan)) if plan is not None else ("", "")
        if words != self.text():
            self.setText(words)
            self.setAccessibleName(words)
            self._fit()
        self.setAccessibleDescription(explained)
        self.setToolTip(plain_tip(explained))
        self.setVisible(bool(words))

    def changeEvent(self, event: QEvent) -> None:
        """Fit again when the text size changes."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._fit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Explain on Enter or Space, for who has no mouse."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            QToolTip.showText(self.mapToGlobal(QPoint(0, self.height())), self.toolTip(), self)
        else:
            super().keyPressEvent(event)

    def _fit(self) -> None:
        # No wider than its words, so that the frame of the focus stands around them.
        self.setMaximumWidth(self.fontMetrics().horizontalAdvance(self.text()) + _ROOM_AROUND)
