"""Which answer sentences are supported, by which words of which passage, and which are not."""

import random
from collections.abc import Sequence

import pytest

from engine.messages import Citation, Passage
from engine.retrieval.citations import align

WARRANTY = (
    "This product comes with a warranty of 24 months from the date of purchase. The warranty does not cover water "
    "damage. Batteries are covered for 12 months only. For service, contact Maria Keller in Berlin at extension 4711."
)
COMPANY = (
    "The company was founded in 1987 in Hamburg. It has 350 employees. Its revenue was 12.5 million euros in 2023. "
    "The head office moved to Leipzig last year."
)
SEARCH = (
    "Hybrid search combines a vector ranking with BM25. Both rankings are fused by reciprocal rank fusion, with a "
    "constant of 60. The library holds up to 100,000 chunks."
)
JAPANESE = "本製品の保証期間は購入日から24か月です。電池の保証は12か月です。水濡れによる故障は保証の対象外です。"
CHINESE = "公司成立于1987年，总部位于上海。员工共有350人。"


def passage(text: str, path: str = "/d/a.pdf", start: int = 0, page: int | None = 1, heading: str = "") -> Passage:
    return Passage(f"{path}:{start}", path, text, page, heading, start, start + len(text), 1.0)


PASSAGES = (
    passage(WARRANTY, "/d/手引き ü.pdf", start=1000, page=7, heading="Warranty"),
    passage(COMPANY, "/d/company.md", page=None),
    passage(SEARCH, "/d/search.pdf", start=50, page=4, heading="Search"),
    passage(JAPANESE, "/d/日本.txt", start=300, page=2),
    passage(CHINESE, "/d/中文.txt", page=None),
)


def snippets(answer: str, question: str = "", passages: Sequence[Passage] = PASSAGES) -> list[str]:
    return [citation.snippet for citation in align(answer, passages, question=question)]


def check_offsets(citations: Sequence[Citation], passages: Sequence[Passage], answer: str) -> None:
    """Assert that every citation names a real place, word for word."""
    for citation in citations:
        holders = [
            one.text[citation.start - one.start : citation.end - one.start]
            for one in passages
            if one.path == citation.path and one.start <= citation.start and citation.end <= one.end
        ]
        assert citation.snippet in holders
        assert answer[citation.answer_start : citation.answer_end].strip()
        assert 0.0 < citation.support <= 1.0


