"""What an answer asks of the model, and what it tells about its decoding."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from engine.answering import ModelAnswer, Parts
from engine.config import Settings
from engine.dialogue import Dialogues
from engine.history import History
from engine.library.client import Library
from engine.library.protocol import Mentions, Search
from engine.llm.client import LanguageModel
from engine.llm.protocol import MOST_DRAFTED, Generated, Prefilled, TextDelta, TokenCounts
from engine.messages import (
    ChatMessage,
    Delta,
    Document,
    DocumentStatus,
    Event,
    Finished,
    Passage,
    Question,
    Reviewed,
    Sampling,
    SearchResult,
    Sources,
    Started,
    Turn,
)
from engine.prompting import REFUSAL
from engine.retrieving import ReadingSpeed


class SpeculatingModel:
    """A model that answers "It is so.", most of it drafted."""

    def __init__(self) -> None:
        self.draft_limits: list[int] = []
        self.prompts: list[tuple[ChatMessage, ...]] = []

    def start(self) -> None: ...

    def cancel(self) -> None: ...

    def wait(self, timeout_s: float) -> bool:
        return timeout_s >= 0

    def count(self, texts: tuple[str, ...]) -> TokenCounts:
        return TokenCounts(tuple(len(text.split()) for text in texts), 5, 1000)

    def generate(
        self, messages: tuple[ChatMessage, ...], sampling: Sampling, max_tokens: int, draft_limit: int
    ) -> Iterator[Prefilled | TextDelta | Generated]:
        self.prompts.append(messages)
        self.draft_limits.append(draft_limit)
        yield Prefilled(20, 20, 0)
        yield TextDelta("It", 1)
        yield TextDelta(" is so.", 3, drafted=True)
        yield Generated("stop", 20, 0, 10.0, 4, 5.0, 100.0, 8, 3, 2, "n-gram", 1.5)


class EmptyLibrary:
    """A library without documents."""

    def has_ready_documents(self) -> bool:
        return False

    def yield_to_answer(self, busy: bool) -> None: ...


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    made = History(tmp_path / "chats.sqlite")
    yield made
    made.close()


def answered(history: History, model: SpeculatingModel, question: Question, **settings: bool) -> list[Event]:
    parts = Parts(
        cast(LanguageModel, model),
        cast(Library, EmptyLibrary()),
        history,
        Settings(**settings),
        Dialogues(),
        ReadingSpeed(),
    )
    return list(ModelAnswer(parts, question, 0.0).events())


def test_metrics_tell_how_the_drafts_fared(history: History) -> None:
    last = answered(history, SpeculatingModel(), Question("Is it so?"))[-1]
    assert isinstance(last, Finished)
    metrics = last.metrics
    assert (metrics.acceptance, metrics.accepted_per_step) == (3 / 8, 3 / 2)
    assert (metrics.draft_tier, metrics.speedup_estimate) == ("n-gram", 1.5)


def test_delta_tells_whether_it_was_drafted(history: History) -> None:
    events = answered(history, SpeculatingModel(), Question("Is it so?"))
    deltas = [event for event in events if isinstance(event, Delta)]
    assert deltas == [Delta("It", 1, False), Delta(" is so.", 3, True)]


@pytest.mark.parametrize(("speculation", "limit"), [(True, MOST_DRAFTED), (False, 0)])
def test_drafting_follows_the_setting(history: History, speculation: bool, limit: int) -> None:
    model = SpeculatingModel()
    answered(history, model, Question("Is it so?"), speculation=speculation)
    assert model.draft_limits == [limit]


def test_next_question_of_a_chat_follows_the_stored_answer(history: History) -> None:
    model = SpeculatingModel()
    started = answered(history, model, Question("Is it so?"))[0]
    assert isinstance(started, Started)
    answered(history, model, Question("Why?", started.chat_id))
    first, second = model.prompts
    assert second == (*first, ChatMessage("assistant", "It is so."), ChatMessage("user", "Why?"))


class LeaseLibrary(EmptyLibrary):
    """A library of one document, which says how long the notice period is."""

    text = "The notice period is three months. The rent is 800 euros."

    def __init__(self, found: bool = True) -> None:
        self._found = found

    def has_ready_documents(self) -> bool:
        return True

    def documents(self) -> tuple[Document, ...]:
        return (Document("/docs/lease.pdf", DocumentStatus.READY, chunks=1),)

    def page_of(self, path: str, offset: int) -> int | None:
        return 3

    def search(self, search: Search) -> SearchResult:
        return SearchResult((self._passage,) if self._found else (), 40, 1.0, 2.0, 1.0, 1, 0.9, 0.99)

    def mentions(self, mentions: Mentions) -> SearchResult:
        return SearchResult((self._passage,), 40, 0.0, 2.0)

    @property
    def _passage(self) -> Passage:
        return Passage("c", "/docs/lease.pdf", self.text, 3, "", 0, len(self.text), 0.9, 0, 0, 0.6, 8.0)


class SayingModel(SpeculatingModel):
    """A model that says what it is told to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def generate(
        self, messages: tuple[ChatMessage, ...], sampling: Sampling, max_tokens: int, draft_limit: int
    ) -> Iterator[Prefilled | TextDelta | Generated]:
        self.prompts.append(messages)
        yield TextDelta(self._text, 9)
        yield Generated("stop", 20, 0, 10.0, 9, 5.0, 100.0)


