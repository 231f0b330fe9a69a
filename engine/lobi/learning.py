"""Learn a plan with its adapter from a model and data: of the model itself, and of a draft cut from it (torch)."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from engine.errors import LobiError
from engine.llm.gguf_header import read_header
from engine.lobi.adapt import Adapted, Progress, Recipe, adapt, answer_states, batch_of
from engine.lobi.adapter import Adapter, Pair, Plan, write_plan
from engine.lobi.distil import distillation, merge, round_weights
from engine.lobi.examples import Example
from engine.lobi.importance import cut, layers_to_floor, strongest_layers
from engine.lobi.naming import require_supported, to_gguf_pair
from engine.lobi.source import fingerprint
from engine.lobi.torch_model import Loaded, load

__all__ = ["DRAFT", "TARGET", "Learning", "Probes", "learn_draft", "learn_target"]

TARGET = Recipe(steps=450)
DRAFT = Recipe(
    rank=64,
    alpha=128.0,
    rate=8e-4,
    steps=220,
    shares={"grounded": 0.55, "absent": 0.07, "choice": 0.06, "prompt": 0.12, "chat": 0.12, "text": 0.08},
    seed=2,
)
FLOOR = 0.05
"""Nats per token that dropping layers of the target may cost before they are recovered."""
PROBES = 12
"""Examples on which layers are weighed."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Learning:
    """What to learn from, and where to."""

    source: Path
    """The GGUF file that the plan is for, in any quantization."""
    weights: Path
    """Where the weights are learned from: the same file, or the model's Hugging Face folder."""
    out: Path
    """Folder of the plans: target.json, draft.json and what belongs to them."""
    work: Path
    """Folder of what a training that was ended goes on from."""
    seconds: float
    """For the training; a longer one ends early, its learning rate brought down in time."""
    report: Callable[[Progress], None] = lambda _progress: None


def learn_target(how: Learning, examples: Sequence[Example], recipe: Recipe = TARGET) -> Path:
    """Teach the model itself under rounding, without the layers that cost less than the floor; return the plan.

    Raises LobiError for an architecture that can't be adapted, ModelFileError or HolaError for what can't be used.
    """
    architecture = _supported(how)
    loaded = load(how.weights)
    probes = Probes(loaded, examples, recipe)
    losses = probes.losses()
    kept, tried = layers_to_floor(losses, probes.loss_without, FLOOR)
    every = tuple(range(len(losses)))
    loss_of = None
    if kept != every:
        whole = load(how.weights)
        loss_of = distillation(whole.model, recipe.seed)
        cut(loaded.model, kept)
    state = how.work / "target.pt"
    learned = adapt(loaded, examples, recipe, seconds=how.seconds, checkpoint=state, report=how.report, loss_of=loss_of)
    joined = replace_layers(learned, kept)
    torch.save({"pairs": joined.pairs, "scale": joined.scale, "kept": kept}, how.work / "target.learned.pt")
    plan = Plan("", "", layers=() if kept == every else kept, brief=True)
    origin = {"layer_losses": losses.round(4).tolist(), "floor": FLOOR, "dropping": tried}
    return _write(how, "target", architecture, joined, plan, origin)


def learn_draft(how: Learning, examples: Sequence[Example], layers: int, recipe: Recipe = DRAFT) -> Path:
    """Cut the target that `learn_target` left in the work folder down to a few layers, and recover them; the plan.

    The layers are those whose removal alone costs the answers most. Raises what `learn_target` raises.
    """
    architecture = _supported(how)
    state = how.work / "target.learned.pt"
    if not state.is_file():
        raise LobiError(
            f"A draft is cut from a target that was taught: teach that first, with {how.work} for its work."
        )
    found = torch.load(state)
    target = Adapted(found["pairs"], found["scale"], {}, 0)
    whole, student = load(how.weights), load(how.weights)
    for loaded in (whole, student):
        merge(loaded.model, target)
    # The target as it will answer: its blocks rounded. Of the draft, the output layer too, which is most of its time.
    round_weights(whole.model, lambda name: ".layers." in name)
    round_weights(student.model, lambda name: "embed_tokens" in name or "lm_head" in name)
    losses = Probes(whole, examples, recipe).losses()
    kept = strongest_layers(losses, layers)
    cut(student.model, kept)
    learned = adapt(
        student,
        examples,
        recipe,
        seconds=how.seconds,
        checkpoint=how.work / "draft.pt",
        report=how.report,
        loss_of=distillation(whole.model, recipe.seed),
    )
    joined = join(target, replace_layers(learned, kept))
    head: dict[str, str] = {
        name: "q4_0" for name in ("token_embd.weight", "output.weight") if name in _tensors(how.source)
    }
    plan = Plan("", "", role="draft", layers=kept, types=head, brief=True)
    return _write(how, "draft", architecture, joined, plan, {"layer_losses": losses.round(4).tolist()})


