"""Learn a plan with its adapter from a model and data: of the model itself, and of a draft cut from it (torch)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig

from engine.errors import LobiError
from engine.llm.gguf_header import read_header
from engine.lobi.adapt import Adapted, Progress, Recipe, adapt, drawn_tokens
from engine.lobi.adapter import Adapter, Pair, Plan, read_adapter, read_plan, write_plan
from engine.lobi.distil import distillation, merge, retention, round_head, round_weights
from engine.lobi.examples import Example
from engine.lobi.feedback import BLOCK
from engine.lobi.fingerprint import fingerprint
from engine.lobi.importance import cut, estimate, layers_to_floor, strongest_channels, strongest_layers
from engine.lobi.naming import from_gguf_pair, require_supported, to_gguf_pair
from engine.lobi.probes import Probes
from engine.lobi.torch_model import LINEAR, Loaded, computing, linear_layers, load

__all__ = ["DRAFT", "TARGET", "Learning", "learn_draft", "learn_target", "taught"]

TARGET = Recipe(rate=8e-4, steps=720, longest=400)
DRAFT = Recipe(
    rank=64,
    alpha=128.0,
    rate=8e-4,
    steps=220,
    longest=400,
    seed=2,
)
FLOOR = 0.05
"""Nats per token that dropping layers of the target may cost before they are recovered."""
BATCHES = 4
"""Batches of examples over which importance is averaged."""
TAUGHT = "target.learned.pt"
CALIBRATED = 160
"""Examples over which the output layer's inputs are known."""

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


def learn_target(
    how: Learning, examples: Sequence[Example], recipe: Recipe = TARGET, start: Adapted | None = None
) -> Path:
    """Teach the model itself under rounding, and drop the layers that cost less than the floor; return the plan.

    It begins with what was learned before, `start`, if that is given, of the same rank.
    Where layers go, what is left is recovered by distillation from the taught model, for as many steps again. Raises
    LobiError for an architecture that can't be adapted, ModelFileError or HolaError for what can't be used.
    """
    architecture = _supported(how)
    loaded = load(how.weights)
    probes = Probes(loaded, examples, recipe)
    losses = probes.losses()
    kept, tried = layers_to_floor(losses, probes.loss_without, FLOOR)
    learned = adapt(
        loaded,
        examples,
        recipe,
        seconds=how.seconds,
        checkpoint=how.work / f"target.{recipe.seed}.pt",
        report=how.report,
        loss_of=retention(load(how.weights).model, recipe.seed),
        start=start,
    )
    torch.save({**asdict(learned), "fingerprint": fingerprint(how.source)}, how.work / TAUGHT)
    plan = Plan("", "", brief=True)
    if len(kept) < len(losses):
        learned = _recover(how, _whole(how, learned), examples, recipe, learned, kept, how.work / "pruned.pt")
        plan = replace(plan, layers=kept)
    origin = {"layer_losses": losses.round(4).tolist(), "floor": FLOOR, "dropping": tried}
    if start is not None:
        origin["before"] = {"recipe": start.recipe, "steps": start.steps}
    return _write(how, "target", architecture, learned, plan, origin)


def learn_draft(
    how: Learning,
    examples: Sequence[Example],
    layers: int,
    recipe: Recipe = DRAFT,
    channels: float = 1.0,
    *,
    onward: bool = False,
) -> Path:
    """Cut the target that `learn_target` left in the work folder down to a few layers, and recover them; the plan.

    The layers are those whose removal alone costs the answers most; of each, the share `channels` of the FFN channels
    stays that matters most by LoRA's gradients. `onward` goes on from the draft's plan in `out`, which keeps what it
    kept. Raises what `learn_target` raises, and LobiError if there is no such plan.
    """
    architecture = _supported(how)
    target = taught(how)
    whole = _whole(how, target)
    start = None
    if onward:
        before, start, moments = _drafted(how, target)
        kept, chosen, origin = before.layers, before.channels, {"before": dict(before.origin)}
    else:
        losses = Probes(whole, examples, recipe).losses()
        kept = strongest_layers(losses, layers)
        chosen = _channels(how, whole, examples, recipe, target, kept, channels) if channels < 1.0 else ()
        moments = _moments(whole, examples, recipe)
        origin = {"layer_losses": losses.round(4).tolist()}
    checkpoint = how.work / f"draft.{recipe.seed}.pt"
    joined = _recover(how, whole, examples, recipe, target, kept, checkpoint, chosen, moments, start)
    # The output layer takes most of a draft's time.
    types = {} if moments is None else dict.fromkeys(_head(how), "q4_0")
    plan = Plan("", "", role="draft", layers=kept, channels=chosen, types=types, brief=True)
    return _write(how, "draft", architecture, joined, plan, origin, moments)


