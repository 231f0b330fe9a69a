"""Tells a question that leans on the one before it, and writes it so that it stands by itself.

Where one phrase takes the place of another without doubt, it is put there ("What about tea?" after "How long may coffee
stand?": "How long may tea stand?"). Else both questions stand side by side: no word is lost by that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from engine.retrieval.parts import content_words
from engine.retrieval.question_phrases import (
    ASKS_WHICH,
    EXPLETIVE,
    LEANS_EASTERN,
    LEANS_FOREIGN,
    ORDINAL,
    PAPER_WORDS,
    RELATION,
    SHORT_PHRASE,
    VAGUE,
)

__all__ = ["Standalone", "leans", "stand_alone", "without_courtesy", "without_lead"]

LONGEST = 30
"""Longer questions, in words, stand by themselves."""
MOST_WORDS = 8
"""Of the last answer, how many words are searched along with a pronoun."""
LONG = 17
NEAR = 6
"""In a question of more than LONG words and signs, only a pronoun among the first NEAR leans on what went before."""
LONGEST_PREVIOUS = 400
"""Of the question before, how many characters are taken along, from its end."""


@dataclass(frozen=True, slots=True)
class Standalone:
    """A question that needs no other one."""

    text: str
    """As it would be asked by itself."""
    query: str
    """What to search for: the text, with what the last answer adds to it."""
    is_follow_up: bool
    """Whether it leant on what went before."""


_ASKING = r"(?=(?:what|how|when|where|who|which|why|if|whether)\b)"
_COURTESY = re.compile(
    r"(?i)(?:(?:hi|hello|hey|hola|hallo|bonjour|good (?:morning|afternoon|evening|day)|thanks?(?: you)?(?: (?:so "
    r"|very )much| a lot)?(?: for (?:that|this|your help|the \w+))?|ok(?:ay)?|great|cool|perfect|nice|good|all ?right"
    r"|yes|no|well|sure|right|i see|got it|sorry|excuse me|hmm+|oh|ah|so|danke|merci|gracias|interesting)(?: there"
    r"| hola)?\s*[,.!;:…–-]+\s*|(?:ありがとう(?:ございます)?|すみません|谢谢|你好|您好|请问|こんにちは)[、，。！,.!\s]*"
    r"|(?:please|bitte),? |(?:hi|hello|hey|ok(?:ay)?|thanks|thank you) (?=(?:and|so|but|can|could|please|is|are|do|does"
    r"|i|what|how|who)\b)"
    rf"|(?:(?:can|could|would|will) you (?:please )?|please )?(?:tell me|let me know|explain to me)(?:,|:| "
    rf"please[,:]?)? {_ASKING}"
    r"|i have (?:an?|two|three|four|a few|some|several|a couple of) (?:\w+ )?questions?(?: for you)?[:.,–-]+ "
    rf"|(?:do you know|i(?: woul|')d like to know|i (?:want|need) to know|i wonder|can you (?:find out|check)),? "
    rf"{_ASKING}|(?:kannst du mir (?:bitte )?sagen|weißt du),? |(?:(?:one |a )?(?:quick )?(?:more )?question): ?)(?=\S)"
)
_COURTESY_END = re.compile(r"(?i),? (?:please|thanks|thank you|bitte|por favor|s'il (?:te|vous) plaît)\s*(?=[?.!]*$)")


def without_lead(text: str) -> str:
    """Take the "and" from the begin of a question."""
    return _LEAD.sub("", text)


def without_courtesy(text: str) -> str:
    """Take the greeting, the thanks and the "please" from a question."""
    for _ in range(4):
        courtesy = _COURTESY.match(text)
        text = text[courtesy.end() :] if courtesy else text
    return _COURTESY_END.sub("", text)


# ---------------------------------------------------------------- what leans

_TOKEN = re.compile(r"[^\W_]+(?:['’.-][^\W_]+)*|[,;:.?!()—–]")
_QUOTED = re.compile(r"\"[^\"\n]*\"|“[^”\n]*”|(?<!\w)'[^'\n]*'(?!\w)|‘[^’\n]*’(?!\w)|「[^」]*」|«[^»]*»|`[^`\n]*`")
_LEAD = re.compile(r"(?i)^[¿¡]?\s*(?:and|but|also|or|so|then|plus|und|aber|oder|et|mais|ou|y|pero|o|e)\b[\s,]+(?=\S)")
_ABOUT = re.compile(
    r"(?is)^[¿¡]?\s*(?:(?:and|but|ok|so|then|und|et|y)\b[\s,]+)?(?:(?:what|how) about|what of|same (?:question )?for"
    r"|was ist mit|wie (?:ist|steht|sieht) es (?:mit|bei)|et (?:pour|concernant)|qu'en est-il d(?:e|u|es)"
    r"|qu[eé] (?:pasa|hay) con|qu[eé] tal)\s+(?P<what>.+)$"
)
_ALSO = re.compile(r"(?i)\b(?:too|as well|instead|either|though|auch|aussi|non plus|también|tampoco)\W*$")
_ADDS = re.compile(r"(?i)[¿¡]?\s*(?:and|plus|und|et|y)\b")
_STANDS = re.compile(r"(?<!^)\b[A-ZÄÖÜ]\w|\d|(?i:\b(?:of|for|in|on|about|from|with|at|to|under|if|when)\b)")
_HAS_SIGNS = re.compile(r"[=+*/^<>{}\d]|[\u3040-\u30ff\u3400-\u9fff]")
_BREAKS = frozenset(
    ", ; : . ? ! ( ) — – if when because while although though since unless until that which who whom where whether "
    "before after than as".split()
)
_TIMED = frozenset("before after than as since until by for with from".split())
_JOINTS = frozenset("and or but nor".split())
_SUBJECTS = frozenset("i you we he she it they there".split())
_AUXILIARIES = frozenset(
    "is are was were am be been do does did can could may might must shall should will would has have had isn't "
    "aren't doesn't don't didn't can't".split()
)
_WH = frozenset("what when where who whom whose which why how".split())
_PREPOSITIONS = frozenset(
    "of to for about in on at by with from like than after before under into over until per".split()
)
_TIMES = frozenset("year month week morning afternoon evening weekend season time day century summer winter".split())
_PERSONAL = frozenset("it they them he she him theirs hers".split())
_POSSESSIVES = frozenset("its his her their".split())
_COUNTED = frozenset(
    "the this that which other another second first third last next former latter only right cheaper better new old "
    "same".split()
)


def leans(text: str) -> bool:
    """Tell whether a question can't be understood without the one before it."""
    stripped = _QUOTED.sub(" Quotation ", text.strip())
    words = stripped.split()
    if not words or len(words) > LONGEST:
        return False
    if LEANS_EASTERN.search(stripped):
        return len(stripped) <= 40
    if _ABOUT.match(stripped) or (len(words) < 10 and re.match(r"(?i)(?:and |but )?what if\b", stripped)):
        return True
    lead = _LEAD.match(stripped)
    if lead:
        rest = stripped[lead.end() :]
        is_question = rest.split()[0].casefold().strip("?,") in _WH | _AUXILIARIES and lead[0].lower() != "but "
        is_short = is_question and len(content_words(rest)) < 3 and _ADDS.match(stripped) and not _STANDS.search(rest)
        return is_short or len(content_words(rest)) < 2 or leans(rest) or (not is_question and len(words) <= 8)
    if RELATION.match(stripped):
        return True
    if VAGUE.issuperset(content_words(stripped)) and not _HAS_SIGNS.search(stripped):
        return len(words) <= 8
    return _is_fragment(stripped, words) or _dangles(stripped)


