from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app import __version__, cli, console
from app.cli_bench import BENCHES
from engine.errors import HolaError, ModelFileError
from engine.messages import (
    Citation,
    Delta,
    Document,
    DocumentChanged,
    DocumentStatus,
    Event,
    Finished,
    IndexEvent,
    IndexFinished,
    IndexProgress,
    Metrics,
    Progress,
    Question,
    Started,
)

CITATION = Citation(1, "/docs/köhl manual.pdf", 5, "lasts 24 months", 10, 25, 0, 9, 0.9)
ANSWER = "24 months. [bold]really[/bold]"


class FakeLibrary:
    """A library of two documents that remembers what it was asked."""

    def __init__(self) -> None:
        self.jobs: list[tuple[str, tuple[Path, ...]]] = []
        self.interrupt = False
        self.cancelled = False
        self.files: tuple[Document, ...] = (
            Document("/docs/a.md", DocumentStatus.READY, chunks=3),
            Document("/docs/b.pdf", DocumentStatus.FAILED, reason="It asks for a password."),
        )

    def documents(self) -> tuple[Document, ...]:
        return self.files

    def index(self, paths: Sequence[Path]) -> Iterator[IndexEvent]:
        self.jobs.append(("index", tuple(paths)))
        return self._job()

    def rebuild(self, paths: Sequence[Path] = ()) -> Iterator[IndexEvent]:
        self.jobs.append(("rebuild", tuple(paths)))
        return self._job()

    def remove(self, paths: Sequence[Path]) -> int:
        self.jobs.append(("remove", tuple(paths)))
        return sum(str(path) in {file.path for file in self.files} for path in paths)

    def _job(self) -> Iterator[IndexEvent]:
        try:
            yield DocumentChanged(self.files[0])
            yield IndexProgress(1, 2, 3, 10.0, 4.0)
            if self.interrupt:
                raise KeyboardInterrupt
            yield IndexFinished(1, 0, 1, 0, 0, 3, self.files)
        except GeneratorExit:
            self.cancelled = True
            raise


class FakeEngine:
    """An engine that answers one thing."""

    def __init__(self) -> None:
        self.library = FakeLibrary()
        self.questions: list[Question] = []
        self.error: BaseException | None = None
        self.closed = False

    def ask(self, question: Question) -> Iterator[Event]:
        self.questions.append(question)
        yield Started("model", 1, 2)
        yield Progress("loading model")
        yield Delta(ANSWER[:4])
        if self.error is not None:
            raise self.error
        yield Delta(ANSWER[4:])
        yield Finished(ANSWER, "stop", (CITATION,), Metrics(ttft_ms=12.5, prompt_tokens=40))


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    fake = FakeEngine()

    @contextlib.contextmanager
    def open_engine() -> Iterator[FakeEngine]:
        try:
            yield fake
        finally:
            fake.closed = True

    monkeypatch.setattr(cli, "open_engine", open_engine)
    return fake


def hola(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, list(arguments))


def test_version_is_printed() -> None:
    result = hola("--version")
    assert (result.exit_code, result.stdout) == (0, f"hola {__version__}\n")


def test_help_names_every_command() -> None:
    result = hola("--help")
    assert result.exit_code == 0
    assert all(
        name in result.stdout for name in ("index", "ask", "library", "models", "lobi", "doctor", "bench", "tour")
    )


@pytest.mark.parametrize(
    "arguments", [["fly"], ["index"], ["ask"], ["ask", " "], ["ask", "x", "--loud"], ["bench", "x"]]
)
def test_wrong_usage_exits_with_2(engine: FakeEngine, arguments: list[str]) -> None:
    assert hola(*arguments).exit_code == 2


def test_an_answer_is_followed_by_its_sources(engine: FakeEngine) -> None:
    result = hola("ask", "How long is the warranty?")
    assert result.exit_code == 0
    assert result.stdout == f'{ANSWER}\n\n[1] köhl manual.pdf, page 5: "lasts 24 months"\n'
    assert engine.questions == [Question("How long is the warranty?")]
    assert engine.closed


def test_documents_can_be_left_out(engine: FakeEngine) -> None:
    assert hola("ask", "Why?", "--no-documents").exit_code == 0
    assert not engine.questions[0].use_documents


def test_json_of_an_answer_has_the_promised_keys(engine: FakeEngine) -> None:
    result = hola("ask", "How long?", "--json")
    value = json.loads(result.stdout)
    assert (value["answer"], value["route"]) == (ANSWER, "model")
    place = {key: value["citations"][0][key] for key in ("file", "page", "snippet", "start", "end")}
    assert place == {"file": CITATION.path, "page": 5, "snippet": CITATION.snippet, "start": 10, "end": 25}
    assert {
        "ttft_ms",
        "tokens_per_s",
        "retrieval_ms",
        "prompt_tokens",
        "reused_tokens",
        "completion_tokens",
        "peak_rss_mb",
    } <= set(value["metrics"])
    assert value["metrics"]["ttft_ms"] == 12.5


