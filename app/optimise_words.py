"""What Lo-Bi does and what came of it, in plain words; for the window and the command line, without Qt."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from engine.lobi.messages import Figures, Made, Prefer, Stage

__all__ = ["GIVES_WAY", "PREFERENCES", "STAGES", "card_words", "made_report", "made_words", "percent"]

STAGES: dict[Stage, str] = {
    "reading": "reading the model",
    "measuring": "measuring which parts matter most",
    "merging": "working in what was learned",
    "quantizing": "writing the new version",
    "checking": "comparing the new version with the original",
}
PREFERENCES: dict[Prefer, str] = {
    "balanced": "Balanced",
    "size": "Smaller",
    "speed": "Faster",
    "accuracy": "More exact",
}
GIVES_WAY = "It gives way to your questions and to indexing."
_SAME = 0.03
"""Change of a rate, relative, that nobody notices."""


def percent(share: float) -> str:
    """Return a share as one reads it."""
    return f"{100 * min(max(share, 0.0), 1.0):.0f} %"


def made_words(made: Made) -> str:
    """Say in one sentence what a version brings."""
    return _sentence(made.before, made.after, is_draft=made.role == "draft", exact=False)


def made_report(made: Made) -> str:
    """Say in one sentence what a version brings and how exact it is."""
    return _sentence(made.before, made.after, is_draft=made.role == "draft", exact=True)


def card_words(card: Mapping[str, Any]) -> str:
    """Say what a version brings, from its card; empty if the card does not tell."""
    try:
        before, after = (
            Figures(**{name: float(card[when][name]) for name in Figures.__dataclass_fields__})
            for when in ("before", "after")
        )
    except (KeyError, TypeError, ValueError):
        return ""
    return _sentence(before, after, is_draft=card.get("role") == "draft", exact=False)


def _sentence(before: Figures, after: Figures, *, is_draft: bool, exact: bool) -> str:
    sizes = _against(_megabytes(after.file_mb), _megabytes(before.file_mb))
    if is_draft:
        return f"A draft model was made for this computer: {sizes}, {_speed('decodes', before, after)}."
    parts = [_speed("decodes", before, after)]
    if exact:
        parts.append(_speed("reads", before, after))
    parts.append(sizes)
    if exact:
        parts.append("perplexity " + _against(f"{after.perplexity:.1f}", f"{before.perplexity:.1f}"))
    return f"Made for this computer: {', '.join(parts)}."


def _speed(verb: str, before: Figures, after: Figures) -> str:
    old, new = (before.decode_tps, after.decode_tps) if verb == "decodes" else (before.prefill_tps, after.prefill_tps)
    ratio = new / old if old > 0 else math.nan
    if not math.isfinite(ratio) or abs(ratio - 1) < _SAME:
        return f"{verb} as fast as before"
    digits = 1 if ratio >= 1.1 else 2
    return f"{verb} {ratio:.{digits}f} times as fast"


def _megabytes(value: float) -> str:
    return f"{value:,.{0 if value >= 10 else 1}f} MB"


def _against(new: str, old: str) -> str:
    return f"{new} as before" if new == old else f"{new} instead of {old}"
