"""The course of a conversation: from the composer to the engine and from its events to the transcript."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QObject, Signal, Slot

from app.bridge import ControlThread, EngineThread
from app.drafts import Drafts
from app.records import RecordsThread
from app.transcript import Transcript
from app.turn import TurnState
from engine.config import Settings
from engine.messages import (
    Chat,
    Citation,
    Delta,
    Event,
    Progress,
    Question,
    Reviewed,
    Sources,
    Started,
    Turn,
)

__all__ = ["Conversation"]


class Conversation(QObject):
    """Hold the chat that is shown and the answer that is being made."""

    chat_changed = Signal(object)
    """int | None: the chat that is shown"""
    began = Signal()
    tokens_arrived = Signal(int)
    ended = Signal(object)
    """TurnState of the answer that ended"""
    emptied = Signal(bool)
    """Whether the shown chat has no turns"""
    trouble = Signal(str)
    """A sentence that belongs to no answer"""

    def __init__(
        self,
        engine: EngineThread,
        control: ControlThread,
        records: RecordsThread,
        transcript: Transcript,
        settings: Settings,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.settings = settings
        self._engine = engine
        self._control = control
        self._records = records
        self._transcript = transcript
        self._chat_id: int | None = None
        self._shown: list[TurnState] = []
        self._live: TurnState | None = None
        self._replaces: TurnState | None = None
        self._documents_only = False
        self._drafts: dict[int, Drafts] = {}
        engine.arrived.connect(self.on_arrived)
        engine.failed.connect(self.on_failed)
        engine.idle.connect(self.on_idle)
        records.turns.connect(self.on_turns)
        records.context.connect(self.on_context)

    @property
    def chat_id(self) -> int | None:
        """The chat that is shown; None for a new one."""
        return self._chat_id

    @property
    def turns(self) -> tuple[TurnState, ...]:
        """The turns that are shown, oldest first."""
        return tuple(self._shown)

    @property
    def busy(self) -> bool:
        """Whether an answer is being made."""
        return self._live is not None

    def later_turns(self, state: TurnState) -> int:
        """Return how many turns follow one."""
        return len(self._shown) - 1 - self._shown.index(state) if state in self._shown else 0

    def ask(self, text: str) -> None:
        """Ask a question in the chat that is shown."""
        if self.busy or not text.strip():
            return
        replaced, self._replaces = self._replaces, None
        if replaced is not None and replaced in self._shown:
            del self._shown[self._shown.index(replaced) :]
            self._transcript.show_turns(self._shown)
        state = TurnState(question=text, chat_id=self._chat_id)
        self._live = state
        self._shown.append(state)
        self._transcript.add(state)
        self.emptied.emit(False)
        self.began.emit()
        self._engine.ask(
            Question(
                text,
                chat_id=self._chat_id,
                sampling=self.settings.sampling(),
                max_tokens=self.settings.max_answer_tokens,
                documents_only=self._documents_only,
                replaces_turn=replaced.turn_id if replaced is not None else None,
            )
        )

    def ask_again(self, state: TurnState) -> None:
        """Ask the question of a turn anew, in its place."""
        if not self.busy:
            self._replaces = state
            self.ask(state.question)

    def replace_with_next(self, state: TurnState) -> None:
        """Let the next question take the place of a turn and of all after it."""
        self._replaces = state

    def stop(self) -> None:
        """End the running answer soon."""
        if self.busy:
            self._control.stop.emit()

    def show_chat(self, chat_id: int | None) -> None:
        """Show a stored chat, or a new one."""
        self._chat_id = chat_id
        self._replaces = None
        self.chat_changed.emit(chat_id)
        if chat_id is None:
            self._show([])
        else:
            self._records.load_turns.emit(chat_id)

    def forget_chat(self, chat_id: int) -> None:
        """Leave a chat that was deleted."""
        if self._live is not None and self._live.chat_id == chat_id:
            self.stop()
        if self._chat_id == chat_id:
            self.show_chat(None)

    def title_in(self, chats: Sequence[Chat]) -> str:
        """Return the title of the chat that is shown."""
        return next((chat.title for chat in chats if chat.id == self._chat_id), "New chat")

    # -- slots

    @Slot(int, object)
    def on_turns(self, chat_id: int, turns: tuple[Turn, ...]) -> None:
        """Show the stored turns, the running one as it grows."""
        if chat_id != self._chat_id:
            return
        live = self._live if self._live is not None and self._live.chat_id == chat_id else None
        states = [TurnState.of(turn, chat_id) for turn in turns if live is None or turn.id != live.turn_id]
        for state in states:
            state.drafts = self._drafts.get(state.turn_id or 0, state.drafts)
        self._show([*states, live] if live is not None else states)

    @Slot(object)
    def on_arrived(self, event: Event) -> None:
        """Let the running answer grow."""
        state = self._live
        if state is None:
            return
        if isinstance(event, Started):
            self._start(state, event)
        elif isinstance(event, Progress):
            state.set_stage(event.stage, event.fraction)
        elif isinstance(event, Sources):
            state.take_sources(event)
        elif isinstance(event, Delta):
            state.answer += event.text
            state.tokens += event.tokens
            state.drafts.add(event)
            if state.route == "model":
                self.tokens_arrived.emit(event.tokens)
        elif isinstance(event, Reviewed):
            state.take_review(event)
        else:
            state.take_end(event)
        if state in self._shown:
            self._transcript.update_turn(state)

    @Slot(str)
    def on_failed(self, sentence: str) -> None:
        """Keep what there is of the answer and say what went wrong."""
        if self._live is None:
            self.trouble.emit(sentence)
            return
        self._live.reason, self._live.error = "failed", sentence
        self._transcript.update_turn(self._live)

    @Slot()
    def on_idle(self) -> None:
        """Be ready for the next question."""
        state, self._live = self._live, None
        if state is None:
            return
        if state.reason is None:
            state.reason = "failed"
            self._transcript.update_turn(state)
        self.ended.emit(state)

    @Slot()
    def on_edit_cancelled(self) -> None:
        """Let the next question stand at the end again."""
        self._replaces = None

    @Slot(bool)
    def on_documents_only(self, only: bool) -> None:
        """Answer the next questions from the documents alone, or not."""
        self._documents_only = only

    @Slot(object, str, str)
    def on_context(self, citation: Citation, before: str, after: str) -> None:
        """Show the text around a citation."""
        self._transcript.set_context(citation, before, after)

    def _start(self, state: TurnState, event: Started) -> None:
        is_shown = state in self._shown
        state.route, state.turn_id = event.route, event.turn_id
        self._drafts[event.turn_id] = state.drafts
        if state.chat_id != event.chat_id:
            state.chat_id = event.chat_id
            if is_shown:
                self._chat_id = event.chat_id
                self.chat_changed.emit(event.chat_id)
        self._records.load_chats.emit("")

    def _show(self, states: list[TurnState]) -> None:
        self._shown = states
        self._transcript.show_turns(states)
        self.emptied.emit(not states)
