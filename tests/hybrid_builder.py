"""Build tiny GGUF models with a recurrent state: a Falcon-H1 (state and attention in each layer) and a Mamba-2.

Their greedy text wanders, comes back to phrases and hangs on tokens far back: drafts of it fit now and then, and a
cache or state that was set back wrongly says something else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import gguf
import numpy as np
from gguf.quants import quantize

from tests.gguf_builder import CHAT_TEMPLATE, CONTROL_TOKENS, END, Array, byte_vocabulary

__all__ = ["ALPHABET", "LARGE_STATE", "Shape", "write_falcon_h1", "write_mamba2"]

ALPHABET = b"abcdefghijklmnopqrstuvwxyz ."
"""What a model says: readable, never the end of a text, and few enough characters that phrases come again."""
Q8_0, F32 = gguf.GGMLQuantizationType.Q8_0, gguf.GGMLQuantizationType.F32


@dataclass(frozen=True)
class Shape:
    """The sizes of a model; matrix rows are multiples of 32, so that they can be stored as Q8_0."""

    layers: int = 2
    width: int = 64
    """Length of the residual stream."""
    feed_forward: int = 64
    inner: int = 128
    """Channels of the recurrent mixer: a multiple of `heads`, which is a multiple of `groups`."""
    state: int = 16
    """Numbers that each channel remembers."""
    heads: int = 8
    groups: int = 2
    kernel: int = 4
    """Tokens that the convolution before the state sees."""
    attention_heads: int = 4
    attention_kv_heads: int = 2
    head_width: int = 32

    @property
    def convolved(self) -> int:
        """Channels of the convolution: the input, and B and C of each group."""
        return self.inner + 2 * self.groups * self.state

    @property
    def state_bytes(self) -> int:
        """Size of one sequence's recurrent state: scan state and convolution window, in float32."""
        return 4 * self.layers * (self.state * self.inner + (self.kernel - 1) * self.convolved)


LARGE_STATE = Shape(layers=6, inner=1024, state=256, heads=32)
"""6.2 MB of state, to measure what checkpoints cost."""


@dataclass
class _Tensors:
    """Drawn tensors by name: matrices get quantized, all else stays float32."""

    seed: int
    matrices: dict[str, Array] = field(default_factory=dict)
    others: dict[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)

    def normal(self, *shape: int, scale: float = 1.0) -> Array:
        drawn: Array = (self.random.standard_normal(shape) * scale).astype(np.float32)
        return drawn

    def matrix(self, name: str, rows: int, columns: int, gain: float = 1.0) -> None:
        """Draw a matrix that turns input of unit variance into output of standard deviation `gain`."""
        self.matrices[name] = self.normal(rows, columns, scale=gain / float(np.sqrt(columns)))

    def ones(self, name: str, *shape: int) -> None:
        self.others[name] = np.ones(shape, np.float32)


def write_falcon_h1(
    path: Path,
    *,
    seed: int = 0,
    shape: Shape | None = None,
    layers: int | None = None,
    context: int = 512,
    history: float = 0.35,
    matrix_type: gguf.GGMLQuantizationType = Q8_0,
    template: str | None = CHAT_TEMPLATE,
) -> Path:
    """Write a byte-level Falcon-H1 with random weights that says characters of ALPHABET for ever.

    `history` is the weight of earlier tokens against the last one: nearer 0, phrases repeat; nearer 1, hardly any does.
    """
    sizes = _with_layers(shape, layers)
    tensors = _common_tensors(sizes, seed)
    for layer in range(sizes.layers):
        _add_mixer(tensors, f"blk.{layer}.", sizes, history)
        _add_attention(tensors, f"blk.{layer}.", sizes, history)
        _add_feed_forward(tensors, f"blk.{layer}.", sizes, history)
    writer = gguf.GGUFWriter(path, "falcon-h1")
    writer.add_feed_forward_length(sizes.feed_forward)
    writer.add_head_count(sizes.attention_heads)
    writer.add_head_count_kv(sizes.attention_kv_heads)
    writer.add_key_length(sizes.head_width)
    writer.add_value_length(sizes.head_width)
    writer.add_rope_dimension_count(sizes.head_width)
    writer.add_rope_freq_base(10_000.0)
    return _finish(writer, path, sizes, tensors, context, matrix_type, template)


def write_mamba2(
    path: Path,
    *,
    seed: int = 0,
    shape: Shape | None = None,
    layers: int | None = None,
    context: int = 512,
    history: float = 0.35,
    matrix_type: gguf.GGMLQuantizationType = Q8_0,
    template: str | None = CHAT_TEMPLATE,
) -> Path:
    """Write a byte-level Mamba-2 with random weights: a recurrent state in each layer and no attention."""
    sizes = _with_layers(shape, layers)
    tensors = _common_tensors(sizes, seed)
    for layer in range(sizes.layers):
        _add_mixer(tensors, f"blk.{layer}.", sizes, history)
    writer = gguf.GGUFWriter(path, "mamba2")
    writer.add_feed_forward_length(0)
    writer.add_head_count(0)
    return _finish(writer, path, sizes, tensors, context, matrix_type, template)


