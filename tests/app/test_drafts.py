from __future__ import annotations

import random
import re

import pytest
from PySide6.QtGui import QColor, QTextDocument
from pytestqt.qtbot import QtBot

from app.answer import AnswerBody
from app.drafts import DRAFTED_TIP, Drafts, drafting_tip, drafting_words, speedup_text
from app.markdown import with_chips
from app.marks import past_chips
from app.theme import DARK, Theme
from engine.messages import Citation, Delta, Metrics
from tests.app.fakes import DRAFTED, METRICS

ANSWER = """Alpha **bravo charlie** delta, *echo* foxtrot `golf hotel` india.

## Juliett kilo

1. Lima mike &amp; november
2. Oscar papa
   - quebec 5 \\* romeo
   - sierra

   ```sh
   tango --uniform
     victor
   ```

> Whiskey [xray yankee](https://example.org/zulu(one) "two three") four
> five ~~six~~

```python
def seven(eight: nine) -> ten:
    return "eleven 😀"  # twelve
```

| Thirteen | Fourteen |
|----------|---------:|
| fifteen  | sixteen  |

Seventeen ![eighteen](nineteen.png) twenty\\
twentyone.
"""
HIDDEN = {"https", "example", "org", "zulu", "one", "two", "three", "nineteen", "png", "amp", "sh", "python", "1", "2"}


@pytest.fixture
def body(qtbot: QtBot, theme: Theme) -> AnswerBody:
    body = AnswerBody(theme)
    qtbot.addWidget(body)
    body.resize(600, 800)
    return body


def drafts(*pieces: tuple[str, bool]) -> Drafts:
    made = Drafts()
    for text, drafted in pieces:
        made.add(Delta(text, drafted=drafted))
    return made


def tinted_in(document: QTextDocument, colour: str) -> list[str]:
    found, block = [], document.begin()
    while block.isValid():
        pieces = block.begin()
        while not pieces.atEnd():
            fragment = pieces.fragment()
            if fragment.charFormat().background().color() == QColor(colour):
                assert DRAFTED_TIP in fragment.charFormat().toolTip()
                found.append(fragment.text())
            pieces += 1
        block = block.next()
    return found


def tinted(body: AnswerBody, colour: str) -> list[str]:
    return [text for view in body.texts() for text in tinted_in(view.document(), colour)]


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


def scattered(seed: int) -> Drafts:
    rng = random.Random(seed)
    return drafts(*((piece, rng.random() < 0.5) for piece in re.findall(r"\W*\w+\W*?|\W+$", ANSWER)))


# ---------------------------------------------------------------- where they stand


def test_neighbouring_drafts_are_one_piece_without_white_space_around() -> None:
    made = drafts(("One", False), (" two", True), (" three ", True), ("four", False), ("\n\n", True))
    assert made.edges_in(made.text) == (4, 13)
    assert made.legend == "3 of 5 tokens were drafted ahead"


def test_an_answer_that_was_cut_keeps_its_drafts_and_another_one_has_none() -> None:
    made = drafts(("One", False), (" two three", True), (" four", True))
    assert made.edges_in("One two") == (4, 7)
    assert made.edges_in("One") == ()
    assert made.edges_in("One, two three four") == ()


def test_edges_move_behind_the_chips() -> None:
    answer = "First. Second."
    chipped = with_chips(answer, [Citation(n, "/a.pdf", 1, "s", 0, 1, 0, end, 0.9) for n, end in ((1, 6), (12, 14))])
    begin, end = past_chips((7, 13), chipped)
    assert chipped[begin:end] == "Second"


# ---------------------------------------------------------------- how they are shown


