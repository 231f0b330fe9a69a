"""What Lo-Bi learns from: rows of JSONL files and plain texts become chats in Hola's own prompt format.

A file's rows are told apart by their fields: `question` with `passage` or `passages` and `answers`; `prompt` with
`completion`; `context` or `query` with `choices` and `gold`; `messages`. Other files (.txt, .md) are general text.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from engine.errors import HolaError
from engine.lobi.cloze import cloze_questions
from engine.messages import ChatMessage
from engine.prompting import GROUNDED_BRIEFLY, INSTRUCTIONS, REFUSAL, grounded_message
from engine.retrieval.sentences import split_sentences

__all__ = ["Example", "Grounded", "held_out_share", "read_examples", "read_grounded", "to_example"]

HELD_OUT = 0.15
"""Share of the passages of grounded prompts that training never sees."""
ABSENT_SHARE = 0.12
"""Of the grounded examples, how many show only passages that don't tell."""
MORE_PASSAGES = (0, 0, 0, 0, 1, 2)
"""How many other passages stand before the right one: drawn evenly."""
ARRANGED = 4
"""Examples that are made of each grounded question, with other passages around it or none."""
SHORTENED_SHARE = 0.5
"""Of them, how many show the passage without some of its sentences: other texts each time, and shorter ones."""
SENTENCE_STAYS = 0.6
"""Probability of a sentence that does not hold the answer to stay in such a passage."""
LONGEST = 2600
"""Characters of a passage at most: longer ones cost more time than they teach."""
MARK = slice(8, 20)
"""Words of a passage by which it is known again inside another text."""
TEXT_WINDOW = 1000
"""Characters of general text in one example."""

ROLES = ("system", "user", "assistant")
Kind = Literal["grounded", "cloze", "absent", "choice", "prompt", "chat", "text"]

