"""Versions are taken from where they are, and made where they are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.bench.versions import versions_of
from engine.config import DataPaths, EngineConfig, Settings
from engine.lobi.adapter import Plan, write_plan
from engine.lobi.fingerprint import fingerprint
from engine.lobi.versions import version_path
from tests.engine.lobi.test_apply import TEXT
from tests.gguf_builder import write_llama


@pytest.fixture
def config(tmp_path: Path) -> EngineConfig:
    source = write_llama(tmp_path / "Tiny.gguf", layers=2, context=1024)
    plans = tmp_path / "assets" / "lobi"
    plans.mkdir(parents=True)
    (plans / "calibration.md").write_text(TEXT, "utf-8")
    write_plan(plans / "target.json", Plan("Tiny", fingerprint(source), most_perplexity=10.0))
    data = DataPaths(tmp_path / "data")
    data.create()
    return EngineConfig(data, tmp_path / "assets", Settings(model=str(source), threads=1, optimize=False))


def test_missing_version_is_made_for_the_occasion_only(config: EngineConfig, tmp_path: Path) -> None:
    told: list[str] = []

    found = versions_of(config, tmp_path / "work", told.append)

    assert list(found) == ["target"]
    assert found["target"].is_relative_to(tmp_path / "work")
    assert list(config.data.models.iterdir()) == []
    assert told == ["making the versions for this computer"]


def test_model_without_plans_has_no_versions(config: EngineConfig, tmp_path: Path) -> None:
    (config.assets / "lobi" / "target.json").unlink()

    assert versions_of(config, tmp_path / "work", lambda _: None) == {}
    assert not version_path(config.data.models, config.chosen_model()).exists()
