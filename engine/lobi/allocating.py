"""Choose the types of a model's tensors on this machine: what they lose, what their kernels cost, what is wished."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from gguf.constants import GGMLQuantizationType

from engine.errors import LobiError
from engine.llm.gguf_header import GgufHeader, read_header
from engine.llm.quantizing import TYPES, fitting_type
from engine.lobi.adapter import Plan
from engine.lobi.allocate import Allocation, fixed_bytes, front, tensors_of
from engine.lobi.kernels import kernel_speeds, quantizable
from engine.lobi.messages import Step, Wish
from engine.lobi.policy import allocation_for
from engine.lobi.sensitivity import groups_of, measure

__all__ = ["CANDIDATES", "Allocated", "allocate", "measured_front"]

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

CANDIDATES = ("q3_k", "q4_0", "q4_k", "q5_k", "q6_k", "q8_0")
"""Types that are tried, beside those that the tensors have; where one does not fit, llama.cpp's replacement."""
MOST_GROUPS = 40
"""Tensors of larger models are weighed in groups: each kind in each third of the depth."""
SENSITIVITY_S, KERNELS_S = 240.0, 20.0
POLL_S = 0.5
BLOCK_BYTES = 1 << 22


@dataclass(frozen=True, slots=True)
class Allocated:
    """What was chosen, and among what."""

    plan: Plan
    front: tuple[Allocation, ...]
    kl: float
    """What the chosen types lose, as predicted, in nats per token."""


def allocate(
    file: Path,
    plan: Plan,
    wish: Wish,
    calibration: Path,
    work: Path,
    *,
    threads: int = 0,
    cache: Path | None = None,
    merged: Collection[str] = (),
    span: tuple[float, float] = (0.0, 1.0),
    is_cancelled: Callable[[], bool] = lambda: False,
) -> Generator[Step, None, Allocated]:
    """Return the plan with the types that a wish comes to on this machine; yields Steps within a span of shares.

    `file` is the model with its adapter merged; of the tensors named as `merged` the type is that of the merging, which
    nobody wants to keep. Raises LobiError if nothing fits the wish (the sentence says what
    would), the text is too short, or it is cancelled.
    """
    found = yield from measured_front(
        file,
        plan,
        calibration,
        work,
        threads=threads,
        cache=cache,
        merged=merged,
        span=span,
        is_cancelled=is_cancelled,
    )
    chosen = allocation_for(found, wish)
    return Allocated(replace(plan, types=dict(chosen.types)), found, chosen.kl)


def measured_front(
    file: Path,
    plan: Plan,
    calibration: Path,
    work: Path,
    *,
    threads: int = 0,
    cache: Path | None = None,
    merged: Collection[str] = (),
    span: tuple[float, float] = (0.0, 1.0),
    is_cancelled: Callable[[], bool] = lambda: False,
) -> Generator[Step, None, tuple[Allocation, ...]]:
    """Return the Pareto front of a model's versions on this machine; yields and raises as `allocate` does."""
    header = read_header(file)
    own = _own_types(header)
    kept_types = {name: kind for name, kind in own.items() if kind in TYPES and name not in merged}
    types = tuple(dict.fromkeys((*CANDIDATES, *kept_types.values())))
    begin, end = span
    middle = begin + 0.75 * (end - begin)
    kept = _kept(cache, file, calibration, types)
    known = _load(kept)
    if not known:
        measured = yield from _reporting(
            lambda report: measure(
                file,
                groups_of(header, MOST_GROUPS),
                CANDIDATES,
                [_text(calibration)],
                work,
                seconds=SENSITIVITY_S,
                threads=threads,
                report=report,
                is_cancelled=is_cancelled,
            ),
            (begin, middle),
        )
        known = measured.per_tensor()
        if not measured.estimated:
            _save(kept, known)
    # A quantized tensor that stays as it is loses nothing.
    # Neither does one that was trained under this rounding; more bits would not bring it nearer to what was trained.
    shapes = {tensor.name: tensor.shape for tensor in header.tensors}
    trained = {name: fitting_type(shapes[name], plan.default_type) for name in own if name in merged}
    sensitivities = {
        name: {
            **known.get(name, {}),
            **{lossless[name]: 0.0 for lossless in (kept_types, trained) if name in lossless},
        }
        for name in own
    }
    yield Step("measuring", middle)
    speeds = kernel_speeds(
        file, types, work, threads=threads, seconds=KERNELS_S, cache=cache, is_cancelled=is_cancelled
    )
    yield Step("measuring", end)
    return front(tensors_of(header, types), sensitivities, speeds, other_bytes=fixed_bytes(header))


def _own_types(header: GgufHeader) -> dict[str, str]:
    """Return the type that each tensor has whose type can be chosen."""
    return {tensor.name: GGMLQuantizationType(tensor.type_id).name.lower() for tensor in quantizable(header)}


def _reporting(
    work: Callable[[Callable[[float], None]], Result], span: tuple[float, float]
) -> Generator[Step, None, Result]:
    """Do long work in a thread, and yield where it stands."""
    shares, results, errors = [0.0], list[Result](), list[BaseException]()

    def run() -> None:
        try:
            results.append(work(shares.append))
        except BaseException as exc:  # noqa: BLE001 - raised again where it was asked for
            errors.append(exc)

    thread = threading.Thread(target=run, name="measuring", daemon=True)
    thread.start()
    while thread.is_alive():
        yield Step("measuring", span[0] + shares[-1] * (span[1] - span[0]))
        thread.join(POLL_S)
    if errors:
        raise errors[0]
    return results[0]


def _text(calibration: Path) -> str:
    try:
        return calibration.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise LobiError(f"The calibration text {calibration} can't be read ({exc}): give a text in UTF-8.") from exc


def _kept(cache: Path | None, file: Path, calibration: Path, types: Sequence[str]) -> Path | None:
    """Return where the sensitivities of just these weights are kept."""
    if cache is None:
        return None
    digest = hashlib.sha256(" ".join(types).encode())
    for each in (calibration, file):
        with each.open("rb") as stream:
            while block := stream.read(BLOCK_BYTES):
                digest.update(block)
    return cache / "sensitivities" / f"{digest.hexdigest()[:32]}.json"


def _load(kept: Path | None) -> dict[str, dict[str, float]]:
    if kept is not None:
        with suppress(OSError, ValueError):
            found = json.loads(kept.read_text("utf-8"))
            if isinstance(found, dict) and all(isinstance(each, dict) for each in found.values()):
                return found
    return {}


def _save(kept: Path | None, known: Mapping[str, Mapping[str, float]]) -> None:
    if kept is None:
        return
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        new = kept.with_suffix(".new")
        new.write_text(json.dumps(known), "utf-8")
        new.replace(kept)
    except OSError:
        logger.warning("sensitivities not kept", exc_info=True)
