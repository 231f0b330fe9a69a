"""Weights as they will be after quantization, for training that feels their rounding (torch)."""

from __future__ import annotations

import torch

from engine.lobi.feedback import BLOCK

__all__ = ["rounded_q4_0", "rounded_q8_0"]


def rounded_q4_0(weight: torch.Tensor) -> torch.Tensor:
    """Return what llama.cpp's Q4_0 makes of a matrix, shape (out, in), float32; `in` is a multiple of 32.

    Each block has one 16-bit scale d = m / -8, where m is the entry of the largest size, and q = floor(w / d + 8.5) in
    0..15 (quantize_row_q4_0_ref).
    """
    blocks = weight.reshape(-1, BLOCK)
    largest = blocks.gather(1, blocks.abs().argmax(1, keepdim=True))
    scale = largest / -8.0
    inverse = torch.where(scale == 0, torch.zeros_like(scale), 1.0 / scale)
    codes = (blocks * inverse).add_(8.5).floor_().clamp_(0, 15)
    return codes.sub_(8.0).mul_(scale.half().float()).reshape(weight.shape)


def rounded_q8_0(weight: torch.Tensor) -> torch.Tensor:
    """Return what llama.cpp's Q8_0 makes of a matrix, shape (out, in), float32: d = max |w| / 127."""
    blocks = weight.reshape(-1, BLOCK)
    scale = blocks.abs().amax(1, keepdim=True) / 127.0
    inverse = torch.where(scale == 0, torch.zeros_like(scale), 1.0 / scale)
    return (blocks * inverse).round_().mul_(scale.half().float()).reshape(weight.shape)
