from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QTextDocument
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QToolTip
from pytestqt.qtbot import QtBot

from app.findings import REFUSED, UNSUPPORTED
from app.footnotes import FindingsView, PlanLine, notes_of
from app.theme import Theme
from app.turn_state import TurnState
from engine.messages import RetrievalPlan, SentenceReview, Verdict

HOSTILE = (
    '<img src="file:///etc/x.png">',
    "<b>bold</b>",
    "[link](http://example.org)",
    "![x](file:///etc/passwd)",
    "&amp;",
)


def state(verdict: Verdict, *sentences: SentenceReview, answer: str = "It is red. It is blue.") -> TurnState:
    return TurnState("q", answer=answer, sentences=sentences, verdict=verdict, reason="stop")


def text_of(tip: str) -> str:
    document = QTextDocument()
    document.setHtml(tip)
    return document.toPlainText()


@pytest.fixture
def view(qtbot: QtBot, theme: Theme) -> FindingsView:
    view = FindingsView(theme)
    qtbot.addWidget(view)
    return view


@pytest.fixture
def line(qtbot: QtBot, theme: Theme) -> PlanLine:
    line = PlanLine()
    qtbot.addWidget(line)
    return line


# ---------------------------------------------------------------- findings


def test_a_supported_answer_needs_no_words() -> None:
    assert notes_of(state("supported", SentenceReview(0, 10, True), SentenceReview(11, 22, None))) == ()


def test_a_partly_supported_answer_says_how_many_sentences_lack_support_and_which() -> None:
    (note,) = notes_of(state("partly", SentenceReview(0, 10, True), SentenceReview(11, 22, False)))
    assert note.text == "1 sentence is not supported by your documents (dotted underline)."
    assert note.details == ("It is blue.",)


@pytest.mark.parametrize(("verdict", "words"), [("unsupported", UNSUPPORTED), ("refused", REFUSED)])
def test_a_verdict_on_the_whole_answer_stands_alone(verdict: Verdict, words: str) -> None:
    assert [note.text for note in notes_of(state(verdict, SentenceReview(0, 10, False)))] == [words]


def test_a_refusal_is_calm() -> None:
    (refused,), (unsupported,) = notes_of(state("refused")), notes_of(state("unsupported"))
    assert (refused.icon, refused.colour) == ("search", "muted")
    assert (unsupported.icon, unsupported.colour) == ("warning", "warning")


def test_each_correction_is_listed(view: FindingsView) -> None:
    made = state(
        "partly", SentenceReview(0, 10, False, "Rad was corrected to red."), SentenceReview(11, 22, True, "B.")
    )
    view.set_notes(notes_of(made))
    assert view.text.splitlines()[1:] == ["Rad was corrected to red.", "B."]
    assert [label.text() for label in view.labels] == view.text.splitlines()
    view.set_notes(())
    assert view.text == ""
    assert view.isHidden()


@pytest.mark.parametrize("hostile", HOSTILE)
def test_corrections_and_sentences_are_shown_as_they_are(view: FindingsView, hostile: str) -> None:
    made = state("partly", SentenceReview(0, len(hostile), False, f"It was {hostile}."), answer=hostile)
    view.set_notes(notes_of(made))
    assert all(label.textFormat() == Qt.TextFormat.PlainText for label in view.labels)
    assert view.labels[1].text() == f"It was {hostile}."
    row = view.labels[0].parentWidget()
    assert row is not None
    assert text_of(row.toolTip()) == f"“{hostile}”"
    assert view.labels[0].accessibleDescription() == f"“{hostile}”"


def test_the_same_notes_are_laid_out_once(view: FindingsView) -> None:
    notes = notes_of(state("partly", SentenceReview(0, 10, False)))
    view.set_notes(notes)
    label = view.labels[0]
    view.set_notes(notes)
    assert view.labels == [label]


# ---------------------------------------------------------------- the plan


def test_the_plan_is_a_line_with_an_explanation(line: PlanLine) -> None:
    line.set_plan(RetrievalPlan("deep", 3, 40, 412, "two-part question"))
    assert line.text() == "3 of 40 passages, 412 tokens, deep: two-part question"
    assert line.accessibleName() == line.text()
    assert "more passages than usual" in line.accessibleDescription()
    assert text_of(line.toolTip()) == line.accessibleDescription()
    line.set_plan(None)
    assert line.isHidden()


@pytest.mark.qt_log_ignore("This plugin does not support raise")
def test_the_plan_can_be_explained_without_a_mouse(line: PlanLine, qtbot: QtBot) -> None:
    line.set_plan(RetrievalPlan("none", 0, 40, 0, "small talk"))
    line.show()
    assert line.focusPolicy() & Qt.FocusPolicy.TabFocus
    line.setFocus()
    QTest.keyClick(line, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: "small talk" in QToolTip.text())
    QToolTip.hideText()


def test_the_plan_fits_its_words_at_every_text_size(line: PlanLine, theme: Theme) -> None:
    line.set_plan(RetrievalPlan("light", 1, 40, 96, "one passage answers it"))
    line.show()
    before = line.maximumWidth()
    theme.set_zoom(2.0)
    assert before < line.maximumWidth() < 4 * before
    assert line.maximumWidth() >= line.fontMetrics().horizontalAdvance(line.text())


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_reason_is_shown_as_it_is(line: PlanLine, hostile: str) -> None:
    line.set_plan(RetrievalPlan("light", 1, 40, 96, hostile))
    assert line.textFormat() == Qt.TextFormat.PlainText
    assert line.text().endswith(f": {hostile}")
    assert f"Why: {hostile}." in text_of(line.toolTip())
