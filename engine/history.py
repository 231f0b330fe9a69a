"""The stored chats: one SQLite file, in which a question stands before its answer begins."""

from __future__ import annotations

import contextlib
import json
import logging
import sqlite3
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

from engine.errors import HistoryError
from engine.history_file import Damaged, connect, mapped, move_aside
from engine.messages import (
    Chat,
    Citation,
    FinishReason,
    Metrics,
    RetrievalPlan,
    Route,
    SentenceReview,
    Turn,
    Verdict,
)

__all__ = ["History", "title_of"]

logger = logging.getLogger(__name__)

MAX_TITLE = 48
"""Length of a title made from a question, in characters."""
MAX_GIVEN_TITLE = 200
"""Length of a title that the user gives, in characters."""

_Record = TypeVar("_Record", Citation, Metrics, RetrievalPlan, SentenceReview)
_HINTS: dict[type[Any], dict[str, Any]] = {
    kind: get_type_hints(kind) for kind in (Citation, Metrics, RetrievalPlan, SentenceReview)
}


class History:
    """Chats and turns on disk; every method can be called from any thread and raises HistoryError in one sentence."""

    def __init__(self, file: Path, on_delete: Callable[[], None] = lambda: None) -> None:
        self.notice = ""
        """One sentence for the user if the stored chats were damaged; else empty."""
        self._file = file
        self._on_delete = on_delete
        self._lock = threading.RLock()
        self._connection = self._open()
        with self._transaction() as connection:
            _index_unfinished(connection)

    def close(self) -> None:
        """Close the file; nothing can be called afterwards."""
        with self._lock:
            self._connection.close()

    # ------------------------------------------------------------ one question

    def begin(self, chat_id: int | None, question: str, route: Route) -> tuple[int, int]:
        """Store a question, in a new chat if `chat_id` is None, and return the ids of chat and turn."""
        now = time.time()
        question = _storable(question)
        with self._transaction() as connection:
            if chat_id is None:
                chat_id = _inserted(
                    connection.execute(
                        "INSERT INTO chats (title, created, updated) VALUES (?, ?, ?)", (title_of(question), now, now)
                    )
                )
                _index_title(connection, chat_id, title_of(question))
            elif not connection.execute("UPDATE chats SET updated = ? WHERE id = ?", (now, chat_id)).rowcount:
                raise HistoryError("This chat no longer exists: begin a new one.")
            turn_id = _inserted(
                connection.execute(
                    "INSERT INTO turns (chat_id, question, route, asked) VALUES (?, ?, ?, ?)",
                    (chat_id, question, route, now),
                )
            )
            _index_turn(connection, turn_id)
        return chat_id, turn_id

    def save_partial(self, turn_id: int, answer: str) -> None:
        """Store the answer as far as it goes; a turn that was deleted meanwhile is left alone."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE turns SET answer = ? WHERE id = ? AND reason IS NULL", (_storable(answer), turn_id)
            )

    def finish(
        self,
        turn_id: int,
        answer: str,
        reason: FinishReason,
        citations: Sequence[Citation] = (),
        metrics: Metrics | None = None,
        *,
        plan: RetrievalPlan | None = None,
        sentences: Sequence[SentenceReview] = (),
        verdict: Verdict = "unchecked",
    ) -> None:
        """Store the whole answer; a turn that was deleted meanwhile is left alone."""
        columns = {
            "answer": _storable(answer),
            "reason": reason,
            "citations": json.dumps([asdict(citation) for citation in citations]),
            "metrics": json.dumps(asdict(metrics or Metrics())),
            "plan": json.dumps(plan and asdict(plan)),
            "sentences": json.dumps([asdict(sentence) for sentence in sentences]),
            "verdict": verdict,
        }
        settings = ", ".join(f"{name} = ?" for name in columns)
        with self._transaction() as connection:
            changed = connection.execute(
                f"UPDATE turns SET {settings} WHERE id = ?", (*columns.values(), turn_id)
            ).rowcount
            if changed:
                connection.execute(
                    "UPDATE chats SET updated = ? WHERE id = (SELECT chat_id FROM turns WHERE id = ?)",
                    (time.time(), turn_id),
                )
                _index_turn(connection, turn_id)

    def truncate(self, chat_id: int, turn_id: int) -> None:
        """Drop a turn of a chat and all turns after it."""
        with self._transaction() as connection:
            _drop_turns(connection, "chat_id = ? AND id >= ?", (chat_id, turn_id))

    # ------------------------------------------------------------ all chats

    def chats(self) -> tuple[Chat, ...]:
        """Return every chat, newest first."""
        return tuple(
            Chat(*row) for row in self._rows("SELECT id, title, updated FROM chats ORDER BY updated DESC, id DESC")
        )

    def turns(self, chat_id: int) -> tuple[Turn, ...]:
        """Return the turns of a chat, oldest first; empty if there is no such chat."""
        rows = self._rows(
            "SELECT id, question, answer, route, reason, citations, metrics, asked, plan, sentences, verdict FROM turns"
            " WHERE chat_id = ? ORDER BY id",
            (chat_id,),
        )
        return tuple(_turn(row) for row in rows)

    def rename(self, chat_id: int, title: str) -> None:
        """Give a chat another title."""
        title = " ".join(_storable(title).split())[:MAX_GIVEN_TITLE].strip()
        if not title:
            raise HistoryError("A chat needs a title: type at least one character.")
        with self._transaction() as connection:
            if not connection.execute("UPDATE chats SET title = ? WHERE id = ?", (title, chat_id)).rowcount:
                raise HistoryError("This chat no longer exists, so it can't be renamed.")
            _index_title(connection, chat_id, title)

    def delete(self, chat_id: int) -> None:
        """Delete a chat with all its turns; one that is gone already is no error."""
        with self._transaction() as connection:
            _drop_turns(connection, "chat_id = ?", (chat_id,))
            connection.execute("DELETE FROM chat_words WHERE rowid = ?", (chat_id,))
            connection.execute("DELETE FROM chats WHERE id = ?", (chat_id,))
        # What was made from its text goes too.
        self._on_delete()

    def search(self, text: str) -> tuple[Chat, ...]:
        """Return the chats in whose title, questions and answers every word occurs, newest first.

        A part of a word is enough; case and accents don't matter.
        """
        found: set[int] | None = None
        for word in dict.fromkeys(_folded(_storable(text)).split()):
            # A trigram index knows nothing shorter than three characters.
            test, wanted = ("MATCH ?", _quoted(word)) if len(word) > 2 else ("LIKE ? ESCAPE '\\'", _like(word))
            rows = self._rows(
                f"SELECT chat_id FROM turns WHERE id IN (SELECT rowid FROM turn_words WHERE words {test})"
                f" UNION SELECT rowid FROM chat_words WHERE words {test}",
                (wanted, wanted),
            )
            ids = {int(row[0]) for row in rows}
            found = ids if found is None else found & ids
        return tuple(chat for chat in self.chats() if found is None or chat.id in found)

    # ------------------------------------------------------------ the file

    def _open(self) -> sqlite3.Connection:
        """Open the file; a damaged one is moved aside and a new one begun."""
        try:
            return connect(self._file)
        except Damaged as exc:
            logger.warning("the chats in %s are damaged: %s", self._file, exc.__cause__ or exc)
            aside = move_aside(self._file)
            self.notice = f"Your stored chats were damaged: they were kept as {aside}, and new ones begun."
        try:
            return connect(self._file)
        except Damaged as exc:
            raise HistoryError(
                f"Hola can't begin a new file for your chats in {self._file.parent}: check the disk."
            ) from exc

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Run statements as one step, undone as a whole if one of them fails."""
        with self._lock, mapped(self._file):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                # A full disk has ended the transaction already.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _rows(self, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Read all rows of a query."""
        with self._lock, mapped(self._file):
            return self._connection.execute(query, values).fetchall()


