"""The model process crashes, is stopped, is asked too early: the conductor goes on."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.config import bundled_model
from engine.errors import ModelFileError, ProcessCrashed
from engine.llm.client import LanguageModel
from engine.llm.protocol import Generated, LoadModel, TextDelta
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
    model.close()
