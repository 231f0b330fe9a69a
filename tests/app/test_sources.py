from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app.sources import SourceCard, SourceChoice, SourcesView, file_name, place_of
from app.textview import TextView
from app.theme import Theme
from engine.messages import Citation, Passage

TEXT = "alpha " * 60 + "The warranty lasts\n24 months." + " omega" * 60
START = TEXT.index("The warranty")
SNIPPET = "The warranty lasts\n24 months."
CITATION = Citation(2, "/docs/Größe.pdf", 7, SNIPPET, 1000 + START, 1000 + START + len(SNIPPET), 0, 5, 0.9)
PASSAGE = Passage("c", "/docs/Größe.pdf", TEXT, 7, "", 1000, 1000 + len(TEXT), 0.9)


@pytest.mark.parametrize(
    ("path", "name"), [("/a/b.pdf", "b.pdf"), ("C:\\x\\ü.docx", "ü.docx"), ("b.md", "b.md"), ("/", "/")]
)
def test_file_names_of_every_system(path: str, name: str) -> None:
    assert file_name(path) == name


def test_a_place_without_pages_is_not_named() -> None:
    assert place_of(CITATION) == "page 7"
    assert place_of(Citation(1, "/a.md", None, "x", 0, 1, 0, 1, 0.5)) == ""


def test_the_snippet_stands_in_its_passage_cut_at_words(qtbot: QtBot, theme: Theme) -> None:
    card = SourceCard(theme, CITATION, PASSAGE)
    qtbot.addWidget(card)
    assert "alpha The warranty lasts 24 months. omega" in card.text
    assert card.text.startswith("… alpha")
    assert card.text.endswith("omega …")
    assert len(card.text) < 600


def test_only_the_snippet_is_marked(qtbot: QtBot, theme: Theme) -> None:
    card = SourceCard(theme, CITATION, PASSAGE)
    qtbot.addWidget(card)
    assert card.marked_text == "The warranty lasts 24 months."


def test_without_its_passage_the_text_around_is_asked_for_once(qtbot: QtBot, theme: Theme) -> None:
    view = SourcesView(theme, [CITATION], [])
    qtbot.addWidget(view)
    with qtbot.waitSignal(view.context_wanted) as wanted:
        view.show()
    assert wanted.args == [CITATION]
    view.set_context(CITATION, "Before. ", " After.")
    assert view.cards[2].text == "… Before. The warranty lasts 24 months. After. …"
    view.hide()
    with qtbot.assertNotEmitted(view.context_wanted):
        view.show()


def test_a_number_has_one_card(qtbot: QtBot, theme: Theme) -> None:
    view = SourcesView(theme, [CITATION, CITATION], [PASSAGE])
    qtbot.addWidget(view)
    assert list(view.cards) == [2]


def test_the_file_opens_after_a_click(qtbot: QtBot, theme: Theme) -> None:
    card = SourceCard(theme, CITATION, PASSAGE)
    qtbot.addWidget(card)
    with qtbot.waitSignal(card.open_requested) as opened:
        QTest.mouseClick(card.open_button, Qt.MouseButton.LeftButton)
    assert opened.args == ["/docs/Größe.pdf"]


def test_a_click_on_the_cited_text_and_enter_ask_for_its_page(qtbot: QtBot, theme: Theme) -> None:
    other = replace(CITATION, number=1, path="/docs/a.md", page=None)
    view = SourcesView(theme, [other, CITATION], [PASSAGE])
    qtbot.addWidget(view)
    view.show()
    card = view.cards[2]
    text = card.findChild(TextView)
    assert isinstance(text, TextView)
    wanted = SourceChoice((other, CITATION), 1)
    acts: tuple[Callable[[], None], ...] = (
        lambda: QTest.mouseClick(text.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(20, 8)),
        lambda: QTest.mouseClick(card.viewer_button, Qt.MouseButton.LeftButton),
        lambda: QTest.keyClick(card, Qt.Key.Key_Return),
    )
    for act in acts:
        with qtbot.waitSignal(view.view_requested) as asked:
            act()
        assert asked.args == [wanted]
    assert [each.viewer_button.text() for each in view.cards.values()] == ["Show text", "Show page"]


def test_marking_text_of_a_card_opens_nothing(qtbot: QtBot, theme: Theme) -> None:
    view = SourcesView(theme, [CITATION], [PASSAGE])
    qtbot.addWidget(view)
    view.show()
    text = view.cards[2].findChild(TextView)
    assert isinstance(text, TextView)
    with qtbot.assertNotEmitted(view.view_requested):
        QTest.mousePress(text.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(20, 8))
        QTest.mouseMove(text.viewport(), QPoint(90, 8))
        QTest.mouseRelease(text.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(90, 8))
