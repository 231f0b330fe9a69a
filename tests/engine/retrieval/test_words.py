"""What two sentences can share."""

import pytest

from engine.retrieval.words import is_negated, mask_markers, read_words, stem


@pytest.mark.parametrize(
    "forms",
    [
        ("warranty", "warranties", "Warranty's"),
        ("cover", "covers", "covered", "covering"),
        ("include", "includes", "included", "including"),
        ("stop", "stops", "stopped", "stopping"),
        ("box", "boxes"),
        ("café", "cafe", "Cafés"),
        ("process", "processes", "processed"),
    ],
)
def test_forms_of_a_word_share_a_stem(forms: tuple[str, ...]) -> None:
    assert len({stem(form) for form in forms}) == 1


@pytest.mark.parametrize(("left", "right"), [("status", "state"), ("gas", "gall"), ("red", "reed"), ("thing", "the")])
def test_other_words_keep_other_stems(left: str, right: str) -> None:
    assert stem(left) != stem(right)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("24 months", [("24", "month")]),
        ("twenty-four months", [("24", "month")]),
        ("a 24-month term", [("24", "month")]),
        ("12 to 24 months", [("12", "month"), ("24", "month")]),
        ("1,234.50", [("1234.5", "")]),
        ("1.234,50 Euro", [("1234.5", "euro")]),
        ("€5", [("5", "euro")]),
        ("5 million dollars", [("5000000", "dollar")]),
        ("12.5 million", [("12500000", "")]),
        ("15 %", [("15", "percent")]),
        ("15 percent", [("15", "percent")]),
        ("16GB", [("16", "gb")]),
        ("the 3rd day", [("3", "day")]),
        ("at 10:30", [("10:30", "")]),
        ("v3.10.2", []),
        ("24か月", [("24", "か月")]),
        ("7月", [("7", "月")]),
        ("２４か月", [("24", "か月")]),
        ("zwei Jahre, 3 Stunden", [("3", "hour")]),
        ("2024-03-05", [("2024", ""), ("5", "")]),
        ("see [3] and 【4†source】", []),
        ("Step 2: wait", []),
    ],
)
def test_numbers_are_read_with_their_units(text: str, expected: list[tuple[str, str]]) -> None:
    assert [(word.key, word.unit) for word in read_words(text) if word.kind == "number"] == expected


def test_names_are_told_from_the_first_word() -> None:
    kinds = {word.key: word.kind for word in read_words("Contact Maria Keller about USB ports")}
    assert kinds == {"contact": "word", "maria": "name", "keller": "name", "usb": "name", "port": "word"}


def test_words_that_only_serve_grammar_are_left_out() -> None:
    assert read_words("According to the document, it is what they said to us.") == read_words("said")


def test_text_without_spaces_becomes_pairs_of_characters() -> None:
    words = read_words("保証期間は")
    assert [word.key for word in words] == ["保証", "証期", "期間", "間は"]
    assert words[0].weight > words[3].weight


@pytest.mark.parametrize("marker", ["[1]", "[1, 2]", "[^3]", "[Source 2]", "【1】", "(source: 4)", "[2-4]"])
def test_markers_are_blanked_and_offsets_kept(marker: str) -> None:
    text = f"24 months {marker}. More"
    assert mask_markers(text) == text.replace(marker, " " * len(marker))


@pytest.mark.parametrize("text", ["[link](x)", "[1](http://x)", "list[0:2]", "[a]", "(2024)"])
def test_other_brackets_stay(text: str) -> None:
    assert mask_markers(text) == text


@pytest.mark.parametrize("text", ["It does not", "It doesn’t", "never", "ohne", "対象にならない", "excluding tax"])
def test_negation_is_seen(text: str) -> None:
    assert is_negated(text)


@pytest.mark.parametrize("text", ["It does", "notable", "annotated", "know"])
def test_no_negation_is_invented(text: str) -> None:
    assert not is_negated(text)
