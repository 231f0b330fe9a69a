from __future__ import annotations

import signal
from pathlib import Path

import pytest
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from app.application import EndSignals, configure, has_screen


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_closes_the_window(qtbot: QtBot, number: signal.Signals) -> None:
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    window = QWidget()
    qtbot.addWidget(window)
    with qtbot.waitExposed(window):
        window.show()
    signals = EndSignals(window)
    try:
        signal.raise_signal(number)
        qtbot.waitUntil(lambda: not window.isVisible())
    finally:
        signals.restore()
        for each, handler in before.items():
            signal.signal(each, handler)


def test_damaged_settings_give_the_defaults_and_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLA_DATA_DIR", str(tmp_path))
    (tmp_path / "settings.json").write_text("{ broken", "utf-8")
    config, notice = configure()
    assert config.data.root == tmp_path
    assert config.settings.theme == "system"
    assert "settings.json" in notice
    assert (tmp_path / "settings.json").read_text("utf-8") == "{ broken"


def test_sound_settings_need_no_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLA_DATA_DIR", str(tmp_path))
    (tmp_path / "settings.json").write_text('{"theme": "dark"}', "utf-8")
    config, notice = configure()
    assert (config.settings.theme, notice) == ("dark", "")


def test_without_a_display_there_is_no_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert not has_screen()
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert has_screen()
