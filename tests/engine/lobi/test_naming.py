"""Layers of transformers become tensors of GGUF; test_rewrite.py shows that they compute the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.errors import LobiError
from engine.lobi.naming import SUPPORTED, from_gguf_pair, interleaved, to_gguf_pair

CONFIG: dict[str, Any] = {
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "hidden_size": 8,
    "key_multiplier": 0.5,
    "attention_in_multiplier": 3.0,
    "mlp_multipliers": [5.0, 7.0],
    "mamba_d_ssm": 2,
    "mamba_n_groups": 1,
    "mamba_d_state": 1,
    "ssm_in_multiplier": 2.0,
    "ssm_multipliers": [1.0, 2.0, 3.0, 4.0, 5.0],
}


def converted(architecture: str, layer: str, rows: int = 16) -> tuple[str, list[float]]:
    a, b = np.ones((1, 8), np.float32), np.arange(rows, dtype=np.float32).reshape(-1, 1)
    name, new_a, new_b = to_gguf_pair(architecture, CONFIG, f"model.layers.1.{layer}", a, b)
    assert np.array_equal(a, new_a)
    assert new_b.dtype == np.float32
    return name, new_b[:, 0].tolist()


def test_all_linear_layers_have_their_names() -> None:
    kinds = {"q": "attn_q", "k": "attn_k", "v": "attn_v", "o": "attn_output"}
    ffn = {"gate": "ffn_gate", "up": "ffn_up", "down": "ffn_down"}
    for architecture in sorted(SUPPORTED):
        for old, new in kinds.items():
            assert converted(architecture, f"self_attn.{old}_proj")[0] == f"blk.1.{new}.weight"
        for old, new in ffn.items():
            block = "feed_forward" if architecture == "falcon-h1" else "mlp"
            assert converted(architecture, f"{block}.{old}_proj")[0] == f"blk.1.{new}.weight"
    assert converted("falcon-h1", "mamba.out_proj")[0] == "blk.1.ssm_out.weight"


def test_only_llamas_queries_and_keys_change_their_order() -> None:
    assert converted("llama", "self_attn.q_proj")[1] == [0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15]
    assert converted("llama", "self_attn.k_proj", 8)[1] == [0, 2, 1, 3, 4, 6, 5, 7]
    same = [float(row) for row in range(16)]
    assert converted("llama", "self_attn.v_proj")[1] == same
    for architecture in ("qwen2", "qwen3"):
        assert converted(architecture, "self_attn.q_proj")[1] == same
    assert interleaved(1, 6).tolist() == [0, 3, 1, 4, 2, 5]


def test_falcons_multipliers_become_part_of_its_factors() -> None:
    for layer, factor in (
        ("self_attn.q_proj", 3.0),
        ("self_attn.k_proj", 1.5),
        ("self_attn.o_proj", 1.0),
        ("feed_forward.gate_proj", 5.0),
        ("feed_forward.up_proj", 1.0),
        ("feed_forward.down_proj", 7.0),
    ):
        assert converted("falcon-h1", layer)[1] == [row * factor for row in range(16)]
    scales = [2.0, 2.0, 4.0, 4.0, 6.0, 8.0, 10.0, 10.0]
    assert converted("falcon-h1", "mamba.in_proj", 8)[1] == [row * scale for row, scale in enumerate(scales)]


@pytest.mark.parametrize("architecture", sorted(SUPPORTED))
@pytest.mark.parametrize("kind", ["q_proj", "k_proj", "o_proj"])
def test_a_tensor_becomes_the_layer_it_was(architecture: str, kind: str) -> None:
    name = f"model.layers.1.self_attn.{kind}"
    a, b = np.ones((3, 8), np.float32), np.arange(48, dtype=np.float32).reshape(16, 3)
    tensor, *pair = to_gguf_pair(architecture, CONFIG, name, a, b)

    found = from_gguf_pair(architecture, CONFIG, name, {tensor: (pair[0], pair[1])})

    assert found is not None
    assert np.array_equal(found[0], a)
    assert np.allclose(found[1], b)
    assert from_gguf_pair(architecture, CONFIG, name, {}) is None


@pytest.mark.parametrize(
    ("architecture", "layer", "words"),
    [
        ("gemma3", "self_attn.q_proj", "mixed precision only"),
        ("llama", "input_layernorm", "can't be adapted"),
        ("llama", "mamba.in_proj", "can't be adapted"),
        ("llama", "self_attn.z_proj", "can't be adapted"),
    ],
)
def test_what_can_not_be_adapted_is_told(architecture: str, layer: str, words: str) -> None:
    with pytest.raises(LobiError, match=words):
        converted(architecture, layer)


def test_factors_that_do_not_fit_are_told() -> None:
    a, b = np.ones((1, 8), np.float32), np.ones((7, 1), np.float32)
    with pytest.raises(LobiError, match="don't fit"):
        to_gguf_pair("llama", CONFIG, "model.layers.0.self_attn.q_proj", a, b)
    with pytest.raises(LobiError, match="don't fit"):
        to_gguf_pair("qwen2", CONFIG, "model.layers.0.self_attn.q_proj", a, np.ones((8, 2), np.float32))
