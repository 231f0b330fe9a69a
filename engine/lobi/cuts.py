"""What pruning leaves of each tensor of a model, and what the metadata then says: no weights, no torch.

Structured pruning: whole layers, whole groups of attention heads (a KV head with its query heads) and single FFN
channels go, so that what stays is a smaller model of the same kind.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine.errors import LobiError
from engine.lobi.adapter import Plan
from engine.lobi.naming import interleaved, require_supported
from engine.lobi.source import Indices, Source

__all__ = ["Cut", "Layout", "layout"]

BLOCK = re.compile(r"blk\.(\d+)\.(.+)")
CUT_HEADS = frozenset({"attn_q", "attn_k", "attn_v", "attn_output"})
CUT_CHANNELS = frozenset({"ffn_gate", "ffn_up", "ffn_down"})
BY_COLUMN = frozenset({"attn_output", "ffn_down"})
"""Of these the columns go; their biases, one for each row, stay whole."""
FUSED = ("attn_qkv", "ffn_gate_exps", "ffn_up_exps", "ffn_down_exps")


@dataclass(frozen=True, slots=True)
class Cut:
    """A tensor of the finished model."""

    name: str
    source: str
    """Name of the tensor in the original."""
    rows: Indices | None = None
    """Rows of the original that stay, in order; None for all as they are."""
    columns: Indices | None = None

    @property
    def is_whole(self) -> bool:
        """Whether nothing of the tensor went."""
        return self.rows is None and self.columns is None


@dataclass(frozen=True, slots=True)
class Layout:
    """The finished model without its weights."""

    architecture: str
    cuts: tuple[Cut, ...]
    metadata: Mapping[str, int]
    """Entries that change, by key."""


@dataclass(frozen=True, slots=True)
class _Sizes:
    """The widths of a model's layers, alike in all."""

    layers: int
    heads: int
    groups: int
    """KV heads."""
    key_width: int
    value_width: int
    channels: int


def layout(source: Source, plan: Plan) -> Layout:
    """Return what a plan leaves of a model; raise LobiError if it does not fit, or the model can't be pruned."""
    if not (plan.layers or plan.kv_groups or plan.channels):
        return Layout(source.architecture, tuple(Cut(name, name) for name in source.tensors), {})
    require_supported(source.architecture)
    sizes = _sizes(source)
    kept = plan.layers or tuple(range(sizes.layers))
    _check(source, plan, sizes, kept)
    # llama.cpp takes a Qwen 2 with all its heads only. Its graph is Llama's but for the pairs that rotary embedding
    # turns, so that with the rows of Q and K in Llama's order it is a Llama.
    becomes_llama = source.architecture == "qwen2" and bool(plan.kv_groups)
    cuts = []
    for name in source.tensors:
        match = BLOCK.fullmatch(name)
        if match is None:
            cuts.append(Cut(name, name))
        elif int(match[1]) in kept:
            place = kept.index(int(match[1]))
            rows, columns = _stays(match[2], plan, place, sizes, becomes_llama)
            cuts.append(Cut(f"blk.{place}.{match[2]}", name, rows, columns))
    return Layout(
        "llama" if becomes_llama else source.architecture,
        tuple(cuts),
        _metadata(source.architecture, plan, sizes, kept),
    )


