"""Make one GGUF file of another: an adapter merged into the weights, and what a plan prunes left out (no torch).

Rows stream from file to file, some megabytes at a time; what does not change is copied byte by byte.
"""

from __future__ import annotations

import errno
import os
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
import numpy.typing as npt
from gguf.constants import GGMLQuantizationType as Type

from engine.errors import LobiError
from engine.lobi.adapter import Adapter, Pair, Plan
from engine.lobi.cuts import Cut, Layout, layout
from engine.lobi.feedback import BLOCK, feedback_factor, q4_0_bytes, rounded_with_feedback
from engine.lobi.fingerprint import fingerprint
from engine.lobi.naming import require_supported
from engine.lobi.source import BLOCK_ELEMENTS, Source, tensor_bytes

__all__ = ["changed_tensors", "rewrite"]

ALIGNMENT = 32
"""GGUF's default, which llama.cpp's quantizer takes for granted."""
VERSION = 3
UINT32, BOOL, STRING, INT64 = 4, 7, 8, 11
FILE_TYPE, QUANTIZATION_VERSION = "general.file_type", "general.quantization_version"
QUANTIZATION = 2
"""GGML_QNT_VERSION."""
FILE_TYPES = {
    Type.F32: 0,
    Type.F16: 1,
    Type.Q4_0: 2,
    Type.Q4_1: 3,
    Type.Q8_0: 7,
    Type.Q5_0: 8,
    Type.Q5_1: 9,
    Type.Q2_K: 10,
    Type.Q3_K: 12,
    Type.Q4_K: 15,
    Type.Q5_K: 17,
    Type.Q6_K: 18,
    Type.IQ4_NL: 25,
    Type.BF16: 32,
}
"""llama_ftype of a file by the type of most of its weights."""
UNKNOWN_FILE_TYPE = 1024
ROOM_ERRORS = (errno.ENOSPC, errno.EDQUOT)

Floats = npt.NDArray[np.float32]
Value = str | bool | int


def _never() -> bool:
    return False


