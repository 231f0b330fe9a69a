"""Replies that the rule file spells out."""

from __future__ import annotations

import zlib

from engine.rules.base import Request

__all__ = ["reply"]


def reply(request: Request) -> str | None:
    """Choose one of the rule's answers, always the same one for the same words."""
    if not request.answers:
        return None
    return request.answers[zlib.crc32(request.utterance.casefold().encode("utf-8", "replace")) % len(request.answers)]
