"""The window opens a source beside its answer and gives the room back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton
from pytestqt.qtbot import QtBot

from app.window import MainWindow
from engine.messages import Citation
from tests.app.fakes import FakeEngine
from tests.app.viewing import SNIPPET, TextLibrary


@pytest.fixture
def cited(window: MainWindow, engine: FakeEngine, ask: Callable[[str], None], tmp_path: Path) -> Citation:
    """An answer in the window that cites a text."""
    file = tmp_path / "notes.md"
    file.write_text("# Notes", "utf-8")
    library = TextLibrary()
    text = library.texts[str(file)] = "".join(f"Before {number}\n" for number in range(50)) + SNIPPET
    citation = Citation(1, str(file), None, SNIPPET, text.index(SNIPPET), len(text), 0, len(SNIPPET), 0.7)
    engine.library = library
    engine.script = lambda _question: ("model", SNIPPET, (citation,), ())
    ask("How long is the warranty?")
    return citation


def test_a_chip_opens_the_source_beside_the_answer(window: MainWindow, cited: Citation, qtbot: QtBot) -> None:
    centre = window.splitter.sizes()[1]
    assert window.viewer.isHidden()
    window.transcript.views[0].on_link("cite:1")
    qtbot.waitUntil(lambda: window.viewer.showing == "text")
    assert window.viewer.excerpt_view.marked_text == SNIPPET
    assert window.documents.isVisible()
    assert window.splitter.sizes()[1] < centre
    QTest.keyClick(window, Qt.Key.Key_Escape)
    assert window.viewer.isHidden()
    assert window.splitter.sizes()[1] == centre
    assert window.composer.edit.hasFocus()


def test_a_card_opens_its_source_by_keyboard(window: MainWindow, cited: Citation, qtbot: QtBot) -> None:
    view = window.transcript.views[0]
    view.show_sources()
    assert view.sources is not None
    QTest.keyClick(view.sources.cards[1], Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: window.viewer.showing == "text")
    assert window.viewer.title == "notes.md"


def test_in_a_narrow_window_the_source_takes_the_place_of_the_documents(
    window: MainWindow, cited: Citation, qtbot: QtBot
) -> None:
    window.resize(950, 700)
    qtbot.waitUntil(lambda: not window.documents.isVisible())
    window.on_toggle_documents()
    window.transcript.views[0].on_link("cite:1")
    qtbot.waitUntil(lambda: window.viewer.showing == "text")
    assert not window.documents.isVisible()
    assert window.viewer.isVisible()
    window.viewer.close_requested.emit()
    assert not window.side.isVisible()
    window.resize(1300, 800)
    qtbot.waitUntil(window.documents.isVisible)


def test_escape_closes_a_source_with_the_keyboard_and_else_stops_the_answer(
    window: MainWindow, engine: FakeEngine, cited: Citation, qtbot: QtBot
) -> None:
    window.transcript.views[0].on_link("cite:1")
    qtbot.waitUntil(lambda: window.viewer.showing == "text")
    engine.gate.clear()
    window.conversation.ask("one two three")
    qtbot.waitUntil(lambda: window.conversation.turns[-1].answer != "")
    window.viewer.excerpt_view.edit.setFocus()
    QTest.keyClick(window, Qt.Key.Key_Escape)
    assert window.viewer.isHidden()
    assert window.conversation.busy
    with qtbot.waitSignal(window.conversation.ended):
        QTest.keyClick(window, Qt.Key.Key_Escape)


def test_controls_of_an_open_source_have_names_and_take_the_keyboard(
    window: MainWindow, cited: Citation, qtbot: QtBot
) -> None:
    window.transcript.views[0].on_link("cite:1")
    qtbot.waitUntil(lambda: window.viewer.showing == "text")
    controls = [*window.viewer.findChildren(QAbstractButton), window.viewer.page_view, window.viewer.excerpt_view.edit]
    assert len(controls) >= 12
    for control in controls:
        assert control.accessibleName() or getattr(control, "text", str)(), control
        assert control.focusPolicy() & Qt.FocusPolicy.TabFocus
