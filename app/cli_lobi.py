"""The commands `hola lobi ...`: apply a plan to a model, and see how well models answer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from app import console
from app.cli_learning import adapt, front
from app.cli_making import AsJson, Model, find_model, follow_making, made_json, print_made, require_file
from engine.errors import HolaError

__all__ = ["lobi_commands"]

lobi_commands = typer.Typer(help="Teach, compress and compare models (Lo-Bi).", no_args_is_help=True)
lobi_commands.command()(adapt)
lobi_commands.command()(front)

CALIBRATION = "calibration.md"


@lobi_commands.command()
def apply(
    model: Model,
    plan: Annotated[Path, typer.Option("--plan", metavar="FILE", help="What was learned of the model.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="GGUF file to write; one there is replaced.")],
    calibration: Annotated[
        Path | None, typer.Option("--calibration", metavar="FILE", help="Text by which the versions are compared.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a version of a model by a plan: merge its adapter, prune, quantize, compare."""
    with console.reporting():
        from app.cli import configure
        from engine.lobi.workshop import Workshop

        config = configure()
        source, target = find_model(config, model), out.absolute()
        check_target(source, target)
        events = Workshop(config.data.cache, config.data.logs / "lobi.log").make(
            source,
            target,
            require_file(calibration or config.assets / "lobi" / CALIBRATION),
            plan=require_file(plan),
            threads=config.settings.threads,
            cache=config.data.cache,
        )
        (made,) = follow_making(events, shown=not as_json)
        if as_json:
            console.print_json(made_json(made))
        else:
            print_made(made)


def check_target(source: Path, target: Path) -> None:
    """Raise HolaError if a version can't be written there."""
    if target.is_dir() or not target.parent.is_dir():
        raise HolaError(f"The file {target} can't be written: give a file in a folder that exists.")
    if target.resolve() == source.resolve():
        raise HolaError("The version would replace the model it is made of: give another file with --out.")


@lobi_commands.command()
def evaluate(
    model: Model,
    data: Annotated[
        list[Path], typer.Option("--data", metavar="FILE", help="Questions with passages (JSONL); may be repeated.")
    ],
    against: Annotated[
        str | None, typer.Option("--against", metavar="MODEL", help="A model to compare it with.")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Ask so many questions at most.")] = None,
    draft: Annotated[
        Path | None, typer.Option("--draft", metavar="FILE", help="GGUF model that drafts for MODEL.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """See how well a model answers questions on passages that were kept from training."""
    with console.reporting():
        from app.cli import configure
        from engine.bench import grounded

        config = configure()
        files = [require_file(file) for file in data]
        asked = [(find_model(config, name), None) for name in (against,) if name is not None]
        drafting = require_file(draft) if draft else None
        questions, scores = 0, []
        with console.waiting(not as_json) as status:
            # One run for each, as the results go by file name and two models may share one.
            for path, own_draft in (*asked, (find_model(config, model), drafting)):
                status.update(f"{console.printable(path.stem)} answers…")
                found = grounded.run([path], files, limit=limit, draft=own_draft, threads=config.settings.threads)
                questions = found["questions"]
                scores.append({"path": str(path), **found[path.name]})
        if as_json:
            console.print_json({"questions": questions, "models": scores})
        else:
            print_scores(questions, scores)


def print_scores(questions: int, scores: list[dict[str, Any]]) -> None:
    """Print how well each model answered."""
    rows = [
        (
            Path(one["path"]).stem,
            *(f"{100 * one[key]:.1f} %" for key in ("em", "f1", "contains")),
            f"{one['tokens']:.1f}",
            f"{100 * one['accepted'] / one['drafted']:.0f} %" if one["drafted"] else "",
        )
        for one in scores
    ]
    heads = ("model", "exact match", "F1", "contained", "tokens", "acceptance")
    console.print_table(f"{questions} questions", heads, rows)
