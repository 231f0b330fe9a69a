"""Answers what is counted or listed over the whole library from its full-text index, without the language model.

The index knows words, not phrases, and its passages overlap: what it finds is held against the term once more, in the
documents' own text, so that every mention counts exactly once.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import PurePath
from typing import Literal

from engine.evidence import Citation, Passage
from engine.retrieval.citations import PageOf
from engine.retrieval.sentences import split_sentences
from engine.retrieval.words import CJK

__all__ = ["Counted", "count_mentions", "spellings"]

MOST_LINES = 30
"""Documents that an answer lists; of more it gives the number."""
MOST_PAGES = 8
"""Pages that a line lists."""
MOST_CONTEXT = 300
"""Characters of a snippet on either side of a mention: a block of code is one sentence."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What the library has of a term."""

    answer: str
    """Markdown: a sentence and, if there is anything to list, a list of documents."""
    citations: tuple[Citation, ...]
    """One for each listed document: its first mention, and the line that lists it."""
    documents: int
    """Documents that mention the term."""
    mentions: int
    """Mentions in all of them."""
    passages: int
    """Passages that hold a mention, whole or in part."""


def count_mentions(
    term: str,
    kind: Literal["count", "list"],
    passages: Sequence[Passage],
    documents: int,
    page_of: PageOf | None = None,
    *,
    is_complete: bool = True,
) -> Counted:
    """Count or list the documents that mention a term.

    `passages` are all that have all words of one of its `spellings`, in any order, repeated or not; `documents` is how
    many were searched. `page_of` finds the page where a passage spans several. Without `is_complete` there are more
    passages than were handed over, and the answer says "at least".
    """
    pattern = _pattern(term)
    places = _by_document(passages)
    found = [place for place in (_searched(path, read, pattern) for path, read in places) if place.mentions]
    if found:
        searched = max(documents, len(found))
        found.sort(key=lambda place: (-len(place.mentions) if kind == "count" else 0, _order(place.path)))
        intro = _intro(term, kind, found, searched, is_complete)
        answer, citations = _listed(intro, found, page_of, with_counts=True)
    else:
        apart = sorted(_apart(term, places), key=lambda place: _order(place.path))
        answer, citations = _listed(_nothing(term, len(apart), documents), apart, page_of, with_counts=False)
    return Counted(
        answer=answer,
        citations=citations,
        documents=len(found),
        mentions=sum(len(place.mentions) for place in found),
        passages=len({one.chunk_id for place in found for mention in place.mentions for one in place.around(*mention)}),
    )


def spellings(term: str) -> tuple[str, ...]:
    """Return what to search the index for: the term, a word's plural (names have none) and form without hyphens."""
    term = " ".join(term.split())
    forms = [term]
    if re.fullmatch(r"[^\W_]+(?:-[^\W_]+)*", term):
        if re.fullmatch("[a-z-]{3,}", term):
            forms.append(_plural(term))
        forms += [form.replace("-", "") for form in forms]
    return tuple(dict.fromkeys(forms))


def _plural(word: str) -> str:
    """Return the plural of an English noun; of what may be one already, the word itself."""
    if word.endswith("s") and not word.endswith("ss"):
        return word
    if re.search("[^aeiou]y$", word):
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(("ss", "x", "z", "ch", "sh")) else "s")


# ---------------------------------------------------------------- the term

_MARKS = "\u0300-\u036f\u1160-\u11ff\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\u3099\u309a\ufe20-\ufe2f"
"""What belongs to the character before it: accents, voicing marks, and the later letters of a Korean syllable."""
_INDIC = "\u0900-\u0963\u0966-\u0dff"
"""Scripts whose vowel signs are no letters to `re`."""
_CLUSTER = re.compile(rf"[\x00-\x7f]+(?![{_MARKS}])|.[{_MARKS}]*", re.DOTALL)
_SAME = str.maketrans("‐‑‒–—−‘’ʼ", "------'''", "\u00ad\u200b\u200c\u200d\u2060\ufeff")
_LATIN_END = 0x250
_WORD = rf"[^\W_{CJK}]"
_IS_WORD = re.compile(rf"{_WORD}|[{_INDIC}]")
_IS_CJK = re.compile(f"[{CJK}]")
_NEVER = re.compile(r"(?!)")


