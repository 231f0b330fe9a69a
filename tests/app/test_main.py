from __future__ import annotations

import subprocess
import sys

import pytest

from app import __main__ as entry


@pytest.mark.parametrize("argument", ["-platform", "-style"])
def test_qts_own_options_open_the_window(argument: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["hola", argument, "offscreen"])
    opened: list[list[str]] = []

    def open_window(arguments: list[str]) -> int:
        opened.append(arguments)
        return 7

    monkeypatch.setattr("app.application.open_window", open_window)
    assert entry.main() == 7
    assert opened == [["hola", argument, "offscreen"]]


def test_the_entry_loads_nothing_heavy() -> None:
    code = (
        "import sys, app.__main__; "
        "heavy = ('PySide6', 'engine', 'pydantic', 'typer', 'markdown_it', 'numpy'); "
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_the_window_loads_only_what_it_needs() -> None:
    code = (
        "import sys, app.window; "
        "heavy = ('typer', 'rich', 'numpy', 'lancedb', 'fastembed', 'llama_cpp', 'kreuzberg', 'pygments', 'psutil'); "
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_a_command_goes_to_the_command_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app", "--help"], capture_output=True, text=True, check=True, timeout=60
    )
    assert "doctor" in done.stdout
