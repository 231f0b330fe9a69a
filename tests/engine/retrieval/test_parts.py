"""Questions are taken apart into what is searched, counted or summarised."""

from __future__ import annotations

import pytest

from engine.retrieval.parts import content_words, counted_term, split_parts, whole_of

PARTS: dict[str, tuple[str, ...]] = {
    "compare the basic and the premium plan": ("the basic plan", "the premium plan"),
    "Compare vacation days in Germany and Austria": ("vacation days in Germany", "vacation days in Austria"),
    "Compare the warranty of the X200 and the X300": ("the warranty of the X200", "the warranty of the X300"),
    "compare Romeo and Juliet with Hamlet": ("Romeo and Juliet", "Hamlet"),
    "What's the difference between sick leave and annual leave?": ("sick leave", "annual leave"),
    "difference between basic and premium plans": ("basic plans", "premium plans"),
    "What are the differences between the 2022 and 2023 policies?": ("the 2022 policies", "2023 policies"),
    "What was the difference in revenue between 2010 and 2012?": ("2010 revenue", "2012 revenue"),
    "How does the X200 differ from the X300?": ("the X200", "the X300"),
    "How do the old policy and the new policy differ?": ("the old policy", "the new policy"),
    "What do the kettle and the grinder have in common?": ("the kettle", "the grinder"),
    "Which is cheaper, the basic plan or the premium plan?": ("the basic plan cheaper", "the premium plan cheaper"),
    "Which is faster: train or plane?": ("train faster", "plane faster"),
    "Compare the two plans A and B in terms of price": ("the two plans A price", "B price"),
    "What is the notice period and who pays the deposit?": ("What is the notice period", "who pays the deposit?"),
    "When was Einstein born and where did he die?": ("When was Einstein born", "where did he die?"),
    "What are the opening hours and also the prices?": ("What are the opening hours", "What are the prices?"),
    "What does it say about pets and also about smoking?": (
        "What does it say about pets",
        "What does it say about smoking?",
    ),
    "pets and also about smoking": ("pets", "smoking"),
    "How long is the warranty? Who pays shipping?": ("How long is the warranty?", "Who pays shipping?"),
    "1. What is the rent?\n2. What is the deposit?": ("1. What is the rent?", "2. What is the deposit?"),
    "I moved in May. What is the rent? Is there a garage?": ("I moved in May. What is the rent?", "Is there a garage?"),
    "Was ist der Unterschied zwischen Kaffee und Tee?": ("Kaffee", "Tee"),
    "Wie lange gilt die Garantie und wer zahlt den Versand?": ("Wie lange gilt die Garantie", "wer zahlt den Versand?"),
    "Quelle est la différence entre le thé et le café ?": ("le thé", "le café"),
    "¿Cuál es la diferencia entre té y café?": ("té", "café"),
    "コーヒーと紅茶の違いは何ですか？": ("コーヒー", "紅茶"),
    "咖啡和茶有什么区别？": ("咖啡", "茶"),
    "租金是多少？押金是多少？": ("租金是多少？", "押金是多少？"),
}

PARTS |= {
    "how long may I stay and until when must I pay?": ("how long may I stay", "until when must I pay?"),
    "whats the rent and why is it so high": ("whats the rent", "why is it so high"),
    "Please tell me: how big is the flat, how much is the rent, and are dogs allowed?": (
        "how big is the flat",
        "how much is the rent",
        "are dogs allowed?",
    ),
    "how do I log in, how do I pay and how do I leave?": ("how do I log in", "how do I pay", "how do I leave?"),
    "租金是多少，什么时候付？": ("租金是多少", "什么时候付"),
}

WHOLE = (
    "When I leave early, who do I tell?",
    "The cat ate lily leaves, what should I do first?",
    "What are the terms and conditions?",
    "Who wrote Romeo and Juliet?",
    "What are the health and safety rules?",
    "What happened between 2010 and 2012?",
    "What are the name and address of the landlord?",
    "Is tea better than coffee?",
    "I have a dog. Am I allowed to keep it?",
    "How and why did the project fail?",
    "Compare A, B, C, D and E",
    "rock and roll",
    "What is the minimum and maximum temperature?",
)

