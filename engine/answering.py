"""One answer by the model: search, prompt, decode, citations, and the stored turn."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace

from engine.config import Settings
from engine.dialogue import Dialogues, Exchange, without_stale
from engine.errors import HolaError, LibraryError, ProcessError
from engine.history import History
from engine.library.client import Library
from engine.llm.client import LanguageModel
from engine.llm.protocol import MOST_DRAFTED, Generated, Prefilled, TextDelta
from engine.messages import (
    Citation,
    Delta,
    DocumentStatus,
    Event,
    Finished,
    FinishReason,
    Metrics,
    Passage,
    Progress,
    Question,
    Reviewed,
    SearchResult,
    Sources,
    Started,
    Turn,
)
from engine.prompting import Prompt, compose
from engine.retrieval.citations import align
from engine.retrieval.query import search_query
from engine.retrieval.relevance import is_near

__all__ = ["ModelAnswer", "Parts"]

logger = logging.getLogger(__name__)

SAVE_INTERVAL_S = 1.0
LOADING_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Parts:
    """What an answer is made with."""

    model: LanguageModel
    library: Library
    history: History
    settings: Settings
    dialogues: Dialogues


class ModelAnswer:
    """Answer one question by the model and store the turn, whatever happens.

    `events` may be closed at any moment, and may raise a HolaError: the part of the answer that exists is stored.
    """

    def __init__(self, parts: Parts, question: Question, received: float) -> None:
        self._parts = parts
        self._question = question
        self._received = received
        self._cancelled = threading.Event()
        self._text = ""
        self._chat_id = self._turn_id = 0
        self._saved_at = time.monotonic()
        self._queue_ms = self._retrieval_ms = self._ttft_ms = 0.0
        self._generated: Generated | None = None
        self._passages: tuple[Passage, ...] = ()
        self._in_full = ""

    def cancel(self) -> None:
        """End the answer soon; safe from any thread."""
        self._cancelled.set()
        self._parts.model.cancel()

    def events(self) -> Iterator[Event]:
        """Yield the events of the answer, `Finished` last; raises HolaError."""
        history = self._parts.history
        earlier = history.turns(self._question.chat_id) if self._question.chat_id is not None else ()
        self._chat_id, self._turn_id = history.begin(self._question.chat_id, self._question.text, "model")
        reason: FinishReason = "failed"
        self._parts.library.yield_to_answer(True)
        try:
            yield Started("model", self._chat_id, self._turn_id)
            try:
                yield from self._work(earlier)
            except HolaError:
                # What fails after a stop was stopped.
                if not self._cancelled.is_set():
                    raise
            reason = self._reason()
        except GeneratorExit:
            reason = "cancelled"
            raise
        finally:
            self._parts.library.yield_to_answer(False)
            finished = self._finished(reason)
            history.finish(self._turn_id, finished.answer, finished.reason, finished.citations, finished.metrics)
        yield Reviewed(finished.answer, finished.citations)
        yield finished

    def _work(self, earlier: tuple[Turn, ...]) -> Iterator[Event]:
        # After a crash, or after a failure that may have been put right: load it while the library is searched.
        self._parts.model.start()
        dialogue = tuple(turn for turn in earlier if turn.route == "model" and turn.answer)
        found = yield from self._search(dialogue)
        yield from self._wait_for_model()
        if self._cancelled.is_set():
            return
        prompt = self._compose(dialogue, found)
        if found is not None:
            yield Sources(prompt.sources, found.total_chunks)
        yield from self._stream(prompt)

    def _compose(self, dialogue: tuple[Turn, ...], found: SearchResult | None) -> Prompt:
        """Lay out the prompt, and remember what the model has read by it."""
        settings, dialogues = self._parts.settings, self._parts.dialogues
        prompt = compose(
            self._question.text,
            self._current(dialogues.exchanges(self._chat_id, dialogue)),
            found.passages if found else (),
            settings.system_prompt,
            self._question.max_tokens or settings.max_answer_tokens,
            self._parts.model.count,
            self._in_full,
        )
        self._passages = prompt.passages
        read = Exchange(self._turn_id, self._question.text, prompt.messages[-1].content, passages=prompt.shown)
        dialogues.remember(self._chat_id, (*prompt.earlier, read))
        return prompt

    def _current(self, exchanges: tuple[Exchange, ...]) -> tuple[Exchange, ...]:
        """Take out the passages of documents that have changed since, or left the library."""
        if not any(exchange.passages for exchange in exchanges):
            return exchanges
        documents = self._parts.library.documents()
        return without_stale(
            exchanges,
            {document.path: document.updated for document in documents if document.status is DocumentStatus.READY},
        )

    def _stream(self, prompt: Prompt) -> Iterator[Event]:
        """Let the model answer a prompt."""
        settings = self._parts.settings
        sampling = self._question.sampling or settings.sampling()
        draft_limit = MOST_DRAFTED if settings.speculation else 0
        stream = self._parts.model.generate(prompt.messages, sampling, prompt.answer_tokens, draft_limit)
        try:
            for event in stream:
                if isinstance(event, TextDelta):
                    yield self._delta(event)
                elif isinstance(event, Prefilled):
                    yield Progress("reading", event.done / event.total)
                else:
                    self._generated = event
                if self._cancelled.is_set():
                    # A stop that came before the stream began has not reached it yet.
                    self._parts.model.cancel()
        finally:
            stream.close()

    def _search(self, dialogue: tuple[Turn, ...]) -> Generator[Event, None, SearchResult | None]:
        """Search the library, if there is anything in it; returns the result or None."""
        if not self._question.use_documents or not self._parts.library.has_ready_documents():
            return None
        yield Progress("searching")
        begun = time.perf_counter()
        previous = dialogue[-1].question if dialogue else ""
        query = search_query(self._question.text, previous)
        if query != self._question.text:
            self._in_full = " ".join(query.split())
        result = self._search_again_after_a_crash(query)
        if not is_near(query, result.passages):
            result = replace(result, passages=())
        self._retrieval_ms = (time.perf_counter() - begun) * 1000
        return result

    def _search_again_after_a_crash(self, query: str) -> SearchResult:
        library, limit = self._parts.library, self._parts.settings.passages
        try:
            return library.search(query, limit)
        except ProcessError:
            logger.warning("search failed, once more", exc_info=True)
            return library.search(query, limit)

    def _wait_for_model(self) -> Iterator[Event]:
        begun = time.perf_counter()
        model = self._parts.model
        if not model.wait(0.0):
            yield Progress("loading model")
        while not self._cancelled.is_set() and not model.wait(LOADING_POLL_S):
            continue
        self._queue_ms = (time.perf_counter() - begun) * 1000

    def _delta(self, event: TextDelta) -> Delta:
        if not self._text:
            self._ttft_ms = (time.perf_counter() - self._received) * 1000
        self._text += event.text
        now = time.monotonic()
        if now - self._saved_at >= SAVE_INTERVAL_S:
            self._parts.history.save_partial(self._turn_id, self._text)
            self._saved_at = now
        return Delta(event.text, event.tokens, event.drafted)

    def _reason(self) -> FinishReason:
        return self._generated.reason if self._generated is not None else "cancelled"

    def _finished(self, reason: FinishReason) -> Finished:
        return Finished(self._text, reason, self._citations(), self._metrics())

    def _citations(self) -> tuple[Citation, ...]:
        if not self._passages or not self._text:
            return ()
        try:
            return align(self._text, self._passages, question=self._question.text, page_of=self._parts.library.page_of)
        except (LibraryError, ProcessError):
            logger.warning("pages of the citations unknown", exc_info=True)
            return align(self._text, self._passages, question=self._question.text)

    def _metrics(self) -> Metrics:
        total_ms = (time.perf_counter() - self._received) * 1000
        made = self._generated
        if made is None:
            return Metrics(
                queue_ms=self._queue_ms, retrieval_ms=self._retrieval_ms, ttft_ms=self._ttft_ms, total_ms=total_ms
            )
        computed = made.prompt_tokens - made.reused_tokens
        return Metrics(
            queue_ms=self._queue_ms,
            retrieval_ms=self._retrieval_ms,
            prefill_ms=made.prefill_ms,
            prompt_tokens=made.prompt_tokens,
            reused_tokens=made.reused_tokens,
            prefill_tokens_per_s=_rate(computed, made.prefill_ms),
            ttft_ms=self._ttft_ms,
            completion_tokens=made.completion_tokens,
            tokens_per_s=_rate(made.completion_tokens - 1, made.decode_ms),
            acceptance=made.accepted / made.drafted if made.drafted else 0.0,
            accepted_per_step=made.accepted / made.draft_steps if made.draft_steps else 0.0,
            draft_tier=made.tier,
            speedup_estimate=made.speedup_estimate,
            total_ms=total_ms,
            peak_rss_mb=made.peak_rss_mb,
        )


def _rate(tokens: int, milliseconds: float) -> float:
    """Return tokens per second; 0 where nothing was measured."""
    return tokens / milliseconds * 1000 if tokens > 0 and milliseconds > 0 else 0.0
