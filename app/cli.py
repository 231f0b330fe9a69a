"""The command line: the same engine, without a window.

Exit code 0: done; 1: an error, told in one sentence; 2: wrong usage; 130: stopped by Ctrl+C.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Generator, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from app import __version__, console
from app.bench_ablation import print_figures
from app.bench_decode import with_model
from app.cli_ask import answer_json, listen, print_notes
from app.cli_bench import BENCHES, Given
from app.cli_lobi import lobi_commands
from app.cli_models import models_commands
from app.paths import engine_config
from engine.errors import LibraryError, ModelError, SettingsError
from engine.messages import (
    Document,
    DocumentChanged,
    DocumentStatus,
    IndexEvent,
    IndexFinished,
    IndexProgress,
    Question,
)

if TYPE_CHECKING:
    from engine.config import EngineConfig
    from engine.engine import Engine

__all__ = ["app"]

app = typer.Typer(
    name="hola",
    help="Hola answers from your documents, with citations, fully offline. Without a command it opens the window.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
library_commands = typer.Typer(help="Look at and change the document library.", no_args_is_help=True)
app.add_typer(library_commands, name="library")
app.add_typer(models_commands, name="models")
app.add_typer(lobi_commands, name="lobi")

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else there.")]


# ---------------------------------------------------------------- shared


def configure() -> EngineConfig:
    """Load the settings and send the log to the data folder."""
    config = engine_config()
    logging.basicConfig(
        filename=config.data.logs / "commands.log",
        encoding="utf-8",
        level=logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    return config


@contextlib.contextmanager
def open_engine() -> Iterator[Engine]:
    """Build the engine, and close it with all its processes in the end."""
    config = configure()
    from engine.engine import Engine

    engine = Engine(config)
    try:
        yield engine
    finally:
        engine.close()


def show_version(asked: bool) -> None:
    """Print the version and end."""
    if asked:
        console.say(f"hola {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", callback=show_version, is_eager=True)
    ] = False,
) -> None:
    """Take the options that stand before a command."""


# ---------------------------------------------------------------- index


@app.command()
def index(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files and folders to read.")],
    as_json: AsJson = False,
) -> None:
    """Read files and folders into the library; what has not changed is not read again."""
    with console.reporting():
        for path in paths:
            if not is_there(path):
                raise LibraryError(f"There is no file or folder {path}: check the spelling.")
        with open_engine() as engine:
            result = follow(engine.library.index([path.absolute() for path in paths]), shown=not as_json)
        report(result, as_json)


def is_there(path: Path) -> bool:
    """Tell whether a path exists; one that may not be looked at is left to the library to report."""
    try:
        return path.exists()
    except OSError:
        return True


def follow(events: Iterator[IndexEvent], *, shown: bool) -> IndexFinished:
    """Show how an index job goes on, and return what came of it."""
    finished: IndexFinished | None = None
    # Closing the events cancels the job: Ctrl+C leaves the library as it is, to be resumed.
    with contextlib.closing(cast("Generator[IndexEvent]", events)), console.progress_bar(shown) as progress:
        task = progress.add_task("Reading", total=None, left="")
        for event in events:
            if isinstance(event, IndexProgress):
                left = "" if event.seconds_left is None else f"{event.seconds_left:.0f} s left"
                progress.update(task, total=event.total, completed=event.done, left=left)
            elif isinstance(event, DocumentChanged):
                progress.update(task, description=console.printable(Path(event.document.path).name)[:40])
            else:
                finished = event
    if finished is None:
        raise LibraryError("Indexing ended before its time: run the command again, it goes on where it stopped.")
    return finished


def report(result: IndexFinished, as_json: bool) -> None:
    """Tell what an index job did."""
    if as_json:
        keys = ("ready", "skipped", "failed", "unchanged", "removed", "chunks", "cancelled")
        counts = {key: getattr(result, key) for key in keys}
        console.print_json({**counts, "files": [document_json(document) for document in result.files]})
        return
    for document in result.files:
        if document.status in (DocumentStatus.FAILED, DocumentStatus.SKIPPED):
            console.say(f"{document.status.value}: {document.path}: {document.reason}")
    removed = f", {result.removed} removed" if result.removed else ""
    console.say(
        f"{result.ready} ready, {result.unchanged} unchanged, {result.skipped} skipped, "
        f"{result.failed} failed{removed}; {result.chunks} new passages."
    )


def document_json(document: Document) -> dict[str, Any]:
    """Return a document as the JSON output has it."""
    return {
        "path": document.path,
        "status": document.status.value,
        "reason": document.reason,
        "chunks": document.chunks,
        "pages": document.pages,
        "bytes": document.size,
    }


# ---------------------------------------------------------------- ask


@app.command()
def ask(
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="What you want to know, in quotes.")],
    as_json: AsJson = False,
    no_documents: Annotated[bool, typer.Option("--no-documents", help="Answer without the library.")] = False,
    documents_only: Annotated[
        bool, typer.Option("--documents-only", help="Answer from the library alone, or say that it holds no answer.")
    ] = False,
) -> None:
    """Answer a question, with the places in your documents that support the answer."""
    if not question.strip():
        raise typer.BadParameter("the question is empty", param_hint="QUESTION")
    if no_documents and documents_only:
        raise typer.BadParameter("it contradicts --no-documents: leave one of them out", param_hint="--documents-only")
    asked = Question(question, use_documents=not no_documents, documents_only=documents_only)
    with console.reporting(), open_engine() as engine:
        heard = listen(engine.ask(asked), shown=not as_json)
        if as_json:
            console.print_json(answer_json(question, heard))
        else:
            print_notes(heard)
        if heard.finished.reason == "failed":
            raise ModelError("The answer broke off: ask again, or run `hola doctor`.")


# ---------------------------------------------------------------- library


@library_commands.command("list")
def list_documents(as_json: AsJson = False) -> None:
    """List the documents with their status."""
    with console.reporting(), open_engine() as engine:
        documents = engine.library.documents()
        if as_json:
            console.print_json({"documents": [document_json(document) for document in documents]})
        elif not documents:
            console.say("The library is empty: add documents with `hola index PATH...`.")
        else:
            rows = [
                (item.status.value, item.path, str(item.pages or ""), str(item.chunks), item.reason)
                for item in documents
            ]
            console.print_listing(("status", "file", "pages", "passages", "reason"), rows)


@library_commands.command("remove")
def remove_documents(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files and folders to forget.")],
    as_json: AsJson = False,
) -> None:
    """Forget documents; the files stay on the disk."""
    with console.reporting(), open_engine() as engine:
        removed = engine.library.remove([path.absolute() for path in paths])
        if not removed:
            raise LibraryError("None of these is in the library: `hola library list` shows what is.")
        if as_json:
            console.print_json({"removed": removed})
        else:
            console.say(f"{removed} removed from the library; nothing was deleted from the disk.")


@library_commands.command("rebuild")
def rebuild_documents(
    paths: Annotated[list[Path] | None, typer.Argument(metavar="[PATH...]", help="None reads every document.")] = None,
    as_json: AsJson = False,
) -> None:
    """Read documents anew, also those that have not changed or that failed."""
    with console.reporting():
        with open_engine() as engine:
            chosen = [path.absolute() for path in paths or []]
            result = follow(engine.library.rebuild(chosen), shown=not as_json)
        report(result, as_json)


# ---------------------------------------------------------------- care and measurement


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Check the model, the library and the machine, and say what to do about problems."""
    with console.reporting():
        from app.doctor import Level, examine

        # Damaged settings are for the examination to find.
        with contextlib.suppress(SettingsError):
            configure()
        findings = []
        for finding in examine():
            findings.append(finding)
            if not as_json:
                console.say(f"{finding.level.value:8} {finding.name}: {finding.message}")
        healthy = all(finding.level is not Level.PROBLEM for finding in findings)
        if as_json:
            console.print_json({"healthy": healthy, "checks": [asdict(finding) for finding in findings]})
        if not healthy:
            raise typer.Exit(1)


