"""Allocation against brute force, on made-up machines."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from engine.errors import LobiError
from engine.lobi import allocate
from engine.lobi.allocate import Allocation, Tensor, best, choose, front, predicted
from engine.lobi.kernels import KernelSpeeds

TYPES = ("q4_0", "q5_0", "q8_0")
BITS = {"q4_0": 18, "q5_0": 22, "q8_0": 34}
"""Bytes per 32 weights."""
SEEDS = range(8)

Sensitivities = dict[str, dict[str, float]]


def machine(seed: int = 0, **decode: float) -> KernelSpeeds:
    random = np.random.default_rng(seed)

    def draw() -> dict[str, float]:
        return {kind: float(random.uniform(0.5, 2.0)) for kind in TYPES}

    return KernelSpeeds({**draw(), **decode}, draw(), draw(), 1e-4, 1e-5)


def model(seed: int, count: int = 5, *, odd_sizes: bool = False) -> tuple[list[Tensor], Sensitivities]:
    random = np.random.default_rng(seed)
    tensors, sensitivities = [], {}
    for at in range(count):
        blocks = int(random.integers(50, 2000))
        sizes = {kind: blocks * size for kind, size in BITS.items()}
        if odd_sizes:
            sizes = {kind: size + int(random.integers(0, 97)) for kind, size in sizes.items()}
        tensors.append(Tensor(f"t{at}", blocks * 32, sizes, "head" if at == 0 else "layer"))
        worst = float(random.exponential(0.01))
        sensitivities[f"t{at}"] = {
            kind: worst * float(random.uniform(0.5, 1.0)) / (2**n) for n, kind in enumerate(TYPES)
        }
    return tensors, sensitivities


def every(tensors: list[Tensor], sensitivities: Sensitivities, speeds: KernelSpeeds) -> list[Allocation]:
    names = [tensor.name for tensor in tensors]
    return [
        predicted(dict(zip(names, kinds, strict=True)), tensors, sensitivities, speeds)
        for kinds in itertools.product(TYPES, repeat=len(names))
    ]


def costs(each: Allocation) -> tuple[float, float, float, float]:
    return each.bytes, each.decode_s, each.prefill_s, each.kl


@pytest.mark.parametrize("seed", SEEDS)
def test_best_of_each_budget_is_that_of_brute_force(seed: int) -> None:
    tensors, sensitivities = model(seed)
    speeds, price = machine(seed), float(seed % 3)
    versions = every(tensors, sensitivities, speeds)
    sizes = sorted(each.bytes for each in versions)
    for budget in (sizes[0], sizes[len(sizes) // 3], sizes[len(sizes) // 2] + 7, sizes[-1] + 1000):
        found = best(tensors, sensitivities, speeds, most_bytes=budget, decode_price=price)
        right = min(each.kl + price * each.decode_s for each in versions if each.bytes <= budget)
        assert found is not None
        assert found.bytes <= budget
        assert found.kl + price * found.decode_s == pytest.approx(right, rel=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_sizes_without_a_common_divisor_stay_within_the_budget_and_the_stated_bound(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(allocate, "MOST_UNITS", 200)
    tensors, sensitivities = model(seed, odd_sizes=True)
    versions = every(tensors, sensitivities, machine())
    smallest, largest = min(each.bytes for each in versions), max(each.bytes for each in versions)
    unused = len(tensors) * (largest - smallest) / 200 + len(tensors)
    for share in (0.2, 0.5, 0.8):
        budget = int(smallest + share * (largest - smallest))
        found = best(tensors, sensitivities, machine(), most_bytes=budget)
        bound = min(each.kl for each in versions if each.bytes <= max(budget - unused, smallest))
        assert found is not None
        assert found.bytes <= budget
        assert found.kl <= bound + 1e-12


def test_no_version_is_smaller_than_the_smallest() -> None:
    tensors, sensitivities = model(1)
    least = sum(min(tensor.bytes.values()) for tensor in tensors)
    assert best(tensors, sensitivities, machine(), most_bytes=least - 1) is None
    assert best(tensors, sensitivities, machine(), most_bytes=least) is not None


@pytest.mark.parametrize("seed", SEEDS)
def test_a_lower_budget_never_loses_less(seed: int) -> None:
    tensors, sensitivities = model(seed, count=40, odd_sizes=bool(seed % 2))
    least = sum(min(tensor.bytes.values()) for tensor in tensors)
    most = sum(max(tensor.bytes.values()) for tensor in tensors)
    found = [best(tensors, sensitivities, machine(), most_bytes=int(size)) for size in np.linspace(least, most, 12)]
    losses = [each.kl for each in found if each is not None]
    assert len(losses) == len(found)
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize("seed", SEEDS)
def test_small_front_is_complete(seed: int) -> None:
    tensors, sensitivities = model(seed, count=4)
    versions = every(tensors, sensitivities, machine(seed))
    expected = {
        costs(each)
        for each in versions
        if not any(
            costs(other) != costs(each) and all(a <= b for a, b in zip(costs(other), costs(each), strict=True))
            for other in versions
        )
    }
    assert {costs(each) for each in front(tensors, sensitivities, machine(seed))} == expected


def test_large_front_has_no_beaten_version_and_meets_each_budget() -> None:
    tensors, sensitivities = model(3, count=16)
    found = front(tensors, sensitivities, machine(3))
    table = np.array([costs(each) for each in found])
    assert list(table[:, 0]) == sorted(table[:, 0])
    for row in table:
        assert ((table <= row).all(1)).sum() == 1
    least, most = sum(min(t.bytes.values()) for t in tensors), sum(max(t.bytes.values()) for t in tensors)
    for budget in np.linspace(least, most, allocate.BUDGETS):
        right = best(tensors, sensitivities, machine(3), most_bytes=int(budget))
        assert right is not None
        assert min(each.kl for each in found if each.bytes <= budget) == pytest.approx(right.kl)


def test_equal_input_gives_equal_output() -> None:
    tensors, sensitivities = model(4, count=12)
    assert front(tensors, sensitivities, machine(4)) == front(tensors, sensitivities, machine(4))


def test_a_type_that_is_slow_here_is_avoided_where_speed_is_preferred() -> None:
    tensors, sensitivities = model(5, count=20)
    slow = KernelSpeeds(
        {"q4_0": 1.0, "q5_0": 9.0, "q8_0": 1.2}, {"q4_0": 1.0, "q5_0": 9.0, "q8_0": 1.2}, dict.fromkeys(TYPES, 1.0)
    )
    even = dict.fromkeys(TYPES, 1.0)
    fast = KernelSpeeds(even, even, even)
    layers = [tensor.name for tensor in tensors if tensor.role == "layer"]
    versions = {
        name: choose(front(tensors, sensitivities, speeds), prefer="speed")
        for name, speeds in (("slow", slow), ("fast", fast))
    }
    assert "q5_0" not in {versions["slow"].types[name] for name in layers}
    # On a machine where it is not slow it takes part in the front.
    assert any("q5_0" in each.types.values() for each in front(tensors, sensitivities, fast))


def test_preferences_differ_as_they_say() -> None:
    tensors, sensitivities = model(6, count=20)
    rates = {"q4_0": 0.5, "q5_0": 1.0, "q8_0": 2.0}
    found = front(tensors, sensitivities, KernelSpeeds(rates, rates, rates))
    size, speed, accuracy = (choose(found, prefer=prefer) for prefer in ("size", "speed", "accuracy"))
    assert size.bytes <= accuracy.bytes
    assert speed.decode_s <= accuracy.decode_s
    assert accuracy.kl <= min(size.kl, speed.kl)


def test_choice_keeps_to_the_memory_and_says_the_least() -> None:
    tensors, sensitivities = model(7, count=20)
    found = front(tensors, sensitivities, machine(7))
    memory = (found[0].bytes + found[-1].bytes) / 2 / 2**20
    assert choose(found, memory, "accuracy").bytes <= memory * 2**20
    with pytest.raises(LobiError, match="at least 1 MB"):
        choose(found, found[0].bytes / 2**20 / 2)


def test_head_is_timed_per_row_and_an_embedding_not_at_all() -> None:
    speeds = KernelSpeeds({"q4_0": 2.0}, {"q4_0": 3.0}, {"q4_0": 5.0}, 0.5, 0.25)
    tensors = [Tensor(role, 10**9, {"q4_0": 1}, role) for role in ("layer", "head", "embedding")]
    found = predicted(dict.fromkeys(["layer", "head", "embedding"], "q4_0"), tensors, _same(tensors), speeds)
    assert found.decode_s == pytest.approx(0.5 + 2.0 + 5.0)
    assert found.prefill_s == pytest.approx(0.25 + 3.0)
    experts = [Tensor("layer", 10**9, {"q4_0": 1}, "layer", read=0.25)]
    assert predicted({"layer": "q4_0"}, experts, _same(experts), speeds).decode_s == pytest.approx(0.5 + 0.5)


def test_a_type_without_a_speed_or_a_sensitivity_is_no_option() -> None:
    speeds = KernelSpeeds({"q4_0": 1.0, "q8_0": 1.0}, {"q4_0": 1.0, "q8_0": 1.0}, {})
    tensor = Tensor("t", 32, {"q4_0": 18, "q5_0": 22, "q8_0": 34})
    found = front([tensor], {"t": {"q4_0": 0.1, "q5_0": 0.0}}, speeds)
    assert [dict(each.types) for each in found] == [{"t": "q4_0"}]
    with pytest.raises(LobiError, match="No type of t was measured"):
        front([tensor], {}, speeds)
    with pytest.raises(LobiError, match="not measured as q8_0"):
        predicted({"t": "q8_0"}, [tensor], {"t": {"q4_0": 0.1}}, speeds)


def test_unchosen_bytes_count() -> None:
    tensors, sensitivities = model(2, count=3)
    plain = front(tensors, sensitivities, machine())
    assert [each.bytes + 99 for each in plain] == [
        each.bytes for each in front(tensors, sensitivities, machine(), other_bytes=99)
    ]


def _same(tensors: list[Tensor]) -> Sensitivities:
    return {tensor.name: {"q4_0": 0.0} for tensor in tensors}
