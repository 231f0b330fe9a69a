#!/usr/bin/env python3
"""Set Hola up in `.venv`, and run, test or check it.

Standard library only; parses on every Python 3, so that it can tell that a Python is too old.

    python3 packaging/dev.py run     start Hola; without a display: the tour, which leaves pictures in tour/
    python3 packaging/dev.py test    pass the tests
    python3 packaging/dev.py check   format, lint, types, tests

The first start installs everything (llama.cpp is compiled: 6 to 10 minutes on two cores), later ones begin at once.
What stands behind `--` is passed on: `dev.py run -- ask "..."`, `dev.py test -- -k rules`.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from llama_build import AFRESH, NO_AMX, build_with_amx, compiling
from system_needs import advice, diagnose, install_commands, missing_needs, must_stop, python_problem, this_system

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "hola-installed.json"
RUNNING = VENV / "hola-installing"
TRAINING = VENV / "hola-training"
CPU_TORCH = "torch==2.13.0+cpu"
LOG = ROOT / "build" / "install.log"
LOCK = ROOT / "build" / "install.lock"
TOUR = ROOT / "tour"
HEARTBEAT_S = 15.0


class Stop(Exception):
    """End with this sentence."""


# ---------------------------------------------------------------- decisions


def venv_program(venv: Path, name: str, windows: bool) -> Path:
    """Return where a virtual environment keeps a program."""
    return venv / "Scripts" / f"{name}.exe" if windows else venv / "bin" / name


def fingerprint(root: Path, version: str) -> str:
    """Return a hash of what is installed: by the project file, its place, the Python and the way llama.cpp is built."""
    digest = hashlib.sha256()
    for part in (str(root).encode(), version.encode(), (root / "pyproject.toml").read_bytes(), NO_AMX.encode()):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def is_installed(stamp: Path, wanted: str) -> bool:
    """Tell whether the stamp says that just this was installed completely."""
    try:
        return bool(json.loads(stamp.read_text("utf-8"))["fingerprint"] == wanted)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def write_stamp(stamp: Path, wanted: str) -> None:
    """Note in one atomic step that this is installed completely."""
    new = stamp.with_suffix(".new")
    new.write_text(json.dumps({"fingerprint": wanted}) + "\n", "utf-8")
    new.replace(stamp)


def stage_of(line: str, stage: str) -> str:
    """Return what the installation does now, from a line of pip's log; `stage` if the line does not tell."""
    compiled = re.match(r"\s*\[(\d+/\d+)\] ", line)
    if compiled and stage.startswith("building"):
        return f"{stage.split(' [', 1)[0]} [{compiled.group(1)}]"
    for pattern, text in (
        (r"^\s*(?:Collecting|Downloading) ([\w.-]+)", "collecting packages: {}"),
        (r"^\s*Building (?:wheel|editable) for ([\w.-]+)", "building {}"),
        (r"^\s*Created (?:wheel|editable) for ([\w.-]+)", "built {}"),
        (r"^Installing collected packages", "copying the packages"),
    ):
        found = re.search(pattern, line)
        if found:
            return text.format(*found.groups())
    return stage


# ---------------------------------------------------------------- set-up


def ensure_installed() -> None:
    """Bring `.venv` up to date; cost next to nothing if it is."""
    if is_up_to_date():
        return
    with one_at_a_time(LOCK):
        if not is_up_to_date():
            set_up()


def is_up_to_date() -> bool:
    """Tell whether `.venv` works and holds what the project file asks for."""
    version = version_of(venv_program(VENV, "python", os.name == "nt"))
    return bool(version) and not RUNNING.exists() and is_installed(STAMP, fingerprint(ROOT, version))


