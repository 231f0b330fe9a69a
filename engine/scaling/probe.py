"""Reads the memory and the load of the machine; cheap enough for every second."""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["MemoryUse", "cpu_load", "free_memory_mb", "memory_use", "physical_cores"]

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """Resident memory of the parts of Hola, in MiB."""

    app_mb: float
    """The window's own process."""
    model_mb: float
    """The model process; 0 while it is not running."""
    library_mb: float
    """The library process with its children, such as the parser; 0 while it is not running."""
    free_mb: float
    """What programs can still take without swapping."""


def memory_use(model_pid: int | None, library_pid: int | None) -> MemoryUse:
    """Measure Hola's processes; a process that is gone counts 0."""
    return MemoryUse(
        app_mb=_resident_mb(None),
        model_mb=0.0 if model_pid is None else _resident_mb(model_pid),
        library_mb=0.0 if library_pid is None else sum(map(_resident_mb, _family(library_pid))),
        free_mb=free_memory_mb(),
    )


def free_memory_mb() -> float:
    """Return the memory that programs can still take without swapping, in MiB."""
    import psutil

    return float(psutil.virtual_memory().available) / MIB


def physical_cores() -> int:
    """Return the cores this process may use, without the second threads of a core."""
    import psutil

    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    return max(1, min(allowed, psutil.cpu_count(logical=False) or allowed))


def cpu_load() -> float:
    """Return the share of all cores, 0 to 1, that was busy since this thread's last call; its first call gives 0."""
    import psutil

    return min(1.0, max(0.0, psutil.cpu_percent(interval=None) / 100))


def _resident_mb(pid: int | None) -> float:
    """Return the resident memory of a process, in MiB; None is this process."""
    import psutil

    try:
        return float(psutil.Process(pid).memory_info().rss) / MIB
    except (psutil.Error, ValueError):
        return 0.0


def _family(pid: int) -> list[int]:
    """Return the ids of a process and of all below it."""
    import psutil

    if sys.platform == "linux" and Path(f"/proc/{pid}/task/{pid}/children").exists():
        return _linux_family(pid)
    try:
        return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    except (psutil.Error, ValueError):
        return [pid]


def _linux_family(pid: int) -> list[int]:
    """Follow the kernel's own lists of children: psutil would read every process of the machine."""
    family = [pid]
    for member in family:
        # The process, or one of its threads, can end while it is read.
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{member}/task").iterdir():
                with contextlib.suppress(OSError):
                    family += [int(child) for child in (task / "children").read_text("ascii").split()]
    return family
