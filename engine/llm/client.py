"""The conductor's side of the model process."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from pathlib import Path

from engine.errors import HolaError
from engine.llm.protocol import (
    CountTokens,
    Generate,
    Generated,
    LoadModel,
    ModelCard,
    Prefilled,
    TextDelta,
    TokenCounts,
)
from engine.messages import ChatMessage, ModelState, Sampling
from engine.process import ChildProcess, Reply
from engine.service import Service

__all__ = ["LanguageModel"]

CANCEL_GRACE_S = 3.0
WATCH_S = 0.25
NICENESS = 2
"""The window stays ahead of the model when both want a core."""


def _make_service() -> Service:
    from engine.llm.service import ModelService

    return ModelService()


class LanguageModel:
    """Answer chats by a model in a process of its own, which starts again by itself after a crash."""

    def __init__(self, how: LoadModel, log_file: Path | None = None) -> None:
        self.how = how
        self._child = ChildProcess("model process", _make_service, log_file=log_file, niceness=NICENESS)
        self._lock = threading.Lock()
        self._state = ModelState(how.path.stem, "loading")
        self._card: ModelCard | None = None
        self._running: Reply | None = None
        self._cancelled_at: float | None = None
        self._settled = threading.Event()

    @property
    def state(self) -> ModelState:
        """Where the model stands; safe from any thread."""
        return self._state

    @property
    def card(self) -> ModelCard | None:
        """What is known of the model, once it is loaded."""
        return self._card

    @property
    def pid(self) -> int | None:
        """Process id of the model process, or None."""
        return self._child.pid

    def start(self) -> None:
        """Spawn the process and load the model behind the scenes; `state` tells how it went."""
        threading.Thread(target=self._load, name="model loading", daemon=True).start()

    def wait(self, timeout_s: float) -> bool:
        """Wait until loading has ended, well or not; return whether it has."""
        return self._settled.wait(timeout_s)

    def load(self) -> ModelCard:
        """Load the model and wait for it; raises ModelError or ProcessError."""
        try:
            card: ModelCard = self._child.request(self.how).result()
        except HolaError as error:
            self._state = ModelState(self.how.path.stem, "failed", error.sentence)
            raise
        finally:
            self._settled.set()
        self._card = card
        self._state = ModelState(card.name, "ready")
        return card

    def count(self, texts: tuple[str, ...]) -> TokenCounts:
        """Count tokens by the model's own tokenizer."""
        counts: TokenCounts = self._child.request(CountTokens(self.how, texts)).result()
        return counts

    def generate(
        self, messages: tuple[ChatMessage, ...], sampling: Sampling, max_tokens: int
    ) -> Generator[Prefilled | TextDelta | Generated, None, None]:
        """Answer a chat; ends with Generated, unless it was cancelled before it began. Closing cancels."""
        reply = self._child.request(Generate(self.how, messages, sampling, max_tokens))
        with self._lock:
            self._running, self._cancelled_at = reply, None
        try:
            while not reply.finished:
                event = reply.poll(WATCH_S)
                if event is not None:
                    yield event
                elif self._is_stuck():
                    self._child.kill()
                    return
        finally:
            with self._lock:
                self._running = None
            reply.close()

    def cancel(self) -> None:
        """End the running answer soon; safe from any thread."""
        with self._lock:
            if self._running is not None:
                self._cancelled_at = time.monotonic()
                self._running.cancel()

    def close(self) -> None:
        """End the process."""
        self._child.close()

    def _load(self) -> None:
        try:
            self.load()
        except HolaError:
            # Told by `state`; the next question tries again and shows the reason.
            return

    def _is_stuck(self) -> bool:
        """Whether native code has not come back long after a cancel."""
        at = self._cancelled_at
        return at is not None and time.monotonic() - at > CANCEL_GRACE_S
