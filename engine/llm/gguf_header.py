"""Read a GGUF header with bounds on everything, before any other code sees the file.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (versions 2 and 3, little-endian).
A model file comes from anywhere, so each count and length is checked against the file before it is used.
"""

from __future__ import annotations

import contextlib
import mmap
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from engine.errors import ModelFileError

__all__ = ["GgufHeader", "TensorInfo", "Value", "Vocabulary", "read_header", "read_vocabulary"]

MAX_ENTRIES = 65_536
MAX_STRING_BYTES = 16 * 2**20
MAX_ARRAY_ITEMS = 4_194_304
MAX_DIMENSIONS = 4
KEPT_ARRAY_ITEMS = 1024
MAX_TOKENS = 2**20
"""Four times the largest vocabulary known."""
MAX_TOKEN_TABLE_BYTES = 64 * 2**20
UNSTATED = -1
TOKENS_KEY = "tokenizer.ggml.tokens"

Value = int | float | bool | str | tuple[int | float | bool | str, ...]

SCALARS: Mapping[int, str] = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING_TYPE, ARRAY_TYPE = 8, 9
LENGTH = struct.Struct("<Q")


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


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The tokens of a model, and what its tokenizer says of itself.

    The tokens stay as the file has them, one run of bytes: reading them is then one copy instead of 50,000
    objects, they take a third of the memory, and equal vocabularies are found equal by one comparison.
    """

    kind: str
    """Type of the tokenizer (`tokenizer.ggml.model`): gpt2 is byte-level BPE, llama is SentencePiece."""
    pre: str
    """How text is cut before BPE (`tokenizer.ggml.pre`); it does not change what a token id stands for."""
    bos: int
    """Token id of the beginning of a text; -1 if the file does not say."""
    eos: int
    """Token id of the end of a text; -1 if the file does not say."""
    add_bos: bool | None
    """Whether texts begin with BOS; None if the file does not say."""
    size: int
    """Number of tokens."""
    table: bytes = field(repr=False)
    """Each token in the order of the ids: its length in bytes (64 bits, little-endian), then its text."""

    def tokens(self) -> Iterator[bytes]:
        """Yield the text of each token, in the order of the ids."""
        position = 0
        for _ in range(self.size):
            (length,) = LENGTH.unpack_from(self.table, position)
            position += LENGTH.size + length
            yield self.table[position - length : position]


class _Truncated(Exception):
    """The file ends within its header."""


class _Malformed(Exception):
    """A count or type in the header can't be right."""


