"""Snapshots of the KV cache, in memory and on disk: what was read once is not prefilled again in another chat.

States are opaque bytes of llama.cpp, stored as they are: zlib takes 8 % off an f16 KV cache, at 35 MB/s.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
import stat
import struct
import tempfile
import time
from array import array
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

__all__ = ["DISK_LIMIT_BYTES", "MEMORY_LIMIT_BYTES", "Snapshot", "Snapshots"]

logger = logging.getLogger(__name__)

MEMORY_LIMIT_BYTES = 256 << 20
"""Eleven snapshots of 1000 tokens of the bundled model (23 MB each), and 3 % of a machine with 8 GiB."""
DISK_LIMIT_BYTES = 512 << 20
"""For all models together; twice the memory, so that a second model does not push out the first, and half a GGUF."""
FREE_BYTES_LEFT = 1 << 30
"""A cache must not be what fills the disk: chats are written there too."""
TOKEN_BYTES = 4
SUFFIX = ".kv"
TEMPORARY = ".kv.tmp"
STALE_NS = 3_600 * 10**9
"""A temporary file of this age is what a killed process left."""
CLOCK_SLACK_NS = 10**9
PIECE_BYTES = 4 << 20
"""Written between two looks at whether to stop: a few milliseconds."""
MAGIC = b"HOLAKV\x00\x01"
"""The last byte is the version of the format."""
HEADER = struct.Struct("<8s32sIQII")
"""Magic, digest of the key, bytes of tokens and of state, CRC-32 of the state, CRC-32 of header and tokens; then both.

CRC-32 (6 GB/s; SHA-256: 1.8) is against damage, not forgers: who can write into the private folder needs none.
"""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A state of the KV cache and what it stands for."""

    tokens: tuple[int, ...]
    state: bytes
    """As llama.cpp serialized it for one sequence."""


@dataclass(slots=True)
class _Entry:
    tokens: bytes
    """int32 each: comparing bytes is memcmp."""
    size: int
    """Bytes of the state."""
    used: int
    """Last use, nanoseconds since the epoch: comparable with the times of files, also those of another process."""
    state: bytes | None = None
    """None while it lies on disk alone."""
    file: str = ""
    """Name in the folder; empty while it is in memory alone."""


@dataclass(frozen=True, slots=True)
class _File:
    name: str
    size: int
    used: int


