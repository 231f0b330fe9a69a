"""Perplexity and divergence of tiny models, against plain numpy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.errors import LobiError, ModelFileError
from engine.llm.backend import Model
from engine.llm.quantizing import quantize
from engine.lobi.evaluate import Reference, divergence, log_probabilities, opened, perplexity, windows_of
from tests.gguf_builder import write_llama
from tests.hybrid_builder import write_falcon_h1

TEXT = "The boat lay low in the water, and nobody wanted to be the first to say so. " * 4
KINDS = ("llama", "falcon-h1")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("evaluate")
    return {
        "llama": write_llama(folder / "llama.gguf", layers=2, seed=3),
        "falcon-h1": write_falcon_h1(folder / "falcon.gguf", seed=3),
    }


@pytest.fixture(scope="module", params=KINDS)
def model(request: pytest.FixtureRequest, files: dict[str, Path]) -> Iterator[Model]:
    with opened(files[request.param], 256, 1) as made:
        yield made


def test_log_probabilities_are_those_of_each_token_alone(model: Model) -> None:
    tokens = model.tokenize(TEXT, special=False)[:70]
    found = log_probabilities(model, tokens)
    assert found.shape == (70, model.vocabulary)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.exp(found.astype(np.float64)).sum(1), 1.0, atol=1e-5)
    for position, token in enumerate(tokens):
        assert model.decode([token], position, outputs=1) == 0
        logits = model.logits(0).astype(np.float64)
        expected = logits - logits.max() - np.log(np.exp(logits - logits.max()).sum())
        # Rows computed together round otherwise than one by one.
        assert np.abs(found[position] - expected).max() < 0.5
        assert np.abs(found[position] - expected).mean() < 0.1
    model.keep(0)


def test_perplexity_is_that_of_the_log_probabilities(model: Model) -> None:
    windows = windows_of(model, [TEXT], 48, 3)
    logs = [log_probabilities(model, window)[np.arange(47), window[1:]] for window in windows]
    expected = np.exp(-np.mean(np.concatenate(logs).astype(np.float64)))
    assert perplexity(model, windows) == pytest.approx(expected, rel=1e-5)
    assert Reference.of(model, windows).perplexity == pytest.approx(expected, rel=1e-5)


def test_a_model_does_not_diverge_from_itself(model: Model) -> None:
    windows = windows_of(model, [TEXT], 80, 2)
    found = divergence(Reference.of(model, windows), model)
    assert found.kl == pytest.approx(0.0, abs=1e-6)
    assert found.top1 == 1.0
    assert found.perplexity == pytest.approx(perplexity(model, windows))


@pytest.mark.parametrize("kind", KINDS)
def test_divergence_is_that_of_whole_distributions(kind: str, files: dict[str, Path], tmp_path: Path) -> None:
    changed = tmp_path / "changed.gguf"
    quantize(files[kind], changed, {}, "q4_0", threads=1, keep_others=False)
    with opened(files[kind], 256, 1) as before, opened(changed, 256, 1) as after:
        windows = windows_of(before, [TEXT], 60, 3)
        whole = Reference.of(before, windows, before.vocabulary)
        p = np.concatenate([log_probabilities(before, window) for window in windows]).astype(np.float64)
        q = np.concatenate([log_probabilities(after, window) for window in windows]).astype(np.float64)
        exact = float((np.exp(p) * (p - q)).sum(1).mean())
        found = divergence(whole, after)
        assert found.kl == pytest.approx(exact, rel=1e-3)
        assert found.top1 == pytest.approx((p.argmax(1) == q.argmax(1)).mean())
        # Merged bins never diverge more, and all but the bin is exact.
        part = Reference.of(before, windows, 40)
        assert 0.0 < divergence(part, after).kl <= exact * (1 + 1e-3)
        assert part.rest > whole.rest
        assert part.tokens[0].shape == (60, 40)


def test_windows_are_spread_over_the_texts(model: Model) -> None:
    texts = ["a" * 100, "b" * 100]
    windows = windows_of(model, texts, 25, 4)
    assert [len(window) for window in windows] == [25] * 4
    assert len({window[0] for window in windows}) == 2
    assert all(len(set(window)) == 1 for window in windows)


def test_too_little_text_is_told(model: Model) -> None:
    with pytest.raises(LobiError, match=r"too short \(it gives 1 of 2 windows of 64 tokens\)"):
        windows_of(model, ["x" * 100], 64, 2)


def test_windows_beyond_the_context_are_refused_and_leave_the_model_usable(model: Model) -> None:
    with pytest.raises(LobiError, match="window of 300 tokens"):
        perplexity(model, [[1] * 300])
    with pytest.raises(LobiError, match="window of 1 tokens"):
        log_probabilities(model, [1])
    assert np.isfinite(perplexity(model, [[1, 2, 3]]))


def test_a_broken_file_is_told(tmp_path: Path) -> None:
    file = tmp_path / "broken.gguf"
    file.write_bytes(b"GGUF")
    with pytest.raises(ModelFileError), opened(file, 64, 1):
        pass
