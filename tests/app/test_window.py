from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QAbstractItemView, QLineEdit, QPlainTextEdit
from pytestqt.qtbot import QtBot

from app import dialogs
from app import window as window_module
from app.window import MainWindow
from engine.config import EngineConfig
from engine.errors import ProcessCrashed
from engine.messages import Citation, Metrics, Passage, Question, Route, Turn
from tests.app.fakes import FakeEngine, FakeModel

Ask = Callable[[str], None]
Ctrl = Qt.KeyboardModifier.ControlModifier
Key = Qt.Key
PASSAGE = Passage("c", "/docs/manual.pdf", "Intro. The warranty lasts 24 months. End.", 7, "Warranty", 100, 141, 0.9)
ANSWER = "The warranty lasts 24 months."
CITATION = Citation(1, "/docs/manual.pdf", 7, ANSWER, 107, 136, 0, len(ANSWER), 0.9)


def cited(_question: Question) -> tuple[Route, str, tuple[Citation, ...], tuple[Passage, ...]]:
    return "model", ANSWER, (CITATION,), (PASSAGE,)


def test_the_engine_starts_behind_the_shown_window(window: MainWindow, engine: FakeEngine, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: engine.started)
    assert window.composer.edit.hasFocus()


def test_a_question_is_answered_and_stored(window: MainWindow, engine: FakeEngine, ask: Ask, qtbot: QtBot) -> None:
    assert window.stack.currentWidget() is window.empty
    ask("How long is it?")
    assert window.stack.currentWidget() is window.transcript
    (turn,) = window.conversation.turns
    assert (turn.answer, turn.reason) == ("You asked: How long is it?", "stop")
    qtbot.waitUntil(lambda: window.chats.model.rowCount() == 2)
    ask("And then?")
    assert engine.asked[1].chat_id == engine.asked[0].chat_id or engine.asked[1].chat_id == turn.chat_id
    assert "31 tok/s" in window.status.text()


def test_the_settings_of_sampling_go_with_each_question(window: MainWindow, engine: FakeEngine, ask: Ask) -> None:
    window.conversation.settings = window.config.settings.model_copy(
        update={"temperature": 0.7, "max_answer_tokens": 64}
    )
    ask("x y")
    sampling = engine.asked[0].sampling
    assert sampling is not None
    assert sampling.temperature == 0.7
    assert engine.asked[0].max_tokens == 64


def test_stop_keeps_the_partial_answer_and_offers_another_try(
    window: MainWindow, engine: FakeEngine, qtbot: QtBot
) -> None:
    engine.gate.clear()
    window.conversation.ask("one two three")
    qtbot.waitUntil(lambda: window.conversation.turns[0].answer != "")
    assert window.composer.send.accessibleName().startswith("Stop")
    with qtbot.waitSignal(window.conversation.ended):
        QTest.keyClick(window.composer.edit, Key.Key_Escape)
    (turn,) = window.conversation.turns
    assert (turn.reason, turn.answer) == ("cancelled", "You ")
    view = window.transcript.views[0]
    assert "stopped" in view.trouble_text
    with qtbot.waitSignal(window.conversation.ended):
        view.on_again()
    assert window.conversation.turns[0].reason == "stop"
    assert len(window.conversation.turns) == 1
    assert engine.asked[1].replaces_turn == turn.turn_id


def test_a_crash_in_mid_answer_keeps_what_there_is(
    window: MainWindow, engine: FakeEngine, ask: Ask, qtbot: QtBot
) -> None:
    engine.error = ProcessCrashed("The model process ended unexpectedly: ask again.")
    ask("one two three")
    (turn,) = window.conversation.turns
    assert (turn.answer, turn.reason) == ("You ", "failed")
    assert "ask again" in window.transcript.views[0].trouble_text
    ask("next")
    assert window.conversation.turns[1].reason == "stop"


