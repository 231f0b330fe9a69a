"""The engine end to end with its real parts: rules, library, model, citations, history."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.config import DataPaths, EngineConfig, Settings
from engine.engine import Engine
from engine.errors import HolaError, ProcessCrashed
from engine.messages import (
    Delta,
    DocumentStatus,
    Event,
    Finished,
    IndexFinished,
    Question,
    Reviewed,
    Sources,
    Started,
)

ASSETS = Path(__file__).parents[2] / "assets"
NOTES = """# Harbour notes

## The ferry

The ferry to Skerry Island leaves at 7:40 from pier 3. A return ticket costs 18 euros. Dogs travel for free.

## The lighthouse

The lighthouse of Skerry Island is 31 metres tall. Its lamp was replaced in 1987 by an electric one.
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> EngineConfig:
    root = tmp_path_factory.mktemp("Données é 数据")
    return EngineConfig(DataPaths(root), ASSETS, Settings(context_tokens=2048, max_answer_tokens=60))


@pytest.fixture(scope="module")
def engine(config: EngineConfig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine with one indexed document."""
    folder = tmp_path_factory.mktemp("my documents ü")
    note = folder / "Hafen notes ß.md"
    note.write_text(NOTES, "utf-8")
    made = Engine(config)
    made.start()
    last = list(made.library.index([folder]))[-1]
    assert isinstance(last, IndexFinished)
    assert (last.ready, last.failed) == (1, 0), last.files
    yield made
    made.close()


def ask(engine: Engine, text: str, chat_id: int | None = None, **more: object) -> list[Event]:
    return list(engine.ask(Question(text, chat_id, **more)))  # type: ignore[arg-type]


def finished(events: list[Event]) -> Finished:
    last = events[-1]
    assert isinstance(last, Finished)
    return last


def chat_of(events: list[Event]) -> int:
    first = events[0]
    assert isinstance(first, Started)
    return first.chat_id


def test_rule_answers_at_once_and_is_stored(engine: Engine) -> None:
    events = ask(engine, "What is 17 * 23?")
    assert [type(event) for event in events] == [Started, Delta, Finished]
    assert "391" in finished(events).answer
    [turn] = engine.history.turns(chat_of(events))
    assert (turn.route, turn.reason) == ("rule", "stop")


def test_documents_only_asks_no_rule(engine: Engine) -> None:
    events = list(engine.ask(Question("What is 17 * 23?", documents_only=True)))
    assert isinstance(events[0], Started)
    assert events[0].route == "model"
    assert "391" not in finished(events).answer


def test_question_about_a_document_is_answered_with_a_citation_that_holds(engine: Engine) -> None:
    events = ask(engine, "How tall is the lighthouse of Skerry Island?")
    answer = finished(events)
    assert "31" in answer.answer
    [source] = [event for event in events if isinstance(event, Sources)]
    assert source.considered >= len(source.passages) >= 1
    text = engine.library.text(source.passages[0].path)
    assert answer.citations
    for citation in answer.citations:
        assert text[citation.start : citation.end] == citation.snippet
        assert Path(citation.path).name == "Hafen notes ß.md"
        assert 0 <= citation.answer_start < citation.answer_end <= len(answer.answer)
    assert "31 metres" in answer.citations[0].snippet
    assert isinstance(events[-2], Reviewed)


def test_metrics_of_an_answer_are_measured(engine: Engine) -> None:
    answer = finished(ask(engine, "How much is a return ticket for the ferry?"))
    metrics = answer.metrics
    assert metrics.prompt_tokens > metrics.reused_tokens >= 0
    assert 0 < metrics.ttft_ms <= metrics.total_ms
    assert metrics.retrieval_ms > 0
    assert metrics.prefill_tokens_per_s > 0
    assert metrics.completion_tokens > 0
    assert metrics.peak_rss_mb > 50


def test_turn_is_stored_with_its_citations(engine: Engine) -> None:
    events = ask(engine, "When does the ferry to Skerry Island leave?")
    [turn] = engine.history.turns(chat_of(events))
    assert turn.answer == finished(events).answer
    assert turn.citations == finished(events).citations
    assert turn.metrics == finished(events).metrics


def test_second_turn_reuses_what_the_cache_holds(engine: Engine) -> None:
    first = ask(engine, "Tell me about sailing boats.", use_documents=False)
    second = finished(ask(engine, "Which of them are fast?", chat_of(first), use_documents=False))
    assert second.metrics.reused_tokens >= finished(first).metrics.prompt_tokens


def test_stop_keeps_what_was_said(engine: Engine) -> None:
    events: list[Event] = []
    for event in engine.ask(Question("Tell me a very long story about the sea.", use_documents=False, max_tokens=400)):
        events.append(event)
        if isinstance(event, Delta):
            engine.stop()
    answer = finished(events)
    assert answer.reason == "cancelled"
    assert answer.answer
    [turn] = engine.history.turns(chat_of(events))
    assert (turn.answer, turn.reason) == (answer.answer, "cancelled")


def test_closing_the_generator_stores_the_part_that_exists(engine: Engine) -> None:
    events = engine.ask(Question("Tell me a very long story about a mountain.", use_documents=False, max_tokens=400))
    started = next(events)
    assert isinstance(started, Started)
    said = next(event.text for event in events if isinstance(event, Delta))
    events.close()  # type: ignore[attr-defined]
    [turn] = engine.history.turns(started.chat_id)
    assert turn.reason == "cancelled"
    assert turn.answer.startswith(said)
    assert finished(ask(engine, "What is 2 + 2?")).answer


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a POSIX matter")
def test_killed_model_process_keeps_the_partial_answer(engine: Engine) -> None:
    events = engine.ask(Question("Tell me a very long story about a forest.", use_documents=False, max_tokens=400))
    started = next(events)
    assert isinstance(started, Started)
    said = next(event.text for event in events if isinstance(event, Delta))
    assert engine._model.pid is not None
    os.kill(engine._model.pid, signal.SIGKILL)
    with pytest.raises(ProcessCrashed, match="starts again by itself"):
        list(events)
    [turn] = engine.history.turns(started.chat_id)
    assert turn.reason == "failed"
    assert turn.answer.startswith(said)
    assert "31" in finished(ask(engine, "How tall is the lighthouse of Skerry Island?")).answer


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a POSIX matter")
def test_killed_library_process_costs_nothing_but_time(engine: Engine) -> None:
    assert engine.library.pid is not None
    os.kill(engine.library.pid, signal.SIGKILL)
    assert finished(ask(engine, "How tall is the lighthouse of Skerry Island?")).citations


def test_second_question_at_the_same_time_is_refused(engine: Engine) -> None:
    running = engine.ask(Question("Tell me a story.", use_documents=False))
    next(running)
    with pytest.raises(HolaError, match="still answering"):
        ask(engine, "And another one.")
    running.close()  # type: ignore[attr-defined]


def test_empty_question_asks_for_one(engine: Engine) -> None:
    with pytest.raises(HolaError, match="type a question"):
        ask(engine, "  \n ")


def test_regenerating_replaces_the_turn_and_what_follows(engine: Engine) -> None:
    first = ask(engine, "What is 1 + 1?")
    chat = chat_of(first)
    ask(engine, "What is 2 + 2?", chat)
    kept = engine.history.turns(chat)
    ask(engine, "What is 3 + 3?", chat, replaces_turn=kept[0].id)
    assert [turn.question for turn in engine.history.turns(chat)] == ["What is 3 + 3?"]


def test_question_longer_than_the_context_is_told(engine: Engine) -> None:
    with pytest.raises(HolaError, match="tokens long"):
        ask(engine, "word " * 4000, use_documents=False)


def test_rule_lists_the_documents(engine: Engine) -> None:
    answer = finished(ask(engine, "Which documents do you have?")).answer
    assert "Hafen notes ß.md" in answer


def test_documents_are_known_without_the_library_process(config: EngineConfig, engine: Engine) -> None:
    [document] = engine.library.documents()
    other = Engine(config)
    assert other.library.documents() == (document,)
    assert document.status is DocumentStatus.READY
    other.close()


def test_memory_counts_every_process(engine: Engine) -> None:
    ask(engine, "Say hi to the model.", use_documents=False)
    use = engine.memory()
    assert use.model_mb > 50
    assert use.app_mb > 10
    assert use.free_mb > 0


def test_importing_the_engine_loads_nothing_heavy() -> None:
    heavy = ["PySide6", "torch", "llama_cpp", "lancedb", "fastembed", "kreuzberg", "onnxruntime", "pyarrow", "numpy"]
    code = f"import sys, engine, engine.engine; print([name for name in {heavy!r} if name in sys.modules])"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
