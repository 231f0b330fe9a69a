"""What a weight of each type costs on this CPU, measured on layers of the very model.

Which type is fast is a matter of the kernels that llama.cpp has for this CPU, not of bits: Q4_0 was seen to read
prompts almost three times as fast as Q4_1. A file per type and one of half the depth are timed in turns, and a linear
model is fitted to the fastest runs: T = fixed + sum over types of (weights of the type) x (time per weight), for layers
and head apart. A layer's own fixed cost (norms, barriers, attention) becomes part of its weights: sums over whole
models are right.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import platform
import re
import statistics
import struct
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from engine.errors import LobiError
from engine.llm.gguf_header import GgufHeader, TensorInfo
from engine.llm.quantizing import TYPES, fitting_type, planned_types, quantize
from engine.lobi.evaluate import opened
from engine.lobi.messages import STOPPED
from engine.lobi.source import Source, tensor_bytes
from engine.scaling.probe import physical_cores

if TYPE_CHECKING:
    from engine.llm.backend import Model

__all__ = [
    "KernelSpeeds",
    "Observation",
    "Role",
    "cpu_name",
    "fit",
    "fitting_types",
    "kernel_speeds",
    "quantizable",
    "read_share",
    "role_of",
]

logger = logging.getLogger(__name__)

LAYER_WEIGHTS = 120_000_000
"""Weights in the layers of a file that is timed: more than any cache holds at 4 bits, as in the whole model."""
PROMPT_TOKENS = 128
CONTEXT = 512
REPEATS = 3
"""Tokens decoded in a row; the fastest counts."""
LEAST_ROUNDS = 2
"""The first one warms up."""
QUIET = 1.3
"""Middle by fastest time up to which the machine counts as quiet."""
FLOOR_NS = 1e-4
"""Least time per weight: none costs nothing."""
FORMAT = 1
ALIGNMENT = 32

Role = Literal["layer", "head", "embedding"]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class KernelSpeeds:
    """What the types cost; rates are nanoseconds per weight, and a type is missing where it could not be measured."""

    decode: Mapping[str, float]
    """Of a layer's weight, per decoded token."""
    prefill: Mapping[str, float]
    """Of a layer's weight, per token of a prompt read in batches of 128."""
    head: Mapping[str, float]
    """Of a weight of the output head, per row that predicts: one per decoded token, one per prompt."""
    decode_s: float = 0.0
    """Seconds per decoded token beside the weights."""
    prefill_s: float = 0.0
    """Seconds per prompt token beside the weights."""
    threads: int = 1
    quiet: bool = True
    """Whether the machine was quiet; what a busy one gave is not kept."""


@dataclass(frozen=True, slots=True)
class Observation:
    """A time, and the weights that were read in it."""

    seconds: float
    layers: Mapping[str, float]
    """Weights by type."""
    head: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Timed:
    """A file whose times are taken: its weights by type with all outputs, and without any."""

    path: Path
    whole: Mapping[str, float]
    headless: Mapping[str, float]
    """Without an output row, llama.cpp leaves out the feed-forward part of the last layer too."""
    head: Mapping[str, float]


