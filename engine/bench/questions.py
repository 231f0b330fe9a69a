"""Questions with the text that answers them: the rows of a JSONL file, and where the evidence stands."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.errors import HolaError
from engine.evidence import Passage
from engine.retrieval.sentences import split_sentences
from engine.retrieval.terms import content_terms, terms

__all__ = ["Case", "Evidence", "is_held_out", "read_cases"]

HELD_OUT = 0.4
"""Share of the questions that training never sees."""
NEARLY = 0.7
"""Sentences that have this share of the best one's words in common with the answer are evidence as well."""
FEW_WORDS = 5
COVERED = 0.8
"""Share of a sentence that an excerpt has to contain."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A place that answers the question: `text[start:end]`."""

    start: int
    end: int
    is_whole: bool
    """True for an answer's own words, all of which have to be read; False for a sentence, most of which suffices."""
    words: str = ""
    """The words of the sentence around it: another document that says the same serves as well."""

    def is_in(self, start: int, end: int) -> bool:
        """Tell whether a stretch of the text contains it."""
        inside = min(end, self.end) - max(start, self.start)
        return inside >= (self.end - self.start) * (1.0 if self.is_whole else COVERED)


@dataclass(frozen=True, slots=True)
class Case:
    """A question with its document."""

    question: str
    title: str
    text: str
    """What holds the answer; the passages of a row are one text."""
    answers: tuple[str, ...]
    """Any of these is right; none: the question can't be answered."""
    evidence: tuple[Evidence, ...]

    @property
    def document(self) -> str:
        """A name for the document: the same for the same text."""
        key = f"{self.title}\n{self.text}".encode("utf-8", "surrogatepass")
        return "/" + hashlib.blake2b(key, digest_size=12).hexdigest()

    def is_kept(self, excerpts: Iterable[Passage]) -> bool:
        """Tell whether any evidence is in what is read."""
        for one in excerpts:
            if one.path == self.document:
                if any(place.is_in(one.start, one.end) for place in self.evidence):
                    return True
            elif self._is_said_in(one.text):
                return True
        return False

    def _is_said_in(self, text: str) -> bool:
        words = f" {' '.join(terms(text))} "
        return any(place.words and f" {place.words} " in words for place in self.evidence)


def is_held_out(question: str) -> bool:
    """Tell whether a question is kept from training: by a hash of its text, so always the same ones."""
    digest = hashlib.blake2b(question.encode("utf-8", "surrogatepass"), digest_size=4).digest()
    return int.from_bytes(digest, "big") % 1000 < 1000 * HELD_OUT


def read_cases(file: Path) -> list[Case]:
    """Read rows of `question`, `passage` (or a list `passages`), `answers` (or one `answer`, `long_answer`), `title`.

    Raises HolaError with the line that can't be read.
    """
    cases = []
    try:
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    cases.append(_case(line, file, number))
    except (OSError, UnicodeDecodeError) as exc:
        raise HolaError(f"{file.name} can't be read ({exc}): give a JSONL file with question and passage.") from exc
    if not cases:
        raise HolaError(f"{file.name} holds no questions: give a JSONL file with question and passage in each line.")
    return cases


def _case(line: str, file: Path, number: int) -> Case:
    try:
        row: dict[str, Any] = json.loads(line)
        passages = _texts(row["passages"] if "passages" in row else [row["passage"]])
        text = "\n\n".join(passages)
        [question] = _texts([row["question"]])
        answers = _texts(row.get("answers") or [])
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        raise HolaError(
            f"Line {number} of {file.name} is no question with a passage ({exc}): mend or remove it."
        ) from exc
    evidence = _said(text, answers) or _told(text, (*answers, str(row.get("long_answer", ""))))
    evidence = _with_words(text, evidence)
    if not answers and "answer" in row:
        answers = (str(row["answer"]),)
    return Case(question, str(row.get("title", "")), text, answers, tuple(evidence))


def _texts(found: object) -> tuple[str, ...]:
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise TypeError("a text is something else")
    return tuple(found)


def _said(text: str, answers: Sequence[str]) -> list[Evidence]:
    """Find the answers in a text, whatever their case, accents and punctuation."""
    folded, places = _folded(text)
    found = []
    for answer in answers:
        words = re.findall(r"\w+", _folded(answer)[0])
        if words:
            pattern = r"\W*".join(map(re.escape, words))
            ascii_ends = words[0][0].isascii(), words[-1][-1].isascii()
            pattern = (r"(?<!\w)" if ascii_ends[0] else "") + pattern + (r"(?!\w)" if ascii_ends[1] else "")
            for match in re.finditer(pattern, folded):
                found.append(Evidence(places[match.start()], places[match.end() - 1] + 1, is_whole=True))
    return found


def _with_words(text: str, evidence: Sequence[Evidence]) -> list[Evidence]:
    """Give each place the words of its sentence, unless they are too few to be told from others."""
    spans = split_sentences(text)
    found = []
    for place in evidence:
        around = next((span for span in spans if span.start <= place.start and place.end <= span.end), None)
        words = terms(text[around.start : around.end]) if around else []
        found.append(replace(place, words=" ".join(words) if len(words) >= FEW_WORDS else ""))
    return found


def _folded(text: str) -> tuple[str, list[int]]:
    """Return the text without case and accents, and the offset that each of its characters comes from."""
    folded: list[str] = []
    places: list[int] = []
    for at, char in enumerate(text):
        for part in unicodedata.normalize("NFKD", char).casefold():
            if not unicodedata.combining(part):
                folded.append(part)
                places.append(at)
    return "".join(folded), places


def _told(text: str, answers: Sequence[str]) -> list[Evidence]:
    """Find the sentences that share the most words with an answer in other words; all of them if there is none."""
    wanted = set(content_terms(" ".join(answers)))
    spans = split_sentences(text)
    shared = [len(wanted & set(content_terms(text[span.start : span.end]))) for span in spans]
    best = max(shared, default=0)
    if not best:
        return []
    return [
        Evidence(span.start, span.end, is_whole=False)
        for span, common in zip(spans, shared, strict=True)
        if common >= NEARLY * best
    ]
