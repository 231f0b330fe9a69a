"""The stored chats, on a real file."""

import json
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import HistoryError
from engine.history import MAX_TITLE, History, title_of
from engine.messages import Citation, Metrics, RetrievalPlan, SentenceReview

CITATION = Citation(1, "/home/ü/日本語 файл.pdf", 3, "保証は24か月。", 100, 109, 0, 20, 0.875)
PLAN = RetrievalPlan("deep", 3, 40, 412, "zweiteilige Frage 日本")
SENTENCES = (
    SentenceReview(0, 9, True, "12か月 was corrected to 24か月.", "Antwort: 12か月"),
    SentenceReview(9, 17, False),
    SentenceReview(17, 18, None),
)
METRICS = Metrics(ttft_ms=12.5, tokens_per_s=31.25, prompt_tokens=412, reused_tokens=300)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "Daten ü 日本" / "chats.sqlite"


@pytest.fixture
def history(file: Path) -> Iterator[History]:
    history = History(file)
    yield history
    history.close()


def answered(history: History, question: str, answer: str, chat_id: int | None = None) -> tuple[int, int]:
    """Store a whole turn."""
    chat_id, turn_id = history.begin(chat_id, question, "model")
    history.finish(turn_id, answer, "stop")
    return chat_id, turn_id


# ---------------------------------------------------------------- turns


def test_first_question_makes_a_chat_with_its_first_words(history: History) -> None:
    chat_id, _ = history.begin(None, "How long is the\n warranty?", "model")
    (chat,) = history.chats()
    assert (chat.id, chat.title) == (chat_id, "How long is the warranty?")


def test_question_is_on_disk_before_its_answer(history: History, file: Path) -> None:
    chat_id, turn_id = history.begin(None, "¿Qué? 何? 🎉", "model")
    other = sqlite3.connect(file)
    try:
        assert other.execute("SELECT id, chat_id, question FROM turns").fetchall() == [
            (turn_id, chat_id, "¿Qué? 何? 🎉")
        ]
    finally:
        other.close()


def test_finished_turn_reads_as_it_was_stored(history: History, file: Path) -> None:
    before = time.time()
    chat_id, turn_id = history.begin(None, "Frage?", "model")
    history.finish(turn_id, "Antwort: 24か月 ✓", "length", (CITATION,), METRICS)
    history.close()
    again = History(file)
    (turn,) = again.turns(chat_id)
    again.close()
    assert (turn.id, turn.question, turn.answer) == (turn_id, "Frage?", "Antwort: 24か月 ✓")
    assert (turn.route, turn.reason, turn.citations, turn.metrics) == ("model", "length", (CITATION,), METRICS)
    assert before <= turn.asked <= time.time()


def test_plan_and_review_read_as_they_were_stored(history: History, file: Path) -> None:
    chat_id, turn_id = history.begin(None, "Frage?", "model")
    history.finish(turn_id, "a", "stop", (CITATION,), METRICS, plan=PLAN, sentences=SENTENCES, verdict="partly")
    history.close()
    again = History(file)
    (turn,) = again.turns(chat_id)
    again.close()
    assert (turn.plan, turn.sentences, turn.verdict) == (PLAN, SENTENCES, "partly")
    assert (turn.citations, turn.metrics) == ((CITATION,), METRICS)


def test_a_turn_without_plan_and_review_has_none(history: History) -> None:
    chat_id, _ = answered(history, "q", "a")
    (turn,) = history.turns(chat_id)
    assert (turn.plan, turn.sentences, turn.verdict) == (None, (), "unchecked")


def test_turns_stand_in_the_order_they_were_asked(history: History) -> None:
    chat_id, _ = answered(history, "one", "1")
    answered(history, "other chat", "x")
    answered(history, "two", "2", chat_id)
    assert [turn.question for turn in history.turns(chat_id)] == ["one", "two"]


def test_rule_route_is_kept(history: History) -> None:
    chat_id, _ = history.begin(None, "hi", "rule")
    assert history.turns(chat_id)[0].route == "rule"


def test_unfinished_turn_reads_as_failed_with_its_partial_answer(history: History) -> None:
    chat_id, turn_id = history.begin(None, "long question", "model")
    history.save_partial(turn_id, "So fa")
    history.save_partial(turn_id, "So far")
    (turn,) = history.turns(chat_id)
    assert (turn.reason, turn.answer, turn.citations) == ("failed", "So far", ())


def test_late_partial_answer_does_not_overwrite_the_finished_one(history: History) -> None:
    chat_id, turn_id = answered(history, "q", "whole")
    history.save_partial(turn_id, "who")
    assert history.turns(chat_id)[0].answer == "whole"


def test_broken_surrogates_and_nul_are_stored(history: History) -> None:
    chat_id, turn_id = history.begin(None, "a\ud800b\0c", "model")
    history.finish(turn_id, "x\udfffy\0z needle", "stop")
    (turn,) = history.turns(chat_id)
    assert (turn.question, turn.answer) == ("a?b\0c", "x?y\0z needle")
    assert history.search("needle")


