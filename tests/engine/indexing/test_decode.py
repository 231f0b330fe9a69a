from __future__ import annotations

import codecs

import pytest

from engine.indexing.decode import clean, decode, is_text

GERMAN = "Grüße aus München. Die Straße führt über die Brücke, und der Käse schmeckt köstlich.\n" * 4
JAPANESE = "東京タワーは高さ三百三十三メートルの電波塔です。観光客が毎日たくさん訪れます。\n" * 6


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("text", [GERMAN, JAPANESE, "emoji 😀👍🏽 and more\n"])
def test_unicode_text_is_read_in_each_encoding(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)).removeprefix("\ufeff") == text


def test_text_of_older_systems_is_recognised() -> None:
    assert decode(GERMAN.encode("cp1252")) == GERMAN
    assert decode(JAPANESE.encode("shift_jis")) == JAPANESE


def test_big_endian_text_with_a_mark_is_read() -> None:
    assert decode(codecs.BOM_UTF16_BE + GERMAN.encode("utf-16-be")) == GERMAN


def test_bytes_of_no_encoding_give_text_and_no_error() -> None:
    assert isinstance(decode(bytes(range(128, 256)) * 40), str)


@pytest.mark.parametrize(
    ("head", "text"),
    [
        (b"plain words\n", True),
        (GERMAN.encode("cp1252"), True),
        (GERMAN.encode("utf-16"), True),
        (b"", True),
        (b"\x7fELF\x02\x01\x01\0\0\0", False),
        (bytes(range(1, 32)) * 20, False),
    ],
)
def test_text_is_told_from_data(head: bytes, text: bool) -> None:
    assert is_text(head) is text


def test_cleaning_gives_plain_line_ends_and_drops_what_shows_nothing() -> None:
    assert clean("a\r\nb\rc\fd\0e\ufefff\x0b") == "a\nb\nc\ndef"


def test_a_word_that_was_divided_at_the_end_of_a_line_is_joined() -> None:
    assert clean("exam\x02\r\nple and well\x02known") == "example and wellknown"
