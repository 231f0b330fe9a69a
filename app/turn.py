"""One question with its answer, as the transcript shows it."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt, Signal, Slot
from PySide6.QtGui import QFontMetricsF, QGuiApplication, QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QTextEdit,
    QVBoxLayout,
    QWidget,
)

from app.answer import AnswerBody
from app.findings import finding_marks
from app.footnotes import FindingsView, PlanLine, notes_of
from app.markdown import harmless, with_chips
from app.marks import marks_past_chips, past_chips
from app.richtext import CHIP_SCHEME
from app.sources import SourcesView
from app.textview import TextView
from app.theme import Theme
from app.turn_state import TurnState
from app.widgets import DraftLegend, QuietButton
from engine.messages import Citation

__all__ = ["TurnState", "TurnView"]

_BUBBLE_SHARE = 0.82
_PADDING = 14


class TurnView(QWidget):
    """Show a turn and offer what can be done with it."""

    edit_requested = Signal(object)
    again_requested = Signal(object)
    link_clicked = Signal(str)
    open_requested = Signal(str)
    view_requested = Signal(object)
    context_wanted = Signal(object)
    reveal_wanted = Signal(QWidget)

    def __init__(
        self, theme: Theme, state: TurnState, parent: QWidget | None = None, *, show_drafts: bool = False
    ) -> None:
        super().__init__(parent)
        self._theme = theme
        self.state = state
        self.sources: SourcesView | None = None
        self._shown_citations: tuple[Citation, ...] | None = None
        self._is_last = False
        self._show_drafts = show_drafts
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 20)
        layout.setSpacing(8)
        layout.addLayout(self._build_question())
        self._stage = QLabel()
        self._stage.setProperty("role", "muted")
        self.body = AnswerBody(theme)
        self.body.link_clicked.connect(self.on_link)
        layout.addSpacing(4)
        layout.addWidget(self._stage)
        layout.addWidget(self.body)
        self.legend = DraftLegend()
        layout.addWidget(self.legend)
        self.findings = FindingsView(theme)
        layout.addWidget(self.findings)
        layout.addWidget(self._build_trouble())
        layout.addLayout(self._build_foot())
        self.refresh()

    # -- building

    def _build_question(self) -> QHBoxLayout:
        self._bubble = QFrame()
        self._bubble.setObjectName("bubble")
        self.question_text = TextView(self._theme, "Your question")
        self.question_text.set_plain(self.state.question)
        inner = QVBoxLayout(self._bubble)
        inner.setContentsMargins(_PADDING, 9, _PADDING, 9)
        inner.addWidget(self.question_text)
        row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(self._bubble)
        return row

    def _build_trouble(self) -> QWidget:
        self._trouble = QWidget()
        self._trouble_icon = QLabel()
        self._trouble_text = QLabel(wordWrap=True, textFormat=Qt.TextFormat.PlainText)
        self._trouble_text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._again = QPushButton("Try again")
        self._again.setAccessibleName("Ask this question again")
        self._again.clicked.connect(self.on_again)
        row = QHBoxLayout(self._trouble)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(self._trouble_icon, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(self._trouble_text, 1)
        row.addWidget(self._again, 0, Qt.AlignmentFlag.AlignTop)
        return self._trouble

    def _build_foot(self) -> QVBoxLayout:
        self._expander = QPushButton()
        self._expander.setProperty("role", "sources")
        self._expander.clicked.connect(self.on_toggle_sources)
        self.plan = PlanLine()
        self._caption = QLabel()
        self._caption.setProperty("role", "caption")
        self._copy = self._action("copy", "Copy", "Copy this answer", self.on_copy)
        self._edit = self._action("edit", "Edit", "Edit this question and ask anew", self.on_edit)
        self._regenerate = self._action("refresh", "Regenerate", "Make this answer anew", self.on_again)
        top = QHBoxLayout()
        top.setSpacing(12)
        top.addWidget(self._expander, 0, Qt.AlignmentFlag.AlignTop)
        top.addWidget(self.plan, 1000)
        top.addStretch(1)
        self._listed = QVBoxLayout()
        bottom = QHBoxLayout()
        bottom.setSpacing(4)
        for button in self._actions:
            bottom.addWidget(button)
        bottom.addStretch(1)
        bottom.addWidget(self._caption)
        foot = QVBoxLayout()
        foot.setSpacing(4)
        foot.addLayout(top)
        foot.addLayout(self._listed)
        foot.addLayout(bottom)
        return foot

    def _action(self, icon: str, text: str, name: str, slot: object) -> QuietButton:
        button = QuietButton(self._theme, icon, text, name)
        button.clicked.connect(slot)
        return button

    @property
    def _actions(self) -> tuple[QuietButton, ...]:
        return self._copy, self._edit, self._regenerate

    # -- showing

    def refresh(self) -> None:
        """Show the state as it is now."""
        state = self.state
        running = state.reason is None
        text = harmless(state.answer)
        edges = state.drafts.edges_in(state.answer) if self._show_drafts else ()
        findings = finding_marks(state.answer, state.sentences)
        if state.citations:
            text = with_chips(text, state.citations)
            edges, findings = past_chips(edges, text), marks_past_chips(findings, text)
        self.body.set_text(text, final=not running, drafted=edges, findings=findings)
        self.legend.set_text(state.drafts.legend if edges and not running else "")
        self.body.setVisible(bool(state.answer))
        self._stage.setVisible(running and not state.answer)
        self._stage.setText(state.stage or "Thinking…")
        self.findings.set_notes(notes_of(state))
        self._show_trouble()
        if state.citations != self._shown_citations:
            self._show_sources()
        self._caption.setText(state.caption)
        self.plan.set_plan(state.plan)
        for button in self._actions:
            button.setVisible(not running)
        self._copy.setVisible(not running and bool(state.answer))
        self._reveal(self.underMouse())

    def rebuild(self) -> None:
        """Lay everything out anew, in other colours or sizes."""
        self.question_text.restyle()
        self.question_text.set_plain(self.state.question)
        self.body.clear()
        self.findings.rebuild()
        was_open = self.sources is not None and self.sources.isVisibleTo(self)
        self._shown_citations = None
        self.refresh()
        if was_open:
            self.on_toggle_sources()
        self._fit_bubble()

    def set_show_drafts(self, shown: bool) -> None:
        """Tint what was drafted ahead, or nothing."""
        self._show_drafts = shown
        if self.state.drafts.edges:
            self.rebuild()

    def set_last(self, is_last: bool) -> None:
        """Keep the actions of the last answer in sight."""
        self._is_last = is_last
        self._reveal(self.underMouse())

    @property
    def trouble_text(self) -> str:
        """What went wrong with the answer, in a sentence; empty if nothing did."""
        return self._trouble_text.text()

    def set_context(self, citation: Citation, before: str, after: str) -> None:
        """Show what surrounds a citation in its document."""
        if self.sources is not None:
            self.sources.set_context(citation, before, after)

    def texts(self) -> list[QTextEdit | QPlainTextEdit]:
        """Return the views in which find looks, top to bottom."""
        return [self.question_text, *self.body.texts()]

    def show_sources(self) -> None:
        """Open the sources, if there are any."""
        if self.sources is not None and not self.sources.isVisibleTo(self):
            self.on_toggle_sources()

    def _show_trouble(self) -> None:
        state, tokens = self.state, self._theme.tokens
        text, icon, colour = "", "", ""
        if state.reason == "cancelled":
            text, icon, colour = "You stopped this answer.", "stop", tokens.muted
        elif state.reason == "failed":
            text = state.error or "This answer broke off before it was complete."
            icon, colour = "warning", tokens.danger
        elif state.reason == "length":
            text = "The answer reached its length limit (Settings, Answer length)."
            icon, colour = "warning", tokens.muted
        self._trouble.setVisible(bool(text))
        self._trouble_text.setText(text)
        self._again.setVisible(state.reason in ("cancelled", "failed"))
        if icon:
            self._trouble_icon.setPixmap(self._theme.icon(icon, colour).pixmap(16, 16))

    def _show_sources(self) -> None:
        state = self.state
        self._shown_citations = state.citations
        if self.sources is not None:
            self.sources.hide()
            self.sources.deleteLater()
            self.sources = None
        count = len({citation.number for citation in state.citations})
        self._expander.setVisible(count > 0)
        if count:
            self._expander.setText(f"{count} source{'s' if count > 1 else ''}")
            self._expander.setAccessibleName(f"Show {self._expander.text()}")
            self._expander.setIcon(self._theme.icon("chevron-right", self._theme.tokens.accent))
            self.sources = SourcesView(self._theme, state.citations, state.passages)
            self.sources.open_requested.connect(self.open_requested)
            self.sources.view_requested.connect(self.view_requested)
            self.sources.context_wanted.connect(self.context_wanted)
            self.sources.hide()
            self._listed.addWidget(self.sources)

    def _reveal(self, hovered: bool) -> None:
        for button in self._actions:
            button.set_revealed(hovered or self._is_last)

    def _fit_bubble(self) -> None:
        metrics = QFontMetricsF(self._theme.font(15))
        widest = max(metrics.horizontalAdvance(line) for line in self.state.question.split("\n"))
        self._bubble.setFixedWidth(min(int(self.width() * _BUBBLE_SHARE), int(widest) + 2 * _PADDING + 4))

    # -- events

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Let the question take up to its share of the column."""
        super().resizeEvent(event)
        self._fit_bubble()

    def enterEvent(self, event: QEvent) -> None:
        """Reveal the actions."""
        self._reveal(True)

    def leaveEvent(self, event: QEvent) -> None:
        """Hide the actions again."""
        self._reveal(False)

    @Slot(str)
    def on_link(self, link: str) -> None:
        """Open the source of a chip; hand on any other link."""
        if not link.startswith(CHIP_SCHEME):
            self.link_clicked.emit(link)
            return
        number = link.removeprefix(CHIP_SCHEME)
        self.show_sources()
        card = self.sources.cards.get(int(number)) if self.sources and number.isdigit() else None
        if card is not None:
            card.setFocus(Qt.FocusReason.OtherFocusReason)
            card.on_view()
            self.reveal_wanted.emit(card)

    @Slot()
    def on_toggle_sources(self) -> None:
        """Open or close the list of sources."""
        if self.sources is not None:
            opening = not self.sources.isVisibleTo(self)
            self.sources.setVisible(opening)
            name = "chevron-down" if opening else "chevron-right"
            self._expander.setIcon(self._theme.icon(name, self._theme.tokens.accent))
            self._expander.setAccessibleName(f"{'Hide' if opening else 'Show'} {self._expander.text()}")

    @Slot()
    def on_copy(self) -> None:
        """Copy the answer as it was written."""
        QGuiApplication.clipboard().setText(self.state.answer)

    @Slot()
    def on_edit(self) -> None:
        """Offer the question to be changed."""
        self.edit_requested.emit(self.state)

    @Slot()
    def on_again(self) -> None:
        """Ask the same question anew."""
        self.again_requested.emit(self.state)