def taught(how: Learning) -> Adapted:
    """Return what the target has learned: what `learn_target` left in the work folder, or else the plan in `out`.

    Raises LobiError if it is of another model, if there is nothing, or if the plan alone is left of a model that lost
    layers.
    """
    state = how.work / TAUGHT
    if not state.is_file():
        return _planned(how)
    found = torch.load(state)
    if found.pop("fingerprint", "") != fingerprint(how.source):
        raise LobiError(f"What was taught in {how.work} is another model: give another folder, or teach it there.")
    return Adapted(**found)


def _planned(how: Learning) -> Adapted:
    """Return what the plan of the target has learned, by the names of transformers."""
    plan, adapter = _plan_of(how, "target", f"Nothing was taught in {how.work} yet: teach the model itself first.")
    if plan.layers:
        raise LobiError(
            f"The plan of the target in {how.out} does not tell all that the model was taught: teach it again."
        )
    return _adapted(plan, _pairs(how, adapter))


def _drafted(how: Learning, target: Adapted) -> tuple[Plan, Adapted, torch.Tensor | None]:
    """Return the draft's plan, what it learned beyond the target by the cut model's names, and its second moments."""
    plan, adapter = _plan_of(how, "draft", f"There is no draft in {how.out} yet: learn one first.")
    if plan.channels:
        raise LobiError(f"The draft in {how.out} lost channels, and can't be taught on: learn it again.")
    pairs = {}
    for name, (a, b) in _pairs(how, adapter).items():
        parts = name.split(".")
        at = parts.index("layers") + 1
        parts[at] = str(plan.layers.index(int(parts[at])))
        # `join` put the target's change first.
        own = target.pairs[name][0].shape[0] if name in target.pairs else 0
        pairs[".".join(parts)] = (a[own:], b[:, own:])
    return plan, _adapted(plan, pairs), next(map(torch.from_numpy, adapter.moments.values()), None)


def _plan_of(how: Learning, role: str, missing: str) -> tuple[Plan, Adapter]:
    """Return the model's plan of a role with its adapter; raise LobiError if it is missing, or another model's."""
    file = how.out / f"{role}.json"
    if not file.is_file():
        raise LobiError(missing)
    plan, adapter = read_plan(file), read_adapter(file)
    if plan.fingerprint != fingerprint(how.source):
        raise LobiError(f"The plan {file} is of another model: give another folder, or teach the model there.")
    if adapter is None:
        raise LobiError(f"The plan {file} does not tell all that the model was taught: teach it again.")
    return plan, adapter


def _pairs(how: Learning, adapter: Adapter) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Return the changes of an adapter by the names of transformers."""
    architecture, config = _supported(how), _config(how)
    found = {}
    for name in linear_layers(load(how.weights).model):
        pair = from_gguf_pair(architecture, config, name, adapter.pairs)
        if pair is not None:
            found[name] = (torch.from_numpy(pair[0]), torch.from_numpy(pair[1]))
    return found


def _adapted(plan: Plan, pairs: dict[str, tuple[torch.Tensor, torch.Tensor]]) -> Adapted:
    return Adapted(pairs, 1.0, dict(plan.origin.get("recipe", {})), int(plan.origin.get("steps", 0)))


def _whole(how: Learning, learned: Adapted) -> Loaded:
    """Return the whole model as it will answer: with what it learned, its blocks rounded."""
    whole = load(how.weights)
    merge(whole.model, learned)
    round_weights(whole.model, lambda name: ".layers." in name)
    return whole


def _moments(whole: Loaded, examples: Sequence[Example], recipe: Recipe) -> torch.Tensor | None:
    """Return the second moment of what the output layer reads, shape (in, in), its diagonal 1 on average.

    In 16 bits, as the adapter keeps it; None where a row is not of whole blocks. Over examples as they are drawn.
    """
    model = whole.model
    if model.get_output_embeddings().weight.shape[1] % BLOCK:
        return None
    total: torch.Tensor | float = 0.0
    for each in drawn_tokens(whole, examples, recipe, CALIBRATED):
        with torch.no_grad(), computing(model.device.type):
            states = model.model(input_ids=torch.tensor([each.ids], device=model.device), use_cache=False)
        rows = states.last_hidden_state[0].double()
        total = total + rows.T @ rows
    found = torch.as_tensor(total)
    return (found / found.diagonal().mean()).half().float().cpu()


def _head(how: Learning) -> list[str]:
    """Return the embeddings' tensor and, last, that of the output layer; one for both where they are tied."""
    tensors = {tensor.name for tensor in read_header(how.source).tensors}
    return [name for name in ("token_embd.weight", "output.weight") if name in tensors]


