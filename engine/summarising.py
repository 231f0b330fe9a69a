"""Summaries of whole documents: a short one is read at once, a long one in a few stages, however long it is.

A stage reads the most central sentences of each section of its part and leaves a note; the notes make the answer.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import PurePath

from engine.errors import ContextError, LibraryError
from engine.library.texts import document_key
from engine.llm.client import LanguageModel
from engine.llm.protocol import Generated, Prefilled, TextDelta
from engine.messages import ChatMessage, Passage, Progress, Sampling
from engine.prompting import ANSWER_SHARE, INSTRUCTIONS, JOINT_TOKENS
from engine.retrieval.sentences import MAX_SENTENCE, split_sentences
from engine.retrieval.terms import content_terms, estimated_tokens

__all__ = ["summarise"]

FINAL = "Use the text above to answer in a few short sentences: "
NOTE = "Summarize the text above in two or three short sentences."
IN_SHORT = "In short: "
"""Leads the most central sentences, which stand between text and request. Measured on the bundled model with 10 to
14 documents: with them 78 % of a summary's sentences were supported, without 64 %; other headings it copied."""
MOST_PENALTY = 1.05
"""A summary repeats names and numbers: at the usual penalty of 1.1, 42 euros became 25; 69, not 84 % were supported."""
MOST_STAGES, STAGE_TOKENS, NOTE_TOKENS = 6, 600, 80
"""Of notes on 600 tokens 66 % of the sentences were supported, on 1,200 tokens 54 %, in twice the time."""
WHOLE_TOKENS, SECTION_TOKENS, SHORT_TOKENS, LEAST_TOKENS = 2000, 150, 150, 64
"""What is read as it is, three or four pages; of one section; once more, in short; and the least room for a text."""
PASSAGE_CHARACTERS, HEADING_CHARACTERS, SAMPLE_CHARACTERS, MOST_SAMPLES, MOST_NAMES = 1000, 80, 2000, 8, 3
SUPPORTED, ALIKE, LEAST_TERMS = 0.7, 0.6, 4
"""Share of words that a note's sentence takes from its text, and that two alike sentences share; words that tell."""
ECHOES, MOST_REPEATED, LOOP_CHARACTERS = (IN_SHORT.strip(), FINAL[:18]), 20, 250
"""What of its request a small model repeats; characters that may stand in an answer twice."""

Documents = Sequence[tuple[str, str]]
Words = list[frozenset[str]]
Stream = Generator[Prefilled | TextDelta | Generated, None, None]


def summarise(
    model: LanguageModel,
    documents: Documents,
    question: str,
    *,
    instructions: str,
    sampling: Sampling,
    draft_limit: int,
    max_answer_tokens: int,
    is_cancelled: Callable[[], bool],
) -> Generator[Progress | Prefilled | TextDelta | Generated, None, tuple[Passage, ...]]:
    """Read documents, as (path, extracted text), from begin to end and answer a request for their content.

    Yields Progress over all stages if there are several, then the events of the answer itself. Returns the passages
    that were read, verbatim and in order, without their pages. A cancelled one ends soon, perhaps without an answer.
    Raises LibraryError if there is no text, ContextError if there is no room for any, ModelError and ProcessError.
    """
    system = " ".join(filter(None, (INSTRUCTIONS, instructions)))
    careful = replace(sampling, repetition_penalty=min(sampling.repetition_penalty, MOST_PENALTY))
    talk = _Talk(model, system, careful, draft_limit, is_cancelled)
    reader = _Reader(model, documents, question, system, max_answer_tokens)
    stages = reader.stages()
    read, texts, brief = list[Passage](), list[str](), list[_Sentence]()
    for number, stage in enumerate(stages):
        text, central, passages = reader.show(stage)
        read += passages
        if len(stages) == 1:
            texts, brief = [text], central
        elif central:
            note = yield from talk.note(text, central, number, len(stages))
            # Where a note is of no use, the most central sentence stands for the part.
            brief.append(max(central, key=lambda sentence: sentence.score))
            texts.append(note and reader.title(stage) + note)
        if is_cancelled():
            return tuple(read)
    if not read:
        raise LibraryError("There is no text to summarise: choose a document that is in the library.")
    yield from talk.answer(_message(texts, brief, FINAL + question), reader.answer_tokens)
    return tuple(read)


