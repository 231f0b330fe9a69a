"""Measure a loaded model once per machine: its cost curve, and up to which width a batch is exact.

Kept in the cache folder per model file, machine, thread count, build of llama.cpp and mode.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import math
import os
import platform
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.llm.backend import BUILD, DECODED, Logits, Model
from engine.llm.hsd.cost import MOST_EXACT_ROWS, MOST_ROWS, CostCurve, measure
from engine.llm.protocol import LoadModel

__all__ = ["Calibration", "calibrate", "fingerprint", "forget"]

logger = logging.getLogger(__name__)

BUDGET_S = 1.8
"""Of the two seconds that the first load of a model may take longer."""
PROBE_WIDTHS = (2, 3, 4, 6, 7, 8, 9, 12, 15, 16, 17, 24, 31, 32, 33, 48, 63)
"""Where kernels change: row blocks of 4, 8, 16, 32, and the tiled attention from 64 on, which is never exact."""
PROBE_DEPTH = 300
"""Tokens before the probe: beyond 256 the cache is 512 wide, from where on llama.cpp splits it among threads."""
PROBE_S = 10.0
"""Longest time of the probe, which only strict mode needs; what is not compared by then is not used."""
PROBE_CHUNK = 256
DEPTH = 16
"""Tokens before the rows that are timed."""
FORMAT = 4


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was measured."""

    curve: CostCurve
    exact_rows: int
    """Widest batch in which each row's logits equal those of decoding token by token, bit by bit; 1: none does.

    Found in strict mode alone; else the widest batch to use.
    """


def fingerprint(how: LoadModel, threads: int) -> str:
    """Return a digest of all that a measurement depends on."""
    try:
        status = how.path.stat()
        file = [os.fspath(how.path.absolute()), status.st_size, status.st_mtime_ns]
    except OSError:
        file = [os.fspath(how.path.absolute())]
    machine = [platform.node(), platform.machine(), os.cpu_count()]
    parts = [FORMAT, BUILD, *file, *machine, threads, how.strict]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def calibrate(model: Model, how: LoadModel) -> Calibration:
    """Return the calibration of a model whose context is empty; leaves it empty."""
    file = _file(how, model.threads) if how.cache is not None else None
    known = _load(file) if file is not None else None
    if known is not None:
        return known
    # One thread rounds as in plain decoding as long as the attention does; several only do so in strict mode.
    most = min(MOST_EXACT_ROWS if how.strict or model.threads == 1 else MOST_ROWS, model.context_tokens // 2)
    exact = _exact_rows(model, most) if how.strict else most
    # Behind some text: going back to it is quick, and only the state of a text is copied by a checkpoint.
    _read_prefix(model, _probe_tokens(model, DEPTH), DEPTH)
    if model.is_recurrent:
        model.set_checkpoint()
    curve, quiet = measure(lambda rows: _decode_rows(model, rows), BUDGET_S, most)
    model.keep(0)
    made = Calibration(curve, exact)
    # What a busy machine gave serves for now, and is measured again at the next load, unless the probe made it long.
    if file is not None and (quiet or how.strict):
        _save(file, made)
    return made


def forget(model: Model, how: LoadModel) -> None:
    """Have a model measured anew at its next load: the machine was busy when it was."""
    if how.cache is not None:
        with contextlib.suppress(OSError):
            _file(how, model.threads).unlink(missing_ok=True)


def _file(how: LoadModel, threads: int) -> Path:
    assert how.cache is not None
    return how.cache / "curves" / f"{fingerprint(how, threads)[:32]}.json"


def _decode_rows(model: Model, rows: int) -> None:
    """Decode some rows as a verification does; of a recurrent model with the checkpoint that it needs."""
    if rows > 1 and model.is_recurrent:
        model.set_checkpoint()
    _must_decode(model, _probe_tokens(model, rows), DEPTH, rows)
    model.logits(rows - 1)
    _go_back(model, DEPTH)


def _exact_rows(model: Model, most: int) -> int:
    """Compare batches with single tokens, narrow ones first; stop at the first that differs, or when time is up."""
    ends = time.monotonic() + PROBE_S
    depth = min(PROBE_DEPTH, model.context_tokens - most)
    tokens = _probe_tokens(model, depth + most)
    _read_prefix(model, tokens, depth)
    if model.is_recurrent:
        model.set_checkpoint()
    single: list[Logits] = []
    exact = 1
    for rows in (width for width in PROBE_WIDTHS if width <= most):
        _go_back(model, depth)
        if len(single) > 1:
            _must_decode(model, tokens[depth : depth + len(single)], depth, 1)
        for offset in range(len(single), rows):
            _must_decode(model, tokens[depth + offset : depth + offset + 1], depth + offset, 1)
            single.append(model.logits(0).copy())
        _go_back(model, depth)
        _must_decode(model, tokens[depth : depth + rows], depth, rows)
        same = all(np.array_equal(model.logits(row), single[row]) for row in range(rows))
        if not same or time.monotonic() > ends:
            break
        exact = rows
    model.keep(0)
    return exact


def _go_back(model: Model, depth: int) -> None:
    if model.is_recurrent:
        model.return_to_checkpoint()
    else:
        model.keep(depth)


def _read_prefix(model: Model, tokens: list[int], depth: int) -> None:
    for start in range(0, depth, PROBE_CHUNK):
        chunk = tokens[start : min(depth, start + PROBE_CHUNK)]
        _must_decode(model, chunk, start, 1)


def _must_decode(model: Model, tokens: list[int], position: int, outputs: int) -> None:
    code = model.decode(tokens, position, outputs=outputs)
    assert code == DECODED, code


def _probe_tokens(model: Model, count: int) -> list[int]:
    """Return varied tokens: experts and caches are used as by text."""
    return [(index * 7919 + 13) % model.vocabulary for index in range(count)]


def _load(file: Path) -> Calibration | None:
    try:
        stored = json.loads(file.read_text("utf-8"))
        curve = CostCurve(tuple(map(int, stored["widths"])), tuple(map(float, stored["seconds"])))
        exact = int(stored["exact_rows"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        logger.warning("measured anew: %s can't be read", file)
        return None
    rising = len(curve.widths) == len(curve.seconds) > 0 and list(curve.widths) == sorted(set(curve.widths))
    sound = rising and curve.widths[0] == 1 <= exact and all(0 < value < math.inf for value in curve.seconds)
    return Calibration(curve, exact) if sound else None


def _save(file: Path, made: Calibration) -> None:
    stored = {
        "widths": made.curve.widths,
        "seconds": made.curve.seconds,
        "exact_rows": made.exact_rows,
        "measured": time.time(),
    }
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=file.parent, suffix=".new", delete=False, encoding="utf-8") as stream:
            json.dump(stored, stream)
        Path(stream.name).replace(file)
    except OSError:
        logger.warning("the measurement can't be kept in %s: it is repeated at the next load", file, exc_info=True)
