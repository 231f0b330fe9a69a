"""Follow-ups are told from questions that stand by themselves, and are made to stand."""

from __future__ import annotations

import pytest

from engine.retrieval.standalone import leans, stand_alone, without_courtesy, without_lead

STANDS = (
    "Who is the landlord?",
    "When was Einstein born and where did he die?",
    "How do I reset the router if it does not respond?",
    "What is the maximum weight that the shelf can hold?",
    "Is there a gym in the building?",
    "Are there any restrictions on pets?",
    "What happens if the tenant does not pay his rent on time?",
    "Who is allowed to use the company car and where must it be parked?",
    "What are those who work at night entitled to?",
    "How much is one day of parking?",
    "Is it allowed to work from home?",
    "How long does it take to get a refund?",
    "Can an employee bring her dog to the office?",
    "what are the consequences of late payment?",
    "And who is responsible for clearing snow?",
    "emergency contact number",
    "parental leave",
    "What is this year's budget?",
    "How do employees report their hours?",
    "What is the first step when installing the printer?",
    "Which of the two options costs less?",
    "In which year was the company founded?",
    "and what is the capital of France?",
    "So what is the notice period for managers?",
    "During his visit, what did the Pope say?",
    'Who sang "Let it be"?',
    "2 + 2",
    "Wie hoch ist die Kaution?",
    "Gibt es einen Parkplatz?",
    "Ist es erlaubt, Haustiere zu halten?",
    "Quel est le montant du loyer ?",
    "¿Cuánto cuesta el alquiler?",
    "契約期間はいつまでですか？",
    "合同什么时候到期？",
)

LEANS = (
    "why?",
    "Since when?",
    "what happened after that?",
    "what are the units?",
    "What were the consequences?",
    "and who takes the minutes",
    "Welche Risiken gibt es?",
    "Quelles étaient les conséquences ?",
    "how much?",
    "Starting when?",
    "and the second one?",
    "what about tea?",
    "how about Mondays",
    "and in Germany?",
    "in Germany?",
    "For how long?",
    "Which page?",
    "the kettle?",
    "Germany?",
    "per person?",
    "How long does it take?",
    "Who wrote it?",
    "Is that per person?",
    "Does that include the battery?",
    "What does that mean?",
    "Who told you that?",
    "Is there a fee for that?",
    "Does this apply to interns too?",
    "What is her phone number?",
    "When did they meet?",
    "Who lives there?",
    "Which one is cheaper?",
    "And the other one?",
    "Are there others?",
    "Only these?",
    "does the same apply to the kettle?",
    "What else is covered?",
    "any exceptions?",
    "Tell me more",
    "Can you give me an example?",
    "More details please",
    "what if I lose the receipt?",
    "But why only two years?",
    "Can I pay by card instead?",
    "And who pays for it, the tenant or the landlord?",
    "Does it also apply to employees who work part-time and have been with the company for less than a year?",
    "Und für Batterien?",
    "Was ist mit Heizung?",
    "Gilt das auch für Kinder?",
    "Wer bezahlt sie?",
    "warum?",
    "Et la caution ?",
    "Quand doit-il être payé ?",
    "¿y en España?",
    "¿por qué?",
    "敷金は？",
    "なぜですか？",
    "それはいくらですか？",
    "那停车费呢？",
    "为什么？",
    "它包括什么？",
)

IN_FULL = {
    ("How long may coffee stand?", "what about tea?"): "How long may tea stand?",
    ("How long may coffee stand?", "And for tea?"): "How long may tea stand?",
    ("What is the price of coffee?", "what about tea?"): "What is the price of tea?",
    ("What is the capital of France?", "And Spain?"): "What is the capital of Spain?",
    ("What was the revenue in 2021?", "And 2022?"): "What was the revenue in 2022?",
    ("What was the revenue in 2021?", "and in 2022?"): "What was the revenue in 2022?",
    ("Is the shop open on Monday?", "and on Sunday?"): "Is the shop open on Sunday?",
    ("How long is the warranty?", "what about the return period?"): "How long is the return period?",
    ("How many days off do employees get?", "and in Germany?"): "How many days off do employees get in Germany?",
    ("How many days do staff in France get?", "and in Spain?"): "How many days do staff in Spain get?",
    ("How many days off do employees get?", "and for interns?"): "How many days off do interns get?",
    ("which files mention Peter?", "and Mary?"): "which files mention Mary?",
    ("Wie lange gilt die Garantie?", "und in Österreich?"): "Wie lange gilt die Garantie in Österreich?",
    # No place is sure: both questions stand side by side.
    ("Does the lease allow pets?", "what about smoking?"): "Does the lease allow pets? what about smoking?",
    ("How long does the warranty last?", "What does it cover?"): "How long does the warranty last? What does it cover?",
    ("Is there a fee?", "is that per person?"): "Is there a fee? is that per person?",
    ("How long may coffee stand?", "why?"): "How long may coffee stand? why?",
    ("保証期間は何年ですか？", "お茶は？"): "保証期間は何年ですか？ お茶は？",
}


