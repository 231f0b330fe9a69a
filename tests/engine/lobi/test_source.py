"""One GGUF file, read tensor by tensor, and what tells its model from others."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf.quants import dequantize, quantize

from engine.errors import LobiError, ModelFileError
from engine.lobi import source as module
from engine.lobi.fingerprint import fingerprint
from engine.lobi.source import Source
from tests.gguf_builder import write_llama
from tests.hybrid_builder import Shape, write_falcon_h1


def written(path: Path, tensors: dict[str, tuple[np.ndarray[tuple[int, ...], np.dtype[np.generic]], int]]) -> Path:
    """Write tensors of given types: bytes of that type, or values for F32."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("Some")
    for name, (data, type_id) in tensors.items():
        writer.add_tensor(name, data, raw_dtype=gguf.GGMLQuantizationType(type_id))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.parametrize("name", "F16 BF16 Q8_0 Q4_0 Q4_1 Q5_0 Q5_1".split())
def test_arrays_are_dequantized_in_blocks_of_rows(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK_ELEMENTS", 200)
    kind = gguf.GGMLQuantizationType[name]
    values = np.random.default_rng(1).standard_normal((33, 64)).astype(np.float32)
    data = quantize(values, kind)
    with Source(written(tmp_path / "a.gguf", {"x.weight": (data, kind)})) as source:
        found = source.array("x.weight")
        picked = source.rows("x.weight", np.array([5, 2, 32]))
        assert source.shape("x.weight") == (33, 64)
        assert source.raw("x.weight") == (data.tobytes(), int(kind))
    assert found.dtype == np.float32
    assert np.array_equal(found, dequantize(data, kind))
    assert np.array_equal(picked, found[[5, 2, 32]])


@pytest.mark.parametrize("name", "Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL IQ4_XS IQ2_XXS IQ3_S".split())
def test_types_that_only_llama_cpp_writes_are_read(name: str, tmp_path: Path) -> None:
    kind = gguf.GGMLQuantizationType[name]
    block, size = gguf.GGML_QUANT_SIZES[kind]
    # Zero bytes are zero weights of each of these types.
    data = np.zeros((3, 256 // block * size), np.uint8)
    with Source(written(tmp_path / "a.gguf", {"x.weight": (data, kind)})) as source:
        assert source.array("x.weight").shape == (3, 256)
        assert not source.array("x.weight").any()


def test_what_can_not_be_dequantized_is_told(tmp_path: Path) -> None:
    path = written(tmp_path / "a.gguf", {"x": (np.arange(4, dtype=np.int32), gguf.GGMLQuantizationType.I32)})
    with Source(path) as source:
        with pytest.raises(LobiError, match="type I32"):
            source.array("x")
        with pytest.raises(LobiError, match="no tensor"):
            source.array("y")
        source.raw("x")
        with pytest.raises(LobiError, match="no norms"):
            fingerprint(path)


def test_metadata_come_as_they_lie_in_the_file(tmp_path: Path) -> None:
    path = write_llama(tmp_path / "a.gguf")
    with Source(path) as source:
        found = source.metadata()
        assert (source.name, source.architecture) == ("Tiny", "llama")
    data = path.read_bytes()
    assert len(found) == int.from_bytes(data[16:24], "little")
    position = 24
    for key, entry in found.items():
        assert data[position + 8 :].startswith(key.encode() + entry)
        position += 8 + len(key) + len(entry)


def test_every_quantization_has_one_fingerprint_and_every_model_its_own(tmp_path: Path) -> None:
    def hybrid(name: str, kind: gguf.GGMLQuantizationType, width: int = 64) -> str:
        return fingerprint(write_falcon_h1(tmp_path / name, matrix_type=kind, shape=Shape(width=width)))

    types = gguf.GGMLQuantizationType
    assert hybrid("a.gguf", types.Q8_0) == hybrid("b.gguf", types.F32) == hybrid("c.gguf", types.Q4_0)
    assert hybrid("a.gguf", types.Q8_0) != hybrid("d.gguf", types.Q8_0, width=96)
    other, norm = np.ones(32, np.float32), "output_norm.weight"
    one = fingerprint(written(tmp_path / "e.gguf", {norm: (other, 0)}))
    assert one != fingerprint(written(tmp_path / "f.gguf", {norm: (other * 2, 0)}))


def test_files_that_are_no_models_are_told_in_one_sentence(tmp_path: Path) -> None:
    path = write_llama(tmp_path / "a.gguf")
    data = path.read_bytes()
    for content, words in ((data[:-64], "cut off"), (data[:300], "cut off"), (b"", "empty"), (b"X" * 99, "not a GGUF")):
        path.write_bytes(content)
        with pytest.raises(ModelFileError, match=words):
            Source(path)
    with pytest.raises(ModelFileError, match="not there"):
        fingerprint(tmp_path / "missing.gguf")


def test_a_closed_source_lets_go_of_its_file(tmp_path: Path) -> None:
    path = write_llama(tmp_path / "a.gguf")
    with Source(path) as source:
        kept = source.array("blk.0.attn_norm.weight")
    path.unlink()
    assert (kept == 1).all()
    with pytest.raises(ValueError, match="closed"):
        source.array("blk.0.attn_norm.weight")
