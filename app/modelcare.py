"""The care of the language model: its loading, its optimising, and what the header and the status line say of it."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal, Slot

from app.bridge import LibraryThread
from app.conversation import Conversation
from app.header import Header
from app.modelwatch import ModelWatch
from app.optimise import Optimising, Outcome
from app.optimise_words import GIVES_WAY, STAGES, card_words, made_words, percent
from app.ports import EnginePort, ModelPort
from app.status import StatusPanel
from engine.config import EngineConfig
from engine.errors import ModelFileError
from engine.lobi.messages import Step
from engine.lobi.versions import card_of

__all__ = ["ModelCare"]

_NO_MODEL = "The language model can't be loaded."


class ModelCare(QObject):
    """Follow the model from loading to the version made for this computer, and show where it stands."""

    loaded = Signal()
    """The model is ready or has failed: its memory has changed"""
    failed = Signal(str)
    """Why there is no model, in one sentence"""

    def __init__(
        self,
        engine: EnginePort,
        config: EngineConfig,
        header: Header,
        status: StatusPanel,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._config = config
        self._header = header
        self._status = status
        self._note: str | None = None
        self.watch = ModelWatch(engine, self)
        self.watch.changed.connect(self.on_changed)
        self.optimising = Optimising(engine, config, self)
        self.optimising.stepped.connect(self.on_stepped)
        self.optimising.ended.connect(self.on_ended)

    def give_way_to(self, conversation: Conversation, library: LibraryThread) -> None:
        """Optimise only while nobody waits for an answer and nothing is indexed."""
        conversation.began.connect(self.optimising.on_answer_began)
        conversation.ended.connect(self.optimising.on_answer_ended)
        library.busy_changed.connect(self.optimising.on_indexing)

    def close(self) -> None:
        """Look no more, and begin nothing more; the lane of the optimising is ended by whoever ends lanes."""
        self.watch.stop()
        self.optimising.close()

    @Slot(object)
    def on_changed(self, model: ModelPort) -> None:
        """Show how far the model is; only one that is ready can be optimised."""
        if self._note is None and model.state == "ready":
            self._note = _version_note(self._config)
        self._header.show_model(model, self._note or "")
        self.optimising.set_occupied("model", model.state != "ready")
        if model.state != "loading":
            self.loaded.emit()
        if model.state == "failed":
            self.failed.emit(model.detail or _NO_MODEL)

    @Slot(object)
    def on_stepped(self, step: Step) -> None:
        """Show how far the optimising is."""
        tip = f"Optimising the model for this computer: {STAGES[step.stage]}."
        if self.optimising.is_by_itself:
            tip += f"\n{GIVES_WAY}"
        self._status.show_optimising(f"Optimising {percent(step.share)}", tip)

    @Slot(object)
    def on_ended(self, outcome: Outcome) -> None:
        """Show the version that answers from now on; a failure is told in passing."""
        self._status.show_optimising("", "")
        self._status.show_trouble(outcome.trouble)
        if outcome.in_use and outcome.made is not None:
            self._note = made_words(outcome.made)
            self.watch.start()


def _version_note(config: EngineConfig) -> str:
    """Say what the version in use brings; empty if the original answers."""
    try:
        card = card_of(config.model_path())
    except ModelFileError:
        return ""
    return card_words(card) if card else ""
