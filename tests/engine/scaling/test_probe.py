"""What the probe measures, on real processes."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import FrozenInstanceError

import psutil
import pytest

from engine.scaling.probe import MemoryUse, cpu_load, free_memory_mb, memory_use

WAIT = "import sys; print('up', flush=True); sys.stdin.read()"
PARENT = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {WAIT!r}], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
child.stdout.readline()
print(child.pid, flush=True)
sys.stdin.read()
child.stdin.close()
child.wait()
"""


def spawn(script: str) -> tuple[subprocess.Popen[str], str]:
    """Start Python on a script and wait for its first line."""
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


@pytest.fixture
def waiting() -> Iterator[subprocess.Popen[str]]:
    process, _ = spawn(WAIT)
    yield process
    process.communicate()


def test_own_memory_is_the_resident_memory_of_this_process() -> None:
    resident = psutil.Process().memory_info().rss / 2**20
    assert memory_use(None, None).app_mb == pytest.approx(resident, rel=0.2)


def test_processes_that_are_not_running_count_zero() -> None:
    use = memory_use(None, None)
    assert (use.model_mb, use.library_mb) == (0.0, 0.0)


def test_model_process_is_measured(waiting: subprocess.Popen[str]) -> None:
    use = memory_use(waiting.pid, None)
    assert use.model_mb == pytest.approx(psutil.Process(waiting.pid).memory_info().rss / 2**20, rel=0.2)
    assert use.library_mb == 0.0


def test_vanished_process_counts_zero() -> None:
    process, _ = spawn(WAIT)
    process.communicate()
    use = memory_use(process.pid, process.pid)
    assert (use.model_mb, use.library_mb) == (0.0, 0.0)


def test_impossible_id_counts_zero() -> None:
    use = memory_use(-1, 2**22 + 7)
    assert (use.model_mb, use.library_mb) == (0.0, 0.0)


def test_library_memory_includes_its_children() -> None:
    process, child = spawn(PARENT)
    try:
        alone = psutil.Process(process.pid).memory_info().rss / 2**20
        below = psutil.Process(int(child)).memory_info().rss / 2**20
        assert memory_use(None, process.pid).library_mb == pytest.approx(alone + below, rel=0.2)
        assert memory_use(process.pid, None).model_mb == pytest.approx(alone, rel=0.2)
    finally:
        process.communicate()


def test_child_that_another_thread_started_is_counted() -> None:
    script = f"""
import subprocess, sys, threading
made = []
def start():
    made.append(subprocess.Popen([sys.executable, "-c", {WAIT!r}], stdin=subprocess.PIPE, stdout=subprocess.PIPE))
    made[0].stdout.readline()
    print(made[0].pid, flush=True)
    sys.stdin.read()
thread = threading.Thread(target=start)
thread.start()
thread.join()
made[0].communicate()
"""
    process, child = spawn(script)
    try:
        below = psutil.Process(int(child)).memory_info().rss / 2**20
        assert memory_use(None, process.pid).library_mb > 1.5 * below
    finally:
        process.communicate()


def test_free_memory_is_what_the_system_has_available() -> None:
    available = psutil.virtual_memory().available / 2**20
    assert free_memory_mb() == pytest.approx(available, rel=0.2)
    assert memory_use(None, None).free_mb == pytest.approx(available, rel=0.2)


def test_load_stays_between_zero_and_one() -> None:
    assert 0.0 <= cpu_load() <= 1.0
    sum(value * value for value in range(200_000))
    assert 0.0 <= cpu_load() <= 1.0


def test_probe_works_from_another_thread() -> None:
    found: list[MemoryUse] = []
    thread = threading.Thread(target=lambda: found.append(memory_use(os.getpid(), os.getpid())))
    thread.start()
    thread.join()
    assert found[0].app_mb > 0
    assert found[0].model_mb == pytest.approx(found[0].app_mb, rel=0.2)


def test_measurement_can_not_be_changed() -> None:
    use = memory_use(None, None)
    with pytest.raises(FrozenInstanceError):
        use.app_mb = 0.0  # type: ignore[misc]  # what is tested


def test_importing_the_probe_loads_no_psutil() -> None:
    script = "import sys, engine.scaling.probe; print('psutil' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
