"""Fit instructions, history, passages and the question into what the model can read at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.errors import ContextError
from engine.llm.protocol import TokenCounts
from engine.messages import ChatMessage, Passage, Turn

__all__ = ["Prompt", "compose"]

INSTRUCTIONS = "You are Hola, a helpful assistant. Answer briefly and truthfully."
GROUNDED = "Answer from the passages, in one or two sentences. If they do not tell, say that you do not know."
HISTORY_SHARE = 0.3
"""Of the room beside the question, how much the history may take before the passages are placed."""
ANSWER_SHARE = 0.25
"""Of the context, how much is kept for the answer at most."""
FENCE_TOKENS = 8
"""What the fence around a passage and the joints between texts cost, at most."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the model reads."""

    messages: tuple[ChatMessage, ...]
    passages: tuple[Passage, ...]
    """The passages that found room, in the order in which they are read."""
    answer_tokens: int
    """Room for the answer, in tokens."""


def compose(
    question: str,
    turns: Sequence[Turn],
    passages: Sequence[Passage],
    instructions: str,
    max_answer_tokens: int,
    count: Callable[[tuple[str, ...]], TokenCounts],
) -> Prompt:
    """Choose what fits, and lay it out.

    The question is never cut: if it alone is too long, ContextError says so. The newest turns of the history come
    first, up to a share of the room; passages fill the rest, best first; room they leave goes to older turns.
    `passages` are best first, `turns` oldest first; `count` returns the tokens of each text.
    """
    texts = (question, instructions, INSTRUCTIONS, GROUNDED)
    headed = tuple(_fenced(number, passage) for number, passage in enumerate(passages, 1))
    dialogue = tuple(text for turn in turns for text in (turn.question, turn.answer))
    counted = count(texts + headed + dialogue)
    fixed = sum(counted.counts[: len(texts)]) + 2 * counted.template_tokens + 2 * FENCE_TOKENS
    answer_tokens = min(max_answer_tokens, int(counted.context_tokens * ANSWER_SHARE))
    room = counted.context_tokens - answer_tokens - fixed
    if room < 0:
        raise ContextError(
            f"Your question is about {counted.counts[0]} tokens long, and the model reads {counted.context_tokens} at "
            "once: shorten it, or save the text as a file and drop it into the window."
        )
    costs = counted.counts[len(texts) :]
    passage_costs = [cost + FENCE_TOKENS for cost in costs[: len(headed)]]
    pairs = costs[len(headed) :]
    turn_costs = [pairs[i] + pairs[i + 1] + 2 * counted.template_tokens for i in range(0, len(pairs), 2)]
    recent = _newest_that_fit(turn_costs, int(room * HISTORY_SHARE))
    taken = _best_that_fit(passage_costs, room - sum(turn_costs[recent:]))
    used = sum(passage_costs[index] for index in taken)
    kept_turns = turns[_newest_that_fit(turn_costs, room - used) :]
    kept_passages = tuple(passages[index] for index in taken)
    messages = _lay_out(question, kept_turns, kept_passages, instructions)
    return Prompt(messages, kept_passages, answer_tokens)


def _newest_that_fit(costs: Sequence[int], room: int) -> int:
    """Return the index from which on all turns fit."""
    first = len(costs)
    while first > 0 and costs[first - 1] <= room:
        first -= 1
        room -= costs[first]
    return first


def _best_that_fit(costs: Sequence[int], room: int) -> list[int]:
    taken = []
    for index, cost in enumerate(costs):
        if cost <= room:
            taken.append(index)
            room -= cost
    return taken


def _fenced(number: int, passage: Passage) -> str:
    """Put a passage into a fence; text in it is content, whatever it says."""
    name = passage.path.replace("\\", "/").rsplit("/", 1)[-1]
    where = f"{name}, page {passage.page}" if passage.page is not None else name
    return f"[{number}] {where}\n{passage.text.strip()}"


def _lay_out(
    question: str, turns: Sequence[Turn], passages: Sequence[Passage], instructions: str
) -> tuple[ChatMessage, ...]:
    """Lay out system text, history, and the question below its passages.

    What changes from turn to turn comes last, so that the KV cache of what stands before it is used again.
    """
    system = " ".join(part for part in (INSTRUCTIONS, instructions, GROUNDED if passages else "") if part)
    messages = [ChatMessage("system", system)]
    for turn in turns:
        messages += [ChatMessage("user", turn.question), ChatMessage("assistant", turn.answer)]
    if passages:
        fenced = "\n\n".join(_fenced(number, passage) for number, passage in enumerate(passages, 1))
        question = f"Passages:\n{fenced}\n\nQuestion: {question}"
    messages.append(ChatMessage("user", question))
    return tuple(messages)