def version_of(python: Path) -> str:
    """Return the version of an interpreter, "3.11"; empty if it does not run."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run(
            [str(python), "-I", "-S", "-c", code], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def set_up() -> None:
    """Provide the system packages, make `.venv`, install the project, and see that it can be imported."""
    began = time.monotonic()
    print("Setting Hola up in .venv; this takes some minutes the first time.", flush=True)
    provide_system()
    python = venv_program(VENV, "python", os.name == "nt")
    if RUNNING.exists() or not has_pip(python):
        make_venv()
    RUNNING.touch()
    STAMP.unlink(missing_ok=True)
    TRAINING.unlink(missing_ok=True)
    if pip(python, "install", "--upgrade", "pip") != 0:
        print("pip could not be upgraded; going on with the one that is there.", flush=True)
    failed = pip(python, "install", "--editable", f"{ROOT}[dev]") != 0
    # pip may have kept a build from before, with AMX.
    with_amx = "" if failed else build_with_amx(python)
    if with_amx:
        failed = pip(python, "install", *AFRESH, f"llama-cpp-python=={with_amx}") != 0
    RUNNING.unlink()
    if failed:
        explain_failure()
    see_that_it_loads(python)
    write_stamp(STAMP, fingerprint(ROOT, version_of(python)))
    print(f"Hola is set up ({time.monotonic() - began:.0f} s).", flush=True)


def provide_training() -> None:
    """Install what the tests of the training need, where the CPU build of torch can be had; without it they skip.

    The build for graphics cards, which is what `torch` alone means on Linux, has several gigabytes.
    """
    if TRAINING.exists():
        return
    python = venv_program(VENV, "python", os.name == "nt")
    if pip(python, "install", CPU_TORCH, "--editable", f"{ROOT}[dev,lobi]") != 0:
        print(f"{CPU_TORCH} can't be installed here: the tests of the training are skipped.", flush=True)
    TRAINING.touch()


def provide_system() -> None:
    """Install what the system lacks where that is allowed; else say what to install, and stop if it can't go on."""
    system = this_system()
    needs = missing_needs(system)
    if needs and system.may_install:
        print("Missing on this machine: " + ", ".join(need.name for need in needs) + ".", flush=True)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for words in [["apt-get", "update"], *install_commands(needs, system.manager)]:
            print("> " + " ".join(words), flush=True)
            with contextlib.suppress(OSError):
                subprocess.run(words, env=environment, check=False, stdin=subprocess.DEVNULL)
        needs = missing_needs(system)
    if needs and must_stop(needs, system):
        raise Stop(advice(needs, system))
    if needs:
        print(advice(needs, system) + "\nGoing on: only a display needs it.", flush=True)


def has_pip(python: Path) -> bool:
    """Tell whether `.venv` has a supported Python that runs pip."""
    version = version_of(python)
    if not version or python_problem(as_pair(version), lambda name: False):
        return False
    return subprocess.run([str(python), "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0


def as_pair(version: str) -> tuple[int, int]:
    """Return "3.11" as (3, 11)."""
    major, minor = version.split(".")
    return int(major), int(minor)


def make_venv() -> None:
    """Make `.venv` afresh with the Python that runs this script."""
    if VENV in Path(sys.executable).absolute().parents:
        raise Stop("The environment .venv is damaged: start this script with a Python outside of it.")
    print(f"> {sys.executable} -m venv --clear {VENV}", flush=True)
    if subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=False).returncode != 0:
        raise Stop(f"The virtual environment {VENV} could not be made; the lines above say why.")


def see_that_it_loads(python: Path) -> None:
    """Import the native packages once; raise Stop with the loader's own words if one fails."""
    code = "import PySide6.QtWidgets, llama_cpp, lancedb, fastembed, kreuzberg"
    print("Checking that the native packages load ...", flush=True)
    done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=False, cwd=str(ROOT))
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise Stop(f"Hola is installed, but can't be loaded ({last}): install what is named there, then start again.")


def explain_failure() -> None:
    """Raise Stop with the reason that the log gives."""
    text = LOG.read_text("utf-8", "replace")
    reason = diagnose(text, this_system()) or "\n".join(text.strip().splitlines()[-12:])
    raise Stop(f"The installation failed.\n{reason}\nAll of its output: {LOG}")


@contextlib.contextmanager
def one_at_a_time(lock: Path) -> Iterator[None]:
    """Keep a second set-up of the same folder waiting until the first has ended."""
    lock.parent.mkdir(exist_ok=True)
    with lock.open("a+") as handle:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle.fileno(), msvcrt.LK_LOCK, 1)
        else:
            import fcntl

            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print("Another set-up of this folder is running; waiting for it.", flush=True)
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def pip(python: Path, *arguments: str) -> int:
    """Run pip with its output in the log, and show what it does; return its exit code."""
    words = [str(python), "-m", "pip", arguments[0], "--verbose", "--no-input", *arguments[1:]]
    print("> pip " + " ".join(arguments), flush=True)
    out, err = subprocess.PIPE, subprocess.STDOUT
    with LOG.open("wb") as log, subprocess.Popen(words, stdout=out, stderr=err, env=compiling(os.environ)) as process:
        state = ["starting"]
        stream = process.stdout
        assert stream is not None

        def read() -> None:
            for line in stream:
                log.write(line)
                log.flush()
                state[0] = stage_of(line.decode("utf-8", "replace"), state[0])

        reader = threading.Thread(target=read)
        reader.start()
        try:
            show_progress(process, lambda: state[0])
        finally:
            # On Ctrl+C pip has got the signal too; let it end first.
            process.wait()
            reader.join()
    return process.returncode


