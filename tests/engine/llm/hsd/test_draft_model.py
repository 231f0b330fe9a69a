"""A draft model changes nothing but the speed, follows the text, and drafts only while that pays."""

from __future__ import annotations

import ctypes
import os
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import gguf
import llama_cpp
import pytest

from engine.llm import service as service_module
from engine.llm.backend import Model
from engine.llm.hsd import open_draft
from engine.llm.hsd.calibration import Calibration
from engine.llm.hsd.cost import MOST_EXACT_ROWS, CostCurve
from engine.llm.hsd.draft_model import DraftModel, ModelDraft
from engine.llm.preflight import BATCH_TOKENS, preflight
from engine.llm.protocol import Generate, Generated, LoadModel, TextDelta
from engine.llm.service import ModelService
from engine.messages import ChatMessage, Sampling
from engine.service import CancelToken
from tests.engine.llm.cancelling import CancelledMidway
from tests.gguf_builder import byte_vocabulary, write_llama
from tests.hybrid_builder import write_falcon_h1

GREEDY = Sampling(repetition_penalty=1.0)
CHEAP = CostCurve((1, 8, 63), (0.05, 0.05, 0.4))
"""A draft model of a twentieth of the target's size, on a machine where eight rows cost what one does."""
FLAT = CostCurve((1, 8, 63), (1.0, 1.0, 8.0))
LIMITS = (1, 3, 7, 62)
PROMPTS = ("x", "The same again. The same again. The", "What? Who? When? Why? " * 6)
Asked = list[tuple[int, ModelDraft]]
"""Tokens asked for, and what was drafted."""


def write_q8_llama(path: Path, *, layers: int, seed: int = 3, vocabulary: Sequence[str] | None = None) -> Path:
    """Write a Llama with int8 weights, whose logits are the same in batches of any width."""
    floats = write_llama(path.with_suffix(".f32"), seed=seed, layers=layers, vocabulary=vocabulary, context=1024)
    how = llama_cpp.llama_model_quantize_default_params()
    how.ftype = llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0
    assert llama_cpp.llama_model_quantize(os.fsencode(floats), os.fsencode(path), ctypes.byref(how)) == 0
    return path


def write_files(folder: Path) -> dict[str, Path]:
    floats = gguf.GGMLQuantizationType.F32
    more = [*byte_vocabulary(), *(f"w{number}" for number in range(40))]
    cycle = {259: 97} | {97 + at: 97 + (at + 1) % 8 for at in range(8)}
    return {
        "llama": write_q8_llama(folder / "llama.gguf", layers=3),
        "fewer layers": write_q8_llama(folder / "fewer.gguf", layers=2),
        "stranger": write_q8_llama(folder / "stranger.gguf", layers=1, seed=9),
        "more tokens": write_q8_llama(folder / "more.gguf", layers=3, vocabulary=more),
        "hybrid": write_falcon_h1(folder / "hybrid.gguf", seed=3, layers=3, matrix_type=floats, context=1024),
        "fewer hybrid": write_falcon_h1(folder / "fewer_h.gguf", seed=3, layers=2),
        "unsure": write_llama(folder / "unsure.gguf", {}),
        "loop": write_llama(folder / "loop.gguf", cycle),
    }


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_files(tmp_path_factory.mktemp("models"))


@pytest.fixture(autouse=True)
def _known_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have drafts pay on every machine, what is drafted not depend on time, and answers go on."""
    monkeypatch.setattr(service_module, "calibrate", lambda *_: Calibration(FLAT, MOST_EXACT_ROWS))
    monkeypatch.setattr(open_draft, "calibrate", lambda *_: Calibration(CHEAP, MOST_EXACT_ROWS))
    monkeypatch.setattr("engine.llm.hsd.speculation.observed", lambda curve, *_: curve)
    monkeypatch.setattr(Model, "ends_generation", lambda *_: False)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Gets everything that draft models are asked for."""
    found: Asked = []
    draft_rightly = DraftModel.draft

    def draft(self: DraftModel, text: list[int], ngram: list[int], length: int, *rest: object) -> ModelDraft:
        made = draft_rightly(self, text, ngram, length, *rest)  # type: ignore[arg-type]
        found.append((length, made))
        return made

    monkeypatch.setattr(DraftModel, "draft", draft)
    return found


