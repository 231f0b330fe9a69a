"""What the review found in an answer: the marks on its text, and the same in words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from app.marks import Mark
from engine.messages import SentenceReview, Verdict

__all__ = [
    "REFUSED",
    "UNSUPPORTED",
    "UNSUPPORTED_TIP",
    "corrections",
    "finding_marks",
    "notice",
    "one_line",
    "unsupported_sentences",
    "unsupported_words",
]

UNSUPPORTED = "Nothing in your documents supports this answer."
REFUSED = "Your documents don't say."
UNSUPPORTED_TIP = "Nothing that was read in your documents says this."

_NOTICES: dict[Verdict, str] = {"unsupported": UNSUPPORTED, "refused": REFUSED}
_WORD = re.compile(r"\w+(?:[.,:'’/-]\w+)*|\s+|[^\w\s]")
_LONGEST_COMPARED = 2000
_CORRECTION_CHARS = 400


# ---------------------------------------------------------------- in words


def notice(verdict: Verdict, sentences: Sequence[SentenceReview], answer: str, *, found_nothing: bool) -> str:
    """Return what is to be said of the answer as a whole; empty if nothing is, or the answer says just that.

    `found_nothing`: the documents were searched, and the answer cites none of them.
    """
    if verdict == "unchecked" and found_nothing and not sentences:
        return UNSUPPORTED
    words = _NOTICES.get(verdict, "")
    return words if words != answer.strip() else ""


def unsupported_sentences(answer: str, sentences: Sequence[SentenceReview]) -> tuple[str, ...]:
    """Return the sentences that nothing in the documents supports, each on one line."""
    found = (one_line(answer[start:end]) for start, end, each in _in_answer(answer, sentences) if _lacks(each))
    return tuple(filter(None, found))


def unsupported_words(verdict: Verdict, sentences: Sequence[SentenceReview]) -> str:
    """Return how many sentences lack support; empty for none, and where the notice says it of the whole answer."""
    count = 0 if verdict in _NOTICES else sum(map(_lacks, sentences))
    if not count:
        return ""
    return f"{count} sentence{' is' if count == 1 else 's are'} not supported by your documents"


def corrections(sentences: Sequence[SentenceReview]) -> tuple[str, ...]:
    """Return what was corrected and why, a sentence each, in the order of the answer."""
    found = (one_line(each.correction, _CORRECTION_CHARS) for each in sorted(sentences, key=lambda each: each.start))
    return tuple(dict.fromkeys(filter(None, found)))


def one_line(text: str, limit: int = 0) -> str:
    """Return a text on one line, cut after `limit` characters if that is not 0."""
    line = " ".join(text.encode("utf-8", "replace").decode("utf-8").split())
    return line if not limit or len(line) <= limit else line[: limit - 1].rstrip() + "…"


# ---------------------------------------------------------------- on the text


def finding_marks(answer: str, sentences: Sequence[SentenceReview]) -> tuple[Mark, ...]:
    """Return the marks on an answer: each sentence that lacks support, and the words that were corrected."""
    marks: list[Mark] = []
    for start, end, sentence in _in_answer(answer, sentences):
        if _lacks(sentence):
            marks.append(Mark(start, end, "unsupported", UNSUPPORTED_TIP))
        tip = one_line(sentence.correction, _CORRECTION_CHARS)
        if tip:
            parts = _changed(sentence.original, answer[start:end])
            marks += [Mark(start + begin, start + stop, "corrected", tip) for begin, stop in parts]
    return tuple(marks)


def _lacks(sentence: SentenceReview) -> bool:
    """Tell a sentence without support from one that claims nothing."""
    return sentence.supported is False


def _in_answer(answer: str, sentences: Sequence[SentenceReview]) -> Iterator[tuple[int, int, SentenceReview]]:
    """Yield the sentences with their offsets; what a damaged history puts outside of the answer is left out."""
    for sentence in sentences:
        start, end = max(0, sentence.start), min(len(answer), sentence.end)
        if start < end:
            yield start, end, sentence


def _changed(original: str, sentence: str) -> list[tuple[int, int]]:
    """Return the parts of a sentence that its original lacks; all of it where that leaves no word to mark."""
    whole = [(0, len(sentence))]
    if not original or max(len(original), len(sentence)) > _LONGEST_COMPARED:
        return whole
    before, after = _WORD.findall(original), list(_WORD.finditer(sentence))
    parts: list[tuple[int, int]] = []
    compared = SequenceMatcher(None, before, [match[0] for match in after], autojunk=False)
    for tag, _i1, _i2, first, last in compared.get_opcodes():
        if tag in ("equal", "delete"):
            continue
        start, end = after[first].start(), after[last - 1].end()
        if parts and sentence[parts[-1][1] : start].isspace():
            start = parts.pop()[0]
        parts.append((start, end))
    named = [part for part in parts if any(map(str.isalnum, sentence[slice(*part)]))]
    return named or whole
