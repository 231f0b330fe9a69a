"""Make a version of a model: merge its adapter, prune, quantize with mixed precision, check, measure. No torch.

Runs in a disposable process of its own (`engine.lobi.service`), whose end leaves nothing but its work folder.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from engine.errors import LobiError
from engine.llm.gguf_header import GgufHeader, read_header, read_vocabulary
from engine.llm.pairing import DRAFT_OF_KEY
from engine.llm.preflight import BRIEF_KEY, KV_TYPE_KEY
from engine.llm.quantizing import quantize
from engine.lobi.adapter import Adapter, Plan, read_adapter, read_plan
from engine.lobi.allocate import Allocation
from engine.lobi.allocating import allocate
from engine.lobi.compare import Comparison, compare
from engine.lobi.fingerprint import LOBI_KEY, fingerprint
from engine.lobi.messages import STOPPED, Made, MakeVersion, Step, Wish
from engine.lobi.naming import require_supported
from engine.lobi.policy import loss_of_perplexity
from engine.lobi.rewrite import changed_tensors, rewrite
from engine.lobi.versions import plan_hash, write_card
from engine.scaling.probe import free_memory_mb

__all__ = ["make"]

MIB = 2**20
SPARE_BYTES = 64 * MIB
"""Of the disk, what stays free."""
QUANTIZE_MB = 400
"""Memory that quantizing takes beside the largest tensor in float32."""
MEASURED_FROM, QUANTIZED_FROM, CHECKED_FROM = 0.1, 0.7, 0.8
"""Shares of the whole at which a stage begins."""
SIZE_LOSS = 0.1
"""Nats per token that a version may lose which is wished small; the others may lose what the plan's bound allows."""
MOST_LOSS = 1.05
"""Bound of the perplexity where no plan gives one."""

Cancelled = Callable[[], bool]


def make(request: MakeVersion, is_cancelled: Cancelled = lambda: False) -> Iterator[Step | Made]:
    """Make a version; yields Step while it goes on, and Made when it is in its place with its card.

    Raises LobiError or ModelError with one sentence; then, or when it is closed midway, nothing is changed but the
    work folder, which is whoever's who gave it.
    """
    yield Step("reading", 0.0)
    header = read_header(request.source)
    if header.text(LOBI_KEY):
        raise LobiError(f"{request.source.stem} is an optimised version already: optimise the model it was made of.")
    plan, adapter = _plan(request, header)
    front: tuple[Allocation, ...] = ()
    predicted = 0.0
    _check_room(request, header, adapter)
    request.work.mkdir(parents=True, exist_ok=True)
    merged, made = request.work / "merged.gguf", request.work / "made.gguf"
    yield Step("merging", 0.02)
    rewrite(request.source, merged, plan, adapter, extra=_marks(plan), is_cancelled=is_cancelled)
    if request.plan is None or request.wish is not None:
        wish = _bounded(request.wish or Wish(), plan)
        work, threads, cache = request.work, request.threads, request.cache
        yield Step("measuring", MEASURED_FROM)
        found = yield from allocate(
            merged,
            plan,
            wish,
            request.calibration,
            work,
            threads=threads,
            cache=cache,
            merged=changed_tensors(request.source, plan, adapter),
            span=(MEASURED_FROM, QUANTIZED_FROM),
            is_cancelled=is_cancelled,
        )
        plan = found.plan
        front, predicted = found.front, found.kl
    yield Step("quantizing", QUANTIZED_FROM)
    quantize(merged, made, plan.types, plan.default_type, threads=request.threads, keep_others=True)
    merged.unlink()
    _stop_if(is_cancelled)
    yield Step("checking", CHECKED_FROM)
    _check_tokens(request.source, made)
    compared = compare(request.source, made, request.calibration, request.threads, is_cancelled)
    _check_quality(plan, compared, request.source.stem, predicted)
    _stop_if(is_cancelled)
    yield _put_in_place(request, plan, made, compared, front)


def _plan(request: MakeVersion, header: GgufHeader) -> tuple[Plan, Adapter | None]:
    """Return what is to be done, and what was learned for it."""
    name, own = header.text("general.name", request.source.stem), fingerprint(request.source)
    if request.plan is None:
        return Plan(name, own, kv_type="f16", most_perplexity=MOST_LOSS), None
    plan = read_plan(request.plan)
    if plan.fingerprint != own:
        raise LobiError(
            f"The plan {request.plan.name} was made for another model ({plan.name}): choose the plan of "
            f"{request.source.stem}, or optimise it without a plan."
        )
    return plan, read_adapter(request.plan)


def _marks(plan: Plan) -> dict[str, str | bool | int]:
    """Return what the finished file says of itself."""
    marks: dict[str, str | bool | int] = {LOBI_KEY: plan.name}
    if plan.kv_type != "f16":
        marks[KV_TYPE_KEY] = plan.kv_type
    if plan.brief:
        marks[BRIEF_KEY] = True
    if plan.role == "draft":
        marks[DRAFT_OF_KEY] = plan.name
    return marks


