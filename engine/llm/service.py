"""What runs in the model process: loads on demand, counts tokens, answers."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.errors import ContextError
from engine.llm.backend import Logits, Model
from engine.llm.generate import PREFILL_CHUNK, Session
from engine.llm.hsd.calibration import calibrate, fingerprint, forget
from engine.llm.hsd.cost import CostCurve
from engine.llm.hsd.open_draft import open_draft
from engine.llm.hsd.speculation import Speculation
from engine.llm.preflight import OUTPUT_ROWS, preflight
from engine.llm.protocol import (
    CountTokens,
    ForgetStates,
    Generate,
    LoadModel,
    ModelCard,
    SaveStates,
    Score,
    Scores,
    TokenCounts,
)
from engine.llm.snapshots import MEMORY_LIMIT_BYTES, Snapshots
from engine.llm.template import ChatTemplate
from engine.llm.text_state import TextState
from engine.messages import ChatMessage
from engine.scaling.probe import free_memory_mb
from engine.service import CancelToken

__all__ = ["ModelService"]


LAST_SAVE_S = 1.0
"""Of the two seconds that a process has to close."""


SNAPSHOT_SHARE = 0.1
"""Of the memory that is free once the model is loaded, what snapshots may take."""


class _Scorer:
    """Score choices on a text of its own in the model's only context, which the session gets back empty."""

    def __init__(self, model: Model, session: Session) -> None:
        self._model, self._session = model, session
        self._state: TextState | None = None
        """None while the context is the session's."""

    def release(self) -> None:
        """Give the context back to the session."""
        if self._state is not None:
            self._state.keep(0)
            self._state = None

    def score(self, prompt: Sequence[int], choices: Sequence[Sequence[int]], cancel: CancelToken) -> Scores | None:
        """Read the prompt once (what the last one shares with it not again), each choice after it; None if cancelled.

        Raises ContextError if the longest choice does not fit behind the prompt.
        """
        needed = len(prompt) + max(map(len, choices), default=0)
        if needed > self._model.context_tokens:
            raise ContextError(
                f"This chat needs {needed} tokens, and the model reads {self._model.context_tokens} at once: "
                "start a new chat, or set a larger context."
            )
        if self._state is None:
            # The session keeps its text as a snapshot and takes the context to be empty from here on.
            self._session.prefixes.reuse(())
            self._state = TextState(self._model)
        with self._model.abort_when(cancel):
            first = self._read(self._state, prompt)
            if first is None:
                return None
            sums = []
            for choice in choices:
                found = self._sum(self._state, first, choice)
                if found is None:
                    return None
                sums.append(found)
                if self._state.length > len(prompt):
                    self._state.keep(len(prompt))
        return Scores(tuple(sums), tuple(map(len, choices)))

    def _read(self, state: TextState, prompt: Sequence[int]) -> npt.NDArray[np.float64] | None:
        """Return the log-probabilities, shape (vocabulary,), of what follows the prompt; None if cancelled."""
        # A recurrent state can't be cut, and the last token's logits are needed in any case.
        done = state.keep(0 if self._model.is_recurrent else state.shared_with(prompt[:-1]))
        while done < len(prompt):
            chunk = prompt[done : done + PREFILL_CHUNK]
            done += len(chunk)
            if not state.read(chunk, outputs=int(done == len(prompt))):
                return None
        found = _log_softmax(self._model.logits(0))
        state.mark()
        return found

    def _sum(self, state: TextState, first: npt.NDArray[np.float64], choice: Sequence[int]) -> float | None:
        """Return the sum of the log-probabilities of a choice's tokens; None if cancelled."""
        if not choice:
            return 0.0
        total = float(first[choice[0]])
        for start in range(0, len(choice) - 1, OUTPUT_ROWS):
            read = choice[start : min(start + OUTPUT_ROWS, len(choice) - 1)]
            if not state.read(read, outputs=len(read)):
                return None
            following = choice[start + 1 : start + 1 + len(read)]
            total += sum(float(_log_softmax(self._model.logits(row))[token]) for row, token in enumerate(following))
        return total


def _log_softmax(logits: Logits) -> npt.NDArray[np.float64]:
    exact = logits.astype(np.float64)
    exact -= exact.max()
    result: npt.NDArray[np.float64] = exact - np.log(np.exp(exact).sum())
    return result