class Snapshots:
    """The snapshots of one loaded model, least recently used out first. To be used by one thread at a time.

    `key` names all that a state depends on: model file (path, size, mtime), adapters, context size, KV type, version of
    llama.cpp. States of another key are never loaded, but share the folder and its limit. `exact` is for recurrent and
    hybrid models, whose state can't be cut: there a snapshot serves only prompts that begin with all of its tokens.
    Trouble with the folder is never an error: without it the snapshots live in memory alone.
    """

    def __init__(
        self,
        key: str,
        folder: Path | None,
        memory_limit_bytes: int = MEMORY_LIMIT_BYTES,
        disk_limit_bytes: int = DISK_LIMIT_BYTES,
        exact: bool = False,
    ) -> None:
        self._folder = None if folder is None else _Folder(folder, key, disk_limit_bytes)
        self._memory_limit = memory_limit_bytes
        self._exact = exact
        self._entries: dict[bytes, _Entry] = {}
        self._writable = True
        self._tick = 0

    @property
    def memory_bytes(self) -> int:
        """Bytes of all states held in memory."""
        return sum(len(entry.state) for entry in self._entries.values() if entry.state is not None)

    def best(self, prompt: Sequence[int], at_least: int) -> Snapshot | None:
        """Return the snapshot that shares the longest usable prefix with a prompt, if longer than `at_least` tokens.

        Among equals one in memory comes first, then the smallest. Pass the prompt without its last token, which has to
        be computed in any case: a hybrid's snapshot of the whole prompt would be of no use.
        """
        self._look()
        wanted = array("i", prompt).tobytes()
        while (entry := self._longest(wanted, at_least)) is not None:
            state = entry.state if entry.state is not None else self._load(entry)
            if state is not None:
                self._touch(entry)
                return Snapshot(tuple(array("i", entry.tokens)), state)
        return None

    def put(self, tokens: Sequence[int], state: bytes) -> None:
        """Keep a state in memory; unless `exact`, it takes the place of those whose tokens it begins with.

        One that is covered already, or does not fit, is not kept.
        """
        self._look()
        packed = array("i", tokens).tobytes()
        if (covering := self._covering(packed)) is not None:
            self._touch(covering)
        elif packed and state and self.fits(len(state)):
            for entry in self._covered(packed):
                self._release(entry)
            self._make_room(len(state))
            self._entries[packed] = _Entry(packed, len(state), 0, state)
            self._touch(self._entries[packed])

    def covers(self, tokens: Sequence[int]) -> bool:
        """Whether a stored snapshot serves every prompt that one of these tokens would: putting it is pointless."""
        self._look()
        return self._covering(array("i", tokens).tobytes()) is not None

    def fits(self, state_bytes: int) -> bool:
        """Whether a state of this size can be kept at all; ask before having it serialized."""
        return state_bytes <= self._memory_limit

    def save(self, stop: Callable[[], bool] = lambda: False) -> bool:
        """Write what is in memory alone to disk, most recently used first; return False if it ended midway.

        `stop` is asked between files and every few milliseconds of writing; what was begun is left out.
        """
        if self._folder is None or not self._writable:
            return True
        self._look()
        entries = self._entries.values()
        covered = {other.tokens for entry in entries if entry.file for other in self._covered(entry.tokens)}
        unsaved = [entry for entry in entries if not entry.file and entry.tokens not in covered]
        try:
            for entry in sorted(unsaved, key=lambda entry: entry.used, reverse=True):
                if stop() or not self._write(self._folder, entry, stop):
                    return False
        except FileNotFoundError:
            return False  # another Hola has cleared the folder meanwhile
        except OSError as exc:
            self._writable = False
            logger.warning("KV snapshots stay in memory: %s", exc)
        self._folder.tidy()
        return True

    def close(self, stop: Callable[[], bool] = lambda: False) -> None:
        """Save, and free the memory."""
        self.save(stop)
        self._entries.clear()

    def clear(self) -> None:
        """Forget all snapshots, on disk those of every model too: they hold the text of chats."""
        self._entries.clear()
        if self._folder is not None:
            self._folder.clear()

    def _longest(self, wanted: bytes, at_least: int) -> _Entry | None:
        ranked = []
        for entry in self._entries.values():
            shared = _common_tokens(entry.tokens, wanted)
            if shared > at_least and not (self._exact and shared * TOKEN_BYTES < len(entry.tokens)):
                ranked.append(((shared, entry.state is not None, -entry.size), entry))
        return max(ranked, key=lambda pair: pair[0])[1] if ranked else None

    def _covering(self, tokens: bytes) -> _Entry | None:
        if self._exact:
            return self._entries.get(tokens)
        return next((entry for entry in self._entries.values() if entry.tokens.startswith(tokens)), None)

    def _covered(self, tokens: bytes) -> list[_Entry]:
        if self._exact:
            return []
        return [entry for key, entry in self._entries.items() if key != tokens and tokens.startswith(key)]

    def _look(self) -> None:
        """Bring the index up to date with the folder, which another Hola may write to; reads headers of new files."""
        if self._folder is None:
            return
        files = {file.name: file for file in self._folder.files() if self._folder.owns(file.name)}
        for entry in list(self._entries.values()):
            file = files.pop(entry.file, None)
            if file is not None:
                entry.used = max(entry.used, file.used)
            elif entry.file:
                entry.file = ""
                if entry.state is None:
                    del self._entries[entry.tokens]
        for file in files.values():
            read = self._folder.read(file.name, with_state=False)
            if read is not None:
                entry = _Entry(read[0], file.size - HEADER.size - len(read[0]), file.used)
                self._entries.setdefault(entry.tokens, entry).file = file.name

    def _touch(self, entry: _Entry) -> None:
        self._tick = entry.used = max(time.time_ns(), self._tick + 1)
        if self._folder is not None and entry.file:
            self._folder.touch(entry.file, entry.used)

    def _load(self, entry: _Entry) -> bytes | None:
        """Read a state from disk and keep it in memory if it fits; one that can't be read is forgotten."""
        assert self._folder is not None
        if self.fits(entry.size):
            self._make_room(entry.size)
        read = self._folder.read(entry.file, with_state=True)
        if read is None:
            del self._entries[entry.tokens]
            return None
        if self.fits(len(read[1])):
            entry.state = read[1]
        return read[1]

    def _release(self, entry: _Entry) -> None:
        entry.state = None
        if not entry.file:
            del self._entries[entry.tokens]

    def _make_room(self, size: int) -> None:
        """Release states, least recently used first, until another one of `size` bytes fits."""
        held = [entry for entry in self._entries.values() if entry.state is not None]
        for entry in sorted(held, key=lambda entry: entry.used):
            if self.memory_bytes + size > self._memory_limit:
                self._release(entry)

    def _write(self, folder: _Folder, entry: _Entry, stop: Callable[[], bool]) -> bool:
        """Write an entry if there is room beside more recent ones; return False if stopped. Raises OSError."""
        assert entry.state is not None
        covered = {other.file for other in self._covered(entry.tokens) if other.file}
        if not folder.make_room(HEADER.size + len(entry.tokens) + len(entry.state), entry.used, covered):
            return True
        entry.file = folder.write(entry.tokens, entry.state, entry.used, stop)
        return bool(entry.file)


