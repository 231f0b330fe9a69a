"""Verification: which drafted tokens the target keeps, and what it says instead.

Two exact rules. A draft that is one fixed text is verified by sample-and-compare: the target draws at each row as it
would in plain decoding and stops where it draws something else; penalties, seeds and grammars act as ever. Where the
draft was itself drawn from a distribution q, the ratio test keeps more of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["ratio_test", "sample_and_compare"]

Probabilities = npt.NDArray[np.float64]


def sample_and_compare(draw: Callable[[int], int], draft: Sequence[int], ends: Callable[[int], bool]) -> list[int]:
    """Return the tokens that the target says, accepted ones first and one of its own last.

    `draw(row)` draws from the logits after the pending token (row 0) and after each drafted one (rows 1 ... k), and
    takes note of the token as plain decoding does: exactly one draw per token returned. `ends(token)` is true for
    tokens that end the answer; none is drawn after them.
    """
    said: list[int] = []
    for row in range(len(draft) + 1):
        token = draw(row)
        said.append(token)
        if ends(token) or (row < len(draft) and token != draft[row]):
            break
    return said


def ratio_test(
    target: Probabilities, drafted: Probabilities, token: int, uniform: Callable[[], float]
) -> tuple[bool, int]:
    """Accept a token drawn from q with probability min(1, p / q), else draw from the residual max(p - q, 0).

    Args:
        target: p, the target's distribution over the vocabulary, shape (vocabulary,), sums to 1.
        drafted: q, the distribution the token was drawn from, shape (vocabulary,).
        token: the drafted token.
        uniform: draws from [0, 1).

    Returns:
        Whether the token is accepted, and the token to say. It is distributed as p (Leviathan et al. 2023, app. A.1).
    """
    p, q = target[token], drafted[token]
    if p >= q or uniform() * q < p:
        return True, token
    residual = np.maximum(target - drafted, 0.0)
    ladder = np.cumsum(residual)
    if ladder[-1] <= 0.0:  # p = q up to rounding
        return True, token
    return False, int(np.searchsorted(ladder, uniform() * ladder[-1], side="right"))
