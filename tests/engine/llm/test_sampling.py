"""Drawing tokens: greedy as llama.cpp has it, seeded from the right distribution, with and without drafts."""

from __future__ import annotations

import ctypes
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count, pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import llama_cpp
import numpy as np
import numpy.typing as npt
import pytest

from engine.llm.backend import Logits, Model, SamplerChain
from engine.llm.hsd.verify import sample_and_compare
from engine.llm.preflight import preflight
from engine.llm.protocol import LoadModel
from engine.llm.sampling import Sampler, gumbel_noise, penalised_argmax
from engine.messages import Sampling

PROMPT = list(b"Once upon a time")
WARM = Sampling(temperature=0.8, top_k=8, top_p=1.0, min_p=0.0, repetition_penalty=1.0)
"""Eight tokens can be drawn, so that a chi-square test has at most seven degrees of freedom."""
CRITICAL = {1: 10.83, 2: 13.82, 3: 16.27, 4: 18.47, 5: 20.52, 6: 22.46, 7: 24.32}
"""Chi-square by degrees of freedom that chance exceeds once in a thousand."""
DRAWS = 2000


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, random_model: Path) -> Iterator[Model]:
    how = LoadModel(random_model, 512, 1)
    made = Model(preflight(random_model, 512, 2**34), how)
    yield made
    made.close()


def standing(logits: Sequence[Logits]) -> Model:
    """Stand for a model with these output rows."""
    return cast(Model, SimpleNamespace(vocabulary=len(logits[0]), logits=lambda row: logits[row]))


def plainly_penalised(logits: Logits, recent: Sequence[int], penalty: float) -> int:
    best, highest = -1, -np.inf
    for token, logit in enumerate(logits):
        factor = np.float32(penalty if token in recent else 1.0)
        shaped = float(logit * factor if logit <= 0 else logit / factor)
        if shaped > highest:
            best, highest = token, shaped
    return best


# ---------------------------------------------------------------- greedy


def test_penalised_argmax_is_the_plain_rule_and_leaves_the_logits() -> None:
    dice = np.random.default_rng(1)
    changed = 0
    for _ in range(300):
        logits = dice.normal(0.0, 2.0, 30).astype(np.float32)
        recent = dice.choice(30, dice.integers(0, 12), replace=False)
        penalty = float(dice.choice([0.8, 1.0, 1.1, 1.5]))
        before = logits.copy()
        best = penalised_argmax(logits, recent, penalty)
        assert best == plainly_penalised(before, recent.tolist(), penalty)
        assert logits.tobytes() == before.tobytes()
        changed += best != before.argmax()
    assert changed > 10


def test_first_of_equal_logits_is_taken() -> None:
    assert penalised_argmax(np.ones(5, np.float32), np.array([0, 1]), 1.1) == 2


@pytest.mark.parametrize("window", [1, 3])
def test_penalty_forgets_what_leaves_the_window(window: int) -> None:
    logits = np.array([1.0, 0.9, 0.8, 0.7, 0.6], np.float32)
    sampler = Sampler(standing([logits]), Sampling(repetition_penalty=10.0, repetition_window=window))
    assert [sampler.draw(0) for _ in range(9)] == [step % (window + 1) for step in range(9)]


def test_token_said_twice_is_penalised_until_both_have_left() -> None:
    logits = np.array([1.0, 0.5, 0.9], np.float32)
    sampler = Sampler(standing([logits]), Sampling(repetition_penalty=2.0, repetition_window=3))
    for token in (0, 0, 1, 1):
        sampler.accept(token)
    assert sampler.look(0, 0) == 2, "it is still in the window once"
    sampler.accept(1)
    assert sampler.look(0, 0) == 0


def test_no_penalty_takes_no_note_of_tokens() -> None:
    logits = np.array([1.0, 0.9], np.float32)
    for sampling in (Sampling(repetition_penalty=1.0), Sampling(repetition_penalty=5.0, repetition_window=0)):
        sampler = Sampler(standing([logits]), sampling)
        assert [sampler.draw(0) for _ in range(4)] == [0, 0, 0, 0]