def _sizes(source: Source) -> _Sizes:
    header, prefix = source.header, f"{source.architecture}."
    layers = header.integer(f"{prefix}block_count")
    per_layer = [
        key
        for key, length in header.array_lengths.items()
        if key.startswith(prefix) and length == layers and "rope.dimension_sections" not in key
    ]
    fused = [name for name in source.tensors if any(part in name for part in FUSED)]
    if per_layer or fused or layers < 1:
        raise LobiError(f"{source.path.name} can't be pruned (its layers differ, or are fused): leave it whole.")
    heads = header.integer(f"{prefix}attention.head_count")
    groups = header.integer(f"{prefix}attention.head_count_kv", heads)
    if heads < 1 or groups < 1 or heads % groups:
        raise LobiError(f"{source.path.name} can't be pruned (its attention heads make no groups): leave it whole.")
    width = header.integer(f"{prefix}embedding_length") // heads
    sizes = _Sizes(
        layers,
        heads,
        groups,
        header.integer(f"{prefix}attention.key_length", width),
        header.integer(f"{prefix}attention.value_length", width),
        header.integer(f"{prefix}feed_forward_length"),
    )
    expected = {
        "attn_q": (1, heads * sizes.key_width),
        "attn_k": (1, groups * sizes.key_width),
        "attn_v": (1, groups * sizes.value_width),
        "attn_output": (0, heads * sizes.value_width),
        "ffn_gate": (1, sizes.channels),
        "ffn_up": (1, sizes.channels),
        "ffn_down": (0, sizes.channels),
    }
    for layer in range(layers):
        for kind, (axis, length) in expected.items():
            shape = source.info(f"blk.{layer}.{kind}.weight").shape
            if len(shape) != 2 or shape[axis] != length:
                raise LobiError(
                    f"{source.path.name} can't be pruned (blk.{layer}.{kind} has another size): leave it whole."
                )
    return sizes


def _check(source: Source, plan: Plan, sizes: _Sizes, kept: Sequence[int]) -> None:
    """Raise LobiError if a plan names what the model does not have."""
    chosen: list[tuple[str, int, Sequence[Sequence[int]]]] = [("layers", sizes.layers, [kept])]
    for what, count, choice in (("heads", sizes.groups, plan.kv_groups), ("channels", sizes.channels, plan.channels)):
        if choice:
            chosen.append((what, count, choice))
            if len(choice) != len(kept) or len({len(row) for row in choice}) != 1:
                raise LobiError(f"The plan of {plan.name} is broken (its {what} differ by layer): get it again.")
    for what, count, rows in chosen:
        for row in rows:
            if not row or list(row) != sorted(set(row)) or row[0] < 0 or row[-1] >= count:
                raise LobiError(
                    f"The plan of {plan.name} is broken ({source.path.name} has {count} {what}, and it keeps others): "
                    "get it again."
                )


def _stays(
    tensor: str, plan: Plan, place: int, sizes: _Sizes, becomes_llama: bool
) -> tuple[Indices | None, Indices | None]:
    """Return the rows and the columns that stay of a tensor ("attn_q.weight") in a layer, by its new number."""
    kind, _, part = tensor.rpartition(".")
    if kind in BY_COLUMN and part == "bias":
        return None, None
    if kind in CUT_CHANNELS and plan.channels:
        chosen = np.asarray(plan.channels[place], np.intp)
    elif kind in CUT_HEADS and plan.kv_groups:
        chosen = _head_rows(kind, plan.kv_groups[place], sizes, becomes_llama)
    else:
        return None, None
    return (None, chosen) if kind in BY_COLUMN else (chosen, None)


def _head_rows(kind: str, groups: Sequence[int], sizes: _Sizes, becomes_llama: bool) -> Indices:
    """Return which rows (of attn_output: columns) belong to groups of heads."""
    width = sizes.key_width if kind in ("attn_q", "attn_k") else sizes.value_width
    heads = sizes.heads // sizes.groups if kind in ("attn_q", "attn_output") else 1
    rows: Indices = (np.asarray(groups, np.intp)[:, np.newaxis] * heads * width + np.arange(heads * width)).reshape(-1)
    if becomes_llama and kind in ("attn_q", "attn_k"):
        rows = rows[interleaved(len(rows) // width, width)]
    return rows


def _metadata(architecture: str, plan: Plan, sizes: _Sizes, kept: Sequence[int]) -> dict[str, int]:
    """Return the entries that change; the heads' widths too, which would else follow from their number."""
    found = {"block_count": len(kept)}
    if plan.channels:
        found["feed_forward_length"] = len(plan.channels[0])
    if plan.kv_groups:
        groups = len(plan.kv_groups[0])
        found["attention.head_count"] = sizes.heads // sizes.groups * groups
        found["attention.head_count_kv"] = groups
        found["attention.key_length"] = sizes.key_width
        found["attention.value_length"] = sizes.value_width
        found["rope.dimension_count"] = sizes.key_width
    return {f"{architecture}.{key}": value for key, value in found.items()}
