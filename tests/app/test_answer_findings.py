"""What the review found, as it stands in a rendered answer."""

from __future__ import annotations

import pytest
from PySide6.QtGui import QColor, QTextBlock, QTextCharFormat, QTextDocument
from pytestqt.qtbot import QtBot

from app.answer import AnswerBody
from app.findings import UNSUPPORTED_TIP, finding_marks
from app.markdown import with_chips
from app.marks import Mark, marks_past_chips
from app.textview import CodeView, TextView
from app.theme import DARK, Theme
from engine.messages import Citation, SentenceReview
from engine.retrieval.sentences import split_sentences

Underline = QTextCharFormat.UnderlineStyle

ANSWER = """Alpha **bravo charlie** delta. *Echo* foxtrot `golf hotel` india.

## Juliett kilo

1. Lima mike &amp; november.
2. Oscar papa
   - quebec 5 \\* romeo.
   - sierra

> Whiskey [xray yankee](https://example.org/zulu(one) "two three") four
> five ~~six~~.

```python
def seven(eight: nine) -> ten:
    return "eleven"
```

| Thirteen | Fourteen |
|----------|---------:|
| fifteen  | sixteen  |

Seventeen ![eighteen](nineteen.png) twenty\\
twentyone.
"""


@pytest.fixture
def body(qtbot: QtBot, theme: Theme) -> AnswerBody:
    body = AnswerBody(theme)
    qtbot.addWidget(body)
    body.resize(600, 800)
    return body


def pieces(body: AnswerBody) -> list[tuple[str, QTextCharFormat]]:
    found = []
    for view in body.texts():
        block = view.document().begin()
        while block.isValid():
            part = block.begin()
            while not part.atEnd():
                found.append((part.fragment().text(), part.fragment().charFormat()))
                part += 1
            block = block.next()
    return found


def underlined(body: AnswerBody, style: Underline = Underline.DotLine) -> list[str]:
    return [text for text, char in pieces(body) if char.underlineStyle() == style]


def plain(body: AnswerBody) -> str:
    return "\n".join(each.toPlainText() for each in body.texts())


def lacking(answer: str, *sentences: str) -> tuple[Mark, ...]:
    """The marks where these sentences of an answer have no support."""
    starts = [answer.index(sentence) for sentence in sentences]
    ends = [start + len(sentence) for start, sentence in zip(starts, sentences, strict=True)]
    return finding_marks(answer, [SentenceReview(*span, False) for span in zip(starts, ends, strict=True)])


# ---------------------------------------------------------------- in Markdown


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        ("Alpha **bravo charlie** delta.", "Alpha bravo charlie delta."),
        ("*Echo* foxtrot `golf hotel` india.", "Echo foxtrot golf hotel india."),
        ("Juliett kilo", "Juliett kilo"),
        ("Lima mike &amp; november.", "Lima mike & november."),
        ("quebec 5 \\* romeo.", "quebec 5 * romeo."),
        ("sierra", "sierra"),
        ("| fifteen  | sixteen  |", "fifteensixteen"),
        ("twenty\\\ntwentyone.", " twenty\u2028twentyone."),
        ("~~six~~.", "six."),
    ],
)
def test_a_sentence_is_underlined_whatever_it_stands_in(body: AnswerBody, sentence: str, shown: str) -> None:
    body.set_text(ANSWER, final=True, findings=lacking(ANSWER, sentence))
    assert "".join(underlined(body)).strip() == shown.strip()


def test_every_sentence_that_the_engine_finds_can_be_marked(body: AnswerBody) -> None:
    spans = [span for span in split_sentences(ANSWER) if span.kind != "code"]
    marks = finding_marks(ANSWER, [SentenceReview(span.start, span.end, False) for span in spans])
    body.set_text(ANSWER, final=True, findings=marks)
    # Only the code is left.
    rest = [text for text, char in pieces(body) if char.underlineStyle() != Underline.DotLine]
    assert "".join(rest).replace("\ufffc", "").split() == 'def seven(eight: nine) -> ten: return "eleven"'.split()


def test_marks_do_not_change_what_the_answer_says_nor_its_structure(
    body: AnswerBody, qtbot: QtBot, theme: Theme
) -> None:
    bare = AnswerBody(theme)
    qtbot.addWidget(bare)
    bare.set_text(ANSWER, final=True)
    body.set_text(ANSWER, final=True, findings=[Mark(0, len(ANSWER), "unsupported", "tip")])
    assert plain(body) == plain(bare)
    assert [type(each) for each in body.segments] == [TextView, CodeView, TextView]
    assert [char.fontWeight() for text, char in pieces(body) if text == "bravo charlie"] == [700]
    lists = [[b.textList() is not None for b in blocks(each.document())] for each in (body.texts()[0], bare.texts()[0])]
    assert lists[0] == lists[1]


def blocks(document: QTextDocument) -> list[QTextBlock]:
    return [document.findBlockByNumber(number) for number in range(document.blockCount())]


def test_code_is_never_marked(body: AnswerBody) -> None:
    body.set_text(ANSWER, final=True, findings=[Mark(0, len(ANSWER), "unsupported", "tip")])
    code = body.segments[1]
    assert isinstance(code, CodeView)
    assert all("return" not in text for text in underlined(body))


