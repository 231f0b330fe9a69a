"""Draw tokens from a model's logits: greedy by numpy, else llama.cpp's sampler chain."""

from __future__ import annotations

from collections import Counter, deque

import numpy as np
import numpy.typing as npt

from engine.llm.backend import Logits, Model, SamplerChain
from engine.messages import Sampling

__all__ = ["Sampler", "penalised_argmax"]

Probabilities = npt.NDArray[np.float64]


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


class Sampler:
    """Draw from output rows; each drawn token counts for the repetition penalty and, by seed, for the next draws.

    Greedy choices are made by numpy: llama.cpp's chain looks each of the vocabulary up in a hash table for the penalty.
    The penalty sees the tokens of the answer alone, so that quoting a passage is not punished.
    """

    def __init__(self, model: Model, sampling: Sampling) -> None:
        self._model = model
        self._sampling = sampling
        self.is_greedy = sampling.temperature <= 0.0
        self._recent: deque[int] = deque(maxlen=max(1, sampling.repetition_window))
        self._counts: Counter[int] = Counter()
        self._penalises = sampling.repetition_penalty != 1.0 and sampling.repetition_window > 0
        self._chain = None if self.is_greedy else SamplerChain(model.vocabulary, sampling)

    def draw(self, row: int) -> int:
        """Draw a token from an output row of the last decode, and take note of it."""
        logits = self._model.logits(row)
        if self._chain is None:
            token = penalised_argmax(logits, self._penalised(), self._sampling.repetition_penalty)
        else:
            token = self._chain.draw(logits)
        self.accept(token)
        return token

    def accept(self, token: int) -> None:
        """Take note of a token that was said."""
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

    def distribution(self, row: int) -> Probabilities:
        """Return the distribution from which `draw` would draw, shape (vocabulary,); float64, sums to 1.

        Raises ValueError for greedy sampling, which has none.
        """
        if self._chain is None:
            raise ValueError("greedy sampling draws from no distribution")
        tokens, logits = self._chain.shaped(self._model.logits(row))
        weights = np.exp(logits - logits.max())
        result = np.zeros(self._model.vocabulary)
        result[tokens] = weights / weights.sum()
        return result

    def _penalised(self) -> npt.NDArray[np.int64]:
        return np.fromiter(self._counts, np.int64, len(self._counts))

    def close(self) -> None:
        """Free the chain."""
        if self._chain is not None:
            self._chain.close()
            self._chain = None