@dataclass(frozen=True, slots=True)
class _Talk:
    """What is asked of the model, and how."""

    model: LanguageModel
    system: str
    sampling: Sampling
    draft_limit: int
    is_cancelled: Callable[[], bool]

    def note(self, text: str, central: Sequence[_Sentence], number: int, stages: int) -> Generator[Progress, None, str]:
        """Have a stage noted down; returns what is of use in the note, perhaps nothing."""
        note = ""
        message = _message([text], central, NOTE)
        # An answer may vary; what it rests on does not.
        with closing(self._stream(message, replace(self.sampling, temperature=0.0), NOTE_TOKENS)) as stream:
            for event in stream:
                if isinstance(event, Prefilled):
                    yield Progress("reading", (number + event.done / event.total) / stages)
                elif isinstance(event, TextDelta):
                    note += event.text
                if self.is_cancelled():
                    return ""
        yield Progress("reading", (number + 1) / stages)
        return _useful(note, text)

    def answer(self, message: str, max_tokens: int) -> Stream:
        """Hand on the events of the answer, until it begins to repeat itself, as small models do."""
        text, told, tokens, has_ended = "", 0, 0, False
        with closing(self._stream(message, self.sampling, max_tokens)) as stream:
            for event in stream:
                if isinstance(event, TextDelta) and not has_ended:
                    text, tokens = text + event.text, tokens + event.tokens
                    until, has_ended = _new_part(text)
                    if until > told:
                        yield replace(event, text=text[told:until], tokens=tokens)
                        told, tokens = until, 0
                elif isinstance(event, Generated):
                    until = told if has_ended else _new_part(text + "\n")[0]
                    if until > told:
                        yield TextDelta(text[told:until], tokens)
                    yield replace(event, reason="stop") if has_ended and not self.is_cancelled() else event
                elif isinstance(event, Prefilled):
                    yield event
                if has_ended or self.is_cancelled():
                    # A stop that came before the stream began has not reached it yet.
                    self.model.cancel()

    def _stream(self, message: str, sampling: Sampling, max_tokens: int) -> Stream:
        messages = (ChatMessage("system", self.system), ChatMessage("user", message))
        return self.model.generate(messages, sampling, max_tokens, self.draft_limit)


def _new_part(text: str) -> tuple[int, bool]:
    """Return how much of an answer is surely new, in characters, and whether the rest repeats it or the request."""
    start = 0
    for end in (*(gap.end() for gap in _GAP.finditer(text)), None):
        said, sentence = text[:start].rstrip(), text[start:end].strip()
        is_old = said and sentence in said
        if said and (sentence.startswith(ECHOES) or (is_old and end and len(sentence) > MOST_REPEATED)):
            return len(said), True
        if end is None and (is_old or (said and any(echo.startswith(sentence) for echo in ECHOES))):
            return len(said), False
        start = end or len(text)
    loop = _LOOP.search(text[-LOOP_CHARACTERS:])
    return len(text), loop is not None and any(map(str.isalpha, loop[1]))


def _message(texts: Sequence[str], brief: Sequence[_Sentence], request: str) -> str:
    in_short = IN_SHORT + " ".join(sentence.shown for sentence in brief) if brief else ""
    return "\n\n".join(filter(None, (*texts, in_short, request)))


def _useful(note: str, text: str) -> str:
    """Return the sentences of a note that its text supports by their words and numbers, each said once."""
    known = frozenset(content_terms(text))
    kept: dict[str, frozenset[str]] = {}
    for span in split_sentences(note):
        said = " ".join(note[span.start : span.end].split())
        terms = frozenset(content_terms(said))
        made_up = terms - known
        if len(terms) < LEAST_TERMS or not _ENDED.search(said) or any(map(_DIGIT.search, made_up)):
            continue
        if len(made_up) <= (1 - SUPPORTED) * len(terms) and not _repeats(terms, kept.values()):
            kept[said] = terms
    return " ".join(kept)


