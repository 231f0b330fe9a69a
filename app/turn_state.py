"""All that is known of one question with its answer; it grows while the answer streams."""

from __future__ import annotations

from dataclasses import dataclass, field

from app.drafts import Drafts
from app.findings import notice
from app.plot import rate_text
from engine.messages import (
    Citation,
    Finished,
    FinishReason,
    Metrics,
    Passage,
    RetrievalPlan,
    Reviewed,
    Route,
    SentenceReview,
    Sources,
    Turn,
    Verdict,
)

__all__ = ["TurnState"]

_STAGES = {
    "loading model": "Loading the model",
    "searching": "Searching your documents",
    "reading": "Reading",
}


@dataclass(slots=True)
class TurnState:
    """All that is known of a turn."""

    question: str
    turn_id: int | None = None
    chat_id: int | None = None
    answer: str = ""
    route: Route = "model"
    stage: str = ""
    """What happens before the first word, in words of the user."""
    passages: tuple[Passage, ...] = ()
    plan: RetrievalPlan | None = None
    """What was decided about the passages; None until it is, and where a rule answers."""
    citations: tuple[Citation, ...] = ()
    sentences: tuple[SentenceReview, ...] = ()
    """What the review found; empty before it."""
    verdict: Verdict = "unchecked"
    metrics: Metrics | None = None
    reason: FinishReason | None = None
    """None while the answer is being made."""
    error: str = ""
    tokens: int = 0
    """Tokens that have arrived so far."""
    drafts: Drafts = field(default_factory=Drafts)
    """What was drafted ahead; empty for an answer of an earlier session."""

    @classmethod
    def of(cls, turn: Turn, chat_id: int) -> TurnState:
        """Return the state of a stored turn."""
        return cls(
            question=turn.question,
            turn_id=turn.id,
            chat_id=chat_id,
            answer=turn.answer,
            route=turn.route,
            plan=turn.plan,
            citations=turn.citations,
            sentences=turn.sentences,
            verdict=turn.verdict,
            metrics=turn.metrics,
            reason=turn.reason,
            tokens=turn.metrics.completion_tokens,
        )

    def set_stage(self, stage: str, fraction: float | None) -> None:
        """Note what happens before the first word."""
        words = _STAGES.get(stage, stage.capitalize())
        self.stage = f"{words} {fraction:.0%}" if fraction is not None else f"{words}…"

    def take_sources(self, event: Sources) -> None:
        """Note what the model reads."""
        self.passages, self.plan = event.passages, event.plan

    def take_review(self, event: Reviewed) -> None:
        """Note what the review made of the answer."""
        self.answer, self.citations = event.answer, event.citations
        self.sentences, self.verdict = event.sentences, event.verdict

    def take_end(self, event: Finished) -> None:
        """Note the answer as it was stored."""
        self.answer, self.citations = event.answer, event.citations
        self.sentences, self.verdict = event.sentences, event.verdict
        self.plan = event.plan or self.plan
        self.metrics, self.reason = event.metrics, event.reason

    @property
    def notice(self) -> str:
        """What is to be said of the answer as a whole; empty if nothing is."""
        searched = self.route == "model" and self.metrics is not None and self.metrics.retrieval_ms > 0
        ended = self.reason in ("stop", "length")
        return notice(
            self.verdict, self.sentences, self.answer, found_nothing=searched and ended and not self.citations
        )

    @property
    def caption(self) -> str:
        """What the answer cost, in words."""
        if self.route == "rule":
            return "Instant answer"
        if self.metrics is None or not self.metrics.completion_tokens:
            return ""
        return f"{self.metrics.ttft_ms / 1000:.1f} s   {rate_text(self.metrics.tokens_per_s)}"
