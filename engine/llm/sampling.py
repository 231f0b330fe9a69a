"""Draw tokens from a model's logits: the most probable one, or by the Gumbel trick after llama.cpp's sampler chain."""

from __future__ import annotations

from collections import Counter, deque

import numpy as np
import numpy.typing as npt

from engine.llm.backend import Logits, Model, SamplerChain
from engine.messages import Sampling

__all__ = ["Sampler", "gumbel_noise", "penalised_argmax"]

MIX = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
"""Constants of the splitmix64 generator (Steele, Lea, Flood 2014)."""


def penalised_argmax(logits: Logits, recent: npt.NDArray[np.int64], penalty: float) -> int:
    """Return the most probable token after the repetition penalty (Keskar et al. 2019, eq. 4, as llama.cpp has it).

    Args:
        logits: shape (vocabulary,); changed for a moment, and as before on return.
        recent: the different tokens that are penalised.
        penalty: divides their positive logits and multiplies the others.
    """
    if penalty == 1.0 or not len(recent):
        return int(logits.argmax())
    before = logits[recent]
    factor = np.float32(penalty)
    logits[recent] = np.where(before <= 0, before * factor, before / factor)
    best = int(logits.argmax())
    logits[recent] = before
    return best


def gumbel_noise(seed: int, position: int, tokens: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
    """Return independent standard Gumbel noise for tokens at a place in the answer; a pure function of all three.

    argmax(log p + noise) is a draw from p (Gumbel 1954). Since the noise is fixed by seed and place, a seed gives one
    answer whatever was drafted, and a draft model that draws with the same noise mostly draws the same token.
    """
    with np.errstate(over="ignore"):
        # A round for each of the three: neighbours in any of them must give noise that has nothing in common.
        state = _mixed((tokens.astype(np.uint64) + np.uint64(1)) * MIX[0])
        for value in (seed, position):
            state = _mixed(state + np.uint64(value + 1) * MIX[0])
    uniform = ((state >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    noise: npt.NDArray[np.float64] = -np.log(-np.log(uniform))
    return noise


def _mixed(state: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    state = (state ^ (state >> np.uint64(30))) * MIX[1]
    state = (state ^ (state >> np.uint64(27))) * MIX[2]
    mixed: npt.NDArray[np.uint64] = state ^ (state >> np.uint64(31))
    return mixed


class Sampler:
    """Draw from output rows; each token that is said counts for the repetition penalty and moves on to the next place.

    Greedy choices are made by numpy: llama.cpp's chain looks each of the vocabulary up in a hash table for the penalty.
    The penalty sees the tokens of the answer alone, so that quoting a passage is not punished.
    """

    def __init__(self, model: Model, sampling: Sampling) -> None:
        self._model = model
        self._sampling = sampling
        self._position = 0
        self._recent: deque[int] = deque(maxlen=max(1, sampling.repetition_window))
        self._counts: Counter[int] = Counter()
        self._penalises = sampling.repetition_penalty != 1.0 and sampling.repetition_window > 0
        self._chain = SamplerChain(model.vocabulary, sampling) if sampling.temperature > 0.0 else None

    def draw(self, row: int) -> int:
        """Draw a token from an output row of the last decode, and take note of it."""
        token = self.look(row, 0)
        self.accept(token)
        return token

    def look(self, row: int, ahead: int) -> int:
        """Return what would be drawn from a row `ahead` places further on, and take no note of it."""
        logits = self._model.logits(row)
        if self._chain is None:
            return penalised_argmax(logits, self._penalised(), self._sampling.repetition_penalty)
        tokens, weights = self._chain.shaped(logits)
        noise = gumbel_noise(self._sampling.seed, self._position + ahead, tokens)
        return int(tokens[(weights + noise).argmax()])

    def accept(self, token: int) -> None:
        """Take note of a token that was said."""
        self._position += 1
        if self._chain is not None:
            self._chain.accept(token)
        elif self._penalises:
            if len(self._recent) == self._recent.maxlen:
                gone = self._recent[0]
                self._counts[gone] -= 1
                if not self._counts[gone]:
                    del self._counts[gone]
            self._recent.append(token)
            self._counts[token] += 1

    def _penalised(self) -> npt.NDArray[np.int64]:
        return np.fromiter(self._counts, np.int64, len(self._counts))

    def close(self) -> None:
        """Free the chain."""
        if self._chain is not None:
            self._chain.close()
            self._chain = None