@pytest.mark.parametrize(
    ("question", "answer", "snippet"),
    [
        ("How long is the warranty?", "The warranty lasts 24 months.", "a warranty of 24 months"),
        ("How long is the warranty?", "24 months", "a warranty of 24 months"),
        ("How long is the warranty?", "It is twenty-four months.", "a warranty of 24 months"),
        ("How long is the warranty?", "The warranty is 24 months, from the date of purchase.", "date of purchase."),
        ("How long are batteries covered?", "Batteries are covered for 12 months.", "Batteries are covered for 12"),
        ("What is excluded?", "It doesn't cover water damage.", "does not cover water damage."),
        ("Whom do I contact?", "Contact Maria Keller in Berlin.", "contact Maria Keller in Berlin"),
        ("Whom do I contact?", "Her extension is 4711.", "extension 4711."),
        ("When was the company founded?", "The company was founded in 1987.", "founded in 1987"),
        ("When was the company founded?", "1987", "founded in 1987"),
        ("How many work there?", "The company has 350 employees.", "It has 350 employees."),
        ("What was the revenue?", "The revenue was €12,500,000.", "Its revenue was 12.5 million euros"),
        ("Where is the head office?", "It moved to Leipzig.", "moved to Leipzig"),
        (
            "How does search work?",
            "- **Reciprocal rank fusion** fuses both rankings",
            "fused by reciprocal rank fusion",
        ),
        ("How large can it be?", "Up to 100000 chunks.", "up to 100,000 chunks."),
        ("保証期間はどのくらいですか？", "保証期間は24か月です。", "本製品の保証期間は購入日から24か月です。"),
        ("電池の保証は？", "電池の保証は12か月です。", "電池の保証は12か月です。"),
        ("何が対象外ですか？", "水濡れによる故障は対象外です。", "水濡れによる故障は保証の対象外です。"),
        ("公司总部在哪里？", "公司总部位于上海。", "公司成立于1987年，总部位于上海。"),
        ("员工有多少人？", "共有350人。", "员工共有350人。"),
    ],
)
def test_supported_sentence_is_cited(question: str, answer: str, snippet: str) -> None:
    found = snippets(answer, question)
    assert len(found) == 1
    assert snippet in found[0]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("How long is the warranty?", "The warranty lasts 36 months."),
        ("How long is the warranty?", "The warranty lasts 12 months."),
        ("How long is the warranty?", "12 months"),
        ("How long is the warranty?", "The warranty lasts 24 years."),
        ("How long is the warranty?", "The warranty lasts 24 months and costs 99 euros."),
        ("How long are batteries covered?", "Batteries are covered for 24 months."),
        ("Does the warranty last 36 months?", "Yes, it lasts 36 months from the date of purchase."),
        ("What is covered?", "The warranty covers water damage."),
        ("Whom do I contact?", "Contact Peter Schmidt in Munich."),
        ("Where does Maria Keller work?", "Maria Keller works in Munich."),
        ("When was the company founded?", "The company was founded in 1988."),
        ("What was the revenue?", "The revenue was 12.5 billion euros."),
        ("保証期間はどのくらいですか？", "保証期間は36か月です。"),
        ("保証期間はどのくらいですか？", "保証期間は12か月です。"),
        ("公司总部在哪里？", "公司总部位于北京。"),
        ("How long is the warranty?", "How long is the warranty?"),
        ("How long is the warranty?", "The warranty is long."),
        ("What does the warranty of the product cover?", "The warranty of the product covers it."),
        ("Is there water damage?", "Yes."),
        ("Why?", "Sure, here is the answer:"),
        ("What is a quark?", "Quarks are elementary particles that form protons."),
        ("Who?", "I don't know."),
        ("Who?", "I do not know who covers water damage."),
        ("Who?", "The documents do not say how long the warranty covers batteries."),
        ("Who?", "There is no information about the warranty of batteries."),
        ("Who?", "The extension of Maria Keller is not mentioned."),
        ("Who?", "保証については記載されていません。"),
        ("Show me", "```\nThe warranty lasts 24 months.\n```"),
        ("Show me", "# Warranty of 24 months"),
        ("How long?", "The company was founded and the rankings were batteries of water."),
        ("", ""),
        ("", "...  \n\n"),
    ],
)
def test_unsupported_sentence_is_not_cited(question: str, answer: str) -> None:
    assert snippets(answer, question) == []


def test_citation_names_place_page_and_sentence() -> None:
    answer = "Yes. The warranty lasts 24 months [3]. Ask again!"
    (citation,) = align(answer, PASSAGES, question="How long is the warranty?")
    snippet = "This product comes with a warranty of 24 months from the date of purchase."
    assert (citation.number, citation.path, citation.page) == (1, "/d/手引き ü.pdf", 7)
    assert (citation.snippet, citation.start, citation.end) == (snippet, 1000, 1000 + len(snippet))
    assert answer[citation.answer_start : citation.answer_end] == "The warranty lasts 24 months [3]."


def test_sentence_built_from_two_neighbours_cites_both() -> None:
    (found,) = snippets("The company, founded in 1987 in Hamburg, has 350 employees.", "Tell me about it")
    assert found == "The company was founded in 1987 in Hamburg. It has 350 employees."


def test_one_sentence_is_preferred_to_a_run() -> None:
    assert snippets("Batteries are covered for 12 months.", "How long?") == [
        "Batteries are covered for 12 months only."
    ]


def test_snippets_are_numbered_in_the_order_of_their_first_use() -> None:
    answer = "It has 350 employees. Batteries are covered for 12 months. Again, it has 350 employees."
    citations = align(answer, PASSAGES, question="What do you know?")
    assert [citation.number for citation in citations] == [1, 2, 1]
    assert citations[0].snippet == citations[2].snippet
    assert citations[0].answer_start < citations[1].answer_start < citations[2].answer_start


def test_same_sentence_in_two_overlapping_chunks_is_one_snippet() -> None:
    text = "Intro of the manual. The pump needs 40 litres of oil. Check the oil level weekly."
    begin = text.index("The pump")
    chunks = (passage(text[: begin + 33], end_path := "/d/pump.pdf"), passage(text[begin:], end_path, start=begin))
    answer = "The pump needs 40 litres of oil. So 40 litres of oil go into the pump."
    citations = align(answer, chunks, question="How much?")
    assert [citation.number for citation in citations] == [1, 1]
    assert {(citation.start, citation.end) for citation in citations} == {(begin, begin + 32)}
    check_offsets(citations, chunks, answer)


