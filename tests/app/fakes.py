"""An engine without processes: the same API, answers and index jobs by script."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from engine.config import bundled_model
from engine.errors import HolaError, LobiError, ProcessCrashed
from engine.lobi.messages import Figures, Made, Step, Wish
from engine.messages import (
    Chat,
    Citation,
    Delta,
    Document,
    DocumentChanged,
    DocumentStatus,
    Event,
    Finished,
    FinishReason,
    IndexEvent,
    IndexFinished,
    IndexProgress,
    Metrics,
    Passage,
    Progress,
    Question,
    RetrievalPlan,
    Reviewed,
    Route,
    SentenceReview,
    Sources,
    Started,
    Turn,
    Verdict,
)

METRICS = Metrics(
    retrieval_ms=18.0, prompt_tokens=412, ttft_ms=380.0, completion_tokens=24, tokens_per_s=31.2, total_ms=1200.0
)
DRAFTED = replace(
    METRICS, acceptance=0.72, accepted_per_step=8.1, draft_tier="n-gram", speedup_estimate=1.6, completion_tokens=58
)


BEFORE = Figures(file_mb=98.0, prefill_tps=300.0, decode_tps=40.0, perplexity=20.1)
AFTER = Figures(file_mb=92.0, prefill_tps=360.0, decode_tps=60.0, perplexity=20.3)


@dataclass(frozen=True)
class FakeMemory:
    app_mb: float = 96.0
    model_mb: float = 210.0
    library_mb: float = 320.0
    free_mb: float = 9300.0


@dataclass(frozen=True)
class FakeModel:
    name: str = "SmolLM2-135M-Instruct"
    state: str = "ready"
    detail: str = ""


class FakeHistory:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._chats: dict[int, Chat] = {}
        self._turns: dict[int, list[Turn]] = {}
        self._next_turn = 1

    def put(self, title: str, updated: float, turns: Sequence[Turn] = ()) -> int:
        with self._lock:
            chat_id = max(self._chats, default=0) + 1
            self._chats[chat_id] = Chat(chat_id, title, updated)
            self._turns[chat_id] = list(turns)
            return chat_id

    def begin(self, chat_id: int | None, question: str, replaces: int | None) -> tuple[int, int]:
        if chat_id is None:
            chat_id = self.put(" ".join(question.split()[:6]), time.time())
        with self._lock:
            if replaces is not None:
                self._turns[chat_id] = [turn for turn in self._turns[chat_id] if turn.id < replaces]
            turn_id, self._next_turn = self._next_turn, self._next_turn + 1
            self._turns[chat_id].append(Turn(turn_id, question, "", "model", "failed", (), Metrics(), time.time()))
            self._chats[chat_id] = replace(self._chats[chat_id], updated=time.time())
            return chat_id, turn_id

    def finish(self, chat_id: int, turn: Turn) -> None:
        with self._lock:
            self._turns[chat_id] = [turn if each.id == turn.id else each for each in self._turns[chat_id]]

    def chats(self) -> tuple[Chat, ...]:
        with self._lock:
            return tuple(sorted(self._chats.values(), key=lambda chat: -chat.updated))

    def turns(self, chat_id: int, /) -> tuple[Turn, ...]:
        with self._lock:
            return tuple(self._turns[chat_id])

    def rename(self, chat_id: int, title: str, /) -> None:
        with self._lock:
            self._chats[chat_id] = replace(self._chats[chat_id], title=title)

    def delete(self, chat_id: int, /) -> None:
        with self._lock:
            del self._chats[chat_id], self._turns[chat_id]

    def search(self, text: str, /) -> tuple[Chat, ...]:
        needle = text.casefold()
        return tuple(
            chat
            for chat in self.chats()
            if needle in chat.title.casefold()
            or any(needle in f"{turn.question} {turn.answer}".casefold() for turn in self.turns(chat.id))
        )


class FakeLibrary:
    """Index at once, or step by step when `gate` is cleared; names decide what becomes of a file."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._documents: dict[str, Document] = {}
        self._paused = False
        self._closed = threading.Event()
        self.gate = threading.Event()
        self.gate.set()
        self.jobs: list[tuple[str, tuple[Path, ...]]] = []
        self.cancelled = 0

    @property
    def paused(self) -> bool:
        return self._paused

    def put(self, *documents: Document) -> None:
        with self._lock:
            self._documents.update({document.path: document for document in documents})

    def documents(self) -> tuple[Document, ...]:
        with self._lock:
            return tuple(self._documents.values())

    def index(self, paths: Sequence[Path], /) -> Iterator[IndexEvent]:
        self.jobs.append(("index", tuple(paths)))
        files = [str(path) for path in paths]
        return self._job(files or [each.path for each in self.documents() if not each.status.is_final])

    def rebuild(self, paths: Sequence[Path] = (), /) -> Iterator[IndexEvent]:
        self.jobs.append(("rebuild", tuple(paths)))
        return self._job([str(path) for path in paths] or [each.path for each in self.documents()])

    def remove(self, paths: Sequence[Path], /) -> int:
        with self._lock:
            return sum(self._documents.pop(str(path), None) is not None for path in paths)

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False

    def text(self, path: str, /) -> str:
        raise HolaError("There is no text of this document.")

    def page_of(self, path: str, offset: int, /) -> int | None:
        return None

    def close(self) -> None:
        self._closed.set()
        self.gate.set()

    def _job(self, files: list[str]) -> Iterator[IndexEvent]:
        finished = False
        try:
            done: list[Document] = []
            for path in files:
                yield self._change(Document(path, DocumentStatus.QUEUED, updated=time.time()))
            for path in files:
                self._wait()
                yield self._change(Document(path, DocumentStatus.EXTRACTING, updated=time.time()))
                yield self._change(Document(path, DocumentStatus.EMBEDDING, fraction=0.6, updated=time.time()))
                yield IndexProgress(len(done), len(files), 4, 40.0, 12.0, self._paused)
                self._wait()
                change = self._change(_outcome(path))
                done.append(change.document)
                yield change
            finished = True
            yield IndexFinished(len(done), 0, 0, 0, 0, 4, tuple(done))
        finally:
            self.cancelled += not finished

    def _wait(self) -> None:
        self.gate.wait()
        if self._closed.is_set():
            raise ProcessCrashed("The library process was closed.")

    def _change(self, document: Document) -> DocumentChanged:
        self.put(document)
        return DocumentChanged(document)


