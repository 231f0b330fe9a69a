"""Reviews an answer without a model: holds each sentence against the passages and repairs numbers and sums.

A sentence is supported if the alignment of `engine.retrieval.citations` finds it in a passage and no name or number
of it stands in another's place. Where a passage says the same with another number, that number replaces the answer's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, takewhile

from engine.evidence import Citation, Passage, SentenceReview, Verdict
from engine.retrieval import citations, claims, numbers
from engine.retrieval.citations import Found, PageOf, Topic, Window, coverage
from engine.retrieval.claims import Token, Vocabulary
from engine.retrieval.numbers import Quantity, Source
from engine.retrieval.sentences import Span, split_sentences
from engine.retrieval.vocabulary import UNITS
from engine.retrieval.words import Word, is_negated, mask_markers, read_words

__all__ = ["Review", "review"]

MAX_CITATIONS = 5
"""Most different snippets that are cited."""
ALIKE = 0.9
"""A passage's sentence that shares at least this part of what the best one shares says the same as it."""
MIN_FIT = 0.7
"""Least share of an answer sentence, numbers aside, that a source has to cover to correct its number."""
NEAR = 0.6
"""The same part, for the sentences that could hold the number that a question asks for."""
DOUBT = 0.6
"""A sentence that has the answer's number and fits by this share of the best fit forbids to correct it."""
MAX_SPLITS = 4
"""Places at which a sentence is tried as two."""

_POLAR = re.compile(
    r"\s*(?:is|are|was|were|do|does|did|can|could|may|must|should|will|would|has|have|ist|sind|gibt|darf|dürfen|kann|"
    r"muss|hat|wird)\b|.*か\s*[？?。]?\s*$",
    re.IGNORECASE,
)
_REFUSES = re.compile(
    r"\b(?:(?:manual|leaflet|policy|contract|agreement|report|article|documentation|book|letter|page|guide|note|it)s? "
    r"(?:do|does|did)(?: not|n['’]?t) (?:\w+ )?(?:mention|say|state|specify|tell|explain|indicate|discuss|"
    r"(?:provide|give|contain|include) (?:any |enough )?(?:information|details?|answers?))"
    r"|gives? no (?:information|details?)|(?:is|are|was|were)(?: not|n['’]t) addressed"
    r"|i (?:cannot|can['’]?t|could not|couldn['’]t) (?:tell|say|answer|find|determine)"
    r"|wird (?:\w+ ){0,4}nicht (?:erwähnt|genannt|angegeben)|nicht (?:genannt|beschrieben)"
    r"|(?:dazu|darüber) \w+ (?:\w+ )?nichts|keine (?:auskunft|antwort))"
    r"|書かれていない|書かれていません|記載が?(?:ありません|ない)|お答えできません|情報(?:は|が)(?:ありません|ない)"
    r"|没有(?:说明|信息|记载)|未提及",
    re.IGNORECASE,
)
_OPENER = re.compile(
    r"[\s*_\"“]*(?:(?:hello|hi|hey|thanks|thank you|sure|certainly|of course|okay|ok|great|yes|no|sorry|ja|nein|gerne|"
    r"danke|hallo|vielen dank)(?:[,.!:;]+\s*|\s*$)|(?:はい|いいえ|申し訳ありません)[、。，]?)",
    re.IGNORECASE,
)
_IDLE = re.compile(
    r"(?:i hope|hope (?:this|that)|let me know|feel free|if you have (?:any|more|further|other)|ich hoffe"
    r"|here(?: is| are|['’]s) (?:the|an?|my|some|your) (?:\w+ ){0,3}(?:answers?|information|summary|list|details)\b"
    r"|good (?:morning|evening|question)|you['’]re welcome|i(?: a|['’])m (?:sorry|happy|glad)|i apologi[sz]e"
    r"|guten (?:tag|morgen)|こんにちは|ありがとう|申し訳)[^:\d]*",
    re.IGNORECASE,
)
_IS = frozenset("is are was were ist sind war waren".split())
_LABEL = re.compile(r"\(?(?:\d{1,2}|\w)[.)]")


@dataclass(frozen=True, slots=True)
class Review:
    """An answer, reviewed."""

    answer: str
    """With its corrections."""
    citations: tuple[Citation, ...]
    """What supports it; offsets are those of `answer`."""
    sentences: tuple[SentenceReview, ...]
    """In the order of the answer, without headings and code."""
    verdict: Verdict


