"""Recover a pruned model from the one it was cut from: knowledge distillation (torch).

Hinton et al., arXiv 1503.02531, at temperature 1: the pruned model learns the whole model's distributions, KL(whole ||
pruned), at the tokens of the answers and at some of the prompts' tokens, which say more per step than answers of a few
words. The rate at which drafts are accepted is what this divergence bounds (Leviathan et al., arXiv 2211.17192).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn.functional import cross_entropy, kl_div, log_softmax

from engine.lobi.adapt import Adapted, answer_states
from engine.lobi.fake_quant import rounded_q4_0
from engine.lobi.feedback import BLOCK, feedback_factor, q4_0_values, rounded_with_feedback

__all__ = ["distillation", "merge", "retention", "round_head", "round_weights"]

PROMPT_SHARE = 0.12
"""Of the prompts' tokens, how many are learned in each step."""
PROMPT_WEIGHT = 0.6
"""What they count together, against the answers."""

HELD_ROWS = 0.3
"""Of the examples, at how many a model is held to the original: a forward pass of that is a third of their cost."""
HELD_SHARE = 0.25
"""Of those prompts' tokens, how many."""
RETAINED = 1.5
"""What they count together, against the answers."""

ROWS = 4096
"""Of an output layer, how many are rounded at once."""

Loss = Callable[[torch.nn.Module, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def distillation(whole: torch.nn.Module, seed: int) -> Loss:
    """Return the loss of `engine.lobi.adapt.adapt` that makes a model like the whole one."""
    whole.requires_grad_(False)
    generator = torch.Generator()

    def loss_of(model: torch.nn.Module, ids: torch.Tensor, mask: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        drawn = _drawn(generator, seed, ids, mask, weights)
        weights = weights + drawn * (PROMPT_WEIGHT * weights.sum() / drawn.sum().clamp(min=1))
        chosen = weights > 0
        with torch.no_grad():
            (told,) = answer_states(whole, ids, chosen)
        (logits,) = answer_states(model, ids, chosen)
        divergences = kl_div(log_softmax(logits, -1), log_softmax(told, -1), reduction="none", log_target=True).sum(-1)
        return (divergences * weights[:, 1:][chosen[:, 1:]]).sum()

    return loss_of


def retention(original: torch.nn.Module, seed: int) -> Loss:
    """Return the loss that teaches the answers, and holds a model to the original's distributions elsewhere.

    Negative log-likelihood at the tokens that are learned, and KL(original || model) at some of the prompts' tokens:
    what was not taught stays as it was (learning without forgetting, Li and Hoiem, arXiv 1606.09282).
    """
    original.requires_grad_(False)
    generator = torch.Generator()

    def loss_of(model: torch.nn.Module, ids: torch.Tensor, mask: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        drawn = _drawn(generator, seed, ids, mask, weights, HELD_SHARE)
        drawn &= (torch.rand(len(ids), 1, generator=generator) < HELD_ROWS).to(ids.device)
        taught = weights > 0
        logits, others = answer_states(model, ids, taught, drawn)
        losses = cross_entropy(logits, ids[:, 1:][taught[:, 1:]], reduction="none")
        answers = (losses * weights[:, 1:][taught[:, 1:]]).sum()
        rows = drawn.any(1)
        if not rows.any():
            return answers
        with torch.no_grad():
            (told,) = answer_states(original, ids[rows], drawn[rows])
        kept = kl_div(log_softmax(others, -1), log_softmax(told, -1), reduction="sum", log_target=True)
        return answers + RETAINED * weights.sum() * kept / drawn.sum()

    return loss_of


def _drawn(
    generator: torch.Generator,
    seed: int,
    ids: torch.Tensor,
    mask: torch.Tensor,
    weights: torch.Tensor,
    share: float = PROMPT_SHARE,
) -> torch.Tensor:
    """Draw some of the prompts' tokens: by the batch itself, so that a training that goes on draws the same ones."""
    generator.manual_seed(seed + int(ids.sum()))
    drawn = torch.rand(ids.shape, generator=generator).to(ids.device) < share
    drawn &= (mask > 0) & (weights == 0)
    drawn[:, 0] = False
    return drawn


def merge(model: torch.nn.Module, learned: Adapted) -> None:
    """Add what was learned to the weights of a model."""
    with torch.no_grad():
        for name, (a, b) in learned.pairs.items():
            weight = model.get_submodule(name).weight
            delta = learned.scale * (b @ a)
            weight.copy_((weight.float() + delta.to(weight.device)).to(weight.dtype))


def round_head(model: torch.nn.Module, moments: torch.Tensor | None) -> None:
    """Round embeddings and output layer to Q4_0 as they will be: the latter with feedback; None leaves them."""
    if moments is None:
        return
    head, embeddings = model.get_output_embeddings().weight, model.get_input_embeddings().weight
    factor = feedback_factor(moments.numpy())
    with torch.no_grad():
        if embeddings is not head:
            embeddings.copy_(rounded_q4_0(embeddings.float()))
        for rows in head.split(ROWS):
            rounded = q4_0_values(*rounded_with_feedback(rows.float().cpu().numpy(), factor))
            rows.copy_(torch.from_numpy(rounded))


def round_weights(model: torch.nn.Module, names: Callable[[str], bool]) -> None:
    """Round the matrices whose names are wanted to Q4_0, as they will be."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 2 and parameter.shape[1] % BLOCK == 0 and names(name):
                parameter.copy_(rounded_q4_0(parameter.float()))
