"""The commands `hola models ...`: which models there are, and which drafts for which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app import console

if TYPE_CHECKING:
    from engine.catalog import InstalledModel
    from engine.llm.pairing import Pairing

__all__ = ["models_commands"]

models_commands = typer.Typer(help="Look at the installed models.")

SPELT_OUT = 3
"""Refused drafts whose reasons are listed one by one."""

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else there.")]


@models_commands.callback(invoke_without_command=True)
def models(context: typer.Context, as_json: AsJson = False) -> None:
    """Look at the installed models; without a command it lists them."""
    if context.invoked_subcommand is None:
        show_models(as_json)
    elif as_json:
        raise typer.BadParameter(f"write it after the command: hola models {context.invoked_subcommand} --json")


@models_commands.command("list")
def list_models(as_json: AsJson = False) -> None:
    """List the models: which one is in use, and which one drafts for it and why."""
    show_models(as_json)


def show_models(as_json: bool) -> None:
    """Print every installed model with its draft."""
    with console.reporting():
        from app.cli import configure
        from engine.catalog import installed, paired_draft

        config = configure()
        found = installed(config)
        pairings = [None if model.problem else paired_draft(config, model.path) for model in found]
        if as_json:
            console.print_json({"models": [model_json(*pair) for pair in zip(found, pairings, strict=True)]})
        elif not found:
            console.say("No model is installed: choose a GGUF file in the settings.")
        else:
            labels = distinct_labels(found)
            rows = [model_row(*pair, labels) for pair in zip(found, pairings, strict=True)]
            console.print_listing(("model", "architecture", "size", "", "draft"), rows)


def distinct_labels(found: Sequence[InstalledModel]) -> dict[Path, str]:
    """Return what to call each model: its name, or its path where another one has the same name."""
    names = Counter(model.name for model in found)
    return {model.path: model.name if names[model.name] == 1 else str(model.path) for model in found}


def model_row(model: InstalledModel, pairing: Pairing | None, labels: dict[Path, str]) -> tuple[str, ...]:
    """Return a model as the table has it."""
    size = f"{model.file_mb:,.{0 if model.file_mb >= 10 else 1}f} MB"
    current = "current" if model.current else ""
    return labels[model.path], model.architecture, size, current, drafting(model, pairing, labels)


def drafting(model: InstalledModel, pairing: Pairing | None, labels: dict[Path, str]) -> str:
    """Say with which model it drafts and why, why with none, or what is wrong with it."""
    if pairing is None:
        return model.problem
    if pairing.draft is None:
        refused = pairing.verdicts
        if len(refused) < 2:
            return f"no draft: {pairing.reason}"
        if len(refused) > SPELT_OUT:
            return f"no draft: {pairing.reason} `hola models --json` says why of each."
        return "no draft: " + " ".join(f"{labels.get(one.path, one.name)}: {one.reason}" for one in refused)
    return f"drafts with {labels.get(pairing.draft, pairing.draft.stem)}: {pairing.reason}"


def model_json(model: InstalledModel, pairing: Pairing | None) -> dict[str, Any]:
    """Return a model as the JSON output has it."""
    value = {**asdict(model), "path": str(model.path), "draft": None}
    if pairing is not None and pairing.draft is not None:
        value["draft"] = {"path": str(pairing.draft), "memory_mb": pairing.memory_mb}
    value["draft_reason"] = pairing.reason if pairing else ""
    verdicts = pairing.verdicts if pairing else ()
    value["candidates"] = [{**asdict(verdict), "path": str(verdict.path)} for verdict in verdicts]
    return value
