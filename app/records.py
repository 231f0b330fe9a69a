"""The quick reads of the window: chats, the document list, memory figures, the text around a citation."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal, Slot

from app.lanes import Lane, Worker, boundary
from app.ports import EnginePort
from engine.messages import Citation

__all__ = ["RecordsThread"]

_CONTEXT_CHARS = 300


class _RecordsWorker(Worker):
    chats = Signal(object, str)
    turns = Signal(int, object)
    documents = Signal(object)
    memory = Signal(object)
    context = Signal(object, str, str)

    @Slot(str)
    def on_chats(self, text: str) -> None:
        with boundary(self.failed, self.closed):
            history = self._engine.history
            self.chats.emit(history.search(text) if text else history.chats(), text)

    @Slot(int)
    def on_turns(self, chat_id: int) -> None:
        with boundary(self.failed, self.closed):
            self.turns.emit(chat_id, self._engine.history.turns(chat_id))

    @Slot(int, str)
    def on_rename(self, chat_id: int, title: str) -> None:
        with boundary(self.failed, self.closed):
            self._engine.history.rename(chat_id, title)
        self.on_chats("")

    @Slot(int)
    def on_delete(self, chat_id: int) -> None:
        with boundary(self.failed, self.closed):
            self._engine.history.delete(chat_id)
        self.on_chats("")

    @Slot()
    def on_documents(self) -> None:
        with boundary(self.failed, self.closed):
            self.documents.emit(self._engine.library.documents())

    @Slot()
    def on_memory(self) -> None:
        if not self.closed.is_set():
            with boundary(self.failed, self.closed):
                self.memory.emit(self._engine.memory())

    @Slot(object)
    def on_context(self, citation: Citation) -> None:
        with boundary(self.failed, self.closed):
            text = self._engine.library.text(citation.path)
            if text[citation.start : citation.end] == citation.snippet:
                before = text[max(0, citation.start - _CONTEXT_CHARS) : citation.start]
                self.context.emit(citation, before, text[citation.end : citation.end + _CONTEXT_CHARS])


class RecordsThread(Lane):
    """Read and change the small records: chats, the document list, memory figures, text around a citation."""

    chats = Signal(object, str)
    """tuple[Chat, ...], and the search that they answer"""
    turns = Signal(int, object)
    documents = Signal(object)
    memory = Signal(object)
    context = Signal(object, str, str)
    """Citation, the text before it, the text after it"""
    load_chats = Signal(str)
    load_turns = Signal(int)
    rename = Signal(int, str)
    delete = Signal(int)
    load_documents = Signal()
    load_memory = Signal()
    load_context = Signal(object)

    def __init__(self, engine: EnginePort, parent: QObject | None = None) -> None:
        self._worker = worker = _RecordsWorker(engine)
        super().__init__(engine, worker, "records", parent)
        for answer in ("chats", "turns", "documents", "memory", "context"):
            getattr(worker, answer).connect(getattr(self, answer))
        self.load_chats.connect(worker.on_chats)
        self.load_turns.connect(worker.on_turns)
        self.rename.connect(worker.on_rename)
        self.delete.connect(worker.on_delete)
        self.load_documents.connect(worker.on_documents)
        self.load_memory.connect(worker.on_memory)
        self.load_context.connect(worker.on_context)
        self.run()
