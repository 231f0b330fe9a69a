"""What the review of an answer finds, corrects and leaves alone."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from engine.messages import Passage
from engine.retrieval.citations import align
from engine.retrieval.claims import read_tokens
from engine.retrieval.numbers import correct_sums, read_quantities
from engine.retrieval.sentences import split_sentences
from engine.review import Review, review
from tests.engine.review_cases import CASES, grade

KINDS = ("supported", "number", "name", "unsupported", "unanswerable")

WARRANTY = (
    "This product comes with a warranty of 24 months from the date of purchase. Batteries are covered for 12 months "
    "only. For service, contact Maria Keller in Berlin at extension 4711. The technical director is Jonas Abel."
)
COMPANY = (
    "The company was founded in 1987 in Hamburg. It has 350 employees, 40 of them in Leipzig. Revenue rose by 8.5 "
    "percent to $12.5 million in 2023. Admission is 12 dollars for adults and 7 dollars for children."
)
PLANT = "The plant needs 2 to 3 litres of water per week. It was bought on 9 June 2021 for €45. It is 18 to 22 cm high."
GERMAN = "Die Garantie gilt drei Jahre ab Kaufdatum. Das Gerät wiegt 2,9 kg. Reparaturen führt die Firma Reinhardt aus."
JAPANESE = "本製品の保証期間は24か月です。電池の保証は12か月です。修理は横浜サービスセンターで受け付けます。"


def passage(text: str, path: str = "/d/a.txt", heading: str = "", start: int = 0) -> Passage:
    return Passage(f"{path}:{start}", path, text, 1, heading, start, start + len(text), 1.0)


PASSAGES = (
    passage(WARRANTY, heading="Warranty", start=500),
    passage(COMPANY, "/d/company.md"),
    passage(PLANT, "/d/plant.md"),
    passage(GERMAN, "/d/bohrer.txt"),
    passage(JAPANESE, "/d/日本.txt"),
)


def reviewed(answer: str, question: str = "What is known?") -> Review:
    done = review(answer, PASSAGES, question)
    check_offsets(done)
    return done


def check_offsets(done: Review) -> None:
    """Assert that sentences and citations name real places, in order."""
    ends = 0
    for sentence in done.sentences:
        assert ends <= sentence.start < sentence.end <= len(done.answer)
        assert bool(sentence.correction) == bool(sentence.original)
        ends = sentence.end
    places = {(sentence.start, sentence.end): sentence.supported for sentence in done.sentences}
    for citation in done.citations:
        assert places[citation.answer_start, citation.answer_end] is True


# ---------------------------------------------------------------- the constructed cases


def test_the_case_set_is_large_and_varied() -> None:
    counts = Counter[tuple[str, bool]]((case.kind, case.held_out) for case in CASES)
    assert len(CASES) == len({case.id for case in CASES}) >= 200
    assert all(counts[kind, False] + counts[kind, True] >= 40 for kind in KINDS)
    assert all(abs(counts[kind, False] - counts[kind, True]) <= 10 for kind in KINDS)


@pytest.mark.parametrize("held_out", [False, True])
def test_nine_of_ten_cases_are_judged_right(held_out: bool) -> None:
    cases = [case for case in CASES if case.held_out == held_out]
    grades = {case.id: grade(case, review(case.answer, case.passages, case.question)) for case in cases}
    wrong = {name: found for name, found in grades.items() if found not in ("right", "corrected")}
    assert len(wrong) <= 0.1 * len(cases), wrong


@pytest.mark.parametrize("noisy", [False, True])
def test_no_supported_answer_is_turned_wrong(noisy: bool) -> None:
    others = [case.passages for case in CASES if case.id.endswith("-01")]
    flagged = []
    supported = [case for case in CASES if case.kind == "supported"]
    for at, case in enumerate(supported):
        noise = (*others[at % len(others)], *others[(at + 7) % len(others)]) if noisy else ()
        passages = (*case.passages, *(one for one in noise if one not in case.passages))
        found = grade(case, review(case.answer, passages, case.question))
        assert found != "wrongly corrected", case.id
        flagged += [case.id] if found == "missed" else []
    assert len(flagged) <= 0.05 * len(supported), flagged


def test_every_sentence_of_a_passage_is_supported_by_it() -> None:
    for case in (case for case in CASES if case.id.endswith("-02")):
        for one in case.passages:
            done = review(one.text, case.passages, case.question)
            assert done.answer == one.text
            assert all(sentence.supported for sentence in done.sentences), case.id


# ---------------------------------------------------------------- numbers


@pytest.mark.parametrize(
    ("answer", "corrected"),
    [
        ("The warranty lasts 12 months.", "The warranty lasts 24 months."),
        ("The product comes with a warranty of 36 months.", "The product comes with a warranty of 24 months."),
        ("Batteries are covered for 24 months only.", "Batteries are covered for 12 months only."),
        ("Batteries are covered for eighteen months only.", "Batteries are covered for 12 months only."),
        ("The company has 530 employees.", "The company has 350 employees."),
        ("The company was founded in 1978 in Hamburg.", "The company was founded in 1987 in Hamburg."),
        ("Revenue rose by 5.8% to $12.5 million in 2023.", "Revenue rose by 8.5 percent to $12.5 million in 2023."),
        ("Revenue rose by 8.5 percent to $15.2 million.", "Revenue rose by 8.5 percent to $12.5 million."),
        ("Admission is 7 dollars for adults.", "Admission is 12 dollars for adults."),
        ("It was bought on 9 June 2012 for €45.", "It was bought on 9 June 2021 for €45."),
        ("It was bought on 8 June 2021 for €45.", "It was bought on 9 June 2021 for €45."),
        ("Die Garantie gilt fünf Jahre ab Kaufdatum.", "Die Garantie gilt drei Jahre ab Kaufdatum."),
        ("Das Gerät wiegt 9,2 kg.", "Das Gerät wiegt 2,9 kg."),
        ("本製品の保証期間は36か月です。", "本製品の保証期間は24か月です。"),
    ],
)
def test_contradicted_number_is_taken_from_the_source(answer: str, corrected: str) -> None:
    done = reviewed(f"Hello! {answer}", "Tell me about it.")
    assert done.answer == f"Hello! {corrected}"
    assert done.verdict == "supported"
    sentence = done.sentences[-1]
    assert done.answer[sentence.start : sentence.end] == corrected
    assert sentence.original == answer
    assert "was corrected to" in sentence.correction
    assert [(one.answer_start, one.answer_end) for one in done.citations] == [(sentence.start, sentence.end)]


def test_a_correction_says_what_was_changed() -> None:
    (sentence,) = reviewed("The warranty lasts 12 months.", "How long is the warranty?").sentences
    assert sentence.correction == "12 months was corrected to 24 months, as in the source."


@pytest.mark.parametrize(
    "answer",
    [
        "The plant needs 5 litres of water per week.",  # the source gives a range
        "The plant needs 4 to 5 litres of water per week.",
        "The warranty of the charger lasts 6 months.",  # of something else
        "The warranty lasts 24 years.",  # another unit
        "It was bought for $54.",  # another currency
        "The company has 530 employees, 50 of them in Leipzig.",  # two numbers differ
        "A ticket to the opera costs 99 dollars.",
    ],
)
def test_doubtful_number_is_only_flagged(answer: str) -> None:
    done = reviewed(answer, "Tell me about it.")
    assert done.answer == answer
    assert done.verdict == "unsupported"


@pytest.mark.parametrize(
    "answer",
    [
        "The warranty is twenty-four months.",
        "Revenue was 12,500,000 dollars in 2023.",
        "Children pay an admission of 7 dollars.",
        "The plant needs 2-3 litres of water per week.",
        "The company, founded in 1987, has 350 employees.",
        "Das Gerät wiegt 2.9 kg.",
        "電池の保証は12か月です。",
    ],
)
def test_right_number_in_other_words_stays(answer: str) -> None:
    done = reviewed(answer, "Tell me about it.")
    assert done.answer == answer
    assert done.verdict == "supported"


def test_two_sources_that_disagree_correct_nothing() -> None:
    both = (passage("The fee is 30 euros per month."), passage("The fee is 40 euros per month.", "/d/b.txt"))
    done = review("The fee is 50 euros per month.", both, "What is the fee?")
    assert (done.answer, done.verdict) == ("The fee is 50 euros per month.", "unsupported")


def test_number_of_the_thing_that_was_asked_about_is_right() -> None:
    models = (
        passage("The X100 has a warranty of 24 months. It weighs 3 kg.", heading="X100"),
        passage("The X200 has a warranty of 36 months. It weighs 5 kg.", "/d/b.txt", heading="X200"),
    )
    for answer in ("The X200 has a warranty of 36 months.", "The warranty is 36 months.", "36 months"):
        done = review(answer, models, "How long is the warranty of the X200?")
        assert (done.answer, done.verdict) == (answer, "supported")
    done = review("The X200 weighs 3 kg.", models, "How heavy is the X200?")
    assert done.answer == "The X200 weighs 5 kg."


def test_bare_number_from_a_sentence_about_something_else_is_flagged() -> None:
    assert reviewed("The answer is: 350.", "How long is the warranty?").verdict == "unsupported"
    assert reviewed("The answer is: 350.", "How many employees does it have?").verdict == "supported"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It costs $12.5 million.", [("12500000", "dollar", "$12.5 million")]),
        ("On 9 June 1876", [("9", "day:jun", "9"), ("1876", "year", "1876")]),
        ("from 12 to 24 months", [("12", "month", "12"), ("24", "month", "24 months")]),
        ("38,5 Stunden", [("38.5", "hour", "38,5 Stunden")]),
        ("1,400 workers", [("1400", "count:worker", "1,400")]),
        ("thirty-five percent", [("35", "percent", "thirty-five percent")]),
        ("資本金は3億円です", [("3", "億円", "3億円")]),
        ("10 km/h", [("10", "km/h", "10 km/h")]),
        ("about 7", [("7", "", "7")]),
    ],
)
def test_quantities_have_value_unit_and_place(text: str, expected: list[tuple[str, str, str]]) -> None:
    found = read_quantities(text, read_tokens(text))
    assert [(one.value, one.unit, text[one.start : one.end]) for one in found] == expected


# ---------------------------------------------------------------- names and words


@pytest.mark.parametrize(
    "answer",
    [
        "For service, contact Peter Schmidt in Berlin.",
        "For service, contact Jonas Abel in Berlin.",
        "For service, contact Maria Keller in Munich.",
        "For service, contact Maria Abel in Berlin.",
        "The technical director is Maria Keller.",
        "The company was founded in 1987 in Berlin.",
        "Reparaturen führt die Firma Bosch aus.",
        "修理は札幌サービスセンターで受け付けます。",
        "Revenue fell by 8.5 percent to $12.5 million in 2023.",
        "Admission is 12 dollars for adults, and a guided tour is included in the ticket.",
    ],
)
def test_swapped_name_or_added_claim_is_flagged(answer: str) -> None:
    done = reviewed(answer, "Tell me about it.")
    assert done.answer == answer
    assert [sentence.supported for sentence in done.sentences] == [False]
    assert done.citations == ()


def test_part_of_a_name_is_enough() -> None:
    text = "Edith Varga was born in Szeged. Varga studied chemistry in Vienna. She retired in 1967."
    for answer in (
        "Edith Varga studied chemistry in Vienna.",
        "Varga was born in Szeged.",
        "Edith Varga retired in 1967.",
    ):
        assert review(answer, [passage(text)], "Who was she?").verdict == "supported", answer


def test_items_of_a_list_are_supported_together() -> None:
    text = "Larkspur runs on Linux, Windows and macOS. The installer takes 85 MB."
    done = review("- Linux\n- Windows\n- macOS", [passage(text)], "Which platforms are supported?")
    assert [sentence.supported for sentence in done.sentences] == [True, True, True]
    assert len(done.citations) == 3
    done = review("- Linux\n- Windows\n- Android", [passage(text)], "Which platforms are supported?")
    assert done.verdict != "supported"


# ---------------------------------------------------------------- sums


@pytest.mark.parametrize(
    ("said", "right"),
    [
        ("12 x 3 = 38", "12 x 3 = 36"),
        ("So 12 + 30 is 45 euros.", "So 12 + 30 is 42 euros."),
        ("12 times 3 is 38.", "12 times 3 is 36."),
        ("1,200 + 300 = 1,600", "1,200 + 300 = 1,500"),
        ("$12 x 3 = $38", "$12 x 3 = $36"),
        ("20% of 50 is 12.", "20% of 50 is 10."),
        ("(2 + 3) x 4 = 21", "(2 + 3) x 4 = 20"),
        ("10 / 3 = 4", "10 / 3 = 3.33"),
        ("1 + 1 = 3 and 2 + 2 = 5", "1 + 1 = 2 and 2 + 2 = 4"),
    ],
)
def test_wrong_sum_is_recomputed(said: str, right: str) -> None:
    assert correct_sums(said).text == right
    assert reviewed(said).answer == right
    assert review(said, (), "").answer == right


@pytest.mark.parametrize(
    "said",
    [
        "12 x 3 = 36", "10 / 3 = 3.33", "10 / 3 = 3.3", "2 / 3 = 0.67", "1234 x 5678 is about 7,000,000",
        "2020-21 = 5", "24/7 = 168", "2024-05-01 = 5", "call 555-1234 is 5", "Ages 5 - 10 are 7 percent", "v1.2-3 = 7",
        "The 4 x 4 is 2 tonnes heavier", "Chapters 3 + 4 are 20 pages", "1.200 + 300 = 1.500", "3 / 4 = 75%",
        "7 / 2 = 3 remainder 1", "2 + 3 = 4 + 1", "1200 x 1200 = 1.44 million", "5 / 0 = 0", "1/2 + 1/4 = 3/4",
        "10 / 4 = 2,5",
    ],
)  # fmt: skip
def test_right_sum_and_what_only_looks_like_one_stay(said: str) -> None:
    assert correct_sums(said).text == said
    assert correct_sums(said).notes == ()


def test_a_recomputed_sum_is_noted_and_claims_nothing() -> None:
    (sentence,) = reviewed("12 x 3 = 38").sentences
    assert sentence.correction == "12 x 3 is 36, not 38."
    assert (sentence.original, sentence.supported) == ("12 x 3 = 38", None)


def test_a_wrong_sum_of_the_source_is_quoted_as_it_is() -> None:
    assert correct_sums("It says 2 + 2 = 5.", ["The party says 2 + 2 = 5."]).text == "It says 2 + 2 = 5."


# ---------------------------------------------------------------- verdicts


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ("The warranty lasts 24 months.", "supported"),
        ("Sure! Here is the answer: the warranty lasts 24 months.", "supported"),
        ("The warranty lasts 24 months. It can be prolonged for a fee.", "partly"),
        ("It can be prolonged for a fee.", "unsupported"),
        ("Sure, it can be prolonged for a fee.", "unsupported"),
        ("The documents do not say whether it can be prolonged.", "refused"),
        ("I'm sorry, but I don't know.", "refused"),
        ("The price is not mentioned in the manual.", "refused"),
        ("The manual doesn't mention the price. It is probably high because of the strong motor.", "refused"),
        ("The price is not stated, but the warranty lasts 24 months.", "supported"),
        ("Das ist im Text nicht angegeben.", "refused"),
        ("価格については記載されていません。", "refused"),
        ("Hello! How can I help you?", "unchecked"),
        ("I hope this helps.", "unchecked"),
        ("Yes.", "unchecked"),
        ("", "unchecked"),
        ("# The warranty lasts 99 months\n\n```\n12 months\n```", "unchecked"),
    ],
)
def test_verdict_sums_up_the_sentences(answer: str, verdict: str) -> None:
    assert reviewed(answer, "How long is the warranty?").verdict == verdict


def test_yes_no_question_is_answered_by_its_own_words() -> None:
    assert reviewed("Yes, batteries are covered.", "Are batteries covered?").verdict == "supported"
    assert reviewed("Yes, pets are allowed.", "Are pets allowed?").verdict == "unsupported"


@pytest.mark.parametrize("passages", [(), (passage(""),), (passage(" \n"),)])
def test_without_passages_nothing_is_checked(passages: tuple[Passage, ...]) -> None:
    done = review("The warranty lasts 99 months. 2 + 2 = 5.", passages, "How long?")
    assert done.answer == "The warranty lasts 99 months. 2 + 2 = 4."
    assert [sentence.supported for sentence in done.sentences] == [None, None]
    assert (done.verdict, done.citations) == ("unchecked", ())


def test_citations_are_those_of_the_supported_sentences() -> None:
    answer = "The warranty lasts 12 months. Contact Jonas Abel in Berlin. The company has 350 employees [7]."
    done = reviewed(answer, "What is known?")
    assert [sentence.supported for sentence in done.sentences] == [True, False, True]
    assert [citation.number for citation in done.citations] == [1, 2]
    aligned = {citation.snippet for citation in align(done.answer, PASSAGES, question="What is known?")}
    assert {citation.snippet for citation in done.citations} <= aligned
    pages = review(answer, PASSAGES, "What?", page_of=lambda path, offset: 9).citations
    assert {citation.page for citation in pages} == {9}


# ---------------------------------------------------------------- any input


@pytest.mark.parametrize("seed", range(40))
def test_a_second_review_changes_nothing(seed: int) -> None:
    random_ = random.Random(seed)
    words = " ".join(one.text for one in PASSAGES).split()
    words += ["12", "months.", "3 + 4 = 8.", "\n- ", "# ", "```\n", "[1]", "Maria", "€", "１２", "not", "\ud800", "\0"]
    answer = " ".join(random_.choices(words, k=60))
    first = reviewed(answer)
    second = reviewed(first.answer)
    assert second.answer == first.answer
    assert [len(split_sentences(first.answer))] >= [len(first.sentences)]


@pytest.mark.parametrize("piece", "a|1|(|1,|1.|1 + |€|漢|カ12か月|Abc |and |a, |5 % of |does not |- 1\n|\n".split("|"))
def test_hostile_input_is_reviewed_all_the_same(piece: str) -> None:
    hostile = (piece * 20_000)[:20_000]
    assert reviewed(hostile, hostile[:2_000]).answer.strip()[:1] == hostile.strip()[:1]
    done = review("The rent is 950 pounds.", [passage(hostile[:4_000])], "What is the rent?")
    assert done.verdict in ("unsupported", "unchecked")