def _check_room(request: MakeVersion, header: GgufHeader, adapter: Adapter | None) -> None:
    """Raise LobiError if the disk or the memory is too full."""
    changed = sum(2 * math.prod(tensor.shape) for tensor in header.tensors if adapter and tensor.name in adapter.pairs)
    # What is merged is written in 16 bits first; the finished file may be as large as the source.
    needed = 2 * header.file_bytes + changed + SPARE_BYTES
    largest = max((math.prod(tensor.shape) for tensor in header.tensors), default=0)
    # Quantizing holds a matrix in 32 bits and more, comparing both models.
    memory = QUANTIZE_MB + (6 * largest + 2 * header.file_bytes) / MIB
    if request.plan is None or request.wish is not None:
        # Measuring keeps a reference in 16 bits, a quantized file of all tensors, and loads the reference.
        reference = 2 * sum(math.prod(tensor.shape) for tensor in header.tensors)
        needed += reference + header.file_bytes
        memory = max(memory, QUANTIZE_MB + (6 * largest + reference) / MIB)
    request.target.parent.mkdir(parents=True, exist_ok=True)
    request.work.parent.mkdir(parents=True, exist_ok=True)
    free = min(shutil.disk_usage(folder.parent).free for folder in (request.target, request.work))
    if free < needed:
        raise LobiError(
            f"Optimising {request.source.stem} needs {needed / MIB:,.0f} MB of free disk, and {free / MIB:,.0f} MB are "
            "free: make room, and start it again."
        )
    if free_memory_mb() < memory:
        raise LobiError(
            f"Optimising {request.source.stem} needs {memory:,.0f} MB of free memory, and {free_memory_mb():,.0f} MB "
            "are free: close other programs, and start it again."
        )


def _check_tokens(source: Path, made: Path) -> None:
    if read_vocabulary(source) != read_vocabulary(made):
        raise LobiError("The optimised model spells words otherwise than the original, so it was discarded.")


def _bounded(wish: Wish, plan: Plan) -> Wish:
    """Return the wish with a limit of the loss, so that nothing is chosen that the check would discard."""
    if wish.loss is not None:
        return wish
    return replace(wish, loss=SIZE_LOSS if wish.prefer == "size" else loss_of_perplexity(plan.most_perplexity))


def _check_quality(plan: Plan, found: Comparison, name: str, predicted: float) -> None:
    """Raise LobiError if a version is too far from its original; a draft only has to be a model.

    What the chosen types were said to lose, in nats, is allowed on top: the user wished for it.
    """
    ratio = found.after.perplexity / found.before.perplexity
    most = plan.most_perplexity * math.exp(predicted)
    if not math.isfinite(ratio) or (plan.role == "target" and ratio > most):
        raise LobiError(
            f"The optimised {name} is too far from the original (its perplexity is {ratio:.2f} times as high, and "
            f"{most:.2f} is allowed), so it was discarded: the original stays in use."
        )


def _put_in_place(request: MakeVersion, plan: Plan, made: Path, found: Comparison, front: Sequence[Allocation]) -> Made:
    # The card of the version before says by its stamp that it is not this one's.
    beside = request.target.with_name(f"{request.target.name}.{os.getpid()}.new")
    try:
        shutil.move(made, beside)
        beside.replace(request.target)
    except OSError as exc:
        raise LobiError(
            f"The version can't be put in its place {request.target} ({exc.strerror}): close what uses the file, or "
            "make room, and start again."
        ) from exc
    finally:
        beside.unlink(missing_ok=True)
    result = Made(request.target, request.source, plan.role, found.before, found.after, found.kl, _note(request, plan))
    recipe: dict[str, Any] = {
        "plan": asdict(plan),
        "plan_sha256": plan_hash(request.plan) if request.plan else "",
        "wish": asdict(request.wish) if request.wish else None,
        "front": [
            {"bytes": each.bytes, "decode_s": each.decode_s, "prefill_s": each.prefill_s, "kl": each.kl}
            for each in front
        ],
        "calibration_sha256": hashlib.sha256(request.calibration.read_bytes()).hexdigest(),
    }
    write_card(result, json.loads(json.dumps(recipe)))
    return result


def _note(request: MakeVersion, plan: Plan) -> str:
    """Say what could not be done for a model, in one sentence; else nothing."""
    if request.plan is not None:
        return ""
    architecture = read_header(request.source).text("general.architecture")
    try:
        require_supported(architecture)
    except LobiError as exc:
        return exc.sentence
    return f"Nothing was learned of {plan.name} yet, so it got mixed precision only: hola lobi adapt teaches it."


def _stop_if(is_cancelled: Cancelled) -> None:
    if is_cancelled():
        raise LobiError(STOPPED)