def _is_fragment(text: str, words: list[str]) -> bool:
    """Tell "in Germany?", "which page?", "tea too?", "the second one" from a question."""
    if len(words) > 8:
        return False
    if len(words) == 1 or (len(words) < 4 and words[0].casefold() in ("the", "my", "our", "a", "an")):
        return text.endswith("?") and text[:-1].replace(" ", "").isalpha()
    if len(words) < 4 and words[-1].casefold().strip("?") in _WH:
        return True
    if SHORT_PHRASE.match(text) and not any(word.casefold().strip("?,") in _AUXILIARIES | _WH for word in words[1:]):
        return True
    if len(words) <= 4 and ASKS_WHICH.fullmatch(text):
        return True
    if ORDINAL.search(text) and len(content_words(text)) <= 4:
        return True
    return (_ALSO.search(text) or LEANS_FOREIGN.search(text)) is not None


def _dangles(text: str) -> bool:
    """Tell whether a pronoun has nothing in the question that it could stand for."""
    tokens = _TOKEN.findall(text)
    words = [token.casefold().replace("’", "'").removesuffix("'s") for token in tokens]
    ignored = {"it"} if EXPLETIVE.search(text) else set()
    here = 0  # content words of the clause so far
    for at, word in enumerate(words):
        after = words[at + 1] if at + 1 < len(words) else ""
        points_back = word not in ignored and _points_back(word, words[at - 1] if at else "", after, here)
        if at and tokens[at][0].isupper():
            here += 1  # a name, or a word of a title
        elif at >= NEAR and len(words) > LONG:
            return False
        elif points_back:
            # "During his visit, the Pope ..." names him later.
            return not (word in _POSSESSIVES and "," in words[at:])
        elif (
            word in _TIMED
            and after in ("that", "this", "it", "those", "these")
            and at + 3 > len(words) - words.count("?")
        ):
            continue  # "What happened after that?"
        elif word in _BREAKS or (word in _JOINTS and after in _WH | _AUXILIARIES | _SUBJECTS):
            if here:
                return False
        else:
            here += len(content_words(word))
    return False


