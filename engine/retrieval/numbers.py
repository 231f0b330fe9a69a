"""Compares the numbers of an answer with those of the passages, and recomputes its sums."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

from engine.retrieval.citations import Topic, Window, coverage
from engine.retrieval.claims import Sentence, Token, is_misplaced, neighbours
from engine.retrieval.vocabulary import GERMAN_MONTHS, MONTHS, SCALES, STOP, UNITS
from engine.retrieval.words import CJK, Word, stem
from engine.rules.expression import Problem, Unsure, evaluate, tokenise

__all__ = [
    "GENERIC", "Quantity", "Repair", "Source", "Sums", "contradicted", "correct_sums", "find_repair", "fit",
    "is_anchored", "read_quantities",
]  # fmt: skip

GENERIC = frozenset(
    "last take cost amount run lie betragt dauert kostet gilt liegt total number about approximately around answer "
    "question antwort long much high".split()
)
"""Words that say little but that a number follows."""
AFFINE = 0.6
"""Least likeness of what stands around two numbers, where the source has only one that could be meant."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with what it counts."""

    value: str
    """Its digits, without separators of thousands and with its scale: "12500000"."""
    unit: str
    """What two numbers have to share to be rivals: "month", "euro", "year", "count:employee"; empty if unknown."""
    at: int
    """Index of its token."""
    start: int
    """Offset in the sentence of the number and its unit, in characters."""
    end: int
    """End offset, exclusive."""
    in_range: bool = False
    """Whether it is one end of a range or one side of a size."""

    @property
    def counts(self) -> bool:
        """Whether it counts what the next word names."""
        return self.unit.startswith("count:")


@dataclass(frozen=True, slots=True)
class Repair:
    """A number of the answer, and what the source has in its place."""

    number: Quantity
    text: str
    """As the source spells it."""


_SIGN_BEFORE = re.compile(r"[€$£¥]\s?$")
_AFTER = re.compile(
    r"[\s\u00a0-]{0,2}(?:(?P<sign>[%€$£¥°])(?:\s?[CF]\b)?"
    r"|(?P<counted>[かヶカケ箇個]月|[兆億万千百]*(?:[時年週]間|[々\u3400-\u4dbf\u4e00-\u9fff％]))"
    rf"|(?P<word>[^\W\d_{CJK}]+(?:/[^\W\d_{CJK}]+)?))"
)
_SCALE = re.compile(rf"[\s-]?([^\W\d_{CJK}]+)")
_JOINT = re.compile(r"\s*(?:-|–|/|x|×|~|〜|to|and|or|bis|und|oder|から|または)\s*", re.IGNORECASE)
_YEAR = re.compile(r"1\d{3}|20\d{2}")
_MONTHS = frozenset(stem(month) for month in (*MONTHS, *GERMAN_MONTHS))
_MONTH_AFTER = re.compile(r"(?:st|nd|rd|th)?\.?\s{1,2}(?:of\s)?([^\W\d_]+)")
_MONTH_BEFORE = re.compile(r"([^\W\d_]+)\s$")


def read_quantities(text: str, tokens: Sequence[Token]) -> list[Quantity]:
    """Return the numbers of one sentence in order."""
    found = [_quantity(text, token, at) for at, token in enumerate(tokens) if token.kind == "number"]
    for at in range(len(found) - 2, -1, -1):
        one, other = found[at], found[at + 1]
        if _JOINT.fullmatch(text, one.end, tokens[other.at].start):
            found[at] = replace(one, unit=one.unit or other.unit, in_range=True)
            found[at + 1] = replace(other, in_range=True)
    return found


def _quantity(text: str, token: Token, at: int) -> Quantity:
    """Read the scale and the unit around a number."""
    start, end, value = token.start, token.end, token.key
    scale = _SCALE.match(text, end)
    if scale and scale[1].casefold() in SCALES and re.fullmatch(r"\d{1,20}(?:\.\d{1,20})?", value):
        value = f"{Decimal(value).scaleb(SCALES[scale[1].casefold()]):f}"
        value = value.rstrip("0").rstrip(".") if "." in value else value
        end = scale.end()
    before = _SIGN_BEFORE.search(text[max(0, start - 2) : start])
    if before:
        return Quantity(value, UNITS[before[0].strip()], at, start - len(before[0]), end)
    month = _month(text, start, end)
    if month or (_YEAR.fullmatch(token.text) and _is_year(text, start, end)):
        return Quantity(value, month or "year", at, start, end)
    after = _AFTER.match(text, end)
    if after is None:
        return Quantity(value, "", at, start, end)
    if after["counted"]:
        year = after["counted"] == "年" and _YEAR.fullmatch(token.text)
        return Quantity(value, "year" if year else after["counted"], at, start, after.end())
    if after["sign"] or stem(after["word"]) in UNITS or "/" in after["word"]:
        key = after["sign"] or stem(after["word"])
        return Quantity(value, UNITS.get(key, key), at, start, after.end())
    return Quantity(value, "" if after["word"].casefold() in STOP else f"count:{stem(after['word'])}", at, start, end)


