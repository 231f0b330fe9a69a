"""How likely choices are: the same as token by token, whatever was in the context before."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import gguf
import numpy as np
import pytest

from engine.errors import ContextError, ModelError
from engine.llm.backend import DECODED, Model
from engine.llm.client import LanguageModel
from engine.llm.preflight import preflight
from engine.llm.protocol import ForgetStates, Generate, Generated, LoadModel, Score, Scores, TextDelta
from engine.llm.service import ModelService
from engine.llm.template import ChatTemplate
from engine.messages import ChatMessage, Sampling
from engine.service import CancelToken
from tests.engine.llm.cancelling import CancelledMidway
from tests.gguf_builder import chain, write_llama
from tests.hybrid_builder import write_falcon_h1

KINDS = pytest.mark.parametrize("kind", ["llama", "hybrid"])
CONTEXT = 768
CHAT = (ChatMessage("user", "Which way does the river run? " * 12),)
OTHER = (ChatMessage("user", "Which way does the river run? " * 12 + "And why?"),)
CHOICES = ("to the sea", "x", "", "up the hill, then around it and back again, " * 4)
"""One of a single token, an empty one, and one of more tokens than a batch may have rows."""
GREEDY = Sampling(repetition_penalty=1.0)


@pytest.fixture
def how(kind: str, tmp_path: Path) -> LoadModel:
    if kind == "hybrid":
        floats = gguf.GGMLQuantizationType.F32
        path = write_falcon_h1(tmp_path / "hybrid.gguf", seed=5, context=CONTEXT, matrix_type=floats)
    else:
        path = write_llama(tmp_path / "llama.gguf", seed=5, layers=2, context=CONTEXT)
    return LoadModel(path, CONTEXT, 1)


def expected(how: LoadModel, messages: tuple[ChatMessage, ...], choices: tuple[str, ...]) -> list[float]:
    """Decode one token at a time, each choice on an empty context."""
    model = Model(preflight(how.path, how.context_tokens, 1 << 34), how)
    try:
        template = ChatTemplate(model.chat_template(), *model.bos_eos(), model.control_tokens())
        prompt = model.tokenize(template.render(messages), special=True)
        sums = []
        for choice in choices:
            model.keep(0)
            total, follows = 0.0, model.tokenize(choice, special=False)
            for position, token in enumerate([*prompt, *follows]):
                if position >= len(prompt):
                    logits = model.logits(0).astype(np.float64)
                    total += float(logits[token] - np.logaddexp.reduce(logits))
                assert model.decode([token], position, outputs=1) == DECODED
            sums.append(total)
        return sums
    finally:
        model.close()


def close_to(values: Sequence[float]) -> object:
    """Compare up to what kernels for one row and for many differ by; a token that is off by one place differs more."""
    return pytest.approx(values, rel=2e-3, abs=0.05)


def score(service: ModelService, how: LoadModel, chat: tuple[ChatMessage, ...] = CHAT) -> Scores:
    [scores] = list(service.handle(Score(how, chat, CHOICES), CancelToken()))
    assert isinstance(scores, Scores)
    return scores


def said(service: ModelService, how: LoadModel) -> str:
    events = list(service.handle(Generate(how, CHAT, GREEDY, 12), CancelToken()))
    assert isinstance(events[-1], Generated)
    return "".join(event.text for event in events if isinstance(event, TextDelta))


@KINDS
def test_scores_are_those_of_decoding_token_by_token(service: ModelService, how: LoadModel) -> None:
    found = score(service, how)
    assert found.log_likelihoods == close_to(expected(how, CHAT, CHOICES))
    assert found.tokens == tuple(len(choice.encode()) for choice in CHOICES)
    assert found.tokens[3] > 128
    assert found.log_likelihoods[2] == 0.0
    assert found.log_likelihoods[0] < -1.0


@KINDS
def test_scores_do_not_depend_on_what_was_read_before(service: ModelService, how: LoadModel) -> None:
    first = score(service, how)
    assert score(service, how).log_likelihoods == close_to(first.log_likelihoods)
    other = score(service, how, OTHER)
    assert other.log_likelihoods == close_to(expected(how, OTHER, CHOICES))
    assert score(service, how).log_likelihoods == close_to(first.log_likelihoods)


@KINDS
def test_answers_and_scores_may_take_turns(service: ModelService, how: LoadModel) -> None:
    alone = said(service, how)
    assert alone
    scores = [score(service, how).log_likelihoods]
    assert said(service, how) == alone
    scores.append(score(service, how).log_likelihoods)
    list(service.handle(ForgetStates(how), CancelToken()))
    scores.append(score(service, how).log_likelihoods)
    assert said(service, how) == alone
    for each in scores:
        assert each == close_to(scores[0])


@KINDS
@pytest.mark.parametrize("looks", [0, 30, 150, 400])
def test_a_cancel_says_nothing_and_leaves_no_trace(service: ModelService, how: LoadModel, looks: int) -> None:
    wanted = score(service, how, OTHER)
    cancelled = list(service.handle(Score(how, CHAT, CHOICES), CancelledMidway(looks)))
    assert len(cancelled) <= 1
    assert looks > 0 or not cancelled
    assert score(service, how, OTHER).log_likelihoods == close_to(wanted.log_likelihoods)
    assert said(service, how)


def test_a_sure_model_gives_its_own_answer_the_highest_score(service: ModelService, tmp_path: Path) -> None:
    how = LoadModel(write_llama(tmp_path / "sure.gguf", chain("abc")), 512, 1)
    [found] = list(service.handle(Score(how, (ChatMessage("user", "?"),), ("abc", "abd", "xbc")), CancelToken()))
    assert found.log_likelihoods[0] == max(found.log_likelihoods)
    assert math.exp(found.log_likelihoods[0]) > 0.9


def test_choices_that_do_not_fit_are_told(service: ModelService, tmp_path: Path) -> None:
    how = LoadModel(write_llama(tmp_path / "small.gguf", seed=1), 512, 1)
    with pytest.raises(ContextError, match="reads 512 at once"):
        list(service.handle(Score(how, (ChatMessage("user", "?"),), ("long " * 200,)), CancelToken()))


def test_the_conductor_asks_the_model_process(tmp_path: Path) -> None:
    model = LanguageModel(LoadModel(write_llama(tmp_path / "tiny.gguf", chain("ok!")), 512, 1))
    try:
        found = model.score((ChatMessage("user", "Well?"),), ("ok!", "no!"))
        assert found.tokens == (3, 3)
        assert found.log_likelihoods[0] > found.log_likelihoods[1]
        missing = LanguageModel(LoadModel(tmp_path / "none.gguf", 512, 1))
        with pytest.raises(ModelError, match="not there"):
            missing.score((ChatMessage("user", "Well?"),), ("ok!",))
        missing.close()
    finally:
        model.close()
