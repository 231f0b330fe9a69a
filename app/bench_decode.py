"""`hola bench decode` at the terminal, and what the benches print."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app import console

if TYPE_CHECKING:
    from engine.config import EngineConfig

__all__ = ["decode", "print_figures", "with_model"]

RATES = {
    "plain": "plain",
    "hsd": "HSD",
    "llama_cpp": "llama_cpp",
    "llama_cpp_lookup": "+ lookup",
    "oracle": "oracle",
    "text_oracle": "text known",
}
"""Key in the result -> head of the column."""


def with_model(config: EngineConfig, model: Path | None) -> EngineConfig:
    """Return the configuration with just this model file, no version of it; None leaves it as it is."""
    if model is None:
        return config
    return replace(config, settings=config.settings.model_copy(update={"model": str(model), "optimize": False}))


def decode(config: EngineConfig) -> dict[str, Any]:
    """Run `hola bench decode`, and show how far it is."""
    from engine.bench import decode
    from engine.catalog import paired_draft

    draft = paired_draft(config, config.model_path()).draft
    with console.waiting(shown=True) as status:
        return decode.run(config, draft, tell=status.update)


def print_figures(name: str, result: dict[str, Any]) -> None:
    """Print what a bench measured: one table, several for `decode`; where ways are compared, a row for each."""
    if name == "decode":
        _print_decode(result)
        return
    ways = {key: value for key, value in result.items() if isinstance(value, dict)}
    if ways:
        figures = list(next(iter(ways.values())))
        compared = [(way, *(_number(each[figure], 3) for figure in figures)) for way, each in ways.items()]
        console.print_table(f"hola bench {name}", ("", *figures), compared)
        console.say()
        result = {key: value for key, value in result.items() if key not in ways}
    rows = [(key, f"{value:,.1f}" if isinstance(value, float) else str(value)) for key, value in result.items()]
    console.print_table(f"hola bench {name}", ("figure", "value"), rows)


def _print_decode(result: dict[str, Any]) -> None:
    """Print the rates, their ratios, the cost curve and the simulated machines as tables."""
    workloads: dict[str, dict[str, Any]] = result["workloads"]
    threads = result["threads"]
    console.say(f"hola bench decode: {result['model']}, {threads} thread{'s' if threads != 1 else ''}, greedy\n")
    rates = [(name, *(_number(figures[key], 1) for key in RATES)) for name, figures in workloads.items()]
    console.print_table("Tokens/s after the first token", ("workload", *RATES.values()), rates)
    _print_tiers(workloads)
    console.say()
    heads = ("workload", "/ plain", "/ llama_cpp", "/ lookup", "gain", "accepted", "per step")
    rows = [_ratios(name, figures) for name, figures in workloads.items()]
    console.print_table("HSD against the others; gain: its share of the oracle's", heads, rows)
    console.say()
    contexts = list(dict.fromkeys(context for figures in workloads.values() for context in figures["ttft_ms"]))
    times = [
        (name, *(_number(figures["ttft_ms"].get(context), 0) for context in contexts))
        for name, figures in workloads.items()
    ]
    console.print_table("Time to first token, ms (whole prompt read)", ("workload", *contexts), times)
    first, second = result["ttft_ms"]["first"], result["ttft_ms"]["second"]
    share = f" ({second / first:.2f} of it)" if first else ""
    console.say(f"\nA chat about five passages: first turn {first:,.0f} ms, second turn {second:,.0f} ms{share}\n")
    curve: dict[int, float] = result["cost_curve"]
    if curve:
        costs = ", ".join(f"C({width}) = {_number(cost, 1)}" for width, cost in curve.items())
        console.say(f"Cost of n tokens in one batch, against one token: {costs}\n")
    _print_simulated(result["simulated"])


def _print_tiers(workloads: dict[str, dict[str, Any]]) -> None:
    tiers = list(dict.fromkeys(tier for figures in workloads.values() for tier in figures["hsd_by_tier"]))
    if len(tiers) > 1:
        rows = [
            (name, *(_number(figures["hsd_by_tier"].get(tier), 1) for tier in tiers))
            for name, figures in workloads.items()
        ]
        console.say()
        console.print_table("HSD by tier, tokens/s", ("workload", *tiers), rows)


def _ratios(name: str, figures: dict[str, Any]) -> tuple[str, ...]:
    ratio = figures["ratio"]
    return (
        name,
        _number(ratio["hsd/plain"], 2),
        _number(ratio["hsd/llama_cpp"], 2),
        _number(ratio["hsd/llama_cpp_lookup"], 2),
        _percent(figures["share_of_oracle_gain"]),
        _percent(figures["acceptance"]),
        _number(figures["accepted_per_step"], 1),
    )


def _print_simulated(rows: list[dict[str, Any]]) -> None:
    """Print the speeds on other cost curves: on drawn texts, and on the answers of this bench."""
    for title, key in (
        ("Other machines, drawn texts (chooser/best policy that knows the rates, plain = 1)", "texts"),
        ("Other machines, these answers (chooser/oracle that knows what is accepted, plain = 1)", "replayed"),
    ):
        names = list(rows[0][key]) if rows else []
        lines = []
        for row in rows:
            each = [row[key][name] for name in names]
            lines.append((row["curve"], *(f"{speeds['chooser']:.2f}/{speeds['oracle']:.2f}" for speeds in each)))
        console.print_table(title, ("cost curve", *names), lines)


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"
