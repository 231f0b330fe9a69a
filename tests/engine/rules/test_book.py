"""The rule file: what is refused, and that real questions are left alone."""

from pathlib import Path

import pytest

import engine.rules
from engine.errors import SettingsError
from engine.rules import RuleContext, Rules
from engine.rules.book import HANDLERS, normalise
from tests.engine.rules.conftest import BOOK, NOW

QUESTIONS = Path(__file__).parents[4] / "shared" / "data" / "questions.txt"
CONTEXT = RuleContext(now=lambda: NOW, documents=lambda: ())

PURE_ARITHMETIC = {
    "What is the square root of 0.25?": "√0.25 = 0.5",
    "What is the square root of 169?": "√169 = 13",
}
"""The real questions that are nothing but a sum, found by reading every hit."""


def test_real_questions_are_left_to_the_model(rules: Rules) -> None:
    if not QUESTIONS.exists():
        pytest.skip("the real questions lie beside the repository, and are not here")
    asked = QUESTIONS.read_text("utf-8").splitlines()
    assert len(asked) > 10_000
    answered = {question: answer for question in asked if (answer := rules.answer(question)) is not None}
    assert answered == PURE_ARITHMETIC


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[[rule]", "not valid TOML"),
        ("", r"no \[\[rule\]\]"),
        ("rule = 5", r"no \[\[rule\]\]"),
        ("rule = [5]", r"no \[\[rule\]\]"),
        ("[words]\na = 5\n[[rule]]\nname = 'x'", r"\[words\]"),
        ("[[rule]]\nhandler = 'reply'", "no name"),
        ("[[rule]]\nname = 'x'\nhandler = 'nonsense'\npatterns = ['a']", "no known handler"),
        ("[[rule]]\nname = 'x'\npatterns = ['a']", "no known handler"),
        ("[[rule]]\nname = 'x'\nhandler = 'time'", "no patterns"),
        ("[[rule]]\nname = 'x'\nhandler = 'time'\npatterns = 'a'", "list of texts"),
        ("[[rule]]\nname = 'x'\nhandler = 'time'\npatterns = [1]", "list of texts"),
        ("[[rule]]\nname = 'x'\nhandler = 'time'\npatterns = ['(']", "not a valid regex"),
        ("[[rule]]\nname = 'x'\nhandler = 'time'\npatterns = ['{nobody}']", "nobody"),
        ("[[rule]]\nname = 'x'\nhandler = 'reply'\npatterns = ['a']", "no answers"),
        ("[[rule]]\nname = 'x'\nhandler = 'time'\npatterns = ['a']\ntypo = 1", "unknown key"),
    ],
)
def test_unusable_file_is_refused_in_one_sentence(tmp_path: Path, content: str, reason: str) -> None:
    file = tmp_path / "regeln ü.toml"
    file.write_text(content, "utf-8")
    with pytest.raises(SettingsError, match=reason) as caught:
        Rules(file, CONTEXT)
    assert str(file) in caught.value.sentence
    assert caught.value.sentence.endswith(".")
    assert "\n" not in caught.value.sentence


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="can't be read"):
        Rules(tmp_path / "none.toml", CONTEXT)


def test_file_that_is_no_utf8_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_bytes(b"name = '\xff\xfe'")
    with pytest.raises(SettingsError):
        Rules(file, CONTEXT)


def test_pattern_must_match_the_whole_question(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text("[[rule]]\nname = 'x'\nhandler = 'reply'\npatterns = ['ping|pong']\nanswers = ['yes']", "utf-8")
    rules = Rules(file, CONTEXT)
    assert rules.answer("PONG?") == "yes"
    assert rules.answer("ping pong") is None
    assert rules.answer("a ping") is None


def test_first_rule_that_is_sure_answers(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(
        "[[rule]]\nname = 'a'\nhandler = 'weekday'\npatterns = ['(?P<date>.+)']\n"
        "[[rule]]\nname = 'b'\nhandler = 'reply'\npatterns = ['.+']\nanswers = ['second']\n",
        "utf-8",
    )
    rules = Rules(file, CONTEXT)
    assert rules.answer("2024-02-29") == "29 February 2024 was a Thursday."
    assert rules.answer("no date") == "second"


def test_every_handler_has_a_rule_in_the_real_book() -> None:
    text = BOOK.read_text("utf-8")
    assert all(f'handler = "{name}"' in text for name in HANDLERS)


@pytest.mark.parametrize(
    ("question", "normal"),
    [
        ("  What’s\n up ?! ", "What's up"),
        ("¿Qué?", "Qué"),
        ("“hi”", '"hi"'),
        ("hello 👋🏽", "hello"),
        ("你好。", "你好"),
        ("5!", "5!"),
        ("cafe\u0301", "café"),
        ("…", ""),
    ],
)
def test_utterance_is_normalised(question: str, normal: str) -> None:
    assert normalise(question) == normal


def test_public_names_exist() -> None:
    assert sorted(engine.rules.__all__) == ["RuleContext", "Rules"]
    assert all(hasattr(engine.rules, name) for name in engine.rules.__all__)