def review(answer: str, passages: Sequence[Passage], question: str, *, page_of: PageOf | None = None) -> Review:
    """Hold an answer against the passages that the model read.

    `page_of` finds the page of a snippet where a passage spans several. Nothing is corrected where there is doubt.
    """
    evidence = _Evidence(passages, question)
    findings: list[_Finding] = []
    pieces: list[str] = []
    read = written = 0
    for span in split_sentences(mask_markers(answer)):
        if span.kind == "sentence":
            pieces.append(answer[read : span.start])
            written += len(pieces[-1])
            findings.append(_examine(answer[span.start : span.end], evidence).moved(written))
            pieces.append(findings[-1].text)
            written += len(pieces[-1])
            read = span.end
    findings = _with_lists(findings, evidence)
    found = [finding.found for finding in findings if finding.found and finding.supported]
    return Review(
        "".join([*pieces, answer[read:]]),
        citations.numbered(found, passages, MAX_CITATIONS, page_of),
        tuple(finding.record for finding in findings),
        _verdict(findings) if evidence.sources else "unchecked",
    )


@dataclass(frozen=True, slots=True)
class _Finding:
    """What was found out about one sentence."""

    text: str
    original: str
    supported: bool | None
    found: Found | None = None
    correction: str = ""
    refuses: bool = False
    start: int = 0

    def moved(self, start: int) -> _Finding:
        """Give the sentence its place in the answer."""
        span = Span(start, start + len(self.text))
        found = self.found and replace(self.found, claim=replace(self.found.claim, span=span))
        return replace(self, start=start, found=found)

    @property
    def record(self) -> SentenceReview:
        """What the answer's reader gets to know."""
        changed = self.text != self.original
        return SentenceReview(
            self.start,
            self.start + len(self.text),
            self.supported,
            self.correction if changed else "",
            self.original if changed else "",
        )


def _verdict(findings: Sequence[_Finding]) -> Verdict:
    """Sum up the sentences."""
    checked = [finding.supported for finding in findings if finding.supported is not None]
    if any(finding.refuses for finding in findings) and not any(checked):
        return "refused"
    if not checked:
        return "unchecked"
    if all(checked):
        return "supported"
    return "partly" if any(checked) else "unsupported"


def _examine(original: str, evidence: _Evidence) -> _Finding:
    """Judge one sentence, and repair what is certainly wrong in it."""
    sums = numbers.correct_sums(original, [source.text for source in evidence.sources])
    sentence = sums.text
    computes = sums.rest != sentence and sum(token.tells for token in claims.read_tokens(sums.rest)) < 3
    if computes or not evidence.sources:
        return _Finding(sentence, original, None, None, " ".join(sums.notes))
    supported, found = evidence.judge(sums.rest)
    notes = list(sums.notes)
    if supported is False and sums.rest == sentence and (repaired := evidence.repair(sentence)):
        judged = evidence.judge(repaired[0])
        if judged[0]:
            (sentence, note), (supported, found) = repaired, judged
            notes.append(note)
    return _Finding(sentence, original, supported, found, " ".join(notes), _is_refusal(sentence))


def _with_lists(findings: Sequence[_Finding], evidence: _Evidence) -> list[_Finding]:
    """Support the short items of a list together where one sentence names them all."""
    done = list(findings)
    first = 0
    while first < len(done):
        last = first
        while last < len(done) and done[last].supported is False and len(claims.read_tokens(done[last].text)) <= 3:
            last += 1
        if last - first > 1:
            for at, found in enumerate(evidence.name_all([item.text for item in done[first:last]]), first):
                done[at] = replace(done[at], supported=True, found=found).moved(done[at].start)
        first = max(last, first + 1)
    return done


def _is_refusal(sentence: str) -> bool:
    """Tell whether a sentence says that the documents, or the speaker, don't know."""
    return citations.REFUSAL.search(sentence) is not None or _REFUSES.search(sentence) is not None


def _is_idle(sentence: str) -> bool:
    """Tell whether a sentence is a question, an announcement, a label or mere politeness."""
    bare = sentence.rstrip("\"'”’»)*_ ")
    rest = _OPENER.sub("", sentence, count=1)
    return not rest or bare.endswith(("?", "？", ":", "：")) or bool(_LABEL.fullmatch(bare) or _IDLE.fullmatch(rest))


# ---------------------------------------------------------------- the evidence