COUNTED = {
    "how many contracts mention arbitration": "arbitration",
    'How many documents mention the word "arbitration"?': "arbitration",
    "How many contracts are there that mention arbitration?": "arbitration",
    "How many of the contracts contain a non-compete clause?": "non-compete clause",
    "in how many places does arbitration occur": "arbitration",
    "In how many contracts is arbitration mentioned?": "arbitration",
    "How often is Peter mentioned in my documents?": "Peter",
    "How often does the term force majeure appear?": "force majeure",
    "count the mentions of liability": "liability",
    "Count how many documents mention arbitration": "arbitration",
    "how many mentions of Acme are there?": "Acme",
    "how many invoices are there from Acme?": "Acme",
    "how many letters from the bank do we have?": "bank",
    'number of files containing "invoice"': "invoice",
    "Wie viele Verträge erwähnen Schiedsgerichte?": "Schiedsgerichte",
    "Wie oft kommt das Wort Haftung vor?": "Haftung",
    "Combien de contrats mentionnent l'arbitrage ?": "arbitrage",
    "Combien de contrats parlent d'arbitrage ?": "arbitrage",
    "Combien de fois le mot garantie apparaît-il ?": "garantie",
    "¿Cuántos contratos mencionan arbitraje?": "arbitraje",
    "¿Cuántas veces aparece la palabra garantía?": "garantía",
    "仲裁に言及している契約書はいくつありますか？": "仲裁",
    "仲裁という言葉は何回出てきますか？": "仲裁",
    "保証はいくつの文書に出てきますか？": "保証",
    "有多少份合同提到仲裁？": "仲裁",
}

COUNTED |= {
    "how mny documents metion mould": "mould",
    "Across all my files, how many talk about solar panels?": "solar panels",
    "how many of these contracts have a penalty clause?": "penalty clause",
    "count all files about pensions": "pensions",
}

LISTED = {
    "what files do I have about heating?": "heating",
    "Of my contracts, which mention tax?": "tax",
    "仲裁について書かれているファイルをすべて挙げてください。": "仲裁",
    "有哪些文件提到保险？": "保险",
    "which files mention Peter": "Peter",
    "Which document mentions Peter?": "Peter",
    "Which of my documents are about insurance?": "insurance",
    "Which contracts include a penalty clause?": "penalty clause",
    "list all invoices from 2023": "invoices",
    "Show me all contracts with Acme Corp": "Acme Corp",
    "find all emails about the merger": "merger",
    "list every document that mentions GDPR": "GDPR",
    "List all places where the deposit is mentioned": "deposit",
    "show me where Peter is mentioned": "Peter",
    "in which documents does Peter Miller appear?": "Peter Miller",
    "where is Peter mentioned?": "Peter",
    "where does Peter appear in my documents?": "Peter",
    "do any of my documents mention asbestos?": "asbestos",
    "is there a document about parental leave?": "parental leave",
    "Is Peter mentioned anywhere?": "Peter",
    "Welche Dokumente erwähnen Peter?": "Peter",
    "In welchen Dateien kommt Müller vor?": "Müller",
    "Liste alle Rechnungen von Acme auf": "Acme",
    "Quels documents mentionnent Pierre ?": "Pierre",
    "Où est mentionné Pierre ?": "Pierre",
    "¿Dónde se menciona a Pedro?": "Pedro",
    "¿Qué documentos mencionan a Pedro?": "Pedro",
    "¿En qué documentos aparece Pedro?": "Pedro",
    "どの文書に田中が出てきますか？": "田中",
    "哪些文件提到了王明？": "王明",
}

NOT_COUNTED = (
    "How many days of notice are needed?",
    "How many pages does the report have?",
    "how many employees does Acme have?",
    "how many books did Shakespeare write?",
    "how many letters in the modern greek alphabet",
    "list the ingredients of the cake",
    "which films mention Peter",
    "which tiles contain asbestos",
    "list all the fees",
    "list the steps to reset the machine",
    "list of rights protected by the first amendment",
    "Which documents do I need for a visa?",
    "Which insurance policy covers water damage?",
    "In which section is the notice period regulated?",
    "How often is the machine used?",
    "How often does the error occur?",
    "where does the light reaction of photosynthesis occur",
    "Is Peter mentioned in the lease?",
    "give me the minutes of the meeting",
    "How often is the progress discussed?",
    "Où est le siège social ?",
    "会議は何回ありますか？",
    "コーヒーは何度で淹れますか？",
)


@pytest.mark.parametrize(("question", "parts"), PARTS.items())
def test_each_part_is_searched_by_itself(question: str, parts: tuple[str, ...]) -> None:
    assert split_parts(question) == parts


@pytest.mark.parametrize("question", WHOLE)
def test_what_belongs_together_stays_together(question: str) -> None:
    assert split_parts(question) == (question,)


@pytest.mark.parametrize(("question", "term"), COUNTED.items())
def test_counting_question_names_its_term(question: str, term: str) -> None:
    assert counted_term(question) == ("count", term)


@pytest.mark.parametrize(("question", "term"), LISTED.items())
def test_listing_question_names_its_term(question: str, term: str) -> None:
    assert counted_term(question) == ("list", term)


@pytest.mark.parametrize("question", NOT_COUNTED)
def test_question_about_a_number_or_a_list_in_a_document_is_no_count(question: str) -> None:
    assert counted_term(question) is None


def test_content_words_leave_out_what_serves_grammar() -> None:
    assert content_words("How long does the tenant's warranty last, please?") == ["tenant's", "warranty", "last"]


def test_wish_for_a_summary_leaves_what_it_is_of() -> None:
    assert whole_of("Give me a short summary of the travel policy, please") == ["travel", "policy"]
