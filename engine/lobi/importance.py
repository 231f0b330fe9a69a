"""What of a model matters least: layers, attention groups and FFN channels, by LoRA's gradients (torch).

LoRAPrune (Zhang et al., arXiv 2305.18403): the gradient of a frozen weight is estimated from those of its LoRA factors,
so that no gradient of the size of the model is ever held.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from peft.tuners.lora import LoraLayer

from engine.errors import LobiError

__all__ = [
    "Importance",
    "cut",
    "estimate",
    "layers_to_floor",
    "strongest_channels",
    "strongest_groups",
    "strongest_layers",
]

Floats = npt.NDArray[np.float64]
SMOOTHING = 0.9
"""Of the moving average over batches (lambda of the paper)."""


@dataclass(frozen=True, slots=True)
class Importance:
    """Sums of squared first-order changes of the loss, in its unit squared; only their order within a field counts."""

    layers: Floats
    """Shape (layers,)."""
    groups: Floats
    """Of each KV head with the query heads that read it, shape (layers, KV heads)."""
    channels: Floats
    """Of each FFN channel, shape (layers, channels)."""


def estimate(
    model: torch.nn.Module, losses: Sequence[Callable[[], torch.Tensor]], heads: int, groups: int
) -> Importance:
    """Return the importance of the parts of a model with LoRA attached, over the batches whose losses are given.

    The gradient of W + s BA is taken as s (dB A + B dA - dB dA) (LoRAPrune, eq. 7; dB and dA are the factors'
    gradients), times the weight and squared for each element. `heads` and `groups` are the model's attention heads and
    KV heads.
    """
    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, LoraLayer)}
    if not layers:
        raise LobiError("Importance is estimated through LoRA: attach it first.")
    sums: dict[str, tuple[Floats, Floats]] = {}
    for loss_of in losses:
        model.zero_grad(set_to_none=True)
        loss_of().backward()
        for name, layer in layers.items():
            rows, columns = _row_and_column_sums(layer)
            old = sums.get(name)
            sums[name] = (
                (rows, columns)
                if old is None
                else (SMOOTHING * old[0] + (1 - SMOOTHING) * rows, SMOOTHING * old[1] + (1 - SMOOTHING) * columns)
            )
    model.zero_grad(set_to_none=True)
    return _collected(sums, heads, groups)


def _row_and_column_sums(layer: LoraLayer) -> tuple[Floats, Floats]:
    """Return the squared changes of one matrix, summed over each row and over each column."""
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    with torch.no_grad():
        scale = layer.scaling["default"]
        slope_a = a.grad if a.grad is not None else torch.zeros_like(a)
        slope_b = b.grad if b.grad is not None else torch.zeros_like(b)
        gradient = scale * (slope_b @ a + b @ slope_a - slope_b @ slope_a)
        weight = layer.get_base_layer().weight.float() + scale * (b @ a)
        changes = (gradient.float() * weight).square_()
        return changes.sum(1).double().cpu().numpy(), changes.sum(0).double().cpu().numpy()


def _collected(sums: Mapping[str, tuple[Floats, Floats]], heads: int, groups: int) -> Importance:
    """Add up what belongs together: the rows of what writes a part, and the columns of what reads it."""
    numbers = sorted({_number(name) for name in sums})
    per_layer, per_group, per_channel = [], [], []
    for number in numbers:
        own = {name.rsplit(".", 1)[-1]: each for name, each in sums.items() if _number(name) == number}
        per_layer.append(sum(float(rows.sum()) for rows, _ in own.values()))
        group = np.zeros(groups)
        for name in ("q_proj", "k_proj", "v_proj"):
            if name in own:
                group += own[name][0].reshape(groups, -1).sum(1)
        if "o_proj" in own:
            group += own["o_proj"][1].reshape(groups, -1).sum(1)
        channel = own["gate_proj"][0] + own["up_proj"][0] + own["down_proj"][1]
        per_group.append(group)
        per_channel.append(channel)
    if heads % groups:
        raise LobiError("The attention heads can't be shared out among the KV heads: this model can't be pruned.")
    return Importance(np.array(per_layer), np.array(per_group), np.array(per_channel))


def _number(name: str) -> int:
    """Return the number of the layer in a module's name ("model.layers.3.mlp.up_proj")."""
    parts = name.split(".")
    return next(int(part) for part in parts[parts.index("layers") + 1 :] if part.isdigit())


