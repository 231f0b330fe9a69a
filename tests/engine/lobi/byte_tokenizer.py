"""A model whose tokens are bytes, loaded as for training; needs the extra [lobi]."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.llm.template import ChatTemplate
from engine.lobi.torch_model import Loaded
from tests.engine.lobi.tiny_models import build
from tests.gguf_builder import CHAT_TEMPLATE, CONTROL_TOKENS, END

__all__ = ["loaded"]


class _Bytes:
    eos_token_id = END

    def __call__(self, text: str, *, add_special_tokens: bool) -> dict[str, list[int]]:
        assert not add_special_tokens
        return {"input_ids": list(text.encode())}


def loaded(architecture: str = "llama", seed: int = 0) -> Loaded:
    """Return a tiny random model as `engine.lobi.torch_model.load` would."""
    model: Any = build(architecture, seed=seed)
    return Loaded(model, _Bytes(), ChatTemplate(CHAT_TEMPLATE, "", "", CONTROL_TOKENS), Path("tiny"))
