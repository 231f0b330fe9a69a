"""Which type each tensor gets: the trade of bytes, decode time, prefill time and accuracy (pure).

One type per tensor, additive costs: the multiple-choice knapsack problem. Bytes are handled exactly, by dynamic
programming over all budgets at once (Dudzinski and Walukiewicz 1987; Kellerer, Pferschy and Pisinger, Knapsack
Problems, 2004, chapter 11); times are Lagrangian: each second has a price in nats, and a grid of prices is swept
(Everett 1963).
That the KL divergences of single tensors add up is an assumption (second order and no cross terms);
`engine.lobi.sensitivity.check_additivity` measures how far it holds.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.errors import LobiError
from engine.llm.gguf_header import GgufHeader
from engine.llm.quantizing import TYPES, fitting_type
from engine.lobi.kernels import KernelSpeeds, Role, quantizable, read_share, role_of
from engine.lobi.messages import Prefer
from engine.lobi.source import tensor_bytes

__all__ = ["RATES", "Allocation", "Tensor", "best", "choose", "fixed_bytes", "front", "predicted", "tensors_of"]

MOST_UNITS = 1 << 15
"""Steps into which the range of sizes is cut at most. Where the sizes' common divisor gives no more, a budget is met
exactly; else up to (number of tensors / 32768) of the range stays unused."""
ENUMERATED = 2048
"""Number of possible versions up to which all are looked at: then the front is exact in all four costs."""
BUDGETS = 33
"""Sizes per pair of prices, evenly spread."""
DECODE_PRICES = (0.0, 0.03, 0.1, 0.3, 1.0, 3.0, 30.0)
PREFILL_PRICES = (0.0, 0.1, 1.0, 10.0)
"""Prices of a second, in units of (range of KL) / (range of seconds)."""
RATES: Mapping[Prefer, tuple[float, float, float, float]] = {
    "balanced": (1.0, 1.0, 0.5, 10.0),
    "size": (3.0, 0.5, 0.25, 10.0),
    "speed": (0.5, 3.0, 1.5, 10.0),
    "accuracy": (0.2, 0.2, 0.1, 100.0),
}
"""What a preference minimises: these times ln(bytes), ln(decode time), ln(prefill time) and KL. With "balanced" a
hundredth of a nat is worth a tenth of the size, or of the decode time."""
MIB = 2**20

Floats = npt.NDArray[np.float64]
Picks = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor that can have several types."""

    name: str
    weights: int
    bytes: Mapping[str, int]
    """Its size by type: the types it can have."""
    role: Role = "layer"
    """The head is read for a row that predicts alone; of an embedding a row is looked up, which costs nothing."""
    read: float = 1.0
    """Share of the weights that a token reads: with experts, those that are asked."""


@dataclass(frozen=True, slots=True)
class Allocation:
    """A type for each tensor, and what that version costs."""

    types: Mapping[str, str]
    """By the tensor's name."""
    bytes: int
    """Of all tensors, those that have no choice included."""
    decode_s: float
    """Seconds per decoded token, behind a short text."""
    prefill_s: float
    """Seconds per token of a prompt."""
    kl: float
    """Predicted KL divergence to the reference, in nats per token."""


@dataclass(frozen=True, slots=True)
class _Problem:
    """Costs of each tensor's options, shape (tensors, types); infinite where a tensor can't have a type."""

    tensors: tuple[Tensor, ...]
    types: tuple[str, ...]
    bytes: Floats
    decode: Floats
    prefill: Floats
    kl: Floats
    other_bytes: int
    decode_s: float
    prefill_s: float

    def allocation(self, picks: Picks) -> Allocation:
        """Return what a choice comes to; `picks` holds an index into types per tensor."""
        rows = np.arange(len(picks))
        types = {tensor.name: self.types[pick] for tensor, pick in zip(self.tensors, picks.tolist(), strict=True)}
        return Allocation(
            types,
            self.other_bytes + int(self.bytes[rows, picks].sum()),
            self.decode_s + float(self.decode[rows, picks].sum()),
            self.prefill_s + float(self.prefill[rows, picks].sum()),
            float(self.kl[rows, picks].sum()),
        )


def tensors_of(header: GgufHeader, types: Sequence[str]) -> tuple[Tensor, ...]:
    """Return the tensors of a model whose type can be chosen, with their sizes in the types they really get."""
    found = []
    for info in quantizable(header):
        kinds = dict.fromkeys(fitting_type(info.shape, kind) for kind in types)
        sizes = {kind: tensor_bytes(info.shape, TYPES[kind]) for kind in kinds}
        role, share = role_of(header, info.name), read_share(header, info.name)
        found.append(Tensor(info.name, math.prod(info.shape), sizes, role, share))
    return tuple(found)


