"""The text in a model's context: what is computed, what must be computed again, and how to go back."""

from __future__ import annotations

from collections.abc import Sequence

from engine.llm.backend import ABORTED, CONTEXT_FULL, DECODED, Model

__all__ = ["TextState", "common_prefix"]


class TextState:
    """Keep a model's context in step with the tokens it stands for.

    Models with attention alone forget rejected tokens. Recurrent and hybrid models can't: they return to a checkpoint
    that was set before the draft, and read the accepted tokens again at the head of the next batch (lazy replay).
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self._computed: list[int] = []
        self._replay: list[int] = []

    @property
    def tokens(self) -> list[int]:
        """The whole text, in the order in which it was read."""
        return self._computed + self._replay

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
        """Cut the text down to its first `count` tokens; return how many could be kept."""
        self._replay = []
        del self._computed[self.model.keep(min(count, len(self._computed))) :]
        return len(self._computed)

    def restore(self, tokens: Sequence[int], state: bytes) -> None:
        """Replace the text by a saved one; it is empty if the state can't be used."""
        self._replay = []
        self._computed = list(tokens) if self.model.set_state(state) else []

    def read(self, tokens: Sequence[int], *, outputs: int) -> bool:
        """Compute tokens after the text; on a cancel or a full context put everything back and return False."""
        return self._compute(tokens, outputs=outputs, drafted=False)

    def verify(self, pending: int, draft: Sequence[int]) -> bool:
        """Compute the pending token and a draft, with an output row for each; then `accept` tells how much stays.

        The text grows by `accept`, not before it. Returns False, with everything put back, on a cancel.
        """
        return self._compute([pending, *draft], outputs=len(draft) + 1, drafted=bool(draft))

    def accept(self, accepted: int) -> None:
        """Keep the pending token and the first `accepted` drafted ones of the last `verify`."""
        if not self._drafted:
            return
        kept = self._batch[: len(self._batch) - self._drafted + accepted]
        if accepted == self._drafted:
            self._computed += kept
            self._replay = []
        elif self.model.is_recurrent:
            self.model.return_to_checkpoint()
            self._replay = kept
        else:
            self.model.keep(len(self._computed) + len(kept))
            self._computed += kept

    def _compute(self, tokens: Sequence[int], *, outputs: int, drafted: bool) -> bool:
        batch = [*self._replay, *tokens]
        checkpointed = drafted and self.model.is_recurrent
        if checkpointed:
            self.model.set_checkpoint()
        code = self.model.decode(batch, len(self._computed), outputs=outputs)
        self._batch, self._drafted = batch, len(tokens) - 1 if drafted else 0
        if code == DECODED:
            if not drafted:
                self._computed += batch
                self._replay = []
            return True
        assert code in (ABORTED, CONTEXT_FULL)
        if checkpointed:
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