def test_a_rules_answer_says_so(window: MainWindow, engine: FakeEngine, ask: Ask) -> None:
    engine.script = lambda _question: ("rule", "**391**", (), ())
    ask("What is 17 * 23?")
    assert window.conversation.turns[0].caption == "Instant answer"


def test_a_chip_opens_its_source_with_the_snippet_in_its_passage(
    window: MainWindow, engine: FakeEngine, ask: Ask
) -> None:
    engine.script = cited
    ask("How long is the warranty?")
    view = window.transcript.views[0]
    view.on_link("cite:1")
    assert view.sources is not None
    card = view.sources.cards[1]
    assert card.isVisible()
    assert card.text == "… Intro. The warranty lasts 24 months. End. …"
    assert "page 7" in card.accessibleName()


def test_a_stored_chat_shows_its_turns_and_sources(window: MainWindow, engine: FakeEngine, qtbot: QtBot) -> None:
    turn = Turn(5, "Old question", ANSWER, "model", "stop", (CITATION,), Metrics(), time.time())
    chat = engine.history.put("Old", time.time(), [turn])
    window.conversation.show_chat(chat)
    qtbot.waitUntil(lambda: len(window.conversation.turns) == 1)
    window.transcript.views[0].show_sources()
    sources = window.transcript.views[0].sources
    assert sources is not None
    assert sources.cards[1].text == ANSWER


def test_an_answer_goes_on_while_another_chat_is_shown(window: MainWindow, engine: FakeEngine, qtbot: QtBot) -> None:
    other = engine.history.put("Other", time.time())
    engine.gate.clear()
    window.conversation.ask("one two three")
    qtbot.waitUntil(lambda: window.conversation.turns[0].answer != "")
    first = window.conversation.chat_id
    window.conversation.show_chat(other)
    qtbot.waitUntil(lambda: window.conversation.turns == ())
    window.conversation.show_chat(first)
    qtbot.waitUntil(lambda: len(window.conversation.turns) == 1)
    with qtbot.waitSignal(window.conversation.ended):
        engine.gate.set()
    assert window.conversation.turns[0].answer == "You asked: one two three"


def test_an_edited_question_replaces_its_turn(window: MainWindow, engine: FakeEngine, ask: Ask) -> None:
    ask("first")
    ask("second")
    state = window.conversation.turns[0]
    window.transcript.views[0].on_edit()
    assert window.composer.text == "first"
    window.composer.set_text("")
    window.transcript.views[0].on_edit()
    ask(" changed")
    assert [turn.question for turn in window.conversation.turns] == ["first changed"]
    assert engine.asked[-1].replaces_turn == state.turn_id


@pytest.mark.parametrize("agreed", [True, False])
def test_regenerating_an_earlier_answer_asks_first(
    window: MainWindow, engine: FakeEngine, ask: Ask, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, agreed: bool
) -> None:
    ask("first")
    ask("second")
    monkeypatch.setattr(window_module, "confirm", lambda *_: agreed)
    window.transcript.views[0].on_again()
    qtbot.waitUntil(lambda: not window.conversation.busy)
    assert len(window.conversation.turns) == (1 if agreed else 2)


def test_samples_are_offered_and_then_their_questions(window: MainWindow, engine: FakeEngine, qtbot: QtBot) -> None:
    button = window.empty.buttons["Travel Policy.md"]
    assert "travel policy" in button.text().lower()
    with qtbot.waitSignal(window.library.finished):
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: button.text().strip().endswith("?"))
    with qtbot.waitSignal(window.conversation.ended):
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    assert "travel allowance" in engine.asked[0].text


def test_a_model_that_fails_is_told_of(qtbot: QtBot, config: EngineConfig, engine: FakeEngine) -> None:
    engine.model = FakeModel("Starter", "loading")
    window = MainWindow(config, engine)
    qtbot.addWidget(window)
    window.show()
    qtbot.waitUntil(lambda: engine.started)
    assert window.header.model.text() == "Loading Starter…"
    engine.model = FakeModel("Starter", "failed", "The file is damaged: choose another model.")
    qtbot.waitUntil(window.banner.isVisible)
    assert window.banner.text == "The file is damaged: choose another model."
    assert window.header.model.text() == "No model"
    window.close()


