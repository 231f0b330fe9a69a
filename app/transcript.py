"""The conversation: turns in a column, following the end while it grows."""

from __future__ import annotations

import time
from collections.abc import Sequence

from PySide6.QtCore import QPoint, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QFontMetricsF, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QScrollArea, QVBoxLayout, QWidget

from app.theme import Theme
from app.turn import TurnState, TurnView
from engine.messages import Citation

__all__ = ["Transcript", "measure"]

_RENDER_MS = 34
_REST = 6
_MEASURE_CHARS = 72
_PAGE_TURNS = 30
_NEAR_END = 24


def measure(theme: Theme) -> int:
    """Return the width of a column of 72 characters of the conversation's font, in pixels."""
    return round(QFontMetricsF(theme.font(15)).averageCharWidth() * _MEASURE_CHARS)


class Transcript(QScrollArea):
    """Show the turns of one chat; render a streaming answer at most 30 times a second."""

    edit_requested = Signal(object)
    again_requested = Signal(object)
    link_clicked = Signal(str)
    open_requested = Signal(str)
    view_requested = Signal(object)
    context_wanted = Signal(object)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("talk")
        self.setAccessibleName("Conversation")
        self._theme = theme
        self._following = True
        self._show_drafts = False
        self._earlier: list[TurnState] = []
        self.views: list[TurnView] = []
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAcceptDrops(False)
        self.setWidget(self._build_column())
        self.pill = QPushButton("Go to the latest", self)
        self.pill.setProperty("role", "pill")
        self.pill.setCursor(Qt.CursorShape.PointingHandCursor)
        self.pill.clicked.connect(self.follow)
        self.pill.hide()
        self._render = QTimer(self, singleShot=True, interval=_RENDER_MS)
        self._render.timeout.connect(self.on_render)
        bar = self.verticalScrollBar()
        bar.rangeChanged.connect(self.on_range_changed)
        bar.valueChanged.connect(self.on_scrolled)
        theme.changed.connect(self.on_theme_changed)
        self.on_theme_changed()

    def _build_column(self) -> QWidget:
        self._outer = outer = QWidget()
        outer.setObjectName("transcript")
        self._column = QWidget()
        self._column.setObjectName("column")
        self._turns = QVBoxLayout(self._column)
        self._turns.setContentsMargins(0, 24, 0, 8)
        self._turns.setSpacing(4)
        self._more = QPushButton("Show earlier messages")
        self._more.setProperty("role", "pill")
        self._more.clicked.connect(self.on_show_earlier)
        self._more.hide()
        self._turns.addWidget(self._more, 0, Qt.AlignmentFlag.AlignHCenter)
        self._turns.addStretch(1)
        row = QHBoxLayout(outer)
        row.setContentsMargins(24, 0, 24, 0)
        row.addStretch(1)
        row.addWidget(self._column, 1000)
        row.addStretch(1)
        return outer

    # -- content

    def show_turns(self, states: Sequence[TurnState]) -> None:
        """Show a chat from its end; long ones keep their beginning behind a button."""
        for view in self.views:
            self._turns.removeWidget(view)
            view.hide()
            view.deleteLater()
        self.views.clear()
        self._earlier = list(states[:-_PAGE_TURNS])
        self._more.setVisible(bool(self._earlier))
        for state in states[-_PAGE_TURNS:]:
            self._insert(len(self.views), state)
        self._mark_last()
        self.follow()

    def add(self, state: TurnState) -> TurnView:
        """Append a turn and go to it."""
        view = self._insert(len(self.views), state)
        self._mark_last()
        self.follow()
        return view

    def update_turn(self, state: TurnState) -> None:
        """Show what has changed: at once when the answer has ended, else with the next picture."""
        if state.reason is not None:
            self._render.stop()
            self._refresh(state)
        elif not self._render.isActive():
            self._render.start()

    def set_show_drafts(self, shown: bool) -> None:
        """Tint the words that were drafted ahead, or none."""
        if shown != self._show_drafts:
            self._show_drafts = shown
            for view in self.views:
                view.set_show_drafts(shown)

    def set_context(self, citation: Citation, before: str, after: str) -> None:
        """Show what surrounds a citation in its document."""
        for view in self.views:
            if citation in view.state.citations:
                view.set_context(citation, before, after)

    def reveal(self, widget: QWidget) -> None:
        """Scroll until the widget is in sight."""
        self.ensureWidgetVisible(widget, 0, 24)

    def reveal_place(self, widget: QWidget, place: QPoint) -> None:
        """Scroll until a place of a widget is in sight."""
        self.ensureVisible(0, widget.mapTo(self._outer, place).y(), 0, 80)

    # -- following

    @property
    def following(self) -> bool:
        """Whether the view goes along with a growing answer."""
        return self._following

    @Slot()
    def follow(self) -> None:
        """Go to the end and stay there."""
        self._following = True
        bar = self.verticalScrollBar()
        bar.setValue(bar.maximum())
        self.pill.hide()

    @Slot(int, int)
    def on_range_changed(self, _low: int, high: int) -> None:
        """Go along with the text as it grows."""
        if self._following:
            self.verticalScrollBar().setValue(high)
        self._show_pill()

    @Slot(int)
    def on_scrolled(self, value: int) -> None:
        """Stop following when the user scrolls up, begin again at the end."""
        self._following = value >= self.verticalScrollBar().maximum() - _NEAR_END
        self._show_pill()

    def _show_pill(self) -> None:
        self.pill.setVisible(not self._following)
        if not self._following:
            self._place_pill()

    def _place_pill(self) -> None:
        self.pill.adjustSize()
        place = QPoint((self.width() - self.pill.width()) // 2, self.height() - self.pill.height() - 8)
        self.pill.move(place)
        self.pill.raise_()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the pill in its place."""
        super().resizeEvent(event)
        self._place_pill()

    # -- slots

    @Slot()
    def on_render(self) -> None:
        """Render the answer that is growing."""
        began = time.perf_counter()
        for view in self.views:
            if view.state.reason is None:
                view.refresh()
        # A long table costs more than its share: render it less often rather than hold the window up.
        took_ms = (time.perf_counter() - began) * 1000
        self._render.setInterval(max(_RENDER_MS, round(took_ms * _REST)))

    @Slot()
    def on_show_earlier(self) -> None:
        """Show the page of turns before those in sight, which stay where they are."""
        bar = self.verticalScrollBar()
        from_end = bar.maximum() - bar.value()
        page, self._earlier = self._earlier[-_PAGE_TURNS:], self._earlier[:-_PAGE_TURNS]
        for index, state in enumerate(page):
            self._insert(index, state)
        self._more.setVisible(bool(self._earlier))
        self._following = False
        self._turns.activate()
        bar.setValue(bar.maximum() - from_end)

    @Slot()
    def on_theme_changed(self) -> None:
        """Take other colours and sizes."""
        self._column.setMaximumWidth(measure(self._theme))
        for view in self.views:
            view.rebuild()

    def _refresh(self, state: TurnState) -> None:
        for view in self.views:
            if view.state is state:
                view.refresh()

    def _insert(self, index: int, state: TurnState) -> TurnView:
        view = TurnView(self._theme, state, self._column, show_drafts=self._show_drafts)
        view.edit_requested.connect(self.edit_requested)
        view.again_requested.connect(self.again_requested)
        view.link_clicked.connect(self.link_clicked)
        view.open_requested.connect(self.open_requested)
        view.view_requested.connect(self.view_requested)
        view.context_wanted.connect(self.context_wanted)
        view.reveal_wanted.connect(self.reveal)
        # The button for earlier turns stands first.
        self._turns.insertWidget(index + 1, view)
        self.views.insert(index, view)
        return view

    def _mark_last(self) -> None:
        for view in self.views:
            view.set_last(view is self.views[-1])
