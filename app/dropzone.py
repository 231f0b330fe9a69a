"""The overlay that says where files may be dropped: anywhere."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QEvent, QMimeData, QObject, QRect, Qt, Signal
from PySide6.QtGui import QColor, QDragEnterEvent, QDropEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from app.theme import Theme

__all__ = ["DropOverlay", "dropped_paths"]


def dropped_paths(data: QMimeData) -> tuple[Path, ...]:
    """Return the local files and folders that are dragged."""
    return tuple(Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile())


class DropOverlay(QWidget):
    """Cover the window while files are dragged over it, and tell what is dropped."""

    dropped = Signal(object)
    """tuple[Path, ...]"""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self._covered = parent
        self.setAccessibleName("Drop files or folders to add them to your documents")
        # The window under it is what takes the drop.
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        parent.setAcceptDrops(True)
        parent.installEventFilter(self)
        self.hide()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Welcome what is dragged into the window, take what is dropped."""
        if isinstance(event, QDropEvent) and event.type() == QEvent.Type.Drop:
            self.hide()
            return self._take(event)
        if isinstance(event, QDragEnterEvent):
            if dropped_paths(event.mimeData()):
                event.acceptProposedAction()
                self.cover()
            return True
        if event.type() == QEvent.Type.DragLeave:
            self.hide()
        elif event.type() == QEvent.Type.Resize and self.isVisible():
            self.cover()
        return False

    def _take(self, event: QDropEvent) -> bool:
        paths = dropped_paths(event.mimeData())
        if paths:
            event.acceptProposedAction()
            self.dropped.emit(paths)
        return True

    def cover(self) -> None:
        """Show over the whole window."""
        self.setGeometry(self._covered.rect())
        self.raise_()
        self.show()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint a veil, a frame and one sentence."""
        tokens = self._theme.tokens
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        veil = QColor(tokens.background)
        veil.setAlpha(235)
        painter.fillRect(self.rect(), veil)
        pen = QPen(QColor(tokens.accent), 2, Qt.PenStyle.DashLine)
        painter.setPen(pen)
        painter.drawRoundedRect(self.rect().adjusted(16, 16, -16, -16), 8, 8)
        middle = self.rect().center()
        self._theme.icon("drop", tokens.accent).paint(painter, QRect(middle.x() - 10, middle.y() - 44, 20, 20))
        painter.setPen(QColor(tokens.text))
        painter.setFont(self._theme.font(15, bold=True))
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, "Drop files or folders to ask about them")
        painter.setPen(QColor(tokens.muted))
        painter.setFont(self._theme.font(13))
        below = self.rect().adjusted(0, 28, 0, 28)
        painter.drawText(below, Qt.AlignmentFlag.AlignCenter, "They stay where they are; nothing leaves this computer.")
        painter.end()
