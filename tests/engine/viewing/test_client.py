"""The viewer process starts when it is needed, ends when it is not, and takes nothing with it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from engine.errors import ProcessError, ViewerError
from engine.viewing import client
from engine.viewing.client import PageViewer
from tests.engine.indexing.builders import write_pdf
from tests.engine.viewing.fragile import crashing

ROOT = Path(__file__).resolve().parents[3]
LINE = "The warranty lasts 24 months from the date of purchase."
PATIENCE_S = 20.0


@pytest.fixture
def viewer() -> Iterator[PageViewer]:
    made = PageViewer()
    yield made
    made.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_pdf(tmp_path / "a.pdf", [["First page."], [LINE]])


def wait_until_gone(pid: int) -> None:
    """Wait for the end of a process."""
    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=PATIENCE_S)


def test_importing_the_client_loads_no_native_library() -> None:
    code = "import sys, engine.viewing.client; print(*sorted(name.split('.')[0] for name in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) & {"pypdfium2", "pypdfium2_raw", "PySide6", "numpy", "app"} == set()


def test_the_process_starts_at_the_first_request(viewer: PageViewer, file: Path) -> None:
    before = viewer.pid
    assert viewer.draw(str(file), 1, 200).width == 200
    assert before is None
    assert viewer.pid is not None
    found = viewer.locate(str(file), 2, LINE, 0.0)
    assert (found.match, found.pages, len(found.marks[0].boxes)) == ("whole", 2, 1)


def test_an_error_leaves_the_process_alive(viewer: PageViewer, file: Path) -> None:
    viewer.draw(str(file), 1, 200)
    pid = viewer.pid
    with pytest.raises(ViewerError, match="has 2 pages and no page 5"):
        viewer.draw(str(file), 5, 200)
    assert viewer.draw(str(file), 1, 200).pages == 2
    assert viewer.pid == pid


def test_a_changed_file_is_seen_at_once(viewer: PageViewer, file: Path) -> None:
    assert viewer.locate(str(file), 2, LINE, 0.0).match == "whole"
    write_pdf(file, [[LINE], ["Other words."], ["More words."]])
    found = viewer.locate(str(file), 2, LINE, 0.0)
    assert (found.match, found.marks[0].page, found.pages) == ("moved", 1, 3)


def test_the_process_ends_when_it_is_idle_and_comes_back(file: Path) -> None:
    viewer = PageViewer(idle_s=0.05)
    viewer.draw(str(file), 1, 100)
    pid = viewer.pid
    if pid is not None:
        wait_until_gone(pid)
    assert viewer.pid is None
    assert viewer.draw(str(file), 1, 100).width == 100
    viewer.close()


def test_closing_ends_the_process(file: Path) -> None:
    viewer = PageViewer()
    viewer.draw(str(file), 1, 100)
    pid = viewer.pid
    assert pid is not None
    viewer.close()
    wait_until_gone(pid)
    assert not psutil.pid_exists(pid)
    with pytest.raises(ProcessError):
        viewer.draw(str(file), 1, 100)


@pytest.mark.skipif(os.name == "nt", reason="the test ends the process by a signal")
def test_a_page_that_crashes_the_process_is_named(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    monkeypatch.setattr(client, "_make_service", crashing)
    viewer = PageViewer()
    with pytest.raises(ViewerError, match=r"Page 1 of a\.pdf can't be drawn: its content crashed"):
        viewer.draw(str(file), 1, 100)
    viewer.close()


def test_a_page_that_never_ends_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_make_service", crashing)
    viewer = PageViewer(limit_s=0.3)
    with pytest.raises(ViewerError, match=r"Page 3 of hangs\.pdf takes too long"):
        viewer.draw("/hangs.pdf", 3, 100)
    assert viewer.pid is None
    viewer.close()


def test_closing_does_not_wait_for_a_page_that_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_make_service", crashing)
    viewer = PageViewer()
    ended: list[str] = []

    def ask() -> None:
        try:
            viewer.draw("/hangs.pdf", 1, 100)
        except ProcessError as exc:
            ended.append(exc.sentence)

    asking = threading.Thread(target=ask)
    asking.start()
    while viewer.pid is None:
        assert asking.is_alive()
    viewer.close()
    asking.join(PATIENCE_S)
    assert not asking.is_alive()
    assert len(ended) == 1
