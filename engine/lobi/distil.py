"""Recover a pruned model from the one it was cut from: knowledge distillation (torch).

Hinton et al., arXiv 1503.02531, at temperature 1: the pruned model learns the whole model's distributions, KL(whole ||
pruned), at the tokens of the answers and at some of the prompts' tokens, which say more per step than answers of a few
words. The rate at which drafts are accepted is what this divergence bounds (Leviathan et al., arXiv 2211.17192).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn.functional import kl_div, log_softmax

from engine.lobi.adapt import Adapted, answer_states
from engine.lobi.fake_quant import BLOCK, rounded_q4_0

__all__ = ["distillation", "merge", "round_weights"]

PROMPT_SHARE = 0.12
"""Of the prompts' tokens, how many are learned in each step."""
PROMPT_WEIGHT = 0.6
"""What they count together, against the answers."""

Loss = Callable[[torch.nn.Module, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def distillation(whole: torch.nn.Module, seed: int) -> Loss:
    """Return the loss of `engine.lobi.adapt.adapt` that makes a model like the whole one."""
    whole.requires_grad_(False)
    generator = torch.Generator()

    def loss_of(model: torch.nn.Module, ids: torch.Tensor, mask: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        # By the batch itself, so that a training that goes on draws what an unbroken one draws.
        generator.manual_seed(seed + int(ids.sum()))
        drawn = torch.rand(ids.shape, generator=generator).to(ids.device) < PROMPT_SHARE
        drawn &= (mask > 0) & (weights == 0)
        drawn[:, 0] = False
        weights = weights + drawn * (PROMPT_WEIGHT * weights.sum() / drawn.sum().clamp(min=1))
        chosen = weights > 0
        with torch.no_grad():
            wanted = log_softmax(answer_states(whole, ids, mask, chosen), -1)
        found = log_softmax(answer_states(model, ids, mask, chosen), -1)
        divergences = kl_div(found, wanted, reduction="none", log_target=True).sum(-1)
        return (divergences * weights[:, 1:][chosen[:, 1:]]).sum()

    return loss_of


def merge(model: torch.nn.Module, learned: Adapted) -> None:
    """Add what was learned to the weights of a model."""
    with torch.no_grad():
        for name, (a, b) in learned.pairs.items():
            weight = model.get_submodule(name).weight
            delta = learned.scale * (b @ a)
            weight.copy_((weight.float() + delta.to(weight.device)).to(weight.dtype))


def round_weights(model: torch.nn.Module, names: Callable[[str], bool]) -> None:
    """Round the matrices whose names are wanted to Q4_0, as they will be."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 2 and parameter.shape[1] % BLOCK == 0 and names(name):
                parameter.copy_(rounded_q4_0(parameter.float()))
