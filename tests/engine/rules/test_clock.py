"""Questions about date and time, and about dates that the clock can't know."""

from datetime import datetime

import pytest

from engine.rules import Rules
from tests.engine.rules.conftest import make_rules


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What time is it?", "It is 09:05."),
        ("what's the time right now", "It is 09:05."),
        ("Can you tell me what time it is, please?", "It is 09:05."),
        ("tell me the time", "It is 09:05."),
        ("Wie spät ist es?", "It is 09:05."),
        ("¿Qué hora es?", "It is 09:05."),
        ("What is today's date?", "Today is Saturday, 21 November 2026."),
        ("What’s the date today?", "Today is Saturday, 21 November 2026."),
        ("what day is it", "Today is Saturday, 21 November 2026."),
        ("What day of the week is it today?", "Today is Saturday, 21 November 2026."),
        ("what is tomorrow's date", "Tomorrow is Sunday, 22 November 2026."),
        ("What day is tomorrow?", "Tomorrow is Sunday, 22 November 2026."),
        ("what day was yesterday", "Yesterday was Friday, 20 November 2026."),
        ("What year is it?", "It is 2026."),
        ("which month is it", "It is November 2026."),
        ("What week is it?", "It is week 47 of 2026 (ISO 8601, weeks begin on Monday)."),
        ("What day was 2024-02-29?", "29 February 2024 was a Thursday."),
        ("what day is 2024-02-29", "29 February 2024 was a Thursday."),
        ("What day of the week was July 4, 1776?", "4 July 1776 was a Thursday."),
        ("what weekday is the 24th of December 2026?", "24 December 2026 will be a Thursday."),
        ("On what day does 1 May 2027 fall?", "1 May 2027 will be a Saturday."),
        ("what day was 13/04/2024", "13 April 2024 was a Saturday."),
        ("what day was 29.2.2024", "29 February 2024 was a Thursday."),
        ("what day is 21 Nov 2026", "21 November 2026 is a Saturday."),
        ("How many days until Christmas?", "Friday, 25 December 2026 is in 34 days."),
        ("days until 2026-12-01", "Tuesday, 1 December 2026 is in 10 days."),
        ("how many days are left until December 1st?", "Tuesday, 1 December 2026 is in 10 days."),
        ("How long until New Year's Eve?", "Thursday, 31 December 2026 is in 40 days."),
        ("how many days until tomorrow", "Sunday, 22 November 2026 is in 1 day."),
        ("how many days until 21 November", "That is today, Saturday, 21 November 2026."),
        ("how many days until 20 November", "Saturday, 20 November 2027 is in 364 days."),
        ("how many days until 29 February", "Tuesday, 29 February 2028 is in 465 days."),
        ("how many days until 2026-11-01", "Sunday, 1 November 2026 was 20 days ago."),
        ("how many days has it been since 2026-01-01", "Thursday, 1 January 2026 was 324 days ago."),
        (
            "How many days are there between 2024-01-01 and 1 January 2025?",
            "From Monday, 1 January 2024 to Wednesday, 1 January 2025: 366 days.",
        ),
        (
            "days between 2026-11-20 and today",
            "From Friday, 20 November 2026 to Saturday, 21 November 2026: 1 day.",
        ),
    ],
)
def test_date_and_time_are_told(rules: Rules, question: str, expected: str) -> None:
    assert rules.answer(question) == expected


@pytest.mark.parametrize(
    "question",
    [
        "What is the time complexity of quicksort?",
        "what time is it in Tokyo",
        "What time is the meeting?",
        "what time does the pool open",
        "The time",
        "the date",
        "What is the date of the contract?",
        "what date was the treaty signed",
        "What day was the treaty signed?",
        "what day is Thanksgiving",
        "What day was D-Day?",
        "what day is 3/4/2024",
        "what day was 2023-02-29",
        "what day was 32.1.2024",
        "what day was 14 October 1066",
        "What day is July 4?",
        "what is yesterday",
        "what year was it built",
        "What year is it set in?",
        "what month is the rainy season",
        "which week is the exam in",
        "how many days until the warranty ends",
        "how many days until my birthday",
        "How many days until Easter?",
        "how many days of leave do I have",
        "how many days between the two inspections",
        "how many days are there in a leap year",
        "How long until the contract expires?",
        "days of the week in French",
        "today",
        "What happened today in history?",
    ],
)
def test_other_questions_about_time_are_left_to_the_model(rules: Rules, question: str) -> None:
    assert rules.answer(question) is None


def test_week_belongs_to_the_iso_year() -> None:
    rules = make_rules(now=datetime(2027, 1, 1, 0, 0))
    answer = rules.answer("what week is it")
    assert answer is not None
    assert answer.startswith("It is week 53 of 2026")


def test_clock_is_read_at_each_question() -> None:
    assert make_rules(now=datetime(2026, 1, 2, 23, 59)).answer("what time is it") == "It is 23:59."
    assert make_rules(now=datetime(2026, 1, 2, 0, 0)).answer("what time is it") == "It is 00:00."
