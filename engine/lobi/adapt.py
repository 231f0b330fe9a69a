"""Teach a model with LoRA while its weights are rounded as they will be: recovery and skill in one (torch, peft).

LoRA: Hu et al., arXiv 2106.09685. The rounding is felt forwards and passed straight through backwards (Bengio et al.,
arXiv 1308.3432): the frozen weight W of each layer is replaced by Q(W + s BA) - s BA, so that peft's own forward pass
W x + s BA x gives Q(W + s BA) x, and its gradients of A and B are those of the rounded layer.
"""

from __future__ import annotations

import hashlib
import math
import pickle
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from peft.helpers import disable_input_dtype_casting
from peft.tuners.lora import LoraLayer
from torch.nn.functional import cross_entropy

from engine.errors import HolaError
from engine.lobi.examples import Example
from engine.lobi.fake_quant import rounded_q4_0
from engine.lobi.feedback import BLOCK
from engine.lobi.torch_model import LINEAR, Loaded, Tokens, computing

__all__ = ["Adapted", "Progress", "Recipe", "adapt", "answer_states", "batch_of", "drawn_tokens"]

CHECKPOINT_S = 240.0
WARM_UP = 0.03
"""Share of the training in which the learning rate rises."""
LAST_RATE = 0.05
"""Of the learning rate, what is left at the end of the cosine."""
CLIP = 1.0
TRIES = 100
MICRO_BATCHES = 3
"""Parts of a step, by length, so that little is padded."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to learn; the same recipe, data and model give the same adapter on the same machine."""

    rank: int = 16
    alpha: float = 32.0
    rate: float = 5e-4
    steps: int = 500
    examples_per_step: int = 16
    longest: int = 640
    """Tokens; longer examples are left out."""
    shares: Mapping[str, float] = field(
        default_factory=lambda: {
            "grounded": 0.5,
            "cloze": 0.12,
            "absent": 0.06,
            "choice": 0.05,
            "prompt": 0.1,
            "chat": 0.11,
            "text": 0.06,
        }
    )
    """How much of each kind of example is drawn."""
    rounding: bool = True
    """Whether the weights are rounded to Q4_0 while it learns."""
    refresh: int = 4
    """Steps after which they are rounded anew."""
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the training stands."""

    step: int
    steps: int
    loss: float
    """Of the step: mean negative log-likelihood per learned token, in nats."""
    seconds: float


@dataclass(slots=True)
class Adapted:
    """What was learned: for each layer, A of shape (rank, in) and B of shape (out, rank); W becomes W + scale B A."""

    pairs: dict[str, tuple[torch.Tensor, torch.Tensor]]
    scale: float
    recipe: dict[str, Any]
    steps: int


Loss = Callable[[torch.nn.Module, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def adapt(
    loaded: Loaded,
    examples: Sequence[Example],
    recipe: Recipe,
    *,
    seconds: float = math.inf,
    checkpoint: Path | None = None,
    report: Callable[[Progress], None] = lambda _: None,
    loss_of: Loss | None = None,
    start: Adapted | None = None,
) -> Adapted:
    """Learn for `recipe.steps` steps, or until the seconds are used up; go on from a checkpoint if there is one.

    `loss_of(model, ids, mask, weights)` gives the loss of a batch: token ids and mask of shape (examples, tokens), and
    what each token counts when it is predicted, same shape, 0 for those that are not learned.
    It begins with what was learned before, `start`, if that is given, of the same rank.
    Raises HolaError if the examples are of none of the kinds wanted, or the checkpoint is another training's.
    """
    torch.manual_seed(recipe.seed)
    pools = _pools(loaded, examples, recipe)
    model, layers = _attached(loaded, recipe, start)
    rounding = _Rounding(layers) if recipe.rounding else None
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learned, lr=recipe.rate, betas=(0.9, 0.99), weight_decay=0.0)
    state = _Checkpoint(checkpoint, _identity(loaded, examples, recipe), model, optimizer)
    first, before = state.load()
    step = first
    begun, saved = time.monotonic(), time.monotonic()
    while step < recipe.steps:
        spent = before + time.monotonic() - begun
        share = max(step / recipe.steps, spent / seconds)
        if share >= 1.0:
            break
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate * _rate(share)
        if rounding is not None and (step % recipe.refresh == 0 or step == first):
            rounding.refresh()
        # peft would cast all activations to float32 and autocast them back.
        with disable_input_dtype_casting(model):
            loss = _step(model, _draw(pools, recipe, step), loss_of or _likelihood)
        torch.nn.utils.clip_grad_norm_(learned, CLIP)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        step += 1
        spent = before + time.monotonic() - begun
        report(Progress(step, recipe.steps, loss, spent))
        if time.monotonic() - saved > CHECKPOINT_S:
            state.save(step, spent)
            saved = time.monotonic()
    state.save(step, before + time.monotonic() - begun)
    pairs = {
        name.removeprefix("base_model.model."): (
            layer.lora_A["default"].weight.detach().float().cpu(),
            layer.lora_B["default"].weight.detach().float().cpu(),
        )
        for name, layer in layers.items()
    }
    return Adapted(pairs, recipe.alpha / recipe.rank, asdict(recipe), step)


def _attached(loaded: Loaded, recipe: Recipe, start: Adapted | None) -> tuple[Any, dict[str, LoraLayer]]:
    """Attach LoRA to a model; return it with its adapted layers."""
    config = LoraConfig(r=recipe.rank, lora_alpha=recipe.alpha, target_modules=list(LINEAR), lora_dropout=0.0)
    model = get_peft_model(loaded.model, config)
    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, LoraLayer)}
    if start is None:
        return model, layers
    with torch.no_grad():
        for name, layer in layers.items():
            a, b = start.pairs[name.removeprefix("base_model.model.")]
            layer.lora_A["default"].weight.copy_(a)
            layer.lora_B["default"].weight.copy_(b * (start.scale / layer.scaling["default"]))
    return model, layers


def answer_states(model: torch.nn.Module, ids: torch.Tensor, *chosen: torch.Tensor) -> list[torch.Tensor]:
    """Return the logits that predict the chosen tokens, for each choice of them: (number chosen, vocabulary), float32.

    Only these rows go through the output layer, which is the widest of a small model by far.
    """
    causal = model.get_base_model() if hasattr(model, "get_base_model") else model
    scale = getattr(causal.config, "lm_head_multiplier", 1.0)
    # What is padded stands last, where no token before it sees it.
    hidden = causal.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
    return [causal.lm_head(hidden[each[:, 1:]]).float() * scale for each in chosen]


def _likelihood(model: torch.nn.Module, ids: torch.Tensor, mask: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    chosen = weights > 0
    (logits,) = answer_states(model, ids, chosen)
    losses = cross_entropy(logits, ids[:, 1:][chosen[:, 1:]], reduction="none")
    return (losses * weights[:, 1:][chosen[:, 1:]]).sum()


def _step(model: torch.nn.Module, batch: Sequence[Tokens], loss_of: Loss) -> float:
    """Add up the gradients of a batch, in parts of like lengths; return its loss."""
    ordered = sorted(batch, key=lambda each: len(each.ids))
    size = math.ceil(len(ordered) / MICRO_BATCHES)
    device = next(model.parameters()).device
    total = 0.0
    for start in range(0, len(ordered), size):
        ids, mask, weights = batch_of(ordered[start : start + size])
        weights /= len(batch)
        with computing(device.type):
            loss = loss_of(model, ids.to(device), mask.to(device), weights.to(device))
        loss.backward()
        total += loss.item()
    return total


def batch_of(examples: Sequence[Tokens]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return token ids, mask and weights of examples, shape (examples, tokens); what is learned of one weighs 1."""
    width = max(len(each.ids) for each in examples)
    ids = torch.zeros(len(examples), width, dtype=torch.long)
    mask = torch.zeros(len(examples), width, dtype=torch.long)
    weights = torch.zeros(len(examples), width)
    for row, each in enumerate(examples):
        ids[row, : len(each.ids)] = torch.tensor(each.ids)
        mask[row, : len(each.ids)] = 1
        # An answer of a word counts as much as a text.
        weights[row, each.learned_from : len(each.ids)] = 1.0 / (len(each.ids) - each.learned_from)
    return ids, mask, weights


