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
from engine.retrieval.sentences import split_sentences
from engine.retrieval.terms import content_terms, estimated_tokens

__all__ = ["summarise"]

FINAL = "Use the text above to answer in a few short sentences: "
NOTE = "Summarize the text above in two or three short sentences."
IN_SHORT = "In short: "
"""Leads the most central sentences, which stand between text and request. Measured on the bundled model with 14 short
documents: with them 78 % of a summary's sentences were supported, without 64 %; from other headings it copied more."""
MOST_PENALTY = 1.05
"""A summary repeats names and numbers: at the usual penalty of 1.1, 42 euros became 25; 69, not 84 % were supported."""
WHOLE_TOKENS = 2000
"""Longest text that is read as it is: three or four pages."""
MOST_STAGES, STAGE_TOKENS, NOTE_TOKENS = 6, 600, 80
"""Of notes on 600 tokens 66 % of the sentences were supported, on 1,200 tokens 54 %, in twice the time."""
SECTION_TOKENS, SHORT_TOKENS = 150, 150
"""Read of each section of a part; and shown of its most central sentences."""
LEAST_TOKENS = 64
"""With less room for text there is nothing to summarise."""
PASSAGE_CHARACTERS, HEADING_CHARACTERS, SAMPLE_CHARACTERS, MOST_SAMPLES = 1000, 80, 2000, 8
SUPPORTED, ALIKE, LEAST_TERMS = 0.7, 0.6, 4
"""Share of its words that a note's sentence takes from its text; of the shorter one's words that two sentences share
if they say the same; and words of a sentence that says something by itself."""

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
        shown = reader.show(stage)
        read += shown.passages
        if len(stages) == 1:
            texts, brief = [shown.text], shown.brief
        elif shown.text:
            note = yield from talk.note(shown, number, len(stages))
            # Where a note is of no use, the most central sentence stands for the part.
            brief += sorted(shown.brief, key=lambda sentence: -sentence.score)[:1]
            texts.append(shown.title + note if note else "" if shown.brief else shown.text[:NOTE_TOKENS])
        if is_cancelled():
            return tuple(read)
    yield from talk.answer(_message(*texts, _in_short(brief), FINAL + question), reader.answer_tokens)
    return tuple(read)


@dataclass(frozen=True, slots=True)
class _Talk:
    """What is asked of the model, and how."""

    model: LanguageModel
    system: str
    sampling: Sampling
    draft_limit: int
    is_cancelled: Callable[[], bool]

    def note(self, shown: _Shown, number: int, stages: int) -> Generator[Progress, None, str]:
        """Have a stage noted down; returns what is of use in the note, perhaps nothing."""
        note = ""
        # An answer may vary; what it rests on does not.
        sampling = replace(self.sampling, temperature=0.0)
        message = _message(shown.text, _in_short(shown.brief), NOTE)
        with closing(self._stream(message, sampling, NOTE_TOKENS)) as stream:
            for event in stream:
                if isinstance(event, Prefilled):
                    yield Progress("reading", (number + event.done / event.total) / stages)
                elif isinstance(event, TextDelta):
                    note += event.text
                if self.is_cancelled():
                    return ""
        yield Progress("reading", (number + 1) / stages)
        return _useful(note, shown.text)

    def answer(self, message: str, max_tokens: int) -> Stream:
        """Hand on the events of the answer."""
        with closing(self._stream(message, self.sampling, max_tokens)) as stream:
            for event in stream:
                yield event
                if self.is_cancelled():
                    # A stop that came before the stream began has not reached it yet.
                    self.model.cancel()

    def _stream(self, message: str, sampling: Sampling, max_tokens: int) -> Stream:
        messages = (ChatMessage("system", self.system), ChatMessage("user", message))
        return self.model.generate(messages, sampling, max_tokens, self.draft_limit)


def _message(*texts: str) -> str:
    return "\n\n".join(filter(None, texts))


def _in_short(sentences: Sequence[_Sentence]) -> str:
    return IN_SHORT + " ".join(sentence.shown for sentence in sentences) if sentences else ""


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


# ---------------------------------------------------------------- the stages


@dataclass(frozen=True, slots=True)
class _Part:
    """What one stage reads of one document: `text[start:end]`, all or the best of it."""

    path: str
    text: str
    start: int
    end: int
    tokens: int | None
    """Budget for the best of it; None for all."""

    def opening(self) -> list[_Sentence]:
        """Return the beginning, for a part without any sentence that fits."""
        shown = self.text[self.start : self.end][: self.tokens]
        return [_Sentence(self.start, self.start + len(shown), shown)] if shown.strip() else []

    def passage(self, start: int, end: int) -> Passage:
        """Return what was read of the document, verbatim; offsets in characters."""
        key = f"{document_key(self.path)}:{start}"
        return Passage(key, self.path, self.text[start:end], None, "", start, end, 1.0)


