"""What was read once is not read again: in another chat, in a second turn, after a restart; or it is forgotten."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import gguf
import pytest

from engine.llm import service as service_module
from engine.llm.backend import Model
from engine.llm.hsd.calibration import Calibration
from engine.llm.hsd.cost import MOST_EXACT_ROWS, CostCurve
from engine.llm.prefix_cache import PrefixCache
from engine.llm.preflight import preflight
from engine.llm.protocol import ForgetStates, Generate, Generated, LoadModel, Prefilled, SaveStates, TextDelta
from engine.llm.service import ModelService
from engine.llm.snapshots import SUFFIX, Snapshots
from engine.llm.text_state import TextState
from engine.messages import ChatMessage, Sampling
from engine.service import CancelToken
from tests.gguf_builder import write_llama
from tests.hybrid_builder import write_falcon_h1

GREEDY = Sampling(repetition_penalty=1.0)
KINDS = pytest.mark.parametrize("kind", ["llama", "hybrid"])
CONTEXT = 1024
HARBOUR = "The ferry leaves the harbour at seven, and the keeper waves from his tower. " * 4
GARDEN = "Apple trees want a dry place, much sun and a firm hand in the winter months. " * 4


@pytest.fixture(autouse=True)
def _known_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have drafts pay, so that texts come and go by drafts too, and answers go on."""
    curve = CostCurve((1, 8, 63), (1.0, 1.0, 8.0))
    monkeypatch.setattr(service_module, "calibrate", lambda *_: Calibration(curve, MOST_EXACT_ROWS))
    monkeypatch.setattr("engine.llm.hsd.speculation.observed", lambda curve, *_: curve)
    monkeypatch.setattr(Model, "ends_generation", lambda *_: False)


def write(kind: str, path: Path, seed: int = 3) -> Path:
    if kind == "hybrid":
        floats = gguf.GGMLQuantizationType.F32
        return write_falcon_h1(path, seed=seed, layers=2, context=CONTEXT, matrix_type=floats)
    return write_llama(path, seed=seed, layers=1, context=CONTEXT)


@pytest.fixture
def model(kind: str, tmp_path: Path) -> LoadModel:
    """How to load a tiny model of this kind, with a folder for its snapshots."""
    return LoadModel(write(kind, tmp_path / f"{kind}.gguf"), CONTEXT, 1, cache=tmp_path / "cache")


@pytest.fixture
def other() -> Iterator[ModelService]:
    """A second service, as after a restart."""
    made = ModelService()
    yield made
    made.close()


def ask(service: ModelService, how: LoadModel, *messages: str, max_tokens: int = 30) -> tuple[str, Generated]:
    roles = ("user", "assistant")
    dialogue = tuple(ChatMessage(roles[i % 2], text) for i, text in enumerate(messages))  # type: ignore[arg-type]
    events = list(service.handle(Generate(how, dialogue, GREEDY, max_tokens), CancelToken()))
    first, last = events[0], events[-1]
    assert isinstance(first, Prefilled)
    assert isinstance(last, Generated)
    assert first.done == first.reused == last.reused_tokens
    return "".join(event.text for event in events if isinstance(event, TextDelta)), last


def ask_fresh(how: LoadModel, *messages: str) -> str:
    """Ask a service that knows nothing yet, and decodes plainly."""
    fresh = ModelService()
    how = LoadModel(how.path, how.context_tokens, how.threads)
    text, ended = ask(fresh, how, *messages)
    assert ended.reused_tokens == 0
    fresh.close()
    return text


def snapshot_files(how: LoadModel) -> list[Path]:
    assert how.snapshots is not None
    return sorted(how.snapshots.glob("*" + SUFFIX)) if how.snapshots.exists() else []


# ---------------------------------------------------------------- chats


@KINDS
def test_chat_that_comes_back_is_not_read_again(kind: str, model: LoadModel, service: ModelService) -> None:
    first, begun = ask(service, model, HARBOUR)
    _, between = ask(service, model, GARDEN)
    assert begun.reused_tokens == 0
    # The words before the question are the same.
    assert between.reused_tokens < 10
    again, ended = ask(service, model, HARBOUR)
    assert ended.reused_tokens == ended.prompt_tokens - 1
    assert again == first == ask_fresh(model, HARBOUR)


