"""The sidebar: new chat, search, and the chats grouped by day."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import date, datetime, timedelta

from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QRect,
    QSize,
    Qt,
    QTimer,
    Signal,
    Slot,
)
from PySide6.QtGui import QAction, QColor, QContextMenuEvent, QKeyEvent, QMouseEvent, QPainter
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListView,
    QMenu,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from app.dialogs import confirm
from app.theme import Theme
from app.widgets import IconButton, RowButton
from engine.messages import Chat

__all__ = ["ChatsModel", "ChatsPanel", "group_of"]

_CHAT = Qt.ItemDataRole.UserRole
_SEARCH_MS = 150
_MORE_WIDTH = 28
_Index = QModelIndex | QPersistentModelIndex


def group_of(updated: float, today: date) -> str:
    """Return the heading under which a chat of this Unix time stands."""
    day = datetime.fromtimestamp(updated).date()
    if day >= today:
        return "Today"
    if day == today - timedelta(days=1):
        return "Yesterday"
    return "Previous 7 days" if day >= today - timedelta(days=7) else "Older"


class ChatsModel(QAbstractListModel):
    """Rows of headings and chats, newest first; a chat's title can be edited."""

    renamed = Signal(int, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: list[str | Chat] = []

    def show_chats(self, chats: Sequence[Chat]) -> None:
        """Take the chats, newest first."""
        rows: list[str | Chat] = []
        today, heading = datetime.fromtimestamp(time.time()).date(), ""
        for chat in chats:
            group = group_of(chat.updated, today)
            if group != heading:
                rows.append(group)
                heading = group
            rows.append(chat)
        if rows != self._rows:
            self.beginResetModel()
            self._rows = rows
            self.endResetModel()

    def chat(self, index: _Index) -> Chat | None:
        """Return the chat of a row; None for a heading."""
        row = self._rows[index.row()] if index.isValid() and index.row() < len(self._rows) else None
        return row if isinstance(row, Chat) else None

    def index_of(self, chat_id: int | None) -> QModelIndex:
        """Return the row of a chat; invalid if it has none."""
        for number, row in enumerate(self._rows):
            if isinstance(row, Chat) and row.id == chat_id:
                return self.index(number)
        return QModelIndex()

    def rowCount(self, parent: _Index = QModelIndex()) -> int:
        """Count headings and chats."""
        return 0 if parent.isValid() else len(self._rows)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Return the text or the chat of a row."""
        row = self._rows[index.row()]
        if role == _CHAT:
            return row
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole, Qt.ItemDataRole.ToolTipRole):
            return row.title if isinstance(row, Chat) else row
        return None

    def flags(self, index: _Index) -> Qt.ItemFlag:
        """Let chats be chosen and renamed; headings are only read."""
        if self.chat(index) is None:
            return Qt.ItemFlag.NoItemFlags
        return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEditable

    def setData(self, index: _Index, value: object, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Take a new title and tell it on."""
        chat, title = self.chat(index), str(value).strip()
        if chat is None or not title or title == chat.title:
            return False
        self._rows[index.row()] = Chat(chat.id, title, chat.updated)
        self.dataChanged.emit(index, index)
        self.renamed.emit(chat.id, title)
        return True


class _Delegate(QStyledItemDelegate):
    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme

    def sizeHint(self, option: QStyleOptionViewItem, index: _Index) -> QSize:
        """Return the height of a heading or a chat."""
        heading = isinstance(index.data(_CHAT), str)
        return QSize(60, self._theme.pixels(32 if heading else 34))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        """Paint a heading as a caption, a chat as a rounded row."""
        tokens, row, area = self._theme.tokens, index.data(_CHAT), QRect(option.rect)
        state = option.state
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        left = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        if isinstance(row, str):
            painter.setFont(self._theme.font(12))
            painter.setPen(QColor(tokens.muted))
            painter.drawText(area.adjusted(10, 6, -8, 0), left, row)
            painter.restore()
            return
        selected = bool(state & QStyle.StateFlag.State_Selected)
        hovered = bool(state & QStyle.StateFlag.State_MouseOver)
        if selected or hovered:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(tokens.raised))
            painter.drawRoundedRect(area.adjusted(1, 1, -1, -1), 8, 8)
        if selected and state & QStyle.StateFlag.State_HasFocus:
            painter.setPen(QColor(tokens.accent))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(area.adjusted(1, 1, -2, -2), 8, 8)
        font = self._theme.font(13, bold=selected)
        painter.setFont(font)
        painter.setPen(QColor(tokens.text))
        room = area.adjusted(10, 0, -_MORE_WIDTH if selected or hovered else -8, 0)
        metrics = painter.fontMetrics()
        painter.drawText(room, left, metrics.elidedText(row.title, Qt.TextElideMode.ElideRight, room.width()))
        if selected or hovered:
            place = QPoint(area.right() - _MORE_WIDTH + 4, area.center().y() - 8)
            self._theme.icon("more", tokens.muted).paint(painter, QRect(place, QSize(16, 16)))
        painter.restore()


