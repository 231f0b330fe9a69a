"""Decode rates of Hola, plain and with HSD, against `llama_cpp.Llama` on the same prompts, interleaved in one run.

Three workloads: copying, answers from passages, free chat. Every prompt is read once by each side (a warm-up that does
not count, but for the time to first token), then decoded in rounds, in an order that rotates. A rate is that of a whole
workload in one round, after the first token of each answer; what is told is the median over the rounds.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from engine.bench import workloads
from engine.bench.decode_llama import Decoded, LlamaCpp
from engine.bench.simulated import Trace, simulated, speeds, spent
from engine.config import EngineConfig
from engine.dialogue import Exchange
from engine.llm.protocol import MOST_DRAFTED, CountTokens, Generate, Generated, LoadModel, TextDelta, TokenCounts
from engine.llm.service import ModelService
from engine.messages import ChatMessage, Sampling
from engine.prompting import Prompt, compose
from engine.service import CancelToken

if TYPE_CHECKING:
    from engine.llm.hsd.cost import CostCurve

__all__ = ["run"]

CONTEXT = 2048
TOKENS = 128
"""Longest answer."""
WARM_UP_TOKENS = 8
TURN_TOKENS = 48
"""Longest answer where only the time to first token counts."""
GREEDY = Sampling(repetition_penalty=1.0)
MOST_ROUNDS, LEAST_ROUNDS = 5, 2
DECODING_BUDGET_S = 170.0
"""For the rounds that count; with the bundled model on two cores the whole bench then takes about four minutes."""
TYPICAL_SHARE = 0.8
"""Of TOKENS, how long the answers of the bundled model are."""

PLAIN, HSD, LLAMA, LOOKUP = "plain", "hsd", "llama_cpp", "llama_cpp_lookup"
HSD_WITH_DRAFT = "hsd with draft model"


@dataclass(frozen=True, slots=True)
class _Case:
    """A prompt of a workload."""

    workload: str
    messages: tuple[ChatMessage, ...]
    tokens: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Sample:
    """One answer of one method in one round; round 0 is the warm-up."""

    workload: str
    method: str
    round: int
    decoded: Decoded


@dataclass(slots=True)
class _Measured:
    """What all rounds gave."""

    samples: list[_Sample] = field(default_factory=list)
    traces: dict[str, list[Trace]] = field(default_factory=dict)
    """Per workload, what plain decoding said."""


Method = Callable[[_Case, int], Decoded]


def run(
    config: EngineConfig, draft: Path | None = None, tell: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Measure all methods on all workloads; `tell` takes how far it is.

    Returns:
        `model`, `threads`, `cost_curve` {n: C}, `workloads` {name: rates in tokens/s, acceptance, ...}, `simulated` (on
        cost curves of other machines) and `ttft_ms` of the first and second turn of a chat about five passages.
    """
    with contextlib.ExitStack() as opened:
        tell("loading the model")
        hola = _Hola(LoadModel(config.model_path(), CONTEXT, config.settings.threads))
        opened.callback(hola.close)
        methods, owners = _methods(hola, config, draft, opened)
        tell("two turns on the same passages")
        turns, rate = _turns(hola)
        cases = list(_cases(hola))
        rounds = _rounds(rate, len(cases) * len(methods))
        measured = _Measured()
        for number, case in enumerate(cases):
            tell(f"{case.workload}: prompt {number + 1} of {len(cases)}, {rounds} rounds")
            _measure(case, number, methods, hola, rounds, measured)
        curve = hola.service.loaded_curve()
    tell("replaying the answers on other cost curves")
    best = HSD_WITH_DRAFT if HSD_WITH_DRAFT in methods else HSD
    return {
        "model": hola.card.name,
        "threads": hola.card.threads,
        "cost_curve": {width: curve.ratio(width) for width in curve.widths} if curve else {},
        "workloads": {
            name: _figures(name, best, measured, owners, curve)
            for name in dict.fromkeys(case.workload for case in cases)
        },
        "simulated": simulated(measured.traces, curve),
        "ttft_ms": turns,
    }


# ---------------------------------------------------------------- the methods


