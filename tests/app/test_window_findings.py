"""Plan, review and "Documents only" in the real window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QHelpEvent, QTextCharFormat, QTextCursor
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QToolTip
from pytestqt.qtbot import QtBot

from app.findings import REFUSED, UNSUPPORTED, UNSUPPORTED_TIP
from app.textview import TextView
from app.turn import TurnView
from app.window import MainWindow
from engine.config import EngineConfig
from engine.messages import Citation, RetrievalPlan, SentenceReview, Sources
from tests.app.fakes import METRICS, FakeEngine
from tests.app.test_answer_findings import underlined

Ask = Callable[[str], None]

STREAMED = "The warranty lasts 12 months. It covers everything."
ANSWER = STREAMED.replace("12", "24")
CORRECTION = "12 months was corrected to 24 months, as in the source."
CITATION = Citation(1, "/docs/manual.pdf", 7, "lasts 24 months", 0, 15, 0, 29, 0.9)


@pytest.fixture
def engine() -> FakeEngine:
    engine = FakeEngine()
    engine.script = lambda _question: ("model", STREAMED, (CITATION,), ())
    engine.review = lambda _answer: ANSWER
    engine.plan = RetrievalPlan("deep", 3, 40, 412, "two-part question")
    engine.sentences = (SentenceReview(0, 29, True, CORRECTION, STREAMED[:29]), SentenceReview(30, 51, False))
    engine.verdict = "partly"
    return engine


def last(window: MainWindow) -> TurnView:
    return window.transcript.views[-1]


def assert_reviewed(view: TurnView) -> None:
    assert view.plan.text() == "3 of 40 passages, 412 tokens, deep: two-part question"
    assert view.plan.isVisible()
    assert view.findings.isVisible()
    assert view.findings.text == f"1 sentence is not supported by your documents (dotted underline).\n{CORRECTION}"
    assert underlined(view.body) == ["It covers everything."]
    assert underlined(view.body, QTextCharFormat.UnderlineStyle.DashUnderline) == ["24"]


def test_the_review_is_shown_and_outlives_a_restart(
    window: MainWindow, engine: FakeEngine, ask: Ask, config: EngineConfig, qtbot: QtBot
) -> None:
    ask("How long?")
    assert_reviewed(last(window))
    chat = window.conversation.chat_id
    window.close()
    again = FakeEngine()
    again.history = engine.history
    second = MainWindow(config, again)
    qtbot.addWidget(second)
    second.resize(1280, 800)
    second.show()
    second.conversation.show_chat(chat)
    qtbot.waitUntil(lambda: len(second.conversation.turns) == 1)
    assert_reviewed(last(second))
    second.close()


def test_the_plan_shows_before_the_first_word_and_no_mark_before_the_review(
    window: MainWindow, engine: FakeEngine, qtbot: QtBot
) -> None:
    engine.gate.clear()
    window.conversation.ask("How long?")
    qtbot.waitUntil(lambda: bool(window.transcript.views) and last(window).plan.isVisible())
    qtbot.waitUntil(lambda: window.conversation.turns[0].answer != "")
    assert last(window).findings.isHidden()
    assert underlined(last(window).body) == []
    with qtbot.waitSignal(window.conversation.ended):
        engine.gate.set()
    assert_reviewed(last(window))


def test_the_plan_shows_with_its_event(window: MainWindow, engine: FakeEngine, ask: Ask) -> None:
    ask("How long?")
    state = last(window).state
    state.reason = None
    state.take_sources(Sources((), 40, RetrievalPlan("none", 0, 40, 0, "small talk")))
    last(window).refresh()
    assert last(window).plan.text() == "No documents used: small talk"


@pytest.mark.qt_log_ignore("This plugin does not support raise")
def test_a_sentence_tells_on_hover_why_it_is_marked(window: MainWindow, ask: Ask, qtbot: QtBot) -> None:
    ask("How long?")
    view = last(window).body.segments[0]
    assert isinstance(view, TextView)
    place = view.toPlainText().index("everything")
    assert UNSUPPORTED_TIP in hovered(view, place, qtbot)
    assert CORRECTION in hovered(view, view.toPlainText().index("24") + 1, qtbot)


def hovered(view: TextView, place: int, qtbot: QtBot) -> str:
    """The tooltip at a place of the text."""
    QToolTip.hideText()
    qtbot.waitUntil(lambda: not QToolTip.isVisible())
    cursor = QTextCursor(view.document())
    cursor.setPosition(place)
    point = view.cursorRect(cursor).center()
    QApplication.sendEvent(view.viewport(), QHelpEvent(QEvent.Type.ToolTip, point, view.mapToGlobal(point)))
    text = QToolTip.text()
    QToolTip.hideText()
    return text


def test_the_marks_outlive_another_theme_and_another_size(window: MainWindow, ask: Ask) -> None:
    ask("How long?")
    window.theme.set_choice("dark")
    window.theme.on_zoom_in()
    assert_reviewed(last(window))


@pytest.mark.parametrize("reading_at", ["end", "middle"])
def test_a_correction_does_not_make_the_view_jump(
    window: MainWindow, engine: FakeEngine, qtbot: QtBot, reading_at: str
) -> None:
    streamed = "\n\n".join(f"Paragraph {number}: {'word ' * 40} 12 months." for number in range(12))
    engine.script = lambda _question: ("model", streamed, (), ())
    engine.review = lambda _answer: streamed.replace("12 months", "24 months")
    engine.gate.clear()
    window.conversation.ask("How long?")
    bar = window.transcript.verticalScrollBar()
    view = last(window)
    view.state.answer = streamed
    view.refresh()
    qtbot.waitUntil(lambda: bar.maximum() > 400)
    if reading_at == "middle":
        bar.setValue(150)
    lowest: list[int] = []
    bar.valueChanged.connect(lowest.append)
    before = bar.value()
    view.state.answer = streamed.replace("12 months", "24 months")
    view.state.sentences = (SentenceReview(0, 60, False),)
    view.refresh()
    qtbot.waitUntil(view.findings.isVisible)
    QApplication.processEvents()
    assert min([*lowest, before]) >= before
    assert bar.value() == (bar.maximum() if reading_at == "end" else 150)
    with qtbot.waitSignal(window.conversation.ended):
        engine.stop()


@pytest.mark.parametrize(("verdict", "words"), [("unsupported", UNSUPPORTED), ("refused", REFUSED), ("supported", "")])
def test_a_verdict_is_told_below_the_answer(
    window: MainWindow, engine: FakeEngine, ask: Ask, verdict: str, words: str
) -> None:
    engine.script = lambda _question: ("model", "It is so.", (), ())
    engine.review = lambda answer: answer
    engine.sentences = ()
    engine.verdict = verdict  # type: ignore[assignment]
    ask("Is it?")
    assert last(window).findings.text == words


def test_an_unchecked_answer_without_sources_is_told_of(window: MainWindow, engine: FakeEngine, ask: Ask) -> None:
    engine.script = lambda _question: ("model", "It is so.", (), ())
    engine.review = lambda answer: answer
    engine.sentences, engine.verdict = (), "unchecked"
    ask("Is it?")
    assert last(window).findings.text == UNSUPPORTED
    engine.metrics = replace(METRICS, retrieval_ms=0.0)
    ask("Is it so?")
    assert last(window).findings.text == ""


def test_a_rules_answer_has_neither_plan_nor_findings(window: MainWindow, engine: FakeEngine, ask: Ask) -> None:
    engine.script = lambda _question: ("rule", "**391**", (), ())
    ask("What is 17 * 23?")
    assert last(window).plan.isHidden()
    assert last(window).findings.isHidden()


def test_a_long_reason_wraps_and_a_long_correction_too(window: MainWindow, engine: FakeEngine, ask: Ask) -> None:
    engine.plan = RetrievalPlan("light", 1, 40, 96, "word " * 100)
    engine.sentences = (SentenceReview(0, 29, True, "word " * 60 + "x" * 200),)
    window.resize(900, 700)
    ask("How long?")
    assert window.width() == 900
    assert last(window).plan.geometry().right() <= last(window).width()
    assert window.transcript.horizontalScrollBar().maximum() == 0


# ---------------------------------------------------------------- documents only


def test_documents_only_goes_with_each_question_and_is_remembered(
    window: MainWindow, engine: FakeEngine, ask: Ask, config: EngineConfig, qtbot: QtBot
) -> None:
    ask("one")
    QTest.mouseClick(window.composer.documents_only, Qt.MouseButton.LeftButton, pos=QPoint(8, 8))
    ask("two")
    window.transcript.views[-1].on_again()
    qtbot.waitUntil(lambda: len(engine.asked) == 3 and not window.conversation.busy)
    assert [question.documents_only for question in engine.asked] == [False, True, True]
    window.close()
    engine = FakeEngine()
    second = MainWindow(config, engine)
    qtbot.addWidget(second)
    assert second.composer.documents_only.isChecked()
    with qtbot.waitSignal(second.conversation.ended):
        second.conversation.ask("three")
    assert engine.asked[0].documents_only
    second.close()
