"""The cost curve: how it is measured (on a clock of our own), read and corrected."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping

import numpy as np
import pytest

from engine.llm.hsd.cost import MOST_ROWS, STEP, WIDTHS, CostCurve, measure, observed

STEPPED = CostCurve.of_ratios({1: 1.0, 2: 1.9, 4: 2.9, 8: 4.6, 16: 8.0, 32: 13.5, 63: 22.0})


class Machine:
    """A clock that moves on only while something is decoded."""

    def __init__(self, cost: Callable[[int], float]) -> None:
        self.now = 100.0
        self.decoded: list[int] = []
        self._cost = cost

    def decode(self, rows: int) -> None:
        self.decoded.append(rows)
        self.now += self._cost(rows)

    def clock(self) -> float:
        return self.now


def measured(cost: Callable[[int], float], budget_s: float = 10.0, most_rows: int = MOST_ROWS) -> CostCurve:
    machine = Machine(cost)
    return measure(machine.decode, budget_s, most_rows, machine.clock)[0]


def test_measured_widths_have_their_times() -> None:
    curve = measured(lambda rows: 0.001 * rows**0.5)
    assert curve.widths == tuple(sorted({*WIDTHS, MOST_ROWS}))
    assert curve.seconds == pytest.approx([0.001 * width**0.5 for width in curve.widths])


def test_each_width_keeps_its_fastest_run() -> None:
    machine = Machine(lambda rows: 0.001 * rows + (0.5 if len(machine.decoded) % 3 else 0.0))
    curve, _ = measure(machine.decode, 1000.0, clock=machine.clock)
    assert curve.seconds == pytest.approx([0.001 * width for width in curve.widths])


def test_first_decode_of_all_does_not_count() -> None:
    machine = Machine(lambda _: 5.0 if len(machine.decoded) == 1 else 0.01)
    curve, _ = measure(machine.decode, 6.0, clock=machine.clock)
    assert max(curve.seconds) == pytest.approx(0.01)


@pytest.mark.parametrize("unit_s", [0.001, 0.01, 0.05, 0.2, 1.0])
@pytest.mark.parametrize("budget_s", [0.0, 0.5, 1.6])
def test_budget_is_kept_but_for_the_single_tokens(unit_s: float, budget_s: float) -> None:
    machine = Machine(lambda rows: unit_s * (1 + (rows - 1) / 4))
    curve, _ = measure(machine.decode, budget_s, clock=machine.clock)
    assert machine.now - 100.0 <= max(budget_s, 2 * unit_s) + 1e-9
    assert curve.widths[0] == 1


def test_short_time_measures_the_most_telling_widths() -> None:
    curve = measured(lambda rows: 0.01 * rows, budget_s=0.5)
    assert 1 < len(curve.widths) < len(WIDTHS)
    assert {1, 2, 4, 8} <= set(curve.widths)


@pytest.mark.parametrize("disturbed", [0.0, 0.2, 0.8])
def test_busy_machine_is_told_from_a_quiet_one(disturbed: float) -> None:
    dice = random.Random(1)
    machine = Machine(lambda rows: 0.001 * rows * (3.0 if dice.random() < disturbed else 1.0))
    curve, quiet = measure(machine.decode, 1000.0, clock=machine.clock)
    assert quiet == (disturbed < 0.5)
    # Only the narrowest batch has none below it by which it could be corrected.
    wider = [(width, seconds) for width, seconds in zip(curve.widths, curve.seconds, strict=True) if width != 2]
    assert [seconds for _, seconds in wider] == pytest.approx([0.001 * width for width, _ in wider], rel=0.11)


def test_no_batch_is_wider_than_asked() -> None:
    machine = Machine(lambda rows: 0.001 * rows)
    assert measure(machine.decode, 5.0, 20, machine.clock)[0].widest == 20
    assert max(machine.decoded) == 20


def test_time_between_widths_is_interpolated_and_beyond_them_goes_on() -> None:
    curve = CostCurve((1, 4, 8), (1.0, 2.5, 3.5))
    assert [curve.time(rows) for rows in (1, 2, 3, 4, 6, 8, 12)] == pytest.approx([1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.5])
    assert CostCurve((1,), (0.2,)).time(3) == pytest.approx(0.6)


def test_ratios_are_those_of_the_single_widths() -> None:
    ratios = STEPPED.ratios(63)
    assert ratios.shape == (64,)
    assert ratios[:2].tolist() == [0.0, 1.0]
    assert ratios[1:].tolist() == pytest.approx([STEPPED.ratio(rows) for rows in range(1, 64)])


def test_ratios_do_not_depend_on_how_fast_the_machine_is() -> None:
    slower = CostCurve(STEPPED.widths, tuple(30 * value for value in STEPPED.seconds))
    assert np.allclose(slower.ratios(), STEPPED.ratios())


def test_wider_batch_that_seemed_cheaper_corrects_the_narrower_one() -> None:
    curve = CostCurve((1, 2, 3, 4), (1.0, 3.0, 2.0, 2.5))
    assert curve.seconds == (1.0, 2.0, 2.0, 2.5)


def test_width_that_seemed_far_too_dear_is_corrected_by_the_narrower_one() -> None:
    burst = {8: 40.0}
    machine = Machine(lambda rows: burst.get(rows, float(rows)))
    curve, _ = measure(machine.decode, 10_000.0, 16, machine.clock)
    assert 8.0 <= curve.time(8) <= 8.0 * STEP
    assert [curve.time(rows) for rows in (1, 2, 4, 16)] == [1.0, 2.0, 4.0, 16.0]


def taught(curve: CostCurve, true: Mapping[int, float], steps: int, unit_s: float = 1.0) -> CostCurve:
    for step in range(steps):
        rows = tuple(true)[step % len(true)]
        curve = observed(curve, rows, true[rows] * unit_s, unit_s)
    return curve


@pytest.mark.parametrize("factor", [0.6, 1.1])
@pytest.mark.parametrize("unit_s", [0.5, 1.0, 3.0])
def test_curve_comes_to_what_is_observed(factor: float, unit_s: float) -> None:
    true = {rows: STEPPED.ratio(rows) * factor for rows in (2, 4, 8, 16, 32, 63)}
    learned = taught(STEPPED, true, 1000, unit_s)
    assert [learned.ratio(rows) for rows in true] == pytest.approx(list(true.values()), rel=0.05)


def test_single_disturbance_hardly_counts() -> None:
    disturbed = observed(STEPPED, 8, 1000.0, 1.0)
    assert disturbed.ratio(8) / STEPPED.ratio(8) < 1.05
    assert observed(STEPPED, 8, 0.0, 1.0).ratio(8) / STEPPED.ratio(8) > 0.95


def test_single_tokens_and_unknown_units_teach_nothing() -> None:
    assert observed(STEPPED, 1, 9.0, 1.0) == STEPPED
    assert observed(STEPPED, 8, 9.0, 0.0) == STEPPED


def test_wider_batch_than_was_measured_adds_to_the_curve() -> None:
    curve = observed(CostCurve((1, 2), (0.5, 0.8)), 8, 2.0, 0.5)
    assert curve == CostCurve((1, 2, 8), (0.5, 0.8, 2.0))


def test_curve_keeps_rising_whatever_is_observed() -> None:
    dice = np.random.default_rng(5)
    curve = STEPPED
    for _ in range(500):
        curve = observed(curve, int(dice.integers(2, 64)), float(dice.exponential(8.0)), 1.0)
        assert all(math.isfinite(value) and value > 0 for value in curve.seconds)
        assert list(curve.seconds) == sorted(curve.seconds)


def test_what_was_learned_of_one_width_survives_the_envelope() -> None:
    learned = taught(STEPPED, {4: 4.0}, 300)
    assert learned.ratio(4) == pytest.approx(4.0, rel=0.05)
