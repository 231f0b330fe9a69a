"""What travels between whoever wants a model optimised and the process that does it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["STOPPED", "Figures", "Made", "MakeVersion", "MeasureFront", "Prefer", "Role", "Stage", "Step", "Wish"]

Role = Literal["target", "draft"]
Prefer = Literal["balanced", "size", "speed", "accuracy"]
STOPPED = "Optimising was stopped: the model in use stays."
Stage = Literal["reading", "measuring", "merging", "quantizing", "checking"]


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user wants of a model; None is no limit."""

    prefer: Prefer = "balanced"
    memory_mb: float | None = None
    """The file's size at most, in MiB."""
    decode_tps: float | None = None
    """Tokens per second at least."""
    loss: float | None = None
    """KL divergence to the original at most, in nats per token."""


@dataclass(frozen=True, slots=True)
class MakeVersion:
    """Make a version of a model."""

    source: Path
    target: Path
    """Replaced in one step at the end; its card lies beside it."""
    work: Path
    """A folder for what is made on the way; it may be deleted when the process has ended."""
    calibration: Path
    """Text by which models are compared."""
    plan: Path | None = None
    """What was learned of the model; None allocates bits alone."""
    wish: Wish | None = None
    """What the types are chosen by, on this machine; None takes the plan's own, or a balance without a plan."""
    threads: int = 0
    """0 takes the physical cores."""
    cache: Path | None = None
    """Folder in which what the kernels of this machine cost is kept."""


@dataclass(frozen=True, slots=True)
class MeasureFront:
    """Measure what versions a model could have on this machine; answered by Step after Step, and a tuple of them."""

    source: Path
    work: Path
    calibration: Path
    threads: int = 0
    cache: Path | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What is done just now."""

    stage: Stage
    share: float
    """Of the whole, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured of a model file."""

    file_mb: float
    prefill_tps: float
    decode_tps: float
    perplexity: float
    """On the calibration text."""


@dataclass(frozen=True, slots=True)
class Made:
    """A version is ready."""

    path: Path
    source: Path
    role: Role
    before: Figures
    after: Figures
    kl: float
    """KL divergence of the original from it on the calibration text, in nats per token."""
    note: str = ""
    """What could not be done for this model, in one sentence; else empty."""
