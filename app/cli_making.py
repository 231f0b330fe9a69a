"""What the commands that make versions of models share: which model is meant, the progress, and what came of it."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from app import console
from app.optimise_words import STAGES
from engine.errors import HolaError, ModelError, ModelFileError
from engine.lobi.messages import Made, Step

if TYPE_CHECKING:
    from engine.config import EngineConfig

__all__ = ["AsJson", "Model", "find_model", "follow_making", "made_json", "print_made", "require_file"]

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else there.")]
Model = Annotated[
    str, typer.Argument(metavar="MODEL", help="Name as `hola models list` shows it, or path of a GGUF file.")
]


def find_model(config: EngineConfig, name: str) -> Path:
    """Return the file of a model that is named as `hola models list` shows it, or by its path.

    Raises ModelError with the names there are, or with what is wrong with the file.
    """
    from app.cli_models import distinct_labels
    from engine.catalog import installed

    found = installed(config)
    labels = distinct_labels(found)
    for model in found:
        if labels[model.path] == name:
            if model.problem:
                raise ModelFileError(model.problem)
            return model.path
    path = Path(name)
    if name and path.is_file():
        return path.absolute()
    names = ", ".join(labels[model.path] for model in found if not model.problem) or "none is installed"
    raise ModelError(f"There is no model {name}: choose one of these ({names}), or give the path of a GGUF file.")


def require_file(path: Path) -> Path:
    """Return a path, made absolute; raise HolaError if there is no file."""
    if not path.is_file():
        raise HolaError(f"There is no file {path}: check the spelling.")
    return path.absolute()


def follow_making(events: Iterator[Step | Made], *, shown: bool) -> list[Made]:
    """Show how the making goes on, and return the versions; whatever ends it early, nothing is left behind."""
    made: list[Made] = []
    with contextlib.closing(cast("Generator[Step | Made]", events)), console.share_bar(shown) as progress:
        task = progress.add_task("Beginning", total=1.0)
        for event in events:
            if isinstance(event, Step):
                progress.update(task, completed=event.share, description=STAGES[event.stage].capitalize())
            else:
                made.append(event)
    if not made:
        raise HolaError("No version came of it: run the command again.")
    return made


def print_made(made: Made) -> None:
    """Print what a version is beside the model it was made of."""
    before, after = made.before, made.after
    rows = (
        ("file, MB", f"{before.file_mb:.1f}", f"{after.file_mb:.1f}"),
        ("prefill, tokens/s", f"{before.prefill_tps:.1f}", f"{after.prefill_tps:.1f}"),
        ("decode, tokens/s", f"{before.decode_tps:.1f}", f"{after.decode_tps:.1f}"),
        ("perplexity", f"{before.perplexity:.2f}", f"{after.perplexity:.2f}"),
        ("KL divergence, nats", "", f"{made.kl:.4f}"),
    )
    kind = "Draft model" if made.role == "draft" else "Version"
    console.say(f"{kind} of {made.source.stem}: {made.path}")
    console.print_table("", ("", "before", "after"), rows)
    if made.note:
        console.say(made.note)


def made_json(made: Made) -> dict[str, Any]:
    """Return a version as the JSON output has it."""
    return {**asdict(made), "path": str(made.path), "source": str(made.source)}