@pytest.mark.parametrize("question", STANDS)
def test_question_that_stands_by_itself_is_not_changed(question: str) -> None:
    assert not leans(question)
    alone = stand_alone(question, "How long may coffee stand?", "30 minutes.")
    assert (alone.text, alone.query, alone.is_follow_up) == (question, question, False)


@pytest.mark.parametrize("question", LEANS)
def test_question_that_leans_takes_the_last_one_along(question: str) -> None:
    assert leans(question)
    assert stand_alone(question, "How long may coffee stand?", "30 minutes.").is_follow_up


@pytest.mark.parametrize(("turns", "in_full"), IN_FULL.items())
def test_follow_up_is_written_in_full(turns: tuple[str, str], in_full: str) -> None:
    previous, question = turns
    assert stand_alone(question, previous).text == in_full


def test_first_question_has_nothing_to_lean_on() -> None:
    assert not stand_alone("What is it?", "").is_follow_up


@pytest.mark.parametrize(
    ("answer", "question", "in_full"),
    [
        ("1. Standard\n2. **Extended warranty**\n3. Lifetime", "and the second one?", "Extended warranty?"),
        ("- Standard\n- Extended", "tell me more about the second", "tell me more about Extended"),
        (
            "There are three: standard, extended and lifetime.",
            "What does the last one cover?",
            "What does lifetime cover?",
        ),
        (
            "1. Loosen it. 2. Trim the roots. 3. Set it.",
            "tell me about the second point",
            "tell me about Trim the roots",
        ),
        ("The plans are basic and premium.", "How much is the first one?", "How much is basic?"),
        ("1. 標準\n2. 延長", "2番目は？", "延長 は？"),
    ],
)
def test_number_stands_for_an_item_of_the_last_answer(answer: str, question: str, in_full: str) -> None:
    previous = "What warranties are there?"
    assert stand_alone(question, previous, answer).text == f"{previous} {in_full}"


def test_number_without_a_list_keeps_its_words() -> None:
    previous = "What warranties are there?"
    assert stand_alone("and the second one?", previous, "Two.").text == f"{previous} and the second one?"


@pytest.mark.parametrize(
    ("previous", "answer", "question", "in_full"),
    [
        ("Who is the CEO of Acme?", "Maria Lopez is the CEO.", "When did she join?", "When did Maria Lopez join?"),
        ("When was Albert Einstein born?", "In Ulm, 1879.", "And where did he die?", "Where did Albert Einstein die?"),
    ],
)
def test_one_person_in_question_is_named(previous: str, answer: str, question: str, in_full: str) -> None:
    assert stand_alone(question, previous, answer).text == in_full


def test_query_has_the_names_of_the_last_answer() -> None:
    alone = stand_alone("When did they meet?", "Who founded Acme?", "Acme was founded by Jane Miller and Bob Stone.")
    assert alone.text == "Who founded Acme? When did they meet?"
    assert alone.query == "Who founded Acme?\nWhen did they meet?\nJane Miller Bob Stone"


def test_query_has_the_words_of_the_last_answer_that_has_no_name() -> None:
    alone = stand_alone("how many of those are there?", "How do I descale it?", "Take two tablets. Then rinse.")
    assert alone.query.endswith("take two tablets")


def test_long_previous_question_is_cut() -> None:
    assert len(stand_alone("why?", "word " * 1000).text) < 500


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("Thanks! And how long is the warranty?", "And how long is the warranty?"),
        ("hi, how much is the rent?", "how much is the rent?"),
        ("Can you tell me what the rent is, please?", "what the rent is?"),
        ("please list the fees", "list the fees"),
        ("Good Friday opening hours", "Good Friday opening hours"),
        ("no smoking policy", "no smoking policy"),
        ("thanks to whom was it signed?", "thanks to whom was it signed?"),
    ],
)
def test_courtesies_are_not_searched(text: str, rest: str) -> None:
    assert without_courtesy(text) == rest


def test_and_is_not_searched() -> None:
    assert without_lead("And how long is the warranty?") == "how long is the warranty?"
