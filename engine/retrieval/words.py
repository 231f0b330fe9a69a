"""Turns a sentence into the words, names and numbers that two sentences can share."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from engine.retrieval.vocabulary import MONTHS, NUMBERS, SCALES, STOP, TENS, UNITS

__all__ = ["CJK", "Word", "is_negated", "mask_markers", "read_words", "stem"]


@dataclass(frozen=True, slots=True)
class Word:
    """One unit of meaning: a stemmed word, a name, a number, or two characters of a language without spaces."""

    key: str
    """Equal for words that mean the same."""
    kind: Literal["word", "name", "number", "gram"]
    unit: str = ""
    """What a number counts, such as "month"; empty if unknown."""
    weight: float = 1.0
    """How much it tells, before its rarity counts."""


CJK = (
    "\u3005\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\uac00-\ud7af"
    "\u0e00-\u0e7f\u0e80-\u0eff\u1000-\u109f\u1780-\u17ff\U00020000-\U0003134f"
)
_HIRAGANA = re.compile("[\u3040-\u309f]")
_TOKEN = re.compile(
    r"(?P<date>(?<!\d)\d{4}-\d{2}-\d{2}(?!\d))"
    r"|(?P<number>\d+(?:[.,:]\d+)*)(?P<ordinal>(?:st|nd|rd|th)\b)?"
    rf"|(?P<cjk>[{CJK}]+)"
    rf"|(?P<word>[^\W\d_{CJK}][^\W_{CJK}]*(?:(?<=\d)\.\d+)*(?:['’][^\W\d_]+)*)"
)
_UNIT_AFTER = re.compile(
    rf"[\s\u00a0-]{{0,2}}(?:(?P<sign>[%€$£¥°])|(?P<word>[^\W\d_{CJK}]+)|(?P<counter>[かヶカケ箇个個])?(?P<cjk>[{CJK}]))"
)
_UNIT_BEFORE = re.compile(r"[€$£¥]\s?$")
_RANGE = re.compile(r"\s*(?:-|–|to|or|and|bis|oder|und|/|~|〜|から)\s*")
_LABEL = re.compile(r"\b(?:step|option|point|item|example)\s+$", re.IGNORECASE)
_MARKER = re.compile(
    r"\[\^?(?:(?:source|passage|document|doc|ref)s?\s*:?\s*)?\d{1,3}(?:\s*[,;–-]\s*\d{1,3})*\](?!\()|【[^】\n]{0,40}】"
    r"|\((?:source|passage|document|doc|ref)s?\s*:?\s*#?\d{1,3}(?:\s*[,;–-]\s*\d{1,3})*\)",
    re.IGNORECASE,
)
_NEGATION = re.compile(
    r"\b(?:not|no|never|none|nor|neither|without|cannot|excludes?|excluded|excluding|nicht|kein\w*|nie|ohne|"
    r"pas|jamais|sans|sin|nunca|ningún\w*)\b|n['’]t\b|ない|ません|不|没|無",
    re.IGNORECASE,
)


def mask_markers(text: str) -> str:
    """Blank out citation markers such as [1], which prove nothing, and keep every offset."""
    return _MARKER.sub(lambda marker: " " * len(marker[0]), text)


def is_negated(text: str) -> bool:
    """Tell whether a sentence denies something."""
    return _NEGATION.search(text) is not None


def stem(word: str) -> str:
    """Strip accents, case and the commonest endings of English, so that forms of one word meet."""
    folded = unicodedata.normalize("NFKD", word.casefold().replace("’", "'"))
    base = "".join(char for char in folded if not unicodedata.combining(char)).removesuffix("'s").replace("'", "")
    if not base.isascii() or len(base) < 4:
        return base
    if base.endswith("ies") and len(base) > 4:
        base = base[:-3] + "y"
    elif base.endswith("s") and not base.endswith(("ss", "us", "is")):
        base = base[:-1]
    for ending, least in (("ing", 6), ("ed", 5)):
        if base.endswith(ending) and len(base) >= least and re.search("[aeiouy]", base[: -len(ending)]):
            base = base[: -len(ending)]
            if base[-1] == base[-2] and base[-1] not in "lsz":
                base = base[:-1]
            break
    return base[:-1] if base.endswith("e") and len(base) > 3 else base


def read_words(text: str) -> list[Word]:
    """Return the words of one sentence that carry meaning, in order, with repetitions."""
    text = mask_markers(text)
    words: list[Word] = []
    numbers: list[tuple[int, int, int]] = []  # index into words, start and end in the text
    consumed = 0
    first = True
    for token in _TOKEN.finditer(text):
        if token.start() < consumed:
            continue
        if token["date"]:
            year, month, day = map(int, token["date"].split("-"))
            words += [Word(str(year), "number", weight=2.0), Word(str(day), "number", weight=2.0)]
            words += _word(MONTHS[month - 1], True) if 1 <= month <= 12 else []
        elif token["number"]:
            if not _LABEL.search(text[max(0, token.start() - 10) : token.start()]):
                number, consumed = _number(text, _plain(token["number"]), token.end(), token.start())
                numbers.append((len(words), token.start(), consumed))
                words.append(number)
        elif token["cjk"]:
            words += _grams(token["cjk"])
        else:
            spelled, end = _spelled(text, token)
            if spelled is not None:
                number, consumed = _number(text, spelled, end, token.start())
                numbers.append((len(words), token.start(), consumed))
                words.append(number)
            else:
                words += _word(token["word"], first)
        first = False
    _share_units(text, words, numbers)
    return words


def _word(typed: str, first: bool) -> list[Word]:
    """Return the word, unless it only serves grammar."""
    if typed.casefold().replace("’", "'").split("'")[0] in STOP and not (typed.isupper() and len(typed) > 1):
        return []
    key = stem(typed)
    if len(key) < 2 and not typed.isupper():
        return []
    named = any(map(str.isdigit, typed)) or (len(typed) > 1 and typed.isupper()) or (typed[0].isupper() and not first)
    return [Word(key, "name", weight=1.5) if named else Word(key, "word")]


def _grams(run: str) -> list[Word]:
    """Return the overlapping pairs of characters; pairs of hiragana are mostly grammar."""
    run = unicodedata.normalize("NFKC", run)
    pairs = [run[at : at + 2] for at in range(max(1, len(run) - 1))]
    return [Word(pair, "gram", weight=(1.0, 0.5, 0.15)[len(_HIRAGANA.findall(pair))]) for pair in pairs]


def _plain(typed: str) -> str:
    """Write a number without its separators: "1,234.50" as "1234.5"."""
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", typed):
        typed = typed.replace(",", "")
    elif re.fullmatch(r"\d{1,3}(?:\.\d{3})+,\d+|\d{1,3}(?:\.\d{3}){2,}", typed):
        typed = typed.replace(".", "").replace(",", ".")
    elif re.fullmatch(r"\d+,\d{1,2}", typed):
        typed = typed.replace(",", ".")
    if len(typed) > 40 or not re.fullmatch(r"\d+(?:\.\d+)?", typed):
        return typed
    return f"{Decimal(typed):f}".rstrip("0").rstrip(".") if "." in typed else str(int(typed))


def _spelled(text: str, token: re.Match[str]) -> tuple[str | None, int]:
    """Read a number in words, from two to ninety-nine."""
    word = token["word"].casefold()
    if word in TENS:
        units = re.compile(r"[- ]([a-z]+)", re.IGNORECASE).match(text, token.end())
        ones = {"one": 1, **NUMBERS}.get(units[1].casefold(), 10) if units else 10
        if units and ones < 10:
            return str(TENS[word] + ones), units.end()
        return str(TENS[word]), token.end()
    return (str(NUMBERS[word]), token.end()) if word in NUMBERS else (None, token.end())


def _number(text: str, plain: str, end: int, start: int) -> tuple[Word, int]:
    """Return a number with its scale and its unit, and where its scale ends."""
    scale = re.compile(r"[\s-]?([^\W\d_]+)").match(text, end)
    if scale and scale[1].casefold() in SCALES and re.fullmatch(r"\d+(?:\.\d+)?", plain) and len(plain) < 20:
        plain = _plain(f"{Decimal(plain).scaleb(SCALES[scale[1].casefold()]):f}")
        end = scale.end()
    before = _UNIT_BEFORE.search(text[max(0, start - 2) : start])
    after = _UNIT_AFTER.match(text, end)
    unit = ""
    if before:
        unit = UNITS[before[0].strip()]
    elif after and after["cjk"]:
        # 7月 is July, 7か月 are seven months.
        unit = ("か" if after["counter"] else "") + after["cjk"]
    elif after:
        unit = UNITS.get(after["sign"] or stem(after["word"]), "")
    return Word(plain, "number", unit, 2.0), end


def _share_units(text: str, words: list[Word], numbers: list[tuple[int, int, int]]) -> None:
    """Give the first number of "12 to 24 months" the unit of the second."""
    for (index, _, end), (following, start, _) in zip(numbers[-2::-1], numbers[:0:-1], strict=True):
        unit = words[following].unit
        if unit and not words[index].unit and _RANGE.fullmatch(text, end, start):
            words[index] = replace(words[index], unit=unit)
