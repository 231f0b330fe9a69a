"""Verification: which drafted tokens the target keeps, and what it says instead.

Sample-and-compare: the target draws at each row as it would in plain decoding, and stops where it draws something else
than was drafted. What it says is then what it would have said anyway: penalties, seeds and temperature act as ever.
A draft that is itself drawn from a distribution is drawn with the target's own noise (engine.llm.sampling), so that it
is verified in the same way. The ratio test of Leviathan et al. would keep a few more of such drafts, but make an answer
depend on how long the drafts happened to be: the same seed would no longer give the same answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

__all__ = ["sample_and_compare"]


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
