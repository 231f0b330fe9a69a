"""Learn `assets/adacomp.json`: how rankings and sentences show what holds the answer to a question.

    python packaging/train_adacomp.py DATA.jsonl [DATA.jsonl ...] [--out FILE] [--kept 0.99]

Each file has rows as `hola bench rag` takes them. Both stages are conditional logits, fitted by Adam on the likelihood
of the evidence with a small L2 penalty; files count alike, whatever their size. Of each search the model sees a second
version without its evidence, from which it learns what "nothing here" looks like. Then the masses are the
smallest with which the share `--kept` of the questions whose evidence is among the five best passages keep it. Two in
five questions, by a hash of their text, are never seen (`hola bench rag --held-out` measures on those).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from engine.bench.questions import is_held_out, read_cases  # noqa: E402
from engine.bench.rag import Found, search_all  # noqa: E402
from engine.config import DataPaths, EngineConfig, Settings  # noqa: E402
from engine.retrieval.adacomp import LOOKED_INTO, AdaComp, Weights  # noqa: E402
from engine.retrieval.compress import SENTENCE_FEATURES, describe, read_sentences  # noqa: E402
from engine.retrieval.ranking import NONE_FEATURES, PASSAGE_FEATURES, asked, weigh  # noqa: E402

Floats = npt.NDArray[np.float64]

ABSENT_WEIGHT = 0.3
"""Of a search without its evidence, against one with it."""
STEPS = 300
PENALTY = 1e-4
MASSES = (0.9, 0.93, 0.95, 0.96, 0.97, 0.98, 0.985, 0.99, 0.993, 0.995, 0.997)
MOST_SENTENCE_MASS = 0.97
UNLIMITED = 10_000
"""Tokens that no reading reaches."""
ABSENT_KEPT = 0.998
"""Share of the answerable questions that are not taken for absent."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice among rows of features, some of which are right."""

    rows: Floats
    right: npt.NDArray[np.bool_]
    weight: float


def fit(choices: Sequence[Choice], width: int) -> Floats:
    """Return the weights of a conditional logit, shape (width,)."""
    spread = np.concatenate([choice.rows for choice in choices]).std(0)
    spread[spread < 1e-6] = 1.0
    scaled = [replace(choice, rows=choice.rows / spread) for choice in choices]
    total = sum(choice.weight for choice in choices)
    weights, first, second = np.zeros(width), np.zeros(width), np.zeros(width)
    for step in range(1, STEPS + 1):
        slope, loss = 2 * PENALTY * weights, 0.0
        for choice in scaled:
            chances = softmax(choice.rows @ weights)
            right = chances * choice.right
            sure = right.sum() + 1e-12
            loss -= choice.weight * float(np.log(sure)) / total
            slope = slope + choice.weight / total * (choice.rows.T @ (chances - right / sure))
        first = 0.9 * first + 0.1 * slope
        second = 0.99 * second + 0.01 * slope**2
        rate = 0.1 * (1.0 - step / (STEPS + 10))
        weights = weights - rate * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.99**step)) + 1e-8)
    print(f"  loss {loss:.4f} over {len(choices)} choices")
    fitted: Floats = weights / spread
    return fitted


def softmax(values: Floats) -> Floats:
    """Return probabilities."""
    powers: Floats = np.exp(values - values.max())
    shares: Floats = powers / powers.sum()
    return shares


def evidence_of(found: Found) -> npt.NDArray[np.bool_]:
    """Tell which candidates hold evidence."""
    return np.array([found.case.is_kept([one]) for one in found.candidates], bool)


def passage_choices(found: Sequence[Found]) -> list[Choice]:
    """Make the choices of the first stage: a search as it is, and without its evidence."""
    choices = []
    columns = len(PASSAGE_FEATURES)
    for one in found:
        right = evidence_of(one)
        for weight, kept in ((1.0, np.ones(len(right), bool)), (ABSENT_WEIGHT, ~right)):
            candidates = [each for each, keep in zip(one.candidates, kept, strict=True) if keep]
            if not candidates:
                continue
            seen = weigh(asked(one.case.question), candidates)
            rows = np.zeros((len(candidates) + 1, columns + len(NONE_FEATURES)))
            rows[:-1, :columns] = seen.features
            rows[-1, columns:] = seen.none
            truth = np.append(right[kept], not right[kept].any())
            choices.append(Choice(rows, truth, weight / len(found)))
    return choices


