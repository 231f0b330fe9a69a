"""Models and tokenizers for training (transformers): from a Hugging Face folder, or from a GGUF file."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig, PreTrainedModel
from transformers.utils import logging as transformers_logging

from engine.errors import ModelFileError
from engine.llm.template import ChatTemplate
from engine.lobi.attention import WHOLE
from engine.lobi.examples import Example

__all__ = ["LINEAR", "Loaded", "Tokens", "computing", "linear_layers", "load", "precision"]

LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""The linear layers of a block that Lo-Bi adapts, as Llama, Qwen and Falcon-H1 call them in attention and FFN."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """An example as token ids."""

    ids: list[int]
    learned_from: int
    """Index of the first token that is learned."""


@dataclass(slots=True)
class Loaded:
    """A model with what turns chats into its tokens."""

    model: PreTrainedModel
    tokenizer: Any
    template: ChatTemplate
    path: Path

    def tokens(self, example: Example) -> Tokens:
        """Return an example's tokens: the prompt by the model's template, the answer, and the end."""
        if not example.messages:
            return Tokens(self._encode(example.answer), 1)
        prompt = self._encode(self.template.render(example.messages))
        answer = self._encode(example.answer)
        return Tokens(prompt + answer + [self.tokenizer.eos_token_id] * example.is_whole, len(prompt))

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids


def precision(device: str) -> torch.dtype:
    """Return the type in which a device ("cpu", "cuda") trains fastest.

    A CPU without instructions for bfloat16 computes it nine times slower than float32 (measured, AVX2).
    """
    is_native = device != "cpu" or torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.bfloat16 if is_native else torch.float32


def computing(device: str) -> AbstractContextManager[Any]:
    """Return a context in which models compute in the device's own precision."""
    dtype = precision(device)
    context: AbstractContextManager[Any] = torch.autocast(device, dtype=dtype, enabled=dtype != torch.float32)
    return context


def load(path: Path) -> Loaded:
    """Load a folder or a GGUF file, whose weights are dequantized; raise ModelFileError if it can't be."""
    dtype = precision("cuda" if torch.cuda.is_available() else "cpu")
    transformers_logging.disable_progress_bar()
    try:
        if path.is_dir():
            tokenizer = AutoTokenizer.from_pretrained(path)
            model = AutoModelForCausalLM.from_pretrained(path, dtype=dtype)
        else:
            tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
            model = AutoModelForCausalLM.from_pretrained(
                path.parent, gguf_file=path.name, dtype=dtype, quantization_config=GgufConfig(dequantize=True)
            )
    except (OSError, ValueError, KeyError, NotImplementedError) as exc:
        raise ModelFileError(
            f"transformers can't load {path.name} for training ({exc}): give a Hugging Face folder, or a GGUF file of "
            "an architecture that it reads."
        ) from exc
    if torch.cuda.is_available():
        model = model.to("cuda")
    else:
        model.set_attn_implementation(WHOLE)
    model = model.eval()
    special = [str(token) for token in tokenizer.all_special_tokens]
    template = ChatTemplate(
        tokenizer.chat_template or "", tokenizer.bos_token or "", tokenizer.eos_token or "", special
    )
    return Loaded(model, tokenizer, template, path)


def linear_layers(model: torch.nn.Module) -> dict[str, torch.nn.Linear]:
    """Return the linear layers that Lo-Bi adapts, by their names in the model."""
    return {
        name: layer
        for name, layer in model.named_modules()
        if isinstance(layer, torch.nn.Linear) and name.rsplit(".", 1)[-1] in LINEAR
    }