class _List(QListView):
    chosen = Signal(int)
    delete_requested = Signal(object)

    def __init__(self, model: ChatsModel, theme: Theme) -> None:
        super().__init__()
        self._chats = model
        self.setModel(model)
        self.setItemDelegate(_Delegate(theme, self))
        self.setAccessibleName("Chats")
        self.setMouseTracking(True)
        self.setAcceptDrops(False)
        self.setEditTriggers(QListView.EditTrigger.EditKeyPressed)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.activated.connect(self.on_activated)

    def open_menu(self, index: QModelIndex, place: QPoint) -> None:
        """Offer to rename or delete the chat."""
        chat = self._chats.chat(index)
        if chat is None:
            return
        menu = QMenu(self)
        rename = QAction("Rename", menu)
        delete = QAction("Delete…", menu)
        menu.addActions([rename, delete])
        picked = menu.exec(place)
        if picked is rename:
            self.edit(index)
        elif picked is delete:
            self.delete_requested.emit(chat)
        menu.deleteLater()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Open the chat, or its menu on the dots at its end."""
        super().mouseReleaseEvent(event)
        index = self.indexAt(event.position().toPoint())
        chat = self._chats.chat(index)
        if chat is None or event.button() != Qt.MouseButton.LeftButton:
            return
        if event.position().x() > self.visualRect(index).right() - _MORE_WIDTH:
            self.open_menu(index, event.globalPosition().toPoint())
        else:
            self.chosen.emit(chat.id)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Open the menu of the chat under the mouse, or of the current one by the keyboard."""
        by_mouse = event.reason() == QContextMenuEvent.Reason.Mouse
        index = self.indexAt(event.pos()) if by_mouse else self.currentIndex()
        self.open_menu(index, event.globalPos())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Delete asks to delete; Enter opens (by `activated`)."""
        chat = self._chats.chat(self.currentIndex())
        if event.key() == Qt.Key.Key_Delete and chat is not None:
            self.delete_requested.emit(chat)
            return
        super().keyPressEvent(event)

    @Slot(QModelIndex)
    def on_activated(self, index: QModelIndex) -> None:
        """Open the chat that the keyboard chose."""
        chat = self._chats.chat(index)
        if chat is not None:
            self.chosen.emit(chat.id)


class ChatsPanel(QWidget):
    """The left side of the window."""

    new_requested = Signal()
    chosen = Signal(int)
    renamed = Signal(int, str)
    deleted = Signal(int)
    search_changed = Signal(str)
    settings_requested = Signal()
    help_requested = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("sidebar")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.model = ChatsModel(self)
        self.model.renamed.connect(self.renamed)
        self.list = _List(self.model, theme)
        self.list.chosen.connect(self.chosen)
        self.list.delete_requested.connect(self.on_delete)
        self._current: int | None = None
        new = RowButton(theme, "plus", "New chat", "Ctrl+N")
        self._settings = RowButton(theme, "settings", "Settings", "Ctrl+,")
        new.clicked.connect(self.new_requested)
        self._settings.clicked.connect(self.settings_requested)
        helper = IconButton(theme, "help", "Keyboard shortcuts (F1)")
        helper.clicked.connect(self.help_requested)
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search chats")
        self.search.setAccessibleName("Search chats (Ctrl+K)")
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self.on_search_edited)
        self.search.returnPressed.connect(self.on_search_entered)
        self._wait = QTimer(self, singleShot=True, interval=_SEARCH_MS)
        self._wait.timeout.connect(self.on_search)
        self._none = QLabel()
        self._none.setProperty("role", "caption")
        self._none.setWordWrap(True)
        self._none.setContentsMargins(10, 4, 8, 0)
        self._build(new, helper)

    def _build(self, new: QWidget, helper: QWidget) -> None:
        bottom = QHBoxLayout()
        bottom.addWidget(self._settings, 1)
        bottom.addWidget(helper)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 9, 8)
        layout.setSpacing(6)
        layout.addWidget(new)
        layout.addWidget(self.search)
        layout.addWidget(self._none)
        layout.addWidget(self.list, 1)
        layout.addLayout(bottom)

    def show_chats(self, chats: Sequence[Chat], search: str) -> None:
        """List the chats that answer the search now in the field."""
        if search != self.search.text().strip():
            return
        self.model.show_chats(chats)
        self._none.setVisible(not chats)
        self._none.setText("No chat contains this." if search else "Your chats will be listed here.")
        self.select(self._current)

    def select(self, chat_id: int | None) -> None:
        """Mark the chat that is shown."""
        self._current = chat_id
        index = self.model.index_of(chat_id)
        if index.isValid():
            self.list.setCurrentIndex(index)
        else:
            self.list.clearSelection()
            self.list.setCurrentIndex(QModelIndex())

    def focus_search(self) -> None:
        """Take the keyboard into the search field."""
        self.search.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.search.selectAll()

    @Slot()
    def on_search_edited(self) -> None:
        """Search when the typing pauses."""
        self._wait.start()

    @Slot()
    def on_search(self) -> None:
        """Ask for the chats that contain the text."""
        self.search_changed.emit(self.search.text().strip())

    @Slot()
    def on_search_entered(self) -> None:
        """Open the first chat that was found."""
        for row in range(self.model.rowCount()):
            chat = self.model.chat(self.model.index(row))
            if chat is not None:
                self.chosen.emit(chat.id)
                return

    @Slot(object)
    def on_delete(self, chat: Chat) -> None:
        """Delete after asking."""
        detail = "Its questions and answers are deleted for good. Your documents stay."
        if confirm(self, f"Delete “{chat.title}”?", detail, "Delete"):
            self.deleted.emit(chat.id)
