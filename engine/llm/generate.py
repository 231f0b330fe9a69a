"""Answer one prompt: reuse what is in the cache, prefill in chunks, then draft, verify and say."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext

from engine.errors import ContextError, ModelError
from engine.llm.backend import Model
from engine.llm.hsd.speculation import Account, Speculation
from engine.llm.hsd.verify import sample_and_compare
from engine.llm.prefix_cache import PrefixCache
from engine.llm.protocol import Generated, Prefilled, TextDelta
from engine.llm.sampling import Sampler
from engine.llm.snapshots import Snapshots
from engine.llm.text_state import TextState
from engine.llm.text_stream import TextStream
from engine.messages import FinishReason, Sampling
from engine.service import CancelToken

__all__ = ["Session", "peak_rss_mb"]

SLOW_STEP_S = 0.05
"""A step of decoding from which on the abort callback, about 1.5 ms per step, is worth its time."""
SNAPSHOT_AFTER = 64
"""Tokens read anew from which on a recurrent model's state is worth a snapshot."""
PREFILL_CHUNK = 256
"""Tokens per call: large enough for the fast kernels, small enough to show progress."""


def peak_rss_mb() -> float:
    """Return the highest resident memory of this process so far, in MiB."""
    if sys.platform == "win32":
        import psutil

        return float(psutil.Process().memory_info().peak_wset) / 2**20
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


class Session:
    """One model's text, and the loop that answers on top of it."""

    def __init__(self, model: Model, speculation: Speculation, snapshots: Snapshots) -> None:
        self._model = model
        self._speculation = speculation
        self._state = TextState(model)
        self.prefixes = PrefixCache(self._state, snapshots)
        self.last: tuple[list[int], list[int]] = [], []
        """The last prompt and its answer."""

    def answer(
        self,
        prompt: Sequence[int],
        sampling: Sampling,
        max_tokens: int,
        stop: tuple[str, ...],
        draft_limit: int,
        cancel: CancelToken,
    ) -> Iterator[Prefilled | TextDelta | Generated]:
        """Answer a prompt of tokens: Prefilled per chunk, TextDelta per piece of text, then Generated.

        What the context shares with the prompt is not computed again. Closing the generator midway leaves the context
        in step with its text. Raises ContextError if the prompt leaves no room for an answer.
        """
        room = self._model.context_tokens - len(prompt)
        if room < 1:
            raise ContextError(
                f"This chat needs {len(prompt)} tokens, and the model reads {self._model.context_tokens} at once: "
                "start a new chat, or set a larger context."
            )
        begun = time.perf_counter()
        reused = self.prefixes.reuse(prompt)
        yield Prefilled(reused, len(prompt), reused)
        with self._model.abort_when(cancel):
            yield from self._prefill(prompt, reused, cancel)
        if self._state.length < len(prompt) and not cancel.cancelled:
            raise ModelError("The model could not read the whole text: start a new chat, or set a smaller context.")
        prefill_ms = (time.perf_counter() - begun) * 1000
        answer = _Answer(len(prompt), reused, prefill_ms, TextStream(stop), min(max_tokens, room))
        if not cancel.cancelled:
            self.last = list(prompt), []
            yield from self._decode(prompt, sampling, draft_limit, answer, cancel)
        yield from answer.finish(cancel)

    def _prefill(self, prompt: Sequence[int], start: int, cancel: CancelToken) -> Iterator[Prefilled]:
        done = start
        # A recurrent state can't go back: the one before the prompt's last token is kept, for asking the same again.
        pause = len(prompt) - 1 if self._model.is_recurrent and len(prompt) - start >= SNAPSHOT_AFTER else 0
        while done < len(prompt) and not cancel.cancelled:
            end = done + PREFILL_CHUNK
            chunk = prompt[done : min(end, pause) if done < pause else end]
            if done == pause > 0:
                self.prefixes.keep()
            last = done + len(chunk) == len(prompt)
            if not self._state.read(chunk, outputs=int(last)):
                return
            done += len(chunk)
            if not last:
                yield Prefilled(done, len(prompt), start)

    def _decode(
        self, prompt: Sequence[int], sampling: Sampling, draft_limit: int, answer: _Answer, cancel: CancelToken
    ) -> Iterator[TextDelta]:
        """Say tokens until the answer ends: each step verifies the pending token and a draft, which may be empty."""
        speculation, state = self._speculation, self._state
        drafter = speculation.begin(prompt if draft_limit else (), sampling)
        sampler = Sampler(self._model, sampling)
        try:
            said, accepted = [sampler.draw(0)], 0
            while True:
                self.last[1].extend(said)
                if draft_limit:
                    speculation.follow(drafter, said)
                yield from answer.say(said, accepted, self._model)
                limit = min(draft_limit, answer.left - 1, state.room - 1)
                if answer.ended or cancel.cancelled or limit < 0:
                    return
                proposal = speculation.propose(drafter, limit, answer.left, state.replay, cancel)
                rows = state.replay + 1 + len(proposal.tokens)
                begun = time.perf_counter()
                slow = speculation.seconds(rows) > SLOW_STEP_S
                with self._model.abort_when(cancel) if slow else nullcontext():
                    if not state.verify(said[-1:], proposal.tokens):
                        return
                said = sample_and_compare(sampler.draw, proposal.tokens, self._model.ends_generation)
                speculation.time(rows, time.perf_counter() - begun)
                accepted = sum(1 for ours, theirs in zip(said, proposal.tokens, strict=False) if ours == theirs)
                state.accept(accepted)
                speculation.record(answer.account, proposal, rows, said, accepted)
        finally:
            speculation.end()
            sampler.close()