@dataclass(frozen=True, slots=True)
class _Pattern:
    """How a term is found in a folded text."""

    whole: re.Pattern[str]
    words: tuple[re.Pattern[str], ...]
    """Each word by itself; none for a single word."""
    has_accents: bool
    """Whether accents tell: those who type none mean either."""


def _pattern(term: str) -> _Pattern:
    """Read a term: whole words in this order, whatever white space, case and hyphens lie between them."""
    has_accents = _folded(term, True)[0] != _folded(term, False)[0]
    forms = [_folded(form, has_accents)[0].split() for form in spellings(term)]
    written = "|".join(filter(None, (_written(words) for words in forms)))
    words = forms[0] if len(forms[0]) > 1 else []
    return _Pattern(
        re.compile(written) if written else _NEVER,
        tuple(re.compile(_written([word])) for word in words),
        has_accents,
    )


def _written(words: Sequence[str]) -> str:
    """Return the regular expression of folded words that stand together as whole words."""
    text = " ".join(words)
    if not text:
        return ""
    left = right = ""
    if _IS_WORD.match(text[0]):
        left = rf"(?<!{_WORD})(?<![{_INDIC}])" + (r"(?<!\d[.,])" if text[0].isdigit() else "")
    if _IS_WORD.match(text[-1]):
        right = rf"(?!{_WORD}|[{_INDIC}{_MARKS}])" + (r"(?![.,]\d)" if text[-1].isdigit() else "")
    return left + "".join(map(_joint, " " + text, text, text[1:] + " ")) + right


def _joint(before: str, char: str, after: str) -> str:
    """Return how a character of a term may stand in a text, with what may stand behind it."""
    if char == " ":
        return r"\s*" if _IS_CJK.match(before) or _IS_CJK.match(after) else r"(?:\s+|\s*-\s*)"
    if char == "-" and before.isalnum() and after.isalnum():
        return r"(?:-\s*|\s+)?"
    if _IS_CJK.match(char) and _IS_CJK.match(after):
        return re.escape(char) + r"\s*"
    # A line may end within a word.
    return re.escape(char) + (r"(?:-[ \t]*\r?\n\s*)?" if char.isalpha() and after.isalpha() else "")


def _folded(text: str, has_accents: bool) -> tuple[str, Sequence[int]]:
    """Return a text as it is compared, and the offset in the text of each of its characters and of its end."""
    if text.isascii():
        return text.lower(), range(len(text) + 1)
    pieces: list[str] = []
    offsets: list[int] = []
    for cluster in _CLUSTER.finditer(text):
        piece = cluster[0].lower() if cluster[0].isascii() else _fold(cluster[0], has_accents)
        pieces.append(piece)
        start, end = cluster.span()
        offsets += range(start, end) if len(piece) == end - start else [start] * len(piece)
    return "".join(pieces), [*offsets, len(text)]


@lru_cache(maxsize=20_000)
def _fold(cluster: str, has_accents: bool) -> str:
    """Fold case and compatible forms of one character with its marks; without accents, if they do not tell."""
    taken = unicodedata.normalize("NFKD", cluster.translate(_SAME)).casefold()
    if not has_accents and taken and ord(taken[0]) < _LATIN_END:
        taken = "".join(char for char in taken if not unicodedata.combining(char))
    return unicodedata.normalize("NFKC", taken)


# ---------------------------------------------------------------- the documents


