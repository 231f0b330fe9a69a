"""Where the evidence of a question stands, and what keeps it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.bench.answers import exact_match, f1
from engine.bench.questions import Case, Evidence, is_held_out, read_cases
from engine.errors import HolaError
from engine.evidence import Passage

TEXT = "The tower was built in 1822 by Ada Möller-Voss. It is 31 metres tall, and red. Ships see it from afar."


def cases_of(tmp_path: Path, *rows: object) -> list[Case]:
    file = tmp_path / "questions.jsonl"
    file.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), "utf-8")
    return read_cases(file)


def case_of(tmp_path: Path, **row: object) -> Case:
    [case] = cases_of(tmp_path, {"question": "q", "passage": TEXT, **row})
    return case


def excerpt(case: Case, text: str) -> Passage:
    start = case.text.index(text)
    return Passage("c", case.document, text, None, "", start, start + len(text), 0.0)


@pytest.mark.parametrize("answer", ["1822", "ada moller voss", "Ada Möller-Voss", "31 Metres"])
def test_answer_is_found_whatever_its_case_accents_and_punctuation(answer: str, tmp_path: Path) -> None:
    case = case_of(tmp_path, answers=[answer])
    [place] = case.evidence
    assert place.is_whole
    assert case.is_kept([excerpt(case, TEXT)])
    assert not case.is_kept([excerpt(case, "Ships see it from afar.")])


def test_part_of_a_word_is_no_answer(tmp_path: Path) -> None:
    assert not any(place.is_whole for place in case_of(tmp_path, answers=["uilt"]).evidence)
    assert [place.is_whole for place in case_of(tmp_path, passage="東京は首都です。", answers=["首都"]).evidence] == [
        True
    ]


def test_answer_cut_off_is_not_kept(tmp_path: Path) -> None:
    case = case_of(tmp_path, answers=["Ada Möller-Voss"])
    assert not case.is_kept([excerpt(case, "The tower was built in 1822 by Ada")])


def test_another_document_serves_where_it_says_the_same_sentence(tmp_path: Path) -> None:
    case = case_of(tmp_path, answers=["31 metres"])

    def said_elsewhere(text: str) -> bool:
        return case.is_kept([Passage("c", "/other", text, None, "", 0, len(text), 0.0)])

    assert said_elsewhere("Of towers: it is 31 metres tall and red! Many are white.")
    assert not said_elsewhere("The other tower is 31 metres tall.")


def test_answer_in_other_words_stands_in_the_sentence_that_shares_the_most_with_it(tmp_path: Path) -> None:
    case = case_of(tmp_path, long_answer="A red tower of 31 metres stands there.")
    [place] = case.evidence
    assert case.text[place.start : place.end] == "It is 31 metres tall, and red."
    assert not place.is_whole
    assert case.is_kept([excerpt(case, "It is 31 metres tall, and re")])
    assert not case.is_kept([excerpt(case, "It is 31 metres")])


def test_passages_of_a_row_are_one_text(tmp_path: Path) -> None:
    [case] = cases_of(tmp_path, {"question": "q", "passages": ["One.", "Two."], "answers": ["two"]})
    assert case.text == "One.\n\nTwo."
    assert case.evidence == (Evidence(6, 9, is_whole=True),)
    assert case.is_kept([Passage("c", case.document, "Two.", None, "", 6, 10, 0.0)])


def test_rows_without_answers_have_no_evidence(tmp_path: Path) -> None:
    case = case_of(tmp_path, answers=[])
    assert (case.answers, case.evidence) == ((), ())
    assert case_of(tmp_path, answer="yes").answers == ("yes",)


@pytest.mark.parametrize("line", ["no json", "[]", "{}", '{"question": "q"}', '{"passage": "p"}', "3", "[" * 9999])
def test_broken_line_is_named(line: str, tmp_path: Path) -> None:
    with pytest.raises(HolaError, match=r"Line 2 of questions\.jsonl"):
        cases_of(tmp_path, {"question": "q", "passage": "p"}, line)


@pytest.mark.parametrize("field", [{"answers": "yes"}, {"passage": None}, {"passages": "abc"}, {"question": 3}])
def test_field_of_another_kind_is_told(field: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(HolaError, match=r"Line 1 of questions\.jsonl"):
        cases_of(tmp_path, {"question": "q", "passage": "p", **field})


def test_missing_or_empty_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(HolaError, match="can't be read"):
        read_cases(tmp_path / "none.jsonl")
    with pytest.raises(HolaError, match="holds no questions"):
        cases_of(tmp_path)


def test_two_in_five_questions_are_held_out_always_the_same() -> None:
    held = [number for number in range(2_000) if is_held_out(f"question {number}")]
    assert 0.37 < len(held) / 2_000 < 0.43
    assert held == [number for number in range(2_000) if is_held_out(f"question {number}")]


def test_answers_are_compared_without_case_articles_and_punctuation() -> None:
    assert exact_match("The red tower.", "red tower") == 1.0
    assert exact_match("A red tower, tall.", "red tower") == 0.0
    assert f1("It is a red tower", "red tower") == pytest.approx(2 * 2 / (4 + 2))
    assert f1("blue", "red") == f1("", "red") == 0.0
