"""Reads what a sentence claims, token by token, and finds names that stand in another's place."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import PurePath
from typing import Literal

from engine.messages import Passage
from engine.retrieval.citations import is_kin
from engine.retrieval.sentences import split_sentences
from engine.retrieval.vocabulary import NUMBERS, STOP, TENS
from engine.retrieval.words import CJK, mask_markers, stem

__all__ = [
    "Group", "Sentence", "Token", "Vocabulary", "clauses", "is_misplaced", "is_reversed", "is_swapped", "name_groups",
    "neighbours", "read_tokens", "said_by",
]  # fmt: skip

REACH = 2
"""Words on each side of a name or number that tell what it is about."""
MAX_TOKENS = 200
"""Tokens of one sentence that are looked at."""

_GERMAN_NUMBERS = {
    word: value for value, word in enumerate("zwei drei vier fünf sechs sieben acht neun zehn elf zwölf".split(), 2)
} | {"zwanzig": 20, "dreißig": 30, "vierzig": 40, "fünfzig": 50, "sechzig": 60, "hundert": 100}
_ONES = {word: value for word, value in NUMBERS.items() if value < 10} | {"one": 1}
_SPELLED = {**NUMBERS, **TENS, **_GERMAN_NUMBERS}
_TOKEN = re.compile(
    rf"(?P<number>\d+(?:[.,:]\d+)*)|(?P<spelled>\b(?:(?:{'|'.join(TENS)})[- ](?:{'|'.join(_ONES)})"
    rf"|{'|'.join(sorted(_SPELLED, key=len, reverse=True))})\b)"
    r"|(?P<han>[々〆\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+)|(?P<kata>[\u30a1-\u30ff\uff66-\uff9f]+)"
    rf"|(?P<kana>[\u3041-\u309f]+)|(?P<other>[{CJK}]+)"
    rf"|(?P<word>[^\W\d_{CJK}][^\W_{CJK}]*(?:['’][^\W\d_{CJK}]+)*)|(?P<break>[,;:()、；：（），—–])",
    re.IGNORECASE,
)
_SERVING = STOP - {"most", "least", "höchstens", "mindestens"}
_AND = frozenset("and but while whereas und aber während sowie sondern et mais y pero".split())
_RELATIVE = frozenset("who whom whose which where that when der die das dem den deren dessen wo qui que".split())
_GERMAN = frozenset(
    "der die das den dem und ist nicht mit für von ein eine einen einem einer wird werden wurde auf im zum zur des "
    "nach bei aus sich beträgt dieser diese dieses hat kein keine sie er es als bis vor über unter oder nur".split()
)
_ENGLISH = frozenset("the of and is are was were to for by at on with a an it its has have from this that".split())
_GERMAN_TITLES = frozenset("herr herrn frau firma dr prof professor graf familie".split())
_TITLES = _GERMAN_TITLES | frozenset("mr mrs ms sir king queen lord lady president st doktor".split())
_PLACE = frozenset("in aus nach bei bis".split())
_PAIRS = (
    "tenant/landlord buyer/seller employer/employee lender/borrower student/teacher adult/child minimum/maximum "
    "increase/decrease increased/decreased rose/fell rise/fall higher/lower grew/shrank highest/lowest best/worst "
    "largest/smallest allowed/forbidden permitted/prohibited included/excluded opened/closed north/south east/west "
    "left/right day/night summer/winter hot/cold income/expense profit/loss won/lost mieter/vermieter käufer/verkäufer "
    "arbeitgeber/arbeitnehmer gestiegen/gesunken erlaubt/verboten"
)
_OPPOSITES = [(stem(one), stem(other)) for one, _, other in (pair.partition("/") for pair in _PAIRS.split())]
"""Words that are seldom both true of the same thing."""


@dataclass(frozen=True, slots=True)
class Token:
    """A word, a number, or a mark or conjunction that parts clauses."""

    key: str
    """Equal for words that mean the same."""
    text: str
    start: int
    """Offset in the sentence, in characters."""
    end: int
    """End offset, exclusive."""
    kind: Literal["word", "number", "cjk", "grammar", "break"]

    @property
    def tells(self) -> bool:
        """Whether it carries meaning by itself."""
        return self.kind in ("word", "number", "cjk")

    @property
    def is_large(self) -> bool:
        """Whether it is a word that begins with a capital letter."""
        return self.kind == "word" and self.text[0].isupper()


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a passage, read once."""

    text: str
    tokens: tuple[Token, ...]
    heading: frozenset[str]
    """Keys of the heading above it."""