@pytest.fixture
def plain() -> Iterator[ModelService]:
    """A service that decodes plainly, beside the one that drafts."""
    made = ModelService()
    yield made
    made.close()


def ask(
    where: ModelService,
    target: Path,
    draft: Path | None,
    prompt: str,
    *,
    draft_limit: int = 62,
    max_tokens: int = 80,
    sampling: Sampling = GREEDY,
    cancel: CancelToken | None = None,
) -> tuple[str, Generated]:
    """Ask with a draft model, or plainly without one."""
    how = LoadModel(target, 512, 1, draft=draft)
    limit = draft_limit if draft is not None else 0
    request = Generate(how, (ChatMessage("user", prompt),), sampling, max_tokens, (), limit)
    events = list(where.handle(request, cancel or CancelToken()))
    assert isinstance(events[-1], Generated)
    return "".join(event.text for event in events if isinstance(event, TextDelta)), events[-1]


@pytest.fixture
def open_drafter(files: dict[str, Path]) -> Iterator[Callable[[str], DraftModel]]:
    """Makes a draft model without a target; it is closed after the test."""
    opened: list[DraftModel] = []

    def load(name: str) -> DraftModel:
        model = Model(preflight(files[name], 1024, 1 << 40), LoadModel(files[name], 1024, 1))
        opened.append(DraftModel(model, CHEAP, FLAT.time(1), model.vocabulary))
        opened[-1].begin(0, GREEDY)
        return opened[-1]

    yield load
    for drafter in opened:
        drafter.close()


def draft_from(
    drafter: DraftModel, text: Sequence[int], length: int = 4, cancel: CancelToken | None = None
) -> tuple[int, ...]:
    return drafter.draft(text, (), length, FLAT.ratios(), cancel or CancelToken()).tokens


# ---------------------------------------------------------------- the same answers


@pytest.mark.parametrize(
    ("target", "draft", "least", "most"),
    [
        ("llama", "llama", 1.0, 1.0),
        ("llama", "fewer layers", 0.1, 0.5),
        ("llama", "stranger", 0.0, 0.1),
        ("llama", "hybrid", 0.0, 0.1),
        ("hybrid", "hybrid", 0.98, 1.0),
        ("hybrid", "fewer hybrid", 0.2, 0.7),
        ("hybrid", "llama", 0.0, 0.4),
    ],
)
def test_draft_model_leaves_greedy_answers_as_they_are(
    target: str,
    draft: str,
    least: float,
    most: float,
    files: dict[str, Path],
    service: ModelService,
    plain: ModelService,
    asked: Asked,
) -> None:
    drafted = accepted = 0
    for prompt in PROMPTS:
        wanted = ask(plain, files[target], None, prompt)[0]
        for limit in LIMITS:
            said, ended = ask(service, files[target], files[draft], prompt, draft_limit=limit)
            assert said == wanted, (prompt, limit)
            drafted, accepted = drafted + ended.drafted, accepted + ended.accepted
    assert len([made for _, made in asked if made.tokens]) > 20
    assert least <= accepted / drafted <= most


@pytest.mark.parametrize("name", ["llama", "hybrid"])
def test_draft_model_draws_with_the_noise_of_its_target(
    name: str, files: dict[str, Path], service: ModelService, plain: ModelService
) -> None:
    texts, drafted, accepted = set(), 0, 0
    for seed in range(5):
        sampling = Sampling(temperature=0.8, repetition_penalty=1.0, seed=seed)
        wanted = ask(plain, files[name], None, "hello", sampling=sampling)[0]
        said, ended = ask(service, files[name], files[name], "hello", sampling=sampling)
        assert said == wanted
        texts.add(said)
        drafted, accepted = drafted + ended.drafted, accepted + ended.accepted
    assert len(texts) == 5
    # Drawn with noise of its own, its draft would be right as seldom as the target repeats itself.
    assert accepted > 0.98 * drafted > 100


