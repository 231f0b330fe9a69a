"""Draw tokens from a model's logits: greedy by numpy, else llama.cpp's sampler chain."""

from __future__ import annotations

import ctypes
from collections import Counter, deque

import llama_cpp
import numpy as np
import numpy.typing as npt

from engine.llm.backend import Logits, Model
from engine.messages import Sampling

__all__ = ["Sampler", "penalised_argmax"]

Probabilities = npt.NDArray[np.float64]
CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])
"""llama_token_data."""


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
        self._shape = self._draw = None
        if not self.is_greedy:
            self._shape = self._chain()
            self._draw = llama_cpp.llama_sampler_init_dist(sampling.seed)

    def _chain(self) -> ctypes.c_void_p:
        """Make the steps that shape the distribution, without the draw itself."""
        sampling = self._sampling
        chain = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
        steps = []
        if self._penalises:
            steps.append(
                llama_cpp.llama_sampler_init_penalties(
                    self._model.vocabulary, sampling.repetition_window, sampling.repetition_penalty, 0.0, 0.0
                )
            )
        steps += [
            llama_cpp.llama_sampler_init_top_k(sampling.top_k),
            llama_cpp.llama_sampler_init_top_p(sampling.top_p, 1),
            llama_cpp.llama_sampler_init_min_p(sampling.min_p, 1),
            llama_cpp.llama_sampler_init_temp(sampling.temperature),
        ]
        for step in steps:
            llama_cpp.llama_sampler_chain_add(chain, step)
        return chain

    def draw(self, row: int) -> int:
        """Draw a token from an output row of the last decode, and take note of it."""
        if self.is_greedy:
            token = penalised_argmax(self._model.logits(row), self._penalised(), self._sampling.repetition_penalty)
        else:
            candidates = self._shaped(row)
            llama_cpp.llama_sampler_apply(self._draw, ctypes.byref(candidates))
            token = int(candidates.data[candidates.selected].id)
        self.accept(token)
        return token

    def accept(self, token: int) -> None:
        """Take note of a token that was said."""
        if not self.is_greedy:
            llama_cpp.llama_sampler_accept(self._shape, token)
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
        if self.is_greedy:
            raise ValueError("greedy sampling draws from no distribution")
        candidates = self._shaped(row)
        left = np.ctypeslib.as_array(
            ctypes.cast(candidates.data, ctypes.POINTER(ctypes.c_uint8)), (candidates.size * CANDIDATE.itemsize,)
        ).view(CANDIDATE)
        weights = np.exp(left["logit"].astype(np.float64) - float(left["logit"].max()))
        result = np.zeros(self._model.vocabulary)
        result[left["id"]] = weights / weights.sum()
        return result

    def _shaped(self, row: int) -> llama_cpp.llama_token_data_array:
        """Return what is left of the candidates of a row after penalties, cuts and temperature."""
        logits = self._model.logits(row)
        self._candidates = np.empty(len(logits), CANDIDATE)
        self._candidates["id"] = np.arange(len(logits), dtype=np.int32)
        self._candidates["logit"] = logits
        self._candidates["p"] = 0.0
        data = self._candidates.ctypes.data_as(ctypes.POINTER(llama_cpp.llama_token_data))
        candidates = llama_cpp.llama_token_data_array(data, len(logits), -1, False)
        llama_cpp.llama_sampler_apply(self._shape, ctypes.byref(candidates))
        return candidates

    def _penalised(self) -> npt.NDArray[np.int64]:
        return np.fromiter(self._counts, np.int64, len(self._counts))

    def close(self) -> None:
        """Free the chain."""
        for part in (self._shape, self._draw):
            if part is not None:
                llama_cpp.llama_sampler_free(part)
        self._shape = self._draw = None
