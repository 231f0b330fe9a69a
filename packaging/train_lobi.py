"""Make `assets/lobi/`: the adapters and plans with which Lo-Bi makes the bundled model's own versions.

    python packaging/own_words.py QUESTIONS.txt --out CHATS.jsonl
    python packaging/train_lobi.py --work FOLDER DATA.jsonl CHATS.jsonl TEXT.md ... [--only target|types|draft]

First the target: skill and recovery under rounding; then its types: the ones that lose least while it decodes and reads
so much faster than the file as shipped. Then the draft: the layers that matter most to its answers, recovered by
distillation. What was ended goes on. Seeds are fixed; on 2 cores it takes two hours, with nothing beside it.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from engine.config import bundled_model  # noqa: E402
from engine.llm.gguf_header import read_header  # noqa: E402
from engine.lobi.adapt import Progress  # noqa: E402
from engine.lobi.adapter import read_adapter, read_plan, write_plan  # noqa: E402
from engine.lobi.allocate import fixed_bytes, front, predicted, tensors_of  # noqa: E402
from engine.lobi.allocating import own_types  # noqa: E402
from engine.lobi.examples import read_examples  # noqa: E402
from engine.lobi.kernels import kernel_speeds  # noqa: E402
from engine.lobi.learning import TARGET, Learning, learn_draft, learn_target  # noqa: E402
from engine.lobi.rewrite import rewrite  # noqa: E402
from engine.lobi.sensitivity import groups_of, measure  # noqa: E402

DRAFT_LAYERS = 8
TYPES = ("q4_0", "q4_1", "q5_0", "q8_0")
MOST_GROUPS, MEASURING_S = 60, 400.0
DECODES_FASTER, READS_FASTER = 1.45, 2.1
"""Against the file as shipped, what the chosen types have to be by the kernels of this machine."""


def main() -> None:
    """Learn, and write what was learned."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=ROOT / "assets" / "lobi")
    parser.add_argument("--only", choices=("target", "types", "draft"), default=None)
    parser.add_argument("--seconds", type=float, default=math.inf, help="for each of the two")
    args = parser.parse_args()
    source = bundled_model()
    how = Learning(source, source, args.out, args.work, args.seconds, _tell)
    examples = read_examples(args.files, TARGET.seed)
    if args.only in (None, "target"):
        print("wrote", learn_target(how, examples), flush=True)
    if args.only in (None, "types"):
        choose_types(how)
    if args.only in (None, "draft"):
        print("wrote", learn_draft(how, examples, DRAFT_LAYERS), flush=True)


def choose_types(how: Learning) -> None:
    """Write into the target's plan what each type loses, and the types that lose least while it is so much faster."""
    file, merged = how.out / "target.json", how.work / "merged.gguf"
    plan, adapter = read_plan(file), read_adapter(file)
    rewrite(how.source, merged, plan, adapter)
    header = read_header(merged)
    text = (how.out / "calibration.md").read_text("utf-8")
    losses = measure(merged, groups_of(header, MOST_GROUPS), TYPES, [text], how.work, seconds=MEASURING_S, windows=4)
    speeds = kernel_speeds(how.source, TYPES, how.work, seconds=40.0)
    tensors, fixed = tensors_of(header, TYPES), fixed_bytes(header)
    sensitivities = losses.per_tensor()
    shipped = predicted(own_types(read_header(how.source)), tensors, sensitivities, speeds, other_bytes=fixed)
    fitting = [
        each
        for each in front(tensors, sensitivities, speeds, other_bytes=fixed)
        if each.bytes <= shipped.bytes
        and each.decode_s * DECODES_FASTER <= shipped.decode_s
        and each.prefill_s * READS_FASTER <= shipped.prefill_s
    ]
    if not fitting:
        sys.exit("No version is so much faster on this machine: the plan keeps its types.")
    chosen = min(fitting, key=lambda each: each.kl)
    write_plan(file, replace(plan, types=dict(chosen.types), sensitivities=sensitivities), adapter)
    counts = Counter(chosen.types.values())
    print(f"types {dict(counts)}, {chosen.bytes / 2**20:.1f} MB, KL {chosen.kl:.4f} nats, as predicted", flush=True)
    for name, each in (("shipped", shipped), ("chosen", chosen)):
        print(f"{name}: decode {1 / each.decode_s:.0f}, prefill {1 / each.prefill_s:.0f} tokens/s", flush=True)


def _tell(progress: Progress) -> None:
    print(f"{progress.step}/{progress.steps} loss {progress.loss:.3f} {progress.seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
