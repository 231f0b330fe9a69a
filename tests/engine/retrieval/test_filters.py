"""Documents, kinds, folders and times that a question names limit where it is searched."""

from __future__ import annotations

from datetime import datetime

import pytest

from engine.retrieval.filters import DocumentInfo, Filters, Names, read_scope, read_typed

FOLDER = "/home/u/Docs/"
FILES = (
    "report.pdf",
    "lease.pdf",
    "Travel Policy.md",
    "my report.pdf",
    "budget.xlsx",
    "a.pdf",
    "Brightwater Coffee Machine Manual.pdf",
    "contracts/Acme_Contract-2023.docx",
    "contracts/old/lease.pdf",
    "re\u0301sume\u0301.pdf",
    "就業規則.pdf",
    "(x+)+$.txt",
    "Mietvertrag.pdf",
)
NAMES = Names([DocumentInfo(FOLDER + file) for file in FILES])


def paths(*files: str) -> tuple[str, ...]:
    return tuple(FOLDER + file for file in files)


def begin(year: int, month: int = 1, day: int = 1) -> float:
    return datetime(year, month, day).timestamp()


TYPED = {
    "from:report.pdf what is due": Filters(documents=paths("report.pdf")),
    "what is due FROM:REPORT.PDF": Filters(documents=paths("report.pdf")),
    'from:"my report.pdf" what is due': Filters(documents=paths("my report.pdf")),
    "from:travel-policy what is due": Filters(documents=paths("Travel Policy.md")),
    'from:"travel policy" what is due': Filters(documents=paths("Travel Policy.md")),
    "from:lease what is due": Filters(documents=paths("lease.pdf", "contracts/old/lease.pdf")),
    "from:old/lease.pdf what is due": Filters(documents=paths("contracts/old/lease.pdf")),
    "from:manual what is due": Filters(documents=paths("Brightwater Coffee Machine Manual.pdf")),
    "from:a.pdf what is due": Filters(documents=paths("a.pdf")),
    "from:résumé what is due": Filters(documents=paths("re\u0301sume\u0301.pdf")),
    "from:(x+)+$.txt what is due": Filters(documents=paths("(x+)+$.txt")),
    "from:report.pdf,budget what is due": Filters(documents=paths("report.pdf", "budget.xlsx")),
    "from:report.pdf from:budget what is due": Filters(documents=paths("report.pdf", "budget.xlsx")),
    "in:contracts/ what is due": Filters(folders=("/home/u/Docs/contracts",)),
    "in:contracts/old what is due": Filters(folders=("/home/u/Docs/contracts/old",)),
    "in:report.pdf what is due": Filters(documents=paths("report.pdf")),
    "type:pdf what is due": Filters(kinds=("pdf",)),
    "type:.PDF what is due": Filters(kinds=("pdf",)),
    "type:word what is due": Filters(kinds=("docx",)),
    "after:2023-01-01 what is due": Filters(after=begin(2023)),
    "before:2024 what is due": Filters(before=begin(2024)),
    "after:2023-06 before:2023-06-15 what is due": Filters(after=begin(2023, 6), before=begin(2023, 6, 15)),
    "type:pdf in:contracts what is due": Filters(kinds=("pdf",), folders=("/home/u/Docs/contracts",)),
}

PLAIN: dict[str, tuple[str, Filters]] = {
    "What is due in report.pdf?": ("What is due?", Filters(documents=paths("report.pdf"))),
    "According to the travel policy, what is due?": ("what is due?", Filters(documents=paths("Travel Policy.md"))),
    "What is due according to Travel_Policy.md?": ("What is due?", Filters(documents=paths("Travel Policy.md"))),
    "What does the travel policy say about hotels?": ("hotels?", Filters(documents=paths("Travel Policy.md"))),
    "Does the budget mention hotels?": ("Does the budget mention hotels?", Filters(documents=paths("budget.xlsx"))),
    "Who signed report.pdf?": ("Who signed report?", Filters(documents=paths("report.pdf"))),
    "What is due in report.pdf and budget.xlsx?": (
        "What is due?",
        Filters(documents=paths("report.pdf", "budget.xlsx")),
    ),
    "What does the manual say about descaling?": (
        "descaling?",
        Filters(documents=paths("Brightwater Coffee Machine Manual.pdf")),
    ),
    "according to the Acme contract, what is due?": (
        "what is due?",
        Filters(documents=paths("contracts/Acme_Contract-2023.docx")),
    ),
    "draft a reply using the travel policy": ("draft a reply", Filters(documents=paths("Travel Policy.md"))),
    "search budget.xlsx for hotels": ("hotels", Filters(documents=paths("budget.xlsx"))),
    "What is due in the PDFs?": ("What is due?", Filters(kinds=("pdf",))),
    "What is due in the Word documents?": ("What is due?", Filters(kinds=("docx",))),
    "What is due in the contracts folder?": ("What is due?", Filters(folders=("/home/u/Docs/contracts",))),
    "in the folder contracts, what is due?": ("what is due?", Filters(folders=("/home/u/Docs/contracts",))),
    "In my documents, what is due?": ("what is due?", Filters()),
    "What do my documents say about tax?": ("tax?", Filters()),
    "Search my files for the deposit": ("the deposit", Filters()),
    "Laut Mietvertrag, wie hoch ist die Miete?": (
        "wie hoch ist die Miete?",
        Filters(documents=paths("Mietvertrag.pdf")),
    ),
    "Selon report.pdf, quel est le total ?": ("quel est le total ?", Filters(documents=paths("report.pdf"))),
    "就業規則によると残業は何時間ですか？": ("残業は何時間ですか？", Filters(documents=paths("就業規則.pdf"))),
    "根据report.pdf，总额是多少？": ("总额是多少？", Filters(documents=paths("report.pdf"))),
}

