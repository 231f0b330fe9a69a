"""From the layers that transformers names to the tensors that GGUF names, as llama.cpp's converters go (no torch).

Source: llama.cpp's conversion/llama.py (`permute`) and conversion/falcon_h1.py (`modify_tensors`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from gguf import MODEL_ARCH, get_tensor_name_map

from engine.errors import LobiError

__all__ = ["SUPPORTED", "from_gguf_pair", "interleaved", "require_supported", "to_gguf_pair"]

ARCHITECTURES = {
    "llama": MODEL_ARCH.LLAMA,
    "qwen2": MODEL_ARCH.QWEN2,
    "qwen3": MODEL_ARCH.QWEN3,
    "falcon-h1": MODEL_ARCH.FALCON_H1,
}
SUPPORTED = frozenset(ARCHITECTURES)
"""Architectures, as GGUF names them, whose models can be adapted and pruned."""
LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "in_proj", "out_proj")

Floats = npt.NDArray[np.float32]


def require_supported(architecture: str) -> None:
    """Raise LobiError if models of an architecture can't be adapted or pruned."""
    if architecture not in SUPPORTED:
        shown = architecture[:64] or "no known architecture"
        raise LobiError(f"Models of {shown} can't be adapted or pruned; such a model gets mixed precision only.")


def to_gguf_pair(
    architecture: str, config: Mapping[str, Any], name: str, a: Floats, b: Floats
) -> tuple[str, Floats, Floats]:
    """Return the GGUF tensor of a layer ("model.layers.0.self_attn.q_proj") and its factors in GGUF's order of rows.

    `config` is the model's Hugging Face configuration as a mapping; A has the shape (rank, in), B (out, rank), float32.
    A GGUF weight is P S W with a permutation P and a scale S of rows, so that B becomes P S B and A stays. Raises
    LobiError for another architecture, another kind of layer, or shapes that don't fit.
    """
    tensor = _tensor(architecture, config, name)
    if a.ndim != 2 or b.ndim != 2 or a.shape[0] != b.shape[1]:
        raise LobiError(f"The factors of the layer {name[:64]} don't fit each other: learn the adapter anew.")
    order, scales = _rows(architecture, config, name, b.shape[0])
    return tensor, a.astype(np.float32), np.ascontiguousarray(b[order] * scales, np.float32)


def from_gguf_pair(
    architecture: str, config: Mapping[str, Any], name: str, pairs: Mapping[str, tuple[Floats, Floats]]
) -> tuple[Floats, Floats] | None:
    """Return the factors of a layer, by its name in transformers, from those of GGUF's tensors; None without any.

    The inverse of `to_gguf_pair`, whose arguments and errors it shares.
    """
    found = pairs.get(_tensor(architecture, config, name))
    if found is None:
        return None
    a, b = found
    order, scales = _rows(architecture, config, name, b.shape[0])
    own = np.empty_like(b)
    own[order] = b / scales
    return a, own


def _tensor(architecture: str, config: Mapping[str, Any], name: str) -> str:
    """Return GGUF's name of a layer's weight."""
    require_supported(architecture)
    names = get_tensor_name_map(ARCHITECTURES[architecture], int(config["num_hidden_layers"]))
    found = names.get_name(name)
    if name.rsplit(".", 1)[-1] not in LINEAR or found is None:
        raise LobiError(f"The layer {name[:64]} of a {architecture} model can't be adapted: leave it out.")
    return f"{found}.weight"


def _rows(architecture: str, config: Mapping[str, Any], name: str, rows: int) -> tuple[npt.NDArray[np.intp], Floats]:
    """Return in which order GGUF has the rows of a layer, and the scale of each in that order."""
    kind = name.rsplit(".", 1)[-1]
    if architecture == "falcon-h1":
        return np.arange(rows), _row_scales(config, kind, rows)
    if architecture != "llama" or kind not in ("q_proj", "k_proj"):
        return np.arange(rows), np.ones((1, 1), np.float32)
    heads = int(config["num_attention_heads"])
    if kind == "k_proj":
        heads = int(config.get("num_key_value_heads") or heads)
    if rows % (2 * heads):
        raise LobiError(f"The factors of the layer {name[:64]} don't fit its heads: learn the adapter anew.")
    return interleaved(heads, rows // heads), np.ones((1, 1), np.float32)


def interleaved(heads: int, width: int) -> npt.NDArray[np.intp]:
    """Return the order of rows in which the halves of each head alternate, shape (heads * width,).

    transformers (and llama.cpp for Qwen) turn dimension i with dimension i + width / 2 in rotary embedding; llama.cpp's
    Llama turns neighbours.
    """
    rows = np.arange(heads * width, dtype=np.intp).reshape(heads, 2, width // 2)
    order: npt.NDArray[np.intp] = rows.swapaxes(1, 2).reshape(-1)
    return order


def _row_scales(config: Mapping[str, Any], kind: str, rows: int) -> Floats:
    """Return what Falcon-H1's multipliers come to for the rows of a layer, shape (rows, 1) or (1, 1)."""

    def number(key: str) -> float:
        value = config.get(key)
        return 1.0 if value is None else float(value)

    gate, down = config.get("mlp_multipliers") or (1.0, 1.0)
    scale = {
        "q_proj": number("attention_in_multiplier"),
        "k_proj": number("attention_in_multiplier") * number("key_multiplier"),
        "v_proj": number("attention_in_multiplier"),
        "o_proj": number("attention_out_multiplier"),
        "gate_proj": float(gate),
        "up_proj": 1.0,
        "down_proj": float(down),
        "in_proj": number("ssm_in_multiplier"),
        "out_proj": number("ssm_out_multiplier"),
    }[kind]
    scales = np.full((1, 1), scale, np.float32)
    if kind != "in_proj":
        return scales
    # The rows of in_proj are z, x, B, C and dt of the mixer, one multiplier each.
    inner = config.get("mamba_d_ssm") or int(config["mamba_expand"] * config["hidden_size"])
    state = config["mamba_n_groups"] * config["mamba_d_state"]
    parts = (inner, inner, state, state, rows - 2 * inner - 2 * state)
    if min(parts) < 0:
        raise LobiError("The factors of a mixer's in_proj don't fit its size: learn the adapter anew.")
    multipliers = config.get("ssm_multipliers") or (1.0,) * 5
    each = np.repeat(np.asarray(multipliers, np.float32), parts)
    return (scale * each[:, np.newaxis]).astype(np.float32)
