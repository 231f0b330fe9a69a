"""A loaded model with its context: the calls into llama.cpp, and nothing that decides.

Sole importer of llama_cpp. Runs in the model process only. One context must not be used by two threads.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
import numpy.typing as npt

from engine.errors import ModelError, ModelFileError
from engine.llm.preflight import BATCH_TOKENS, OUTPUT_ROWS, Preflight
from engine.llm.protocol import LoadModel
from engine.messages import Sampling
from engine.scaling.probe import physical_cores
from engine.service import CancelToken

__all__ = ["ABORTED", "BUILD", "CONTEXT_FULL", "DECODED", "Logits", "Model", "SamplerChain", "quantize_file"]

Logits = npt.NDArray[np.float32]

DECODED, CONTEXT_FULL, ABORTED = 0, 1, 2
"""What `Model.decode` returns."""
CONTROL_ATTRIBUTES = 1 << 3 | 1 << 4
"""LLAMA_TOKEN_ATTR_CONTROL and LLAMA_TOKEN_ATTR_USER_DEFINED."""
LOAD_INTO_MEMORY = 0
"""load_mode: no mmap, so that repacked weights do not lie in memory twice."""
FLASH_ATTENTION_OFF, FLASH_ATTENTION_ON = 0, 1
BUILD = f"llama-cpp-python {llama_cpp.__version__}"
"""What a measured cost curve or a saved state depends on."""
STRICT_KEYS = llama_cpp.GGML_TYPE_Q8_0
"""Type of K in the cache in strict mode. With keys and values of unlike types llama.cpp neither splits the cache among
threads for a single row nor computes 64 rows and more in tiles: in attention only these make a batch round apart."""
STRICT_BLOCK = 32
"""Elements per block of that type: heads of another width keep 16 bits, and the self-check finds no exact batch."""
CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])
"""llama_token_data."""
MAIN, CHECKPOINT = 0, 1
"""Sequences of a context: the text, and what a recurrent model returns to when a draft is rejected."""
WARNING, ERROR, CONTINUED = 3, 4, 5
"""GGML_LOG_LEVEL_WARN, _ERROR, and _CONT: the dots of a loading model."""


def _write_log(level: int, text: bytes, _data: object) -> None:
    """Let warnings and errors through to the log file."""
    if WARNING <= level < CONTINUED:
        sys.stderr.write(text.decode("utf-8", "replace"))


# llama.cpp keeps the pointer: it must live as long as the process.
_log = llama_cpp.llama_log_callback(_write_log)


class Model:
    """llama.cpp's model, vocabulary and one context over one text."""

    def __init__(self, checked: Preflight, how: LoadModel) -> None:
        llama_cpp.llama_log_set(_log, None)
        llama_cpp.llama_backend_init()
        self.threads = how.threads or physical_cores()
        self.context_tokens = checked.context_tokens
        self._model = self._load(how)
        self.is_recurrent: bool = llama_cpp.llama_model_is_recurrent(self._model) or llama_cpp.llama_model_is_hybrid(
            self._model
        )
        """Whether its state can't forget the last tokens: it returns to a checkpoint and reads them again."""
        self._vocab = llama_cpp.llama_model_get_vocab(self._model)
        self._context = self._open_context(checked, how)
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._batch = self._open_batch()
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

    def _open_context(self, checked: Preflight, how: LoadModel) -> Any:
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = self.context_tokens
        params.n_batch = params.n_ubatch = BATCH_TOKENS
        params.n_seq_max = 2 if self.is_recurrent else 1
        params.kv_unified = True
        params.n_outputs_max = OUTPUT_ROWS
        flash_attention = FLASH_ATTENTION_ON
        if how.strict and checked.key_length % STRICT_BLOCK == 0:
            params.type_k = STRICT_KEYS
        elif checked.kv_type == "q8_0":
            params.type_k = params.type_v = llama_cpp.GGML_TYPE_Q8_0
        elif checked.kv_type == "q5_0_keys":
            # Flash attention reads a quantized cache row by row: without it 1,024 tokens are read twice as fast.
            params.type_k, flash_attention = llama_cpp.GGML_TYPE_Q5_0, FLASH_ATTENTION_OFF
        self.cache_types = f"{params.type_k} {params.type_v}"
        params.n_threads = params.n_threads_batch = self.threads
        params.flash_attn_type = flash_attention
        params.no_perf = True
        context = llama_cpp.llama_init_from_model(self._model, params)
        if not context:
            llama_cpp.llama_model_free(self._model)
            raise ModelError(
                f"There is no room for a context of {self.context_tokens} tokens with {how.path.name}: "
                "set a smaller context, or close other programs."
            )
        return context

    def _open_batch(self) -> Any:
        """Make the batch that all decodes share; every token is of the main sequence."""
        batch = llama_cpp.llama_batch_init(BATCH_TOKENS, 0, 1)
        for index in range(BATCH_TOKENS):
            batch.n_seq_id[index] = 1
            batch.seq_id[index][0] = MAIN
        self._batch_tokens, self._batch_positions, self._batch_outputs = batch.token, batch.pos, batch.logits
        return batch

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

    def decode(self, tokens: Sequence[int], position: int, *, outputs: int) -> int:
        """Compute tokens from a position on; the last `outputs` of them have logits after it.

        Returns DECODED, CONTEXT_FULL or ABORTED; in the latter two `keep` must set the cache right. Raises ModelError.
        """
        batch, count = self._batch, len(tokens)
        # Beyond these llama.cpp ends the process, and the batch itself has no more room.
        if not 0 < count <= BATCH_TOKENS or not 0 <= outputs <= min(count, OUTPUT_ROWS):
            raise ModelError(
                f"A batch of {count} tokens with {outputs} outputs is beyond the model's limits: restart Hola."
            )
        batch.n_tokens = count
        self._first_output = count - outputs
        for index, token in enumerate(tokens):
            self._batch_tokens[index] = token
            self._batch_positions[index] = position + index
            self._batch_outputs[index] = index >= self._first_output
        code: int = llama_cpp.llama_decode(self._context, batch)
        if code in (DECODED, CONTEXT_FULL, ABORTED):
            return code
        raise ModelError(
            f"The model could not read the text (llama.cpp error {code}): start a new chat, or load it anew."
        )

    def logits(self, row: int) -> Logits:
        """Return llama.cpp's own logits of an output row, shape (vocabulary,); valid until the next decode."""
        pointer = llama_cpp.llama_get_logits_ith(self._context, self._first_output + row)
        # numpy's own way from a ctypes pointer takes as long as all the rest of a greedy choice.
        values: Any = (ctypes.c_float * self.vocabulary).from_address(ctypes.addressof(pointer.contents))
        logits: Logits = np.frombuffer(values, np.float32)
        return logits

    def keep(self, count: int) -> int:
        """Forget all tokens after the first `count`; return how many are kept (0 where a part can't be forgotten)."""
        # Forgetting everything includes the checkpoint, which would go on to hold its cells.
        if count and llama_cpp.llama_memory_seq_rm(self._memory, MAIN, count, -1):
            return count
        # Zeroing the whole cache takes as long as some tokens; only a recurrent state is read before it is written.
        llama_cpp.llama_memory_clear(self._memory, self.is_recurrent)
        return 0

    def set_checkpoint(self) -> None:
        """Remember the state of a recurrent model as it is now; copies nothing before the next decode."""
        llama_cpp.llama_memory_seq_rm(self._memory, CHECKPOINT, -1, -1)
        llama_cpp.llama_memory_seq_cp(self._memory, MAIN, CHECKPOINT, -1, -1)

    def return_to_checkpoint(self) -> None:
        """Take the state of the last checkpoint; it stays set."""
        llama_cpp.llama_memory_seq_rm(self._memory, MAIN, -1, -1)
        llama_cpp.llama_memory_seq_cp(self._memory, CHECKPOINT, MAIN, -1, -1)

    def state_bytes(self) -> int:
        """Return the size of `state`."""
        return int(llama_cpp.llama_state_seq_get_size_ext(self._context, MAIN, 0))

    def state(self) -> bytes:
        """Return the state of the text, to be given to `set_state` of the same model and context."""
        size = self.state_bytes()
        buffer = (ctypes.c_uint8 * size)()
        written = llama_cpp.llama_state_seq_get_data_ext(self._context, buffer, size, MAIN, 0)
        return bytes(memoryview(buffer)[:written])

    def set_state(self, state: bytes) -> bool:
        """Replace the text by a saved one; return whether it worked, else the text is empty."""
        llama_cpp.llama_memory_clear(self._memory, True)
        buffer = (ctypes.c_uint8 * len(state)).from_buffer_copy(state)
        if llama_cpp.llama_state_seq_set_data_ext(self._context, buffer, len(state), MAIN, 0):
            return True
        llama_cpp.llama_memory_clear(self._memory, True)
        return False

    @contextmanager
    def abort_when(self, cancel: CancelToken) -> Iterator[None]:
        """Let a running decode end within milliseconds of a cancel; costs about a microsecond per graph node."""
        callback = llama_cpp.ggml_abort_callback(lambda _data: cancel.cancelled)
        llama_cpp.llama_set_abort_callback(self._context, callback, None)
        try:
            yield
        finally:
            llama_cpp.llama_set_abort_callback(self._context, llama_cpp.ggml_abort_callback(), None)


