"""A loaded model with its context: the calls into llama.cpp, and nothing that decides.

Sole importer of llama_cpp. Runs in the model process only. One context must not be used by two threads.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import llama_cpp

from engine.errors import ModelError, ModelFileError
from engine.llm.preflight import BATCH_TOKENS, Preflight
from engine.llm.protocol import LoadModel
from engine.messages import Sampling
from engine.scaling.probe import physical_cores
from engine.service import CancelToken

__all__ = ["ABORTED", "CONTEXT_FULL", "DECODED", "Model", "Sampler"]

DECODED, CONTEXT_FULL, ABORTED = 0, 1, 2
"""What `Model.decode` returns."""
CONTROL_ATTRIBUTES = 1 << 3 | 1 << 4
"""LLAMA_TOKEN_ATTR_CONTROL and LLAMA_TOKEN_ATTR_USER_DEFINED."""
LOAD_INTO_MEMORY = 0
"""load_mode: no mmap, so that repacked weights do not lie in memory twice."""
FLASH_ATTENTION_ON = 1
WARNING = 3
"""GGML_LOG_LEVEL_WARN."""


def _write_log(level: int, text: bytes, _data: object) -> None:
    """Let warnings and errors through to the log file."""
    if level >= WARNING:
        sys.stderr.write(text.decode("utf-8", "replace"))


# llama.cpp keeps the pointer: it must live as long as the process.
_log = llama_cpp.llama_log_callback(_write_log)


class Model:
    """llama.cpp's model, vocabulary and one context over one sequence."""

    def __init__(self, checked: Preflight, how: LoadModel) -> None:
        llama_cpp.llama_log_set(_log, None)
        llama_cpp.llama_backend_init()
        self.threads = how.threads or physical_cores()
        self.context_tokens = checked.context_tokens
        self._model = self._load(how)
        self._vocab = llama_cpp.llama_model_get_vocab(self._model)
        self._context = self._open_context(how)
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._batch = llama_cpp.llama_batch_init(BATCH_TOKENS, 0, 1)
        self._piece_buffer = ctypes.create_string_buffer(256)
        self._pieces: dict[int, bytes] = {}
        self.vocabulary: int = llama_cpp.llama_vocab_n_tokens(self._vocab)
        self.adds_bos: bool = llama_cpp.llama_vocab_get_add_bos(self._vocab)

    def _load(self, how: LoadModel) -> Any:
        params = llama_cpp.llama_model_default_params()
        params.n_gpu_layers = 0
        params.load_mode = LOAD_INTO_MEMORY
        model = llama_cpp.llama_model_load_from_file(os.fsencode(how.path), params)
        if not model:
            raise ModelFileError(
                f"llama.cpp can't load {how.path.name} (the model log says why): "
                "download it again, or choose another model."
            )
        return model

    def _open_context(self, how: LoadModel) -> Any:
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = self.context_tokens
        params.n_batch = params.n_ubatch = BATCH_TOKENS
        params.n_seq_max = 1
        params.n_outputs_max = 1
        params.n_threads = params.n_threads_batch = self.threads
        params.flash_attn_type = FLASH_ATTENTION_ON
        params.no_perf = True
        context = llama_cpp.llama_init_from_model(self._model, params)
        if not context:
            llama_cpp.llama_model_free(self._model)
            raise ModelError(
                f"There is no room for a context of {self.context_tokens} tokens with {how.path.name}: "
                "set a smaller context, or close other programs."
            )
        return context

    def close(self) -> None:
        """Free everything, in the order that llama.cpp demands."""
        llama_cpp.llama_batch_free(self._batch)
        llama_cpp.llama_free(self._context)
        llama_cpp.llama_model_free(self._model)

    # ------------------------------------------------------------ text

    def metadata(self, key: str) -> str:
        """Return a metadata string of the model file, or an empty one."""
        size = 1 << 12
        while True:
            buffer = ctypes.create_string_buffer(size)
            length = llama_cpp.llama_model_meta_val_str(self._model, key.encode(), buffer, size)
            if length < 0:
                return ""
            if length < size:
                return buffer.raw[:length].decode("utf-8", "replace")
            size = length + 1

    def chat_template(self) -> str:
        """Return the model's own chat template (Jinja source), or an empty string."""
        source = llama_cpp.llama_model_chat_template(self._model, None)
        return source.decode("utf-8", "replace") if source else ""

    def control_tokens(self) -> list[str]:
        """Return the texts of all tokens that steer the model."""
        found = []
        for token in range(self.vocabulary):
            if llama_cpp.llama_vocab_get_attr(self._vocab, token) & CONTROL_ATTRIBUTES:
                text = llama_cpp.llama_vocab_get_text(self._vocab, token)
                if text and not text.isspace():
                    found.append(text.decode("utf-8", "replace"))
        return found

    def bos_eos(self) -> tuple[str, str]:
        """Return the texts of the tokens that begin and end a text; empty where there is none."""
        texts = []
        for token in (llama_cpp.llama_vocab_bos(self._vocab), llama_cpp.llama_vocab_eos(self._vocab)):
            text = llama_cpp.llama_vocab_get_text(self._vocab, token) if token >= 0 else b""
            texts.append((text or b"").decode("utf-8", "replace"))
        return texts[0], texts[1]

    def tokenize(self, text: str, *, special: bool) -> list[int]:
        """Return the tokens of a text; `special` reads control tokens as such, and adds BOS if the model wants it."""
        data = text.encode("utf-8", "replace")
        add_bos = special and self.adds_bos and not text.startswith(self.bos_eos()[0] or "\0")
        size = len(data) + 8
        while True:
            tokens = (llama_cpp.llama_token * size)()
            count = llama_cpp.llama_tokenize(self._vocab, data, len(data), tokens, size, add_bos, special)
            if count >= 0:
                return list(tokens[:count])
            size = -count

    def piece(self, token: int) -> bytes:
        """Return the bytes of a token; control tokens are empty."""
        known = self._pieces.get(token)
        if known is None:
            known = self._pieces[token] = self._read_piece(token)
        return known

    def _read_piece(self, token: int) -> bytes:
        buffer = self._piece_buffer
        length = llama_cpp.llama_token_to_piece(self._vocab, token, buffer, len(buffer), 0, False)
        if length < 0:
            buffer = ctypes.create_string_buffer(-length)
            length = llama_cpp.llama_token_to_piece(self._vocab, token, buffer, -length, 0, False)
        return buffer.raw[: max(0, length)]

    def ends_generation(self, token: int) -> bool:
        """Whether the model says by this token that its answer is complete."""
        return bool(llama_cpp.llama_vocab_is_eog(self._vocab, token))

    # ------------------------------------------------------------ computing

    def decode(self, tokens: Sequence[int], position: int, *, want_logits: bool) -> int:
        """Compute tokens from a position on; with `want_logits` the last one's can be sampled.

        Returns DECODED, CONTEXT_FULL or ABORTED; in the latter two `keep` must set the cache right. Raises ModelError.
        """
        batch = self._batch
        batch.n_tokens = len(tokens)
        for index, token in enumerate(tokens):
            batch.token[index] = token
            batch.pos[index] = position + index
            batch.n_seq_id[index] = 1
            batch.seq_id[index][0] = 0
            batch.logits[index] = 0
        batch.logits[len(tokens) - 1] = want_logits
        code: int = llama_cpp.llama_decode(self._context, batch)
        if code in (DECODED, CONTEXT_FULL, ABORTED):
            return code
        raise ModelError(
            f"The model could not read the text (llama.cpp error {code}): start a new chat, or load it anew."
        )

    def keep(self, count: int) -> int:
        """Forget all tokens after the first `count`; return how many are kept (0 where a part can't be forgotten)."""
        if llama_cpp.llama_memory_seq_rm(self._memory, 0, count, -1):
            return count
        llama_cpp.llama_memory_clear(self._memory, True)
        return 0

    @contextmanager
    def abort_when(self, cancel: CancelToken) -> Iterator[None]:
        """Let a running decode end within milliseconds of a cancel; costs about a microsecond per graph node."""
        callback = llama_cpp.ggml_abort_callback(lambda _data: cancel.cancelled)
        llama_cpp.llama_set_abort_callback(self._context, callback, None)
        try:
            yield
        finally:
            llama_cpp.llama_set_abort_callback(self._context, llama_cpp.ggml_abort_callback(), None)

    def sampler(self, sampling: Sampling) -> Sampler:
        """Make the chain that draws tokens from this model's logits."""
        return Sampler(self._context, self.vocabulary, sampling)


