"""Read a GGUF header with bounds on everything, before any other code sees the file.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (versions 2 and 3, little-endian).
A model file comes from anywhere, so each count and length is checked against the file before it is used.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.errors import ModelFileError

__all__ = ["GgufHeader", "TensorInfo", "Value", "read_header"]

MAX_ENTRIES = 65_536
MAX_STRING_BYTES = 16 * 2**20
MAX_ARRAY_ITEMS = 4_194_304
MAX_DIMENSIONS = 4
KEPT_ARRAY_ITEMS = 1024

Value = int | float | bool | str | tuple[int | float | bool | str, ...]

SCALARS: Mapping[int, str] = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING_TYPE, ARRAY_TYPE = 8, 9


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """Where a tensor lies."""

    name: str
    shape: tuple[int, ...]
    type_id: int
    """ggml's number of the element type."""
    offset: int
    """Bytes from the start of the data section."""


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What the header says."""

    version: int
    metadata: Mapping[str, Value]
    """Arrays longer than 1024 items are represented by `array_lengths` alone."""
    array_lengths: Mapping[str, int]
    tensors: tuple[TensorInfo, ...]
    data_offset: int
    """Bytes from the start of the file to the data section."""
    file_bytes: int

    def text(self, key: str, default: str = "") -> str:
        """Return a metadata string, or the default if it is absent or of another type."""
        value = self.metadata.get(key, default)
        return value if isinstance(value, str) else default

    def integer(self, key: str, default: int = 0) -> int:
        """Return a metadata integer (the largest, if there is one per layer), or the default."""
        value = self.metadata.get(key, default)
        if isinstance(value, tuple):
            numbers = [item for item in value if isinstance(item, int)]
            return max(numbers, default=default)
        return value if isinstance(value, int) else default

    def integers(self, key: str, count: int, default: int = 0) -> tuple[int, ...]:
        """Return a metadata integer for each of `count` layers, whether it is stored once or per layer."""
        value = self.metadata.get(key, default)
        if isinstance(value, tuple):
            numbers = tuple(item for item in value if isinstance(item, int))
            return numbers[:count] if len(numbers) >= count else numbers + (default,) * (count - len(numbers))
        return (value if isinstance(value, int) else default,) * count


class _Truncated(Exception):
    """The file ends within its header."""


class _Malformed(Exception):
    """A count or type in the header can't be right."""


class _Cursor:
    """Read little-endian values from a buffer and never beyond its end."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self.position = 0

    def take(self, count: int) -> int:
        start = self.position
        if count > len(self._data) - start:
            raise _Truncated
        self.position = start + count
        return start

    def scalar(self, code: str) -> int | float | bool:
        layout = "<" + code
        value = struct.unpack_from(layout, self._data, self.take(struct.calcsize(layout)))[0]
        return value if isinstance(value, bool | float) else int(value)

    def count(self, code: str, limit: int) -> int:
        value = int(self.scalar(code))
        if value > limit:
            raise _Malformed
        return value

    def string(self) -> str:
        length = self.count("Q", MAX_STRING_BYTES)
        start = self.take(length)
        return self._data[start : start + length].decode("utf-8", "replace")

    def skip_string(self) -> None:
        self.take(self.count("Q", MAX_STRING_BYTES))


def read_header(path: Path) -> GgufHeader:
    """Return the header of a GGUF file; raise ModelFileError with a sentence if it is not a sound one."""
    name = path.name
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _parse(data, name)
    except FileNotFoundError as exc:
        raise ModelFileError(
            f"The model file {path} is not there: choose another model, or put the file back."
        ) from exc
    except _Truncated as exc:
        raise ModelFileError(f"The model file {name} is cut off: download it again.") from exc
    except _Malformed as exc:
        raise ModelFileError(
            f"The model file {name} is damaged (its header makes no sense): download it again."
        ) from exc
    except ValueError as exc:
        raise ModelFileError(f"The model file {name} is empty: download it again.") from exc
    except OSError as exc:
        raise ModelFileError(f"The model file {path} can't be read ({exc.strerror}): check its permissions.") from exc


def _parse(data: mmap.mmap, name: str) -> GgufHeader:
    if data[:4] != b"GGUF":
        raise ModelFileError(f"{name} is not a GGUF model: choose a file that ends in .gguf.")
    cursor = _Cursor(data)
    cursor.take(4)
    version = cursor.count("I", 2**32)
    if version not in (2, 3):
        raise ModelFileError(
            f"{name} has GGUF version {version}, and Hola reads 2 and 3: get a newer file of this model."
        )
    tensor_count = cursor.count("Q", MAX_ENTRIES)
    metadata_count = cursor.count("Q", MAX_ENTRIES)
    metadata: dict[str, Value] = {}
    array_lengths: dict[str, int] = {}
    for _ in range(metadata_count):
        key = cursor.string()
        value = _value(cursor, key, array_lengths)
        if value is not None:
            metadata[key] = value
    tensors = tuple(_tensor(cursor) for _ in range(tensor_count))
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 1 <= alignment <= 2**20:
        raise _Malformed
    data_offset = (cursor.position + alignment - 1) // alignment * alignment
    return GgufHeader(version, metadata, array_lengths, tensors, data_offset, len(data))


def _value(cursor: _Cursor, key: str, array_lengths: dict[str, int]) -> Value | None:
    kind = cursor.count("I", 12)
    if kind in SCALARS:
        return cursor.scalar(SCALARS[kind])
    if kind == STRING_TYPE:
        return cursor.string()
    item_kind = cursor.count("I", 12)
    length = cursor.count("Q", MAX_ARRAY_ITEMS)
    array_lengths[key] = length
    if item_kind in SCALARS:
        if length > KEPT_ARRAY_ITEMS:
            cursor.take(length * struct.calcsize("<" + SCALARS[item_kind]))
            return None
        return tuple(cursor.scalar(SCALARS[item_kind]) for _ in range(length))
    if item_kind != STRING_TYPE:
        raise _Malformed
    if length > KEPT_ARRAY_ITEMS:
        for _ in range(length):
            cursor.skip_string()
        return None
    return tuple(cursor.string() for _ in range(length))


def _tensor(cursor: _Cursor) -> TensorInfo:
    name = cursor.string()
    dimensions = cursor.count("I", MAX_DIMENSIONS)
    shape = tuple(cursor.count("Q", 2**40) for _ in range(dimensions))
    type_id = cursor.count("I", 2**16)
    offset = cursor.count("Q", 2**62)
    return TensorInfo(name, shape, type_id, offset)
