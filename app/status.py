"""The line at the bottom: what an answer costs and what Hola uses; open, it shows plots over five minutes."""

from __future__ import annotations

import time

from PySide6.QtCore import QEvent, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QFont, QHideEvent, QMouseEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from app.drafts import drafting_tip, drafting_words, speedup_text
from app.plot import Plot, rate_text
from app.ports import MemoryPort
from app.theme import Theme
from app.widgets import IconButton
from engine.messages import Metrics

__all__ = ["StatusPanel"]

_MEMORY_MS = 2000
_RATE_MS = 250


def _amount(megabytes: float) -> str:
    return f"{megabytes / 1024:.1f} GB" if megabytes >= 1000 else f"{megabytes:.0f} MB"


class StatusPanel(QWidget):
    """Show mode, first word, rate, retrieval, memory and indexing."""

    memory_wanted = Signal()

    def __init__(self, theme: Theme, mode: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._busy = False
        self._tokens = 0
        self._first_token: float | None = None
        self._last_rate = 0.0
        self._mode = self._label("Scaling mode")
        self._first = self._label("Time to the first word of the last answer")
        self._rate = self._label("Tokens per second")
        self._retrieval = self._label("Time to search your documents")
        self._memory = self._label("Memory in use and free")
        self._indexing = self._label("Indexing")
        self._optimising = self._label("Optimising the model")
        figures = (self._first, self._rate, self._retrieval, self._memory)
        self._labels = (self._mode, *figures, self._indexing, self._optimising)
        for label in self._labels[1:]:
            label.hide()
        self._plots = {
            "first": Plot(theme, "First word", "s", "points"),
            "rate": Plot(theme, "Rate", "tok/s", "points"),
            "speedup": Plot(theme, "Speed-up", "x", "points"),
            "retrieval": Plot(theme, "Retrieval", "ms", "points"),
            "memory": Plot(theme, "Hola's memory", "MB", "line"),
        }
        self._toggle = IconButton(theme, "chevron-up", "Show measurements")
        self._toggle.setIconSize(self._toggle.iconSize() * 0.8)
        self._toggle.clicked.connect(self.on_toggle)
        self._timer = QTimer(self, interval=_MEMORY_MS)
        self._timer.setTimerType(Qt.TimerType.VeryCoarseTimer)
        self._timer.timeout.connect(self.on_tick)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._build_open())
        layout.addWidget(self._build_line())
        self.set_mode(mode)
        theme.changed.connect(self.on_theme_changed)
        self.on_theme_changed()

    # -- building

    def _label(self, what: str) -> QLabel:
        label = QLabel()
        label.setToolTip(what)
        label.setProperty("what", what)
        return label

    def _build_line(self) -> QWidget:
        self.line = QWidget()
        self.line.setObjectName("statusLine")
        self.line.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        row = QHBoxLayout(self.line)
        row.setContentsMargins(16, 1, 8, 1)
        row.setSpacing(20)
        for label in (self._mode, self._first, self._rate, self._retrieval, self._memory):
            row.addWidget(label)
        row.addStretch(1)
        row.addWidget(self._indexing)
        row.addWidget(self._optimising)
        row.addWidget(self._toggle)
        return self.line

    def _build_open(self) -> QWidget:
        self._open = QWidget()
        self._open.setObjectName("plots")
        self._open.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._reason = QLabel()
        self._reason.setProperty("role", "caption")
        self._drafting = QLabel(drafting_words(None), wordWrap=True)
        self._drafting.setProperty("role", "caption")
        self._split = QLabel()
        self._split.setProperty("role", "caption")
        self._split.setAlignment(Qt.AlignmentFlag.AlignRight)
        words = QHBoxLayout()
        words.addWidget(self._reason)
        words.addStretch(1)
        words.addWidget(self._split)
        plots = QHBoxLayout()
        plots.setSpacing(24)
        for plot in self._plots.values():
            plots.addWidget(plot)
        column = QVBoxLayout(self._open)
        column.setContentsMargins(16, 12, 16, 12)
        column.setSpacing(8)
        column.addLayout(words)
        column.addWidget(self._drafting)
        column.addLayout(plots)
        self._open.hide()
        return self._open

    # -- figures

    @property
    def is_open(self) -> bool:
        """Whether the plots are shown."""
        return self._open.isVisibleTo(self)

    @property
    def is_ticking(self) -> bool:
        """Whether a timer runs."""
        return self._timer.isActive()

    def text(self) -> str:
        """Return the whole line, as one reads it."""
        return "  ".join(label.text() for label in self._labels if label.text() and label.isVisibleTo(self))

    @property
    def drafting_text(self) -> str:
        """What the open panel says about drafting."""
        return self._drafting.text()

    @property
    def rate_tip(self) -> str:
        """What the rate says when it is pointed at."""
        return self._rate.toolTip()

    def set_mode(self, mode: str) -> None:
        """Show the scaling mode."""
        self._set(self._mode, mode)
        self._reason.setText(
            f"Mode {mode}: every part of Hola works at full depth." if mode == "Full" else f"Mode {mode}"
        )

    def begin_answer(self) -> None:
        """Measure an answer that begins."""
        self._busy, self._tokens, self._first_token = True, 0, None
        self._watch()

    def add_tokens(self, tokens: int) -> None:
        """Count the tokens of an answer as they come, for the live rate."""
        now = time.monotonic()
        if self._first_token is None:
            self._first_token = now
            return
        self._tokens += tokens
        if now - self._last_rate >= _RATE_MS / 1000 and now > self._first_token:
            self._last_rate = now
            self._set(self._rate, rate_text(self._tokens / (now - self._first_token)))
            self._rate.setToolTip(str(self._rate.property("what")))

    def end_answer(self, metrics: Metrics | None, *, by_model: bool) -> None:
        """Show what the answer cost; a rule's answer says nothing about the model."""
        self._busy = False
        self._watch()
        self.memory_wanted.emit()
        if metrics is None or not by_model:
            return
        if metrics.ttft_ms:
            self._set(self._first, f"first word {metrics.ttft_ms / 1000:.2f} s")
            self._plots["first"].add(metrics.ttft_ms / 1000)
        if metrics.tokens_per_s:
            self._show_rate(metrics)
        if metrics.retrieval_ms:
            self._set(self._retrieval, f"retrieval {metrics.retrieval_ms:.0f} ms")
            self._plots["retrieval"].add(metrics.retrieval_ms)

    def _show_rate(self, metrics: Metrics) -> None:
        """Show the rate, and what drafting brought if there was any."""
        self._set(self._rate, f"{rate_text(metrics.tokens_per_s)} {speedup_text(metrics)}".rstrip())
        what, tip = str(self._rate.property("what")), drafting_tip(metrics)
        self._rate.setToolTip(f"{what}\n{tip}" if tip else what)
        self._rate.setAccessibleDescription(tip)
        self._drafting.setText(drafting_words(metrics))
        self._plots["rate"].add(metrics.tokens_per_s)
        if metrics.draft_tier != "plain":
            self._plots["speedup"].add(metrics.speedup_estimate)

    def show_memory(self, use: MemoryPort) -> None:
        """Show what Hola uses and what is free."""
        total = use.app_mb + use.model_mb + use.library_mb
        self._set(self._memory, f"Hola {_amount(total)}, free {_amount(use.free_mb)}")
        parts = f"Window {_amount(use.app_mb)}   Model {_amount(use.model_mb)}   Library {_amount(use.library_mb)}"
        self._split.setText(parts)
        self._memory.setToolTip(parts)
        self._plots["memory"].add(total)

    def show_indexing(self, text: str) -> None:
        """Show the index job in a few words; nothing hides it."""
        self._set(self._indexing, text)
        self._watch()

    def show_optimising(self, text: str, tip: str) -> None:
        """Show how far the model's optimising is; empty, it has ended."""
        self._set(self._optimising, text)
        self._optimising.setToolTip(tip or str(self._optimising.property("what")))
        self._optimising.setAccessibleDescription(tip)
        self._watch()

    def show_trouble(self, sentence: str) -> None:
        """Tell in the tooltip what has failed in the background; empty takes it back."""
        what = str(self._mode.property("what"))
        self._mode.setToolTip(f"{what}\n{sentence}" if sentence else what)
        self._mode.setAccessibleDescription(sentence)
        self.line.setToolTip(sentence)

    @property
    def optimising_tip(self) -> str:
        """What the optimising says when it is pointed at."""
        return self._optimising.toolTip()

    @property
    def trouble_tip(self) -> str:
        """What has failed in the background; empty if nothing has."""
        return self.line.toolTip()

    def _set(self, label: QLabel, text: str) -> None:
        label.setText(text)
        label.setVisible(bool(text))
        label.setAccessibleName(f"{label.property('what')}: {text}")

    # -- time

    def _watch(self) -> None:
        """Run the timer only while something changes and is seen."""
        works = self._busy or bool(self._indexing.text() or self._optimising.text())
        wanted = self.isVisible() and (self.is_open or works)
        if wanted and not self._timer.isActive():
            self._timer.start()
            self.memory_wanted.emit()
        elif not wanted:
            self._timer.stop()

    def showEvent(self, event: QShowEvent) -> None:
        """Look at the memory once."""
        super().showEvent(event)
        self._watch()
        self.memory_wanted.emit()

    def hideEvent(self, event: QHideEvent) -> None:
        """Rest."""
        super().hideEvent(event)
        self._timer.stop()

    def changeEvent(self, event: QEvent) -> None:
        """Rest while the window is minimised."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.WindowStateChange:
            self._watch()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Open or close by a click on the line."""
        if self.line.geometry().contains(event.position().toPoint()):
            self.on_toggle()

    @Slot()
    def on_tick(self) -> None:
        """Measure, and let the plots move on."""
        self.memory_wanted.emit()
        if self.is_open:
            for plot in self._plots.values():
                plot.update()

    @Slot()
    def on_toggle(self) -> None:
        """Open or close the plots."""
        opening = not self.is_open
        self._open.setVisible(opening)
        name = "Hide measurements" if opening else "Show measurements"
        self._toggle.set_icon_name("chevron-down" if opening else "chevron-up", name)
        self._watch()

    @Slot()
    def on_theme_changed(self) -> None:
        """Take other sizes; figures keep their width."""
        font = self._theme.font(12)
        font.setFeature(QFont.Tag("tnum"), 1)
        for label in self._labels:
            label.setFont(font)
        for plot in self._plots.values():
            plot.updateGeometry()
            plot.update()
