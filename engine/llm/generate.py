"""Answer one prompt: reuse the cached prefix, prefill in chunks, decode token by token."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext

from engine.errors import ContextError
from engine.llm.backend import ABORTED, CONTEXT_FULL, DECODED, Model
from engine.llm.protocol import Generated, Prefilled, TextDelta
from engine.llm.text_stream import TextStream
from engine.messages import FinishReason, Sampling
from engine.service import CancelToken

__all__ = ["Session", "common_prefix", "peak_rss_mb"]

SLOW_STEP_S = 0.05
"""A step of decoding from which on the abort callback, about 1.5 ms per step, is worth its time."""
PREFILL_CHUNK = 256
"""Tokens per call: large enough for the fast kernels, small enough to show progress."""


def common_prefix(cached: Sequence[int], wanted: Sequence[int]) -> int:
    """Return how many tokens both begin with."""
    for index, (left, right) in enumerate(zip(cached, wanted, strict=False)):
        if left != right:
            return index
    return min(len(cached), len(wanted))


def peak_rss_mb() -> float:
    """Return the highest resident memory of this process so far, in MiB."""
    if sys.platform == "win32":
        import psutil

        return float(psutil.Process().memory_info().peak_wset) / 2**20
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


class Session:
    """The tokens in a model's KV cache, and the loop that answers on top of them."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._cached: list[int] = []
        self._step_s = 0.0

    def answer(
        self, prompt: Sequence[int], sampling: Sampling, max_tokens: int, stop: tuple[str, ...], cancel: CancelToken
    ) -> Iterator[Prefilled | TextDelta | Generated]:
        """Answer a prompt of tokens: Prefilled per chunk, TextDelta per piece of text, then Generated.

        The longest common prefix with the cache is not computed again. Closing the generator midway leaves the cache
        in step with `_cached`. Raises ContextError if the prompt leaves no room for an answer.
        """
        room = self._model.context_tokens - len(prompt)
        if room < 1:
            raise ContextError(
                f"This chat needs {len(prompt)} tokens, and the model reads {self._model.context_tokens} at once: "
                "start a new chat, or set a larger context."
            )
        begun = time.perf_counter()
        reused = self._reuse(prompt)
        yield Prefilled(reused, len(prompt), reused)
        with self._model.abort_when(cancel):
            yield from self._prefill(prompt, reused, cancel)
        prefilled = time.perf_counter()
        counts = _Counts(len(prompt), reused, (prefilled - begun) * 1000)
        if cancel.cancelled:
            yield counts.generated("cancelled", 0, 0.0)
            return
        yield from self._decode(sampling, min(max_tokens, room), TextStream(stop), cancel, counts)

    def _reuse(self, prompt: Sequence[int]) -> int:
        # The last prompt token is always computed: its logits give the first token of the answer.
        reused = self._model.keep(min(common_prefix(self._cached, prompt), len(prompt) - 1))
        del self._cached[reused:]
        return reused

    def _prefill(self, prompt: Sequence[int], start: int, cancel: CancelToken) -> Iterator[Prefilled]:
        done = start
        while done < len(prompt) and not cancel.cancelled:
            chunk = prompt[done : done + PREFILL_CHUNK]
            last = done + len(chunk) == len(prompt)
            if not self._compute(chunk, want_logits=last):
                return
            done += len(chunk)
            if not last:
                yield Prefilled(done, len(prompt), start)

    def _step(self, token: int, cancel: CancelToken) -> bool:
        """Decode one token; where a step takes long, a cancel ends it midway."""
        begun = time.perf_counter()
        with self._model.abort_when(cancel) if self._step_s > SLOW_STEP_S else nullcontext():
            done = self._compute([token], want_logits=True)
        self._step_s = time.perf_counter() - begun
        return done

    def _compute(self, tokens: Sequence[int], *, want_logits: bool) -> bool:
        """Decode tokens after the cached ones; on a cancel or a full context put the cache back and return False."""
        code = self._model.decode(tokens, len(self._cached), want_logits=want_logits)
        if code == DECODED:
            self._cached.extend(tokens)
            return True
        if code in (ABORTED, CONTEXT_FULL):
            del self._cached[self._model.keep(len(self._cached)) :]
        return False

    def _decode(
        self, sampling: Sampling, max_tokens: int, text: TextStream, cancel: CancelToken, counts: _Counts
    ) -> Iterator[TextDelta | Generated]:
        model = self._model
        sampler = model.sampler(sampling)
        reason: FinishReason = "length"
        made = unsent = 0
        first = last = time.perf_counter()
        try:
            while made < max_tokens:
                token = sampler.sample()
                if model.ends_generation(token):
                    reason = "stop"
                    break
                last = time.perf_counter()
                if made == 0:
                    first = last
                made += 1
                unsent += 1
                piece = text.feed(model.piece(token))
                if piece:
                    yield TextDelta(piece, unsent)
                    unsent = 0
                if text.stopped or cancel.cancelled:
                    reason = "stop" if text.stopped else "cancelled"
                    break
                if made < max_tokens and not self._step(token, cancel):
                    reason = "cancelled" if cancel.cancelled else "length"
                    break
        finally:
            sampler.close()
        rest = text.flush()
        if rest:
            yield TextDelta(rest, unsent)
        yield counts.generated(reason, made, (last - first) * 1000)


class _Counts:
    """What prefill took, to be told at the end of the answer."""

    def __init__(self, prompt_tokens: int, reused_tokens: int, prefill_ms: float) -> None:
        self._prompt_tokens = prompt_tokens
        self._reused_tokens = reused_tokens
        self._prefill_ms = prefill_ms

    def generated(self, reason: FinishReason, completion_tokens: int, decode_ms: float) -> Generated:
        return Generated(
            reason=reason,
            prompt_tokens=self._prompt_tokens,
            reused_tokens=self._reused_tokens,
            prefill_ms=self._prefill_ms,
            completion_tokens=completion_tokens,
            decode_ms=decode_ms,
            peak_rss_mb=peak_rss_mb(),
        )
