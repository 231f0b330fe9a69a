from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from engine.errors import EmbedderError
from engine.library.embed import BATCH, Embedder, tokenizer_file

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "assets" / "embedder"


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder(FOLDER, 1)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    folder = tmp_path / "embëdder 東"
    shutil.copytree(FOLDER, folder)
    return folder


def test_vectors_have_unit_length_and_the_promised_shape(embedder: Embedder) -> None:
    texts = ["one", "A longer sentence about bridges and rivers.", "東京タワー", "😀", ""]
    vectors = embedder.embed_passages(texts)
    assert vectors.shape == (5, embedder.dimension)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


def test_no_texts_give_no_vectors(embedder: Embedder) -> None:
    assert embedder.embed_passages([]).shape == (0, embedder.dimension)


def test_what_means_the_same_is_near(embedder: Embedder) -> None:
    weather, sunny, stadium = embedder.embed_passages(
        ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
    )
    assert weather @ sunny > 0.6
    assert weather @ stadium < 0.2


def test_a_question_finds_its_answer(embedder: Embedder) -> None:
    passages = [
        "The warranty lasts 24 months from the date of purchase.",
        "Press the power button; the machine heats up in 40 seconds.",
        "Delivery is free for orders above 60 euros.",
    ]
    scores = embedder.embed_passages(passages) @ embedder.embed_query("How long is the guarantee?")
    assert int(np.argmax(scores)) == 0


def test_neighbours_in_a_batch_hardly_change_a_vector(embedder: Embedder) -> None:
    texts = [f"Sentence {number} " + "about water and stone " * number for number in range(2 * BATCH)]
    together = embedder.embed_passages(texts)
    alone = np.stack([embedder.embed_query(text) for text in texts])
    # Activations are quantised by the range that the batch has, so the last digits depend on it.
    assert (together * alone).sum(axis=1).min() > 0.985


def test_a_long_text_is_cut_where_the_embedder_ends(embedder: Embedder) -> None:
    long = "water stone river bridge " * 200
    again = embedder.embed_query(long + "something else entirely")
    np.testing.assert_allclose(embedder.embed_query(long), again, atol=1e-6)


def test_the_folder_may_have_any_name(copied: Path) -> None:
    assert Embedder(copied, 1).embed_query("words").shape == (384,)


def test_an_embedder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(EmbedderError, match="can't be read"):
        Embedder(tmp_path / "nowhere", 1)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "card.json"])
def test_a_damaged_file_of_the_embedder_is_told(copied: Path, name: str) -> None:
    (copied / name).write_bytes(b"damaged")
    with pytest.raises(EmbedderError):
        Embedder(copied, 1)


def test_a_card_that_lacks_something_is_told(copied: Path) -> None:
    (copied / "card.json").write_text(json.dumps({"name": "x"}), "utf-8")
    with pytest.raises(EmbedderError, match="dimension, file"):
        Embedder(copied, 1)


def test_the_tokenizers_place_is_known_without_loading_fastembed() -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom engine.library.embed import tokenizer_file\n"
        f"assert tokenizer_file(Path({str(FOLDER)!r})).is_file()\n"
        "assert not {'fastembed', 'onnxruntime'} & sys.modules.keys()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert tokenizer_file(FOLDER).name == "tokenizer.json"


def test_card_may_ask_for_prefixes_and_know_many_languages(copied: Path, embedder: Embedder) -> None:
    card = json.loads((copied / "card.json").read_text("utf-8"))
    more = {"query_prefix": "query: ", "passage_prefix": "passage: ", "multilingual": True}
    (copied / "card.json").write_text(json.dumps({**card, **more}), "utf-8")
    other = Embedder(copied, 1)
    assert (embedder.is_multilingual, other.is_multilingual) == (False, True)
    np.testing.assert_allclose(other.embed_query("herons"), embedder.embed_query("query: herons"), atol=1e-6)
    [passage] = other.embed_passages(["herons"])
    np.testing.assert_allclose(passage, embedder.embed_passages(["passage: herons"])[0], atol=1e-6)
