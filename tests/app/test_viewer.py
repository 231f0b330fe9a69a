"""A cited place is shown on its page or in its text, with what was cited marked and in sight."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QPointF, QSize, Qt
from PySide6.QtGui import QColor, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.reader import EXCERPT_CHARS, ReaderThread
from app.sources import SourceChoice
from app.theme import Theme
from app.viewer import SourceViewer, support_text
from engine.errors import ViewerError
from engine.messages import Citation
from engine.viewing.protocol import Box, Located, Marks
from tests.app.fakes import FakeEngine
from tests.app.viewing import LINE, SNIPPET, FakePages, TextLibrary


@pytest.fixture
def library() -> TextLibrary:
    return TextLibrary()


@pytest.fixture
def pages() -> FakePages:
    return FakePages()


@pytest.fixture
def viewer(qtbot: QtBot, theme: Theme, library: TextLibrary, pages: FakePages) -> Iterator[SourceViewer]:
    engine = FakeEngine()
    engine.library = library
    reader = ReaderThread(engine, pages)
    made = SourceViewer(theme, reader)
    qtbot.addWidget(made)
    made.resize(440, 600)
    with qtbot.waitExposed(made):
        made.show()
    yield made
    reader.request_close()
    reader.join()
    assert pages.closed


@pytest.fixture
def pdf(tmp_path: Path, library: TextLibrary) -> Citation:
    """A citation on page 7 of a PDF, as far as its first bytes go."""
    file = tmp_path / "Größe.pdf"
    file.write_bytes(b"%PDF-1.7\n")
    text = "x" * 90 + "\f" * 6 + "y" * 50 + SNIPPET + "z" * 21
    library.texts[str(file)] = text
    start = text.index(SNIPPET)
    return Citation(1, str(file), 7, SNIPPET, start, start + len(SNIPPET), 0, 5, 0.87)


@pytest.fixture
def plain(tmp_path: Path, library: TextLibrary) -> Citation:
    """A citation in the middle of a long text."""
    file = tmp_path / "notes.md"
    file.write_text("# Notes", "utf-8")
    before = "".join(f"Before {number} \U0001f600\n" for number in range(5000))
    text = before + SNIPPET + "".join(f"\nAfter {number}" for number in range(5000))
    library.texts[str(file)] = text
    start = text.index(SNIPPET)
    return Citation(2, str(file), None, SNIPPET, start, start + len(SNIPPET), 0, 5, 0.7)


def choice(*citations: Citation, index: int = 0) -> SourceChoice:
    return SourceChoice(citations, index)


def open_source(qtbot: QtBot, viewer: SourceViewer, chosen: SourceChoice) -> None:
    viewer.show_source(chosen)
    qtbot.waitUntil(lambda: not viewer.is_opening)


# ------------------------------------------------------------------ pages


def test_a_page_opens_with_the_span_marked_and_in_sight(
    qtbot: QtBot, viewer: SourceViewer, pages: FakePages, pdf: Citation
) -> None:
    viewer.show_source(choice(pdf))
    assert viewer.showing == "loading"
    qtbot.waitUntil(lambda: viewer.showing == "page")
    assert (viewer.title, viewer.caption, viewer.note) == ("Größe.pdf", "Page 7 · Strong support, 87%", "")
    assert pages.wanted == [(7, SNIPPET, 0.5)]
    assert viewer.tools.place == "7 of 9"
    assert viewer.page_view.accessibleName() == "Page 7 of Größe.pdf, 2 lines marked"
    view = viewer.page_view.viewport().rect()
    rectangles = viewer.page_view.mark_rectangles
    assert len(rectangles) == 2
    assert all(view.contains(rectangle.toRect()) for rectangle in rectangles)


def test_marks_are_tinted_and_outlined(qtbot: QtBot, viewer: SourceViewer, pdf: Citation, theme: Theme) -> None:
    open_source(qtbot, viewer, choice(pdf))
    picture = viewer.page_view.viewport().grab().toImage()
    ratio = picture.devicePixelRatio()
    inside, outside = viewer.page_view.mark_rectangles[0].center(), QPointF(8, 8)
    assert picture.pixelColor((inside * ratio).toPoint()) == QColor(theme.tokens.selection)
    assert picture.pixelColor((outside * ratio).toPoint()) == QColor("white")
    edge = viewer.page_view.mark_rectangles[0].topLeft()
    assert picture.pixelColor((edge * ratio).toPoint()).lightness() < 160


def test_small_print_is_enlarged_until_it_can_be_read(
    qtbot: QtBot, viewer: SourceViewer, pages: FakePages, pdf: Citation
) -> None:
    pages.located = replace(pages.located, marks=(Marks(7, (Box(0.1, 0.5, 0.45, 0.51),)),))
    open_source(qtbot, viewer, choice(pdf))
    assert 1.2 < viewer.page_view.zoom <= 2.0
    qtbot.waitUntil(lambda: viewer.page_view.image.width() == viewer.page_view.wanted_width)
    viewer.tools.fit.click()
    assert viewer.page_view.zoom == 1.0
    viewer.show_source(choice(pdf))
    qtbot.waitUntil(lambda: not viewer.is_opening)
    assert viewer.page_view.zoom == 1.0


def test_pages_are_turned_and_hasty_clicks_count(
    qtbot: QtBot, viewer: SourceViewer, pages: FakePages, pdf: Citation
) -> None:
    open_source(qtbot, viewer, choice(pdf))
    pages.gate.clear()
    for _ in range(2):
        viewer.tools.next_page.click()
    assert viewer.tools.place == "9 of 9"
    assert not viewer.tools.next_page.isEnabled()
    pages.gate.set()
    qtbot.waitUntil(lambda: "Page 9" in viewer.caption)
    assert viewer.page_view.mark_rectangles == []
    viewer.tools.previous_page.click()
    qtbot.waitUntil(lambda: "Page 8" in viewer.caption)
    viewer.tools.previous_page.click()
    qtbot.waitUntil(lambda: len(viewer.page_view.mark_rectangles) == 2)


def test_a_larger_page_is_drawn_anew_and_sharp(
    qtbot: QtBot, viewer: SourceViewer, pages: FakePages, pdf: Citation
) -> None:
    open_source(qtbot, viewer, choice(pdf))
    before = viewer.page_view.wanted_width
    viewer.tools.zoom_in.click()
    assert viewer.page_view.wanted_width > before
    qtbot.waitUntil(lambda: viewer.page_view.image.width() == viewer.page_view.wanted_width)
    viewer.resize(600, 600)
    qtbot.waitUntil(lambda: viewer.page_view.image.width() == viewer.page_view.wanted_width)
    for _ in range(12):
        viewer.tools.zoom_in.click()
        assert viewer.page_view.viewport().rect().intersects(viewer.page_view.mark_rectangles[0].toRect())
    assert not viewer.tools.zoom_in.isEnabled()
    for _ in range(20):
        viewer.tools.zoom_out.click()
    assert not viewer.tools.zoom_out.isEnabled()


def test_a_page_that_can_not_be_so_large_is_asked_for_once(
    qtbot: QtBot, viewer: SourceViewer, pages: FakePages, pdf: Citation
) -> None:
    pages.largest = 300
    open_source(qtbot, viewer, choice(pdf))
    viewer.tools.zoom_in.click()
    wanted = viewer.page_view.wanted_width
    qtbot.waitUntil(lambda: pages.drawn[-1] == (7, wanted))
    count = len(pages.drawn)
    viewer.page_view.viewport().update()
    QApplication.processEvents()
    assert len(pages.drawn) == count
    assert viewer.page_view.image.width() == 300


def test_the_wheel_zooms_with_ctrl_around_the_pointer(qtbot: QtBot, viewer: SourceViewer, pdf: Citation) -> None:
    open_source(qtbot, viewer, choice(pdf))
    view = viewer.page_view
    view.on_fit()
    for modifiers, zoom in ((Qt.KeyboardModifier.NoModifier, 1.0), (Qt.KeyboardModifier.ControlModifier, 1.25)):
        place = QPointF(100, 100)
        event = QWheelEvent(
            place,
            view.viewport().mapToGlobal(place),
            QPoint(),
            QPoint(0, 120),
            Qt.MouseButton.NoButton,
            modifiers,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(view.viewport(), event)
        assert view.zoom == zoom


@pytest.mark.parametrize(
    ("located", "note"),
    [
        (Located("moved", 1.0, (Marks(9, (LINE,)),), 9), "The passage is on page 9, not 7"),
        (Located("part", 0.6, (Marks(7, (LINE,)),), 9), "Only a part of the passage"),
        (Located("none", 0.0, (), 9), "The passage was not found on this page"),
        (Located("whole", 1.0, (Marks(7, ()),), 9), "outside of what this page shows"),
    ],
)
def test_a_passage_that_is_not_where_it_was_is_told_of(
    qtbot: QtBot, viewer: SourceViewer, pages: FakePages, pdf: Citation, located: Located, note: str
) -> None:
    pages.located = located
    open_source(qtbot, viewer, choice(pdf))
    assert note in viewer.note
    assert viewer.page == (9 if located.match == "moved" else 7)
    assert viewer.text_button.isVisible() == (located.match == "none")


def test_the_text_helps_where_the_page_does_not(
    qtbot: QtBot, viewer: SourceViewer, pages: FakePages, pdf: Citation
) -> None:
    pages.located = Located("none", 0.0, (), 9)
    open_source(qtbot, viewer, choice(pdf))
    viewer.text_button.click()
    qtbot.waitUntil(lambda: viewer.showing == "text")
    assert viewer.excerpt_view.marked_text == SNIPPET


# ------------------------------------------------------------------- texts


def test_a_text_opens_around_the_marked_span(qtbot: QtBot, viewer: SourceViewer, plain: Citation) -> None:
    open_source(qtbot, viewer, choice(plain))
    assert (viewer.showing, viewer.caption) == ("text", "Good support, 70%")
    shown = viewer.excerpt_view
    assert shown.marked_text == SNIPPET
    assert len(shown.edit.toPlainText()) <= EXCERPT_CHARS
    assert shown.edit.viewport().rect().contains(shown.edit.cursorRect().center())
    assert not viewer.tools.isVisible()


def test_earlier_and_later_text_is_a_click_away(qtbot: QtBot, viewer: SourceViewer, plain: Citation) -> None:
    open_source(qtbot, viewer, choice(plain))
    shown = viewer.excerpt_view
    seen = shown.edit.toPlainText()
    shown.later.click()
    qtbot.waitUntil(lambda: shown.edit.toPlainText() != seen)
    assert shown.marked_text == ""
    # The two overlap, and the end of the first is in sight.
    assert seen[-1000:] in shown.edit.toPlainText()
    assert shown.edit.viewport().rect().contains(shown.edit.cursorRect().center())
    assert shown.edit.toPlainText()[shown.edit.textCursor().position() :].startswith("After")
    while shown.earlier.isVisible():
        seen = shown.edit.toPlainText()
        shown.earlier.click()
        qtbot.waitUntil(lambda seen=seen: shown.edit.toPlainText() != seen)  # type: ignore[misc]
    assert shown.edit.toPlainText().startswith("Before 0")


def test_markup_is_shown_as_text_and_loads_nothing(
    qtbot: QtBot, viewer: SourceViewer, library: TextLibrary, plain: Citation
) -> None:
    markup = '<img src="https://example.org/x.png"><b>bold</b>'
    library.texts[plain.path] = markup
    open_source(qtbot, viewer, choice(replace(plain, snippet="<b>bold</b>", start=37, end=48)))
    assert viewer.excerpt_view.edit.toPlainText() == markup
    assert viewer.excerpt_view.marked_text == "<b>bold</b>"


def test_a_span_is_found_where_the_text_has_moved(
    qtbot: QtBot, viewer: SourceViewer, library: TextLibrary, plain: Citation
) -> None:
    library.texts[plain.path] = f"New words. {SNIPPET}"
    open_source(qtbot, viewer, choice(plain))
    assert viewer.excerpt_view.marked_text == SNIPPET
    library.texts[plain.path] = "All is new."
    viewer.show_source(choice(plain))
    qtbot.waitUntil(lambda: "no longer in the indexed text" in viewer.note)
    assert viewer.excerpt_view.marked_text == ""


# ----------------------------------------------------------------- trouble


def test_a_file_that_is_gone_is_shown_by_its_text(qtbot: QtBot, viewer: SourceViewer, pdf: Citation) -> None:
    Path(pdf.path).unlink()
    open_source(qtbot, viewer, choice(pdf))
    assert viewer.note == "Größe.pdf is not where it was: this is its indexed text."
    assert viewer.excerpt_view.marked_text == SNIPPET


def test_a_page_that_fails_is_shown_by_its_text(
    qtbot: QtBot, viewer: SourceViewer, pages: FakePages, pdf: Citation
) -> None:
    pages.error = ViewerError("Größe.pdf is protected by a password: open it in its own program.")
    open_source(qtbot, viewer, choice(pdf))
    assert viewer.note.startswith("Größe.pdf is protected by a password")
    assert viewer.excerpt_view.marked_text == SNIPPET


def test_a_page_opens_without_its_text(
    qtbot: QtBot, viewer: SourceViewer, library: TextLibrary, pages: FakePages, pdf: Citation
) -> None:
    library.texts.clear()
    open_source(qtbot, viewer, choice(pdf))
    assert viewer.showing == "page"
    pages.error = ViewerError("Größe.pdf is protected by a password: open it in its own program.")
    open_source(qtbot, viewer, choice(pdf))
    assert viewer.trouble == pages.error.sentence


def test_where_nothing_helps_a_sentence_and_another_try_do(
    qtbot: QtBot, viewer: SourceViewer, library: TextLibrary, plain: Citation
) -> None:
    text = library.texts.pop(plain.path)
    open_source(qtbot, viewer, choice(plain))
    assert viewer.trouble == "notes.md is not in the library: add it first."
    library.texts[plain.path] = text
    viewer.again.click()
    qtbot.waitUntil(lambda: viewer.showing == "text")
    assert viewer.trouble == ""


# ------------------------------------------------------------------ sources


def test_the_sources_of_an_answer_are_stepped_through(
    qtbot: QtBot, viewer: SourceViewer, pdf: Citation, plain: Citation
) -> None:
    open_source(qtbot, viewer, choice(pdf, plain))
    assert viewer.caption.endswith("1 of 2")
    assert not viewer.previous_source.isEnabled()
    viewer.next_source.click()
    qtbot.waitUntil(lambda: viewer.showing == "text")
    assert (viewer.title, viewer.caption) == ("notes.md", "Good support, 70% 2 of 2")
    assert not viewer.next_source.isEnabled()
    viewer.previous_source.click()
    qtbot.waitUntil(lambda: viewer.showing == "page")
    open_source(qtbot, viewer, choice(pdf))
    assert not viewer.next_source.isVisible()


def test_only_the_last_wish_is_answered(
    qtbot: QtBot, viewer: SourceViewer, pages: FakePages, pdf: Citation, plain: Citation
) -> None:
    pages.gate.clear()
    viewer.show_source(choice(pdf))
    viewer.show_source(choice(plain))
    pages.gate.set()
    qtbot.waitUntil(lambda: not viewer.is_opening)
    assert (viewer.showing, viewer.title) == ("text", "notes.md")


def test_a_closed_viewer_lets_its_page_go(qtbot: QtBot, viewer: SourceViewer, pdf: Citation) -> None:
    open_source(qtbot, viewer, choice(pdf))
    viewer.forget()
    assert viewer.page_view.image.size() == QSize(0, 0)
    assert viewer.excerpt_view.edit.toPlainText() == ""


def test_the_file_opens_in_its_own_program(qtbot: QtBot, viewer: SourceViewer, pdf: Citation) -> None:
    open_source(qtbot, viewer, choice(pdf))
    with qtbot.waitSignal(viewer.open_requested) as opened:
        viewer.on_open_file()
    assert opened.args == [pdf.path]


def test_the_page_takes_the_keyboard(qtbot: QtBot, viewer: SourceViewer, pages: FakePages, pdf: Citation) -> None:
    pages.located = replace(pages.located, marks=(Marks(7, (Box(0.1, 0.01, 0.9, 0.06),)),))
    open_source(qtbot, viewer, choice(pdf))
    viewer.page_view.setFocus()
    bar = viewer.page_view.verticalScrollBar()
    before = bar.value()
    QTest.keyClick(viewer.page_view, Qt.Key.Key_PageDown)
    assert bar.value() > before


@pytest.mark.parametrize(
    ("support", "text"),
    [(1.0, "Strong support, 100%"), (0.85, "Strong support, 85%"), (0.7, "Good support, 70%"), (0.5, "Partial")],
)
def test_support_is_said_in_words_and_as_a_share(support: float, text: str) -> None:
    assert support_text(support).startswith(text)
