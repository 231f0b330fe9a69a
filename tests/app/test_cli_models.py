from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app import cli
from engine import optimising
from engine.config import EngineConfig, bundled_model
from engine.lobi.messages import Made, Role, Wish
from engine.lobi.versions import version_path, write_card
from tests.app.fakes import AFTER, BEFORE
from tests.app.making import FakeMaking
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


# ---------------------------------------------------------------- versions


@pytest.fixture
def making(monkeypatch: pytest.MonkeyPatch) -> FakeMaking:
    making = FakeMaking()

    class FakeOptimiser:
        def __init__(self, config: EngineConfig) -> None:
            self.optimise = making.make

    monkeypatch.setattr(optimising, "Optimiser", FakeOptimiser)
    return making


def stored_version(data: Path, role: Role) -> Path:
    """Put a version of the bundled model with its card into the models folder."""
    path = write_llama(version_path(data / "models", bundled_model(), role))
    write_card(Made(path, bundled_model(), role, BEFORE, AFTER, 0.02), {})
    return path


def test_versions_are_marked_and_the_one_in_use_is_current(data: Path) -> None:
    target, draft = stored_version(data, "target"), stored_version(data, "draft")
    shown, source = rows("models"), bundled_model().stem
    assert shown[target.stem][-2] == f"current, made of {source} for this computer"
    assert shown[draft.stem][-2] == f"draft made of {source} for this computer"
    assert shown[source][-2] == ""
    described = models_json()
    assert (described[target.name]["made_of"], described[target.name]["role"]) == (bundled_model().name, "target")
    assert described[bundled_model().name]["made_of"] is None


def test_a_model_is_optimised_by_its_name(data: Path, making: FakeMaking) -> None:
    result = hola("models", "optimize", bundled_model().stem)
    assert (result.exit_code, result.stderr) == (0, "")
    for part in ("before", "after", "98.0", "92.0", "300.0", "60.0", "20.10", "0.0213"):
        assert part in result.stdout
    assert result.stdout.endswith("Answers come from it from the next start.\n")
    assert making.asked == [((bundled_model(), Wish()), {})]


def test_a_wish_goes_with_it_and_a_file_will_do(data: Path, making: FakeMaking, tmp_path: Path) -> None:
    model = write_llama(tmp_path / "modèle.gguf")
    limits = ["--memory", "80", "--prefer", "size", "--speed", "50", "--loss", "0.05"]
    result = hola("models", "optimize", str(model), *limits)
    assert making.asked == [((model, Wish("size", 80.0, 50.0, 0.05)), {})]
    assert result.stdout.endswith("It is used when modèle is chosen in the settings.\n")


def test_optimising_as_json_is_one_object_with_the_draft_in_it(data: Path, making: FakeMaking) -> None:
    making.with_draft = True
    result = hola("models", "optimize", bundled_model().stem, "--json")
    value = json.loads(result.stdout)
    assert (value["role"], value["kl"], value["before"]["file_mb"]) == ("target", 0.0213, 98.0)
    assert value["draft"]["role"] == "draft"


def test_unknown_model_is_one_sentence_with_the_names(data: Path, making: FakeMaking) -> None:
    write_llama(data / "models" / "small.gguf")
    result = hola("models", "optimize", "fly")
    assert (result.exit_code, result.stdout, making.asked) == (1, "", [])
    assert result.stderr == (
        f"There is no model fly: choose one of these ({bundled_model().stem}, small), "
        "or give the path of a GGUF file.\n"
    )


def test_damaged_model_is_not_optimised(data: Path, making: FakeMaking) -> None:
    (data / "models" / "broken.gguf").write_bytes(b"GGUF and no more")
    result = hola("models", "optimize", "broken")
    assert (result.exit_code, making.asked) == (1, [])
    assert result.stderr.startswith("broken.gguf has GGUF version ")


def test_interrupted_optimising_is_closed(data: Path, making: FakeMaking) -> None:
    making.error = KeyboardInterrupt()
    result = hola("models", "optimize", bundled_model().stem)
    assert (result.exit_code, result.stdout, result.stderr) == (130, "", "Stopped.\n")
    assert making.closed


@pytest.mark.parametrize("arguments", [[], ["x", "--prefer", "colour"], ["x", "--memory", "0"], ["x", "--loss", "-1"]])
def test_wrong_wishes_exit_with_2(data: Path, making: FakeMaking, arguments: list[str]) -> None:
    assert hola("models", "optimize", *arguments).exit_code == 2
