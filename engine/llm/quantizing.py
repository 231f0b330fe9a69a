"""Quantize a GGUF file by llama.cpp, so that each tensor gets the type that was chosen for it.

llama.cpp's quantizer can't be cancelled, prints to stderr, and may end the process where a file is broken in a way that
it does not expect: call `quantize` and `preset` in a process of their own. What its options come to, from
src/llama-quant.cpp: overrides by name count only if the file's own type is a quantized one, `pure` leaves aside its
rules for the output layer and for single layers, and biases, norms and convolutions always keep their type.
"""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

from engine.errors import LobiError
from engine.llm.gguf_header import GgufHeader, TensorInfo, read_header
from engine.scaling.probe import physical_cores

__all__ = ["PRESETS", "TYPES", "fitting_type", "planned_bytes", "planned_types", "preset", "quantize"]

NAMES = (
    "f32 f16 bf16 q8_0 q4_0 q4_1 q5_0 q5_1 q2_k q3_k q4_k q5_k q6_k iq4_nl iq4_xs"  # those that need no calibration
).split()
TYPES: Mapping[str, int] = {name: int(GGMLQuantizationType[name.upper()]) for name in NAMES}
"""ggml's numbers of the types that a tensor can be given, by name."""
PRESETS: Mapping[str, int] = {
    "F16": 1,
    "Q4_0": 2,
    "Q8_0": 7,
    "Q3_K_M": 12,
    "Q4_K_M": 15,
    "Q5_K_M": 17,
    "BF16": 32,
}
"""llama.cpp's numbers (llama_ftype) of its own mixtures, by name."""
FALLBACKS = {"q2_k": "q4_0", "q3_k": "q4_0", "q4_k": "q5_0", "q5_k": "q5_1", "q6_k": "q8_0", "iq4_xs": "iq4_nl"}
"""What llama.cpp takes for rows that are no whole blocks of 256."""
CALIBRATED = ("IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS")
"""Types that llama.cpp writes with an importance matrix only, even where it copies."""
UNQUANTIZED = (TYPES["f32"], TYPES["f16"], TYPES["bf16"])
ALIGNMENT = 32
BUFFER_BYTES = 2**28
"""Rows in memory at once."""
ROOM = 2**20
"""Bytes that stay free on the disk."""
KEPT = re.compile(
    # Part of llama.cpp's tensor_allows_quantization: what it never quantizes in the models that chat.
    r"_norm\.weight|ffn_gate_inp\.weight|ffn_gate_tid2eid\.weight|altup|laurel|per_layer_model_proj|ssm_conv1d"
    r"|shortconv\.conv\.weight|indexer\.[kq]_proj\.weight|time_mix_(first|w[012]|v[012]|a[012]|g[12]|decay_w[12]"
    r"|lerp_fused)\.weight|attn_rel_b\.weight|\.position_embd|position_embd\.weight|token_types\.weight|\.rel_pos"
)
SIZES = {int(kind): size for kind, size in GGML_QUANT_SIZES.items()}


def quantize(
    source: Path,
    target: Path,
    types: Mapping[str, str],
    default_type: str,
    *,
    threads: int = 0,
    keep_others: bool,
) -> None:
    """Write a model whose tensors have the types named for them; see `planned_types` for what the others get.

    Types of 256 weights per block are replaced where a row has another length: see `fitting_type`. `threads` 0 takes
    the physical cores. Raises ModelFileError if the source is no sound GGUF file, and LobiError if a tensor or type
    that is named does not exist, the disk is full, or llama.cpp fails; then there is no target file, or the one from
    before.
    """
    header = read_header(source)
    _require_alignment(header, source.name)
    wanted = planned_types(header, types, default_type, keep_others=keep_others)
    _require_room(target, _file_bytes(header, wanted))
    with _replacing(target) as part:
        _run(source, part, PRESETS["Q8_0"], threads, wanted)
        written = {tensor.name: tensor.type_id for tensor in read_header(part).tensors}
        wrong = [name for name, type_id in wanted.items() if written.get(name) != type_id]
        if wrong:
            raise LobiError(
                f"llama.cpp gave {wrong[0][:64]} another type than was asked for: leave it out of the plan."
            )


def preset(source: Path, target: Path, name: str, *, threads: int = 0) -> None:
    """Write a model as one of llama.cpp's own mixtures (PRESETS); raises as `quantize` does."""
    if name not in PRESETS:
        raise LobiError(f"There is no preset {name[:64]}: choose one of {', '.join(PRESETS)}.")
    _require_alignment(read_header(source), source.name)
    with _replacing(target) as part:
        _run(source, part, PRESETS[name], threads, {})


