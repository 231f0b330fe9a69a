"""What the bench of decode rates measures and tells; never how fast."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.bench_decode import print_figures, with_model
from app.paths import engine_config
from engine.bench import decode, workloads
from engine.bench.decode_llama import LlamaCpp
from engine.config import EngineConfig, bundled_model
from engine.errors import ModelFileError
from engine.llm.protocol import CountTokens, Generate, LoadModel, ModelCard, TokenCounts
from engine.llm.service import ModelService
from engine.messages import ChatMessage, Sampling
from engine.prompting import compose
from engine.service import CancelToken
from tests.gguf_builder import chain, write_llama

ALPHABET = "abcdefghijklmnopqrstuvwxyz"
QUESTION = (ChatMessage("user", "Say it: " + ALPHABET),)
CONTEXT = 2048


@pytest.fixture
def speller(tmp_path: Path) -> Path:
    """A model that spells the alphabet, whatever it is asked."""
    return write_llama(tmp_path / "speller.gguf", chain(ALPHABET), context=CONTEXT)


@pytest.fixture
def service() -> Iterator[ModelService]:
    made = ModelService()
    yield made
    made.close()


def load(service: ModelService, path: Path) -> tuple[LoadModel, ModelCard]:
    how = LoadModel(path, CONTEXT, 1)
    [card] = list(service.handle(how, CancelToken()))
    return how, card


def config_of(tmp_path: Path, model: Path) -> EngineConfig:
    config = with_model(engine_config(tmp_path / "data"), model)
    return replace(config, settings=config.settings.model_copy(update={"threads": 1}))


# ---------------------------------------------------------------- the prompts


def test_every_passage_of_a_prompt_fits_the_context(service: ModelService) -> None:
    how = LoadModel(bundled_model(), decode.CONTEXT, 0)

    def count(texts: tuple[str, ...]) -> TokenCounts:
        [counted] = list(service.handle(CountTokens(how, texts), CancelToken()))
        assert isinstance(counted, TokenCounts)
        return counted

    for asked in [*workloads.GROUNDED, *(chat for chat, _ in workloads.CHATS)]:
        found = workloads.passages(asked.topic, asked.order)
        prompt = compose(asked.question, (), found, "", decode.TOKENS, count)
        assert prompt.shown == found
    sizes = count(workloads.COPY).counts
    assert all(120 <= size <= 450 for size in sizes), sizes


def test_no_prompt_comes_twice() -> None:
    prompts = [*workloads.COPY, *(asked.question for asked in workloads.GROUNDED), *workloads.OPEN]
    assert len(set(prompts)) == len(prompts)


def test_a_chat_reads_its_passages_in_an_order_of_its_own() -> None:
    """So that nothing of its first turn is in the cache."""
    orders = {(asked.topic, asked.order) for asked in workloads.GROUNDED}
    assert not orders & {(chat.topic, chat.order) for chat, _ in workloads.CHATS}


# ---------------------------------------------------------------- both sides


@pytest.mark.parametrize("lookup", [False, True])
def test_both_sides_say_the_same_tokens_and_leave_out_the_end(
    service: ModelService, speller: Path, lookup: bool
) -> None:
    how, card = load(service, speller)
    list(service.handle(Generate(how, QUESTION, Sampling(repetition_penalty=1.0), 64), CancelToken()))
    prompt, (*answer, _end) = service.last_answer()
    assert bytes(answer).decode() == ALPHABET
    theirs = LlamaCpp(speller, card, lookup=lookup)
    try:
        # The second time the prompt is in the cache already.
        for _ in range(2):
            decoded = theirs.decode(prompt, 64)
            assert list(decoded.answer) == answer
            assert decoded.seconds > 0
        assert list(theirs.decode(prompt, 5).answer) == answer[:5]
    finally:
        theirs.close()


def test_an_answer_that_ends_at_once_has_no_tokens(service: ModelService, tmp_path: Path) -> None:
    silent = write_llama(tmp_path / "silent.gguf", chain(""), context=CONTEXT)
    how, card = load(service, silent)
    list(service.handle(Generate(how, QUESTION, Sampling(repetition_penalty=1.0), 8), CancelToken()))
    prompt, _ = service.last_answer()
    theirs = LlamaCpp(silent, card, lookup=False)
    try:
        decoded = theirs.decode(prompt, 8)
    finally:
        theirs.close()
    assert (decoded.answer, decoded.seconds) == ((), 0.0)


# ---------------------------------------------------------------- the figures


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """One prompt per workload, and few tokens."""
    monkeypatch.setattr(workloads, "COPY", workloads.COPY[1:2])
    monkeypatch.setattr(workloads, "GROUNDED", workloads.GROUNDED[:1])
    monkeypatch.setattr(workloads, "OPEN", workloads.OPEN[1:2])
    monkeypatch.setattr(workloads, "CHATS", workloads.CHATS[:1])
    monkeypatch.setattr(decode, "TOKENS", 16)
    monkeypatch.setattr(decode, "MOST_ROUNDS", 2)


@pytest.mark.usefixtures("short")
def test_the_result_has_what_the_issue_names_and_can_be_printed(
    tmp_path: Path, speller: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[str] = []
    result = decode.run(config_of(tmp_path, speller), tell=told.append)
    assert set(result) == {"model", "threads", "cost_curve", "workloads", "simulated", "ttft_ms"}
    assert set(result["workloads"]) == {"copy", "grounded", "open"}
    for figures in result["workloads"].values():
        assert all(figures[key] > 0 for key in ("plain", "hsd", "llama_cpp", "llama_cpp_lookup", "oracle"))
        assert 0 <= figures["acceptance"] <= 1
        assert figures["accepted_per_step"] >= 0
        assert figures["tokens"] == 16
    assert set(result["ttft_ms"]) == {"first", "second"}
    assert result["cost_curve"][1] == 1
    assert [row["curve"] for row in result["simulated"]][-1] == "this machine"
    assert all({"curve", "chooser", "oracle", "plain"} <= set(row) for row in result["simulated"])
    assert json.loads(json.dumps(result))["threads"] == 1
    assert len(set(told)) >= 6
    print_figures("decode", result)
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("copy", "grounded", "open", "C(1) = 1.0", "linear", "second turn"))


def test_another_model_can_be_chosen(tmp_path: Path, speller: Path) -> None:
    config = engine_config(tmp_path / "data")
    assert with_model(config, speller).model_path() == speller
    assert with_model(config, None) is config


@pytest.mark.usefixtures("short")
def test_a_missing_model_is_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError):
        decode.run(config_of(tmp_path, tmp_path / "missing.gguf"))
