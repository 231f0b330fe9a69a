"""The two tasks of the ablation: grade-school mathematics (GSM8K) and science questions with choices (ARC).

Rows are read from JSONL files, laid out as chats, and what a model said is held against the gold. GSM8K: Cobbe et al.
2021, arXiv 2110.14168; ARC: Clark et al. 2018, arXiv 1803.05457.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TypeVar

from engine.errors import HolaError
from engine.messages import ChatMessage

__all__ = [
    "CHOICE_SHOTS",
    "MATH_SHOTS",
    "Choices",
    "Problem",
    "Task",
    "choice_chat",
    "final_number",
    "likeliest",
    "problem_chat",
    "read_choices",
    "read_problems",
    "up_to_end",
    "without",
]

MARK = "####"
"""Before the final number, in GSM8K's answers and in the model's."""
NUMBER = re.compile(r"-?\$?\d[\d,]*(?:\.\d+)?|-?\$?\.\d+")
CALCULATION = re.compile(r"<<[^<>]*>>")
"""GSM8K's notes for a calculator."""
ENDED = re.compile(rf"{MARK}[^\d\n]*\d[\d,.]*(?:[^\d,.]|\n)|{MARK}[^\n]*\n")
LISTED = re.compile(r"\bAnswer(\d+):\s*")
GOLD = re.compile(r"answer\s*(\d+)", re.IGNORECASE)
ASKED = re.compile(r"^Please choose the correct answer to the question:\s*")
FORMAT = re.compile(r"\n+\s*Answer format:.*\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Problem:
    """A word problem of GSM8K."""

    question: str
    solution: str
    """Worked, with the number on a line of its own after the mark."""
    gold: Decimal


@dataclass(frozen=True, slots=True)
class Choices:
    """A question of ARC with its choices."""

    question: str
    choices: tuple[str, ...]
    gold: int
    """0-based index of the right choice."""


Task = TypeVar("Task", Problem, Choices)

MATH_SHOTS = (
    Problem(
        "Ann has 3 boxes with 4 pens each. She gives away 5 pens. How many pens does she have left?",
        "3 * 4 = 12 pens. 12 - 5 = 7 pens.\n#### 7",
        Decimal(7),
    ),
    Problem(
        "A book has 60 pages. Tom reads half of it on Monday and 10 pages on Tuesday. How many pages are left to read?",
        "60 / 2 = 30 pages. 30 - 10 = 20 pages.\n#### 20",
        Decimal(20),
    ),
    Problem(
        "Eggs cost $2 a dozen. Mia buys 3 dozen and pays with a $10 bill. How much change does she get?",
        "3 * 2 = 6 dollars. 10 - 6 = 4 dollars.\n#### 4",
        Decimal(4),
    ),
)
"""Short worked solutions, made up: what is said briefly is what a small model copies best, and soonest."""

CHOICE_SHOTS = (
    Choices("Which of these melts when it is warmed?", ("ice", "sand", "iron", "salt"), 0),
    Choices("What do fish use to breathe?", ("lungs", "gills", "skin", "fins"), 1),
    Choices("Why is it warmer in summer than in winter?", ("The days are longer.", "The Sun is nearer."), 0),
    Choices("Which source of energy can be used up?", ("wind", "sunlight", "coal", "tides"), 2),
)
"""Made up; every row of the table is shown them."""


# ---------------------------------------------------------------- reading


def read_problems(file: Path) -> list[Problem]:
    """Read rows of `question` and `answer` (ending in "#### 72"); raises HolaError with the line that is none."""
    return _read(file, _problem, 'question and an answer that ends in "#### 72"')


def read_choices(file: Path) -> list[Choices]:
    """Read rows of `query`, `choices`, `gold` (0-based), or of `instruction` ("Answer1: ...") and `answer` ("answer2").

    Raises HolaError with the line that is none.
    """
    return _read(file, _choices, "query, choices and gold")


def without(known: Sequence[Task], asked: Iterable[Task]) -> list[Task]:
    """Return what is known without the questions that are asked, whatever their spaces and case."""
    taken = {_bare(each.question) for each in asked}
    return [each for each in known if _bare(each.question) not in taken]


def _bare(question: str) -> str:
    return " ".join(question.casefold().split())


def _read(file: Path, parse: Callable[[dict[str, Any]], Task], wanted: str) -> list[Task]:
    found = []
    try:
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    found.append(_parsed(line, parse, file, number, wanted))
    except (OSError, UnicodeDecodeError) as exc:
        reason = (exc.strerror if isinstance(exc, OSError) else "") or "no text in UTF-8"
        raise HolaError(f"{file} can't be read ({reason}): give a JSONL file with {wanted} in each line.") from exc
    if not found:
        raise HolaError(f"{file.name} holds no questions: give a JSONL file with {wanted} in each line.")
    return found


def _parsed(line: str, parse: Callable[[dict[str, Any]], Task], file: Path, number: int, wanted: str) -> Task:
    try:
        return parse(json.loads(line))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as exc:
        raise HolaError(f"Line {number} of {file.name} has no {wanted} ({exc!r}): mend or remove it.") from exc


def _problem(row: dict[str, Any]) -> Problem:
    question, answer = _text(row["question"]), _text(row["answer"])
    worked, mark, last = CALCULATION.sub("", answer).rpartition(MARK)
    gold = _first_number(last)
    if not mark or gold is None:
        raise ValueError("no gold number after ####")
    return Problem(question, f"{worked.strip()}\n{MARK} {last.strip()}", gold)


def _choices(row: dict[str, Any]) -> Choices:
    if "query" in row:
        question, listed, gold = _text(row["query"]), row["choices"], row["gold"]
        if not isinstance(listed, list) or not isinstance(gold, int) or isinstance(gold, bool):
            raise TypeError("choices are no list, or gold is no number")
        choices = tuple(_text(each) for each in listed)
        question = question.removeprefix("Question:").strip().removesuffix("Answer:").strip()
    else:
        asked = FORMAT.sub("", ASKED.sub("", _text(row["instruction"])))
        question, *parts = LISTED.split(asked)
        choices = tuple(each.strip() for each in parts[1::2])
        told = GOLD.fullmatch(_text(row["answer"]))
        gold = int(told[1]) - 1 if told else -1
    if len(choices) < 2 or not all(choices) or not 0 <= gold < len(choices):
        raise ValueError("no gold among at least two choices")
    return Choices(question.strip(), choices, gold)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise TypeError("a text is missing, or something else")
    return value.strip()


# ---------------------------------------------------------------- asking


def problem_chat(problem: Problem, examples: Sequence[Problem]) -> tuple[ChatMessage, ...]:
    """Lay out a problem after worked examples: each is a turn of the chat, so that the answer takes their form."""
    messages = []
    for each in (*MATH_SHOTS, *examples):
        messages += [ChatMessage("user", each.question), ChatMessage("assistant", each.solution)]
    return (*messages, ChatMessage("user", problem.question))


def choice_chat(asked: Choices, examples: Sequence[Choices]) -> tuple[ChatMessage, ...]:
    """Lay out a question after answered ones; the choices are not named: each is scored as the answer."""
    messages = []
    for each in (*CHOICE_SHOTS, *examples):
        messages += [ChatMessage("user", each.question), ChatMessage("assistant", each.choices[each.gold])]
    return (*messages, ChatMessage("user", asked.question))


# ---------------------------------------------------------------- scoring


def up_to_end(said: str) -> str | None:
    """Return an answer up to its final number; None while the number may still grow, or has not come."""
    found = ENDED.search(said)
    return said[: found.end()].strip() if found else None


def final_number(said: str) -> Decimal | None:
    """Return the number after the mark; without a mark the last number; None if there is none."""
    _, mark, after = said.partition(MARK)
    if mark:
        return _first_number(after)
    found = NUMBER.findall(said)
    return _first_number(found[-1]) if found else None


def _first_number(text: str) -> Decimal | None:
    found = NUMBER.search(text)
    if found is None:
        return None
    try:
        return Decimal(found[0].replace(",", "").replace("$", ""))
    except InvalidOperation:
        return None


def likeliest(log_likelihoods: Sequence[float], lengths: Sequence[int] | None = None) -> int:
    """Return the index of the likeliest choice; with `lengths` (tokens or bytes) the likeliest per unit of length."""
    sizes = lengths or [1] * len(log_likelihoods)
    scores = [score / max(1, size) for score, size in zip(log_likelihoods, sizes, strict=True)]
    return scores.index(max(scores))
