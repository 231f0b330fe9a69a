"""The installed models: which there are, what their files say of themselves, and which drafts for which.

A model counts as installed if it is the bundled one, a GGUF file in the models folder, or the one chosen in the
settings. Only headers are read here, by the bounded parser, and without the gguf package: the catalog is read
in the window's process, which stays light. Whether a model fits into memory is for the preflight, at loading.
"""

from __future__ import annotations

import math
import os
import stat
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from engine.config import EngineConfig, bundled_model
from engine.errors import ModelError, ModelFileError
from engine.llm.gguf_header import GgufHeader, Vocabulary, read_header, read_vocabulary
from engine.llm.pairing import DRAFT_OF_KEY, Candidate, Pairing, Verdict, choose_draft
from engine.llm.preflight import MOST_LAYERS, NOT_FOR_CHAT, kv_cache_bytes

__all__ = ["InstalledModel", "installed", "paired_draft"]

MIB = 2**20
CACHED_HEADERS, CACHED_VOCABULARIES = 64, 16
"""Files whose headers and vocabularies (a megabyte each) are kept in memory."""


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """A model on this machine."""

    name: str
    """The file's name without its ending: what people know it by."""
    path: Path
    architecture: str = ""
    file_mb: float = 0.0
    """Size of the file in MiB."""
    parameters: int = 0
    """Number of weights."""
    bits_per_weight: float = 0.0
    """Mean over all weights."""
    bundled: bool = False
    """Whether it came with Hola."""
    current: bool = False
    """Whether the settings choose it."""
    problem: str = ""
    """Why it can't be used: one sentence; else empty."""


def installed(config: EngineConfig) -> tuple[InstalledModel, ...]:
    """Return the installed models, the bundled one first; raise ModelError if the models folder can't be read."""
    bundled, current = _bundled(), _current(config)
    return tuple(
        replace(_described(path), bundled=_same(path, bundled), current=_same(path, current))
        for path in _model_files(config)
    )


def paired_draft(config: EngineConfig, target_path: Path) -> Pairing:
    """Return which installed model drafts for a target, and why; raise ModelError if the folder can't be read.

    A draft made by Lo-Bi names its target in the metadata key `hola.draft_of` (see engine.llm.pairing).
    """
    try:
        target = _candidate(target_path)
    except ModelFileError as exc:
        return Pairing(None, exc.sentence)
    candidates, ruled_out = [], []
    for path in _model_files(config):
        if _same(path, target_path):
            continue
        try:
            candidates.append(_candidate(path))
        except ModelFileError as exc:
            ruled_out.append(Verdict(path, path.stem, exc.sentence))
    pairing = choose_draft(target, candidates, ruled_out)
    if pairing.draft is None:
        return pairing
    return replace(pairing, memory_mb=_memory_mb(pairing.draft, target_path, config.settings.context_tokens))


# ---------------------------------------------------------------- which files


def _model_files(config: EngineConfig) -> tuple[Path, ...]:
    """Return the files in question, each once: bundled, from the models folder by name, chosen in the settings."""
    found = []
    for folder in config.model_folders:
        try:
            found += [path for path in folder.iterdir() if path.suffix.lower() == ".gguf" and not path.is_dir()]
        except FileNotFoundError:
            continue
        except OSError as exc:
            raise ModelError(
                f"The folder of the models {folder} can't be read ({exc.strerror}): check its permissions."
            ) from exc
    found.sort(key=lambda path: (path.name.casefold(), path.name))
    once: dict[str, Path] = {}
    for path in (_bundled(), *found, _chosen(config), _current(config)):
        if path is not None:
            once.setdefault(_identity(path), path)
    return tuple(once.values())


def _bundled() -> Path | None:
    try:
        return bundled_model()
    except ModelFileError:
        return None


def _current(config: EngineConfig) -> Path | None:
    try:
        return config.model_path()
    except ModelFileError:
        return None


def _chosen(config: EngineConfig) -> Path | None:
    try:
        return config.chosen_model()
    except ModelFileError:
        return None


