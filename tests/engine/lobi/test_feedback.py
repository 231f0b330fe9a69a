"""Rounding with feedback: against ggml's own coding, plain rounding, and what it is for."""

from __future__ import annotations

import numpy as np
import pytest
from gguf.constants import GGMLQuantizationType as Type
from gguf.quants import dequantize, quantize

from engine.lobi.feedback import feedback_factor, q4_0_bytes, q4_0_values, rounded_with_feedback

DRAW = np.random.default_rng(5)
ROWS = DRAW.normal(size=(40, 96)).astype(np.float32)


def moments(inputs: int) -> np.ndarray:
    """Second moments of inputs that go together, as those of an output layer do: a few directions hold most of it."""
    few = DRAW.normal(size=(6, 96)) * np.geomspace(10, 1, 6)[:, None]
    seen = DRAW.normal(size=(inputs, 6)) @ few + 0.5 * DRAW.normal(size=(inputs, 96))
    found: np.ndarray = seen.T @ seen / inputs
    return found


def test_inputs_that_do_not_go_together_give_plain_rounding() -> None:
    codes, scales = rounded_with_feedback(ROWS, feedback_factor(np.eye(96)))

    plain = quantize(ROWS, Type.Q4_0)
    assert q4_0_bytes(codes, scales) == plain.tobytes()


def test_bytes_are_what_ggml_reads() -> None:
    codes, scales = rounded_with_feedback(ROWS, feedback_factor(moments(500)))

    read = dequantize(np.frombuffer(q4_0_bytes(codes, scales), np.uint8).reshape(40, -1), Type.Q4_0)
    assert np.array_equal(read, q4_0_values(codes, scales))
    assert (codes.min(), codes.max()) == (0, 15)


def test_what_comes_out_of_the_layer_is_nearer_than_with_plain_rounding() -> None:
    known = moments(500)
    plain = dequantize(quantize(ROWS, Type.Q4_0), Type.Q4_0)
    fed = q4_0_values(*rounded_with_feedback(ROWS, feedback_factor(known)))

    def error(rounded: np.ndarray) -> float:
        """Mean square error of the outputs: d H d."""
        off = rounded - ROWS
        return float(np.einsum("ij,jk,ik->", off, known, off))

    assert error(fed) < 0.4 * error(plain)


def test_rows_may_come_in_any_portions() -> None:
    factor = feedback_factor(moments(500))
    whole = q4_0_bytes(*rounded_with_feedback(ROWS, factor))

    assert whole == b"".join(
        q4_0_bytes(*rounded_with_feedback(ROWS[start : start + 8], factor)) for start in range(0, 40, 8)
    )


def test_rows_of_zeros_stay_zero() -> None:
    codes, scales = rounded_with_feedback(np.zeros((2, 96), np.float32), feedback_factor(moments(500)))
    assert not q4_0_values(codes, scales).any()


def test_what_is_no_second_moment_is_refused() -> None:
    with pytest.raises(np.linalg.LinAlgError):
        feedback_factor(-np.eye(96))
