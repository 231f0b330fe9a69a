"""Tier 1: a smaller model with the same vocabulary drafts, and screens the n-gram drafts of tier 0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np

from engine.llm.backend import Logits, Model
from engine.llm.hsd.acceptance import ByChance
from engine.llm.hsd.choose import Option, choose
from engine.llm.hsd.cost import CostCurve
from engine.llm.hsd.drafter import Floats
from engine.llm.sampling import Sampler
from engine.llm.text_state import TextState
from engine.messages import Sampling
from engine.service import CancelToken

__all__ = ["DraftModel", "ModelDraft", "expected_gain"]

CHUNK = 256
"""Tokens per call when it reads what it has not seen yet."""
FIRST_PAUSE, LONGEST_PAUSE = 32, 1024
"""Tokens of the answer before an unprofitable draft model is tried again; doubled each time."""
TRIAL_LENGTH = 3
TRIAL_SHARE = 0.03
"""Of the time since the last trial, what reading for the next one may take."""
HORIZON = 128
"""Tokens of the answer over which reading the prompt must pay."""


@dataclass(frozen=True, slots=True)
class ModelDraft:
    """What a draft model proposes."""

    tokens: tuple[int, ...] = ()
    """What is worth verifying."""
    guessed: tuple[int, ...] = ()
    """All that it said, the tokens first; the rest is likely wrong, and held against what comes, to learn from."""
    chances: tuple[float, ...] = ()
    """The probability that it gave each guessed token itself."""
    screened: int = 0
    """How many tokens were n-gram drafts that it agreed with; they come first."""
    cost: float = 0.0
    """Time that it took, in units of the target's T(1)."""


def expected_gain(rate: float, costs: Floats, unit: float) -> tuple[float, int]:
    """Return the best gain in tokens, E(k) - C(k + 1) - k t, of drafting k tokens one by one, and that k.

    Args:
        rate: acceptance of each token.
        costs: the target's C(0) ... C(widest).
        unit: t, the draft model's T(1) in units of the target's.
    """
    lengths = np.arange(1, len(costs) - 1)
    gains = np.cumsum(rate**lengths) + 1.0 - costs[2:] - unit * lengths
    best = int(gains.argmax())
    return float(gains[best]), int(lengths[best])