@app.command()
def bench(
    name: Annotated[str, typer.Argument(metavar="NAME", help=f"{', '.join(BENCHES)}.")],
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the figures there.")] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", metavar="PATH", help="Documents for `index`; questions (JSONL) for `rag` and `answers`."
        ),
    ] = None,
    model: Annotated[
        Path | None, typer.Option("--model", metavar="FILE", help="GGUF model for `decode` and `answers`.")
    ] = None,
    books: Annotated[
        Path | None, typer.Option("--books", metavar="DIR", help="Markdown files among which `rag` has to find.")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Ask so many questions at most.")] = None,
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Ask only what the weights of `rag` were not learned from.")
    ] = False,
    gsm8k: Annotated[
        Path | None, typer.Option("--gsm8k", metavar="FILE", help="Problems (JSONL) for `ablation`.")
    ] = None,
    arc: Annotated[
        Path | None, typer.Option("--arc", metavar="FILE", help="Questions with choices (JSONL) for `ablation`.")
    ] = None,
    gsm8k_train: Annotated[
        Path | None,
        typer.Option("--gsm8k-train", metavar="FILE", help="Examples to retrieve; else what is not asked."),
    ] = None,
    arc_train: Annotated[
        Path | None, typer.Option("--arc-train", metavar="FILE", help="Examples to retrieve; else what is not asked.")
    ] = None,
    text: Annotated[
        Path | None, typer.Option("--text", metavar="FILE", help="Held-out text for `lobi`; else one of its own.")
    ] = None,
    lobi: Annotated[
        Path | None, typer.Option("--lobi", metavar="FILE", help="Lo-Bi version of the model; else the installed one.")
    ] = None,
    draft: Annotated[
        Path | None, typer.Option("--draft", metavar="FILE", help="Draft version for `lobi`; else the installed one.")
    ] = None,
) -> None:
    """Measure Hola on this machine."""
    if name not in BENCHES:
        raise typer.BadParameter(f"choose one of {', '.join(BENCHES)}", param_hint="NAME")
    with console.reporting():
        given = Given(data, books, limit, held_out, gsm8k, arc, gsm8k_train, arc_train, text, lobi, draft)
        result = BENCHES[name](with_model(configure(), model), given)
        print_figures(name, result)
        if json_file is not None:
            console.write_json(json_file, result)


@app.command()
def tour(
    out_dir: Annotated[Path, typer.Argument(metavar="OUT_DIR", help="Folder for the pictures and the transcript.")],
) -> None:
    """Drive the real window through a first session, and leave a picture of each step."""
    with console.reporting():
        from app.tour import run_tour

        code = run_tour(out_dir)
    raise typer.Exit(code)
