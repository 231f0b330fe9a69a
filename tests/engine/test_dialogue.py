"""What the model has read of a chat is known again, and forgotten when it no longer holds."""

from __future__ import annotations

from engine.dialogue import Dialogues, Exchange, without_stale
from engine.messages import Metrics, Passage, SentenceReview, Turn, Verdict

PASSAGE = Passage("c1", "/docs/a.pdf", "the text", 1, "", 0, 8, 1.0)


def turn(number: int) -> Turn:
    return Turn(number, f"q{number}", f"a{number}", "model", "stop", (), Metrics(), float(number))


def read(number: int, *passages: Passage) -> Exchange:
    return Exchange(number, f"q{number}", f"read {number}", passages=passages)


def test_turns_of_an_unknown_chat_are_bare() -> None:
    [exchange] = Dialogues().exchanges(1, [turn(4)])
    assert exchange == Exchange(4, "q4", "q4", "a4", (), 4.0)


def test_known_turn_stands_as_it_was_read_with_its_stored_answer() -> None:
    dialogues = Dialogues()
    dialogues.remember(1, [read(4, PASSAGE)])
    [exchange] = dialogues.exchanges(1, [turn(4)])
    assert exchange == Exchange(4, "q4", "read 4", "a4", (PASSAGE,), 4.0)


def test_turn_that_was_dropped_for_want_of_room_stays_out() -> None:
    dialogues = Dialogues()
    dialogues.remember(1, [read(3), read(4)])
    found = dialogues.exchanges(1, [turn(1), turn(2), turn(3), turn(4), turn(5)])
    assert [exchange.message for exchange in found] == ["read 3", "read 4", "q5"]


def test_question_without_an_answer_is_left_out() -> None:
    dialogues = Dialogues()
    dialogues.remember(1, [read(1), read(2, PASSAGE)])
    assert [exchange.turn_id for exchange in dialogues.exchanges(1, [turn(1)])] == [1]


def test_truncated_turns_are_forgotten() -> None:
    dialogues = Dialogues()
    dialogues.remember(1, [read(3), read(4), read(5)])
    dialogues.truncate(1, 4)
    assert [exchange.message for exchange in dialogues.exchanges(1, [turn(3), turn(4)])] == ["read 3", "q4"]
    dialogues.truncate(1, 3)
    assert [exchange.message for exchange in dialogues.exchanges(1, [turn(1), turn(3)])] == ["q1", "q3"]


def test_least_recently_used_chat_is_forgotten() -> None:
    dialogues = Dialogues(most_chats=2)
    for chat in (1, 2, 1, 3):
        dialogues.remember(chat, [read(4)])
    messages = [dialogues.exchanges(chat, [turn(4)])[0].message for chat in (1, 2, 3)]
    assert messages == ["read 4", "q4", "read 4"]


def test_deleted_chats_are_forgotten() -> None:
    dialogues = Dialogues()
    for chat in (1, 2):
        dialogues.remember(chat, [read(4)])
    dialogues.keep_only({2, 7})
    assert [dialogues.exchanges(chat, [turn(4)])[0].message for chat in (1, 2)] == ["q4", "read 4"]


def test_passages_of_a_changed_or_removed_document_are_taken_out() -> None:
    dialogues = Dialogues()
    dialogues.remember(1, [read(4, PASSAGE), read(5)])
    exchanges = dialogues.exchanges(1, [turn(4), turn(5)])
    assert without_stale(exchanges, {PASSAGE.path: 3.5}) == exchanges
    for updated in ({PASSAGE.path: 4.5}, {}):
        stripped = without_stale(exchanges, updated)
        assert (stripped[0].message, stripped[0].passages, stripped[0].answer) == ("q4", (), "a4")
        assert stripped[1] == exchanges[1]


def reviewed(verdict: Verdict, *supported: bool | None) -> Turn:
    """A turn that says "One is so. Two is so." and on, a sentence for each finding."""
    words = ("One", "Two", "Three")[: len(supported)]
    answer = " ".join(f"{word} is so." for word in words)
    starts = [answer.index(word) for word in words]
    sentences = tuple(
        SentenceReview(start, start + len(f"{word} is so."), found)
        for start, word, found in zip(starts, words, supported, strict=True)
    )
    return Turn(4, "q4", answer, "model", "stop", (), Metrics(), 4.0, None, sentences, verdict)


def said_later(turn: Turn) -> str:
    [exchange] = Dialogues().exchanges(1, [turn])
    return exchange.answer


def test_unsupported_sentences_are_not_read_again() -> None:
    assert said_later(reviewed("partly", True, False)) == "One is so."
    assert said_later(reviewed("partly", False, True, None)) == "Two is so. Three is so."
    assert said_later(reviewed("supported", True, True)) == "One is so. Two is so."


def test_answer_of_which_nothing_would_be_left_stands() -> None:
    assert said_later(reviewed("unsupported", False, False)) == "One is so. Two is so."
    assert said_later(reviewed("partly", False, False)) == "One is so. Two is so."
