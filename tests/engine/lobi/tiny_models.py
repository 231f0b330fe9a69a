"""Tiny transformers models of each architecture that Lo-Bi adapts and prunes, and a way from them to GGUF float32.

The way is written anew after llama.cpp's converters, so that engine.lobi.naming is not tested against itself.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gguf
import llama_cpp
import numpy as np
import pytest

from engine.llm import backend
from engine.llm.preflight import preflight
from engine.llm.protocol import LoadModel
from engine.lobi.adapter import Pair
from tests.gguf_builder import CONTROL_TOKENS, END, Array, byte_vocabulary

torch = pytest.importorskip("torch", reason="transformers models need the extra [lobi]")
transformers = pytest.importorskip("transformers", reason="transformers models need the extra [lobi]")
# Beside a busy program, two threads that wait for each other at each layer of a tiny model take minutes for nothing.
torch.set_num_threads(1)

__all__ = [
    "ARCHITECTURES",
    "TOKENS",
    "adapted",
    "build",
    "llama_logits",
    "logits_of",
    "pruned",
    "random_pairs",
    "write_gguf",
]

ARCHITECTURES = ("llama", "qwen2", "qwen3", "falcon-h1")
TOKENS = list(b"The adapter is merged, heads go, and each word stays.")
LAYERS, HEADS, GROUPS, HEAD_WIDTH, CHANNELS = 4, 6, 3, 32, 96
WIDTHS = {"llama": 96, "qwen2": HEADS * HEAD_WIDTH, "qwen3": 96, "falcon-h1": 96}
"""llama.cpp wants Qwen 2's heads to be as wide as the model."""
MULTIPLIERS = {
    "embedding_multiplier": 1.7,
    "lm_head_multiplier": 0.6,
    "mlp_multipliers": [0.8, 1.3],
    "key_multiplier": 0.7,
    "attention_in_multiplier": 1.2,
    "attention_out_multiplier": 0.9,
    "ssm_in_multiplier": 1.1,
    "ssm_out_multiplier": 0.75,
    "ssm_multipliers": [0.9, 1.2, 0.8, 1.1, 0.7],
}
LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "in_proj", "out_proj")


def build(architecture: str, *, seed: int = 0) -> Any:
    """Return a model with random weights whose logits have a standard deviation of about 1."""
    kinds = {"llama": "Llama", "qwen2": "Qwen2", "qwen3": "Qwen3", "falcon-h1": "FalconH1"}
    sizes: dict[str, Any] = {
        "vocab_size": len(byte_vocabulary()),
        "hidden_size": WIDTHS[architecture],
        "intermediate_size": CHANNELS,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": GROUPS,
        "head_dim": HEAD_WIDTH,
        "max_position_embeddings": 256,
        "tie_word_embeddings": False,
        "rms_norm_eps": 1e-5,
        "attn_implementation": "eager",
        "bos_token_id": END,
        "eos_token_id": END,
        "pad_token_id": END,
    }
    if architecture == "falcon-h1":
        sizes |= {"mamba_d_ssm": 128, "mamba_n_heads": 8, "mamba_d_head": 16, "mamba_n_groups": 2, "mamba_d_state": 16}
        sizes |= {"mamba_chunk_size": 16, "mamba_rms_norm": True, "mamba_norm_before_gate": False, **MULTIPLIERS}
    config = getattr(transformers, f"{kinds[architecture]}Config")(**sizes)
    model = getattr(transformers, f"{kinds[architecture]}ForCausalLM")(config).float().eval()
    chance = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            drawn = torch.randn(weight.shape, generator=chance)
            if name.endswith("A_log"):
                weight.copy_(torch.linspace(-3.0, 1.0, len(weight)))
            elif "norm" in name:
                weight.copy_(1.0 + 0.2 * drawn)
            elif weight.ndim == 2 and "embed_tokens" not in name:
                # Queries that pick out few tokens: whatever is wrong with their heads changes the answer.
                weight.copy_(drawn * (2.0 if "q_proj" in name else 1.0) / weight.shape[1] ** 0.5)
            else:
                weight.copy_(drawn * (1.0 if "embed_tokens" in name else 0.5))
    return model


def logits_of(model: Any) -> Array:
    """Return a model's logits of TOKENS, shape (tokens, vocabulary)."""
    with torch.no_grad():
        found: Array = model(input_ids=torch.tensor([TOKENS]), use_cache=False).logits[0].float().numpy()
    return found