def _points_back(word: str, previous: str, after: str, here: int) -> bool:
    """Tell whether a word stands for something said before; `here`: content words before it in its clause."""
    ends = after in ("", "?", ".", "!", ",")
    if word in _PERSONAL:
        return here < 3 or (here == 3 and not (ends and previous in _PREPOSITIONS))
    if word in _POSSESSIVES:
        return not here or (here == 1 and previous in _PREPOSITIONS | _AUXILIARIES)
    if word in ("this", "these"):
        return after not in _TIMES | PAPER_WORDS
    if word == "that":
        bound = previous in _AUXILIARIES or (previous in _PREPOSITIONS and previous != "than")
        return after not in _TIMES | PAPER_WORDS and (ends or not here or bound)
    if word == "those":
        return after not in ("who", "that", "which", "with", "of", "in", "from")
    if word == "there":
        return ends and previous not in ("is", "are", "was", "were", "out")
    if word in ("one", "ones"):
        return previous in _COUNTED and after not in ("of", "day", "year", "month", "week", "person", "hour", "or")
    if word == "same":
        return not here and (ends or after in ("for", "true", "apply", "as", "rule", "rules"))
    if word in ("others", "latter", "former"):
        return previous in ("the", "any", "all") and ends
    return word == "else" and previous in ("what", "who", "where", "anything", "anyone", "when", "how")


# ---------------------------------------------------------------- standing alone


def stand_alone(text: str, previous: str, answer: str = "") -> Standalone:
    """Return a question with what it leans on; `previous` and `answer` are the turn before it, each may be empty."""
    text = " ".join(text.split())
    if not previous or not leans(text):
        return Standalone(text, text, False)
    previous = " ".join(previous.split())[-LONGEST_PREVIOUS:]
    item = _listed_item(text, answer, previous)
    if item:
        full = f"{previous} {item}"
        return Standalone(full, full, True)
    full = _substituted(text, previous) or _with_person(text, previous, answer)
    if full:
        return Standalone(full, full, True)
    names = " ".join(_meant(answer, previous, text)) if _NEEDS_NAMES.search(text) else ""
    return Standalone(f"{previous} {text}", "\n".join(filter(None, (previous, text, names))), True)


def _meant(answer: str, previous: str, text: str) -> list[str]:
    """Return what a pronoun may stand for: the names in the answer, or else the words of its first sentence."""
    names = _names(answer, previous)[:4]
    known = {*content_words(previous), *content_words(text)}
    first = re.split(r"(?<=[.!?。])\s|\n", answer.strip()[:300], maxsplit=1)[0]
    return names or [word for word in dict.fromkeys(content_words(first)) if word not in known][:MOST_WORDS]


