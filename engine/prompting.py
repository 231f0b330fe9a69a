"""Fit instructions, history, passages and the question into what the model can read at once.

Prompts of one chat are append-only: what the model has read stands there unchanged, and a new message carries only
the passages that cannot be read further up. The KV cache then holds all but the new message (prefill: the latter
alone). When the room is used up, a prompt is laid out afresh, so small that the next turns append again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.dialogue import Exchange
from engine.errors import ContextError
from engine.llm.protocol import TokenCounts
from engine.messages import ChatMessage, Passage

__all__ = ["GROUNDED", "GROUNDED_BRIEFLY", "INSTRUCTIONS", "REFUSAL", "Prompt", "compose", "grounded_message"]

INSTRUCTIONS = "You are Hola, a helpful assistant."
GROUNDED = "Use the text above to answer in a full sentence: "
"""Measured on the bundled model with 5 passages: with the question before and after them, the best passage next to the
question, and no labels on them, 5 of 8 answers were right; with numbered passages and rules in the system text, 1."""
GROUNDED_BRIEFLY = "Use the text above to answer in a few words: "
"""For a model that Lo-Bi taught to answer from passages: it learned this request."""
REFUSAL = "Your documents don't say."
"""What Hola says where nothing answers the question, and what Lo-Bi teaches a model to say; the review knows it."""
ANSWER_SHARE = 0.25
"""Of the context, how much is kept for the answer at most."""
AFRESH_SHARE = 0.5
"""Of the room beside the question, how much a prompt that is laid out afresh fills: the rest is for the next turns."""
RECENT_SHARE = 0.15
"""Of that room, how much the newest turns may take even where the passages fill the share above."""
ENOUGH_SHARE = 0.5
"""Of what a fresh prompt would show of the passages, how much has to be readable (in tokens) to go on appending."""
JOINT_TOKENS = 8
"""What the blank lines around a passage and the joints between texts cost, at most."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the model reads."""

    messages: tuple[ChatMessage, ...]
    passages: tuple[Passage, ...]
    """Every passage that can be read: the sources, and after them those that only earlier turns needed."""
    sources: tuple[Passage, ...]
    """The passages found for this question that can be read, in its message or further up, best first."""
    shown: tuple[Passage, ...]
    """Those of the sources that the question's own message holds, best first."""
    earlier: tuple[Exchange, ...]
    """The earlier turns in it, as they are laid out, oldest first."""
    answer_tokens: int
    """Room for the answer, in tokens."""
    source_tokens: int = 0
    """Tokens of the sources."""


@dataclass(frozen=True, slots=True)
class _Costs:
    """What each part takes, in tokens."""

    passages: tuple[int, ...]
    read: tuple[int, ...]
    """Earlier turns as the model read them."""
    bare: tuple[int, ...]
    """Earlier turns without their passages."""
    room: int
    """For all of them together."""
    answer: int
    """Kept for the answer."""
    request: str
    """What stands before the question below its passages."""


def compose(
    question: str,
    exchanges: Sequence[Exchange],
    passages: Sequence[Passage],
    instructions: str,
    max_answer_tokens: int,
    count: Callable[[tuple[str, ...]], TokenCounts],
    in_full: str = "",
) -> Prompt:
    """Choose what fits, and lay it out below what the model has read before.

    The question is never cut: if it alone is too long, ContextError says so. `passages` are best first, `exchanges`
    oldest first; `count` returns the tokens of each text. `in_full` is the question with what it leans on ("How long
    does the warranty last? And which damage does it not cover?"); empty if it stands by itself. Measured on the bundled
    model with follow-ups: asked in full 11 of 15 answers were right, by itself 9, below fresh passages alone 5.
    """
    in_full = in_full or question
    costs = _measure((question, in_full), exchanges, passages, instructions, max_answer_tokens, count)
    visible = [passage for exchange in exchanges for passage in exchange.passages]
    readable = [index for index, passage in enumerate(passages) if any(_contains(other, passage) for other in visible)]
    earlier = tuple(exchanges)
    taken = _append(costs, readable) if exchanges else _best_that_fit(costs.passages, costs.room)
    if taken is None:
        taken, first = _afresh(costs)
        earlier = tuple(exchange.bare() for exchange in exchanges[first:])
        readable = []
    shown = tuple(passages[index] for index in taken)
    sources = tuple(passages[index] for index in sorted({*taken, *readable}))
    return Prompt(
        messages=_lay_out(_message(question, in_full, shown, costs.request if sources else ""), earlier, instructions),
        passages=sources + _others(earlier, sources),
        sources=sources,
        shown=shown,
        earlier=earlier,
        answer_tokens=costs.answer,
        source_tokens=sum(costs.passages[index] - JOINT_TOKENS for index in {*taken, *readable}),
    )


# ---------------------------------------------------------------- what fits


