from __future__ import annotations

import pytest
from PySide6.QtCore import QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QListView, QStyleOptionViewItem
from pytestqt.qtbot import QtBot

from app.files import FilesDelegate, FilesModel, status_text
from app.theme import Theme
from engine.messages import Document, DocumentStatus

Index = QModelIndex | QPersistentModelIndex
READY, FAILED, QUEUED = DocumentStatus.READY, DocumentStatus.FAILED, DocumentStatus.QUEUED


def names(model: FilesModel) -> list[str]:
    return [str(model.index(row).data()) for row in range(model.rowCount())]


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (Document("/a", QUEUED), "Waiting"),
        (Document("/a", DocumentStatus.EXTRACTING), "Reading"),
        (Document("/a", DocumentStatus.EMBEDDING, fraction=0.5), "Embedding 50%"),
        (Document("/a", READY, pages=1), "1 page, ready"),
        (Document("/a", READY, pages=48), "48 pages, ready"),
        (Document("/a", READY), "Ready"),
        (Document("/a", FAILED, reason="It is locked."), "Failed: It is locked."),
        (Document("/a", DocumentStatus.SKIPPED, reason="It is empty."), "Skipped: It is empty."),
    ],
)
def test_every_state_is_said_in_words(document: Document, words: str) -> None:
    assert status_text(document) == words


def test_the_newest_file_stands_on_top() -> None:
    model = FilesModel()
    model.show_documents([Document("/b.txt", READY, updated=1), Document("/a.txt", READY, updated=2)])
    model.apply([Document("/c.txt", QUEUED), Document("C:\\docs\\d.txt", QUEUED)])
    assert names(model) == ["d.txt", "c.txt", "a.txt", "b.txt"]


def test_a_change_keeps_its_row_and_tells_of_it_only(qtbot: QtBot) -> None:
    model = FilesModel()
    model.show_documents([Document(f"/{number}", QUEUED, updated=number) for number in range(10)])
    with qtbot.waitSignal(model.dataChanged) as changed, qtbot.assertNotEmitted(model.modelReset):
        model.apply([Document("/7", READY, pages=2)])
    assert [index.row() for index in changed.args[:2]] == [2, 2]
    assert model.document(model.index(2)) == Document("/7", READY, pages=2)


def test_removed_files_go() -> None:
    model = FilesModel()
    model.show_documents([Document("/a", READY), Document("/b", READY)])
    model.apply([Document("/a", DocumentStatus.REMOVED)])
    assert names(model) == ["b"]
    model.forget(["/b", "/unknown"])
    assert names(model) == []


def test_only_what_is_in_trouble_can_be_listed() -> None:
    model = FilesModel()
    model.show_documents([Document("/a", READY), Document("/b", FAILED, reason="It is locked.")])
    model.show_only_trouble(True)
    assert names(model) == ["b"]
    assert model.counts() == (1, 1, 2)
    assert sorted(model.paths()) == ["/a", "/b"]
    model.show_only_trouble(False)
    assert len(names(model)) == 2


def test_unfinished_files_are_noticed() -> None:
    model = FilesModel()
    model.show_documents([Document("/a", READY), Document("/b", FAILED)])
    assert not model.has_unfinished()
    model.apply([Document("/c", DocumentStatus.EMBEDDING)])
    assert model.has_unfinished()


def test_the_reason_of_a_failure_is_in_the_tooltip_and_for_screen_readers() -> None:
    model = FilesModel()
    model.show_documents([Document("/x/ä.pdf", FAILED, reason="It is locked.")])
    for role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole):
        text = str(model.index(0).data(role))
        assert "ä.pdf" in text
        assert "It is locked." in text


def test_of_thousands_of_files_only_the_rows_in_sight_are_painted(qtbot: QtBot, theme: Theme) -> None:
    painted: list[int] = []

    class Counting(FilesDelegate):
        def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
            painted.append(index.row())
            super().paint(painter, option, index)

    model, view = FilesModel(), QListView()
    qtbot.addWidget(view)
    view.setModel(model)
    view.setItemDelegate(Counting(theme, view))
    view.setUniformItemSizes(True)
    model.show_documents([Document(f"/{number}.pdf", DocumentStatus.EMBEDDING, fraction=0.3) for number in range(5000)])
    view.resize(300, 480)
    assert not view.grab().isNull()
    assert 5 <= len(set(painted)) <= 12
