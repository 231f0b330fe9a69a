"""Which words of an answer were drafted ahead: where they stand in it, and in words what drafting brought."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from app.marks import Mark
from engine.messages import Delta, Metrics

__all__ = ["DRAFTED_TIP", "Drafts", "drafted_marks", "drafting_tip", "drafting_words", "speedup_text"]

DRAFTED_TIP = "Drafted ahead and confirmed by the model"
_LEAST_SPEEDUP = 1.05


# ---------------------------------------------------------------- where they stand


@dataclass(slots=True)
class Drafts:
    """The drafted text of an answer, gathered as it streams.

    It is kept as edges, offsets in the answer in ascending order: from an even one to the next it was drafted.
    """

    text: str = ""
    """The answer as it streamed."""
    tokens: int = 0
    """All tokens that have arrived."""
    drafted_tokens: int = 0
    edges: list[int] = field(default_factory=list)

    def add(self, delta: Delta) -> None:
        """Take the next piece of the answer."""
        start = len(self.text)
        self.text += delta.text
        self.tokens += delta.tokens
        if not delta.drafted:
            return
        self.drafted_tokens += delta.tokens
        if self.edges and self.edges[-1] == start:
            self.edges[-1] = len(self.text)
        elif delta.text:
            self.edges += [start, len(self.text)]

    def edges_in(self, answer: str) -> tuple[int, ...]:
        """Return the edges in an answer, without white space around; none if it is not the one that streamed."""
        if not self.text.startswith(answer):
            return ()
        found: list[int] = []
        for start, end in zip(self.edges[::2], self.edges[1::2], strict=True):
            words = answer[start:end].lstrip()
            if words:
                first = min(end, len(answer)) - len(words)
                found += [first, first + len(words.rstrip())]
        return tuple(found)

    @property
    def legend(self) -> str:
        """How much was drafted, in words."""
        verb = "was" if self.drafted_tokens == 1 else "were"
        return f"{self.drafted_tokens} of {self.tokens} tokens {verb} drafted ahead"


def drafted_marks(edges: Sequence[int]) -> tuple[Mark, ...]:
    """Return the marks of drafted text from its edges."""
    return tuple(Mark(start, end, "drafted", DRAFTED_TIP) for start, end in zip(edges[::2], edges[1::2], strict=True))


# ---------------------------------------------------------------- what drafting brought


def speedup_text(metrics: Metrics) -> str:
    """Return how much faster than plain decoding an answer was, such as "1.6x"; empty where it was not."""
    drafted = metrics.draft_tier != "plain" and metrics.speedup_estimate >= _LEAST_SPEEDUP
    return f"{metrics.speedup_estimate:.1f}x" if drafted else ""


def drafting_words(metrics: Metrics | None) -> str:
    """Return what drafting brought to the last answer, on one line."""
    if metrics is None:
        return "Drafting: no answer by the model yet."
    if metrics.draft_tier == "plain":
        return "Drafting: none for the last answer; each token was decoded by itself."
    return (
        f"Drafting: tier {metrics.draft_tier}, acceptance {metrics.acceptance * 100:.0f} %, "
        f"{metrics.accepted_per_step:.1f} tokens accepted per draft, {metrics.speedup_estimate:.1f}x plain (estimated)"
    )


def drafting_tip(metrics: Metrics) -> str:
    """Return the same in sentences; empty where nothing was drafted."""
    if metrics.draft_tier == "plain":
        return ""
    return (
        f"Drafts came from: {metrics.draft_tier}.\n"
        f"The model accepted {metrics.acceptance * 100:.0f} % of the drafted tokens, "
        f"{metrics.accepted_per_step:.1f} per draft on average.\n"
        f"That is about {metrics.speedup_estimate:.1f} times the speed of plain decoding (estimated)."
    )
