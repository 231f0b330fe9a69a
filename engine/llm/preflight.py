"""Decide whether a model file can be loaded into the memory that is free now, before llama.cpp sees it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from engine.errors import ModelFileError, ModelMemoryError
from engine.llm.gguf_header import GgufHeader, read_header

__all__ = ["BRIEF_KEY", "KV_TYPE_KEY", "Preflight", "kv_cache_bytes", "kv_type", "preflight"]

MIB = 2**20
CONTEXT_STEP = 256
SMALLEST_CONTEXT = 512
MOST_LAYERS = 4096
KV_ELEMENT_BYTES = {"f16": 2.0, "q8_0": 1.0625, "q5_0_keys": 1.34375}
"""By the type of the cache: keys and values alike, or keys alone in 5 bits."""
KV_BLOCK = 32
"""Elements that share a scale in q8_0: heads of another width keep f16."""
KV_TYPE_KEY, BRIEF_KEY = "hola.kv_type", "hola.brief"
"""Metadata keys of versions made by Lo-Bi: the type of the KV cache (string), and whether the model learned to answer
grounded questions in a few words (bool)."""
BATCH_TOKENS = 512
RECURRENT_STATES = 2
"""The text's, and the checkpoint that it returns to when a draft is rejected."""
OUTPUT_ROWS = 64
"""Rows of one batch that have logits: a drafted batch is verified at each."""
FIXED_OVERHEAD = 64 * MIB
"""The process itself with its libraries."""
NOT_FOR_CHAT = {
    "clip": "is the image part of a model",
    "bert": "is an embedding model",
    "nomic-bert": "is an embedding model",
    "jina-bert-v2": "is an embedding model",
    "t5encoder": "is an encoder",
    "wavtokenizer-dec": "is a voice decoder",
}


@dataclass(frozen=True, slots=True)
class Preflight:
    """A model file that passed, and what it will need."""

    header: GgufHeader
    name: str
    architecture: str
    context_tokens: int
    """Tokens to load it with."""
    trained_context_tokens: int
    weights_bytes: int
    kv_bytes: int
    needed_bytes: int
    key_length: int
    """Width of a key head."""
    kv_type: str
    """Type of the KV cache: "f16", "q8_0", or "q5_0_keys" (keys in q5_0, values in f16)."""
    is_brief: bool
    """Whether it answers grounded questions in a few words."""


def preflight(path: Path, context_tokens: int, free_bytes: int) -> Preflight:
    """Check a GGUF file for a context of so many tokens against so many free bytes.

    Raises ModelFileError for a file that llama.cpp could not load, and ModelMemoryError, which names the
    largest context that would fit, for one that needs more memory than is free.
    """
    header = read_header(path)
    architecture = _architecture(header, path.name)
    weights = _check_tensors(header, path.name)
    trained = header.integer(f"{architecture}.context_length")
    context = min(context_tokens, trained) if trained else context_tokens
    overhead = FIXED_OVERHEAD + _compute_bytes(header, architecture)
    kv = kv_cache_bytes(header, architecture, context)
    needed = weights + kv + overhead
    if needed > free_bytes:
        raise ModelMemoryError(
            _does_not_fit(header, architecture, path.name, context, needed, free_bytes - weights - overhead, free_bytes)
        )
    # The names inside the files are of all kinds; the file's own name is what people know.
    return Preflight(
        header,
        path.stem,
        architecture,
        context,
        trained,
        weights,
        kv,
        needed,
        _head_widths(header, architecture)[0],
        kv_type(header, architecture),
        header.metadata.get(BRIEF_KEY) is True,
    )


def kv_type(header: GgufHeader, architecture: str) -> str:
    """Return the type of the KV cache that a file asks for, where its heads allow it; else "f16"."""
    fits = all(width % KV_BLOCK == 0 for width in _head_widths(header, architecture))
    asked = header.text(KV_TYPE_KEY)
    return asked if fits and asked in KV_ELEMENT_BYTES else "f16"


def kv_cache_bytes(header: GgufHeader, architecture: str, context_tokens: int) -> int:
    """Return the bytes of the KV cache: the sum over layers of n_ctx x n_head_kv x (d_k + d_v) x bytes per element.

    n_ctx is rounded up to 256 as llama.cpp does. Recurrent layers (no KV heads) cost their own state instead.
    """
    layers = header.integer(f"{architecture}.block_count")
    heads = header.integers(f"{architecture}.attention.head_count", layers)
    kv_heads = header.integers(
        f"{architecture}.attention.head_count_kv", layers, header.integer(f"{architecture}.attention.head_count")
    )
    if f"{architecture}.attention.head_count_kv" not in header.metadata:
        kv_heads = heads
    key, value = _head_widths(header, architecture)
    element = KV_ELEMENT_BYTES[kv_type(header, architecture)]
    rounded = math.ceil(context_tokens / CONTEXT_STEP) * CONTEXT_STEP
    attention = sum(rounded * count * (key + value) * element for count in kv_heads)
    state = (
        RECURRENT_STATES
        * layers
        * 4
        * (
            header.integer(f"{architecture}.ssm.inner_size") * header.integer(f"{architecture}.ssm.state_size")
            + header.integer(f"{architecture}.ssm.inner_size") * header.integer(f"{architecture}.ssm.conv_kernel")
        )
    )
    return int(attention + state)