def replace_layers(learned: Adapted, kept: Sequence[int]) -> Adapted:
    """Return what was learned by the names of the whole model's layers, of which some were kept."""
    pairs = {}
    for name, pair in learned.pairs.items():
        parts = name.split(".")
        at = parts.index("layers") + 1
        parts[at] = str(kept[int(parts[at])])
        pairs[".".join(parts)] = pair
    return replace(learned, pairs=pairs)


def join(first: Adapted, second: Adapted) -> Adapted:
    """Return both changes as one, for the layers of the second: B A = [s B1, s' B2] [A1; A2]."""
    pairs = {}
    for name, (a, b) in second.pairs.items():
        changes = [(a, second.scale * b)]
        if name in first.pairs:
            changes.insert(0, (first.pairs[name][0], first.scale * first.pairs[name][1]))
        pairs[name] = (torch.cat([each[0] for each in changes]), torch.cat([each[1] for each in changes], 1))
    return Adapted(pairs, 1.0, second.recipe, second.steps)


class Probes:
    """A few examples on which it is measured what a model loses without some of its layers."""

    def __init__(self, loaded: Loaded, examples: Sequence[Example], recipe: Recipe) -> None:
        wanted = [one for one in examples if one.kind in ("grounded", "chat", "text")] or list(examples)
        drawn = random.Random(recipe.seed).sample(wanted, min(4 * PROBES, len(wanted)))
        tokens = [each for each in map(loaded.tokens, drawn) if each.learned_from < len(each.ids) <= recipe.longest]
        if not tokens:
            raise LobiError(f"The examples are longer than {recipe.longest} tokens: give shorter ones.")
        self._model = loaded.model
        self._ids, self._mask, weights = batch_of(tokens[:PROBES])
        self._chosen = weights > 0
        self._shares = weights[:, 1:][self._chosen[:, 1:]] / weights.sum()
        self._whole = self._log_probabilities()

    def losses(self) -> Floats:
        """Return what the removal of each layer alone costs, in nats per learned token, shape (layers,).

        Exact, where the importance of `engine.lobi.importance` is an estimate to first order: with one number per
        layer the exact one is cheap.
        """
        every = range(len(self._model.model.layers))
        return np.array([self.loss_without([layer for layer in every if layer != gone]) for gone in every])

    def loss_without(self, kept: Sequence[int]) -> float:
        """Return KL(whole || with only the kept layers), in nats per learned token."""
        inner = self._model.model
        blocks = inner.layers
        try:
            inner.layers = torch.nn.ModuleList(blocks[number] for number in kept)
            found = self._log_probabilities()
        finally:
            inner.layers = blocks
        return float(((self._whole.exp() * (self._whole - found)).sum(-1) * self._shares).sum())

    def _log_probabilities(self) -> torch.Tensor:
        with torch.no_grad(), torch.autocast(self._ids.device.type, dtype=torch.bfloat16):
            return torch.log_softmax(answer_states(self._model, self._ids, self._mask, self._chosen), -1)


def _supported(how: Learning) -> str:
    architecture = read_header(how.source).text("general.architecture")
    require_supported(architecture)
    how.out.mkdir(parents=True, exist_ok=True)
    how.work.mkdir(parents=True, exist_ok=True)
    return architecture


def _tensors(source: Path) -> set[str]:
    return {tensor.name for tensor in read_header(source).tensors}


def _write(how: Learning, role: str, architecture: str, learned: Adapted, plan: Plan, origin: dict[str, Any]) -> Path:
    """Write a plan and its adapter in GGUF's names and order of rows."""
    from transformers import AutoConfig

    where = {"gguf_file": how.weights.name} if how.weights.is_file() else {}
    folder = how.weights.parent if how.weights.is_file() else how.weights
    config = AutoConfig.from_pretrained(folder, **where).to_dict()
    pairs: dict[str, Pair] = {}
    for name, (a, b) in learned.pairs.items():
        tensor, own_a, own_b = to_gguf_pair(architecture, config, name, a.numpy(), (learned.scale * b).numpy())
        pairs[tensor] = (own_a, own_b)
    file = how.out / f"{role}.json"
    header = read_header(how.source)
    write_plan(
        file,
        replace(
            plan,
            name=header.text("general.name"),
            fingerprint=fingerprint(how.source),
            origin={"recipe": learned.recipe, "steps": learned.steps, **origin},
        ),
        Adapter(pairs),
    )
    return file
