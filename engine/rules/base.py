"""What every rule handler gets and gives."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from engine.messages import Document

__all__ = ["Handler", "Request", "RuleContext", "code_span", "counted"]


@dataclass(frozen=True, slots=True)
class RuleContext:
    """What the rules may ask about the world."""

    now: Callable[[], datetime]
    """The local date and time."""
    documents: Callable[[], tuple[Document, ...]]
    """Every file that the library knows, whatever its status."""


@dataclass(frozen=True, slots=True)
class Request:
    """One utterance that matched a pattern of a rule."""

    utterance: str
    """The whole normalised utterance."""
    match: re.Match[str]
    """Its match; the named groups are what the handler reads."""
    answers: tuple[str, ...]
    """The answers that the rule lists; may be empty."""
    context: RuleContext


Handler = Callable[[Request], "str | None"]
"""Answers a request, or gives None when it is not sure."""


def code_span(text: str) -> str:
    """Quote text of unknown origin as a Markdown code span, in which nothing is markup."""
    line = " ".join(text.split())
    longest = max((len(run) for run in re.findall("`+", line)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def counted(number: int, noun: str) -> str:
    """Return the number with its noun, in the plural unless it is one: "1 file", "2 files"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