@dataclass(frozen=True, slots=True)
class _Place:
    """A document and what it has of the term."""

    path: str
    passages: tuple[Passage, ...]
    """In the order of the text."""
    longest: int
    """Length of the longest passage, in characters."""
    mentions: tuple[tuple[int, int], ...]
    """Offsets in the document's text, in characters, the end exclusive."""

    def around(self, start: int, end: int) -> list[Passage]:
        """Return the passages that hold a mention or a part of it."""
        first = bisect_left(self.passages, start - self.longest, key=lambda passage: passage.start)
        last = bisect_left(self.passages, end, lo=first, key=lambda passage: passage.start)
        return [one for one in self.passages[first:last] if start < one.start + len(one.text)]

    def holder(self, start: int, end: int) -> Passage:
        """Return the passage in which a mention begins, the one that shows most around it."""
        begun = [passage for passage in self.around(start, end) if passage.start <= start]
        return max(begun, key=lambda one: min(start - one.start, one.start + len(one.text) - end, MOST_CONTEXT))


def _longest(passages: Iterable[Passage]) -> int:
    return max((len(passage.text) for passage in passages), default=0)


def _by_document(passages: Iterable[Passage]) -> list[tuple[str, tuple[Passage, ...]]]:
    """Group passages by document, each once and in the order of the text."""
    ordered = sorted({(one.path, one.start, -len(one.text)): one for one in passages}.items())
    return [
        (path, tuple(passage for _, passage in group)) for path, group in groupby(ordered, key=lambda pair: pair[0][0])
    ]


def _runs(passages: Sequence[Passage]) -> Iterator[tuple[int, str]]:
    """Join passages that overlap or touch; yield the offset in the document and the text of each run."""
    start, end, pieces = 0, -1, list[str]()
    for passage in passages:
        if pieces and passage.start <= end:
            pieces.append(passage.text[end - passage.start :])
        else:
            if pieces:
                yield start, "".join(pieces)
            start, pieces = passage.start, [passage.text]
        end = max(end, passage.start + len(passage.text))
    if pieces:
        yield start, "".join(pieces)


def _searched(path: str, passages: tuple[Passage, ...], pattern: _Pattern) -> _Place:
    """Find all mentions in a document: joined, its passages hold each of them once."""
    mentions = []
    for begin, text in _runs(passages):
        folded, offsets = _folded(text, pattern.has_accents)
        for found in pattern.whole.finditer(folded):
            if found.end() > found.start():
                mentions.append((begin + offsets[found.start()], begin + offsets[found.end()]))
    return _Place(path, passages, _longest(passages), tuple(mentions))


def _apart(term: str, places: Iterable[tuple[str, tuple[Passage, ...]]]) -> list[_Place]:
    """Return the documents with a passage that has all words of a term, with the sentence that has most of them."""
    pattern = _pattern(term)
    found = []
    for path, passages in places if pattern.words else ():
        best, most = None, 0
        for passage in passages:
            if not all(word.search(_folded(passage.text, pattern.has_accents)[0]) for word in pattern.words):
                continue
            for span in split_sentences(passage.text):
                folded = _folded(passage.text[span.start : span.end], pattern.has_accents)[0]
                had = sum(word.search(folded) is not None for word in pattern.words)
                if had > most:
                    best, most = (passage.start + span.start, passage.start + span.end), had
        if best is not None:
            found.append(_Place(path, passages, _longest(passages), (best,)))
    return found


# ---------------------------------------------------------------- the answer


def _intro(
    term: str, kind: Literal["count", "list"], found: Sequence[_Place], documents: int, is_complete: bool
) -> str:
    """Say how many documents mention the term, and how often."""
    number, mentions = len(found), sum(len(place.mentions) for place in found)
    who = f"All {number} documents" if number == documents else f"{number} of {documents} documents"
    if documents == 1:
        who = "Your document"
    elif not is_complete:
        who = f"At least {number} of {documents} documents"
    said = f'{who} {"mentions" if number == 1 else "mention"} "{_escaped(term)}"'
    if kind == "count":
        said += f", {_times(mentions)}{' in all' if number > 1 else ''}"
    return f"{said}:"


def _nothing(term: str, apart: int, documents: int) -> str:
    """Say that no document mentions the term, and how many have its words apart from each other."""
    if not documents:
        return "There are no documents to search."
    quoted, have = f'"{_escaped(term)}"', f"{apart} documents have"
    said = f"None of your {documents} documents mentions {quoted}."
    if documents == 1:
        said, have = f"Your document doesn't mention {quoted}.", "It has"
    elif apart == 1:
        have = "1 document has"
    return f"{said} {have} all of its words, though not together:" if apart else said