def _month(text: str, start: int, end: int) -> str:
    """Return the month that a number is a day of; empty if it is none."""
    for found in (_MONTH_AFTER.match(text, end), _MONTH_BEFORE.search(text[max(0, start - 12) : start])):
        if found and end - start < 3 and stem(found[1]) in _MONTHS:
            return f"day:{stem(found[1])}"
    return ""


def _is_year(text: str, start: int, end: int) -> bool:
    """Tell a year from 1500 metres and 2000 visitors."""
    before = re.search(r"([^\W\d_]+)\s$", text[max(0, start - 12) : start])
    if before and (before[1].casefold() in _YEAR_AFTER or stem(before[1]) in _MONTHS):
        return True
    after = _AFTER.match(text, end)
    return after is None or bool(after["word"] and after["word"].casefold() in STOP)


_YEAR_AFTER = frozenset("in since until from by year of before after between seit bis von im jahr ab um".split())


# ---------------------------------------------------------------- against the passages


@dataclass(frozen=True, slots=True)
class Source(Sentence):
    """A sentence of a passage with its numbers."""

    window: Window
    numbers: tuple[Quantity, ...]

    def has(self, number: Quantity) -> bool:
        """Tell whether it has a number of this value."""
        return any(number.value == other.value for other in self.numbers)


def is_anchored(number: Quantity, words: Iterable[Word], sources: Sequence[Source]) -> bool:
    """Tell whether a sentence with this number, or what its "it" stands for, shares one of the words that tell."""
    about = [
        word
        for word in words
        if word.weight > 0.2 and word.key not in UNITS and (word.kind != "number" or word.key != number.value)
    ]
    holders = [at for at, source in enumerate(sources) if source.has(number)]
    near = {at - 1 for at in holders if at and _ANAPHOR.match(sources[at].text)}.union(holders)
    return not holders or any(
        coverage(word, sources[at].window) or word.key in sources[at].heading for at in near for word in about
    )


_ANAPHOR = re.compile(r"(?:it|its|he|his|she|her|they|their|this|these|there|er|sie|es|diese\w*)\b", re.IGNORECASE)


def contradicted(tokens: Sequence[Token], numbers: Sequence[Quantity], homes: Sequence[Source]) -> bool:
    """Tell whether the sentences that say the same (`homes`) have another number in the place of one."""
    return bool(homes) and any(all(_opposes(tokens, number, numbers, home) for home in homes) for number in numbers)


def _opposes(tokens: Sequence[Token], number: Quantity, numbers: Sequence[Quantity], home: Source) -> bool:
    """Tell whether a source has a rival of a number, and the number not at all or in another clause."""
    rivals = _rivals(number, numbers, home)
    same = [other for other in home.numbers if _equal(number, other)]
    if same and is_misplaced(tokens, {tokens[number.at].key}, home, [rival.at for rival in rivals]):
        return True
    repeated = sum(one.value == number.value for one in numbers) > len(same)
    if any(other.unit == number.unit for other in same) and not repeated:
        return False
    own = max((_affinity(tokens, number, home, other) for other in same), default=0.0)
    return any(_affinity(tokens, number, home, rival) >= 1 + own for rival in rivals)


def _equal(number: Quantity, other: Quantity) -> bool:
    """Tell whether two numbers can be the same."""
    if number.value != other.value:
        return False
    return number.unit == other.unit or not (number.unit and other.unit) or (number.counts and other.counts)


def _rivals(number: Quantity, numbers: Sequence[Quantity], home: Source) -> list[Quantity]:
    """Return the numbers of a source that count the same and that the answer doesn't have."""
    return [
        other
        for other in home.numbers
        if other.unit == number.unit and not any(_equal(known, other) for known in numbers)
    ]


