from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtWidgets import QMainWindow, QSplitter
from pytestqt.qtbot import QtBot

from app.preferences import Preferences


def test_the_first_start_has_nothing_to_restore(qtbot: QtBot, tmp_path: Path) -> None:
    window = QMainWindow()
    qtbot.addWidget(window)
    preferences = Preferences(tmp_path)
    assert not preferences.restore(window, QSplitter(window))
    assert preferences.zoom == 1.0
    assert preferences.panel("chats", True)


def test_what_was_saved_is_read_again(qtbot: QtBot, tmp_path: Path) -> None:
    window = QMainWindow()
    qtbot.addWidget(window)
    splitter = QSplitter(window)
    Preferences(tmp_path).save(window, splitter, 1.3, {"chats": False, "documents": True})
    again = Preferences(tmp_path)
    assert (again.zoom, again.panel("chats", True), again.panel("documents", False)) == (1.3, False, True)
    assert again.restore(window, splitter)


@pytest.mark.parametrize("content", ["zoom=abc", "geometry=garbage\nsplitter=garbage\nzoom=99", "\x00\x01"])
def test_a_damaged_file_gives_the_defaults(qtbot: QtBot, tmp_path: Path, content: str) -> None:
    (tmp_path / "window.ini").write_text(f"[General]\n{content}\n", "utf-8")
    window = QMainWindow()
    qtbot.addWidget(window)
    preferences = Preferences(tmp_path)
    assert not preferences.restore(window, QSplitter(window))
    assert 0.6 <= preferences.zoom <= 2.0


def test_documents_only_is_kept_at_once(qtbot: QtBot, tmp_path: Path) -> None:
    preferences = Preferences(tmp_path)
    assert not preferences.documents_only
    preferences.set_documents_only(True)
    assert Preferences(tmp_path).documents_only
    preferences.set_documents_only(False)
    assert not Preferences(tmp_path).documents_only
