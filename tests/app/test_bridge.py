from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app.bridge import ControlThread, EngineThread, LibraryThread
from app.records import RecordsThread
from engine.errors import HolaError
from engine.messages import Delta, Document, DocumentStatus, Finished, IndexProgress, Question, Started
from tests.app.fakes import FakeEngine


@pytest.fixture
def asking(engine: FakeEngine, qtbot: QtBot) -> Iterator[EngineThread]:
    lane = EngineThread(engine)
    yield lane
    engine.close()
    lane.request_close()
    lane.join()


@pytest.fixture
def library(engine: FakeEngine, qtbot: QtBot) -> Iterator[LibraryThread]:
    lane = LibraryThread(engine)
    yield lane
    engine.close()
    lane.request_close()
    lane.join()


@pytest.fixture
def control(engine: FakeEngine, qtbot: QtBot) -> Iterator[ControlThread]:
    lane = ControlThread(engine)
    yield lane
    lane.request_close()
    lane.join()


@pytest.fixture
def records(engine: FakeEngine, qtbot: QtBot) -> Iterator[RecordsThread]:
    lane = RecordsThread(engine)
    yield lane
    lane.request_close()
    lane.join()


def test_events_arrive_in_their_order(asking: EngineThread, qtbot: QtBot) -> None:
    events: list[object] = []
    asking.arrived.connect(events.append)
    with qtbot.waitSignal(asking.idle):
        asking.ask(Question("one two three"))
        assert asking.busy
    assert isinstance(events[0], Started)
    assert isinstance(events[-1], Finished)
    assert "".join(each.text for each in events if isinstance(each, Delta)) == "You asked: one two three"
    assert not asking.busy


def test_an_error_becomes_one_sentence_and_the_thread_lives_on(
    asking: EngineThread, engine: FakeEngine, qtbot: QtBot
) -> None:
    engine.error = HolaError("The model process ended: ask again.")
    with qtbot.waitSignal(asking.failed) as failed:
        asking.ask(Question("one two"))
    assert failed.args == ["The model process ended: ask again."]
    with qtbot.waitSignal(asking.idle):
        asking.ask(Question("again"))
    assert len(engine.asked) == 2


def test_an_unforeseen_error_is_logged_and_told(
    asking: EngineThread, engine: FakeEngine, qtbot: QtBot, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_question: Question) -> object:
        raise ZeroDivisionError

    engine.script = broken  # type: ignore[assignment]
    with qtbot.waitSignal(asking.failed) as failed:
        asking.ask(Question("x"))
    qtbot.waitUntil(lambda: not asking.busy)
    assert "log" in failed.args[0]
    assert "ZeroDivisionError" in caplog.text


def test_stop_ends_the_answer_soon(
    asking: EngineThread, control: ControlThread, engine: FakeEngine, qtbot: QtBot
) -> None:
    engine.gate.clear()
    events: list[object] = []
    asking.arrived.connect(events.append)
    asking.ask(Question("one two three"))
    qtbot.waitUntil(lambda: any(isinstance(each, Delta) for each in events))
    with qtbot.waitSignal(asking.idle):
        control.stop.emit()
    last = events[-1]
    assert isinstance(last, Finished)
    assert last.reason == "cancelled"


def test_changes_of_documents_are_collected(library: LibraryThread, qtbot: QtBot) -> None:
    batches: list[list[Document]] = []
    library.updated.connect(lambda documents, _progress: batches.append(documents))
    with qtbot.waitSignal(library.finished):
        library.index([Path(f"/{number}.pdf") for number in range(300)])
    last = {each.path: each.status for batch in batches for each in batch}
    assert len(last) == 300
    assert set(last.values()) == {DocumentStatus.READY}
    # 900 changes; ten batches in a second at most, and the job takes far less than a minute.
    assert len(batches) < 100


