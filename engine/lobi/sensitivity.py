"""How much a model's answers change when one group of tensors alone gets a type: KL divergences, measured.

Everything else stays at reference precision: the source with all matrices in BF16, the fastest type of 16 bits, so that
kernels differ in nothing but the weights. A group's bytes in that file are replaced by what the type makes of them
(by llama.cpp itself), the model is loaded and read, and the bytes are put back. BF16 rounds by 0.1 %, which adds a
twentieth to what Q8_0 alone does and nothing to coarser types. The rounding of activations, which belongs to some
kernels, is left out.

Where there is no time for each tensor, groups of one kind in a third of the depth are measured and split by relative
squared weight error. What an allocation loses is predicted as the sum over its tensors, which holds to second order
without cross terms; `check_additivity` says how well.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engine.errors import LobiError
from engine.llm.gguf_header import GgufHeader
from engine.llm.quantizing import TYPES, fitting_type, quantize
from engine.lobi.evaluate import Reference, divergence, opened, windows_of
from engine.lobi.kernels import quantizable
from engine.lobi.messages import STOPPED
from engine.lobi.source import BLOCK_ELEMENTS, Source, tensor_bytes

__all__ = ["Additivity", "Group", "Sensitivities", "check_additivity", "groups_of", "measure"]

WINDOW_TOKENS, WINDOWS = 256, 2
SAME = 1e-9
"""Relative squared error below which a type holds the weights as they are: its divergence is nothing."""
THIRDS = 3
LEAST_RATIO = 1e-12
NAME = re.compile(r"blk\.(\d+)\.(.+)")


@dataclass(frozen=True, slots=True)
class Group:
    """Tensors whose type is changed together."""

    name: str
    tensors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sensitivities:
    """What was measured; all divergences in nats per token."""

    groups: tuple[Group, ...]
    kl: Mapping[str, Mapping[str, float]]
    """By the group's name and the type wanted for it."""
    errors: Mapping[str, Mapping[str, float]]
    """Relative squared weight error |W - Q(W)|^2 / |W|^2, by the tensor's name and the type that it really gets."""
    fitted: Mapping[str, Mapping[str, str]]
    """The type that a tensor gets when one is wanted, by the tensor's name and the type wanted."""
    estimated: frozenset[tuple[str, str]]
    """Groups and types for which there was no time: they have the errors, times what an error did elsewhere."""

    def per_tensor(self) -> dict[str, dict[str, float]]:
        """Return the divergence by tensor and the type that it really gets; a group's is split by `errors`."""
        found: dict[str, dict[str, float]] = {}
        for group in self.groups:
            for wanted, kl in self.kl[group.name].items():
                kinds = [self.fitted[name][wanted] for name in group.tensors]
                errors = [self.errors[name][kind] for name, kind in zip(group.tensors, kinds, strict=True)]
                total = sum(errors)
                for name, kind, error in zip(group.tensors, kinds, errors, strict=True):
                    found.setdefault(name, {}).setdefault(kind, kl * error / total if total > 0.0 else 0.0)
        return found


@dataclass(frozen=True, slots=True)
class Additivity:
    """What an allocation was said to lose, and what it loses, in nats per token."""

    predicted: float
    measured: float


def groups_of(header: GgufHeader, most: int) -> tuple[Group, ...]:
    """Return groups of all tensors whose type can be chosen: each alone if these are at most `most`, else thirds.

    A third holds the tensors of one kind ("ffn_down.weight") in a third of the layers; those outside the layers stay
    alone.
    """
    names = [tensor.name for tensor in quantizable(header)]
    if len(names) <= most:
        return tuple(Group(name, (name,)) for name in names)
    layers = 1 + max((int(found[1]) for found in map(NAME.match, names) if found), default=0)
    grouped: dict[str, list[str]] = {}
    for name in names:
        found = NAME.match(name)
        key = f"{found[2]}, third {int(found[1]) * THIRDS // layers + 1}" if found else name
        grouped.setdefault(key, []).append(name)
    return tuple(Group(key, tuple(members)) for key, members in grouped.items())