class _Folder:
    """The files of all keys; reads those of one. Files may vanish at any time: another Hola tidies up too."""

    def __init__(self, path: Path, key: str, limit_bytes: int) -> None:
        self._path = path
        self._key = hashlib.sha256(key.encode()).digest()
        self._limit = limit_bytes

    def owns(self, name: str) -> bool:
        """Whether a file is named as one of this key."""
        return name.startswith(self._key.hex()[:16] + "-")

    def files(self, suffix: str = SUFFIX) -> list[_File]:
        """Return all snapshots in the folder, of any key; none where there is no folder."""
        found = []
        # A time in the future tells of a wrong clock; taken at its word, such a file would never be evicted.
        latest = time.time_ns() + CLOCK_SLACK_NS
        try:
            paths = [path for path in self._path.iterdir() if path.name.endswith(suffix)]
        except OSError:
            return []
        for path in paths:
            with contextlib.suppress(OSError):
                status = path.lstat()
                if stat.S_ISREG(status.st_mode):
                    used = status.st_mtime_ns if status.st_mtime_ns <= latest else 0
                    found.append(_File(path.name, status.st_size, used))
        return found

    def read(self, name: str, *, with_state: bool) -> tuple[bytes, bytes] | None:
        """Read tokens and, where asked for, state of a snapshot; a damaged file is deleted and gives None."""
        try:
            tokens, state = _read_file(self._path / name, self._key, with_state=with_state)
            if self._name(tokens) != name:
                raise ValueError("its name belongs to another one")
            return tokens, state
        except OSError as exc:
            logger.info("KV snapshot %s can't be read: %s", name, exc)
        except ValueError as exc:
            logger.info("KV snapshot %s is deleted: %s", name, exc)
            self.delete(name)
        return None

    def write(self, tokens: bytes, state: bytes, used: int, stop: Callable[[], bool]) -> str:
        """Write a snapshot in one atomic step and return its name, empty if stopped. Raises OSError."""
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if shutil.disk_usage(self._path).free < len(state) + FREE_BYTES_LEFT:
            raise OSError(f"the disk of {self._path} is nearly full")
        head = HEADER.pack(MAGIC, self._key, len(tokens), len(state), crc32(state), 0)[:-4]
        head += struct.pack("<I", crc32(tokens, crc32(head)))
        handle, temporary = tempfile.mkstemp(dir=self._path, suffix=TEMPORARY)
        try:
            with os.fdopen(handle, "wb") as stream:  # no fsync: what a power cut damages fails its checksum
                stream.write(head + tokens)
                view = memoryview(state)
                for start in range(0, len(state), PIECE_BYTES):
                    if stop():
                        return ""
                    stream.write(view[start : start + PIECE_BYTES])
            os.utime(temporary, ns=(used, used))
            Path(temporary).replace(self._path / self._name(tokens))
        finally:
            self.delete(temporary)  # gone already where all went well
        return self._name(tokens)

    def make_room(self, size: int, used: int, first: Collection[str] = ()) -> bool:
        """Delete the files in `first`, then those used before `used` until `size` bytes fit; or nothing: False."""
        victims = []
        files = self.files()
        total = size + sum(file.size for file in files)
        for file in sorted(files, key=lambda file: (file.name not in first, file.used)):
            if file.name not in first and (total <= self._limit or file.used >= used):
                break
            victims.append(file.name)
            total -= file.size
        if total > self._limit:
            return False
        for name in victims:
            self.delete(name)
        return True

    def tidy(self) -> None:
        """Bring the folder below its limit, and delete what killed processes left."""
        now = time.time_ns()
        self.make_room(0, now + 2 * CLOCK_SLACK_NS)
        for file in self.files(TEMPORARY):
            if file.used < now - STALE_NS:
                self.delete(file.name)

    def clear(self) -> None:
        """Delete the files of all keys."""
        for file in self.files() + self.files(TEMPORARY):
            self.delete(file.name)

    def delete(self, name: str) -> None:
        """Delete a file; one that is gone, or that Windows holds open elsewhere, is left at that."""
        with contextlib.suppress(OSError):
            (self._path / name).unlink()

    def touch(self, name: str, used: int) -> None:
        """Note on disk when a file was used."""
        with contextlib.suppress(OSError):
            os.utime(self._path / name, ns=(used, used))

    def _name(self, tokens: bytes) -> str:
        return f"{self._key.hex()[:16]}-{hashlib.sha256(tokens).hexdigest()[:32]}{SUFFIX}"


