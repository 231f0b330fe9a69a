"""Whether and how much of the documents an answer takes: understand, search, and say what was decided."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from engine.counting import spellings
from engine.errors import HolaError, ProcessError
from engine.library.client import Library
from engine.library.protocol import Mentions, Search
from engine.messages import Decision, Document, DocumentStatus, Question, RetrievalPlan, SearchResult, Turn
from engine.retrieval.filters import DocumentInfo, Filters
from engine.retrieval.understand import Kind, Understanding, understand

__all__ = ["ReadingSpeed", "Retrieval", "Retriever"]

logger = logging.getLogger(__name__)

COUNTED: Mapping[str, Decision] = MappingProxyType({"count": "count", "list": "list"})
SEARCHED = ("search", "count", "list", "summary")
FIRST_GUESS = 250.0
"""Tokens per second of prefill before any was measured: the bundled model on two cores reads 300."""
RATE = 0.3
"""Weight of the newest measurement."""
LEAST_MEASURED = 64
"""Tokens of prefill below which its rate says little."""
LEAST_TOKENS = 96
CONTEXT_SHARE = 0.5
"""Of the context, how much passages may fill: the rest is for the chat, the question and the answer."""
DEEP_FROM = 4
"""Passages from which on a reading counts as deep."""
CLEAR, DOUBTFUL = 0.7, 0.25
"""Probability of the best passage from which on it stands out, and below which nothing does."""


class ReadingSpeed:
    """How fast the model reads, learned from every answer."""

    def __init__(self) -> None:
        self._tokens_per_s = 0.0

    def observe(self, tokens: int, milliseconds: float) -> None:
        """Learn from a prefill of so many tokens."""
        if tokens >= LEAST_MEASURED and milliseconds > 0.0:
            measured = tokens / milliseconds * 1000
            rate = RATE if self._tokens_per_s else 1.0
            self._tokens_per_s += rate * (measured - self._tokens_per_s)

    def budget(self, seconds: float, context_tokens: int) -> int:
        """Return how many tokens of passages can be read in some seconds, within the context."""
        speed = self._tokens_per_s or FIRST_GUESS
        return max(LEAST_TOKENS, min(int(seconds * speed), int(context_tokens * CONTEXT_SHARE)))


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What was decided for a question, and what was found."""

    understanding: Understanding | None
    """None where the documents were out of the question."""
    plan: RetrievalPlan
    result: SearchResult | None = None
    """None where nothing was searched."""
    documents: tuple[str, ...] | None = None
    """The documents that the question is limited to; None: all."""

    @property
    def kind(self) -> Kind:
        """What the question wants: an answer, a count, a list, a summary."""
        return self.understanding.kind if self.understanding is not None else "search"


class Retriever:
    """Retrieve for one question."""

    def __init__(self, library: Library, question: Question, most_tokens: int, most_passages: int) -> None:
        self._library = library
        self._question = question
        self._most_tokens = most_tokens
        self._most_passages = most_passages

    def decide(self, dialogue: Sequence[Turn]) -> Retrieval:
        """Decide without any search; raises HolaError if the question names a document that is not there."""
        if not self._question.use_documents:
            return Retrieval(None, RetrievalPlan(reason="the documents are switched off"))
        if not self._library.has_ready_documents():
            return Retrieval(None, RetrievalPlan(reason="the library is empty"))
        ready = [one for one in self._library.documents() if one.status is DocumentStatus.READY]
        documents = [DocumentInfo(one.path, one.updated) for one in ready]
        history = [(turn.question, turn.answer) for turn in dialogue]
        understanding = understand(self._question.text, history, documents)
        if understanding.problem:
            raise HolaError(understanding.problem)
        if understanding.kind not in SEARCHED and self._question.documents_only:
            text = self._question.text
            understanding = replace(understanding, kind="search", queries=(text,), reason="documents only")
        if understanding.kind not in SEARCHED:
            return Retrieval(understanding, RetrievalPlan(reason=understanding.reason))
        if understanding.filters.after is not None or understanding.filters.before is not None:
            documents = [_described(one) for one in ready]
        meant = _meant(understanding.filters, documents)
        if meant == ():
            raise HolaError("No document in the library meets all of these filters: take one of them away.")
        if understanding.kind == "summary":
            chunks = sum(one.chunks for one in ready if meant is None or one.path in meant)
            return Retrieval(understanding, RetrievalPlan("summary", 0, chunks, 0, understanding.reason), None, meant)
        return Retrieval(understanding, RetrievalPlan("light"), documents=meant)

    def search(self, decided: Retrieval) -> Retrieval:
        """Search for what was decided."""
        understanding = decided.understanding
        if understanding is None:
            return decided
        if understanding.kind in COUNTED:
            mentions = Mentions(spellings(understanding.term), decided.documents)
            result = _twice(lambda: self._library.mentions(mentions))
        else:
            queries = understanding.queries or (self._question.text,)
            search = Search(queries, self._most_tokens, self._most_passages, decided.documents)
            result = _twice(lambda: self._library.search(search))
        return replace(decided, result=result, plan=_plan(understanding, result))


def _meant(filters: Filters, documents: Sequence[DocumentInfo]) -> tuple[str, ...] | None:
    """Return the paths of the documents that meet all filters; None if that is every one."""
    if filters == Filters():
        return None
    named = frozenset(filters.documents)
    folders = tuple(folder.rstrip("/\\") for folder in filters.folders)
    kinds = frozenset(filters.kinds)
    meant = tuple(
        document.path
        for document in documents
        if (not named or document.path in named)
        and (not kinds or document.path.rpartition(".")[2].lower() in kinds)
        and (not folders or any(_is_below(document.path, folder) for folder in folders))
        and (filters.after is None or document.changed >= filters.after)
        and (filters.before is None or document.changed < filters.before)
    )
    return None if len(meant) == len(documents) else meant


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(folder) and path[len(folder) : len(folder) + 1] in ("/", "\\")


def _described(document: Document) -> DocumentInfo:
    """Return a document with the time of its file's last change; of its indexing where the file is out of reach."""
    try:
        return DocumentInfo(document.path, Path(document.path).stat().st_mtime)
    except OSError:
        return DocumentInfo(document.path, document.updated)


def _twice(send: Callable[[], SearchResult]) -> SearchResult:
    """Search once more if the library's process has crashed."""
    try:
        return send()
    except ProcessError:
        logger.warning("search failed, once more", exc_info=True)
        return send()


def _plan(understanding: Understanding, result: SearchResult) -> RetrievalPlan:
    """Say what was decided, and why; the tokens are known once the prompt is laid out."""
    reasons = [understanding.reason] if understanding.reason != "question" else []
    if understanding.kind in COUNTED:
        return RetrievalPlan(COUNTED[understanding.kind], 0, result.total_chunks, 0, understanding.reason)
    if not result.passages:
        return RetrievalPlan("none", 0, result.total_chunks, 0, "nothing in your documents is about this")
    decision: Decision = "deep" if len(understanding.queries) > 1 or result.read >= DEEP_FROM else "light"
    if result.best >= CLEAR:
        reasons.append("one passage stands out" if result.read < DEEP_FROM else "the best passage is clear")
    else:
        reasons.append("no passage stands out" if result.best < DOUBTFUL else "several passages are close")
    return RetrievalPlan(decision, result.read, result.total_chunks, 0, ", ".join(reasons))
