"""What the ablation asks, measures and tells, on tiny models; never how good or fast."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.bench_ablation import ablation as command
from app.bench_ablation import print_figures
from app.bench_decode import with_model
from app.paths import engine_config
from engine.bench import ablation
from engine.bench.tasks import Problem, read_problems
from engine.config import EngineConfig
from engine.errors import HolaError, ModelFileError
from tests.gguf_builder import chain, write_llama

ANSWER = "so 72."
THINGS = ("ships", "pears", "lamps", "books", "stones", "coats", "wheels", "spoons")


@pytest.fixture
def speller(tmp_path: Path) -> Path:
    """A model that answers every problem by 72."""
    return write_llama(tmp_path / "speller.gguf", chain(ANSWER), context=2048)


@pytest.fixture
def gsm8k(tmp_path: Path) -> Path:
    golds = [72, 7, *range(20, 26)]
    rows = [
        {"question": f"Ann has {gold} {thing}. How many {thing} does she have?", "answer": f"All.\n#### {gold}"}
        for gold, thing in zip(golds, THINGS, strict=True)
    ]
    return write(tmp_path / "gsm8k.jsonl", rows)


@pytest.fixture
def arc(tmp_path: Path) -> Path:
    rows: list[Any] = [
        {"query": f"What are {thing} for?", "choices": ["xyz", "so", "mnopqrst"], "gold": 1 if number else 0}
        for number, thing in enumerate(THINGS)
    ]
    return write(tmp_path / "arc.jsonl", rows)


def write(file: Path, rows: Sequence[Any]) -> Path:
    file.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return file


def config_of(tmp_path: Path, model: Path) -> EngineConfig:
    config = with_model(engine_config(tmp_path / "data"), model)
    return replace(config, settings=config.settings.model_copy(update={"threads": 1}))


def test_the_rows_are_those_of_the_paper() -> None:
    parts = {row.name: (row.file, row.hsd, row.rag) for row in ablation.ROWS}
    assert list(parts.items()) == [
        ("plain_16bit", ("16 bit", False, False)),
        ("plain", ("shipped", False, False)),
        ("hsd", ("shipped", True, False)),
        ("adacomp_rag", ("shipped", False, True)),
        ("lobi", ("Lo-Bi", False, False)),
        ("all", ("Lo-Bi", True, True)),
        ("all_without_hsd", ("Lo-Bi", False, True)),
        ("all_without_adacomp_rag", ("Lo-Bi", True, False)),
        ("all_without_lobi", ("shipped", True, True)),
    ]


def test_every_row_is_asked_the_same_and_told_in_order(
    tmp_path: Path,
    speller: Path,
    gsm8k: Path,
    arc: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    told: list[str] = []
    # One of each kind: every row has a process to start.
    names = ("plain_16bit", "plain", "hsd", "adacomp_rag", "all")
    monkeypatch.setattr(ablation, "ROWS", [row for row in ablation.ROWS if row.name in names])
    version = write_llama(tmp_path / "version.gguf", chain("x 7."), context=2048)
    result = ablation.run(config_of(tmp_path, speller), gsm8k, arc, lobi=version, limit=2, tell=told.append)
    assert list(result["rows"]) == list(names)
    assert result["questions"] == {"gsm8k": 2, "arc": 2}
    assert result["training"] == {"gsm8k": 6, "arc": 6}
    assert result["skipped"] == {}
    for name, row in result["rows"].items():
        assert set(row) == {"gsm8k_em", "arc_mca", "latency_ms", "latency_stdev_ms", "memory_mb"}
        # The model says 72, its version 7; of two questions each is right once.
        assert row["gsm8k_em"] == row["arc_mca"] == 0.5, name
        assert row["latency_ms"] > 0.0
        assert row["latency_stdev_ms"] >= 0.0
        assert row["memory_mb"] > 50.0
    rows = result["rows"]
    assert rows["adacomp_rag"]["memory_mb"] > rows["plain"]["memory_mb"] + 50.0
    assert {name for name, each in result["by_task"].items() if each["same_text_without_hsd"] == 1.0} == {"hsd"}
    assert "GSM8K: question 2 of 2" in told
    assert json.loads(json.dumps(result)) == result
    print_figures("ablation", result)
    printed = capsys.readouterr().out
    assert all(name in printed for name in names)
    assert "+15.6 %" in printed
    assert "paper's figures" in printed


def test_rows_of_lobi_are_left_out_with_a_sentence_where_there_is_no_version(
    tmp_path: Path,
    speller: Path,
    gsm8k: Path,
    arc: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(ablation, "ROWS", [row for row in ablation.ROWS if row.name in {"hsd", "lobi", "all"}])
    result = ablation.run(config_of(tmp_path, speller), gsm8k, arc, limit=1)
    assert list(result["rows"]) == ["hsd"]
    assert set(result["skipped"]) == {"lobi", "all"}
    assert result["rows"]["hsd"]["latency_stdev_ms"] > 0.0
    assert math.isfinite(result["by_task"]["hsd"]["gsm8k_stdev_ms"])
    print_figures("ablation", result)
    assert "Left out: lobi, all. There is no Lo-Bi version" in capsys.readouterr().out


# ---------------------------------------------------------------- retrieval


@contextmanager
def finder(config: EngineConfig, folder: Path, training: Sequence[Problem]) -> Iterator[Any]:
    with ablation._library(config, folder, training, lambda _: None) as found:
        yield found


def test_examples_come_from_the_training_set_whole_and_the_best_last(tmp_path: Path, speller: Path) -> None:
    training = [
        Problem(f"Ben paints {number} {thing}. How many {thing} does he paint?", f"#### {number}", Decimal(number))
        for number, thing in enumerate(THINGS)
    ]
    with finder(config_of(tmp_path, speller), tmp_path / "library", training) as found:
        examples = found.find("Ann paints some spoons. How many spoons does she paint?")
    assert examples
    assert all(example in training for example in examples)
    assert "spoons" in examples[-1].question


def test_what_is_asked_is_never_retrieved(gsm8k: Path) -> None:
    problems = read_problems(gsm8k)
    sets = ablation._sets(problems, None, 3, "gsm8k.jsonl")
    assert [*sets.asked, *sets.training] == problems
    given = ablation._sets(problems, [problems[1], problems[6]], 3, "gsm8k.jsonl")
    assert given.training == [problems[6]]


def test_a_long_training_set_is_thinned_evenly(monkeypatch: pytest.MonkeyPatch, gsm8k: Path) -> None:
    monkeypatch.setattr(ablation, "MOST_TRAINING", 3)
    problems = read_problems(gsm8k)
    assert ablation._sets(problems, None, 1, "gsm8k.jsonl").training == problems[1::3]


# ---------------------------------------------------------------- bad input


def test_what_can_not_be_asked_is_told_in_a_sentence(tmp_path: Path, speller: Path, gsm8k: Path, arc: Path) -> None:
    config = config_of(tmp_path, speller)
    with pytest.raises(HolaError, match="--gsm8k and --arc"):
        command(config, gsm8k, None)
    with pytest.raises(HolaError, match="No such file"):
        ablation.run(config, tmp_path / "none.jsonl", arc)
    with pytest.raises(HolaError, match=r"Line 1 of gsm8k.jsonl has no query"):
        ablation.run(config, gsm8k, gsm8k)
    with pytest.raises(HolaError, match="limit of 0"):
        ablation.run(config, gsm8k, arc, limit=0)
    with pytest.raises(HolaError, match=r"No question of gsm8k\.jsonl is left"):
        ablation.run(config, gsm8k, arc)
    with pytest.raises(ModelFileError, match="not there"):
        ablation.run(config_of(tmp_path, tmp_path / "none.gguf"), gsm8k, arc, limit=1)
