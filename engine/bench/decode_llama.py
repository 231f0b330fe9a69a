"""The other side of `hola bench decode`: `llama_cpp.Llama` on the very same prompt tokens.

Imports llama_cpp to measure it; runs in the process of the bench, never in the window's.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.llm.protocol import ModelCard

__all__ = ["Decoded", "LlamaCpp"]

BATCH_TOKENS = 512
"""llama-cpp-python's default; more than a pending token and a draft, and prompts may be longer."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """One answer and its times."""

    answer: tuple[int, ...]
    """Its tokens, without the one that ends it."""
    seconds: float
    """From the first to the last token."""
    ttft_s: float
    drafted: int = 0
    accepted: int = 0
    steps: int = 0
    """Batches that held drafted tokens."""
    text: str = ""


class LlamaCpp:
    """llama-cpp-python as its users drive it: greedy, with its own prompt lookup or without."""

    def __init__(self, path: Path, card: ModelCard, *, lookup: bool) -> None:
        import llama_cpp
        from llama_cpp.llama_speculative import LlamaPromptLookupDecoding

        self._llama: Any = llama_cpp.Llama(
            str(path),
            n_ctx=card.context_tokens,
            n_batch=BATCH_TOKENS,
            n_threads=card.threads,
            n_threads_batch=card.threads,
            n_gpu_layers=0,
            flash_attn=True,
            # Without it a prompt longer than a batch raises ValueError as soon as there is a draft model.
            logits_all=lookup,
            draft_model=LlamaPromptLookupDecoding() if lookup else None,
            verbose=False,
        )
        self._is_end = llama_cpp.llama_vocab_is_eog
        self._vocabulary = llama_cpp.llama_model_get_vocab(self._llama.model)

    def decode(self, prompt: Sequence[int], max_tokens: int) -> Decoded:
        """Answer a prompt greedily, up to a number of tokens; what it shares with the last one is not read again."""
        answer: list[int] = []
        begun = first = last = time.perf_counter()
        stream = self._llama.generate(list(prompt), temp=0.0, repeat_penalty=1.0)
        try:
            for token in stream:
                now = time.perf_counter()
                first = first if answer else now
                if self._is_end(self._vocabulary, token):
                    break
                last = now
                answer.append(int(token))
                if len(answer) == max_tokens:
                    break
        finally:
            stream.close()
        return Decoded(tuple(answer), max(0.0, last - first), first - begun)

    def close(self) -> None:
        """Free the model."""
        self._llama.close()