def _affinity(tokens: Sequence[Token], number: Quantity, home: Source, other: Quantity) -> float:
    """Return how much of what stands around two numbers is the same: 1 for the nearest word on one side."""
    score = 0.0
    for one, another in zip(_around(tokens, number), _around(home.tokens, other), strict=True):
        if one and another:
            score += 1.0 if one[0] == another[0] else AFFINE * (one[0] in another or another[0] in one)
            score += 0.4 * (one[1:] == another[1:] != [])
    return score


def _echo(tokens: Sequence[Token], number: Quantity, home: Source, other: Quantity) -> float:
    """Return a weaker likeness, for the only rival: the same things are counted, or the order is another."""
    (left, right), (before, after) = _around(tokens, number), _around(home.tokens, other)
    crossed = not {*left[:1]}.isdisjoint(after) or not {*right[:1]}.isdisjoint(before)
    return AFFINE * (crossed or number.counts)


def _around(tokens: Sequence[Token], number: Quantity) -> tuple[list[str], list[str]]:
    """Return the nearest words on both sides of a number and of what it counts."""
    last = number.at + 1
    while last < len(tokens) and (tokens[last].start < number.end or (last == number.at + 1 and number.counts)):
        last += 1
    return neighbours(tokens, number.at, last)


def fit(words: Iterable[Word], source: Source, topic: Topic, elsewhere: float) -> float:
    """Return the share of the words that a source covers; `elsewhere` is the worth of the rest of its passage."""
    total = shared = 0.0
    for word in words:
        weight = 0.2 if word.key in GENERIC else word.weight
        total += weight
        worth = 1.0 if word.key in topic.heading else elsewhere * (word.key in topic.words)
        shared += weight * max(coverage(word, source.window), worth)
    return shared / total if total else 0.0


def find_repair(
    text: str, tokens: Sequence[Token], numbers: Sequence[Quantity], homes: Iterable[Source]
) -> Repair | None:
    """Return the one number that the sources (`homes`) contradict, with theirs; None if there is any doubt."""
    found: dict[tuple[int, str], Repair] = {}
    for home in homes:
        wrong = [
            number
            for number in numbers
            if not any(_equal(number, other) for other in home.numbers) or _opposes(tokens, number, numbers, home)
        ]
        if len(wrong) != 1 or not _rivals(wrong[0], numbers, home):
            continue
        source = _counterpart(tokens, wrong[0], numbers, home)
        if source is None or wrong[0].in_range or source.in_range:
            return None
        found[wrong[0].at, source.value] = _repair(text, wrong[0], home, source)
    return next(iter(found.values())) if len(found) == 1 else None


def _counterpart(
    tokens: Sequence[Token], number: Quantity, numbers: Sequence[Quantity], home: Source
) -> Quantity | None:
    """Return the source's number that clearly stands where the answer's does."""
    rivals = _rivals(number, numbers, home)
    if len(rivals) == 1:
        likeness = _affinity(tokens, number, home, rivals[0]) + _echo(tokens, number, home, rivals[0])
        return rivals[0] if likeness >= AFFINE else None
    ranked = sorted(((_affinity(tokens, number, home, rival), rival.at, rival) for rival in rivals), reverse=True)
    clear = ranked and ranked[0][0] >= 1 and ranked[1][0] <= ranked[0][0] - 0.5
    return ranked[0][2] if clear else None


def _repair(text: str, number: Quantity, home: Source, source: Quantity) -> Repair:
    """Write the source's number into the place of the answer's."""
    spelled = home.text[source.start : source.end]
    if number.start > 0 and source.start == 0:
        spelled = spelled[0].lower() + spelled[1:]
    elif number.start == 0 and text[:1].isupper():
        spelled = spelled[0].upper() + spelled[1:]
    return Repair(number, spelled)


# ---------------------------------------------------------------- sums


@dataclass(frozen=True, slots=True)
class Sums:
    """A sentence with its sums corrected."""

    text: str
    rest: str
    """The sentence without its sums: what is left to be supported."""
    notes: tuple[str, ...]
    """What was changed, a sentence for each."""


MAX_PLACES = 6
"""Most decimal places of a corrected result."""
VAGUE = Fraction(1, 20)
"""How far a result that is called rough may be off, as a share."""

