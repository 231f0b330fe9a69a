"""What a user typed is understood without a model."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from engine.retrieval.understand import DocumentInfo, Filters, Understanding, understand

FOLDER = "/home/u/Docs/"
FILES = (
    "report.pdf",
    "lease.pdf",
    "Travel Policy.md",
    "contracts/Acme_Contract-2023.docx",
    "contracts/complaint letter.docx",
    "Brightwater Coffee Machine Manual.pdf",
    "就業規則.pdf",
    "a.pdf",
    "Mietvertrag.pdf",
)
LIBRARY = tuple(DocumentInfo(FOLDER + file) for file in FILES)
ASKED = (("How long may coffee stand?", "Coffee may stand for 30 minutes."),)
QUESTIONS = Path(__file__).resolve().parents[4] / "shared" / "data" / "questions.txt"


def ask(text: str, *history: tuple[str, str]) -> Understanding:
    return understand(text, history, LIBRARY)


def paths(*files: str) -> tuple[str, ...]:
    return tuple(FOLDER + file for file in files)


KINDS = {
    "chat": """
        hi|Hello, how are you today?|Good morning 😊|👍|lol|thanks a lot!|Thank you, that helped|ok, great, bye
        yes please|good night, see you tomorrow|That was very helpful, thank you!|You are a genius|I love you
        I'm bored|sorry, never mind|who made you?|are you a robot?|what can you do?|Who are you and what can you do?
        do you speak German?|can I trust you?|What's your favourite colour?|Which model are you?|how old are you?
        Where do you live?|Do you store my data?|is my data safe?|How does this app work?|tell me a joke
        Tell me a joke about cats|My name is Anna|let's play a game|danke!|Wer bist du?|Wie geht es dir?
        Was kannst du?|Merci beaucoup !|Comment ça va ?|Qui es-tu ?|Salut, ça va ?|Muchas gracias|¿Cómo estás?
        ¿Quién eres?|Hola, ¿qué tal?|ありがとうございます|お元気ですか？|あなたは誰ですか？|你好|谢谢！|你是谁？
        你能做什么？|Nice to meet you. I'm Tilda.|Perfect, that's exactly what I was looking for!
        Thanks for the quick reply!
        Danke, das hat mir sehr geholfen!|Vielen Dank für die Hilfe.|Merci beaucoup pour votre aide !|Happy new year!
        Bonne année !|¡Feliz año nuevo!|新年快乐|oops, wrong window|do you need an internet connection to work?
        does anything I type leave this computer?|which file formats can you read?|Are my documents sent to a server?
        Kannst du PDFs lesen?|Parles-tu allemand ?|ok thanks, I'll try that
    """,
    "conversation": """
        what did I ask first?|What was my first question?|what have we talked about so far?|Summarise our conversation
        How many questions have I asked?|list my questions|Can you repeat your last answer?|repeat that|say it shorter
        shorter please|translate your last answer into German|in German please|Can you say that in simpler words?
        put it in bullet points|as a table please|now as a list|explain that again|Explain it like I'm five
        use simpler language|Can you give me a shorter version?|could you rewrite your answer as an email?
        make it sound more formal|what do you mean?|I don't understand|are you sure?|that's wrong
        no, that is not what I asked|continue|who am I?|What did you say about the deposit?
        Where did you get this information?|summarise that|what was the second thing I asked?
        make a bullet list out of what you just told me|that was too long|which of my questions did you not answer?
        Das war mir zu kompliziert|Formuliere deine letzte Antwort um|C'était trop long|Peux-tu reformuler ta réponse ?
        Quelle était ma première question ?|Fue demasiado largo|Repite tu última respuesta
        さっきの回答を短くしてください
        把你刚才的回答翻译成英文。|Kannst du das bitte kürzer sagen?|Was habe ich gerade gefragt?|Wiederhole das bitte
        auf Englisch bitte|kürzer bitte|Répète s'il te plaît
        repite eso por favor|もう一度言ってください|短くしてください|再说一遍|我刚才问了什么？
    """,
    "writing": """
        write a poem about autumn|Write me a story about a dragon|Tell me a bedtime story about a fox|make up a riddle
        Draft a birthday message for my mother|write an email to my boss asking for a day off
        Help me write a cover letter|Come up with a slogan for a bakery|Generate five names for a coffee shop
        give me ideas for a birthday party|plan a three-day trip to Rome|Pretend you are a pirate
        give me synonyms for happy|translate 'good morning' into French|translate good morning to Japanese
        rewrite this: I goed to school yesterday|Fix the grammar: he go to school
        Summarize the following text: The cat sat on the mat and slept.|a Python function that reverses a list
        Write a SQL query that counts users|Implement quicksort in Rust|write a regex for dates|solve 2x + 3 = 7|2+2
        what is 12 times 13|Convert 5 miles to kilometres|Schreibe ein Gedicht über den Herbst
        How do you say 'good night' in Spanish?|Wie sagt man 'Guten Morgen' auf Spanisch?|Explain this code: print(x)
        turn this into a list: apples, pears and flour|Make this sound less angry: 'You never answer my mails!'
        I need a catchy name for a dog walking service|write html for a page with a red button
        Traduce al inglés: «Mañana llueve».|Traduis en allemand : « Il fait beau. »
        Rédige un mail pour résilier un abonnement
        Mach diesen Satz freundlicher: "Geh weg!"|用Python写一个排序函数|把"我爱你"翻译成法语
        「ありがとう」を英語に訳してください
        Écris un poème sur l'automne|Escribe un poema sobre el otoño|俳句を書いてください|写一首关于秋天的诗
    """,
    "search": """
        do you need a license to tattoo in nj|do you have to pay for parking|can you bring a dog
        are you allowed to smoke|What help do I get with moving costs?|Is help available at night?
        what is the purpose of the document|is my warranty still valid|thanks to whom was the contract signed?
        Good Friday opening hours|no smoking policy|Give me a recipe for pancakes|Can you tell me about the warranty?
        draft a reply to the complaint letter using the travel policy|Write an email summarizing the meeting minutes
        Draft an email to the landlord based on the lease|translate report.pdf into German
        make a list of all deadlines|Translate the second paragraph of the lease into German
        Create a table of all payments in the contract|How many days of notice are needed?
        list the ingredients of the cake|What are the key points of a good lease?|summarise the warranty conditions
        Summarise the termination clause in the lease|Summarise chapter 3 of report.pdf
        summarise what report.pdf says about tax|summarise all my documents|What is the lease?
        I need a letter from the bank|what formats does the scanner support|My question: how long is the notice period?
        What does 'force majeure' mean?|Explain the word 'usufruct'|What is another name for ear wax?
        i like the way you move video cast|Thanks! How long is the guarantee?|Meine Frage: Wie hoch ist die Miete?
        what is climate change about|Write the name of the process by which plants make food
        What did we discuss in the meeting on Monday?|how do you say evil eye in greek
    """,
}
BY_KIND = [
    (kind, text.strip())
    for kind, block in KINDS.items()
    for line in block.strip().splitlines()
    for text in line.split("|")
]

SUMMARIES = {
    "report.pdf": """
        summarise report.pdf|write a summary of report.pdf|What is report.pdf about?|what's in report.pdf?
        TL;DR of report.pdf|report.pdf|What are the main points of the report?
        Please give me the highlights of the report|Can you read report.pdf and summarize it?
        Give me an executive summary of report.pdf|explain report.pdf to me|from:report.pdf|from:report summarise it
        Worum geht es in report.pdf?|Kannst du mir report.pdf zusammenfassen?
        Was sind die wichtigsten Punkte in report.pdf?|Résume report.pdf|De quoi parle report.pdf ?
        Fais-moi un résumé de report.pdf|Hazme un resumen de report.pdf|¿De qué trata report.pdf?
        report.pdfを要約してください|总结一下report.pdf|report.pdf讲了什么？
    """,
    "lease.pdf": """
        what is the lease about?|Can you summarise the lease for me?|I need a brief summary of lease.pdf for my boss
        brief me on the lease|Summarise the lease in German|Please provide a summary of the lease agreement
        boil lease.pdf down to five points|condense lease.pdf|whats the lease about|sum lease.pdf up for me
        I got lease.pdf, what's in it?|Gib mir einen Überblick über lease.pdf|¿De qué va lease.pdf?|概括lease.pdf的内容
        tl;dr lease|What does the lease contain?
    """,
    "Travel Policy.md": """
        give me the key points of the travel policy|Summarise TRAVEL_POLICY
        Give me a short summary of Travel Policy.md in three bullet points
        I'd like a summary of the travel policy, please|what are the highlights of the travel policy for new employees
    """,
    "Brightwater Coffee Machine Manual.pdf": "tl;dr of the coffee machine manual|overview of the coffee machine manual",
    "contracts/Acme_Contract-2023.docx": "summarize acme contract 2023|Give me the gist of the acme contract",
    "Mietvertrag.pdf": "Fasse den Mietvertrag zusammen|Worum geht es im Mietvertrag?",
    "就業規則.pdf": "就業規則を要約して|就業規則の要点を教えてください|就業規則は何についての文書ですか？",
}
SUMMARISED = [
    (file, text.strip())
    for file, block in SUMMARIES.items()
    for line in block.strip().splitlines()
    for text in line.split("|")
]


@pytest.mark.parametrize(("kind", "text"), BY_KIND)
def test_kind_is_told_after_another_question(kind: str, text: str) -> None:
    understood = ask(text, *ASKED)
    assert understood.kind == kind
    assert bool(understood.queries) == (kind == "search")
    assert not understood.is_follow_up


@pytest.mark.parametrize(("file", "text"), SUMMARISED)
def test_whole_document_is_summarised(file: str, text: str) -> None:
    understood = ask(text)
    assert (understood.kind, understood.filters.documents) == ("summary", paths(file))


def test_several_documents_are_summarised_together() -> None:
    assert ask("summarise report.pdf and lease.pdf").filters.documents == paths("report.pdf", "lease.pdf")


@pytest.mark.parametrize(
    "text", ["Summarise the document", "What is this file about?", "summarise this pdf", "summarise it", "Summarise"]
)
def test_only_document_is_the_document(text: str) -> None:
    understood = understand(text, (), LIBRARY[:1])
    assert (understood.kind, understood.filters.documents) == ("summary", paths("report.pdf"))


def test_document_that_many_can_be_is_searched() -> None:
    assert ask("Summarise the document").kind == "search"


def test_summary_of_it_is_of_the_document_in_question() -> None:
    understood = ask("summarise it", ("What does report.pdf say about revenue?", "5 million."))
    assert (understood.kind, understood.filters.documents) == ("summary", paths("report.pdf"))


def test_counting_question_gives_its_term_and_where_to_look() -> None:
    understood = ask("How many times is liability mentioned in lease.pdf?")
    assert (understood.kind, understood.term, understood.queries) == ("count", "liability", ("liability",))
    assert understood.filters.documents == paths("lease.pdf")


def test_listing_question_gives_its_term() -> None:
    understood = ask("which files mention Peter", *ASKED)
    assert (understood.kind, understood.term, understood.reason) == ("list", "Peter", "listing question")


def test_follow_up_of_a_listing_question_lists() -> None:
    understood = ask("and Mary?", ("which files mention Peter?", "report.pdf."))
    assert (understood.kind, understood.term, understood.is_follow_up) == ("list", "Mary", True)


def test_question_that_stands_by_itself_is_searched_as_it_is() -> None:
    assert ask("Who is the landlord?", *ASKED) == Understanding("search", ("Who is the landlord?",))


def test_follow_up_is_searched_in_full() -> None:
    understood = ask("what about tea?", *ASKED)
    assert understood.queries == ("How long may tea stand?",)
    assert understood.in_full == "How long may tea stand?"
    assert (understood.is_follow_up, understood.reason) == (True, "follow-up")


def test_follow_up_reaches_over_small_talk_and_other_follow_ups() -> None:
    question = ("How many days off do employees get?", "25.")
    assert ask("and in Germany?", question, ("thanks", "You're welcome!")).in_full.endswith("get in Germany?")
    assert ask("why?", question, ("and in Germany?", "30.")).in_full.endswith("get in Germany? why?")


def test_first_question_is_no_follow_up() -> None:
    assert ask("why?") == Understanding("search", ("why?",))


def test_follow_up_stays_with_the_document() -> None:
    understood = ask("and costs?", ("What does report.pdf say about revenue?", "5 million."))
    assert (understood.queries, understood.filters.documents) == (("costs?",), paths("report.pdf"))
    understood = ask("and the costs?", ("from:report.pdf what is the revenue", "5 million."))
    assert understood.filters.documents == paths("report.pdf")
    assert "from:" not in understood.in_full


def test_follow_up_goes_to_another_document() -> None:
    understood = ask("What about the travel policy?", ("What does report.pdf say about hotels?", "Nothing."))
    assert (understood.queries, understood.filters.documents) == (("hotels?",), paths("Travel Policy.md"))
    understood = ask("and lease.pdf?", ("Summarise report.pdf", "It is ..."))
    assert (understood.kind, understood.filters.documents) == ("summary", paths("lease.pdf"))
    understood = ask("and lease.pdf?", ("from:report.pdf what is the term", "A year."))
    assert (understood.queries, understood.filters.documents) == (("what is the term",), paths("lease.pdf"))


def test_follow_up_of_a_writing_task_writes() -> None:
    assert ask("and one about winter", ("write a poem about autumn", "Leaves fall.")).kind == "writing"


def test_parts_are_searched_one_by_one() -> None:
    understood = ask("What does the lease say about pets and also about smoking?")
    assert (understood.queries, understood.reason) == (("pets", "smoking"), "two-part question")
    assert understood.filters.documents == paths("lease.pdf")


def test_later_part_takes_along_what_it_leans_on() -> None:
    assert ask("How long may coffee stand? And tea?").queries == (
        "How long may coffee stand?",
        "How long may tea stand?",
    )
    understood = ask("When was Einstein born and where did he die?", *ASKED)
    assert understood.queries == ("When was Einstein born", "When was Einstein born where did he die?")
    assert not understood.is_follow_up


def test_filters_are_not_searched() -> None:
    understood = ask("in:contracts/ type:docx after:2023-01-01 before:2024 penalties")
    assert understood.queries == ("penalties",)
    assert understood.filters == Filters(
        kinds=("docx",),
        folders=(FOLDER + "contracts",),
        after=datetime(2023, 1, 1).timestamp(),
        before=datetime(2024, 1, 1).timestamp(),
    )


def test_unknown_document_is_told() -> None:
    understood = ask("from:nothing.pdf what is due")
    assert understood.problem.startswith('No document in the library is called "nothing.pdf": ')
    assert (understood.kind, understood.queries) == ("search", ("what is due",))


def test_small_talk_about_a_document_is_searched() -> None:
    assert ask("from:report.pdf hello").kind == "search"


def test_long_text_is_searched_by_its_question() -> None:
    text = "The harbour was closed in May. " * 4000
    assert ask(f"{text}\nWhat does report.pdf say about it?").filters.documents == paths("report.pdf")
    assert ask(f"Summarise this text:\n{text}").kind == "writing"
    assert ask(f"{text}\nTranslate this into German").kind == "writing"
    (query,) = ask(text).queries
    assert len(query) <= 1000


@pytest.mark.parametrize("text", ["", "  \n", "???", "\x00", "(" * 500, "\ud800", "a" * 650, "[" * 300 + "*" * 300])
def test_odd_texts_are_understood(text: str) -> None:
    assert ask(text, (text, text)).kind in ("chat", "search")


@pytest.mark.skipif(not QUESTIONS.exists(), reason="needs the questions for development, which this machine lacks")
@pytest.mark.parametrize("history", [(), ASKED], ids=["first", "later"])
def test_no_real_question_is_refused(history: tuple[tuple[str, str], ...]) -> None:
    # One line of the file has no word.
    questions = [line for line in QUESTIONS.read_text("utf-8").splitlines() if any(map(str.isalnum, line))]
    understood = [(understand(question, history, LIBRARY), question) for question in questions]
    assert [question for each, question in understood if each.kind not in ("search", "list", "count")] == []
    assert all(each.queries for each, _ in understood)
    # The rest are mostly titles: "who sang it must have been love".
    assert sum(each.is_follow_up for each, _ in understood) < 0.035 * len(questions)


@pytest.mark.parametrize("text", ["Summarise nosuch.pdf", "give me the key points of old-notes.docx please"])
def test_summary_of_a_file_that_is_not_there_is_told(text: str) -> None:
    found = understand(text, [], [DocumentInfo("/docs/lease.pdf")])
    assert "in the library is called" in found.problem
    assert understand("Summarise lease.pdf", [], [DocumentInfo("/docs/lease.pdf")]).problem == ""
