"""Markdown to blocks of a text document: raw HTML stays text, nothing is ever loaded.

A streamed answer grows at its end only, so every top-level block but the last is final: `parse_blocks`
tells where the last one begins, and only that one has to be parsed and laid out again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from markdown_it import MarkdownIt

from engine.messages import Citation

if TYPE_CHECKING:
    from markdown_it.token import Token

__all__ = ["CHIP", "LINK_END", "Block", "harmless", "parse_blocks", "with_chips"]

CHIP = re.compile("⸨([0-9]+)⸩")
"""A citation chip in the source. Punctuation, so that emphasis beside it still closes."""

LINK_END = re.compile(
    r"""\]\((?:<[^<>\n]*>|[^\s()]*(?:\([^\s()]*\)[^\s()]*)*)(?:\s+(?:"[^"]*"|'[^']*'))?\s*\)|\]\[[^\]]*\]"""
)
"""What follows the words of a link in the source: its destination, or the name of a reference."""

_HARMLESS = str.maketrans({"⸨": "⦅", "⸩": "⦆", "\r": " ", "\0": "\ufffd"})


@dataclass(frozen=True, slots=True)
class Block:
    """A top-level block of an answer."""

    kind: Literal["prose", "code"]
    start: int
    """Offset of its first line in the parsed text, in characters."""
    tokens: tuple[Token, ...]
    text: str = ""
    """The code, of a code block."""
    language: str = ""
    """The language that a fence names; empty if none."""


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    # Unjoined, what was escaped keeps its source in `markup`.
    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable("text_join")


def parse_blocks(text: str) -> list[Block]:
    """Return the top-level blocks of a Markdown text, in order."""
    tokens = _parser().parse(text)
    starts = _line_starts(text)
    blocks: list[Block] = []
    first = 0
    for index, token in enumerate(tokens):
        if token.level or token.nesting == 1:
            continue
        group, first = tokens[first : index + 1], index + 1
        start = starts[group[0].map[0]] if group[0].map else 0
        if token.type in ("fence", "code_block"):
            words = token.info.split()
            code = CHIP.sub("", token.content.rstrip("\n"))
            blocks.append(Block("code", start, tuple(group), code, words[0] if words else ""))
        else:
            blocks.append(Block("prose", start, tuple(group)))
    return blocks


def with_chips(answer: str, citations: Sequence[Citation]) -> str:
    """Return the answer with a chip behind each sentence that a citation supports."""
    places = sorted({(min(each.answer_end, len(answer)), each.number) for each in citations}, reverse=True)
    for end, number in places:
        # A chip behind white space would begin the next line.
        place = len(answer[:end].rstrip())
        answer = f"{answer[:place]}⸨{number}⸩{answer[place:]}"
    return answer


def harmless(text: str) -> str:
    """Return a model's text, as long as before, with nothing in it that reads as a chip or an odd line end."""
    return text.translate(_HARMLESS)


def _line_starts(text: str) -> list[int]:
    starts, position = [0], text.find("\n")
    while position >= 0:
        starts.append(position + 1)
        position = text.find("\n", position + 1)
    return starts
