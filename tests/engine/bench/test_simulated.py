"""The chooser on other machines' cost curves, against the best that could be expected."""

from __future__ import annotations

import pytest

from engine.bench.simulated import Process, Trace, oracle_speed, simulated, simulated_curves
from engine.llm.hsd.cost import CostCurve


def test_a_step_costs_the_same_on_all_its_widths() -> None:
    curve = simulated_curves(None)["stepped (Q4_1)"]
    assert [curve.ratio(n) for n in (1, 4, 8, 16)] == pytest.approx([1.0, 2.9, 4.6, 8.0])
    assert curve.ratio(9) == curve.ratio(16) < curve.ratio(17) == curve.ratio(32) < curve.ratio(64)


def test_every_curve_begins_at_one_and_never_falls() -> None:
    for curve in simulated_curves(CostCurve.of_ratios({1: 1.0, 64: 9.0})).values():
        ratios = curve.ratios()[1:]
        assert ratios[0] == 1.0
        assert list(ratios) == sorted(ratios)


def test_where_no_gain_is_possible_the_oracle_has_none() -> None:
    text = list(range(40)) * 2
    rows = {row["curve"]: row for row in simulated({"copy": [(text, text[:40])]}, None)}
    assert rows["linear"]["oracle"] == pytest.approx(1.0)
    assert rows["linear"]["chooser"] == pytest.approx(1.0)
    assert rows["linear"]["replayed"]["copy"]["oracle"] == pytest.approx(1.0)
    assert rows["flat to 8"]["replayed"]["copy"]["oracle"] > 2


def test_the_oracles_are_never_slower_than_the_chooser() -> None:
    traces: dict[str, list[Trace]] = {
        "open": [(list(b"a rose is a rose"), list(b" is a rose is a rose is red"))],
        "copy": [([1, 2, 3], [])],
    }
    for row in simulated(traces, None):
        for speeds in row["replayed"].values():
            assert speeds["plain"] == 1.0
            assert speeds["chooser"] <= speeds["oracle"] + 1e-9 <= speeds["text_oracle"] + 2e-9


@pytest.mark.parametrize("name", ["flat to 8", "stepped (Q4_1)", "stepped (Q8_0)", "linear"])
def test_the_chooser_is_near_the_best_policy_and_never_slower_than_plain_decoding(name: str) -> None:
    [row] = [row for row in simulated({}, None) if row["curve"] == name]
    for speeds in row["texts"].values():
        assert speeds["chooser"] >= 0.9 * speeds["oracle"]
        assert speeds["chooser"] >= 0.98 * speeds["plain"]


def test_the_best_policy_of_an_endless_copy_takes_the_widest_batches() -> None:
    endless = Process(1.0, (1.0 - 1e-6,))
    assert oracle_speed(endless, [0.0, *([1.0] * 64)]) == pytest.approx(64, rel=0.01)
    assert oracle_speed(Process(0.0, (0.5,)), [0.0, 1.0, 1.0]) == pytest.approx(1.0)
