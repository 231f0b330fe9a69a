"""A draft model is loaded where it helps; where it can't, the target answers alone and a sentence says why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import ModelFileError
from engine.llm import service as service_module
from engine.llm.backend import Model
from engine.llm.hsd import open_draft
from engine.llm.hsd.calibration import Calibration
from engine.llm.hsd.cost import MOST_EXACT_ROWS, CostCurve
from engine.llm.protocol import CountTokens, Generate, Generated, LoadModel, ModelCard, TextDelta
from engine.llm.service import ModelService
from engine.messages import ChatMessage, Sampling
from engine.service import CancelToken
from tests.gguf_builder import byte_vocabulary, bytes_at, write_llama

GREEDY = Sampling(repetition_penalty=1.0)
FLAT = CostCurve((1, 8, 63), (1.0, 1.0, 8.0))
"""A machine on which eight rows cost what one does."""
LINEAR = CostCurve((1, 63), (1.0, 63.0))
CHEAP = CostCurve((1, 8, 63), (0.05, 0.05, 0.4))
"""A draft model of a twentieth of the target's size."""
CONTEXT = 512


@pytest.fixture(autouse=True)
def _known_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    measure(monkeypatch, FLAT, CHEAP)


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_llama(tmp_path_factory.mktemp("models") / "large.gguf", layers=2, seed=3)


@pytest.fixture
def alone() -> Iterator[ModelService]:
    """A service without any draft model, beside the one under test."""
    made = ModelService()
    yield made
    made.close()


def measure(monkeypatch: pytest.MonkeyPatch, target: CostCurve, draft: CostCurve) -> None:
    """Lay down what the calibration of target and draft model finds."""
    monkeypatch.setattr(service_module, "calibrate", lambda *_: Calibration(target, MOST_EXACT_ROWS))
    monkeypatch.setattr(open_draft, "calibrate", lambda *_: Calibration(draft, MOST_EXACT_ROWS))


def count_closed(monkeypatch: pytest.MonkeyPatch) -> list[Model]:
    """Return a list to which every model that is closed from now on is added."""
    closed: list[Model] = []
    close_rightly = Model.close

    def close(model: Model) -> None:
        closed.append(model)
        close_rightly(model)

    monkeypatch.setattr(Model, "close", close)
    return closed


def load(service: ModelService, target: Path, draft: Path | None) -> ModelCard:
    [card] = list(service.handle(LoadModel(target, CONTEXT, 1, draft=draft), CancelToken()))
    assert isinstance(card, ModelCard)
    return card


def answer(service: ModelService, target: Path, draft: Path | None) -> tuple[str, Generated]:
    how = LoadModel(target, CONTEXT, 1, draft=draft)
    request = Generate(how, (ChatMessage("user", "hello hello"),), GREEDY, 60)
    events = list(service.handle(request, CancelToken()))
    assert isinstance(events[-1], Generated)
    return "".join(event.text for event in events if isinstance(event, TextDelta)), events[-1]


def assert_one_sentence(text: str) -> None:
    assert text.endswith(".")
    assert "\n" not in text
    assert 20 < len(text) < 250
    assert ". " not in text
    assert "Traceback" not in text


def assert_alone(service: ModelService, alone: ModelService, target: Path, draft: Path) -> str:
    """Assert that the target answers without the draft model, as if none had been asked for; return why."""
    card = load(service, target, draft)
    assert card.draft == ""
    assert_one_sentence(card.draft_note)
    said, ended = answer(service, target, draft)
    assert said == answer(alone, target, None)[0]
    assert ended.completion_tokens > 0
    assert "draft model" not in ended.tier
    return card.draft_note


def other_token(at: int) -> list[str]:
    vocabulary = byte_vocabulary()
    vocabulary[at] = "zz"
    return vocabulary


def test_fitting_draft_model_is_named_and_used(service: ModelService, target: Path, tmp_path: Path) -> None:
    draft = write_llama(tmp_path / "small.gguf", layers=1, seed=3)
    card = load(service, target, draft)
    assert (card.draft, card.draft_note) == ("small", "")
    assert "draft model" in answer(service, target, draft)[1].tier


