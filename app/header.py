"""The top of the conversation: its title, the model, the switches of the side panels, and the banner."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget

from app.ports import ModelPort
from app.theme import Theme
from app.widgets import IconButton

__all__ = ["Banner", "Header"]


class Header(QWidget):
    """Name the chat and the model."""

    sidebar_toggled = Signal()
    documents_toggled = Signal()

    def __init__(self, theme: Theme, model: ModelPort, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("header")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._title = QLabel("New chat", textFormat=Qt.TextFormat.PlainText)
        self._title.setProperty("role", "title")
        self._title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.model = QLabel(textFormat=Qt.TextFormat.PlainText)
        self.model.setProperty("role", "caption")
        sidebar = IconButton(theme, "sidebar", "Show or hide the chats (Ctrl+B)")
        sidebar.clicked.connect(self.sidebar_toggled)
        documents = IconButton(theme, "documents", "Show or hide the documents (Ctrl+D)")
        documents.clicked.connect(self.documents_toggled)
        row = QHBoxLayout(self)
        row.setContentsMargins(8, 6, 8, 7)
        row.setSpacing(8)
        row.addWidget(sidebar)
        row.addWidget(self._title, 1)
        row.addWidget(self.model)
        row.addWidget(documents)
        self.show_model(model)

    def show_title(self, title: str) -> None:
        """Name the chat."""
        self._title.setText(title)
        self._title.setToolTip(title)

    def show_model(self, model: ModelPort, note: str = "") -> None:
        """Say which model answers, or how far it is; a note of it stands in the tooltip."""
        words = {"loading": f"Loading {model.name}…", "failed": "No model"}.get(model.state, model.name)
        self.model.setText(words)
        tip = "\n".join(filter(None, (note if model.state == "ready" else "", model.detail)))
        self.model.setToolTip(tip)
        self.model.setAccessibleName(f"Language model: {words}")
        self.model.setAccessibleDescription(tip)


class Banner(QFrame):
    """Say in one sentence what is wrong and offer what to do; never in the way."""

    acted = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("banner")
        self._theme = theme
        self._icon = QLabel()
        self._text = QLabel(wordWrap=True, textFormat=Qt.TextFormat.PlainText)
        self._text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._action = QPushButton()
        self._action.clicked.connect(self.acted)
        close = IconButton(theme, "close", "Close this message")
        close.clicked.connect(self.hide)
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 8, 8, 8)
        row.setSpacing(12)
        row.addWidget(self._icon)
        row.addWidget(self._text, 1)
        row.addWidget(self._action)
        row.addWidget(close)
        theme.changed.connect(self.on_theme_changed)
        self.on_theme_changed()
        self.hide()

    @property
    def text(self) -> str:
        """What it says."""
        return self._text.text()

    def say(self, sentence: str, action: str = "") -> None:
        """Show a sentence and, if there is one, what can be done."""
        self._text.setText(sentence)
        self._action.setText(action)
        self._action.setVisible(bool(action))
        self.show()

    @Slot()
    def on_theme_changed(self) -> None:
        """Take the icon in the new colour."""
        self._icon.setPixmap(self._theme.icon("warning", self._theme.tokens.warning).pixmap(20, 20))
