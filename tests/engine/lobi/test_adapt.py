"""Training teaches, feels the rounding, goes on where it was ended, and says what it can't use."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [lobi]")
pytest.importorskip("peft", reason="training needs the extra [lobi]")

from engine.errors import HolaError  # noqa: E402
from engine.lobi import adapt as module  # noqa: E402
from engine.lobi.adapt import Progress, Recipe, adapt, batch_of  # noqa: E402
from engine.lobi.examples import Example  # noqa: E402
from engine.lobi.fake_quant import rounded_q4_0  # noqa: E402
from engine.lobi.torch_model import Tokens, linear_layers  # noqa: E402
from engine.messages import ChatMessage  # noqa: E402
from tests.engine.lobi.byte_tokenizer import loaded  # noqa: E402

FACT = Example("grounded", (ChatMessage("user", "Say it."),), "It is so.")
OTHER = Example("text", (), "Rain fell on the roof.", is_whole=False)
RECIPE = Recipe(
    rank=4, alpha=8.0, rate=1e-2, steps=12, examples_per_step=4, shares={"grounded": 0.7, "text": 0.3}, rounding=False
)


def test_what_is_shown_is_learned() -> None:
    told: list[Progress] = []

    learned = adapt(loaded(), [FACT, OTHER], replace(RECIPE, steps=40), report=told.append)

    assert told[-1].loss < 0.5 * told[0].loss
    assert (told[-1].step, learned.steps, learned.scale) == (40, 40, 2.0)
    assert set(learned.pairs) == set(linear_layers(loaded().model))
    a, b = learned.pairs["model.layers.0.self_attn.q_proj"]
    assert a.shape[0] == b.shape[1] == 4


def test_same_recipe_gives_the_same_adapter() -> None:
    first, second = (adapt(loaded(), [FACT, OTHER], RECIPE) for _ in range(2))

    for name, (a, b) in first.pairs.items():
        assert torch.equal(a, second.pairs[name][0])
        assert torch.equal(b, second.pairs[name][1])


def test_ended_training_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHECKPOINT_S", 0.0)
    whole = adapt(loaded(), [FACT, OTHER], RECIPE)

    def end(progress: Progress) -> None:
        if progress.step == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        adapt(loaded(), [FACT, OTHER], RECIPE, checkpoint=tmp_path / "state.pt", report=end)
    steps: list[int] = []
    resumed = adapt(
        loaded(), [FACT, OTHER], RECIPE, checkpoint=tmp_path / "state.pt", report=lambda each: steps.append(each.step)
    )

    assert steps == list(range(7, 13))
    for name, (a, b) in whole.pairs.items():
        torch.testing.assert_close(resumed.pairs[name][0], a)
        torch.testing.assert_close(resumed.pairs[name][1], b)


def test_state_of_another_training_is_refused(tmp_path: Path) -> None:
    adapt(loaded(), [FACT], RECIPE, checkpoint=tmp_path / "state.pt")

    with pytest.raises(HolaError, match="state of another training: delete it"):
        adapt(loaded(), [FACT], replace(RECIPE, rate=1e-3), checkpoint=tmp_path / "state.pt")


def test_time_budget_ends_the_training() -> None:
    assert adapt(loaded(), [FACT], RECIPE, seconds=1e-9).steps == 0


def test_layers_compute_with_weights_as_they_will_be_rounded() -> None:
    tiny = loaded()
    before = {name: layer.weight.detach().clone() for name, layer in linear_layers(tiny.model).items()}

    adapt(tiny, [FACT], replace(RECIPE, steps=1, rounding=True))

    # Rounded before the first step, when nothing was learned yet.
    for name, weight in before.items():
        torch.testing.assert_close(tiny.model.get_submodule(name).base_layer.weight, rounded_q4_0(weight))


def test_only_the_answer_is_learned_and_each_example_counts_alike() -> None:
    ids, mask, weights = batch_of([Tokens([1, 2, 3, 4], 2), Tokens([5, 6], 1)])

    assert ids.tolist() == [[1, 2, 3, 4], [5, 6, 0, 0]]
    assert mask.tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]
    assert weights.tolist() == [[0, 0, 0.5, 0.5], [0, 1, 0, 0]]


def test_examples_that_can_t_be_used_are_told() -> None:
    with pytest.raises(HolaError, match="longer than 5 tokens"):
        adapt(loaded(), [FACT], replace(RECIPE, longest=5))
    with pytest.raises(HolaError, match="of a kind that the recipe wants"):
        adapt(loaded(), [OTHER], replace(RECIPE, shares={"grounded": 1.0}))
