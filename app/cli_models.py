"""The commands `hola models ...`: which models there are, which drafts for which, and optimising one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app import console
from app.cli_making import find_model, follow_making, made_json, print_made
from engine.lobi.messages import Made, Prefer, Wish
from engine.lobi.versions import card_of

if TYPE_CHECKING:
    from engine.catalog import InstalledModel
    from engine.config import EngineConfig
    from engine.llm.pairing import Pairing

__all__ = ["models_commands"]

models_commands = typer.Typer(help="Look at the installed models, and optimise one for this computer.")

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


@models_commands.command("optimize")
def optimize_model(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As `hola models list` shows it, or a GGUF file.")],
    memory: Annotated[
        float | None, typer.Option("--memory", metavar="MB", min=1, help="Size of the file in MiB at most.")
    ] = None,
    prefer: Annotated[Prefer, typer.Option("--prefer", help="What matters most.")] = "balanced",
    speed: Annotated[
        float | None, typer.Option("--speed", metavar="TOK_S", min=0, help="Decode so many tokens per second at least.")
    ] = None,
    loss: Annotated[
        float | None,
        typer.Option("--loss", metavar="KL", min=0, help="KL divergence to the original at most, in nats per token."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make the version of a model that suits this computer; the original stays as it is."""
    with console.reporting():
        from app.cli import configure
        from engine.optimising import Optimiser

        config = configure()
        events = Optimiser(config).optimise(find_model(config, name), Wish(prefer, memory, speed, loss))
        made = follow_making(events, shown=not as_json)
        if as_json:
            print_versions_json(made)
            return
        for version in made:
            print_made(version)
        console.say(when_used(config, made[0]))


def print_versions_json(made: Sequence[Made]) -> None:
    """Print the version, and its draft under a name of its own where one was made."""
    first, *others = sorted(made, key=lambda version: version.role != "target")
    console.print_json({**made_json(first), **{version.role: made_json(version) for version in others}})


def when_used(config: EngineConfig, made: Made) -> str:
    """Say when answers come from a version."""
    if not config.settings.optimize:
        return 'It is used once "Use the optimised version" is switched on in the settings.'
    if made.source.resolve() == config.chosen_model().resolve():
        return "Answers come from it from the next start."
    return f"It is used when {made.source.stem} is chosen in the settings."


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
    marks = ", ".join(filter(None, ("current" if model.current else "", origin(model))))
    return labels[model.path], model.architecture, size, marks, drafting(model, pairing, labels)


def origin(model: InstalledModel) -> str:
    """Say of which model Lo-Bi made it; empty if it did not."""
    card = card_of(model.path)
    if card is None:
        return ""
    kind = "draft made" if card.get("role") == "draft" else "made"
    return f"{kind} of {Path(str(card.get('source', ''))).stem} for this computer"


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
    card = card_of(model.path)
    value["made_of"] = str(card.get("source", "")) if card else None
    value["role"] = str(card.get("role", "")) if card else None
    value["draft_reason"] = pairing.reason if pairing else ""
    verdicts = pairing.verdicts if pairing else ()
    value["candidates"] = [{**asdict(verdict), "path": str(verdict.path)} for verdict in verdicts]
    return value
