from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app import cli, doctor
from app.doctor import Finding, Level
from engine.errors import EmbedderError
from engine.messages import LibraryStats

HEALTHY = LibraryStats(documents=2, chunks=30, bytes_on_disk=2**20, embedder="all-MiniLM-L6-v2")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOLA_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(doctor, "library_stats", lambda config: HEALTHY)
    return tmp_path / "data"


def levels() -> dict[str, Level]:
    return {finding.name: finding.level for finding in doctor.examine()}


@pytest.mark.parametrize(
    ("machine", "flags", "level", "words"),
    [
        ("x86_64", {"avx", "avx2", "fma"}, Level.OK, "avx2"),
        ("AMD64", {"avx"}, Level.WARNING, "no AVX2"),
        ("x86_64", set(), Level.OK, "x86_64"),
        ("aarch64", {"asimd", "asimddp"}, Level.OK, "asimddp"),
        ("arm64", set(), Level.OK, "arm64"),
    ],
)
def test_the_processor_is_judged_by_its_instructions(machine: str, flags: set[str], level: Level, words: str) -> None:
    finding = doctor.cpu_finding(machine, frozenset(flags))
    assert finding.level is level
    assert words in finding.message


@pytest.mark.parametrize(("free", "level"), [(100, Level.PROBLEM), (900, Level.WARNING), (9000, Level.OK)])
def test_the_disk_is_judged_by_its_free_space(free: int, level: Level) -> None:
    assert doctor.disk_finding(free).level is level


@pytest.mark.parametrize(("free", "level"), [(300, Level.WARNING), (9000, Level.OK)])
def test_the_memory_is_judged_by_what_is_free(free: int, level: Level) -> None:
    assert doctor.memory_finding(free).level is level


def test_a_healthy_library_gives_its_size() -> None:
    findings = list(doctor.library_findings(HEALTHY))
    assert {finding.level for finding in findings} == {Level.OK}
    assert "30 passages" in findings[-1].message


def test_each_problem_of_the_library_is_a_finding() -> None:
    stats = LibraryStats(1, 1, 1, "e", problems=("One is lost: rebuild it.", "Another is double: rebuild it."))
    problems = [finding.message for finding in doctor.library_findings(stats) if finding.level is Level.PROBLEM]
    assert problems == list(stats.problems)


def test_every_part_is_examined_on_a_fresh_machine(data: Path) -> None:
    found = levels()
    assert set(found) == {"processor", "memory", "data folder", "disk", "model", "chats", "embedder", "library"}
    assert found["model"] is Level.OK


def test_a_damaged_model_is_a_problem_and_the_rest_is_still_examined(data: Path) -> None:
    data.mkdir()
    (data / "broken.gguf").write_bytes(b"GGUF")
    (data / "settings.json").write_text(json.dumps({"model": str(data / "broken.gguf")}), "utf-8")
    found = levels()
    assert found["model"] is Level.PROBLEM
    assert found["library"] is Level.OK


def test_a_missing_embedder_is_a_problem(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(config: object) -> LibraryStats:
        raise EmbedderError("The embedder is missing: install Hola again.")

    monkeypatch.setattr(doctor, "library_stats", fail)
    findings = list(doctor.examine())
    assert findings[-1] == Finding("library", Level.PROBLEM, "The embedder is missing: install Hola again.")


def test_damaged_settings_end_the_examination_with_a_problem(data: Path) -> None:
    data.mkdir()
    (data / "settings.json").write_text("{", "utf-8")
    assert levels()["data folder"] is Level.PROBLEM


def test_the_command_exits_with_0_when_healthy_and_1_on_a_problem(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    healthy = CliRunner().invoke(cli.app, ["doctor", "--json"])
    assert (healthy.exit_code, json.loads(healthy.stdout)["healthy"]) == (0, True)
    monkeypatch.setattr(doctor, "free_memory_mb", lambda: 1)
    sick = CliRunner().invoke(cli.app, ["doctor"])
    assert sick.exit_code == 1
    assert "problem  model: " in sick.stdout
