"""The conductor's side of the model process."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.errors import HolaError, ModelError
from engine.llm.protocol import (
    MOST_DRAFTED,
    CountTokens,
    ForgetStates,
    Generate,
    Generated,
    LoadModel,
    ModelCard,
    Prefilled,
    SaveStates,
    Score,
    Scores,
    TextDelta,
    TokenCounts,
)
from engine.llm.snapshots import Snapshots
from engine.messages import ChatMessage, ModelState, Sampling
from engine.process import ChildProcess, Reply
from engine.service import Service

__all__ = ["LanguageModel"]

logger = logging.getLogger(__name__)

CANCEL_GRACE_S = 3.0
WATCH_S = 0.25
REST_S = 60.0
"""Quiet time after an answer before its KV snapshot is written to disk."""
NICENESS = 2
"""The window stays ahead of the model when both want a core."""


def _make_service() -> Service:
    from engine.llm.service import ModelService

    return ModelService()


class LanguageModel:
    """Answer chats by a model in a process of its own, which starts again by itself after a crash."""

    def __init__(
        self, how: LoadModel, log_file: Path | None = None, find_draft: Callable[[], Path | None] = lambda: None
    ) -> None:
        self.how = how
        self._find_draft = find_draft
        self._child = ChildProcess("model process", _make_service, log_file=log_file, niceness=NICENESS)
        self._lock = threading.Lock()
        self._state = ModelState(how.path.stem, "loading")
        self._card: ModelCard | None = None
        self._running: Reply | None = None
        self._cancelled_at: float | None = None
        self._settled = threading.Event()
        self._loading = False
        self._error: HolaError | None = None
        self._loaded_in: int | None = None
        self._rest: threading.Timer | None = None
        self._saving: Reply | None = None
        self._forgetting = self._closed = False

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
        """Spawn the process and load the model behind the scenes, unless it is loaded; `state` tells how it went."""
        with self._lock:
            if self._loading or (self._state.state == "ready" and self._child.generation == self._loaded_in):
                return
            self._loading = True
            self._settled.clear()
            self._state = ModelState(self.how.path.stem, "loading")
        threading.Thread(target=self._load, name="model loading", daemon=True).start()

    def wait(self, timeout_s: float) -> bool:
        """Wait until loading has ended; return whether it has. Raises what went wrong (ModelError, ProcessError)."""
        settled = self._settled.wait(timeout_s)
        if settled and self._error is not None:
            raise self._error
        return settled

    def count(self, texts: tuple[str, ...]) -> TokenCounts:
        """Count tokens by the model's own tokenizer; raises ModelError when it is cancelled."""
        for event in self._events(self._child.request(CountTokens(self.how, texts))):
            counts: TokenCounts = event
            return counts
        raise ModelError("The answer was stopped.")

    def score(self, messages: tuple[ChatMessage, ...], choices: tuple[str, ...]) -> Scores:
        """Return how likely each choice is as the answer to a chat; raises ModelError when it is cancelled."""
        self._wake()
        for event in self._events(self._child.request(Score(self.how, messages, choices))):
            scores: Scores = event
            return scores
        raise ModelError("The answer was stopped.")

    def generate(
        self, messages: tuple[ChatMessage, ...], sampling: Sampling, max_tokens: int, draft_limit: int = MOST_DRAFTED
    ) -> Generator[Prefilled | TextDelta | Generated, None, None]:
        """Answer a chat, drafting at most so many tokens at once (0: plain decoding).

        Ends with Generated, unless it was cancelled before it began. Closing cancels.
        """
        self._wake()
        request = Generate(self.how, messages, sampling, max_tokens, draft_limit=draft_limit)
        try:
            yield from self._events(self._child.request(request))
        finally:
            self._begin_rest()

    def forget_states(self) -> None:
        """Delete the KV snapshots, which hold the text of chats; safe from any thread."""
        self._wake()
        self._forgetting = True
        if self._child.pid is not None:
            with contextlib.suppress(HolaError):
                self._child.request(ForgetStates(self.how))
        Snapshots("", self.how.snapshots).clear()

    def _begin_rest(self) -> None:
        """Have snapshots written after a while of rest."""
        if self._child.pid is None:
            return
        rest = threading.Timer(REST_S, self._save_states)
        rest.daemon = True
        with self._lock:
            if self._closed:
                return
            self._rest = rest
        rest.start()

    def _save_states(self) -> None:
        if self._child.pid is None:
            return
        try:
            saving = self._child.request(SaveStates(), priority=1)
        except HolaError:
            logger.info("KV snapshots not saved", exc_info=True)
            return
        with self._lock:
            self._saving = saving

    def _wake(self) -> None:
        """End the rest, and the writing."""
        with self._lock:
            if self._rest is not None:
                self._rest.cancel()
            if self._saving is not None:
                self._saving.close()
            self._rest = self._saving = None

    def _events(self, reply: Reply) -> Generator[Any, None, None]:
        """Hand on what a reply says; `cancel` reaches it, and a process that does not heed it is ended."""
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
        with self._lock:
            self._closed = True
        self._wake()
        self._child.close()
        if self._forgetting:
            # The process keeps its text when it ends; it may not have come to forgetting a deleted chat before.
            Snapshots("", self.how.snapshots).clear()

    def _load(self) -> None:
        error: HolaError | None = None
        card: ModelCard | None = None
        try:
            # Looking through the installed models takes a moment: not in the thread that opens the window.
            self.how = replace(self.how, draft=self._find_draft())
            card = self._child.request(self.how).result()
        except HolaError as caught:
            error = caught
        with self._lock:
            self._card, self._error, self._loading = card, error, False
            self._loaded_in = self._child.generation
            if card is not None:
                self._state = ModelState(card.name, "ready", _drafting(card))
            else:
                self._state = ModelState(self.how.path.stem, "failed", error.sentence if error else "")
            self._settled.set()

    def _is_stuck(self) -> bool:
        """Whether native code has not come back long after a cancel."""
        at = self._cancelled_at
        return at is not None and time.monotonic() - at > CANCEL_GRACE_S


def _drafting(card: ModelCard) -> str:
    """Say which model drafts for a loaded one, or why the one that was chosen does not; empty if there is none."""
    return f"{card.draft} drafts for {card.name}." if card.draft else card.draft_note