class _Hola:
    """Hola's own loop, in this process."""

    def __init__(self, how: LoadModel) -> None:
        self.how = how
        self.service = ModelService()
        [self.card] = list(self.service.handle(how, CancelToken()))

    def count(self, texts: tuple[str, ...]) -> TokenCounts:
        """Count as the engine does for `compose`."""
        [counted] = list(self.service.handle(CountTokens(self.how, texts), CancelToken()))
        assert isinstance(counted, TokenCounts)
        return counted

    def decode(self, messages: tuple[ChatMessage, ...], max_tokens: int, draft_limit: int = MOST_DRAFTED) -> Decoded:
        """Answer greedily."""
        request = Generate(self.how, messages, GREEDY, max_tokens, draft_limit=draft_limit)
        begun = time.perf_counter()
        first, text = 0.0, ""
        for event in self.service.handle(request, CancelToken()):
            if isinstance(event, TextDelta):
                first = first or time.perf_counter()
                text += event.text
            ended = event
        assert isinstance(ended, Generated)
        _, answer = self.service.last_answer()
        return Decoded(
            answer=tuple(answer[: ended.completion_tokens]),
            seconds=ended.decode_ms / 1000,
            ttft_s=(first or time.perf_counter()) - begun,
            drafted=ended.drafted,
            accepted=ended.accepted,
            steps=ended.draft_steps,
            text=text,
        )

    def close(self) -> None:
        """Free the model."""
        self.service.close()


def _methods(
    hola: _Hola, config: EngineConfig, draft: Path | None, opened: contextlib.ExitStack
) -> tuple[dict[str, Method], dict[str, str]]:
    """Return the methods, and per context (each reads the prompt by itself) the method that reads it first."""
    methods: dict[str, Method] = {
        PLAIN: lambda case, most: hola.decode(case.messages, most, 0),
        HSD: lambda case, most: hola.decode(case.messages, most),
    }
    owners = {"hola": PLAIN, LLAMA: LLAMA, LOOKUP: LOOKUP}
    if draft is not None:
        paired = _Hola(LoadModel(hola.how.path, CONTEXT, config.settings.threads, draft=draft))
        opened.callback(paired.close)
        methods[HSD_WITH_DRAFT] = lambda case, most: paired.decode(case.messages, most)
        owners["hola with draft model"] = HSD_WITH_DRAFT
    theirs, lookup = (LlamaCpp(hola.how.path, hola.card, lookup=lookup) for lookup in (False, True))
    opened.callback(theirs.close)
    opened.callback(lookup.close)
    methods[LLAMA] = lambda case, most: theirs.decode(case.tokens, most)
    methods[LOOKUP] = lambda case, most: lookup.decode(case.tokens, most)
    return methods, owners


# ---------------------------------------------------------------- the prompts


def _cases(hola: _Hola) -> Iterator[_Case]:
    for text in workloads.COPY:
        yield _Case("copy", compose(text, (), (), "", TOKENS, hola.count).messages)
    for asked in workloads.GROUNDED:
        yield _Case("grounded", _grounded(hola, asked, TOKENS).messages)
    for text in workloads.OPEN:
        yield _Case("open", compose(text, (), (), "", TOKENS, hola.count).messages)


def _grounded(hola: _Hola, asked: workloads.Asked, max_tokens: int) -> Prompt:
    found = workloads.passages(asked.topic, asked.order)
    return compose(asked.question, (), found, "", max_tokens, hola.count)


def _turns(hola: _Hola) -> tuple[dict[str, float], float]:
    """Measure chats of two turns on the same passages: TTFT in milliseconds (medians), and a decode rate."""
    times: dict[str, list[float]] = {"first": [], "second": []}
    tokens, seconds = 0, 0.0
    for asked, next_question in workloads.CHATS:
        prompt = _grounded(hola, asked, TURN_TOKENS)
        first = hola.decode(prompt.messages, TURN_TOKENS)
        read = Exchange(1, asked.question, prompt.messages[-1].content, first.text, prompt.shown)
        again = compose(next_question, (read,), prompt.sources, "", TURN_TOKENS, hola.count)
        second = hola.decode(again.messages, TURN_TOKENS)
        for name, turn in (("first", first), ("second", second)):
            times[name].append(turn.ttft_s * 1000)
            tokens += max(0, len(turn.answer) - 1)
            seconds += turn.seconds
    return {name: median(values) for name, values in times.items()}, tokens / seconds if seconds > 0 else 0.0


