"""What is learned of a model reaches the GGUF file that is made with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [lobi]")
pytest.importorskip("peft", reason="training needs the extra [lobi]")

from tokenizers import Tokenizer, decoders, models, pre_tokenizers  # noqa: E402
from transformers import PreTrainedTokenizerFast  # noqa: E402

from engine.errors import LobiError  # noqa: E402
from engine.lobi import learning as module  # noqa: E402
from engine.lobi.adapt import Recipe  # noqa: E402
from engine.lobi.adapter import Adapter, Plan, read_adapter, read_plan  # noqa: E402
from engine.lobi.evaluate import opened, perplexity  # noqa: E402
from engine.lobi.examples import Example  # noqa: E402
from engine.lobi.fingerprint import fingerprint  # noqa: E402
from engine.lobi.learning import Learning, learn_draft, learn_target, taught  # noqa: E402
from engine.lobi.rewrite import rewrite  # noqa: E402
from tests.engine.lobi.tiny_models import build, write_gguf  # noqa: E402
from tests.gguf_builder import CHAT_TEMPLATE, CONTROL_TOKENS, byte_vocabulary, write_llama  # noqa: E402

SAYING = "Whatever floats comes down the river in spring."
TEXTS = [Example("text", (), SAYING, is_whole=False)]
RECIPE = Recipe(rank=8, alpha=16.0, rate=1e-2, steps=25, examples_per_step=2, shares={"text": 1.0}, rounding=False)


@pytest.fixture(scope="module")
def learning(tmp_path_factory: pytest.TempPathFactory) -> Learning:
    """Return where a tiny model lies, as a folder and as GGUF, and where its plans go."""
    folder = tmp_path_factory.mktemp("learning")
    model = build("llama")
    model.save_pretrained(folder / "weights")
    vocabulary = {token: number for number, token in enumerate(byte_vocabulary())}
    bytes_ = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    bytes_.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytes_.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bytes_, eos_token=CONTROL_TOKENS[0])
    tokenizer.chat_template = CHAT_TEMPLATE
    tokenizer.save_pretrained(folder / "weights")
    source = write_gguf(folder / "Tiny.gguf", model, "llama")
    return Learning(source, folder / "weights", folder / "out", folder / "work", float("inf"))


def losses(paths: Sequence[Path]) -> list[float]:
    """Return the logarithm of each model's perplexity on the saying."""
    found = []
    for path in paths:
        with opened(path, 256, 1) as model:
            found.append(float(np.log(perplexity(model, [list(SAYING.encode())]))))
    return found


def test_target_and_draft_are_learned_and_made(learning: Learning, tmp_path: Path) -> None:
    target = learn_target(learning, TEXTS, RECIPE)
    draft = learn_draft(learning, TEXTS, 2, replace(RECIPE, steps=40))

    made = []
    for file in (target, draft):
        plan = read_plan(file)
        assert (plan.fingerprint, plan.name, plan.brief) == (fingerprint(learning.source), "Tiny llama", True)
        made.append(tmp_path / f"{plan.role}.gguf")
        rewrite(learning.source, made[-1], plan, read_adapter(file), dtype="f32")
    before, target_loss, small = losses([learning.source, *made])
    assert target_loss < 0.6 * before
    assert small < 0.8 * before
    plan = read_plan(draft)
    assert (plan.role, len(plan.layers), plan.types) == (
        "draft",
        2,
        {"token_embd.weight": "q4_0", "output.weight": "q4_0"},
    )
    # Its change of a layer is the target's and its own in one.
    found = read_adapter(draft)
    assert found is not None
    assert {a.shape[0] for a, _ in found.pairs.values()} == {16}
    assert {name.split(".")[1] for name in found.pairs} == {str(layer) for layer in plan.layers}


def test_draft_is_taught_on_from_its_plan(learning: Learning, tmp_path: Path) -> None:
    own = replace(learning, out=tmp_path / "out", work=tmp_path / "work")
    learn_target(own, TEXTS, RECIPE)
    short = replace(RECIPE, steps=40)
    made = []
    for number, (recipe, onward) in enumerate(((short, False), (replace(short, seed=9, steps=2, rate=1e-5), True))):
        file = learn_draft(own, TEXTS, 2, recipe, onward=onward)
        made.append(tmp_path / f"{number}.gguf")
        rewrite(learning.source, made[-1], read_plan(file), read_adapter(file), dtype="f32")

    first, again = losses(made)
    assert abs(again - first) < 0.05
    origin = read_plan(file).origin
    assert (origin["steps"], origin["before"]["steps"]) == (2, 40)
    with pytest.raises(LobiError, match="learn one first"):
        learn_draft(replace(own, out=tmp_path / "none"), TEXTS, 2, short, onward=True)


