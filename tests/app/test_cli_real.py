"""The command line with real parts: bundled model, embedder, LanceDB, parser, child processes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app import cli
from app.paths import assets_dir

MANUAL = "Brightwater Coffee Machine Manual.pdf"
WARRANTY = (
    "How many months does the warranty last?",
    "How long does the warranty last?",
    "How long does the warranty of the coffee machine last?",
)
"""One question in several words: processors round otherwise, and a small model then misreads one now and then."""


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample documents in a folder with a name that is not plain."""
    folder = tmp_path_factory.mktemp("hola") / "Ördner mit Proben 資料"
    shutil.copytree(assets_dir() / "samples", folder)
    return folder


@pytest.fixture(scope="module")
def first_index(samples: Path) -> Iterator[dict[str, Any]]:
    """What `hola index` says of the samples the first time, in a data folder of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOLA_DATA_DIR", str(samples.parent / "données de hola"))
        yield hola_json("index", str(samples))


def hola_json(*arguments: str) -> dict[str, Any]:
    """Run a command with --json; its stdout must be one JSON object and nothing else."""
    result = CliRunner().invoke(cli.app, [*arguments, "--json"])
    assert result.exit_code == 0, result.stderr
    value = json.loads(result.stdout)
    assert isinstance(value, dict)
    return value


def test_every_sample_becomes_ready(first_index: dict[str, Any], samples: Path) -> None:
    assert [first_index[key] for key in ("ready", "skipped", "failed", "unchanged")] == [3, 0, 0, 0]
    assert {Path(file["path"]).name for file in first_index["files"]} == {file.name for file in samples.iterdir()}
    assert first_index["chunks"] == sum(file["chunks"] for file in first_index["files"])
    assert next(file["pages"] for file in first_index["files"] if file["path"].endswith(".pdf")) == 5


def test_a_second_run_reads_nothing_again(first_index: dict[str, Any], samples: Path) -> None:
    again = hola_json("index", str(samples))
    assert [again[key] for key in ("ready", "unchanged", "chunks")] == [0, 3, 0]


def test_an_answer_from_a_document_carries_its_place(first_index: dict[str, Any]) -> None:
    told = []
    for question in WARRANTY:
        value = hola_json("ask", question)
        assert value["route"] == "model"
        assert value["metrics"]["ttft_ms"] > 0
        assert value["metrics"]["peak_rss_mb"] > 0
        for citation in value["citations"]:
            assert Path(citation["file"]).name == MANUAL
            assert citation["end"] - citation["start"] == len(citation["snippet"])
            if "24 months" in value["answer"] and "24 months" in citation["snippet"]:
                told.append(citation["page"])
    assert told
    assert set(told) == {5}


def test_a_rule_answers_without_the_model(first_index: dict[str, Any]) -> None:
    value = hola_json("ask", "What is 17 * 23?")
    assert value["route"] == "rule"
    assert "391" in value["answer"]
    assert value["citations"] == []


def test_doctor_finds_the_library_sound(first_index: dict[str, Any]) -> None:
    value = hola_json("doctor")
    assert value["healthy"]
    assert {check["name"]: check["level"] for check in value["checks"]}["library"] == "ok"


def test_a_removed_document_leaves_the_library_but_not_the_disk(first_index: dict[str, Any], samples: Path) -> None:
    policy = samples / "Travel Policy.md"
    assert hola_json("library", "remove", str(policy)) == {"removed": 1}
    assert policy.exists()
    listed = hola_json("library", "list")["documents"]
    assert str(policy) not in {document["path"] for document in listed if document["status"] == "ready"}
    assert hola_json("library", "rebuild")["ready"] == 2