def fixed_bytes(header: GgufHeader) -> int:
    """Return the size of all in a file that has no choice: header, vocabulary, norms."""
    chosen = {info.name for info in quantizable(header)}
    return header.data_offset + sum(
        tensor_bytes(each.shape, each.type_id) for each in header.tensors if each.name not in chosen
    )


def front(
    tensors: Sequence[Tensor],
    sensitivities: Mapping[str, Mapping[str, float]],
    speeds: KernelSpeeds,
    *,
    other_bytes: int = 0,
) -> tuple[Allocation, ...]:
    """Return versions of which none is beaten in bytes, decode time, prefill time and KL at once, smallest first.

    `sensitivities` gives KL in nats per token by tensor and type, `other_bytes` the size of all that has no choice
    (`fixed_bytes`). Of up to 2048 possible versions the front is complete; beyond, it is what a grid of budgets and
    prices finds: at each of 33 budgets the lowest KL is among them, exactly (see MOST_UNITS). Raises LobiError if a
    tensor has no type whose sensitivity and speed are known.
    """
    problem = _problem(tensors, sensitivities, speeds, other_bytes)
    options = [np.flatnonzero(np.isfinite(row)) for row in problem.kl]
    if math.prod(len(each) for each in options) <= ENUMERATED:
        found = [np.array(picks, np.intp) for picks in itertools.product(*options)]
    else:
        found = []
        decodes = _prices(problem.decode, problem.kl, DECODE_PRICES)
        for decode, prefill in itertools.product(decodes, _prices(problem.prefill, problem.kl, PREFILL_PRICES)):
            found += _path(problem, decode, prefill)
    return _undominated([problem.allocation(picks) for picks in found])


def best(
    tensors: Sequence[Tensor],
    sensitivities: Mapping[str, Mapping[str, float]],
    speeds: KernelSpeeds,
    *,
    most_bytes: int,
    decode_price: float = 0.0,
    prefill_price: float = 0.0,
    other_bytes: int = 0,
) -> Allocation | None:
    """Return the version of at most so many bytes with the least KL + price x seconds; None if none is so small.

    Prices are in nats per second. The optimum where MOST_UNITS allows, and never over the budget; a larger budget never
    gives a higher sum. Raises as `front` does.
    """
    problem = _problem(tensors, sensitivities, speeds, other_bytes)
    table = _Table(problem, decode_price, prefill_price)
    if most_bytes < table.least_bytes:
        return None
    return problem.allocation(table.picks(most_bytes))


def predicted(
    types: Mapping[str, str],
    tensors: Sequence[Tensor],
    sensitivities: Mapping[str, Mapping[str, float]],
    speeds: KernelSpeeds,
    *,
    other_bytes: int = 0,
) -> Allocation:
    """Return what a given choice of types comes to; raise LobiError if a tensor can't have its type."""
    problem = _problem(tensors, sensitivities, speeds, other_bytes)
    picks = []
    for tensor, row in zip(problem.tensors, problem.kl, strict=True):
        kind = types.get(tensor.name, "")
        if kind not in problem.types or not np.isfinite(row[problem.types.index(kind)]):
            raise LobiError(f"{tensor.name[:64]} was not measured as {kind[:16] or 'no type'}: measure it again.")
        picks.append(problem.types.index(kind))
    return problem.allocation(np.array(picks, np.intp))


def choose(front: Sequence[Allocation], memory_mb: float | None = None, prefer: Prefer = "balanced") -> Allocation:
    """Return the version of a front that a preference likes best (see RATES), of at most so many MiB.

    Raises LobiError with the least size if none is so small.
    """
    fitting = [each for each in front if memory_mb is None or each.bytes <= memory_mb * MIB]
    if not fitting:
        least = math.ceil(min((each.bytes for each in front), default=0) / MIB)
        raise LobiError(f"No version of this model is so small: allow at least {least} MB, or choose a smaller model.")
    size, decode, prefill, loss = RATES[prefer]

    def dislike(each: Allocation) -> tuple[float, int]:
        times = decode * math.log(max(each.decode_s, 1e-12)) + prefill * math.log(max(each.prefill_s, 1e-12))
        return size * math.log(max(each.bytes, 1)) + times + loss * each.kl, each.bytes

    return min(fitting, key=dislike)


