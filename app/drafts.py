"""Which words of an answer were drafted ahead: where they stand in it, and in words what drafting brought."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

from app.markdown import CHIP, LINK_END
from engine.messages import Delta, Metrics

__all__ = ["DRAFTED_TIP", "Drafts", "Trace", "drafting_tip", "drafting_words", "past_chips", "speedup_text"]

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


def past_chips(edges: Sequence[int], chipped: str) -> tuple[int, ...]:
    """Return the edges of an answer as they stand after chips were put into it."""
    places: list[int] = []
    added = [0]
    for chip in CHIP.finditer(chipped):
        places.append(chip.start() - added[-1])
        added.append(added[-1] + len(chip.group()))
    return tuple(edge + added[bisect_right(places, edge)] for edge in edges)


class Trace:
    """Follow rendered text through its Markdown source and tell which of it was drafted.

    Each piece must stand in the source behind the one before, with nothing but markup between them. Where one does
    not, the trace is lost: the rest counts as not drafted, rather than the wrong words as drafted.
    """

    def __init__(self, source: str, edges: Sequence[int], start: int = 0) -> None:
        self._source = source
        self._edges = edges
        self._place = start
        self._lost = False

    def take(self, piece: str) -> list[tuple[str, bool]]:
        """Return the piece as runs of text that was drafted, or was not."""
        place = -1 if self._lost else self._source.find(piece, self._place)
        if place < 0 or any(sign.isalpha() for sign in self._source[self._place : place]):
            self._lost = True
            return [(piece, False)]
        begin, end = place, place + len(piece)
        self._place = end
        first, last = bisect_right(self._edges, begin), bisect_left(self._edges, end)
        runs: list[tuple[str, bool]] = []
        for number, edge in enumerate((*self._edges[first:last], end), first):
            runs.append((self._source[begin:edge], number % 2 == 1))
            begin = edge
        return runs

    def take_lines(self, text: str) -> list[tuple[str, bool]]:
        """Return lines of code as runs; each may be indented further in the source."""
        runs: list[tuple[str, bool]] = []
        for line in text.splitlines(keepends=True):
            words = line.rstrip("\n")
            runs += self.take(words) if words else []
            runs += [("\n", False)] if words != line else []
        return runs

    def pass_over(self, markup: str) -> None:
        """Go on behind something that is not shown as text."""
        place = self._source.find(markup, self._place)
        if place >= 0:
            self._place = place + len(markup)

    def pass_link(self) -> None:
        """Go on behind the destination of a link whose words were taken."""
        match = LINK_END.match(self._source, self._place)
        if match is not None:
            self._place = match.end()


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
