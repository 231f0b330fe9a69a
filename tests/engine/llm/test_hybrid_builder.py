"""The hybrid test models are fit for use, and llama.cpp treats recurrent states as engine/llm relies on."""

from __future__ import annotations

import ctypes
import os
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import llama_cpp
import numpy as np
import pytest

from engine.llm.gguf_header import read_header
from tests.gguf_builder import Array, write_llama
from tests.hybrid_builder import ALPHABET, Shape, write_falcon_h1, write_mamba2

PROMPT = list(b"What does the far away text say, and who said it first? Tell me at length.")
CONTINUATION = list(b" And then what?")
FULL, PARTIAL_ONLY = 0, 1
Drafter = Callable[[list[int]], list[int]]


class Raw:
    """A context on one thread with flash attention: batches of up to 63 rows compute what single tokens do."""

    def __init__(self, path: Path) -> None:
        llama_cpp.llama_backend_init()
        model_params = llama_cpp.llama_model_default_params()
        model_params.n_gpu_layers = 0
        self.model = llama_cpp.llama_model_load_from_file(os.fsencode(path), model_params)
        assert self.model
        params = llama_cpp.llama_context_default_params()
        params.n_ctx, params.n_batch, params.n_ubatch = 512, 128, 128
        params.n_seq_max, params.kv_unified = 2, True
        params.n_threads = params.n_threads_batch = 1
        params.flash_attn_type = 1
        self.context = llama_cpp.llama_init_from_model(self.model, params)
        self.memory = llama_cpp.llama_get_memory(self.context)
        self.batch = llama_cpp.llama_batch_init(128, 0, 1)
        self.vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self.model))

    def close(self) -> None:
        llama_cpp.llama_batch_free(self.batch)
        llama_cpp.llama_free(self.context)
        llama_cpp.llama_model_free(self.model)

    def decode(self, tokens: Sequence[int], position: int) -> int:
        self.batch.n_tokens = len(tokens)
        for index, token in enumerate(tokens):
            self.batch.token[index] = token
            self.batch.pos[index] = position + index
            self.batch.n_seq_id[index] = 1
            self.batch.seq_id[index][0] = 0
            self.batch.logits[index] = 1
        return int(llama_cpp.llama_decode(self.context, self.batch))

    def logits(self, row: int = -1) -> Array:
        found: Array = np.ctypeslib.as_array(
            llama_cpp.llama_get_logits_ith(self.context, row), (self.vocabulary,)
        ).copy()
        return found

    def read(self, tokens: Sequence[int]) -> None:
        """Start anew with these tokens."""
        llama_cpp.llama_memory_clear(self.memory, True)
        assert self.decode(tokens, 0) == 0

    def greedy(self, prompt: Sequence[int], count: int) -> list[int]:
        self.read(prompt)
        said = [int(self.logits().argmax())]
        while len(said) < count:
            assert self.decode([said[-1]], len(prompt) + len(said) - 1) == 0
            said.append(int(self.logits().argmax()))
        return said

    def after(self, position: int) -> Array:
        """Return the logits of every row of the continuation."""
        assert self.decode(CONTINUATION, position) == 0
        return np.stack([self.logits(row) for row in range(len(CONTINUATION))])

    def remove(self, sequence: int, start: int = -1, end: int = -1) -> bool:
        return bool(llama_cpp.llama_memory_seq_rm(self.memory, sequence, start, end))

    def copy(self, source: int, target: int) -> None:
        llama_cpp.llama_memory_seq_cp(self.memory, source, target, -1, -1)

    def checkpoint(self) -> None:
        self.remove(1)
        self.copy(0, 1)

    def roll_back(self) -> None:
        self.remove(0)
        self.copy(1, 0)

    def snapshot(self, flags: int) -> bytes:
        size = llama_cpp.llama_state_seq_get_size_ext(self.context, 0, flags)
        buffer = (ctypes.c_uint8 * size)()
        assert llama_cpp.llama_state_seq_get_data_ext(self.context, buffer, size, 0, flags) == size
        return bytes(buffer)

    def restore(self, data: bytes, flags: int) -> int:
        buffer = (ctypes.c_uint8 * len(data)).from_buffer_copy(data)
        return int(llama_cpp.llama_state_seq_set_data_ext(self.context, buffer, len(data), 0, flags))


WRITERS: dict[str, Callable[..., Path]] = {"llama": write_llama, "hybrid": write_falcon_h1, "recurrent": write_mamba2}


