"""Files that crash, hang or bloat the parser cost themselves and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.errors import LibraryError, ProcessError
from engine.library import job
from engine.messages import Document, DocumentChanged, DocumentStatus
from tests.engine.library.fragile import FragileParser, StillbornParser
from tests.engine.library.inside import Inside, statuses

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals")

READY, SKIPPED, FAILED = DocumentStatus.READY, DocumentStatus.SKIPPED, DocumentStatus.FAILED


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    folder = tmp_path / "meine dökumente 東"
    folder.mkdir()
    return folder


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Inside]:
    monkeypatch.setattr("engine.library.service.ParserService", FragileParser)
    with Inside(tmp_path / "dätä x", parse_timeout_s=1.0, parse_memory_mb=400) as made:
        yield made


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / f"{name}.txt").write_text(f"The words of {name}.", "utf-8")


def reason_of(inside: Inside, file: Path) -> str:
    entry = inside.service._journal.entry(str(file))
    assert entry is not None
    return entry.document.reason


def test_a_parser_that_is_killed_in_the_middle_reads_the_file_again(inside: Inside, documents: Path) -> None:
    write(documents, "a", "crash-once", "d")
    assert set(statuses(inside.index(documents)).values()) == {READY}
    assert inside.found("crash-once") >= {"crash-once.txt"}
    assert inside.stats().problems == ()


def test_files_that_crash_the_parser_fail_and_the_others_become_ready(inside: Inside, documents: Path) -> None:
    write(documents, "a", "crash 1", "crash 2", "crash 3", "z")
    finished = inside.index(documents)
    assert statuses(finished) == {
        "a.txt": READY,
        **{f"crash {number}.txt": FAILED for number in (1, 2, 3)},
        "z.txt": READY,
    }
    assert "crash 1.txt crashes the parser" in reason_of(inside, documents / "crash 1.txt")


def test_a_file_that_failed_is_not_tried_again_by_itself(inside: Inside, documents: Path) -> None:
    write(documents, "crash")
    inside.index(documents)
    assert inside.changes(documents) == []
    assert inside.changes() == []
    assert statuses(inside.index(documents)) == {"crash.txt": FAILED}
    # A new content is a new chance.
    (documents / "crash.txt").rename(documents / "tame.txt")
    assert statuses(inside.index(documents)) == {"tame.txt": READY}


def test_a_file_that_hangs_the_parser_fails_and_the_others_become_ready(inside: Inside, documents: Path) -> None:
    write(documents, "a", "hang", "z")
    assert statuses(inside.index(documents)) == {"a.txt": READY, "hang.txt": FAILED, "z.txt": READY}
    assert "hang.txt needs more than 1 seconds" in reason_of(inside, documents / "hang.txt")


def test_a_file_that_needs_too_much_memory_fails_and_the_others_become_ready(
    tmp_path: Path, documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.library.service.ParserService", FragileParser)
    write(documents, "a", "hoard", "z")
    with Inside(tmp_path / "data", parse_memory_mb=400) as inside:
        assert statuses(inside.index(documents)) == {"a.txt": READY, "hoard.txt": FAILED, "z.txt": READY}
        assert "too much memory" in reason_of(inside, documents / "hoard.txt")


def test_a_huge_text_is_ended_at_the_time_limit(tmp_path: Path, documents: Path) -> None:
    (documents / "huge.txt").write_text("a few words of this and that\n" * 600_000, "utf-8")
    write(documents, "z")
    with Inside(tmp_path / "data", parse_timeout_s=1.0) as inside:
        assert statuses(inside.index(documents)) == {"huge.txt": FAILED, "z.txt": READY}


def test_a_former_version_leaves_the_search_when_the_new_one_fails(
    inside: Inside, documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(documents, "crash", "z")
    with monkeypatch.context() as calm:
        calm.setattr("tests.engine.library.fragile._misbehave", lambda _: None)
        calm.setattr("engine.library.service.ParserService", FragileParser.__mro__[1])
        assert inside.index(documents).ready == 2
    (documents / "crash.txt").write_text("Other words", "utf-8")
    assert statuses(inside.index(documents)) == {"crash.txt": FAILED, "z.txt": READY}
    assert inside.found("crash") == set()
    assert inside.stats().problems == ()


def test_a_parser_that_does_not_even_start_blames_no_file(
    tmp_path: Path, documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(documents, "a", "b")
    with Inside(tmp_path / "data") as inside:
        with monkeypatch.context() as broken:
            broken.setattr("engine.library.service.ParserService", StillbornParser)
            with pytest.raises(ProcessError, match="parser process"):
                inside.index(documents)
        waiting = {document.status for document in inside.service._journal.documents()}
        assert waiting <= {DocumentStatus.QUEUED, DocumentStatus.EXTRACTING}
        assert inside.index().ready == 2


def test_a_file_under_suspicion_is_worked_on_alone(inside: Inside, documents: Path) -> None:
    write(documents, "a", "b", "c", "d", "e", "f")
    suspects = {str(documents / "b.txt"), str(documents / "d.txt")}
    journal = inside.service._journal
    for path in sorted(suspects):
        journal.enqueue(path, 1, 1, "")
        for _ in range(job.SUSPECT_AFTER):
            journal.begin(path)
    under_work: set[str] = set()
    together: list[set[str]] = []

    def look(event: Any) -> None:
        if isinstance(event, DocumentChanged):
            document: Document = event.document
            if document.status is DocumentStatus.EXTRACTING:
                under_work.add(document.path)
                together.append(set(under_work))
            elif document.status is READY:
                under_work.discard(document.path)

    assert set(statuses(inside.watch(look, documents)).values()) == {READY}
    assert [each for each in together if each & suspects and len(each) > 1] == []
    assert max(map(len, together)) > 1


def test_a_file_that_ends_the_program_again_and_again_fails_at_last(inside: Inside, documents: Path) -> None:
    write(documents, "a", "b")
    journal = inside.service._journal
    path = str(documents / "a.txt")
    journal.enqueue(path, 1, 1, "")
    for _ in range(job.ATTEMPTS_PER_FILE):
        journal.begin(path)
    assert statuses(inside.index(documents)) == {"a.txt": FAILED, "b.txt": READY}
    assert "seems to end the program" in reason_of(inside, documents / "a.txt")
    assert inside.index(documents / "a.txt", rebuild=True).ready == 1


# ------------------------------------------------------------ a full disk


@pytest.mark.parametrize("place", ["texts.Texts.save", "store.Store.add", "service.Journal.ready"])
def test_a_full_disk_stops_the_job_and_the_next_one_completes_it(
    place: str, inside: Inside, documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(documents, "a", "b")
    inside.index(documents)
    (documents / "a.txt").write_text("A new heron.", "utf-8")
    write(documents, "c")

    def full(*_: object) -> None:
        raise LibraryError("The disk is full: free some space.")

    with monkeypatch.context() as disk:
        disk.setattr(f"engine.library.{place}", full)
        with pytest.raises(LibraryError, match="disk is full"):
            inside.index(documents)
    assert inside.found("words") >= {"b.txt"}
    finished = inside.index()
    assert finished.ready == 2
    assert set(statuses(inside.index(documents)).values()) == {READY}
    assert len(inside.identities()) == 3
    assert inside.found("heron") == {"a.txt"}
    assert inside.stats().problems == ()