@pytest.mark.parametrize("seed", range(12))
def test_the_drafted_words_are_tinted_whatever_they_stand_in(body: AnswerBody, theme: Theme, seed: int) -> None:
    made = scattered(seed)
    edges = made.edges_in(ANSWER)
    body.set_text(ANSWER, final=True, drafted=edges)
    meant = {word for begin, end in zip(edges[::2], edges[1::2], strict=True) for word in words(ANSWER[begin:end])}
    assert {word for text in tinted(body, theme.tokens.drafted) for word in words(text)} == meant - HIDDEN


@pytest.mark.parametrize("seed", range(6))
def test_streamed_words_end_up_tinted_as_the_whole_answer_is(
    body: AnswerBody, qtbot: QtBot, theme: Theme, seed: int
) -> None:
    made, rng, end = scattered(seed), random.Random(seed), 0
    while end < len(ANSWER):
        end += rng.randint(1, 12)
        body.set_text(ANSWER[:end], final=False, drafted=made.edges_in(ANSWER[:end]))
    body.set_text(ANSWER, final=True, drafted=made.edges_in(ANSWER))
    whole = AnswerBody(theme)
    qtbot.addWidget(whole)
    whole.set_text(ANSWER, final=True, drafted=made.edges_in(ANSWER))
    assert tinted(body, theme.tokens.drafted) == tinted(whole, theme.tokens.drafted)
    assert [each.toPlainText() for each in body.texts()] == [each.toPlainText() for each in whole.texts()]


def test_tint_does_not_change_what_the_answer_says(body: AnswerBody, qtbot: QtBot, theme: Theme) -> None:
    body.set_text(ANSWER, final=True, drafted=(0, len(ANSWER)))
    plain = AnswerBody(theme)
    qtbot.addWidget(plain)
    plain.set_text(ANSWER, final=True)
    assert [each.toPlainText() for each in body.texts()] == [each.toPlainText() for each in plain.texts()]
    assert tinted(plain, theme.tokens.drafted) == []


def test_chips_stand_between_drafted_words_untinted(body: AnswerBody, theme: Theme) -> None:
    made = drafts(("It lasts", False), (" 24 months. And", True), (" then 1.", False))
    cited = [Citation(1, "/a.pdf", 1, "24 months", 0, 9, 0, 19, 0.9)]
    chipped = with_chips(made.text, cited)
    body.set_text(chipped, final=True, drafted=past_chips(made.edges_in(made.text), chipped))
    assert tinted(body, theme.tokens.drafted) == ["24 months.", " And"]


def test_finished_blocks_are_laid_out_once_with_tint_too(body: AnswerBody) -> None:
    made = drafts(*((f"Paragraph {number} of the answer.\n\n", number % 2 == 0) for number in range(50)))
    body.set_text(made.text, final=False, drafted=made.edges_in(made.text))
    before = body.rendered_blocks
    for _ in range(20):
        made.add(Delta(" more", drafted=True))
        body.set_text(made.text, final=False, drafted=made.edges_in(made.text))
    assert body.rendered_blocks - before <= 21


def test_the_tint_follows_the_theme(body: AnswerBody, theme: Theme) -> None:
    theme.set_choice("dark")
    body.set_text("One two", final=True, drafted=(4, 7))
    assert tinted(body, DARK.drafted) == ["two"]


# ---------------------------------------------------------------- in words


def test_a_speedup_is_told_from_five_percent_on() -> None:
    assert speedup_text(DRAFTED) == "1.6x"
    assert speedup_text(METRICS) == ""
    assert speedup_text(Metrics(draft_tier="n-gram", speedup_estimate=1.04)) == ""


def test_words_tell_tier_acceptance_length_and_speed() -> None:
    for part in ("n-gram", "72 %", "8.1", "1.6 times"):
        assert part in drafting_tip(DRAFTED)
    assert drafting_words(DRAFTED) == (
        "Drafting: tier n-gram, acceptance 72 %, 8.1 tokens accepted per draft, 1.6x plain (estimated)"
    )
    assert drafting_tip(METRICS) == ""
    assert "none" in drafting_words(METRICS)
    assert "no answer" in drafting_words(None)
