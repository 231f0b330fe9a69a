"""What Lo-Bi learned of a model, as two small files: a plan (JSON) and an adapter (safetensors); no torch.

Both name tensors as GGUF does, in GGUF's order of rows, so that whoever applies them knows nothing of where they
were learned. They belong to one model in all its quantizations: its norms, which every quantization keeps in
float32, are its fingerprint.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from engine.errors import LobiError

__all__ = ["Adapter", "Pair", "Plan", "read_adapter", "read_plan", "write_plan"]

FORMAT = 1
ADAPTER_SUFFIX = ".safetensors"
MOMENTS_SUFFIX = ".moments"

Floats = npt.NDArray[np.float32]
Pair = tuple[Floats, Floats]
"""A of shape (rank, in) and B of shape (out, rank), `in` and `out` being those of the whole, unpruned tensor."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a version of a model is made; `write_plan` and `read_plan` keep it."""

    name: str
    """`general.name` of the model it was made for."""
    fingerprint: str
    """Of that model: `engine.lobi.fingerprint.fingerprint`."""
    role: Literal["target", "draft"] = "target"
    layers: tuple[int, ...] = ()
    """The layers that stay, in order; none stands for all."""
    kv_groups: tuple[tuple[int, ...], ...] = ()
    """For each layer that stays, which groups of attention heads (one KV head each) stay, as many in each layer; none
    stands for all."""
    channels: tuple[tuple[int, ...], ...] = ()
    """For each layer that stays, which FFN channels stay, as many in each layer; none stands for all."""
    types: Mapping[str, str] = field(default_factory=dict)
    """Type of each tensor, by the name it has in the finished model ("blk.0.ffn_up.weight": "q4_0"); tensors that are
    not named keep the type they have if nothing changed them, else they become the default type."""
    default_type: str = "q4_0"
    kv_type: Literal["f16", "q8_0", "q5_0_keys"] = "q5_0_keys"
    """Of the KV cache."""
    brief: bool = False
    """Whether the model learned to answer grounded questions in a few words."""
    most_perplexity: float = 1.05
    """On the check's text, what its perplexity may be at most, in units of the original's; a draft has no bound."""
    origin: Mapping[str, Any] = field(default_factory=dict)
    """How it was learned: recipe, seeds, figures."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """Low-rank changes of weights: W becomes W + B A (the scale is part of B)."""

    pairs: Mapping[str, Pair]
    """By the tensor's name in the original model."""
    moments: Mapping[str, Floats] = field(default_factory=dict)
    """Second moments of what a tensor is multiplied with, shape (in, in), by the tensor's name: where the plan gives it
    the type q4_0, it is rounded with feedback (`engine.lobi.feedback`)."""


def write_plan(file: Path, plan: Plan, adapter: Adapter | None = None) -> None:
    """Write a plan, and its adapter beside it in 16 bits; the same content gives the same bytes."""
    text: dict[str, Any] = {"format": FORMAT, **asdict(plan)}
    if adapter is not None:
        tensors = {}
        for name, (a, b) in sorted(adapter.pairs.items()):
            tensors[f"{name}.lora_a"] = np.ascontiguousarray(a, dtype=np.float16)
            tensors[f"{name}.lora_b"] = np.ascontiguousarray(b, dtype=np.float16)
        for name, moments in adapter.moments.items():
            tensors[name + MOMENTS_SUFFIX] = np.ascontiguousarray(moments, dtype=np.float16)
        beside = file.with_suffix(ADAPTER_SUFFIX)
        save_file(tensors, beside)
        text["adapter_sha256"] = hashlib.sha256(beside.read_bytes()).hexdigest()
    file.write_text(json.dumps(text, indent=1, sort_keys=True) + "\n", "utf-8")