@KINDS
def test_second_turn_after_another_chat_reads_only_what_is_new(
    kind: str, model: LoadModel, service: ModelService
) -> None:
    if kind == "llama":  # Its answers are noise, which does not come back as the same tokens.
        said, begun = "Certainly.", ask(service, model, HARBOUR)[1]
    else:
        said, begun = ask(service, model, HARBOUR)
    ask(service, model, GARDEN)
    text, ended = ask(service, model, HARBOUR, said, "And then?")
    assert ended.reused_tokens >= begun.prompt_tokens - 1
    if kind == "hybrid":
        assert ended.reused_tokens >= begun.prompt_tokens + begun.completion_tokens - 12
    assert text == ask_fresh(model, HARBOUR, said, "And then?")


@KINDS
def test_many_chats_in_turn_are_all_answered_as_by_a_fresh_service(
    kind: str, model: LoadModel, service: ModelService
) -> None:
    dice = random.Random(4)
    talks: list[list[str]] = [[HARBOUR], [GARDEN], [HARBOUR[:150] + GARDEN[:150]]]
    reused = 0
    for _ in range(9):
        talk = dice.choice(talks)
        text, ended = ask(service, model, *talk)
        assert text == ask_fresh(model, *talk)
        reused += ended.reused_tokens
        if dice.random() < 0.5 and len(talk) < 5:
            talk.extend((text if kind == "hybrid" else "Yes.", "Go on."))
    assert reused > 1000


@KINDS
def test_prompt_with_the_same_beginning_goes_on_from_it(kind: str, model: LoadModel, service: ModelService) -> None:
    ask(service, model, HARBOUR + "Who waves?")
    text, ended = ask(service, model, HARBOUR + "When does it leave?")
    # A recurrent state can't be cut.
    assert (ended.reused_tokens > len(HARBOUR)) == (kind == "llama")
    assert text == ask_fresh(model, HARBOUR + "When does it leave?")


@pytest.mark.parametrize("kind", ["hybrid"])
def test_hybrid_asked_the_same_again_reads_one_token(kind: str, model: LoadModel, service: ModelService) -> None:
    first, _ = ask(service, model, HARBOUR)
    for _ in range(3):
        again, ended = ask(service, model, HARBOUR)
        assert (again, ended.reused_tokens) == (first, ended.prompt_tokens - 1)


# ---------------------------------------------------------------- over a restart


@KINDS
def test_snapshots_outlive_a_restart(kind: str, model: LoadModel, service: ModelService, other: ModelService) -> None:
    ask(service, model, HARBOUR)
    ask(service, model, GARDEN)
    service.close()
    assert len(snapshot_files(model)) >= 2
    for question in (HARBOUR, GARDEN):
        text, ended = ask(other, model, question)
        assert ended.reused_tokens == ended.prompt_tokens - 1
        assert text == ask_fresh(model, question)


@KINDS
def test_asking_to_save_writes_what_is_there(kind: str, model: LoadModel, service: ModelService) -> None:
    assert list(service.handle(SaveStates(), CancelToken())) == []
    ask(service, model, HARBOUR)
    assert snapshot_files(model) == []
    stopped = CancelToken()
    stopped.cancelled = True
    assert list(service.handle(SaveStates(), stopped)) == []
    assert snapshot_files(model) == []
    assert list(service.handle(SaveStates(), CancelToken())) == []
    assert snapshot_files(model)


