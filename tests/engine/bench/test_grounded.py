"""Which questions a model is asked with the right passage given, and what is told of its answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.bench import grounded
from engine.errors import HolaError
from engine.lobi.examples import Grounded
from tests.gguf_builder import chain, write_llama

PASSAGE = "The tower of {name} has 72 steps, and so did the one that stood there before."


def passages(held_out: bool, count: int) -> list[str]:
    every = (PASSAGE.format(name=number) for number in range(1000))
    return [text for text in every if Grounded("", text, ("",)).is_held_out is held_out][:count]


def rows(folder: Path, found: list[dict[str, Any]]) -> Path:
    path = folder / "questions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in found), "utf-8")
    return path


def question(passage: str, *answers: str) -> dict[str, Any]:
    return {"question": f"How many steps, says {passage[:25]}?", "passage": passage, "answers": list(answers)}


def test_only_what_training_never_sees_and_the_passage_tells_is_asked(tmp_path: Path) -> None:
    kept, seen = passages(True, 4), passages(False, 4)
    choice = {"query": f"Passage: {kept[2]}\nQuestion: is it high?", "choices": ["no", "yes"], "gold": 1}
    file = rows(tmp_path, [question(kept[0], "72"), question(seen[0], "72"), question(kept[1], "a hundred"), choice])

    assert [one.passage for one in grounded.held_out([file])] == [kept[0]]


def test_the_order_and_the_first_ones_do_not_depend_on_the_file(tmp_path: Path) -> None:
    asked = [question(text, "72") for text in passages(True, 8)]
    first = grounded.held_out([rows(tmp_path, asked)])

    again = grounded.held_out([rows(tmp_path, asked[::-1])], limit=3)

    assert again == first[:3]


def test_nothing_to_ask_is_told(tmp_path: Path) -> None:
    file = rows(tmp_path, [question(passages(False, 1)[0], "72")])

    with pytest.raises(HolaError, match=r"hold no questions on passages that were kept from training: give others\.$"):
        grounded.held_out([file])


def test_answers_are_scored_for_each_model(tmp_path: Path) -> None:
    models = [
        write_llama(tmp_path / f"{name}.gguf", chain(text), context=2048)
        for name, text in (("right", "so 72."), ("wrong", "so 15."))
    ]
    file = rows(tmp_path, [question(text, "72", "so 72") for text in passages(True, 2)])

    found = grounded.run(models, [file], threads=1)

    assert found["questions"] == 2
    assert found["right.gguf"] == {
        "em": 1.0,
        "f1": 1.0,
        "contains": 1.0,
        "tokens": found["right.gguf"]["tokens"],
        "drafted": 0,
        "accepted": 0,
    }
    assert (found["wrong.gguf"]["em"], found["wrong.gguf"]["contains"]) == (0.0, 0.0)
    assert 0 < found["wrong.gguf"]["f1"] < 1
    assert 0 < found["right.gguf"]["tokens"] <= grounded.MOST_TOKENS