class _Cursor:
    """Read little-endian values from a buffer and never beyond its end."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self.size = len(data)
        self.position = 0

    def magic(self) -> bytes:
        self.position = 4
        return self._data[:4]

    def take(self, count: int) -> int:
        start = self.position
        if count > self.size - start:
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

    def skip_strings(self, count: int) -> None:
        # A vocabulary is 100,000 strings: this loop is most of the time that a header takes.
        data, position, read = self._data, self.position, LENGTH.unpack_from
        try:
            for _ in range(count):
                (length,) = read(data, position)
                if length > MAX_STRING_BYTES:
                    raise _Malformed
                position += 8 + length
        except struct.error as exc:
            raise _Truncated from exc
        self.take(position - self.position)

    def copy(self, span: slice) -> bytes:
        return self._data[span]


@dataclass(slots=True)
class _Metadata:
    """What stands before the tensors."""

    version: int
    tensor_count: int
    values: dict[str, Value] = field(default_factory=dict)
    array_lengths: dict[str, int] = field(default_factory=dict)
    string_arrays: dict[str, slice] = field(default_factory=dict)
    """Where in the file the strings of each array of strings lie."""


def read_header(path: Path) -> GgufHeader:
    """Return the header of a GGUF file; raise ModelFileError with a sentence if it is not a sound one."""
    with _opened(path) as cursor:
        return _header(cursor, path.name)


def read_vocabulary(path: Path) -> Vocabulary:
    """Return the vocabulary of a GGUF file; raise ModelFileError with a sentence if there is no sound one."""
    with _opened(path) as cursor:
        metadata = _metadata(cursor, path.name)
        kind = metadata.values.get("tokenizer.ggml.model")
        span = metadata.string_arrays.get(TOKENS_KEY)
        size = metadata.array_lengths.get(TOKENS_KEY, 0)
        if not isinstance(kind, str) or span is None or size == 0:
            raise ModelFileError(f"The model file {path.name} holds no vocabulary: choose another file of this model.")
        if size > MAX_TOKENS or span.stop - span.start > MAX_TOKEN_TABLE_BYTES:
            raise _Malformed
        pre = metadata.values.get("tokenizer.ggml.pre", "")
        add_bos = metadata.values.get("tokenizer.ggml.add_bos_token")
        return Vocabulary(
            kind=kind,
            pre=pre if isinstance(pre, str) else "",
            bos=_token_id(metadata, "tokenizer.ggml.bos_token_id"),
            eos=_token_id(metadata, "tokenizer.ggml.eos_token_id"),
            add_bos=add_bos if isinstance(add_bos, bool) else None,
            size=size,
            table=cursor.copy(span),
        )


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[_Cursor]:
    """Open a model file for reading, and put into a sentence what is found to be wrong with it."""
    name = path.name
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield _Cursor(data)
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


def _metadata(cursor: _Cursor, name: str) -> _Metadata:
    if cursor.magic() != b"GGUF":
        raise ModelFileError(f"{name} is not a GGUF model: choose a file that ends in .gguf.")
    version = cursor.count("I", 2**32)
    if version not in (2, 3):
        raise ModelFileError(
            f"{name} has GGUF version {version}, and Hola reads 2 and 3: get a newer file of this model."
        )
    metadata = _Metadata(version, cursor.count("Q", MAX_ENTRIES))
    for _ in range(cursor.count("Q", MAX_ENTRIES)):
        key = cursor.string()
        if key in metadata.values or key in metadata.array_lengths:
            raise _Malformed
        value = _value(cursor, key, metadata)
        if value is not None:
            metadata.values[key] = value
    return metadata


def _header(cursor: _Cursor, name: str) -> GgufHeader:
    found = _metadata(cursor, name)
    tensors = tuple(_tensor(cursor) for _ in range(found.tensor_count))
    alignment = found.values.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 1 <= alignment <= 2**20:
        raise _Malformed
    data_offset = (cursor.position + alignment - 1) // alignment * alignment
    return GgufHeader(found.version, found.values, found.array_lengths, tensors, data_offset, cursor.size)


def _token_id(metadata: _Metadata, key: str) -> int:
    value = metadata.values.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else UNSTATED


def _value(cursor: _Cursor, key: str, metadata: _Metadata) -> Value | None:
    kind = cursor.count("I", 12)
    if kind in SCALARS:
        return cursor.scalar(SCALARS[kind])
    if kind == STRING_TYPE:
        return cursor.string()
    item_kind = cursor.count("I", 12)
    length = cursor.count("Q", MAX_ARRAY_ITEMS)
    metadata.array_lengths[key] = length
    if item_kind in SCALARS:
        if length > KEPT_ARRAY_ITEMS:
            cursor.take(length * struct.calcsize("<" + SCALARS[item_kind]))
            return None
        return tuple(cursor.scalar(SCALARS[item_kind]) for _ in range(length))
    if item_kind != STRING_TYPE:
        raise _Malformed
    start = cursor.position
    strings = None
    if length > KEPT_ARRAY_ITEMS:
        cursor.skip_strings(length)
    else:
        strings = tuple(cursor.string() for _ in range(length))
    metadata.string_arrays[key] = slice(start, cursor.position)
    return strings


def _tensor(cursor: _Cursor) -> TensorInfo:
    name = cursor.string()
    dimensions = cursor.count("I", MAX_DIMENSIONS)
    shape = tuple(cursor.count("Q", 2**40) for _ in range(dimensions))
    type_id = cursor.count("I", 2**16)
    offset = cursor.count("Q", 2**62)
    return TensorInfo(name, shape, type_id, offset)