def _outcome(path: str) -> Document:
    if "locked" in path:
        reason = "It is protected by a password: save a copy without one."
        return Document(path, DocumentStatus.FAILED, reason=reason, updated=time.time())
    return Document(path, DocumentStatus.READY, chunks=4, pages=5, size=9000, fraction=1.0, updated=time.time())


class FakeOptimiser:
    """Make a version in three steps; `gate` holds the last one back while it is cleared."""

    def __init__(self) -> None:
        self.missing = False
        self.gate = threading.Event()
        self.gate.set()
        self.error: HolaError | None = None
        self.draft_error: HolaError | None = None
        self.runs: list[tuple[Path | None, Wish]] = []
        self.stopped = threading.Event()
        self.asked = 0
        """How often it was asked what is lacking."""

    def lacks(self) -> bool:
        self.asked += 1
        return self.missing

    def stop(self) -> None:
        self.stopped.set()
        self.gate.set()

    def make(self, source: Path | None, wish: Wish) -> Iterator[Step | Made]:
        self.runs.append((source, wish))
        self.stopped.clear()
        yield Step("reading", 0.0)
        yield Step("checking", 0.4)
        self.gate.wait()
        if self.stopped.is_set():
            raise LobiError("Optimising was stopped: the model in use stays.")
        if self.error is not None:
            raise self.error
        original = source or bundled_model()
        yield Made(original.with_suffix(".lobi.gguf"), original, "target", BEFORE, AFTER, 0.02)
        if self.draft_error is not None:
            raise self.draft_error
        yield Made(original.with_suffix(".draft.gguf"), original, "draft", BEFORE, AFTER, 0.4)
        self.missing = False


