from __future__ import annotations

import pytest
from PySide6.QtCore import QMimeData, Qt, QUrl
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app.composer import Composer
from app.theme import Theme

Key = Qt.Key


@pytest.fixture
def composer(qtbot: QtBot, theme: Theme) -> Composer:
    composer = Composer(theme)
    qtbot.addWidget(composer)
    composer.resize(700, 300)
    with qtbot.waitExposed(composer):
        composer.show()
    return composer


def test_enter_sends_and_empties(composer: Composer, qtbot: QtBot) -> None:
    QTest.keyClicks(composer.edit, "  How long?  ")
    with qtbot.waitSignal(composer.submitted) as sent:
        QTest.keyClick(composer.edit, Key.Key_Return)
    assert sent.args == ["How long?"]
    assert composer.text == ""


def test_shift_enter_breaks_the_line(composer: Composer, qtbot: QtBot) -> None:
    QTest.keyClicks(composer.edit, "one")
    with qtbot.assertNotEmitted(composer.submitted):
        QTest.keyClick(composer.edit, Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    QTest.keyClicks(composer.edit, "two")
    assert composer.text == "one\ntwo"


def test_blanks_are_not_sent(composer: Composer, qtbot: QtBot) -> None:
    QTest.keyClicks(composer.edit, "   ")
    assert not composer.send.isEnabled()
    with qtbot.assertNotEmitted(composer.submitted):
        QTest.keyClick(composer.edit, Key.Key_Return)


def test_it_grows_to_eight_lines_and_then_scrolls(composer: Composer) -> None:
    heights = []
    for lines in (1, 2, 8, 30):
        composer.edit.setPlainText("\n".join("line" for _ in range(lines)))
        heights.append(composer.edit.height())
    assert heights[0] < heights[1] < heights[2] == heights[3]
    assert composer.edit.verticalScrollBar().maximum() > 0


def test_send_becomes_stop_and_back(composer: Composer, qtbot: QtBot) -> None:
    composer.set_busy(True)
    assert composer.send.accessibleName().startswith("Stop")
    with qtbot.waitSignal(composer.stop_requested):
        QTest.mouseClick(composer.send, Qt.MouseButton.LeftButton)
    composer.set_busy(False)
    assert composer.send.accessibleName().startswith("Send")


def test_what_is_typed_during_an_answer_stays(composer: Composer, qtbot: QtBot) -> None:
    composer.set_busy(True)
    QTest.keyClicks(composer.edit, "next question")
    with qtbot.assertNotEmitted(composer.submitted):
        QTest.keyClick(composer.edit, Key.Key_Return)
    assert composer.text == "next question"


def test_escape_stops_the_answer(composer: Composer, qtbot: QtBot) -> None:
    composer.set_busy(True)
    with qtbot.waitSignal(composer.stop_requested):
        QTest.keyClick(composer.edit, Key.Key_Escape)


def test_escape_leaves_editing(composer: Composer, qtbot: QtBot) -> None:
    composer.set_text("earlier question", editing=True)
    with qtbot.waitSignal(composer.edit_cancelled):
        QTest.keyClick(composer.edit, Key.Key_Escape)
    assert composer.text == ""


def test_files_are_left_to_the_window(composer: Composer) -> None:
    files, words = QMimeData(), QMimeData()
    files.setUrls([QUrl.fromLocalFile("/tmp/ä.pdf")])
    words.setText("words")
    assert not composer.edit.canInsertFromMimeData(files)
    assert composer.edit.canInsertFromMimeData(words)


def test_documents_only_is_a_choice_with_a_name_and_an_explanation(composer: Composer, qtbot: QtBot) -> None:
    box = composer.documents_only
    assert (box.isChecked(), box.accessibleName()) == (False, "Documents only")
    assert "say so" in box.toolTip()
    assert box.accessibleDescription() == box.toolTip()
    QTest.keyClick(composer.edit, Key.Key_Tab)
    for _ in range(5):
        if not box.hasFocus():
            composer.focusNextChild()
    with qtbot.waitSignal(composer.documents_only_changed) as changed:
        QTest.keyClick(box, Key.Key_Space)
    assert changed.args == [True]


def test_question_is_limited_to_the_documents_that_were_named_last(composer: Composer) -> None:
    composer.on_documents_named(("my lease.pdf",))
    assert composer.text == 'from:"my lease.pdf" '
    QTest.keyClicks(composer.edit, "How long?")
    assert composer.text == 'from:"my lease.pdf" How long?'
    composer.on_documents_named(("a.pdf", "b.pdf"))
    assert composer.text == 'from:"a.pdf" from:"b.pdf" How long?'
    assert composer.edit.hasFocus()