class DraftModel:
    """Follow the target's text with a smaller model, and draft from it while that pays."""

    def __init__(self, model: Model, curve: CostCurve, target_unit_s: float, target_vocabulary: int) -> None:
        self._model = model
        self._state = TextState(model)
        self._curve = curve
        self._target_unit_s = target_unit_s
        self._vocabulary = min(model.vocabulary, target_vocabulary)
        self._acceptance = ByChance()
        self._sampler: Sampler | None = None
        self._pause, self._resting = FIRST_PAUSE, 0
        self._prompt_tokens = self._place = 0
        self._seconds = 0.0

    @property
    def unit(self) -> float:
        """Its T(1) in units of the target's."""
        return self._curve.time(1) / self._target_unit_s

    def close(self) -> None:
        """Free the model."""
        self.end()
        self._model.close()

    def begin(self, prompt_tokens: int, sampling: Sampling) -> None:
        """Begin an answer; it draws as the target does, but for penalties, with the same noise."""
        self.end()
        self._prompt_tokens = prompt_tokens
        plain = Sampling(sampling.temperature, sampling.top_k, sampling.top_p, sampling.min_p, 1.0, 0, sampling.seed)
        self._sampler = Sampler(self._model, plain)

    def end(self) -> None:
        """Free what an answer needed."""
        if self._sampler is not None:
            self._sampler.close()
            self._sampler = None

    def pays(self, text: Sequence[int], costs: Floats, rival: float, limit: int, left: int) -> int:
        """Return how many tokens to draft, at most `limit`; 0 where n-grams or plain decoding are better.

        `rival` is what n-grams gain, in tokens; `left` is how many tokens may still be said: what the draft model has
        not read of the text must pay over them.
        """
        shared = self._state.shared_with(text)
        if len(text) + limit >= self._model.context_tokens or max(text[shared:], default=0) >= self._model.vocabulary:
            return 0
        gain, length = expected_gain(self._acceptance.mean, costs, self.unit)
        unread = len(text) - shared
        reading = self._curve.time(min(unread, CHUNK)) / self._target_unit_s * max(1.0, unread / CHUNK)
        if gain <= max(rival, 0.0):
            # A trial must be cheap against what was said since the last one, what it has to read included.
            if rival > 0.0 or self._resting < self._pause or reading > TRIAL_SHARE * self._resting:
                return 0
            # Its rate may have risen since: what it costs to find out is halved at each failure.
            self._pause, self._resting = min(LONGEST_PAUSE, 2 * self._pause), 0
            return min(TRIAL_LENGTH, limit)
        steps = min(left, HORIZON) / (1.0 + gain)
        if unread > 8 and reading > gain * steps:
            return 0
        self._pause, self._resting = FIRST_PAUSE, 0
        return min(length, limit)

    def draft(
        self, text: Sequence[int], ngram: Sequence[int], length: int, costs: Floats, cancel: CancelToken
    ) -> ModelDraft:
        """Draft at most `length` tokens after the text; n-gram drafts stay as far as it would say the same.

        The draft ends early where going on is not expected to pay.
        """
        self._seconds, self._place = 0.0, len(text) - self._prompt_tokens
        unread = self._catch_up(text, cancel)
        if unread is None:
            return ModelDraft()
        # A recurrent draft model has its checkpoint at the end of the text: it could not take a part of them back.
        # One token less than the draft may have: the draft model adds one of its own.
        known = takewhile(lambda token: token < self._model.vocabulary, ngram[: length - 1])
        ngram = [] if self._model.is_recurrent else list(known)
        tokens: list[int] = []
        chances: list[float] = []
        if not self._step(unread, ngram, tokens, chances):
            return ModelDraft()
        screened = max(0, len(tokens) - 1)
        alive = float(np.prod([self._acceptance.rate(chance) for chance in chances]))
        while len(tokens) < length and tokens[-1] < self._vocabulary:
            at = len(tokens)
            if alive * self._acceptance.mean < self.unit + _slope(costs, at + 1):
                break
            if cancel.cancelled or not self._step(tokens[-1:], (), tokens, chances):
                break
            alive *= self._acceptance.rate(chances[-1])
        if tokens[-1] >= self._vocabulary:
            del tokens[-1], chances[-1]
        return self._cut(tokens, chances, min(screened, len(tokens)), costs)

    def learn(self, draft: ModelDraft, said: Sequence[int]) -> None:
        """Learn how far a draft went along with what the target said."""
        for guess, chance, token in zip(draft.guessed, draft.chances, said, strict=False):
            self._acceptance.observe(chance, guess == token)
            if guess != token:
                break

    def rest(self, said: int) -> None:
        """Take note that so many tokens were said without it."""
        self._resting += said

    def _catch_up(self, text: Sequence[int], cancel: CancelToken) -> Sequence[int] | None:
        """Read all but the last tokens that it has not seen; return the rest, or None if it could not."""
        self._state.keep(min(self._state.shared_with(text), len(text) - 1))
        # A recurrent one reads all but the last token, so that its checkpoint moves on to the end of the text.
        rest = 1 if self._model.is_recurrent else CHUNK
        while len(text) - self._state.length > rest or self._state.replay:
            at = self._state.length
            chunk = text[at : min(at + CHUNK, len(text) - 1)]
            self._seconds += self._curve.time(len(chunk) + self._state.replay)
            with self._model.abort_when(cancel):
                if cancel.cancelled or not self._state.read(chunk, outputs=0):
                    return None
        self._state.mark()
        return text[self._state.length :]

    def _step(self, known: Sequence[int], ngram: Sequence[int], tokens: list[int], chances: list[float]) -> bool:
        """Compute known tokens and an n-gram draft; append what it says to `tokens`, one of its own last."""
        assert self._sampler is not None
        rows = self._state.replay + len(known) + len(ngram)
        if not self._state.verify(known, ngram):
            return False
        self._seconds += self._curve.time(rows)
        agreed = 0
        for row in range(len(ngram) + 1):
            token = self._sampler.look(row, self._place + len(tokens))
            chances.append(_chance(self._model.logits(row), token))
            tokens.append(token)
            if row == len(ngram) or token != ngram[row]:
                break
            agreed += 1
        self._state.accept(agreed)
        return True

    def _cut(self, tokens: list[int], chances: list[float], screened: int, costs: Floats) -> ModelDraft:
        """Keep as much of the draft as the target's cost curve is worth; making it is paid already."""
        rates = np.array([self._acceptance.rate(chance) for chance in chances] + [self._acceptance.mean])
        survival: Floats = np.cumprod(rates)
        option = Option(survival, np.zeros(len(survival)))
        length = choose([option], costs, len(tokens)).length
        cost = self._seconds / self._target_unit_s
        return ModelDraft(tuple(tokens[:length]), tuple(tokens), tuple(chances), min(screened, length), cost)


def _slope(costs: Floats, rows: int) -> float:
    """Return what one more row costs about there; over four rows, since the curve is stepped."""
    ahead = min(rows + 4, len(costs) - 1)
    return float(costs[ahead] - costs[rows]) / max(1, ahead - rows)


def _chance(logits: Logits, token: int) -> float:
    """Return the softmax probability of a token."""
    weights = np.exp(logits - logits.max())
    return float(weights[token] / weights.sum())