class _Evidence:
    """The passages of one answer, read once."""

    def __init__(self, passages: Sequence[Passage], question: str) -> None:
        self._passages = passages
        self._windows = [window for at, passage in enumerate(passages) for window in citations.windows_of(at, passage)]
        self._rarity = citations.rarity_of(self._windows)
        self._topics = [Topic.of(passage) for passage in passages]
        self._asked = read_words(question)
        self._asked_keys = frozenset(token.key for token in claims.read_tokens(question))
        self._is_polar, self._denies = _POLAR.match(question) is not None, is_negated(question)
        self._vocabulary = Vocabulary.of(passages)
        self.sources = [self._source(window) for window in self._windows if window.sentences == 1]

    def _source(self, window: Window) -> Source:
        text = mask_markers(self._passages[window.passage].text)[window.start : window.end]
        tokens = claims.read_tokens(text)
        quantities = tuple(numbers.read_quantities(text, tokens))
        return Source(text, tokens, self._topics[window.passage].heading, window, quantities)

    def judge(self, sentence: str) -> tuple[bool | None, Found | None]:
        """Tell whether a sentence is supported, and by what; None if it claims nothing."""
        if _is_idle(sentence):
            return None, None
        if _is_refusal(sentence):
            # "It doesn't say who led the study, but it was Anna" claims something all the same.
            clauses = (part for split in _splits(sentence, all_parts=True) for part in split)
            rest = (part for part in clauses if not _is_refusal(part) and _is_statement(claims.read_tokens(part)))
            return self._judge_whole(next(rest, ""))
        supported, found = self._judge_whole(sentence)
        if supported is False and found is None:
            for parts in _splits(sentence):
                held = list(takewhile(lambda judged: judged[0], map(self._judge_whole, parts)))
                if len(held) == len(parts):
                    return True, max((one for _, one in held if one), key=_worth_showing)
        return supported, found

    def _judge_whole(self, sentence: str) -> tuple[bool | None, Found | None]:
        """Judge a sentence that says one thing."""
        masked = mask_markers(sentence)
        span = Span(0, len(sentence))
        claim = citations.weigh(masked, span, self._asked, self._rarity, self._denies)
        # Who says the question again answers it only if it wants a yes or no.
        repeats = claim is None
        claim = claim or citations.weigh(masked, span, (), self._rarity)
        if claim is None:
            return None, None
        found = citations.find_best(claim, self._windows, self._topics, [] if repeats else self._asked)
        if found is None or self._conflicts(masked):
            return False, found
        return (None, None) if repeats and not self._is_polar else (True, found)

    def _conflicts(self, sentence: str) -> bool:
        """Tell whether a sentence, or one of its clauses, has something in the place of something else."""
        tokens = claims.read_tokens(sentence)
        words = read_words(sentence)
        quantities = numbers.read_quantities(sentence, tokens)
        if self._is_replaced(tokens, words, quantities) or self._adds(tokens) or self._strays(words, quantities):
            return True
        about = (*words, *self._asked)
        return any(not numbers.is_anchored(one, about, self.sources) for one in quantities) or any(
            self._is_replaced_in(part) for parts in _splits(sentence, "and") for part in parts
        )

    def _is_replaced_in(self, clause: str) -> bool:
        """Tell the same of one clause, if it says enough."""
        tokens = claims.read_tokens(clause)
        if sum(token.tells for token in tokens) < 4:
            return False
        return self._is_replaced(tokens, read_words(clause), numbers.read_quantities(clause, tokens))

    def _is_replaced(self, tokens: Sequence[Token], words: Sequence[Word], quantities: Sequence[Quantity]) -> bool:
        """Tell whether the sentences that say the same have another name or number, or the opposite."""
        homes = self._homes(self._predicate(tokens, words))
        if claims.is_swapped(tokens, homes, self._vocabulary, self._asked_keys) or claims.is_reversed(tokens, homes):
            return True
        asked = {word.key for word in self._asked}
        about = [word for word in words if word.kind != "number" or word.key in asked]
        homes = self._homes(about) if quantities else []
        return numbers.contradicted(tokens, quantities, homes)

    def _adds(self, tokens: Sequence[Token]) -> bool:
        """Tell whether a clause says something that the passages have hardly a word of."""
        for first, last in claims.clauses(tokens):
            words = [token.key for token in tokens[first:last] if token.kind == "word"]
            if len(words) > 2 and sum(map(self._vocabulary.has, words)) <= 0.25 * len(words):
                return True
        return False

    def _strays(self, words: Sequence[Word], quantities: Sequence[Quantity]) -> bool:
        """Tell whether a bare number answers the question from a sentence that is about something else."""
        asked = {word.key for word in self._asked}
        if not quantities or any(_tells(word) and word.key not in asked for word in words):
            return False
        homes = self._homes([word for word in self._asked if _tells(word)], NEAR)
        after = [later for source, later in pairwise(self.sources) if source in homes]
        return bool(homes) and not any(home.has(number) for home in (*homes, *after) for number in quantities)

    def _predicate(self, tokens: Sequence[Token], words: Sequence[Word]) -> list[Word]:
        """Return the words of a sentence without its names, which may be the wrong ones.

        In a script without spaces a name looks like any noun; what the question says too is the safer part there.
        """
        names = _name_keys(tokens, self._vocabulary)
        asked = {word.key for word in self._asked}
        shared = {word.key for word in words if word.kind == "gram" and word.weight > 0.2 and word.key in asked}
        return [
            word
            for word in words
            if word.key not in names and (len(shared) < 2 or word.kind != "gram" or word.key in shared)
        ]

    def _homes(self, words: Sequence[Word], least: float = ALIKE) -> list[Source]:
        """Return the sentences of the passages that share most of the words."""
        shared = [sum(word.weight * coverage(word, source.window) for word in words) for source in self.sources]
        most = max(shared, default=0.0)
        return [source for share, source in zip(shared, self.sources, strict=True) if share >= least * most > 0]

    def repair(self, sentence: str) -> tuple[str, str] | None:
        """Return a sentence with its one wrong number corrected, and a note that says so."""
        masked = mask_markers(sentence)
        tokens = claims.read_tokens(masked)
        quantities = numbers.read_quantities(masked, tokens)
        if not quantities:
            return None
        words = [word for word in dict.fromkeys(read_words(masked)) if word.kind != "number"]
        fits = [self._fit(words, source) for source in self.sources]
        best = max(fits)
        homes = [source for fit, source in zip(fits, self.sources, strict=True) if fit >= ALIKE * best]
        repair = numbers.find_repair(masked, tokens, quantities, homes) if best >= MIN_FIT else None
        if repair is None or self._is_doubtful(repair.number, words, homes, best):
            return None
        start, end = repair.number.start, repair.number.end
        note = f"{sentence[start:end]} was corrected to {repair.text}, as in the source."
        return sentence[:start] + repair.text + sentence[end:], note

    def _fit(self, words: Sequence[Word], source: Source, elsewhere: float = 0.5) -> float:
        return numbers.fit(words, source, self._topics[source.window.passage], elsewhere)

    def _is_doubtful(self, number: Quantity, words: Sequence[Word], homes: Sequence[Source], best: float) -> bool:
        """Tell whether another sentence that is nearly as close has the answer's number."""
        return any(
            source.has(number) and source not in homes and self._fit(words, source, 0.0) >= DOUBT * best
            for source in self.sources
        )

    def name_all(self, items: Sequence[str]) -> list[Found]:
        """Return what supports each item of a list, if one sentence of a passage names them all; else nothing."""
        weighed = [citations.weigh(item, Span(0, len(item)), (), self._rarity) for item in items]
        if not all(weighed):
            return []
        for source in self.sources:
            if all(claim and all(coverage(word, source.window) for word in claim.fresh) for claim in weighed):
                return [Found(claim, source.window, 1.0) for claim in weighed if claim]
        return []