class Reference:
    """llama.cpp's own chain of penalties and greedy choice."""

    def __init__(self, vocabulary: int, sampling: Sampling) -> None:
        self._chain = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
        window, penalty = sampling.repetition_window, sampling.repetition_penalty
        for step in (
            llama_cpp.llama_sampler_init_penalties(vocabulary, window, penalty, 0.0, 0.0),
            llama_cpp.llama_sampler_init_greedy(),
        ):
            llama_cpp.llama_sampler_chain_add(self._chain, step)

    def draw(self, logits: Logits) -> int:
        data = (llama_cpp.llama_token_data * len(logits))(*((i, float(logit), 0.0) for i, logit in enumerate(logits)))
        candidates = llama_cpp.llama_token_data_array(data, len(logits), -1, False)
        llama_cpp.llama_sampler_apply(self._chain, ctypes.byref(candidates))
        token = int(candidates.data[candidates.selected].id)
        llama_cpp.llama_sampler_accept(self._chain, token)
        return token

    def close(self) -> None:
        llama_cpp.llama_sampler_free(self._chain)


@pytest.mark.parametrize("penalty", [1.0, 1.1, 2.0])
@pytest.mark.parametrize("window", [4, 64])
def test_greedy_is_the_chain_of_llama_cpp(model: Model, penalty: float, window: int) -> None:
    sampling = Sampling(repetition_penalty=penalty, repetition_window=window)
    sampler, reference = Sampler(model, sampling), Reference(model.vocabulary, sampling)
    model.keep(0)
    model.decode(PROMPT, 0, outputs=1)
    said, unpenalised = list[int](), 0
    for _ in range(200):
        unpenalised += int(model.logits(0).argmax() == reference_token(reference, model, said))
        assert sampler.draw(0) == said[-1]
        model.decode(said[-1:], len(PROMPT) + len(said) - 1, outputs=1)
    reference.close()
    assert (unpenalised == 200) == (penalty == 1.0)


def reference_token(reference: Reference, model: Model, said: list[int]) -> int:
    said.append(reference.draw(model.logits(0)))
    return said[-1]


# ---------------------------------------------------------------- drawn


def test_noise_is_that_of_gumbel() -> None:
    noise = np.concatenate([gumbel_noise(9, place, np.arange(1000, dtype=np.int32)) for place in range(50)])
    assert noise.mean() == pytest.approx(np.euler_gamma, abs=0.02)
    assert noise.var() == pytest.approx(np.pi**2 / 6, rel=0.03)
    shares = [(noise < level).mean() for level in (-1.0, 0.0, 1.0, 3.0)]
    assert shares == pytest.approx([np.exp(-np.exp(-level)) for level in (-1.0, 0.0, 1.0, 3.0)], abs=0.01)


def test_noise_depends_on_seed_place_and_token_alone() -> None:
    tokens = np.array([7, 1, 300], np.int32)
    noise = gumbel_noise(5, 2, tokens)
    assert np.array_equal(noise, gumbel_noise(5, 2, tokens))
    assert np.array_equal(noise[::-1], gumbel_noise(5, 2, tokens[::-1]))


def test_noise_of_other_seeds_and_places_has_nothing_in_common() -> None:
    tokens = np.arange(200, dtype=np.int32)
    seen = [value for seed in range(20) for place in range(20) for value in gumbel_noise(seed, place, tokens).tolist()]
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize("seed", [0, 2**32 - 1])
def test_every_seed_that_can_be_set_works(seed: int) -> None:
    assert np.isfinite(gumbel_noise(seed, 10**6, np.arange(1000, dtype=np.int32))).all()


def probabilities(model: Model, sampling: Sampling, row: int, said: Sequence[int] = ()) -> npt.NDArray[np.float64]:
    """What llama.cpp's chain leaves at a row after some tokens of the answer, as a distribution over the vocabulary."""
    chain = SamplerChain(model.vocabulary, sampling)
    for token in said:
        chain.accept(token)
    tokens, logits = chain.shaped(model.logits(row))
    chain.close()
    weights = np.exp(logits - logits.max())
    result = np.zeros(model.vocabulary)
    result[tokens] = weights / weights.sum()
    return result


