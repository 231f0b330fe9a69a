from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.packaging import SCRIPTS, load_script

load_script("system_needs")
dev = load_script("dev")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n', "utf-8")
    return tmp_path


@pytest.fixture
def installed(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose `.venv` is complete, as far as the script can see."""
    venv = project / ".venv"
    venv.mkdir()
    for name, value in {"ROOT": project, "VENV": venv}.items():
        monkeypatch.setattr(dev, name, value)
    for name in ("STAMP", "RUNNING", "TRAINING"):
        monkeypatch.setattr(dev, name, venv / name.lower())
    monkeypatch.setattr(dev, "LOCK", project / "build" / "lock")
    monkeypatch.setattr(dev, "LOG", project / "build" / "log")
    monkeypatch.setattr(dev, "version_of", lambda python: "3.11")
    dev.write_stamp(dev.STAMP, dev.fingerprint(project, "3.11"))
    return project


def test_help_names_every_command() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / "dev.py"), "--help"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0
    assert all(name in done.stdout for name in ("run", "test", "check"))


def test_an_unknown_command_is_wrong_usage() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / "dev.py"), "fly"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    assert "fly" in done.stderr


def test_what_stands_behind_the_dashes_is_passed_on() -> None:
    options = dev.parse(["test", "--", "-k", "rules", "--", "-x"])
    assert (options.command, options.passed_on) == ("test", ["-k", "rules", "--", "-x"])


def test_check_can_leave_the_tests_out() -> None:
    assert dev.parse(["check", "--no-tests"]).no_tests
    assert not dev.parse(["check"]).no_tests


def test_a_fresh_stamp_holds(project: Path) -> None:
    stamp = project / "stamp"
    wanted = dev.fingerprint(project, "3.11")
    dev.write_stamp(stamp, wanted)
    assert dev.is_installed(stamp, wanted)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"other": 1}', "\x00\x01"])
def test_a_missing_or_damaged_stamp_does_not_hold(project: Path, content: str) -> None:
    stamp = project / "stamp"
    assert not dev.is_installed(stamp, "wanted")
    stamp.write_text(content, "utf-8")
    assert not dev.is_installed(stamp, "wanted")


def test_the_fingerprint_changes_with_the_project_file_its_place_and_the_python(project: Path, tmp_path: Path) -> None:
    first = dev.fingerprint(project, "3.11")
    assert first == dev.fingerprint(project, "3.11")
    assert first != dev.fingerprint(project, "3.12")
    moved = tmp_path / "moved"
    moved.mkdir()
    (moved / "pyproject.toml").write_bytes((project / "pyproject.toml").read_bytes())
    assert first != dev.fingerprint(moved, "3.11")
    (project / "pyproject.toml").write_text('[project]\nname = "y"\n', "utf-8")
    assert first != dev.fingerprint(project, "3.11")


def test_a_complete_environment_is_not_set_up_again(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    monkeypatch.setattr(dev, "set_up", lambda: called.append("set up"))
    dev.ensure_installed()
    assert called == []


def test_a_changed_project_file_is_set_up_again(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    monkeypatch.setattr(dev, "set_up", lambda: called.append("set up"))
    (installed / "pyproject.toml").write_text('[project]\nname = "y"\n', "utf-8")
    dev.ensure_installed()
    assert called == ["set up"]


@pytest.mark.parametrize(("interrupted", "fresh"), [(True, True), (False, False)])
def test_an_interrupted_install_begins_with_a_fresh_environment(
    installed: Path, monkeypatch: pytest.MonkeyPatch, interrupted: bool, fresh: bool
) -> None:
    steps: list[str] = []
    monkeypatch.setattr(dev, "provide_system", lambda: None)
    monkeypatch.setattr(dev, "has_pip", lambda python: True)
    monkeypatch.setattr(dev, "see_that_it_loads", lambda python: None)
    monkeypatch.setattr(dev, "make_venv", lambda: steps.append("venv"))
    monkeypatch.setattr(dev, "pip", lambda python, *arguments: 0)
    monkeypatch.setattr(dev, "build_with_amx", lambda python: "")
    dev.STAMP.unlink()
    if interrupted:
        dev.RUNNING.touch()
    dev.ensure_installed()
    assert steps == (["venv"] if fresh else [])
    assert dev.is_up_to_date()


@pytest.mark.parametrize("kept", ["", "0.3.36"])
def test_a_llama_cpp_with_amx_is_compiled_afresh(installed: Path, monkeypatch: pytest.MonkeyPatch, kept: str) -> None:
    asked: list[tuple[str, ...]] = []

    def pip(python: Path, *arguments: str) -> int:
        asked.append(arguments)
        return 0

    monkeypatch.setattr(dev, "provide_system", lambda: None)
    monkeypatch.setattr(dev, "has_pip", lambda python: True)
    monkeypatch.setattr(dev, "see_that_it_loads", lambda python: None)
    monkeypatch.setattr(dev, "pip", pip)
    monkeypatch.setattr(dev, "build_with_amx", lambda python: kept)
    dev.STAMP.unlink()
    dev.ensure_installed()

    afresh = [words for words in asked if "--no-cache-dir" in words]
    assert [words[-1] for words in afresh] == (["llama-cpp-python==0.3.36"] if kept else [])
    assert dev.is_up_to_date()


@pytest.mark.parametrize(("features", "version"), [("AVX512 = 1 | AMX_INT8 = 1 |", "0.3.36"), ("AVX512 = 1 |", "")])
def test_amx_is_known_by_what_llama_cpp_says_of_itself(tmp_path: Path, features: str, version: str) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\necho "0.3.36 CPU : {features}"\n', "utf-8")
    python.chmod(0o755)
    assert dev.build_with_amx(python) == version


def test_flags_that_are_given_stay_when_llama_cpp_is_compiled() -> None:
    found = dev.compiling({"CFLAGS": "-O1", "PATH": "/bin"})
    assert found == {"CFLAGS": "-O1 -U__AMX_INT8__", "CXXFLAGS": "-U__AMX_INT8__", "PATH": "/bin"}


@pytest.mark.parametrize("code", [0, 1])
def test_the_training_is_installed_once_for_the_tests_or_they_go_without(
    installed: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], code: int
) -> None:
    asked: list[tuple[str, ...]] = []

    def pip(python: Path, *arguments: str) -> int:
        asked.append(arguments)
        return code

    monkeypatch.setattr(dev, "pip", pip)
    monkeypatch.setattr(dev, "call", lambda words, folder: 0)

    assert [dev.run_tests([]) for _ in range(2)] == [0, 0]

    assert [words[1] for words in asked] == ["torch==2.13.0+cpu"]
    assert ("are skipped" in capfd.readouterr().out) is (code == 1)


def test_a_failed_install_leaves_no_stamp_and_says_why(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(python: Path, *arguments: str) -> int:
        dev.LOG.write_text("OSError: [Errno 28] No space left on device", "utf-8")
        return 1

    monkeypatch.setattr(dev, "provide_system", lambda: None)
    monkeypatch.setattr(dev, "has_pip", lambda python: True)
    monkeypatch.setattr(dev, "pip", fail)
    (installed / "pyproject.toml").write_text('[project]\nname = "y"\n', "utf-8")
    with pytest.raises(dev.Stop, match="disk is full"):
        dev.ensure_installed()
    assert not dev.is_up_to_date()


def test_a_broken_environment_is_not_up_to_date(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert dev.is_up_to_date()
    monkeypatch.setattr(dev, "version_of", lambda python: "")
    assert not dev.is_up_to_date()


def test_the_version_of_an_interpreter_is_asked_from_itself(tmp_path: Path) -> None:
    assert dev.version_of(Path(sys.executable)) == "{}.{}".format(*sys.version_info[:2])
    assert dev.version_of(tmp_path / "python") == ""


@pytest.mark.parametrize(
    ("line", "before", "after"),
    [
        ("Collecting lancedb<0.41,>=0.40", "starting", "collecting packages: lancedb"),
        ("  Building wheel for llama-cpp-python (pyproject.toml): started", "x", "building llama-cpp-python"),
        ("  [8/193] /usr/bin/g++ -O3", "building llama-cpp-python", "building llama-cpp-python [8/193]"),
        ("  [9/193] /usr/bin/g++ -O3", "building llama-cpp-python [8/193]", "building llama-cpp-python [9/193]"),
        ("  [9/193] something", "starting", "starting"),
        ("  Created wheel for llama-cpp-python: filename=x.whl", "x", "built llama-cpp-python"),
        ("Installing collected packages: a, b", "x", "copying the packages"),
        ("a line that says nothing", "building x", "building x"),
    ],
)
def test_the_stage_is_read_from_the_log(line: str, before: str, after: str) -> None:
    assert dev.stage_of(line, before) == after


def test_programs_of_an_environment_are_found_on_every_system(tmp_path: Path) -> None:
    assert dev.venv_program(tmp_path, "python", windows=False) == tmp_path / "bin" / "python"
    assert dev.venv_program(tmp_path, "python", windows=True) == tmp_path / "Scripts" / "python.exe"


@pytest.mark.parametrize(
    ("display", "arguments", "expected"),
    [
        (True, [], ["hola"]),
        (False, [], ["hola", "tour", "TOUR"]),
        (True, ["ask", "why?"], ["hola", "ask", "why?"]),
        (False, ["ask", "why?"], ["hola", "ask", "why?"]),
    ],
)
def test_run_gives_the_tour_where_no_window_can_be_seen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, display: bool, arguments: list[str], expected: list[str]
) -> None:
    calls: list[tuple[list[str], Any]] = []

    def call(words: list[str], environment: dict[str, str] | None = None) -> int:
        calls.append((words, environment))
        return 3

    system = dev.this_system()._replace(has_display=display)
    monkeypatch.setattr(dev, "this_system", lambda: system)
    monkeypatch.setattr(dev, "TOUR", tmp_path / "tour")
    monkeypatch.setattr(dev, "call", call)
    assert dev.run_app(arguments) == 3
    (words, environment) = calls[0]
    assert words[0] == str(dev.venv_program(dev.VENV, "hola", sys.platform == "win32"))
    assert words[1:] == [str(tmp_path / "tour") if word == "TOUR" else word for word in expected[1:]]
    assert (environment or {}).get("QT_QPA_PLATFORM") == (None if display else "offscreen")


def test_the_exit_code_of_a_program_is_handed_on() -> None:
    assert dev.call([sys.executable, "-c", "raise SystemExit(7)"]) == 7


@pytest.mark.skipif(sys.platform == "win32", reason="signals are of Unix")
def test_a_program_that_a_signal_ended_gives_a_shells_exit_code() -> None:
    assert dev.call([sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"]) == 143


def test_checks_fail_together_and_all_run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    ran: list[str] = []

    def call(words: list[str], environment: dict[str, str] | None = None, folder: Path | None = None) -> int:
        ran.append(" ".join(words[2:4]))
        return 1 if "mypy" in words or "format" in words else 0

    monkeypatch.setattr(dev, "call", call)
    monkeypatch.setattr(dev, "provide_training", lambda: None)
    assert dev.run_checks(True, []) == 1
    assert ran == ["ruff format", "ruff check", "mypy", "pytest"]
    assert "Failed: ruff format, mypy" in capfd.readouterr().out
