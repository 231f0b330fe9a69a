"""Boxes of characters become one box a line."""

from __future__ import annotations

from engine.viewing.lines import Glyph, Rectangle, lines_of


def text_at(left: float, top: float, count: int) -> list[Glyph]:
    """Characters of 5 by 10 in a row."""
    return [Glyph((left + 5 * at, top, left + 5 * at + 5, top + 10), False) for at in range(count)]


def turned(box: Rectangle) -> Rectangle:
    return box[1], box[0], box[3], box[2]


def test_nothing_has_no_lines() -> None:
    assert lines_of([]) == ()


def test_each_line_has_one_box() -> None:
    assert lines_of([*text_at(0, 0, 10), *text_at(0, 12, 4)]) == ((0, 0, 50, 10), (0, 12, 20, 22))


def test_a_raised_figure_belongs_to_its_line() -> None:
    raised = Glyph((50, -3, 53, 3), False)
    assert lines_of([*text_at(0, 0, 10), raised, *text_at(54, 0, 1)]) == ((0, -3, 59, 10),)


def test_lines_that_overlap_a_little_stay_two() -> None:
    assert len(lines_of([*text_at(0, 0, 5), *text_at(0, 8, 5)])) == 2


def test_a_line_that_begins_anew_far_to_the_left_is_another_one() -> None:
    assert lines_of([*text_at(0, 0, 10), *text_at(0, 5, 3)]) == ((0, 0, 50, 10), (0, 5, 15, 15))


def test_two_columns_have_two_boxes() -> None:
    assert lines_of([*text_at(0, 0, 10), *text_at(100, 0, 10)]) == ((0, 0, 50, 10), (100, 0, 150, 10))


def test_a_wide_space_between_words_makes_no_column() -> None:
    assert lines_of([*text_at(0, 0, 10), *text_at(65, 0, 2)]) == ((0, 0, 75, 10),)


def test_words_from_right_to_left_are_one_line() -> None:
    assert lines_of(reversed(text_at(0, 0, 10))) == ((0, 0, 50, 10),)


def test_lines_that_run_up_the_page_are_merged_along_it() -> None:
    glyphs = [Glyph(turned(glyph.box), True) for glyph in [*text_at(0, 0, 10), *text_at(0, 12, 4)]]
    assert lines_of(glyphs) == ((0, 0, 10, 50), (12, 0, 22, 20))


def test_a_line_along_the_page_ends_one_across_it() -> None:
    upright = text_at(0, 0, 4)
    upward = [Glyph(turned(glyph.box), True) for glyph in text_at(0, 0, 4)]
    assert lines_of([*upright, *upward, *upright]) == ((0, 0, 20, 10), (0, 0, 10, 20), (0, 0, 20, 10))
