"""Verification changes nothing but the speed: every answer is the one of plain decoding, however drafts turn out."""

from __future__ import annotations

import ctypes
import os
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import llama_cpp
import pytest

from engine.llm import generate, service
from engine.llm.backend import ABORTED, DECODED, Model
from engine.llm.hsd.calibration import Calibration
from engine.llm.hsd.cost import MOST_EXACT_ROWS, CostCurve
from engine.llm.hsd.drafter import NgramDrafter
from engine.llm.hsd.verify import sample_and_compare
from engine.llm.protocol import Generate, Generated, LoadModel, TextDelta
from engine.llm.service import ModelService
from engine.llm.text_state import TextState
from engine.messages import ChatMessage, Sampling
from engine.service import CancelToken
from tests.gguf_builder import END, chain, write_llama
from tests.hybrid_builder import write_falcon_h1, write_mamba2

GREEDY = Sampling(repetition_penalty=1.0)
CHEAP = CostCurve.of_ratios({1: 1.0, 8: 1.0, 63: 1.5})
"""A machine on which drafting nearly always pays."""
PROMPTS = (
    "x",
    "hello hello world",
    "The same again. The same again. The",
    "abcabcabcabc",
    "What? Who? When? Why? " * 6,
)
LONGEST_DRAFT = MOST_EXACT_ROWS - 1
LIMITS = (1, 3, 7, 15, LONGEST_DRAFT)


def write_q8_llama(path: Path, *, seed: int, layers: int) -> Path:
    """Write a Llama with int8 weights: floats round otherwise in batches of other widths, and a near-tie may flip."""
    floats = write_llama(path.with_suffix(".f32"), seed=seed, layers=layers)
    how = llama_cpp.llama_model_quantize_default_params()
    how.ftype = llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0
    assert llama_cpp.llama_model_quantize(os.fsencode(floats), os.fsencode(path), ctypes.byref(how)) == 0
    return path


WRITERS: dict[str, Callable[..., Path]] = {
    "llama": write_q8_llama,
    "hybrid": write_falcon_h1,
    "recurrent": write_mamba2,
}
ON_EACH_KIND = pytest.mark.parametrize("name", WRITERS)
ON_RECURRENT_KINDS = pytest.mark.parametrize("name", ["hybrid", "recurrent"])


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, LoadModel]:
    folder = tmp_path_factory.mktemp("models")
    written = {name: writer(folder / f"{name}.gguf", seed=3, layers=2) for name, writer in WRITERS.items()}
    return {name: LoadModel(path, 512, 1) for name, path in written.items()}


