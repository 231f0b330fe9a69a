"""Rows and texts become what Lo-Bi learns from; what is held out never does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.errors import HolaError
from engine.lobi.examples import Example, Grounded, grounded_chat, held_out_share, read_examples, read_grounded
from engine.prompting import GROUNDED_BRIEFLY, REFUSAL

PASSAGE = "The lamp of the tower was lit for the first time in {year}, by the keeper's daughter, on a night of fog."


def rows(folder: Path, name: str, found: list[dict[str, Any]]) -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in found), "utf-8")
    return path


def passages(held_out: bool, count: int) -> list[str]:
    """Return passages that are kept from training, or that are not."""
    every = (PASSAGE.format(year=year) for year in range(1500, 9000))
    return [text for text in every if Grounded("", text, ("",)).is_held_out is held_out][:count]


@pytest.mark.parametrize(
    "row",
    [
        {"question": "When was it lit?", "passage": PASSAGE, "answers": ["1821", "in 1821"]},
        {"question": "When was it lit?", "passages": [PASSAGE], "answers": ["1821"]},
        {"prompt": f'Question: "When was it lit?"\n\nContext: "{PASSAGE}"\n\nAnswer:', "completion": "1821"},
        {
            "prompt": f"When was it lit?\n\nAnswer the above question based on the context below:\n\n{PASSAGE}",
            "completion": "1821",
        },
        {"prompt": f"Dialogue:\n\n{PASSAGE}\n\nQuestion: When was it lit? \n\n- 1821\n\n- 1822", "completion": "1821"},
    ],
)
def test_question_on_a_passage_is_known_in_each_layout(tmp_path: Path, row: dict[str, Any]) -> None:
    [found] = read_grounded([rows(tmp_path, "a.jsonl", [row])])

    assert (found.question, found.passage, found.answers[0], found.is_choice) == (
        "When was it lit?",
        PASSAGE,
        "1821",
        False,
    )


def test_yes_or_no_is_a_choice_and_an_unanswerable_question_has_no_answer(tmp_path: Path) -> None:
    choice = {"query": f"Passage: {PASSAGE}\nQuestion: was it lit?", "choices": ["no", "yes"], "gold": 1}
    absent = {
        "prompt": "Question: Who?\nIf there is no answer, say so.\nMovie title: A\nContext: Nobody is named.",
        "completion": "No answer",
    }

    first, second = read_grounded([rows(tmp_path, "a.jsonl", [choice, absent])])

    assert (first.answers, first.is_choice) == (("Yes",), True)
    assert second.answers == ()


def test_held_out_passages_are_never_learned_in_any_layout(tmp_path: Path) -> None:
    secret, open_ = passages(True, 3), passages(False, 3)
    found = [{"question": "When?", "passage": text, "answers": ["one"]} for text in (*secret, *open_)]
    found += [{"prompt": f"In other words: {text} Say when.", "completion": "one"} for text in (*secret, *open_)]

    examples = read_examples([rows(tmp_path, "a.jsonl", found)], seed=1)

    said = "\n".join(message.content for example in examples for message in example.messages)
    assert [text in said for text in secret] == [False] * 3
    assert [text in said for text in open_] == [True] * 3


def test_grounded_example_is_what_hola_shows_the_model(tmp_path: Path) -> None:
    [text] = passages(False, 1)
    file = rows(tmp_path, "a.jsonl", [{"question": "When?", "passage": text, "answers": ["then", "later"]}])

    examples = [read_examples([file], seed)[0] for seed in range(30)]

    told = [example for example in examples if example.kind == "grounded"]
    assert told
    assert {(example.messages, example.answer) for example in told} == {(grounded_chat("When?", [text]), "then")}
    assert told[0].messages[-1].content.endswith(f"{text}\n\n{GROUNDED_BRIEFLY}When?")


@pytest.mark.parametrize(
    ("answers", "taught"),
    [
        (("Lee", "Colonel Robert E. Lee", "Robert E. Lee"), "Colonel Robert E. Lee"),
        (("the Alps, far away", "Lee", "Israel Greene", "Greene"), "Israel Greene"),
        (("a colonel of theirs", "an officer"), "a colonel of theirs"),
    ],
)
def test_of_several_answers_the_fullest_one_of_the_passage_is_learned(answers: tuple[str, ...], taught: str) -> None:
    assert Grounded("Who?", "Colonel Robert E. Lee sent Israel Greene.", answers).taught == taught


def test_some_examples_show_the_passage_without_sentences_that_do_not_answer(tmp_path: Path) -> None:
    [first] = passages(False, 1)
    text = f"{first} It burned oil. Later it burned gas. A bell rang beside it."
    text = next(each for each in (f"{text} Ships saw it {n} miles off." for n in range(99)) if is_learned(each))
    file = rows(tmp_path, "a.jsonl", [{"question": "What was it?", "passage": text, "answers": ["gas"]}])

    shown = [
        one.messages[-1].content for seed in range(10) for one in read_examples([file], seed) if one.kind == "grounded"
    ]

    assert any(text in each for each in shown)
    shorter = [each for each in shown if text not in each]
    assert shorter
    assert all("Later it burned gas." in each for each in shorter)
    assert len(set(shorter)) > 1


def is_learned(passage: str) -> bool:
    return not Grounded("", passage, ("",)).is_held_out


def test_absent_example_shows_no_passage_with_the_answer(tmp_path: Path) -> None:
    found = [
        {"question": f"When {number}?", "passage": f"{text} Number {number}.", "answers": [f"Number {number}"]}
        for number, text in enumerate(passages(False, 40))
    ]
    examples = [one for seed in range(5) for one in read_examples([rows(tmp_path, "a.jsonl", found)], seed)]

    absent = [example for example in examples if example.kind == "absent"]

    assert absent
    for example in absent:
        number = example.messages[-1].content.split("?")[0].rsplit(" ", 1)[1]
        assert f"Number {number}." not in example.messages[-1].content
        assert example.answer == REFUSAL


def test_chats_keep_their_answers_and_texts_come_in_pieces(tmp_path: Path) -> None:
    chat = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}], "whole": False}
    text = tmp_path / "book.md"
    text.write_text("A sentence of a book. " * 400, "utf-8")

    examples = read_examples([rows(tmp_path, "a.jsonl", [chat]), text], seed=1)

    chats = [example for example in examples if example.kind == "chat"]
    pieces = [example for example in examples if example.kind == "text"]
    assert [(each.messages[0].content, each.answer, each.is_whole) for each in chats] == [("Hi", "Hello", False)]
    assert 0 < sum(len(each.answer) for each in pieces) <= len(text.read_text("utf-8"))
    assert all(held_out_share(each.answer) >= 0.15 and not each.is_whole for each in pieces)


def test_same_seed_gives_the_same_examples(tmp_path: Path) -> None:
    found = [{"question": "When?", "passage": text, "answers": ["one"]} for text in passages(False, 20)]
    file = rows(tmp_path, "a.jsonl", found)

    assert read_examples([file], 3) == read_examples([file], 3)
    assert read_examples([file], 3) != read_examples([file], 4)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [("{", "Line 2 of a.jsonl is no JSON"), ("[1]", "Line 2 of a.jsonl is no JSON object"), (None, "can't be read")],
)
def test_what_can_t_be_read_is_named(tmp_path: Path, line: str | None, sentence: str) -> None:
    path = tmp_path / "a.jsonl"
    if line is not None:
        path.write_text(f'{{"other": 1}}\n{line}\n', "utf-8")

    with pytest.raises(HolaError, match=sentence):
        read_examples([path], 1)


@pytest.mark.parametrize(
    "row",
    [
        {"question": "Who?", "passage": None, "answers": ["a"]},
        {"question": "Who?", "passage": "P.", "answers": "yes"},
        {"question": "Who?", "passage": "P.", "answers": {"text": ["a"]}},
        {"question": "Who?", "passages": "P.", "answers": ["a"]},
        {"messages": []},
        {"messages": [{"role": "user"}]},
        {"messages": [{"role": "robot", "content": "a"}]},
    ],
)
def test_row_of_another_shape_is_told_with_its_line(tmp_path: Path, row: dict[str, Any]) -> None:
    with pytest.raises(HolaError, match=r"Line 2 of a\.jsonl can't be learned"):
        read_examples([rows(tmp_path, "a.jsonl", [{"other": 1}, row])], 1)


def test_files_without_anything_to_learn_are_told(tmp_path: Path) -> None:
    with pytest.raises(HolaError, match="nothing to learn from"):
        read_examples([rows(tmp_path, "a.jsonl", [{"other": 1}])], 1)


def test_an_example_is_told_by_its_messages() -> None:
    assert Example("text", (), "a").is_whole


def test_questions_are_made_from_passages_that_are_learned_alone(tmp_path: Path) -> None:
    told = passages(held_out=False, count=3)
    kept = passages(held_out=True, count=3)
    file = rows(
        tmp_path, "a.jsonl", [{"question": "Who?", "passage": text, "answers": ["fog"]} for text in told + kept]
    )

    made = [one for one in read_examples([file], 1) if one.kind == "cloze"]

    assert len(made) == 3
    for one in made:
        assert any(text in one.messages[-1].content for text in told)
        assert not any(text in one.messages[-1].content for text in kept)
        assert any(one.answer in text for text in told)
        assert one.messages[-1].content.count(one.answer) == 1


def test_a_secret_passage_is_known_in_another_spelling(tmp_path: Path) -> None:
    [secret] = passages(held_out=True, count=1)
    spelled = (secret.replace(" ", "  " * number).replace(",", " ,").upper() for number in range(1, 1000))
    other = next(text for text in spelled if is_learned(text))
    [learned] = passages(held_out=False, count=1)
    found = [{"question": "Who?", "passage": text, "answers": ["fog"]} for text in (secret, other, learned)]

    examples = read_examples([rows(tmp_path, "a.jsonl", found)], 1)

    assert examples
    assert not any(other in one.messages[-1].content for one in examples)


def test_a_passage_that_holds_a_secret_one_is_not_learned(tmp_path: Path) -> None:
    [secret] = passages(held_out=True, count=1)
    longer = (f"{secret} Since then it burned for {year} nights." for year in range(1000))
    around = next(text for text in longer if not Grounded("", text, ("",)).is_held_out)
    [other] = passages(held_out=False, count=1)
    texts = (secret, around, other)
    file = rows(tmp_path, "a.jsonl", [{"question": "Who?", "passage": text, "answers": ["fog"]} for text in texts])

    found = read_examples([file], 1)

    assert found
    assert not any(secret in one.messages[-1].content for one in found)