def test_jobs_run_one_after_the_other(library: LibraryThread, engine: FakeEngine, qtbot: QtBot) -> None:
    with qtbot.waitSignals([library.finished, library.finished]):
        library.index([Path("/a")])
        library.rebuild([Path("/a")])
    assert engine.library.jobs == [("index", (Path("/a"),)), ("rebuild", (Path("/a"),))]


def test_cancel_ends_the_running_job_and_those_behind_it(
    library: LibraryThread, engine: FakeEngine, qtbot: QtBot
) -> None:
    engine.library.gate.clear()
    library.index([Path("/a"), Path("/b")])
    library.index([Path("/c")])
    qtbot.waitUntil(lambda: library.busy)
    qtbot.waitUntil(lambda: len(engine.library.documents()) == 2)
    library.cancel()
    engine.library.gate.set()
    qtbot.waitUntil(lambda: not library.busy)
    assert engine.library.cancelled == 1
    with qtbot.waitSignal(library.finished):
        library.index([Path("/d")])
    assert [paths for _kind, paths in engine.library.jobs] == [(Path("/a"), Path("/b")), (Path("/d"),)]


def test_jobs_are_paused_and_go_on(library: LibraryThread, control: ControlThread, qtbot: QtBot) -> None:
    control.pause.emit(True)
    qtbot.waitUntil(lambda: library.paused)
    control.pause.emit(False)
    qtbot.waitUntil(lambda: not library.paused)


def test_documents_are_removed_between_two_steps_of_a_job(
    library: LibraryThread, engine: FakeEngine, qtbot: QtBot
) -> None:
    engine.library.put(Document("/old", DocumentStatus.READY))
    engine.library.gate.clear()
    library.index([Path("/a"), Path("/b")])
    qtbot.waitUntil(lambda: library.busy)
    library.remove([Path("/old")])
    with qtbot.waitSignals([library.removed, library.finished], order="strict"):
        engine.library.gate.set()
    assert "/old" not in {each.path for each in engine.library.documents()}


def test_progress_comes_with_the_changes(library: LibraryThread, qtbot: QtBot) -> None:
    seen: list[IndexProgress] = []
    library.updated.connect(lambda _documents, progress: seen.extend([progress] if progress else []))
    with qtbot.waitSignal(library.finished):
        library.index([Path("/a")])
    assert seen[-1].total == 1


def test_closing_midway_ends_the_thread_without_a_message(engine: FakeEngine, qtbot: QtBot) -> None:
    lane = LibraryThread(engine)
    failures: list[str] = []
    lane.failed.connect(failures.append)
    engine.library.gate.clear()
    lane.index([Path("/a"), Path("/b")])
    qtbot.waitUntil(lambda: lane.busy)
    lane.request_close()
    engine.close()
    lane.join()
    qtbot.waitUntil(lambda: not lane.busy)
    assert failures == []


def test_records_answer_while_a_question_and_a_job_run(
    asking: EngineThread, library: LibraryThread, records: RecordsThread, engine: FakeEngine, qtbot: QtBot
) -> None:
    engine.gate.clear()
    engine.library.gate.clear()
    asking.ask(Question("one two"))
    library.index([Path("/a")])
    with qtbot.waitSignal(records.chats) as chats:
        records.load_chats.emit("")
    with qtbot.waitSignal(records.memory) as memory:
        records.load_memory.emit()
    assert chats.args[1] == ""
    assert memory.args[0].model_mb == 210.0
    assert asking.busy


def test_renaming_and_deleting_answer_with_the_new_list(
    records: RecordsThread, engine: FakeEngine, qtbot: QtBot
) -> None:
    first, second = engine.history.put("One", 1.0), engine.history.put("Two", 2.0)
    with qtbot.waitSignal(records.chats) as renamed:
        records.rename.emit(first, "Uno")
    assert [chat.title for chat in renamed.args[0]] == ["Two", "Uno"]
    with qtbot.waitSignal(records.chats) as deleted:
        records.delete.emit(second)
    assert [chat.title for chat in deleted.args[0]] == ["Uno"]
