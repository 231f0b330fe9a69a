"""A text is found whatever became of white space, hyphens, ligatures, quotes and accents."""

from __future__ import annotations

import itertools
import unicodedata

import pytest

from engine.viewing.match import Run, find_parts, find_whole, fold, readings, share_of

SENTENCE = "The warranty lasts 24 months from the date of purchase."


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a difficult office flow", "a di\ufb03cult o\ufb03ce \ufb02ow"),
        ("information", "infor-\r\nmation"),
        ("information", "infor\x02\r\nmation"),
        ("co-operate", "co\u00adoperate"),
        ("“It’s” 'so'", '"It\'s" ‘so’'),
        ("Größe café", unicodedata.normalize("NFD", "GRÖSSE CAFÉ")),
        ("Cafe\u00b4", "Café"),
        ("one  two\n three", "one two three"),
        ("H\U0001d6c2 \uff12\uff14", "Hα 24"),
        ("한국어", unicodedata.normalize("NFD", "한국어")),
        ("a\u200bb\ufeff", "ab"),
    ],
)
def test_two_ways_to_write_a_text_have_one_key(one: str, other: str) -> None:
    assert fold(one).text == fold(other).text


def test_different_texts_have_different_keys() -> None:
    assert fold("24 months").text != fold("2.4 months").text


def test_a_key_knows_where_its_characters_came_from() -> None:
    key = fold("a\ufb01 -\nb")
    assert key.text == "afib"
    assert list(key.places) == [0, 1, 1, 5]


def test_nothing_is_found_nowhere() -> None:
    assert find_whole("", "abc", 0.0) is None
    assert find_whole("abcd", "abc", 0.0) is None
    assert find_parts("", "abc", 0.0) == ()
    assert share_of((), "") == 0.0


@pytest.mark.parametrize(("expected", "start"), [(0, 0), (7, 10), (11, 10), (16, 20), (400, 20)])
def test_of_equal_texts_the_one_nearest_to_its_place_is_taken(expected: int, start: int) -> None:
    assert find_whole("same", "same......same......same", expected) == Run(start, start + 4)


def test_a_text_in_pieces_is_found_by_its_pieces() -> None:
    page = fold("Page 7 The warranty lasts 24 months / note 3 / from the date of purchase. Damage").text
    wanted = fold(SENTENCE).text
    parts = find_parts(wanted, page, 0.0)
    assert [page[part.start : part.end] for part in parts] == ["thewarrantylasts24months", "fromthedateofpurchase."]
    assert share_of(parts, wanted) == 1.0


def test_pieces_are_found_in_another_order() -> None:
    page = fold("from the date of purchase. The warranty lasts 24 months").text
    parts = find_parts(fold(SENTENCE).text, page, 0.0)
    assert share_of(parts, fold(SENTENCE).text) == 1.0
    assert [part.start for part in parts] == sorted(part.start for part in parts)


def test_a_piece_far_from_the_others_is_left_out() -> None:
    far = "from the date of purchase." + "x" * 5000
    page = fold(far + "The warranty lasts 24 months").text
    parts = find_parts(fold(SENTENCE).text, page, 0.0)
    assert [page[part.start : part.end] for part in parts] == ["thewarrantylasts24months"]


def test_parts_never_overlap() -> None:
    page = fold("abcdefghijklmnopqrst" * 3).text
    parts = find_parts(fold("abcdefghijklmnopqrst0fghijklmnopqrstabcde").text, page, 0.0)
    assert all(one.end <= two.start for one, two in itertools.pairwise(parts))


def test_dotted_lines_without_end_are_searched_to_an_end() -> None:
    parts = find_parts("contents" + "." * 3000, "." * 100_000 + "contents" + "." * 3000, 0.0)
    assert share_of(parts, "." * 3008) > 0.9


def test_words_from_right_to_left_are_read_both_ways() -> None:
    assert list(readings(SENTENCE)) == [SENTENCE]
    turned, kept = "כאן שלום\nab cd", "שלום כאן\ncd ab"
    assert list(readings(turned)) == [turned, kept]