def _problem(
    tensors: Sequence[Tensor],
    sensitivities: Mapping[str, Mapping[str, float]],
    speeds: KernelSpeeds,
    other_bytes: int,
) -> _Problem:
    types = tuple(sorted({kind for tensor in tensors for kind in tensor.bytes}))
    costs = np.full((4, len(tensors), len(types)), np.inf)
    for row, tensor in enumerate(tensors):
        known = sensitivities.get(tensor.name, {})
        for column, kind in enumerate(types):
            times = _seconds(tensor, kind, speeds)
            if kind in tensor.bytes and kind in known and times is not None:
                costs[:, row, column] = (tensor.bytes[kind], *times, max(0.0, known[kind]))
        if not np.isfinite(costs[3, row]).any():
            raise LobiError(f"No type of {tensor.name[:64]} was measured: start the measuring again.")
    # At equal cost the earliest type wins everywhere, so that equal input gives equal output.
    return _Problem(
        tuple(tensors), types, costs[0], costs[1], costs[2], costs[3], other_bytes, speeds.decode_s, speeds.prefill_s
    )


def _seconds(tensor: Tensor, kind: str, speeds: KernelSpeeds) -> tuple[float, float] | None:
    """Return decode seconds per token and prefill seconds per prompt token of a tensor, None if unknown."""
    if tensor.role == "embedding":
        return 0.0, 0.0
    if tensor.role == "head":
        return (tensor.weights * speeds.head[kind] * 1e-9, 0.0) if kind in speeds.head else None
    if kind not in speeds.decode or kind not in speeds.prefill:
        return None
    read = tensor.weights * tensor.read * 1e-9
    return read * speeds.decode[kind], read * speeds.prefill[kind]


def _prices(seconds: Floats, kl: Floats, factors: Sequence[float]) -> tuple[float, ...]:
    """Return prices of a second in nats, from none to one at which only the time counts."""
    scale = _range(seconds)
    return tuple(factor * _range(kl) / scale for factor in factors) if scale > 0.0 else (0.0,)


def _range(costs: Floats) -> float:
    """Return by how much the sum over tensors can vary."""
    highest = np.where(np.isfinite(costs), costs, -np.inf).max(1)
    return float((highest - costs.min(1)).sum())


def _path(problem: _Problem, decode_price: float, prefill_price: float) -> list[Picks]:
    """Return the best choices at budgets spread over the range of sizes, at given prices of time."""
    table = _Table(problem, decode_price, prefill_price)
    budgets = np.linspace(table.least_bytes, table.most_bytes, BUDGETS)
    return [table.picks(math.floor(budget)) for budget in budgets]


class _Table:
    """The dynamic program: the least sum of costs for each budget, f_i(c) = min over t of f_{i-1}(c - b_it) + s_it."""

    def __init__(self, problem: _Problem, decode_price: float, prefill_price: float) -> None:
        sizes, finite = problem.bytes, np.isfinite(problem.bytes)
        # An infinite time has an infinite KL beside it; 0 x inf would be no number.
        times = decode_price * np.where(finite, problem.decode, 0.0)
        costs = problem.kl + times + prefill_price * np.where(finite, problem.prefill, 0.0)
        floor = sizes.min(1, keepdims=True)
        self.least_bytes = problem.other_bytes + int(floor.sum())
        extra = np.where(finite, sizes - floor, 0.0).astype(np.int64)
        span = int(extra.max(1).sum())
        self.most_bytes = self.least_bytes + span
        divisor = math.gcd(*extra[finite].tolist()) or 1
        self._unit = divisor * max(1, math.ceil(span / divisor / MOST_UNITS))
        self._extra = -(-extra // self._unit)
        most = int(self._extra.max(1).sum())
        values = np.zeros(most + 1)
        self._choices = np.zeros((len(sizes), most + 1), np.uint8)
        for row, choices in enumerate(self._choices):
            merged = np.full(most + 1, np.inf)
            for column in np.flatnonzero(finite[row]).tolist():
                shift = int(self._extra[row, column])
                found = values[: most + 1 - shift] + costs[row, column]
                better = found < merged[shift:]
                merged[shift:][better] = found[better]
                choices[shift:][better] = column
            values = merged

    def picks(self, most_bytes: int) -> Picks:
        """Return the best choice within a budget, which must not be below `least_bytes`."""
        left = min((most_bytes - self.least_bytes) // self._unit, self._choices.shape[1] - 1)
        picks = np.zeros(len(self._choices), np.intp)
        for row in range(len(picks) - 1, -1, -1):
            picks[row] = self._choices[row, left]
            left -= int(self._extra[row, picks[row]])
        return picks


def _undominated(allocations: Sequence[Allocation]) -> tuple[Allocation, ...]:
    """Return those that no other equals or beats in all costs, smallest first."""
    ordered = sorted(allocations, key=lambda each: (each.bytes, each.kl, each.decode_s, each.prefill_s))
    costs = np.array([(each.kl, each.decode_s, each.prefill_s) for each in ordered])
    kept: list[int] = []
    for at in range(len(ordered)):
        # All before it are no larger, so that bytes need no look.
        if not kept or not (costs[kept] <= costs[at]).all(1).any():
            kept.append(at)
    return tuple(ordered[at] for at in kept)
