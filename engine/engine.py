"""Engine: ask, library, history, model, close. Everything that the window and the command line use."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from engine.answering import ModelAnswer, Parts
from engine.catalog import paired_draft
from engine.config import EngineConfig
from engine.dialogue import Dialogues
from engine.errors import HolaError, LobiError, ModelError, ModelFileError, ProcessCrashed, ProcessError
from engine.history import History
from engine.library.client import Library
from engine.llm.client import LanguageModel
from engine.llm.protocol import LoadModel
from engine.lobi.messages import Made, Step, Wish
from engine.lobi.versions import forget_version
from engine.messages import Delta, Event, Finished, Metrics, ModelState, Question, Started
from engine.optimising import Optimiser
from engine.retrieving import ReadingSpeed
from engine.rules import RuleContext, Rules
from engine.scaling.probe import MemoryUse, memory_use

__all__ = ["Engine"]

LAST_WORDS_S = 1.0
LOADING_POLL_S = 0.1


class Engine:
    """Conduct rules, retrieval, model and history.

    Creating it is cheap; `start` spawns the model and library processes behind the scenes. One question at a time;
    `stop`, `close` and the properties may be used from any thread.
    """

    def __init__(self, config: EngineConfig) -> None:
        config.data.create()
        self.config = config
        self.library = Library(config)
        self._dialogues = Dialogues()
        self._speed = ReadingSpeed()
        self._model = self._new_model()
        self.optimiser = Optimiser(config)
        self.history = History(config.data.chats, on_delete=self._forget_states)
        self._rules = Rules(config.assets / "rules.toml", RuleContext(now=_now, documents=self.library.documents))
        self._busy = threading.Lock()
        self._running: ModelAnswer | None = None
        self._stop_asked = False
        self._started = self._closed = False

    @property
    def model(self) -> ModelState:
        """Where the language model stands."""
        return self._model.state

    @property
    def mode(self) -> str:
        """Name of the scaling mode."""
        return "Full"

    def start(self) -> None:
        """Load the model and the library in their processes; returns at once."""
        if not self._started:
            self._started = True
            self._model.start()
            self.library.start()

    def ask(self, question: Question) -> Iterator[Event]:
        """Answer a question: Started, Progress and Sources, Delta by Delta, Reviewed, Finished.

        Raises HolaError; what exists of the answer then is in the history. Closing the generator ends the answer.
        """
        received = time.perf_counter()
        text = question.text.strip()
        if not text:
            raise HolaError("There is nothing to answer yet: type a question first.")
        if not self._busy.acquire(blocking=False):
            raise HolaError("Hola is still answering: wait for the answer, or stop it.")
        self._stop_asked = False
        try:
            if question.replaces_turn is not None and question.chat_id is not None:
                self.history.truncate(question.chat_id, question.replaces_turn)
                self._dialogues.truncate(question.chat_id, question.replaces_turn)
            # Who wants to hear from the documents alone wants no rule either.
            answer = None if question.documents_only else self._rules.answer(text)
            if answer is not None:
                yield from self._answer_by_rule(question, answer, received)
                return
            self.start()
            # The window deletes chats by itself.
            self._dialogues.keep_only({chat.id for chat in self.history.chats()})
            parts = Parts(self._model, self.library, self.history, self.config.settings, self._dialogues, self._speed)
            running = self._running = ModelAnswer(parts, question, received)
            if self._stop_asked:
                running.cancel()
            yield from running.events()
        finally:
            self._running = None
            self._busy.release()

    def stop(self) -> None:
        """End the running answer soon: it finishes with the reason "cancelled"."""
        self._stop_asked = True
        running = self._running
        if running is not None:
            running.cancel()

    def memory(self) -> MemoryUse:
        """Return what Hola's processes use and what is free."""
        return memory_use(self._model.pid, self.library.pid)

    def close(self) -> None:
        """End the running answer, the index job and all processes."""
        self._closed = True
        self.stop()
        self.optimiser.stop()
        # The thread that answers stores what was said: give it the time to.
        if self._busy.acquire(timeout=LAST_WORDS_S):
            self._busy.release()
        closing = threading.Thread(target=self.library.close, name="closing the library")
        closing.start()
        self._model.close()
        closing.join()
        self.history.close()

    def optimise(self, source: Path | None = None, wish: Wish = Wish()) -> Iterator[Step | Made]:
        """Make the versions of a model for this computer; of the one in use, they answer as soon as they are ready.

        Without a source only those of the chosen model that are wanted and missing are made. May run in another
        thread than `ask`. Raises what `Optimiser.optimise` raises; the model in use then stays in use.
        """
        is_chosen = self.config.settings.optimize and source in (None, self.config.chosen_model())
        is_made = False
        try:
            for event in self.optimiser.missing() if source is None else self.optimiser.optimise(source, wish):
                is_made = is_made or isinstance(event, Made)
                yield event
        except HolaError:
            # A draft that failed costs the version nothing.
            if is_made and is_chosen:
                self._take_up()
            raise
        if is_made and is_chosen:
            self._take_up()

    def _new_model(self) -> LanguageModel:
        settings = self.config.settings
        how = LoadModel(
            self.config.model_path(),
            settings.context_tokens,
            settings.threads,
            strict=settings.strict,
            cache=self.config.data.cache,
        )
        return LanguageModel(how, self.config.data.logs / "model.log", self._find_draft)

    def _take_up(self) -> None:
        """Load the version that is ready now beside the model in use, and switch to it between two answers.

        Raises LobiError if it can't be loaded, and the model in use stays; a version that is broken is forgotten.
        """
        upcoming = self._new_model()
        upcoming.start()
        try:
            while not upcoming.wait(LOADING_POLL_S) and not self._closed:
                continue
            with self._busy:
                if self._closed:
                    raise LobiError("Hola was closed before the version was ready.")
                before, self._model = self._model, upcoming
        except (ModelError, ProcessError) as exc:
            upcoming.close()
            # Too little memory for two models at once says nothing against the version.
            if isinstance(exc, ModelFileError | ProcessCrashed):
                forget_version(self.config.data.models, upcoming.how.path)
            raise LobiError(f"The optimised model can't be used, so the original stays in use: {exc.sentence}") from exc
        except BaseException:
            upcoming.close()
            raise
        before.close()

    def _forget_states(self) -> None:
        self._model.forget_states()

    def _find_draft(self) -> Path | None:
        """Return the installed model that drafts for the current one."""
        if not self.config.settings.speculation:
            return None
        return paired_draft(self.config, self.config.model_path()).draft

    def _answer_by_rule(self, question: Question, answer: str, received: float) -> Iterator[Event]:
        chat_id, turn_id = self.history.begin(question.chat_id, question.text, "rule")
        yield Started("rule", chat_id, turn_id)
        ttft_ms = (time.perf_counter() - received) * 1000
        yield Delta(answer)
        metrics = Metrics(ttft_ms=ttft_ms, total_ms=(time.perf_counter() - received) * 1000)
        self.history.finish(turn_id, answer, "stop", (), metrics)
        yield Finished(answer, "stop", (), metrics)


def _now() -> datetime:
    return datetime.now().astimezone()