def _read_file(path: Path, key: bytes, *, with_state: bool) -> tuple[bytes, bytes]:
    """Return tokens and, where asked for, state of a file; raise ValueError if it is damaged or foreign, or OSError."""
    with path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        head = stream.read(HEADER.size)
        if len(head) < HEADER.size:
            raise ValueError("it is cut short")
        magic, owner, token_bytes, state_bytes, state_sum, head_sum = HEADER.unpack(head)
        if magic != MAGIC or owner != key:
            raise ValueError("it is of another version or model")
        if size != HEADER.size + token_bytes + state_bytes or token_bytes % TOKEN_BYTES:
            raise ValueError("its length is wrong")
        tokens = stream.read(token_bytes)
        if crc32(tokens, crc32(head[:-4])) != head_sum:
            raise ValueError("its header is damaged")
        state = stream.read(state_bytes) if with_state else b""
        if with_state and (len(state) != state_bytes or crc32(state) != state_sum):
            raise ValueError("its state is damaged")
    return tokens, state


def _common_tokens(left: bytes, right: bytes) -> int:
    """Return how many tokens both begin with, by bisection over ever shorter slices: O(n) bytes, all in memcmp."""
    low, high = 0, min(len(left), len(right)) // TOKEN_BYTES
    while low < high:
        middle = (low + high + 1) // 2
        span = slice(low * TOKEN_BYTES, middle * TOKEN_BYTES)
        if left[span] == right[span]:
            low = middle
        else:
            high = middle - 1
    return low
