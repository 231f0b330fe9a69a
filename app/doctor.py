"""Check what Hola stands on: the machine, the model, the library; each finding says what to do."""

from __future__ import annotations

import contextlib
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from app.paths import data_dir, engine_config
from engine.errors import HolaError, SettingsError

if TYPE_CHECKING:
    from engine.config import EngineConfig
    from engine.messages import LibraryStats

__all__ = ["Finding", "Level", "cpu_finding", "disk_finding", "examine", "library_findings", "memory_finding"]

MIB = 2**20
DISK_PROBLEM_MB = 200
DISK_WARNING_MB = 2000
MEMORY_WARNING_MB = 1000


class Level(str, Enum):
    """How much a finding matters."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    name: str
    level: Level
    message: str
    """One line; for a warning or a problem it says what to do."""


def examine() -> Iterator[Finding]:
    """Run every check, the quick ones first; a check that fails is a finding, never an exception."""
    yield cpu_finding(platform.machine(), cpu_flags())
    yield memory_finding(free_memory_mb())
    try:
        config = engine_config()
    except SettingsError as error:
        yield Finding("data folder", Level.PROBLEM, error.sentence)
        return
    yield data_folder_finding(config.data.root)
    yield disk_finding(shutil.disk_usage(config.data.root).free // MIB)
    yield told("model", lambda: model_finding(config))
    yield told("chats", lambda: chats_finding(config))
    try:
        yield from library_findings(library_stats(config))
    except HolaError as error:
        yield Finding("library", Level.PROBLEM, error.sentence)


def told(name: str, check: Callable[[], Finding]) -> Finding:
    """Return what a check found; the error it raises is a problem."""
    try:
        return check()
    except HolaError as error:
        return Finding(name, Level.PROBLEM, error.sentence)


# ---------------------------------------------------------------- the machine


def cpu_flags() -> frozenset[str]:
    """Return the instruction sets that the processor names, in lower case; empty where they can't be read."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip().lower() in ("flags", "features"):
                return frozenset(value.lower().split())
    if platform.system() == "Darwin":
        words = ["sysctl", "-n", "machdep.cpu.features", "machdep.cpu.leaf7_features"]
        with contextlib.suppress(OSError):
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            return frozenset(done.stdout.lower().split())
    return frozenset()


def cpu_finding(machine: str, flags: frozenset[str]) -> Finding:
    """Judge the processor: what llama.cpp gains most from is AVX2 (x86) or dot products (ARM)."""
    is_x86 = machine.lower() in ("x86_64", "amd64", "i686", "x86")
    wanted = ("avx", "avx2", "fma", "f16c", "avx512f", "avx512_vnni") if is_x86 else ("asimd", "asimddp", "i8mm", "sve")
    found = [flag for flag in wanted if flag in flags]
    listed = f"{machine} with {', '.join(found)}" if found else machine
    if is_x86 and flags and "avx2" not in flags:
        return Finding("processor", Level.WARNING, f"{listed}: it has no AVX2, so choose the smallest model you can.")
    return Finding("processor", Level.OK, listed)


def free_memory_mb() -> int:
    """Return the memory that programs can still have, in MiB."""
    import psutil

    return int(psutil.virtual_memory().available) // MIB


def memory_finding(free_mb: int) -> Finding:
    """Judge the memory that is free now."""
    if free_mb < MEMORY_WARNING_MB:
        return Finding("memory", Level.WARNING, f"{free_mb} MiB are free: close other programs before you ask.")
    return Finding("memory", Level.OK, f"{free_mb} MiB are free")


def disk_finding(free_mb: int) -> Finding:
    """Judge the space on the disk of the data folder."""
    if free_mb < DISK_PROBLEM_MB:
        return Finding("disk", Level.PROBLEM, f"Only {free_mb} MiB are free: make room, or Hola can't store anything.")
    if free_mb < DISK_WARNING_MB:
        return Finding("disk", Level.WARNING, f"{free_mb} MiB are free: make room before you add many documents.")
    return Finding("disk", Level.OK, f"{free_mb} MiB are free")


def data_folder_finding(root: Path) -> Finding:
    """Try to write into the data folder."""
    try:
        with tempfile.TemporaryFile(dir=root) as file:
            file.write(b"hola")
    except OSError as error:
        text = f"{root} can't be written ({error.strerror}): make it writable, or set HOLA_DATA_DIR to another folder."
        return Finding("data folder", Level.PROBLEM, text)
    chosen = " (HOLA_DATA_DIR)" if root == data_dir() and root != _usual_data_dir() else ""
    return Finding("data folder", Level.OK, f"{root}{chosen}")


def _usual_data_dir() -> Path:
    from platformdirs import user_data_dir

    return Path(user_data_dir("Hola", appauthor=False))


# ---------------------------------------------------------------- the parts


def model_finding(config: EngineConfig) -> Finding:
    """Check the model file against the memory that is free now, without loading it."""
    from engine.llm.preflight import preflight

    checked = preflight(config.model_path(), config.settings.context_tokens, free_memory_mb() * MIB)
    needed = checked.needed_bytes // MIB
    text = f"{checked.name} ({checked.architecture}), needs {needed} MiB for {checked.context_tokens} tokens"
    return Finding("model", Level.OK, text)


def chats_finding(config: EngineConfig) -> Finding:
    """Open the stored chats."""
    from engine.history import History

    history = History(config.data.chats)
    try:
        if history.notice:
            return Finding("chats", Level.WARNING, history.notice)
        return Finding("chats", Level.OK, f"{len(history.chats())} chats")
    finally:
        history.close()


def library_stats(config: EngineConfig) -> LibraryStats:
    """Load the embedder, open the library and check it."""
    from engine.library.client import Library

    library = Library(config)
    try:
        return library.stats(check=True)
    finally:
        library.close()


def library_findings(stats: LibraryStats) -> Iterator[Finding]:
    """Judge what the library says of itself."""
    yield Finding("embedder", Level.OK, f"{stats.embedder} loads")
    for problem in stats.problems:
        yield Finding("library", Level.PROBLEM, problem)
    if not stats.problems:
        size = stats.bytes_on_disk / MIB
        text = f"{stats.documents} documents, {stats.chunks} passages, {size:.1f} MiB on disk"
        yield Finding("library", Level.OK, text)