def assert_drawn_from(counts: Counter[int], wanted: npt.NDArray[np.float64]) -> None:
    """Test by chi-square; tokens that are expected fewer than ten times count as one."""
    assert all(wanted[token] > 0 for token in counts)
    total = counts.total()
    frequent = [token for token in np.flatnonzero(wanted).tolist() if wanted[token] * total >= 10]
    observed, expected = [counts[token] for token in frequent], [float(wanted[token]) * total for token in frequent]
    if total - sum(expected) >= 10:
        observed, expected = [*observed, total - sum(observed)], [*expected, total - sum(expected)]
    freedom = len(expected) - 1
    assert freedom >= 2, "the distribution is too narrow to tell anything"
    chi_square = sum((seen - mean) ** 2 / mean for seen, mean in zip(observed, expected, strict=True))
    assert chi_square < CRITICAL[freedom], (observed, expected)


def most_probable(model: Model, sampling: Sampling, steps: int) -> list[int]:
    """Say the most probable tokens after the prompt, plainly."""
    said: list[int] = []
    model.keep(0)
    model.decode(PROMPT, 0, outputs=1)
    while len(said) < steps:
        said.append(int(probabilities(model, sampling, 0, said).argmax()))
        model.decode(said[-1:], len(PROMPT) + len(said) - 1, outputs=1)
    return said


@pytest.mark.parametrize("penalty", [1.0, 1.3])
@pytest.mark.parametrize("warmth", [0.8, 3.0])
def test_draws_at_one_place_have_the_distribution_of_plain_decoding(
    model: Model, penalty: float, warmth: float
) -> None:
    sampling = Sampling(temperature=warmth, top_k=8, top_p=1.0, min_p=0.0, repetition_penalty=penalty)
    draft = most_probable(model, sampling, 2)
    wanted = probabilities(model, sampling, 0, draft)
    model.keep(len(PROMPT) - 1)
    model.decode([PROMPT[-1], *draft, 0], len(PROMPT) - 1, outputs=4)
    drawn: Counter[int] = Counter()
    for seed in count(1):
        sampler = Sampler(model, replace(sampling, seed=seed))
        said = sample_and_compare(sampler.draw, [*draft, 0], model.ends_generation)
        sampler.close()
        drawn.update(said[2:3])
        if drawn.total() == DRAWS:
            break
    assert_drawn_from(drawn, wanted)


def test_draws_of_one_seed_at_many_places_have_the_right_distribution() -> None:
    logits = np.log(np.array([0.4, 0.3, 0.15, 0.1, 0.05], np.float32))
    sampler = Sampler(standing([logits]), Sampling(temperature=1.0, top_k=0, top_p=1.0, min_p=0.0,
                                                   repetition_penalty=1.0, seed=12))  # fmt: skip
    drawn = [sampler.draw(0) for _ in range(DRAWS)]
    sampler.close()
    assert_drawn_from(Counter(drawn), np.exp(logits).astype(np.float64))
    follow = Counter(then for now, then in pairwise(drawn) if now == 0)
    assert_drawn_from(follow, np.exp(logits).astype(np.float64))


def test_looking_ahead_says_what_will_be_drawn_and_takes_no_note() -> None:
    rows = [np.random.default_rng(row).normal(size=50).astype(np.float32) for row in range(4)]
    sampling = Sampling(temperature=1.5, top_k=0, repetition_penalty=1.0, seed=4)
    looking, drawing = Sampler(standing(rows), sampling), Sampler(standing(rows), sampling)
    ahead = [looking.look(row, row) for row in range(4)]
    assert ahead == [looking.look(row, row) for row in range(4)]
    assert ahead == [drawing.draw(row) for row in range(4)]
    looking.close()
    drawing.close()


def test_cuts_keep_improbable_tokens_out() -> None:
    logits = np.log(np.array([0.5, 0.3, 0.15, 0.05], np.float32))
    for cut in ({"top_k": 2}, {"top_p": 0.7, "top_k": 0}, {"min_p": 0.5, "top_k": 0}):
        values = {"top_p": 1.0, "min_p": 0.0, **cut}
        sampler = Sampler(standing([logits]), Sampling(temperature=1.0, repetition_penalty=1.0, **values))  # type: ignore[arg-type]
        assert {sampler.draw(0) for _ in range(200)} == {0, 1}, cut
        sampler.close()


def test_closing_twice_is_fine() -> None:
    sampler = Sampler(standing([np.zeros(4, np.float32)]), WARM)
    sampler.close()
    sampler.close()
