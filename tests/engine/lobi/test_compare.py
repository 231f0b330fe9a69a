"""A version is held against its original in one run; what is measured is what `evaluate` says."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import LobiError, ModelError
from engine.llm.quantizing import quantize
from engine.lobi.compare import WINDOW_TOKENS, WINDOWS, compare
from engine.lobi.evaluate import Reference, divergence, opened, windows_of
from tests.gguf_builder import write_llama

TEXT = "The boat lay low in the water, and nobody wanted to be the first to say so. " * 40


@pytest.fixture
def original(tmp_path: Path) -> Path:
    return write_llama(tmp_path / "original.gguf", layers=2, seed=3, context=1024)


@pytest.fixture
def calibration(tmp_path: Path) -> Path:
    file = tmp_path / "text.md"
    file.write_text(TEXT, "utf-8")
    return file


def test_both_are_measured_on_the_same_text(original: Path, calibration: Path, tmp_path: Path) -> None:
    version = tmp_path / "version.gguf"
    quantize(original, version, {}, "q4_0", threads=1, keep_others=False)

    found = compare(original, version, calibration, 1)

    with opened(original, 1024, 1) as before, opened(version, 1024, 1) as after:
        windows = windows_of(before, [TEXT], WINDOW_TOKENS, WINDOWS)
        reference = Reference.of(before, windows)
        wanted = divergence(reference, after)
    assert found.before.perplexity == pytest.approx(reference.perplexity)
    assert found.after.perplexity == pytest.approx(wanted.perplexity)
    assert found.kl == pytest.approx(wanted.kl)
    assert found.before.file_mb > found.after.file_mb > 0
    assert min(found.before.decode_tps, found.before.prefill_tps, found.after.decode_tps, found.after.prefill_tps) > 0


def test_a_model_loses_nothing_against_itself(original: Path, calibration: Path) -> None:
    assert compare(original, original, calibration, 1).kl == pytest.approx(0.0, abs=1e-6)


def test_what_can_not_be_compared_is_told(original: Path, calibration: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.md"
    short.write_text("Too short.", "utf-8")
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(original.read_bytes()[:1000])

    for text in (short, tmp_path / "absent.md"):
        with pytest.raises(LobiError, match=r": (?:give|take) "):
            compare(original, original, text, 1)
    with pytest.raises(ModelError):
        compare(original, broken, calibration, 1)
    with pytest.raises(LobiError, match="stopped"):
        compare(original, original, calibration, 1, is_cancelled=lambda: True)
