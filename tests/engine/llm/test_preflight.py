"""The preflight lets sound models through and says what is wrong with others."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from engine.config import bundled_model
from engine.errors import ModelFileError, ModelMemoryError
from engine.llm.gguf_header import read_header
from engine.llm.preflight import kv_cache_bytes, preflight
from tests.gguf_builder import bytes_at, write_llama

GIB = 2**30


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_llama(tmp_path / "tiny model ü.gguf")


def test_bundled_model_passes() -> None:
    checked = preflight(bundled_model(), 4096, 4 * GIB)
    assert checked.architecture == "llama"
    assert checked.trained_context_tokens == 8192
    # 30 layers x 4096 tokens x 3 KV heads x (64 + 64) x 2 bytes
    assert checked.kv_bytes == 30 * 4096 * 3 * 128 * 2
    assert checked.header.data_offset + checked.weights_bytes == checked.header.file_bytes


def test_header_agrees_with_the_reference_reader(tiny: Path) -> None:
    import gguf

    ours, reference = read_header(tiny), gguf.GGUFReader(tiny)
    assert [(t.name, t.shape, t.offset + ours.data_offset) for t in ours.tensors] == [
        (t.name, tuple(int(n) for n in t.shape), t.data_offset) for t in reference.tensors
    ]
    assert ours.text("tokenizer.chat_template") == reference.fields["tokenizer.chat_template"].contents()


def test_context_is_capped_by_what_the_model_was_trained_for(tiny: Path) -> None:
    assert preflight(tiny, 100_000, 4 * GIB).context_tokens == 512


def test_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="not there"):
        preflight(tmp_path / "none.gguf", 512, GIB)


def test_empty_file_says_download_again(tmp_path: Path) -> None:
    (tmp_path / "empty.gguf").touch()
    with pytest.raises(ModelFileError, match="is empty"):
        preflight(tmp_path / "empty.gguf", 512, GIB)


def test_wrong_magic_is_no_gguf(tiny: Path) -> None:
    with pytest.raises(ModelFileError, match="not a GGUF model"):
        preflight(bytes_at(tiny, [(0, b"GGML")]), 512, GIB)


def test_unknown_version_is_named(tiny: Path) -> None:
    with pytest.raises(ModelFileError, match="version 9"):
        preflight(bytes_at(tiny, [(4, struct.pack("<I", 9))]), 512, GIB)


@pytest.mark.parametrize("share", [0.001, 0.01, 0.2, 0.5, 0.9, 0.999])
def test_truncated_file_is_cut_off(tiny: Path, share: float) -> None:
    data = tiny.read_bytes()
    tiny.write_bytes(data[: max(5, int(len(data) * share))])
    with pytest.raises(ModelFileError, match="cut off"):
        preflight(tiny, 512, GIB)


def test_absurd_counts_do_not_allocate(tiny: Path) -> None:
    with pytest.raises(ModelFileError, match="damaged"):
        preflight(bytes_at(tiny, [(8, struct.pack("<Q", 2**63))]), 512, GIB)


def test_absurd_number_of_layers_does_not_allocate(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="how many layers"):
        preflight(write_llama(tmp_path / "deep.gguf", claimed_layers=2**31), 512, GIB)


def test_unknown_architecture_is_named(tmp_path: Path) -> None:
    made = write_llama(tmp_path / "odd.gguf", architecture="nosuch")
    with pytest.raises(ModelFileError, match='unknown architecture \\("nosuch"\\)'):
        preflight(made, 512, GIB)


def test_embedding_model_cannot_chat(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="embedding model"):
        preflight(write_llama(tmp_path / "bert.gguf", architecture="bert"), 512, GIB)


def test_tensor_past_the_end_of_the_file_is_found(tiny: Path) -> None:
    header = read_header(tiny)
    last = max(header.tensors, key=lambda tensor: tensor.offset)
    data = tiny.read_bytes()
    at = data.index(struct.pack("<Q", last.offset), data.index(last.name.encode()))
    with pytest.raises(ModelFileError, match="MiB are missing"):
        preflight(bytes_at(tiny, [(at, struct.pack("<Q", last.offset + 2**24))]), 512, GIB)


def test_unknown_tensor_type_is_refused(tiny: Path) -> None:
    data = tiny.read_bytes()
    name = b"output_norm.weight"
    at = data.index(name) + len(name) + 4 + 8
    with pytest.raises(ModelFileError, match="unknown type \\(999\\)"):
        preflight(bytes_at(tiny, [(at, struct.pack("<I", 999))]), 512, GIB)


def test_model_that_does_not_fit_names_the_context_that_would() -> None:
    model = bundled_model()
    needed = preflight(model, 8192, 4 * GIB).needed_bytes
    with pytest.raises(ModelMemoryError, match=r"needs about 0\.\d GB .* set the context to (\d+) tokens") as caught:
        preflight(model, 8192, needed - 2**20)
    fitting = int(caught.value.sentence.split("set the context to ")[1].split()[0])
    assert preflight(model, fitting, needed - 2**20).context_tokens == fitting


def test_model_that_never_fits_asks_for_a_smaller_one() -> None:
    with pytest.raises(ModelMemoryError, match="choose a smaller model"):
        preflight(bundled_model(), 4096, 10 * 2**20)


def test_kv_cache_of_per_layer_heads_is_summed(tiny: Path) -> None:
    header = read_header(tiny)
    per_layer = dict(header.metadata) | {"llama.attention.head_count_kv": (1, 0, 2), "llama.block_count": 3}
    changed = type(header)(3, per_layer, header.array_lengths, header.tensors, header.data_offset, header.file_bytes)
    assert kv_cache_bytes(changed, "llama", 256) == 256 * 3 * (64 + 64) * 2