def test_no_draft_model_asked_for_is_nothing_to_explain(service: ModelService, target: Path) -> None:
    card = load(service, target, None)
    assert (card.draft, card.draft_note) == ("", "")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"vocabulary": other_token(97)}, 'Token 97 is "zz", and the target\'s is "a"'),
        ({"eos": 257}, "the end of a text"),
        ({"bos": 258}, "the beginning of a text"),
        ({"tokenizer": "llama"}, "of another type"),
    ],
    ids=["a token", "end", "beginning", "type"],
)
def test_draft_model_with_another_vocabulary_is_refused(
    changes: dict[str, object],
    reason: str,
    service: ModelService,
    alone: ModelService,
    target: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draft = write_llama(tmp_path / "foreign.gguf", seed=3, **changes)  # type: ignore[arg-type]
    monkeypatch.setattr(open_draft, "Model", None)  # It is not even loaded.
    assert reason in assert_alone(service, alone, target, draft)


def test_draft_model_that_lacks_many_tokens_is_refused(
    service: ModelService, alone: ModelService, tmp_path: Path
) -> None:
    more = [*byte_vocabulary(), *(f"w{number}" for number in range(60))]
    target = write_llama(tmp_path / "large.gguf", seed=3, vocabulary=more, bos=1, eos=1)
    draft = write_llama(tmp_path / "small.gguf", seed=3, vocabulary=more[:191], bos=1, eos=1)
    assert "191 tokens, the target's 320" in assert_alone(service, alone, target, draft)
    # One more, and they are as near as they must be.
    draft = write_llama(tmp_path / "near.gguf", seed=3, vocabulary=more[:192], bos=1, eos=1)
    assert load(service, target, draft).draft == "near"


def test_missing_draft_model_costs_nothing_but_itself(
    service: ModelService, alone: ModelService, target: Path, tmp_path: Path
) -> None:
    note = assert_alone(service, alone, target, tmp_path / "gone.gguf")
    assert "gone.gguf" in note


@pytest.mark.parametrize("damage", ["magic", "cut in the header", "cut in the weights", "empty"])
def test_damaged_draft_model_costs_nothing_but_itself(
    damage: str, service: ModelService, alone: ModelService, target: Path, tmp_path: Path
) -> None:
    draft = write_llama(tmp_path / "broken.gguf", seed=3)
    if damage == "magic":
        bytes_at(draft, [(0, b"JUNK")])
    else:
        left = {"cut in the header": 300, "cut in the weights": draft.stat().st_size - 5000, "empty": 0}[damage]
        draft.write_bytes(draft.read_bytes()[:left])
    note = assert_alone(service, alone, target, draft)
    assert "broken.gguf" in note


def test_draft_model_that_llama_cpp_refuses_costs_nothing_but_itself(
    service: ModelService, alone: ModelService, target: Path, tmp_path: Path
) -> None:
    draft = write_llama(tmp_path / "hollow.gguf", seed=3, layers=1, claimed_layers=3)
    assert "hollow" in assert_alone(service, alone, target, draft)


def test_draft_model_for_which_no_memory_is_left_is_not_loaded(
    service: ModelService, alone: ModelService, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = write_llama(tmp_path / "small.gguf", seed=3)
    # The target fits: only what is free once it is loaded does not hold the draft model too.
    monkeypatch.setattr(open_draft, "free_memory_mb", lambda: 16.0)
    monkeypatch.setattr(open_draft, "Model", None)
    note = assert_alone(service, alone, target, draft)
    assert "small.gguf needs about" in note
    assert "0.0 GB are free" in note


def test_draft_model_that_cannot_pay_is_closed(
    service: ModelService, alone: ModelService, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = count_closed(monkeypatch)
    measure(monkeypatch, LINEAR, CHEAP)
    draft = write_llama(tmp_path / "small.gguf", seed=3)
    note = assert_alone(service, alone, target, draft)
    assert len(closed) == 1
    assert "small does not draft for large" in note
    assert "0.05" in note


def test_draft_model_as_slow_as_the_target_is_closed(
    service: ModelService, alone: ModelService, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure(monkeypatch, FLAT, FLAT)
    draft = write_llama(tmp_path / "small.gguf", seed=3)
    assert "1.00 of the time" in assert_alone(service, alone, target, draft)


def test_draft_model_is_closed_with_its_target(target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = count_closed(monkeypatch)
    service = ModelService()
    draft = write_llama(tmp_path / "small.gguf", seed=3)
    load(service, target, draft)
    answer(service, target, draft)
    assert closed == []
    load(service, target, None)
    assert len(closed) == 2
    service.close()
    assert len(closed) == 3


def test_broken_target_is_an_error_all_the_same(service: ModelService, target: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(target.read_bytes()[:300])
    with pytest.raises(ModelFileError):
        load(service, broken, target)
    [counted] = list(service.handle(CountTokens(LoadModel(target, CONTEXT, 1), ("abc",)), CancelToken()))
    assert counted.counts == (3,)
