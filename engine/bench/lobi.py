"""The versions of a model side by side: how large, how much memory, how fast, and how far from 16 bits.

The chosen file, what Lo-Bi made of it, and llama.cpp's own mixtures. Each has a model process of its own, and the
rates are taken in rounds in which all take turns, so that what else the machine does falls on all alike.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from engine.bench.plain_text import TEXT
from engine.bench.versions import versions_of
from engine.config import EngineConfig
from engine.errors import HolaError
from engine.llm.client import LanguageModel
from engine.llm.protocol import Generated, LoadModel
from engine.llm.quantizing import preset
from engine.lobi.evaluate import Reference, divergence, opened, windows_of
from engine.messages import ChatMessage, Sampling

__all__ = ["VARIANTS", "peak_mb", "run", "sixteen_bits"]

SIXTEEN_BITS = "BF16"
"""Weights have 8 bits of mantissa: a quantized file loses nothing that matters. F16 would be a straw man: many CPUs
compute it at a sixth of the speed (measured: 128 against 783 tokens/s of prefill)."""
PRESETS: Mapping[str, str] = {
    "q8_0": "Q8_0",
    "q5_k_m": "Q5_K_M",
    "q4_k_m": "Q4_K_M",
    "q4_0": "Q4_0",
    "q3_k_m": "Q3_K_M",
}
VARIANTS = ("reference_16bit", "shipped", "lobi", "draft", *PRESETS)
CONTEXT = 4096
ROUNDS = 5
PROMPT_WORDS = 200
"""About 260 tokens."""
TOKENS = 48
REQUEST = "Go on with this text, and write as much as you can."
GREEDY = Sampling(repetition_penalty=1.0)
WINDOW_TOKENS = 256
EVALUATED_CONTEXT = 512
LEAST_WORDS = 300
LOADING_POLL_S = 1.0
MIB = 2**20


def run(
    config: EngineConfig,
    *,
    text: Path | None = None,
    lobi: Path | None = None,
    draft: Path | None = None,
    limit: int | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Compare the versions of the chosen model; `lobi` and `draft` are files, else those of the models folder, or made.

    `text` is a held-out text (UTF-8; else one that comes with the bench), `limit` the windows of 256 tokens of it that
    are read at most. Raises HolaError for a text or a model that can't be used.

    Returns:
        `variants` {name: file_mb, rss_mb (a fresh model process with a context of 4096, after a prompt and an answer),
        prefill_tps and decode_tps (medians over the rounds, tokens/s), kl (KL(16 bit || variant), nats per token) and
        perplexity}, `skipped` {name: why}, `model`, `windows`, `rounds`.
    """
    words = _read(text)
    if limit is not None and limit < 1:
        raise HolaError("Nothing is read with a limit of 0: give --limit 1 or more.")
    model = config.chosen_model()
    with tempfile.TemporaryDirectory(prefix="hola-bench-", ignore_cleanup_errors=True) as name:
        made = {} if lobi and draft else versions_of(config, Path(name), tell)
        given = {"lobi": lobi or made.get("target"), "draft": draft or made.get("draft")}
        files = _files(model, given, Path(name), tell)
        quality, skipped, windows = _quality(files, words, limit, config.settings.threads, tell)
        files = {name: path for name, path in files.items() if name not in skipped}
        speed = _speed(config, files, words, tell)
        sizes = {name: path.stat().st_size / MIB for name, path in files.items()}
    for name, path in given.items():
        if path is None:
            skipped[name] = f"There is no {name} version of {model.name}: make one with `hola models optimize`."
    return {
        "variants": {name: {"file_mb": sizes[name], **speed[name], **quality[name]} for name in files},
        "skipped": skipped,
        "model": model.stem,
        "windows": windows,
        "rounds": ROUNDS,
    }


# ---------------------------------------------------------------- the files


def sixteen_bits(source: Path, target: Path) -> Path:
    """Write a model with all weights in 16 bits; raises HolaError. Native code runs in this process."""
    preset(source, target, SIXTEEN_BITS)
    return target


def _files(model: Path, given: Mapping[str, Path | None], folder: Path, tell: Callable[[str], None]) -> dict[str, Path]:
    """Make the versions that llama.cpp makes, and return all that there are, in the order of VARIANTS."""
    tell("making the 16-bit file")
    files = {"reference_16bit": sixteen_bits(model, folder / "reference_16bit.gguf"), "shipped": model}
    files.update({name: path for name, path in given.items() if path is not None})
    for name, mixture in PRESETS.items():
        tell(f"making {mixture}")
        files[name] = folder / f"{name}.gguf"
        preset(files["reference_16bit"], files[name], mixture)
    return files


