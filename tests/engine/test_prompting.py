"""The prompt fits, whatever the history and the passages are, and grows by appending."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from engine.dialogue import Exchange
from engine.errors import ContextError
from engine.llm.protocol import TokenCounts
from engine.messages import ChatMessage, Passage
from engine.prompting import Prompt, compose

Counter = Callable[[tuple[str, ...]], TokenCounts]

TEMPLATE_TOKENS = 5


def words(context: int) -> Counter:
    """Return a counter that takes a word for a token."""

    def count(texts: tuple[str, ...]) -> TokenCounts:
        return TokenCounts(tuple(len(text.split()) for text in texts), TEMPLATE_TOKENS, context)

    return count


def passage(number: int, size: int = 50, page: int | None = 3) -> Passage:
    text = " ".join([f"p{number}"] * size)
    return Passage(f"c{number}", f"/docs/file {number}.pdf", text, page, "", 0, len(text), 1.0 / number)


def bare(number: int, size: int = 10) -> Exchange:
    return Exchange(number, f"q{number}", f"q{number}", " ".join([f"a{number}"] * size))


def text_of(prompt: Prompt) -> str:
    return "\n".join(message.content for message in prompt.messages)


def numbers(passages: Sequence[Passage]) -> list[int]:
    return [int(each.chunk_id[1:]) for each in passages]


def made(context: int, question: str = "why", turns: int = 0, passages: int = 0, size: int = 50) -> Prompt:
    return compose(
        question,
        [bare(n) for n in range(1, turns + 1)],
        [passage(n, size) for n in range(1, passages + 1)],
        "",
        100,
        words(context),
    )


def total(prompt: Prompt) -> int:
    messages = prompt.messages
    return sum(len(message.content.split()) + TEMPLATE_TOKENS for message in messages)


class Chat:
    """A chat whose turns go through `compose` as the engine's do."""

    def __init__(self, context: int, max_answer_tokens: int = 100) -> None:
        self.count = words(context)
        self.max_answer_tokens = max_answer_tokens
        self.read: tuple[Exchange, ...] = ()
        self.cuts = 0
        self.prompts: list[Prompt] = []

    def ask(self, found: Sequence[Passage], answer_size: int = 10) -> Prompt:
        number = len(self.prompts) + 1
        question = f"q{number} and more words"
        prompt = compose(question, self.read, found, "", self.max_answer_tokens, self.count)
        if self.prompts and not self._continues(prompt.messages, self.prompts[-1].messages):
            self.cuts += 1
        answer = " ".join([f"a{number}"] * answer_size)
        self.read = (*prompt.earlier, Exchange(number, question, prompt.messages[-1].content, answer, prompt.shown))
        self.prompts.append(prompt)
        return prompt

    def _continues(self, new: tuple[ChatMessage, ...], old: tuple[ChatMessage, ...]) -> bool:
        """Whether the new messages are the old ones, the answer, and one question more."""
        size = len(old)
        return new[:size] == old and [each.role for each in new[size:]] == ["assistant", "user"]


# ---------------------------------------------------------------- the first turn


def test_first_turn_stands_as_it_was_measured() -> None:
    prompt = compose("why?", [], [passage(1, 2), passage(2, 2)], "Be brief.", 100, words(500))
    assert prompt.messages == (
        ChatMessage("system", "You are Hola, a helpful assistant. Be brief."),
        ChatMessage(
            "user", "Question: why?\n\np2 p2\n\np1 p1\n\nUse the text above to answer in a full sentence: why?"
        ),
    )
    assert numbers(prompt.passages) == numbers(prompt.sources) == numbers(prompt.shown) == [1, 2]


def test_without_passages_the_question_stands_alone() -> None:
    prompt = made(2000)
    assert prompt.messages[-1].content == "why"
    assert len(prompt.messages) == 2


def test_first_turn_takes_all_passages_that_fit() -> None:
    assert numbers(made(300, passages=5, size=60).passages) == [1, 2]


def test_passage_too_long_makes_room_for_the_next() -> None:
    prompt = compose("why", [], [passage(1, 5000), passage(2, 20)], "", 100, words(500))
    assert numbers(prompt.passages) == [2]


def test_instructions_of_the_user_are_in_the_system_text() -> None:
    prompt = compose("why", [], [], "Speak like a pirate.", 100, words(500))
    assert "Speak like a pirate." in prompt.messages[0].content


# ---------------------------------------------------------------- turn by turn


def test_next_turn_appends_to_what_was_read() -> None:
    chat = Chat(2000)
    first = chat.ask([passage(1), passage(2)])
    second = chat.ask([passage(3), passage(1)])
    assert second.messages[:2] == first.messages
    assert [message.role for message in second.messages[2:]] == ["assistant", "user"]
    assert "p3" in second.messages[-1].content


def test_passages_that_can_be_read_further_up_are_not_repeated() -> None:
    chat = Chat(2000)
    chat.ask([passage(1), passage(2)])
    second = chat.ask([passage(2), passage(3), passage(1)])
    last = second.messages[-1].content
    assert "p3" in last
    assert "p1" not in last
    assert "p2" not in last
    assert numbers(second.shown) == [3]


