"""A cited text is looked for on its page, across the break to the next, in pieces, and on the other pages."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from engine.viewing.match import Key, Run, fold
from engine.viewing.protocol import Box, Locate, Marks
from engine.viewing.search import locate

SENTENCE = "The warranty lasts 24 months from the date of purchase."
FILLER = "Other words stand here, and they say nothing of interest."


class PagesOfText:
    """Pages whose boxes tell the offsets of the run in the page's key."""

    def __init__(self, *texts: str) -> None:
        self.texts = texts
        self.read: list[int] = []

    @property
    def count(self) -> int:
        return len(self.texts)

    def key(self, number: int, /) -> Key:
        self.read.append(number)
        return fold(self.texts[number - 1])

    def boxes(self, number: int, runs: Sequence[Run], /) -> tuple[Box, ...]:
        return tuple(Box(run.start, number, run.end, number) for run in runs)


def go() -> bool:
    return False


def wanted(page: int, snippet: str = SENTENCE, position: float = 0.0) -> Locate:
    return Locate("/a.pdf", page, snippet, position)


def marked(pages: PagesOfText, marks: Sequence[Marks]) -> str:
    """The marked part of the keys."""
    spans = [(each.page, int(box.left), int(box.right)) for each in marks for box in each.boxes]
    return "".join(fold(pages.texts[page - 1]).text[start:end] for page, start, end in spans)


def test_a_text_is_found_on_its_page_and_no_other_is_read() -> None:
    pages = PagesOfText(FILLER, f"{FILLER} {SENTENCE}", FILLER)
    found = locate(pages, wanted(2), go)
    assert (found.match, found.share, found.pages) == ("whole", 1.0, 3)
    assert [each.page for each in found.marks] == [2]
    assert marked(pages, found.marks) == fold(SENTENCE).text
    assert pages.read == [2]


@pytest.mark.parametrize(("position", "start"), [(0.0, 0), (0.45, 1), (0.9, 2)])
def test_the_text_that_stands_where_it_should_is_taken(position: float, start: int) -> None:
    pages = PagesOfText(" ".join([SENTENCE, FILLER] * 3))
    found = locate(pages, wanted(1, position=position), go)
    assert found.marks[0].boxes[0].left == start * len(fold(SENTENCE + FILLER).text)


def test_a_text_goes_on_on_the_next_page() -> None:
    pages = PagesOfText(f"{FILLER} The warranty lasts 24", f"months from the date of purchase. {FILLER}")
    found = locate(pages, wanted(1), go)
    assert found.match == "whole"
    assert [each.page for each in found.marks] == [1, 2]
    assert marked(pages, found.marks) == fold(SENTENCE).text


def test_a_page_number_between_two_pages_of_a_text_hides_nothing() -> None:
    pages = PagesOfText("The warranty lasts 24 7", "months from the date of purchase.")
    found = locate(pages, wanted(1), go)
    assert found.match == "whole"
    assert marked(pages, found.marks) == fold(SENTENCE).text


def test_a_text_that_moved_is_found_on_the_nearest_page() -> None:
    pages = PagesOfText(SENTENCE, FILLER, FILLER, FILLER, FILLER, FILLER, SENTENCE, FILLER)
    for page, nearest in ((3, 1), (5, 7), (6, 7)):
        found = locate(pages, wanted(page), go)
        assert found.match == "moved"
        assert [each.page for each in found.marks] == [nearest]


def test_a_page_beyond_the_end_is_looked_for_from_the_last() -> None:
    pages = PagesOfText(FILLER, SENTENCE)
    assert locate(pages, wanted(9), go).match == "moved"
    assert locate(PagesOfText(FILLER), wanted(9), go).match == "none"


def test_a_short_text_is_not_sought_on_other_pages() -> None:
    found = locate(PagesOfText(FILLER, "24 months"), wanted(1, "24 months ago"), go)
    assert (found.match, found.marks) == ("none", ())


def test_a_part_of_a_text_is_a_find_if_it_is_large() -> None:
    pages = PagesOfText("The warranty lasts 24 months from today, and no longer.")
    found = locate(pages, wanted(1), go)
    assert found.match == "part"
    assert 0.5 < found.share < 0.95
    assert marked(pages, found.marks) == fold("The warranty lasts 24 months from t").text
    none = locate(PagesOfText("The warranty lasts long."), wanted(1), go)
    assert (none.match, none.share, none.marks) == ("none", 0.0, ())


def test_a_text_without_letters_is_found_nowhere() -> None:
    assert locate(PagesOfText(FILLER), wanted(1, " - "), go).match == "none"


def test_a_cancelled_search_ends() -> None:
    pages = PagesOfText(*[FILLER] * 50, SENTENCE)
    assert locate(pages, wanted(1), lambda: True).match == "none"
    assert len(pages.read) <= 2


def test_words_turned_round_by_the_extraction_are_found() -> None:
    pages = PagesOfText("שלום לכולם כאן")
    assert locate(pages, wanted(1, "כאן לכולם שלום"), go).match == "whole"
