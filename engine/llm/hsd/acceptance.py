"""How likely a drafted token is right, learned from every token that is decoded.

A token drafted after a match of length m is right with a probability that depends on m and on where the match lies.
Token i of a draft has been preceded by m + i - 1 matching tokens if the i - 1 before it were right, so one table of
hazards gives the survival of a whole draft: S_i = product over j < i of a(source, m + j).
"""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence

__all__ = ["PRIORS", "Acceptance"]

LENGTHS = (1, 2, 3, 4, 5, 7, 9, 13, 19, 28, 41, 64)
"""Smallest match length of each class."""
PRIORS: Mapping[str, Sequence[float]] = {
    "prompt": (0.20, 0.45, 0.60, 0.70, 0.80, 0.86, 0.90, 0.93, 0.955, 0.97, 0.98, 0.985),
    "answer": (0.20, 0.40, 0.50, 0.58, 0.65, 0.72, 0.80, 0.88, 0.930, 0.96, 0.98, 0.985),
    # Of a draft model the class is its own probability for the token, in twelfths.
    "draft model": (0.10, 0.18, 0.26, 0.34, 0.42, 0.50, 0.58, 0.66, 0.74, 0.82, 0.90, 0.96),
}
"""What is believed before anything is seen."""
PRIOR_WEIGHT = 6.0
"""As many observations as the prior counts for."""
DECAY = 0.97
"""Weight that an observation keeps per further observation of its class: about 33 count."""


class Acceptance:
    """Decayed acceptance rates by source and class of match length."""

    def __init__(self) -> None:
        self._right = {source: [rate * PRIOR_WEIGHT for rate in rates] for source, rates in PRIORS.items()}
        self._seen = {source: [PRIOR_WEIGHT] * len(rates) for source, rates in PRIORS.items()}

    def observe(self, source: str, length: int, right: bool) -> None:
        """Learn whether the token drafted after a match of this length was right."""
        at = _class_of(length)
        keep = DECAY
        seen, rights, prior = self._seen[source], self._right[source], PRIORS[source][at]
        # The prior itself does not fade: a class that is never seen again returns to no extreme.
        own = (seen[at] - PRIOR_WEIGHT) * keep
        hits = (rights[at] - prior * PRIOR_WEIGHT) * keep
        seen[at] = own + 1 + PRIOR_WEIGHT
        rights[at] = hits + right + prior * PRIOR_WEIGHT

    def rate(self, source: str, length: int) -> float:
        """Return the probability that the token after a match of this length is right."""
        at = _class_of(length)
        return self._right[source][at] / self._seen[source][at]

    def survival(self, source: str, length: int, count: int) -> list[float]:
        """Return S_1 ... S_count: the probabilities that the first i drafted tokens are all right."""
        alive, result = 1.0, []
        for offset in range(count):
            alive *= self.rate(source, length + offset)
            result.append(alive)
        return result


def _class_of(length: int) -> int:
    return bisect.bisect_right(LENGTHS, length) - 1
