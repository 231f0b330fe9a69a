from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app.theme import Theme
from app.window import MainWindow
from engine.config import DataPaths, EngineConfig, Settings
from tests.app.fakes import FakeEngine

ASSETS = Path(__file__).resolve().parents[2] / "assets"


@pytest.fixture
def config(tmp_path: Path) -> EngineConfig:
    data = DataPaths(tmp_path / "données é")
    data.create()
    return EngineConfig(data, ASSETS, Settings.model_validate({"theme": "light"}))


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def theme(qtbot: QtBot) -> Theme:
    theme = Theme(ASSETS / "icons", "light")
    theme.apply()
    return theme


@pytest.fixture
def window(qtbot: QtBot, config: EngineConfig, engine: FakeEngine) -> Iterator[MainWindow]:
    window = MainWindow(config, engine)
    qtbot.addWidget(window)
    window.resize(1280, 800)
    with qtbot.waitExposed(window):
        window.show()
    yield window
    window.close()


@pytest.fixture
def ask(qtbot: QtBot, window: MainWindow) -> Callable[[str], None]:
    """Type a question and wait for the end of its answer."""

    def run(text: str) -> None:
        with qtbot.waitSignal(window.conversation.ended):
            QTest.keyClicks(window.composer.edit, text)
            window.composer.on_send()

    return run
