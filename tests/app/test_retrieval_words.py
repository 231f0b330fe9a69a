from __future__ import annotations

from typing import get_args

import pytest

from app.retrieval_words import plan_line, plan_tip
from engine.messages import Decision, RetrievalPlan


@pytest.mark.parametrize(
    ("plan", "line"),
    [
        (
            RetrievalPlan("deep", 3, 40, 412, "two-part question"),
            "3 of 40 passages, 412 tokens, deep: two-part question",
        ),
        (RetrievalPlan("light", 1, 1, 1), "1 of 1 passage, 1 token, light"),
        (RetrievalPlan("light", 2, 0, 80), "2 passages, 80 tokens, light"),
        (RetrievalPlan("none", 0, 40, 0, "small talk"), "No documents used: small talk"),
        (RetrievalPlan(), "No documents used"),
        (RetrievalPlan("light", 0, 40, 0, "nothing is near."), "None of 40 passages read: nothing is near"),
        (RetrievalPlan("count", 12, 4000, 1412), "12 of 4,000 passages, 1,412 tokens, every mention counted"),
        (RetrievalPlan("count", 0, 40, 0, "“how many”"), "Mentions counted in 40 passages: “how many”"),
        (RetrievalPlan("list", 9, 40, 800), "9 of 40 passages, 800 tokens, every mention listed"),
        (RetrievalPlan("list", 0, 1, 0), "Mentions listed from 1 passage"),
        (
            RetrievalPlan("summary", 12, 12, 3400, "asks for a summary"),
            "12 of 12 passages, 3,400 tokens, one document from beginning to end: asks for a summary",
        ),
    ],
)
def test_a_plan_is_one_line(plan: RetrievalPlan, line: str) -> None:
    assert plan_line(plan) == line


@pytest.mark.parametrize("decision", get_args(Decision))
@pytest.mark.parametrize(("passages", "reason"), [(0, ""), (1, "of a kind"), (7, "two-part question")])
def test_every_plan_is_explained_in_full_sentences(decision: Decision, passages: int, reason: str) -> None:
    plan = RetrievalPlan(decision, passages, 40, passages * 100, reason)
    assert plan_line(plan)
    lines = plan_tip(plan).splitlines()
    assert len(lines) >= 2
    assert all(line.endswith(".") and line[0].isupper() for line in lines)
    assert reason in plan_tip(plan)


def test_the_explanation_says_what_was_read_and_what_the_words_mean() -> None:
    tip = plan_tip(RetrievalPlan("deep", 3, 40, 412, "two-part question"))
    for part in (
        "40 passages",
        "3 of them, 412 tokens in all, were given",
        "Deep means",
        "two-part question.",
        "A token",
    ):
        assert part in tip
    assert "none of them was given" in plan_tip(RetrievalPlan("light", 0, 40))


def test_a_reason_stays_on_one_short_line() -> None:
    line = plan_line(RetrievalPlan("light", 1, 2, 3, "a\nb\n" * 200))
    assert "\n" not in line
    assert len(line) < 220
