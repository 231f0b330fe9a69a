from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app import cli
from engine.config import bundled_model
from tests.gguf_builder import write_llama


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder of the commands."""
    folder = tmp_path / "mes données é"
    (folder / "models").mkdir(parents=True)
    monkeypatch.setenv("HOLA_DATA_DIR", str(folder))
    return folder


def hola(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, list(arguments))


def rows(*arguments: str) -> dict[str, list[str]]:
    """The cells of each line, by the first."""
    result = hola(*arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    return {line.split("\t")[0]: line.split("\t")[1:] for line in result.stdout.splitlines()}


def models_json() -> dict[str, dict[str, Any]]:
    result = hola("models", "list", "--json")
    assert result.exit_code == 0
    return {Path(model["path"]).name: model for model in json.loads(result.stdout)["models"]}


def choose(data: Path, model: Path) -> None:
    (data / "settings.json").write_text(json.dumps({"model": str(model)}), "utf-8")


def test_the_bundled_model_is_listed_as_current(data: Path) -> None:
    assert rows("models") == {
        bundled_model().stem: ["llama", "94 MB", "current", "no draft: No other model is installed."]
    }


def test_plain_models_and_models_list_say_the_same(data: Path) -> None:
    write_llama(data / "models" / "small.gguf")
    assert hola("models").stdout == hola("models", "list").stdout
    assert hola("models", "--json").stdout == hola("models", "list", "--json").stdout


def test_a_pair_is_shown_with_its_reason(data: Path) -> None:
    target = write_llama(data / "models" / "grand modèle.gguf", layers=6)
    write_llama(data / "models" / "petit modèle.gguf")
    choose(data, target)
    shown = rows("models", "list")
    *_, current, draft = shown["grand modèle"]
    assert current == "current"
    assert draft.startswith("drafts with petit modèle: It has a matching vocabulary and ")
    assert shown[bundled_model().stem][-2] == ""
    assert shown["petit modèle"][-1] == (
        f"no draft: {bundled_model().stem}: It is larger than the target. grand modèle: It is larger than the target."
    )


def test_many_refusals_are_left_to_the_json(data: Path) -> None:
    for number in range(4):
        write_llama(data / "models" / f"{number}.gguf")
    reason = "no draft: None of the 4 other models can draft for it. `hola models --json` says why of each."
    assert rows("models")["0"][-1] == reason


def test_json_says_of_each_candidate_why(data: Path) -> None:
    write_llama(data / "models" / "big.gguf", layers=6)
    small = write_llama(data / "models" / "small.gguf")
    big = models_json()["big.gguf"]
    assert big["draft"]["path"] == str(small)
    assert big["draft"]["memory_mb"] > 1
    candidates = {Path(candidate["path"]).name: candidate for candidate in big["candidates"]}
    assert candidates["small.gguf"]["chosen"]
    assert not candidates[bundled_model().name]["chosen"]
    assert all(candidate["reason"].endswith(".") for candidate in candidates.values())


def test_damaged_file_is_listed_with_its_problem(data: Path) -> None:
    (data / "models" / "broken.gguf").write_bytes(b"GGUF and no more")
    assert rows("models")["broken"][-1].startswith("broken.gguf has GGUF version ")
    broken = models_json()["broken.gguf"]
    assert (broken["draft"], broken["draft_reason"], broken["candidates"]) == (None, "", [])
    assert broken["problem"]


def test_models_of_equal_names_are_listed_by_their_paths(data: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    target = write_llama(tmp_path / "elsewhere" / "twin.gguf", layers=6)
    draft = write_llama(data / "models" / "twin.gguf")
    choose(data, target)
    assert rows("models")[str(target)][-1].startswith(f"drafts with {draft}: ")


@pytest.mark.skipif(os.name == "nt", reason="such names are not allowed there")
def test_name_of_a_file_cannot_drive_the_terminal(data: Path) -> None:
    write_llama(data / "models" / "red \x1b[31m.gguf")
    assert "\x1b" not in hola("models").stdout


@pytest.mark.parametrize("arguments", [["fly"], ["list", "more"], ["--loud"], ["--json", "list"]])
def test_wrong_usage_exits_with_2(data: Path, arguments: list[str]) -> None:
    assert hola("models", *arguments).exit_code == 2


def test_damaged_settings_are_one_sentence_and_exit_1(data: Path) -> None:
    (data / "settings.json").write_text("{", "utf-8")
    result = hola("models", "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("The settings file ")


def test_folder_that_cannot_be_read_is_one_sentence_and_exit_1(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    result = hola("models")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.endswith("check its permissions.\n")