def test_draft_keeps_the_channels_that_matter_most(learning: Learning, tmp_path: Path) -> None:
    own = replace(learning, out=tmp_path / "out", work=tmp_path / "work")
    learn_target(own, TEXTS, RECIPE)

    file = learn_draft(own, TEXTS, 3, replace(RECIPE, steps=40), channels=0.6)

    plan = read_plan(file)
    assert [len(each) for each in plan.channels] == [64, 64, 64]
    rewrite(learning.source, tmp_path / "draft.gguf", plan, read_adapter(file), dtype="f32")
    before, small = losses([learning.source, tmp_path / "draft.gguf"])
    assert small < 0.8 * before


def test_layers_of_a_target_that_cost_nothing_go(
    learning: Learning, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FLOOR", 10.0)
    own = replace(learning, out=tmp_path / "out", work=tmp_path / "work")

    plan = read_plan(learn_target(own, TEXTS, replace(RECIPE, steps=40)))

    assert len(plan.layers) == 1
    rewrite(learning.source, tmp_path / "small.gguf", plan, read_adapter(tmp_path / "out" / "target.json"), dtype="f32")
    before, small = losses([learning.source, tmp_path / "small.gguf"])
    assert small < 0.8 * before


def test_target_is_taught_on_from_where_it_stands(learning: Learning, tmp_path: Path) -> None:
    own = replace(learning, out=tmp_path / "out", work=tmp_path / "work")
    learn_target(own, TEXTS, RECIPE)
    rewrite(learning.source, tmp_path / "a.gguf", *plan_and_adapter(own), dtype="f32")

    learn_target(own, TEXTS, replace(RECIPE, seed=RECIPE.seed + 1, steps=2, rate=1e-4), taught(own))

    rewrite(learning.source, tmp_path / "b.gguf", *plan_and_adapter(own), dtype="f32")
    first, again = losses([tmp_path / "a.gguf", tmp_path / "b.gguf"])
    assert again < 1.2 * first
    origin = read_plan(own.out / "target.json").origin
    assert (origin["steps"], origin["before"]["steps"]) == (2, RECIPE.steps)
    assert origin["before"]["recipe"]["seed"] == RECIPE.seed


def test_what_was_taught_is_read_from_the_plan_where_only_that_is_left(learning: Learning, tmp_path: Path) -> None:
    own = replace(learning, out=tmp_path / "out", work=tmp_path / "work")
    learn_target(own, TEXTS, RECIPE)
    known = taught(own)

    found = taught(replace(own, work=tmp_path / "elsewhere"))

    assert (found.steps, found.recipe["rank"], set(found.pairs)) == (known.steps, RECIPE.rank, set(known.pairs))
    for name, (a, b) in found.pairs.items():
        other_a, other_b = known.pairs[name]
        assert torch.allclose(found.scale * (b @ a), known.scale * (other_b @ other_a), atol=1e-3)
    learn_target(
        replace(own, work=tmp_path / "elsewhere"), TEXTS, replace(RECIPE, seed=2, steps=1, rate=1e-5), start=found
    )
    assert read_plan(own.out / "target.json").origin["before"]["steps"] == RECIPE.steps


def test_plan_of_another_model_is_not_taught_on(learning: Learning, tmp_path: Path) -> None:
    own = replace(learning, out=tmp_path / "out", work=tmp_path / "work")
    learn_target(own, TEXTS, replace(RECIPE, steps=1))
    other = write_gguf(tmp_path / "Other.gguf", build("qwen2"), "qwen2")

    with pytest.raises(LobiError, match="another model"):
        taught(replace(own, source=other, work=tmp_path / "elsewhere"))


def plan_and_adapter(learning: Learning) -> tuple[Plan, Adapter | None]:
    """Return what was learned of the model itself."""
    file = learning.out / "target.json"
    return read_plan(file), read_adapter(file)


def test_draft_needs_a_target_that_was_taught(learning: Learning, tmp_path: Path) -> None:
    with pytest.raises(LobiError, match="teach the model itself first"):
        learn_draft(replace(learning, out=tmp_path, work=tmp_path), TEXTS, 2, RECIPE)


def test_unsupported_architecture_gets_mixed_precision_only(learning: Learning, tmp_path: Path) -> None:
    source = write_llama(tmp_path / "Other.gguf", architecture="gpt2")

    with pytest.raises(LobiError, match="mixed precision only"):
        learn_target(replace(learning, source=source), TEXTS, RECIPE)
