"""The window: builds the parts, connects them, closes them."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, QTimer, Slot
from PySide6.QtGui import QCloseEvent, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QMainWindow, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from app.bridge import ControlThread, EngineThread, LibraryThread
from app.chats import ChatsPanel
from app.composer import Composer
from app.conversation import Conversation
from app.dialogs import Opener, confirm
from app.documents import DocumentsPanel
from app.dropzone import DropOverlay
from app.emptystate import EmptyState
from app.findbar import FindBar
from app.header import Banner, Header
from app.librarian import Librarian
from app.modelcare import ModelCare
from app.ports import EnginePort
from app.preferences import Preferences
from app.reader import ReaderThread
from app.records import RecordsThread
from app.shortcuts import ShortcutsDialog, add_shortcuts
from app.side import SidePanel
from app.status import StatusPanel
from app.theme import Theme
from app.transcript import Transcript
from app.turn import TurnState
from app.viewer import SourceViewer
from engine.config import EngineConfig
from engine.messages import Chat
from engine.viewing.client import PageViewer

__all__ = ["MainWindow"]

_SMALLEST = (900, 600)


class MainWindow(QMainWindow):
    """Show the chats, the conversation and the documents of one data folder."""

    def __init__(self, config: EngineConfig, engine: EnginePort | None = None) -> None:
        super().__init__()
        self.config = config
        self.engine = engine if engine is not None else _new_engine(config)
        self._preferences = Preferences(config.data.root)
        self._settings = config.settings
        self._chats: Sequence[Chat] = ()
        self._painted = self._closing = False
        self.theme = Theme(config.assets / "icons", config.settings.theme, self._preferences.zoom, self)
        self.theme.apply()
        self.engine_thread = EngineThread(self.engine, self)
        self.control = ControlThread(self.engine, self)
        self.library = LibraryThread(self.engine, self)
        self.records = RecordsThread(self.engine, self)
        self.reader = ReaderThread(self.engine, PageViewer(config.data.logs / "viewer.log"), self)
        self._build()
        self.conversation = Conversation(
            self.engine_thread, self.control, self.records, self.transcript, config.settings, self
        )
        self.opener = Opener(self)
        self.opener.trouble.connect(self.banner.say)
        self.care = ModelCare(self.engine, config, self.header, self.status, self)
        self.care.give_way_to(self.conversation, self.library)
        self.care.loaded.connect(self.records.load_memory)
        self.care.failed.connect(self.on_model_failed)
        self._connect_conversation()
        self.librarian = Librarian(self.library, self.control, self.records, self.documents, self.empty, self)
        self._connect_documents()
        self._add_shortcuts()
        self._restore()
        self.records.load_chats.emit("")
        self.records.load_documents.emit()
        self.composer.focus()

    # -- building

    def _build(self) -> None:
        self.setWindowTitle("Hola")
        self.setWindowIcon(self.theme.icon("hola", self.theme.tokens.accent))
        self.setMinimumSize(*_SMALLEST)
        self.chats = ChatsPanel(self.theme)
        self.documents = DocumentsPanel(self.theme)
        self.viewer = SourceViewer(self.theme, self.reader)
        self.side = SidePanel(self.documents, self.viewer)
        self.splitter = QSplitter(Qt.Orientation.Horizontal)
        self.splitter.setHandleWidth(1)
        self.splitter.setChildrenCollapsible(False)
        for panel, least, stretch in ((self.chats, 190, 0), (self._build_centre(), 420, 1), (self.side, 220, 0)):
            panel.setMinimumWidth(least)
            self.splitter.addWidget(panel)
            self.splitter.setStretchFactor(self.splitter.count() - 1, stretch)
        self.splitter.setSizes([240, 860, 300])
        self.status = StatusPanel(self.theme, self.engine.mode)
        central = QWidget()
        column = QVBoxLayout(central)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.splitter, 1)
        column.addWidget(self.status)
        self.setCentralWidget(central)
        self.overlay = DropOverlay(self.theme, self)

    def _build_centre(self) -> QWidget:
        centre = QWidget()
        centre.setObjectName("centre")
        self.header = Header(self.theme, self.engine.model)
        self.banner = Banner(self.theme)
        self.transcript = Transcript(self.theme)
        self.transcript.set_show_drafts(self._settings.show_drafts)
        self.find_bar = FindBar(self.theme, self.transcript)
        self.empty = EmptyState(self.theme, self.config.assets)
        self.stack = QStackedWidget()
        self.stack.addWidget(self.empty)
        self.stack.addWidget(self.transcript)
        self.composer = Composer(self.theme)
        margin = QVBoxLayout()
        margin.setContentsMargins(16, 8, 16, 0)
        margin.addWidget(self.banner)
        column = QVBoxLayout(centre)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.header)
        column.addWidget(self.find_bar)
        column.addLayout(margin)
        column.addWidget(self.stack, 1)
        column.addWidget(self.composer)
        return centre

    def _connect_conversation(self) -> None:
        talk, transcript = self.conversation, self.transcript
        self.composer.submitted.connect(talk.ask)
        self.composer.stop_requested.connect(talk.stop)
        self.composer.add_requested.connect(self.documents.on_add_files)
        self.composer.edit_cancelled.connect(talk.on_edit_cancelled)
        self.composer.documents_only_changed.connect(talk.on_documents_only)
        self.composer.documents_only_changed.connect(self._preferences.set_documents_only)
        transcript.edit_requested.connect(self.on_edit_turn)
        transcript.again_requested.connect(self.on_again)
        transcript.link_clicked.connect(self.opener.on_link)
        transcript.open_requested.connect(self.opener.on_file)
        transcript.view_requested.connect(self.side.on_view)
        transcript.context_wanted.connect(self.records.load_context)
        talk.began.connect(self.on_began)
        talk.ended.connect(self.on_ended)
        talk.tokens_arrived.connect(self.status.add_tokens)
        talk.emptied.connect(self.on_emptied)
        talk.chat_changed.connect(self.on_chat_changed)
        talk.trouble.connect(self.on_trouble)
        self.records.chats.connect(self.on_chats)
        self.records.failed.connect(self.on_trouble)
        self.chats.new_requested.connect(self.on_new_chat)
        self.chats.chosen.connect(talk.show_chat)
        self.chats.renamed.connect(self.records.rename)
        self.chats.deleted.connect(self.on_chat_deleted)
        self.chats.search_changed.connect(self.records.load_chats)
        self.chats.settings_requested.connect(self.on_settings)
        self.chats.help_requested.connect(self.on_shortcuts)
        self.find_bar.closed.connect(self.composer.focus)
        self.viewer.close_requested.connect(self.composer.focus)
        self.header.sidebar_toggled.connect(self.on_toggle_sidebar)
        self.header.documents_toggled.connect(self.on_toggle_documents)
        self.banner.acted.connect(self.on_settings)

    def _connect_documents(self) -> None:
        librarian = self.librarian
        librarian.trouble.connect(self.banner.say)
        librarian.job_changed.connect(self.status.show_indexing)
        librarian.added.connect(self.side.on_added)
        self.overlay.dropped.connect(librarian.add)
        self.documents.open_requested.connect(self.opener.on_file)
        self.documents.ask_requested.connect(self.composer.on_documents_named)
        self.viewer.open_requested.connect(self.opener.on_file)
        self.empty.question_requested.connect(self.conversation.ask)
        self.records.memory.connect(self.status.show_memory)
        self.status.memory_wanted.connect(self.records.load_memory)

    def _add_shortcuts(self) -> None:
        slots = {
            "stop": self.on_stop,
            "new_chat": self.on_new_chat,
            "search_chats": self.on_search_chats,
            "find": self.on_find,
            "add_files": self.documents.on_add_files,
            "toggle_sidebar": self.on_toggle_sidebar,
            "toggle_documents": self.on_toggle_documents,
            "zoom_in": self.theme.on_zoom_in,
            "zoom_out": self.theme.on_zoom_out,
            "zoom_reset": self.theme.on_zoom_reset,
            "settings": self.on_settings,
            "shortcuts": self.on_shortcuts,
            "quit": self.close,
        }
        add_shortcuts(self, slots)

    def _restore(self) -> None:
        if not self._preferences.restore(self, self.splitter):
            room = self.screen().availableSize()
            self.resize(min(1400, room.width() - 40), min(900, room.height() - 60))
        self.chats.setVisible(self._preferences.panel("chats", True))
        self.side.set_wants_documents(self._preferences.panel("documents", True))
        self.composer.documents_only.setChecked(self._preferences.documents_only)

    # -- Qt events

    def paintEvent(self, event: QPaintEvent) -> None:
        """Start the engine once the window is on screen."""
        super().paintEvent(event)
        if not self._painted:
            self._painted = True
            QTimer.singleShot(0, self.on_first_paint)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fold the documents away while there is little room."""
        super().resizeEvent(event)
        self.side.set_window_width(self.width())

    def closeEvent(self, event: QCloseEvent) -> None:
        """Remember the place, end the answer, the index job and every process."""
        if not self._closing:
            self._closing = True
            self.side.close_source()
            panels = {"chats": self.chats.isVisibleTo(self), "documents": self.side.wants_documents}
            self._preferences.save(self, self.splitter, self.theme.zoom, panels)
            self.hide()
            self.care.close()
            optimising = self.care.optimising.lane
            lanes = (self.reader, self.records, self.control, self.engine_thread, self.library, optimising)
            for lane in lanes:
                lane.request_close()
            self.engine.close()
            for lane in lanes:
                lane.join()
        super().closeEvent(event)

    # -- start

    @Slot()
    def on_first_paint(self) -> None:
        """Load the model and the library behind the window."""
        if not self._closing:
            self.engine_thread.start_engine()
            self.care.watch.start()

    @Slot(str)
    def on_model_failed(self, sentence: str) -> None:
        """Say why there is no model, and offer another one."""
        self.banner.say(sentence, "Choose a model")

    # -- chats

    @Slot(object, str)
    def on_chats(self, chats: Sequence[Chat], search: str) -> None:
        """List the chats."""
        if not search:
            self._chats = chats
            self.header.show_title(self.conversation.title_in(chats))
        self.chats.show_chats(chats, search)

    @Slot(object)
    def on_chat_changed(self, chat_id: int | None) -> None:
        """Mark and name the chat that is shown."""
        self.find_bar.on_close()
        self.chats.select(chat_id)
        self.header.show_title(self.conversation.title_in(self._chats))

    @Slot(bool)
    def on_emptied(self, is_empty: bool) -> None:
        """Show the invitation or the conversation."""
        self.stack.setCurrentWidget(self.empty if is_empty else self.transcript)

    @Slot()
    def on_new_chat(self) -> None:
        """Begin anew with the keyboard in the composer."""
        self.conversation.show_chat(None)
        self.composer.set_text("")

    @Slot(int)
    def on_chat_deleted(self, chat_id: int) -> None:
        """Delete a chat that the user agreed to lose."""
        self.conversation.forget_chat(chat_id)
        self.records.delete.emit(chat_id)

    # -- answers

    @Slot()
    def on_began(self) -> None:
        """Turn Send into Stop."""
        self.composer.set_busy(True)
        self.status.begin_answer()

    @Slot(object)
    def on_ended(self, state: TurnState) -> None:
        """Be ready for the next question."""
        self.composer.set_busy(False)
        self.status.end_answer(state.metrics, by_model=state.route == "model")
        self.records.load_chats.emit("")
        if state.reason == "failed" and not self._closing:
            self.care.watch.start()

    @Slot(object)
    def on_edit_turn(self, state: TurnState) -> None:
        """Put an earlier question into the composer."""
        if not self.conversation.busy:
            self.conversation.replace_with_next(state)
            self.composer.set_text(state.question, editing=True)

    @Slot(object)
    def on_again(self, state: TurnState) -> None:
        """Make an answer anew; ask first if later turns would go."""
        later = self.conversation.later_turns(state)
        if later and not confirm(
            self,
            "Answer this question anew?",
            f"The {later} later message{'s' if later > 1 else ''} of this chat will go.",
            "Answer anew",
        ):
            return
        self.conversation.ask_again(state)

    # -- commands

    @Slot(str)
    def on_trouble(self, sentence: str) -> None:
        """Say what went wrong."""
        if not self._closing:
            self.banner.say(sentence)

    @Slot()
    def on_stop(self) -> None:
        """Stop the answer, or else close what is open."""
        if self.viewer.has_keyboard:
            self.viewer.close_requested.emit()
        elif self.conversation.busy:
            self.conversation.stop()
        elif self.find_bar.isVisible():
            self.find_bar.on_close()
        elif self.viewer.isVisible():
            self.viewer.close_requested.emit()
        else:
            self.composer.on_escape()

    @Slot()
    def on_search_chats(self) -> None:
        """Take the keyboard into the search of the sidebar."""
        self.chats.show()
        self.chats.focus_search()

    @Slot()
    def on_find(self) -> None:
        """Find in the chat."""
        if self.stack.currentWidget() is self.transcript:
            self.find_bar.open()

    @Slot()
    def on_toggle_sidebar(self) -> None:
        """Show or hide the chats."""
        self.chats.setVisible(not self.chats.isVisible())

    @Slot()
    def on_toggle_documents(self) -> None:
        """Show or hide the documents."""
        self.side.on_toggle_documents()

    @Slot()
    def on_settings(self) -> None:
        """Change the settings; those of the look and what a question carries act at once."""
        from app.settings import SettingsDialog

        dialog = SettingsDialog(self._settings, self.config.data, self, optimising=self.care.optimising)
        if dialog.exec():
            self._settings = self.conversation.settings = dialog.settings
            self.theme.set_choice(dialog.settings.theme)
            self.transcript.set_show_drafts(dialog.settings.show_drafts)
        dialog.deleteLater()

    @Slot()
    def on_shortcuts(self) -> None:
        """List the shortcuts."""
        dialog = ShortcutsDialog(self)
        dialog.exec()
        dialog.deleteLater()


def _new_engine(config: EngineConfig) -> EnginePort:
    from engine.engine import Engine

    return Engine(config)