def _recover(
    how: Learning,
    whole: Loaded,
    examples: Sequence[Example],
    recipe: Recipe,
    taught: Adapted,
    kept: Sequence[int],
    checkpoint: Path,
    channels: Sequence[Sequence[int]] = (),
    moments: torch.Tensor | None = None,
    start: Adapted | None = None,
) -> Adapted:
    """Cut a taught model and distil it from the whole one; return both changes as one, by the whole model's names."""
    student = load(how.weights)
    merge(student.model, taught)
    round_head(student.model, moments)
    cut(student.model, kept, channels=channels)
    learned = adapt(
        student,
        examples,
        recipe,
        seconds=how.seconds,
        checkpoint=checkpoint,
        report=how.report,
        loss_of=distillation(whole.model, recipe.seed),
        start=start,
    )
    return join(taught, replace_layers(learned, kept, channels, whole.model.config.intermediate_size))


def _channels(
    how: Learning,
    whole: Loaded,
    examples: Sequence[Example],
    recipe: Recipe,
    taught: Adapted,
    kept: Sequence[int],
    share: float,
) -> tuple[tuple[int, ...], ...]:
    """Weigh the FFN channels of a model by LoRA's gradients, and return those that stay in each layer that stays."""
    config = LoraConfig(r=recipe.rank, lora_alpha=recipe.alpha, target_modules=list(LINEAR))
    own = load(how.weights).model
    merge(own, taught)
    adapted = get_peft_model(own, config)
    batches = [Probes(whole, examples, replace(recipe, seed=recipe.seed + number)) for number in range(BATCHES)]
    found = estimate(
        adapted,
        [batch.likelihood(adapted) for batch in batches],
        whole.model.config.num_attention_heads,
        whole.model.config.num_key_value_heads,
    )
    return strongest_channels(found.channels[list(kept)], round(share * found.channels.shape[1]))


def replace_layers(
    learned: Adapted, kept: Sequence[int], channels: Sequence[Sequence[int]] = (), width: int = 0
) -> Adapted:
    """Return what was learned of a cut model by the whole one's layers and channels; what was cut changes nothing."""
    pairs = {}
    for name, (a, b) in learned.pairs.items():
        parts = name.split(".")
        at = parts.index("layers") + 1
        number = int(parts[at])
        parts[at] = str(kept[number])
        is_read, is_written = parts[-1] == "down_proj", parts[-1] in ("gate_proj", "up_proj")
        pairs[".".join(parts)] = (
            _spread(a.T, channels[number], width).T if channels and is_read else a,
            _spread(b, channels[number], width) if channels and is_written else b,
        )
    return replace(learned, pairs=pairs)


def _spread(rows: torch.Tensor, places: Sequence[int], count: int) -> torch.Tensor:
    """Return rows at their places among `count`, the others zero."""
    spread = torch.zeros(count, rows.shape[1])
    spread[list(places)] = rows
    return spread


def join(first: Adapted, second: Adapted) -> Adapted:
    """Return both changes as one, for the layers of the second: B A = [s B1, s' B2] [A1; A2]."""
    pairs = {}
    for name, (a, b) in second.pairs.items():
        changes = [(a, second.scale * b)]
        if name in first.pairs:
            changes.insert(0, (first.pairs[name][0], first.scale * first.pairs[name][1]))
        pairs[name] = (torch.cat([each[0] for each in changes]), torch.cat([each[1] for each in changes], 1))
    return Adapted(pairs, 1.0, second.recipe, second.steps)


def _supported(how: Learning) -> str:
    architecture = read_header(how.source).text("general.architecture")
    require_supported(architecture)
    how.out.mkdir(parents=True, exist_ok=True)
    how.work.mkdir(parents=True, exist_ok=True)
    return architecture


def _write(
    how: Learning,
    role: str,
    architecture: str,
    learned: Adapted,
    plan: Plan,
    origin: dict[str, Any],
    moments: torch.Tensor | None = None,
) -> Path:
    """Write a plan and its adapter in GGUF's names and order of rows."""
    config = _config(how)
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
        Adapter(pairs, {} if moments is None else {_head(how)[-1]: moments.numpy()}),
    )
    return file


def _config(how: Learning) -> dict[str, Any]:
    """Return the model's configuration as transformers reads it."""
    where = {"gguf_file": how.weights.name} if how.weights.is_file() else {}
    folder = how.weights.parent if how.weights.is_file() else how.weights
    found: dict[str, Any] = AutoConfig.from_pretrained(folder, **where).to_dict()
    return found
