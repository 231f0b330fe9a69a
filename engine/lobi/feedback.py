"""Round the output layer with error feedback, so that four bits do: GPTQ (Frantar et al., arXiv 2210.17323) to Q4_0.

What the rounding of one weight does wrong, the weights to its right make up for, as far as the layer's inputs go
together: H is the second moment of the inputs, and the factor U the upper Cholesky factor of its inverse (equations 2
and 3 there). A layer is rounded row by row, so rows can stream.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["BLOCK", "feedback_factor", "q4_0_bytes", "q4_0_values", "rounded_with_feedback"]

BLOCK = 32
"""Weights that share a scale, along a row."""
DAMPING = 0.1
"""Of the mean of H's diagonal, what is added to it: little enough that the inputs still count, and enough that an input
which is tiny on the calibration text does not collect all errors (measured: 0.1 beats 0.01 and 1)."""

Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[np.uint8]
Scales = npt.NDArray[np.float16]


def feedback_factor(moments: npt.NDArray[np.floating]) -> Floats:
    """Return U of second moments, both of shape (in, in); raise numpy's LinAlgError if they are none."""
    wide = np.asarray(moments, np.float64)
    damped = wide + DAMPING * np.diag(wide).mean() * np.eye(len(wide))
    factor: Floats = np.linalg.cholesky(np.linalg.inv(damped)).T.astype(np.float32)
    return factor


def rounded_with_feedback(rows: Floats, factor: Floats) -> tuple[Codes, Scales]:
    """Return codes in 0..15 of shape (n, in), and scales of shape (n, in / 32), for rows of shape (n, in).

    Each block's scale is the one of Q4_0, d = m / -8 for its largest entry m, of the weights as the feedback left them.
    """
    count, width = rows.shape
    # Each weight of all rows lies together, as it is used.
    rest = np.array(rows.T, np.float32, order="C")
    codes, scales = np.empty((width, count), np.uint8), np.empty((width // BLOCK, count), np.float16)
    for block, start in enumerate(range(0, width, BLOCK)):
        stop = start + BLOCK
        part = rest[start:stop]
        scale = part[np.abs(part).argmax(0), np.arange(count)] / np.float32(-8)
        scales[block] = scale
        stored = scales[block].astype(np.float32)
        inverse = np.divide(np.float32(1), scale, out=np.zeros_like(scale), where=scale != 0)
        errors = np.empty_like(part)
        for column, at in enumerate(range(start, stop)):
            code = np.clip(np.floor(part[column] * inverse + np.float32(8.5)), 0, 15)
            codes[at] = code
            errors[column] = (part[column] - (code - 8) * stored) / factor[at, at]
            part[column + 1 :] -= factor[at, at + 1 : stop, None] * errors[column]
        rest[stop:] -= factor[start:stop, stop:].T @ errors
    return codes.T, scales.T


def q4_0_values(codes: Codes, scales: Scales) -> Floats:
    """Return what the codes stand for, shape (n, in)."""
    values: Floats = (codes.astype(np.float32) - 8) * np.repeat(scales.astype(np.float32), BLOCK, axis=1)
    return values


def q4_0_bytes(codes: Codes, scales: Scales) -> bytes:
    """Return rows as ggml keeps them: a block is its scale, then byte j holds the codes j and j + 16."""
    count, blocks = scales.shape
    halves = codes.reshape(count, blocks, 2, BLOCK // 2)
    stored = np.empty((count, blocks, 2 + BLOCK // 2), np.uint8)
    stored[..., :2] = np.ascontiguousarray(scales, "<f2")[..., None].view(np.uint8)
    stored[..., 2:] = halves[:, :, 0] | (halves[:, :, 1] << 4)
    return stored.tobytes()