class _Loaded:
    """A model with its template and session."""

    def __init__(self, how: LoadModel) -> None:
        checked = preflight(how.path, how.context_tokens, int(free_memory_mb() * 2**20))
        self.how = how
        self.is_brief = checked.is_brief
        self.model = Model(checked, how)
        bos, eos = self.model.bos_eos()
        self.template = ChatTemplate(self.model.chat_template(), bos, eos, self.model.control_tokens())
        self.calibration = calibrate(self.model, how)
        draft, note = open_draft(how, self.model, self.calibration)
        self.speculation = Speculation(self.calibration, recurrent=self.model.is_recurrent, draft=draft)
        self.session = Session(self.model, self.speculation, self._open_snapshots(how))
        self.scorer = _Scorer(self.model, self.session)
        self.card = ModelCard(
            name=checked.name,
            architecture=checked.architecture,
            context_tokens=checked.context_tokens,
            trained_context_tokens=checked.trained_context_tokens,
            vocabulary=self.model.vocabulary,
            file_mb=checked.header.file_bytes / 2**20,
            threads=self.model.threads,
            draft=how.draft.stem if draft is not None and how.draft is not None else "",
            draft_note=note,
        )
        self.template_tokens = self._measure_template()

    def _open_snapshots(self, how: LoadModel) -> Snapshots:
        key = f"{fingerprint(how, 0)} {self.model.context_tokens} {self.model.cache_types}"
        limit = min(MEMORY_LIMIT_BYTES, int(free_memory_mb() * 2**20 * SNAPSHOT_SHARE))
        return Snapshots(key, how.snapshots, limit, exact=self.model.is_recurrent)

    def _measure_template(self) -> int:
        """Return what the template adds around one message, at most."""
        one = self.tokenize((ChatMessage("user", "a"),))
        two = self.tokenize((ChatMessage("system", "a"), ChatMessage("user", "a")))
        three = self.tokenize((ChatMessage("user", "a"), ChatMessage("assistant", "a"), ChatMessage("user", "a")))
        return max(len(one), len(two) - 1, len(three) - len(one))

    def tokenize(self, messages: tuple[ChatMessage, ...]) -> list[int]:
        return self.model.tokenize(self.template.render(messages), special=True)


class ModelService:
    """Answer LoadModel, CountTokens, Score and Generate; a request for another model replaces the loaded one."""

    def __init__(self) -> None:
        self._how: LoadModel | None = None
        self._loaded: _Loaded | None = None

    def handle(self, request: Any, cancel: CancelToken) -> Iterator[Any]:
        """Answer a request by events."""
        if isinstance(request, LoadModel):
            yield self._load(request).card
        elif isinstance(request, CountTokens):
            loaded = self._load(request.model)
            counts = tuple(len(loaded.model.tokenize(text, special=False)) for text in request.texts)
            yield TokenCounts(counts, loaded.template_tokens, loaded.card.context_tokens, loaded.is_brief)
        elif isinstance(request, Score):
            loaded = self._load(request.model)
            choices = [loaded.model.tokenize(choice, special=False) for choice in request.choices]
            scores = loaded.scorer.score(loaded.tokenize(request.messages), choices, cancel)
            if scores is not None:
                yield scores
        elif isinstance(request, SaveStates) and self._loaded is not None:
            self._loaded.session.prefixes.save(lambda: cancel.cancelled)
        elif isinstance(request, ForgetStates):
            self._forget(request)
        elif isinstance(request, Generate):
            loaded = self._load(request.model)
            loaded.scorer.release()
            prompt = loaded.tokenize(request.messages)
            stop = request.stop + loaded.template.stop
            yield from loaded.session.answer(
                prompt, request.sampling, request.max_tokens, stop, request.draft_limit, cancel
            )

    def _forget(self, request: ForgetStates) -> None:
        if self._loaded is not None:
            self._loaded.scorer.release()
            self._loaded.session.prefixes.clear()
        else:
            Snapshots("", request.model.snapshots).clear()

    def loaded_curve(self) -> CostCurve | None:
        """Return the cost curve of the loaded model as it is now; None if none is loaded."""
        return self._loaded.speculation.curve if self._loaded is not None else None

    def last_answer(self) -> tuple[list[int], list[int]]:
        """Return the tokens of the last prompt and of its answer, for a bench that decodes them again on paper."""
        return self._loaded.session.last if self._loaded is not None else ([], [])

    def close(self) -> None:
        """Keep what was read, in a second at most, and free the model."""
        if self._loaded is not None:
            ends = time.monotonic() + LAST_SAVE_S
            self._loaded.session.prefixes.save(lambda: time.monotonic() > ends)
            if self._loaded.speculation.was_disturbed:
                forget(self._loaded.model, self._loaded.how)
            self._loaded.speculation.close()
            self._loaded.model.close()
        self._loaded = self._how = None

    def _load(self, how: LoadModel) -> _Loaded:
        if self._loaded is None or self._how != how:
            self.close()
            self._loaded = _Loaded(how)
            self._how = how
        return self._loaded