@pytest.mark.parametrize("penalty", [1.0, 1.3])
def test_seeded_answers_are_the_same_with_another_draft_model(
    penalty: float, files: dict[str, Path], service: ModelService, plain: ModelService
) -> None:
    drafted = accepted = 0
    for seed in range(4):
        sampling = Sampling(temperature=0.8, repetition_penalty=penalty, seed=seed)
        wanted = ask(plain, files["llama"], None, "hello", sampling=sampling)[0]
        said, ended = ask(service, files["llama"], files["fewer layers"], "hello", sampling=sampling)
        assert said == wanted
        drafted, accepted = drafted + ended.drafted, accepted + ended.accepted
    assert 0 < accepted < drafted


@pytest.mark.parametrize(("target", "draft"), [("llama", "more tokens"), ("more tokens", "llama")])
def test_draft_model_with_more_or_fewer_tokens_never_names_one_that_is_not_shared(
    target: str, draft: str, files: dict[str, Path], service: ModelService, plain: ModelService, asked: Asked
) -> None:
    unknown = 0
    for prompt in PROMPTS:
        for seed in range(4):
            sampling = Sampling(temperature=0.8 if seed else 0.0, repetition_penalty=1.0, seed=seed)
            wanted = ask(plain, files[target], None, prompt, sampling=sampling)[0]
            assert ask(service, files[target], files[draft], prompt, sampling=sampling)[0] == wanted
            unknown += any(token >= 260 for token in plain.last_answer()[1])
    # One vocabulary ends before the other: the target says what the draft model can't read, or the other way round.
    assert (unknown > 0) == (target == "more tokens")
    drafted = [token for _, made in asked for token in made.tokens]
    assert len(drafted) > 20
    assert max(drafted) < 260


# ---------------------------------------------------------------- screening


def test_ngram_drafts_are_screened_by_the_draft_model(
    files: dict[str, Path], service: ModelService, plain: ModelService, asked: Asked
) -> None:
    said, ended = ask(service, files["loop"], files["loop"], "cdabc", draft_limit=3)
    assert said == ask(plain, files["loop"], None, "cdabc")[0]
    assert ended.tier == "n-gram + draft model"
    assert max(made.screened for _, made in asked) > 1
    # What was screened already takes the draft model one batch, not one by one.
    assert min(made.cost for _, made in asked if made.screened > 1) == pytest.approx(CHEAP.time(1))
    assert all(0 <= made.screened <= len(made.tokens) for _, made in asked)


@pytest.mark.parametrize("max_tokens", [5, 20, 40])
def test_answer_with_screened_drafts_is_as_long_as_asked(
    max_tokens: int, files: dict[str, Path], service: ModelService
) -> None:
    for prompt in ("x", "abcabc", "zabczz"):
        for limit in LIMITS:
            said, ended = ask(service, files["loop"], files["loop"], prompt, draft_limit=limit, max_tokens=max_tokens)
            assert (ended.completion_tokens, len(said)) == (max_tokens, max_tokens), (prompt, limit)


def test_draft_is_never_longer_than_asked(files: dict[str, Path], service: ModelService, asked: Asked) -> None:
    for limit in LIMITS:
        ask(service, files["loop"], files["loop"], "abcabc", draft_limit=limit)
    assert any(made.screened for _, made in asked)
    assert [(length, made) for length, made in asked if len(made.tokens) > length] == []


def test_screening_keeps_what_the_draft_model_would_say_too(open_drafter: Callable[[str], DraftModel]) -> None:
    drafter = open_drafter("loop")
    text, costs, cancel = list(b"xyzab"), FLAT.ratios(), CancelToken()
    agreed = drafter.draft(text, list(b"cde"), 4, costs, cancel)
    assert (bytes(agreed.tokens), agreed.screened) == (b"cdef", 3)
    partly = drafter.draft(text, list(b"cdxx"), 4, costs, cancel)
    assert (bytes(partly.tokens[:3]), partly.screened) == (b"cde", 2)
    foreign = drafter.draft(text, [300, 301], 2, costs, cancel)
    assert (bytes(foreign.tokens), foreign.screened) == (b"cd", 0)


# ---------------------------------------------------------------- following the text