Script = Callable[[Question], tuple[Route, str, tuple[Citation, ...], tuple[Passage, ...]]]


def plain_answer(question: Question) -> tuple[Route, str, tuple[Citation, ...], tuple[Passage, ...]]:
    return "model", f"You asked: {question.text}", (), ()


class FakeEngine:
    """Answer by a script, one word at a time; `gate` holds the words back while it is cleared."""

    def __init__(self, script: Script = plain_answer) -> None:
        self.history = FakeHistory()
        self.library = FakeLibrary()
        self.optimiser = FakeOptimiser()
        self.model = FakeModel()
        self.script = script
        self.gate = threading.Event()
        self.gate.set()
        self.error: HolaError | None = None
        self.drafted: Callable[[int], bool] = lambda _number: False
        """Tells by its number, from 0, whether a word of the answer was drafted."""
        self.metrics = METRICS
        self.review: Callable[[str], str] = lambda answer: answer
        """What the review makes of an answer."""
        self.plan = RetrievalPlan("light", 1, 40, 96, "one passage answers it")
        self.sentences: tuple[SentenceReview, ...] = ()
        self.verdict: Verdict = "unchecked"
        self.asked: list[Question] = []
        self.started = False
        self.closed = False
        self._cancelled = threading.Event()

    @property
    def mode(self) -> str:
        return "Full"

    def start(self) -> None:
        self.started = True

    def stop(self) -> None:
        self._cancelled.set()
        self.gate.set()

    def close(self) -> None:
        self.closed = True
        self.stop()
        self.optimiser.stop()
        self.library.close()

    def optimise(self, source: Path | None = None, wish: Wish = Wish()) -> Iterator[Step | Made]:
        yield from self.optimiser.make(source, wish)
        self.model = FakeModel("SmolLM2-135M-Lobi", detail="No draft.")

    def memory(self) -> FakeMemory:
        return FakeMemory()

    def ask(self, question: Question, /) -> Iterator[Event]:
        self._cancelled.clear()
        self.asked.append(question)
        route, answer, citations, passages = self.script(question)
        chat_id, turn_id = self.history.begin(question.chat_id, question.text, question.replaces_turn)
        yield Started(route, chat_id, turn_id)
        reason: FinishReason = "stop"
        said = ""
        if route == "model":
            yield Progress("searching")
            yield Sources(passages, 40, self.plan)
        words = answer.splitlines(keepends=True) if route == "rule" else _words(answer)
        for number, word in enumerate(words):
            if said:
                self.gate.wait()
            if self._cancelled.is_set():
                reason, citations = "cancelled", ()
                break
            if self.error is not None and said:
                error, self.error = self.error, None
                self._store(chat_id, turn_id, question, said, route, "failed", ())
                raise error
            said += word
            yield Delta(word, drafted=self.drafted(number))
        if route == "model" and reason == "stop":
            said = self.review(said)
            yield Reviewed(said, citations, self.sentences, self.verdict)
        turn = self._store(chat_id, turn_id, question, said, route, reason, citations)
        yield Finished(said, reason, citations, self.metrics, turn.plan, turn.sentences, turn.verdict)

    def _store(
        self,
        chat_id: int,
        turn_id: int,
        question: Question,
        said: str,
        route: Route,
        reason: FinishReason,
        citations: tuple[Citation, ...],
    ) -> Turn:
        turn = Turn(turn_id, question.text, said, route, reason, citations, self.metrics, time.time())
        if route == "model":
            reviewed = self.sentences if reason == "stop" else ()
            turn = replace(turn, plan=self.plan, sentences=reviewed, verdict=self.verdict)
        self.history.finish(chat_id, turn)
        return turn


def _words(text: str) -> list[str]:
    return [word + " " for word in text.split(" ")[:-1]] + text.split(" ")[-1:]
