"""Versions are made in a process that may die, and leave nothing behind when they are not."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from engine.errors import LobiError, ProcessCrashed
from engine.lobi.adapter import Plan, write_plan
from engine.lobi.fingerprint import fingerprint
from engine.lobi.messages import Made, Step
from engine.lobi.workshop import Workshop
from tests.engine.lobi.test_apply import TEXT
from tests.gguf_builder import write_llama


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path, Path]:
    source = write_llama(tmp_path / "Tiny.gguf", layers=2, context=1024)
    text, plan = tmp_path / "text.md", tmp_path / "plan.json"
    text.write_text(TEXT, "utf-8")
    write_plan(plan, Plan("Tiny", fingerprint(source), most_perplexity=10.0))
    return source, tmp_path / "models" / "Tiny.lobi.gguf", text, plan


def test_version_is_made_in_a_process_of_its_own(tmp_path: Path, files: tuple[Path, ...]) -> None:
    source, target, text, plan = files
    workshop = Workshop(tmp_path / "work")

    *steps, made = workshop.make(source, target, text, plan=plan, threads=1)

    assert isinstance(made, Made)
    assert all(isinstance(step, Step) for step in steps)
    assert target.is_file()
    assert list((tmp_path / "work").iterdir()) == []
    assert not workshop.is_busy


@pytest.mark.parametrize("way", ["stop", "close", "kill"])
def test_ended_midway_it_leaves_nothing(tmp_path: Path, files: tuple[Path, ...], way: str) -> None:
    source, target, text, plan = files
    workshop = Workshop(tmp_path / "work")
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    events = workshop.make(source, target, text, plan=plan, threads=1)
    assert isinstance(next(events), Step)

    if way == "close":
        events.close()  # type: ignore[attr-defined]
    elif way == "stop":
        workshop.stop()
        with pytest.raises(LobiError, match="was stopped: the model in use stays"):
            list(events)
    else:
        [worker] = _workers(before)
        os.kill(worker, signal.SIGKILL)
        with pytest.raises(ProcessCrashed, match="optimising process"):
            list(events)

    assert not target.exists()
    assert list((tmp_path / "work").iterdir()) == []
    assert not workshop.is_busy


def _workers(before: set[int]) -> list[int]:
    """Return the processes that have come since and hold a model's file or llama.cpp: those that work."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        new = [child for child in psutil.Process().children(recursive=True) if child.pid not in before]
        found = [child.pid for child in new if "resource_tracker" not in " ".join(child.cmdline())]
        if found:
            return found
    return []


def test_two_at_a_time_are_refused(tmp_path: Path, files: tuple[Path, ...]) -> None:
    source, target, text, plan = files
    workshop = Workshop(tmp_path / "work")
    events = workshop.make(source, target, text, plan=plan, threads=1)
    next(events)

    with pytest.raises(LobiError, match="being optimised already"):
        next(workshop.make(source, target, text, plan=plan, threads=1))

    events.close()  # type: ignore[attr-defined]


def test_what_a_killed_program_left_is_swept(tmp_path: Path, files: tuple[Path, ...]) -> None:
    source, target, text, plan = files
    gone = 2**22 - 3
    assert not psutil.pid_exists(gone)
    for owner in (gone, os.getppid()):
        (tmp_path / "work" / f"lobi-{owner}-x").mkdir(parents=True)

    list(Workshop(tmp_path / "work").make(source, target, text, plan=plan, threads=1))

    assert [each.name for each in (tmp_path / "work").iterdir()] == [f"lobi-{os.getppid()}-x"]
