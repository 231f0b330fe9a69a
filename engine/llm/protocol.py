"""What travels between the conductor and the model process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.messages import ChatMessage, DraftTier, FinishReason, Sampling

__all__ = [
    "MOST_DRAFTED",
    "CountTokens",
    "ForgetStates",
    "Generate",
    "Generated",
    "LoadModel",
    "ModelCard",
    "Prefilled",
    "SaveStates",
    "Score",
    "Scores",
    "TextDelta",
    "TokenCounts",
]

MOST_DRAFTED = 63
"""Tokens drafted at once at most: with the pending one they fill a batch of 64."""


@dataclass(frozen=True, slots=True)
class LoadModel:
    """Which model, and how; a request with another one replaces the model that is loaded."""

    path: Path
    context_tokens: int
    """Tokens wished for; the model's training length caps it."""
    threads: int
    """0 takes the physical cores."""
    draft: Path | None = None
    """A smaller model with the same vocabulary that drafts for it."""
    strict: bool = False
    """Decode so that greedy output does not depend on whether tokens were drafted."""
    cache: Path | None = None
    """Folder for cost curves and KV snapshots; None keeps them in memory alone."""

    @property
    def snapshots(self) -> Path | None:
        """Folder of the KV snapshots of all models."""
        return self.cache / "snapshots" if self.cache is not None else None


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What is known of a loaded model."""

    name: str
    architecture: str
    context_tokens: int
    """Tokens the model can read at once, as loaded."""
    trained_context_tokens: int
    vocabulary: int
    file_mb: float
    threads: int
    draft: str = ""
    """Name of the draft model in use; empty if there is none."""
    draft_note: str = ""
    """Why the draft model that was asked for is not in use: one sentence; else empty."""


@dataclass(frozen=True, slots=True)
class CountTokens:
    """Count the tokens of each text, as content (no special tokens), and of the template around messages."""

    model: LoadModel
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """The answer to CountTokens."""

    counts: tuple[int, ...]
    template_tokens: int
    """Upper bound of what the chat template adds for one message."""
    context_tokens: int
    is_brief: bool = False
    """Whether the model learned to answer grounded questions in a few words."""


@dataclass(frozen=True, slots=True)
class Generate:
    """Answer a chat."""

    model: LoadModel
    messages: tuple[ChatMessage, ...]
    sampling: Sampling
    max_tokens: int
    stop: tuple[str, ...] = ()
    """The answer ends before any of these strings."""
    draft_limit: int = MOST_DRAFTED
    """Most tokens to draft at once; 0 decodes plainly."""


@dataclass(frozen=True, slots=True)
class Score:
    """Say how likely each of some answers to a chat is, by themselves: none sees another."""

    model: LoadModel
    messages: tuple[ChatMessage, ...]
    choices: tuple[str, ...]
    """Each as the assistant would begin its message with it; read as content, never as control tokens."""


@dataclass(frozen=True, slots=True)
class Scores:
    """The answer to Score."""

    log_likelihoods: tuple[float, ...]
    """Of each choice: the sum over its tokens of log p(token | chat, tokens before it), in nats; 0 for an empty one."""
    tokens: tuple[int, ...]
    """Tokens of each choice, to normalise by length."""


@dataclass(frozen=True, slots=True)
class SaveStates:
    """Write the KV snapshots to disk, while there is nothing else to do; nothing is answered."""


@dataclass(frozen=True, slots=True)
class ForgetStates:
    """Delete all KV snapshots: they hold the text of chats; nothing is answered."""

    model: LoadModel


@dataclass(frozen=True, slots=True)
class Prefilled:
    """A part of the prompt was read."""

    done: int
    """Tokens in the KV cache, reused ones included."""
    total: int
    reused: int


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the answer; whole characters only."""

    text: str
    tokens: int
    drafted: bool = False
    """Whether its tokens were drafted and accepted."""


@dataclass(frozen=True, slots=True)
class Generated:
    """The answer ended."""

    reason: FinishReason
    prompt_tokens: int
    reused_tokens: int
    prefill_ms: float
    completion_tokens: int
    decode_ms: float
    """From the first to the last token of the answer."""
    peak_rss_mb: float
    drafted: int = 0
    """Tokens that were drafted and shown to the target."""
    accepted: int = 0
    """Drafted tokens that the target accepted."""
    draft_steps: int = 0
    """Batches that held drafted tokens."""
    tier: DraftTier = "plain"
    speedup_estimate: float = 1.0
    """Decode rate against plain decoding, from the cost curve."""
