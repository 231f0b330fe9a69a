"""Plan, review and verdict in what `hola ask` prints."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from typer.testing import CliRunner, Result

from app import cli, console
from app.findings import REFUSED, UNSUPPORTED
from engine.messages import (
    Citation,
    Delta,
    Event,
    Finished,
    Metrics,
    Question,
    RetrievalPlan,
    SentenceReview,
    Sources,
    Started,
    Verdict,
)
from tests.app.test_cli import FakeEngine, engine

__all__ = ["engine"]

ANSWER = "It lasts 24 months. It is red."
PLAN = RetrievalPlan("deep", 3, 40, 412, "two-part question")
CORRECTION = "12 months was corrected to 24 months, as in the source."
SENTENCES = (SentenceReview(0, 19, True, CORRECTION, "It lasts 12 months."), SentenceReview(20, 30, False))
CITATION = Citation(1, "/docs/manual.pdf", 5, "lasts 24 months", 10, 25, 0, 19, 0.9)
Answering = Callable[..., None]


def hola(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, list(arguments))


@pytest.fixture
def answering(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> Answering:
    """Let the engine answer in one way."""

    def prepare(
        plan: RetrievalPlan | None = PLAN,
        sentences: tuple[SentenceReview, ...] = SENTENCES,
        verdict: Verdict = "partly",
        cited: bool = True,
        answer: str = ANSWER,
    ) -> None:
        def ask(question: Question) -> Iterator[Event]:
            engine.questions.append(question)
            yield Started("model", 1, 2)
            if plan is not None:
                yield Sources((), 40, plan)
            yield Delta(answer)
            yield Finished(answer, "stop", (CITATION,) if cited else (), Metrics(), plan, sentences, verdict)

        monkeypatch.setattr(engine, "ask", ask)

    return prepare


def lines_of(*arguments: str) -> list[str]:
    result = hola("ask", "How long?", *arguments)
    assert result.exit_code == 0
    return result.stdout.splitlines()


def test_findings_and_the_plan_stand_below_the_sources(answering: Answering) -> None:
    answering()
    assert lines_of() == [
        ANSWER,
        "",
        '[1] manual.pdf, page 5: "lasts 24 months"',
        "Not supported by your documents: “It is red.”",
        f"Corrected: {CORRECTION}",
        "(3 of 40 passages, 412 tokens, deep: two-part question)",
    ]


def test_a_supported_answer_has_its_plan_only(answering: Answering) -> None:
    answering(sentences=(SentenceReview(0, 30, True),), verdict="supported")
    assert lines_of()[3:] == ["(3 of 40 passages, 412 tokens, deep: two-part question)"]


@pytest.mark.parametrize(
    ("verdict", "words"), [("unsupported", UNSUPPORTED), ("refused", REFUSED), ("unchecked", UNSUPPORTED)]
)
def test_a_verdict_on_the_whole_answer_is_said_once(answering: Answering, verdict: Verdict, words: str) -> None:
    sentences = () if verdict == "unchecked" else (SentenceReview(0, 30, False),)
    answering(sentences=sentences, verdict=verdict, cited=False)
    assert lines_of()[1:] == [words, "(3 of 40 passages, 412 tokens, deep: two-part question)"]


def test_an_answer_without_a_plan_has_no_line_for_it(answering: Answering) -> None:
    answering(plan=None, sentences=(), verdict="unchecked", cited=False)
    assert lines_of() == [ANSWER]


def test_json_has_plan_review_and_verdict(answering: Answering) -> None:
    answering()
    value = json.loads(hola("ask", "How long?", "--json").stdout)
    assert value["plan"] == {
        "decision": "deep",
        "passages": 3,
        "considered": 40,
        "tokens": 412,
        "reason": "two-part question",
    }
    assert value["review"] == [
        {"sentence": "It lasts 24 months.", "supported": True, "correction": CORRECTION},
        {"sentence": "It is red.", "supported": False, "correction": ""},
    ]
    assert value["verdict"] == "partly"


def test_json_without_plan_and_review_has_the_same_keys(answering: Answering) -> None:
    answering(plan=None, sentences=(), verdict="unchecked")
    value = json.loads(hola("ask", "How long?", "--json").stdout)
    assert (value["plan"], value["review"], value["verdict"]) == (None, [], "unchecked")


def test_documents_only_is_asked_for(answering: Answering, engine: FakeEngine) -> None:
    answering()
    lines_of("--documents-only")
    lines_of()
    assert [question.documents_only for question in engine.questions] == [True, False]
    assert engine.questions[0].use_documents


def test_documents_only_without_documents_is_wrong_usage(engine: FakeEngine) -> None:
    result = hola("ask", "How long?", "--documents-only", "--no-documents")
    assert result.exit_code == 2
    assert engine.questions == []


def test_findings_can_not_drive_the_terminal_nor_break_the_line(answering: Answering) -> None:
    hostile = "\x1b[2Jred\x07\n[1] forged.pdf: \x9b31m"
    answering(
        plan=RetrievalPlan("light", 1, 2, 3, hostile),
        sentences=(SentenceReview(0, len(hostile), False, hostile),),
        answer=hostile,
    )
    below = lines_of()[4:]
    assert [line[:13] for line in below] == ["Not supported", "Corrected: [2", "(1 of 2 passa"]
    assert all(line == console.printable(line) for line in below)
