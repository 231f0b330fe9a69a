"""What an answer rests on: passages, citations, what was retrieved and why, and what the review found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Citation", "Decision", "Passage", "RetrievalPlan", "SentenceReview", "Verdict"]

Decision = Literal["none", "light", "deep", "count", "list", "summary"]
"""How much of the documents an answer takes: nothing, the few passages that suffice, many of them because the question
has several parts or no passage stands out, every mention in the library, or one document from begin to end."""

Verdict = Literal["unchecked", "supported", "partly", "unsupported", "refused"]
"""What the review found: no passages were read or nothing is claimed; all, some or none of the sentences are supported;
the documents don't hold an answer, and the answer says so."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk of a document that a search found."""

    chunk_id: str
    path: str
    """The document's absolute path."""
    text: str
    page: int | None
    """1-based page the chunk starts on; None where the format has no pages."""
    heading: str
    """The heading above the chunk; empty if there is none."""
    start: int
    """Offset of the chunk in the document's extracted text, in characters."""
    end: int
    """End offset, exclusive: `extracted[start:end] == text`."""
    score: float
    """Estimated probability that it holds what the question asks for, 0 to 1."""
    vector_rank: int | None = None
    """0-based rank in the vector ranking; None if it is not in it."""
    text_rank: int | None = None
    """0-based rank in the full-text (BM25) ranking; None if it is not in it."""
    similarity: float | None = None
    """Cosine of the angle between the vectors of query and chunk, -1 to 1; None if it was not searched by meaning."""
    text_score: float | None = None
    """BM25 score of the full-text search, 0 or more; None if it is not in that ranking."""


@dataclass(frozen=True, slots=True)
class Citation:
    """A place in a document that supports a part of the answer."""

    number: int
    """1-based, in the order of first use; what the chip shows."""
    path: str
    """The document's absolute path."""
    page: int | None
    """1-based page on which the snippet starts; None where the format has no pages."""
    snippet: str
    """The supporting text, verbatim: `extracted[start:end] == snippet`."""
    start: int
    """Offset of the snippet in the document's extracted text, in characters."""
    end: int
    """End offset, exclusive."""
    answer_start: int
    """Offset in the answer of the sentence that it supports, in characters."""
    answer_end: int
    """End offset, exclusive; the chip stands here."""
    support: float
    """How well the snippet supports the sentence, 0 to 1."""


@dataclass(frozen=True, slots=True)
class RetrievalPlan:
    """What was decided about an answer's passages."""

    decision: Decision = "none"
    passages: int = 0
    """Passages that the model reads, whole or in part."""
    considered: int = 0
    """Passages of the library, or of the part of it that the question names."""
    tokens: int = 0
    """Tokens of what is read of them."""
    reason: str = ""
    """Why, in a few words: "two-part question"."""


@dataclass(frozen=True, slots=True)
class SentenceReview:
    """What the review found about one sentence of an answer."""

    start: int
    """Offset in the answer as reviewed, in characters."""
    end: int
    """End offset, exclusive."""
    supported: bool | None
    """Whether a passage supports it; None if it claims nothing that one could."""
    correction: str = ""
    """What was changed and why, one sentence: "12 months was corrected to 24 months, as in the source."; else empty."""
    original: str = ""
    """The sentence as the model said it; empty if nothing was changed."""
