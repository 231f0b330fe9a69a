"""Reading GSM8K and ARC, and telling what was right."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.bench.tasks import (
    CHOICE_SHOTS,
    MATH_SHOTS,
    Choices,
    Problem,
    choice_chat,
    final_number,
    likeliest,
    problem_chat,
    read_choices,
    read_problems,
    up_to_end,
    without,
)
from engine.errors import HolaError

SOLD = {"question": "How many? ", "answer": "48/2 = <<48/2=24>>24.\n48+24 = <<48+24=72>>72.\n#### 1,072"}
LISTED = {
    "instruction": "Please choose the correct answer to the question: Which skin surface is best?\n\n"
    "Answer1: dry palms Answer2: wet palms, or oil Answer3: Answer by mail\n\nAnswer format: answer1/answer2/answer3",
    "input": "",
    "output": "the correct answer is answer2",
    "answer": "answer2",
}


def write(tmp_path: Path, *rows: Any) -> Path:
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows) + "\n\n", "utf-8")
    return file


# ---------------------------------------------------------------- reading


def test_a_problem_loses_its_calculator_notes_and_keeps_its_number(tmp_path: Path) -> None:
    [problem] = read_problems(write(tmp_path, SOLD))
    assert problem == Problem("How many?", "48/2 = 24.\n48+24 = 72.\n#### 1,072", Decimal(1072))


def test_both_layouts_of_choices_are_read(tmp_path: Path) -> None:
    plain = {"query": "Question: What melts?\nAnswer: ", "choices": ["ice", "iron"], "gold": 1}
    first, second = read_choices(write(tmp_path, plain, LISTED))
    assert first == Choices("What melts?", ("ice", "iron"), 1)
    assert second.question == "Which skin surface is best?"
    assert second.choices == ("dry palms", "wet palms, or oil", "Answer by mail")
    assert second.gold == 1


@pytest.mark.parametrize(
    "row",
    [
        "no JSON",
        "[]",
        '"text"',
        {"question": "How many?"},
        {"question": "How many?", "answer": "72"},
        {"question": "How many?", "answer": "So:\n#### many"},
        {"question": " ", "answer": "#### 72"},
        {"question": 3, "answer": "#### 72"},
    ],
)
def test_a_line_that_is_no_problem_is_told_by_its_number(tmp_path: Path, row: Any) -> None:
    with pytest.raises(HolaError, match=r"Line 2 of rows.jsonl has no question and an answer") as caught:
        read_problems(write(tmp_path, SOLD, row))
    assert "\n" not in caught.value.sentence


@pytest.mark.parametrize(
    "row",
    [
        "{",
        {"query": "What?", "choices": ["a", "b"]},
        {"query": "What?", "choices": ["a", "b"], "gold": 2},
        {"query": "What?", "choices": ["a", "b"], "gold": -1},
        {"query": "What?", "choices": ["a", "b"], "gold": True},
        {"query": "What?", "choices": ["a", ""], "gold": 0},
        {"query": "What?", "choices": "ab", "gold": 0},
        {"query": "What?", "choices": ["a"], "gold": 0},
        {**LISTED, "answer": "none of them"},
        {**LISTED, "answer": "answer4"},
        {**LISTED, "instruction": "Which one?"},
    ],
)
def test_a_line_that_is_no_question_with_choices_is_told_by_its_number(tmp_path: Path, row: Any) -> None:
    with pytest.raises(HolaError, match=r"Line 2 of rows.jsonl has no query, choices and gold"):
        read_choices(write(tmp_path, LISTED, row))


def test_files_that_are_missing_empty_or_no_text_are_told(tmp_path: Path) -> None:
    with pytest.raises(HolaError, match="No such file"):
        read_problems(tmp_path / "none.jsonl")
    with pytest.raises(HolaError, match="holds no questions"):
        read_choices(write(tmp_path))
    (tmp_path / "bytes.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(HolaError, match="no text in UTF-8"):
        read_choices(tmp_path / "bytes.jsonl")


def test_what_is_asked_is_no_training() -> None:
    known = [*MATH_SHOTS, Problem("  how MANY?\n", "#### 1", Decimal(1))]
    assert without(known, [MATH_SHOTS[1], Problem("How many?", "", Decimal(2))]) == [MATH_SHOTS[0], MATH_SHOTS[2]]


# ---------------------------------------------------------------- asking


def test_the_question_comes_last_and_examples_come_right_before_it() -> None:
    example = Problem("What is 1 + 1?", "1 + 1 = 2\n#### 2", Decimal(2))
    chat = problem_chat(Problem("What is 2 + 2?", "#### 4", Decimal(4)), [example])
    assert [message.role for message in chat] == ["user", "assistant"] * (len(MATH_SHOTS) + 1) + ["user"]
    assert [message.content for message in chat[-3:]] == ["What is 1 + 1?", "1 + 1 = 2\n#### 2", "What is 2 + 2?"]
    asked = Choices("What flows?", ("water", "stone"), 0)
    messages = choice_chat(asked, [Choices("What burns?", ("stone", "wood"), 1)])
    assert [message.content for message in messages[-3:]] == ["What burns?", "wood", "What flows?"]


def test_the_shown_solutions_are_right() -> None:
    for problem in MATH_SHOTS:
        assert final_number(problem.solution) == problem.gold
    assert all(0 <= each.gold < len(each.choices) for each in CHOICE_SHOTS)


# ---------------------------------------------------------------- scoring


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("48 + 24 = 72\n#### 72", 72),
        ("#### $1,234.50.", "1234.50"),
        ("#### -5 degrees, that is 3 less", -5),
        ("#### 7\n#### 8", 7),
        ("She has 3 left, so the answer is 12.", 12),
        ("#### many, so 5", 5),
        ("3 of them\n#### none", None),
        ("I can't say.", None),
        ("", None),
        ("#### 72.0", 72),
    ],
)
def test_the_final_number_is_the_one_after_the_mark_or_the_last(said: str, number: Any) -> None:
    assert final_number(said) == (None if number is None else Decimal(number))


def test_an_answer_ends_with_its_number_and_not_within_it() -> None:
    for growing in ("", "1 + 1 = 2\n", "####", "#### ", "#### 7", "#### 72.", "#### 1,0"):
        assert up_to_end(growing) is None
    assert up_to_end("1 + 1\n#### 72\nAnd so on 3") == "1 + 1\n#### 72"
    assert up_to_end("#### $5 in all") == "#### $5"
    assert up_to_end("#### none\n") == "#### none"


def test_the_likeliest_choice_as_a_whole_and_per_unit_of_length() -> None:
    assert likeliest([-3.0, -2.5, -9.0]) == 1
    assert likeliest([-3.0, -2.5, -9.0], [3, 1, 12]) == 2
    assert likeliest([-1.0, -1.0], [0, 1]) == 0