def test_same_passages_again_cost_only_the_question() -> None:
    chat = Chat(2000)
    chat.ask([passage(1), passage(2)])
    last = chat.ask([passage(2), passage(1)]).messages[-1].content
    assert last == "Use the text above to answer in a full sentence: q2 and more words"


def test_question_that_found_nothing_is_not_pointed_to_the_text_above() -> None:
    chat = Chat(2000)
    chat.ask([passage(1)])
    assert chat.ask([]).messages[-1].content == "q2 and more words"


def test_sources_are_what_this_search_found_and_other_visible_passages_come_last() -> None:
    chat = Chat(2000)
    chat.ask([passage(1), passage(2)])
    chat.ask([passage(3)])
    third = chat.ask([passage(4), passage(2)])
    assert numbers(third.sources) == [4, 2]
    assert numbers(third.passages) == [4, 2, 3, 1]


def test_passage_found_again_is_cited_where_the_search_found_it_now() -> None:
    chat = Chat(2000)
    chat.ask([passage(1)])
    moved = replace(passage(1), start=7, end=7 + len(passage(1).text), score=0.5)
    assert chat.ask([moved]).passages == (moved,)


# ---------------------------------------------------------------- the room


@pytest.mark.parametrize("context", [120, 200, 300, 500, 900, 1500])
@pytest.mark.parametrize("turns", [0, 3, 40])
@pytest.mark.parametrize("passages", [0, 5])
def test_prompt_and_answer_never_exceed_the_context(context: int, turns: int, passages: int) -> None:
    prompt = made(context, turns=turns, passages=passages)
    assert total(prompt) + prompt.answer_tokens <= context
    assert text_of(prompt).endswith("why")


@pytest.mark.parametrize("context", [150, 300, 500, 1000, 3000])
@pytest.mark.parametrize("fresh", [0, 1, 5])
def test_long_chat_never_exceeds_the_context_nor_repeats_a_passage(context: int, fresh: int) -> None:
    chat = Chat(context)
    for number in range(60):
        found = [passage(1 + number * fresh + n) for n in range(5)]
        prompt = chat.ask(found, answer_size=5 + number % 20)
        assert total(prompt) + prompt.answer_tokens <= context
        assert prompt.messages[-1].content.endswith(f"q{number + 1} and more words")
        read = text_of(prompt).split()
        assert all(read.count(f"p{n}") == 50 for n in numbers(prompt.passages))
        assert {word for word in read if word[0] == "p" and word[1:].isdigit()} == {
            f"p{n}" for n in numbers(prompt.passages)
        }


@pytest.mark.parametrize("context", [300, 500, 1000, 3000])
def test_best_passage_can_always_be_read(context: int) -> None:
    chat = Chat(context)
    for number in range(60):
        best = 1 + number * 5
        assert numbers(chat.ask([passage(best + n) for n in range(5)]).sources)[0] == best


def test_full_chat_is_cut_in_a_big_step_that_lasts_for_many_turns() -> None:
    chat = Chat(1500)
    for _ in range(120):
        chat.ask([passage(n) for n in range(1, 6)])
    # 120 turns of 32 tokens: at about 500 tokens from one cut to the next they make no more than 8 of them.
    assert 3 <= chat.cuts <= 8


def test_cut_shows_the_passages_again_and_leaves_room_for_the_next_turns() -> None:
    chat = Chat(1500)
    before = 0
    while not chat.cuts:
        before = len(chat.read)
        prompt = chat.ask([passage(n) for n in range(1, 6)])
    assert numbers(prompt.shown) == [1, 2, 3, 4, 5]
    assert prompt.earlier == tuple(exchange.bare() for exchange in prompt.earlier)
    assert 0 < len(prompt.earlier) < before
    assert total(prompt) < 0.6 * 1500
    again = chat.ask([passage(n) for n in range(1, 6)])
    assert again.shown == ()
    assert chat.cuts == 1


def test_passages_that_fill_a_small_context_are_not_laid_out_again_for_those_that_found_no_room() -> None:
    chat = Chat(400)
    first = chat.ask([passage(n, 60) for n in range(1, 6)])
    assert 1 < len(first.shown) < 5
    assert chat.ask([passage(n, 60) for n in range(1, 6)], answer_size=2).sources == first.shown
    assert chat.cuts == 0


def test_newest_turns_stay_and_the_oldest_go() -> None:
    text = text_of(made(400, turns=30))
    assert "a30" in text
    assert "a1 " not in text


def test_long_history_leaves_room_for_passages() -> None:
    prompt = made(600, turns=100, passages=3)
    assert len(prompt.passages) == 3
    assert "a100" in text_of(prompt)


def test_question_longer_than_the_context_is_told_in_tokens() -> None:
    with pytest.raises(ContextError, match="about 600 tokens long, and the model reads 500"):
        made(500, question="word " * 600)
