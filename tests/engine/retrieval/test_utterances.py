"""What users type, labelled by hand: whether documents are searched, follow-ups, parts, counting, filters, summaries.

The labels were written apart from the code. A few disagreements are allowed, as between two people.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from engine.retrieval.filters import DocumentInfo
from engine.retrieval.understand import Understanding, understand

UTTERANCES = Path(__file__).with_name("utterances.jsonl")
SEARCHED = ("search", "count", "list", "summary")


def labelled() -> list[dict[str, Any]]:
    return [json.loads(line) for line in UTTERANCES.read_text("utf-8").splitlines()]


def differences(label: Mapping[str, Any]) -> list[str]:
    """Return in what the decision about an utterance differs from its label."""
    documents = [DocumentInfo(path) for path in label["documents"]]
    found = understand(label["text"], [(question, answer) for question, answer in label["history"]], documents)
    if found.kind != label["kind"]:
        return [f"kind {found.kind}"]
    if found.kind not in SEARCHED:
        return []
    return [*_of_search(found, label), *_of_filters(found, label["filters"])]


def _of_search(found: Understanding, label: Mapping[str, Any]) -> list[str]:
    wrong = []
    if found.kind == "search" and len(found.queries) != label["parts"]:
        wrong.append(f"parts {found.queries}")
    if found.is_follow_up != label["follow_up"]:
        wrong.append(f"follow-up {found.is_follow_up}")
    searched = " ".join((*found.queries, found.term)).casefold()
    missing = [word for word in label["must"] if word.casefold() not in searched]
    return wrong + [f"lacks {missing} in {found.queries}" for _ in missing[:1]]


def _of_filters(found: Understanding, wanted: Mapping[str, Any]) -> list[str]:
    filters = found.filters
    got = {
        "documents": sorted(filters.documents),
        "kinds": sorted(filters.kinds),
        "folders": sorted(folder.rstrip("/") for folder in filters.folders),
        "after": filters.after,
        "before": filters.before,
    }
    right = {name: sorted(wanted[name]) for name in ("documents", "kinds", "folders")} | {
        name: datetime.fromisoformat(wanted[name]).timestamp() if wanted[name] else None for name in ("after", "before")
    }
    return [f"{name} {got[name]}" for name in right if got[name] != right[name]]


def test_at_least_nineteen_in_twenty_utterances_are_decided_right() -> None:
    every = labelled()
    assert len(every) >= 300
    wrong = {label["text"]: found for label in every if (found := differences(label))}
    assert len(wrong) <= 0.05 * len(every), "\n".join(f"{text!r}: {found}" for text, found in wrong.items())


@pytest.mark.parametrize("group", ["whether", "follow-up", "parts", "counting", "filters", "summary"])
def test_no_kind_of_utterance_is_neglected(group: str) -> None:
    chosen = [label for label in labelled() if label["group"] == group]
    wrong = [label["text"] for label in chosen if differences(label)]
    assert len(wrong) <= 0.15 * len(chosen), wrong