@pytest.fixture(scope="module", params=["hybrid", "recurrent"])
def raw(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Raw]:
    opened = Raw(WRITERS[request.param](tmp_path_factory.mktemp("models") / "tiny.gguf", seed=1))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def hybrid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Raw]:
    opened = Raw(write_falcon_h1(tmp_path_factory.mktemp("models") / "tiny.gguf"))
    yield opened
    opened.close()


def look_up(history: list[int], length: int = 3, count: int = 4) -> list[int]:
    """Draft what followed the latest earlier appearance of the last tokens."""
    for start in range(len(history) - length - 1, -1, -1):
        if history[start : start + length] == history[-length:]:
            return history[start + length : start + length + count]
    return []


def speculate(raw: Raw, count: int, drafter: Drafter, longest_replay: int = 16) -> tuple[list[int], int, int]:
    """Decode with checkpoint and lazy replay; return what was said and how many tokens were drafted and accepted."""
    raw.read(PROMPT)
    position, replay, drafted, accepted = len(PROMPT), list[int](), 0, 0
    said = [int(raw.logits().argmax())]
    while len(said) < count:
        draft = drafter(PROMPT + said) if len(replay) < longest_replay else []
        if draft and not replay:
            raw.checkpoint()
        batch = [*replay, said[-1], *draft]
        assert raw.decode(batch, position) == 0
        first, good = len(replay), 0
        while True:
            said.append(int(raw.logits(first + good).argmax()))
            if good == len(draft) or draft[good] != said[-1]:
                break
            good += 1
        drafted, accepted = drafted + len(draft), accepted + good
        if good == len(draft):
            position, replay = position + len(batch), []
        else:
            raw.roll_back()
            replay = batch[: first + 1 + good]
    return said[:count], drafted, accepted


@pytest.mark.parametrize(("name", "recurrent", "mixed"), [
    ("llama", False, False), ("hybrid", False, True), ("recurrent", True, False),
])  # fmt: skip
def test_llama_cpp_knows_which_models_are_recurrent(name: str, recurrent: bool, mixed: bool, tmp_path: Path) -> None:
    raw = Raw(WRITERS[name](tmp_path / "tiny.gguf"))
    assert llama_cpp.llama_model_is_recurrent(raw.model) == recurrent
    assert llama_cpp.llama_model_is_hybrid(raw.model) == mixed
    raw.close()


def test_file_is_small_and_its_header_readable(tmp_path: Path) -> None:
    path = write_falcon_h1(tmp_path / "tiny.gguf")
    assert path.stat().st_size < 2**18
    assert read_header(path).text("general.architecture") == "falcon-h1"


@pytest.mark.parametrize("seed", range(6))
def test_greedy_text_is_varied_and_partly_foreseeable(seed: int, tmp_path: Path) -> None:
    raw = Raw(write_falcon_h1(tmp_path / "tiny.gguf", seed=seed))
    said = raw.greedy(PROMPT, 300)
    assert set(said) <= set(ALPHABET)
    assert len(set(said)) >= 12
    assert not any(said[-90:] == said[-90 - period : -period] for period in range(1, 90)), "ends in a loop"
    speculated, drafted, accepted = speculate(raw, 300, look_up)
    raw.close()
    assert speculated == said
    assert 0.2 * drafted < accepted < 0.9 * drafted


def test_text_hangs_on_the_first_character(raw: Raw) -> None:
    assert raw.greedy(PROMPT, 200) != raw.greedy([ord("X"), *PROMPT[1:]], 200)


def test_attention_to_far_tokens_matters(hybrid: Raw) -> None:
    hybrid.read(PROMPT)
    right = hybrid.after(len(PROMPT))
    hybrid.read(PROMPT)
    # llama.cpp says yes, but only the attention forgets a range that ends before the last token.
    assert hybrid.remove(0, 0, 10)
    assert np.abs(hybrid.after(len(PROMPT)) - right).max() > 1.0


def test_state_of_far_tokens_matters(hybrid: Raw) -> None:
    hybrid.read(PROMPT)
    right = hybrid.after(len(PROMPT))
    hybrid.read([ord("X")] * 10 + PROMPT[10:])
    foreign_state = hybrid.snapshot(PARTIAL_ONLY)
    hybrid.read(PROMPT)
    assert hybrid.restore(foreign_state, PARTIAL_ONLY) == len(foreign_state)
    assert np.abs(hybrid.after(len(PROMPT)) - right).max() > 1.0


