"""Documents of any length are read in a bounded number of stages, within the context, and summarised once."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import cast

import pytest

from engine import summarising
from engine.errors import ContextError, LibraryError
from engine.llm.client import LanguageModel
from engine.llm.protocol import Generated, LoadModel, Prefilled, TextDelta, TokenCounts
from engine.messages import ChatMessage, Passage, Progress, Sampling
from engine.summarising import summarise
from tests.gguf_builder import write_llama

Event = Progress | Prefilled | TextDelta | Generated

TEMPLATE_TOKENS = 5
TOPICS = "harbour lantern orchard violin glacier compass pottery saddle monsoon beacon".split()


class ScriptedModel:
    """A model that counts words, notes and answers what it is told to, and remembers what it was asked."""

    def __init__(self, note: str = "", answer: Sequence[str] = ("It is ", "so."), context: int = 4096) -> None:
        self.note, self.said, self.context = note, answer, context
        self.prompts: list[tuple[ChatMessage, ...]] = []
        self.samplings: list[Sampling] = []
        self.limits: list[int] = []
        self.closed = 0
        self.cancelled = False

    def count(self, texts: tuple[str, ...]) -> TokenCounts:
        return TokenCounts(tuple(len(text.split()) for text in texts), TEMPLATE_TOKENS, self.context)

    def cancel(self) -> None:
        self.cancelled = True

    def generate(
        self, messages: tuple[ChatMessage, ...], sampling: Sampling, max_tokens: int, draft_limit: int
    ) -> Generator[Prefilled | TextDelta | Generated, None, None]:
        assert draft_limit == 7
        self.prompts.append(messages)
        self.samplings.append(sampling)
        self.limits.append(max_tokens)
        pieces = (self.note,) if messages[-1].content.endswith(summarising.NOTE) else self.said
        made = 0
        try:
            yield Prefilled(0, 10, 0)
            yield Prefilled(5, 10, 0)
            for piece in pieces:
                if self.cancelled:
                    break
                made += 1
                yield TextDelta(piece, 1)
            yield Generated("cancelled" if self.cancelled else "stop", 10, 0, 1.0, made, 1.0, 1.0)
        finally:
            self.closed += 1

    @property
    def requests(self) -> list[str]:
        return [prompt[-1].content for prompt in self.prompts]


def asked(
    model: ScriptedModel | LanguageModel,
    documents: Sequence[tuple[str, str]],
    question: str = "Summarise it.",
    is_cancelled: Callable[[], bool] = lambda: False,
    max_answer_tokens: int = 100,
) -> Generator[Event, None, tuple[Passage, ...]]:
    return summarise(
        cast(LanguageModel, model),
        documents,
        question,
        instructions="Be brief.",
        sampling=Sampling(temperature=0.7),
        draft_limit=7,
        max_answer_tokens=max_answer_tokens,
        is_cancelled=is_cancelled,
    )


def finished(stream: Generator[Event, None, tuple[Passage, ...]]) -> tuple[list[Event], tuple[Passage, ...]]:
    """Run to the end; return the events and the passages."""
    events = []
    while True:
        try:
            events.append(next(stream))
        except StopIteration as ended:
            return events, ended.value


def said(events: Sequence[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def book(chapters: int = 10, first: int = 0, sentences: int = 60) -> str:
    """Return a text with a heading and a topic for each chapter, each sentence with words of its own: 480 a chapter."""
    written = []
    for chapter in range(first, first + chapters):
        topic = TOPICS[chapter % len(TOPICS)]
        lines = (
            f"The {topic} keeper wrote note{chapter}x{number} about mark{chapter}x{number} and sign{chapter}x{number}."
            for number in range(sentences)
        )
        written.append(f"Chapter {topic}\n\n" + " ".join(lines))
    return "\n\n".join(written)


SHORT = "The old harbour opens at six o'clock. Boats pay.\n\nThe red lantern burns all night."


# ---------------------------------------------------------------- short documents


def test_short_document_is_read_whole_in_one_call() -> None:
    model = ScriptedModel()
    events, passages = finished(asked(model, [("/a.txt", SHORT)]))
    assert model.requests == [
        f"{SHORT}\n\nIn short: The old harbour opens at six o'clock. The red lantern burns all night."
        "\n\nUse the text above to answer in a few short sentences: Summarise it."
    ]
    assert [type(event) for event in events] == [Prefilled, Prefilled, TextDelta, TextDelta, Generated]
    assert said(events) == "It is so."
    assert [passage.text for passage in passages] == [SHORT]


def test_user_instructions_stand_in_the_system_text() -> None:
    model = ScriptedModel()
    finished(asked(model, [("/a.txt", SHORT)]))
    assert model.prompts[0][0] == ChatMessage("system", "You are Hola, a helpful assistant. Be brief.")


def test_penalty_is_eased_and_never_raised() -> None:
    model = ScriptedModel()
    finished(asked(model, [("/a.txt", SHORT)]))
    assert (model.samplings[0].repetition_penalty, model.samplings[0].temperature) == (1.05, 0.7)


def test_several_short_documents_are_told_apart_by_their_names() -> None:
    model = ScriptedModel()
    _, passages = finished(asked(model, [("/x/a.txt", SHORT), ("/y/b.md", "Tea costs two euros in the old mill.")]))
    assert f"a.txt:\n{SHORT}\n\nb.md:\nTea costs two euros in the old mill." in model.requests[0]
    assert [passage.path for passage in passages] == ["/x/a.txt", "/y/b.md"]


def test_addresses_of_links_are_not_read() -> None:
    model = ScriptedModel()
    finished(asked(model, [("/a.md", "See [the long guide](https://example.org/guide) for the rules of the house.")]))
    assert "example.org" not in model.requests[0]
    assert "See the long guide for the rules" in model.requests[0]


@pytest.mark.parametrize("documents", [[], [("/a.txt", "")], [("/a.txt", " \n ")]])
def test_nothing_to_read_is_an_error(documents: list[tuple[str, str]]) -> None:
    with pytest.raises(LibraryError, match="no text to summarise"):
        finished(asked(ScriptedModel(), documents))


def test_question_that_leaves_no_room_is_an_error() -> None:
    with pytest.raises(ContextError, match="600 tokens long"):
        finished(asked(ScriptedModel(context=600), [("/a.txt", SHORT)], "word " * 600))


# ---------------------------------------------------------------- long documents


def test_long_document_is_read_in_stages_that_end() -> None:
    for chapters in (10, 300):
        model = ScriptedModel()
        finished(asked(model, [("/a.txt", book(chapters))]))
        assert len(model.prompts) == summarising.MOST_STAGES + 1


def test_stages_spread_over_the_whole_document() -> None:
    text = book()
    _, passages = finished(asked(ScriptedModel(), [("/a.txt", text)]))
    tenths = {10 * passage.start // len(text) for passage in passages}
    assert tenths == set(range(10))


@pytest.mark.parametrize("context", [400, 600, 1000, 2000, 4096])
@pytest.mark.parametrize("note", ["", "The harbour keeper wrote a long note about the mark and the sign. " * 6])
def test_no_prompt_exceeds_the_context(context: int, note: str) -> None:
    model = ScriptedModel(note, context=context)
    documents = [("/a.txt", book()), ("/b.txt", SHORT), ("/c.txt", book(3))]
    finished(asked(model, documents, max_answer_tokens=500))
    for prompt, limit in zip(model.prompts, model.limits, strict=True):
        assert sum(len(message.content.split()) + TEMPLATE_TOKENS for message in prompt) + limit <= context


def test_passages_are_verbatim_in_order_and_known_by_their_place() -> None:
    documents = [("/a.txt", book()), ("/b.txt", book(4, 10))]
    _, passages = finished(asked(ScriptedModel(), documents))
    texts = dict(documents)
    assert {passage.path for passage in passages} == {"/a.txt", "/b.txt"}
    for passage in passages:
        assert texts[passage.path][passage.start : passage.end] == passage.text
        assert passage.chunk_id.endswith(f":{passage.start}")
        assert len(passage.text) <= summarising.PASSAGE_CHARACTERS
    places = [(passage.path, passage.start) for passage in passages]
    assert places == sorted(places)
    assert len({passage.chunk_id for passage in passages}) == len(passages)


def test_progress_rises_over_all_stages_and_the_notes_are_not_shown() -> None:
    model = ScriptedModel("The harbour keeper wrote a note.")
    events, _ = finished(asked(model, [("/a.txt", book())]))
    first_of_answer = next(at for at, event in enumerate(events) if not isinstance(event, Progress))
    fractions = [event.fraction for event in events[:first_of_answer] if isinstance(event, Progress)]
    assert fractions == sorted(fractions, key=lambda fraction: fraction or 0.0)
    assert (fractions[0], fractions[-1]) == (0.0, 1.0)
    assert len(fractions) == 3 * summarising.MOST_STAGES
    assert not any(isinstance(event, Progress) for event in events[first_of_answer:])
    assert said(events) == "It is so."


def test_answer_is_made_from_what_the_parts_support_of_their_notes_and_a_sentence_of_each() -> None:
    model = ScriptedModel(
        "The lantern keeper wrote note1x0 there. Dragons rule distant galaxies with terrible machines."
    )
    finished(asked(model, [("/a.txt", book(6))]))
    *stages, final = model.requests
    assert all(request.endswith(summarising.NOTE) for request in stages)
    assert final.startswith("The lantern keeper wrote note1x0 there.\n\nIn short: The harbour keeper wrote note")
    assert final.count(" keeper wrote note") == 1 + len(stages)
    assert final.endswith("Use the text above to answer in a few short sentences: Summarise it.")


@pytest.mark.parametrize(
    "note",
    [
        "",
        " \n",
        "Dragons rule distant galaxies with terrible machines.",
        "The harbour keeper wrote 4711 notes about it.",
    ],
)
def test_useless_note_leaves_the_most_central_sentence(note: str) -> None:
    model = ScriptedModel(note)
    finished(asked(model, [("/a.txt", book(6))]))
    *stages, final = model.requests
    assert final.startswith("In short: The ")
    assert final.count(" keeper wrote note") == len(stages)


def test_notes_vary_with_no_temperature_and_are_short() -> None:
    model = ScriptedModel()
    finished(asked(model, [("/a.txt", book())]))
    assert {sampling.temperature for sampling in model.samplings[:-1]} == {0.0}
    assert set(model.limits[:-1]) == {summarising.NOTE_TOKENS}
    assert (model.samplings[-1].temperature, model.limits[-1]) == (0.7, 100)


def test_short_document_beside_a_long_one_is_read_too() -> None:
    model = ScriptedModel()
    _, passages = finished(asked(model, [("/a.txt", book(40)), ("/b.txt", SHORT)]))
    assert any(passage.path == "/b.txt" for passage in passages)


def test_many_documents_share_the_stages() -> None:
    model = ScriptedModel()
    documents = [(f"/{number:02}.txt", book(1, number)) for number in range(40)]
    _, passages = finished(asked(model, documents))
    assert len(model.prompts) == summarising.MOST_STAGES + 1
    assert len({passage.path for passage in passages}) > 20


def test_what_a_document_repeats_is_read_once() -> None:
    model = ScriptedModel()
    _, passages = finished(asked(model, [("/a.txt", book(4) + "\n\n" + book(4))]))
    marks = [word for passage in passages for word in passage.text.split() if word.startswith("note")]
    assert len(set(marks)) == len(marks)


def test_headings_stand_above_the_sentences_they_belong_to() -> None:
    model = ScriptedModel()
    finished(asked(model, [("/a.txt", book())]))
    assert "Chapter harbour\n\nThe harbour keeper" in model.requests[0]


def test_words_of_the_question_draw_the_sentences_that_have_them() -> None:
    text = book(30).replace("note3x30 about", "note3x30 about penalties and")
    for question, is_read in (("Summarise it.", False), ("Summarise what it says on penalties.", True)):
        _, passages = finished(asked(ScriptedModel(), [("/a.txt", text)], question))
        assert any("penalties" in passage.text for passage in passages) is is_read


@pytest.mark.parametrize(
    "text",
    [
        "| 12 | 34 | 56 |\n" * 900,
        "```\n" + "total = add(first, second)\n" * 900 + "```\n",
        "def add(first, second):\n    return first + second\n\n" * 400,
        "契約の期間は一年とする。更新は書面による。" * 400,
        "x" * 20_000,
    ],
)
def test_texts_that_are_no_prose_come_to_an_end(text: str) -> None:
    model = ScriptedModel()
    try:
        finished(asked(model, [("/a.txt", text)]))
    except LibraryError:
        assert not model.prompts


# ---------------------------------------------------------------- repetition

BOATS = "Boats pay nine euros a day."


@pytest.mark.parametrize(
    ("pieces", "answer"),
    [
        (["Boats pay nine euros a day. ", "Late. ", "Boats pay nine euros a day. ", "More."], f"{BOATS} Late."),
        (["Boats pay nine ", "euros a day. Boats pay ", "nine euros a day."], BOATS),
        (["Boats pay nine euros a day. ", "Boats pay ", "ten at night."], f"{BOATS} Boats pay ten at night."),
        (["No. ", "No. ", "It is late."], "No. No. It is late."),
        (["It is late.\n\n", "In ", "short", ": ", "It is so."], "It is late."),
        (["In ", "short, it is late."], "In short, it is late."),
        (["It is late.\n\nUse the text above to answer: ", "Why?"], "It is late."),
        (["It is late. Use the text"], "It is late. Use the text"),
        (["so it goes ", *["on and on "] * 40], "so it goes " + "on and on " * 6),
        (["| - | - |\n" * 20], "| - | - |\n" * 20),
    ],
)
def test_answer_ends_where_it_begins_to_repeat_itself(pieces: list[str], answer: str) -> None:
    model = ScriptedModel(answer=pieces)
    events, _ = finished(asked(model, [("/a.txt", SHORT)]))
    assert said(events).strip() == answer.strip()
    ended = events[-1]
    assert isinstance(ended, Generated)
    assert ended.reason == "stop"


# ---------------------------------------------------------------- stopping


@pytest.mark.parametrize("steps", range(0, 21, 4))
def test_closing_midway_closes_what_runs(steps: int) -> None:
    model = ScriptedModel()
    stream = asked(model, [("/a.txt", book())])
    for _ in range(steps):
        next(stream)
    stream.close()
    assert model.closed == len(model.prompts)


@pytest.mark.parametrize("steps", [1, 2, 4, 9])
def test_cancel_ends_within_a_stage_and_keeps_what_was_read(steps: int) -> None:
    model, left = ScriptedModel(), iter(range(steps))
    events, passages = finished(asked(model, [("/a.txt", book())], is_cancelled=lambda: next(left, None) is None))
    assert all(isinstance(event, Progress) for event in events)
    assert model.closed == len(model.prompts) < summarising.MOST_STAGES
    assert passages


def test_cancel_during_the_answer_reaches_the_model_and_its_account_comes() -> None:
    model = ScriptedModel(answer=["It ", "is ", "so."])
    events: list[Event] = []
    for event in asked(model, [("/a.txt", SHORT)], is_cancelled=lambda: said(events) != ""):
        events.append(event)
    assert said(events) == "It "
    ended = events[-1]
    assert isinstance(ended, Generated)
    assert ended.reason == "cancelled"


@pytest.fixture
def tiny_model(tmp_path: Path) -> Iterator[LanguageModel]:
    """A model of random weights, each token a byte."""
    path = write_llama(tmp_path / "tiny.gguf", layers=2, seed=3, context=2048)
    made = LanguageModel(LoadModel(path, 2048, 1))
    yield made
    made.close()


def test_real_model_reads_a_long_text_and_can_be_used_after_a_closed_summary(tiny_model: LanguageModel) -> None:
    stream = asked(tiny_model, [("/a.txt", book())], max_answer_tokens=8)
    assert isinstance(next(stream), Progress)
    stream.close()
    events, passages = finished(asked(tiny_model, [("/a.txt", book())], max_answer_tokens=8))
    ended = events[-1]
    assert isinstance(ended, Generated)
    assert 0 < ended.completion_tokens <= 8
    assert passages
