from __future__ import annotations

import re
from pathlib import Path

import pytest
from PySide6.QtCore import QSize
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.theme import DARK, LIGHT, Theme, Tokens, contrast
from tests.app.conftest import ASSETS

APP = Path(__file__).resolve().parents[2] / "app"
WORDS = ("text", "muted", "accent", "positive", "warning", "danger")


def test_contrast_of_black_and_white_is_the_greatest() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#777777") == pytest.approx(1)


@pytest.mark.parametrize("tokens", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["background", "surface", "raised", "drafted"])
@pytest.mark.parametrize("word", WORDS)
def test_text_stands_out_on_every_ground(tokens: Tokens, ground: str, word: str) -> None:
    assert contrast(getattr(tokens, word), getattr(tokens, ground)) >= 4.5


@pytest.mark.parametrize("tokens", [LIGHT, DARK], ids=["light", "dark"])
def test_controls_and_marked_text_stand_out(tokens: Tokens) -> None:
    assert contrast(tokens.on_accent, tokens.accent) >= 4.5
    assert contrast(tokens.text, tokens.selection) >= 4.5
    for ground in (tokens.background, tokens.surface):
        assert contrast(tokens.border, ground) >= 3
        assert contrast(tokens.accent, ground) >= 3


def test_choice_decides_over_the_system(theme: Theme) -> None:
    theme.set_choice("dark")
    assert theme.is_dark
    theme.set_choice("light")
    assert not theme.is_dark


def test_a_new_choice_reaches_palette_and_stylesheet(qtbot: QtBot, theme: Theme) -> None:
    with qtbot.waitSignal(theme.changed):
        theme.set_choice("dark")
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    assert application.palette().color(QPalette.ColorRole.Window) == QColor(DARK.background)
    assert DARK.surface in application.styleSheet()


def test_zoom_scales_every_text_and_stays_in_bounds(theme: Theme) -> None:
    assert theme.pixels(15) == 15
    for _ in range(30):
        theme.on_zoom_in()
    assert theme.zoom == 2.0
    assert theme.font(15).pixelSize() == 30
    theme.on_zoom_reset()
    theme.on_zoom_out()
    assert theme.pixels(20) == 18


def test_icons_take_the_asked_colour_and_are_sharp_at_200_percent(theme: Theme) -> None:
    pixmap = theme.icon("stop", "#ff0000").pixmap(QSize(16, 16), 2.0)
    assert pixmap.width() == 32
    assert pixmap.toImage().pixelColor(16, 16) == QColor("#ff0000")


def test_every_icon_that_is_named_exists() -> None:
    source = "".join(file.read_text("utf-8") for file in APP.glob("*.py"))
    named = set(re.findall(r'(?:icon|IconButton|RowButton|_action)\((?:self\.)?_?(?:theme, )?"([a-z-]+)"', source))
    assert len(named) > 10
    assert named <= {file.stem for file in (ASSETS / "icons").glob("*.svg")}


def test_icons_follow_the_colour_of_the_text() -> None:
    for file in (ASSETS / "icons").glob("*.svg"):
        text = file.read_text("utf-8")
        assert "currentColor" in text
        assert not re.search(r"#[0-9a-fA-F]{3}", text)