def _read(file: Path | None) -> str:
    if file is None:
        return TEXT
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        reason = (exc.strerror if isinstance(exc, OSError) else "") or "no text in UTF-8"
        raise HolaError(f"{file} can't be read ({reason}): give a plain text with --text.") from exc
    if len(text.split()) < LEAST_WORDS:
        raise HolaError(f"{file.name} is too short to compare models on: give at least {LEAST_WORDS} words.")
    return text


# ---------------------------------------------------------------- how good


def _quality(
    files: Mapping[str, Path], text: str, limit: int | None, threads: int, tell: Callable[[str], None]
) -> tuple[dict[str, dict[str, float]], dict[str, str], int]:
    """Return KL and perplexity of each, why some are left out, and how many windows of the text were read."""
    found: dict[str, dict[str, float]] = {}
    skipped: dict[str, str] = {}
    tell("reading the text with reference_16bit")
    with opened(files["reference_16bit"], EVALUATED_CONTEXT, threads) as model:
        most = max(1, len(model.tokenize(text, special=False)) // WINDOW_TOKENS)
        windows = windows_of(model, [text], WINDOW_TOKENS, min(most, limit or most))
        reference = Reference.of(model, windows)
        vocabulary = model.vocabulary
    for name, path in files.items():
        tell(f"reading the text with {name}")
        with opened(path, EVALUATED_CONTEXT, threads) as model:
            if model.vocabulary != vocabulary:
                skipped[name] = f"{path.name} has other tokens than the chosen model: give a version of it."
                continue
            compared = divergence(reference, model)
        found[name] = {"kl": compared.kl, "perplexity": compared.perplexity}
    return found, skipped, len(windows)


# ---------------------------------------------------------------- how fast and large


def _speed(
    config: EngineConfig, files: Mapping[str, Path], text: str, tell: Callable[[str], None]
) -> dict[str, dict[str, float]]:
    """Return memory and rates of each; the first prompt of each is a warm-up that only the memory is taken after."""
    words = text.split()
    prefill: dict[str, list[float]] = {name: [] for name in files}
    decode: dict[str, list[float]] = {name: [] for name in files}
    memory: dict[str, float] = {}
    with ExitStack() as opened_models:
        models = {}
        for name, path in files.items():
            tell(f"loading {name}")
            models[name] = opened_models.enter_context(_loaded(config, path))
            _answer(models[name], _prompt(words, 0))
            memory[name] = _resident_mb(models[name].pid)
        for number in range(1, ROUNDS + 1):
            tell(f"rates: round {number} of {ROUNDS}")
            names = list(files)
            turn = number % len(names)
            for name in (*names[turn:], *names[:turn]):
                ended = _answer(models[name], _prompt(words, number))
                prefill[name].append(_rate(ended.prompt_tokens - ended.reused_tokens, ended.prefill_ms))
                decode[name].append(_rate(ended.completion_tokens - 1, ended.decode_ms))
    return {
        name: {
            "rss_mb": memory[name],
            "prefill_tps": median(prefill[name]),
            "decode_tps": median([rate for rate in decode[name] if rate > 0.0] or [0.0]),
        }
        for name in files
    }


@contextmanager
def _loaded(config: EngineConfig, path: Path) -> Iterator[LanguageModel]:
    how = LoadModel(path, CONTEXT, config.settings.threads)
    with closing(LanguageModel(how, config.data.logs / "bench.log")) as model:
        model.start()
        while not model.wait(LOADING_POLL_S):
            continue
        yield model


def _prompt(words: Sequence[str], number: int) -> tuple[ChatMessage, ...]:
    """Return a prompt that begins with other words than those before it: nothing of it is in the KV cache."""
    start = (number * PROMPT_WORDS * 2 // 3) % max(1, len(words) - PROMPT_WORDS)
    return (ChatMessage("user", f"{' '.join(words[start : start + PROMPT_WORDS])}\n\n{REQUEST}"),)


def _answer(model: LanguageModel, messages: tuple[ChatMessage, ...]) -> Generated:
    for event in model.generate(messages, GREEDY, TOKENS, draft_limit=0):
        if isinstance(event, Generated):
            return event
    raise HolaError("The model stopped while it was measured: start again.")


def _rate(tokens: int, milliseconds: float) -> float:
    return tokens / milliseconds * 1000 if tokens > 0 and milliseconds > 0 else 0.0


def _resident_mb(pid: int | None) -> float:
    """Return the resident memory of a process in MiB; 0 if it is gone."""
    import psutil

    try:
        return float(psutil.Process(pid).memory_info().rss) / MIB if pid is not None else 0.0
    except psutil.Error:
        return 0.0


def peak_mb(pid: int | None) -> float:
    """Return the highest resident memory of a process so far in MiB; where the system keeps none, that of now."""
    import psutil

    if sys.platform == "win32" and pid is not None:
        return float(psutil.Process(pid).memory_info().peak_wset) / MIB
    try:
        lines = Path(f"/proc/{pid}/status").read_text("ascii", "replace").splitlines()
        return next(float(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return _resident_mb(pid)
