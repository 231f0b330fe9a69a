"""The bench of retrieval measures what is read, in the real store with the real embedder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.bench_decode import print_figures
from app.paths import engine_config
from engine.bench import rag
from engine.bench.questions import is_held_out
from engine.errors import HolaError

ROWS = [
    ("How tall is the lighthouse of Mora?", "The lighthouse of Mora is 31 metres tall. Its lamp is red.", "31 metres"),
    ("When does the library open?", "The town library opens at nine. Fines are ten cents a day.", "nine"),
    ("What does the ferry cost?", "The ferry to the island costs four crowns. Bicycles are free.", "four crowns"),
    ("Who baked the first rye loaf?", "Rye bread came late. The first rye loaf was baked by Odo Brandt.", "Odo Brandt"),
    ("Where do herons nest?", "Herons wait for fish in shallow water. They nest in high trees.", "high trees"),
    ("How long does the dough rest?", "Flour, water and salt make the dough. It rests for an hour.", "an hour"),
    ("Which river flows through Vell?", "Vell lies on the river Tamm. Its bridge is old.", "Tamm"),
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    file = tmp_path / "questions.jsonl"
    rows = [{"question": q, "passage": p, "answers": [a]} for q, p, a in ROWS]
    file.write_text("\n".join(map(json.dumps, [*rows, {"question": "Why?", "passage": "No.", "answers": []}])), "utf-8")
    return file


def test_every_way_is_measured_on_the_same_questions(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / "tale.md").write_text("# A tale\n\nOnce upon a time there was a mill. " * 40)
    result = rag.run(engine_config(tmp_path / "data"), data, tmp_path / "books")
    assert result["questions"] == len(ROWS)
    assert result["chunks"] > len(ROWS) + 1
    ways = ("adacomp", "fixed_1", "fixed_3", "fixed_5", "fixed_10", "vector_5", "bm25_5")
    for way in ways:
        assert set(result[way]) == {"recall", "prompt_tokens", "p95_ms"}
        assert 0.0 <= result[way]["recall"] <= 1.0
        assert result[way]["p95_ms"] > 0.0
    assert result["fixed_5"]["recall"] == result["fixed_10"]["recall"] == 1.0
    tokens = [result[f"fixed_{depth}"]["prompt_tokens"] for depth in (1, 3, 5, 10)]
    assert tokens == sorted(tokens)
    assert tokens[0] < tokens[1]
    assert result["adacomp"]["prompt_tokens"] < result["fixed_5"]["prompt_tokens"]
    assert 1.0 <= result["passages"] < 5.0
    print_figures("rag", result)
    printed = capsys.readouterr().out
    assert all(way in printed for way in (*ways, "recall", "questions"))


def test_limit_and_held_out_choose_the_questions(data: Path, tmp_path: Path) -> None:
    config = engine_config(tmp_path / "data")
    assert rag.run(config, data, limit=2)["questions"] == 2
    held = sum(is_held_out(question) for question, _, _ in ROWS)
    assert 0 < held < len(ROWS)
    assert rag.run(config, data, held_out=True)["questions"] == held


def test_questions_without_any_answer_are_told(tmp_path: Path) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_text('{"question": "Why?", "passage": "No."}')
    with pytest.raises(HolaError, match="holds no question with an answer"):
        rag.run(engine_config(tmp_path / "data"), file)


def test_folder_without_books_is_told(data: Path, tmp_path: Path) -> None:
    with pytest.raises(HolaError, match="no Markdown files"):
        rag.run(engine_config(tmp_path / "data"), data, tmp_path / "nowhere")
