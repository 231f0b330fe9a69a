"""A small plot of one figure over the last five minutes."""

from __future__ import annotations

import time
from collections import deque
from typing import Literal

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.theme import Theme

__all__ = ["WINDOW_S", "Plot", "rate_text"]

WINDOW_S = 300.0
_TITLE = 18


def rate_text(tokens_per_s: float) -> str:
    """Return a rate in words, with a decimal where it matters."""
    return f"{tokens_per_s:.{0 if tokens_per_s >= 9.95 else 1}f} tok/s"


class Plot(QWidget):
    """Paint values as points over time, or as a line, with the latest figure in words above."""

    def __init__(self, theme: Theme, title: str, unit: str, kind: Literal["points", "line"]) -> None:
        super().__init__()
        self._theme = theme
        self._title = title
        self._unit = unit
        self._kind = kind
        self._values: deque[tuple[float, float]] = deque()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._describe()

    @property
    def values(self) -> list[float]:
        """The values of the last five minutes, oldest first."""
        return [value for _time, value in self._values]

    def add(self, value: float) -> None:
        """Take a value as of now."""
        now = time.monotonic()
        self._values.append((now, value))
        while self._values and self._values[0][0] < now - WINDOW_S:
            self._values.popleft()
        self._describe()
        self.update()

    def sizeHint(self) -> QSize:
        """Return the room of a title and a plot."""
        return QSize(160, self._theme.pixels(_TITLE) + 72)

    def _describe(self) -> None:
        self.setAccessibleName(f"{self._title}: {self._figure()}, last five minutes")

    def _figure(self) -> str:
        if not self._values:
            return "nothing yet"
        value = self._values[-1][1]
        number = f"{value:.0f}" if value >= 100 or self._unit == "MB" else f"{value:.1f}"
        return f"{number}x" if self._unit == "x" else f"{number} {self._unit}"

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint title, figure, base line and values."""
        tokens = self._theme.tokens
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        head = QRectF(0, 0, self.width(), self._theme.pixels(_TITLE))
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.setFont(self._theme.font(12))
        painter.setPen(QColor(tokens.muted))
        painter.drawText(head, Qt.AlignmentFlag.AlignLeft | middle, self._title)
        painter.setPen(QColor(tokens.text))
        painter.drawText(head, Qt.AlignmentFlag.AlignRight | middle, self._figure())
        area = QRectF(0, head.bottom() + 6, self.width(), self.height() - head.bottom() - 8)
        painter.setPen(QPen(QColor(tokens.border), 1))
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        points = self._points(area)
        if self._kind == "line":
            painter.setPen(QPen(QColor(tokens.accent), 1.5))
            painter.drawPolyline(points)
            if len(points) == 1:
                painter.drawEllipse(points[0], 1.5, 1.5)
        else:
            painter.setPen(QPen(QColor(tokens.raised), 2))
            for point in points:
                painter.drawLine(QPointF(point.x(), area.bottom() - 1), point)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(tokens.accent))
            for point in points:
                painter.drawEllipse(point, 2.5, 2.5)
        painter.end()

    def _points(self, area: QRectF) -> list[QPointF]:
        now = time.monotonic()
        shown = [(at, value) for at, value in self._values if at >= now - WINDOW_S]
        top = max((value for _at, value in shown), default=0.0) * 1.15 or 1.0
        room = area.adjusted(3, 4, -3, 0)
        return [
            QPointF(room.right() - (now - at) / WINDOW_S * room.width(), room.bottom() - value / top * room.height())
            for at, value in shown
        ]
