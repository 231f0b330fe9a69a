"""What crosses a boundary: small frozen dataclasses, each field with its unit.

Three groups: the events of one question (`Engine.ask`), the documents and events of the
library (`engine.indexing`, `engine.library`), and the requests and replies of the model process
(`engine.llm`). Nothing here imports anything heavy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

from engine.evidence import Citation, Decision, Passage, RetrievalPlan, SentenceReview, Verdict

__all__ = [
    "Chat",
    "ChatMessage",
    "Citation",
    "Decision",
    "Delta",
    "Document",
    "DocumentChanged",
    "DocumentStatus",
    "DraftTier",
    "Event",
    "FinishReason",
    "Finished",
    "IndexEvent",
    "IndexFinished",
    "IndexProgress",
    "LibraryStats",
    "Metrics",
    "ModelState",
    "Passage",
    "Progress",
    "Question",
    "RetrievalPlan",
    "Reviewed",
    "Role",
    "Route",
    "Sampling",
    "SearchResult",
    "SentenceReview",
    "Sources",
    "Started",
    "Turn",
    "Verdict",
]

Route = Literal["rule", "model"]
"""Which part of Hola answers: a rule at once, or the language model."""

FinishReason = Literal["stop", "length", "cancelled", "failed"]
"""Why an answer ended: by itself, at its length limit, stopped by the user, or broken off."""

DraftTier = Literal["plain", "n-gram", "draft model", "n-gram + draft model"]
"""Where the tokens that the model verified came from; "plain": each was decoded by itself."""

Role = Literal["system", "user", "assistant"]

# ---------------------------------------------------------------- one question


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn from the model's distribution."""

    temperature: float = 0.0
    """0 is greedy: the most probable token, always."""
    top_k: int = 40
    """Keep the k most probable tokens; 0 keeps all."""
    top_p: float = 0.95
    """Keep the smallest set of tokens whose probabilities sum to p; 1 keeps all."""
    min_p: float = 0.05
    """Drop tokens less probable than this share of the most probable one; 0 drops none."""
    repetition_penalty: float = 1.1
    """Divide the logits of recent tokens by this; 1 is no penalty."""
    repetition_window: int = 64
    """How many of the last tokens count as recent."""
    seed: int = 0
    """The same seed gives the same answer on the same machine."""


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message as the chat template sees it."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Question:
    """What the user asks."""

    text: str
    chat_id: int | None = None
    """The chat it belongs to; None begins a new one."""
    use_documents: bool = True
    """False answers without looking into the library."""
    sampling: Sampling | None = None
    """None takes the sampling from the settings."""
    max_tokens: int | None = None
    """Length limit of the answer in tokens; None takes it from the settings."""
    documents_only: bool = False
    """True always searches, and refuses what the documents don't hold."""
    replaces_turn: int | None = None
    """A turn of this chat (id) that is asked anew, edited or regenerated; it and all after it go."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """What an answer cost; times in milliseconds, measured by a monotonic clock."""

    queue_ms: float = 0.0
    """From the question to the begin of the work (a model still loading counts here)."""
    retrieval_ms: float = 0.0
    prefill_ms: float = 0.0
    prompt_tokens: int = 0
    """Tokens of the whole prompt."""
    reused_tokens: int = 0
    """Tokens of the prompt that were in the KV cache already."""
    prefill_tokens_per_s: float = 0.0
    """Rate over the prompt tokens that were computed."""
    ttft_ms: float = 0.0
    """Time to first token: from the question to the first text of the answer."""
    completion_tokens: int = 0
    tokens_per_s: float = 0.0
    """Decode rate after the first token."""
    acceptance: float = 0.0
    """Share of the drafted tokens that the model accepted, 0 to 1; 0 where nothing was drafted."""
    accepted_per_step: float = 0.0
    """Mean accepted length: drafted tokens accepted per verified batch."""
    draft_tier: DraftTier = "plain"
    speedup_estimate: float = 1.0
    """Decode rate against plain decoding, estimated from the measured cost curve."""
    total_ms: float = 0.0
    peak_rss_mb: float = 0.0
    """Highest resident memory of the model process so far, in MiB."""


@dataclass(frozen=True, slots=True)
class Started:
    """The question was taken up."""

    route: Route
    chat_id: int
    turn_id: int


@dataclass(frozen=True, slots=True)
class Progress:
    """Something takes a while before the first word."""

    stage: Literal["loading model", "searching", "reading"]
    fraction: float | None = None
    """0 to 1; None if unknown."""


@dataclass(frozen=True, slots=True)
class Sources:
    """The passages that the model reads for this answer, best first."""

    passages: tuple[Passage, ...]
    considered: int
    """How many passages the library holds."""
    plan: RetrievalPlan = field(default_factory=RetrievalPlan)


@dataclass(frozen=True, slots=True)
class Delta:
    """The next piece of the answer."""

    text: str
    tokens: int = 1
    drafted: bool = False
    """Whether its tokens were drafted and accepted, rather than decoded one by one."""


@dataclass(frozen=True, slots=True)
class Reviewed:
    """The answer was held against the passages."""

    answer: str
    """With its corrections."""
    citations: tuple[Citation, ...]
    sentences: tuple[SentenceReview, ...] = ()
    verdict: Verdict = "unchecked"


@dataclass(frozen=True, slots=True)
class Finished:
    """The answer is complete and stored."""

    answer: str
    reason: FinishReason
    citations: tuple[Citation, ...] = ()
    metrics: Metrics = field(default_factory=Metrics)
    plan: RetrievalPlan | None = None
    """None where a rule answered."""
    sentences: tuple[SentenceReview, ...] = ()
    verdict: Verdict = "unchecked"


Event = Started | Progress | Sources | Delta | Reviewed | Finished
"""What `Engine.ask` yields, in this order; only `Delta` and `Progress` come more than once."""


@dataclass(frozen=True, slots=True)
class ModelState:
    """Where the language model stands."""

    name: str
    """What the model calls itself; the file's name until it is loaded."""
    state: Literal["loading", "ready", "failed"]
    detail: str = ""
    """One sentence: what went wrong and what to do; of a ready model, which one drafts for it or why it can't."""


