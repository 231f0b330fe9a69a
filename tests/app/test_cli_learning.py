"""`hola lobi front` lists what a model could be here; `hola lobi adapt` says what it lacks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app import cli, cli_learning
from engine.lobi.allocate import Allocation
from tests.engine.lobi.test_apply import TEXT
from tests.gguf_builder import write_llama


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder of the commands."""
    folder = tmp_path / "data"
    (folder / "models").mkdir(parents=True)
    monkeypatch.setenv("HOLA_DATA_DIR", str(folder))
    return folder


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli.app, ["lobi", *map(str, arguments)])


def test_front_lists_versions_of_which_none_is_beaten(data: Path, tmp_path: Path) -> None:
    write_llama(data / "models" / "Tiny.gguf", layers=2, context=1024)
    text = tmp_path / "text.md"
    text.write_text(TEXT, "utf-8")

    told = run("front", "Tiny", "--calibration", text, "--json")

    assert told.exit_code == 0
    versions = json.loads(told.stdout)["front"]
    sizes = [one["mb"] for one in versions]
    assert sizes == sorted(sizes)
    assert len(versions) > 1
    # The whole of it in 32 bits loses nothing.
    assert min(one["kl"] for one in versions) == 0.0
    assert set(versions[0]["types"]) >= {"output.weight", "blk.0.ffn_down.weight"}


def test_front_is_shown_in_a_short_table(capsys: pytest.CaptureFixture[str]) -> None:
    every = tuple(Allocation({}, size << 20, 0.01 / size, 0.001, 1 / size) for size in range(1, 40))

    cli_learning.print_front(every)

    shown = capsys.readouterr().out
    assert "39 versions, as predicted for this computer" in shown
    assert "1.0" in shown
    assert shown.count("\n") < 20


def test_front_of_a_text_that_is_too_short_is_told(data: Path, tmp_path: Path) -> None:
    write_llama(data / "models" / "Tiny.gguf", layers=1, context=1024)
    text = tmp_path / "text.md"
    text.write_text("Short.", "utf-8")

    done = run("front", "Tiny", "--calibration", text)

    assert done.exit_code == 1
    assert "too short" in done.stderr


def test_training_without_the_extra_names_what_is_missing(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_learning, "find_spec", lambda name: None if name == "torch" else object())
    rows = tmp_path / "rows.jsonl"
    rows.write_text("{}\n", "utf-8")

    done = run("adapt", "any", "--data", rows, "--out", tmp_path / "out")

    assert (done.exit_code, done.stdout) == (1, "")
    assert "Training needs torch: install Hola with the extra [lobi]." in done.stderr


def test_training_without_anything_to_learn_is_told(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("peft", reason="training needs the extra [lobi]")
    write_llama(data / "models" / "Tiny.gguf")
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"other": 1}\n', "utf-8")

    done = run("adapt", "Tiny", "--data", rows, "--out", tmp_path / "out")

    assert done.exit_code == 1
    assert "nothing to learn from" in done.stderr
