"""The model that a version is made of: one GGUF file, of which a few rows at a time are in memory (no torch)."""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize

from engine.errors import LobiError, ModelFileError
from engine.llm.gguf_header import SCALARS, GgufHeader, TensorInfo, read_header

__all__ = ["BLOCK_ELEMENTS", "Indices", "Source", "tensor_bytes"]

BLOCK_ELEMENTS = 2**21
"""Weights that are dequantized at once: numpy needs some copies of them on the way."""
COPIED_BYTES = 2**24
F32 = int(GGMLQuantizationType.F32)
STRING_TYPE, ARRAY_TYPE = 8, 9
SCALAR_BYTES = {kind: struct.calcsize("<" + code) for kind, code in SCALARS.items()}
SIZES: Mapping[int, tuple[int, int]] = {int(kind): size for kind, size in GGML_QUANT_SIZES.items()}
"""Weights per block, and bytes per block, of each type."""

Indices = npt.NDArray[np.intp]
Floats = npt.NDArray[np.float32]


class Source:
    """A GGUF file that is open for reading; a context manager.

    Raises ModelFileError if the file is missing, damaged, cut off, or one part of several.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.header: GgufHeader = read_header(path)
        self.name = self.header.text("general.name")
        self.architecture = self.header.text("general.architecture")
        self.tensors: dict[str, TensorInfo] = {tensor.name: tensor for tensor in self.header.tensors}
        self._check()
        try:
            with path.open("rb") as file:
                self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as exc:
            raise ModelFileError(f"The model file {path} can't be read ({exc}): check its permissions.") from exc

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; no array that was handed out lies in it."""
        self._data.close()

    def _check(self) -> None:
        """See that each tensor lies within the file."""
        name, header = self.path.name, self.header
        if header.integer("split.count") > 1:
            raise ModelFileError(f"{name} is one part of a split model: join the parts into one file first.")
        if not header.tensors or len(self.tensors) != len(header.tensors):
            raise ModelFileError(f"The model file {name} is damaged (its list of tensors): download it again.")
        for tensor in header.tensors:
            if tensor.type_id not in SIZES:
                raise ModelFileError(
                    f"{name} holds weights of an unknown type ({tensor.type_id}): update Hola, or choose another model."
                )
            if not tensor.shape or 0 in tensor.shape or tensor.shape[0] % SIZES[tensor.type_id][0]:
                raise ModelFileError(
                    f"The model file {name} is damaged (tensor {tensor.name[:64]}): download it again."
                )
            if header.data_offset + tensor.offset + tensor_bytes(tensor.shape, tensor.type_id) > header.file_bytes:
                raise ModelFileError(f"The model file {name} is cut off: download it again.")

    def info(self, name: str) -> TensorInfo:
        """Return where a tensor lies; raise LobiError if the model has none of this name."""
        if name not in self.tensors:
            raise LobiError(f"{self.path.name} has no tensor {name[:64]}: get a plan that was made for this model.")
        return self.tensors[name]

    def shape(self, name: str) -> tuple[int, ...]:
        """Return a tensor's shape in numpy's order: (out, in) for a matrix."""
        return tuple(reversed(self.info(name).shape))

    def array(self, name: str) -> Floats:
        """Return a tensor in float32, shape (out, in); raise LobiError if its type can't be dequantized."""
        shape = self.shape(name)
        columns = shape[-1]
        found: Floats = np.empty((math.prod(shape) // columns, columns), np.float32)
        step = max(1, BLOCK_ELEMENTS // columns)
        for start in range(0, len(found), step):
            stop = min(start + step, len(found))
            found[start:stop] = self.rows(name, np.arange(start, stop))
        return found.reshape(shape)

    def rows(self, name: str, chosen: Indices) -> Floats:
        """Return rows of a tensor in float32, shape (len(chosen), in), in the order they are named."""
        info = self.info(name)
        block, block_bytes = SIZES[info.type_id]
        row_bytes = info.shape[0] // block * block_bytes
        first, last = int(chosen.min()), int(chosen.max())
        start = self.header.data_offset + info.offset + first * row_bytes
        data = np.frombuffer(self._data[start : start + (last + 1 - first) * row_bytes], np.uint8)
        picked = np.ascontiguousarray(data.reshape(-1, row_bytes)[chosen - first])
        kind = GGMLQuantizationType(info.type_id)
        try:
            values: Floats = np.asarray(dequantize(picked, kind), np.float32)
        except NotImplementedError as exc:
            raise LobiError(
                f"Weights of the type {kind.name} can't be changed ({name[:64]}): choose another file of this model."
            ) from exc
        return values

    def raw(self, name: str) -> tuple[bytes, int]:
        """Return a tensor's bytes as they lie in the file, and ggml's number of their type."""
        return b"".join(self.pieces(name)), self.info(name).type_id

    def pieces(self, name: str) -> Iterator[bytes]:
        """Yield a tensor's bytes as they lie in the file, at most 16 MiB at a time."""
        info = self.info(name)
        start = self.header.data_offset + info.offset
        stop = start + tensor_bytes(info.shape, info.type_id)
        for position in range(start, stop, COPIED_BYTES):
            yield self._data[position : min(position + COPIED_BYTES, stop)]

    def metadata(self) -> dict[str, bytes]:
        """Return each metadata entry as it lies in the file: by its key, the type and the value in GGUF's coding."""
        found: dict[str, bytes] = {}
        # Magic, version and number of tensors come before; read_header found all of it sound.
        (count,) = struct.unpack_from("<Q", self._data, 16)
        position = 24
        for _ in range(count):
            (length,) = struct.unpack_from("<Q", self._data, position)
            start = position + 8 + length
            key = self._data[position + 8 : start].decode("utf-8", "replace")
            position = self._end_of_value(start)
            found[key] = self._data[start:position]
        return found

    def _end_of_value(self, position: int) -> int:
        (kind,) = struct.unpack_from("<I", self._data, position)
        count, position = 1, position + 4
        if kind == ARRAY_TYPE:
            kind, count = struct.unpack_from("<IQ", self._data, position)
            position += 12
        if kind != STRING_TYPE:
            return position + count * SCALAR_BYTES[kind]
        for _ in range(count):
            (length,) = struct.unpack_from("<Q", self._data, position)
            position += 8 + length
        return position


def tensor_bytes(shape: tuple[int, ...], type_id: int) -> int:
    """Return the bytes of a tensor whose rows are whole blocks of a type."""
    block, block_bytes = SIZES[type_id]
    return math.prod(shape) // block * block_bytes
