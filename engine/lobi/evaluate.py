"""How far a model is from another on a text: perplexity, and the KL divergence of its next-token distributions.

Divergence: KL(P || Q) = sum over tokens of P (log P - log Q), in nats, P being the reference (Kullback and Leibler
1951); used for quantized models as in llama.cpp's `perplexity --kl-divergence`. It sees every change of the
distribution, where perplexity sees one token per position: a few hundred tokens of text do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from engine.errors import LobiError
from engine.llm.preflight import OUTPUT_ROWS, preflight
from engine.llm.protocol import LoadModel
from engine.scaling.probe import free_memory_mb

if TYPE_CHECKING:
    from engine.llm.backend import Model

__all__ = [
    "KEPT",
    "Divergence",
    "Reference",
    "divergence",
    "log_probabilities",
    "opened",
    "perplexity",
    "windows_of",
]

KEPT = 2048
"""Tokens of each position whose log-probabilities a reference keeps: 16 KiB per position."""
MIB = 2**20
LEAST = 1e-12
"""Probability below which what is left of a distribution is rounding."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Divergence:
    """How far a model is from the reference; means over all positions."""

    kl: float
    """KL(reference || model) per token, in nats."""
    top1: float
    """Share of the positions, 0 to 1, at which both find the same token likeliest."""
    perplexity: float
    """Of the model on the windows."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What a model says at each position of some windows: its likeliest tokens, and one bin for all others.

    Merging tokens never raises a KL divergence (log sum inequality): what is told is too low by the probability of the
    bin times the divergence within it, a share of about `rest` of the whole. With 2048 of 49,152 tokens kept (SmolLM2,
    prose) `rest` is about a hundredth. float16 for all tokens would take six times the memory and be wrong by 1e-4 nats
    per token, as much as the tensors that matter least.
    """

    windows: tuple[tuple[int, ...], ...]
    """Token ids; each window is read from an empty cache."""
    tokens: tuple[npt.NDArray[np.int32], ...]
    """For each window the tokens kept, shape (n, kept), the likeliest first."""
    values: tuple[Floats, ...]
    """Their log-probabilities, same shape."""
    perplexity: float
    """Of the model itself on the windows."""
    rest: float
    """Mean probability of all tokens that are not kept."""

    @classmethod
    def of(cls, model: Model, windows: Sequence[Sequence[int]], kept: int = KEPT) -> Reference:
        """Read the windows with a model, whose context is left empty.

        Raises LobiError if a window is shorter than two tokens or longer than the context, ModelError if it can't be
        read.
        """
        kept = min(kept, model.vocabulary)
        tokens, values, loss = [], [], 0.0
        for window in windows:
            ids, logs = [], []
            for start, rows in _read(model, window):
                loss += _loss(rows, window, start)
                best = np.argpartition(rows, -kept, axis=1)[:, -kept:] if kept < rows.shape[1] else _every(rows)
                found = np.take_along_axis(rows, best, 1)
                order = np.argsort(-found, axis=1, kind="stable")
                ids.append(np.take_along_axis(best, order, 1).astype(np.int32))
                logs.append(np.take_along_axis(found, order, 1))
            tokens.append(np.concatenate(ids))
            values.append(np.concatenate(logs))
        rest = float(np.mean(np.concatenate([_rest(each) for each in values])))
        return cls(
            tuple(tuple(window) for window in windows), tuple(tokens), tuple(values), _perplexity(loss, windows), rest
        )


@contextmanager
def opened(path: Path, context_tokens: int, threads: int) -> Iterator[Model]:
    """Load a model for as long as the block runs; 0 threads takes the physical cores.

    Raises ModelFileError or ModelMemoryError with one sentence.
    """
    # llama.cpp is loaded by whoever measures, not by whoever reads what was measured.
    from engine.llm.backend import Model

    checked = preflight(path, context_tokens, int(free_memory_mb() * MIB))
    model = Model(checked, LoadModel(path, context_tokens, threads))
    try:
        yield model
    finally:
        model.close()