def measure(
    source: Path,
    groups: Sequence[Group],
    types: Sequence[str],
    texts: Sequence[str],
    work: Path,
    *,
    seconds: float = 600.0,
    threads: int = 0,
    window_tokens: int = WINDOW_TOKENS,
    windows: int = WINDOWS,
    report: Callable[[float], None] = lambda _share: None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> Sensitivities:
    """Measure what each group loses with each type (names of `quantizing.TYPES`), the coarsest type first.

    `texts` are cut into windows; `seconds` bounds the whole but one step, and what is missing then is estimated;
    `report` is told the share done, 0 to 1. In `work` lie, for as long as it takes, the reference (2 bytes per weight)
    and one file per type, one at a time. Raises ModelError, or LobiError with one sentence: too little text, a full
    disk, a cancel.
    """
    ends = time.monotonic() + seconds
    kl: dict[str, dict[str, float]] = {group.name: {} for group in groups}
    errors: dict[str, dict[str, float]] = {name: {} for group in groups for name in group.tensors}
    coarse_first = sorted(dict.fromkeys(types), key=lambda kind: tensor_bytes((1 << 16,), TYPES[kind]))
    with tempfile.TemporaryDirectory(dir=work, prefix="sensitivity-") as name, Source(source) as original:
        folder = Path(name)
        fitted = _fitted(original, groups, coarse_first)
        file = _write_reference(original, folder, threads)
        reference = _read_reference(file, texts, window_tokens, windows, threads)
        for at, kind in enumerate(coarse_first):
            with _quantized(original, kind, folder, threads) as changed:
                for step, group in enumerate(groups):
                    if is_cancelled():
                        raise LobiError(STOPPED)
                    for tensor in group.tensors:
                        errors[tensor][fitted[tensor][kind]] = _error(original, changed, tensor)
                    known = _known(group, kind, kl, errors, fitted)
                    if known is not None:
                        kl[group.name][kind] = known
                    elif time.monotonic() < ends or not any(kl.values()):
                        with _patched(file, changed, group.tensors), opened(file, window_tokens, threads) as model:
                            kl[group.name][kind] = divergence(reference, model).kl
                    report((at + (step + 1) / len(groups)) / len(coarse_first))
    missing = {(group.name, kind) for group in groups for kind in coarse_first if kind not in kl[group.name]}
    _estimate(groups, missing, kl, errors, fitted)
    return Sensitivities(tuple(groups), kl, errors, fitted, frozenset(missing))


def check_additivity(
    source: Path,
    types: Mapping[str, str],
    sensitivities: Sensitivities,
    texts: Sequence[str],
    work: Path,
    *,
    threads: int = 0,
    window_tokens: int = WINDOW_TOKENS,
    windows: int = WINDOWS,
) -> Additivity:
    """Write the version with these types, and hold its divergence against the sum of its tensors'.

    With the same texts as `measure` the difference is that of the assumption, and of kernels that round activations.
    Raises as `measure` does, and LobiError for a tensor or type that was not measured.
    """
    alone = sensitivities.per_tensor()
    unknown = [name for name, kind in types.items() if kind not in alone.get(name, {})]
    if unknown:
        raise LobiError(f"{unknown[0][:64]} was not measured as {types[unknown[0]][:16]}: measure it again.")
    with tempfile.TemporaryDirectory(dir=work, prefix="additivity-") as name, Source(source) as original:
        file = _write_reference(original, Path(name), threads)
        reference = _read_reference(file, texts, window_tokens, windows, threads)
        # All that has no type named stays at reference precision, as in the measurements.
        quantize(file, file.with_suffix(".made"), types, "bf16", threads=threads, keep_others=True)
        with opened(file.with_suffix(".made"), window_tokens, threads) as model:
            measured = divergence(reference, model).kl
    return Additivity(sum(alone[name][kind] for name, kind in types.items()), measured)


def _fitted(source: Source, groups: Sequence[Group], types: Sequence[str]) -> dict[str, dict[str, str]]:
    names = [name for group in groups for name in group.tensors]
    allowed = {tensor.name for tensor in quantizable(source.header)}
    for name in names:
        if name not in allowed:
            raise LobiError(f"The tensor {name[:64]} has no type to choose: leave it out.")
    if not names or not types:
        raise LobiError("There is nothing to measure: name tensors and types.")
    return {name: {kind: fitting_type(source.info(name).shape, kind) for kind in types} for name in names}


def _write_reference(source: Source, folder: Path, threads: int) -> Path:
    file = folder / "reference.gguf"
    wanted = {tensor.name: "bf16" for tensor in quantizable(source.header)}
    quantize(source.path, file, wanted, "bf16", threads=threads, keep_others=True)
    return file


def _read_reference(file: Path, texts: Sequence[str], tokens: int, count: int, threads: int) -> Reference:
    with opened(file, tokens, threads) as model:
        return Reference.of(model, windows_of(model, texts, min(tokens, model.context_tokens), count))


@contextmanager
def _quantized(source: Source, kind: str, folder: Path, threads: int) -> Iterator[Source]:
    """Write the whole model in one type, as far as it fits, for as long as the block runs."""
    file = folder / "changed.gguf"
    wanted = {tensor.name: kind for tensor in quantizable(source.header)}
    try:
        quantize(source.path, file, wanted, kind, threads=threads, keep_others=True)
        with Source(file) as changed:
            yield changed
    finally:
        with suppress(OSError):
            file.unlink()


@contextmanager
def _patched(file: Path, changed: Source, names: Sequence[str]) -> Iterator[None]:
    """Replace tensors of the BF16 file by another version of them, and put the old bytes back at the end."""
    with Source(file) as reference, tempfile.TemporaryFile(dir=file.parent) as backup:
        header = reference.header
        for name in names:
            backup.writelines(reference.pieces(name))
        starts = [header.data_offset + reference.info(name).offset for name in names]
        sizes = [tensor_bytes(reference.info(name).shape, TYPES["bf16"]) for name in names]
        try:
            with file.open("r+b") as patched:
                for name, start in zip(names, starts, strict=True):
                    patched.seek(start)
                    for rows in _rows(changed, name):
                        patched.write(_bf16(rows).tobytes())
            yield
        finally:
            backup.seek(0)
            with file.open("r+b") as patched:
                for start, size in zip(starts, sizes, strict=True):
                    patched.seek(start)
                    for at in range(0, size, 1 << 24):
                        patched.write(backup.read(min(1 << 24, size - at)))


def _rows(source: Source, name: str) -> Iterator[npt.NDArray[np.float32]]:
    """Yield a tensor in float32, some rows at a time."""
    shape = source.info(name).shape
    count = int(np.prod(shape[1:], dtype=np.int64))
    step = max(1, BLOCK_ELEMENTS // shape[0])
    for start in range(0, count, step):
        yield source.rows(name, np.arange(start, min(start + step, count)))


def _bf16(values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    """Round to the nearest number of 16 bits with float32's exponent, ties to even."""
    bits = np.ascontiguousarray(values).view(np.uint32)
    rounded: npt.NDArray[np.uint16] = ((bits + np.uint32(0x7FFF) + ((bits >> 16) & np.uint32(1))) >> 16).astype(
        np.uint16
    )
    return rounded


def _error(original: Source, changed: Source, name: str) -> float:
    wrong, whole = 0.0, 0.0
    for before, after in zip(_rows(original, name), _rows(changed, name), strict=True):
        wrong += float(np.square(after - before).sum(dtype=np.float64))
        whole += float(np.square(before).sum(dtype=np.float64))
    return wrong / whole if whole > 0.0 else 0.0


def _known(
    group: Group,
    kind: str,
    kl: Mapping[str, Mapping[str, float]],
    errors: Mapping[str, Mapping[str, float]],
    fitted: Mapping[str, Mapping[str, str]],
) -> float | None:
    """Return a divergence that needs no measuring: the weights stay, or another type wanted gave the same types."""
    if all(errors[name][fitted[name][kind]] < SAME for name in group.tensors):
        return 0.0
    for other, found in kl[group.name].items():
        if all(fitted[name][other] == fitted[name][kind] for name in group.tensors):
            return found
    return None


def _estimate(
    groups: Sequence[Group],
    missing: set[tuple[str, str]],
    kl: Mapping[str, dict[str, float]],
    errors: Mapping[str, Mapping[str, float]],
    fitted: Mapping[str, Mapping[str, str]],
) -> None:
    """Fill what was not measured: a group's error, times what an error did in it or, if unknown, in the others."""

    def error(group: Group, kind: str) -> float:
        return sum(errors[name][fitted[name][kind]] for name in group.tensors)

    ratios = {
        group.name: [found / max(error(group, kind), LEAST_RATIO) for kind, found in kl[group.name].items() if found]
        for group in groups
    }
    everywhere = [each for some in ratios.values() for each in some]
    middle = float(np.median(everywhere)) if everywhere else 0.0
    for group in groups:
        ratio = float(np.median(ratios[group.name])) if ratios[group.name] else middle
        for kind in fitted[group.tensors[0]]:
            if (group.name, kind) in missing:
                kl[group.name][kind] = ratio * error(group, kind)