_NEEDS_NAMES = re.compile(
    r"(?i)\b(?:it|its|he|she|they|them|him|his|her|their|this|that|these|those|there|one|ones)\b"
    r"|\b(?:er|sie|ihn|ihm|dort|il|elle|ils|elles|él|ella|lo|allí)\b|[それ彼他她它]"
)
_NAME = re.compile(r"[A-ZÄÖÜÉ][\w'’&.-]*(?:\s+(?:(?:of|de|von|van|der|du|&)\s+)?[A-ZÄÖÜÉ0-9][\w'’&.-]*)*")
_NUMBERS = (
    "first 1st one 1 一 erste premier première premiere primero primera primer former".split(),
    "second 2nd two 2 二 zweite deuxième seconde segundo segunda".split(),
    "third 3rd three 3 三 dritte troisième tercero tercera tercer".split(),
    "fourth 4th four 4 四".split(),
    "fifth 5th five 5 五".split(),
)
_ITEM = re.compile(r"^\s*(?:[-*+•]|\(?\d{1,2}[.)]|[①-⑨])\s+(?P<item>\S.*)$", re.MULTILINE)
_INLINE = re.compile(r"(?<!\S)\(?[1-9][.)]\s+(?=\S)")
_IN_WORDS = re.compile(
    r"(?i)(?<!\w)(?:first(?:ly)?|second(?:ly)?|third(?:ly)?|finally|erstens|zweitens|drittens),?\s+(?=\S)"
)
_SERIES = re.compile(r"\s*(?:,|;|、|\band\b|\bor\b|\bund\b|\boder\b|\bet\b|\by\b|と|和)\s*")
_LISTED = re.compile(r"(?:.*[:：]|.*?\b(?:are|is|were|includes?|sind|sont|son)\b)\s*(?P<items>.+)$")


def _listed_item(text: str, answer: str, previous: str) -> str:
    """Return the question with the item of the last answer that it numbers ("the second one"); empty if none is."""
    ordinal = ORDINAL.search(text)
    if ordinal is None:
        return ""
    word = next(filter(None, ordinal.groups())).casefold()
    items = [found["item"].strip() for found in _ITEM.finditer(answer[:20_000])]
    if len(items) < 2:
        items = (
            _numbered(answer[:2000])
            or _series(answer[:600])
            or (_series(previous) if word in ("former", "latter") else [])
        )
    at = next((at for at, words in enumerate(_NUMBERS) if word in words), len(items) - 1)
    if len(items) < 2 or at >= len(items):
        return ""
    item = " ".join(re.sub(r"[*_`]", "", items[at]).split()[:15]).rstrip(".;,")
    begin, rest = text[: ordinal.start()].strip(), text[ordinal.end() :].lstrip()
    return _LEAD.sub("", f"{begin} {item} {rest}".strip()).replace(" ?", "?").strip()


def _numbered(text: str) -> list[str]:
    """Return the items of a list in one line: "1. Dig a hole. 2. Set the plant." or "First, dig; second, plant"."""
    for marks in (_INLINE, _IN_WORDS):
        found = [*marks.finditer(text)]
        ends = [mark.start() for mark in found[1:]] + [len(text)]
        if len(found) > 1:
            return [text[mark.end() : end].strip(" .;,") for mark, end in zip(found, ends, strict=True)]
    return []


def _series(text: str) -> list[str]:
    """Return the items of "There are: A, B and C" in the first sentence of a text."""
    first = re.split(r"(?<=[.!?。])\s|\n", text.strip(), maxsplit=1)[0].rstrip(".?!。")
    listed = _LISTED.match(first)
    parts = [part for part in _SERIES.split(listed["items"]) if part.strip()] if listed else []
    return parts if len(parts) > 1 and all(len(part.split()) < 8 for part in parts) else []


_DETERMINED = r"(?:the|an?|my|our|your|their|his|her)\s+"
_TRAILING = re.compile(r"(?i)[\s,]*(?:\b(?:then|instead|too|as well|please|exactly|though)\b)?[\s?!.,]*$")
_PHRASE = re.compile(
    r"(?i)(?P<word>in|for|on|at|with|without|from|to|by|during|after|before|under|of|about|per|as)\s+\S"
)
_VALUE = re.compile(
    r"(?i)\b(?:(?:19|20)\d\d|january|february|march|april|may|june|july|august|september|october|november|december|"
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)days?|q[1-4])\b"
)
_SUBJECT = re.compile(
    rf"(?i)\b(?:do|does|did|can|could|may|must|should|will|would|might)\s+(?P<what>{_DETERMINED}[\w-]+"
    r"|(?!(?:i|we|you|one|people|it|they|he|she|the|an?|my)\b)[\w-]+)\s+[\w-]+$"
)
_IDENTITY = re.compile(
    rf"(?i)^(?:what|who|where|when|how\s+\w+)\s+(?:is|are|was|were)\s+(?P<what>{_DETERMINED}[\w -]{{1,40}})$"
)
_OBJECT = re.compile(
    r"(?i)\b(?:of|for|about|regarding|mentions?|contains?|discuss|cites?)\s+(?P<what>(?:\w[\w'-]*\s*){1,4})$"
)