@dataclass(frozen=True, slots=True)
class _Part:
    """What one stage reads of one document: `text[start:end]`, all or the best of it."""

    path: str
    text: str
    start: int
    end: int
    tokens: int | None
    """Budget for the best of it; None for all."""


class _Reader:
    """Shares the room in the context among the documents."""

    def __init__(
        self, model: LanguageModel, documents: Documents, question: str, system: str, max_answer_tokens: int
    ) -> None:
        self._count = model.count
        self._documents = [(path, text) for path, text in documents if text.strip()]
        self._are_several = len(self._documents) > 1
        fixed = (question, system, FINAL, NOTE, IN_SHORT)
        samples = tuple(text[len(text) // 3 :][:SAMPLE_CHARACTERS] for _, text in self._documents[:MOST_SAMPLES])
        counted = model.count(fixed + samples)
        used = sum(counted.counts[: len(fixed)]) + 2 * counted.template_tokens + 4 * JOINT_TOKENS
        self.answer_tokens = min(max_answer_tokens, int(counted.context_tokens * ANSWER_SHARE))
        self._room = counted.context_tokens - max(self.answer_tokens, NOTE_TOKENS) - used
        if self._room < LEAST_TOKENS:
            raise ContextError(f"Your question is {counted.counts[0]} tokens long, too long beside a text: shorten it.")
        self._short = min(SHORT_TOKENS, self._room // 4)
        self._room -= self._short
        self._tokens_each = sum(counted.counts[len(fixed) :]) / max(1, sum(map(estimated_tokens, samples))) or 1.0
        names = {term for path, _ in documents for term in content_terms(PurePath(path).name)}
        self._wanted = frozenset(content_terms(question)) - names
        self._said: Words = []

    def stages(self) -> list[list[_Part]]:
        """Plan what is read when: all at once if it is short, else the best of each of several parts."""
        whole = [_Part(path, text, 0, len(text), None) for path, text in self._documents]
        texts = tuple(self.title([part]) + _tidy(part.text) for part in whole)
        tokens = sum(map(estimated_tokens, texts)) * self._tokens_each
        if tokens < 2 * WHOLE_TOKENS and sum(self._count(texts).counts) <= min(self._room, WHOLE_TOKENS):
            return [whole]
        size = min(self._room, STAGE_TOKENS)
        # In the end all notes are read together, with a sentence beside each.
        stages = min(MOST_STAGES, max(1, self._room // (NOTE_TOKENS + SHORT_TOKENS)), math.ceil(tokens / size))
        return list(_dealt(self._documents, stages, size))

    def show(self, stage: Sequence[_Part]) -> tuple[str, list[_Sentence], list[Passage]]:
        """Choose what the model reads of a stage's parts: the text, the most central sentences, and its passages."""
        texts, passages, chosen, left = list[str](), list[Passage](), list[_Sentence](), 0.0
        for part in stage:
            sentences = _read(part)
            if part.tokens is not None:
                left += part.tokens - estimated_tokens(self.title([part])) * self._tokens_each
                sentences = self._central(sentences, left, max(1, round(left / SECTION_TOKENS)), self._said)
                left -= sum(sentence.tokens for sentence in sentences) * self._tokens_each
            found = list(_passages(part, sentences))
            text = _tidy(part.text) if part.tokens is None else "\n".join(_tidy(one.text) for one in found)
            texts.append(text and self.title([part]) + text)
            passages += found
            chosen += sentences
        brief = self._central([one for one in chosen if not one.is_heading], self._short, 1, [])
        return "\n\n".join(filter(None, texts)), brief, passages

    def title(self, parts: Sequence[_Part]) -> str:
        """Return what tells the text of these parts from others: the names of their documents, if there are several."""
        names = [PurePath(part.path).name for part in parts][:MOST_NAMES]
        return ", ".join(names) + ":\n" if self._are_several else ""

    def _central(self, sentences: Sequence[_Sentence], tokens: float, sections: int, said: Words) -> list[_Sentence]:
        """Choose central sentences that take no more tokens, counted exactly."""
        found = _central(sentences, tokens / self._tokens_each, sections, self._wanted, said)
        counts = self._count(tuple(sentence.shown for sentence in found)).counts
        kept = set[int]()
        for at in sorted(range(len(found)), key=lambda at: -found[at].score):
            if counts[at] + JOINT_TOKENS // 2 <= tokens:
                tokens -= counts[at] + JOINT_TOKENS // 2
                kept.add(at)
        return [found[at] for at in sorted(kept)]


def _dealt(documents: Documents, stages: int, tokens: int) -> Iterator[list[_Part]]:
    """Deal the documents out to stages, in their order: by length, but of several none goes without a share."""
    total = sum(len(text) for _, text in documents) or 1
    units = [max(1, round(4 * stages * len(text) / total)) for _, text in documents]
    pieces = [(number, unit) for number, count in enumerate(units) for unit in range(count)]
    each = max(1, math.ceil(len(pieces) / stages))
    for at in range(0, len(pieces), each):
        stage, parts = pieces[at : at + each], []
        for number in dict.fromkeys(number for number, _ in stage):
            path, text = documents[number]
            mine = [unit for other, unit in stage if other == number]
            start, end = (_line_from(text, unit / units[number]) for unit in (mine[0], mine[-1] + 1))
            parts.append(_Part(path, text, start, end, tokens * len(mine) // len(stage)))
        yield parts


def _line_from(text: str, share: float) -> int:
    """Return where the next line begins after a share of a text, in characters; its end for all of it."""
    at = round(len(text) * share)
    line = text.find("\n", at, at + PASSAGE_CHARACTERS) + 1 if 0 < at < len(text) else 0
    return line or at


_LINK = re.compile(r"!?\[([^\]\n]*)\]\([^)\s]*(?:\s+\"[^\"\n]*\")?\)")
_ENDED = re.compile(r"[.!?…。！？][\"'”’»)\]*_」』]*$")
_GAP = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n+")
_LOOP = re.compile(r"(.{3,40}?)\1{5,}$", re.DOTALL)
_DIGIT = re.compile(r"\d")
_LEANS = frozenset("it its they their this that these those he she his her such however but also then thus".split())
"""A sentence that begins so is understood with the one before it."""


@dataclass(frozen=True, slots=True)
class _Sentence:
    """A sentence or a heading of a document."""

    start: int
    """Offset in the document's text, in characters."""
    end: int
    shown: str
    """As the model reads it."""
    terms: frozenset[str]
    tokens: int
    is_heading: bool
    is_prose: bool
    opens_paragraph: bool
    score: float = 0.0
    """How central it is in its section."""


def _tidy(text: str) -> str:
    return re.sub(r"\n\s*\n", "\n\n", _LINK.sub(r"\1", text)).strip()


def _read(part: _Part) -> list[_Sentence]:
    """Return the sentences of a part; tables, code and lists of links are no prose."""
    text, found, at = part.text[part.start : part.end], list[_Sentence](), 0
    for span in split_sentences(text):
        end = min(span.end, span.start + MAX_SENTENCE)
        raw, gap, after = text[span.start : end], text[at : span.start], text[end : end + 2]
        at = end
        shown = " ".join(_LINK.sub(r"\1", raw).split())
        letters, solid = sum(map(str.isalpha, shown)), len(shown.replace(" ", ""))
        is_linked = 2 * sum(len(link[1]) for link in _LINK.finditer(raw)) > len(shown)
        is_alone = "\n" not in raw and after == "\n\n" and len(shown) <= HEADING_CHARACTERS
        is_heading = span.kind == "heading" or (is_alone and not _ENDED.search(shown))
        is_prose = span.kind != "code" and letters >= 0.7 * solid and not is_linked
        opens = "\n\n" in gap or not found or found[-1].is_heading
        place, words = (part.start + span.start, part.start + end), frozenset(content_terms(shown))
        found.append(_Sentence(*place, shown, words, estimated_tokens(shown) + 1, is_heading, is_prose, opens))
    return found


def _central(
    sentences: Sequence[_Sentence], tokens: float, sections: int, wanted: frozenset[str], said: Words
) -> list[_Sentence]:
    """Choose the most central sentences of each section, with the heading right above them, in the order of the text.

    `tokens` (estimated) is shared evenly among the sections, and what one leaves goes to the next. Nothing is chosen
    that repeats what was `said`, which grows by the words of each chosen one.
    """
    whole = Counter(term for sentence in sentences for term in sentence.terms)
    taken, left = dict[int, _Sentence](), 0.0
    for section in range(sections):
        first, last = (len(sentences) * number // sections for number in (section, section + 1))
        left += tokens / sections
        scored = _scored(sentences[first:last], whole, wanted)
        for at in sorted(range(len(scored)), key=lambda at: -scored[at].score):
            one, above = scored[at], scored[at - 1]
            if not one.score or one.tokens > left or _repeats(one.terms, said):
                continue
            said.append(one.terms)
            taken[first + at] = one
            left -= one.tokens
            if at and above.is_heading and above.is_prose and above.tokens <= left:
                taken[first + at - 1] = replace(above, score=one.score)
                left -= above.tokens
    return [taken[at] for at in sorted(taken)]


def _scored(section: Sequence[_Sentence], whole: Counter[str], wanted: frozenset[str]) -> list[_Sentence]:
    """Score sentences by how often their words occur in the section and in the `whole`; 0 is no choice.

    What opens a paragraph or has `wanted` words counts more; what leans on others, lacks an end or has digits, less.
    """
    here = Counter(term for sentence in section for term in sentence.terms)
    weights = {term: math.log1p(here[term]) + math.log1p(whole[term]) for term in here}
    rare = {term: 1 / math.log2(2 + whole[term]) for term in wanted if whole[term]}
    eligible = [one.is_prose and not one.is_heading and len(one.terms) >= LEAST_TERMS for one in section]
    scored = []
    for one, is_eligible in zip(section, eligible, strict=True):
        score = 0.0
        if one.terms and (is_eligible or not any(eligible)):
            score = sum(weights[term] for term in one.terms) / (len(one.terms) + 6)
            score *= (1.25 if one.opens_paragraph else 1.0) * (
                0.75 if one.shown.split()[0].casefold() in _LEANS else 1.0
            )
            score *= (1.0 if _ENDED.search(one.shown) else 0.6) * (1 - len(_DIGIT.findall(one.shown)) / len(one.shown))
            score *= 1 + sum(weight for term, weight in rare.items() if term in one.terms) / (sum(rare.values()) or 1)
        scored.append(replace(one, score=score))
    return scored


def _repeats(terms: frozenset[str], others: Iterable[frozenset[str]]) -> bool:
    return any(len(terms & other) > ALIKE * min(len(terms), len(other)) for other in others)


def _passages(part: _Part, sentences: Sequence[_Sentence]) -> Iterator[Passage]:
    """Yield what was read, verbatim: sentences that stand together make one passage, up to a length."""
    places = list[tuple[int, int]]()
    for one in sentences:
        start, end = places[-1] if places else (0, 0)
        between = part.text[end : one.start]
        if places and one.end - start <= PASSAGE_CHARACTERS and not any(map(str.isalnum, between)):
            places[-1] = (start, one.end)
        else:
            places.append((one.start, one.end))
    key = document_key(part.path)
    for start, end in places:
        yield Passage(f"{key}:{start}", part.path, part.text[start:end], None, "", start, end, 1.0)
