"""Build tiny GGUF models: what the bundled model can't show, and one broken file of each kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import gguf
import numpy as np
import numpy.typing as npt

CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
CONTROL_TOKENS = ("<|end|>", "<|system|>", "<|user|>", "<|assistant|>")
END, ASSISTANT = 256, 259
WIDTH = 320
"""One dimension per token: embeddings are one-hot, so that a model's next token can be laid down."""

Array = npt.NDArray[np.float32]


def byte_vocabulary() -> list[str]:
    """Return the 256 byte tokens in GPT-2's spelling, in the order of the bytes, then the control tokens."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    names, extra = [], 0
    for byte in range(256):
        if byte in printable:
            names.append(chr(byte))
        else:
            names.append(chr(256 + extra))
            extra += 1
    return [*names, *CONTROL_TOKENS]


def chain(text: str) -> dict[int, int]:
    """Return which byte token follows which, so that the assistant says this text, whose bytes must differ."""
    data = text.encode()
    assert len(set(data)) == len(data), "each byte has one successor only"
    tokens = [ASSISTANT, *data, END]
    return dict(pairwise(tokens))


def write_llama(
    path: Path,
    successors: Mapping[int, int] | None = None,
    runners_up: Mapping[int, int] | None = None,
    *,
    seed: int = 0,
    architecture: str = "llama",
    layers: int = 1,
    claimed_layers: int | None = None,
    context: int = 512,
    template: str | None = CHAT_TEMPLATE,
    name: str = "Tiny",
    draft_of: str | None = None,
    vocabulary: Sequence[str] | None = None,
    tokenizer: str = "gpt2",
    bos: int = END,
    eos: int = END,
) -> Path:
    """Write a byte-level Llama. With `successors` (`runners_up` come next) it says just that; else it is random."""
    vocabulary = byte_vocabulary() if vocabulary is None else vocabulary
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name(name)
    if draft_of is not None:
        writer.add_string("hola.draft_of", draft_of)
    writer.add_context_length(context)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(layers if claimed_layers is None else claimed_layers)
    writer.add_feed_forward_length(32)
    writer.add_head_count(5)
    writer.add_head_count_kv(5)
    writer.add_rope_dimension_count(64)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model(tokenizer)
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(vocabulary)
    writer.add_token_types(
        [int(gguf.TokenType.CONTROL if token in CONTROL_TOKENS else gguf.TokenType.NORMAL) for token in vocabulary]
    )
    # llama.cpp wants at least one merge; this one joins two NUL bytes and never applies.
    writer.add_token_merges(["Ā Ā"])
    writer.add_bos_token_id(bos)
    writer.add_eos_token_id(eos)
    writer.add_add_bos_token(False)
    if template is not None:
        writer.add_chat_template(template)
    for tensor_name, tensor in _llama_tensors(len(vocabulary), layers, successors, runners_up or {}, seed).items():
        writer.add_tensor(tensor_name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _llama_tensors(
    vocabulary: int, layers: int, successors: Mapping[int, int] | None, runners_up: Mapping[int, int], seed: int
) -> dict[str, Array]:
    random = np.random.default_rng(seed)

    def weights(*shape: int) -> Array:
        scale = 0.0 if successors is not None else 0.3
        return (random.standard_normal(shape) * scale).astype(np.float32)

    embedding = np.zeros((vocabulary, WIDTH), np.float32)
    embedding[np.arange(vocabulary), np.arange(vocabulary)] = 1.0
    output = weights(vocabulary, WIDTH)
    for token, follower in (successors or {}).items():
        output[follower, token] = 1.0
    for token, follower in runners_up.items():
        output[follower, token] = 0.9
    tensors = {
        "token_embd.weight": embedding,
        "output.weight": output,
        "output_norm.weight": np.ones(WIDTH, np.float32),
    }
    for layer in range(layers):
        prefix = f"blk.{layer}."
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            tensors[f"{prefix}{name}.weight"] = weights(WIDTH, WIDTH)
        tensors[f"{prefix}ffn_gate.weight"] = weights(32, WIDTH)
        tensors[f"{prefix}ffn_up.weight"] = weights(32, WIDTH)
        tensors[f"{prefix}ffn_down.weight"] = weights(WIDTH, 32)
        for name in ("attn_norm", "ffn_norm"):
            tensors[f"{prefix}{name}.weight"] = np.ones(WIDTH, np.float32)
    return tensors


def bytes_at(path: Path, changes: Sequence[tuple[int, bytes]]) -> Path:
    """Overwrite bytes of a file at given offsets."""
    data = bytearray(path.read_bytes())
    for offset, replacement in changes:
        data[offset : offset + len(replacement)] = replacement
    path.write_bytes(bytes(data))
    return path
