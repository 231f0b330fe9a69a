"""The list of documents: a model for thousands of files and how a row is painted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from app.sources import file_name
from app.theme import Theme
from app.tooltips import plain_tip
from engine.messages import Document, DocumentStatus

__all__ = ["DOCUMENT_ROLE", "FilesDelegate", "FilesModel", "status_text"]

DOCUMENT_ROLE = Qt.ItemDataRole.UserRole
_Index = QModelIndex | QPersistentModelIndex
_TROUBLE = (DocumentStatus.FAILED, DocumentStatus.SKIPPED)


def status_text(document: Document) -> str:
    """Return where a file stands, in words."""
    status = document.status
    if status is DocumentStatus.READY:
        pages = f"{document.pages} page{'s' if document.pages != 1 else ''}"
        return f"{pages}, ready" if document.pages else "Ready"
    if status is DocumentStatus.EMBEDDING:
        return f"Embedding {document.fraction:.0%}"
    if status is DocumentStatus.FAILED:
        return f"Failed: {document.reason}"
    if status is DocumentStatus.SKIPPED:
        return f"Skipped: {document.reason}"
    return "Reading" if status is DocumentStatus.EXTRACTING else "Waiting"


class FilesModel(QAbstractListModel):
    """Documents with the newest first; a change touches its own row only."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._all: dict[str, Document] = {}
        self._only_trouble = False
        # Oldest first, so that a new file is appended and no position moves.
        self._paths: list[str] = []
        self._places: dict[str, int] = {}

    def show_documents(self, documents: Iterable[Document]) -> None:
        """Take the whole list anew."""
        kept = sorted(documents, key=lambda each: (each.updated, each.path))
        fresh = {each.path: each for each in kept if each.status is not DocumentStatus.REMOVED}
        if fresh != self._all:
            self._all = fresh
            self._reset()

    def apply(self, documents: Sequence[Document]) -> None:
        """Take changes: known rows change in place, new files come on top, removed ones go."""
        gone = [each.path for each in documents if each.status is DocumentStatus.REMOVED]
        changed = [each for each in documents if each.status is not DocumentStatus.REMOVED]
        if gone:
            self.forget(gone)
        added: list[str] = []
        rows: list[int] = []
        for document in changed:
            self._all[document.path] = document
            place = self._places.get(document.path)
            if place is not None:
                rows.append(self._row(place))
            elif self._shows(document):
                added.append(document.path)
        if rows:
            self.dataChanged.emit(self.index(min(rows)), self.index(max(rows)))
        if added:
            self.beginInsertRows(QModelIndex(), 0, len(added) - 1)
            for path in added:
                self._places[path] = len(self._paths)
                self._paths.append(path)
            self.endInsertRows()

    def forget(self, paths: Iterable[str]) -> None:
        """Take documents out."""
        for path in paths:
            self._all.pop(path, None)
        self._reset()

    def show_only_trouble(self, only: bool) -> None:
        """List failed and skipped files only, or all."""
        if only != self._only_trouble:
            self._only_trouble = only
            self._reset()

    def document(self, index: _Index) -> Document | None:
        """Return the document of a row."""
        found = index.data(DOCUMENT_ROLE) if index.isValid() else None
        return found if isinstance(found, Document) else None

    def counts(self) -> tuple[int, int, int]:
        """Return how many files are ready, in trouble, and all in all."""
        states = [each.status for each in self._all.values()]
        return states.count(DocumentStatus.READY), sum(each in _TROUBLE for each in states), len(states)

    def paths(self) -> list[str]:
        """Return the path of every document, listed or not."""
        return list(self._all)

    def has_unfinished(self) -> bool:
        """Return whether a file waits for its index job."""
        return any(not each.status.is_final for each in self._all.values())

    def rowCount(self, parent: _Index = QModelIndex()) -> int:
        """Count the listed files."""
        return 0 if parent.isValid() else len(self._paths)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Return the name, the tooltip or the document of a row."""
        document = self._all.get(self._paths[self._row(index.row())])
        if document is None:
            return None
        if role == DOCUMENT_ROLE:
            return document
        if role == Qt.ItemDataRole.DisplayRole:
            return file_name(document.path)
        if role == Qt.ItemDataRole.ToolTipRole:
            return plain_tip(f"{document.path}\n{status_text(document)}")
        if role in (Qt.ItemDataRole.AccessibleTextRole, Qt.ItemDataRole.AccessibleDescriptionRole):
            return f"{file_name(document.path)}, {status_text(document)}"
        return None

    def _row(self, place: int) -> int:
        """Turn a place into its row, and back."""
        return len(self._paths) - 1 - place

    def _shows(self, document: Document) -> bool:
        return not self._only_trouble or document.status in _TROUBLE

    def _reset(self) -> None:
        self.beginResetModel()
        self._paths = [path for path, document in self._all.items() if self._shows(document)]
        self._places = {path: place for place, path in enumerate(self._paths)}
        self.endResetModel()


class FilesDelegate(QStyledItemDelegate):
    """Paint a file: icon, name, state in words, and a thin bar while it is worked on."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme

    def sizeHint(self, option: QStyleOptionViewItem, index: _Index) -> QSize:
        """Return one height for every row, so that a long list costs nothing."""
        return QSize(80, self._theme.pixels(48))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        """Paint one row."""
        document = index.data(DOCUMENT_ROLE)
        if not isinstance(document, Document):
            return
        tokens, area = self._theme.tokens, QRect(option.rect).adjusted(4, 1, -4, -1)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._background(painter, area, option)
        icon, colour = self._sign(document.status)
        middle = area.center().y()
        self._theme.icon(icon, colour).paint(painter, QRect(area.left() + 8, middle - 8, 16, 16))
        text = area.adjusted(32, 5, -8, -6)
        half = text.height() // 2
        left = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        painter.setFont(self._theme.font(13))
        painter.setPen(QColor(tokens.text))
        name = painter.fontMetrics().elidedText(file_name(document.path), Qt.TextElideMode.ElideMiddle, text.width())
        painter.drawText(QRect(text.left(), text.top(), text.width(), half), left, name)
        painter.setFont(self._theme.font(12))
        painter.setPen(QColor(colour if document.status in _TROUBLE else tokens.muted))
        words = painter.fontMetrics().elidedText(status_text(document), Qt.TextElideMode.ElideRight, text.width())
        painter.drawText(QRect(text.left(), text.top() + half, text.width(), half), left, words)
        if document.status is DocumentStatus.EMBEDDING:
            self._bar(painter, QRectF(text.left(), area.bottom() - 3, text.width(), 2), document.fraction)
        painter.restore()

    def _background(self, painter: QPainter, area: QRect, option: QStyleOptionViewItem) -> None:
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        if selected or option.state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(self._theme.tokens.raised))
            painter.drawRoundedRect(area, 8, 8)
        if selected and option.state & QStyle.StateFlag.State_HasFocus:
            painter.setPen(QColor(self._theme.tokens.accent))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(area.adjusted(0, 0, -1, -1), 8, 8)

    def _bar(self, painter: QPainter, room: QRectF, fraction: float) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self._theme.tokens.raised))
        painter.drawRoundedRect(room, 1, 1)
        room.setWidth(room.width() * min(1.0, max(0.0, fraction)))
        painter.setBrush(QColor(self._theme.tokens.accent))
        painter.drawRoundedRect(room, 1, 1)

    def _sign(self, status: DocumentStatus) -> tuple[str, str]:
        tokens = self._theme.tokens
        return {
            DocumentStatus.READY: ("check", tokens.positive),
            DocumentStatus.FAILED: ("warning", tokens.danger),
            DocumentStatus.SKIPPED: ("skip", tokens.warning),
            DocumentStatus.QUEUED: ("clock", tokens.muted),
        }.get(status, ("file", tokens.accent))