def test_question_for_a_deleted_chat_is_refused_in_a_sentence(history: History) -> None:
    chat_id, _ = answered(history, "q", "a")
    history.delete(chat_id)
    with pytest.raises(HistoryError, match="no longer exists"):
        history.begin(chat_id, "again", "model")
    assert history.chats() == ()


def test_answer_for_a_deleted_chat_is_dropped(history: History) -> None:
    chat_id, turn_id = history.begin(None, "q", "model")
    history.delete(chat_id)
    history.save_partial(turn_id, "late")
    history.finish(turn_id, "late", "stop")
    assert history.turns(chat_id) == ()
    assert history.search("late") == ()


def test_truncate_drops_a_turn_and_all_after_it(history: History) -> None:
    chat_id, _ = answered(history, "one", "first")
    _, second = answered(history, "two", "second", chat_id)
    answered(history, "three", "third", chat_id)
    other, _ = answered(history, "elsewhere", "stays")
    history.truncate(chat_id, second)
    assert [turn.question for turn in history.turns(chat_id)] == ["one"]
    assert len(history.turns(other)) == 1
    assert history.search("third") == ()


def test_truncate_leaves_turns_of_other_chats_alone(history: History) -> None:
    first, _ = answered(history, "one", "1")
    second, turn = answered(history, "two", "2")
    history.truncate(first, turn)
    assert len(history.turns(second)) == 1


# ---------------------------------------------------------------- chats


def test_chats_come_newest_first_and_a_new_turn_lifts_its_chat(history: History) -> None:
    first, _ = answered(history, "first", "a")
    second, _ = answered(history, "second", "b")
    assert [chat.id for chat in history.chats()] == [second, first]
    answered(history, "more", "c", first)
    assert [chat.id for chat in history.chats()] == [first, second]


def test_rename_changes_title_and_search(history: History) -> None:
    chat_id, _ = answered(history, "zebra", "a")
    history.rename(chat_id, "  Über  Löwen\n")
    assert history.chats()[0].title == "Über Löwen"
    assert [chat.id for chat in history.search("löwen")] == [chat_id]


@pytest.mark.parametrize("title", ["", " \n\t"])
def test_empty_title_is_refused(history: History, title: str) -> None:
    chat_id, _ = answered(history, "q", "a")
    with pytest.raises(HistoryError, match="title"):
        history.rename(chat_id, title)
    assert history.chats()[0].title == "q"


def test_renaming_a_chat_that_is_gone_is_an_error(history: History) -> None:
    with pytest.raises(HistoryError, match="no longer exists"):
        history.rename(4711, "x")


def test_delete_takes_turns_and_words_along(history: History) -> None:
    chat_id, _ = answered(history, "unique question", "unique answer")
    kept, _ = answered(history, "kept", "kept")
    history.delete(chat_id)
    history.delete(chat_id)
    assert [chat.id for chat in history.chats()] == [kept]
    assert history.turns(chat_id) == ()
    assert history.search("unique") == ()


def test_deleted_ids_are_not_given_again(history: History) -> None:
    chat_id, turn_id = answered(history, "q", "a")
    history.delete(chat_id)
    assert answered(history, "q", "a") > (chat_id, turn_id)


# ---------------------------------------------------------------- titles


@pytest.mark.parametrize(
    ("question", "title"),
    [
        ("Hello", "Hello"),
        ("  two\n\nlines  ", "two lines"),
        ("", "New chat"),
        ("\n", "New chat"),
        ("x" * MAX_TITLE, "x" * MAX_TITLE),
        ("x" * 80, "x" * (MAX_TITLE - 1) + "…"),
        (
            "what is the best way to, in general, cook rice for forty guests",
            "what is the best way to, in general, cook rice…",
        ),
        ("日本語の質問" * 20, ("日本語の質問" * 20)[: MAX_TITLE - 1] + "…"),
    ],
)
def test_title_is_made_of_the_first_words(question: str, title: str) -> None:
    assert title_of(question) == title


def test_title_is_not_cut_inside_a_visible_character() -> None:
    family = "👨\u200d👩\u200d👧"
    title = title_of("x" * (MAX_TITLE - 3) + family + "y" * 20)
    assert not title.removesuffix("…").endswith("\u200d")
    assert title_of("x" * (MAX_TITLE - 2) + "e\u0301" + "y" * 20) == "x" * (MAX_TITLE - 2) + "…"


# ---------------------------------------------------------------- search


