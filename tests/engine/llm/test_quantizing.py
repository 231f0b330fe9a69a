"""llama.cpp quantizes each tensor to the type that was asked for, and the size of the file is known before."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import LobiError, ModelFileError
from engine.llm.gguf_header import read_header
from engine.llm.quantizing import PRESETS, TYPES, fitting_type, planned_bytes, planned_types, preset, quantize
from engine.lobi.adapter import Plan
from engine.lobi.fingerprint import fingerprint
from engine.lobi.rewrite import rewrite
from tests.gguf_builder import write_llama
from tests.hybrid_builder import Shape, write_falcon_h1

MATRICES = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two layers of float32 with rows of 320 and 32, and a header that says all it can."""
    folder = tmp_path_factory.mktemp("quantizing")
    plain = write_llama(folder / "plain.gguf", layers=2)
    rewrite(plain, folder / "llama.gguf", Plan("Tiny", fingerprint(plain)), None)
    return folder / "llama.gguf"


def types_of(path: Path) -> dict[str, int]:
    return {tensor.name: tensor.type_id for tensor in read_header(path).tensors}


def test_each_tensor_gets_the_type_that_was_named(llama: Path, tmp_path: Path) -> None:
    plain = [name for name in TYPES if not name.endswith("_k") and name != "iq4_xs"]
    tensors = [f"blk.{layer}.{kind}.weight" for layer in range(2) for kind in MATRICES]
    tensors += ["output.weight", "token_embd.weight"]
    wanted = {tensor: plain[index % len(plain)] for index, tensor in enumerate(tensors)}
    quantize(llama, tmp_path / "new.gguf", wanted, "q8_0", keep_others=False)
    found = types_of(tmp_path / "new.gguf")
    assert {tensor: found[tensor] for tensor in tensors} == {tensor: TYPES[kind] for tensor, kind in wanted.items()}
    assert found["output_norm.weight"] == TYPES["f32"]
    assert (tmp_path / "new.gguf").stat().st_size == planned_bytes(read_header(llama), wanted, "q8_0")


@pytest.mark.parametrize("default", TYPES)
def test_the_size_of_a_file_is_known_before(default: str, llama: Path, tmp_path: Path) -> None:
    quantize(llama, tmp_path / "new.gguf", {}, default, keep_others=False, threads=1)
    found = types_of(tmp_path / "new.gguf")
    assert found["blk.0.attn_q.weight"] == TYPES[fitting_type((320, 320), default)]
    assert (tmp_path / "new.gguf").stat().st_size == planned_bytes(read_header(llama), {}, default)


def test_others_keep_their_type_if_they_are_quantized(llama: Path, tmp_path: Path) -> None:
    mixed, new = tmp_path / "mixed.gguf", tmp_path / "new.gguf"
    first = {"blk.0.ffn_up.weight": "q5_1", "blk.1.ffn_up.weight": "f16", "output.weight": "q5_0"}
    quantize(llama, mixed, first, "q4_1", keep_others=False)
    named = {"output.weight": "q8_0"}
    quantize(mixed, new, named, "q4_0", keep_others=True)
    found = types_of(new)
    assert found["blk.0.ffn_up.weight"] == TYPES["q5_1"]
    assert found["blk.1.ffn_up.weight"] == TYPES["q4_0"]
    assert found["output.weight"] == TYPES["q8_0"]
    assert found["token_embd.weight"] == TYPES["q4_1"]
    assert new.stat().st_size == planned_bytes(read_header(mixed), named, "q4_0", keep_others=True)


def test_k_quants_fit_rows_of_256_only() -> None:
    assert fitting_type((512, 7), "q4_k") == "q4_k"
    assert [fitting_type((320, 7), name) for name in "q2_k q3_k q4_k q5_k q6_k iq4_xs q4_0".split()] == (
        "q4_0 q4_0 q5_0 q5_1 q8_0 iq4_nl q4_0".split()
    )
    assert [fitting_type((4, 7), name) for name in ("q4_k", "q8_0", "f32", "bf16")] == ["f16", "f16", "f32", "bf16"]
    with pytest.raises(LobiError, match="no type"):
        fitting_type((32, 7), "q9_9")


def test_a_hybrid_keeps_its_convolutions_and_takes_k_quants(tmp_path: Path) -> None:
    source = write_falcon_h1(tmp_path / "hybrid.gguf", shape=Shape(width=256, feed_forward=256))
    quantize(source, tmp_path / "new.gguf", {"blk.0.ffn_up.weight": "q4_k"}, "q6_k", keep_others=False)
    found, before = types_of(tmp_path / "new.gguf"), types_of(source)
    assert found["blk.0.ffn_up.weight"] == TYPES["q4_k"]
    assert found["blk.1.ffn_up.weight"] == TYPES["q6_k"]
    assert found["blk.0.ssm_out.weight"] == TYPES["q8_0"]
    for kind in ("ssm_conv1d.weight", "ssm_norm.weight", "ssm_a", "ffn_norm"):
        assert found[f"blk.0.{kind}"] == before[f"blk.0.{kind}"]
    assert found == planned_types(read_header(source), {"blk.0.ffn_up.weight": "q4_k"}, "q6_k", keep_others=False)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_llama_cpps_own(name: str, llama: Path, tmp_path: Path) -> None:
    preset(llama, tmp_path / "new.gguf", name, threads=1)
    header = read_header(tmp_path / "new.gguf")
    assert header.integer("general.file_type") == PRESETS[name]
    if name in ("F16", "BF16", "Q8_0", "Q4_0"):
        assert types_of(tmp_path / "new.gguf")["blk.0.ffn_up.weight"] == TYPES[name.lower()]


def test_what_does_not_exist_is_told_in_one_sentence(llama: Path, tmp_path: Path) -> None:
    for types, default, words in (
        ({"blk.9.ffn_up.weight": "q4_0"}, "q8_0", "no tensor"),
        ({"output.weight": "q9_9"}, "q8_0", "no type"),
        ({}, "q9_9", "no type"),
        ({"output_norm.weight": "q8_0"}, "q8_0", "can't be quantized"),
    ):
        with pytest.raises(LobiError, match=words):
            quantize(llama, tmp_path / "new.gguf", types, default, keep_others=False)
    with pytest.raises(LobiError, match="no preset"):
        preset(llama, tmp_path / "new.gguf", "Q9")
    assert list(tmp_path.iterdir()) == []


def test_a_failure_of_llama_cpp_leaves_no_file(llama: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(llama.read_bytes()[:-4000])
    with pytest.raises(LobiError, match=r"can't quantize cut\.gguf \(.*\)"):
        quantize(cut, tmp_path / "new.gguf", {}, "q8_0", keep_others=False)
    cut.write_bytes(llama.read_bytes()[:400])
    with pytest.raises(ModelFileError, match="cut off"):
        preset(cut, tmp_path / "new.gguf", "Q8_0")
    assert [each.name for each in tmp_path.iterdir()] == ["cut.gguf"]
    assert capfd.readouterr() == ("", "")


def test_a_full_disk_is_told_before_anything_is_written(
    llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 1000

    monkeypatch.setattr("engine.llm.quantizing.shutil.disk_usage", lambda _folder: Usage)
    with pytest.raises(LobiError, match="no room on the disk"):
        quantize(llama, tmp_path / "new.gguf", {}, "q8_0", keep_others=False)
    assert list(tmp_path.iterdir()) == []
