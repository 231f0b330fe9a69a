"""Finds what an answer rests on, by our own alignment of its sentences with those of the passages.

What the model claims about its sources counts for nothing: a sentence is supported if the words, names and numbers
that it adds to the question stand together in one sentence, or a short run of sentences, of a passage.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from engine.messages import Citation, Passage
from engine.retrieval.sentences import Span, split_sentences
from engine.retrieval.vocabulary import CALENDAR, UNITS
from engine.retrieval.words import Word, is_negated, mask_markers, read_words

__all__ = [
    "REFUSAL", "Claim", "Found", "PageOf", "Span", "Topic", "Window", "align", "coverage", "find_best", "is_kin",
    "numbered", "rarity_of", "split_sentences", "weigh", "windows_of",
]  # fmt: skip

Rarity = Callable[[str], float]
PageOf = Callable[[str, int], "int | None"]
"""Returns the 1-based page of an offset, in characters, in the text of a document (path)."""

MAX_RUN = 3
"""Most adjacent sentences in one snippet."""
MAX_RUN_LENGTH = 600
"""Longest run of several sentences, in characters."""
MAX_WORDS = 120
"""Words of one sentence that are looked at."""
MIN_SUPPORT = 0.5
"""Least share of the weight of an answer sentence that its snippet has to cover."""
ECHO = 0.3
"""Weight of a word that stood in the question already, as a share."""
KINSHIP = 0.7
"""Worth of a word that shares only its beginning."""
ABOUT = 0.4
"""Share of the question's words a window has to have where it proves one word or number only: prices are everywhere."""
RUN_COST = 0.08
"""What each further sentence of a run has to gain."""