def title_of(question: str) -> str:
    """Make a title of the first words of a question."""
    text = " ".join(question.split())
    if len(text) <= MAX_TITLE:
        return text or "New chat"
    # A cut between the parts of one visible character, such as a flag or an accented letter, would garble it.
    end = MAX_TITLE - 1
    space = text.rfind(" ", MAX_TITLE // 2, end + 1)
    if space > 0:
        end = space
    while end > 1 and (unicodedata.category(text[end]) in ("Mn", "Mc", "Me", "Cf", "Sk") or text[end - 1] == "\u200d"):
        end -= 1
    return text[:end].rstrip(" ,;:-–") + "…"


# ---------------------------------------------------------------- rows


def _inserted(cursor: sqlite3.Cursor) -> int:
    """Return the id of the row that was inserted."""
    return cast(int, cursor.lastrowid)


def _index_turn(connection: sqlite3.Connection, turn_id: int) -> None:
    """Make the words of a turn findable."""
    row = connection.execute("SELECT question, answer FROM turns WHERE id = ?", (turn_id,)).fetchone()
    connection.execute("DELETE FROM turn_words WHERE rowid = ?", (turn_id,))
    connection.execute(
        "INSERT INTO turn_words (rowid, words) VALUES (?, ?)", (turn_id, f"{_folded(row[0])}\n{_folded(row[1])}")
    )


def _index_unfinished(connection: sqlite3.Connection) -> None:
    """Make what a crash cut off findable; another process may be writing it still, so it is not marked."""
    for (turn_id,) in connection.execute("SELECT id FROM turns WHERE reason IS NULL").fetchall():
        _index_turn(connection, turn_id)


def _index_title(connection: sqlite3.Connection, chat_id: int, title: str) -> None:
    """Make the words of a title findable."""
    connection.execute("DELETE FROM chat_words WHERE rowid = ?", (chat_id,))
    connection.execute("INSERT INTO chat_words (rowid, words) VALUES (?, ?)", (chat_id, _folded(title)))


def _drop_turns(connection: sqlite3.Connection, which: str, values: tuple[int, ...]) -> None:
    """Delete turns with their words."""
    connection.execute(f"DELETE FROM turn_words WHERE rowid IN (SELECT id FROM turns WHERE {which})", values)
    connection.execute(f"DELETE FROM turns WHERE {which}", values)


def _turn(row: tuple[Any, ...]) -> Turn:
    """Build a turn from its row; one that has no end yet reads as failed."""
    turn_id, question, answer, route, reason, citations, metrics, asked, plan, sentences, verdict = row
    return Turn(
        id=turn_id,
        question=question,
        answer=answer,
        route=route if route in get_args(Route) else "model",
        reason=reason if reason in get_args(FinishReason) else "failed",
        citations=_records(Citation, citations),
        metrics=_record(Metrics, _loaded(metrics)) or Metrics(),
        asked=asked,
        plan=_record(RetrievalPlan, _loaded(plan)),
        sentences=_records(SentenceReview, sentences),
        verdict=verdict if verdict in get_args(Verdict) else "unchecked",
    )


def _records(kind: type[_Record], text: Any) -> tuple[_Record, ...]:
    """Build the records of a JSON list, without those that can't be read."""
    loaded = _loaded(text)
    return tuple(filter(None, (_record(kind, item) for item in loaded))) if isinstance(loaded, list) else ()


def _record(kind: type[_Record], values: Any) -> _Record | None:
    """Build a record from JSON of this or another version; None if a field is missing or of another type."""
    if not isinstance(values, dict):
        return None
    hints = _HINTS[kind]
    known = {name: value for name, value in values.items() if name in hints}
    if not all(_fits(value, hints[name]) for name, value in known.items()):
        return None
    try:
        return kind(**known)
    except TypeError:
        return None


def _fits(value: Any, hint: Any) -> bool:
    """Tell whether a JSON value is what a field takes."""
    origin = get_origin(hint)
    if origin is Literal:
        return value in get_args(hint)
    if origin is UnionType:
        return any(_fits(value, each) for each in get_args(hint))
    # A whole number is a fine float; True is no number, though Python says so.
    return type(value) in ((int, float) if hint is float else (hint,))


def _loaded(text: Any) -> Any:
    """Parse JSON; None if it is none, or too deep to be Hola's."""
    try:
        return json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return None


# ---------------------------------------------------------------- text


def _storable(text: str) -> str:
    """Replace what UTF-8 can't hold: halves of surrogate pairs from broken clipboards."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _folded(text: str) -> str:
    """Drop case, accents and widths, so that a search finds all of them; NUL would end the text for SQLite."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    return unicodedata.normalize("NFC", "".join(char for char in parts if not _is_accent(char))).replace("\0", " ")


def _is_accent(char: str) -> bool:
    """Tell an accent of a Latin, Greek or Cyrillic letter; the voicing marks of Japanese change the sound and stay."""
    return "\u0300" <= char <= "\u036f"


def _quoted(word: str) -> str:
    """Write a word as an FTS5 string."""
    return '"' + word.replace('"', '""') + '"'


def _like(word: str) -> str:
    """Write a word as a LIKE pattern that finds it anywhere."""
    escaped = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