# ---------------------------------------------------------------- choosing


def strongest_layers(importance: Floats, count: int) -> tuple[int, ...]:
    """Return the layers that matter most, in order; `importance` has shape (layers,)."""
    if not 1 <= count <= len(importance):
        raise LobiError(f"Of {len(importance)} layers, {count} can't be kept: keep between 1 and all of them.")
    return tuple(sorted(np.argsort(-importance, kind="stable")[:count].tolist()))


def strongest_groups(importance: Floats, keep: int) -> tuple[tuple[int, ...], ...]:
    """Return which KV groups stay in each layer, as many in each; `importance` has shape (layers, groups)."""
    return tuple(strongest_layers(row, keep) for row in importance)


def strongest_channels(importance: Floats, keep: int, multiple: int = 32) -> tuple[tuple[int, ...], ...]:
    """Return which FFN channels stay in each layer; `keep` is rounded up, since quantization needs whole blocks."""
    rounded = min(importance.shape[1], -(-keep // multiple) * multiple)
    return tuple(strongest_layers(row, rounded) for row in importance)


def layers_to_floor(
    importance: Floats, divergence_of: Callable[[tuple[int, ...]], float], floor: float
) -> tuple[tuple[int, ...], list[tuple[int, float]]]:
    """Drop the least important layers one by one while the KL divergence to the whole model stays below a floor.

    Returns the layers that stay, and (number of layers, divergence in nats per token) of each try.
    """
    tried: list[tuple[int, float]] = []
    kept = tuple(range(len(importance)))
    while len(kept) > 1:
        fewer = strongest_layers(importance, len(kept) - 1)
        tried.append((len(fewer), divergence_of(fewer)))
        if tried[-1][1] > floor:
            break
        kept = fewer
    return kept, tried


# ---------------------------------------------------------------- cutting


def cut(
    model: torch.nn.Module,
    layers: Sequence[int] = (),
    kv_groups: Sequence[Sequence[int]] = (),
    channels: Sequence[Sequence[int]] = (),
) -> None:
    """Prune a model of the Llama or Qwen kind in place, as a `Plan` says; empty stands for all."""
    blocks = model.model.layers
    kept = torch.nn.ModuleList(blocks[number] for number in (layers or range(len(blocks))))
    for number, block in enumerate(kept):
        block.self_attn.layer_idx = number
        if kv_groups:
            _cut_heads(block.self_attn, kv_groups[number])
        if channels:
            rows = torch.tensor(channels[number])
            for layer in (block.mlp.gate_proj, block.mlp.up_proj):
                _keep(layer, rows, 0)
            _keep(block.mlp.down_proj, rows, 1)
    model.model.layers = kept
    model.config.num_hidden_layers = len(kept)
    if kv_groups:
        ratio = model.config.num_attention_heads // model.config.num_key_value_heads
        model.config.num_key_value_heads = len(kv_groups[0])
        model.config.num_attention_heads = ratio * len(kv_groups[0])
    if channels:
        model.config.intermediate_size = len(channels[0])


def _cut_heads(attention: torch.nn.Module, groups: Sequence[int]) -> None:
    width = attention.head_dim
    ratio = attention.q_proj.out_features // attention.k_proj.out_features
    of_keys = torch.cat([torch.arange(width) + group * width for group in groups])
    of_queries = torch.cat([torch.arange(ratio * width) + group * ratio * width for group in groups])
    _keep(attention.q_proj, of_queries, 0)
    _keep(attention.k_proj, of_keys, 0)
    _keep(attention.v_proj, of_keys, 0)
    _keep(attention.o_proj, of_queries, 1)


def _keep(layer: torch.nn.Linear, chosen: torch.Tensor, dimension: int) -> None:
    with torch.no_grad():
        layer.weight = torch.nn.Parameter(layer.weight.index_select(dimension, chosen), requires_grad=False)
        if layer.bias is not None and dimension == 0:
            layer.bias = torch.nn.Parameter(layer.bias[chosen], requires_grad=False)
    layer.out_features, layer.in_features = layer.weight.shape
