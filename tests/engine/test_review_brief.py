"""Answers of a few words, as an adapted model gives them, are reviewed in the sense of their question."""

from __future__ import annotations

import pytest

from engine.evidence import Passage
from engine.review import review

FRAME = "The frame is covered for ten years. The warranty does not cover racing or lack of care. Pets are welcome."
PASSAGE = Passage("a", "/a.txt", FRAME, None, "", 0, len(FRAME), 1.0)


@pytest.mark.parametrize(
    ("question", "answer", "verdict"),
    [
        ("How long is the frame covered?", "ten years", "supported"),
        ("How long is the frame covered?", "twelve years", "unsupported"),
        ("What is not covered by the warranty?", "racing or lack of care", "supported"),
        ("What does the warranty cover?", "racing or lack of care", "unsupported"),
        ("What does the warranty cover?", "It covers racing or lack of care.", "unsupported"),
    ],
)
def test_answer_of_a_few_words_is_meant_as_it_was_asked(question: str, answer: str, verdict: str) -> None:
    assert review(answer, (PASSAGE,), question).verdict == verdict
