"""Mentions are counted exactly: once each, as whole words, however passages overlap."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

import pytest

from engine import counting
from engine.counting import Counted, count_mentions, spellings
from engine.messages import Passage


def cut(path: str, text: str, size: int = 60, overlap: int = 25, page: int | None = None) -> list[Passage]:
    """Cut a text into passages that overlap."""
    starts = range(0, max(1, len(text) - overlap), size - overlap)
    return [
        Passage(f"{path}:{at}", path, text[at : at + size], page, "", at, min(at + size, len(text)), 0.0)
        for at in starts
    ]


def counted(term: str, texts: Mapping[str, str], documents: int | None = None, **how: int) -> Counted:
    passages = [passage for path, text in texts.items() for passage in cut(path, text, **how)]
    return count_mentions(term, "count", passages, documents or len(texts))


def mentions(term: str, text: str) -> int:
    return counted(term, {"/docs/a.txt": text}, 5).mentions


# ---------------------------------------------------------------- what a mention is


@pytest.mark.parametrize(
    ("term", "text", "number"),
    [
        ("arbitration", "Arbitration, ARBITRATION and arbitration.", 3),
        ("art", "The art of party arts.", 2),
        ("art", "A cartoon about smart artists", 0),
        ("contract", "One contract, two contracts, a contractor, contractual.", 2),
        ("policy", "A policy. Many policies.", 2),
        ("box", "A box in boxes.", 2),
        ("news", "Good news is new.", 1),
        ("Peter", "Peter met the Peters and Peter's dog.", 2),
        ("due date", "The due date, the due\n  date, the due-date, a date that is due.", 3),
        ("due date", "All due dates are overdue date lines.", 0),
        ("e-mail", "E-mail, email, e mail, e‑mails.", 4),
        ("warranty", "The war-\nranty and the warranty.", 2),
        ("resign", "He re-signs and resigns.", 1),
        ("12", "12 of 12.5 or 3.12 and 1,200 in 2012.", 1),
        ("C++", "C++ is not C.", 1),
        ("it's", "It’s late, it's late.", 2),
        ("file", "A file in a \ufb01le.", 2),
        ("Müller", "Müller, Muller, Mu\u0308ller, MÜLLER.", 3),
        ("Muller", "Müller, Muller, Mu\u0308ller.", 3),
        ("straße", "Die STRASSE, die Straße.", 2),
        ("hard", "A hard case, a ha\u00adrd one.", 2),
        ("仲裁", "本契約の仲裁条項では仲\n裁人が仲裁する。", 3),
        ("Python", "Pythonを使う。CPython。", 1),
        ("がき", "か\u3099きと、かき。", 1),
        ("보험", "보험은 생명보험이다.", 2),
        ("हिन्द", "हिन्दी और हिन्द", 1),
        ("", "Nothing at all.", 0),
        ("  ", "Nothing at all.", 0),
        (".*", "Any text.", 0),
        ("(a|b)", "a or b, and (a|b).", 1),
    ],
)
def test_mention_is_the_term_as_whole_words_whatever_its_case_and_spacing(term: str, text: str, number: int) -> None:
    assert mentions(term, text) == number


def test_decomposed_term_finds_composed_text() -> None:
    assert mentions(unicodedata.normalize("NFD", "café 보험"), "Das Café\n보험 hat offen.") == 1


def test_overlapping_passages_count_a_mention_once() -> None:
    text = "x " * 20 + "liability clause " + "y " * 20 + "liability clause " + "z " * 9
    for size in range(20, 80, 7):
        found = counted("liability clause", {"/a.txt": text}, size=size, overlap=18)
        assert found.mentions == 2


def test_same_passage_found_twice_counts_once() -> None:
    passages = cut("/a.txt", "One contract.")
    assert count_mentions("contract", "count", [*passages, *passages], 3).mentions == 1


def test_passages_that_do_not_meet_are_not_joined_into_a_mention() -> None:
    passages = [Passage("1", "/a", "our due", 1, "", 0, 7, 0.0), Passage("2", "/a", "date is", 1, "", 50, 57, 0.0)]
    assert count_mentions("due date", "count", passages, 2).mentions == 0


def test_spellings_are_what_the_index_has_to_be_asked_for() -> None:
    assert spellings("contract") == ("contract", "contracts")
    assert spellings("e-mail") == ("e-mail", "e-mails", "email", "emails")
    assert spellings(" Peter ") == ("Peter",)
    assert spellings("due  date") == ("due date",)
    assert spellings("warranties") == ("warranties",)
    assert spellings("GPT-4") == ("GPT-4", "GPT4")


# ---------------------------------------------------------------- what is said


def test_answer_counts_documents_and_mentions_most_mentions_first() -> None:
    found = counted("arbitration", {"/a.txt": "arbitration", "/b.txt": "arbitration " * 3, "/c.txt": "else"}, 12)
    assert found.answer == (
        '2 of 12 documents mention "arbitration", 4 times in all:\n\n- b.txt: 3 times\n- a.txt: once'
    )
    assert (found.documents, found.mentions) == (2, 4)


def test_list_is_by_name() -> None:
    texts = {"/b.txt": "Peter " * 3, "/a.txt": "Peter"}
    passages = [passage for path, text in texts.items() for passage in cut(path, text)]
    answer = count_mentions("Peter", "list", passages, 3).answer
    assert answer == '2 of 3 documents mention "Peter":\n\n- a.txt: once\n- b.txt: 3 times'


@pytest.mark.parametrize(
    ("texts", "documents", "intro"),
    [
        ({"/a": "x1"}, 4, '1 of 4 documents mentions "x1", once:'),
        ({"/a": "x1 x1"}, 4, '1 of 4 documents mentions "x1", twice:'),
        ({"/a": "x1", "/b": "x1"}, 2, 'All 2 documents mention "x1", twice in all:'),
        ({"/a": "x1 x1 x1"}, 1, 'Your document mentions "x1", 3 times:'),
        ({"/a": "-"}, 12, 'None of your 12 documents mentions "x1".'),
        ({"/a": "-"}, 1, 'Your document doesn\'t mention "x1".'),
    ],
)
def test_grammar_follows_the_numbers(texts: dict[str, str], documents: int, intro: str) -> None:
    assert counted("x1", texts, documents).answer.split("\n")[0] == intro


def test_empty_library_says_so() -> None:
    assert count_mentions("x", "count", (), 0) == Counted("There are no documents to search.", (), 0, 0, 0)


def test_incomplete_passages_make_it_at_least() -> None:
    found = count_mentions("x", "count", cut("/a.txt", "x"), 3, is_complete=False)
    assert found.answer.startswith("At least 1 of 3 documents")


def test_words_that_stand_apart_are_told_and_cited() -> None:
    text = "The policy is long. A hotel is part of the policy, says the hotel."
    found = counted("hotel policy", {"/a.txt": text, "/b.txt": "hotel only"}, 12, size=200)
    assert found.answer == (
        'None of your 12 documents mentions "hotel policy". '
        "1 document has all of its words, though not together:\n\n- a.txt"
    )
    assert found.citations[0].snippet == "A hotel is part of the policy, says the hotel."
    assert (found.documents, found.mentions, found.passages) == (0, 0, 0)


def test_single_word_is_never_apart() -> None:
    assert counted("art", {"/a.txt": "party"}, 2).answer == 'None of your 2 documents mentions "art".'


def test_long_list_is_cut_and_says_how_many_more() -> None:
    found = counted("x", {f"/{number:02}.txt": "x" for number in range(44)}, 50)
    lines = found.answer.split("\n- ")
    assert len(lines) == 1 + counting.MOST_LINES + 1
    assert lines[-1] == "and 14 more"
    assert len(found.citations) == counting.MOST_LINES
    assert found.documents == 44


def test_same_names_are_told_apart_by_their_folders() -> None:
    answer = counted("x", {"/old/a.txt": "x", "/new/a.txt": "x", "/new/b.txt": "x"}).answer
    assert "- a.txt (in /new): once\n- a.txt (in /old): once\n- b.txt: once" in answer


def test_markdown_in_names_and_terms_is_shown_as_it_is() -> None:
    found = counted(
        "*x*", {"/[a](b)_c_ <i>.txt": "*x*", "/# d.txt": "*x*", "/1. e\n.txt": "*x*", "/f_g & h.txt": "*x*"}
    )
    assert '"\\*x\\*"' in found.answer
    assert r"- \# d.txt" in found.answer
    assert r"- 1\. e .txt" in found.answer
    assert r"- \[a\](b)\_c\_ \<i\>.txt" in found.answer
    assert "- f_g & h.txt" in found.answer


def test_escaped_names_read_as_plain_text_in_the_window() -> None:
    markdown = pytest.importorskip("markdown_it").MarkdownIt("commonmark", {"html": False})
    names = [
        "a*b*.txt",
        "_a_ `b`.txt",
        "<b>.txt",
        "- a.txt",
        "+ a",
        "1) a",
        "&lt;.txt",
        "![a](b).txt",
        "# a",
        "> a",
        "a\\_b",
    ]
    answer = counted("x", {f"/{name}": "x" for name in names}).answer
    shown = [token.content for token in markdown.parse(answer) if token.type == "inline"]
    plain = ["".join(part.content for part in markdown.parseInline(line)[0].children) for line in shown[1:]]
    assert sorted(plain) == sorted(f"{name}: once" for name in names)


def test_invisible_characters_cannot_disguise_a_name() -> None:
    assert "- report gpj.exe" in counted("x", {"/report\u202egpj.exe": "x"}).answer


# ---------------------------------------------------------------- where it stands


def test_citations_are_verbatim_and_point_at_their_line() -> None:
    text = "First things first. The warranty is long.\n\nOther text. No warranty here! " * 3
    texts = {"/b.txt": text, "/a.txt": "My warranty."}
    found = counted("warranty", texts, 3, size=120, overlap=40)
    assert [citation.number for citation in found.citations] == [1, 2]
    for citation in found.citations:
        assert texts[citation.path][citation.start : citation.end] == citation.snippet
        line = found.answer[citation.answer_start : citation.answer_end]
        assert line in ("b.txt: 6 times", "a.txt: once")
    assert found.citations[0].snippet == "The warranty is long."


def test_mention_across_two_passages_is_cited_from_where_it_begins() -> None:
    text = "a due date"
    passages = [Passage("1", "/a", text[:6], 1, "", 0, 6, 0.0), Passage("2", "/a", text[6:], 1, "", 6, 10, 0.0)]
    found = count_mentions("due date", "count", passages, 2)
    assert (found.mentions, found.passages) == (1, 2)
    assert found.citations[0].snippet == text[:6]


def test_snippet_of_an_endless_sentence_is_bounded() -> None:
    code = "```\n" + "x = 1\n" * 900 + "warranty\n" + "y = 2\n" * 900 + "```"
    [citation] = counted("warranty", {"/a.md": code}, 2, size=20_000, overlap=0).citations
    assert "warranty" in citation.snippet
    assert len(citation.snippet) <= 2 * counting.MOST_CONTEXT + len("warranty")
    assert code[citation.start : citation.end] == citation.snippet


def test_pages_are_those_of_the_mentions() -> None:
    text = "\n".join("The warranty." if number in (2, 3, 7) else "Nothing." for number in range(1, 9))
    passages = cut("/a.pdf", text, size=30, overlap=10, page=1)
    found = count_mentions("warranty", "count", passages, 2, lambda _path, offset: text.count("\n", 0, offset) + 1)
    assert found.answer.endswith("- a.pdf: 3 times, pages 2, 3 and 7")
    assert found.citations[0].page == 2


def test_many_pages_are_cut() -> None:
    passages = [
        Passage(str(page), "/a.pdf", "warranty", page, "", page * 100, page * 100 + 8, 0.0) for page in range(1, 21)
    ]
    answer = count_mentions("warranty", "count", passages, 2).answer
    assert answer.endswith("20 times, pages 1, 2, 3, 4, 5, 6, 7, 8 and 12 more")


def test_document_without_pages_is_not_asked_for_them() -> None:
    def page_of(_path: str, _offset: int) -> int | None:
        raise AssertionError

    assert count_mentions("x", "count", cut("/a.txt", "x"), 2, page_of).citations[0].page is None
