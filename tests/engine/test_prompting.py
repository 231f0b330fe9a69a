"""The prompt fits, whatever the history and the passages are."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engine.errors import ContextError
from engine.llm.protocol import TokenCounts
from engine.messages import Metrics, Passage, Turn
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


def turn(number: int, size: int = 10) -> Turn:
    return Turn(number, f"q{number}", " ".join([f"a{number}"] * size), "model", "stop", (), Metrics(), 0.0)


def text_of(prompt: Prompt) -> str:
    return "\n".join(message.content for message in prompt.messages)


def made(context: int, question: str = "why", turns: int = 0, passages: int = 0, size: int = 50) -> Prompt:
    return compose(
        question,
        [turn(n) for n in range(1, turns + 1)],
        [passage(n, size) for n in range(1, passages + 1)],
        "",
        100,
        words(context),
    )


def total(prompt: Prompt) -> int:
    messages = prompt.messages
    return sum(len(message.content.split()) + TEMPLATE_TOKENS for message in messages)


def test_everything_that_fits_is_there_in_order() -> None:
    prompt = made(2000, turns=2, passages=3)
    roles = [message.role for message in prompt.messages]
    assert roles == ["system", "user", "assistant", "user", "assistant", "user"]
    last = prompt.messages[-1].content
    assert last.index("why") < last.index("p3") < last.index("p2") < last.index("p1") < last.rindex("why")


def test_without_passages_the_question_stands_alone() -> None:
    prompt = made(2000)
    assert prompt.messages[-1].content == "why"
    assert len(prompt.messages) == 2


@pytest.mark.parametrize("context", [120, 200, 300, 500, 900, 1500])
@pytest.mark.parametrize("turns", [0, 3, 40])
@pytest.mark.parametrize("passages", [0, 5])
def test_prompt_and_answer_never_exceed_the_context(context: int, turns: int, passages: int) -> None:
    prompt = made(context, turns=turns, passages=passages)
    assert total(prompt) + prompt.answer_tokens <= context
    assert text_of(prompt).endswith("why")


def test_newest_turns_stay_and_the_oldest_go() -> None:
    text = text_of(made(400, turns=30))
    assert "a30" in text
    assert "a1 " not in text


def test_best_passages_stay() -> None:
    prompt = made(300, passages=5, size=60)
    kept = [each.chunk_id for each in prompt.passages]
    assert kept == ["c1", "c2"]


def test_long_history_leaves_room_for_passages() -> None:
    prompt = made(600, turns=100, passages=3)
    assert len(prompt.passages) == 3


def test_passage_too_long_makes_room_for_the_next() -> None:
    passages = [passage(1, 5000), passage(2, 20)]
    prompt = compose("why", [], passages, "", 100, words(500))
    assert [each.chunk_id for each in prompt.passages] == ["c2"]


def test_question_longer_than_the_context_is_told_in_tokens() -> None:
    with pytest.raises(ContextError, match="about 600 tokens long, and the model reads 500"):
        made(500, question="word " * 600)


def test_instructions_of_the_user_are_in_the_system_text() -> None:
    prompt = compose("why", [], [], "Speak like a pirate.", 100, words(500))
    assert "Speak like a pirate." in prompt.messages[0].content