def asked(
    history: History, model: SpeculatingModel, library: EmptyLibrary, question: Question
) -> tuple[list[Event], Finished, Turn]:
    parts = Parts(cast(LanguageModel, model), cast(Library, library), history, Settings(), Dialogues(), ReadingSpeed())
    events = list(ModelAnswer(parts, question, 0.0).events())
    started, last = events[0], events[-1]
    assert isinstance(started, Started)
    assert isinstance(last, Finished)
    return events, last, history.turns(started.chat_id)[-1]


NOTICE = Question("How long is the notice period?")


def test_answer_says_what_was_read_and_is_held_against_it(history: History) -> None:
    model = SayingModel("The notice period is three months.")
    events, last, stored = asked(history, model, LeaseLibrary(), NOTICE)
    [sources] = [event for event in events if isinstance(event, Sources)]
    assert sources.plan.decision == "light"
    assert (sources.plan.passages, sources.plan.considered) == (1, 40)
    assert sources.plan.tokens == len(LeaseLibrary.text.split())
    assert (last.verdict, [each.supported for each in last.sentences]) == ("supported", [True])
    assert [citation.page for citation in last.citations] == [3]
    assert (last.plan, stored.plan, stored.verdict) == (sources.plan, sources.plan, "supported")
    assert stored.sentences == last.sentences


def test_contradicted_number_is_corrected_in_what_is_stored_and_told(history: History) -> None:
    events, last, stored = asked(history, SayingModel("The notice period is two months."), LeaseLibrary(), NOTICE)
    [reviewed] = [event for event in events if isinstance(event, Reviewed)]
    assert reviewed.answer == last.answer == stored.answer == "The notice period is three months."
    [sentence] = last.sentences
    assert sentence.original == "The notice period is two months."
    assert "three months" in sentence.correction


def test_documents_only_refuses_what_they_do_not_hold(history: History) -> None:
    only = Question(NOTICE.text, documents_only=True)
    model = SayingModel("The moon is made of green cheese from Bern.")
    _, nothing, _ = asked(history, model, LeaseLibrary(found=False), only)
    assert (nothing.answer, nothing.verdict, model.prompts) == (REFUSAL, "refused", [])
    _, invented, stored = asked(history, model, LeaseLibrary(), only)
    assert (invented.answer, invented.verdict, stored.answer) == (REFUSAL, "refused", REFUSAL)
    assert invented.sentences[0].original == "The moon is made of green cheese from Bern."
    _, free, _ = asked(history, model, LeaseLibrary(), NOTICE)
    assert (free.answer, free.verdict) == ("The moon is made of green cheese from Bern.", "unsupported")
    _, held, _ = asked(history, SayingModel("The notice period is three months."), LeaseLibrary(), only)
    assert (held.answer, held.verdict) == ("The notice period is three months.", "supported")


def test_counting_question_is_answered_without_the_model(history: History) -> None:
    model = SayingModel("Some say seven.")
    question = Question("How many documents mention the notice period?")
    _, last, stored = asked(history, model, LeaseLibrary(), question)
    assert model.prompts == []
    assert last.answer.startswith('Your document mentions "notice period"')
    assert (last.reason, stored.reason) == ("stop", "stop")
    assert [citation.snippet for citation in last.citations] == ["The notice period is three months."]
    assert last.plan is not None
    assert last.plan.decision == "count"


def test_small_talk_reads_no_documents_and_says_so(history: History) -> None:
    events, last, _ = asked(history, SayingModel("You are welcome."), LeaseLibrary(), Question("Thanks a lot!"))
    [sources] = [event for event in events if isinstance(event, Sources)]
    assert (sources.passages, sources.plan.decision) == ((), "none")
    assert sources.plan.reason
    assert last.verdict == "unchecked"
