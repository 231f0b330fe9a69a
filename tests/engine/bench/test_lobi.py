"""What the bench of versions measures and tells, on tiny models; never how fast."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from app.bench_ablation import print_figures
from app.bench_decode import with_model
from app.paths import engine_config
from engine.bench import lobi
from engine.bench.plain_text import TEXT
from engine.config import EngineConfig
from engine.errors import HolaError, ModelFileError
from tests.gguf_builder import write_llama


@pytest.fixture
def config(tmp_path: Path) -> EngineConfig:
    return config_of(tmp_path, write_llama(tmp_path / "tiny.gguf", seed=4, context=2048))


def config_of(tmp_path: Path, model: Path) -> EngineConfig:
    config = with_model(engine_config(tmp_path / "data"), model)
    return replace(config, settings=config.settings.model_copy(update={"threads": 1}))


def test_versions_are_measured_in_order_and_what_is_missing_is_told(
    tmp_path: Path, config: EngineConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lobi, "PRESETS", {"q8_0": "Q8_0"})
    monkeypatch.setattr(lobi, "ROUNDS", 1)
    told: list[str] = []
    far = write_llama(tmp_path / "far.gguf", seed=9, context=2048)
    result = lobi.run(config, lobi=far, limit=2, tell=told.append)
    assert list(result["variants"]) == ["reference_16bit", "shipped", "lobi", "q8_0"]
    assert set(result["skipped"]) == {"draft"}
    assert (result["windows"], result["rounds"]) == (2, 1)
    for each in result["variants"].values():
        assert set(each) == {"file_mb", "rss_mb", "prefill_tps", "decode_tps", "kl", "perplexity"}
        assert each["rss_mb"] > each["file_mb"] > 0.0
        assert each["prefill_tps"] > 0.0
        assert each["perplexity"] > 1.0
    variants = result["variants"]
    assert variants["reference_16bit"]["kl"] == pytest.approx(0.0, abs=1e-6)
    assert variants["lobi"]["kl"] > 10 * max(variants["shipped"]["kl"], variants["q8_0"]["kl"])
    assert variants["q8_0"]["file_mb"] < variants["reference_16bit"]["file_mb"] < variants["shipped"]["file_mb"]
    assert "rates: round 1 of 1" in told
    assert json.loads(json.dumps(result)) == result
    print_figures("lobi", result)
    printed = capsys.readouterr().out
    assert all(name in printed for name in variants)
    assert "Left out: draft. There is no draft version" in printed


def test_the_bench_names_every_mixture() -> None:
    shipped = ("reference_16bit", "shipped", "lobi", "draft")
    assert (*shipped, "q8_0", "q5_k_m", "q4_k_m", "q4_0", "q3_k_m") == lobi.VARIANTS


def test_a_model_with_other_tokens_is_no_version(
    tmp_path: Path, config: EngineConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*(f"w{number}" for number in range(256)), "<|end|>", "<|system|>", "<|user|>", "<|assistant|>", "more"]
    other = write_llama(tmp_path / "other.gguf", vocabulary=words, context=2048)
    files = {"reference_16bit": config.model_path(), "draft": other}
    quality, skipped, windows = lobi._quality(files, TEXT, 1, 1, lambda _: None)
    assert list(quality) == ["reference_16bit"]
    assert "other tokens" in skipped["draft"]
    assert windows == 1


def test_prompts_of_the_rounds_begin_with_other_words() -> None:
    words = TEXT.split()
    prompts = [lobi._prompt(words, number)[0].content for number in range(lobi.ROUNDS + 1)]
    assert len({prompt[:40] for prompt in prompts}) == len(prompts)
    assert 1400 <= len(words) <= 2000


def test_what_can_not_be_measured_is_told_in_a_sentence(tmp_path: Path, config: EngineConfig) -> None:
    with pytest.raises(HolaError, match="No such file"):
        lobi.run(config, text=tmp_path / "none.txt")
    short = tmp_path / "short.txt"
    short.write_text("Too short.", "utf-8")
    with pytest.raises(HolaError, match="at least 300 words"):
        lobi.run(config, text=short)
    short.write_bytes(b"\xff\xfe")
    with pytest.raises(HolaError, match="no text in UTF-8"):
        lobi.run(config, text=short)
    with pytest.raises(HolaError, match="limit of 0"):
        lobi.run(config, limit=0)
    with pytest.raises(ModelFileError, match="not there"):
        lobi.run(config_of(tmp_path, tmp_path / "none.gguf"))
