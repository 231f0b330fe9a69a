"""Make `assets/lobi/`: the adapters and plans with which Lo-Bi makes the bundled model's own versions.

    python packaging/own_words.py QUESTIONS.txt --out CHATS.jsonl
    python packaging/train_lobi.py --work FOLDER DATA.jsonl CHATS.jsonl TEXT.md ... [--only target|draft]

    python packaging/train_lobi.py --onward --only target --work FOLDER DATA.jsonl ...

First the target: skill and recovery under rounding to Q4_0, the type that is fast on every processor that repacks it.
More bits for some matrices after that make it worse, since it was trained for just this rounding. Then the draft: the
layers that matter most to its answers, recovered by distillation. What was ended goes on; `--onward` teaches the target
once more, by other draws, from where it stands (the bundled one was taught so). Seeds are fixed; on 2 cores each of the
three takes about an hour, with nothing beside it. An allocator that keeps its memory (tcmalloc, preloaded) spares a
fifth of that, and so does OMP_WAIT_POLICY=ACTIVE with a high GOMP_SPINCOUNT.
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from engine.config import bundled_model  # noqa: E402
from engine.lobi.adapt import Progress  # noqa: E402
from engine.lobi.examples import read_examples  # noqa: E402
from engine.lobi.learning import DRAFT, TARGET, Learning, learn_draft, learn_target, taught  # noqa: E402

DRAFT_LAYERS = 8
ONWARD = replace(TARGET, seed=2, rate=6e-4, steps=420)
DRAFT_ONWARD = replace(DRAFT, seed=3, rate=6e-4, steps=260)


def main() -> None:
    """Learn, and write what was learned."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=ROOT / "assets" / "lobi")
    parser.add_argument("--only", choices=("target", "draft"), default=None)
    parser.add_argument("--onward", action="store_true", help="teach on what is there")
    parser.add_argument("--seconds", type=float, default=math.inf, help="for each of the two")
    args = parser.parse_args()
    source = bundled_model()
    how = Learning(source, source, args.out, args.work, args.seconds, _tell)
    recipe = ONWARD if args.onward else TARGET
    examples = read_examples(args.files, recipe.seed)
    if args.only in (None, "target"):
        print("wrote", learn_target(how, examples, recipe, taught(how) if args.onward else None), flush=True)
    if args.only in (None, "draft"):
        recipe = DRAFT_ONWARD if args.onward else DRAFT
        print("wrote", learn_draft(how, examples, DRAFT_LAYERS, recipe, onward=args.onward), flush=True)


def _tell(progress: Progress) -> None:
    print(f"{progress.step}/{progress.steps} loss {progress.loss:.3f} {progress.seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
