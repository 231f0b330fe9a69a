"""The rule book: reads the patterns, and finds the rule that a question matches as a whole."""

from __future__ import annotations

import re
import sys
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from engine.errors import SettingsError
from engine.rules import arithmetic, clock, documents, smalltalk
from engine.rules.base import Handler, Request, RuleContext

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found, unused-ignore]  # installed below 3.11 only

__all__ = ["HANDLERS", "MAX_UTTERANCE", "Rules", "normalise"]

MAX_UTTERANCE = 240
"""Longer questions, in characters, are never simple."""

HANDLERS: MappingProxyType[str, Handler] = MappingProxyType(
    {
        "reply": smalltalk.reply,
        "time": clock.current_time,
        "date": clock.current_date,
        "calendar": clock.current_calendar,
        "weekday": clock.weekday,
        "days": clock.days_until,
        "distance": clock.days_between,
        "arithmetic": arithmetic.calculate,
        "document_list": documents.list_documents,
        "document_count": documents.count_documents,
        "document_lookup": documents.look_up,
        "document_failures": documents.list_failures,
        "document_failure": documents.explain_failure,
        "document_progress": documents.progress,
    }
)

_KEYS = {"name", "handler", "patterns", "answers"}
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_CHARACTERS = str.maketrans(
    {"\u2018": "'", "\u2019": "'", "\u02bc": "'", "\u201c": '"', "\u201d": '"', "\u201e": '"'}
    | dict.fromkeys("\ufe0f\ufe0e\u200b\u200d\u2060\ufeff")
)
_OPENING = "\u00bf\u00a1 "
_CLOSING = "?!.,;\u2026\u3002\uff1f\uff01 "
_COURTESY = (
    re.compile(r"(?:hi|hello|hey|hola|ok|okay|so)(?: there| hola)?\s?[,!.]+ (?=\S)", re.IGNORECASE),
    re.compile(r"please,? (?=\S)", re.IGNORECASE),
    re.compile(r"(?:(?:can|could|would|will) you (?:please )?)?tell me,? (?:please,? )?(?=\S)", re.IGNORECASE),
    re.compile(r"do you know,? (?=\S)", re.IGNORECASE),
)
_COURTESY_END = re.compile(r"(?<=\S)(?:,? please|, thanks|, thank you)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Rule:
    """One rule, ready to match."""

    name: str
    handler: Handler
    patterns: tuple[re.Pattern[str], ...]
    answers: tuple[str, ...]


class Rules:
    """The rules of one file; raise SettingsError in one sentence if the file can't be used."""

    def __init__(self, file: Path, context: RuleContext) -> None:
        self._context = context
        self._rules = _read(file)

    def answer(self, question: str) -> str | None:
        """Return the answer, in Markdown, or None unless the whole question is one that a rule is sure of."""
        utterances = _readings(question)
        for rule in self._rules:
            for utterance in utterances:
                for pattern in rule.patterns:
                    match = pattern.fullmatch(utterance)
                    if match is None:
                        continue
                    answer = rule.handler(Request(utterance, match, rule.answers, self._context))
                    if answer is not None:
                        return answer
        return None


def normalise(question: str) -> str:
    """Unify quotes and spaces, and drop the punctuation and pictures around an utterance."""
    text = " ".join(unicodedata.normalize("NFC", question).translate(_CHARACTERS).split())
    while text and unicodedata.category(text[-1]) in ("So", "Sk"):
        text = text[:-1].rstrip()
    # "5!" is a factorial, not an excited five.
    if text.endswith("!") and text.rstrip(_CLOSING)[-1:].isdigit():
        return text
    return text.lstrip(_OPENING).rstrip(_CLOSING)


def _readings(question: str) -> tuple[str, ...]:
    """Return the utterance as it stands and, where it differs, without its courtesies."""
    if len(question) > 4 * MAX_UTTERANCE:
        return ()
    whole = normalise(question)
    if not whole or len(whole) > MAX_UTTERANCE:
        return ()
    bare = whole
    for courtesy in _COURTESY:
        found = courtesy.match(bare)
        bare = bare[found.end() :] if found else bare
    bare = _COURTESY_END.sub("", bare)
    return (whole,) if bare == whole else (whole, bare)


# ---------------------------------------------------------------- the file


def _read(file: Path) -> tuple[_Rule, ...]:
    """Read the rules in their order."""
    try:
        content: dict[str, Any] = tomllib.loads(file.read_text("utf-8"))
    except OSError as exc:
        raise SettingsError(f"The rules {file} can't be read ({exc.strerror}): install Hola again.") from exc
    except ValueError as exc:
        raise SettingsError(f"The rules {file} are not valid TOML ({exc}): mend the file.") from exc
    words = content.get("words", {})
    tables = content.get("rule", [])
    if not isinstance(words, dict) or not all(isinstance(word, str) for word in words.values()):
        raise SettingsError(f"In the rules {file}, [words] must hold texts only: mend the file.")
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables) or not tables:
        raise SettingsError(f"The rules {file} hold no [[rule]]: mend the file.")
    return tuple(_rule(file, table, words) for table in tables)


def _rule(file: Path, table: dict[str, Any], words: dict[str, str]) -> _Rule:
    """Check one table of the file and compile its patterns."""
    name = table.get("name")
    if not isinstance(name, str) or not name:
        raise SettingsError(f"A rule in {file} has no name: give it one.")
    unknown = sorted(set(table) - _KEYS)
    if unknown:
        raise SettingsError(f'The rule "{name}" in {file} has the unknown key "{unknown[0]}": remove it.')
    handler = HANDLERS.get(str(table.get("handler")))
    if handler is None:
        known = ", ".join(HANDLERS)
        raise SettingsError(f'The rule "{name}" in {file} names no known handler: choose one of {known}.')
    patterns = _texts(file, name, table, "patterns")
    answers = _texts(file, name, table, "answers")
    if not patterns or (handler is smalltalk.reply and not answers):
        missing = "answers" if patterns else "patterns"
        raise SettingsError(f'The rule "{name}" in {file} has no {missing}: add some.')
    return _Rule(name, handler, tuple(_compile(file, name, text, words) for text in patterns), answers)


def _texts(file: Path, name: str, table: dict[str, Any], key: str) -> tuple[str, ...]:
    """Return a list of texts from a table."""
    texts = table.get(key, [])
    if not isinstance(texts, list) or not all(isinstance(text, str) and text for text in texts):
        raise SettingsError(f'In the rule "{name}" in {file}, {key} must be a list of texts: mend it.')
    return tuple(texts)


def _compile(file: Path, name: str, text: str, words: dict[str, str]) -> re.Pattern[str]:
    """Put the shared words into a pattern and compile it."""
    missing = [word for word in _PLACEHOLDER.findall(text) if word not in words]
    if missing:
        raise SettingsError(f'The rule "{name}" in {file} uses {{{missing[0]}}}, which [words] lacks: add it there.')
    try:
        return re.compile(_PLACEHOLDER.sub(lambda word: words[word[1]], text), re.IGNORECASE)
    except re.error as exc:
        raise SettingsError(f'A pattern of the rule "{name}" in {file} is not a valid regex ({exc}): mend it.') from exc
