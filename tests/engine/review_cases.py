"""Constructed answers with what is true about each, and how a review of them is graded."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.messages import Passage
from engine.review import Review

__all__ = ["CASES", "Case", "grade"]

Kind = Literal["supported", "number", "name", "unsupported", "unanswerable"]
"""What is the matter with the answer: nothing, a changed number, a swapped name, an invented sentence, or that the
passages don't hold an answer at all (so that it either refuses or invents)."""

Grade = Literal["right", "corrected", "missed", "wrongly corrected"]
"""`corrected` is right too: the number of the source stands in the answer now."""


@dataclass(frozen=True, slots=True)
class Case:
    """One answer to one question about a few passages."""

    id: str
    kind: Kind
    question: str
    answer: str
    passages: tuple[Passage, ...]
    held_out: bool
    """Whether its topic belongs to the half that nothing was tuned on."""
    wrong: str = ""
    """A part of the sentence that is wrong; empty if there is none, or if all of it is."""
    right: str = ""
    """What the source has instead, for a changed number."""


def grade(case: Case, review: Review) -> Grade:
    """Hold a review against the truth about its answer."""
    if review.answer != case.answer:
        fixed = case.answer.replace(case.wrong, case.right) if case.right else ""
        return "corrected" if review.answer == fixed else "wrongly corrected"
    if case.kind == "supported":
        return "right" if review.verdict == "supported" else "missed"
    if case.kind == "unanswerable":
        return "right" if review.verdict in ("refused", "unsupported") else "missed"
    at = case.answer.index(case.wrong)
    flagged = any(one.start <= at < one.end and one.supported is False for one in review.sentences)
    return "right" if flagged else "missed"


def _load() -> tuple[Case, ...]:
    """Read the cases; every second topic is held out, with all its passages."""
    cases = []
    topics = 0
    passages: tuple[Passage, ...] = ()
    for line in Path(__file__).with_suffix(".jsonl").read_text("utf-8").splitlines():
        record = json.loads(line)
        if "topic" in record:
            topics += 1
            passages = tuple(
                Passage(f"{record['topic']}:{at}", f"/d/{record['topic']}.txt", text, at, heading, 0, len(text), 1.0)
                for at, (heading, text) in enumerate(record["passages"], 1)
            )
        else:
            cases.append(Case(passages=passages, held_out=topics % 2 == 0, **record))
    return tuple(cases)


CASES = _load()