def test_chips_and_marks_stand_side_by_side(body: AnswerBody) -> None:
    answer = "It lasts 24 months. It is red."
    chipped = with_chips(answer, [Citation(1, "/a.pdf", 1, "24 months", 0, 9, 0, 19, 0.9)])
    marks = finding_marks(
        answer,
        [SentenceReview(0, 19, True, "It was corrected.", "It lasts 12 months."), SentenceReview(20, 30, False)],
    )
    body.set_text(chipped, final=True, findings=marks_past_chips(marks, chipped))
    assert underlined(body) == ["It is red."]
    assert underlined(body, Underline.DashUnderline) == ["24"]


def test_colour_and_line_tell_a_correction_from_a_lack_of_support(body: AnswerBody, theme: Theme) -> None:
    theme.set_choice("dark")
    marks = (Mark(0, 3, "unsupported", "one"), Mark(4, 7, "corrected", "two"))
    body.set_text("One two", final=True, findings=marks)
    found = {text: (char.underlineStyle(), char.underlineColor()) for text, char in pieces(body) if char.toolTip()}
    assert found == {
        "One": (Underline.DotLine, QColor(DARK.warning)),
        "two": (Underline.DashUnderline, QColor(DARK.positive)),
    }


def test_drafted_words_keep_their_tint_under_a_mark(body: AnswerBody, theme: Theme) -> None:
    body.set_text("One two three", final=True, drafted=(4, 13), findings=lacking("One two three", "One two"))
    tinted = [text for text, char in pieces(body) if char.background().color() == QColor(theme.tokens.drafted)]
    assert tinted == ["two", " three"]
    assert underlined(body) == ["One ", "two"]


# ---------------------------------------------------------------- re-rendering


def test_findings_mark_an_answer_that_is_shown_already(body: AnswerBody) -> None:
    text = "One is red.\n\nTwo is blue.\n\nThree"
    body.set_text(text, final=False)
    body.set_text(text, final=True, findings=lacking(text, "One is red."))
    assert underlined(body) == ["One is red."]
    body.set_text(text, final=True)
    assert underlined(body) == []


def test_a_corrected_answer_takes_the_place_of_the_streamed_one_in_the_same_views(
    body: AnswerBody, qtbot: QtBot
) -> None:
    body.show()
    streamed = f"{'word ' * 60}12 months.\n\n```python\nx = 1\n```\n\nEnd."
    for end in range(0, len(streamed), 7):
        body.set_text(streamed[:end], final=False)
    body.set_text(streamed, final=False)
    views, heights = list(body.segments), [each.height() for each in body.segments]
    body.set_text(streamed.replace("12", "24"), final=True)
    assert body.segments == views
    assert [each.height() for each in body.segments] == heights
    assert "24 months." in plain(body)
    assert "12" not in plain(body)
    assert plain(body).count("x = 1") == 1


def test_an_answer_of_other_parts_keeps_no_view_that_is_not_its_own(body: AnswerBody) -> None:
    body.set_text("One.\n\n```\nx\n```\n\nTwo.", final=True)
    body.set_text("```\ny\n```\n\nThree.", final=True)
    assert [type(each) for each in body.segments] == [CodeView, TextView]
    assert plain(body) == "y\nThree."
    layout = body.layout()
    assert layout is not None
    assert [layout.indexOf(each) for each in body.segments] == [0, 1]
    assert layout.count() == 2


def test_lists_and_tables_leave_nothing_behind(body: AnswerBody, qtbot: QtBot, theme: Theme) -> None:
    body.set_text("- a\n  - b\n\n| c | d |\n|---|---|\n| e | f |", final=True)
    body.set_text("Plain [1].", final=True)
    view = body.segments[0]
    fresh = AnswerBody(theme)
    qtbot.addWidget(fresh)
    fresh.set_text("Plain [1].", final=True)
    other = fresh.segments[0]
    assert isinstance(view, TextView)
    assert isinstance(other, TextView)
    assert view.toHtml() == other.toHtml()


# ---------------------------------------------------------------- untrusted text


@pytest.mark.parametrize("text", ['<img src="file:///etc/x.png">', "<b>bold</b>", "![x](http://example.org/x.png)"])
def test_a_correction_can_neither_style_its_tooltip_nor_load_anything(body: AnswerBody, text: str) -> None:
    body.set_text("One two", final=True, findings=[Mark(0, 3, "corrected", text)])
    (tip,) = {char.toolTip() for _text, char in pieces(body) if char.toolTip()}
    document = QTextDocument()
    document.setHtml(tip)
    assert document.toPlainText() == text


def test_markup_in_an_unsupported_sentence_stays_text(body: AnswerBody) -> None:
    answer = '<a href="http://example.org">Click</a> <img src="file:///etc/x.png"> here.'
    body.set_text(answer, final=True, findings=lacking(answer, answer))
    assert plain(body) == answer
    assert "".join(underlined(body)) == answer
    assert not any(char.isAnchor() or char.isImageFormat() for _text, char in pieces(body))
    assert all(UNSUPPORTED_TIP in char.toolTip() for _text, char in pieces(body))


def test_the_name_of_a_language_is_shown_as_it_is(body: AnswerBody) -> None:
    body.set_text('```<img/src="file:///etc/x.png">\nx\n```', final=True)
    code = body.segments[0]
    assert isinstance(code, CodeView)
    assert code.language_label.textFormat().name == "PlainText"
