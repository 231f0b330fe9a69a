from __future__ import annotations

from collections.abc import Callable

import pytest
from PySide6.QtWidgets import QDialog
from pytestqt.qtbot import QtBot

from app import settings as settings_module
from app.window import MainWindow
from engine.config import EngineConfig, Settings
from tests.app.fakes import DRAFTED, FakeEngine
from tests.app.test_drafts import tinted

Ask = Callable[[str], None]


@pytest.fixture
def config(config: EngineConfig) -> EngineConfig:
    shown = config.settings.model_copy(update={"show_drafts": True})
    return EngineConfig(config.data, config.assets, shown)


@pytest.fixture
def engine() -> FakeEngine:
    engine = FakeEngine()
    engine.script = lambda _question: ("model", "One **two** three four five", (), ())
    engine.drafted = lambda number: number in (1, 2)
    engine.metrics = DRAFTED
    return engine


@pytest.fixture
def settings_dialog(monkeypatch: pytest.MonkeyPatch, window: MainWindow) -> Callable[[bool], None]:
    """Open the settings, choose whether drafted words are tinted, and save."""

    def run(show_drafts: bool) -> None:
        class Chosen(settings_module.SettingsDialog):
            def exec(self) -> int:
                self.settings = Settings.model_validate({**self.settings.model_dump(), "show_drafts": show_drafts})
                return QDialog.DialogCode.Accepted.value

        monkeypatch.setattr(settings_module, "SettingsDialog", Chosen)
        window.on_settings()

    return run


def shown(window: MainWindow, number: int = 0) -> list[str]:
    return tinted(window.transcript.views[number].body, window.theme.tokens.drafted)


def test_drafted_words_are_tinted_and_a_line_says_so(window: MainWindow, ask: Ask) -> None:
    ask("x")
    assert shown(window) == ["two", " three"]
    legend = window.transcript.views[0].legend
    assert legend.isVisible()
    assert legend.text == "2 of 5 tokens were drafted ahead"


def test_drafted_words_are_tinted_while_the_answer_grows(window: MainWindow, engine: FakeEngine, qtbot: QtBot) -> None:
    engine.script = lambda _question: ("model", "one two", (), ())
    engine.drafted = lambda number: number == 0
    engine.gate.clear()
    window.conversation.ask("x")
    qtbot.waitUntil(lambda: bool(window.transcript.views) and shown(window) == ["one"])
    assert not window.transcript.views[0].legend.isVisible()
    with qtbot.waitSignal(window.conversation.ended):
        engine.gate.set()
    assert shown(window) == ["one"]


def test_an_answer_that_the_review_changed_is_not_tinted(window: MainWindow, engine: FakeEngine, ask: Ask) -> None:
    engine.review = lambda answer: answer.replace("One", "The one")
    ask("x")
    assert shown(window) == []
    assert not window.transcript.views[0].legend.isVisible()


def test_nothing_drafted_shows_nothing(window: MainWindow, engine: FakeEngine, ask: Ask) -> None:
    engine.drafted = lambda _number: False
    ask("x")
    assert shown(window) == []
    assert not window.transcript.views[0].legend.isVisible()


def test_the_setting_takes_effect_at_once(
    window: MainWindow, ask: Ask, settings_dialog: Callable[[bool], None]
) -> None:
    ask("x")
    settings_dialog(False)
    assert shown(window) == []
    assert not window.transcript.views[0].legend.isVisible()
    ask("y")
    assert shown(window, 1) == []
    settings_dialog(True)
    assert shown(window, 0) == shown(window, 1) == ["two", " three"]


def test_the_tint_outlives_another_chat_and_another_theme(window: MainWindow, ask: Ask, qtbot: QtBot) -> None:
    ask("x")
    chat = window.conversation.chat_id
    window.conversation.show_chat(None)
    window.theme.set_choice("dark")
    window.conversation.show_chat(chat)
    qtbot.waitUntil(lambda: len(window.conversation.turns) == 1)
    assert shown(window) == ["two", " three"]


def test_the_panel_fits_the_smallest_window(window: MainWindow, ask: Ask) -> None:
    ask("x")
    window.status.show_indexing("Indexing 3 of 12 files")
    window.status.on_toggle()
    window.resize(900, 700)
    assert "31 tok/s 1.6x" in window.status.text()
    assert window.minimumSizeHint().width() <= 900
    assert window.width() == 900
