from __future__ import annotations

import pytest
from PySide6.QtGui import QTextDocument
from pytestqt.qtbot import QtBot

from app.tooltips import plain_tip


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "<b>bold</b>",
        '<img src="file:///etc/x.png">',
        "a < b && c > d",
        "&lt;script&gt;",
        "<qt>x</qt>",
        "one\ntwo",
    ],
)
def test_a_tooltip_shows_its_text_as_it_is(qtbot: QtBot, text: str) -> None:
    document = QTextDocument()
    document.setHtml(plain_tip(text))
    assert document.toPlainText() == text


def test_no_text_is_no_tooltip() -> None:
    assert plain_tip("") == ""