def _ignore(_share: float) -> None:
    return None


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A tensor to be written."""

    cut: Cut
    pair: Pair | None
    shape: tuple[int, ...]
    """As ggml has it: the length of a row first."""
    type_id: int
    factor: Floats | None = None
    """Of the rounding with feedback, if the tensor is rounded here."""

    @property
    def is_changed(self) -> bool:
        return self.pair is not None or not self.cut.is_whole or self.factor is not None

    @property
    def size(self) -> int:
        return tensor_bytes(self.shape, self.type_id)


def rewrite(
    source: Path,
    target: Path,
    plan: Plan,
    adapter: Adapter | None,
    *,
    extra: Mapping[str, Value] = {},
    dtype: Literal["f16", "f32"] = "f16",
    is_cancelled: Callable[[], bool] = _never,
    report: Callable[[float], None] = _ignore,
) -> None:
    """Write a model with W + B A for W where the adapter has a pair, and with what the plan keeps.

    Changed matrices have the type `dtype`, changed biases 32 bits; all others keep their bytes, but what has second
    moments is rounded here if the plan gives it q4_0. Metadata are copied but for what pruning changes; `extra` entries
    are added. A Qwen 2 with fewer heads becomes a Llama (llama.cpp loads no such Qwen 2). `report` gets the share that
    is written, from 0 to 1.
    Raises ModelFileError if the source is not a sound model, and LobiError if the plan or adapter is another model's or
    does not fit, the disk is full, or `is_cancelled` (asked between blocks of some megabytes) says yes. Then there is
    no target file, or the one that was there before. The plan's other types are the quantizer's matter.
    """
    with Source(source) as model:
        if fingerprint(source) != plan.fingerprint:
            raise LobiError(f"The plan of {plan.name} was made for another model than {source.name}: choose its own.")
        found = layout(model, plan)
        tensors = _tensors(model, plan, found, adapter, Type.F16 if dtype == "f16" else Type.F32)
        entries = _entries(model, found, tensors, extra)
        total = sum(tensor.size for tensor in tensors)
        with _replacing(target) as file:
            file.write(_head(entries, tensors))
            written = 0
            for tensor in tensors:
                _pad(file)
                for piece in _pieces(model, tensor):
                    if is_cancelled():
                        raise LobiError(f"Making {target.name} was cancelled: nothing has changed.")
                    file.write(piece)
                    written += len(piece)
                    report(written / total)
            _pad(file)


def changed_tensors(source: Path, plan: Plan, adapter: Adapter | None) -> frozenset[str]:
    """Return the finished names of the tensors that `rewrite` writes in another form; raises what it raises."""
    with Source(source) as model:
        tensors = _tensors(model, plan, layout(model, plan), adapter, Type.F16)
    return frozenset(tensor.cut.name for tensor in tensors if tensor.is_changed)


def _tensors(model: Source, plan: Plan, found: Layout, adapter: Adapter | None, dtype: int) -> list[_Tensor]:
    """Return what is to be written, in the order of the original."""
    pairs = adapter.pairs if adapter is not None else {}
    factors = _factors(model, plan, adapter.moments if adapter is not None else {})
    if pairs:
        require_supported(model.architecture)
    for name, (a, b) in pairs.items():
        if name not in model.tensors:
            raise LobiError(f"The adapter is another model's: {model.path.name} has no tensor {name[:64]}.")
        whole = model.shape(name)
        if (b.shape[0], a.shape[1]) != whole or a.shape[0] != b.shape[1]:
            raise LobiError(
                f"The adapter is another model's: in {model.path.name} the tensor {name[:64]} has another size."
            )
    tensors = []
    for cut in found.cuts:
        info, pair = model.info(cut.source), pairs.get(cut.source)
        if cut.is_whole and cut.source in factors:
            tensors.append(_Tensor(cut, pair, info.shape, int(Type.Q4_0), factors[cut.source]))
            continue
        if pair is None and cut.is_whole:
            tensors.append(_Tensor(cut, None, info.shape, info.type_id))
            continue
        shape = list(info.shape)
        # A bias is a row of its own: what is cut of it are the entries.
        if cut.rows is not None:
            shape[-1] = len(cut.rows)
        if cut.columns is not None:
            shape[0] = len(cut.columns)
        tensors.append(_Tensor(cut, pair, tuple(shape), int(dtype) if len(shape) > 1 else int(Type.F32)))
    return tensors


def _factors(model: Source, plan: Plan, moments: Mapping[str, Floats]) -> dict[str, Floats]:
    """Return the factor of the feedback for each tensor that is to be rounded so."""
    found = {}
    for name, each in moments.items():
        if name not in model.tensors or model.shape(name)[1:] != each.shape[:1] or len(each) % BLOCK:
            raise LobiError(f"The adapter is another model's: {model.path.name} has no tensor {name[:64]} of its size.")
        if plan.types.get(name) == "q4_0":
            try:
                found[name] = feedback_factor(each)
            except np.linalg.LinAlgError as exc:
                raise LobiError(f"The adapter of {plan.name} is broken ({name[:64]}, {exc}): get it again.") from exc
    return found


def _pieces(model: Source, tensor: _Tensor) -> Iterator[bytes]:
    """Yield a tensor's bytes."""
    cut = tensor.cut
    if not tensor.is_changed:
        yield from model.pieces(cut.source)
        return
    if len(tensor.shape) == 1:
        bias = model.array(cut.source)
        yield (bias if cut.rows is None else bias[cut.rows]).astype("<f4").tobytes()
        return
    shape = model.shape(cut.source)
    rows = np.arange(shape[0]) if cut.rows is None else cut.rows
    step = max(1, BLOCK_ELEMENTS // shape[1])
    kind = "<f2" if tensor.type_id == Type.F16 else "<f4"
    for start in range(0, len(rows), step):
        chosen = rows[start : start + step]
        block = model.rows(cut.source, chosen)
        if tensor.pair is not None:
            a, b = tensor.pair
            block = block + b[chosen] @ a
        if cut.columns is not None:
            block = block[:, cut.columns]
        if tensor.factor is not None:
            codes, scales = rounded_with_feedback(block, tensor.factor)
            if not np.isfinite(scales).all():
                raise LobiError(f"The tensor {cut.name} is beyond 16 bits: the adapter or model is broken.")
            yield q4_0_bytes(codes, scales)
            continue
        with np.errstate(over="ignore"):
            stored = block.astype(kind)
        if not np.isfinite(stored).all():
            raise LobiError(
                f"The tensor {cut.name} is beyond {kind[2]} bytes per number: the adapter or model is broken."
            )
        yield stored.tobytes()


def _entries(model: Source, found: Layout, tensors: list[_Tensor], extra: Mapping[str, Value]) -> dict[str, bytes]:
    """Return the metadata of the finished model, by key, in GGUF's coding."""
    entries = model.metadata()
    entries.pop("general.alignment", None)
    for key, number in found.metadata.items():
        entries[key] = _coded(number)
    if found.architecture != model.architecture:
        old, new = f"{model.architecture}.", f"{found.architecture}."
        entries = {(new + key[len(old) :] if key.startswith(old) else key): entry for key, entry in entries.items()}
        entries["general.architecture"] = _coded(found.architecture)
    before = _most({cut: (info.shape, info.type_id) for cut, info in model.tensors.items()})
    after = _most({tensor.cut.name: (tensor.shape, tensor.type_id) for tensor in tensors})
    if FILE_TYPE not in entries or before != after:
        entries[FILE_TYPE] = _coded(FILE_TYPES.get(after, UNKNOWN_FILE_TYPE))
    entries.setdefault(QUANTIZATION_VERSION, _coded(QUANTIZATION))
    for key, value in extra.items():
        entries[key] = _coded(value)
    return entries


def _most(tensors: Mapping[str, tuple[tuple[int, ...], int]]) -> int:
    """Return the type of most weights in matrices."""
    counts: Counter[int] = Counter()
    for shape, type_id in tensors.values():
        counts[type_id] += int(np.prod(shape)) * (len(shape) > 1)
    return counts.most_common(1)[0][0]


def _coded(value: Value) -> bytes:
    """Return a type and value in GGUF's coding."""
    if isinstance(value, str):
        return struct.pack("<I", STRING) + _text(value)
    if isinstance(value, bool):
        return struct.pack("<I?", BOOL, value)
    if 0 <= value < 2**32:
        return struct.pack("<II", UINT32, value)
    return struct.pack("<Iq", INT64, value)


def _text(text: str) -> bytes:
    data = text.encode("utf-8", "replace")
    return struct.pack("<Q", len(data)) + data


def _head(entries: Mapping[str, bytes], tensors: list[_Tensor]) -> bytes:
    """Return all that stands before the weights, without the padding."""
    parts = [b"GGUF", struct.pack("<IQQ", VERSION, len(tensors), len(entries))]
    for key, entry in entries.items():
        parts += (_text(key), entry)
    offset = 0
    for tensor in tensors:
        dimensions = len(tensor.shape)
        parts += (_text(tensor.cut.name), struct.pack(f"<I{dimensions}Q", dimensions, *tensor.shape))
        parts.append(struct.pack("<IQ", tensor.type_id, offset))
        offset += -(-tensor.size // ALIGNMENT) * ALIGNMENT
    return b"".join(parts)


def _pad(file: BinaryIO) -> None:
    file.write(bytes(-file.tell() % ALIGNMENT))


@contextmanager
def _replacing(target: Path) -> Iterator[BinaryIO]:
    """Open a file beside the target that takes its place if all goes well, and else goes."""
    part = target.with_name(target.name + ".part")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    except OSError as exc:
        if exc.errno in ROOM_ERRORS:
            raise LobiError(f"There is no room on the disk for {target.name}: free some space and try again.") from exc
        raise LobiError(f"{target} can't be written ({exc.strerror}): choose another folder.") from exc
    finally:
        part.unlink(missing_ok=True)