def test_an_error_is_one_sentence_on_stderr_and_exit_1(engine: FakeEngine) -> None:
    engine.error = ModelFileError("The model file is damaged: choose another one.")
    result = hola("ask", "Why?", "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "The model file is damaged: choose another one.\n"
    assert engine.closed


def test_ctrl_c_ends_cleanly_with_130(engine: FakeEngine) -> None:
    engine.error = KeyboardInterrupt()
    result = hola("ask", "Why?")
    assert result.exit_code == 130
    assert result.stderr == "Stopped.\n"
    assert engine.closed


def test_an_unexpected_error_is_told_and_logged(engine: FakeEngine, caplog: pytest.LogCaptureFixture) -> None:
    engine.error = ZeroDivisionError("none")
    result = hola("ask", "Why?")
    assert result.exit_code == 1
    assert "ZeroDivisionError" in result.stderr
    assert "Traceback" not in result.stderr
    assert caplog.records[0].exc_info is not None


def test_an_answer_cannot_drive_the_terminal(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(question: Question) -> Iterator[Event]:
        yield Delta("\x1b[2Jred\x07 \x9b31m")
        yield Finished("\x1b[2Jred\x07 \x9b31m", "stop")

    monkeypatch.setattr(engine, "ask", ask)
    assert hola("ask", "Why?").stdout == "[2Jred 31m\n"


def test_a_corrected_answer_is_shown_after_the_streamed_one(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(question: Question) -> Iterator[Event]:
        yield Delta("2 + 2 = 5")
        yield Finished("2 + 2 = 4", "stop")

    monkeypatch.setattr(engine, "ask", ask)
    assert hola("ask", "Why?").stdout == "2 + 2 = 5\n\nAfter review:\n2 + 2 = 4\n"


def test_a_broken_off_answer_exits_with_1(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(question: Question) -> Iterator[Event]:
        yield Delta("Half an")
        yield Finished("Half an", "failed")

    monkeypatch.setattr(engine, "ask", ask)
    result = hola("ask", "Why?")
    assert result.exit_code == 1
    assert result.stdout.startswith("Half an\n")


def test_index_reports_each_file_that_is_not_ready_and_exits_with_0(engine: FakeEngine, tmp_path: Path) -> None:
    result = hola("index", str(tmp_path))
    assert result.exit_code == 0
    assert result.stdout == (
        "failed: /docs/b.pdf: It asks for a password.\n1 ready, 0 unchanged, 0 skipped, 1 failed; 3 new passages.\n"
    )
    assert engine.library.jobs == [("index", (tmp_path,))]


def test_json_of_index_has_the_promised_keys(engine: FakeEngine, tmp_path: Path) -> None:
    result = hola("index", str(tmp_path), "--json")
    value = json.loads(result.stdout)
    assert [value[key] for key in ("ready", "skipped", "failed", "unchanged", "chunks")] == [1, 0, 1, 0, 3]
    assert [file["status"] for file in value["files"]] == ["ready", "failed"]
    assert {"path", "status", "reason", "chunks"} <= set(value["files"][0])


def test_a_path_that_does_not_exist_is_an_error_before_anything_is_read(engine: FakeEngine, tmp_path: Path) -> None:
    result = hola("index", str(tmp_path), str(tmp_path / "müsli.pdf"))
    assert result.exit_code == 1
    assert "müsli.pdf" in result.stderr
    assert engine.library.jobs == []


def test_ctrl_c_while_indexing_exits_with_130(engine: FakeEngine, tmp_path: Path) -> None:
    engine.library.interrupt = True
    result = hola("index", str(tmp_path))
    assert result.exit_code == 130
    assert engine.closed


def test_an_error_outside_the_job_cancels_it(
    engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any, **options: Any) -> None:
        raise HolaError("The terminal is gone.")

    monkeypatch.setattr(console, "printable", fail)
    with contextlib.suppress(HolaError):
        cli.follow(engine.library.index([tmp_path]), shown=False)
    assert engine.library.cancelled


def test_the_library_is_listed(engine: FakeEngine) -> None:
    result = hola("library", "list")
    assert result.exit_code == 0
    assert "/docs/a.md" in result.stdout
    value = json.loads(hola("library", "list", "--json").stdout)
    assert [document["path"] for document in value["documents"]] == ["/docs/a.md", "/docs/b.pdf"]


def test_an_empty_library_says_what_to_do(engine: FakeEngine) -> None:
    engine.library.files = ()
    assert "hola index" in hola("library", "list").stdout


def test_documents_are_removed_by_path(engine: FakeEngine) -> None:
    assert json.loads(hola("library", "remove", "/docs/a.md", "--json").stdout) == {"removed": 1}
    assert engine.library.jobs == [("remove", (Path("/docs/a.md"),))]


def test_removing_what_is_not_there_is_an_error(engine: FakeEngine) -> None:
    result = hola("library", "remove", "/docs/other.md")
    assert result.exit_code == 1
    assert "library list" in result.stderr


def test_rebuild_takes_every_document_or_those_named(engine: FakeEngine) -> None:
    assert hola("library", "rebuild").exit_code == 0
    assert hola("library", "rebuild", "/docs/a.md").exit_code == 0
    assert engine.library.jobs == [("rebuild", ()), ("rebuild", (Path("/docs/a.md"),))]


def test_a_bench_prints_a_table_and_writes_its_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLA_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(cli, "BENCHES", {"search": lambda config, given: {"chunks": 10, "p50_ms": 1.25}})
    result = hola("bench", "search", "--json", str(tmp_path / "figures.json"))
    assert result.exit_code == 0
    assert "p50_ms" in result.stdout
    assert json.loads((tmp_path / "figures.json").read_text("utf-8")) == {"chunks": 10, "p50_ms": 1.25}


def test_every_bench_of_the_issue_is_offered() -> None:
    assert set(BENCHES) >= {"startup", "index", "search", "responsiveness", "decode", "rag", "answers"}


@pytest.mark.parametrize("name", ["rag", "answers"])
def test_bench_of_questions_says_that_it_needs_them(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLA_DATA_DIR", str(tmp_path / "data"))
    result = hola("bench", name)
    assert result.exit_code == 1
    assert "--data" in result.stderr


def test_a_damaged_settings_file_is_told_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLA_DATA_DIR", str(tmp_path))
    (tmp_path / "settings.json").write_text("{", "utf-8")
    result = hola("library", "list")
    assert result.exit_code == 1
    assert "settings.json" in result.stderr
    assert result.stderr.count("\n") == 1