def random_pairs(model: Any, *, rank: int = 4, seed: int = 1) -> dict[str, Pair]:
    """Return LoRA factors for all linear layers of the blocks, by their names in transformers."""
    chance = np.random.default_rng(seed)
    found = {}
    for name, layer in model.named_modules():
        if isinstance(layer, torch.nn.Linear) and name.rsplit(".", 1)[-1] in LINEAR:
            rows, columns = layer.weight.shape
            a = chance.standard_normal((rank, columns)).astype(np.float32)
            b = (chance.standard_normal((rows, rank)) * 0.25 / columns**0.5).astype(np.float32)
            found[name] = (a, b)
    return found


def adapted(model: Any, pairs: dict[str, Pair]) -> Any:
    """Return a copy of a model with B A added to its weights."""
    changed = copy.deepcopy(model)
    with torch.no_grad():
        for name, (a, b) in pairs.items():
            changed.get_submodule(name).weight += torch.from_numpy(b @ a)
    return changed


def pruned(
    model: Any, layers: Sequence[int], groups: Sequence[Sequence[int]], channels: Sequence[Sequence[int]]
) -> Any:
    """Return a smaller model with the layers, and of each layer the KV groups and FFN channels, that are named."""
    small = copy.deepcopy(model)
    small.model.layers = torch.nn.ModuleList([small.model.layers[index] for index in layers])
    small.config.num_hidden_layers = len(layers)
    small.model.config.num_hidden_layers = len(layers)
    for place, layer in enumerate(small.model.layers):
        layer.layer_idx = place
        attention, ffn = layer.self_attn, getattr(layer, "mlp", None) or layer.feed_forward
        attention.layer_idx = place
        if hasattr(layer, "mamba"):
            layer.mamba.layer_idx = place
        ratio = HEADS // GROUPS
        keys = [group * HEAD_WIDTH + each for group in groups[place] for each in range(HEAD_WIDTH)]
        queries = [group * ratio * HEAD_WIDTH + each for group in groups[place] for each in range(ratio * HEAD_WIDTH)]
        for part, rows in ((attention.q_proj, queries), (attention.k_proj, keys), (attention.v_proj, keys)):
            _keep(part, rows=rows)
        _keep(attention.o_proj, columns=queries)
        _keep(ffn.gate_proj, rows=channels[place])
        _keep(ffn.up_proj, rows=channels[place])
        _keep(ffn.down_proj, columns=channels[place])
    return small


def _keep(layer: Any, *, rows: Sequence[int] | None = None, columns: Sequence[int] | None = None) -> None:
    weight = layer.weight.detach()
    if rows is not None:
        weight = weight[list(rows)]
        if layer.bias is not None:
            layer.bias = torch.nn.Parameter(layer.bias.detach()[list(rows)])
    if columns is not None:
        weight = weight[:, list(columns)]
    layer.weight = torch.nn.Parameter(weight.clone())
    layer.out_features, layer.in_features = weight.shape


