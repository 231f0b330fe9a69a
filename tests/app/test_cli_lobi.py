from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app import cli
from engine.bench import grounded
from engine.config import bundled_model
from engine.errors import LobiError
from engine.lobi import workshop
from tests.app.making import FakeMaking
from tests.gguf_builder import write_llama


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder of the commands."""
    folder = tmp_path / "mes données é"
    (folder / "models").mkdir(parents=True)
    monkeypatch.setenv("HOLA_DATA_DIR", str(folder))
    return folder


@pytest.fixture
def making(monkeypatch: pytest.MonkeyPatch) -> FakeMaking:
    making = FakeMaking()

    class FakeWorkshop:
        def __init__(self, work: Path, log_file: Path | None = None) -> None:
            self.make = making.make

    monkeypatch.setattr(workshop, "Workshop", FakeWorkshop)
    return making


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    file = tmp_path / "plan.json"
    file.write_text("{}", "utf-8")
    return file


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    file = tmp_path / "questions.jsonl"
    file.write_text("{}\n", "utf-8")
    return file


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[Path], list[Path], int | None, Path | None]]:
    """The runs that were asked for."""
    runs: list[tuple[list[Path], list[Path], int | None, Path | None]] = []

    def run(
        models: Sequence[Path], files: Sequence[Path], *, limit: int | None, draft: Path | None, threads: int
    ) -> Any:
        runs.append((list(models), list(files), limit, draft))
        drafted = 10 if draft else 0
        scores = {"em": 0.5, "f1": 0.625, "contains": 0.75, "tokens": 9.5, "drafted": drafted, "accepted": 8}
        return {"questions": 4, **{path.name: scores for path in models}}

    monkeypatch.setattr(grounded, "run", run)
    return runs


def hola(*arguments: object) -> Result:
    return CliRunner().invoke(cli.app, ["lobi", *map(str, arguments)])


def test_apply_makes_a_version_by_a_plan(data: Path, making: FakeMaking, plan: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.gguf"
    result = hola("apply", bundled_model().stem, "--plan", plan, "--out", out)
    assert (result.exit_code, result.stderr) == (0, "")
    for part in ("98.0", "92.0", "20.30", "0.0213", "before", "after"):
        assert part in result.stdout
    ((arguments, options),) = making.asked
    assert arguments[:2] == (bundled_model(), out)
    assert arguments[2].name == "calibration.md"
    assert options["plan"] == plan


def test_apply_as_json_is_one_object(data: Path, making: FakeMaking, plan: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.md"
    text.write_text("Text.", "utf-8")
    model = write_llama(tmp_path / "modèle.gguf")
    result = hola("apply", model, "--plan", plan, "--out", tmp_path / "o.gguf", "--calibration", text, "--json")
    value = json.loads(result.stdout)
    assert (value["source"], value["role"], value["after"]["decode_tps"]) == (str(model), "target", 60.0)
    assert making.asked[0][0][2] == text


@pytest.mark.parametrize(
    ("out", "said"), [("nowhere/out.gguf", "folder that exists"), ("model.gguf", "would replace the model")]
)
def test_apply_refuses_where_it_cannot_write(
    data: Path, making: FakeMaking, plan: Path, tmp_path: Path, out: str, said: str
) -> None:
    model = write_llama(tmp_path / "model.gguf")
    result = hola("apply", model, "--plan", plan, "--out", tmp_path / out)
    assert (result.exit_code, result.stdout, making.asked) == (1, "", [])
    assert said in result.stderr


def test_apply_without_its_plan_is_one_sentence(data: Path, making: FakeMaking, tmp_path: Path) -> None:
    result = hola("apply", bundled_model().stem, "--plan", tmp_path / "none.json", "--out", tmp_path / "o.gguf")
    assert result.exit_code == 1
    assert result.stderr.startswith("There is no file ")


def test_apply_tells_why_it_failed(data: Path, making: FakeMaking, plan: Path, tmp_path: Path) -> None:
    making.error = LobiError("The version is worse than the plan allows: the original stays in use.")
    result = hola("apply", bundled_model().stem, "--plan", plan, "--out", tmp_path / "o.gguf")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "The version is worse than the plan allows: the original stays in use.\n"


def test_evaluate_compares_two_models(data: Path, questions: Path, answered: list[Any], tmp_path: Path) -> None:
    other = write_llama(tmp_path / bundled_model().name)
    draft = write_llama(tmp_path / "draft.gguf")
    name = bundled_model().stem
    result = hola("evaluate", other, "--against", name, "--data", questions, "--limit", 4, "--draft", draft)
    assert (result.exit_code, result.stderr) == (0, "")
    assert answered == [([bundled_model()], [questions], 4, None), ([other], [questions], 4, draft)]
    for part in ("4 questions", "50.0 %", "62.5 %", "75.0 %", "80 %"):
        assert part in result.stdout


def test_evaluate_as_json_is_one_object(data: Path, questions: Path, answered: list[Any]) -> None:
    result = hola("evaluate", bundled_model().stem, "--data", questions, "--data", questions, "--json")
    value = json.loads(result.stdout)
    assert value["questions"] == 4
    assert [(Path(one["path"]), one["f1"]) for one in value["models"]] == [(bundled_model(), 0.625)]
    assert answered[0][1] == [questions, questions]


@pytest.mark.parametrize("arguments", [[], ["fly"], ["evaluate", "x"], ["apply", "x"]])
def test_wrong_usage_exits_with_2(data: Path, arguments: list[str]) -> None:
    assert hola(*arguments).exit_code == 2


def test_unknown_model_is_told_with_the_names_there_are(data: Path, questions: Path, answered: list[Any]) -> None:
    result = hola("evaluate", "fly", "--data", questions)
    assert (result.exit_code, answered) == (1, [])
    assert bundled_model().stem in result.stderr
