"""The library as the window uses it: a real library process and a real parser process, over the pipe."""

from __future__ import annotations

import logging
import queue
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.config import DataPaths, EngineConfig, Settings
from engine.errors import LibraryError
from engine.library.client import Library
from engine.library.protocol import Busy, Index, Search
from engine.messages import Document, DocumentChanged, DocumentStatus, IndexEvent, IndexFinished, IndexProgress
from tests.engine.library.inside import ASSETS, statuses

ROOT = ASSETS.parent
READY, SKIPPED, FAILED = DocumentStatus.READY, DocumentStatus.SKIPPED, DocumentStatus.FAILED
WORDS = "river bridge mill stone water keeper letter winter harbour garden lamp rope salt market".split()
PATIENCE_S = 120.0


def configure(data: Path) -> EngineConfig:
    config = EngineConfig(DataPaths(data), ASSETS, Settings.model_validate({}))
    config.data.create()
    return config


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    made = Library(configure(tmp_path_factory.mktemp("Données é 数据")))
    yield made
    made.close()


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    folder = tmp_path / "meine dökumente 東"
    folder.mkdir()
    return folder


def fill(folder: Path, files: int, sentences: int = 60) -> None:
    source = random.Random(files)
    for number in range(files):
        lines = [" ".join(source.choices(WORDS, k=12)).capitalize() + "." for _ in range(sentences)]
        (folder / f"note {number:02d}.txt").write_text("\n\n".join(lines), "utf-8")


def finish(events: Iterator[IndexEvent]) -> IndexFinished:
    *_, finished = events
    assert isinstance(finished, IndexFinished)
    return finished


class Job:
    """An index job that a thread of its own follows."""

    def __init__(self, events: Iterator[IndexEvent]) -> None:
        self.events: queue.SimpleQueue[IndexEvent | None] = queue.SimpleQueue()
        self.error: BaseException | None = None
        self.ended = threading.Event()
        self._source = events
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        try:
            for event in self._source:
                self.events.put(event)
        except Exception as exc:
            self.error = exc
        finally:
            self.ended.set()
            self.events.put(None)

    def until(self, wanted: Callable[[Any], bool]) -> Any:
        """Return the first event that is wanted."""
        while (event := self.events.get(timeout=PATIENCE_S)) is not None:
            if wanted(event):
                return event
        raise AssertionError(f"the job ended before that ({self.error})")

    def result(self) -> IndexFinished:
        event = self.until(lambda event: isinstance(event, IndexFinished))
        assert isinstance(event, IndexFinished)
        return event


def is_ready(event: Any) -> bool:
    return isinstance(event, DocumentChanged) and event.document.status is READY


def is_paused(event: Any) -> bool:
    return isinstance(event, IndexProgress) and event.paused


def test_a_document_is_indexed_found_changed_and_removed(library: Library, documents: Path) -> None:
    file = documents / "Größe 1.txt"
    file.write_text("The zebra grazes near the harbour.", "utf-8")
    seen = [event.document for event in library.index([documents]) if isinstance(event, DocumentChanged)]
    assert [document.status.value for document in seen] == ["queued", "extracting", "embedding", "ready"]
    assert library.has_ready_documents()
    [passage] = [each for each in library.search(Search(("zebra",), 2_000, 5)).passages if each.path == str(file)]
    assert library.text(str(file))[passage.start : passage.end] == passage.text
    assert library.page_of(str(file), 3) is None
    file.write_text("The giraffe chews leaves.", "utf-8")
    assert finish(library.index([documents])).ready == 1
    # The text that was asked for before must not come from memory.
    assert library.text(str(file)) == "The giraffe chews leaves."
    assert finish(library.index([documents])).unchanged == 1
    assert library.remove([documents]) == 1
    assert not library.has_ready_documents()
    assert library.search(Search(("giraffe",), 2_000, 5)).passages == ()
    with pytest.raises(LibraryError, match="not in the library"):
        library.text(str(file))


def test_a_search_is_answered_before_the_index_job_is_done(library: Library, documents: Path) -> None:
    fill(documents, 12)
    job = Job(library.index([documents]))
    job.until(is_ready)
    result = library.search(Search(("water under the bridge",), 2_000, 3))
    assert not job.ended.is_set()
    assert result.passages
    assert job.result().ready == 12
    assert library.stats(check=True).problems == ()
    library.remove([documents])


