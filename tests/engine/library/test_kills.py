"""SIGKILL at random moments: afterwards the store holds what an undisturbed run stores, once."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from engine.config import DataPaths, EngineConfig, Settings
from engine.errors import ProcessError
from engine.library.client import Library
from engine.library.store import Store
from engine.messages import DocumentStatus, IndexFinished
from tests.engine.indexing.builders import write_pdf

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL"),
    pytest.mark.timeout(300),
]

ROOT = Path(__file__).resolve().parents[3]
DIMENSION = 384
FILES, SENTENCES = 14, 45
SEEDS = range(int(os.environ.get("HOLA_KILL_ROUNDS", "1")))
"""More rounds cost minutes: they are for whoever changes the journal, the store or the job."""
WORDS = "river bridge mill stone water keeper letter winter harbour garden lamp rope salt market".split()

Identities = list[tuple[str, str]]


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("döcuments 東 x")
    source = random.Random(7)
    for number in range(FILES):
        lines = [" ".join(source.choices(WORDS, k=12)).capitalize() + "." for _ in range(SENTENCES)]
        if number % 3:
            (folder / f"note {number:02d}.txt").write_text("\n\n".join(lines), "utf-8")
        else:
            write_pdf(folder / f"paper {number:02d}.pdf", [lines[:20], lines[20:]])
    return folder


@pytest.fixture(scope="module")
def undisturbed(documents: Path, tmp_path_factory: pytest.TempPathFactory) -> Identities:
    config = configure(tmp_path_factory.mktemp("data"))
    finish(config, documents)
    return identities(config)


def configure(data: Path) -> EngineConfig:
    config = EngineConfig(DataPaths(data), ROOT / "assets", Settings.model_validate({}))
    config.data.create()
    return config


def finish(config: EngineConfig, documents: Path) -> None:
    """Index to the end and look the library through."""
    library = Library(config)
    try:
        *_, finished = library.index([documents])
        assert isinstance(finished, IndexFinished)
        assert [(each.path, each.reason) for each in finished.files if each.status is not DocumentStatus.READY] == []
        assert len(finished.files) == FILES
        stats = library.stats(check=True)
        assert stats.problems == ()
        assert stats.documents == FILES
    finally:
        library.close()


def identities(config: EngineConfig) -> Identities:
    store = Store(config.data.library, DIMENSION)
    try:
        found = store.identities()
    finally:
        store.close()
    return sorted((each, hashlib.sha256(f"{path}\0{text}".encode()).hexdigest()) for each, path, text in found)


def library_children(pid: int) -> list[psutil.Process]:
    """The parser processes below a library process."""
    try:
        children = psutil.Process(pid).children(recursive=True)
        return [child for child in children if any("spawn_main" in word for word in child.cmdline())]
    except psutil.Error:
        return []


def kill_one(pid: int | None, victim: str) -> bool:
    """Kill the library process, or a parser below it; return whether there was one."""
    if pid is None:
        return False
    targets = [psutil.Process(pid)] if victim == "library" else library_children(pid)
    for target in targets[:1]:
        target.kill()
    return bool(targets)


@pytest.mark.parametrize("victim", ["library", "parser"])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_killed_child_costs_no_chunk_and_adds_none(
    victim: str, seed: int, documents: Path, undisturbed: Identities, tmp_path: Path
) -> None:
    config = configure(tmp_path / "dätä")
    moments = sorted(random.Random(f"{victim} {seed}").sample(range(2, 40), 2))
    planned = len(moments)
    library = Library(config)
    try:
        for number, _ in enumerate(library.index([documents])):
            if moments and number >= moments[0] and kill_one(library.pid, victim):
                moments.pop(0)
    except ProcessError:
        # The job gave up going on by itself: the next one does.
        pass
    finally:
        library.close()
    assert len(moments) < planned, "nothing was killed"
    finish(config, documents)
    assert identities(config) == undisturbed


@pytest.mark.parametrize("seed", SEEDS)
def test_killing_everything_costs_no_chunk_and_adds_none(
    seed: int, documents: Path, undisturbed: Identities, tmp_path: Path
) -> None:
    config = configure(tmp_path / "dätä")
    last_line = random.Random(seed).randrange(1, 40)
    command = [sys.executable, "-m", "tests.engine.library.driver"]
    command += [str(config.data.root), str(config.assets), str(documents)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        for number, _ in enumerate(lines_of(process)):
            if number >= last_line:
                break
        kill_tree(process.pid)
    finish(config, documents)
    assert identities(config) == undisturbed


def lines_of(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stdout is not None
    yield from process.stdout


def kill_tree(pid: int) -> None:
    try:
        root = psutil.Process(pid)
        tree = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for each in tree:
        try:
            each.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(tree, timeout=10)