def _name_keys(tokens: Sequence[Token], vocabulary: Vocabulary) -> set[str]:
    """Return the words of the names of a sentence."""
    groups = claims.name_groups(tokens, vocabulary)
    return {token.key for group in groups for token in tokens[group.first : group.last] if token.kind != "cjk"}


def _tells(word: Word) -> bool:
    """Tell whether a word says what a number is about."""
    return word.kind != "number" and word.weight > 0.2 and word.key not in UNITS and word.key not in numbers.GENERIC


def _is_statement(tokens: Sequence[Token]) -> bool:
    """Tell whether a part of a sentence says something by itself, rather than put a name beside something."""
    large = [False, *(token.is_large for token in tokens[1:]), False]
    words = sum(
        token.kind == "cjk"
        or (token.kind == "word" and len(token.text) > 1 and not (large[at] and (large[at - 1] or large[at + 1])))
        for at, token in enumerate(tokens)
    )
    return words > 0 and words + sum(token.kind == "number" or token.text in _IS for token in tokens) > 1


def _worth_showing(found: Found) -> tuple[bool, float]:
    """Rank what supports the parts of a sentence: a number is what a reader wants to see."""
    return any(word.kind == "number" for word in found.claim.fresh), found.support


def _splits(sentence: str, only: str = "", all_parts: bool = False) -> Iterator[list[str]]:
    """Yield a sentence in two parts, then in all its clauses; each part has something to say.

    `only` "and" splits at conjunctions and semicolons.
    """
    tokens = claims.read_tokens(sentence)
    breaks = [at for at, token in enumerate(tokens) if token.kind == "break"]
    if only:
        breaks = [at for at in breaks if tokens[at].key.isalpha() or tokens[at].key == ";"]
    splits = [[at] for at in breaks[:MAX_SPLITS]]
    for split in [*splits, breaks] if 1 < len(breaks) <= 2 * MAX_SPLITS else splits:
        parts = [tokens[first + 1 : last] for first, last in pairwise([-1, *split, len(tokens)])]
        parts = [part for part in parts if part]
        if len(parts) > 1 and (all_parts or all(map(_is_statement, parts))):
            yield [sentence[part[0].start : part[-1].end] for part in parts]