@pytest.fixture(autouse=True)
def _cheap_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every model cost the same on every machine, what is drafted not depend on time, and answers go on."""
    monkeypatch.setattr(Model, "ends_generation", lambda *_: False)
    monkeypatch.setattr(service, "calibrate", lambda *_: Calibration(CHEAP, MOST_EXACT_ROWS))
    monkeypatch.setattr("engine.llm.hsd.speculation.observed", lambda curve, *_: curve)


@pytest.fixture
def plain() -> Iterator[ModelService]:
    """A service that decodes plainly, beside the one that drafts."""
    made = ModelService()
    yield made
    made.close()


def ask(
    where: ModelService,
    how: LoadModel,
    *messages: str,
    draft_limit: int = LONGEST_DRAFT,
    max_tokens: int = 100,
    sampling: Sampling = GREEDY,
    cancel: CancelToken | None = None,
    stop: tuple[str, ...] = (),
) -> tuple[str, Generated]:
    roles = ("user", "assistant")
    dialogue = tuple(ChatMessage(roles[i % 2], text) for i, text in enumerate(messages))  # type: ignore[arg-type]
    request = Generate(how, dialogue, sampling, max_tokens, stop, draft_limit)
    events = list(where.handle(request, cancel or CancelToken()))
    assert isinstance(events[-1], Generated)
    return "".join(event.text for event in events if isinstance(event, TextDelta)), events[-1]


Propose = Callable[..., tuple[tuple[int, ...], float]]


def prophecy(known: Sequence[int], right: float) -> Propose:
    """Draft a text that is known beforehand, as long as asked, each token right at a given rate."""
    dice = random.Random(5)

    def propose(drafter: NgramDrafter, limit: int, *, replay: int = 0, **_: float) -> tuple[tuple[int, ...], float]:
        said = len(drafter.text)
        draft = known[said : said + min(limit, LONGEST_DRAFT - replay)]
        return tuple(token if dice.random() < right else token ^ 1 for token in draft), 99.0

    return propose


def prophesy(monkeypatch: pytest.MonkeyPatch, where: ModelService, right: float) -> None:
    """Have further answers drafted from the last one of this service."""
    prompt, answer = where.last_answer()
    monkeypatch.setattr(NgramDrafter, "propose", prophecy([*prompt, *answer], right))


# ---------------------------------------------------------------- sample and compare


class Target:
    """Says a text, and counts the draws."""

    def __init__(self, says: Sequence[int]) -> None:
        self._says = says
        self.rows: list[int] = []

    def draw(self, row: int) -> int:
        self.rows.append(row)
        return self._says[row]


@pytest.mark.parametrize(("says", "draft", "returned"), [
    ([5], [], [5]),
    ([5, 6, 7, 8], [5, 6, 7], [5, 6, 7, 8]),
    ([5, 6, 9, 8], [5, 6, 7], [5, 6, 9]),
    ([9, 6, 7, 8], [5, 6, 7], [9]),
    ([5, 0, 7, 8], [5, 0, 7], [5, 0]),
    ([5, 6, 0, 8], [5, 6, 7], [5, 6, 0]),
    ([5, 6, 7, 0], [5, 6, 7], [5, 6, 7, 0]),
    ([0, 6], [0], [0]),
])  # fmt: skip
def test_target_draws_once_per_token_up_to_a_mismatch_or_the_end(
    says: list[int], draft: list[int], returned: list[int]
) -> None:
    target = Target(says)
    assert sample_and_compare(target.draw, draft, lambda token: token == 0) == returned
    assert target.rows == list(range(len(returned)))


# ---------------------------------------------------------------- the same answers


@ON_EACH_KIND
def test_ngram_drafts_leave_greedy_answers_as_they_are(
    name: str, models: dict[str, LoadModel], service: ModelService, plain: ModelService
) -> None:
    drafted = accepted = 0
    for prompt in PROMPTS:
        wanted = ask(plain, models[name], prompt, draft_limit=0)[0]
        for limit in LIMITS:
            said, ended = ask(service, models[name], prompt, draft_limit=limit)
            assert said == wanted, (prompt, limit)
            drafted, accepted = drafted + ended.drafted, accepted + ended.accepted
    assert drafted > 0
    if name != "llama":  # Whose text is noise: nothing to draft from comes true.
        assert 0 < accepted < drafted


@ON_EACH_KIND
@pytest.mark.parametrize("right", [0.0, 0.5, 0.9, 1.0])
def test_answers_are_the_same_at_any_acceptance(
    name: str, right: float, models: dict[str, LoadModel], plain: ModelService, monkeypatch: pytest.MonkeyPatch
) -> None:
    drafted = accepted = 0
    for prompt in PROMPTS[:3]:
        wanted = ask(plain, models[name], prompt, draft_limit=0)[0]
        for limit in LIMITS:
            drafting = ModelService()
            with monkeypatch.context() as patch:
                prophesy(patch, plain, right)
                said, ended = ask(drafting, models[name], prompt, draft_limit=limit)
            drafting.close()
            assert said == wanted, (prompt, limit)
            drafted, accepted = drafted + ended.drafted, accepted + ended.accepted
    assert drafted > 100
    assert (accepted == 0) == (right == 0.0)
    assert (accepted == drafted) == (right == 1.0)


@ON_EACH_KIND
def test_one_service_answers_one_question_after_another_as_a_fresh_one(
    name: str, models: dict[str, LoadModel], service: ModelService, monkeypatch: pytest.MonkeyPatch
) -> None:
    for prompt in (*PROMPTS, *PROMPTS):
        fresh = ModelService()
        wanted = ask(fresh, models[name], prompt, draft_limit=0)[0]
        with monkeypatch.context() as patch:
            prophesy(patch, fresh, 0.8)
            assert ask(service, models[name], prompt)[0] == wanted
        fresh.close()


@ON_EACH_KIND
def test_next_turn_goes_on_from_a_drafted_answer(
    name: str, models: dict[str, LoadModel], service: ModelService, plain: ModelService, monkeypatch: pytest.MonkeyPatch
) -> None:
    for max_tokens in range(20, 30):
        wanted, _ = ask(plain, models[name], "Tell me", draft_limit=0, max_tokens=max_tokens)
        with monkeypatch.context() as patch:
            prophesy(patch, plain, 0.7)
            said, _ = ask(service, models[name], "Tell me", max_tokens=max_tokens)
        assert said == wanted
        then = ask(plain, models[name], "Tell me", said, "more", draft_limit=0)[0]
        assert ask(service, models[name], "Tell me", said, "more")[0] == then


@ON_RECURRENT_KINDS
def test_checkpoint_of_an_answer_takes_no_room_from_the_next(
    name: str, models: dict[str, LoadModel], service: ModelService, plain: ModelService, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(plain, models[name], "First question. " * 15, draft_limit=0, max_tokens=200)
    with monkeypatch.context() as patch:
        prophesy(patch, plain, 0.7)
        assert ask(service, models[name], "First question. " * 15, max_tokens=200)[1].accepted > 0
    question = "Quite another one, and a long one. " * 10
    wanted = ask(plain, models[name], question, draft_limit=0, max_tokens=50)[0]
    assert ask(service, models[name], question, max_tokens=50)[0] == wanted


@pytest.mark.parametrize("stop", [(), ("jk",)])
def test_end_of_the_answer_in_mid_draft_ends_it(
    stop: tuple[str, ...], service: ModelService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Model, "ends_generation", lambda _, token: token == END)
    how = LoadModel(write_llama(tmp_path / "speller.gguf", chain("abcdefghijklmnopqrst")), 512, 1)
    ask(service, how, "x", draft_limit=0)
    prompt, answer = service.last_answer()
    known = [*prompt, *answer, *b"and so on"]
    monkeypatch.setattr(NgramDrafter, "propose", prophecy(known, 1.0))
    for _ in range(2):
        said, ended = ask(service, how, "x", stop=stop)
        assert (said, ended.reason) == ("abcdefghi" if stop else "abcdefghijklmnopqrst", "stop")
        assert ended.drafted > ended.accepted


# ---------------------------------------------------------------- cancelled, and full


def cancel_at(monkeypatch: pytest.MonkeyPatch, draft_number: int, *, midway: bool) -> tuple[CancelToken, list[int]]:
    """Cancel when the n-th draft is verified: before its decode, which is then stopped midway, or just after it.

    Returns the token, and what each decode will have returned.
    """
    cancel, codes, drafts = CancelToken(), list[int](), list[int]()
    verify_rightly, decode_rightly = TextState.verify, Model.decode

    def verify(state: TextState, known: Sequence[int], draft: Sequence[int]) -> bool:
        drafts.extend([1] * bool(draft))
        due = len(drafts) == draft_number
        cancel.cancelled |= due and midway
        done = verify_rightly(state, known, draft)
        cancel.cancelled |= due
        return done

    def decode(model: Model, tokens: Sequence[int], position: int, *, outputs: int) -> int:
        codes.append(decode_rightly(model, tokens, position, outputs=outputs))
        return codes[-1]

    monkeypatch.setattr(generate, "SLOW_STEP_S", -1.0)
    monkeypatch.setattr(TextState, "verify", verify)
    monkeypatch.setattr(Model, "decode", decode)
    return cancel, codes


@ON_EACH_KIND
@pytest.mark.parametrize("midway", [True, False], ids=["midway", "just after"])
@pytest.mark.parametrize("at", [1, 2, 5])
def test_cancelled_verification_leaves_a_usable_state(
    name: str,
    midway: bool,
    at: int,
    models: dict[str, LoadModel],
    service: ModelService,
    plain: ModelService,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    how, prompt = models[name], PROMPTS[1]
    whole = ask(plain, how, prompt, draft_limit=0)[0]
    with monkeypatch.context() as patch:
        prophesy(patch, plain, 0.6)
        cancel, codes = cancel_at(patch, at, midway=midway)
        said, ended = ask(service, how, prompt, draft_limit=3, cancel=cancel)
    assert ended.reason == "cancelled"
    assert codes[-1] == (ABORTED if midway else DECODED)
    assert whole.startswith(said.rstrip("\ufffd"))
    for question in ((prompt,), (prompt, said, "go on"), ("Another question, " * 12,)):
        assert ask(service, how, *question)[0] == ask(plain, how, *question, draft_limit=0)[0]


@ON_EACH_KIND
@pytest.mark.parametrize("right", [0.0, 0.8, 1.0])
@pytest.mark.parametrize("room", [3, 40, 70])
def test_context_that_fills_up_in_a_draft_ends_the_answer(
    name: str,
    right: float,
    room: int,
    models: dict[str, LoadModel],
    service: ModelService,
    plain: ModelService,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    how = LoadModel(models[name].path, 256, 1)
    wide = ask(plain, models[name], "x", draft_limit=0, max_tokens=1)[1]
    prompt = "x" * (256 - room - wide.prompt_tokens + 1)
    wanted, full = ask(plain, models[name], prompt, draft_limit=0, max_tokens=300)
    assert full.completion_tokens > room
    with monkeypatch.context() as patch:
        prophesy(patch, plain, right)
        said, ended = ask(service, how, prompt, max_tokens=10_000)
    assert (ended.reason, ended.prompt_tokens + ended.completion_tokens) == ("length", 256)
    assert ended.drafted > 0
    assert wanted.startswith(said.rstrip("\ufffd"))
    assert ask(service, how, "y", max_tokens=20)[0] == ask(plain, how, "y", draft_limit=0, max_tokens=20)[0]


# ---------------------------------------------------------------- drawn answers


@ON_EACH_KIND
@pytest.mark.parametrize("penalty", [1.0, 1.3])
def test_same_seed_says_the_same_with_and_without_drafts(
    name: str,
    penalty: float,
    models: dict[str, LoadModel],
    service: ModelService,
    plain: ModelService,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts = set()
    for seed in range(6):
        sampling = Sampling(temperature=0.8, repetition_penalty=penalty, seed=seed)
        wanted = ask(plain, models[name], "hello", sampling=sampling, draft_limit=0)[0]
        with monkeypatch.context() as patch:
            prophesy(patch, plain, 0.8)
            said, ended = ask(service, models[name], "hello", sampling=sampling, draft_limit=7)
        assert said == wanted
        assert 0 < ended.accepted < ended.drafted
        texts.add(said)
    assert len(texts) == 6
