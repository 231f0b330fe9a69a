"""The upkeep of the indexes works in a thread of its own, between and beside everything else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.errors import LibraryError
from engine.library.protocol import Index, Remove
from engine.library.store import Store
from engine.messages import DocumentChanged, DocumentStatus
from engine.service import IDLE, STEP
from tests.engine.library.inside import Inside, statuses

READY = DocumentStatus.READY


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    for number in range(8):
        (folder / f"note {number:02d}.txt").write_text(f"Words of animal{number} and stones.", "utf-8")
    return folder


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Inside]:
    """A library that looks after its indexes after each document."""
    monkeypatch.setattr("engine.library.service.UPKEEP_EVERY_CHUNKS", 1)
    monkeypatch.setattr("engine.library.job.LOT_CHUNKS", 1)
    monkeypatch.setattr("engine.library.store.LEAST_UNINDEXED", 0)
    monkeypatch.setattr("engine.library.store.UNINDEXED_SHARE", 0.0)
    with Inside(tmp_path / "data") as made:
        yield made


def test_upkeep_after_every_document_leaves_all_of_them_right(inside: Inside, documents: Path) -> None:
    removed: list[str] = []

    def look(event: Any) -> None:
        if isinstance(event, DocumentChanged) and event.document.status is READY:
            name = Path(event.document.path).name
            assert inside.found(f"animal{int(name[5:7])}") == {name}
            if int(name[5:7]) % 4 == 3:
                inside.remove(Path(event.document.path))
                removed.append(name)

    finished = inside.watch(look, documents)
    assert len(removed) == 2
    assert len(finished.files) == 6
    for number in range(8):
        name = f"note {number:02d}.txt"
        (documents / name).write_text(f"Words of plant{number}.", "utf-8")
    assert set(statuses(inside.index(documents)).values()) == {READY}
    assert len(inside.identities()) == 8
    assert inside.found("animal1") == set()
    assert inside.found("plant5") == {"note 05.txt"}
    assert inside.stats().problems == ()


def test_a_removal_waits_for_the_upkeep_that_is_going_on(
    inside: Inside, documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    upkeep, remove = Store.upkeep, Store.remove

    def slow(self: Store) -> None:
        order.append("upkeep begins")
        upkeep(self)
        order.append("upkeep ends")

    def noted(self: Store, paths: Any) -> None:
        order.append("remove")
        remove(self, paths)

    monkeypatch.setattr(Store, "upkeep", slow)
    monkeypatch.setattr(Store, "remove", noted)
    job = inside.service.handle(Index((documents,)), inside.cancel)
    removal: Iterator[Any] | None = None
    for _ in job:
        if inside.service._maintaining and removal is None:
            removal = inside.service.handle(Remove((documents / "note 00.txt",)), inside.cancel)
        if removal is not None and "remove" not in order:
            next(removal)
    assert "remove" in order
    at = order.index("remove")
    assert order[:at].count("upkeep begins") == order[:at].count("upkeep ends") > 0
    assert inside.stats().problems == ()


def test_an_upkeep_that_fails_costs_no_document(
    inside: Inside, documents: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(_: Store) -> None:
        raise LibraryError("The disk is full: free some space.")

    with monkeypatch.context() as disk:
        disk.setattr(Store, "upkeep", full)
        assert set(statuses(inside.index(documents)).values()) == {READY}
    assert "the upkeep of the library failed" in caplog.text
    assert inside.found("animal7") == {"note 07.txt"}
    assert inside.index(documents).unchanged == 8
    assert not inside.service._open_store().needs_upkeep(at_end=True)


def test_a_search_is_answered_while_the_upkeep_goes_on(inside: Inside, documents: Path) -> None:
    answered = 0
    for event in inside.service.handle(Index((documents,)), inside.cancel):
        if inside.service._maintaining and event in (IDLE, STEP):
            assert inside.search("stones").passages
            answered += 1
    assert answered > 0
