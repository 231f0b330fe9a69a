from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app import documents as documents_module
from app.documents import DocumentsPanel, job_text
from app.theme import Theme
from engine.messages import Document, DocumentStatus, IndexProgress

READY = Document("/docs/manual.pdf", DocumentStatus.READY, pages=5, updated=1)
LOCKED = Document("/docs/locked.docx", DocumentStatus.FAILED, reason="It is protected by a password.", updated=2)


@pytest.fixture
def panel(qtbot: QtBot, theme: Theme) -> DocumentsPanel:
    panel = DocumentsPanel(theme)
    qtbot.addWidget(panel)
    panel.resize(300, 600)
    with qtbot.waitExposed(panel):
        panel.show()
    panel.show_documents([READY, LOCKED])
    return panel


@pytest.mark.parametrize(
    ("progress", "words"),
    [
        (IndexProgress(3, 12, 9, 40.0, None), "Indexing 3 of 12 files"),
        (IndexProgress(3, 12, 9, 40.0, 12.4), "Indexing 3 of 12 files, 12 s left"),
        (IndexProgress(3, 12, 9, 40.0, 0.2), "Indexing 3 of 12 files, 1 s left"),
        (IndexProgress(3, 12, 9, 40.0, 300), "Indexing 3 of 12 files, 5 min left"),
        (IndexProgress(3, 12, 9, 40.0, 9000), "Indexing 3 of 12 files, 2.5 h left"),
        (IndexProgress(3, 12, 9, 40.0, 12.4, paused=True), "Paused at 3 of 12 files"),
    ],
)
def test_the_job_is_one_line_with_the_time_left(progress: IndexProgress, words: str) -> None:
    assert job_text(progress) == words


def test_an_empty_library_says_how_to_fill_it(panel: DocumentsPanel) -> None:
    assert not panel.empty_hint.isVisible()
    panel.show_documents([])
    assert panel.empty_hint.isVisible()
    assert not panel.list.isVisible()


def test_the_selected_file_tells_its_whole_error(panel: DocumentsPanel) -> None:
    panel.list.setCurrentIndex(panel.model.index(0))
    assert "It is protected by a password." in panel.detail_text
    assert "locked.docx" in panel.detail_text


def test_pause_becomes_resume(panel: DocumentsPanel, qtbot: QtBot) -> None:
    panel.set_busy(True)
    with qtbot.waitSignal(panel.pause_requested) as paused:
        QTest.mouseClick(panel.pause_button, Qt.MouseButton.LeftButton)
    assert paused.args == [True]
    assert panel.pause_button.accessibleName() == "Resume indexing"
    with qtbot.waitSignal(panel.pause_requested) as resumed:
        QTest.mouseClick(panel.pause_button, Qt.MouseButton.LeftButton)
    assert resumed.args == [False]


def test_a_new_job_is_not_paused(panel: DocumentsPanel) -> None:
    panel.set_busy(True)
    panel.apply([], IndexProgress(1, 2, 0, 0.0, None, paused=True))
    assert panel.pause_button.accessibleName() == "Resume indexing"
    panel.set_busy(False)
    panel.set_busy(True)
    assert panel.pause_button.accessibleName() == "Pause indexing"


@pytest.mark.parametrize("agreed", [True, False])
def test_remove_asks_and_says_that_the_file_stays(
    panel: DocumentsPanel, monkeypatch: pytest.MonkeyPatch, agreed: bool
) -> None:
    removed: list[tuple[Path, ...]] = []
    asked: list[tuple[str, str]] = []

    def confirm(_parent: object, question: str, detail: str, _verb: str) -> bool:
        asked.append((question, detail))
        return agreed

    panel.remove_requested.connect(removed.append)
    monkeypatch.setattr(documents_module, "confirm", confirm)
    panel.list.setCurrentIndex(panel.model.index(1))
    panel.list.setFocus()
    QTest.keyClick(panel.list, Qt.Key.Key_Delete)
    assert removed == ([(Path("/docs/manual.pdf"),)] if agreed else [])
    ((question, detail),) = asked
    assert "manual.pdf" in question
    assert "stays on the disk" in detail


def test_rebuild_warns_that_it_takes_long(panel: DocumentsPanel, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot) -> None:
    details: list[str] = []

    def confirm(_parent: object, _question: str, detail: str, _verb: str) -> bool:
        details.append(detail)
        return True

    monkeypatch.setattr(documents_module, "confirm", confirm)
    with qtbot.waitSignal(panel.rebuild_requested) as rebuilt:
        panel.on_rebuild_all()
    assert rebuilt.args == [()]
    assert "long" in details[0]


def test_remove_all_takes_the_hidden_ones_too(
    panel: DocumentsPanel, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    monkeypatch.setattr(documents_module, "confirm", lambda *_: True)
    panel.on_only_trouble(True)
    with qtbot.waitSignal(panel.remove_requested) as removed:
        panel.on_remove_all()
    assert sorted(removed.args[0]) == [Path("/docs/locked.docx"), Path("/docs/manual.pdf")]


def test_selected_documents_can_be_asked_about(panel: DocumentsPanel, qtbot: QtBot) -> None:
    panel.list.setCurrentIndex(panel.model.index(1))
    with qtbot.waitSignal(panel.ask_requested) as asked:
        panel.on_ask()
    assert asked.args == [("manual.pdf",)]
