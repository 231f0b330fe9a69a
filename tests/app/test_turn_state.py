from __future__ import annotations

from app.findings import REFUSED, UNSUPPORTED
from app.turn_state import TurnState
from engine.messages import Citation, Finished, RetrievalPlan, Reviewed, SentenceReview, Sources, Turn
from tests.app.fakes import METRICS

PLAN = RetrievalPlan("deep", 3, 40, 412, "two-part question")
SENTENCES = (SentenceReview(0, 5, False),)
CITED = (Citation(1, "/a.pdf", 1, "s", 0, 1, 0, 5, 0.9),)


def test_plan_and_findings_arrive_with_their_events() -> None:
    state = TurnState("q", answer="Twelv")
    assert (state.plan, state.sentences) == (None, ())
    state.take_sources(Sources((), 40, PLAN))
    assert state.plan == PLAN
    state.take_review(Reviewed("Twenty", CITED, SENTENCES, "partly"))
    assert (state.answer, state.citations, state.sentences, state.verdict) == ("Twenty", CITED, SENTENCES, "partly")
    assert state.reason is None
    state.take_end(Finished("Twenty", "stop", CITED, METRICS, None, SENTENCES, "partly"))
    assert (state.plan, state.sentences, state.verdict) == (PLAN, SENTENCES, "partly")
    assert state.caption.startswith("0.4 s")


def test_a_stored_turn_has_them_too() -> None:
    turn = Turn(1, "q", "a", "model", "stop", (), METRICS, 0.0, PLAN, SENTENCES, "unsupported")
    state = TurnState.of(turn, 7)
    assert (state.plan, state.sentences, state.verdict) == (PLAN, SENTENCES, "unsupported")
    assert state.notice == UNSUPPORTED


def test_an_unchecked_answer_without_sources_is_told_of_when_it_has_ended() -> None:
    state = TurnState("q", answer="a", metrics=METRICS)
    assert state.notice == ""
    state.reason = "stop"
    assert state.notice == UNSUPPORTED
    state.citations = CITED
    assert state.notice == ""
    state.verdict = "refused"
    assert state.notice == REFUSED