def test_a_pause_holds_the_job_until_it_goes_on(library: Library, documents: Path) -> None:
    fill(documents, 12)
    job = Job(library.index([documents]))
    job.until(is_ready)
    library.pause()
    held = job.until(is_paused)
    assert [job.until(is_paused).done for _ in range(4)] == [held.done] * 4
    assert held.done < 12
    assert library.search(Search(("water",), 2_000, 1)).passages
    library.resume()
    assert job.result().ready == 12
    library.remove([documents])


def test_a_pause_and_the_work_left_survive_a_restart(tmp_path: Path, documents: Path) -> None:
    fill(documents, 12)
    config = configure(tmp_path / "dätä 東")
    first = Library(config)
    job = Job(first.index([documents]))
    job.until(is_ready)
    first.pause()
    held = job.until(is_paused)
    first.close()
    assert job.ended.wait(PATIENCE_S)
    second = Library(config)
    try:
        assert second.paused
        job = Job(second.index([]))
        job.until(is_paused)
        assert sum(each.status is READY for each in second.documents()) == held.done
        second.resume()
        assert job.result().ready == 12 - held.done
        assert {each.status for each in second.documents()} == {READY}
        assert second.stats(check=True).problems == ()
    finally:
        second.close()


def test_closing_while_indexing_ends_the_job_without_a_word(
    tmp_path: Path, documents: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill(documents, 12)
    config = configure(tmp_path / "data")
    library = Library(config)
    job = Job(library.index([documents]))
    job.until(is_ready)
    with caplog.at_level(logging.INFO):
        library.close()
        assert job.ended.wait(PATIENCE_S)
    assert job.error is None
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    with pytest.raises(AssertionError, match="ended before"):
        job.result()
    again = Library(config)
    try:
        assert not {each.status for each in again.documents()} & {SKIPPED, FAILED}
        assert set(statuses(finish(again.index([documents]))).values()) == {READY}
    finally:
        again.close()


def test_a_job_that_is_closed_is_cancelled_and_its_files_can_be_added_again(library: Library, documents: Path) -> None:
    fill(documents, 12)
    events = library.index([documents])
    assert isinstance(events, Generator)
    next(event for event in events if is_ready(event))
    events.close()
    # The next job begins when the cancelled one has ended.
    finish(library.index([]))
    standing = {each.path: each for each in library.documents()}
    given_up = [each for each in standing.values() if each.status is SKIPPED]
    assert given_up
    assert all("cancelled" in each.reason for each in given_up)
    assert {each.status for each in standing.values()} == {READY, SKIPPED}
    assert set(statuses(finish(library.index([documents]))).values()) == {READY}
    assert library.stats(check=True).problems == ()
    library.remove([documents])


def test_removing_while_indexing_is_answered_at_once(library: Library, documents: Path) -> None:
    fill(documents, 12)
    job = Job(library.index([documents]))
    first: Document = job.until(is_ready).document
    assert library.remove([Path(first.path), documents / "note 11.txt"]) == 2
    assert not job.ended.is_set()
    finished = job.result()
    assert len(finished.files) == 10
    assert library.stats(check=True).problems == ()
    library.remove([documents])


def test_a_document_that_is_read_anew_can_be_asked_about_meanwhile(library: Library, documents: Path) -> None:
    fill(documents, 1)
    finish(library.index([documents]))
    for _ in library.rebuild([documents]):
        assert library.has_ready_documents()
    library.remove([documents])


def test_a_process_that_starts_in_the_middle_of_an_answer_is_told_of_it(
    library: Library, documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(documents, 1, 3)
    told: list[object] = []
    request = library._child.request

    def listen(payload: Any, **more: Any) -> Any:
        told.append(payload)
        return request(payload, **more)

    library.yield_to_answer(True)
    monkeypatch.setattr(library._child, "request", listen)
    finish(library.index([documents]))
    assert [type(payload) for payload in told] == [Index, Busy]
    assert told[1] == Busy(True)
    library.yield_to_answer(False)
    library.remove([documents])


def test_the_window_loads_nothing_heavy_for_the_library() -> None:
    code = (
        "import sys\nimport engine.library.client\n"
        "heavy = {'lancedb', 'pyarrow', 'fastembed', 'onnxruntime', 'kreuzberg', 'numpy', 'tokenizers'}\n"
        "assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
