"""Measure how soon the window is there and takes input."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from engine.errors import HolaError

__all__ = ["program", "screen", "start_once", "startup"]

STARTS = 5
START_LIMIT_S = 60.0


def startup(runs: int = STARTS) -> dict[str, Any]:
    """Start the window afresh some times; return the medians.

    Returns:
        `window_ms`: from the start of the process until the window has been painted and has taken an input event.
        `window_max_ms`: the slowest start. `first_ms`: the first one, when the disk's cache may be cold.
        `gui_rss_mb`: resident memory of the window's process at that moment, in MiB.
    """
    times: list[float] = []
    sizes: list[float] = []
    with tempfile.TemporaryDirectory(prefix="hola-bench-", ignore_cleanup_errors=True) as folder:
        environment = {**os.environ, "HOLA_DATA_DIR": folder, "HOLA_BENCH_STARTUP": "1", **screen()}
        for _ in range(runs):
            elapsed_ms, told = start_once(program(), environment)
            times.append(elapsed_ms)
            if not told["took_input"]:
                raise HolaError("The window appeared, but took no input: start `hola` to see why.")
            sizes.append(float(told["gui_rss_mb"]))
    return {
        "window_ms": statistics.median(times),
        "window_max_ms": max(times),
        "first_ms": times[0],
        "gui_rss_mb": statistics.median(sizes),
        "runs": runs,
    }


def program() -> list[str]:
    """Return the words that start Hola, from a checkout and frozen."""
    return [sys.executable] if getattr(sys, "frozen", False) else [sys.executable, "-m", "app"]


def start_once(
    words: Sequence[str], environment: Mapping[str, str], limit_s: float = START_LIMIT_S
) -> tuple[float, dict[str, Any]]:
    """Start the window; return the milliseconds until it reports that it is ready, and its report.

    The report is the line that `app.startup_report` prints: whether the window took the input, and its memory.
    """
    began = time.perf_counter()
    process = subprocess.Popen(words, env=dict(environment), stdout=subprocess.PIPE, text=True, encoding="utf-8")
    stream = process.stdout
    assert stream is not None
    # A start that hangs is ended from outside, which ends the reading too.
    watchdog = threading.Timer(limit_s, process.kill)
    watchdog.start()
    try:
        for line in stream:
            elapsed_ms = (time.perf_counter() - began) * 1000
            if line.startswith("{"):
                told = dict(json.loads(line))
                process.wait()
                return elapsed_ms, told
    except ValueError as exc:
        raise HolaError("The window gave a report that can't be read: start `hola` to see why.") from exc
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()
        stream.close()
    raise HolaError(f"The window did not appear (exit code {process.returncode}): start `hola` to see why.")


def screen() -> dict[str, str]:
    """Return the setting that a machine without a display needs."""
    linux = sys.platform.startswith("linux")
    shown = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or os.environ.get("QT_QPA_PLATFORM")
    return {"QT_QPA_PLATFORM": "offscreen"} if linux and not shown else {}
