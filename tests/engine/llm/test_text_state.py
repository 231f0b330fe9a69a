"""A context stays in step with its text: whatever was read, drafted or cut, it goes on as a fresh one does."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import gguf
import numpy as np
import pytest

from engine.llm.backend import Logits, Model
from engine.llm.preflight import preflight
from engine.llm.protocol import LoadModel
from engine.llm.text_state import TextState, common_prefix
from tests.engine.llm.cancelling import CancelledMidway
from tests.gguf_builder import write_llama
from tests.hybrid_builder import write_falcon_h1, write_mamba2

CONTEXT = 512
TOLERANCE = 0.2
"""Of the logits' standard deviation: batches of other widths round otherwise; a wrong state differs by all of it."""
LETTERS = list(b"abcdefghijklmnopqrstuvwxyz ")


def write_exact(writer: Callable[..., Path]) -> Callable[..., Path]:
    """Have a hybrid's matrices stored as floats: int8 activations amplify rounding."""
    return lambda path: writer(path, seed=3, layers=2, matrix_type=gguf.GGMLQuantizationType.F32)


WRITERS: dict[str, Callable[[Path], Path]] = {
    "llama": lambda path: write_llama(path, seed=3, layers=2),
    "hybrid": write_exact(write_falcon_h1),
    "recurrent": write_exact(write_mamba2),
}
KINDS = pytest.mark.parametrize("kind", WRITERS)
RECURRENT_KINDS = pytest.mark.parametrize("kind", ["hybrid", "recurrent"])


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {kind: writer(folder / f"{kind}.gguf") for kind, writer in WRITERS.items()}


@pytest.fixture
def open_model(files: dict[str, Path]) -> Iterator[Callable[[str], Model]]:
    """Loads a model by kind; it is closed after the test."""
    opened: list[Model] = []

    def load(kind: str) -> Model:
        opened.append(Model(preflight(files[kind], CONTEXT, 1 << 40), LoadModel(files[kind], CONTEXT, 1)))
        return opened[-1]

    yield load
    for model in opened:
        model.close()


def letters(dice: random.Random, count: int) -> list[int]:
    return dice.choices(LETTERS, k=count)


def read_next(state: TextState, token: int) -> Logits:
    """Say one token; the logits after it."""
    assert state.verify([token], [])
    state.accept(0)
    logits: Logits = state.model.logits(0).copy()
    return logits


def assert_close(logits: Logits, wanted: Logits) -> None:
    np.testing.assert_allclose(logits, wanted, atol=TOLERANCE * wanted.std())


def assert_goes_on_as_fresh(state: TextState, fresh: Model, text: Sequence[int]) -> None:
    """Assert that the text is this one, and that greedy decoding of it goes on as in a context that just read it."""
    assert state.tokens == list(text)
    fresh.keep(0)
    anew = TextState(fresh)
    if text:
        assert anew.read(text, outputs=0)
    token = ord("q")
    for _ in range(6):
        wanted = read_next(anew, token)
        assert_close(read_next(state, token), wanted)
        token = int(wanted.argmax())
    assert state.tokens == anew.tokens


class Walk:
    """Do random operations on a state, and know what its text has to be."""

    def __init__(self, state: TextState, seed: int) -> None:
        self.state, self.text = state, list[int]()
        self._dice = random.Random(seed)
        self.done: list[str] = []

    def step(self) -> None:
        steps = (self.read, self.verify, self.verify, self.verify, self.mark, self.keep, self.abort)
        step = self._dice.choice(steps)
        self.done.append(step.__name__)
        step()

    def read(self) -> None:
        tokens = letters(self._dice, self._dice.randint(1, 12))
        assert self.state.read(tokens, outputs=self._dice.randint(0, 1))
        self.text += tokens

    def verify(self) -> None:
        known, draft = letters(self._dice, self._dice.randint(1, 3)), letters(self._dice, self._dice.randint(0, 7))
        accepted = self._dice.randint(0, len(draft))
        assert self.state.verify(known, draft)
        self.state.accept(accepted)
        self.text += [*known, *draft[:accepted]]

    def mark(self) -> None:
        self.state.mark()

    def keep(self) -> None:
        wish = max(0, len(self.text) - self._dice.randint(0, 15))
        computed = len(self.state.computed)
        kept = self.state.keep(wish)
        assert kept == self.state.length <= min(wish, computed)
        if not self.state.model.is_recurrent:
            assert kept == min(wish, computed)
        del self.text[kept:]

    def abort(self) -> None:
        with self.state.model.abort_when(CancelledMidway(self._dice.randint(0, 30))):
            assert not self.state.verify(letters(self._dice, 1), letters(self._dice, self._dice.randint(0, 5)))
        # A recurrent state without a checkpoint there has to begin anew; nothing else may be lost.
        if not (self.state.model.is_recurrent and not self.state.length):
            assert self.state.tokens == self.text
        self.text = self.state.tokens


@KINDS
@pytest.mark.parametrize("seed", range(6))
def test_any_operations_leave_a_state_that_goes_on_as_a_fresh_one(
    kind: str, seed: int, open_model: Callable[[str], Model]
) -> None:
    state, fresh = TextState(open_model(kind)), open_model(kind)
    walk = Walk(state, seed)
    for _ in range(25):
        for _ in range(random.Random(len(walk.done)).randint(1, 3)):
            walk.step()
            assert state.tokens == walk.text, walk.done
        if state.room < 80:
            del walk.text[state.keep(0) :]
        assert_goes_on_as_fresh(state, fresh, walk.text)
        walk.text = state.tokens