_N = r"(?: not|n['’]?t)"
REFUSAL = re.compile(
    rf"\b(?:i (?:(?:do|did|could|can|was|am){_N}|cannot|am unable|have no)\b|we (?:do{_N}|cannot) (?:know|tell)"
    r"|(?:documents?|passages?|contexts?|texts?|sources?|excerpts?|files?|information) (?:provided |given |above )?"
    rf"(?:(?:do|does|did){_N}|never) (?:\w+ )?(?:say|mention|contain|provide|state|specify|include|give|tell|answer|"
    r"address|discuss|cover|indicate|explain)"
    r"|(?:there is|there's|contains?|provides?|gives?) no (?:\w+ )?(?:information|mention|answer|indication|details?)"
    rf"|(?:is|are|was|were){_N} (?:\w+ )?(?:mentioned|specified|stated"
    r"|(?:provided|given|found|available|included) in the (?:document|text|passage|context|source))"
    r"|(?:not |un)able to (?:answer|find|determine)|can(?: ?not|['’]?t) be (?:determined|answered)"
    r"|no (?:information|mention|answer) (?:is|was|about|on|of|in|regarding)"
    r"|wei(?:ß|ss) (?:ich |es )*nicht|keine (?:angaben?|informationen?)|nicht (?:erwähnt|angegeben)"
    r"|je ne sais pas|ne (?:mentionne|précise|contient) pas|no (?:lo )?sé\b|no (?:menciona|contiene|especifica))"
    r"|(?:わか|分か)りません|記載(?:されて)?(?:い|が|は)?(?:ない|いません|ありません)|不知道|没有提(?:到|及)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Window:
    """One sentence or a run of sentences of a passage."""

    passage: int
    start: int
    end: int
    sentences: int
    keys: frozenset[str]
    """Words, names and pairs of characters."""
    numbers: Mapping[str, frozenset[str]]
    """Each number with the units it stands with."""
    beginnings: Mapping[str, tuple[str, ...]]
    """The words by their first five letters."""
    negated: bool

    def includes(self, other: Window) -> bool:
        """Tell whether another window lies inside this one."""
        return self.passage == other.passage and self.start <= other.start and other.end <= self.end


@dataclass(frozen=True, slots=True)
class Claim:
    """An answer sentence, weighed."""

    span: Span
    fresh: Mapping[Word, float]
    """What it adds to the question, with weights."""
    echoed: Mapping[Word, float]
    """What the question said already, with weights."""
    negated: bool


@dataclass(frozen=True, slots=True)
class Found:
    """The best window for a claim."""

    claim: Claim
    window: Window
    support: float


def align(
    answer: str,
    passages: Sequence[Passage],
    max_citations: int = 5,
    *,
    question: str = "",
    page_of: PageOf | None = None,
) -> tuple[Citation, ...]:
    """Return a citation for each answer sentence that a passage supports, in the order of the answer.

    Sentences that rest on the same snippet share its number; there are at most `max_citations` different snippets,
    the best supported ones. What stood in the question already is no support. Offsets are in characters;
    `page_of` finds the page where a chunk spans several.
    """
    masked = mask_markers(answer)
    asked = read_words(question)
    windows = [window for at, passage in enumerate(passages) for window in windows_of(at, passage)]
    if not windows or max_citations < 1:
        return ()
    rarity = rarity_of(windows)
    topics = [Topic.of(passage) for passage in passages]
    claims = (weigh(masked, span, asked, rarity) for span in split_sentences(masked))
    found = [best for claim in claims if claim and (best := find_best(claim, windows, topics, asked))]
    return numbered(found, passages, max_citations, page_of)


# ---------------------------------------------------------------- the passages


@dataclass(frozen=True, slots=True)
class Topic:
    """What holds for a whole passage."""

    heading: frozenset[str]
    words: frozenset[str]
    """Words, names and pairs of characters of heading and text."""
    numbers: frozenset[str]

    @classmethod
    def of(cls, passage: Passage) -> Topic:
        """Read heading and text of a passage."""
        heading = read_words(passage.heading)
        words = [*heading, *read_words(passage.text)]
        return cls(
            frozenset(word.key for word in heading if word.kind != "number"),
            frozenset(word.key for word in words if word.kind != "number"),
            frozenset(word.key for word in words if word.kind == "number"),
        )


def windows_of(at: int, passage: Passage) -> list[Window]:
    """Return every run of one to three adjacent sentences."""
    text = mask_markers(passage.text)
    spans = split_sentences(text)
    read = [read_words(text[span.start : span.end]) for span in spans]
    windows = []
    for first, span in enumerate(spans):
        words: list[Word] = []
        for last in range(first, min(first + MAX_RUN, len(spans))):
            if last > first and spans[last].end - span.start > MAX_RUN_LENGTH:
                break
            words = words + read[last]
            windows.append(_window(at, text, span.start, spans[last].end, last - first + 1, words))
    return windows


def _window(at: int, text: str, start: int, end: int, sentences: int, words: Iterable[Word]) -> Window:
    """Index the words of a run."""
    keys: set[str] = set()
    numbers: dict[str, set[str]] = {}
    beginnings: dict[str, list[str]] = {}
    for word in words:
        if word.kind == "number":
            numbers.setdefault(word.key, set()).add(word.unit)
        elif word.key not in keys:
            keys.add(word.key)
            if word.kind != "gram" and len(word.key) >= 5:
                beginnings.setdefault(word.key[:5], []).append(word.key)
    return Window(
        at,
        start,
        end,
        sentences,
        frozenset(keys),
        {number: frozenset(units) for number, units in numbers.items()},
        {beginning: tuple(found) for beginning, found in beginnings.items()},
        is_negated(text[start:end]),
    )


def rarity_of(windows: Sequence[Window]) -> Callable[[str], float]:
    """Return the inverse sentence frequency of a word: 1 + ln((n + 1) / (n_word + 1)), at least 1."""
    single = [window for window in windows if window.sentences == 1]
    counts = Counter(key for window in single for key in (*window.keys, *window.numbers))
    return lambda key: 1.0 + math.log((len(single) + 1) / (counts[key] + 1))


# ---------------------------------------------------------------- the answer


def weigh(text: str, span: Span, asked: Sequence[Word], rarity: Rarity, denies: bool = False) -> Claim | None:
    """Weigh an answer sentence; None if it claims nothing. Words without a full stop deny what the question denies."""
    sentence = text[span.start : span.end]
    bare = sentence.rstrip("\"'”’»)*_ ")
    if span.kind != "sentence" or bare.endswith(("?", "？", ":", "：")) or REFUSAL.search(sentence):
        return None
    fresh: dict[Word, float] = {}
    echoed: dict[Word, float] = {}
    for word in dict.fromkeys(read_words(sentence)[:MAX_WORDS]):
        weight = word.weight * rarity(word.key)
        if any(_is_echo(word, other) for other in asked):
            echoed[word] = ECHO * weight
        else:
            fresh[word] = weight
    if not any(word.weight > 0.2 for word in fresh):
        return None
    return Claim(span, fresh, echoed, is_negated(sentence) or (denies and not bare.endswith((".", "!", "。"))))


def _is_echo(word: Word, other: Word) -> bool:
    """Tell whether a word of the answer stood in the question."""
    if (word.kind == "number") != (other.kind == "number"):
        return False
    return word.key == other.key or (word.kind != "number" and is_kin(word.key, other.key))


def is_kin(left: str, right: str) -> bool:
    """Tell whether two words share so long a beginning that one is mostly a form of the other."""
    longest = max(len(left), len(right))
    need = max(5, math.ceil(0.7 * longest))
    return min(len(left), len(right)) >= need and left[:need] == right[:need]


def find_best(claim: Claim, windows: Sequence[Window], topics: Sequence[Topic], asked: Sequence[Word]) -> Found | None:
    """Return the window that supports a claim best, if any supports it and none counts differently."""
    fresh_total = sum(claim.fresh.values())
    total = fresh_total + sum(claim.echoed.values())
    subject = {word for word in asked if word.kind != "number" and word.weight > 0.2}
    denied = _denials(claim, windows)
    best: Found | None = None
    best_rank = 0.0
    for window in windows:
        covered = {word: coverage(word, window) for word in claim.fresh}
        fresh = sum(covered[word] * weight for word, weight in claim.fresh.items())
        if fresh < MIN_SUPPORT * fresh_total or any(window.includes(other) for other in denied):
            continue
        topic = topics[window.passage]
        echoed = sum(
            max(coverage(word, window), word.key in topic.heading) * weight for word, weight in claim.echoed.items()
        )
        support = (fresh + echoed) / total
        about = _amount(word for word in subject if coverage(word, window) or word.key in topic.heading)
        near = 0.5 * (about + _amount(word for word in subject if word.key in topic.words))
        needed = 1 / 3 if any(word.kind == "gram" for word in subject) else ABOUT * _amount(subject)
        if support < MIN_SUPPORT or not _holds(claim, topic, covered, max(about, near) >= needed if subject else None):
            continue
        rank = support + 0.15 * about / max(1.0, _amount(subject)) - RUN_COST * (window.sentences - 1)
        if rank > best_rank + 1e-9:
            best, best_rank = Found(claim, window, support), rank
    return best if best and not _counts_differently(claim, windows, topics, subject) else None


def _denials(claim: Claim, windows: Sequence[Window]) -> list[Window]:
    """Return the sentences that say much the same as the claim, with or without a "not" more."""
    most = 2 * (len(claim.fresh) + len(claim.echoed)) + 2
    least = MIN_SUPPORT * sum(claim.fresh.values())
    return [
        window
        for window in windows
        if window.sentences == 1
        and window.negated != claim.negated
        and len(window.keys) + len(window.numbers) <= most
        and sum(coverage(word, window) * weight for word, weight in claim.fresh.items()) >= least
    ]


def _counts_differently(
    claim: Claim, windows: Sequence[Window], topics: Sequence[Topic], subject: Collection[Word]
) -> bool:
    """Tell whether a sentence that fits better gives another number of the same unit: 24 months instead of 12."""
    about = {**dict.fromkeys(subject, 1.0), **claim.fresh, **{word: w / ECHO for word, w in claim.echoed.items()}}
    for number in claim.fresh:
        if number.kind != "number" or not number.unit or number.unit in CALENDAR:
            continue
        agreeing = opposing = 0.0
        for window in windows:
            if window.sentences > 1 or not any(number.unit in units for units in window.numbers.values()):
                continue
            heading = topics[window.passage].heading
            fit = sum(
                max(coverage(word, window), 0.5 * (word.key in heading)) * weight
                for word, weight in about.items()
                if word.kind != "number" and UNITS.get(word.key) != number.unit
            )
            if coverage(number, window):
                agreeing = max(agreeing, fit)
            else:
                opposing = max(opposing, fit)
        if opposing > 1.1 * agreeing:
            return True
    return False


def coverage(word: Word, window: Window) -> float:
    """Return how far a window contains a word, 0 to 1."""
    if word.kind == "number":
        units = window.numbers.get(word.key)
        if units is None:
            return 0.0
        if not word.unit or word.unit in units:
            return 1.0
        # A bare 24 is no "24 months" where other months are counted.
        counted = any(word.unit in others for others in window.numbers.values())
        return 1.0 if "" in units and not counted else 0.0
    if word.key in window.keys:
        return 1.0
    if word.kind == "gram":
        return 0.0
    return KINSHIP if any(is_kin(word.key, other) for other in window.beginnings.get(word.key[:5], ())) else 0.0


def _holds(claim: Claim, topic: Topic, covered: Mapping[Word, float], is_about: bool | None) -> bool:
    """Refuse a window that shares many words and still lacks what matters: a number, a name, or the subject."""
    if any(word.kind == "number" and not share for word, share in covered.items()):
        return False
    if any(word.kind == "number" and word.key not in topic.numbers for word in claim.echoed):
        return False
    names = [share > 0 or word.key in topic.words for word, share in covered.items() if word.kind == "name"]
    if not all(names) and sum(names) <= len(names) * 2 / 3:
        return False
    # One shared word proves little, unless the window is about what was asked.
    strong = _amount(word for word, share in covered.items() if share and word.weight > 0.2)
    return strong >= 2 or (len(claim.fresh) + len(claim.echoed) < 3 if is_about is None else is_about)


def _amount(words: Iterable[Word]) -> float:
    """Count words; a word of a language without spaces shows as about three pairs of characters."""
    return sum(1 / 3 if word.kind == "gram" else 1.0 for word in words)


# ---------------------------------------------------------------- the citations


def numbered(
    found: Sequence[Found], passages: Sequence[Passage], max_citations: int, page_of: PageOf | None
) -> tuple[Citation, ...]:
    """Give each snippet its number in the order of first use, and drop the weakest beyond the limit."""
    places = _merged(found, passages)
    strength: dict[tuple[str, int, int], float] = {}
    for one, place in zip(found, places, strict=True):
        strength[place] = max(strength.get(place, 0.0), one.support)
    kept = sorted(strength, key=lambda place: -strength[place])[:max_citations]
    numbers: dict[tuple[str, int, int], int] = {}
    citations = []
    for one, place in zip(found, places, strict=True):
        if place not in kept:
            continue
        path, start, end = place
        holder = _holder(passages, place)
        citations.append(
            Citation(
                number=numbers.setdefault(place, len(numbers) + 1),
                path=path,
                page=(page_of(path, start) if page_of else None) or holder.page,
                snippet=holder.text[start - holder.start : end - holder.start],
                start=start,
                end=end,
                answer_start=one.claim.span.start,
                answer_end=one.claim.span.end,
                support=round(min(1.0, one.support), 4),
            )
        )
    return tuple(citations)


def _merged(found: Sequence[Found], passages: Sequence[Passage]) -> list[tuple[str, int, int]]:
    """Return the place of each snippet in its document; one inside another takes the place of the longer one."""
    places = []
    for one in found:
        passage = passages[one.window.passage]
        places.append((passage.path, passage.start + one.window.start, passage.start + one.window.end))
    return [
        max(
            (other for other in places if other[0] == path and other[1] <= start and end <= other[2]),
            key=lambda other: other[2] - other[1],
        )
        for path, start, end in places
    ]


def _holder(passages: Sequence[Passage], place: tuple[str, int, int]) -> Passage:
    """Return a passage that holds all of a place."""
    path, start, end = place
    return next(one for one in passages if one.path == path and one.start <= start and end <= one.start + len(one.text))
