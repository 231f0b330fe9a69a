from __future__ import annotations

import pytest

from app.markdown import harmless, parse_blocks, with_chips
from engine.messages import Citation


def citation(number: int, end: int) -> Citation:
    return Citation(number, "/a.pdf", 1, "snippet", 0, 7, 0, end, 0.9)


def test_blocks_tell_where_they_begin() -> None:
    text = "One line.\n\n# Title\n\n- a\n- b\n\n```python\nx = 1\n```\n\nEnd"
    blocks = parse_blocks(text)
    assert [block.kind for block in blocks] == ["prose", "prose", "prose", "code", "prose"]
    assert [text[block.start :].split("\n", maxsplit=1)[0] for block in blocks] == [
        "One line.",
        "# Title",
        "- a",
        "```python",
        "End",
    ]


def test_a_fence_names_its_language_and_keeps_its_code() -> None:
    (block,) = parse_blocks("```python title=x\nif a:\n    b()\n```")
    assert (block.language, block.text) == ("python", "if a:\n    b()")


def test_an_open_fence_is_code_already() -> None:
    (block,) = parse_blocks("```\nfirst\nsec")
    assert (block.kind, block.text) == ("code", "first\nsec")


@pytest.mark.parametrize("text", ["<img src=x onerror=alert(1)>", "a <b>bold</b>", "<script>\nalert(1)\n</script>"])
def test_raw_html_is_never_a_token_of_its_own(text: str) -> None:
    kinds = {child.type for block in parse_blocks(text) for token in block.tokens for child in token.children or []}
    kinds |= {token.type for block in parse_blocks(text) for token in block.tokens}
    assert not any("html" in kind for kind in kinds)


def test_chips_stand_behind_their_sentences() -> None:
    answer = "First. Second.\n\nThird."
    assert with_chips(answer, [citation(1, 6), citation(2, 14), citation(1, 22)]) == "First.⸨1⸩ Second.⸨2⸩\n\nThird.⸨1⸩"


def test_two_chips_of_one_sentence_stand_in_their_order() -> None:
    assert with_chips("Both.", [citation(2, 5), citation(1, 5)]) == "Both.⸨1⸩⸨2⸩"


def test_a_chip_does_not_slip_into_the_next_line() -> None:
    assert with_chips("One.\n\nTwo.", [citation(1, 6)]) == "One.⸨1⸩\n\nTwo."


def test_a_chip_beyond_the_end_stands_at_the_end() -> None:
    assert with_chips("Cut", [citation(1, 99)]) == "Cut⸨1⸩"


def test_a_chip_behind_bold_text_leaves_it_bold() -> None:
    (block,) = parse_blocks(with_chips("It is **24 months.** Then more.", [citation(1, 20)]))
    kinds = [child.type for token in block.tokens for child in token.children or []]
    assert "strong_open" in kinds


def test_a_model_can_not_write_a_chip_of_its_own() -> None:
    text = "Look ⸨1⸩ here\r\nand there"
    safe = harmless(text)
    assert "⸨" not in safe
    assert "\r" not in safe
    assert len(safe) == len(text)