@pytest.mark.parametrize("name", ["stranger", "hybrid"])
@pytest.mark.parametrize("seed", range(3))
def test_draft_from_any_text_is_that_of_a_draft_model_that_just_read_it(
    name: str, seed: int, open_drafter: Callable[[str], DraftModel]
) -> None:
    drafter, fresh, dice = open_drafter(name), open_drafter(name), random.Random(seed)
    text = [dice.randrange(97, 123) for _ in range(30)]
    for _ in range(25):
        made = draft_from(drafter, text)
        fresh._state.keep(0)
        assert made == draft_from(fresh, text)
        text += made[: dice.randint(0, len(made))]
        text += [dice.randrange(97, 123) for _ in range(dice.choice((1, 1, 1, 2, 20)))]
        if dice.random() < 0.2:
            del text[dice.randint(1, len(text)) :]


@pytest.mark.parametrize("name", ["llama", "hybrid"])
@pytest.mark.parametrize("looks", [0, 3, 20, 40])
def test_cancelled_reading_leaves_a_draft_model_that_goes_on(
    name: str, looks: int, open_drafter: Callable[[str], DraftModel]
) -> None:
    drafter, fresh = open_drafter(name), open_drafter(name)
    text = random.Random(1).choices(range(97, 123), k=450)
    draft_from(drafter, text[:20])
    assert draft_from(drafter, text, cancel=CancelledMidway(looks)) == ()
    assert draft_from(drafter, text) == draft_from(fresh, text) != ()


@pytest.mark.parametrize("name", ["llama", "hybrid"])
@pytest.mark.parametrize("at", [1, 2, 5])
def test_answer_cancelled_in_mid_draft_leaves_target_and_draft_model_usable(
    name: str, at: int, files: dict[str, Path], service: ModelService, plain: ModelService, asked: Asked
) -> None:
    cancel = CancelToken()
    whole = ask(plain, files[name], None, PROMPTS[1])[0]
    step_rightly, steps = DraftModel._step, list[int]()

    def step(self: DraftModel, *rest: object) -> bool:
        steps.append(1)
        cancel.cancelled |= len(steps) == at
        return step_rightly(self, *rest)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DraftModel, "_step", step)
        said, ended = ask(service, files[name], files[name], PROMPTS[1], draft_limit=3, cancel=cancel)
    assert ended.reason == "cancelled"
    assert whole.startswith(said.rstrip("\ufffd"))
    for prompt in (PROMPTS[1], "Another question, " * 8):
        said, ended = ask(service, files[name], files[name], prompt)
        assert said == ask(plain, files[name], None, prompt)[0]
        assert ended.accepted > 0.9 * ended.drafted > 0


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Gets the rows of each decode; more than a batch takes would end this process."""
    found: list[int] = []
    decode_rightly = Model.decode

    def decode(self: Model, tokens: Sequence[int], position: int, *, outputs: int) -> int:
        found.append(len(tokens))
        assert len(tokens) <= BATCH_TOKENS
        return decode_rightly(self, tokens, position, outputs=outputs)

    monkeypatch.setattr(Model, "decode", decode)
    return found


def reject(drafter: DraftModel, text: list[int], length: int, times: int) -> None:
    """Have drafts rejected again and again, whose first token is always wrong."""
    for _ in range(times):
        text.append(98 if draft_from(drafter, text, length)[:1] == (97,) else 97)


@pytest.mark.parametrize("name", ["llama", "hybrid"])
def test_rejected_drafts_do_not_make_the_next_ones_dearer(
    name: str, open_drafter: Callable[[str], DraftModel], rows: list[int]
) -> None:
    drafter, text = open_drafter(name), list(b"hello world, hello")
    reject(drafter, text, 3, 2)
    rows.clear()
    reject(drafter, text, 3, 40)
    assert max(rows) <= 16


@pytest.mark.parametrize("name", ["llama", "hybrid"])
def test_text_that_forks_far_back_is_read_in_batches_that_fit(
    name: str, open_drafter: Callable[[str], DraftModel], rows: list[int]
) -> None:
    drafter, text = open_drafter(name), list(b"hello world, hello")
    reject(drafter, text, 1, 300)
    forked = [*text[:310], *b"no" * 140]
    assert len(draft_from(drafter, forked, 1)) == 1
    assert sum(rows) > len(forked)
