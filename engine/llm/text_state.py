"""The text in a model's context: what is computed, what must be computed again, and how to go back."""

from __future__ import annotations

from collections.abc import Sequence

from engine.llm.backend import ABORTED, CONTEXT_FULL, DECODED, Model

__all__ = ["TextState", "common_prefix"]


MOST_REPLAYED = 128
"""Tokens read again at the head of a batch at most: with a chunk of prefill behind them they fit llama.cpp's batch."""


class TextState:
    """Keep a model's context in step with the tokens it stands for.

    Models with attention alone forget rejected tokens. Recurrent and hybrid models can't: they return to a checkpoint
    that was set before the draft, and read the accepted tokens again at the head of the next batch (lazy replay).
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self._computed: list[int] = []
        self._replay: list[int] = []
        self._checkpoint = -1
        self._known: list[int] = []
        self._draft: list[int] = []

    @property
    def tokens(self) -> list[int]:
        """The whole text, in the order in which it was read."""
        return self._computed + self._replay

    @property
    def computed(self) -> list[int]:
        """The part of the text that the context holds; the rest is read again with the next batch."""
        return self._computed

    @property
    def length(self) -> int:
        """Tokens of the text."""
        return len(self._computed) + len(self._replay)

    @property
    def replay(self) -> int:
        """Rows that the next batch computes again."""
        return len(self._replay)

    @property
    def room(self) -> int:
        """Tokens that the context still takes."""
        return self.model.context_tokens - self.length

    def shared_with(self, prompt: Sequence[int]) -> int:
        """Return how many tokens of the computed text the prompt begins with."""
        return common_prefix(self._computed, prompt)

    def keep(self, count: int) -> int:
        """Cut the text down to its first `count` computed tokens; return how many could be kept."""
        self._replay = []
        if 0 <= self._checkpoint <= count < min(len(self._computed), self._checkpoint + MOST_REPLAYED):
            self._go_back(self._computed[self._checkpoint : count])
        else:
            del self._computed[self.model.keep(min(count, len(self._computed))) :]
        if self.length < self._checkpoint:
            self._checkpoint = -1
        return self.length

    def restore(self, tokens: Sequence[int], state: bytes) -> None:
        """Replace the text by a saved one; it is empty if the state can't be used."""
        self._replay, self._checkpoint = [], -1
        self._computed = list(tokens) if self.model.set_state(state) else []

    def mark(self) -> None:
        """Set the checkpoint of a recurrent model here; others need none."""
        if self.model.is_recurrent and not self._replay:
            self.model.set_checkpoint()
            self._checkpoint = len(self._computed)

    def read(self, tokens: Sequence[int], *, outputs: int) -> bool:
        """Compute tokens after the text; on a cancel or a full context put everything back and return False."""
        if not self._compute(tokens, outputs):
            return False
        self._computed += self._replay
        self._computed += tokens
        self._replay = []
        return True

    def verify(self, known: Sequence[int], draft: Sequence[int]) -> bool:
        """Compute tokens of the text, then a draft, with an output row after the former and after each of the latter.

        The text grows by `accept`, not before it. Returns False, with everything put back, on a cancel.
        """
        self._known, self._draft = list(known), list(draft)
        if draft:
            self.mark()
        return self._compute([*known, *draft], len(draft) + 1)

    def accept(self, accepted: int) -> None:
        """Keep the known tokens and the first `accepted` drafted ones of the last `verify`."""
        kept = [*self._replay, *self._known, *self._draft[:accepted]]
        if accepted == len(self._draft):
            self._computed += kept
            self._replay = []
        elif self.model.is_recurrent:
            self._go_back(kept)
        else:
            self.model.keep(len(self._computed) + len(kept))
            self._computed += kept

    def _go_back(self, kept: list[int]) -> None:
        """Return to the checkpoint, and have the tokens after it read again."""
        self.model.return_to_checkpoint()
        del self._computed[self._checkpoint :]
        self._replay = kept

    def _compute(self, tokens: Sequence[int], outputs: int) -> bool:
        code = self.model.decode([*self._replay, *tokens], len(self._computed), outputs=outputs)
        if code == DECODED:
            return True
        assert code in (ABORTED, CONTEXT_FULL)
        if self.model.is_recurrent and self._checkpoint == len(self._computed):
            self.model.return_to_checkpoint()
        else:
            # A recurrent state that was stopped midway is of no use: the next prompt is read from its start.
            self.keep(0 if self.model.is_recurrent else len(self._computed))
        return False


def common_prefix(cached: Sequence[int], wanted: Sequence[int]) -> int:
    """Return how many tokens both begin with."""
    for index, (left, right) in enumerate(zip(cached, wanted, strict=False)):
        if left != right:
            return index
    return min(len(cached), len(wanted))