def sentence_choices(found: Sequence[Found], ada: AdaComp) -> list[Choice]:
    """Make the choices of the second stage: the sentences of the best passages."""
    choices = []
    for one in found:
        ranking = ada.rank(one.case.question, one.candidates)
        passages = ranking.passages[:LOOKED_INTO]
        sentences = read_sentences(passages)
        if not sentences:
            continue
        chances = np.array([passage.score for passage in passages])
        rows = describe(ranking.question, ranking.rarity, passages, chances, sentences)
        parts = [passages[each.passage] for each in sentences]
        right = np.array(
            [
                one.case.is_kept([replace(part, start=part.start + each.span.start, end=part.start + each.span.end)])
                for part, each in zip(parts, sentences, strict=True)
            ]
        )
        if right.any():
            choices.append(Choice(rows, right, 1.0 / len(found)))
    return choices


def chosen_masses(found: Sequence[Sequence[Found]], weights: Weights, target: float) -> Weights:
    """Return the weights with the smallest masses that keep the target share of the evidence in each file.

    Counted are the questions that have their evidence among the five best passages.
    """
    ranked = [
        [(one.case, ranking) for one in part for ranking in [AdaComp(weights).rank(one.case.question, one.candidates)]]
        for part in found
    ]
    counted = [[each for each in part if each[0].is_kept(each[1].passages[:5])] for part in ranked]
    for mass in MASSES:
        tried = replace(weights, passage_mass=mass, sentence_mass=min(mass, MOST_SENTENCE_MASS))
        ada = AdaComp(tried)
        shares = [
            float(np.mean([case.is_kept(ada.read(ranking, UNLIMITED).excerpts) for case, ranking in part]))
            for part in counted
        ]
        print(f"  mass {mass}: kept {', '.join(f'{share:.4f}' for share in shares)}", flush=True)
        if min(shares) >= target:
            return tried
    raise SystemExit(f"No mass keeps {target} of the evidence: ask for less with --kept.")


def search_files(files: Sequence[Path], limit: int | None) -> list[list[Found]]:
    """Search for the questions of each file that training may see, in a library of all its passages."""
    every = []
    for file in files:
        cases = read_cases(file)
        seen = [case for case in cases if case.evidence and not is_held_out(case.question)][:limit]
        with tempfile.TemporaryDirectory(prefix="hola-train-") as folder:
            config = EngineConfig(DataPaths(Path(folder)), ROOT / "assets", Settings())
            every.append([found for found, _ in search_all(config, Path(folder), cases, seen, None)])
        print(f"{file.name}: {len(every[-1])} questions")
    return every


def learn(found: Sequence[Sequence[Found]], target: float) -> Weights:
    """Learn both stages and the masses."""
    columns = len(PASSAGE_FEATURES)
    both = fit([choice for part in found for choice in passage_choices(part)], columns + len(NONE_FEATURES))
    weights = Weights(both[:columns], both[columns:], np.zeros(len(SENTENCE_FEATURES)), 1.0, 1.0, 1.0)
    ada = AdaComp(weights)
    chosen = [choice for part in found for choice in sentence_choices(part, ada)]
    weights = replace(weights, sentence=fit(chosen, len(SENTENCE_FEATURES)))
    absent = [
        ada.rank(one.case.question, one.candidates).absent for part in found for one in part if evidence_of(one).any()
    ]
    weights = replace(weights, absent=float(np.quantile(absent, ABSENT_KEPT)))
    return chosen_masses(found, weights, target)


def to_json(weights: Weights, target: float, files: Sequence[Path]) -> dict[str, Any]:
    """Return the weights by name, rounded to four digits."""

    def named(names: Sequence[str], values: Floats) -> dict[str, float]:
        return {name: round(float(value), 4) for name, value in zip(names, values, strict=True)}

    return {
        "learned_from": [file.stem for file in files],
        "target_kept": target,
        "passage_mass": weights.passage_mass,
        "sentence_mass": weights.sentence_mass,
        "absent": round(weights.absent, 4),
        "passage": named(PASSAGE_FEATURES, weights.passage),
        "none": named(NONE_FEATURES, weights.none),
        "sentence": named(SENTENCE_FEATURES, weights.sentence),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, default=ROOT / "assets" / "adacomp.json")
    parser.add_argument("--kept", type=float, default=0.99)
    parser.add_argument("--limit", type=int, default=None, help="questions per file")
    given = parser.parse_args(arguments)
    weights = learn(search_files(given.data, given.limit), given.kept)
    given.out.write_text(json.dumps(to_json(weights, given.kept, given.data), indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
