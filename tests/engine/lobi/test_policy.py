"""From wishes to versions, and what is said where none fits."""

from __future__ import annotations

import re

import numpy as np
import pytest

from engine.errors import LobiError
from engine.lobi.allocate import Allocation
from engine.lobi.messages import Wish
from engine.lobi.policy import allocation_for, decide, loss_of_perplexity

MIB = 2**20


def version(megabytes: float, rate: float, kl: float) -> Allocation:
    return Allocation({"t": f"{megabytes}"}, int(megabytes * MIB), 1 / rate, 1 / rate / 10, kl)


FRONT = (version(72, 150, 0.2), version(80, 140, 0.05), version(100, 100, 0.01), version(140, 60, 0.0))


def test_a_wish_without_limits_is_always_met() -> None:
    verdict = decide(FRONT, Wish())
    assert verdict.allocation in FRONT
    assert verdict.instead is None
    assert verdict.sentence.startswith("This version takes")


def test_limits_hold_together() -> None:
    assert allocation_for(FRONT, Wish("accuracy", memory_mb=120, decode_tps=90)) is FRONT[2]
    assert allocation_for(FRONT, Wish("accuracy", decode_tps=120)) is FRONT[1]
    assert allocation_for(FRONT, Wish("size", loss=0.02)) is FRONT[2]


def test_too_little_memory_is_told_with_what_would_fit() -> None:
    verdict = decide(FRONT, Wish(memory_mb=60))
    assert verdict.allocation is None
    assert verdict.instead is FRONT[0]
    assert "needs at least 72 MB" in verdict.sentence
    assert "you get 72 MB, decodes about 150 tokens/s and loses 0.2000" in verdict.sentence
    with pytest.raises(LobiError) as raised:
        allocation_for(FRONT, Wish(memory_mb=60))
    assert raised.value.sentence == verdict.sentence


def test_the_other_limits_are_kept_and_named() -> None:
    verdict = decide(FRONT, Wish(memory_mb=75, loss=0.06))
    assert verdict.instead is FRONT[1]
    assert "needs at least 80 MB within a loss of 0.0600" in verdict.sentence


def test_too_much_speed_and_too_little_loss_are_told() -> None:
    assert "decodes at most 150 tokens/s" in decide(FRONT, Wish(decode_tps=500)).sentence
    sentence = decide((FRONT[0], FRONT[1]), Wish(loss=0.0)).sentence
    assert "loses at least" in sentence


def test_asking_for_what_was_offered_finds_it() -> None:
    random = np.random.default_rng(0)
    for _ in range(200):
        front = [
            version(float(size), float(rate), float(kl))
            for size, rate, kl in zip(
                random.uniform(50, 150, 6), random.uniform(1, 200, 6), random.uniform(0.0, 0.3, 6), strict=True
            )
        ]
        wish = Wish(
            memory_mb=float(random.uniform(30, 150)),
            decode_tps=float(random.uniform(10, 250)),
            loss=float(random.uniform(0, 0.3)),
        )
        verdict = decide(front, wish)
        if verdict.allocation is not None:
            continue
        told = re.search(r"you get ([\d.]+) MB, decodes about ([\d.]+) tokens/s and loses ([\d.]+)", verdict.sentence)
        assert told is not None
        size, rate, kl = map(float, told.groups())
        assert decide(front, Wish(memory_mb=size, decode_tps=rate, loss=kl)).allocation is not None


def test_each_refusal_is_one_sentence() -> None:
    for wish in (Wish(memory_mb=1), Wish(loss=-1.0), Wish(decode_tps=1e6, memory_mb=1, loss=0.0)):
        sentence = decide(FRONT, wish).sentence
        assert sentence.endswith(".")
        assert ". " not in sentence


def test_nothing_measured_is_an_error() -> None:
    with pytest.raises(LobiError, match="was measured"):
        decide((), Wish())


def test_a_factor_of_perplexity_is_a_divergence() -> None:
    assert loss_of_perplexity(1.0) == 0.0
    assert loss_of_perplexity(1.05) == pytest.approx(0.0488, abs=1e-4)
    with pytest.raises(LobiError, match="1 or more"):
        loss_of_perplexity(0.9)