@KINDS
@pytest.mark.parametrize("accepted", range(5))
def test_rows_of_a_verification_are_those_of_plain_decoding(
    kind: str, accepted: int, open_model: Callable[[str], Model]
) -> None:
    drafting, plain = TextState(open_model(kind)), TextState(open_model(kind))
    for state in (drafting, plain):
        assert state.read(list(b"the lighthouse keeper"), outputs=0)
    for known, draft in ((b"s", b"torm"), (b"w", b"aves"), (b"r", b"ocks")):
        assert drafting.verify(list(known), list(draft))
        rows = [drafting.model.logits(row).copy() for row in range(len(draft) + 1)]
        drafting.accept(accepted)
        for row, token in zip(rows, [*known, *draft[:accepted]], strict=False):
            assert_close(row, read_next(plain, token))
    assert drafting.tokens == plain.tokens


@RECURRENT_KINDS
def test_rejected_draft_of_a_recurrent_model_is_read_again_with_the_next_batch(
    kind: str, open_model: Callable[[str], Model]
) -> None:
    state = TextState(open_model(kind))
    assert state.read(list(b"hello"), outputs=0)
    assert state.verify(list(b" "), list(b"world"))
    state.accept(2)
    assert (bytes(state.tokens), state.replay, state.length, state.room) == (b"hello wo", 3, 8, CONTEXT - 8)
    assert state.verify(list(b"m"), [])
    state.accept(0)
    assert (bytes(state.computed), state.replay) == (b"hello wom", 0)


def test_rejected_draft_of_a_llama_is_forgotten(open_model: Callable[[str], Model]) -> None:
    state = TextState(open_model("llama"))
    assert state.read(list(b"hello"), outputs=0)
    assert state.verify(list(b" "), list(b"world"))
    assert state.tokens == list(b"hello")
    state.accept(2)
    assert (bytes(state.computed), state.replay) == (b"hello wo", 0)


@RECURRENT_KINDS
def test_recurrent_model_goes_back_to_its_mark_and_no_further(kind: str, open_model: Callable[[str], Model]) -> None:
    state, fresh = TextState(open_model(kind)), open_model(kind)
    assert state.read(list(b"one two "), outputs=0)
    state.mark()
    assert state.read(list(b"three four"), outputs=0)
    assert state.keep(14) == 14
    assert_goes_on_as_fresh(state, fresh, list(b"one two three "))
    assert state.keep(8) == 8
    assert_goes_on_as_fresh(state, fresh, list(b"one two "))
    assert state.keep(7) == 0
    assert_goes_on_as_fresh(state, fresh, [])


@KINDS
def test_mark_outlives_no_text_that_it_does_not_belong_to(kind: str, open_model: Callable[[str], Model]) -> None:
    state, fresh = TextState(open_model(kind)), open_model(kind)
    assert state.read(list(b"one two three"), outputs=0)
    state.mark()
    state.keep(0)
    text = list(b"quite another text")
    assert state.read(text, outputs=0)
    kept = state.keep(15)
    assert kept == (0 if state.model.is_recurrent else 15)
    assert_goes_on_as_fresh(state, fresh, text[:kept])


@KINDS
def test_saved_text_is_restored_and_goes_on(kind: str, open_model: Callable[[str], Model]) -> None:
    state, fresh = TextState(open_model(kind)), open_model(kind)
    text = list(b"what was read once")
    assert state.read(text, outputs=0)
    saved = state.model.state()
    state.mark()
    state.keep(0)
    assert state.read(list(b"something else, and longer than that was"), outputs=0)
    assert state.verify(list(b"x"), list(b"yz"))
    state.accept(1)
    state.restore(text, saved)
    assert_goes_on_as_fresh(state, fresh, text)


@KINDS
def test_mark_of_an_earlier_text_does_not_serve_a_restored_one(kind: str, open_model: Callable[[str], Model]) -> None:
    state, fresh = TextState(open_model(kind)), open_model(kind)
    text = list(b"what was read once")
    assert state.read(text, outputs=0)
    saved = state.model.state()
    state.keep(0)
    assert state.read(list(b"else"), outputs=0)
    state.mark()
    state.restore(text, saved)
    kept = state.keep(10)
    assert kept == (0 if state.model.is_recurrent else 10)
    assert_goes_on_as_fresh(state, fresh, text[:kept])


@KINDS
def test_state_that_cannot_be_restored_leaves_an_empty_text(kind: str, open_model: Callable[[str], Model]) -> None:
    state, fresh = TextState(open_model(kind)), open_model(kind)
    assert state.read(list(b"what was read once"), outputs=0)
    saved = state.model.state()
    state.restore(list(b"what was read once"), saved[: len(saved) // 2])
    assert_goes_on_as_fresh(state, fresh, [])


@KINDS
def test_full_context_puts_everything_back(kind: str, open_model: Callable[[str], Model]) -> None:
    state, fresh = TextState(open_model(kind)), open_model(kind)
    text = list(b"ab" * (CONTEXT // 2 - 5))
    assert state.read(text[:300], outputs=0)
    assert state.read(text[300:], outputs=0)
    if kind == "llama":
        assert not state.read(list(b"x" * 11), outputs=0)
        assert not state.verify(list(b"x"), list(b"y" * 10))
        assert state.tokens == text
    assert state.room == 10
    state.keep(20)
    assert_goes_on_as_fresh(state, fresh, text[: state.length])


def test_common_prefix_ends_at_the_first_difference() -> None:
    assert common_prefix([1, 2, 3], [1, 2, 4, 5]) == 2
    assert common_prefix([1, 2], (1, 2, 3)) == 2
    assert common_prefix([], [1]) == 0