@pytest.mark.parametrize("width", [2, 7, 16, 63])
def test_wide_batch_computes_what_single_tokens_do(raw: Raw, width: int) -> None:
    tokens = [ALPHABET[index * index % len(ALPHABET)] for index in range(width)]
    raw.read(PROMPT)
    single = []
    for index, token in enumerate(tokens):
        raw.decode([token], len(PROMPT) + index)
        single.append(raw.logits())
    raw.read(PROMPT)
    raw.decode(tokens, len(PROMPT))
    assert all((raw.logits(row) == single[row]).all() for row in range(width))


def test_last_token_of_a_state_cannot_be_removed_and_nothing_changes(raw: Raw) -> None:
    raw.read(PROMPT)
    right = raw.after(len(PROMPT))
    raw.read(PROMPT)
    assert not raw.remove(0, len(PROMPT) - 1)
    assert not raw.remove(0, len(PROMPT) // 2)
    assert raw.remove(0, len(PROMPT)), "removing nothing is fine"
    assert (raw.after(len(PROMPT)) == right).all()


def test_checkpoint_brings_the_state_back(raw: Raw) -> None:
    raw.read(PROMPT)
    right = raw.after(len(PROMPT))
    raw.read(PROMPT)
    raw.checkpoint()
    for wrong in (b"wrong", b"wrong again, and longer"):
        assert raw.decode(list(wrong), len(PROMPT)) == 0
        raw.roll_back()
    assert llama_cpp.llama_memory_seq_pos_max(raw.memory, 0) == len(PROMPT) - 1
    assert (raw.after(len(PROMPT)) == right).all()


def test_checkpoint_survives_an_aborted_decode(raw: Raw) -> None:
    raw.read(PROMPT)
    right = raw.after(len(PROMPT))
    raw.read(PROMPT)
    raw.checkpoint()
    callback = llama_cpp.ggml_abort_callback(lambda _data: True)
    llama_cpp.llama_set_abort_callback(raw.context, callback, None)
    code = raw.decode(CONTINUATION, len(PROMPT))
    llama_cpp.llama_set_abort_callback(raw.context, llama_cpp.ggml_abort_callback(), None)
    assert code == 2
    assert not raw.remove(0, len(PROMPT)), "the half-computed state can't be cut"
    raw.roll_back()
    assert (raw.after(len(PROMPT)) == right).all()


@pytest.mark.parametrize("rate", [0.0, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("count", [1, 4, 15])
def test_lazy_replay_says_what_plain_decoding_says(raw: Raw, rate: float, count: int) -> None:
    plain = raw.greedy(PROMPT, 200)
    dice = random.Random(7)

    def drafter(history: list[int]) -> list[int]:
        right = plain[len(history) - len(PROMPT) :][:count]
        return [token if dice.random() < rate else token ^ 1 for token in right]

    said, drafted, accepted = speculate(raw, 200, drafter)
    assert said == plain
    assert drafted > 0
    assert (accepted == 0) == (rate == 0.0)
    assert (accepted == drafted) == (rate == 1.0)


@pytest.mark.parametrize("name", ["llama", "hybrid", "recurrent"])
def test_full_snapshot_brings_everything_back(name: str, tmp_path: Path) -> None:
    raw, fresh = (Raw(WRITERS[name](tmp_path / "tiny.gguf")) for _ in range(2))
    raw.read(PROMPT)
    data = raw.snapshot(FULL)
    right = raw.after(len(PROMPT))
    assert fresh.restore(data, FULL) == len(data)
    assert (fresh.after(len(PROMPT)) == right).all()
    raw.read(CONTINUATION)
    raw.checkpoint()
    assert raw.restore(data, FULL) == len(data)
    assert (raw.after(len(PROMPT)) == right).all()
    assert raw.restore(data[: len(data) // 2], FULL) == 0
    fresh.close()
    raw.close()


def test_partial_snapshot_needs_the_later_tokens_removed(hybrid: Raw) -> None:
    hybrid.read(PROMPT)
    data = hybrid.snapshot(PARTIAL_ONLY)
    assert 0 < len(data) - Shape().state_bytes < 256
    right = hybrid.after(len(PROMPT))
    assert hybrid.restore(data, PARTIAL_ONLY) == len(data)
    assert hybrid.remove(0, len(PROMPT))
    assert (hybrid.after(len(PROMPT)) == right).all()
