"""What a model loses without some of its layers, measured on a few examples (torch)."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import cross_entropy

from engine.errors import LobiError
from engine.lobi.adapt import Recipe, answer_states, batch_of
from engine.lobi.examples import Example
from engine.lobi.torch_model import Loaded, computing

__all__ = ["Probes"]

PROBES = 12
"""Examples on which layers are weighed."""

Floats = npt.NDArray[np.float64]


class Probes:
    """A few examples on which it is measured what a model loses without some of its layers."""

    def __init__(self, loaded: Loaded, examples: Sequence[Example], recipe: Recipe) -> None:
        wanted = [one for one in examples if one.kind in ("grounded", "chat", "text")] or list(examples)
        drawn = random.Random(recipe.seed).sample(wanted, min(4 * PROBES, len(wanted)))
        tokens = [each for each in map(loaded.tokens, drawn) if each.learned_from < len(each.ids) <= recipe.longest]
        if not tokens:
            raise LobiError(f"The examples are longer than {recipe.longest} tokens: give shorter ones.")
        self._model = loaded.model
        device = next(loaded.model.parameters()).device
        self._ids, _, weights = (each.to(device) for each in batch_of(tokens[:PROBES]))
        self._chosen = weights > 0
        self._shares = weights[:, 1:][self._chosen[:, 1:]] / weights.sum()
        self._whole = self._log_probabilities()

    def likelihood(self, model: torch.nn.Module) -> Callable[[], torch.Tensor]:
        """Return what gives the loss of a model on the examples: mean negative log-likelihood, in nats."""

        def loss() -> torch.Tensor:
            with computing(self._ids.device.type):
                (logits,) = answer_states(model, self._ids, self._chosen)
            losses = cross_entropy(logits, self._ids[:, 1:][self._chosen[:, 1:]], reduction="none")
            return (losses * self._shares).sum()

        return loss

    def losses(self) -> Floats:
        """Return what the removal of each layer alone costs, in nats per learned token, shape (layers,).

        Exact, where the importance of `engine.lobi.importance` is an estimate to first order: with one number per
        layer the exact one is cheap.
        """
        every = range(len(self._model.model.layers))
        return np.array([self.loss_without([layer for layer in every if layer != gone]) for gone in every])

    def loss_without(self, kept: Sequence[int]) -> float:
        """Return KL(whole || with only the kept layers), in nats per learned token."""
        inner = self._model.model
        blocks = inner.layers
        try:
            inner.layers = torch.nn.ModuleList(blocks[number] for number in kept)
            found = self._log_probabilities()
        finally:
            inner.layers = blocks
        return float(((self._whole.exp() * (self._whole - found)).sum(-1) * self._shares).sum())

    def _log_probabilities(self) -> torch.Tensor:
        with torch.no_grad(), computing(self._ids.device.type):
            (logits,) = answer_states(self._model, self._ids, self._chosen)
            return torch.log_softmax(logits, -1)
