"""Questions about the library, and about what is written in it."""

import pytest

from engine.messages import Document, DocumentStatus
from engine.rules import Rules
from tests.engine.rules.conftest import DOCUMENTS, make_rules

READY, FAILED, EMBEDDING = DocumentStatus.READY, DocumentStatus.FAILED, DocumentStatus.EMBEDDING


@pytest.mark.parametrize(
    "question",
    [
        "Which documents do you have?",
        "what files do you have in the library",
        "Which documents can you see?",
        "what documents have you read?",
        "List my documents",
        "list all documents",
        "show me all my files",
        "Which files are indexed?",
        "which files were indexed",
        "what is in my library?",
        "What are my documents?",
        "which documents are there",
        "Please list the documents in your library",
    ],
)
def test_documents_are_listed(rules: Rules, question: str) -> None:
    assert rules.answer(question) == (
        "Your library holds 3 documents:\n\n"
        "- `Handbook 2024.pdf` (9 pages)\n- `notes.md`\n- `契約書.docx` (4 pages)\n\n"
        '2 could not be read: ask "which files failed?" for the reasons.'
    )


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("How many documents do you have?", "Your library holds 3 documents. 2 could not be read"),
        ("how many files are there", "Your library holds 3 documents. 2 could not be read"),
        ("how many PDFs are in my library", "Your library holds 3 documents. 2 could not be read"),
        ("How big is my library?", "Your library holds 3 documents. 2 could not be read"),
        ("How many pages do you have?", "Your library holds 13 pages in 2 documents. 1 other document has no pages."),
        ("how many pages are indexed", "Your library holds 13 pages in 2 documents. 1 other document has no pages."),
        ("how many passages are in the library", "Your library holds 20 passages from 3 documents."),
        ("Is Handbook 2024.pdf indexed?", "`Handbook 2024.pdf` is in your library (9 pages, 12 passages)."),
        ("is handbook 2024 in my library", "`Handbook 2024.pdf` is in your library (9 pages, 12 passages)."),
        ("Is the file “notes.md” ready yet?", "`notes.md` is in your library (3 passages)."),
        ("have you read 契約書.docx", "`契約書.docx` is in your library (4 pages, 5 passages)."),
        ("is scan.pdf indexed", "`scan.pdf` could not be read: The file is \\*encrypted\\*: remove its password."),
        ("Is missing.pdf indexed?", "`missing.pdf` is not in your library."),
        ("is gone.txt in the library", "`gone.txt` is not in your library."),
        ("Which files failed?", "2 files could not be read:\n\n- `scan.pdf` (failed): The file is"),
        ("which documents could not be read", "2 files could not be read:"),
        ("what files weren't indexed?", "2 files could not be read:"),
        ("did any files fail", "2 files could not be read:"),
        ("Which files were skipped?", "1 file could not be read:\n\n- `photo.raw` (skipped): Files of this kind"),
        ("Why did scan.pdf fail?", "`scan.pdf` could not be read: The file is"),
        ("why was photo.raw skipped", "`photo.raw` was skipped: Files of this kind are not read."),
        ("why could you not read scan.pdf", "`scan.pdf` could not be read: The file is"),
        ("Are all my documents indexed?", "Indexing is done: 3 of 5 documents are ready. 2 could not be read"),
        ("is indexing finished", "Indexing is done: 3 of 5 documents are ready."),
    ],
)
def test_library_is_described(rules: Rules, question: str, expected: str) -> None:
    answer = rules.answer(question)
    assert answer is not None
    assert answer.startswith(expected)


@pytest.mark.parametrize(
    "question",
    [
        "Which documents do I need for a visa?",
        "what documents are required",
        "What are the documents?",
        "list the documents needed for registration",
        "list the documents",
        "Which documents mention the warranty?",
        "what files does the compiler write",
        "How many pages does the handbook have?",
        "how many pages are there",
        "number of pages",
        "how many documents were signed in Versailles",
        "How many files can I open at once?",
        "Is gold indexed?",
        "is the salary indexed",
        "is dinner ready",
        "is Belle in the library",
        "was Node.js loaded",
        "do you have a dog",
        "have you read War and Peace",
        "Which engines failed?",
        "what failed",
        "which candidates were skipped",
        "why did the Roman Empire fail",
        "Why did the negotiation fail?",
        "what is in the contract",
        "What is in the library of Alexandria?",
        "show me the invoice",
        "is the index rising",
        "what is an index",
    ],
)
def test_questions_about_other_things_are_left_to_the_model(rules: Rules, question: str) -> None:
    assert rules.answer(question) is None


@pytest.mark.parametrize(
    "question",
    ["which documents do you have", "how many pages do you have", "which files failed", "are all documents indexed"],
)
def test_empty_library_says_how_to_fill_it(question: str) -> None:
    answer = make_rules().answer(question)
    assert answer is not None
    assert answer.startswith("Your library is empty.")


def test_library_that_is_still_being_read_says_so() -> None:
    rules = make_rules(Document("/a.pdf", READY, pages=1, chunks=1), Document("/b.pdf", EMBEDDING))
    assert rules.answer("are all documents ready") == (
        "Indexing goes on: 1 of 2 documents is ready. 1 is still being read."
    )
    assert rules.answer("is b.pdf indexed") == "`b.pdf` is still being read."
    answer = make_rules(Document("/b.pdf", EMBEDDING)).answer("which documents do you have")
    assert answer == "None of your documents is ready yet. 1 is still being read."


def test_one_document_is_counted_in_the_singular() -> None:
    rules = make_rules(Document("/a.pdf", READY, pages=1, chunks=1))
    assert rules.answer("how many documents do you have") == "Your library holds 1 document."
    assert rules.answer("how many pages do you have") == "Your library holds 1 page in 1 document."
    assert rules.answer("which files failed") == "Every file of your library could be read."
    assert rules.answer("is everything indexed") == "Indexing is done: your one document is ready."


def test_names_can_not_turn_into_markup() -> None:
    rules = make_rules(Document("/x/[a](b.c) `` <img> *.pdf", READY), Document("/x/line\nbreak.pdf", READY))
    answer = rules.answer("which documents do you have")
    assert answer is not None
    assert answer.endswith("- ```[a](b.c) `` <img> *.pdf```\n- `line break.pdf`")


def test_files_of_one_name_are_told_apart_by_their_folder() -> None:
    rules = make_rules(Document("/a/report.pdf", READY, chunks=1), Document("/b/report.pdf", FAILED, "It is empty."))
    answer = rules.answer("is report.pdf indexed")
    assert answer == "`/a/report.pdf` is in your library (1 passage). `/b/report.pdf` could not be read: It is empty."


def test_windows_paths_are_shown_by_their_name() -> None:
    rules = make_rules(Document("C:\\Users\\ü\\plan.pdf", READY, chunks=2))
    assert rules.answer("is plan.pdf indexed") == "`plan.pdf` is in your library (2 passages)."


def test_long_lists_end_with_how_many_more_there_are() -> None:
    rules = make_rules(*(Document(f"/{number:03}.txt", READY) for number in range(120)))
    answer = rules.answer("which documents do you have")
    assert answer is not None
    assert answer.count("\n- ") == 50
    assert answer.endswith("And 70 more documents; the documents panel shows them all.")


def test_library_is_asked_at_each_question() -> None:
    assert make_rules(*DOCUMENTS).answer("how many documents do you have") != make_rules().answer(
        "how many documents do you have"
    )