def show_progress(process: subprocess.Popen[bytes], stage: Callable[[], str]) -> None:
    """Print the stage and the time until the process ends: on a terminal each second, else when something changes."""
    began = told = time.monotonic()
    last = ""
    terminal = sys.stdout.isatty()
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1.0)
        now = time.monotonic()
        kind = stage().split(" [")[0].split(":")[0]
        text = f"  {int(now - began) // 60}:{int(now - began) % 60:02d}  {stage()}"
        if terminal:
            print(f"\r{text[:78]:<78}", end="", flush=True)
        elif kind != last or now - told >= HEARTBEAT_S:
            print(text, flush=True)
            told, last = now, kind
        if process.poll() is not None:
            if terminal:
                print(flush=True)
            return


# ---------------------------------------------------------------- commands


def run_app(arguments: Sequence[str]) -> int:
    """Start Hola; on a machine without a display and with no arguments, run the tour off-screen."""
    hola = str(venv_program(VENV, "hola", os.name == "nt"))
    if this_system().has_display:
        return call([hola, *arguments])
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    if arguments:
        return call([hola, *arguments], environment)
    print(f"No display here: the tour drives the real window off-screen. Pictures go to {TOUR}", flush=True)
    code = call([hola, "tour", str(TOUR)], environment)
    for picture in sorted(TOUR.glob("*.png")):
        print(f"  {picture}")
    print(f"{'The tour passed' if code == 0 else 'The tour failed'}: pictures and transcript are in {TOUR}", flush=True)
    return code


def run_tests(arguments: Sequence[str]) -> int:
    """Run pytest."""
    provide_training()
    return call([*module("pytest"), *arguments], folder=ROOT)


def run_checks(with_tests: bool, arguments: Sequence[str]) -> int:
    """Run the formatter's check, the linter, the type checker and the tests; return 0 if all pass."""
    failed = []
    for name, words in (
        ("ruff format", [*module("ruff"), "format", "--check", "."]),
        ("ruff check", [*module("ruff"), "check", "."]),
        ("mypy", module("mypy")),
    ):
        print(f"== {name}", flush=True)
        if call(words, folder=ROOT) != 0:
            failed.append(name)
    if with_tests:
        print("== pytest", flush=True)
        if run_tests(arguments) != 0:
            failed.append("pytest")
    if failed:
        print("Failed: " + ", ".join(failed), flush=True)
    return 1 if failed else 0


def module(name: str) -> list[str]:
    """Return the words that run a module of `.venv`."""
    return [str(venv_program(VENV, "python", os.name == "nt")), "-m", name]


def call(words: Sequence[str], environment: dict[str, str] | None = None, folder: Path | None = None) -> int:
    """Run a program in the foreground and return its exit code; Ctrl+C is left to the program."""
    previous = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        code = subprocess.Popen(list(words), env=environment, cwd=str(folder) if folder else None).wait()
    finally:
        signal.signal(signal.SIGINT, previous)
    return 128 - code if code < 0 else code


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line; what stands behind `--` lands in `passed_on`."""
    own, passed_on = list(arguments), []
    if "--" in own:
        at = own.index("--")
        own, passed_on = own[:at], own[at + 1 :]
    parser = argparse.ArgumentParser(
        prog="dev.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.required = True
    commands.add_parser("run", help="start Hola (without a display: the tour)")
    commands.add_parser("test", help="run the tests")
    check = commands.add_parser("check", help="check format, lint and types, and run the tests")
    check.add_argument("--no-tests", action="store_true", help="leave the tests out")
    found = parser.parse_args(own)
    found.passed_on = passed_on
    return found


def main(arguments: Sequence[str]) -> int:
    """Do what the command line says and return the exit code."""
    options = parse(arguments)
    system = this_system()
    problem = python_problem(system.version, lambda name: version_of(Path(name)) != "")
    try:
        if problem and not is_up_to_date():
            raise Stop(problem)
        ensure_installed()
    except Stop as stop:
        print(f"\n{stop}", file=sys.stderr, flush=True)
        return 1
    except OSError as error:
        print(f"\nThe set-up failed: {error}", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted; the next start sets Hola up anew.", file=sys.stderr, flush=True)
        return 130
    if options.command == "run":
        return run_app(options.passed_on)
    if options.command == "test":
        return run_tests(options.passed_on)
    return run_checks(not options.no_tests, options.passed_on)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
