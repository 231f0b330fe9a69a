"""Rounding in training is the rounding of the file."""

from __future__ import annotations

import numpy as np
import pytest
from gguf import GGMLQuantizationType
from gguf.quants import dequantize, quantize

torch = pytest.importorskip("torch", reason="training needs the extra [lobi]")

from engine.lobi.fake_quant import rounded_q4_0, rounded_q8_0  # noqa: E402


@pytest.mark.parametrize("name", ["Q4_0", "Q8_0"])
def test_rounding_is_llama_cpp_s(name: str) -> None:
    weight = np.random.default_rng(0).standard_normal((64, 96)).astype(np.float32)
    # A block of zeros, one of a single entry, and one whose largest entries are as large with either sign.
    weight[0, :32], weight[1, :32], weight[1, 5], weight[2, :2] = 0.0, 0.0, 3.0, (4.0, -4.0)
    kind = GGMLQuantizationType[name]

    found = (rounded_q4_0 if name == "Q4_0" else rounded_q8_0)(torch.from_numpy(weight)).numpy()

    np.testing.assert_allclose(found, dequantize(quantize(weight, kind), kind), rtol=1e-6, atol=1e-7)


def test_rounding_again_changes_nothing_much() -> None:
    weight = torch.randn(32, 64, generator=torch.Generator().manual_seed(1))
    once = rounded_q4_0(weight)

    assert float((rounded_q4_0(once) - once).abs().max()) < 0.01 * float(weight.abs().max())
    assert float((once - weight).abs().max()) > 0.0