def _measure(
    questions: tuple[str, str],
    exchanges: Sequence[Exchange],
    passages: Sequence[Passage],
    instructions: str,
    max_answer_tokens: int,
    count: Callable[[tuple[str, ...]], TokenCounts],
) -> _Costs:
    """Count the tokens of all parts; raise ContextError if the question, as asked and in full, leaves no room."""
    fixed = (*questions, instructions, INSTRUCTIONS, GROUNDED)
    found = tuple(_text(passage) for passage in passages)
    dialogue = tuple(text for each in exchanges for text in (each.message, each.question, each.answer))
    counted = count(fixed + found + dialogue)
    counts, end = counted.counts, len(fixed) + len(found)
    answer = min(max_answer_tokens, int(counted.context_tokens * ANSWER_SHARE))
    room = counted.context_tokens - answer - sum(counts[: len(fixed)])
    room -= 2 * counted.template_tokens + 2 * JOINT_TOKENS
    if room < 0:
        raise ContextError(
            f"Your question is about {counts[0]} tokens long, and the model reads {counted.context_tokens} at "
            "once: shorten it, or save the text as a file and drop it into the window."
        )
    read, bare, answers = counts[end::3], counts[end + 1 :: 3], counts[end + 2 :: 3]
    around = 2 * counted.template_tokens
    return _Costs(
        passages=tuple(cost + JOINT_TOKENS for cost in counts[len(fixed) : end]),
        read=tuple(cost + answered + around for cost, answered in zip(read, answers, strict=True)),
        bare=tuple(cost + answered + around for cost, answered in zip(bare, answers, strict=True)),
        room=room,
        answer=answer,
        request=GROUNDED_BRIEFLY if counted.is_brief else GROUNDED,
    )


def _append(costs: _Costs, readable: Sequence[int]) -> list[int] | None:
    """Choose the passages that are added below the earlier turns; None if a fresh prompt would serve better.

    `readable` are those found ones (indices) that stand further up. A fresh prompt costs the prefill of all of it, so
    it is made only if nothing fits otherwise, if the best passage could not be read, or too few of them.
    """
    rest = costs.room - sum(costs.read)
    if rest < 0:
        return None
    new = [0 if index in readable else cost for index, cost in enumerate(costs.passages)]
    can_be_read = _best_that_fit(new, rest)
    afresh = _fresh_passages(costs)
    if afresh:
        tokens = sum(costs.passages[index] for index in can_be_read)
        enough = ENOUGH_SHARE * sum(costs.passages[index] for index in afresh)
        if not can_be_read or can_be_read[0] > afresh[0] or tokens < enough:
            return None
    return [index for index in can_be_read if index not in readable]


def _afresh(costs: _Costs) -> tuple[list[int], int]:
    """Choose passages for a fresh prompt, and the turn (index) from which on it holds the history, bare."""
    taken = _fresh_passages(costs)
    used = sum(costs.passages[index] for index in taken)
    recent = min(int(costs.room * RECENT_SHARE), costs.room - used)
    return taken, _newest_that_fit(costs.bare, max(int(costs.room * AFRESH_SHARE) - used, recent))


def _fresh_passages(costs: _Costs) -> list[int]:
    """Return the passages (indices) of a fresh prompt: those in its share, or one that needs more."""
    share = int(costs.room * AFRESH_SHARE)
    return _best_that_fit(costs.passages, share) or _best_that_fit(costs.passages, costs.room)[:1]


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


# ---------------------------------------------------------------- the layout


def _lay_out(message: str, earlier: Sequence[Exchange], instructions: str) -> tuple[ChatMessage, ...]:
    """Lay out system text, earlier turns as they were read, and the new message.

    What changes from turn to turn comes last, so that the KV cache of what stands before it is used again.
    """
    system = " ".join(part for part in (INSTRUCTIONS, instructions) if part)
    messages = [ChatMessage("system", system)]
    for each in earlier:
        messages += [ChatMessage("user", each.message), ChatMessage("assistant", each.answer)]
    return (*messages, ChatMessage("user", message))


def _message(question: str, in_full: str, shown: Sequence[Passage], request: str) -> str:
    """Write the question around its new passages, the best of them last; a request without any points upwards."""
    if not request:
        return question
    if not shown:
        return f"{request}{in_full}"
    return grounded_message(question, [_text(passage) for passage in reversed(shown)], f"{request}{in_full}")


def grounded_message(question: str, texts: Sequence[str], request: str) -> str:
    """Write a question around the texts that answer it, the best of them last."""
    between = "\n\n".join(texts)
    return f"Question: {question}\n\n{between}\n\n{request}"


def _others(earlier: Sequence[Exchange], sources: Sequence[Passage]) -> tuple[Passage, ...]:
    """Return the passages of earlier turns that this question's search did not find, newest turn first."""
    seen = {_text(passage) for passage in sources}
    others = []
    for exchange in reversed(earlier):
        for passage in exchange.passages:
            if _text(passage) not in seen:
                seen.add(_text(passage))
                others.append(passage)
    return tuple(others)


def _contains(other: Passage, passage: Passage) -> bool:
    """Tell whether one passage shows all of another: the same words, or the part of a document around them."""
    if _text(other) == _text(passage):
        return True
    start = passage.start - other.start
    inside = other.path == passage.path and start >= 0
    return inside and other.text[start : start + len(passage.text)] == passage.text


def _text(passage: Passage) -> str:
    """Return a passage as the model reads it: by this, one is known again."""
    return passage.text.strip()