_VALUE = r"\d(?:[\d,]{0,20}\d)?(?:\.\d{1,20})?"
_OPERAND = rf"\(?[€$£¥]?{_VALUE}\)?"
_OPERATOR = r"\s?[-+*/×x÷·^−–]\s?|\s(?:plus|minus|times|divided by|multiplied by)\s"
_SUM = re.compile(
    rf"(?<![\w.,/:^)(−–-])(?<![-+*/×÷·=]\s)(?P<sum>{_OPERAND}(?:(?:{_OPERATOR}){_OPERAND}){{1,12}}"
    rf"|\d{{1,12}}(?:\.\d{{1,12}})?\s?(?:%|percent) of [€$£¥]?{_VALUE})"
    r"\s?(?P<equals>=|\bis\b|\bare\b|\bequals\b|\bmakes\b|\bgives\b|≈)"
    r"\s?(?P<vague>(?:about|approximately|roughly|around|some|nearly|almost|≈)\s)?[€$£¥]?"
    rf"(?P<result>-?{_VALUE})(?=(?P<after>\s{{0,2}}\S{{0,12}}))",
    re.IGNORECASE,
)
_GOES_ON = re.compile(
    r"[\w.,:/]*\d|\s*[-+*/×÷·^−–%=(]|\s*(?:plus|minus|times|divided|multiplied|x|of|to|percent|per|r|rest|remainder"
    r"|hundred|thousand|million|billion|trillion|mio|mrd|bn|k|m)\b|\w",
    re.IGNORECASE,
)
_DOTTED = re.compile(r"(?<![\d.])\d{1,3}\.\d{3}(?!\d)|(?<!\d)0\d")


def correct_sums(sentence: str, sources: Sequence[str] = ()) -> Sums:
    """Recompute every "12 x 3 = 36" of a sentence; what is a date, a range, a score or a size is left alone.

    What stands in one of the `sources` as well is a quotation, right or wrong.
    """
    text, rest = [], []
    notes = []
    done = 0
    for found in _SUM.finditer(sentence):
        said = found["result"]
        start, end = found.span("result")
        typed = sentence[found.start() : end]
        if not _is_sum(sentence, found) or any(typed in source for source in sources):
            continue
        right = _right_result(found["sum"], said, bool(found["vague"]) or found["equals"] == "≈")
        if right is None:
            continue
        text += [sentence[done:start], right]
        rest += [sentence[done : found.start()], " "]
        done = end
        if right != said:
            notes.append(f"{found['sum'].strip()} is {right}, not {said}.")
    return Sums("".join([*text, sentence[done:]]), "".join([*rest, sentence[done:]]), tuple(notes))


def _is_sum(sentence: str, found: re.Match[str]) -> bool:
    """Tell a sum that is meant as one from a date, a range, a score, a size or a part of something longer."""
    typed = found["sum"]
    if _GOES_ON.match(found["after"]) or _DOTTED.search(f"{typed} {found['result']}"):
        return False
    dashes = re.search(r"[-–/]", typed)
    if dashes and not re.search(r"\s[-–/]\s", typed):
        return False
    # "Ages 5 - 10 are 7 percent", "chapters 3 + 4 are 20 pages", "the 4 x 4 is 2 tonnes heavier"
    before = re.search(r"([^\W\d_]+)\s$", sentence[max(0, found.start() - 20) : found.start()])
    return found["equals"] == "=" or not (dashes or (before and before[1].casefold() not in _BEFORE_SUM))


_BEFORE_SUM = frozenset("so that thus hence therefore because since as and means total sum then dass also denn".split())


def _right_result(typed: str, said: str, vague: bool) -> str | None:
    """Return what was said if it is right to its last digit, else the right result; None if that is unsure."""
    try:
        value = evaluate(tokenise(re.sub("[€$£¥]", "", typed)))
        given = evaluate(tokenise(said)).number
    except (Unsure, Problem):
        return None
    unit = Fraction(1, 10 ** len(said.partition(".")[2]))
    off = abs(value.number - given)
    whole = value.exact and value.number.denominator == 1
    cut = unit < 1 and off < unit and abs(given) < abs(value.number) and _places(value.number) is None
    if not off or (vague and off <= abs(value.number) * VAGUE) or (not whole and off <= unit / 2) or cut:
        return said
    return _written(value.number, len(said.partition(".")[2]), "," in said)


def _places(number: Fraction) -> int | None:
    """Return how many decimal places a number has; None if there are too many to write."""
    return next((places for places in range(MAX_PLACES + 1) if (number * 10**places).denominator == 1), None)


def _written(number: Fraction, places: int, grouped: bool) -> str | None:
    """Write a result in full if it is short, else to at least two places."""
    if abs(number) >= 10**15:
        return None
    exact = _places(number)
    places = max(places, 2 if exact is None else exact)
    digits = (Decimal(number.numerator) / Decimal(number.denominator)).quantize(
        Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP
    )
    return f"{digits:,f}" if grouped else f"{digits:f}"
