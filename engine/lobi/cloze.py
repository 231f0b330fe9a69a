"""Questions made from statements, by rule: of passages without questions, the model learns to find and quote.

The span of a statement that is asked for gives way to a question word (Lewis et al., "Unsupervised Question Answering
by Cloze Translation", arXiv 1906.04980). Words are left out, so that the statement is not found by its wording alone.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

from engine.retrieval.sentences import split_sentences

__all__ = ["cloze_questions"]

SHORTEST, LONGEST = 6, 30
"""Words of a statement."""
DROPPED = 0.12
"""Share of a question's words that are left out."""

_NAME = r"[A-Z][\w'’.-]*(?:(?: (?:of|the|de|von|van|and))? [A-Z][\w'’-]*)*"
_VERB = r"(?:was|is|were|are|had|has|became|began|won|wrote|made|said|took|led|held|gave|built|found|\w{3,}ed)"
_SUBJECT = re.compile(rf"(?:The |An? )?{_NAME}(?= {_VERB} )")
_YEAR = re.compile(r"(?:[Ii]n|[Ss]ince|[Uu]ntil|by) (?:\w+ )?(?P<span>1[1-9]\d\d|20\d\d)\b")
_COUNT = re.compile(
    r"\b(?P<span>\d{1,3}(?:,\d{3})+|\d{1,3}|two|three|four|five|six|seven|eight|nine|ten|twelve|twenty)"
    r" (?=[a-z]{3,}s\b)"
)
_PLACE = re.compile(rf"\b(?:in|at|near|from) (?P<span>(?:the )?{_NAME})(?= |$)")
_OTHER = re.compile(rf"(?<=[a-z,] )(?P<span>{_NAME})(?= |$)")
_PERSON = re.compile(r"(?!The |An? )[A-Z][a-z]+(?: [A-Z][\w.'’-]*){1,2}")
_FIRST = re.compile(r"\W*\w+")
_NO_ANSWERS = {"he", "she", "it", "they", "this", "these", "that", "those", "his", "her", "its", "their", "there", "i"}
_QUESTION = {"who", "what", "when", "how", "many", "which", "place", "where", "year", "in"}
"""Words that stay, so that a question stays one."""


@dataclass(frozen=True, slots=True)
class _Cloze:
    question: str
    answer: str


def cloze_questions(passage: str, draw: random.Random, most: int = 2) -> list[tuple[str, str]]:
    """Return up to `most` questions on different statements of a passage, each with its answer, in the text's words."""
    statements = [passage[span.start : span.end] for span in split_sentences(passage) if span.kind == "sentence"]
    fit = [text for text in statements if SHORTEST <= len(text.split()) <= LONGEST]
    found: list[tuple[str, str]] = []
    for statement in draw.sample(fit, len(fit)):
        every = [one for one in _clozes(statement) if one.answer.casefold() not in _NO_ANSWERS]
        if every and len(found) < most:
            chosen = draw.choice(every)
            found.append((_asked(chosen.question, draw), chosen.answer))
    return found


def _clozes(statement: str) -> Iterator[_Cloze]:
    """Yield what can be asked of a statement."""
    body = statement.rstrip(" .!?;:\"”'")
    if match := _SUBJECT.match(body):
        word = "who" if _PERSON.fullmatch(match[0]) else "what"
        yield _Cloze(word + body[match.end() :], match[0])
    for match in _YEAR.finditer(body):
        rest = " ".join((body[: match.start()].rstrip(" ,"), body[match.end() :].lstrip(" ,"))).strip()
        yield _Cloze(f"when {_lowered(rest)}" if match.start() else f"{_lowered(rest)} in what year", match["span"])
    for match in _COUNT.finditer(body):
        yield _replaced(body, match, "how many")
    for match in _PLACE.finditer(body):
        yield _replaced(body, match, "which place" if "which" not in body else "where")
    for match in _OTHER.finditer(body):
        yield _replaced(body, match, "what")


def _replaced(body: str, match: re.Match[str], word: str) -> _Cloze:
    start, end = match.span("span")
    return _Cloze(_lowered(f"{body[:start]}{word}{body[end:]}"), match["span"])


def _lowered(text: str) -> str:
    """Return a text whose first word is no longer capitalised, unless it is a name of several words."""
    first = _FIRST.match(text)
    is_name = _PERSON.match(text) is not None
    return text if first is None or is_name else text[: first.end()].lower() + text[first.end() :]


def _asked(question: str, draw: random.Random) -> str:
    """Return a question as it is typed: some words left out, a question mark or not."""
    words = question.split()
    kept = [word for word in words if word in _QUESTION or draw.random() >= DROPPED]
    text = " ".join(kept)
    if draw.random() < 0.5:
        text = text.lower()
    return text + "?" * (draw.random() < 0.7)