# ---------------------------------------------------------------- the rounds


def _rounds(rate: float, answers: int) -> int:
    """Return how many rounds of so many answers the budget allows, at a rate in tokens/s."""
    affordable = DECODING_BUDGET_S * rate / (answers * TOKENS * TYPICAL_SHARE)
    return min(MOST_ROUNDS, max(LEAST_ROUNDS, int(affordable)))


def _measure(
    case: _Case, number: int, methods: dict[str, Method], hola: _Hola, rounds: int, measured: _Measured
) -> None:
    """Decode a prompt by every method: the warm-up, then the rounds."""
    for index in range(rounds + 1):
        names = list(methods)
        if index:
            turn = (index + number) % len(names)
            names = names[turn:] + names[:turn]
        for name in names:
            decoded = methods[name](case, TOKENS if index else WARM_UP_TOKENS)
            measured.samples.append(_Sample(case.workload, name, index, decoded))
            if not case.tokens:
                prompt, _ = hola.service.last_answer()
                case = _Case(case.workload, case.messages, tuple(prompt))
            if name == PLAIN and index == 1:
                measured.traces.setdefault(case.workload, []).append((case.tokens, decoded.answer))


def _rates(samples: Sequence[_Sample]) -> list[float]:
    """Return the decode rate of each round, in tokens/s; a round without a second token has none."""
    rates = []
    for number in sorted({sample.round for sample in samples} - {0}):
        answers = [sample.decoded for sample in samples if sample.round == number]
        seconds = sum(answer.seconds for answer in answers)
        if seconds > 0:
            rates.append(sum(max(0, len(answer.answer) - 1) for answer in answers) / seconds)
    return rates


# ---------------------------------------------------------------- the figures


def _figures(
    workload: str, best: str, measured: _Measured, owners: dict[str, str], curve: CostCurve | None
) -> dict[str, Any]:
    """Return what is told of a workload."""
    by_method: dict[str, list[_Sample]] = {}
    for sample in measured.samples:
        if sample.workload == workload:
            by_method.setdefault(sample.method, []).append(sample)
    rates = {name: _rates(samples) for name, samples in by_method.items()}
    middle = {name: median(values or [0.0]) for name, values in rates.items()}
    relative = speeds(spent(measured.traces[workload], curve)) if curve else {}
    counted = [sample.decoded for sample in by_method[best] if sample.round]
    accepted = sum(decoded.accepted for decoded in counted)
    ratios = {f"hsd/{other}": _paired(rates[best], rates[other]) for other in (PLAIN, LLAMA, LOOKUP)}
    gain = relative["oracle"] - 1 if relative else 0.0
    return {
        PLAIN: middle[PLAIN],
        "hsd": middle[best],
        LLAMA: middle[LLAMA],
        LOOKUP: middle[LOOKUP],
        "oracle": middle[PLAIN] * relative["oracle"] if relative else None,
        "acceptance": _quotient(accepted, sum(decoded.drafted for decoded in counted)),
        "accepted_per_step": _quotient(accepted, sum(decoded.steps for decoded in counted)),
        "text_oracle": middle[PLAIN] * relative["text_oracle"] if relative else None,
        "hsd_by_tier": {
            tier: middle[name]
            for tier, name in (("n-gram", HSD), ("n-gram + draft model", HSD_WITH_DRAFT))
            if name in middle
        },
        "ratio": ratios,
        "ratio_in_first_round": _quotient(*(values[0] for values in (rates[best], rates[PLAIN]) if values)),
        "share_of_oracle_gain": (ratios[f"hsd/{PLAIN}"] - 1) / gain if gain > 0 else None,
        "ttft_ms": {
            context: median(sample.decoded.ttft_s * 1000 for sample in by_method[name] if not sample.round)
            for context, name in owners.items()
        },
        "rounds": len(rates[PLAIN]),
        "tokens": sum(len(answer) for _, answer in measured.traces[workload]),
    }


def _paired(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median ratio of two methods, round by round: what disturbs the machine meets both."""
    return median([_quotient(mine, other) for mine, other in zip(ours, theirs, strict=False)] or [0.0])


def _quotient(above: float = 0.0, below: float = 0.0) -> float:
    return above / below if below else 0.0
