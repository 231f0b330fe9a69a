from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import LibraryError
from engine.library import turn
from engine.library.turn import Turn

ROOT = Path(__file__).resolve().parents[3]
HOLDER = """
import sys
from pathlib import Path
from engine.library.turn import Turn
turn = Turn(Path(sys.argv[1]))
for _ in turn.take():
    pass
print("taken", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "turn 東.sqlite"


@pytest.fixture
def holder(file: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the turn."""
    command = [sys.executable, "-c", HOLDER, str(file)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "taken\n"
        yield process
        process.kill()


def test_a_free_turn_is_taken_at_once_and_more_than_once(file: Path) -> None:
    mine, other = Turn(file), Turn(file)
    assert list(mine.take()) == []
    assert list(mine.take()) == []
    mine.release()
    waiting = other.take()
    assert next(waiting) is None
    mine.release()
    assert list(waiting) == []
    other.release()


def test_who_waits_too_long_is_told(file: Path, holder: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "PATIENCE_S", 0.0)
    with pytest.raises(LibraryError, match="Another copy of Hola"):
        list(Turn(file).take())


def test_a_killed_holder_gives_the_turn_back(file: Path, holder: subprocess.Popen[str]) -> None:
    mine = Turn(file)
    waiting = mine.take()
    next(waiting)
    holder.kill()
    holder.wait(10)
    assert list(waiting) == []
    mine.release()


def test_a_folder_that_cant_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="can't be written"):
        list(Turn(tmp_path / "nowhere" / "turn.sqlite").take())
