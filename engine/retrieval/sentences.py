"""Splits text, plain or Markdown, into sentences with their offsets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from engine.retrieval.vocabulary import BEFORE_NUMBER, GERMAN_MONTHS, NEVER_LAST, RARELY_LAST, STARTERS

__all__ = ["MAX_SENTENCE", "Span", "SpanKind", "split_sentences"]

MAX_SENTENCE = 400
"""Longer sentences, in characters, are cut where it hurts least: they are mostly tables without full stops."""

SpanKind = Literal["sentence", "heading", "code"]


@dataclass(frozen=True, slots=True)
class Span:
    """A sentence, a heading or a block of code: `text[start:end]`, without white space at its ends."""

    start: int
    """Offset in characters."""
    end: int
    """End offset, exclusive."""
    kind: SpanKind = "sentence"


_LINE = re.compile(r"[^\n]*\n|[^\n]+$")
_FENCE = re.compile(r"\s{0,3}(`{3,}|~{3,})")
_HEADING = re.compile(r"\s{0,3}#{1,6}\s+(?=\S)")
_RULE = re.compile(r"\s*(?:={3,}|(?:-\s?){3,}|(?:\*\s?){3,}|(?:_\s?){3,})\s*")
_TABLE = re.compile(r"\s*\|")
_TABLE_RULE = re.compile(r"[\s|:+-]+")
_ITEM = re.compile(r"\s*(?:>\s?)*(?:(?:[-*+•‣▪◦·]|\(?\d{1,3}[.)]|\(?[a-z]\))\s+(?:\[[ xX]\]\s+)?|>\s?)")

_SINGLE: dict[str, SpanKind] = {"heading": "heading", "row": "sentence"}

_CLOSERS = "\"'”’»)\\]*_"
_END = re.compile(rf"[.!?…]+[{_CLOSERS}]*(?=\s|$)|[。！？｡]+[」』）〉》”’]*|．(?!\d)[」』）]*")
_LAST_WORD = re.compile(r"[^\s(\[\"'“‘«„*_]+$")
_NEXT_WORD = re.compile(r"[\s\"'“‘«„(\[*_]*([^\W_]+)")

_INITIALS = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]")


def split_sentences(text: str) -> tuple[Span, ...]:
    """Split text into sentences, headings and fenced blocks of code, in order and without overlap.

    List markers, table rules and white space belong to no span. An unclosed fence reaches to the end of the text.
    """
    spans: list[Span] = []
    for start, end, kind in _blocks(text):
        if kind == "sentence":
            spans += (Span(*cut) for whole in _sentences(text, start, end) for cut in _cuts(text, *whole))
        else:
            spans.append(Span(*_trimmed(text, start, end), kind))
    return tuple(span for span in spans if any(map(str.isalnum, text[span.start : span.end])))


def _blocks(text: str) -> Iterator[tuple[int, int, SpanKind]]:
    """Yield the parts that no sentence crosses: paragraphs, list items, table rows, headings, code."""
    begin = -1  # of the paragraph that is being read
    fence, fence_start = "", 0
    for line in _LINE.finditer(text):
        content = line[0]
        if fence:
            if content.strip().startswith(fence) and not content.strip().strip(fence[0]):
                yield fence_start, line.end(), "code"
                fence = ""
            continue
        kind, marker = _line_kind(content)
        if begin >= 0 and kind != "prose":
            yield begin, line.start(), "sentence"
            begin = -1
        if kind == "fence":
            fence, fence_start = content.lstrip()[:marker], line.start()
        elif kind in _SINGLE:
            yield line.start() + marker, line.end(), _SINGLE[kind]
        elif kind != "blank" and begin < 0:
            begin = line.start() + marker
    if fence:
        yield fence_start, len(text), "code"
    elif begin >= 0:
        yield begin, len(text), "sentence"


def _line_kind(content: str) -> tuple[Literal["blank", "fence", "heading", "row", "item", "prose"], int]:
    """Tell what a line begins, and how long its marker is, in characters; rules count as blank."""
    if not content.strip() or _RULE.fullmatch(content):
        return "blank", 0
    if fence := _FENCE.match(content):
        return "fence", len(fence[1])
    if heading := _HEADING.match(content):
        return "heading", heading.end()
    if _TABLE.match(content):
        return ("blank" if _TABLE_RULE.fullmatch(content) else "row"), 0
    item = _ITEM.match(content)
    return ("item", item.end()) if item else ("prose", 0)


def _sentences(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the sentences of one block."""
    begin = start
    for found in _END.finditer(text, start, end):
        if _is_end(text, begin, found, end):
            yield begin, found.end()
            begin = found.end()
    yield begin, end


def _is_end(text: str, begin: int, found: re.Match[str], end: int) -> bool:
    """Tell a full stop from the point of an abbreviation, an initial or an ordinal number."""
    if found[0][0] in "。！？｡．":
        return True
    following = _NEXT_WORD.match(text, found.end(), end)
    if following is None:
        return True
    after = following[1]
    if after[0].islower():
        return False
    if found[0][0] != "." or found[0].startswith(".."):
        return True
    before = _LAST_WORD.search(text[max(begin, found.start() - 40) : found.start()])
    word = before[0].lower() if before else ""
    if word in NEVER_LAST:
        return False
    if word in BEFORE_NUMBER and after[0].isdigit():
        return False
    if word in RARELY_LAST or _INITIALS.fullmatch(word) or (len(word) == 1 and word.isalpha() and word != "i"):
        return after.lower() in STARTERS
    return not (word.isdigit() and len(word) < 3 and after.lower() in GERMAN_MONTHS)


def _cuts(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the sentence, trimmed, and in pieces if it is overlong."""
    start, end = _trimmed(text, start, end)
    while end - start > MAX_SENTENCE:
        least, most = start + MAX_SENTENCE // 4, start + MAX_SENTENCE
        cut = most
        for separator in ("\n", "; ", ", ", " ", "、"):
            at = text.rfind(separator, least, most)
            if at > 0:
                cut = at + len(separator)
                break
        yield _trimmed(text, start, cut)
        start, end = _trimmed(text, cut, end)
    yield start, end


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Leave out the white space at both ends."""
    part = text[start:end]
    return start + len(part) - len(part.lstrip()), max(start, end - len(part) + len(part.rstrip()))