class _Answer:
    """The answer as far as it is said, and what it cost."""

    def __init__(self, prompt_tokens: int, reused: int, prefill_ms: float, text: TextStream, max_tokens: int) -> None:
        self.account = Account()
        self._prompt_tokens, self._reused, self._prefill_ms = prompt_tokens, reused, prefill_ms
        self._text = text
        self._max_tokens = max_tokens
        self._made = self._unsent = 0
        self._first = self._last = 0.0
        self._reason: FinishReason | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more is to be said."""
        return self._reason is not None or self.left <= 0

    @property
    def left(self) -> int:
        """Tokens that may still be said."""
        return self._max_tokens - self._made

    def say(self, tokens: Sequence[int], accepted: int, model: Model) -> Iterator[TextDelta]:
        """Put tokens into text, drafted ones (the first `accepted`) apart from the target's own."""
        now = time.perf_counter()
        self._first = self._first or now
        # The step that only says that the answer is complete gives no token, and counts for no rate.
        if not model.ends_generation(tokens[0]):
            self._last = now
        for part, drafted in ((tokens[:accepted], True), (tokens[accepted:], False)):
            piece = "".join(self._feed(token, model) for token in part)
            if piece:
                yield TextDelta(piece, self._unsent, drafted)
                self._unsent = 0

    def _feed(self, token: int, model: Model) -> str:
        if self._reason is not None:
            return ""
        if model.ends_generation(token):
            self._reason = "stop"
            return ""
        self._made += 1
        self._unsent += 1
        piece = self._text.feed(model.piece(token))
        if self._text.stopped:
            self._reason = "stop"
        return piece

    def finish(self, cancel: CancelToken) -> Iterator[TextDelta | Generated]:
        """Say what was held back, and give the account of the whole answer."""
        rest = self._text.flush()
        if rest:
            yield TextDelta(rest, self._unsent)
        account = self.account
        yield Generated(
            reason=self._reason or ("cancelled" if cancel.cancelled else "length"),
            prompt_tokens=self._prompt_tokens,
            reused_tokens=self._reused,
            prefill_ms=self._prefill_ms,
            completion_tokens=self._made,
            decode_ms=max(0.0, self._last - self._first) * 1000,
            peak_rss_mb=peak_rss_mb(),
            drafted=account.drafted,
            accepted=account.accepted,
            draft_steps=account.draft_steps,
            tier=account.tier,
            speedup_estimate=account.speedup,
        )