@KINDS
@pytest.mark.parametrize("change", ["weights", "time", "context"])
def test_snapshots_of_another_model_are_not_used(
    kind: str, change: str, model: LoadModel, service: ModelService, other: ModelService
) -> None:
    first, _ = ask(service, model, HARBOUR)
    service.close()
    if change == "weights":
        write(kind, model.path, seed=8)
    elif change == "time":
        os.utime(model.path, ns=(10**18, 10**18))
    else:
        model = LoadModel(model.path, CONTEXT // 2, 1, cache=model.cache)
    text, ended = ask(other, model, HARBOUR)
    assert ended.reused_tokens == 0
    assert text == ask_fresh(model, HARBOUR)
    assert (text == first) == (change != "weights")


@KINDS
@pytest.mark.parametrize("damage", ["cut", "flipped", "header", "unreadable"])
def test_damaged_snapshot_costs_time_alone(
    kind: str, damage: str, model: LoadModel, service: ModelService, other: ModelService
) -> None:
    ask(service, model, HARBOUR)
    service.close()
    for file in snapshot_files(model):
        data = bytearray(file.read_bytes())
        if damage == "flipped":
            data[len(data) // 2] ^= 255
        elif damage == "header":
            data[4] ^= 255
        if damage == "unreadable":
            file.unlink()
            file.mkdir()
        else:
            file.write_bytes(data[: len(data) // 2] if damage == "cut" else data)
    text, ended = ask(other, model, HARBOUR)
    assert ended.reused_tokens == 0
    assert text == ask_fresh(model, HARBOUR)


@KINDS
def test_without_a_folder_snapshots_live_in_memory(kind: str, model: LoadModel, service: ModelService) -> None:
    model = LoadModel(model.path, CONTEXT, 1)
    ask(service, model, HARBOUR)
    ask(service, model, GARDEN)
    assert ask(service, model, HARBOUR)[1].reused_tokens > len(HARBOUR)
    service.close()
    assert ask(service, model, HARBOUR)[1].reused_tokens == 0


# ---------------------------------------------------------------- forgotten


@KINDS
def test_forgetting_leaves_nothing_in_memory_or_on_disk(kind: str, model: LoadModel, service: ModelService) -> None:
    ask(service, model, HARBOUR)
    ask(service, model, GARDEN)
    list(service.handle(SaveStates(), CancelToken()))
    assert snapshot_files(model)
    assert list(service.handle(ForgetStates(model), CancelToken())) == []
    assert snapshot_files(model) == []
    text, ended = ask(service, model, HARBOUR)
    assert ended.reused_tokens == 0
    assert text == ask_fresh(model, HARBOUR)
    list(service.handle(ForgetStates(model), CancelToken()))
    service.close()
    assert snapshot_files(model) == []


@pytest.mark.parametrize("kind", ["llama"])
def test_forgetting_needs_no_loaded_model(
    kind: str, model: LoadModel, service: ModelService, other: ModelService
) -> None:
    ask(service, model, HARBOUR)
    service.close()
    assert snapshot_files(model)
    list(other.handle(ForgetStates(model), CancelToken()))
    assert snapshot_files(model) == []
    assert other.loaded_curve() is None
    # Nor does it need a folder.
    list(other.handle(ForgetStates(LoadModel(model.path, CONTEXT, 1)), CancelToken()))


# ---------------------------------------------------------------- the parts


class Known:
    """A context with a prefix cache above it."""

    def __init__(self, how: LoadModel, snapshots: Snapshots) -> None:
        self.model = Model(preflight(how.path, CONTEXT, 1 << 40), how)
        self.state, self.snapshots = TextState(self.model), snapshots
        self.cache = PrefixCache(self.state, snapshots)

    def read(self, prompt: Sequence[int]) -> int:
        """Read a prompt as an answer does; return how much of it was known."""
        known = self.cache.reuse(prompt)
        assert known == self.state.length
        for start in range(known, len(prompt), 256):
            assert self.state.read(prompt[start : min(len(prompt), start + 256)], outputs=0)
        return known


@pytest.fixture
def open_known(model: LoadModel) -> Iterator[list[Known]]:
    """The contexts that a test opened; they are closed after it."""
    opened: list[Known] = []
    yield opened
    for known in opened:
        known.model.close()


A, B = list(b"abcde" * 60), list(b"vwxyz" * 60)


@KINDS
def test_last_token_is_always_computed(kind: str, model: LoadModel, open_known: list[Known]) -> None:
    known = Known(model, Snapshots("key", None, exact=kind == "hybrid"))
    open_known.append(known)
    assert known.read(A) == 0
    # A recurrent state that went past the point can't be cut.
    assert known.read(A) == (0 if kind == "hybrid" else len(A) - 1)
    assert known.read([*A, 1]) == len(A)


@KINDS
def test_short_texts_are_not_worth_a_snapshot(kind: str, model: LoadModel, open_known: list[Known]) -> None:
    known = Known(model, Snapshots("key", None, exact=kind == "hybrid"))
    open_known.append(known)
    known.read(A[:100])
    known.read(B)
    assert known.snapshots.memory_bytes == 0
    known.read(A)
    assert known.snapshots.memory_bytes > 0
    assert known.read([*B, 1]) == len(B)


@KINDS
def test_state_that_is_too_large_for_the_memory_is_not_kept(
    kind: str, model: LoadModel, open_known: list[Known]
) -> None:
    known = Known(model, Snapshots("key", None, memory_limit_bytes=1000, exact=kind == "hybrid"))
    open_known.append(known)
    known.read(A)
    known.read(B)
    assert known.snapshots.memory_bytes == 0
    assert known.read([*A, 1]) == 0
    assert known.read([*A, 1, 2]) == len(A) + 1


@KINDS
def test_state_that_the_model_refuses_is_read_anew(kind: str, model: LoadModel, open_known: list[Known]) -> None:
    known = Known(model, Snapshots("key", None, exact=kind == "hybrid"))
    open_known.append(known)
    known.snapshots.put(A, b"not a state")
    assert known.read([*A, 1]) == 0
    assert known.state.tokens == [*A, 1]
