"""Streaming never shows half a character or half a stop string."""

from __future__ import annotations

import pytest

from engine.llm.text_stream import TextStream


@pytest.mark.parametrize("text", ["naïve café", "日本語と漢字", "👩‍👩‍👧 family 🇯🇵", "Ελληνικά, русский, עברית"])
def test_bytes_one_by_one_give_whole_characters(text: str) -> None:
    stream = TextStream()
    pieces = [stream.feed(bytes([byte])) for byte in text.encode()]
    assert "".join(pieces) + stream.flush() == text
    assert "\ufffd" not in "".join(pieces)


def test_unfinished_character_at_the_end_is_dropped() -> None:
    stream = TextStream()
    assert stream.feed("a語".encode()[:3]) == "a"
    assert stream.flush() == ""


def test_stop_string_ends_the_text_before_it() -> None:
    stream = TextStream(("\nUser:",))
    assert stream.feed(b"Fine.\nUs") == "Fine."
    assert stream.feed(b"er: more") == ""
    assert stream.stopped
    assert stream.flush() == ""


def test_what_only_begins_like_a_stop_string_is_released() -> None:
    stream = TextStream(("\nUser:", "###"))
    shown = stream.feed(b"a\nUs") + stream.feed(b"eful #") + stream.feed(b"# b")
    assert shown + stream.flush() == "a\nUseful ## b"
    assert not stream.stopped


def test_earliest_of_several_stop_strings_wins() -> None:
    stream = TextStream(("zz", "b"))
    assert stream.feed(b"abczz") == "a"