@dataclass(frozen=True, slots=True)
class _Shown:
    """What the model reads in one stage."""

    title: str
    text: str
    brief: list[_Sentence]
    """The most central sentences of it."""
    passages: list[Passage]


class _Reader:
    """Shares the room in the context among the documents."""

    def __init__(
        self, model: LanguageModel, documents: Documents, question: str, system: str, max_answer_tokens: int
    ) -> None:
        self._count = model.count
        self._documents = [(path, text) for path, text in documents if text.strip()]
        if not self._documents:
            raise LibraryError("There is no text to summarise: choose a document that is in the library.")
        fixed = (question, system, FINAL, NOTE, IN_SHORT)
        samples = tuple(text[len(text) // 3 :][:SAMPLE_CHARACTERS] for _, text in self._documents[:MOST_SAMPLES])
        counted = model.count(fixed + samples)
        used = sum(counted.counts[: len(fixed)]) + 2 * counted.template_tokens + 4 * JOINT_TOKENS
        self.answer_tokens = min(max_answer_tokens, int(counted.context_tokens * ANSWER_SHARE))
        self._room = counted.context_tokens - max(self.answer_tokens, NOTE_TOKENS) - used
        if self._room < LEAST_TOKENS:
            asked, context = counted.counts[0], counted.context_tokens
            raise ContextError(f"Your question takes {asked} of the {context} tokens that the model reads: shorten it.")
        self._short = min(SHORT_TOKENS, self._room // 4)
        self._tokens_each = sum(counted.counts[len(fixed) :]) / sum(map(estimated_tokens, samples))
        names = {term for path, _ in documents for term in content_terms(PurePath(path).name)}
        self._wanted = frozenset(content_terms(question)) - names
        self._said: Words = []

    def stages(self) -> list[list[_Part]]:
        """Plan what is read when: all at once if it is short, else the best of each of several parts."""
        texts = tuple(_tidy(text) for _, text in self._documents)
        tokens = sum(map(estimated_tokens, texts)) * self._tokens_each
        most = self._room - self._short
        if tokens < 2 * WHOLE_TOKENS and sum(self._count(texts).counts) <= min(most, WHOLE_TOKENS):
            return [[_Part(path, text, 0, len(text), None) for path, text in self._documents]]
        size = min(most, STAGE_TOKENS)
        # In the end all notes are read together, with a sentence beside each.
        stages = min(MOST_STAGES, max(1, self._room // (NOTE_TOKENS + SHORT_TOKENS)), math.ceil(tokens / size))
        return list(_dealt(self._documents, stages, size))

    def show(self, stage: Sequence[_Part]) -> _Shown:
        """Choose what the model reads of a stage's parts."""
        texts, passages, chosen = list[str](), list[Passage](), list[_Sentence]()
        for part in stage:
            sentences = _read(part)
            if part.tokens is not None:
                sections = max(1, round(part.tokens / SECTION_TOKENS))
                sentences = self._central(sentences, part.tokens, sections, self._said) or part.opening()
            runs = list(_runs(part.text, sentences))
            lines = ("".join(one.shown + ("\n" if one.is_heading else " ") for one in run).strip() for run in runs)
            text = _tidy(part.text) if part.tokens is None else "\n".join(lines)
            texts.append(f"{self._title([part])}\n{text}".strip())
            passages += [part.passage(run[0].start, run[-1].end) for run in runs]
            chosen += sentences
        brief = self._central([one for one in chosen if not one.is_heading], self._short, 1, [])
        return _Shown(self._title(stage), _message(*texts), brief, passages)

    def _title(self, parts: Sequence[_Part]) -> str:
        names = ", ".join(PurePath(part.path).name for part in parts)
        return f"{names}: " if len(self._documents) > 1 else ""

    def _central(self, sentences: Sequence[_Sentence], tokens: int, sections: int, said: Words) -> list[_Sentence]:
        """Choose central sentences that take no more tokens, counted exactly."""
        found = _central(sentences, tokens / self._tokens_each, sections, self._wanted, said)
        counts = self._count(tuple(sentence.shown for sentence in found)).counts
        kept = set[int]()
        for at in sorted(range(len(found)), key=lambda at: -found[at].score):
            if counts[at] < tokens:
                tokens -= counts[at] + 1
                kept.add(at)
        return [found[at] for at in sorted(kept)]


def _dealt(documents: Documents, stages: int, tokens: int) -> Iterator[list[_Part]]:
    """Deal the documents out to stages, in their order: by length, but of several none goes without a share."""
    total = sum(len(text) for _, text in documents)
    units = [max(1, round(4 * stages * len(text) / total)) for _, text in documents]
    pieces = [(number, unit) for number, count in enumerate(units) for unit in range(count)]
    each = math.ceil(len(pieces) / stages)
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


# ---------------------------------------------------------------- the sentences

_LINK = re.compile(r"!?\[([^\]\n]*)\]\([^)\s]*(?:\s+\"[^\"\n]*\")?\)")
_ENDED = re.compile(r"[.!?…。！？][\"'”’»)\]*_」』]*$")
_DIGIT = re.compile(r"\d")
_LEANS = re.compile(
    r"(?:it|its|they|their|this|that|these|those|he|she|his|her|such|however|but|also|then|therefore|thus|sie|es|dies|il"
    r"|elle|ils|elles|ce|cette|él|ella|esto)\b|これ|それ|その|この|また|しかし|它|他|她|这|那", re.IGNORECASE,
)  # fmt: skip
"""A sentence that begins so is understood with the one before it."""


@dataclass(frozen=True, slots=True)
class _Sentence:
    """A sentence or a heading of a document."""

    start: int
    """Offset in the document's text, in characters."""
    end: int
    shown: str
    """As the model reads it."""
    terms: frozenset[str] = frozenset()
    tokens: int = 0
    is_heading: bool = False
    is_prose: bool = False
    opens: bool = False
    """Whether it begins a paragraph."""
    score: float = 0.0
    """How central it is in its section."""


def _tidy(text: str) -> str:
    """Return a text without the addresses of its links and without runs of empty lines."""
    return re.sub(r"\n\s*\n", "\n\n", _LINK.sub(r"\1", text)).strip()


def _read(part: _Part) -> list[_Sentence]:
    """Return the sentences of a part; tables, code, lists of links and what is there already are no prose."""
    text, at = part.text[part.start : part.end], 0
    found, known = list[_Sentence](), set[str]()
    for span in split_sentences(text):
        raw, gap, after = text[span.start : span.end], text[at : span.start], text[span.end : span.end + 2]
        at = span.end
        shown = " ".join(_LINK.sub(r"\1", raw).split())
        letters, solid = sum(map(str.isalpha, shown)), len(shown.replace(" ", ""))
        is_linked = 2 * sum(len(link[1]) for link in _LINK.finditer(raw)) > len(shown)
        is_single = "\n" not in raw and len(shown) <= HEADING_CHARACTERS and after == "\n\n"
        is_heading = span.kind == "heading" or (is_single and not _ENDED.search(shown))
        is_prose = span.kind != "code" and letters >= 0.7 * solid and not is_linked and shown not in known
        opens = "\n\n" in gap or not found or found[-1].is_heading
        place, words = (part.start + span.start, part.start + span.end), frozenset(content_terms(shown))
        found.append(_Sentence(*place, shown, words, estimated_tokens(shown) + 1, is_heading, is_prose, opens))
        known.add(shown)
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
            score *= (1.25 if one.opens else 1.0) * (0.75 if _LEANS.match(one.shown) else 1.0)
            score *= (1.0 if _ENDED.search(one.shown) else 0.6) * (1 - len(_DIGIT.findall(one.shown)) / len(one.shown))
            score *= 1 + sum(weight for term, weight in rare.items() if term in one.terms) / (sum(rare.values()) or 1)
        scored.append(replace(one, score=score))
    return scored


def _repeats(terms: frozenset[str], others: Iterable[frozenset[str]]) -> bool:
    """Tell whether a sentence with these words says much the same as another."""
    return any(len(terms & other) > ALIKE * min(len(terms), len(other)) for other in others)


def _runs(text: str, sentences: Sequence[_Sentence]) -> Iterator[list[_Sentence]]:
    """Yield sentences that stand together in the text, up to a length."""
    run = list[_Sentence]()
    for one in sentences:
        is_far = run and any(map(str.isalnum, text[run[-1].end : one.start]))
        if is_far or (run and one.end - run[0].start > PASSAGE_CHARACTERS):
            yield run
            run = []
        run.append(one)
    if run:
        yield run