@dataclass(frozen=True, slots=True)
class Group:
    """The tokens `first` to `last`, exclusive, that make one name."""

    first: int
    last: int
    sure: bool
    """Whether the spelling alone shows that it is a name."""


# ---------------------------------------------------------------- tokens


def read_tokens(text: str) -> tuple[Token, ...]:
    """Return the tokens of one sentence, in order."""
    tokens: list[Token] = []
    for found in _TOKEN.finditer(mask_markers(text)):
        typed, span = found[0], found.span()
        if found["number"] or found["spelled"]:
            tokens.append(Token(_value(typed), typed, *span, "number"))
        elif found["break"] or typed.casefold() in _AND:
            tokens.append(Token(typed.casefold(), typed, *span, "break"))
        elif found["word"]:
            serves = typed.casefold() in _SERVING and not (typed.isupper() and len(typed) > 1)
            tokens.append(Token(_stemmed(typed), typed, *span, "grammar" if serves else "word"))
        else:
            tokens.append(
                Token(unicodedata.normalize("NFKC", typed), typed, *span, "grammar" if found["kana"] else "cjk")
            )
        if len(tokens) == MAX_TOKENS:
            break
    return tuple(tokens)


@lru_cache(maxsize=20_000)
def _stemmed(word: str) -> str:
    return stem(word)


def _value(typed: str) -> str:
    """Write a number in digits, with a point before its decimal places and nothing between its thousands."""
    typed = unicodedata.normalize("NFKC", typed)
    if not typed[0].isdigit():
        first, _, ones = re.sub("[- ]", " ", typed.casefold()).partition(" ")
        return str(_SPELLED[first] + _ONES.get(ones, 0))
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", typed):
        typed = typed.replace(",", "")
    elif re.fullmatch(r"(?:\d{1,3}(?:\.\d{3})+|\d+),\d{1,2}", typed):
        typed = typed.replace(".", "").replace(",", ".")
    return typed.rstrip("0").rstrip(".") if re.fullmatch(r"\d+\.(?:\d|\d0)", typed) else typed


def said_by(tokens: Iterable[Token]) -> set[str]:
    """Return the keys of the tokens that tell something."""
    return {token.key for token in tokens if token.tells}


def _covers(keys: Collection[str], key: str) -> bool:
    """Tell whether a key, or a form of the same word, is among others."""
    return key in keys or (len(key) >= 5 and any(is_kin(key, other) for other in keys))


def clauses(tokens: Sequence[Token]) -> list[tuple[int, int]]:
    """Split a sentence at marks and conjunctions; a relative clause belongs to what it stands behind."""
    parts: list[tuple[int, int]] = []
    first = 0
    for at, token in enumerate(tokens):
        after = tokens[at + 1].text.casefold() if at + 1 < len(tokens) else ""
        if token.kind == "break" and not (token.key in (",", "(") and after in _RELATIVE):
            parts.append((first, at))
            first = at + 1
    parts.append((first, len(tokens)))
    return [(begin, end) for begin, end in parts if any(token.tells for token in tokens[begin:end])]


def neighbours(tokens: Sequence[Token], first: int, last: int) -> tuple[list[str], list[str]]:
    """Return the nearest words before and after a part of a sentence, nearest first."""
    left = [token.key for token in tokens[max(0, first - 3 * REACH) : first] if token.tells][::-1]
    right = [token.key for token in tokens[last : last + 3 * REACH] if token.tells]
    return left[:REACH], right[:REACH]


# ---------------------------------------------------------------- names


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """How the passages spell their words."""

    words: Mapping[str, frozenset[str]]
    """Every word of texts, headings and file names, by its first five letters."""
    lower: frozenset[str]
    """Words that are written small somewhere."""
    names: frozenset[str]
    """Words that are written large inside a sentence."""
    pairs: frozenset[tuple[str, str]]
    """Neighbours that are both written large."""
    german: bool

    @classmethod
    def of(cls, passages: Iterable[Passage]) -> Vocabulary:
        """Read texts, headings and file names."""
        words: dict[str, set[str]] = {}
        lower: set[str] = set()
        names: set[str] = set()
        pairs: set[tuple[str, str]] = set()
        german = 0
        for passage in passages:
            for text in (passage.text, passage.heading, re.sub(r"[_\W]+", " ", PurePath(passage.path).stem)):
                for span in split_sentences(text):
                    tokens = read_tokens(text[span.start : span.end])
                    german += _german_balance(tokens)
                    for token, after in zip(tokens, (*tokens[1:], None), strict=True):
                        words.setdefault(token.key[:5], set()).add(token.key)
                        if token.text[0].islower():
                            lower.add(token.key)
                        elif token.is_large and token is not tokens[0]:
                            names.add(token.key)
                        if after and token.is_large and (after.is_large or after.kind == "number"):
                            pairs.add((token.key, after.key))
        frozen = {beginning: frozenset(found) for beginning, found in words.items()}
        return cls(frozen, frozenset(lower), frozenset(names), frozenset(pairs), german > 0)

    def has(self, key: str) -> bool:
        """Tell whether a word, or a form of it, stands in the passages."""
        return _covers(self.words.get(key[:5], ()), key)


