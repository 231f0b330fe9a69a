"""Fit instructions, history, passages and the question into what the model can read at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.errors import ContextError
from engine.llm.protocol import TokenCounts
from engine.messages import ChatMessage, Passage, Turn

__all__ = ["Prompt", "compose"]

INSTRUCTIONS = "You are Hola, a helpful assistant."
GROUNDED = "Use the text above to answer in a full sentence: "
"""Measured on the bundled model with 5 passages: with the question before and after them, the best passage next to the
question, and no labels on them, 5 of 8 answers were right; with numbered passages and rules in the system text, 1."""
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
    texts = (question, question, instructions, INSTRUCTIONS, GROUNDED)
    fenced = tuple(passage.text.strip() for passage in passages)
    dialogue = tuple(text for turn in turns for text in (turn.question, turn.answer))
    counted = count(texts + fenced + dialogue)
    fixed = sum(counted.counts[: len(texts)]) + 2 * counted.template_tokens + 2 * FENCE_TOKENS
    answer_tokens = min(max_answer_tokens, int(counted.context_tokens * ANSWER_SHARE))
    room = counted.context_tokens - answer_tokens - fixed
    if room < 0:
        raise ContextError(
            f"Your question is about {counted.counts[0]} tokens long, and the model reads {counted.context_tokens} at "
            "once: shorten it, or save the text as a file and drop it into the window."
        )
    costs = counted.counts[len(texts) :]
    passage_costs = [cost + FENCE_TOKENS for cost in costs[: len(fenced)]]
    pairs = costs[len(fenced) :]
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


def _lay_out(
    question: str, turns: Sequence[Turn], passages: Sequence[Passage], instructions: str
) -> tuple[ChatMessage, ...]:
    """Lay out system text, history, and the question around its passages, the best of them last.

    What changes from turn to turn comes last, so that the KV cache of what stands before it is used again.
    """
    system = " ".join(part for part in (INSTRUCTIONS, instructions) if part)
    messages = [ChatMessage("system", system)]
    for turn in turns:
        messages += [ChatMessage("user", turn.question), ChatMessage("assistant", turn.answer)]
    if passages:
        texts = "\n\n".join(passage.text.strip() for passage in reversed(passages))
        question = f"Question: {question}\n\n{texts}\n\n{GROUNDED}{question}"
    messages.append(ChatMessage("user", question))
    return tuple(messages)
