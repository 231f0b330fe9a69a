"""A whole document is read at once or in stages, within the context, and what was read is known."""

from __future__ import annotations

from collections.abc import Generator
from typing import cast

import pytest

from engine.bench.corpus import paragraphs
from engine.errors import ContextError, LibraryError
from engine.llm.client import LanguageModel
from engine.llm.protocol import Generated, Prefilled, TextDelta, TokenCounts
from engine.messages import ChatMessage, Passage, Progress, Sampling
from engine.summarising import MOST_STAGES, summarise

SHORT = "# Ferry\n\nThe ferry leaves at noon from the west pier. Tickets cost four crowns on board.\n"
LONG = "\n\n".join(f"The {text[0].lower()}{text[1:]}" for text in paragraphs(120, 60))

Event = Progress | Prefilled | TextDelta | Generated


class NotingModel:
    """A model that repeats the first sentence it is shown, and counts four letters as a token."""

    def __init__(self, context: int = 4096) -> None:
        self._context = context
        self.prompts: list[str] = []
        self.open = 0
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True

    def count(self, texts: tuple[str, ...]) -> TokenCounts:
        return TokenCounts(tuple(len(text) // 4 + 1 for text in texts), 5, self._context)

    def generate(
        self, messages: tuple[ChatMessage, ...], sampling: Sampling, max_tokens: int, draft_limit: int
    ) -> Generator[Prefilled | TextDelta | Generated, None, None]:
        text = messages[-1].content
        assert len(text) // 4 + max_tokens <= self._context
        self.prompts.append(text)
        self.open += 1
        try:
            yield Prefilled(50, 100, 0)
            yield Prefilled(100, 100, 0)
            at = text.find("The ")
            yield TextDelta(text[at : text.find(".", at) + 1], 9)
            yield Generated("stop", 100, 0, 10.0, 9, 5.0, 100.0)
        finally:
            self.open -= 1


def run(
    model: NotingModel, *documents: tuple[str, str], question: str = "Summarise it.", stop_after: int = 10**9
) -> tuple[list[Event], tuple[Passage, ...]]:
    events: list[Event] = []
    stream = summarise(
        cast(LanguageModel, model),
        documents,
        question,
        instructions="",
        sampling=Sampling(),
        draft_limit=0,
        max_answer_tokens=100,
        is_cancelled=lambda: len(events) >= stop_after,
    )
    while True:
        try:
            events.append(next(stream))
        except StopIteration as end:
            return events, end.value


def test_short_document_is_read_whole_in_one_call() -> None:
    model = NotingModel()
    events, read = run(model, ("/docs/ferry.md", SHORT))
    [prompt] = model.prompts
    assert "Tickets cost four crowns on board." in prompt
    assert prompt.endswith("Summarise it.")
    assert [type(event) for event in events] == [Prefilled, Prefilled, TextDelta, Generated]
    assert "".join(SHORT[one.start : one.end] for one in read).split() == SHORT.removeprefix("# ").split()


def test_long_document_is_read_in_a_bounded_number_of_stages_with_progress() -> None:
    model = NotingModel()
    events, read = run(model, ("/docs/towers.md", LONG))
    assert 2 <= len(model.prompts) - 1 <= MOST_STAGES
    fractions = [event.fraction or 0.0 for event in events if isinstance(event, Progress)]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    # The stages themselves are not shown: only the last call's words are.
    assert sum(isinstance(event, TextDelta) for event in events) == 1
    assert isinstance(events[-1], Generated)
    assert all(LONG[one.start : one.end] == one.text for one in read)
    starts = [one.start for one in read]
    assert starts == sorted(starts)
    assert starts[-1] > 0.8 * len(LONG)


def test_notes_of_all_stages_reach_the_answer() -> None:
    model = NotingModel()
    run(model, ("/docs/towers.md", LONG))
    *stages, last = model.prompts
    for stage in stages:
        at = stage.find("The ")
        assert stage[at : stage.find(".", at) + 1] in last


def test_several_documents_are_named_in_the_prompt() -> None:
    model = NotingModel()
    _, read = run(model, ("/docs/ferry.md", SHORT), ("/docs/pier.md", SHORT.replace("ferry", "barge")))
    assert {one.path for one in read} == {"/docs/ferry.md", "/docs/pier.md"}
    assert "ferry.md" in model.prompts[-1]
    assert "pier.md" in model.prompts[-1]


@pytest.mark.parametrize("after", [1, 2, 5])
def test_stopped_summary_ends_and_leaves_no_stream_open(after: int) -> None:
    model = NotingModel()
    events, _ = run(model, ("/docs/towers.md", LONG), stop_after=after)
    assert len(events) <= after + 1
    assert model.open == 0


def test_closed_summary_leaves_no_stream_open() -> None:
    model = NotingModel()
    stream = summarise(
        cast(LanguageModel, model),
        [("/docs/towers.md", LONG)],
        "Summarise it.",
        instructions="",
        sampling=Sampling(),
        draft_limit=0,
        max_answer_tokens=100,
        is_cancelled=lambda: False,
    )
    next(stream)
    assert model.open == 1
    stream.close()
    assert model.open == 0


def test_nothing_to_read_is_told() -> None:
    with pytest.raises(LibraryError, match="no text to summarise"):
        run(NotingModel(), ("/docs/empty.pdf", " \n "))
    with pytest.raises(LibraryError, match="no text to summarise"):
        run(NotingModel(), ("/docs/bullets.md", "\n\n".join(["- a"] * 20_000)))


def test_question_that_leaves_no_room_is_told() -> None:
    with pytest.raises(ContextError, match="shorten it"):
        run(NotingModel(512), ("/docs/ferry.md", SHORT), question="Why? " * 500)


@pytest.mark.parametrize("text", ["x" * 200_000, "| a | b |\n" * 5_000, "字" * 50_000])
def test_odd_texts_end(text: str) -> None:
    model = NotingModel()
    events, read = run(model, ("/docs/odd.txt", text))
    assert isinstance(events[-1], Generated)
    assert all(text[one.start : one.end] == one.text for one in read)
