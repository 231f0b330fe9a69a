"""The bench of answers asks the whole pipeline and the fixed depth the same questions, with the bundled model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.paths import engine_config
from engine.bench import answers
from engine.errors import HolaError

ROWS = [
    {
        "question": "How tall is the lighthouse of Mora?",
        "passage": "The lighthouse of Mora is 31 metres tall.",
        "answers": ["31 metres"],
    },
    {"question": "When does the library open?", "passage": "The town library opens at nine.", "answers": ["nine", "9"]},
]
FIGURES = {"em", "f1", "contains", "refused", "supported", "seconds"}


def measured(tmp_path: Path, *rows: object, limit: int | None = None) -> dict[str, object]:
    file = tmp_path / "questions.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return answers.run(engine_config(tmp_path / "data"), file, limit=limit)


@pytest.mark.timeout(180)
def test_both_ways_are_measured(tmp_path: Path) -> None:
    result = measured(tmp_path, *ROWS)
    assert result["questions"] == len(ROWS)
    for way in ("hola", "fixed_5"):
        figures = result[way]
        assert isinstance(figures, dict)
        assert set(figures) == FIGURES
        assert all(0.0 <= figures[name] <= 1.0 for name in FIGURES - {"seconds"})
        assert figures["seconds"] > 0.0
        # A question about one short sentence is answered from it, even by a small model.
        assert figures["contains"] >= 0.5
        assert figures["f1"] > 0.0


@pytest.mark.timeout(180)
def test_refusing_is_right_where_nothing_answers(tmp_path: Path) -> None:
    strange = {"question": "What is the capital of Zembla?", "passage": "Herons nest in high trees.", "answers": []}
    result = measured(tmp_path, strange, ROWS[0], limit=1)
    assert result["questions"] == 1
    hola = result["hola"]
    assert isinstance(hola, dict)
    assert (hola["refused"], hola["em"], hola["f1"], hola["contains"]) == (1.0, 1.0, 1.0, 1.0)


def test_file_without_questions_is_told(tmp_path: Path) -> None:
    with pytest.raises(HolaError, match="holds no questions"):
        measured(tmp_path)