UNTOUCHED = (
    "What is a good budget?",
    "How long does it take in France?",
    "Who lives in the report building?",
    "Give me a budget",
    "What is due in other.pdf?",
    "Where is my-a.pdf?",
    "What is data.pdf?",
    "a bird in the hand",
    "What is the rent in the presentations?",
    "What happened in the harbour folder?",
)


@pytest.mark.parametrize(("question", "filters"), TYPED.items())
def test_filter_words_leave_the_question(question: str, filters: Filters) -> None:
    scope = read_typed(question, NAMES)
    assert (scope.text, scope.filters, scope.problem) == ("what is due", filters, "")
    assert scope.is_typed


@pytest.mark.parametrize(("question", "expected"), PLAIN.items())
def test_plain_words_name_where_to_look(question: str, expected: tuple[str, Filters]) -> None:
    scope = read_scope(question, NAMES)
    assert (scope.text, scope.filters) == expected


@pytest.mark.parametrize("question", UNTOUCHED)
def test_words_that_name_nothing_of_the_library_stay(question: str) -> None:
    assert read_scope(question, NAMES).text == question
    assert read_scope(question, NAMES).filters == Filters()


@pytest.mark.parametrize("question", ["author:smith what", "after:banana what", "from: Peter", "http://in:x", "what"])
def test_words_that_are_no_filters_stay(question: str) -> None:
    scope = read_typed(question, NAMES)
    assert (scope.text, scope.filters, scope.is_typed) == (question, Filters(), False)


@pytest.mark.parametrize(
    ("question", "problem"),
    [
        ("from:nothing.pdf what", 'No document in the library is called "nothing.pdf"'),
        ("in:nowhere/ what", 'No folder in the library is called "nowhere/"'),
        ("type:xyz what", "The library holds no document of the type xyz."),
        ("after:2023-13-45 what", '"2023-13-45" is no date'),
    ],
)
def test_filter_that_matches_nothing_is_told(question: str, problem: str) -> None:
    scope = read_typed(question, NAMES)
    assert scope.problem.startswith(problem)
    assert scope.problem.endswith(".")
    assert scope.text == "what"


def test_file_called_a_is_not_every_a() -> None:
    assert NAMES.mentions("Is there a pdf with a plan?") == ()
    (mention,) = NAMES.mentions("Is it in a.pdf?")
    assert mention.paths == paths("a.pdf")


def test_longest_name_wins() -> None:
    (mention,) = NAMES.mentions("Summarise my report.pdf")
    assert mention.paths == paths("my report.pdf")


def test_windows_paths_are_read() -> None:
    names = Names([DocumentInfo("C:\\Users\\u\\Contracts\\Lease.pdf")])
    assert names.called("lease") == ("C:\\Users\\u\\Contracts\\Lease.pdf",)
    assert names.folders("contracts") == ("C:\\Users\\u\\Contracts",)


def test_many_filter_words_end() -> None:
    scope = read_typed("from:report.pdf " * 50, NAMES)
    assert scope.filters.documents == paths("report.pdf")
    assert scope.text.startswith("from:report.pdf")


def test_empty_library_has_no_names() -> None:
    names = Names([])
    assert names.mentions("report.pdf") == ()
    assert names.only == ()
    assert read_scope("What is due in report.pdf?", names).filters == Filters()


def test_joined_filters_keep_their_own_conditions() -> None:
    typed = Filters(documents=("x",), after=1.0)
    assert typed.joined(Filters(documents=("y",), kinds=("pdf",))) == Filters(
        documents=("x",), kinds=("pdf",), after=1.0
    )


@pytest.mark.parametrize(
    ("text", "filters"),
    [
        ("search only the pdf files: heating", Filters(kinds=("pdf",))),
        ("look only in report.pdf: heating", Filters(documents=paths("report.pdf"))),
        ("search only the travel policy: heating", Filters(documents=paths("Travel Policy.md"))),
        ("search the contracts folder for heating", Filters(folders=("/home/u/Docs/contracts",))),
    ],
)
def test_only_place_to_search_is_taken_from_a_question(text: str, filters: Filters) -> None:
    scope = read_scope(text, NAMES)
    assert scope.filters == filters
    assert scope.text.endswith("heating")
