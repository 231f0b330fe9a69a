"""A child process may crash, hang or grow: its parent says why, and goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from engine.errors import LibraryError, ProcessCrashed, ProcessError, ProcessTimeout
from engine.process import ChildProcess, describe_exit
from tests.engine.echo_service import EchoService

PATIENCE_S = 20.0


@pytest.fixture
def child() -> Iterator[ChildProcess]:
    made = ChildProcess("echo process", EchoService)
    yield made
    made.close()


def wait_until_gone(pid: int) -> None:
    """Wait for the end of a process that is not ours to join."""
    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=PATIENCE_S)
    assert not psutil.pid_exists(pid)


def test_request_streams_events_in_order(child: ChildProcess) -> None:
    assert list(child.request(("count", 5))) == [0, 1, 2, 3, 4]


def test_two_requests_do_not_mix(child: ChildProcess) -> None:
    first, second = child.request(("count", 3)), child.request(("count", 2))
    assert (list(second), list(first)) == ([0, 1], [0, 1, 2])


def test_error_of_the_service_reaches_the_caller_after_its_events(child: ChildProcess) -> None:
    reply = child.request(("fail", "The shelf is full: remove a document."))
    assert next(reply) == "before"
    with pytest.raises(LibraryError, match="The shelf is full"):
        next(reply)
    assert child.request(("count", 1)).result() == 0


def test_defect_of_the_service_is_told_and_does_not_end_it(child: ChildProcess) -> None:
    pid = child.request(("pid", None)).result()
    with pytest.raises(ProcessError, match="KeyError"):
        child.request(("defect", None)).result()
    assert child.request(("pid", None)).result() == pid


def test_cancel_lets_the_service_say_its_last_word(child: ChildProcess) -> None:
    reply = child.request(("forever", None))
    assert next(reply) == 0
    reply.cancel()
    assert list(reply)[-1] == "ended"


def test_closing_a_reply_frees_the_child_for_the_next_request(child: ChildProcess) -> None:
    reply = child.request(("forever", None))
    next(reply)
    reply.close()
    assert child.request(("count", 1)).result() == 0
    assert list(reply) == []


def test_urgent_request_is_answered_while_another_streams(child: ChildProcess) -> None:
    job = child.request(("forever", None), priority=1)
    next(job)
    assert list(child.request(("count", 3), priority=0)) == [0, 1, 2]
    assert not job.finished
    job.close()


def test_request_that_waits_does_not_hold_up_others(child: ChildProcess, tmp_path: Path) -> None:
    waiting = child.request(("wait_for", tmp_path / "flag"))
    assert list(child.request(("count", 2), priority=1)) == [0, 1]
    (tmp_path / "flag").touch()
    assert waiting.result() == "seen"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize(
    ("number", "reason"),
    [("SIGKILL", "memory ran out"), ("SIGSEGV", "invalid memory access"), ("SIGABRT", "aborted itself")],
)
def test_crash_names_its_reason_and_the_next_request_works(child: ChildProcess, number: str, reason: str) -> None:
    reply = child.request(("signal", getattr(signal, number)))
    assert next(reply) == "before"
    with pytest.raises(ProcessCrashed, match=reason):
        next(reply)
    assert child.request(("count", 1)).result() == 0


def test_exit_code_is_named(child: ChildProcess) -> None:
    with pytest.raises(ProcessCrashed, match="exit code 3"):
        child.request(("exit", 3)).result()


def test_crash_fails_every_open_request(child: ChildProcess, tmp_path: Path) -> None:
    waiting = child.request(("wait_for", tmp_path / "never"))
    with pytest.raises(ProcessCrashed):
        child.request(("exit", 1), priority=1).result()
    with pytest.raises(ProcessCrashed):
        waiting.result()


def test_restarts_back_off_and_end_with_a_sentence(child: ChildProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(child._stop_waiting, "wait", waits.append)
    for _ in range(6):
        with pytest.raises(ProcessCrashed):
            child.request(("exit", 1)).result()
    with pytest.raises(ProcessError, match="6 times in a row"):
        child.request(("count", 1))
    longest = [0.1, 0.2, 0.4, 0.8, 1.6]
    assert len(waits) == len(longest)
    assert all(0.0 <= wait <= limit for wait, limit in zip(waits, longest, strict=True))


def test_success_forgets_earlier_crashes(child: ChildProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child._stop_waiting, "wait", lambda _seconds: None)
    for _ in range(8):
        with pytest.raises(ProcessCrashed):
            child.request(("exit", 1)).result()
        assert child.request(("count", 1)).result() == 0


def test_time_limit_ends_the_child(child: ChildProcess) -> None:
    reply = child.request(("sleep", 3600.0), timeout_s=1.0)
    assert next(reply) == "asleep"
    pid = child.pid
    with pytest.raises(ProcessTimeout, match="took too long"):
        next(reply)
    assert pid is not None
    wait_until_gone(pid)
    assert child.request(("count", 1)).result() == 0


def test_memory_limit_ends_the_child() -> None:
    child = ChildProcess("echo process", EchoService, memory_limit_mb=200)
    reply = child.request(("hoard", 400))
    with pytest.raises(ProcessTimeout, match="more than 200 MiB"):
        list(reply)
    child.close()


def test_native_output_goes_to_the_log_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    child = ChildProcess("echo process", EchoService, log_file=tmp_path / "écho.log")
    assert child.request(("print", "hello from below")).result() == "printed"
    child.close()
    assert (tmp_path / "écho.log").read_text("utf-8").count("hello from below") == 2
    assert capfd.readouterr().out == ""


def test_close_lets_the_service_close(tmp_path: Path) -> None:
    child = ChildProcess("echo process", EchoService, (tmp_path / "marker",))
    assert child.request(("count", 1)).result() == 0
    child.close()
    assert (tmp_path / "marker").read_text("utf-8") == "closed"
    with pytest.raises(ProcessError, match="closed"):
        child.request(("count", 1))


def test_close_does_not_wait_for_native_code_that_never_returns(child: ChildProcess) -> None:
    reply = child.request(("sleep", 3600.0))
    next(reply)
    pid = child.pid
    child.close(grace_s=0.2)
    assert pid is not None
    wait_until_gone(pid)


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a POSIX matter")
def test_children_end_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "from engine.process import ChildProcess\n"
        "from tests.engine.echo_service import EchoService\n"
        "if __name__ == '__main__':\n"
        "    child = ChildProcess('echo process', EchoService)\n"
        "    print(child.request(('pid', None)).result(), flush=True)\n"
        "    list(child.request(('sleep', 3600.0)))\n",
        "utf-8",
    )
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": root}
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + PATIENCE_S
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a POSIX matter")
def test_program_that_forgets_to_close_still_ends(tmp_path: Path) -> None:
    script = tmp_path / "forgetful.py"
    script.write_text(
        "from engine.process import ChildProcess\n"
        "from tests.engine.echo_service import EchoService\n"
        "if __name__ == '__main__':\n"
        "    child = ChildProcess('echo process', EchoService)\n"
        "    assert child.request(('count', 1)).result() == 0\n",
        "utf-8",
    )
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, str(script)], env={**os.environ, "PYTHONPATH": root}, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0


def test_exit_is_described_in_words() -> None:
    assert describe_exit(None) == "stopped answering"
    assert describe_exit(0) == "ended"
    assert "memory" in describe_exit(-9)
    assert "invalid memory access" in describe_exit(0xC0000005)
    assert describe_exit(-250) == "was ended by signal 250"