LAYOUTS = (
    r"Question: \"(?P<question>.*?)\"\s+Context: \"(?P<passage>.*)\"\s+Answer:\s*",
    r"(?P<question>[^\n]*?)\n\nAnswer the above question based on the context below:\n\n(?P<passage>.*)",
    r"Question: (?P<question>[^\n]*?)\nIf there is no answer, .*?\nMovie title: [^\n]*\nContext: (?P<passage>.*)",
    r"Please answer the following question about this movie plot\..*?\n\nQuestion: (?P<question>[^\n]*?)\n"
    r"Movie plot title: [^\n]*\nMovie plot: (?P<passage>.*)",
    r"Dialogue:\n\n(?P<passage>.*)\n\nQuestion: (?P<question>[^\n]*?)\s*\n\n- .*",
    r"Passage: (?P<passage>.*)\nQuestion: (?P<question>.*)",
)
"""Prompts that ask a question on a passage, in the layouts of common collections."""
_LAYOUTS = tuple(re.compile(layout, re.DOTALL) for layout in LAYOUTS)
_WORD = re.compile(r"\w+")
_NO_ANSWER = re.compile(r"(?:no answer|can'?t answer|insufficient information.*)\.?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Grounded:
    """A question on a passage."""

    question: str
    passage: str
    answers: tuple[str, ...]
    """Any of these is right; None: the passage does not tell."""
    is_choice: bool = False
    """Whether it is answered by one of a few words that the passage need not contain, like yes and no."""

    @property
    def is_held_out(self) -> bool:
        """Whether training never sees its passage."""
        return held_out_share(self.passage) < HELD_OUT

    @property
    def taught(self) -> str:
        """What is learned: the fullest of the answers that stand in the passage, in a list without order."""
        if not self.answers:
            return REFUSAL
        quoted = [answer for answer in self.answers if answer in self.passage] or list(self.answers[:1])
        return max(quoted, key=lambda answer: (sum(each in answer for each in quoted), len(answer)))


@dataclass(frozen=True, slots=True)
class Example:
    """What the model reads, and what it should say."""

    kind: Kind
    messages: tuple[ChatMessage, ...]
    """Empty for general text."""
    answer: str
    is_whole: bool = True
    """Whether the text ends with the answer; False if it was cut off."""


def held_out_share(text: str) -> float:
    """Return a number from 0 to 1 that depends on the text alone, and evenly."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).digest()
    return int.from_bytes(digest, "big") / 2**32


def read_grounded(files: Sequence[Path]) -> list[Grounded]:
    """Return all questions on passages in these files; raise HolaError with the line that can't be read."""
    found: dict[tuple[str, str], Grounded] = {}
    for file in files:
        for row in _rows(file):
            one = _grounded(row)
            if one is not None:
                found.setdefault((one.question, one.passage[:200]), one)
    return list(found.values())


def read_examples(files: Sequence[Path], seed: int) -> list[Example]:
    """Return what is to be learned from these files, in no order; nothing that is held out.

    The same files and seed give the same examples. Raises HolaError with the line that can't be read.
    """
    draw = random.Random(seed)
    data = [file for file in files if file.suffix == ".jsonl"]
    every = read_grounded(data)
    # A prompt of another layout may hold the same passage, and so may a longer passage.
    secret = {mark for mark in (_mark(one.passage) for one in every if one.is_held_out) if mark}
    grounded = [one for one in every if not one.is_held_out and not _holds(one.passage, secret)]
    examples = [to_example(one, grounded, draw) for one in grounded for _ in range(ARRANGED)]
    examples += _made(grounded, draw)
    for file in files:
        if file.suffix == ".jsonl":
            others = filter(None, (_other(row) for row in _rows(file)))
            examples += (one for one in others if not _shows(one, secret))
        else:
            examples += _windows(file)
    if not examples:
        raise HolaError("There is nothing to learn from: give JSONL files with questions and passages, or texts.")
    return examples


def _made(grounded: Sequence[Grounded], draw: random.Random) -> Iterator[Example]:
    """Yield questions made from the statements of the passages."""
    for passage in dict.fromkeys(one.passage for one in grounded):
        for question, answer in cloze_questions(passage, draw):
            yield Example("cloze", grounded_chat(question, [passage]), answer)


def to_example(one: Grounded, others: Sequence[Grounded], draw: random.Random) -> Example:
    """Lay a question out in Hola's format; now and then with other passages, or with them alone."""
    passages = [draw.choice(others).passage for _ in range(draw.choice(MORE_PASSAGES))]
    passages = [text for text in passages if text != one.passage]
    if one.answers and draw.random() < ABSENT_SHARE:
        passages = [text for text in passages or [draw.choice(others).passage] if one.taught not in text]
        if passages:
            return Example("absent", grounded_chat(one.question, passages), REFUSAL)
    shown = _shortened(one, draw) if draw.random() < SHORTENED_SHARE else one.passage
    kind: Kind = "absent" if not one.answers else "choice" if one.is_choice else "grounded"
    return Example(kind, grounded_chat(one.question, [*passages, shown]), one.taught)


def _shortened(one: Grounded, draw: random.Random) -> str:
    """Return the passage without some sentences; all of it where the answer is not in its words."""
    if one.is_choice or one.taught not in one.passage:
        return one.passage
    sentences = [one.passage[span.start : span.end] for span in split_sentences(one.passage)]
    kept = [text for text in sentences if one.taught in text or draw.random() < SENTENCE_STAYS]
    # An answer may reach over the end of what was taken for a sentence ("St. Louis").
    return " ".join(kept) if any(one.taught in text for text in kept) else one.passage


def grounded_chat(question: str, passages: Sequence[str]) -> tuple[ChatMessage, ...]:
    """Return the chat that Hola shows the model: the best passage last."""
    text = grounded_message(question, passages, f"{GROUNDED_BRIEFLY}{question}")
    return ChatMessage("system", INSTRUCTIONS), ChatMessage("user", text)


# ---------------------------------------------------------------- files


def _rows(file: Path) -> Iterator[Mapping[str, Any]]:
    try:
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield _row(line, file.name, number)
    except (OSError, UnicodeDecodeError) as exc:
        raise HolaError(f"{file.name} can't be read ({exc}): give a JSONL file in UTF-8.") from exc


def _row(line: str, name: str, number: int) -> Mapping[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as exc:
        raise HolaError(f"Line {number} of {name} is no JSON ({exc}): mend or remove it.") from exc
    if not isinstance(row, dict):
        raise HolaError(f"Line {number} of {name} is no JSON object: mend or remove it.")
    problem = _problem(row)
    if problem:
        raise HolaError(f"Line {number} of {name} can't be learned ({problem}): mend or remove it.")
    return row


def _problem(row: Mapping[str, Any]) -> str:
    """Say what is wrong with the fields that are read; "" if nothing is."""
    for name in ("question", "passage", "prompt", "completion", "query"):
        if not isinstance(row.get(name, ""), str):
            return f"{name} is no text"
    for name in ("passages", "answers", "choices"):
        found = row.get(name, [])
        if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
            return f"{name} is no list of texts"
    messages = row.get("messages", [{"role": "user", "content": ""}])
    if not isinstance(messages, list) or not messages:
        return "messages is no list of messages"
    for each in messages:
        if not isinstance(each, dict) or each.get("role") not in ROLES or not isinstance(each.get("content"), str):
            return "a message has no role or no content"
    return ""


def _grounded(row: Mapping[str, Any]) -> Grounded | None:
    """Return the question on a passage that a row holds, in any of the known ways; None for another row."""
    if isinstance(row.get("question"), str) and ("passage" in row or "passages" in row) and row.get("answers"):
        passage = "\n\n".join(row["passages"]) if "passages" in row else row["passage"]
        return Grounded(row["question"].strip(), _cut(passage), tuple(row["answers"]))
    text = row.get("prompt") or row.get("query")
    if not isinstance(text, str):
        return None
    match = next(filter(None, (layout.fullmatch(text.strip()) for layout in _LAYOUTS)), None)
    answer = _stated(row)
    if match is None or not answer:
        return None
    answers = () if _NO_ANSWER.fullmatch(answer) else (answer,)
    return Grounded(match["question"].strip(), _cut(match["passage"]), answers, "choices" in row)


def _stated(row: Mapping[str, Any]) -> str:
    """Return the answer that a row states."""
    if isinstance(row.get("completion"), str):
        return str(row["completion"]).strip()
    choices, gold = row.get("choices"), row.get("gold")
    if isinstance(choices, list) and isinstance(gold, int) and 0 <= gold < len(choices):
        return str(choices[gold]).strip().capitalize()
    return ""


def _other(row: Mapping[str, Any]) -> Example | None:
    """Return what a row holds beside questions on passages: chats, and prompts as they are."""
    if isinstance(row.get("messages"), list):
        *asked, last = (ChatMessage(each["role"], each["content"]) for each in row["messages"])
        return Example("chat", tuple(asked), last.content, bool(row.get("whole", True)))
    prompt, answer = row.get("prompt"), _stated(row)
    if not isinstance(prompt, str) or not answer or len(prompt) > LONGEST:
        return None
    return Example("prompt", (ChatMessage("system", INSTRUCTIONS), ChatMessage("user", prompt.strip())), answer)


def _shows(example: Example, secret: Collection[str]) -> bool:
    return any(_holds(message.content, secret) for message in example.messages)


def _mark(passage: str) -> str:
    """Return some words of a passage that tell it from others, in one spelling; "" of one that is too short."""
    words = _WORD.findall(passage.casefold())[MARK]
    return " ".join(words) if len(words) == MARK.stop - MARK.start else ""


def _holds(text: str, secret: Collection[str]) -> bool:
    """Say whether a text holds one of the marks, whatever its spaces and punctuation."""
    words = _WORD.findall(text.casefold())
    size = MARK.stop - MARK.start
    return any(" ".join(words[at : at + size]) in secret for at in range(len(words) - size + 1))


def _windows(file: Path) -> Iterator[Example]:
    """Yield a text in pieces; a piece that is held out is left out."""
    try:
        text = file.read_text("utf-8", "replace")
    except OSError as exc:
        raise HolaError(f"{file.name} can't be read ({exc.strerror}): give another text.") from exc
    for start in range(0, len(text) - TEXT_WINDOW // 2, TEXT_WINDOW):
        piece = text[start : start + TEXT_WINDOW]
        if held_out_share(piece) >= HELD_OUT:
            yield Example("text", (), piece, is_whole=False)


def _cut(passage: str) -> str:
    """Return a passage without what is too much of it."""
    passage = passage.strip()
    return passage if len(passage) <= LONGEST else passage[:LONGEST].rsplit(" ", 1)[0]