def test_snippet_inside_a_longer_one_shares_its_number() -> None:
    answer = "The company, founded in 1987 in Hamburg, has 350 employees. It has 350 employees."
    citations = align(answer, PASSAGES, question="Tell me about it")
    assert [citation.number for citation in citations] == [1, 1]


def test_same_words_in_two_documents_stay_two_places() -> None:
    both = (passage("The fee is 30 euros per month.", "/a.txt"), passage("The fee is 30 euros per month.", "/b.txt"))
    citations = align("The fee is 30 euros per month.", both, question="What does it cost?")
    assert [citation.path for citation in citations] == ["/a.txt"]


def test_at_most_so_many_different_snippets_are_kept_the_best_ones() -> None:
    facts = [
        f"The {colour} engine delivers {power} kilowatts."
        for power, colour in enumerate(("red", "green", "blue", "yellow", "purple", "orange", "brown", "silver"), 11)
    ]
    source = (passage(" ".join(facts)),)
    answer = " ".join(facts)
    assert len({citation.number for citation in align(answer, source, question="Which?")}) == 5
    limited = align(answer, source, 2, question="Which?")
    assert sorted({citation.number for citation in limited}) == [1, 2]
    assert align(answer, source, 0) == ()


def test_page_of_finds_the_page_where_a_chunk_spans_several() -> None:
    asked: list[tuple[str, int]] = []

    def page_of(path: str, offset: int) -> int | None:
        asked.append((path, offset))
        return 8

    (citation,) = align("Batteries are covered for 12 months.", PASSAGES, question="How long?", page_of=page_of)
    assert citation.page == 8
    assert asked == [(citation.path, citation.start)]


def test_page_of_the_chunk_stands_where_no_better_one_is_known() -> None:
    (citation,) = align(
        "Batteries are covered for 12 months.", PASSAGES, question="How long?", page_of=lambda path, offset: None
    )
    assert citation.page == 7
    (citation,) = align("It has 350 employees.", PASSAGES, question="How many?")
    assert citation.page is None


def test_markers_of_the_model_are_not_trusted() -> None:
    assert snippets("Quarks are elementary particles [1].", "What are quarks?") == []
    plain = align("The warranty lasts 24 months.", PASSAGES, question="How long?")
    marked = align("The warranty lasts 24 months [5][2].", PASSAGES, question="How long?")
    assert [citation.snippet for citation in marked] == [citation.snippet for citation in plain]


def test_marker_in_a_passage_is_no_number() -> None:
    source = (passage("The tower is very tall.[24] It opened to the public after long works."),)
    assert snippets("The tower opened to the public after 24 works.", "When?", source) == []


def test_heading_tells_what_a_passage_is_about() -> None:
    sources = (
        passage("Charging takes 3 hours.", "/d/scooter.md", heading="Scooter"),
        passage("Charging takes 3 hours.", "/d/drone.md", heading="Drone"),
    )
    (citation,) = align("Charging takes 3 hours.", sources, question="How long does the drone take to charge?")
    assert citation.path == "/d/drone.md"


def test_no_passages_give_no_citations() -> None:
    assert align("The warranty lasts 24 months.", ()) == ()
    assert align("The warranty lasts 24 months.", (passage(""), passage(" \n"))) == ()


@pytest.mark.parametrize("seed", range(60))
def test_every_snippet_is_verbatim_at_its_offsets(seed: int) -> None:
    random_ = random.Random(seed)
    texts = [WARRANTY, COMPANY, SEARCH, JAPANESE, CHINESE]
    words = " ".join(texts).split()
    whole = " ".join(random_.choices([*words, "\n", "\n\n- ", "# ", "[1]", "```\n"], k=400))
    passages = []
    for number in range(5):
        begin = random_.randrange(len(whole) - 300)
        passages.append(passage(whole[begin : begin + 300], f"/d/{number % 2}.txt", begin, number))
    answer = ". ".join(" ".join(random_.choices(words, k=8)) for _ in range(6)) + ". " + whole[500:700]
    citations = align(answer, passages, question="What?")
    check_offsets(citations, passages, answer)
    assert all(whole[citation.start : citation.end] == citation.snippet for citation in citations)
    assert [citation.answer_start for citation in citations] == sorted(citation.answer_start for citation in citations)
    numbers = list(dict.fromkeys(citation.number for citation in citations))
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) <= 5


def test_random_answers_do_find_something() -> None:
    for source in (WARRANTY, COMPANY, SEARCH):
        assert align(source, PASSAGES, question="?")
