"""Make `assets/lobi/`: the adapters and plans with which Lo-Bi makes the bundled model's own versions.

python packaging/own_words.py QUESTIONS.txt --out CHATS.jsonl
python packaging/train_lobi.py target DATA.jsonl TEXT.md CHATS.jsonl ... --work FOLDER [--steps N] [--seconds S]
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402

from engine.config import bundled_model  # noqa: E402
from engine.lobi.adapt import Progress, Recipe, adapt  # noqa: E402
from engine.lobi.examples import read_examples  # noqa: E402
from engine.lobi.torch_model import load  # noqa: E402

RECIPE = Recipe(steps=450)


def main() -> None:
    """Learn, and write what was learned."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("target",))
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--model", type=Path, default=None)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=RECIPE.steps)
    parser.add_argument("--seconds", type=float, default=math.inf)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    log = args.work / f"{args.what}.log"
    recipe = replace(RECIPE, steps=args.steps)

    def report(progress: Progress) -> None:
        line = f"{progress.step}/{progress.steps} loss {progress.loss:.3f} {progress.seconds:.0f} s"
        print(line, flush=True)
        with log.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    examples = read_examples(args.files, recipe.seed)
    learned = adapt(
        load(args.model or bundled_model()),
        examples,
        recipe,
        seconds=args.seconds,
        checkpoint=args.work / f"{args.what}.pt",
        report=report,
    )
    torch.save({"pairs": learned.pairs, "scale": learned.scale}, args.work / f"{args.what}.raw.pt")
    (args.work / f"{args.what}.json").write_text(json.dumps({**learned.recipe, "made": learned.steps}), "utf-8")


if __name__ == "__main__":
    main()