def windows_of(model: Model, texts: Sequence[str], tokens_per_window: int, count: int) -> tuple[tuple[int, ...], ...]:
    """Cut `count` windows of equal length out of texts, spread evenly over them; a window never spans two texts.

    A model that wants BOS has it before each window, as part of its length. Raises LobiError if there is too little
    text.
    """
    first = tuple(model.tokenize("", special=True)[:1]) if model.adds_bos else ()
    length = tokens_per_window - len(first)
    pieces: list[tuple[int, ...]] = []
    for text in texts:
        tokens = model.tokenize(text, special=False)
        pieces += [tuple(tokens[at : at + length]) for at in range(0, len(tokens) - length + 1, max(1, length))]
    if length < 2 or len(pieces) < count or count < 1:
        raise LobiError(
            f"The calibration text is too short (it gives {len(pieces)} of {count} windows of {tokens_per_window} "
            "tokens): give a longer one."
        )
    return tuple(first + pieces[at * len(pieces) // count] for at in range(count))


def log_probabilities(model: Model, tokens: Sequence[int]) -> Floats:
    """Return the log-probabilities of what follows each token, shape (n, vocabulary), read from an empty cache.

    It takes n x vocabulary x 4 bytes. Leaves the context empty; raises LobiError if the tokens are fewer than two or
    more than the context holds, ModelError if they can't be read.
    """
    return np.concatenate([rows for _, rows in _read(model, tokens)])


def perplexity(model: Model, windows: Sequence[Sequence[int]]) -> float:
    """Return exp of the mean negative log-likelihood of each window's tokens but its first.

    Each window is read from an empty cache; raises as `log_probabilities` does.
    """
    loss = sum(_loss(rows, window, start) for window in windows for start, rows in _read(model, window))
    return _perplexity(loss, windows)


def divergence(reference: Reference, model: Model) -> Divergence:
    """Compare a model with a reference on the reference's windows; raises as `log_probabilities` does."""
    kl, same, loss, count = 0.0, 0, 0.0, 0
    for window, tokens, values in zip(reference.windows, reference.tokens, reference.values, strict=True):
        for start, rows in _read(model, window):
            at = slice(start, start + len(rows))
            kl += float(_divergences(values[at], np.take_along_axis(rows, tokens[at], 1)).sum())
            same += int((rows.argmax(1) == tokens[at, 0]).sum())
            loss += _loss(rows, window, start)
        count += len(window)
    return Divergence(kl / count, same / count, _perplexity(loss, reference.windows))


def _divergences(of: Floats, by: Floats) -> npt.NDArray[np.float64]:
    """Return KL of each row, shape (n,), from the log-probabilities of the kept tokens, both of shape (n, kept)."""
    kept = (np.exp(of, dtype=np.float64) * (of.astype(np.float64) - by)).sum(1)
    rest, other = _rest(of), _rest(by)
    found: npt.NDArray[np.float64] = kept + rest * (np.log(rest) - np.log(other))
    # Where the bin is all rounding it can be a hair below nothing.
    return np.maximum(found, 0.0)


def _rest(values: Floats) -> npt.NDArray[np.float64]:
    """Return the probability of all tokens that are not kept, shape (n,)."""
    left: npt.NDArray[np.float64] = np.maximum(1.0 - np.exp(values, dtype=np.float64).sum(1), LEAST)
    return left


def _every(rows: Floats) -> npt.NDArray[np.int64]:
    return np.broadcast_to(np.arange(rows.shape[1]), rows.shape)


def _loss(rows: Floats, window: Sequence[int], start: int) -> float:
    """Return the negative log-likelihood of the tokens that follow those of a batch, in nats."""
    following = np.asarray(window[start + 1 : start + 1 + len(rows)], dtype=np.int64)
    return -float(rows[np.arange(len(following)), following].sum(dtype=np.float64))


def _perplexity(loss: float, windows: Sequence[Sequence[int]]) -> float:
    # A broken version's loss has no exponential: infinitely perplexed says it.
    with np.errstate(over="ignore"):
        return float(np.exp(loss / sum(len(window) - 1 for window in windows)))


def _read(model: Model, tokens: Sequence[int]) -> Iterator[tuple[int, Floats]]:
    """Yield log-probabilities batch by batch, with the position of each batch; begins and ends with an empty cache."""
    if not 2 <= len(tokens) <= model.context_tokens:
        raise LobiError(
            f"A window of {len(tokens)} tokens can't be measured with a context of {model.context_tokens}: choose "
            "another length."
        )
    model.keep(0)
    try:
        for start in range(0, len(tokens), OUTPUT_ROWS):
            batch = tokens[start : start + OUTPUT_ROWS]
            # 0 is backend.DECODED, which can't be imported here without llama.cpp.
            if model.decode(batch, start, outputs=len(batch)) != 0:
                raise LobiError("The model could not read the calibration text: free some memory, and start again.")
            yield start, _log_softmax(np.stack([model.logits(row) for row in range(len(batch))]))
    finally:
        model.keep(0)


def _log_softmax(logits: Floats) -> Floats:
    shifted: Floats = logits - logits.max(1, keepdims=True)
    # numpy adds in pairs along rows: float32 is exact to 1e-6 here.
    shifted -= np.log(np.exp(shifted).sum(1, keepdims=True))
    return shifted
