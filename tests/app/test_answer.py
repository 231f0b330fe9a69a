from __future__ import annotations

import random

import pytest
from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QGuiApplication, QTextDocument
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app.answer import AnswerBody
from app.markdown import with_chips
from app.richtext import CHIP_SCHEME
from app.textview import CodeView, TextView
from app.theme import Theme
from engine.messages import Citation

ANSWER = """The warranty lasts **24 months**.

## What to keep

1. The receipt
2. The number
   - on the bottom
   - on the box

> A quoted line.

```python
def f(x: int) -> str:
    return "日本 😀"  # note
```

| Part | Years |
|------|------:|
| Grinder | 7 |

---

Last `code` and [site](https://example.org).
"""


@pytest.fixture
def body(qtbot: QtBot, theme: Theme) -> AnswerBody:
    body = AnswerBody(theme)
    qtbot.addWidget(body)
    body.resize(600, 800)
    return body


def shown(body: AnswerBody) -> list[str]:
    return [each.document().toHtml() for each in body.texts()]


def plain(body: AnswerBody) -> str:
    return "\n".join(each.toPlainText() for each in body.texts())


def test_prose_and_code_are_segments_in_their_order(body: AnswerBody) -> None:
    body.set_text(ANSWER, final=True)
    assert [type(each) for each in body.segments] == [TextView, CodeView, TextView]
    text = plain(body)
    for words in ("24 months", "What to keep", "on the box", "A quoted line.", '"日本 😀"', "Grinder", "site"):
        assert words in text
    assert "**" not in text


@pytest.mark.parametrize("seed", range(8))
def test_streamed_text_ends_up_as_the_whole_text_does(body: AnswerBody, qtbot: QtBot, theme: Theme, seed: int) -> None:
    rng, end = random.Random(seed), 0
    while end < len(ANSWER):
        end += rng.randint(1, 12)
        body.set_text(ANSWER[:end], final=False)
    body.set_text(ANSWER, final=True)
    whole = AnswerBody(theme)
    qtbot.addWidget(whole)
    whole.set_text(ANSWER, final=True)
    assert plain(body) == plain(whole)
    assert [type(each) for each in body.segments] == [type(each) for each in whole.segments]


def test_finished_blocks_are_laid_out_once(body: AnswerBody) -> None:
    paragraphs = "\n\n".join(f"Paragraph {number} of the answer." for number in range(50))
    body.set_text(paragraphs, final=False)
    before = body.rendered_blocks
    for extra in range(20):
        body.set_text(paragraphs + " more" * extra, final=False)
    assert body.rendered_blocks - before == 20


def test_another_text_replaces_the_first(body: AnswerBody) -> None:
    body.set_text("One.\n\nTwo.\n\nThree", final=False)
    body.set_text("Other.", final=True)
    assert plain(body) == "Other."


def test_the_caret_shows_only_while_the_answer_grows(body: AnswerBody) -> None:
    body.set_text("Growing", final=False)
    first = body.segments[0]
    assert isinstance(first, TextView)
    assert first.has_caret
    height = first.height()
    body.set_text("Growing", final=True)
    assert "Growing" in first.toPlainText()
    assert not any(each.has_caret for each in body.segments if isinstance(each, TextView))
    assert first.height() == height


def test_raw_html_is_shown_as_text(body: AnswerBody) -> None:
    body.set_text('<b>bold</b> <img src="http://example.org/x.png">', final=True)
    assert plain(body) == '<b>bold</b> <img src="http://example.org/x.png">'


def test_images_are_shown_by_their_words_and_never_loaded(body: AnswerBody) -> None:
    body.set_text("![a cat](http://example.org/cat.png) ![local](file:///etc/passwd)", final=True)
    view = body.segments[0]
    assert isinstance(view, TextView)
    assert plain(body) == "a cat ![local](file:///etc/passwd)"
    assert "img" not in shown(body)[0]
    kind = QTextDocument.ResourceType.ImageResource
    assert view.loadResource(kind.value, QUrl("http://example.org/cat.png")) is None


def test_chips_are_anchors_with_their_number(body: AnswerBody, qtbot: QtBot) -> None:
    answer = "It lasts 24 months."
    cited = Citation(1, "/a.pdf", 1, "24 months", 0, 9, 0, len(answer), 0.9)
    body.set_text(with_chips(answer, [cited]), final=True)
    assert f"{CHIP_SCHEME}1" in shown(body)[0]
    view = body.segments[0]
    assert isinstance(view, TextView)
    with qtbot.waitSignal(body.link_clicked) as clicked:
        view.on_anchor_clicked(QUrl(f"{CHIP_SCHEME}1"))
    assert clicked.args == ["cite:1"]


def test_code_can_be_copied_without_chips(body: AnswerBody, qtbot: QtBot) -> None:
    body.set_text("```\nx = 1⸨2⸩\n```", final=True)
    code = body.segments[0]
    assert isinstance(code, CodeView)
    QTest.mouseClick(code.copy_button, Qt.MouseButton.LeftButton)
    assert QGuiApplication.clipboard().text() == "x = 1"
    assert code.copy_button.text() == "Copied"


def test_code_with_signs_beyond_16_bits_is_highlighted_in_the_right_place(body: AnswerBody, theme: Theme) -> None:
    body.set_text('```python\ns = "😀😀"\nreturn 1\n```', final=True)
    code = body.segments[0]
    assert isinstance(code, CodeView)
    block = code.text_edit.document().findBlockByNumber(1)
    colours = {(piece.start, piece.length): piece.format.foreground().color().name() for piece in block.textFormats()}
    assert colours[0, 6] == theme.tokens.accent


def test_an_unknown_language_stays_plain(body: AnswerBody) -> None:
    body.set_text("```nosuchlanguage\nabc\n```", final=True)
    assert plain(body) == "abc"


def test_prose_is_as_tall_as_its_text(body: AnswerBody) -> None:
    body.set_text("word " * 400, final=True)
    body.show()
    view = body.segments[0]
    assert isinstance(view, TextView)
    assert view.height() >= view.document().size().height()
    assert view.verticalScrollBar().maximum() == 0


@pytest.mark.parametrize("text", ["- ", "1. a\n2. ", "- a\n  - ", "> ", "| a |\n|---|", "```", "#", "* * *", "- - a"])
def test_odd_beginnings_do_not_break_the_view(body: AnswerBody, text: str) -> None:
    for end in range(1, len(text) + 1):
        body.set_text(text[:end], final=False)
    body.set_text(text, final=True)
    assert body.segments