def _listed(
    intro: str, places: Sequence[_Place], page_of: PageOf | None, *, with_counts: bool
) -> tuple[str, tuple[Citation, ...]]:
    """Write a line for each document below the introduction, and cite its first mention there."""
    shown, names = places[:MOST_LINES], _names([place.path for place in places])
    answer, citations = intro, []
    for number, place in enumerate(shown, 1):
        what = [_times(len(place.mentions))] if with_counts else []
        what += [_on_pages(pages)] if (pages := _pages(place, page_of)) else []
        line = _escaped(names[place.path], opens=True) + (f": {', '.join(what)}" if what else "")
        answer += ("\n\n- " if number == 1 else "\n- ") + line
        citations.append(_citation(number, place, page_of, len(answer) - len(line), len(answer)))
    if len(places) > len(shown):
        answer += f"\n- and {len(places) - len(shown)} more"
    return answer, tuple(citations)


def _citation(number: int, place: _Place, page_of: PageOf | None, answer_start: int, answer_end: int) -> Citation:
    """Cite the sentence of a document's first mention."""
    start, end = place.mentions[0]
    holder = place.holder(start, end)
    end = min(end, holder.start + len(holder.text))
    first, last = start - holder.start, end - holder.start
    spans = [span for span in split_sentences(holder.text) if span.start < last and first < span.end]
    begin = max(min([first, *(span.start for span in spans)]), first - MOST_CONTEXT)
    stop = min(max([last, *(span.end for span in spans)]), last + MOST_CONTEXT)
    return Citation(
        number=number,
        path=place.path,
        page=_page(holder, holder.start + begin, page_of),
        snippet=holder.text[begin:stop],
        start=holder.start + begin,
        end=holder.start + stop,
        answer_start=answer_start,
        answer_end=answer_end,
        support=1.0,
    )


def _pages(place: _Place, page_of: PageOf | None) -> list[int]:
    """Return the pages with a mention, in order."""
    pages = {_page(place.holder(*mention), mention[0], page_of) for mention in place.mentions}
    return sorted(page for page in pages if page is not None)


def _page(holder: Passage, offset: int, page_of: PageOf | None) -> int | None:
    """Return the page of an offset; None where the format has none, which needs no look into the document."""
    return (page_of(holder.path, offset) if page_of and holder.page is not None else None) or holder.page


def _on_pages(pages: Sequence[int]) -> str:
    """Say on which pages: "pages 2, 3 and 7"."""
    shown = [str(page) for page in pages[:MOST_PAGES]]
    if len(pages) > MOST_PAGES:
        shown.append(f"{len(pages) - MOST_PAGES} more")
    *others, last = shown
    return f"pages {', '.join(others)} and {last}" if others else f"page {last}"


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def _order(path: str) -> tuple[str, str]:
    return PurePath(path).name.casefold(), path


def _names(paths: Sequence[str]) -> dict[str, str]:
    """Return the name of each file, with its folder where others have the same name."""
    files = {path: PurePath(path) for path in paths}
    often = Counter(file.name for file in files.values())
    return {
        path: f"{file.name} (in {file.parent})" if often[file.name] > 1 else file.name for path, file in files.items()
    }


_MEANT = re.compile(r"[\\`*\[\]<>|~]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)")
_OPENS = re.compile(r"(?:[-+#=]|\d+(?=[.)]))")
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069]+")


def _escaped(text: str, *, opens: bool = False) -> str:
    """Return text that Markdown shows as it is; `opens` if it stands where a block could begin."""
    text = " ".join(_UNSEEN.sub(" ", text).split())
    escaped = _MEANT.sub(lambda sign: "\\" + sign[0], text)
    if opens and (first := _OPENS.match(escaped)):
        at = first.end() if first[0].isdigit() else 0
        escaped = f"{escaped[:at]}\\{escaped[at:]}"
    return escaped
