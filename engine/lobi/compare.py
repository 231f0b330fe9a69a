"""Hold a version of a model against its original: perplexity, KL divergence, and both rates, in one run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.errors import LobiError
from engine.llm.backend import DECODED, Model
from engine.lobi.evaluate import Reference, divergence, opened, windows_of
from engine.lobi.messages import STOPPED, Figures

__all__ = ["Comparison", "compare", "rates"]

WINDOW_TOKENS, WINDOWS = 256, 4
CONTEXT = 1024
PREFILLED, DECODED_TOKENS, ROUNDS = 256, 24, 3
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was measured of both."""

    before: Figures
    after: Figures
    kl: float
    """KL divergence of the original from the version, in nats per token."""


def compare(
    before: Path, after: Path, calibration: Path, threads: int, is_cancelled: Callable[[], bool] = lambda: False
) -> Comparison:
    """Load both models and compare them on a text.

    Raises LobiError if the text is too short or it is cancelled, ModelError if one can't be loaded.
    """
    try:
        text = calibration.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise LobiError(f"The calibration text {calibration} can't be read ({exc}): give a text in UTF-8.") from exc
    with ExitStack() as stack:
        models = [stack.enter_context(opened(path, CONTEXT, threads)) for path in (before, after)]
        windows = windows_of(models[0], [text], WINDOW_TOKENS, WINDOWS)
        reference = Reference.of(models[0], windows)
        if is_cancelled():
            raise LobiError(STOPPED)
        found = divergence(reference, models[1])
        speeds = rates(models, windows[0])
    figures = [
        Figures(path.stat().st_size / MIB, *speed, perplexity)
        for path, speed, perplexity in zip(
            (before, after), speeds, (reference.perplexity, found.perplexity), strict=True
        )
    ]
    return Comparison(figures[0], figures[1], found.kl)


def rates(models: Sequence[Model], tokens: Sequence[int]) -> list[tuple[float, float]]:
    """Return prefill and decode rate of each model in tokens per second: medians of rounds in which all take turns."""
    prompt = list(tokens[:PREFILLED])
    seconds = np.zeros((ROUNDS + 1, len(models), 2))
    for turn in seconds:
        for measured, model in zip(turn, models, strict=True):
            measured[:] = _seconds(model, prompt)
    # The first round warms up.
    prefill, decode = np.median(seconds[1:], axis=0).T
    return [
        (len(prompt) / one, DECODED_TOKENS / other)
        for one, other in zip(prefill.tolist(), decode.tolist(), strict=True)
    ]


def _seconds(model: Model, prompt: Sequence[int]) -> tuple[float, float]:
    model.keep(0)
    begun = time.perf_counter()
    ok = model.decode(prompt, 0, outputs=1) == DECODED
    read = time.perf_counter()
    for step in range(DECODED_TOKENS):
        ok = ok and model.decode([prompt[step % len(prompt)]], len(prompt) + step, outputs=1) == DECODED
    if not ok:
        raise LobiError("The model stopped while it was measured: start again.")
    return read - begun, time.perf_counter() - read
