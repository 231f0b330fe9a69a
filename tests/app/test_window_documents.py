from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDesktopServices, QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.window import MainWindow
from engine.config import EngineConfig
from engine.messages import Document, DocumentStatus
from tests.app.fakes import FakeEngine


def drag(window: MainWindow, *paths: Path) -> tuple[QDragEnterEvent, QDropEvent, QMimeData]:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    place, copy, left, none = (
        window.rect().center(),
        Qt.DropAction.CopyAction,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    return QDragEnterEvent(place, copy, data, left, none), QDropEvent(QPointF(place), copy, data, left, none), data


def test_dropped_files_are_indexed(window: MainWindow, engine: FakeEngine, qtbot: QtBot, tmp_path: Path) -> None:
    file = tmp_path / "Größe 日本.txt"
    enter, drop, _data = drag(window, file)
    QApplication.sendEvent(window, enter)
    assert enter.isAccepted()
    assert window.overlay.isVisible()
    with qtbot.waitSignal(window.library.finished):
        QApplication.sendEvent(window, drop)
    assert not window.overlay.isVisible()
    assert engine.library.jobs == [("index", (file,))]
    qtbot.waitUntil(lambda: window.documents.model.counts() == (1, 0, 1))


def test_documents_are_indexed_beside_a_streaming_answer(window: MainWindow, engine: FakeEngine, qtbot: QtBot) -> None:
    engine.gate.clear()
    window.conversation.ask("one two three")
    with qtbot.waitSignal(window.library.finished):
        window.librarian.add([Path("/a.txt")])
    assert window.conversation.busy
    with qtbot.waitSignal(window.conversation.ended):
        engine.gate.set()


def test_a_file_that_fails_is_told_of(window: MainWindow, qtbot: QtBot) -> None:
    with qtbot.waitSignal(window.library.finished):
        window.librarian.add([Path("/docs/locked.pdf")])
    assert "locked.pdf was not indexed" in window.banner.text
    assert "password" in window.banner.text


def test_unfinished_indexing_goes_on_at_the_start(qtbot: QtBot, config: EngineConfig, engine: FakeEngine) -> None:
    engine.library.put(Document("/a", DocumentStatus.EMBEDDING), Document("/b", DocumentStatus.READY))
    window = MainWindow(config, engine)
    qtbot.addWidget(window)
    with qtbot.waitSignal(window.library.finished):
        window.show()
    assert engine.library.jobs == [("index", ())]
    window.close()


def test_cancelling_a_paused_job_lets_it_end(window: MainWindow, engine: FakeEngine, qtbot: QtBot) -> None:
    engine.library.gate.clear()
    window.librarian.add([Path("/a"), Path("/b")])
    qtbot.waitUntil(lambda: window.library.busy)
    window.documents.on_pause()
    qtbot.waitUntil(lambda: engine.library.paused)
    window.librarian.on_cancel()
    qtbot.waitUntil(lambda: not engine.library.paused)
    engine.library.gate.set()
    qtbot.waitUntil(lambda: not window.library.busy)
    assert engine.library.cancelled == 1


@pytest.mark.parametrize("name", ["run.bat", "Invoice.PDF.js", "start.desktop"])
def test_a_source_that_the_system_would_run_is_shown_in_its_folder(
    window: MainWindow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    opened: list[str] = []

    def remember(url: QUrl) -> bool:
        opened.append(url.toLocalFile())
        return True

    monkeypatch.setattr(QDesktopServices, "openUrl", remember)
    (tmp_path / name).write_text("echo", "utf-8")
    (tmp_path / "plain.txt").write_text("text", "utf-8")
    window.opener.on_file(str(tmp_path / name))
    window.opener.on_file(str(tmp_path / "plain.txt"))
    assert opened == [str(tmp_path), str(tmp_path / "plain.txt")]
