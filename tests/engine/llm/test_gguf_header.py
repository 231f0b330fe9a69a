"""The vocabulary is read whole and within bounds; what the header reader says besides, test_preflight.py tests."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from engine.config import bundled_model
from engine.errors import ModelFileError
from engine.llm import gguf_header
from engine.llm.gguf_header import read_header, read_vocabulary
from tests.gguf_builder import END, byte_vocabulary, bytes_at, write_llama


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_llama(tmp_path / "tiny model ü.gguf")


def at_value(path: Path, key: bytes) -> int:
    """Where the type of a key's value stands in the file."""
    return path.read_bytes().index(struct.pack("<Q", len(key)) + key) + 8 + len(key)


def test_vocabulary_agrees_with_the_reference_reader() -> None:
    import gguf

    ours = read_vocabulary(bundled_model())
    reference = gguf.GGUFReader(bundled_model()).fields["tokenizer.ggml.tokens"].contents()
    assert list(ours.tokens()) == [token.encode() for token in reference]
    assert (ours.kind, ours.pre, ours.bos, ours.eos, ours.add_bos) == ("gpt2", "smollm", 1, 2, False)


def test_short_vocabulary_is_read_too(tiny: Path) -> None:
    vocabulary = read_vocabulary(tiny)
    assert [token.decode() for token in vocabulary.tokens()] == byte_vocabulary()
    assert (vocabulary.size, vocabulary.bos, vocabulary.eos) == (len(byte_vocabulary()), END, END)


def test_vocabulary_longer_than_what_the_header_keeps_is_read(tmp_path: Path) -> None:
    tokens = [f"token {number} é" for number in range(2000)]
    # The embedding has a column for each token up to 320: only the header of this file is of use.
    path = write_header(tmp_path / "long.gguf", tokens)
    assert [token.decode() for token in read_vocabulary(path).tokens()] == tokens
    assert "tokenizer.ggml.tokens" not in read_header(path).metadata


def test_unstated_tokens_are_marked(tmp_path: Path) -> None:
    vocabulary = read_vocabulary(write_header(tmp_path / "bare.gguf", ["a"]))
    assert (vocabulary.bos, vocabulary.eos, vocabulary.add_bos, vocabulary.pre) == (-1, -1, None, "")


def test_token_id_of_another_type_counts_as_unstated(tiny: Path) -> None:
    at = at_value(tiny, b"tokenizer.ggml.bos_token_id")
    assert read_vocabulary(bytes_at(tiny, [(at, struct.pack("<I", 6))])).bos == -1


def test_file_without_a_vocabulary_says_so(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"none\.gguf holds no vocabulary"):
        read_vocabulary(write_header(tmp_path / "none.gguf", None))


@pytest.mark.parametrize("share", [0.0001, 0.0004, 0.001])
def test_truncated_vocabulary_is_cut_off(tiny: Path, share: float) -> None:
    data = tiny.read_bytes()
    tiny.write_bytes(data[: max(5, int(len(data) * share))])
    with pytest.raises(ModelFileError, match="cut off"):
        read_vocabulary(tiny)


def test_long_list_that_ends_with_the_file_is_cut_off(tmp_path: Path) -> None:
    path = write_header(tmp_path / "long.gguf", [f"token {number}" for number in range(2000)])
    path.write_bytes(path.read_bytes()[:10_000])
    for read in (read_header, read_vocabulary):
        with pytest.raises(ModelFileError, match="cut off"):
            read(path)


def test_absurd_length_of_a_token_is_damage(tmp_path: Path) -> None:
    path = write_header(tmp_path / "long.gguf", [f"token {number}" for number in range(2000)])
    at = path.read_bytes().index(b"token 1500") - 8
    with pytest.raises(ModelFileError, match="damaged"):
        read_vocabulary(bytes_at(path, [(at, struct.pack("<Q", 2**63))]))


def test_absurd_number_of_tokens_is_damage(tiny: Path) -> None:
    at = at_value(tiny, b"tokenizer.ggml.tokens") + 8
    with pytest.raises(ModelFileError, match="damaged"):
        read_vocabulary(bytes_at(tiny, [(at, struct.pack("<Q", 2**40))]))


def test_vocabulary_beyond_the_bounds_is_not_kept(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = len(read_vocabulary(tiny).table)
    monkeypatch.setattr(gguf_header, "MAX_TOKEN_TABLE_BYTES", size - 1)
    with pytest.raises(ModelFileError, match="damaged"):
        read_vocabulary(tiny)
    monkeypatch.setattr(gguf_header, "MAX_TOKEN_TABLE_BYTES", size)
    monkeypatch.setattr(gguf_header, "MAX_TOKENS", len(byte_vocabulary()) - 1)
    with pytest.raises(ModelFileError, match="damaged"):
        read_vocabulary(tiny)


def test_key_that_comes_twice_is_damage(tmp_path: Path) -> None:
    # Two lists under one key could disagree in length: then the table would be read past its end.
    path = write_header(tmp_path / "twice.gguf", ["a"], tokens_key="tokenizer.ggml.scores")
    data = path.read_bytes().replace(b"tokenizer.ggml.scores", b"tokenizer.ggml.tokens")
    path.write_bytes(data.replace(b"tokenizer.ggml.xxxxxx", b"tokenizer.ggml.tokens"))
    with pytest.raises(ModelFileError, match="damaged"):
        read_vocabulary(path)


def write_header(path: Path, tokens: list[str] | None, tokens_key: str = "tokenizer.ggml.tokens") -> Path:
    """Write a GGUF file of two or three keys and no tensors."""

    def string(text: str) -> bytes:
        return struct.pack("<Q", len(text.encode())) + text.encode()

    entries = [string("tokenizer.ggml.model") + struct.pack("<I", 8) + string("gpt2")]
    if tokens is not None:
        items = b"".join(string(token) for token in tokens)
        entries.append(string(tokens_key) + struct.pack("<IIQ", 9, 8, len(tokens)) + items)
    if tokens_key != "tokenizer.ggml.tokens":
        entries.append(string("tokenizer.ggml.xxxxxx") + struct.pack("<IIQ", 9, 4, 3) + bytes(12))
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, len(entries)) + b"".join(entries) + bytes(64))
    return path