class SamplerChain:
    """llama.cpp's sampler chain: penalties, top-k, top-p, min-p, temperature; the draw itself is not part of it."""

    def __init__(self, vocabulary: int, sampling: Sampling) -> None:
        self._shape = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
        steps = [
            llama_cpp.llama_sampler_init_top_k(sampling.top_k),
            llama_cpp.llama_sampler_init_top_p(sampling.top_p, 1),
            llama_cpp.llama_sampler_init_min_p(sampling.min_p, 1),
            llama_cpp.llama_sampler_init_temp(sampling.temperature),
        ]
        if sampling.repetition_penalty != 1.0 and sampling.repetition_window > 0:
            window, penalty = sampling.repetition_window, sampling.repetition_penalty
            steps.insert(0, llama_cpp.llama_sampler_init_penalties(vocabulary, window, penalty, 0.0, 0.0))
        for step in steps:
            llama_cpp.llama_sampler_chain_add(self._shape, step)

    def accept(self, token: int) -> None:
        """Take note of a token that was said, for the penalty."""
        llama_cpp.llama_sampler_accept(self._shape, token)

    def shaped(self, logits: Logits) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]:
        """Return the tokens that are left after penalties and cuts, and their logits over the temperature."""
        buffer = np.zeros(len(logits), CANDIDATE)
        buffer["id"] = np.arange(len(logits), dtype=np.int32)
        buffer["logit"] = logits
        data = buffer.ctypes.data_as(ctypes.POINTER(llama_cpp.llama_token_data))
        candidates = llama_cpp.llama_token_data_array(data, len(logits), -1, False)
        llama_cpp.llama_sampler_apply(self._shape, ctypes.byref(candidates))
        first = ctypes.cast(candidates.data, ctypes.POINTER(ctypes.c_uint8))
        left = np.ctypeslib.as_array(first, (candidates.size * CANDIDATE.itemsize,)).view(CANDIDATE)
        return left["id"].copy(), left["logit"].astype(np.float64)

    def close(self) -> None:
        """Free the chain."""
        llama_cpp.llama_sampler_free(self._shape)


