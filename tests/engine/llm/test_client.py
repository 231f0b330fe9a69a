"""The model process crashes, is stopped, is asked too early: the conductor goes on."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.config import DataPaths, EngineConfig, Settings, bundled_model
from engine.engine import Engine
from engine.errors import ModelFileError, ProcessCrashed
from engine.history import History
from engine.llm import client
from engine.llm.client import LanguageModel
from engine.llm.protocol import Generated, LoadModel, TextDelta
from engine.llm.snapshots import SUFFIX, Snapshots
from engine.messages import ChatMessage, Sampling
from tests.gguf_builder import chain, write_llama

LONG = (ChatMessage("user", "Tell me a long story about a lighthouse."),)


@pytest.fixture
def model() -> Iterator[LanguageModel]:
    made = LanguageModel(LoadModel(bundled_model(), 1024, 0))
    yield made
    made.close()


def test_loading_goes_on_behind_the_scenes_and_tells_its_end(model: LanguageModel) -> None:
    states = [model.state.state]
    model.start()
    assert model.wait(60.0)
    states.append(model.state.state)
    assert states == ["loading", "ready"]
    assert model.card is not None
    assert model.card.context_tokens == 1024


def test_model_that_cannot_be_loaded_says_why(tmp_path: Path) -> None:
    model = LanguageModel(LoadModel(tmp_path / "none.gguf", 1024, 0))
    model.start()
    with pytest.raises(ModelFileError, match="not there"):
        model.wait(60.0)
    assert model.state.state == "failed"
    assert "not there" in model.state.detail
    with pytest.raises(ModelFileError, match="not there"):
        list(model.generate(LONG, Sampling(), 10))
    model.close()


def test_answer_streams_and_ends_with_its_timings(model: LanguageModel) -> None:
    events = list(model.generate(LONG, Sampling(), 12))
    assert len([event for event in events if isinstance(event, TextDelta)]) >= 10
    ended = events[-1]
    assert isinstance(ended, Generated)
    assert (ended.reason, ended.completion_tokens) == ("length", 12)
    assert ended.peak_rss_mb > 100


def test_cancel_from_another_place_ends_the_answer(model: LanguageModel) -> None:
    last = None
    for event in model.generate(LONG, Sampling(), 900):
        if isinstance(event, TextDelta):
            model.cancel()
        last = event
    assert isinstance(last, Generated)
    assert last.reason == "cancelled"
    assert last.completion_tokens < 200


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a POSIX matter")
def test_killed_model_process_costs_the_answer_and_not_the_next(model: LanguageModel) -> None:
    events = model.generate(LONG, Sampling(), 900)
    text = next(event.text for event in events if isinstance(event, TextDelta))
    assert text
    assert model.pid is not None
    os.kill(model.pid, signal.SIGKILL)
    with pytest.raises(ProcessCrashed, match="starts again by itself"):
        list(events)
    model.start()
    assert model.wait(60.0)
    assert isinstance(list(model.generate(LONG, Sampling(), 3))[-1], Generated)


def test_path_with_spaces_and_other_scripts_loads(tmp_path: Path) -> None:
    folder = tmp_path / "Ünïcode 模型 dir"
    folder.mkdir()
    model = LanguageModel(LoadModel(write_llama(folder / "tiny модель.gguf", chain("ok!")), 256, 1))
    said = "".join(event.text for event in model.generate(LONG, Sampling(), 9) if isinstance(event, TextDelta))
    assert said == "ok!"
    model.count(("requests are answered in turn",))
    model.close()


# ---------------------------------------------------------------- snapshots on disk

READ = (ChatMessage("user", "The ferry leaves the harbour at seven, and the keeper waves from his tower. " * 4),)


@pytest.fixture
def tiny(tmp_path: Path) -> LoadModel:
    """How to load a tiny model that keeps snapshots on disk."""
    file = write_llama(tmp_path / "tiny.gguf", chain("ok!"), context=1024)
    return LoadModel(file, 1024, 1, cache=tmp_path / "cache")


@pytest.fixture
def resting(tiny: LoadModel, monkeypatch: pytest.MonkeyPatch) -> Iterator[LanguageModel]:
    """A model process that saves almost at once when it has nothing to do."""
    monkeypatch.setattr(client, "REST_S", 0.01)
    made = LanguageModel(tiny)
    yield made
    made.close()


def read(model: LanguageModel) -> int:
    """Have a long prompt answered; how many of its tokens were known."""
    ended = list(model.generate(READ, Sampling(), 5))[-1]
    assert isinstance(ended, Generated)
    assert ended.completion_tokens == 3
    return ended.reused_tokens


def wait_for_saving(model: LanguageModel) -> None:
    """Return once the rest is over, and what it had written is on disk."""
    assert model._rest is not None
    model._rest.join()
    assert model._saving is not None
    assert list(model._saving) == []


def snapshot_files(how: LoadModel) -> list[Path]:
    assert how.snapshots is not None
    return list(how.snapshots.glob("*")) if how.snapshots.exists() else []


def test_snapshots_are_written_after_a_rest_and_serve_the_next_process(resting: LanguageModel, tiny: LoadModel) -> None:
    assert read(resting) == 0
    wait_for_saving(resting)
    assert [file.suffix for file in snapshot_files(tiny)] == [SUFFIX]
    if sys.platform != "win32":
        assert resting.pid is not None
        os.kill(resting.pid, signal.SIGKILL)
    resting.close()
    after = LanguageModel(tiny)
    assert read(after) > 300
    after.close()


def test_question_ends_the_rest(tiny: LoadModel) -> None:
    model = LanguageModel(tiny)
    read(model)
    rest = model._rest
    assert rest is not None
    assert rest.is_alive()
    assert snapshot_files(tiny) == []
    read(model)
    assert rest.finished.is_set()
    assert model._rest is not rest
    latest = model._rest
    model.close()
    assert latest is not None
    assert latest.finished.is_set()


def test_answer_that_is_let_go_after_the_end_begins_no_rest(tiny: LoadModel) -> None:
    model = LanguageModel(tiny)
    events = model.generate(READ, Sampling(), 5)
    next(events)
    model.close()
    # As the interpreter does with generators at exit, where a new thread would wait for ever.
    events.close()
    assert model._rest is None


def test_snapshots_are_written_when_the_process_is_closed(tiny: LoadModel) -> None:
    model = LanguageModel(tiny)
    read(model)
    model.close()
    assert len(snapshot_files(tiny)) == 1


def test_rest_starts_no_process(tiny: LoadModel) -> None:
    model = LanguageModel(tiny)
    model._save_states()
    assert model.pid is None
    model.close()
    model._save_states()
    assert model.pid is None


def test_living_process_forgets_its_states(resting: LanguageModel, tiny: LoadModel) -> None:
    read(resting)
    wait_for_saving(resting)
    assert snapshot_files(tiny)
    resting.forget_states()
    resting.count(("requests are answered in turn",))
    assert snapshot_files(tiny) == []
    assert read(resting) == 0
    resting.forget_states()
    resting.count(("once more",))
    resting.close()
    assert snapshot_files(tiny) == []


def test_chat_that_is_deleted_just_before_closing_is_not_written(tmp_path: Path) -> None:
    endless = write_llama(tmp_path / "endless.gguf", {259: 97, 97: 98, 98: 97}, context=8192)
    how = LoadModel(endless, 8192, 1, cache=tmp_path / "cache")
    model = LanguageModel(how)
    events = model.generate(READ, Sampling(repetition_penalty=1.0), 7000, draft_limit=0)
    assert any(isinstance(event, TextDelta) for event in events)
    # The request waits for its turn behind the answer when the window is closed.
    model.forget_states()
    model.close()
    events.close()
    assert snapshot_files(how) == []


def test_states_are_forgotten_during_an_answer_without_harm_to_it(tiny: LoadModel) -> None:
    model = LanguageModel(tiny)
    said = ""
    for event in model.generate(READ, Sampling(), 5):
        model.forget_states()
        said += event.text if isinstance(event, TextDelta) else ""
    assert said == "ok!"
    model.count(("requests are answered in turn",))
    model.close()
    assert snapshot_files(tiny) == []


def test_states_are_forgotten_without_a_process(tiny: LoadModel) -> None:
    before = LanguageModel(tiny)
    read(before)
    before.close()
    assert snapshot_files(tiny)
    model = LanguageModel(tiny)
    model.forget_states()
    assert model.pid is None
    assert snapshot_files(tiny) == []
    model.close()


def test_deleted_chat_leaves_nothing_of_its_text_in_the_model_process(
    resting: LanguageModel, tiny: LoadModel, tmp_path: Path
) -> None:
    history = History(tmp_path / "chats.sqlite", on_delete=resting.forget_states)
    chat_id, _ = history.begin(None, READ[0].content, "model")
    read(resting)
    wait_for_saving(resting)
    history.delete(chat_id)
    assert read(resting) == 0
    history.close()


def test_deleted_chat_leaves_nothing_of_its_text_on_disk(tmp_path: Path) -> None:
    config = EngineConfig(DataPaths(tmp_path / "data"), Path(__file__).parents[3] / "assets", Settings())
    engine = Engine(config)
    chat_id, _ = engine.history.begin(None, "What was I told?", "model")
    kept, _ = engine.history.begin(None, "Another chat", "model")
    stored = Snapshots("any model", config.data.cache / "snapshots")
    stored.put(range(200), b"state")
    stored.close()
    folder = config.data.cache / "snapshots"
    assert list(folder.iterdir())
    engine.history.delete(chat_id)
    assert list(folder.iterdir()) == []
    assert [chat.id for chat in engine.history.chats()] == [kept]
    engine.close()


def test_refused_draft_model_is_told_with_the_state(tmp_path: Path) -> None:
    target = write_llama(tmp_path / "Target.gguf", chain("abc"))
    made = LanguageModel(LoadModel(target, 512, 1), find_draft=lambda: tmp_path / "Gone.gguf")
    try:
        made.start()
        assert made.wait(60.0)
        assert made.state.state == "ready"
        assert made.state.detail.startswith("Target answers without its draft model: ")
    finally:
        made.close()
