"""What `hola ask` prints: the answer as it comes, its sources, and what the review made of it."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from app import console
from app.findings import corrections, notice, unsupported_sentences, unsupported_words
from app.retrieval_words import plan_line
from engine.errors import ModelError
from engine.messages import Citation, Delta, Event, Finished, Progress, RetrievalPlan, Sources, Started

__all__ = ["Heard", "answer_json", "listen", "print_notes"]


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer to its end."""

    route: str
    finished: Finished
    searched: bool
    """Whether the library was searched for it."""
    plan: RetrievalPlan | None


def listen(events: Iterator[Event], *, shown: bool) -> Heard:
    """Print an answer as it comes, and return what came."""
    route, streamed, searched = "", "", False
    finished: Finished | None = None
    plan: RetrievalPlan | None = None
    with contextlib.closing(cast("Generator[Event]", events)), console.waiting(shown) as status:
        for event in events:
            if isinstance(event, Started):
                route = event.route
            elif isinstance(event, Sources):
                searched, plan = True, event.plan
            elif isinstance(event, Progress) and not streamed:
                status.update(f"{event.stage} ...")
            elif isinstance(event, Delta):
                status.stop()
                streamed += event.text
                if shown:
                    console.say(event.text, end="")
            elif isinstance(event, Finished):
                finished = event
    if finished is None:
        raise ModelError("The answer ended before its time: ask again, or run `hola doctor`.")
    if shown:
        reviewed = finished.answer.strip() != streamed.strip()
        console.say(f"\n\nAfter review:\n{finished.answer}" if reviewed else "")
    return Heard(route, finished, searched, finished.plan or plan)


def print_notes(heard: Heard) -> None:
    """Print below an answer its sources, what the review found, and what was read for it."""
    finished = heard.finished
    print_sources(finished.citations)
    found_nothing = heard.searched and not finished.citations
    lines = [notice(finished.verdict, finished.sentences, finished.answer, found_nothing=found_nothing)]
    if unsupported_words(finished.verdict, finished.sentences):
        quoted = unsupported_sentences(finished.answer, finished.sentences)
        lines += [f"Not supported by your documents: “{sentence}”" for sentence in quoted]
    label = "" if finished.verdict == "refused" else "Corrected: "
    lines += [label + correction for correction in corrections(finished.sentences)]
    lines += [f"({plan_line(heard.plan)})"] if heard.plan is not None else []
    for line in filter(None, lines):
        console.say(line)


def print_sources(citations: Iterable[Citation]) -> None:
    """Print "[1] file, page n" with the words that support the answer, each source once."""
    lines = dict.fromkeys(
        f"[{citation.number}] {Path(citation.path).name}"
        + (f", page {citation.page}" if citation.page else "")
        + f': "{" ".join(citation.snippet.split())}"'
        for citation in citations
    )
    if lines:
        console.say()
    for line in lines:
        console.say(line)


def answer_json(question: str, heard: Heard) -> dict[str, Any]:
    """Return an answer as the JSON output has it."""
    finished, citations = heard.finished, []
    for citation in finished.citations:
        place = asdict(citation)
        citations.append({"file": place.pop("path"), **place})
    return {
        "question": question,
        "answer": finished.answer,
        "route": heard.route,
        "reason": finished.reason,
        "citations": citations,
        "plan": asdict(heard.plan) if heard.plan is not None else None,
        "review": [
            {
                "sentence": finished.answer[sentence.start : sentence.end],
                "supported": sentence.supported,
                "correction": sentence.correction,
            }
            for sentence in finished.sentences
        ],
        "verdict": finished.verdict,
        "metrics": asdict(finished.metrics),
    }
