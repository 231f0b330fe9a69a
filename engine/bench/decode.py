"""Decode rate of Hola's own loop against `llama_cpp.Llama` on the same prompt, interleaved in one run.

Imports llama_cpp to measure it; runs in the process of the bench, never in the window's.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

from engine.config import EngineConfig
from engine.llm.protocol import Generate, Generated, LoadModel
from engine.llm.service import ModelService
from engine.messages import ChatMessage, Sampling
from engine.service import CancelToken

__all__ = ["run"]

MESSAGE = ChatMessage(
    "user",
    "A lighthouse stands on a small island. Its keeper notes the weather each evening: wind, clouds, the height of the "
    "waves. In autumn the storms come from the west, and ships look for shelter in the bay behind the island. "
    "Write a long story about one such evening.",
)
ROUNDS = 7
TOKENS = 128
CONTEXT = 2048
SAMPLING = Sampling(repetition_penalty=1.0)


def run(config: EngineConfig) -> dict[str, Any]:
    """Return the decode rates in tokens/s: `plain` (ours), `llama_cpp` (theirs), and their `ratio` (medians)."""
    import llama_cpp

    how = LoadModel(config.model_path(), CONTEXT, config.settings.threads)
    service = ModelService()
    [card] = list(service.handle(how, CancelToken()))
    theirs = llama_cpp.Llama(
        str(how.path),
        n_ctx=CONTEXT,
        n_threads=card.threads,
        n_threads_batch=card.threads,
        flash_attn=True,
        verbose=False,
    )
    rates = []
    for number in range(ROUNDS + 1):
        pair = _rate_of_hola(service, how), _rate_of_llama(theirs)
        # The first round touches all memory for the first time and does not count.
        if number:
            rates.append(pair)
    service.close()
    theirs.close()
    return {
        "model": card.name,
        "threads": card.threads,
        "plain": statistics.median(ours for ours, _ in rates),
        "llama_cpp": statistics.median(other for _, other in rates),
        "ratio": statistics.median(ours / other for ours, other in rates),
    }


def _rate_of_hola(service: ModelService, how: LoadModel) -> float:
    request = Generate(how, (MESSAGE,), SAMPLING, TOKENS)
    *_, ended = service.handle(request, CancelToken())
    assert isinstance(ended, Generated)
    return (ended.completion_tokens - 1) / ended.decode_ms * 1000


def _rate_of_llama(llama: Any) -> float:
    """Return the rate after the first token, as it is measured for Hola."""
    messages = [{"role": MESSAGE.role, "content": MESSAGE.content}]
    stream = llama.create_chat_completion(messages, max_tokens=TOKENS, temperature=0.0, repeat_penalty=1.0, stream=True)
    moments = [time.perf_counter() for chunk in stream if chunk["choices"][0]["delta"].get("content")]
    return (len(moments) - 1) / (moments[-1] - moments[0])