def _german_balance(tokens: Iterable[Token]) -> int:
    """Return how many more words show German, which writes every noun large, than English."""
    typed = [token.text.casefold() for token in tokens]
    return sum(word in _GERMAN for word in typed) - sum(word in _ENGLISH for word in typed)


def name_groups(tokens: Sequence[Token], vocabulary: Vocabulary) -> list[Group]:
    """Return the names of a sentence: what is written large, or in a script without spaces what isn't grammar."""
    balance = _german_balance(tokens)
    german = balance > 0 or (balance == 0 and vocabulary.german)
    groups: list[Group] = []
    at = 0
    while at < len(tokens):
        end = at
        # Parts of a name are at most a space and a point apart.
        while end < len(tokens) and (end == at or tokens[end].start - tokens[end - 1].end <= 2):
            if not _is_name_part(tokens, end, vocabulary, end > at):
                break
            end += 1
        if end > at and (not german or _is_german_name(tokens, at, end)):
            groups.append(Group(at, end, not german or end - at > 1 or _follows(tokens, at, _GERMAN_TITLES)))
        elif tokens[at].kind == "cjk" and len(tokens[at].key) > 1:
            groups.append(Group(at, at + 1, False))
        at = max(end, at + 1)
    return groups


def _is_name_part(tokens: Sequence[Token], at: int, vocabulary: Vocabulary, goes_on: bool) -> bool:
    """Tell whether a token is written as a name is."""
    token = tokens[at]
    if goes_on and token.kind == "number":
        return tokens[at - 1].text.isupper()  # "BH 26"
    if not token.is_large:
        return False
    if goes_on or any(map(str.isdigit, token.text)) or (token.text.isupper() and len(token.text) > 1):
        return True
    if token.key in vocabulary.lower:
        return False
    first = at == 0 or tokens[at - 1].key == ":"
    return not first or token.key in vocabulary.names or (at + 1 < len(tokens) and tokens[at + 1].is_large)


def _is_german_name(tokens: Sequence[Token], first: int, last: int) -> bool:
    """Tell a name from the nouns of German, all written large."""
    several = last - first > 1 and not (first and tokens[first - 1].kind == "number")
    return several or _follows(tokens, first, _GERMAN_TITLES | _PLACE)


def _follows(tokens: Sequence[Token], at: int, words: Collection[str]) -> bool:
    return at > 0 and tokens[at - 1].text.casefold() in words


def _parts(tokens: Sequence[Token], group: Group) -> list[Token]:
    """Return the tokens of a name, without titles."""
    return [token for token in tokens[group.first : group.last] if token.key not in _TITLES]


def _missing(tokens: Sequence[Token], group: Group, home: Sentence, vocabulary: Vocabulary) -> list[Token]:
    """Return the parts of a name that a sentence lacks and that the passages don't join with the rest."""
    parts, present = _parts(tokens, group), said_by(home.tokens) | home.heading
    lacking = [token for token in parts if not _is_present(token, present)]
    linked = {token.key for token in parts if token not in lacking}
    if not linked or _is_mixed(tokens, group, home, vocabulary):
        return lacking
    for _ in parts:
        for one, other in pairwise(parts):
            if (one.key, other.key) in vocabulary.pairs and not linked.isdisjoint((one.key, other.key)):
                linked |= {one.key, other.key}
    return [token for token in lacking if token.key not in linked]


def _is_mixed(tokens: Sequence[Token], group: Group, home: Sentence, vocabulary: Vocabulary) -> bool:
    """Tell whether a name goes on differently in a source: Jens Lorenz, Sabine Lorenz."""
    own, said = said_by(_parts(tokens, group)), said_by(tokens)
    others = (said_by(_parts(home.tokens, other)) for other in name_groups(home.tokens, vocabulary))
    return any(keys & own and keys - said for keys in others)