def write_gguf(path: Path, model: Any, architecture: str, *, mistake: str = "") -> Path:
    """Write a model in float32. A mistake ("permutation", "multiplier") is one that a test has to see."""
    config = model.config
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name(f"Tiny {architecture}")
    writer.add_file_type(0)
    writer.add_quantization_version(2)
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(256)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    if architecture != "qwen2":
        writer.add_key_length(HEAD_WIDTH)
        writer.add_value_length(HEAD_WIDTH)
        writer.add_rope_dimension_count(HEAD_WIDTH)
    writer.add_rope_freq_base(float(config.rope_parameters["rope_theta"]))
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    if architecture == "falcon-h1":
        writer.add_ssm_conv_kernel(config.mamba_d_conv)
        writer.add_ssm_inner_size(config.mamba_d_ssm)
        writer.add_ssm_state_size(config.mamba_d_state)
        writer.add_ssm_time_step_rank(config.mamba_n_heads)
        writer.add_ssm_group_count(config.mamba_n_groups)
    _add_vocabulary(writer)
    for name, weight in model.state_dict().items():
        tensor, values = _converted(name, weight.float().numpy(), config, architecture, mistake)
        writer.add_tensor(tensor, np.ascontiguousarray(values, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_vocabulary(writer: gguf.GGUFWriter) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(byte_vocabulary())
    writer.add_token_types([int(gguf.TokenType.NORMAL)] * 256 + [int(gguf.TokenType.CONTROL)] * len(CONTROL_TOKENS))
    # llama.cpp wants at least one merge; this one joins two NUL bytes and never applies.
    writer.add_token_merges(["Ā Ā"])
    writer.add_bos_token_id(END)
    writer.add_eos_token_id(END)
    writer.add_add_bos_token(False)


NAMES = {
    "input_layernorm.weight": "attn_norm.weight",
    "post_attention_layernorm.weight": "ffn_norm.weight",
    "pre_ff_layernorm.weight": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.": "ffn_",
    "feed_forward.": "ffn_",
    "_proj.": ".",
    "mamba.A_log": "ssm_a",
    "mamba.D": "ssm_d",
    "mamba.dt_bias": "ssm_dt.bias",
    "mamba.conv1d": "ssm_conv1d",
    "mamba.norm": "ssm_norm",
    "mamba.in": "ssm_in",
    "mamba.out": "ssm_out",
}
GLOBAL_NAMES = {
    "model.embed_tokens.weight": "token_embd.weight",
    "lm_head.weight": "output.weight",
    "model.norm.weight": "output_norm.weight",
    "model.final_layernorm.weight": "output_norm.weight",
}


def _converted(name: str, values: Array, config: Any, architecture: str, mistake: str) -> tuple[str, Array]:
    """Return a tensor's name in GGUF, and its values as GGUF has them."""
    tensor = GLOBAL_NAMES.get(name, "")
    if not tensor:
        number, rest = name.removeprefix("model.layers.").split(".", 1)
        for old, new in NAMES.items():
            rest = rest.replace(old, new)
        tensor = f"blk.{number}.{rest}"
    heads = {"q_proj": HEADS, "k_proj": GROUPS}.get(name.split(".")[-2])
    if heads and architecture == "llama" and mistake != "permutation":
        halves = values.reshape(heads, 2, HEAD_WIDTH // 2, *values.shape[1:])
        values = halves.swapaxes(1, 2).reshape(values.shape)
    if architecture == "falcon-h1":
        values = _falcon(name, values, config, mistake)
    return tensor, values


def _falcon(name: str, values: Array, config: Any, mistake: str) -> Array:
    key = 1.0 if mistake == "multiplier" else config.key_multiplier
    factors = {
        "embed_tokens.weight": config.embedding_multiplier,
        "lm_head.weight": config.lm_head_multiplier,
        "gate_proj.weight": config.mlp_multipliers[0],
        "down_proj.weight": config.mlp_multipliers[1],
        "k_proj.weight": key * config.attention_in_multiplier,
        "q_proj.weight": config.attention_in_multiplier,
        "v_proj.weight": config.attention_in_multiplier,
        "o_proj.weight": config.attention_out_multiplier,
        "out_proj.weight": config.ssm_out_multiplier,
        "in_proj.weight": config.ssm_in_multiplier,
    }
    for end, factor in factors.items():
        if name.endswith("." + end) or name == end:
            values = values * np.float32(factor)
            break
    if name.endswith("in_proj.weight"):
        inner, state = config.mamba_d_ssm, config.mamba_n_groups * config.mamba_d_state
        borders = (0, inner, 2 * inner, 2 * inner + state, 2 * inner + 2 * state, len(values))
        for part, factor in enumerate(config.ssm_multipliers):
            values[borders[part] : borders[part + 1]] *= factor
    if name.endswith("A_log"):
        values = -np.exp(values)
    if name.endswith(("A_log", "mamba.D")):
        values = values.reshape(-1, 1)
    if name.endswith("conv1d.weight"):
        values = values.squeeze(1)
    if name.endswith("mamba.norm.weight"):
        values = values.reshape(config.mamba_n_groups, -1)
    return values


def llama_logits(path: Path) -> Array:
    """Return llama.cpp's logits of TOKENS, shape (tokens, vocabulary), with a cache and attention in 32 bits.

    With the 16 bits that the app uses the logits are off by up to 0.006; like this by less than 0.0001.
    """
    how = LoadModel(path, 256, 1)
    with pytest.MonkeyPatch.context() as patch:
        default = llama_cpp.llama_context_default_params

        def exact() -> Any:
            params = default()
            params.type_k = params.type_v = llama_cpp.GGML_TYPE_F32
            return params

        patch.setattr(llama_cpp, "llama_context_default_params", exact)
        patch.setattr(backend, "FLASH_ATTENTION_ON", 0)
        model = backend.Model(preflight(path, how.context_tokens, 2**40), how)
    try:
        assert model.decode(TOKENS, 0, outputs=len(TOKENS)) == backend.DECODED
        return np.stack([model.logits(row).copy() for row in range(len(TOKENS))])
    finally:
        model.close()
