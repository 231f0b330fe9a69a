"""Later turns of a chat about documents, with the bundled model: the KV cache holds what was read before."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.config import DataPaths, EngineConfig, Settings
from engine.engine import Engine
from engine.messages import Event, Finished, Question, Sources, Started

ASSETS = Path(__file__).parents[2] / "assets"
PIERS = ("north", "south", "east", "west")


def notes(pier: str) -> str:
    """Return a text of about one chunk."""
    lines = [f"The {pier} pier of Skerry Island has {9 + n} lamps of kind {n} along its edge." for n in range(9)]
    return f"# The {pier} pier\n\n" + " ".join(lines) + "\n"


@pytest.fixture(scope="module")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The assets, with weights that read all that is found: here the prompt is looked at, not the choice."""
    folder = tmp_path_factory.mktemp("assets")
    for entry in ASSETS.iterdir():
        (folder / entry.name).symlink_to(entry)
    weights = json.loads((ASSETS / "adacomp.json").read_text("utf-8"))
    (folder / "adacomp.json").unlink()
    (folder / "adacomp.json").write_text(json.dumps({**weights, "passage_mass": 1.0}), "utf-8")
    return folder


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, assets: Path) -> EngineConfig:
    settings = Settings(reading_s=600, context_tokens=3072, max_answer_tokens=24, speculation=False, strict=True)
    return EngineConfig(DataPaths(tmp_path_factory.mktemp("data")), assets, settings)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("piers")
    for pier in PIERS:
        (folder / f"{pier}.md").write_text(notes(pier), "utf-8")
    return folder


@pytest.fixture(scope="module")
def engine(config: EngineConfig, folder: Path) -> Iterator[Engine]:
    made = Engine(config)
    made.start()
    list(made.library.index([folder]))
    yield made
    made.close()


class Chat:
    """One chat with the engine."""

    def __init__(self, engine: Engine, chat_id: int | None = None) -> None:
        self.engine = engine
        self.id = chat_id
        self.turns: list[int] = []

    def ask(self, text: str, replaces_turn: int | None = None) -> tuple[Finished, Sources]:
        events: list[Event] = list(self.engine.ask(Question(text, self.id, replaces_turn=replaces_turn)))
        started, last = events[0], events[-1]
        assert isinstance(started, Started)
        assert isinstance(last, Finished)
        self.id = started.chat_id
        self.turns.append(started.turn_id)
        [sources] = [event for event in events if isinstance(event, Sources)]
        return last, sources


def paths(sources: Sources) -> set[str]:
    return {Path(passage.path).stem for passage in sources.passages}


def reused_share(answer: Finished) -> float:
    return answer.metrics.reused_tokens / answer.metrics.prompt_tokens


def test_second_turn_on_the_same_passages_prefills_only_the_question(engine: Engine) -> None:
    chat = Chat(engine)
    first, first_sources = chat.ask("How many lamps of kind 3 has the north pier of Skerry Island?")
    second, second_sources = chat.ask("How many lamps of kind 5 has the south pier of Skerry Island?")
    assert paths(first_sources) == paths(second_sources) == set(PIERS)
    assert second.metrics.prompt_tokens > first.metrics.prompt_tokens > 500
    assert second.metrics.reused_tokens >= first.metrics.prompt_tokens
    assert reused_share(second) >= 0.8
    third, _ = chat.ask("How many lamps of kind 6 has the east pier of Skerry Island?")
    assert reused_share(third) >= 0.8


def test_regenerated_second_turn_still_builds_on_the_first(engine: Engine) -> None:
    chat = Chat(engine)
    chat.ask("How many lamps of kind 1 has the north pier of Skerry Island?")
    chat.ask("How many lamps of kind 2 has the north pier of Skerry Island?")
    again, _ = chat.ask("How many lamps of kind 4 has the north pier of Skerry Island?", chat.turns[1])
    assert reused_share(again) >= 0.8


def test_regenerated_first_turn_shows_its_passages_anew(engine: Engine) -> None:
    chat = Chat(engine)
    first, _ = chat.ask("How many lamps of kind 7 has the north pier of Skerry Island?")
    again, sources = chat.ask("How many lamps of kind 8 has the north pier of Skerry Island?", chat.turns[0])
    assert paths(sources) == set(PIERS)
    assert again.metrics.prompt_tokens == pytest.approx(first.metrics.prompt_tokens, rel=0.05)


def test_after_a_restart_the_passages_are_shown_anew(engine: Engine, config: EngineConfig) -> None:
    chat = Chat(engine)
    first, _ = chat.ask("How many lamps of kind 3 has the west pier of Skerry Island?")
    other = Engine(config)
    try:
        second, sources = Chat(other, chat.id).ask("How many lamps of kind 2 has the west pier of Skerry Island?")
    finally:
        other.close()
    assert paths(sources) == set(PIERS)
    # Once, that is, and the first question and answer are there without them.
    assert 0 < second.metrics.prompt_tokens - first.metrics.prompt_tokens < 150


def test_plain_decoding_drafts_nothing(engine: Engine) -> None:
    answer, _ = Chat(engine).ask("How many lamps of kind 2 has the south pier of Skerry Island?")
    metrics = answer.metrics
    assert (metrics.acceptance, metrics.accepted_per_step, metrics.draft_tier) == (0.0, 0.0, "plain")


def test_removed_document_is_not_read_again(engine: Engine, folder: Path) -> None:
    chat = Chat(engine)
    first, _ = chat.ask("How many lamps of kind 3 has the east pier of Skerry Island?")
    engine.library.remove([folder / "north.md"])
    second, sources = chat.ask("How many lamps of kind 5 has the east pier of Skerry Island?")
    assert paths(sources) == set(PIERS) - {"north"}
    assert second.metrics.prompt_tokens < first.metrics.prompt_tokens
