"""The commands `hola lobi adapt` and `hola lobi front`: learn a plan for a model, and see its possible versions."""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from app import console
from app.cli_making import AsJson, Model, find_model, require_file
from engine.errors import LobiError

if TYPE_CHECKING:
    from engine.lobi.allocate import Allocation

__all__ = ["adapt", "front"]

MIB = 2**20
SHOWN = 12
"""Versions of the front in the table; the JSON has all."""


def adapt(
    model: Model,
    data: Annotated[
        list[Path],
        typer.Option("--data", metavar="FILE", help="What to learn from: JSONL, .md or .txt; may be repeated."),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where the plan and its adapter go.")],
    weights: Annotated[
        Path | None,
        typer.Option("--weights", metavar="FOLDER", help="The model's Hugging Face folder; else the file is read."),
    ] = None,
    draft_layers: Annotated[
        int | None,
        typer.Option("--draft-layers", min=1, help="Cut a draft of so many layers from what was taught here before."),
    ] = None,
    draft_channels: Annotated[
        float, typer.Option("--draft-channels", min=0.05, max=1.0, help="Share of the FFN channels that a draft keeps.")
    ] = 1.0,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="Steps of training.")] = None,
    rank: Annotated[int | None, typer.Option("--rank", min=1, max=512, help="Rank of the adapter.")] = None,
    seconds: Annotated[float, typer.Option("--seconds", min=1.0, help="Time for the training.")] = math.inf,
    seed: Annotated[int | None, typer.Option("--seed", help="The same seed learns the same.")] = None,
) -> None:
    """Teach a model to answer from passages, and write a plan with an adapter (needs the extra [lobi]).

    A training that is ended goes on when the same command is given again.
    """
    with console.reporting():
        missing = [name for name in ("torch", "transformers", "peft") if find_spec(name) is None]
        if missing:
            raise LobiError(f"Training needs {', '.join(missing)}: install Hola with the extra [lobi].")
        from dataclasses import replace

        from app.cli import configure
        from engine.lobi.adapt import Progress
        from engine.lobi.examples import read_examples
        from engine.lobi.learning import DRAFT, TARGET, Learning, learn_draft, learn_target

        config = configure()
        source = find_model(config, model)
        given: dict[str, Any] = {"steps": steps, "rank": rank, "seed": seed, "alpha": rank and 2.0 * rank}
        chosen = {name: value for name, value in given.items() if value is not None}

        def tell(progress: Progress) -> None:
            console.complain(
                f"step {progress.step} of {progress.steps}, loss {progress.loss:.3f}, {progress.seconds:.0f} s"
            )

        files = [require_file(file) for file in data]
        learning = Learning(source, weights or source, out.absolute(), out.absolute() / "work", seconds, tell)
        recipe = replace(TARGET if draft_layers is None else DRAFT, **chosen)
        examples = read_examples(files, TARGET.seed)
        if draft_layers is None:
            plan = learn_target(learning, examples, recipe)
        else:
            plan = learn_draft(learning, examples, draft_layers, recipe, draft_channels)
        console.say(f"The plan is {plan}: apply it with hola lobi apply.")


def front(
    model: Model,
    calibration: Annotated[
        Path | None, typer.Option("--calibration", metavar="FILE", help="Text by which the versions are compared.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the versions a model could have on this computer, none of which is beaten in everything at once."""
    with console.reporting():
        from app.cli import configure
        from engine.lobi.messages import Step
        from engine.lobi.workshop import Workshop

        config = configure()
        source = find_model(config, model)
        text = require_file(calibration or config.assets / "lobi" / "calibration.md")
        workshop = Workshop(config.data.cache, config.data.logs / "lobi.log")
        events = workshop.front(source, text, threads=config.settings.threads, cache=config.data.cache)
        found: tuple[Allocation, ...] = ()
        with closing(cast("Generator[Any]", events)), console.share_bar(not as_json) as progress:
            task = progress.add_task("Measuring", total=1.0)
            for event in events:
                if isinstance(event, Step):
                    progress.update(task, completed=event.share)
                else:
                    found = event
        if as_json:
            console.print_json({"front": [allocation_json(each) for each in found]})
        else:
            print_front(found)


def allocation_json(each: Allocation) -> dict[str, Any]:
    """Return a version as the JSON output has it."""
    return {
        "mb": each.bytes / MIB,
        "decode_tps": 1 / each.decode_s,
        "prefill_tps": 1 / each.prefill_s,
        "kl": each.kl,
        "types": dict(each.types),
    }


def print_front(found: tuple[Allocation, ...]) -> None:
    """Print some of the versions, smallest first, evenly chosen."""
    step = max(1, math.ceil(len(found) / SHOWN))
    rows = [
        (f"{each.bytes / MIB:.1f}", f"{1 / each.prefill_s:.0f}", f"{1 / each.decode_s:.0f}", f"{each.kl:.4f}")
        for each in found[::step]
    ]
    heads = ("weights, MB", "prefill, tokens/s", "decode, tokens/s", "KL divergence, nats")
    console.print_table(f"{len(found)} versions, as predicted for this computer", heads, rows)