def _head_widths(header: GgufHeader, architecture: str) -> tuple[int, int]:
    """Return the widths of a key head and of a value head."""
    heads = header.integers(f"{architecture}.attention.head_count", 1)
    width = header.integer(f"{architecture}.embedding_length") // max(1, max(heads, default=1))
    key = header.integer(f"{architecture}.attention.key_length", width)
    return key, header.integer(f"{architecture}.attention.value_length", width)


def _architecture(header: GgufHeader, name: str) -> str:
    # The list of what llama.cpp can load is kept by the gguf package; it is needed only here.
    from gguf.constants import MODEL_ARCH_NAMES

    architecture = header.text("general.architecture")
    kind = header.text("general.type", "model")
    if kind == "adapter":
        raise ModelFileError(f"{name} is an adapter, not a model: choose the model that it belongs to.")
    if architecture in NOT_FOR_CHAT or kind == "mmproj":
        what = NOT_FOR_CHAT.get(architecture, "is the image part of a model")
        raise ModelFileError(f"{name} {what} and can't chat: choose a chat model.")
    if architecture not in MODEL_ARCH_NAMES.values():
        shown = f'"{architecture}"' if architecture else "none"
        raise ModelFileError(f"{name} is of an unknown architecture ({shown}): choose another model, or update Hola.")
    if not 1 <= header.integer(f"{architecture}.block_count") <= MOST_LAYERS:
        raise ModelFileError(f"The model file {name} does not say how many layers it has: download it again.")
    if header.integer("split.count") > 1:
        raise ModelFileError(f"{name} is one part of a split model: join the parts into one file first.")
    return architecture


def _check_tensors(header: GgufHeader, name: str) -> int:
    """Return the bytes of all tensors; each must lie within the file."""
    from gguf.constants import GGML_QUANT_SIZES

    sizes = {int(kind): size for kind, size in GGML_QUANT_SIZES.items()}
    room = header.file_bytes - header.data_offset
    if not header.tensors:
        raise ModelFileError(f"The model file {name} holds no weights: download it again.")
    total = 0
    for tensor in header.tensors:
        if tensor.type_id not in sizes:
            raise ModelFileError(
                f"{name} holds weights of an unknown type ({tensor.type_id}): update Hola, or choose another model."
            )
        block, block_bytes = sizes[tensor.type_id]
        elements = math.prod(tensor.shape)
        if not tensor.shape or elements == 0 or tensor.shape[0] % block:
            raise ModelFileError(f"The model file {name} is damaged (tensor {tensor.name[:64]}): download it again.")
        size = elements // block * block_bytes
        if tensor.offset + size > room:
            missing = (tensor.offset + size - room) / MIB
            raise ModelFileError(
                f"The model file {name} is cut off (at least {missing:.1f} MiB are missing): download it again."
            )
        total += size
    return total


def _compute_bytes(header: GgufHeader, architecture: str) -> int:
    """Estimate the scratch memory of one batch: the widest activations, and the logits of its output rows, twice."""
    width = header.integer(f"{architecture}.embedding_length")
    feed_forward = header.integer(f"{architecture}.feed_forward_length", 4 * width)
    vocabulary = header.array_lengths.get("tokenizer.ggml.tokens", 0)
    return BATCH_TOKENS * 4 * (4 * width + 3 * feed_forward) + 8 * vocabulary * OUTPUT_ROWS


def _does_not_fit(
    header: GgufHeader, architecture: str, name: str, context: int, needed: int, room_for_kv: int, free: int
) -> str:
    per_token = kv_cache_bytes(header, architecture, context) / max(1, context)
    fitting = int(room_for_kv / per_token) // CONTEXT_STEP * CONTEXT_STEP if per_token else 0
    advice = f"set the context to {fitting} tokens or less" if fitting >= SMALLEST_CONTEXT else "choose a smaller model"
    return (
        f"{name} needs about {needed / 2**30:.1f} GB with a context of {context} tokens, "
        f"and {max(0, free) / 2**30:.1f} GB are free: close other programs, or {advice}."
    )
