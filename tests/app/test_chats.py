from __future__ import annotations

import time
from datetime import date, datetime, timedelta

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app import chats as chats_module
from app.chats import ChatsModel, ChatsPanel, group_of
from app.theme import Theme
from engine.messages import Chat

DAY = 86400.0


def texts(model: ChatsModel) -> list[str]:
    return [str(model.index(row).data()) for row in range(model.rowCount())]


@pytest.fixture
def panel(qtbot: QtBot, theme: Theme) -> ChatsPanel:
    panel = ChatsPanel(theme)
    qtbot.addWidget(panel)
    panel.resize(240, 600)
    with qtbot.waitExposed(panel):
        panel.show()
    now = time.time()
    panel.show_chats([Chat(3, "Contract", now), Chat(2, "Trip", now - 3 * DAY), Chat(1, "Älter", now - 40 * DAY)], "")
    return panel


@pytest.mark.parametrize(
    ("days", "group"), [(0, "Today"), (1, "Yesterday"), (2, "Previous 7 days"), (7, "Previous 7 days"), (8, "Older")]
)
def test_chats_are_grouped_by_day(days: int, group: str) -> None:
    today = date(2026, 3, 30)
    noon = datetime(2026, 3, 30, 12) - timedelta(days=days)
    assert group_of(noon.timestamp(), today) == group


def test_headings_stand_between_the_groups(panel: ChatsPanel) -> None:
    assert texts(panel.model) == ["Today", "Contract", "Previous 7 days", "Trip", "Older", "Älter"]


def test_headings_can_not_be_chosen(panel: ChatsPanel) -> None:
    assert panel.model.flags(panel.model.index(0)) == Qt.ItemFlag.NoItemFlags


def test_a_click_opens_a_chat(panel: ChatsPanel, qtbot: QtBot) -> None:
    place = panel.list.visualRect(panel.model.index_of(2)).center()
    with qtbot.waitSignal(panel.chosen) as chosen:
        QTest.mouseClick(panel.list.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert chosen.args == [2]


def test_the_keyboard_opens_a_chat(panel: ChatsPanel, qtbot: QtBot) -> None:
    panel.select(3)
    panel.list.setFocus()
    with qtbot.waitSignal(panel.chosen) as chosen:
        QTest.keyClick(panel.list, Qt.Key.Key_Down)
        QTest.keyClick(panel.list, Qt.Key.Key_Return)
    assert chosen.args == [2]


def test_renaming_tells_the_new_title(panel: ChatsPanel, qtbot: QtBot) -> None:
    with qtbot.waitSignal(panel.renamed) as renamed:
        assert panel.model.setData(panel.model.index_of(3), "  Lease  ")
    assert renamed.args == [3, "Lease"]
    assert not panel.model.setData(panel.model.index_of(3), "   ")
    assert not panel.model.setData(panel.model.index(0), "heading")


@pytest.mark.parametrize("agreed", [True, False])
def test_delete_asks_first(panel: ChatsPanel, monkeypatch: pytest.MonkeyPatch, agreed: bool) -> None:
    deleted: list[int] = []
    panel.deleted.connect(deleted.append)
    monkeypatch.setattr(chats_module, "confirm", lambda *_: agreed)
    panel.select(2)
    QTest.keyClick(panel.list, Qt.Key.Key_Delete)
    assert deleted == ([2] if agreed else [])


def test_search_waits_for_a_pause_and_ignores_stale_answers(panel: ChatsPanel, qtbot: QtBot) -> None:
    with qtbot.waitSignal(panel.search_changed) as changed:
        QTest.keyClicks(panel.search, "trip")
    assert changed.args == ["trip"]
    panel.show_chats([Chat(1, "stale", time.time())], "tr")
    assert "stale" not in texts(panel.model)
    panel.show_chats([Chat(2, "Trip", time.time())], "trip")
    assert texts(panel.model) == ["Today", "Trip"]
    with qtbot.waitSignal(panel.chosen) as chosen:
        QTest.keyClick(panel.search, Qt.Key.Key_Return)
    assert chosen.args == [2]
