"""As much is read as the question needs, whole where it is clear and by sentences where it is not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import LibraryError
from engine.evidence import Passage
from engine.retrieval.adacomp import LOOKED_INTO, AdaComp, Reading, Weights

ASSETS = Path(__file__).resolve().parents[3] / "assets"
WEIGHTS = Weights.load(ASSETS / "adacomp.json")
LIGHT = "The old lighthouse is 31 metres tall. It was built in 1822 by Ada Moss. Its lamp turns once in ten seconds."
OTHERS = (
    "Herons stand in shallow water and wait for fish. They nest in high trees. Both parents feed the young.",
    "The library opens at nine. Books may be kept for four weeks. Fines are ten cents a day.",
    "Bread needs flour, water and salt. The dough rests for an hour. Bake it at 230 degrees.",
    "The ferry leaves at noon. Tickets are sold on board. Bicycles travel free of charge.",
)


def candidate(number: int, text: str, similarity: float, *, named: int | None = None) -> Passage:
    start = 1000 * number
    score = None if named is None else 12.0 / (1 + named)
    return Passage(
        f"c{number}", f"/d{number}", text, None, "", start, start + len(text), 0.0, number, named, similarity, score
    )


def clear() -> list[Passage]:
    found = [candidate(0, LIGHT, 0.8, named=0)]
    return found + [candidate(number, text, 0.05, named=None) for number, text in enumerate(OTHERS, 1)]


def doubtful() -> list[Passage]:
    return [candidate(number, text, 0.31 - 0.001 * number, named=number) for number, text in enumerate(OTHERS)]


def read(query: str, found: list[Passage], tokens: int = 1000, weights: Weights = WEIGHTS) -> Reading:
    ada = AdaComp(weights)
    return ada.read(ada.rank(query, found), tokens)


def test_one_clear_passage_is_read_alone() -> None:
    reading = read("How tall is the old lighthouse?", clear())
    assert reading.excerpts[0].text == LIGHT
    assert reading.passages == 1
    assert reading.best > 0.9


def test_doubtful_question_reads_more() -> None:
    few = read("How tall is the old lighthouse?", clear())
    many = read("When is it?", doubtful())
    assert many.passages > few.passages
    assert many.best < 0.7


def test_scores_are_probabilities() -> None:
    ranking = AdaComp(WEIGHTS).rank("How tall is the old lighthouse?", clear())
    assert sum(one.score for one in ranking.passages) + ranking.absent == pytest.approx(1.0)
    scores = [one.score for one in ranking.passages]
    assert scores == sorted(scores, reverse=True)
    assert ranking.passages[0].chunk_id == "c0"


def test_question_about_nothing_that_was_found_reads_nothing() -> None:
    ada = AdaComp(WEIGHTS)
    strange = [candidate(number, text, 0.02 - 0.01 * number) for number, text in enumerate(OTHERS)]
    assert ada.is_absent(ada.rank("Quarterly revenue of Zyx Holdings?", strange))
    assert not ada.is_absent(ada.rank("How tall is the old lighthouse?", clear()))
    assert ada.is_absent(ada.rank("anything", []))
    assert ada.read_parts(["Quarterly revenue of Zyx Holdings?"], [strange], 1000).excerpts == ()


def test_excerpts_are_verbatim_places_of_their_documents() -> None:
    weights = replace(WEIGHTS, passage_mass=0.0, sentence_mass=0.4)
    for one in read("Who built the lighthouse?", clear(), weights=weights).excerpts:
        source = next(each for each in clear() if each.path == one.path)
        assert source.text[one.start - source.start : one.end - source.start] == one.text
        assert one.end - one.start == len(one.text)


def test_budget_is_kept_but_for_the_best_sentence() -> None:
    found = doubtful()
    for tokens in (1, 20, 40, 80):
        text = " ".join(one.text for one in read("When is it?", found, tokens).excerpts)
        assert text
        assert len(text) // 4 <= max(tokens, 40) + 20


def test_sentence_that_leans_on_another_comes_with_it() -> None:
    text = "The reed pump moves the water of the lower lock. It needs oil every 6 weeks. Ducks sleep nearby at night."
    weights = replace(WEIGHTS, passage_mass=0.0, sentence_mass=0.05)
    reading = read("How often does it need oil?", [candidate(0, text, 0.6, named=0)], weights=weights)
    [excerpt] = reading.excerpts
    assert excerpt.text.startswith("The reed pump")
    assert "oil every 6 weeks." in excerpt.text


def test_parts_of_one_passage_read_on_from_end_to_begin() -> None:
    """The prompt turns the order of the passages round, so that the best stands next to the question."""
    text = " ".join(f"Sentence {number} speaks of thing {number}, at some length." for number in range(12))
    weights = replace(WEIGHTS, passage_mass=0.0, sentence_mass=0.3)
    starts = [
        one.start
        for one in read("What speaks of thing 3 and thing 9?", [candidate(0, text, 0.5)], 60, weights).excerpts
    ]
    assert starts == sorted(starts, reverse=True)


def test_passage_that_says_the_same_again_comes_last() -> None:
    twice = [*clear(), candidate(7, LIGHT, 0.79, named=1)]
    ranking = AdaComp(WEIGHTS).rank("How tall is the old lighthouse?", twice)
    assert ranking.passages[0].chunk_id == "c0"
    assert ranking.passages[-1].chunk_id == "c7"


def test_passages_that_differ_in_one_word_are_both_read() -> None:
    texts = ["The west pier has 40 lamps and a bench.", "The east pier has 40 lamps and a bench."]
    found = [candidate(number, text, 0.6 - 0.01 * number, named=number) for number, text in enumerate(texts)]
    assert {one.text for one in read("How many lamps has each pier?", found).excerpts} == set(texts)


def test_parts_of_a_question_share_the_budget_and_each_gets_its_passage() -> None:
    ada = AdaComp(WEIGHTS)
    bread = [replace(one, similarity=0.8 if "Bread" in one.text else 0.05, text_rank=None) for one in clear()]
    bread = [replace(one, text_rank=0, text_score=12.0) if "Bread" in one.text else one for one in bread]
    reading = ada.read_parts(["How tall is the lighthouse?", "How long does the dough rest?"], [clear(), bread], 400)
    texts = [one.text for one in reading.excerpts]
    assert LIGHT in texts
    assert any("rests for an hour" in text for text in texts)


def test_passage_that_two_parts_need_is_read_once() -> None:
    reading = AdaComp(WEIGHTS).read_parts(
        ["How tall is the lighthouse?", "Who built the lighthouse?"], [clear()] * 2, 800
    )
    ids = [(one.chunk_id, one.start) for one in reading.excerpts]
    assert len(ids) == len(set(ids))


def test_fixed_depth_takes_whole_passages() -> None:
    reading = AdaComp(WEIGHTS).read_parts(["anything"], [doubtful()], 1, 3, is_fixed=True)
    assert len(reading.excerpts) == reading.passages == 3
    assert all(one.text in OTHERS for one in reading.excerpts)


def test_japanese_follows_its_words_where_the_embedder_knows_nothing() -> None:
    right = candidate(0, "東京は日本の首都である。人口は約1400万人。", 0.10, named=0)
    wrong = candidate(1, "犬は猫より大きい。よく吠える。", 0.35, named=None)
    ranking = AdaComp(WEIGHTS).rank("日本の首都はどこですか", [wrong, replace(right, vector_rank=1)])
    assert ranking.passages[0].text == right.text


def test_multilingual_embedder_is_believed_in_any_script() -> None:
    right = replace(candidate(0, "犬は猫より大きい。", 0.85), text_rank=None)
    wrong = replace(candidate(1, "東京の人口は多い。", 0.10, named=0), vector_rank=9)
    query = "いちばん人気のあるペットの体格は"
    ada = AdaComp(WEIGHTS)
    assert ada.rank(query, [right, wrong], is_multilingual=True).passages[0].text == right.text
    believed = ada.rank(query, [right, wrong], is_multilingual=True).passages[0].score
    assert believed > next(one.score for one in ada.rank(query, [right, wrong]).passages if one.text == right.text)


def test_no_more_passages_than_asked_are_read() -> None:
    many = [candidate(number, f"{OTHERS[number % 4]} Item {number}.", 0.3, named=number) for number in range(30)]
    ada = AdaComp(replace(WEIGHTS, passage_mass=0.9999, sentence_mass=0.9999))
    ranking = ada.rank("When is it?", many)
    assert ada.read(ranking, 100_000, 2).passages <= 2
    assert ada.read(ranking, 100_000, 50).passages <= LOOKED_INTO


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"passage": 1}', "\0"])
def test_broken_weights_are_told_in_a_sentence(content: str, tmp_path: Path) -> None:
    file = tmp_path / "adacomp.json"
    file.write_text(content)
    with pytest.raises(LibraryError, match="install Hola anew"):
        Weights.load(file)
    with pytest.raises(LibraryError, match="can't be read"):
        Weights.load(tmp_path / "missing.json")


def test_weights_are_named_and_say_what_they_aim_at() -> None:
    content = json.loads((ASSETS / "adacomp.json").read_text())
    assert 0.9 < content["target_kept"] <= 1.0
    assert content["learned_from"]
