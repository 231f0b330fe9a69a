"""`hola bench ablation` and `hola bench lobi` at the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from app import bench_decode, console
from engine.errors import HolaError

if TYPE_CHECKING:
    from engine.config import EngineConfig

__all__ = ["ablation", "lobi", "print_figures"]


def ablation(
    config: EngineConfig,
    gsm8k: Path | None,
    arc: Path | None,
    *,
    gsm8k_train: Path | None = None,
    arc_train: Path | None = None,
    lobi: Path | None = None,
    limit: int | None = None,
) -> dict[str, Any]:
    """Run `hola bench ablation`, and show how far it is."""
    from engine.bench import ablation

    if gsm8k is None or arc is None:
        raise HolaError("This bench needs questions: give JSONL files with --gsm8k and --arc.")
    with console.waiting(shown=True) as status:
        return ablation.run(
            config,
            gsm8k,
            arc,
            gsm8k_train=gsm8k_train,
            arc_train=arc_train,
            lobi=lobi,
            limit=limit,
            tell=status.update,
        )


def lobi(
    config: EngineConfig,
    *,
    text: Path | None = None,
    lobi: Path | None = None,
    draft: Path | None = None,
    limit: int | None = None,
) -> dict[str, Any]:
    """Run `hola bench lobi`, and show how far it is."""
    from engine.bench import lobi as bench

    with console.waiting(shown=True) as status:
        return bench.run(config, text=text, lobi=lobi, draft=draft, limit=limit, tell=status.update)


def print_figures(name: str, result: dict[str, Any]) -> None:
    """Print what a bench measured; those that are not of this file as `app.bench_decode` does."""
    if name == "ablation":
        _print_ablation(result)
    elif name == "lobi":
        _print_lobi(result)
    else:
        bench_decode.print_figures(name, result)


def _print_ablation(result: dict[str, Any]) -> None:
    asked, training = result["questions"], result["training"]
    console.say(
        f"hola bench ablation: {result['model']}, greedy, {asked['gsm8k']} problems of GSM8K and {asked['arc']} "
        f"questions of ARC; examples from {training['gsm8k']} and {training['arc']} others\n"
    )
    rows = []
    for name, row in result["rows"].items():
        times = f"{row['latency_ms']:,.0f} ± {row['latency_stdev_ms']:,.0f}"
        rows.append((name, f"{row['gsm8k_em']:.1%}", f"{row['arc_mca']:.1%}", times, f"{row['memory_mb']:,.0f}"))
    console.print_table("", ("", "GSM8K EM", "ARC MCA", "latency, ms", "memory, MiB"), rows)
    console.say()
    details = [
        (
            name,
            f"{task['gsm8k_ms']:,.0f} ± {task['gsm8k_stdev_ms']:,.0f}",
            f"{task['arc_ms']:,.0f} ± {task['arc_stdev_ms']:,.0f}",
            f"{task['arc_mca_per_token']:.1%}",
            f"{task['arc_mca_per_byte']:.1%}",
            "" if task["same_text_without_hsd"] is None else f"{task['same_text_without_hsd']:.0%}",
        )
        for name, task in result["by_task"].items()
    ]
    heads = ("", "GSM8K, ms", "ARC, ms", "/token", "/byte", "same")
    title = "Tasks apart; MCA per token and per byte of the choices; texts that are the same without HSD"
    console.print_table(title, heads, details)
    _print_skipped(result["skipped"])
    paper = result["paper"]
    console.say(
        f"\nThe HOLA paper (arXiv 2506.18952) reports for a model of GPT-2's class: GSM8K EM {paper['gsm8k_em']}, "
        f"ARC MCA {paper['arc_mca']}, latency {paper['latency_ms']}, memory {paper['memory_mb']}. These are the "
        "paper's figures, on its machines."
    )


def _print_lobi(result: dict[str, Any]) -> None:
    rows = [
        (
            name,
            f"{each['file_mb']:,.0f}",
            f"{each['rss_mb']:,.0f}",
            f"{each['prefill_tps']:,.0f}",
            f"{each['decode_tps']:,.1f}",
            f"{each['kl']:.4f}",
            f"{each['perplexity']:,.2f}",
        )
        for name, each in result["variants"].items()
    ]
    # As narrow as a terminal: the units stand above.
    heads = ("", "file", "RSS", "prefill", "decode", "KL", "perplexity")
    console.say(
        f"hola bench lobi: {result['model']}, {result['windows']} windows of text; MiB, tokens/s, and nats per token "
        "from 16 bits\n"
    )
    console.print_table("", heads, rows)
    _print_skipped(result["skipped"])


def _print_skipped(skipped: dict[str, str]) -> None:
    """Say once for each reason what was left out."""
    for reason in dict.fromkeys(skipped.values()):
        names = ", ".join(name for name, why in skipped.items() if why == reason)
        console.say(f"\nLeft out: {names}. {reason}")