def quantize_file(
    source: Path, target: Path, file_type: int, patterns: Sequence[tuple[str, int]], threads: int, buffer_bytes: int
) -> str:
    """Let llama.cpp quantize a file; return "" or what it said of its failure.

    With patterns (regular expressions of tensor names, and ggml's types; the first match counts), the file type's own
    rules are left aside.
    """
    params = llama_cpp.llama_model_quantize_default_params()
    params.nthread, params.ftype, params.max_buf_size = threads, file_type, buffer_bytes
    params.allow_requantize = True
    if patterns:
        params.pure = True
        # The last one stays empty: it ends the list.
        overrides = (llama_cpp.llama_model_tensor_override * (len(patterns) + 1))()
        for entry, (pattern, type_id) in zip(overrides, patterns, strict=False):
            entry.pattern, entry.type = pattern.encode(), type_id
        params.tt_overrides = overrides
    errors: list[str] = []
    with _errors_to(errors):
        llama_cpp.llama_backend_init()
        code = llama_cpp.llama_model_quantize(os.fsencode(source), os.fsencode(target), ctypes.byref(params))
    if code == 0:
        return ""
    return errors[-1].strip().rsplit(": ", 1)[-1] if errors else f"error {code}"


@contextmanager
def _errors_to(errors: list[str]) -> Iterator[None]:
    """Collect llama.cpp's errors; its warnings name each tensor and are of no use."""

    def write(level: int, text: bytes, _data: object) -> None:
        if level == ERROR:
            errors.append(text.decode("utf-8", "replace"))

    before, data = llama_cpp.llama_log_callback(), ctypes.c_void_p()
    llama_cpp.llama_log_get(ctypes.byref(before), ctypes.byref(data))
    callback = llama_cpp.llama_log_callback(write)
    llama_cpp.llama_log_set(callback, None)
    try:
        yield
    finally:
        llama_cpp.llama_log_set(before, data)
