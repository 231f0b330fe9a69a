"""What the model has read of each chat, so that the next prompt can begin with the same tokens."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from engine.messages import Passage, Turn

__all__ = ["Dialogues", "Exchange", "without_stale"]

MOST_CHATS = 8
"""Chats whose passages are kept in memory: at 4,096 tokens of context some 20 kB each."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question as the model reads it, with its answer."""

    turn_id: int
    question: str
    """As the user typed it."""
    message: str
    """As the model reads it: the question, around the passages that it showed."""
    answer: str = ""
    passages: tuple[Passage, ...] = ()
    """The passages inside `message`, best first."""
    asked: float = 0.0
    """Unix time of the question, in seconds."""

    def bare(self) -> Exchange:
        """Return it without its passages: the question and the answer alone."""
        return replace(self, message=self.question, passages=())


class Dialogues:
    """The exchanges that the last prompt of each chat held; the least recently used chat is forgotten first.

    Not for several threads at once: the engine answers one question at a time.
    """

    def __init__(self, most_chats: int = MOST_CHATS) -> None:
        self._most_chats = most_chats
        self._chats: OrderedDict[int, tuple[Exchange, ...]] = OrderedDict()

    def exchanges(self, chat_id: int, turns: Sequence[Turn]) -> tuple[Exchange, ...]:
        """Return the turns as the model read them, oldest first; those that nothing is known of are bare.

        `turns` are the stored ones, oldest first. Turns from before the oldest known one were dropped for want of
        room, and stay so: the prompt would begin differently with them.
        """
        known = {exchange.turn_id: exchange for exchange in self._chats.get(chat_id, ())}
        oldest = min(known, default=0)
        found = []
        for turn in turns:
            if turn.id >= oldest:
                read = known.get(turn.id) or Exchange(turn.id, turn.question, turn.question)
                found.append(replace(read, answer=_held(turn), asked=turn.asked))
        return tuple(found)

    def remember(self, chat_id: int, exchanges: Sequence[Exchange]) -> None:
        """Keep what the last prompt of a chat held, its own question included."""
        self._chats[chat_id] = tuple(exchanges)
        self._chats.move_to_end(chat_id)
        while len(self._chats) > self._most_chats:
            self._chats.popitem(last=False)

    def truncate(self, chat_id: int, turn_id: int) -> None:
        """Forget a turn of a chat and all turns after it."""
        kept = tuple(exchange for exchange in self._chats.pop(chat_id, ()) if exchange.turn_id < turn_id)
        if kept:
            self.remember(chat_id, kept)

    def keep_only(self, chat_ids: Collection[int]) -> None:
        """Forget all other chats: those that were deleted."""
        for chat_id in self._chats.keys() - set(chat_ids):
            del self._chats[chat_id]


def _held(turn: Turn) -> str:
    """Return an answer without the sentences that the review found unsupported, unless nothing else is left.

    A small model takes its own inventions for facts, and repeats them.
    """
    if turn.verdict != "partly":
        return turn.answer
    kept, at = [], 0
    for sentence in sorted(turn.sentences, key=lambda each: each.start):
        if sentence.supported is False:
            kept.append(turn.answer[at : sentence.start])
            at = sentence.end
    return "".join((*kept, turn.answer[at:])).strip() or turn.answer


def without_stale(exchanges: Sequence[Exchange], updated: Mapping[str, float]) -> tuple[Exchange, ...]:
    """Strip the exchanges that show a passage of a document that has changed since, or is gone.

    `updated` gives the time at which each document that can be searched was last read, Unix time in seconds, by path.
    """
    return tuple(
        exchange.bare()
        if any(updated.get(passage.path, math.inf) > exchange.asked for passage in exchange.passages)
        else exchange
        for exchange in exchanges
    )
