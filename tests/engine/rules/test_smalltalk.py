"""Greetings, thanks, goodbyes and help, and what only looks like them."""

import pytest

from engine.rules import Rules


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("hi", "H"),
        ("Hello!", "H"),
        ("HEY THERE", "H"),
        ("hello, Hola", "H"),
        ("Good morning!", "H"),
        ("good evening 🙂", "H"),
        ("hola", "H"),
        ("  hi  ", "H"),
        ("Guten Tag", "Hallo"),
        ("hallo!", "Hallo"),
        ("Grüß Gott", "Hallo"),
        ("Bonjour !", "Bonjour"),
        ("salut", "Bonjour"),
        ("¡Buenos días!", "¡Hola!"),
        ("buenas tardes", "¡Hola!"),
        ("¿Hola, qué tal?", "¡Hola!"),
        ("Thanks", ("You're welcome", "Glad")),
        ("thank you very much!", ("You're welcome", "Glad")),
        ("Many thanks for your help", ("You're welcome", "Glad")),
        ("thx", ("You're welcome", "Glad")),
        ("ok, thanks", ("You're welcome", "Glad")),
        ("that's very helpful, thank you", ("You're welcome", "Glad")),
        ("Danke schön!", "Gern"),
        ("vielen Dank", "Gern"),
        ("Merci beaucoup", "Avec plaisir"),
        ("muchas gracias", "¡De nada!"),
        ("Bye!", "Goodbye"),
        ("see you later", "Goodbye"),
        ("thanks, bye", "Goodbye"),
        ("good night", "Goodbye"),
        ("Auf Wiedersehen", "Auf Wiedersehen"),
        ("tschüss", "Auf Wiedersehen"),
        ("au revoir", "Au revoir"),
        ("adiós", "¡Hasta luego!"),
        ("How are you?", "I am a program"),
        ("help", "I am Hola"),
        ("What can you do?", "I am Hola"),
        ("what can you help me with", "I am Hola"),
        ("How do I use this app?", "I am Hola"),
        ("how do I add documents?", "I am Hola"),
        ("Who are you?", "I am Hola"),
        ("What’s your name?", "I am Hola."),
        ("Do you need an internet connection?", "I run on this computer"),
    ],
)
def test_small_talk_is_answered_in_its_language(rules: Rules, question: str, expected: str | tuple[str, ...]) -> None:
    answer = rules.answer(question)
    assert answer is not None
    assert answer.lstrip().startswith(expected)


@pytest.mark.parametrize(
    "question",
    [
        "",
        " ",
        "?",
        "👋",
        "hello world program in C",
        "Who wrote Hello, Goodbye?",
        "Hello Kitty",
        "hello my name is Ada and I need a summary of the handbook",
        "hi, how long is the warranty?",
        "high",
        "hey jude chords",
        "Good morning America",
        "good evening vietnam film",
        "thanks to whom was the treaty signed?",
        "thanksgiving",
        "thank you letter for a teacher",
        "Thanks! And how long is it valid?",
        "danke auf englisch",
        "merci chocolate ingredients",
        "bye bye birdie cast",
        "goodbye yellow brick road album",
        "see you again lyrics",
        "How are you supposed to clean the filter?",
        "how are your ratings computed",
        "help desk phone number",
        "help me write a letter",
        "Who can help with the visa application?",
        "What can you do with a law degree?",
        "what can you do in an emergency",
        "who are you allowed to invite",
        "What is the name of the author?",
        "how does this clause work",
        "how do I use this function in Excel",
        "ok",
        "yes",
        "no",
        "why",
        "continue",
        "tell me more",
    ],
)
def test_a_question_that_only_sounds_like_small_talk_is_left_to_the_model(rules: Rules, question: str) -> None:
    assert rules.answer(question) is None


def test_same_words_get_the_same_answer(rules: Rules) -> None:
    assert len({rules.answer(greeting) for greeting in ("hello", "Hello!", " HELLO ", "hello…")}) == 1
