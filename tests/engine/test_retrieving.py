"""Whether the documents are searched, how much is read, and what is told about it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from engine.errors import HolaError, ProcessCrashed
from engine.library.client import Library
from engine.library.protocol import Mentions, Search
from engine.messages import (
    Document,
    DocumentStatus,
    FinishReason,
    Metrics,
    Passage,
    Question,
    Route,
    SearchResult,
    Turn,
)
from engine.retrieving import FIRST_GUESS, LEAST_TOKENS, ReadingSpeed, Retrieval, Retriever

PASSAGE = Passage("c", "/docs/lease.pdf", "The notice period is a month.", 1, "", 0, 29, 0.9)
FOUND = SearchResult((PASSAGE,), 40, 1.0, 2.0, 3.0, 1, 0.9, 0.99)


class FakeLibrary:
    """A library that remembers what it was asked, and answers all alike."""

    def __init__(self, *paths: str, result: SearchResult = FOUND, crashes: int = 0) -> None:
        self._paths, self._result, self._crashes = paths or ("/docs/lease.pdf", "/docs/manual.md"), result, crashes
        self.asked: list[Search | Mentions] = []
        self.is_empty = False

    def has_ready_documents(self) -> bool:
        return not self.is_empty

    def documents(self) -> tuple[Document, ...]:
        ready = tuple(Document(path, DocumentStatus.READY, updated=1.0) for path in self._paths)
        return (*ready, Document("/docs/broken.pdf", DocumentStatus.FAILED))

    def search(self, search: Search) -> SearchResult:
        self.asked.append(search)
        if len(self.asked) <= self._crashes:
            raise ProcessCrashed("The library process ended.")
        return self._result

    def mentions(self, mentions: Mentions) -> SearchResult:
        self.asked.append(mentions)
        return self._result


def turn(question: str, answer: str) -> Turn:
    route: Route = "model"
    reason: FinishReason = "stop"
    return Turn(1, question, answer, route, reason, (), Metrics(), 0.0)


def retrieved(
    library: FakeLibrary, text: str, *dialogue: Turn, use_documents: bool = True, documents_only: bool = False
) -> Retrieval:
    question = Question(text, use_documents=use_documents, documents_only=documents_only)
    retriever = Retriever(cast(Library, library), question, 500, 8)
    decided = retriever.decide(dialogue)
    return decided if decided.plan.decision == "none" else retriever.search(decided)


def test_question_about_the_documents_is_searched_within_the_budget() -> None:
    library = FakeLibrary()
    found = retrieved(library, "How long is the notice period?")
    [asked] = library.asked
    assert isinstance(asked, Search)
    assert (asked.queries, asked.most_tokens, asked.most_passages) == (("How long is the notice period?",), 500, 8)
    assert asked.documents is None
    assert found.plan.decision == "light"
    assert (found.plan.passages, found.plan.considered) == (1, 40)
    assert "stands out" in found.plan.reason


@pytest.mark.parametrize("text", ["Thank you!", "Write a poem about autumn."])
def test_what_needs_no_documents_searches_none_and_says_why(text: str) -> None:
    library = FakeLibrary()
    found = retrieved(library, text)
    assert (library.asked, found.plan.decision) == ([], "none")
    assert found.plan.reason
    assert retrieved(library, text, documents_only=True).plan.decision != "none"
    assert library.asked


def test_documents_switched_off_or_missing_are_not_searched() -> None:
    library = FakeLibrary()
    assert retrieved(library, "How long is it?", use_documents=False).plan.reason == "the documents are switched off"
    library.is_empty = True
    assert retrieved(library, "How long is it?").plan.reason == "the library is empty"
    assert library.asked == []


def test_follow_up_is_searched_with_what_it_leans_on() -> None:
    library = FakeLibrary()
    found = retrieved(library, "and for garages?", turn("How long is the notice period?", "A month."))
    [asked] = library.asked
    assert isinstance(asked, Search)
    assert "notice" in " ".join(asked.queries)
    assert found.understanding is not None
    assert "notice" in found.understanding.in_full


def test_parts_of_a_question_are_searched_apart() -> None:
    library = FakeLibrary()
    found = retrieved(library, "How long is the warranty, and how do I clean the grinder?")
    [asked] = library.asked
    assert isinstance(asked, Search)
    assert len(asked.queries) == 2
    assert found.plan.decision == "deep"


def test_count_looks_for_every_mention() -> None:
    library = FakeLibrary()
    found = retrieved(library, "How many documents mention arbitration?")
    [asked] = library.asked
    assert asked == Mentions(("arbitration", "arbitrations"), None)
    assert (found.kind, found.plan.decision) == ("count", "count")


def test_filter_limits_the_search_to_its_documents() -> None:
    library = FakeLibrary()
    found = retrieved(library, "from:lease.pdf notice period")
    [asked] = library.asked
    assert isinstance(asked, Search)
    assert asked.documents == ("/docs/lease.pdf",)
    assert "from:" not in asked.queries[0]
    assert found.understanding is not None
    assert found.understanding.asked == "notice period"


def test_filters_that_no_document_meets_are_told() -> None:
    with pytest.raises(HolaError, match="meets all of these filters"):
        retrieved(FakeLibrary(), "after:2090 How long is the notice period?")


def test_document_that_is_not_there_is_told() -> None:
    with pytest.raises(HolaError, match=r"nowhere\.pdf"):
        retrieved(FakeLibrary(), "from:nowhere.pdf notice period")


def test_dates_are_those_of_the_files(tmp_path: Path) -> None:
    old, new = tmp_path / "old.txt", tmp_path / "new.txt"
    for file, year in ((old, 2001), (new, 2021)):
        file.write_text("x")
        os.utime(file, (0, (year - 1970) * 31_556_952))
    library = FakeLibrary(str(old), str(new))
    retrieved(library, "after:2015-01-01 notice period")
    [asked] = library.asked
    assert isinstance(asked, Search)
    assert asked.documents == (str(new),)


def test_search_is_made_once_more_after_a_crash() -> None:
    library = FakeLibrary(crashes=1)
    assert retrieved(library, "How long is the notice period?").result == FOUND
    assert len(library.asked) == 2
    with pytest.raises(ProcessCrashed):
        retrieved(FakeLibrary(crashes=2), "How long is the notice period?")


def test_plan_says_how_clear_the_passages_are() -> None:
    for best, read, words in ((0.9, 1, "stands out"), (0.5, 3, "close"), (0.1, 6, "no passage stands out")):
        library = FakeLibrary(result=replace(FOUND, best=best, read=read))
        plan = retrieved(library, "How long is the notice period?").plan
        assert words in plan.reason
        assert plan.decision == ("deep" if read > 3 else "light")
    nothing = retrieved(FakeLibrary(result=SearchResult((), 40, 1.0, 2.0)), "How long is the notice period?").plan
    assert (nothing.decision, nothing.passages, nothing.considered) == ("none", 0, 40)


def test_budget_follows_the_measured_speed_of_reading() -> None:
    speed = ReadingSpeed()
    assert speed.budget(2.0, 100_000) == int(2 * FIRST_GUESS)
    speed.observe(1_000, 1_000.0)
    assert speed.budget(2.0, 100_000) == 2_000
    speed.observe(1_000, 500.0)
    assert 2_000 < speed.budget(2.0, 100_000) < 4_000
    before = speed.budget(2.0, 100_000)
    speed.observe(3, 1_000.0)
    assert speed.budget(2.0, 100_000) == before


def test_budget_stays_within_the_context_and_is_never_nothing() -> None:
    speed = ReadingSpeed()
    assert speed.budget(100.0, 1_000) == 500
    assert speed.budget(0.0, 1_000) == LEAST_TOKENS