@pytest.mark.parametrize(
    "text",
    [
        "warranty",
        "WARR",
        "Gewährl",
        "gewahrl",
        "保証期間",
        "保",
        "か月",
        "24",
        "gé",
        "Straße",
        "strasse",
        "c++",
        '"quoted"',
        "100%",
        "a_b",
        "ＡＢＣ",
    ],
)
def test_search_finds_parts_of_words_in_any_language(history: History, text: str) -> None:
    wanted, _ = answered(
        history,
        "Is the Warranty / Gewährleistung 保証期間は24か月 in Genève?",
        'STRASSE in C++ "quoted" 100% a_b abc',
    )
    answered(history, "something else", "nothing to see, a-b, 1000")
    assert [chat.id for chat in history.search(text)] == [wanted]


def test_all_words_of_a_search_must_occur_in_the_chat(history: History) -> None:
    chat_id, _ = answered(history, "apples", "are red")
    answered(history, "and pears", "are green", chat_id)
    answered(history, "apples", "only")
    assert [chat.id for chat in history.search("pears apples")] == [chat_id]
    assert history.search("apples bananas") == ()


@pytest.mark.parametrize("text", ["NEAR(", "title:", "* OR *", "a'b", '"', "\\", "%", "_", "AND", "\0", "-"])
def test_search_text_is_never_a_query_language(history: History, text: str) -> None:
    answered(history, "harmless", "harmless")
    assert history.search(text) in ((), history.chats())
    assert len(history.search("harmless")) == 1


def test_percent_and_underscore_stand_for_themselves(history: History) -> None:
    answered(history, "plain", "plain")
    assert history.search("%") == ()
    assert history.search("_") == ()


def test_empty_search_gives_every_chat(history: History) -> None:
    answered(history, "one", "1")
    answered(history, "two", "2")
    assert history.search("  ") == history.chats()
    assert len(history.chats()) == 2


def test_titles_are_searched(history: History) -> None:
    chat_id, _ = answered(history, "question", "answer")
    history.rename(chat_id, "Umzug nach Köln")
    assert [chat.id for chat in history.search("koln")] == [chat_id]


@pytest.mark.parametrize(
    ("citations", "metrics"),
    [("no json", "no json"), ("{}", "[]"), ('[{"number": 1}]', '{"unknown": 1}'), ("[1, null]", "null")],
)
def test_unreadable_columns_leave_the_turn_readable(history: History, citations: str, metrics: str) -> None:
    chat_id, _ = answered(history, "q", "a")
    history._connection.execute("UPDATE turns SET citations = ?, metrics = ?, route = 'x'", (citations, metrics))
    (turn,) = history.turns(chat_id)
    assert (turn.answer, turn.citations, turn.metrics, turn.route) == ("a", (), Metrics(), "model")


GOOD = '{"start": 0, "end": 5, "supported": false}'
DEEP = "[" * 100_000


@pytest.mark.parametrize(
    ("plan", "sentences", "verdict"),
    [
        ("no json", "no json", "no verdict"),
        ("[]", "{}", ""),
        ("{", "[{", "SUPPORTED"),
        ('{"decision": "wild"}', '[{"start": 0, "end": "5", "supported": true}]', "none"),
        ('{"decision": "deep", "passages": "3"}', '[{"start": 0, "end": 5, "supported": 1}]', "1"),
        ('{"decision": "deep", "tokens": 1.5}', '[{"start": true, "end": 5, "supported": null}]', "[]"),
        ('{"decision": ["deep"]}', '[{"start": 0}]', "null"),
        ('{"reason": null}', '[{"start": 0, "end": 5, "supported": null, "correction": 7}]', "x"),
        (DEEP, DEEP, "x"),
        (b"\xff\xfe", b"\xff", b"partly"),
        (7, 7, 7),
    ],
)
def test_a_damaged_plan_or_review_leaves_the_turn_readable(
    history: History, plan: object, sentences: object, verdict: object
) -> None:
    chat_id, _ = answered(history, "q", "a")
    history._connection.execute("UPDATE turns SET plan = ?, sentences = ?, verdict = ?", (plan, sentences, verdict))
    (turn,) = history.turns(chat_id)
    assert (turn.answer, turn.plan, turn.sentences, turn.verdict) == ("a", None, (), "unchecked")


def test_a_damaged_sentence_leaves_the_others(history: History) -> None:
    chat_id, _ = answered(history, "q", "a")
    history._connection.execute("UPDATE turns SET sentences = ?", (f'[1, {GOOD}, {{"start": -1}}, null]',))
    assert history.turns(chat_id)[0].sentences == (SentenceReview(0, 5, False),)


def test_fields_of_a_later_version_are_passed_over(history: History) -> None:
    chat_id, turn_id = history.begin(None, "q", "model")
    history.finish(turn_id, "a", "stop", (CITATION,), METRICS)
    (stored,) = history._connection.execute("SELECT metrics FROM turns").fetchone()
    history._connection.execute("UPDATE turns SET metrics = ?", (json.dumps({**json.loads(stored), "later": 1}),))
    assert history.turns(chat_id)[0].metrics == METRICS