class Sampler:
    """llama.cpp's sampler chain: penalties, then greedy, or top-k, top-p, min-p, temperature and a seeded draw.

    The penalty sees the tokens of the answer alone, so that quoting a passage is not punished.
    """

    def __init__(self, context: Any, vocabulary: int, sampling: Sampling) -> None:
        self._context = context
        self._chain = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
        steps = []
        if sampling.repetition_penalty != 1.0 and sampling.repetition_window > 0:
            steps.append(
                llama_cpp.llama_sampler_init_penalties(
                    vocabulary, sampling.repetition_window, sampling.repetition_penalty, 0.0, 0.0
                )
            )
        if sampling.temperature <= 0.0:
            steps.append(llama_cpp.llama_sampler_init_greedy())
        else:
            steps += [
                llama_cpp.llama_sampler_init_top_k(sampling.top_k),
                llama_cpp.llama_sampler_init_top_p(sampling.top_p, 1),
                llama_cpp.llama_sampler_init_min_p(sampling.min_p, 1),
                llama_cpp.llama_sampler_init_temp(sampling.temperature),
                llama_cpp.llama_sampler_init_dist(sampling.seed),
            ]
        for step in steps:
            llama_cpp.llama_sampler_chain_add(self._chain, step)

    def sample(self) -> int:
        """Draw a token from the logits of the last decoded row and remember it."""
        return int(llama_cpp.llama_sampler_sample(self._chain, self._context, -1))

    def close(self) -> None:
        """Free the chain."""
        llama_cpp.llama_sampler_free(self._chain)