def planned_types(
    header: GgufHeader, types: Mapping[str, str], default_type: str, *, keep_others: bool
) -> dict[str, int]:
    """Return ggml's number of the type that each tensor of a model will have.

    A tensor that is named gets its type. The others get the default type; with `keep_others` only those of 16 or 32
    bits do, and those that are quantized stay as they are. Biases, norms and convolutions keep their type in any case.
    Raises LobiError for names of tensors or types that do not exist.
    """
    names = {tensor.name for tensor in header.tensors}
    for name in types:
        if name not in names:
            raise LobiError(f"The model has no tensor {name[:64]}: get a plan that was made for this model.")
    found = {}
    for tensor in header.tensors:
        wanted = tensor.type_id
        if _is_quantizable(tensor):
            if tensor.name in types:
                wanted = TYPES[fitting_type(tensor.shape, types[tensor.name])]
            elif not keep_others or tensor.type_id in UNQUANTIZED:
                wanted = TYPES[fitting_type(tensor.shape, default_type)]
            elif GGMLQuantizationType(tensor.type_id).name in CALIBRATED:
                raise LobiError(
                    f"The tensor {tensor.name[:64]} can't keep its type ({GGMLQuantizationType(tensor.type_id).name}): "
                    "choose another file of this model."
                )
        elif tensor.name in types and _number(types[tensor.name]) != tensor.type_id:
            raise LobiError(f"The tensor {tensor.name[:64]} can't be quantized: leave it out of the plan.")
        found[tensor.name] = wanted
    return found


def planned_bytes(header: GgufHeader, types: Mapping[str, str], default_type: str, *, keep_others: bool = False) -> int:
    """Return the size of the file that `quantize` would write.

    It is exact if the source says its file type and quantization version, which llama.cpp's tools and `rewrite` always
    write; else the file is up to 128 bytes larger.
    """
    return _file_bytes(header, planned_types(header, types, default_type, keep_others=keep_others))


def fitting_type(shape: tuple[int, ...], wanted: str) -> str:
    """Return the type that a tensor gets when one is wanted for it; the shape is GGUF's, a row's length first.

    Where the rows are not whole blocks of the type, llama.cpp's own replacement is taken: q2_k and q3_k become q4_0,
    q4_k becomes q5_0, q5_k q5_1, q6_k q8_0 and iq4_xs iq4_nl; where this does not fit either, f16. Raises LobiError for
    an unknown type.
    """
    for name in (wanted, FALLBACKS.get(wanted, wanted)):
        if shape[0] % SIZES[_number(name)][0] == 0:
            return name
    return "f16"


def _number(name: str) -> int:
    if name not in TYPES:
        raise LobiError(f"There is no type {name[:64]} for weights: choose one of {', '.join(TYPES)}.")
    return TYPES[name]


def _is_quantizable(tensor: TensorInfo) -> bool:
    """Whether llama.cpp changes the type of a tensor at all (tensor_allows_quantization)."""
    # What ggml calls the number of dimensions leaves out those of length 1 at the end.
    is_matrix = any(length > 1 for length in tensor.shape[1:])
    return is_matrix and tensor.name.endswith("weight") and not KEPT.search(tensor.name)


def _file_bytes(header: GgufHeader, types: Mapping[str, int]) -> int:
    total = header.data_offset
    for tensor in header.tensors:
        block, block_bytes = SIZES[types[tensor.name]]
        total += -(-(math.prod(tensor.shape) // block * block_bytes) // ALIGNMENT) * ALIGNMENT
    return total


def _require_alignment(header: GgufHeader, name: str) -> None:
    # llama.cpp copies this entry, yet pads by 32.
    if header.integer("general.alignment", ALIGNMENT) != ALIGNMENT:
        raise LobiError(f"llama.cpp can't quantize {name} (its weights lie in an unusual way): choose another file.")


def _require_room(target: Path, needed: int) -> None:
    try:
        free = shutil.disk_usage(target.parent).free
    except OSError as exc:
        raise LobiError(f"{target} can't be written ({exc.strerror}): choose another folder.") from exc
    if free < needed + ROOM:
        raise LobiError(
            f"There is no room on the disk for {target.name} ({needed / 1e6:.0f} MB): free some space and try again."
        )


@contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    """Give a path beside the target; the file takes the target's place if all goes well, and else goes."""
    part = target.with_name(target.name + ".part")
    try:
        yield part
        part.replace(target)
    except OSError as exc:
        raise LobiError(f"{target} can't be written ({exc.strerror}): choose another folder.") from exc
    finally:
        part.unlink(missing_ok=True)


def _run(source: Path, target: Path, file_type: int, threads: int, types: Mapping[str, int]) -> None:
    """Let llama.cpp quantize; raise LobiError with what it said last if it fails."""
    # The plan of a version is made in a process that has no need of llama.cpp.
    from engine.llm.backend import quantize_file

    patterns = [(f"^{_escaped(name)}$", type_id) for name, type_id in types.items()]
    reason = quantize_file(source, target, file_type, patterns, threads or physical_cores(), BUFFER_BYTES)
    if reason:
        raise LobiError(f"llama.cpp can't quantize {source.name} ({reason}): choose another file of this model.")


def _escaped(name: str) -> str:
    """Return a regular expression (ECMAScript's kind) for a tensor's name."""
    return re.sub(r"([^A-Za-z0-9_])", r"\\\1", name)
