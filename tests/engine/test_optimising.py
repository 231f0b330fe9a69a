"""Which versions are wanted, and that a version answers as soon as it is there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.paths import assets_dir
from engine.config import DataPaths, EngineConfig, Settings, bundled_model
from engine.engine import Engine
from engine.errors import LobiError
from engine.lobi.adapter import Plan, write_plan
from engine.lobi.fingerprint import fingerprint
from engine.lobi.messages import Figures, Made, Step, Wish
from engine.lobi.versions import card_of, ready_version, version_path, write_card
from engine.messages import Finished, Question, Sampling
from engine.optimising import Optimiser
from tests.engine.lobi.test_apply import TEXT
from tests.gguf_builder import write_llama

FIGURES = Figures(1.0, 2.0, 3.0, 4.0)


@pytest.fixture
def config(tmp_path: Path) -> EngineConfig:
    """Return a configuration with a tiny model that has plans."""
    source = write_llama(tmp_path / "Tiny.gguf", layers=2, context=1024)
    plans = tmp_path / "assets" / "lobi"
    plans.mkdir(parents=True)
    (plans / "calibration.md").write_text(TEXT, "utf-8")
    own = fingerprint(source)
    write_plan(plans / "target.json", Plan("Tiny", own, most_perplexity=10.0))
    write_plan(plans / "draft.json", Plan("Tiny", own, role="draft", layers=(0,)))
    data = DataPaths(tmp_path / "data")
    data.create()
    return EngineConfig(data, tmp_path / "assets", Settings(model=str(source), threads=1))


def with_settings(config: EngineConfig, **values: Any) -> EngineConfig:
    return EngineConfig(config.data, config.assets, config.settings.model_copy(update=values))


def test_missing_versions_are_made_once(config: EngineConfig) -> None:
    optimiser, source = Optimiser(config), config.chosen_model()
    assert optimiser.lacks()

    events = list(optimiser.missing())

    assert [event.role for event in events if isinstance(event, Made)] == ["target", "draft"]
    shares = [event.share for event in events if isinstance(event, Step)]
    assert shares == sorted(shares)
    assert config.model_path() == version_path(config.data.models, source)
    assert ready_version([config.data.models], source, "draft") is not None
    assert not optimiser.lacks()
    assert list(optimiser.missing()) == []


def test_version_that_was_left_without_its_card_is_made_again(config: EngineConfig) -> None:
    list(Optimiser(config).missing())
    target = version_path(config.data.models, config.chosen_model())
    target.with_suffix(".gguf.json").unlink()

    assert [event.role for event in Optimiser(config).missing() if isinstance(event, Made)] == ["target"]
    assert config.model_path() == target


def test_file_of_someone_else_is_not_replaced(config: EngineConfig) -> None:
    target = version_path(config.data.models, config.chosen_model())
    target.write_bytes(b"of someone else")

    with pytest.raises(LobiError, match="was not made by Hola"):
        list(Optimiser(config).missing())
    assert target.read_bytes() == b"of someone else"


def test_version_is_not_used_where_the_user_does_not_want_it(config: EngineConfig) -> None:
    list(Optimiser(config).missing())
    without = with_settings(config, optimize=False)

    assert without.model_path() == config.chosen_model()
    assert not Optimiser(without).lacks()


def test_no_draft_is_wanted_without_drafting(config: EngineConfig) -> None:
    events = list(Optimiser(with_settings(config, speculation=False)).missing())

    assert [event.role for event in events if isinstance(event, Made)] == ["target"]


def test_new_plan_is_followed(config: EngineConfig) -> None:
    list(Optimiser(config).missing())
    file = config.assets / "lobi" / "target.json"
    plan = Plan("Tiny", fingerprint(config.chosen_model()), most_perplexity=10.0, types={"output.weight": "q8_0"})
    write_plan(file, plan)

    assert Optimiser(config).lacks()
    events = list(Optimiser(config).missing())

    assert [event.role for event in events if isinstance(event, Made)] == ["target"]


def test_model_without_plans_lacks_nothing_but_can_be_optimised(
    config: EngineConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.lobi.apply.MOST_LOSS", 100.0)
    other = write_llama(tmp_path / "Other.gguf", layers=1, context=1024, name="Other")
    chosen = with_settings(config, model=str(other))

    assert not Optimiser(chosen).lacks()


def test_version_is_not_optimised_again(config: EngineConfig) -> None:
    list(Optimiser(config).missing())

    with pytest.raises(LobiError, match="is an optimised version already"):
        list(Optimiser(config).optimise(config.model_path(), Wish()))


def test_broken_plan_leaves_the_model_in_use(config: EngineConfig) -> None:
    file = config.assets / "lobi" / "target.json"
    found = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps({**found, "layers": [5, 1]}), "utf-8")

    with pytest.raises(LobiError, match=r"target\.json is broken"):
        list(Optimiser(config).missing())

    assert config.model_path() == config.chosen_model()


# ---------------------------------------------------------------- in the engine


def ask(engine: Engine, text: str) -> Finished:
    *_, last = engine.ask(Question(text, sampling=Sampling(temperature=0.0)))
    assert isinstance(last, Finished)
    return last


def test_engine_switches_to_the_version_between_two_answers(tmp_path: Path) -> None:
    data = DataPaths(tmp_path / "data")
    engine = Engine(EngineConfig(data, assets_dir(), Settings(max_answer_tokens=16, speculation=False)))
    try:
        source = bundled_model()
        first = ask(engine, "Tell me about rivers.")
        path = version_path(data.models, source)
        events = list(engine.optimise())

        assert engine.model.name == path.stem
        assert engine.model.state == "ready"
        second = ask(engine, "Tell me about rivers.")
        assert first.metrics is not None
        assert second.metrics is not None
        assert second.metrics.completion_tokens > 0
        [made] = [event for event in events if isinstance(event, Made)]
        card = card_of(path)
        assert card is not None
        assert made.path == path
        assert path.stat().st_size <= source.stat().st_size
        assert made.after.perplexity <= 1.05 * made.before.perplexity
    finally:
        engine.close()


def test_version_that_can_t_be_loaded_leaves_the_old_model_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = DataPaths(tmp_path / "data")
    engine = Engine(EngineConfig(data, assets_dir(), Settings(max_answer_tokens=16, speculation=False)))

    def broken() -> Iterator[Step | Made]:
        source = bundled_model()
        path = version_path(data.models, source)
        path.write_bytes(source.read_bytes()[:100_000])
        made = Made(path, source, "target", FIGURES, FIGURES, 0.0)
        write_card(made, {})
        yield made

    monkeypatch.setattr(engine.optimiser, "missing", broken)
    try:
        before = engine.model.name
        with pytest.raises(LobiError, match="stays in use"):
            list(engine.optimise())

        assert engine.model.name == before
        assert ready_version([data.models], bundled_model()) is None
        assert ask(engine, "Tell me about rivers.").answer
    finally:
        engine.close()