class _Pool:
    """Examples of one kind, which become tokens when they are first drawn."""

    def __init__(self, loaded: Loaded, examples: Sequence[Example], longest: int) -> None:
        self._loaded, self._examples, self._longest = loaded, examples, longest
        self._known: dict[int, Tokens] = {}

    def draw(self, chance: random.Random) -> Tokens:
        """Return an example that is not too long."""
        for _ in range(TRIES):
            index = chance.randrange(len(self._examples))
            if index not in self._known:
                self._known[index] = self._loaded.tokens(self._examples[index])
            found = self._known[index]
            if found.learned_from < len(found.ids) <= self._longest:
                return found
        raise HolaError(f"The examples are longer than {self._longest} tokens: give shorter ones.")


def _pools(loaded: Loaded, examples: Sequence[Example], recipe: Recipe) -> dict[str, _Pool]:
    """Sort the examples by kind, without kinds of which nothing is wanted."""
    sorted_: dict[str, list[Example]] = {}
    for one in examples:
        if recipe.shares.get(one.kind, 0.0) > 0:
            sorted_.setdefault(one.kind, []).append(one)
    if not sorted_:
        raise HolaError("None of the examples is of a kind that the recipe wants: give questions with passages.")
    return {kind: _Pool(loaded, found, recipe.longest) for kind, found in sorted(sorted_.items())}