def _substituted(text: str, previous: str) -> str:
    """Return the previous question with the phrase of this one in its place; empty unless the place is sure."""
    lead = _ABOUT.match(text) or _LEAD.match(text)
    what = text if lead is None else lead["what"] if lead.re is _ABOUT else text[lead.end() :]
    what, stem = _TRAILING.sub("", what), previous.rstrip(" ?!.")
    words = what.casefold().split()
    if not words or len(words) > 6 or not content_words(what) or words[0] == "one" or leans(f"is {what}"):
        return ""
    if re.search(r"[?!.;]\s", stem) or not _AUXILIARIES.isdisjoint(words) or not _WH.isdisjoint(words):
        return ""
    phrase, subject = _PHRASE.match(what), _SUBJECT.search(stem)
    if phrase and phrase["word"].lower() == "for" and subject and content_words(subject["what"]):
        what = what[phrase.end() - 1 :]
    elif phrase:
        return _with_phrase(stem, phrase["word"].lower(), what)
    for place in (_place_of_same(_VALUE, what, stem), _place_of_same(_NAME, what, stem), *_places(what, stem)):
        if place:
            return f"{stem[: place[0]]}{what}{stem[place[1] :]}?"
    return ""


def _with_phrase(stem: str, word: str, phrase: str) -> str:
    """Put "in Germany" where another phrase with "in" stands, or behind all; empty if it could be either."""
    # In the middle only a name or a number ends where it seems to.
    middle = re.search(rf"\b{word}\s+(?:[A-Z]\w+|\d+)(?=\s)", stem)
    if middle:
        return f"{stem[: middle.start()]}{phrase}{stem[middle.end() :]}?"
    same = [found.start() for found in re.finditer(rf"\b{word}\s+(?!which|what|that)\S", stem, re.IGNORECASE)]
    if not same:
        return f"{stem} {phrase}?"
    ends = re.fullmatch(rf"\w+ {_DETERMINED[:-3]} \w+|\w+ \w+", stem[same[-1] :], re.IGNORECASE)
    return f"{stem[: same[-1]]}{phrase}?" if ends else ""


def _place_of_same(pattern: re.Pattern[str], what: str, stem: str) -> tuple[int, int] | None:
    """Return where the one year, weekday or name stands, if this is another."""
    same = [found for found in pattern.finditer(stem) if found.start()] if pattern.fullmatch(what) else []
    return same[0].span() if len(same) == 1 else None


def _places(what: str, stem: str) -> list[tuple[int, int]]:
    """Return where the subject or the object of a question of common form stands."""
    patterns = [_SUBJECT, *([_IDENTITY] if re.match(_DETERMINED, what, re.IGNORECASE) else []), _OBJECT]
    found = [place for pattern in patterns if (place := pattern.search(stem))]
    return [
        place.span("what")
        for place in found
        if content_words(place["what"]) and _PREPOSITIONS.isdisjoint(place["what"].casefold().split())
    ]


_HE = re.compile(r"(?i)\b(?:he|she|him)\b")


def _with_person(text: str, previous: str, answer: str) -> str:
    """Return the question with the one person in question named; empty if there are several, or none."""
    if len(_HE.findall(text)) != 1 or re.search(r"\b(?:his|her|it|they)\b", text, re.IGNORECASE):
        return ""
    asked = _names(previous, "")
    persons = _names(answer, previous) if re.match(r"who\b", previous, re.IGNORECASE) or not asked else asked
    lead = _LEAD.match(text)
    rest = text[lead.end() :] if lead else text
    return _HE.sub(lambda _: persons[0], rest[:1].upper() + rest[1:]) if len(persons) == 1 and " " in persons[0] else ""


def _names(text: str, known: str) -> list[str]:
    """Return the names in the first sentences of a text, but those that are known."""
    names: dict[str, None] = {}
    for found in _NAME.finditer(text[:600]):
        name = found[0].rstrip(".'’-")
        if not found.start() or text[: found.start()].rstrip()[-1:] in ".!?:\n":
            # A sentence begins with a capital in any case.
            first, _, rest = name.partition(" ")
            name = (name if content_words(first) else rest) if rest else ""
        if content_words(name) and name.casefold() not in known.casefold():
            names[name] = None
    return list(names)
