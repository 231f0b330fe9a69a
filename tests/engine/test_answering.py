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
from engine.llm.client import LanguageModel
from engine.llm.protocol import MOST_DRAFTED, Generated, Prefilled, TextDelta, TokenCounts
from engine.messages import ChatMessage, Delta, Event, Finished, Question, Sampling, Started


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
    parts = Parts(cast(LanguageModel, model), cast(Library, EmptyLibrary()), history, Settings(**settings), Dialogues())
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