@dataclass(frozen=True, slots=True)
class Chat:
    """One chat of the history."""

    id: int
    title: str
    updated: float
    """Unix time of the last turn, in seconds."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and its answer, as stored."""

    id: int
    question: str
    answer: str
    route: Route
    reason: FinishReason
    citations: tuple[Citation, ...]
    metrics: Metrics
    asked: float
    """Unix time of the question, in seconds."""
    plan: RetrievalPlan | None = None
    sentences: tuple[SentenceReview, ...] = ()
    verdict: Verdict = "unchecked"


# ---------------------------------------------------------------- the library


class DocumentStatus(str, Enum):
    """Where a file stands on its way into the library."""

    QUEUED = "queued"
    EXTRACTING = "extracting"
    EMBEDDING = "embedding"
    READY = "ready"
    SKIPPED = "skipped"
    FAILED = "failed"
    REMOVED = "removed"

    @property
    def is_final(self) -> bool:
        """Whether nothing more happens to the file by itself."""
        return self not in (self.QUEUED, self.EXTRACTING, self.EMBEDDING)


@dataclass(frozen=True, slots=True)
class Document:
    """A file of the library."""

    path: str
    """Absolute path."""
    status: DocumentStatus
    reason: str = ""
    """Why it was skipped or failed: one sentence; else empty."""
    chunks: int = 0
    pages: int = 0
    """0 where the format has no pages."""
    size: int = 0
    """Bytes of the file when it was indexed."""
    fraction: float = 0.0
    """Share of its chunks that are embedded, 0 to 1."""
    updated: float = 0.0
    """Unix time of the last change of status, in seconds."""


@dataclass(frozen=True, slots=True)
class DocumentChanged:
    """A file of the library moved on."""

    document: Document


@dataclass(frozen=True, slots=True)
class IndexProgress:
    """The whole index job, for one line."""

    done: int
    """Files that are ready, skipped, failed or unchanged."""
    total: int
    """Files in the job."""
    chunks: int
    """Chunks stored by this job."""
    chunks_per_s: float
    seconds_left: float | None
    """Estimate; None while nothing is known."""
    paused: bool = False


@dataclass(frozen=True, slots=True)
class IndexFinished:
    """An index job ended."""

    ready: int
    """Files that this job made ready."""
    skipped: int
    failed: int
    unchanged: int
    """Files that were ready already and have not changed."""
    removed: int
    """Files that are gone from the disk and left the library."""
    chunks: int
    """Chunks stored by this job."""
    files: tuple[Document, ...]
    """Every file of the job, as it stands now."""
    cancelled: bool = False


IndexEvent = DocumentChanged | IndexProgress | IndexFinished


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The answer of the library to a search."""

    passages: tuple[Passage, ...]
    """Best first."""
    total_chunks: int
    """Of the library, or of the documents that were searched."""
    embed_ms: float
    search_ms: float
    read_ms: float = 0.0
    """Ranking and compression."""
    read: int = 0
    """Passages that the excerpts come from."""
    best: float = 0.0
    """Probability that the best passage holds what was asked for, 0 to 1."""
    kept: float = 0.0
    """Probability that what was asked for is in the excerpts, given that it is in the library."""
    is_complete: bool = True
    """Of mentions: whether these are all."""


@dataclass(frozen=True, slots=True)
class LibraryStats:
    """The state of the stored library."""

    documents: int
    chunks: int
    bytes_on_disk: int
    embedder: str
    problems: tuple[str, ...] = ()
    """What an integrity check found, a sentence each."""
