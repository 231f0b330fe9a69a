"""How likely a drafted token is right, learned from every token that is decoded.

A token drafted after a match of length m is right with a probability that depends on m, on where the match lies, and on
whether the earlier occurrences agree. Token i of a draft has been preceded by m + i - 1 matching tokens if the i - 1
before it were right, so one table of hazards gives the survival of a whole draft: S_i = product over j < i of
a(source, support, m + j).
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from engine.llm.hsd.ngram import AGREED, LONGEST_MATCH, MIXED, SINGLE, Match, Source

__all__ = ["PRIORS", "Acceptance", "ByChance"]

LENGTHS = (1, 2, 3, 4, 5, 7, 9, 13, 19, 28, 41, 64)
"""Smallest match length of each class."""
CLASSES = np.searchsorted(LENGTHS, np.arange(1, LONGEST_MATCH + 1), side="right") - 1
"""Class of each match length from 1 on."""
PRIORS: dict[Source, dict[int, Sequence[float]]] = {
    "prompt": {
        MIXED: (0.076, 0.155, 0.205, 0.268, 0.401, 0.505, 0.622, 0.850, 0.920, 0.950, 0.970, 0.980),
        SINGLE: (0.176, 0.354, 0.585, 0.635, 0.687, 0.757, 0.801, 0.930, 0.960, 0.975, 0.980, 0.985),
        AGREED: (0.310, 0.622, 0.742, 0.801, 0.832, 0.863, 0.896, 0.970, 0.980, 0.985, 0.985, 0.985),
    },
    "answer": {
        MIXED: (0.076, 0.155, 0.205, 0.268, 0.401, 0.505, 0.622, 0.850, 0.920, 0.950, 0.970, 0.980),
        SINGLE: (0.134, 0.310, 0.452, 0.538, 0.610, 0.687, 0.771, 0.920, 0.960, 0.975, 0.980, 0.985),
        AGREED: (0.310, 0.585, 0.714, 0.771, 0.832, 0.879, 0.929, 0.980, 0.985, 0.985, 0.985, 0.985),
    },
    "resumed": {SINGLE: (0.310, 0.757, 0.801, 0.801, 0.801, 0.832, 0.863, 0.940, 0.960, 0.975, 0.980, 0.985)},
}
"""What is believed before anything is seen: rates of the bundled model over answers of all kinds, smoothed; below 13
tokens their odds are nearly halved. To believe too little costs little: every token is learned from, drafted or not."""
CHANCE_CLASSES = 10
TYPICAL_CHANCE = 0.7
"""Acceptance of a draft model before it is known: that of a model of a fifth of the target's size."""
TYPICAL_WEIGHT = 2.0
"""Observations that it counts for: a stranger is found out soon."""
PRIOR_WEIGHT = 8.0
"""As many observations as the prior counts for."""
DECAY = 0.98
"""Weight that an observation keeps per further observation of its class: about 50 count."""


class _Rate:
    """A decayed rate that leans on a prior which does not fade."""

    __slots__ = ("_prior", "_right", "_seen", "_weight")

    def __init__(self, prior: float, weight: float = PRIOR_WEIGHT) -> None:
        self._prior, self._weight, self._right, self._seen = prior, weight, 0.0, 0.0

    def observe(self, right: bool) -> None:
        self._right = self._right * DECAY + right
        self._seen = self._seen * DECAY + 1.0

    @property
    def value(self) -> float:
        return (self._right + self._prior * self._weight) / (self._seen + self._weight)


class Acceptance:
    """Acceptance rates by source, support and class of match length."""

    def __init__(self) -> None:
        self._rates = {
            (source, support): [_Rate(prior) for prior in priors]
            for source, table in PRIORS.items()
            for support, priors in table.items()
        }

    def observe(self, match: Match, right: bool) -> None:
        """Learn whether the token drafted after a match was right."""
        self._rates[match.source, match.support][_class_of(match.length)].observe(right)

    def hazards(self, source: Source, support: int) -> npt.NDArray[np.float64]:
        """Return the rates at match lengths 1 ... LONGEST_MATCH, shape (64,)."""
        rates = np.array([rate.value for rate in self._rates[source, support]])
        return rates[CLASSES]


class ByChance:
    """Acceptance rates of a draft model's tokens by the probability that it gave them itself."""

    def __init__(self) -> None:
        self._rates = [_Rate((at + 0.5) / CHANCE_CLASSES) for at in range(CHANCE_CLASSES)]
        self._mean = _Rate(TYPICAL_CHANCE, TYPICAL_WEIGHT)

    @property
    def mean(self) -> float:
        """The rate over all tokens: what to expect before the draft model has spoken."""
        return self._mean.value

    def observe(self, chance: float, right: bool) -> None:
        """Learn whether a token that the draft model gave this probability was right."""
        self._rates[_chance_class(chance)].observe(right)
        self._mean.observe(right)

    def rate(self, chance: float) -> float:
        """Return how likely such a token is right."""
        return self._rates[_chance_class(chance)].value


def _chance_class(chance: float) -> int:
    return min(CHANCE_CLASSES - 1, int(chance * CHANCE_CLASSES))


def _class_of(length: int) -> int:
    return bisect.bisect_right(LENGTHS, length) - 1
