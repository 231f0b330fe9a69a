"""What the commands print: text and progress for people, one JSON object for programs, errors as a sentence."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.status import Status
from rich.table import Table

from engine.errors import HolaError, SettingsError

__all__ = [
    "complain",
    "print_json",
    "print_listing",
    "print_table",
    "printable",
    "progress_bar",
    "reporting",
    "say",
    "share_bar",
    "waiting",
    "write_json",
]

logger = logging.getLogger(__name__)

INTERRUPTED = 130
"""Exit code after Ctrl+C, as shells have it."""


@contextlib.contextmanager
def reporting() -> Iterator[None]:
    """Turn errors into one sentence on stderr and exit code 1, and Ctrl+C into exit code 130."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A name that the terminal's encoding lacks must not end the command.
            stream.reconfigure(errors="replace")
    try:
        yield
        sys.stdout.flush()
    except HolaError as error:
        complain(error.sentence)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        complain("Stopped.")
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        # The reader (`| head`) has seen enough; what is left goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None
    except (typer.Exit, typer.BadParameter):
        raise
    except Exception as error:
        logger.exception("a command failed")
        complain(
            f"Something unexpected went wrong ({type(error).__name__}: {error}): the log in the data folder has more."
        )
        raise typer.Exit(1) from None


def printable(text: str) -> str:
    """Return the text without control characters: a document can't drive the terminal."""
    return "".join(letter for letter in text if letter in "\n\t" or unicodedata.category(letter) != "Cc")


def say(text: str = "", *, end: str = "\n") -> None:
    """Write to stdout at once."""
    sys.stdout.write(printable(text) + end)
    sys.stdout.flush()


def complain(text: str) -> None:
    """Write a line to stderr."""
    sys.stderr.write(printable(text) + "\n")
    sys.stderr.flush()


def print_json(value: Mapping[str, Any]) -> None:
    """Write one JSON object to stdout, in ASCII so that every pipe and terminal can carry it."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")
    sys.stdout.flush()


def write_json(file: Path, value: Mapping[str, Any]) -> None:
    """Write one JSON object to a file."""
    try:
        file.write_text(json.dumps(value, indent=2) + "\n", "utf-8")
    except OSError as exc:
        raise SettingsError(f"The file {file} can't be written ({exc.strerror}): choose another one.") from exc


def print_table(title: str, heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Write a table to stdout."""
    table = Table(*heads, title=title or None, title_justify="left", show_edge=False)
    for row in rows:
        table.add_row(*(printable(cell) for cell in row))
    Console(file=sys.stdout, markup=False, highlight=False).print(table)


def print_listing(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Write rows with paths whole: folded in a terminal, tab-separated lines for another program."""
    if not sys.stdout.isatty():
        for row in rows:
            say("\t".join(printable(cell) for cell in row))
        return
    table = Table(title=None, show_edge=False)
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*(printable(cell) for cell in row))
    Console(file=sys.stdout, markup=False, highlight=False).print(table)


@contextlib.contextmanager
def progress_bar(shown: bool) -> Iterator[Progress]:
    """Show progress on stderr while a terminal is there to see it."""
    console = Console(stderr=True, markup=False, highlight=False)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[left]}", markup=False),
    )
    with Progress(*columns, console=console, transient=True, disable=not (shown and console.is_terminal)) as progress:
        yield progress


@contextlib.contextmanager
def share_bar(shown: bool) -> Iterator[Progress]:
    """Show on stderr which share of the whole is done, while a terminal is there to see it."""
    console = Console(stderr=True, markup=False, highlight=False)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not (shown and console.is_terminal)) as progress:
        yield progress


@contextlib.contextmanager
def waiting(shown: bool) -> Iterator[Status]:
    """Show on stderr what is waited for, while a terminal is there to see it."""
    status = Status("", console=Console(stderr=True, markup=False, highlight=False))
    if shown and status.console.is_terminal:
        status.start()
    try:
        yield status
    finally:
        status.stop()
