"""A pruned model comes nearer to the whole one."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [lobi]")
pytest.importorskip("peft", reason="training needs the extra [lobi]")

from engine.lobi.adapt import Adapted, Progress, Recipe, adapt, batch_of  # noqa: E402
from engine.lobi.distil import distillation, merge, retention, round_weights  # noqa: E402
from engine.lobi.examples import Example  # noqa: E402
from engine.lobi.fake_quant import rounded_q4_0  # noqa: E402
from engine.lobi.importance import cut  # noqa: E402
from engine.lobi.torch_model import Tokens  # noqa: E402
from engine.messages import ChatMessage  # noqa: E402
from tests.engine.lobi.byte_tokenizer import loaded  # noqa: E402
from tests.engine.lobi.tiny_models import TOKENS, adapted, logits_of, random_pairs  # noqa: E402

TEXT = Example("text", (), "The pruned model learns what the whole one says.", is_whole=False)
RECIPE = Recipe(rank=16, alpha=32.0, rate=3e-3, steps=40, examples_per_step=2, shares={"text": 1.0}, rounding=False)


def test_model_does_not_differ_from_itself() -> None:
    tiny = loaded()
    batch = batch_of([Tokens(list(TOKENS), 10)])

    same = distillation(copy.deepcopy(tiny.model), 1)(tiny.model, *batch)
    other = distillation(loaded(seed=5).model, 1)(tiny.model, *batch)

    assert abs(float(same.detach())) < 1e-5
    assert float(other.detach()) > 0.1


def test_pruned_model_recovers() -> None:
    whole, student = loaded(), loaded()
    cut(student.model, (0, 1, 3))
    told: list[Progress] = []

    adapt(student, [TEXT], RECIPE, report=told.append, loss_of=distillation(whole.model, 1))

    assert told[-1].loss < 0.5 * told[0].loss


def test_what_is_taught_is_learned_and_the_rest_held() -> None:
    fact = Example("grounded", (ChatMessage("user", "Say what comes down the river in spring."),), "Whatever floats.")
    held = batch_of([Tokens(list(b"Say what comes down the river in spring, and what does not."), 5)])
    shifts, gains = [], []
    for keep in (True, False):
        original, tiny = loaded(), loaded()
        told: list[Progress] = []
        recipe = replace(RECIPE, shares={"grounded": 1.0}, steps=60)
        loss_of = retention(original.model, 1) if keep else None
        adapt(tiny, [fact], recipe, report=told.append, loss_of=loss_of)
        answer = batch_of([tiny.tokens(fact)])
        shifts.append(float(distillation(original.model, 1)(tiny.model, *held).detach()))
        gains.append(float(retention(original.model, 1)(tiny.model, *answer).detach()))
    # Held to the original it moves less elsewhere.
    assert shifts[0] < 0.85 * shifts[1]
    assert gains[0] < 3.0


def test_training_begins_with_what_was_learned_before() -> None:
    first = adapt(loaded(), [TEXT], RECIPE)
    told: list[Progress] = []

    again = adapt(loaded(), [TEXT], replace(RECIPE, steps=1), report=told.append, start=first)

    fresh: list[Progress] = []
    adapt(loaded(), [TEXT], replace(RECIPE, steps=1), report=fresh.append)
    assert told[0].loss < 0.7 * fresh[0].loss
    assert again.steps == 1


def test_merging_adds_what_was_learned() -> None:
    tiny = loaded()
    pairs = random_pairs(tiny.model)
    wanted = logits_of(adapted(tiny.model, {name: (a, 2.0 * b) for name, (a, b) in pairs.items()}))

    merge(
        tiny.model, Adapted({n: (torch.from_numpy(a), torch.from_numpy(b)) for n, (a, b) in pairs.items()}, 2.0, {}, 1)
    )

    torch.testing.assert_close(torch.from_numpy(logits_of(tiny.model)), torch.from_numpy(wanted))


def test_only_the_weights_that_are_wanted_are_rounded() -> None:
    tiny = loaded()
    before = {name: each.detach().clone() for name, each in tiny.model.named_parameters()}

    round_weights(tiny.model, lambda name: "down_proj" in name)

    for name, parameter in tiny.model.named_parameters():
        assert torch.equal(parameter, rounded_q4_0(before[name]) if "down_proj" in name else before[name])
