"""What tells a model from others, whatever its quantization; light to import, since the window asks too."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

from engine.errors import LobiError, ModelFileError
from engine.llm.gguf_header import read_header

__all__ = ["LOBI_KEY", "fingerprint"]

LOBI_KEY = "hola.lobi"
"""Metadata key (string) of a version: `general.name` of the model it was made of."""
F32, F32_BYTES = 0, 4


def fingerprint(path: Path) -> str:
    """Return what is the same for all quantizations of a model and differs from others': a SHA-256 in hex.

    It covers the architecture, the names and shapes of all tensors, and the one-dimensional norms, which each
    quantization keeps in float32. Who trains nothing but other matrices is not told from the original. Raises
    ModelFileError for a damaged file, and LobiError if there are no such norms.
    """
    header = read_header(path)
    digest = hashlib.sha256(f"{header.text('general.architecture')}\n".encode())
    norms = 0
    try:
        with path.open("rb") as file:
            for tensor in sorted(header.tensors, key=lambda each: each.name):
                digest.update(f"{tensor.name} {list(tensor.shape)}\n".encode())
                if "norm" in tensor.name and len(tensor.shape) == 1 and tensor.type_id == F32:
                    size = F32_BYTES * math.prod(tensor.shape)
                    file.seek(header.data_offset + tensor.offset)
                    values = file.read(size)
                    if len(values) < size:
                        raise ModelFileError(f"The model file {path.name} is cut off: download it again.")
                    digest.update(values)
                    norms += 1
    except OSError as exc:
        raise ModelFileError(f"The model file {path} can't be read ({exc.strerror}): check its permissions.") from exc
    if not norms:
        raise LobiError(f"{path.name} has no norms in 32 bits to know it by: choose another file of this model.")
    return digest.hexdigest()