@pytest.mark.parametrize("link", ["javascript:alert(1)", "file:///etc/passwd", "cmd.exe"])
def test_links_elsewhere_than_web_and_mail_never_open(
    window: MainWindow, monkeypatch: pytest.MonkeyPatch, link: str
) -> None:
    opened: list[QUrl] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", opened.append)
    window.opener.on_link(link)
    assert opened == []
    assert "not opened" in window.banner.text


@pytest.mark.parametrize("agreed", [True, False])
def test_a_link_opens_only_if_the_user_agrees(
    window: MainWindow, monkeypatch: pytest.MonkeyPatch, agreed: bool
) -> None:
    opened: list[QUrl] = []

    def open_url(url: QUrl) -> bool:
        opened.append(url)
        return True

    monkeypatch.setattr(QDesktopServices, "openUrl", open_url)
    monkeypatch.setattr(dialogs, "confirm", lambda *_: agreed)
    window.opener.on_link("https://example.org/")
    assert opened == ([QUrl("https://example.org/")] if agreed else [])


def test_a_source_that_is_gone_is_told_of(window: MainWindow) -> None:
    window.opener.on_file("/nowhere/gone.pdf")
    assert "gone.pdf is no longer" in window.banner.text


def test_shortcuts_do_what_they_say(window: MainWindow, ask: Ask) -> None:
    ask("something to find")
    QTest.keyClick(window, Key.Key_K, Ctrl)
    assert window.chats.search.hasFocus()
    QTest.keyClick(window, Key.Key_F, Ctrl)
    assert window.find_bar.isVisible()
    QTest.keyClick(window, Key.Key_B, Ctrl)
    assert not window.chats.isVisible()
    QTest.keyClick(window, Key.Key_Plus, Ctrl)
    assert window.theme.zoom == 1.1
    QTest.keyClick(window, Key.Key_0, Ctrl)
    assert window.theme.zoom == 1.0
    QTest.keyClick(window, Key.Key_N, Ctrl)
    assert window.stack.currentWidget() is window.empty
    assert window.composer.edit.hasFocus()


def test_find_goes_from_one_place_to_the_next(window: MainWindow, ask: Ask) -> None:
    ask("needle one")
    ask("needle two")
    window.on_find()
    QTest.keyClicks(window.find_bar.field, "NEEDLE")
    assert window.find_bar.count.text() == "4 of 4"
    QTest.keyClick(window.find_bar.field, Key.Key_Return)
    assert window.find_bar.count.text() == "1 of 4"
    window.theme.set_choice("dark")
    window.find_bar.on_previous()
    assert window.find_bar.count.text() == "4 of 4"
    QTest.keyClicks(window.find_bar.field, "zzz")
    assert window.find_bar.count.text() == "Nothing found"


def test_scrolling_up_stops_following_and_the_pill_brings_back(
    window: MainWindow, engine: FakeEngine, ask: Ask, qtbot: QtBot
) -> None:
    engine.script = lambda _question: ("model", "\n\n".join(["A paragraph."] * 80), (), ())
    ask("long")
    bar = window.transcript.verticalScrollBar()
    qtbot.waitUntil(lambda: bar.maximum() > 0 and bar.value() == bar.maximum())
    bar.setValue(0)
    assert not window.transcript.following
    assert window.transcript.pill.isVisible()
    ask_again = window.transcript.views[0].state
    window.transcript.update_turn(ask_again)
    assert bar.value() == 0
    QTest.mouseClick(window.transcript.pill, Qt.MouseButton.LeftButton)
    assert bar.value() == bar.maximum()
    assert not window.transcript.pill.isVisible()


