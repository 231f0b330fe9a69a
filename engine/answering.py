"""One answer by the model: search, prompt, decode, citations, and the stored turn."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from typing import Any

from engine.config import Settings
from engine.counting import count_mentions
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
    RetrievalPlan,
    Reviewed,
    Sampling,
    SearchResult,
    SentenceReview,
    Sources,
    Started,
    Turn,
)
from engine.prompting import REFUSAL, Prompt, compose
from engine.retrieval.terms import estimated_tokens
from engine.retrieving import ReadingSpeed, Retrieval, Retriever
from engine.review import Review, review
from engine.summarising import summarise

__all__ = ["ModelAnswer", "Parts"]

logger = logging.getLogger(__name__)

ModelEvent = Progress | Prefilled | TextDelta | Generated

LEFT_OUT = "Nothing in your documents supports what the model said, so it was left out."
SUMMARY_TOKENS = 160
"""A few sentences: a small model that may say more says it again."""
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
    speed: ReadingSpeed


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
        self._plan: RetrievalPlan | None = None
        self._cited: tuple[Citation, ...] = ()

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
            history.finish(
                self._turn_id,
                finished.answer,
                finished.reason,
                finished.citations,
                finished.metrics,
                plan=finished.plan,
                sentences=finished.sentences,
                verdict=finished.verdict,
            )
        yield Reviewed(finished.answer, finished.citations, finished.sentences, finished.verdict)
        yield finished

    def _work(self, earlier: tuple[Turn, ...]) -> Iterator[Event]:
        # After a crash, or after a failure that may have been put right: load it while the library is searched.
        self._parts.model.start()
        dialogue = tuple(turn for turn in earlier if turn.route == "model" and turn.answer)
        found = yield from self._retrieve(dialogue)
        if found.kind in ("count", "list") and found.result is not None:
            yield from self._count(found, found.result)
        elif found.plan.decision == "summary":
            yield from self._summarise(found)
        elif self._question.documents_only and not (found.result and found.result.passages):
            yield from self._refuse(found)
        else:
            yield from self._ask(dialogue, found)

    def _refuse(self, found: Retrieval) -> Iterator[Event]:
        """Say that the documents don't hold an answer, without asking the model."""
        self._passages = ()
        yield Sources((), found.plan.considered, found.plan)
        yield self._delta(TextDelta(REFUSAL, 0))

    def _ask(self, dialogue: tuple[Turn, ...], found: Retrieval) -> Iterator[Event]:
        """Let the model answer from what was found."""
        yield from self._wait_for_model()
        if self._cancelled.is_set():
            return
        prompt = self._compose(dialogue, found)
        if self._question.documents_only and not prompt.sources:
            yield from self._refuse(found)
            return
        if found.result is not None:
            read = len({passage.chunk_id for passage in prompt.sources})
            self._plan = replace(found.plan, passages=read, tokens=prompt.source_tokens)
        yield Sources(prompt.sources, found.plan.considered, self._plan or found.plan)
        yield from self._stream(prompt)

    def _count(self, found: Retrieval, result: SearchResult) -> Iterator[Event]:
        """Count or list what the full-text index found, without the model."""
        documents = self._parts.library.documents()
        ready = sum(one.status is DocumentStatus.READY for one in documents)
        counted = count_mentions(
            found.understanding.term if found.understanding else "",
            "list" if found.kind == "list" else "count",
            result.passages,
            ready if found.documents is None else len(found.documents),
            self._page_of,
            is_complete=result.is_complete,
        )
        self._cited = counted.citations
        yield Sources((), result.total_chunks, found.plan)
        yield self._delta(TextDelta(counted.answer, 0))

    def _compose(self, dialogue: tuple[Turn, ...], found: Retrieval) -> Prompt:
        """Lay out the prompt, and remember what the model has read by it."""
        settings, dialogues = self._parts.settings, self._parts.dialogues
        prompt = compose(
            (found.understanding.asked if found.understanding else "") or self._question.text,
            self._current(dialogues.exchanges(self._chat_id, dialogue)),
            found.result.passages if found.result else (),
            settings.system_prompt,
            self._question.max_tokens or settings.max_answer_tokens,
            self._parts.model.count,
            found.understanding.in_full if found.understanding else "",
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
        stream = self._parts.model.generate(prompt.messages, self._sampling, prompt.answer_tokens, self._draft_limit)
        yield from self._forward(stream)

    def _forward(self, stream: Generator[ModelEvent, None, Any]) -> Generator[Event, None, Any]:
        """Pass on what the model says; returns what the stream returns."""
        try:
            while True:
                try:
                    event = next(stream)
                except StopIteration as end:
                    return end.value
                if isinstance(event, TextDelta):
                    yield self._delta(event)
                elif isinstance(event, Prefilled):
                    yield Progress("reading", event.done / event.total)
                elif isinstance(event, Progress):
                    yield event
                else:
                    self._generated = event
                    self._parts.speed.observe(event.prompt_tokens - event.reused_tokens, event.prefill_ms)
                if self._cancelled.is_set():
                    # A stop that came before the stream began has not reached it yet.
                    self._parts.model.cancel()
        finally:
            stream.close()

    @property
    def _sampling(self) -> Sampling:
        return self._question.sampling or self._parts.settings.sampling()

    @property
    def _draft_limit(self) -> int:
        return MOST_DRAFTED if self._parts.settings.speculation else 0

    @staticmethod
    def _named(found: Retrieval) -> tuple[str, ...]:
        return found.understanding.filters.documents if found.understanding else ()

    def _summarise(self, found: Retrieval) -> Iterator[Event]:
        """Let the model read whole documents in stages."""
        yield from self._wait_for_model()
        documents = [(path, self._parts.library.text(path)) for path in found.documents or self._named(found)]
        yield Sources((), found.plan.considered, found.plan)
        settings = self._parts.settings
        self._passages = yield from self._forward(
            summarise(
                self._parts.model,
                documents,
                self._question.text,
                instructions=settings.system_prompt,
                sampling=self._sampling,
                draft_limit=self._draft_limit,
                max_answer_tokens=self._question.max_tokens or min(SUMMARY_TOKENS, settings.max_answer_tokens),
                is_cancelled=self._cancelled.is_set,
            )
        )
        tokens = sum(estimated_tokens(passage.text) for passage in self._passages)
        self._plan = replace(found.plan, passages=len(self._passages), tokens=tokens)

    def _retrieve(self, dialogue: tuple[Turn, ...]) -> Generator[Event, None, Retrieval]:
        """Decide whether the documents are searched, and search them."""
        settings = self._parts.settings
        budget = self._parts.speed.budget(settings.reading_s, settings.context_tokens)
        retriever = Retriever(self._parts.library, self._question, budget, settings.passages)
        decided = retriever.decide(dialogue)
        self._plan = decided.plan
        if decided.plan.decision in {"none", "summary"}:
            return decided
        yield Progress("searching")
        begun = time.perf_counter()
        found = retriever.search(decided)
        self._retrieval_ms = (time.perf_counter() - begun) * 1000
        self._plan = found.plan
        return found

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
        if self._generated is not None:
            return self._generated.reason
        return "stop" if self._text and not self._cancelled.is_set() else "cancelled"

    def _finished(self, reason: FinishReason) -> Finished:
        review = self._reviewed(reason)
        return Finished(
            review.answer,
            reason,
            review.citations,
            self._metrics(),
            plan=self._plan,
            sentences=review.sentences,
            verdict=review.verdict,
        )

    def _reviewed(self, reason: FinishReason) -> Review:
        """Hold the answer against what was read; whatever goes wrong there, the answer is kept."""
        is_refusal = self._text == REFUSAL
        if self._cited or is_refusal or not self._text:
            return Review(self._text, self._cited, (), "refused" if is_refusal else "unchecked")
        try:
            found = review(self._text, self._passages, self._question.text, page_of=self._page_of)
        except Exception:
            # The last resort before the answer is stored: it may hold anything, and so may the documents.
            logger.exception("the review failed")
            return Review(self._text, (), (), "unchecked")
        is_complete = reason in {"stop", "length"}
        if self._question.documents_only and is_complete and found.verdict == "unsupported":
            said = SentenceReview(0, len(REFUSAL), None, LEFT_OUT, found.answer)
            return Review(REFUSAL, (), (said,), "refused")
        return found

    def _page_of(self, path: str, offset: int) -> int | None:
        """Return the page of a place in a document; None where it is not known."""
        try:
            return self._parts.library.page_of(path, offset)
        except (LibraryError, ProcessError):
            logger.warning("the page of a citation is not known", exc_info=True)
            return None

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