def _identity(path: Path) -> str:
    return os.path.normcase(os.path.realpath(path))


def _same(path: Path, other: Path | None) -> bool:
    return other is not None and _identity(path) == _identity(other)


# ---------------------------------------------------------------- what a file says


def _described(path: Path) -> InstalledModel:
    """Describe a model file; one that can't be used has a problem instead."""
    known = InstalledModel(path.stem, path)
    try:
        known = replace(known, file_mb=max(0, _stamp(path)[0]) / MIB)
        header = _header(path)
    except ModelFileError as exc:
        return replace(known, problem=exc.sentence)
    parameters = sum(math.prod(tensor.shape) for tensor in header.tensors)
    return replace(
        known,
        architecture=header.text("general.architecture"),
        parameters=parameters,
        bits_per_weight=8 * _weights_bytes(header) / parameters if parameters else 0.0,
        problem=_problem(header, path.name),
    )


def _problem(header: GgufHeader, name: str) -> str:
    """Say why a file with a sound header is no model to chat with, or return ""; the preflight checks more."""
    architecture, kind = header.text("general.architecture"), header.text("general.type", "model")
    if kind == "adapter":
        return f"{name} is an adapter, not a model: choose the model that it belongs to."
    if architecture in NOT_FOR_CHAT or kind == "mmproj":
        return f"{name} {NOT_FOR_CHAT.get(architecture, 'is the image part of a model')} and can't chat."
    if header.integer("split.count") > 1:
        return f"{name} is one part of a split model: join the parts into one file first."
    if not architecture or not 1 <= header.integer(f"{architecture}.block_count") <= MOST_LAYERS:
        return f"The model file {name} does not say how it is built: download it again."
    if not header.tensors:
        return f"The model file {name} holds no weights: download it again."
    if max(tensor.offset for tensor in header.tensors) >= _weights_bytes(header):
        return f"The model file {name} is cut off: download it again."
    return ""


def _candidate(path: Path) -> Candidate:
    """Return what pairing needs to know of a model; raise ModelFileError for one that can't be used."""
    header = _header(path)
    problem = _problem(header, path.name)
    if problem:
        raise ModelFileError(problem)
    return Candidate(
        path,
        path.stem,
        _weights_bytes(header),
        _read_vocabulary(path, *_stamp(path)),
        general_name=header.text("general.name"),
        draft_of=header.text(DRAFT_OF_KEY),
    )


def _weights_bytes(header: GgufHeader) -> int:
    """Return what follows the header: the weights, and at most some padding."""
    return max(0, header.file_bytes - header.data_offset)


def _memory_mb(draft: Path, target: Path, context_tokens: int) -> float:
    """Estimate what a draft takes beside its target, in MiB: its weights and a KV cache as long as the target's."""
    header, target_header = _header(draft), _header(target)
    architecture = header.text("general.architecture")
    trained = target_header.integer(f"{target_header.text('general.architecture')}.context_length")
    context = min(context_tokens, trained) if trained > 0 else context_tokens
    return (_weights_bytes(header) + kv_cache_bytes(header, architecture, context)) / MIB


# ---------------------------------------------------------------- reading, once per file


def _header(path: Path) -> GgufHeader:
    return _read_header(path, *_stamp(path))


def _stamp(path: Path) -> tuple[int, int]:
    """Return size in bytes and time of the last change in ns: while they stay, the content is taken to be the same."""
    try:
        found = path.stat()
    except OSError:
        # What is wrong, the reader of the header says better.
        return -1, -1
    if not stat.S_ISREG(found.st_mode):
        # Opening a pipe would wait for ever.
        raise ModelFileError(f"{path} is not a file: choose a GGUF model.")
    return found.st_size, found.st_mtime_ns


@lru_cache(CACHED_HEADERS)
def _read_header(path: Path, size: int, changed_ns: int) -> GgufHeader:
    return read_header(path)


@lru_cache(CACHED_VOCABULARIES)
def _read_vocabulary(path: Path, size: int, changed_ns: int) -> Vocabulary:
    return read_vocabulary(path)