def _draw(pools: Mapping[str, _Pool], recipe: Recipe, step: int) -> list[Tokens]:
    """Draw the examples of a step: the same ones whenever the step is made."""
    chance = random.Random(f"{recipe.seed} {step}")
    kinds = list(pools)
    drawn = chance.choices(kinds, [recipe.shares[kind] for kind in kinds], k=recipe.examples_per_step)
    return [pools[kind].draw(chance) for kind in drawn]


def drawn_tokens(loaded: Loaded, examples: Sequence[Example], recipe: Recipe, count: int) -> list[Tokens]:
    """Return at least `count` examples as a training draws them; raises as `adapt` does."""
    pools = _pools(loaded, examples, recipe)
    steps = math.ceil(count / recipe.examples_per_step)
    return [each for step in range(steps) for each in _draw(pools, recipe, step)]


def _identity(loaded: Loaded, examples: Sequence[Example], recipe: Recipe) -> str:
    """Return what tells a training from others: its recipe, its examples, and a sample of the model's weights."""
    digest = hashlib.sha256(repr(asdict(recipe)).encode())
    for one in examples:
        digest.update(repr(one).encode("utf-8", "surrogatepass"))
    for name, parameter in loaded.model.named_parameters():
        digest.update(f"{name} {tuple(parameter.shape)}".encode())
        digest.update(parameter.detach().flatten()[:64].float().cpu().numpy().tobytes())
    return digest.hexdigest()


def _rate(share: float) -> float:
    """Return the share of the learning rate at a share of the training: a rise, then half a cosine."""
    if share < WARM_UP:
        return (share + 0.1 * WARM_UP) / (1.1 * WARM_UP)
    return LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * (share - WARM_UP) / (1 - WARM_UP)))


class _Rounding:
    """Keeps W of each layer, and sets the layer's frozen weight to Q(W + s BA) - s BA."""

    def __init__(self, layers: Mapping[str, LoraLayer]) -> None:
        self._layers = [layer for layer in layers.values() if layer.get_base_layer().weight.shape[1] % BLOCK == 0]
        self._weights = [layer.get_base_layer().weight.detach().clone() for layer in self._layers]

    def refresh(self) -> None:
        """Round the weights as they are with what was learned until now."""
        with torch.no_grad():
            for layer, weight in zip(self._layers, self._weights, strict=True):
                delta = layer.get_delta_weight("default").float()
                layer.get_base_layer().weight.copy_(rounded_q4_0(weight.float() + delta) - delta)


class _Checkpoint:
    """A training's state in a file, replaced in one step."""

    def __init__(self, file: Path | None, identity: str, model: torch.nn.Module, optimizer: Any) -> None:
        self._file, self._identity, self._model, self._optimizer = file, identity, model, optimizer

    def _learned(self) -> dict[str, torch.Tensor]:
        return {name: each.detach() for name, each in self._model.named_parameters() if each.requires_grad}

    def load(self) -> tuple[int, float]:
        """Take up the state; return the steps made and the seconds they took."""
        if self._file is None or not self._file.is_file():
            return 0, 0.0
        try:
            found = torch.load(self._file, weights_only=True, map_location="cpu")
        except (OSError, RuntimeError, pickle.UnpicklingError, EOFError) as exc:
            raise HolaError(f"{self._file} can't be read ({exc}): delete it, and the training begins anew.") from exc
        if found.get("identity") != self._identity:
            raise HolaError(f"{self._file} is the state of another training: delete it, or give another folder.")
        with torch.no_grad():
            for name, parameter in self._learned().items():
                parameter.copy_(found["learned"][name])
        self._optimizer.load_state_dict(found["optimizer"])
        return int(found["step"]), float(found["seconds"])

    def save(self, step: int, seconds: float) -> None:
        """Write the state."""
        if self._file is None:
            return
        new = self._file.with_suffix(".new")
        state = {"identity": self._identity, "step": step, "seconds": seconds, "learned": self._learned()}
        torch.save({**state, "optimizer": self._optimizer.state_dict()}, new)
        new.replace(self._file)