def kernel_speeds(
    source: Path,
    types: Sequence[str],
    work: Path,
    *,
    threads: int = 0,
    seconds: float = 30.0,
    cache: Path | None = None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> KernelSpeeds:
    """Measure what types cost on this machine for a model, or return what was measured before.

    `types` are names of `quantizing.TYPES`; what replaces them in tensors that they don't fit is measured too.
    `seconds` bounds the timing (two rounds are taken at least), `cache` is the folder in which quiet measurements are
    kept, and `work` one for files that are removed again: one per type, of about 120 million weights (two layers at
    least) and the head, all in memory at once. `threads` 0 takes the physical cores. Raises ModelFileError,
    ModelMemoryError or LobiError.
    """
    with Source(source) as opened_source:
        needed = fitting_types(opened_source.header, types)
        threads = threads or physical_cores()
        kept = cache / "kernels" / f"{_key(opened_source.header, needed, threads)}.json" if cache is not None else None
        known = _load(kept) if kept is not None else None
        if known is not None:
            return known
        with tempfile.TemporaryDirectory(dir=work, prefix="kernels-") as folder:
            files = _files(opened_source, needed, Path(folder), threads, is_cancelled)
            times = _times([each.path for each in files], threads, seconds, is_cancelled)
    made = _fitted(files, times, threads)
    if kept is not None and made.quiet:
        _save(kept, made)
    return made


def fit(observations: Sequence[Observation]) -> tuple[dict[str, float], dict[str, float], float]:
    """Return ns per weight of layers and of the head by type, and the fixed seconds: relative least squares, none < 0.

    Where the observations leave something open, the smallest values that explain them are taken.
    """
    layers = sorted({kind for each in observations for kind, count in each.layers.items() if count})
    heads = sorted({kind for each in observations for kind, count in each.head.items() if count})
    rows = [
        [each.layers.get(kind, 0.0) * 1e-9 for kind in layers]
        + [each.head.get(kind, 0.0) * 1e-9 for kind in heads]
        + [1.0]
        for each in observations
    ]
    seconds = np.array([each.seconds for each in observations])
    matrix = np.array(rows) / seconds[:, np.newaxis]
    values = _not_negative(matrix, np.ones(len(seconds)))
    rates = np.maximum(values[:-1], FLOOR_NS).tolist()
    return (
        dict(zip(layers, rates[: len(layers)], strict=True)),
        dict(zip(heads, rates[len(layers) :], strict=True)),
        float(values[-1]),
    )


def quantizable(header: GgufHeader) -> tuple[TensorInfo, ...]:
    """Return the tensors whose type can be chosen."""
    plans = [planned_types(header, {}, kind, keep_others=False) for kind in ("bf16", "q8_0")]
    # What can't be quantized keeps its type, whatever is wanted.
    return tuple(tensor for tensor in header.tensors if plans[0][tensor.name] != plans[1][tensor.name])


def fitting_types(header: GgufHeader, types: Sequence[str]) -> tuple[str, ...]:
    """Return the types that the tensors get when these are wanted, in their order, replacements last."""
    found = dict.fromkeys(types)
    for kind in types:
        found.update(dict.fromkeys(fitting_type(tensor.shape, kind) for tensor in quantizable(header)))
    used = {fitting_type(tensor.shape, kind) for tensor in quantizable(header) for kind in types}
    return tuple(kind for kind in found if kind in used)


def role_of(header: GgufHeader, name: str) -> Role:
    """Return what a tensor is for: without an output tensor the embedding is the head too."""
    if name.startswith("output."):
        return "head"
    if name.startswith("token_embd."):
        return "embedding" if any(each.name == "output.weight" for each in header.tensors) else "head"
    return "layer"


def read_share(header: GgufHeader, name: str) -> float:
    """Return the share of a tensor's weights that a token reads: of experts, those that are asked."""
    architecture = header.text("general.architecture")
    experts, used = (header.integer(f"{architecture}.{key}") for key in ("expert_count", "expert_used_count"))
    return used / experts if "_exps" in name and 0 < used <= experts else 1.0


def cpu_name() -> str:
    """Return the processor's name as the system tells it."""
    with suppress(OSError):
        found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text("utf-8", "replace"), re.MULTILINE)
        if found:
            return found[1].strip()
    return platform.processor() or platform.machine()


def _not_negative(matrix: Floats, target: Floats) -> Floats:
    """Solve least squares and drop what comes out below zero until nothing does."""
    # Columns of one scale, so that "smallest" means the same for all.
    scale = np.linalg.norm(matrix, axis=0)
    active = scale > 0.0
    values: Floats = np.zeros(matrix.shape[1])
    while active.any():
        found = np.linalg.lstsq(matrix[:, active] / scale[active], target, rcond=1e-9)[0]
        if (found >= 0.0).all():
            values[active] = found / scale[active]
            break
        active[np.flatnonzero(active)[int(found.argmin())]] = False
    return values


