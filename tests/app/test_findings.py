from __future__ import annotations

import pytest

from app.findings import (
    REFUSED,
    UNSUPPORTED,
    corrections,
    finding_marks,
    notice,
    one_line,
    unsupported_sentences,
    unsupported_words,
)
from engine.messages import SentenceReview, Verdict

ANSWER = "It lasts **24 months**. It is red.\nBye."
FIRST, SECOND, THIRD = (0, 23), (24, 34), (35, 39)
CORRECTION = "12 months was corrected to 24 months, as in the source."
REVIEW = (
    SentenceReview(*FIRST, True, CORRECTION, "It lasts **12 months**."),
    SentenceReview(*SECOND, False),
    SentenceReview(*THIRD, None),
)


def marked(answer: str, *sentences: SentenceReview) -> list[tuple[str, str]]:
    return [(mark.kind, answer[mark.start : mark.end]) for mark in finding_marks(answer, sentences)]


def corrected(before: str, after: str) -> list[str]:
    return [text for _kind, text in marked(after, SentenceReview(0, len(after), True, "It was corrected.", before))]


# ---------------------------------------------------------------- in words


@pytest.mark.parametrize(
    ("verdict", "found_nothing", "words"),
    [
        ("unsupported", False, UNSUPPORTED),
        ("refused", True, REFUSED),
        ("partly", True, ""),
        ("supported", False, ""),
        ("unchecked", True, UNSUPPORTED),
        ("unchecked", False, ""),
    ],
)
def test_only_a_verdict_on_the_whole_answer_is_a_notice(verdict: Verdict, found_nothing: bool, words: str) -> None:
    assert notice(verdict, (), "It is so.", found_nothing=found_nothing) == words


def test_an_answer_that_claims_nothing_needs_no_support() -> None:
    assert notice("unchecked", (SentenceReview(0, 5, None),), "Hello.", found_nothing=True) == ""


def test_what_the_answer_says_itself_is_not_said_again() -> None:
    assert notice("refused", (), f"{REFUSED}\n", found_nothing=True) == ""


def test_sentences_without_support_are_counted_and_quoted() -> None:
    assert unsupported_words("partly", REVIEW) == "1 sentence is not supported by your documents"
    assert unsupported_words("partly", REVIEW * 2) == "2 sentences are not supported by your documents"
    assert unsupported_words("supported", REVIEW[:1]) == ""
    assert unsupported_sentences(ANSWER, REVIEW) == ("It is red.",)


@pytest.mark.parametrize("verdict", ["unsupported", "refused"])
def test_what_the_notice_says_is_not_said_twice(verdict: Verdict) -> None:
    assert unsupported_words(verdict, REVIEW) == ""


def test_corrections_stand_in_the_order_of_the_answer_each_once() -> None:
    other = SentenceReview(*SECOND, True, "Blue was\ncorrected to red.", "It is blue.")
    assert corrections((other, *REVIEW, *REVIEW)) == (CORRECTION, "Blue was corrected to red.")


def test_a_text_becomes_one_line_that_can_be_shown() -> None:
    assert one_line(" a\n\tb\u2028c\ud800 ") == "a b c?"
    assert one_line("word " * 10, 12) == "word word w…"


# ---------------------------------------------------------------- on the text


def test_unsupported_sentences_and_corrected_words_are_marked() -> None:
    assert marked(ANSWER, *REVIEW) == [("corrected", "24"), ("unsupported", "It is red.")]
    assert finding_marks(ANSWER, REVIEW)[0].tip == CORRECTION


@pytest.mark.parametrize(
    ("before", "after", "new"),
    [
        ("It costs 1,200.50 euros.", "It costs 1,300.50 euros.", ["1,300.50"]),
        ("The big old house.", "The small new house.", ["small new"]),
        ("It is on page 3 of 9.", "It is on page 4 of 10.", ["4", "10"]),
        ("It is not red.", "It is red.", ["It is red."]),
        ("It is red", "It is red.", ["It is red."]),
        ("", "It is red.", ["It is red."]),
        ("保証は12か月。", "保証は24か月。", ["保証は24か月"]),
    ],
)
def test_only_what_changed_is_marked_or_else_the_sentence(before: str, after: str, new: list[str]) -> None:
    assert corrected(before, after) == new


def test_a_very_long_sentence_is_marked_whole() -> None:
    after = "word " * 1000 + "end."
    assert corrected("word " * 1000 + "begin.", after) == [after]


@pytest.mark.parametrize(("start", "end"), [(50, 60), (5, 5), (9, 3), (-9, -1), (39, 99)])
def test_sentences_outside_of_the_answer_are_passed_over(start: int, end: int) -> None:
    review = SentenceReview(start, end, False, CORRECTION)
    assert finding_marks(ANSWER, [review]) == ()
    assert unsupported_sentences(ANSWER, [review]) == ()


def test_a_sentence_that_reaches_beyond_the_answer_is_marked_to_its_end() -> None:
    assert marked(ANSWER, SentenceReview(35, 99, False)) == [("unsupported", "Bye.")]
    assert marked(ANSWER, SentenceReview(-4, 2, False)) == [("unsupported", "It")]
