"""Attention as one product is the same as torch's own, forwards and backwards."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from torch.nn.functional import scaled_dot_product_attention  # noqa: E402

from engine.lobi.attention import whole_attention  # noqa: E402


@pytest.mark.parametrize(("heads", "groups"), [(6, 6), (6, 2), (4, 1)])
@pytest.mark.parametrize("scaling", [None, 0.3])
def test_attention_and_its_gradients_are_those_of_torch(heads: int, groups: int, scaling: float | None) -> None:
    torch.manual_seed(1)
    inputs = [torch.randn(2, count, 11, 8, requires_grad=True) for count in (heads, groups, groups)]
    query, key, value = inputs
    wanted = scaled_dot_product_attention(query, key, value, is_causal=True, scale=scaling, enable_gqa=True)
    weights = torch.randn_like(wanted)
    gradients = torch.autograd.grad((wanted * weights).sum(), inputs)

    found, _ = whole_attention(torch.nn.Identity(), query, key, value, None, scaling)

    torch.testing.assert_close(found.transpose(1, 2), wanted)
    for own, other in zip(torch.autograd.grad((found.transpose(1, 2) * weights).sum(), inputs), gradients, strict=True):
        torch.testing.assert_close(own, other)