def _fitted(files: Sequence[_Timed], times: Floats, threads: int) -> KernelSpeeds:
    """Fit the model to times of shape (rounds, files, 3): a token with output, one without, a prompt without."""
    fastest = times.min(0)
    decoded, read = [], []
    for each, (with_output, without, prompt) in zip(files, fastest.tolist(), strict=True):
        decoded.append(Observation(with_output, each.whole, each.head))
        decoded.append(Observation(without, each.headless))
        read.append(Observation(prompt / PROMPT_TOKENS, each.headless))
    decode, head, decode_s = fit(decoded)
    prefill, _, prefill_s = fit(read)
    quiet = statistics.median((np.median(times, axis=0) / fastest).ravel().tolist()) <= QUIET
    return KernelSpeeds(decode, prefill, head, decode_s, prefill_s, threads, quiet)


def _files(
    source: Source, types: Sequence[str], folder: Path, threads: int, is_cancelled: Callable[[], bool]
) -> list[_Timed]:
    """Write a file for each type, and one of half the depth: by it the fixed cost is told from that of the layers."""
    header = source.header
    blocks = header.integer(f"{source.architecture}.block_count")
    wanted = {each.name for each in quantizable(header)}
    per_layer = sum(math.prod(each.shape) for each in header.tensors if each.name in wanted and _layer(each.name) >= 0)
    depth = min(blocks, max(2, math.ceil(LAYER_WEIGHTS * blocks / max(1, per_layer))))
    if any(isinstance(value, tuple) and len(value) == blocks > 1 for value in header.metadata.values()):
        # Its layers are not alike, and llama.cpp wants each one's figures.
        depths = {blocks: source.path}
    else:
        depths = {each: folder / f"{each}.gguf" for each in dict.fromkeys((depth, max(1, depth // 2)))}
        for each, path in depths.items():
            _write_layers(source, path, each)
    found = []
    for at, (kind, (layers, path)) in enumerate(
        [(kind, next(iter(depths.items()))) for kind in types] + [(types[0], each) for each in list(depths.items())[1:]]
    ):
        if is_cancelled():
            raise LobiError(STOPPED)
        target = folder / f"{at}-{kind}.gguf"
        chosen = {
            each.name: kind if fitting_type(each.shape, kind) == kind else fitting_type(each.shape, types[0])
            for each in header.tensors
            if each.name in wanted and _layer(each.name) < layers
        }
        quantize(path, target, chosen, types[0], threads=threads, keep_others=True)
        found.append(_timed(header, target, chosen, layers))
    return found


def _timed(header: GgufHeader, path: Path, types: Mapping[str, str], layers: int) -> _Timed:
    whole: dict[str, float] = defaultdict(float)
    headless: dict[str, float] = defaultdict(float)
    head: dict[str, float] = defaultdict(float)
    for tensor in header.tensors:
        if tensor.name not in types:
            continue
        kind, role = types[tensor.name], role_of(header, tensor.name)
        weights = math.prod(tensor.shape) * read_share(header, tensor.name)
        if role == "head":
            head[kind] += weights
        elif role == "layer":
            whole[kind] += weights
            if not tensor.name.startswith(f"blk.{layers - 1}.ffn_"):
                headless[kind] += weights
    return _Timed(path, whole, headless, head)


def _write_layers(source: Source, target: Path, layers: int) -> None:
    """Write the first layers of a model, each tensor as it is."""
    block_count = f"{source.architecture}.block_count"
    metadata = source.metadata()
    metadata[block_count] = struct.pack("<II", 4, layers)
    kept = [tensor for tensor in source.header.tensors if _layer(tensor.name) < layers]
    with target.open("wb") as file:
        file.write(struct.pack("<4sIQQ", b"GGUF", 3, len(kept), len(metadata)))
        for key, value in metadata.items():
            file.write(_string(key) + value)
        offset = 0
        for tensor in kept:
            file.write(_string(tensor.name) + struct.pack("<I", len(tensor.shape)))
            file.write(struct.pack(f"<{len(tensor.shape)}QIQ", *tensor.shape, tensor.type_id, offset))
            offset += _padded(tensor_bytes(tensor.shape, tensor.type_id))
        for tensor in kept:
            file.write(b"\0" * (_padded(file.tell()) - file.tell()))
            for piece in source.pieces(tensor.name):
                file.write(piece)
        file.write(b"\0" * (_padded(file.tell()) - file.tell()))


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _padded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _layer(name: str) -> int:
    """Return the number of a tensor's layer, -1 if it is in none."""
    found = re.match(r"blk\.(\d+)\.", name)
    return int(found[1]) if found else -1


def _times(paths: Sequence[Path], threads: int, seconds: float, is_cancelled: Callable[[], bool]) -> Floats:
    """Time the files in turns for so many seconds; return seconds of shape (rounds, files, 3), the warm-up left out."""
    rounds: list[list[tuple[float, float, float]]] = []
    with ExitStack() as stack:
        models = [stack.enter_context(opened(path, CONTEXT, threads)) for path in paths]
        ends = time.monotonic() + seconds
        while len(rounds) < LEAST_ROUNDS or time.monotonic() < ends:
            if is_cancelled():
                raise LobiError(STOPPED)
            rounds.append([_time(model) for model in models])
    return np.array(rounds[1:])


def _time(model: Model) -> tuple[float, float, float]:
    prompt = [(index * 7919 + 13) % model.vocabulary for index in range(min(PROMPT_TOKENS, model.context_tokens))]
    # Each type's weights come back into the cache, as far as they fit, before they are timed.
    single = [_seconds(model, prompt[:1], outputs) for outputs in (1, 0) for _ in range(REPEATS)]
    return min(single[:REPEATS]), min(single[REPEATS:]), _seconds(model, prompt, 0) * PROMPT_TOKENS / len(prompt)


def _seconds(model: Model, tokens: Sequence[int], outputs: int) -> float:
    model.keep(0)
    begun = time.perf_counter()
    code = model.decode(tokens, 0, outputs=outputs)
    if outputs:
        # Computing is over when the result is there.
        model.logits(0)
    spent = time.perf_counter() - begun
    if code != 0:
        raise LobiError("The model stopped while its kernels were timed: free some memory, and start again.")
    return spent


def _key(header: GgufHeader, types: Sequence[str], threads: int) -> str:
    """Return a digest of all that the times depend on."""
    from engine.llm.backend import BUILD

    shapes = [[each.name, *each.shape] for each in header.tensors if len(each.shape) > 1]
    parts = [FORMAT, BUILD, cpu_name(), threads, header.text("general.architecture"), sorted(types), shapes]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _load(file: Path) -> KernelSpeeds | None:
    try:
        found = KernelSpeeds(**json.loads(file.read_text("utf-8")))
        rates = [*found.decode.items(), *found.prefill.items(), *found.head.items()]
        sound = all(kind in TYPES and 0.0 < value < math.inf for kind, value in rates)
        sound = sound and all(0.0 <= value < math.inf for value in (found.decode_s, found.prefill_s))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        logger.warning("measured anew: %s can't be read", file)
        return None
    return found if sound else None


def _save(file: Path, made: KernelSpeeds) -> None:
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=file.parent, suffix=".new", delete=False, encoding="utf-8") as stream:
            json.dump(asdict(made), stream)
        Path(stream.name).replace(file)
    except OSError:
        logger.warning("the speeds can't be kept in %s: they are measured again", file, exc_info=True)
