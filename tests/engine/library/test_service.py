"""The index job and the short requests, on real files, with the real embedder, store and parser process."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.errors import LibraryError
from engine.library.protocol import Index
from engine.messages import Document, DocumentChanged, DocumentStatus, IndexProgress
from tests.engine.indexing.builders import write_docx, write_pdf
from tests.engine.library.inside import Inside, statuses

READY, SKIPPED, FAILED = DocumentStatus.READY, DocumentStatus.SKIPPED, DocumentStatus.FAILED


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    folder = tmp_path / "meine dökumente 東"
    folder.mkdir()
    return folder


@pytest.fixture
def inside(tmp_path: Path) -> Iterator[Inside]:
    with Inside(tmp_path / "dätä x") as made:
        yield made


def write(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        (folder / f"{name}.txt").write_text(text, "utf-8")


def test_documents_of_several_formats_become_ready_and_are_found(inside: Inside, documents: Path) -> None:
    write(documents, plain="The heron stands in the shallow water.")
    write_pdf(documents / "paper.pdf", [["A page about locomotives."], ["A page about submarines."]])
    write_docx(documents / "letter.docx", [("Heading1", "Orchard"), ("Normal", "Apples are picked in autumn.")])
    (documents / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(200))
    finished = inside.index(documents)
    assert statuses(finished) == {"plain.txt": READY, "paper.pdf": READY, "letter.docx": READY, "photo.jpg": SKIPPED}
    assert (finished.ready, finished.skipped, finished.failed, finished.unchanged) == (3, 1, 0, 0)
    best = inside.search("submarines").passages[0]
    # Both pages fit into one chunk, which begins on the first.
    assert (Path(best.path).name, best.page) == ("paper.pdf", 1)
    assert inside.search("When are apples picked?").passages[0].heading == "Orchard"
    stored = inside.service._texts.load(best.path)
    assert stored.text[best.start : best.end] == best.text
    assert inside.stats().problems == ()


def test_a_file_goes_through_its_statuses_in_order(inside: Inside, documents: Path) -> None:
    write(documents, a="Some words.")
    assert [document.status.value for document in inside.changes(documents)] == [
        "queued",
        "extracting",
        "embedding",
        "ready",
    ]


def test_a_second_run_does_nothing(inside: Inside, documents: Path) -> None:
    write(documents, a="Some words.", b="Other words.", empty="")
    inside.index(documents)
    before = inside.identities()
    assert inside.changes(documents) == []
    finished = inside.index(documents)
    assert (finished.ready, finished.unchanged, finished.skipped, finished.chunks) == (0, 2, 1, 0)
    assert inside.identities() == before


def test_a_file_that_was_only_touched_is_not_read_again(inside: Inside, documents: Path) -> None:
    write(documents, a="Some words.")
    inside.index(documents)
    os.utime(documents / "a.txt", (1_700_000_000, 1_700_000_000))
    finished = inside.index(documents)
    assert (finished.ready, finished.unchanged) == (0, 1)


def test_a_changed_file_replaces_its_chunks(inside: Inside, documents: Path) -> None:
    write(documents, a="The zebra grazes.", b="The walrus swims.")
    inside.index(documents)
    write(documents, a="The giraffe chews leaves.")
    finished = inside.index(documents)
    assert (finished.ready, finished.unchanged) == (1, 1)
    assert inside.found("zebra") == set()
    assert inside.found("giraffe") == {"a.txt"}
    assert inside.found("walrus") == {"b.txt"}
    assert len(inside.identities()) == 2
    assert inside.service._texts.load(str(documents / "a.txt")).text == "The giraffe chews leaves."


def test_a_changed_file_that_gives_no_text_any_more_leaves_the_search(inside: Inside, documents: Path) -> None:
    write(documents, a="The zebra grazes.")
    inside.index(documents)
    write(documents, a=" ")
    assert statuses(inside.index(documents)) == {"a.txt": SKIPPED}
    assert inside.identities() == []
    assert inside.stats().problems == ()


def test_a_file_that_is_gone_from_the_disk_leaves_the_library(inside: Inside, documents: Path) -> None:
    write(documents, a="The zebra grazes.", b="The walrus swims.")
    inside.index(documents)
    (documents / "a.txt").unlink()
    finished = inside.index(documents)
    assert (finished.removed, finished.unchanged) == (1, 1)
    assert inside.found("zebra") == set()
    assert [Path(each.path).name for each in inside.service._journal.documents()] == ["b.txt"]


def test_a_file_that_is_named_twice_is_stored_once(inside: Inside, documents: Path) -> None:
    write(documents, a="Some words.")
    finished = inside.index(documents, documents / "a.txt", documents / "a.txt")
    assert (finished.ready, len(finished.files)) == (1, 1)
    assert len(inside.identities()) == 1


def test_a_folder_that_may_only_be_read_is_indexed_and_left_as_it_is(inside: Inside, documents: Path) -> None:
    write(documents, a="Some words.")
    (documents / "a.txt").chmod(stat.S_IREAD)
    documents.chmod(stat.S_IREAD | stat.S_IEXEC)
    before = documents.stat().st_mtime_ns, (documents / "a.txt").stat().st_mtime_ns
    try:
        assert inside.index(documents).ready == 1
        assert (documents.stat().st_mtime_ns, (documents / "a.txt").stat().st_mtime_ns) == before
        assert os.listdir(documents) == ["a.txt"]  # noqa: PTH208 - the names alone are wanted
    finally:
        documents.chmod(stat.S_IRWXU)
        (documents / "a.txt").chmod(stat.S_IRWXU)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_named_pipe_stops_nobody(inside: Inside, documents: Path) -> None:
    write(documents, a="Some words.")
    os.mkfifo(documents / "pipe.txt")
    finished = inside.index(documents / "pipe.txt", documents / "a.txt")
    assert statuses(finished) == {"pipe.txt": SKIPPED, "a.txt": READY}


def test_progress_counts_every_file_up_to_the_end(inside: Inside, documents: Path) -> None:
    write(documents, a="Some words.", b="Other words.")
    inside.index(documents)
    write(documents, c="More words.", d="", e="Last words.")
    seen: list[IndexProgress] = []
    inside.watch(lambda event: seen.append(event) if isinstance(event, IndexProgress) else None, documents)
    # While a slow disk is looked through nothing is counted yet.
    seen = [progress for progress in seen if progress.total]
    done = [progress.done for progress in seen]
    assert done == sorted(done)
    assert (done[0], done[-1]) == (2, 5)
    assert {progress.total for progress in seen} == {5}
    assert seen[-1].chunks == 2


# ------------------------------------------------------------ remove


def test_a_removed_document_is_not_found_and_not_touched(inside: Inside, documents: Path) -> None:
    write(documents, a="The zebra grazes.", b="The walrus swims.")
    inside.index(documents)
    assert inside.remove(documents / "a.txt") == 1
    assert inside.found("zebra") == set()
    assert not inside.service._texts.has(str(documents / "a.txt"))
    assert (documents / "a.txt").exists()
    assert inside.remove(documents) == 1
    assert inside.search("walrus").passages == ()
    with pytest.raises(LibraryError, match="not in the library"):
        inside.remove(documents)
    assert inside.index(documents).ready == 2


def test_a_fresh_process_removes_without_having_opened_anything(tmp_path: Path, documents: Path) -> None:
    write(documents, a="The zebra grazes.", b="The walrus swims.")
    with Inside(tmp_path / "data") as first:
        first.index(documents)
    with Inside(tmp_path / "data") as second:
        assert second.remove(documents / "a.txt") == 1
        assert second.found("zebra") == set()
    (documents / "b.txt").unlink()
    with Inside(tmp_path / "data") as third:
        assert third.index(documents).removed == 2 - 1
        assert third.identities() == [(each, path, text) for each, path, text in third.identities() if "a.txt" in path]


@pytest.mark.parametrize("moment", ["queued", "extracting", "embedding", "ready"])
def test_a_document_that_is_removed_while_indexing_does_not_come_back(
    moment: str, inside: Inside, documents: Path
) -> None:
    write(documents, a="The zebra grazes.", b="The walrus swims.", c="The heron stands.")
    victim = documents / "b.txt"
    todo = [victim]

    def look(event: Any) -> None:
        if isinstance(event, DocumentChanged) and todo:
            document = event.document
            if document.path == str(victim) and document.status.value == moment:
                assert inside.remove(todo.pop()) == 1

    finished = inside.watch(look, documents)
    assert not todo
    assert statuses(finished) == {"a.txt": READY, "c.txt": READY}
    assert finished.unchanged == 0
    assert inside.found("walrus") == set()
    assert inside.stats().problems == ()


# ------------------------------------------------------------ cancel


def cancel_at(inside: Inside, count: int) -> Any:
    """Return a look that cancels after so many documents are ready."""
    ready: list[Document] = []

    def look(event: Any) -> None:
        if isinstance(event, DocumentChanged) and event.document.status is READY:
            ready.append(event.document)
        if len(ready) >= count:
            inside.cancel.cancelled = True

    return look


def test_cancelled_files_get_a_reason_and_are_indexed_when_they_are_added_again(
    inside: Inside, documents: Path
) -> None:
    write(documents, **{f"file{number}": f"Words of file {number}." for number in range(6)})
    finished = inside.watch(cancel_at(inside, 0), documents)
    assert finished.cancelled
    inside.cancel.cancelled = False
    documents_now = inside.service._journal.documents()
    assert {document.status for document in documents_now} <= {SKIPPED}
    assert all("cancelled" in document.reason for document in documents_now)
    finished = inside.index(documents)
    assert finished.ready == 6
    assert not finished.cancelled
    assert inside.stats().problems == ()


def test_what_was_ready_stays_when_reading_it_anew_is_cancelled(inside: Inside, documents: Path) -> None:
    write(documents, a="The zebra grazes.", b="The walrus swims.")
    inside.index(documents)
    before = inside.identities()
    queued: list[str] = []

    def look(event: Any) -> None:
        if isinstance(event, DocumentChanged) and event.document.status is DocumentStatus.QUEUED:
            queued.append(event.document.path)
            inside.cancel.cancelled = len(queued) == 2

    finished = inside.watch(look, rebuild=True)
    assert finished.cancelled
    assert statuses(finished) == {"a.txt": READY, "b.txt": READY}
    assert inside.identities() == before
    inside.cancel.cancelled = False
    assert inside.index(documents).ready == 2
    assert inside.identities() == before
    assert inside.stats().problems == ()


# ------------------------------------------------------------ rebuild, repair


def test_a_rebuild_reads_everything_anew_and_keeps_it_searchable(inside: Inside, documents: Path) -> None:
    write(documents, a="The zebra grazes.", b="The walrus swims.")
    inside.index(documents)
    before = inside.identities()
    seen: list[set[str]] = []
    finished = inside.watch(lambda _: seen.append(inside.found("zebra")), rebuild=True)
    assert finished.ready == 2
    assert inside.identities() == before
    assert seen == [{"a.txt"}] * len(seen)


def test_a_rebuild_of_one_document_reads_this_one_only(inside: Inside, documents: Path) -> None:
    write(documents, a="The zebra grazes.", b="The walrus swims.")
    inside.index(documents)
    finished = inside.index(documents / "a.txt", rebuild=True)
    assert [Path(each.path).name for each in finished.files] == ["a.txt"]
    assert finished.ready == 1


def test_a_rebuild_forgets_what_is_gone_from_the_disk(inside: Inside, documents: Path) -> None:
    write(documents, a="The zebra grazes.", b="The walrus swims.")
    inside.index(documents)
    (documents / "a.txt").unlink()
    finished = inside.index(rebuild=True)
    assert (finished.ready, finished.removed) == (1, 1)
    assert inside.stats().problems == ()


def change_embedder(inside: Inside) -> None:
    """Let the library look as if another embedder had made it."""
    inside.service._journal.set_note("embedder", "another embedder")


def test_a_library_of_another_embedder_asks_for_a_rebuild_which_helps(inside: Inside, documents: Path) -> None:
    write(documents, a="The zebra grazes.", b="The walrus swims.")
    inside.index(documents)
    before = inside.identities()
    change_embedder(inside)
    for request in (lambda: inside.search("zebra"), lambda: inside.index(documents), inside.stats):
        with pytest.raises(LibraryError, match="another embedder, or by an older Hola: rebuild"):
            request()
    assert inside.index(rebuild=True).ready == 2
    assert inside.identities() == before
    assert inside.found("zebra") == {"a.txt"}


@pytest.mark.parametrize("steps", [0, 1, 3, 6])
def test_a_rebuild_that_is_broken_off_loses_no_document(steps: int, tmp_path: Path, documents: Path) -> None:
    write(documents, a="The zebra grazes.", b="The walrus swims.")
    with Inside(tmp_path / "data") as first:
        first.index(documents)
        before = first.identities()
        change_embedder(first)
        events = first.service.handle(Index((), rebuild=True), first.cancel)
        assert isinstance(events, Generator)
        for _ in range(steps + 1):
            next(events)
        events.close()
    with Inside(tmp_path / "data") as second:
        assert set(statuses(second.index(documents)).values()) == {READY}
        assert second.identities() == before
        assert second.stats().problems == ()


def test_a_damaged_table_is_told_and_a_rebuild_repairs_it(inside: Inside, documents: Path) -> None:
    write(documents, a="The zebra grazes.", b="The walrus swims.")
    inside.index(documents)
    before = inside.identities()
    for file in (inside.config.folder / "chunks.lance" / "data").iterdir():
        file.write_bytes(b"damaged")
    with Inside(inside.config.journal.parent) as other, pytest.raises(LibraryError, match="rebuild"):
        other.search("zebra")
    assert inside.index(rebuild=True).ready == 2
    assert inside.identities() == before
    assert inside.found("zebra") == {"a.txt"}


def test_the_check_finds_what_does_not_fit_together(inside: Inside, documents: Path) -> None:
    write(documents, a="The zebra grazes.", b="The walrus swims.", c="The heron stands.", d="The otter dives.")
    inside.index(documents)
    service = inside.service
    service._texts.remove(str(documents / "a.txt"))
    service._open_store().remove([str(documents / "b.txt")])
    service._journal.remove([str(documents / "c.txt")])
    problems = inside.stats().problems
    assert len(problems) == 3
    assert "The text of a.txt is missing" in problems[0]
    assert "b.txt has 0 of its 1 chunks" in problems[1]
    assert "c.txt is stored and not listed" in problems[2]
    assert inside.index(documents, rebuild=True).ready == 4
    assert inside.stats().problems == ()


def test_a_lost_journal_doubles_nothing(tmp_path: Path, documents: Path) -> None:
    write(documents, a="The zebra grazes.", b="The walrus swims.")
    with Inside(tmp_path / "data") as first:
        first.index(documents)
        before = first.identities()
    for file in (tmp_path / "data").glob("journal.sqlite*"):
        file.unlink()
    with Inside(tmp_path / "data") as second:
        assert second.index(documents).ready == 2
        assert second.identities() == before
        assert second.stats().problems == ()


def test_a_missing_embedder_is_told_by_each_request(tmp_path: Path, documents: Path) -> None:
    write(documents, a="Some words.")
    with Inside(tmp_path / "data", embedder=tmp_path / "nowhere") as inside:
        for request in (lambda: inside.search("x"), lambda: inside.index(documents), inside.stats):
            with pytest.raises(LibraryError, match="embedder"):
                request()


# ------------------------------------------------------------ two programs at once


@pytest.mark.skipif(sys.platform == "win32", reason="a table that is open can't be shared there")
def test_two_programs_index_one_after_the_other(tmp_path: Path, documents: Path) -> None:
    write(documents, a="The zebra grazes.", b="The walrus swims.")
    with Inside(tmp_path / "data") as first, Inside(tmp_path / "data") as second:
        second.search("open the table")
        waiting = second.service.handle(Index((documents,)), second.cancel)
        first.watch(lambda _: next(waiting), documents)
        rest = [event for event in waiting if isinstance(event, DocumentChanged)]
        assert rest == []
        assert len(second.identities()) == 2
        assert second.found("walrus") == {"b.txt"}
        assert second.stats().problems == ()
