"""Takes a question apart: into the parts that are searched one by one, or into the term that it counts or lists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from engine.retrieval.question_phrases import (
    COUNTING,
    FILES,
    FILLER,
    HOW_MANY,
    NOUNS,
    PARTICLES,
    SAYS,
    WHERE,
    WHICH,
    WHOLE_WISH,
)
from engine.retrieval.vocabulary import STOP

__all__ = ["content_words", "counted_term", "split_parts", "whole_of"]

MOST_PARTS = 4
"""More parts are searched as one question."""
LONGEST_TERM = 12
"""In words; what is longer is no term but a question."""


_WORD = re.compile(r"\w+(?:['’.-]\w+)*")
_EMPTY_WORDS = frozenset(
    "long much many often far old soon late early exactly really ok okay hi hello thanks thank well yeah oh actually "
    "maybe else instead ever today now again thing things something anything someone anyone everyone everything "
    "nothing tell know want need would don't doesn't isn't didn't can't won't aren't what's who's that's it's where's "
    "how's i'm compare compared comparison difference differences different differ versus vs longer shorter better "
    "bigger wie was wer wo wann warum wieso weshalb welche welcher welches wieviel viel viele lange oft genau bitte "
    "denn dann hat mir dir mich dich uns mal noch so da dort gibt geht mein meine dein deine "
    "quel quelle quels quelles quand où comment pourquoi combien qu'est-ce c'est est-ce temps fois je tu il ils elles "
    "nous vous mon ma mes ton ta à au aux en "
    "qué que quién quien cuál cuando cuándo dónde donde cómo como cuánto cuánta cuántos cuántas por mi tu yo a".split()
)
_QUESTION = (
    r"(?:what(?:'?s)?|when|where(?:'?s)?|who(?:'?s)?|whom|whose|which|why|how|wie|was|wer|wo|wann|warum|wieso"
    r"|welche[rsnm]?"
    r"|quel(?:le)?s?|quand|où|comment|pourquoi|combien|qué|quién|cuál(?:es)?|cuándo|dónde|cómo|cuánt[oa]s?)"
)
_BE = r"(?:is|are|was|were|do|does|did|can|could|may|must|should|will|would|has|have|had|ist|sind|kann|darf|muss)"
_ASKS = re.compile(
    rf"(?i)(?:(?:and|but|also|und|et|y) )?(?:also )?¿?(?:(?:in|at|by|for|from|on|to|with) )?(?:{_QUESTION}|{_BE})\b"
)
_OF_TIME = (
    r"(?:until|till|since|from|by|for|at|to|with|in|bis|ab|seit|von|mit|für|jusqu'à|depuis|pour|hasta|desde|para)"
)
_CLAUSE = re.compile(
    r"(?i)\s*,?\s+(?:and|und|et|y)\s+(?:also\s+|then\s+|auch\s+|aussi\s+|también\s+)?"
    rf"(?=(?:{_OF_TIME} )?{_QUESTION}\b|{_BE}\s+(?:it|he|she|they|i|we|you|the|an?|there|my|our|this|these|that|any"
    rf"|all|each)\b)"
    rf"|\s*,\s+(?:and|und|et|y)\s+(?={_BE}\s+\w+\s+\w)"
)
_DIRECT = (
    rf"(?:(?:{_OF_TIME} )?(?:what|when|where|who|whom|which|why|how)(?: (?:much|many|long|far|big|old|often|soon|high"
    rf"|late"
    rf"|fast|large|small|deep|heavy|expensive|time)\b(?: \w+)?| \w+)?(?:'s| {_BE})|(?:what|where|who|when|how)'?s"
    r"|(?:wie|was|wer|wo|wann|warum|welche[rsnm]?)(?: \w+){0,2}? (?:ist|sind|war|waren|kann|darf|muss|soll|hat|habe"
    r"|haben"
    r"|wird|werden|gibt|gilt|kostet|dauert|zahlt|\w+(?:t|e|en) (?:ich|man|es|er|sie|wir|der|die|das|den|mein\w*))"
    r"|(?:quel(?:le)?s?|quand|où|comment|pourquoi|combien|qui)\b.{0,20} (?:est|sont|dois|peut|puis|faut|coûte|dure"
    r"|paie)"
    r"|(?:qué|quién|cuál(?:es)?|cuándo|dónde|cómo|cuánt[oa]s?))\b"
)
"""How a question begins whose verb stands before its subject: no subordinate clause does so."""
_NEXT = re.compile(rf"(?i)\s*,\s+(?={_DIRECT})")
_FIRST = re.compile(rf"(?i)¿?{_DIRECT}")
_LEAD_IN = re.compile(
    r"(?i)^[^:?]{0,60}\b(?:tell me|questions?|know|wonder(?:ing)?|answer|following|info(?:rmation)?|sag(?:en)? mir"
    r"|fragen?"
    r"|wissen|dis-moi|savoir|dime|preguntas?|saber|things)(?: please)?\s*:\s*(?=\S)"
)
_EASTERN_NEXT = re.compile(r"(?<=か)[、，]\s*(?=.{3})|[，,]\s*(?=.{3})")
_EASTERN_ASKS = re.compile(r"か$|吗|什么|多少|多久|多大|多长|谁|哪|几|怎么|如何|为何")
_SENTENCE = re.compile(r"(?<=[?？。])\s*(?=\S)|(?<=[.!;])\s+(?=\S)|\s*\n+\s*")
_ALSO = re.compile(r"(?i),?\s+(?:and also|as well as|and additionally|und auch|sowie|et aussi|y también)\s+")
_LAST_PHRASE = re.compile(
    r"(?i)^(?P<head>.*\b(?P<word>is|are|was|were|about|of|for|in|on|with|to|regarding|für|über|von|sur|pour|de|sobre"
    r"|para)\s+)[^,]{2,60}$"
)
_PREPOSITION = re.compile(r"(?i)(?:in|on|for|with|about|of|to|at|by)\b")
_CLOSING = " \t\n?!.,;:？！。、"


def content_words(text: str) -> list[str]:
    """Return the words that say what a text is about, folded, in order."""
    words = [word[0].casefold().replace("’", "'") for word in _WORD.finditer(text)]
    return [word for word in words if word.removesuffix("'s") not in STOP and word not in _EMPTY_WORDS]


# ---------------------------------------------------------------- parts


def split_parts(text: str) -> tuple[str, ...]:
    """Return the questions in a text, or the sides of a comparison with what they are compared by; else the text."""
    parts = [part for sentence in _questions(text) for part in _clauses(sentence)]
    parts = [side for part in parts for side in (_sides(part) or (part,))]
    parts = list(dict.fromkeys(part.strip() for part in parts))
    return tuple(parts) if 1 < len(parts) <= MOST_PARTS else (text.strip(),)


def _questions(text: str) -> list[str]:
    """Return the sentences that ask, each with the statements before it; one that asks nothing by itself joins."""
    found: list[str] = []
    statements: list[str] = []
    for sentence in _SENTENCE.split(text):
        if sentence.rstrip().endswith(("?", "？")) or _ASKS.match(sentence.strip()):
            found.append(" ".join([*statements, sentence]))
            statements = []
        else:
            statements.append(sentence)
    if found and statements:
        found[-1] = " ".join([found[-1], *statements])
    return found if len(found) > 1 else [text]


def _clauses(question: str) -> list[str]:
    """Split "When was he born and where did he die?" and "about pets and also about smoking"."""
    question = _LEAD_IN.sub("", question) if _FIRST.match(_LEAD_IN.sub("", question)) else question
    eastern = _EASTERN_NEXT.split(question.strip(_CLOSING)) if not question.isascii() else []
    if len(eastern) > 1 and all(_EASTERN_ASKS.search(piece) for piece in eastern):
        return eastern
    if _FIRST.match(question.strip()):
        chained = [piece for piece in _NEXT.split(question) if content_words(piece)]
        return [part for piece in chained for part in _joined(piece)]
    return _joined(question)


def _joined(question: str) -> list[str]:
    """Split at "and" where a question follows."""
    if not _ASKS.match(question.strip()) and not question.rstrip().endswith(("?", "？")):
        return _also(question)
    found, begin = [], 0
    for joint in _CLAUSE.finditer(question):
        clause, rest = question[begin : joint.start()], question[joint.end() :]
        if content_words(clause) and (len(rest.split()) > 2 or content_words(rest)):
            found.append(clause)
            begin = joint.end()
    return [part for clause in (*found, question[begin:]) for part in _also(clause)]


def _also(clause: str) -> list[str]:
    """Give what follows "and also" the predicate of what stands before it."""
    joint = _ALSO.search(clause)
    if joint is None:
        return [clause]
    left, right = clause[: joint.start()], clause[joint.end() :]
    phrase, preposition = _LAST_PHRASE.match(left), _PREPOSITION.match(right)
    if _ASKS.match(right) and content_words(right):
        return [left, right]
    if not content_words(right) or (phrase is None and not preposition):
        return [clause]
    if phrase and (not preposition or preposition[0].casefold() == phrase["word"].casefold()):
        return [left, phrase["head"] + (right[preposition.end() :].lstrip() if preposition else right)]
    return [clause] if phrase or preposition is None else [left, right[preposition.end() :].strip(_CLOSING)]


_PAIRS = re.compile(
    r"(?i)\b(?:terms and conditions|health and safety|romeo and juliet|research and development|profit and loss"
    r"|pros and cons|rules and regulations|food and drinks?|bed and breakfast|supply and demand|law and order"
    r"|black and white|salt and pepper|wear and tear|rights and (?:duties|obligations)|names? and address(?:es)?"
    r"|board and lodging|policies and procedures|advantages and disadvantages|costs? and benefits?|war and peace"
    r"|time and attendance)\b"
)
_OF = r"(?:between|of|entre|zwischen|de)"
_COMPARISONS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"^(?:.*\b)?(?:compare|vergleiche?n?|comparer?z?|comparar?) (?P<sides>.+)$",
        rf"^(?:.*\b)?compar(?:ison|aison|ación) {_OF} (?P<sides>.+)$",
        r"^(?:.*\b)?(?:differences?|distinction|unterschiede?|différences?|diferencias?) "
        rf"(?:(?:in|im|de|en) (?:(?:the|der|den|la|le|el) )?(?P<by>.+?) )?{_OF} (?P<sides>.+)$",
        r"^(?:how|in what way|wie) (?:do|does|did|is|are) (?P<sides>.+?) (?:differ|different)(?: from (?P<other>.+))?$",
        r"^how (?:do|does|did) (?P<sides>.+?) compare(?: (?:to|with) (?P<other>.+))?$",
        r"^what (?:do|does) (?P<sides>.+?) have in common(?P<by>)$",
        r"^(?P<by>(?:which|who|what|wer|was|welche[rs]?|quel(?:le)?|qui|qué|cuál|quién)\b[^,:?]{2,60}?) ?[,:?] ?"
        r"(?P<sides>\S.*\b(?:or|oder|ou|o)\b.+)$",
        r"^(?P<sides>[^,;?]{2,60}? (?:vs\.?|versus) [^?]{2,60})$",
    )
)
_EASTERN = re.compile(
    r"^(?P<a>[^、。？?]{1,30}?)(?:と|和|与|跟)(?P<b>[^、。？?]{1,30}?)(?:の(?P<by>[^違比]{1,12}の)?(?:違い|差|比較)"
    r"|を比較|は何が違|(?:有什么|的|之间的)(?:区别|不同|差异|差别))"
)
_AGAINST = re.compile(r"(?i) (?:with|vs\.?|versus|against|compared to|mit|avec|con) ")
_BETWEEN = re.compile(r"(?i) (?:and|or|und|oder|et|ou|y|o) |\s*,\s*(?:(?:and|or) )?")
_REGARDING = re.compile(
    r"(?i)[, ]+(?:in terms of|regarding|with regard to|with respect to|concerning|by|on the basis of|when it comes to|"
    r"hinsichtlich|bezüglich|en términos de|en termes de) (?P<by>.+)$"
)
_ASKED_BY = re.compile(
    r"(?i)^(?:which|who|what|wer|was|welche[rs]?|quel(?:le)?|qui|qué|cuál|quién) "
    r"(?:(?:one|of (?:them|these|the two)|is|are|was|were|has|have|ist|hat|est|es)\b ?)*"
)


def _sides(question: str) -> tuple[str, ...]:
    """Return both sides of a comparison, each with what they share; nothing if it is none."""
    text = " ".join(question.strip(_CLOSING + "¿¡").split())
    eastern = _EASTERN.match(text)
    if eastern:
        by = (eastern["by"] or "").rstrip("の")
        return tuple(f"{side} {by}".strip() for side in (eastern["a"], eastern["b"]))
    for pattern in _COMPARISONS:
        found = pattern.match(text)
        if found is None:
            continue
        groups = found.groupdict()
        by = _ASKED_BY.sub("", groups.get("by") or "")
        sides, regarding = found["sides"], _REGARDING.search(found["sides"])
        if regarding:
            sides, by = sides[: regarding.start()], regarding["by"]
        listed = [side for side in _listed(sides) if side]
        if groups.get("other"):
            listed.append(found["other"])
        if 2 <= len(listed) <= MOST_PARTS:
            return tuple(f"{side} {by}".strip() for side in _shared(listed))
    return ()


def _listed(sides: str) -> list[str]:
    """Split "A, B and C", but no pair of words that belong together."""
    kept = [(pair.start(), pair.end()) for pair in _PAIRS.finditer(sides)]
    joints = [*_AGAINST.finditer(sides)][:1]
    joints = joints or [x for x in _BETWEEN.finditer(sides) if not any(a < x.end() and x.start() < b for a, b in kept)]
    found, begin = [], 0
    for joint in joints or [*re.finditer(r" to ", sides)][:1]:
        found.append(sides[begin : joint.start()])
        begin = joint.end()
    return [re.sub(r"^(?:both|either|between) ", "", side.strip()) for side in (*found, sides[begin:])]


_HAS_HEAD = re.compile(r"(?i)\b(?:of|for|in|on|about|with|from|at|between|von|für|pour|para|de)\s")
_HEAD = re.compile(r"(?i)(.+\b(?:of|for|in|on|about|with|from|at|between|von|für|pour|para|de)\s+)\S")


_ADJECTIVE = re.compile(
    r"(?i)\b(?:basic|standard|premium|old|new|first|second|third|short|long|small|large|free|paid|full|half|sick"
    r"|full-time|part-time|\d{4}|\w+(?:al|ed|ic|ous|ive|ary|ish|ese))$"
)


def _shared(sides: list[str]) -> Iterator[str]:
    """Give each side the words that stand at one of them only: "the price of A and B", "basic and premium plans"."""
    head = _HEAD.match(sides[0])
    last = sides[-1].split()
    for side in sides:
        if head and side is not sides[0] and not _HAS_HEAD.search(side):
            yield head[1] + side
        elif side is not sides[-1] and len(side.split()) <= len(last) > 1 and _ADJECTIVE.search(side):
            yield f"{side} {last[-1]}"
        else:
            yield side


# ---------------------------------------------------------------- terms

_PATTERNS = tuple((kind, re.compile(f"(?i){pattern}")) for kind, patterns in COUNTING for pattern in patterns)
_IN_LIBRARY = re.compile(
    r"(?i)[ ,]+(?:(?:in|across|from|throughout|within|inside|among) (?:all )?(?:of )?(?:(?:the|my|our|your|these|any"
    r"|all) )?"
    rf"{FILES}|overall|do (?:i|we|you) have|(?:are|is) there|exist|in total|altogether|please|for me|in (?:meinen|den"
    rf"|allen) {FILES}|insgesamt|dans (?:mes|les) {FILES}|en (?:mis|los) {FILES})$"
)
_NAMED = re.compile(
    r"(?i)^(?:(?:the|das|die|der|den|le|la|el) )?(?:words?|phrases?|terms?|names?|expression|topic|wort|begriff|mot"
    r"|terme|palabra|término) (?:of )?(?=\S)|^(?:an?|the|any|some|eine?[nmrs]?|der|die|das|la|les?|el|los|las"
    r"|una?) (?=\S)|^[ld]['’](?=\S)"
)
_ACROSS = re.compile(
    rf"(?i)^(?:across|in|among|of|from|within|out of|throughout|von|unter|parmi|sur|de|entre) (?P<nouns>(?:(?:all|of"
    rf"|the|my|our"
    rf"|these|those|allen?|den|meinen|unseren|tou(?:s|tes)|les|mes|nos|tod[oa]s|l[oa]s|mis) )*{NOUNS}),? "
    rf"(?P<how>{HOW_MANY}"
    rf"|{WHICH})(?: (?:of (?:them|these|those)|ones))? (?=(?:do )?{SAYS}|ha(?:ve|s) (?:an?|any|no) )"
)
"""Counting questions whose noun stands before: "Of my contracts, how many mention ..."."""
_KEYS = tuple(
    "many often times which count documents document files contracts mention mentions mentioned mentioning contain "
    "contains containing discuss".split()
)
_ASKS_COUNT = re.compile(r"(?i)(?:in )?(?:h\w{1,2}|w[hi]\w{2,4}|c\w{3,5}|list|show|find|number|all) ")


def _without_typos(text: str) -> str:
    """Return a text with the words of counting questions in it spelled right, if a letter is missing or misplaced."""
    if not _ASKS_COUNT.match(text):
        return text
    fixed = re.sub(r"(?i)^(?:hwo|ho|hw|hoow|howw) ", "how ", text)
    return re.sub(r"\b[a-zA-Z]{3,12}\b", lambda word: _key(word[0].lower()) or word[0], fixed)


def _key(word: str) -> str:
    """Return the key word that a typing error made of this; empty if it is none, or no error."""
    return next((key for key in _KEYS if word != key and word not in _KEYS and _is_typo(word, key)), "")


def _is_typo(word: str, key: str) -> bool:
    """Tell whether a letter of the key is missing, doubled, wrong (in long ones) or swapped with the next."""
    if abs(len(word) - len(key)) > 1 or word[0] not in key[:2]:
        return False
    at = next((at for at, (a, b) in enumerate(zip(word, key, strict=False)) if a != b), min(len(word), len(key)))
    if len(word) < len(key):
        return word[at:] == key[at + 1 :] and (key[at:] != "s" or len(key) > 9)
    if len(word) > len(key):
        return word[at + 1 :] == key[at:] and at > 0 and word[at] in word[at - 1] + word[at + 1 : at + 2]
    is_swapped = word[at : at + 2] == key[at : at + 2][::-1] and word[at + 2 :] == key[at + 2 :]
    return is_swapped or (len(key) > 6 and word[at + 1 :] == key[at + 1 :])


_YEAR = re.compile(r"(?i)(?:[^\W\d]{3,10} )?(?:19|20)\d\d")


def counted_term(text: str) -> tuple[Literal["count", "list"], str] | None:
    """Return whether the mentions of a term in the library are counted or listed, and the term; None if neither."""
    whole = _ACROSS.sub(r"\g<how> \g<nouns> ", " ".join(text.strip(_CLOSING + "¿¡").split()))
    return _matched(whole) or (_matched(fixed) if (fixed := _without_typos(whole)) != whole else None)


def _matched(whole: str) -> tuple[Literal["count", "list"], str] | None:
    """Return what `counted_term` does, for a text as it is spelled."""
    asked = _IN_LIBRARY.sub("", whole)
    for kind, pattern in _PATTERNS:
        found = pattern.fullmatch(asked) or (pattern.fullmatch(whole) if whole != asked else None)
        if found is None:
            continue
        term, noun = _bare(found["term"]), found.groupdict().get("noun") or ""
        if noun and _YEAR.fullmatch(term) and not re.fullmatch(FILES, noun, re.IGNORECASE):
            # "All invoices from 2023": a year by itself names no subject.
            term = noun
        if term and len(term.split()) <= LONGEST_TERM:
            return kind, term
    return None


def _bare(term: str) -> str:
    """Take the quotes, the article and "the word" from a term."""
    term = _NAMED.sub("", _IN_LIBRARY.sub("", re.sub(rf" (?:is|are) {WHERE}$", "", term.strip(_CLOSING))))
    return term.strip(_CLOSING).strip("\"'“”‘’„«»「」『』 ")


# ---------------------------------------------------------------- the whole


def whole_of(text: str) -> list[str]:
    """Return the words, folded, that say of what a summary is wanted: neither the wish nor filling."""
    rest = WHOLE_WISH.sub(" ", text)
    rest = rest if rest.isascii() else PARTICLES.sub(" ", rest)
    return [word for word in re.findall(r"[^\W_]+(?:'[^\W_]+)*", rest.casefold()) if word not in FILLER]