def _with_layers(shape: Shape | None, layers: int | None) -> Shape:
    sizes = shape or Shape()
    return sizes if layers is None else Shape(**{**vars(sizes), "layers": layers})


def _common_tensors(sizes: Shape, seed: int) -> _Tensors:
    tensors = _Tensors(seed)
    vocabulary = len(byte_vocabulary())
    embedding = tensors.normal(vocabulary, sizes.width)
    rows = tensors.normal(len(ALPHABET), sizes.width, scale=3.0 / float(np.sqrt(sizes.width)))
    # Orthogonal to the character's own embedding: none of them makes itself come again at once.
    own = embedding[list(ALPHABET)]
    rows -= own * ((rows * own).sum(1, keepdims=True) / (own * own).sum(1, keepdims=True))
    output = np.zeros((vocabulary, sizes.width), np.float32)
    output[list(ALPHABET)] = rows
    tensors.matrices["token_embd.weight"] = embedding
    tensors.matrices["output.weight"] = output
    tensors.ones("output_norm.weight", sizes.width)
    return tensors


def _add_mixer(tensors: _Tensors, prefix: str, sizes: Shape, history: float) -> None:
    tensors.ones(f"{prefix}attn_norm.weight", sizes.width)
    tensors.matrix(f"{prefix}ssm_in.weight", sizes.inner + sizes.convolved + sizes.heads, sizes.width)
    tensors.others[f"{prefix}ssm_conv1d.weight"] = tensors.normal(sizes.convolved, sizes.kernel, scale=0.7)
    tensors.others[f"{prefix}ssm_conv1d.bias"] = tensors.normal(sizes.convolved, scale=0.1)
    # With A and the step that this bias gives, heads forget half of their state in 3 to 350 tokens.
    tensors.others[f"{prefix}ssm_dt.bias"] = np.zeros(sizes.heads, np.float32)
    decay = np.geomspace(0.003, 0.3, sizes.heads).astype(np.float32)
    tensors.others[f"{prefix}ssm_a"] = -decay.reshape(-1, 1)
    tensors.others[f"{prefix}ssm_d"] = tensors.normal(sizes.heads, 1)
    tensors.ones(f"{prefix}ssm_norm.weight", sizes.groups, sizes.inner // sizes.groups)
    tensors.matrix(f"{prefix}ssm_out.weight", sizes.width, sizes.inner, gain=history)


def _add_attention(tensors: _Tensors, prefix: str, sizes: Shape, history: float) -> None:
    queries, keys = sizes.attention_heads * sizes.head_width, sizes.attention_kv_heads * sizes.head_width
    # Scores of standard deviation 3: a query picks out a few tokens, near or far, instead of averaging over all.
    tensors.matrix(f"{prefix}attn_q.weight", queries, sizes.width, gain=3.0)
    tensors.matrix(f"{prefix}attn_k.weight", keys, sizes.width)
    tensors.matrix(f"{prefix}attn_v.weight", keys, sizes.width)
    tensors.matrix(f"{prefix}attn_output.weight", sizes.width, queries, gain=1.5 * history)


def _add_feed_forward(tensors: _Tensors, prefix: str, sizes: Shape, history: float) -> None:
    # This one's name has no ".weight".
    tensors.ones(f"{prefix}ffn_norm", sizes.width)
    tensors.matrix(f"{prefix}ffn_gate.weight", sizes.feed_forward, sizes.width)
    tensors.matrix(f"{prefix}ffn_up.weight", sizes.feed_forward, sizes.width)
    tensors.matrix(f"{prefix}ffn_down.weight", sizes.width, sizes.feed_forward, gain=history)


def _finish(
    writer: gguf.GGUFWriter,
    path: Path,
    sizes: Shape,
    tensors: _Tensors,
    context: int,
    matrix_type: gguf.GGMLQuantizationType,
    template: str | None,
) -> Path:
    """Add what both architectures have and write the file."""
    vocabulary = byte_vocabulary()
    writer.add_name("Tiny hybrid")
    writer.add_vocab_size(len(vocabulary))
    writer.add_context_length(context)
    writer.add_embedding_length(sizes.width)
    writer.add_block_count(sizes.layers)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_ssm_conv_kernel(sizes.kernel)
    writer.add_ssm_inner_size(sizes.inner)
    writer.add_ssm_state_size(sizes.state)
    writer.add_ssm_time_step_rank(sizes.heads)
    writer.add_ssm_group_count(sizes.groups)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(vocabulary)
    writer.add_token_types([int(gguf.TokenType.NORMAL)] * 256 + [int(gguf.TokenType.CONTROL)] * len(CONTROL_TOKENS))
    # llama.cpp wants at least one merge; this one joins two NUL bytes and never applies.
    writer.add_token_merges(["Ā Ā"])
    writer.add_bos_token_id(END)
    writer.add_eos_token_id(END)
    writer.add_add_bos_token(False)
    if template is not None:
        writer.add_chat_template(template)
    for name, tensor in tensors.others.items():
        writer.add_tensor(name, tensor)
    for name, tensor in tensors.matrices.items():
        writer.add_tensor(name, quantize(tensor, matrix_type), raw_dtype=matrix_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
