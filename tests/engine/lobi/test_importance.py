"""What does nothing matters least, and is cut first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [lobi]")
peft = pytest.importorskip("peft", reason="training needs the extra [lobi]")

from engine.errors import LobiError  # noqa: E402
from engine.lobi.importance import (  # noqa: E402
    Importance,
    cut,
    estimate,
    layers_to_floor,
    strongest_channels,
    strongest_groups,
    strongest_layers,
)
from engine.lobi.torch_model import LINEAR  # noqa: E402
from tests.engine.lobi.tiny_models import (  # noqa: E402
    CHANNELS,
    GROUPS,
    HEAD_WIDTH,
    HEADS,
    TOKENS,
    build,
    logits_of,
    pruned,
)

RATIO = HEADS // GROUPS


def weighed() -> Importance:
    """Weigh a model of which layer 2, KV group 1 of layer 0 and channel 7 of layer 1 do nothing."""
    model = build("llama")
    with torch.no_grad():
        layers = model.model.layers
        layers[2].self_attn.o_proj.weight.zero_()
        layers[2].mlp.down_proj.weight.zero_()
        wide = RATIO * HEAD_WIDTH
        layers[0].self_attn.o_proj.weight[:, wide : 2 * wide] = 0.0
        layers[1].mlp.down_proj.weight[:, 7] = 0.0
    adapted = peft.get_peft_model(model, peft.LoraConfig(r=4, target_modules=list(LINEAR)))
    # LoRA begins at nothing: with B = 0 only B has a gradient, and the paths that are dead stay so.
    ids = torch.tensor([TOKENS])

    def loss() -> Any:
        return adapted(input_ids=ids, labels=ids, use_cache=False).loss

    return estimate(adapted, [loss, loss], HEADS, GROUPS)


def test_dead_parts_matter_least() -> None:
    found = weighed()

    assert found.layers.argmin() == 2
    assert found.groups[0].argmin() == 1
    assert found.channels[1].argmin() == 7
    assert found.channels.shape == (4, CHANNELS)
    assert strongest_layers(found.layers, 3) == (0, 1, 3)
    assert strongest_groups(found.groups, 2)[0] == (0, 2)
    assert 7 not in strongest_channels(found.channels, CHANNELS - 32)[1]


def test_channels_come_in_whole_blocks() -> None:
    kept = strongest_channels(np.random.default_rng(0).random((2, 96)), 33)

    assert [len(each) for each in kept] == [64, 64]


def test_importance_without_lora_is_refused() -> None:
    with pytest.raises(LobiError, match="attach it first"):
        estimate(build("llama"), [], HEADS, GROUPS)


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "qwen3"])
def test_cut_model_is_the_pruned_one(architecture: str) -> None:
    layers, groups = (0, 2, 3), ((0, 2), (1, 2), (0, 1))
    channels = tuple(tuple(range(start, start + 64)) for start in (0, 16, 32))
    wanted = logits_of(pruned(build(architecture), layers, groups, channels))

    model = build(architecture)
    cut(model, layers, groups, channels)

    np.testing.assert_allclose(logits_of(model), wanted, atol=1e-5)
    assert (model.config.num_hidden_layers, model.config.num_key_value_heads, model.config.intermediate_size) == (
        3,
        2,
        64,
    )


def test_layers_go_until_the_floor_is_broken() -> None:
    importance = np.array([5.0, 1.0, 3.0, 2.0])
    losses = {4: 0.0, 3: 0.01, 2: 0.04, 1: 0.5}

    kept, tried = layers_to_floor(importance, lambda layers: losses[len(layers)], 0.05)
    none, _ = layers_to_floor(importance, lambda layers: losses[len(layers)], 0.001)

    assert (kept, tried) == ((0, 2), [(3, 0.01), (2, 0.04), (1, 0.5)])
    assert none == (0, 1, 2, 3)


def test_impossible_number_of_layers_is_told() -> None:
    with pytest.raises(LobiError, match="keep between 1 and all"):
        strongest_layers(np.ones(4), 5)
