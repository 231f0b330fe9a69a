"""Reuse what was read before: the text in the context, or a snapshot of an earlier one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine.llm.snapshots import Snapshots
from engine.llm.text_state import TextState

__all__ = ["PrefixCache"]

WORTH_KEEPING = 128
"""Tokens that would be lost from which on the text is kept as a snapshot: fewer are read again in half a second."""
WORTH_LOADING = 64
"""Tokens by which a snapshot must be ahead of the context: loading it takes some milliseconds, from a disk more."""


class PrefixCache:
    """Begin each prompt with the longest prefix that is known, in the context or in a snapshot."""

    def __init__(self, state: TextState, snapshots: Snapshots) -> None:
        self._state = state
        self._snapshots = snapshots

    def reuse(self, prompt: Sequence[int]) -> int:
        """Bring the context to the longest known prefix of a prompt; return its tokens.

        The last token is never among them: its logits give the first token of the answer.
        """
        usable = prompt[:-1]
        shared = self._shared(usable)
        if len(self._state.computed) - shared >= WORTH_KEEPING:
            self.keep()
        found = self._snapshots.best(usable, shared + WORTH_LOADING)
        if found is not None:
            self._state.restore(found.tokens, found.state)
            shared = self._shared(usable)
        return self._state.keep(shared)

    def keep(self) -> None:
        """Keep the text as a snapshot in memory, unless that is pointless."""
        model, tokens = self._state.model, self._state.computed
        if not self._snapshots.covers(tokens) and self._snapshots.fits(model.state_bytes()):
            self._snapshots.put(tokens, model.state())

    def save(self, stop: Callable[[], bool]) -> None:
        """Write snapshots and the present text to disk; `stop` ends it early."""
        if len(self._state.computed) >= WORTH_KEEPING:
            self.keep()
        self._snapshots.save(stop)

    def clear(self) -> None:
        """Forget all snapshots, on disk too, and the present text."""
        self._state.keep(0)
        self._snapshots.clear()

    def _shared(self, prompt: Sequence[int]) -> int:
        """Return how much of the context the prompt can go on from."""
        shared = self._state.shared_with(prompt)
        # A recurrent state can't be cut: it serves a prompt that begins with all of it, or none.
        return 0 if self._state.model.is_recurrent and shared < len(self._state.computed) else shared