def _is_present(token: Token, present: Collection[str]) -> bool:
    if token.kind != "cjk":
        return _covers(present, token.key)
    return any(token.key in other or (len(other) > 1 and other in token.key) for other in present)


# ---------------------------------------------------------------- names against the passages


def is_reversed(tokens: Sequence[Token], homes: Sequence[Sentence]) -> bool:
    """Tell whether the sentences that say the same (`homes`) have the opposite of a word instead of it."""
    said = said_by(tokens)
    sources = [said_by(home.tokens) for home in homes]
    return bool(homes) and any(
        one in said and other not in said and all(other in source and one not in source for source in sources)
        for pair in _OPPOSITES
        for one, other in (pair, pair[::-1])
    )


def is_swapped(
    tokens: Sequence[Token], homes: Sequence[Sentence], vocabulary: Vocabulary, asked: Collection[str]
) -> bool:
    """Tell whether a sentence puts a name where the sentences that say the same (`homes`) have another one.

    `asked` holds the words of the question: in a script without spaces they are no names of the answer's own.
    """
    for group in name_groups(tokens, vocabulary):
        if tokens[group.first].kind == "cjk" and _is_present(tokens[group.first], asked):
            continue
        lacks = [_missing(tokens, group, home, vocabulary) for home in homes]
        if not all(lacks):
            if all(_is_elsewhere(tokens, group, home, vocabulary) for home in homes):
                return True
        elif any(_has_rival(tokens, group, home, vocabulary) for home in homes) or (
            group.sure and lacks and any(not vocabulary.has(token.key) for token in lacks[0])
        ):
            return True
    return False


def _rivals(tokens: Sequence[Token], home: Sentence, vocabulary: Vocabulary) -> Iterator[Group]:
    """Yield the names of a passage's sentence that the answer's sentence doesn't have."""
    said = said_by(tokens)
    for group in name_groups(home.tokens, vocabulary):
        if not any(_is_present(token, said) for token in _parts(home.tokens, group)):
            yield group


def _has_rival(tokens: Sequence[Token], group: Group, home: Sentence, vocabulary: Vocabulary) -> bool:
    """Tell whether another name stands among the same words, or is half the same."""
    if _is_mixed(tokens, group, home, vocabulary):
        return True
    left, right = neighbours(tokens, group.first, group.last)
    for rival in _rivals(tokens, home, vocabulary):
        before, after = neighbours(home.tokens, rival.first, rival.last)
        alike = (home.tokens[rival.first].kind == "cjk") == (tokens[group.first].kind == "cjk")
        if alike and (_meet(left, before) or _meet(right, after)):
            return True
    return False


def _meet(one: Sequence[str], other: Sequence[str]) -> bool:
    """Tell whether the nearest word of either is among the near words of the other."""
    return bool(one and other) and (_covers(other, one[0]) or _covers(one, other[0]))


def _is_elsewhere(tokens: Sequence[Token], group: Group, home: Sentence, vocabulary: Vocabulary) -> bool:
    """Tell whether a name stands in another clause than the one that says what the answer says of it."""
    rivals = [rival.first for rival in _rivals(tokens, home, vocabulary)]
    return is_misplaced(tokens, said_by(_parts(tokens, group)), home, rivals)


def is_misplaced(tokens: Sequence[Token], keys: Collection[str], home: Sentence, rivals: Collection[int]) -> bool:
    """Tell whether `keys` stand in a clause of `home` about something else, and a rival (index) in the right one."""
    parts = clauses(home.tokens)
    words = [said_by(home.tokens[first:last]) for first, last in parts]
    own = [at for at, found in enumerate(words) if any(key in found for key in keys)]
    if len(own) != 1 or len(parts) < 2:
        return False
    said = said_by(tokens).difference(keys)
    often = Counter(key for found in words for key in found)
    others = {home.tokens[rival].key for rival in rivals}
    about = [{key for key in found - others if key not in keys and often[key] == 1} for found in words]
    shared = [sum(_covers(said, key) for key in found) for found in about]
    at = own[0]
    # "29.8 cents by day and 24.1 cents at night": a clause that is said entirely claims its number for itself.
    whole = [bool(found) and share == len(found) for share, found in zip(shared, about, strict=True)]
    if not about[at] or whole[at]:
        return False
    less = shared[at] < 0.5 * len(about[at])
    better = {part for part in range(len(parts)) if whole[part] or (less and shared[part] > shared[at])} - {at}
    return any(parts[part][0] <= rival < parts[part][1] for part in better for rival in rivals)