def read_plan(file: Path) -> Plan:
    """Return a plan; raise LobiError with a sentence if it is not a sound one."""
    try:
        found = json.loads(file.read_text("utf-8"))
        if found.pop("format") != FORMAT:
            raise LobiError(f"The plan {file.name} is of another version of Hola: make it anew, or update Hola.")
        found.pop("adapter_sha256", None)
        for key in ("layers",):
            found[key] = tuple(int(each) for each in found[key])
        for key in ("kv_groups", "channels"):
            found[key] = tuple(tuple(int(each) for each in row) for row in found[key])
        plan = Plan(**found)
        problem = _problem(plan)
    except OSError as exc:
        raise LobiError(f"The plan {file} can't be read ({exc.strerror}): give another one.") from exc
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as exc:
        raise LobiError(f"The plan {file.name} is broken ({exc}): get it again, or make it anew.") from exc
    if problem:
        raise LobiError(f"The plan {file.name} is broken ({problem}): get it again, or make it anew.")
    return plan


def read_adapter(plan_file: Path) -> Adapter | None:
    """Return the adapter of a plan, None if it has none; raise LobiError if it is not the one it was written with."""
    beside = plan_file.with_suffix(ADAPTER_SUFFIX)
    try:
        wanted = json.loads(plan_file.read_text("utf-8")).get("adapter_sha256")
        if wanted is None:
            return None
        if hashlib.sha256(beside.read_bytes()).hexdigest() != wanted:
            raise LobiError(f"The adapter {beside.name} is not the one of its plan: get both again.")
        tensors = load_file(beside)
    except (OSError, ValueError, AttributeError, SafetensorError) as exc:
        raise LobiError(f"The adapter {beside.name} can't be read ({exc}): get it again.") from exc
    moments = {name: tensors.pop(name) for name in sorted(tensors) if name.endswith(MOMENTS_SUFFIX)}
    for name, found in moments.items():
        if found.ndim != 2 or found.shape[0] != found.shape[1] or not np.isfinite(found).all():
            raise LobiError(f"The adapter {beside.name} is broken (tensor {name[:64]}): get it again.")
    names = sorted({name.rsplit(".", 1)[0] for name in tensors})
    pairs = {}
    for name in names:
        a, b = tensors.get(f"{name}.lora_a"), tensors.get(f"{name}.lora_b")
        if a is None or b is None or a.ndim != 2 or b.ndim != 2 or a.shape[0] != b.shape[1]:
            raise LobiError(f"The adapter {beside.name} is broken (tensor {name[:64]}): get it again.")
        if not (np.isfinite(a).all() and np.isfinite(b).all()):
            raise LobiError(f"The adapter {beside.name} is broken (tensor {name[:64]} is not finite): get it again.")
        pairs[name] = (a.astype(np.float32), b.astype(np.float32))
    return Adapter(
        pairs, {name.removesuffix(MOMENTS_SUFFIX): found.astype(np.float32) for name, found in moments.items()}
    )


def _problem(plan: Plan) -> str:
    """Say what of a plan makes no sense by itself."""
    texts = (plan.name, plan.fingerprint, plan.default_type, *plan.types, *plan.types.values())
    if not all(isinstance(each, str) for each in texts):
        return "a name is no text"
    if plan.role not in ("target", "draft") or plan.kv_type not in ("f16", "q8_0", "q5_0_keys"):
        return "an unknown role or cache type"
    for rows, what in (((plan.layers,), "layers"), (plan.kv_groups, "heads"), (plan.channels, "channels")):
        if len({len(row) for row in rows}) > 1:
            return f"not as many {what} in each layer"
        if any(list(row) != sorted(set(row)) or min(row, default=0) < 0 for row in rows):
            return f"its {what} are out of order"
    for rows in (plan.kv_groups, plan.channels):
        if rows and plan.layers and len(rows) != len(plan.layers):
            return "not one choice for each layer"
    if not isinstance(plan.most_perplexity, float | int) or not plan.most_perplexity > 0:
        return "no bound of the perplexity"
    return ""
