"""The file of the chats: crashes, other processes, damage, a full disk."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import HistoryError
from engine.history import History
from engine.history_file import _MIGRATIONS, connect
from engine.messages import RetrievalPlan


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


# ---------------------------------------------------------------- crashes and other processes

CRASHING = """
import sys
from pathlib import Path
from engine.history import History
history = History(Path(sys.argv[1]))
chat, turn = history.begin(None, "the last question", "model")
history.save_partial(turn, "half an answ")
print(chat, flush=True)
sys.stdin.read()
"""


def test_killed_process_keeps_question_and_partial_answer(file: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", CRASHING, str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    chat_id = int(process.stdout.readline())
    process.kill()
    process.communicate()
    if sys.platform != "win32":
        assert process.returncode == -signal.SIGKILL
    history = History(file)
    (turn,) = history.turns(chat_id)
    found = history.search("half answ")
    history.close()
    assert (turn.question, turn.answer, turn.reason) == ("the last question", "half an answ", "failed")
    assert [chat.id for chat in found] == [chat_id]
    assert history.notice == ""


def test_second_process_does_not_disturb_a_running_answer(history: History, file: Path) -> None:
    chat_id, turn_id = history.begin(None, "q", "model")
    other = History(file)
    history.save_partial(turn_id, "more")
    history.finish(turn_id, "whole", "stop")
    (turn,) = other.turns(chat_id)
    other.close()
    assert (turn.answer, turn.reason) == ("whole", "stop")


def test_many_threads_write_and_read_at_once(history: History) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for step in range(10):
                chat_id, turn_id = history.begin(None, f"question {number} {step}", "model")
                history.save_partial(turn_id, "part")
                history.finish(turn_id, f"answer {number} {step}", "stop")
                assert history.turns(chat_id)[0].answer == f"answer {number} {step}"
                history.search("answer")
        except BaseException as exc:
            failures.append(exc)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(history.chats()) == 40


def test_database_held_by_another_program_is_told_in_a_sentence(history: History, file: Path) -> None:
    history._connection.execute("PRAGMA busy_timeout = 50")
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(HistoryError, match="Another program holds"):
            history.begin(None, "q", "model")
    finally:
        other.close()
    assert history.begin(None, "q", "model")


def test_full_disk_is_told_in_a_sentence_and_leaves_the_chats_whole(history: History) -> None:
    chat_id, turn_id = history.begin(None, "q", "model")
    pages = history._connection.execute("PRAGMA page_count").fetchone()[0]
    history._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(HistoryError, match="disk is full"):
        history.finish(turn_id, "long " * 100_000, "stop")
    assert history.turns(chat_id)[0].answer == ""
    history._connection.execute("PRAGMA max_page_count = 1000000")
    history.finish(turn_id, "fits now", "stop")
    assert history.turns(chat_id)[0].answer == "fits now"


def test_failing_step_is_undone_as_a_whole(history: History) -> None:
    history._connection.execute("DROP TABLE turn_words")
    with pytest.raises(HistoryError):
        history.begin(None, "q", "model")
    assert history.chats() == ()


def test_call_after_close_is_a_history_error(file: Path) -> None:
    history = History(file)
    history.close()
    history.close()
    with pytest.raises(HistoryError):
        history.chats()


# ---------------------------------------------------------------- the file


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no file modes")
def test_file_is_private_to_the_user(history: History, file: Path) -> None:
    answered(history, "q", "a")
    modes = {path.name: path.stat().st_mode & 0o777 for path in file.parent.iterdir()}
    assert modes["chats.sqlite"] == 0o600
    assert set(modes.values()) == {0o600}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no file modes")
def test_file_that_was_open_to_others_is_made_private(file: Path) -> None:
    file.parent.mkdir()
    file.touch(0o644)
    file.chmod(0o644)
    History(file).close()
    assert file.stat().st_mode & 0o777 == 0o600


def truncated(content: bytes) -> bytes:
    return content[: len(content) // 2]


def zeroed(content: bytes) -> bytes:
    return bytes(len(content))


def scrambled(content: bytes) -> bytes:
    return content[:5000] + b"\xa5" * (len(content) - 5000)


def foreign(content: bytes) -> bytes:
    return b"These are no chats. " * 300


@pytest.mark.parametrize("damage", [truncated, zeroed, scrambled, foreign])
def test_damaged_file_is_kept_aside_and_new_chats_begin(file: Path, damage: object) -> None:
    assert callable(damage)
    history = History(file)
    for number in range(30):
        answered(history, f"question {number}", "answer " * 200)
    history.close()
    broken = damage(file.read_bytes())
    file.write_bytes(broken)

    history = History(file)
    kept = [path for path in file.parent.iterdir() if re.fullmatch(r"chats\.damaged-\d{8}-\d{6}\.sqlite", path.name)]
    assert [path.read_bytes() for path in kept] == [broken]
    assert str(kept[0]) in history.notice
    assert history.notice.endswith(".")
    assert history.chats() == ()
    assert answered(history, "new", "works")
    history.close()
    again = History(file)
    assert (again.notice, len(again.chats())) == ("", 1)
    again.close()


def test_second_damage_in_the_same_second_overwrites_nothing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.history_file.time.strftime", lambda form: "20260101-000000")
    file.parent.mkdir()
    for number in range(3):
        file.write_bytes(b"damage %d " % number * 100)
        History(file).close()
    kept = sorted(path.read_bytes()[:8] for path in file.parent.iterdir() if "damaged" in path.name)
    assert kept == [b"damage 0", b"damage 1", b"damage 2"]


def test_empty_file_is_a_new_one(file: Path) -> None:
    file.parent.mkdir()
    file.touch()
    history = History(file)
    assert (history.chats(), history.notice) == ((), "")
    history.close()


def test_file_of_a_newer_version_is_refused_and_left_alone(file: Path) -> None:
    History(file).close()
    other = sqlite3.connect(file)
    other.execute("PRAGMA user_version = 999")
    other.close()
    before = file.read_bytes()
    with pytest.raises(HistoryError, match="newer"):
        History(file)
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == ["chats.sqlite"]


def test_folder_in_place_of_the_file_is_told_in_a_sentence(file: Path) -> None:
    file.mkdir(parents=True)
    with pytest.raises(HistoryError, match="can't write your chats"):
        History(file)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="file modes do not bind this user")
def test_file_in_a_locked_folder_is_told_in_a_sentence(file: Path) -> None:
    file.parent.mkdir(mode=0o500)
    with pytest.raises(HistoryError, match="can't write your chats"):
        History(file)


def test_migrations_number_the_file(file: Path) -> None:
    History(file).close()
    connection = connect(file)
    assert connection.execute("PRAGMA user_version").fetchone()[0] >= 1
    assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2
    connection.close()


def test_a_file_of_the_first_version_opens_with_all_its_chats(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("engine.history_file._MIGRATIONS", _MIGRATIONS[:1])
        old = connect(file)
    old.execute("INSERT INTO chats (title, created, updated) VALUES ('Old', 1, 2)")
    old.execute(
        "INSERT INTO turns (chat_id, question, answer, route, reason, asked) VALUES (1, 'q', 'a', 'model', 'stop', 1)"
    )
    old.close()
    history = History(file)
    (turn,) = history.turns(1)
    assert (turn.question, turn.answer, turn.reason) == ("q", "a", "stop")
    assert (turn.plan, turn.sentences, turn.verdict) == (None, (), "unchecked")
    plan = RetrievalPlan("light", 1, 2, 3, "why")
    history.finish(turn.id, "b", "stop", plan=plan, verdict="supported")
    assert (history.turns(1)[0].plan, history.turns(1)[0].verdict) == (plan, "supported")
    history.close()


def test_migration_that_fails_leaves_nothing_behind(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("engine.history_file._MIGRATIONS", (f"{_MIGRATIONS[0]} NO SUCH STATEMENT",))
        with pytest.raises(HistoryError):
            History(file)
    history = History(file)
    assert answered(history, "q", "a")
    history.close()