def test_a_long_chat_shows_its_end_and_the_rest_on_demand(window: MainWindow, engine: FakeEngine, qtbot: QtBot) -> None:
    turns = [Turn(n, f"q{n}", "a", "model", "stop", (), Metrics(), 0.0) for n in range(1, 76)]
    window.conversation.show_chat(engine.history.put("Long", time.time(), turns))
    qtbot.waitUntil(lambda: len(window.conversation.turns) == 75)
    assert [view.state.question for view in window.transcript.views] == [f"q{n}" for n in range(46, 76)]
    window.transcript.on_show_earlier()
    window.transcript.on_show_earlier()
    assert [view.state.question for view in window.transcript.views] == [f"q{n}" for n in range(1, 76)]


def test_documents_fold_away_in_a_narrow_window(window: MainWindow, qtbot: QtBot) -> None:
    assert window.documents.isVisible()
    window.resize(950, 700)
    qtbot.waitUntil(lambda: not window.documents.isVisible())
    window.on_toggle_documents()
    assert window.documents.isVisible()
    window.resize(1300, 800)
    qtbot.waitUntil(window.documents.isVisible)


def test_the_window_remembers_its_place_and_zoom(qtbot: QtBot, config: EngineConfig) -> None:
    first = MainWindow(config, FakeEngine())
    qtbot.addWidget(first)
    first.show()
    first.resize(1200, 700)
    first.on_toggle_sidebar()
    first.theme.on_zoom_in()
    first.close()
    second = MainWindow(config, FakeEngine())
    qtbot.addWidget(second)
    second.show()
    # The screenless screen is 800 pixels wide; only the height fits.
    assert second.height() == 700
    assert second.theme.zoom == 1.1
    assert not second.chats.isVisible()
    second.close()


def test_closing_ends_an_answer_and_an_index_job(window: MainWindow, engine: FakeEngine, qtbot: QtBot) -> None:
    engine.gate.clear()
    engine.library.gate.clear()
    window.conversation.ask("one two three")
    window.librarian.add([Path("/a"), Path("/b")])
    qtbot.waitUntil(lambda: window.library.busy and window.conversation.turns[0].answer != "")
    window.close()
    assert engine.closed
    assert not window.isVisible()
    assert all(lane.is_over for lane in (window.engine_thread, window.library, window.records, window.control))


def test_nothing_ticks_when_nothing_happens(window: MainWindow, ask: Ask, qtbot: QtBot) -> None:
    ask("x y")
    qtbot.waitUntil(lambda: not window.care.watch.is_watching)
    states = [window.status.is_ticking]
    for _ in range(2):
        window.status.on_toggle()
        states.append(window.status.is_ticking)
    assert states == [False, True, False]


def test_copy_takes_the_answer_as_written(window: MainWindow, engine: FakeEngine, ask: Ask) -> None:
    engine.script = lambda _question: ("model", "It is **24** months.", (), ())
    ask("x")
    window.transcript.views[0].on_copy()
    assert QGuiApplication.clipboard().text() == "It is **24** months."


def test_every_control_has_a_name_and_takes_the_keyboard(window: MainWindow, engine: FakeEngine, ask: Ask) -> None:
    engine.script = cited
    ask("x")
    window.transcript.views[0].show_sources()
    window.status.on_toggle()
    kinds = (QAbstractButton, QLineEdit, QPlainTextEdit, QAbstractItemView)
    controls = [each for kind in kinds for each in window.findChildren(kind) if each.isVisible()]
    assert len(controls) > 15
    for control in controls:
        name = control.accessibleName() or getattr(control, "text", str)()
        assert name, control
        if control.objectName() != "qt_spinbox_lineedit" and not control.objectName().startswith("_q_"):
            assert (
                control.focusPolicy() & Qt.FocusPolicy.TabFocus or control.focusPolicy() == Qt.FocusPolicy.StrongFocus
            )
