"""Where sentences end, in prose, Markdown and languages without spaces."""

import random
from itertools import pairwise

import pytest

from engine.retrieval.sentences import MAX_SENTENCE, split_sentences


def pieces(text: str) -> list[str]:
    return [text[span.start : span.end] for span in split_sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n\n ", []),
        ("...", []),
        ("One", ["One"]),
        ("One. Two! Three? Four…", ["One.", "Two!", "Three?", "Four…"]),
        ("Really?! Yes.", ["Really?!", "Yes."]),
        ("Dr. Smith met Mr. Jones. They left.", ["Dr. Smith met Mr. Jones.", "They left."]),
        ("It cost 3.50 euros. Cheap.", ["It cost 3.50 euros.", "Cheap."]),
        ("Use version 2.0.1 of it. Then start.", ["Use version 2.0.1 of it.", "Then start."]),
        ("By J. K. Rowling. It sold well.", ["By J. K. Rowling.", "It sold well."]),
        ("The U.S. Army won. In the U.S. The law differs.", ["The U.S. Army won.", "In the U.S.", "The law differs."]),
        ("See Fig. 3 and p. 12. Done.", ["See Fig. 3 and p. 12.", "Done."]),
        ("Apples, pears, etc. are fruit. Eat them.", ["Apples, pears, etc. are fruit.", "Eat them."]),
        ("Founded by Acme Inc. The firm grew.", ["Founded by Acme Inc.", "The firm grew."]),
        ("Open at 9 a.m. daily. Closed on Monday.", ["Open at 9 a.m. daily.", "Closed on Monday."]),
        ("The answer is no. The end.", ["The answer is no.", "The end."]),
        ('He said "Go." She went.', ['He said "Go."', "She went."]),
        ("It ended in 1990. The rest followed.", ["It ended in 1990.", "The rest followed."]),
        ("Am 3. Mai z. B. war Messe. Sie endete.", ["Am 3. Mai z. B. war Messe.", "Sie endete."]),
        (
            "保証は24か月です。修理は無料！本当？「はい。」次",
            ["保証は24か月です。", "修理は無料！", "本当？", "「はい。」", "次"],
        ),
        ("公司成立于1987年。总部在上海。", ["公司成立于1987年。", "总部在上海。"]),
        ("wrapped in\nthe middle. Next", ["wrapped in\nthe middle.", "Next"]),
        ("First paragraph\n\nSecond paragraph", ["First paragraph", "Second paragraph"]),
        ("- one\n- two. Three\n* four", ["one", "two.", "Three", "four"]),
        ("1. one\n2) two\n(3) three\na) four", ["one", "two", "three", "four"]),
        ("- [x] done\n- [ ] open", ["done", "open"]),
        ("> quoted. text\n> more", ["quoted. text", "more"]),
        ("# Title\ntext. More", ["Title", "text.", "More"]),
        ("above\n\n---\n\nbelow", ["above", "below"]),
        ("| a | b |\n|---|:-:|\n| c | d |", ["| a | b |", "| c | d |"]),
        ("**Bold claim.** Then *more.* End", ["**Bold claim.**", "Then *more.*", "End"]),
        ("Call x.\n```\na = 1. b\n```\nDone.", ["Call x.", "```\na = 1. b\n```", "Done."]),
        ("~~~python\nx\n```\ny\n~~~", ["~~~python\nx\n```\ny\n~~~"]),
        ("Before\n```\nstill open. Code", ["Before", "```\nstill open. Code"]),
    ],
)
def test_text_is_split(text: str, expected: list[str]) -> None:
    assert pieces(text) == expected


def test_kinds_are_told_apart() -> None:
    spans = split_sentences("## Head\nprose.\n```\ncode\n```")
    assert [span.kind for span in spans] == ["heading", "sentence", "code"]


@pytest.mark.parametrize("separator", [" ", ", ", "; ", "\n", ""])
def test_overlong_sentences_are_cut_without_loss(separator: str) -> None:
    text = separator.join(f"word{number}" for number in range(400))
    spans = split_sentences(text)
    assert len(spans) > 3
    assert all(span.end - span.start <= MAX_SENTENCE for span in spans)
    assert "".join("".join(pieces(text)).split()) == "".join(text.split())


@pytest.mark.parametrize("seed", range(100))
def test_spans_are_ordered_and_lose_no_words(seed: int) -> None:
    random_ = random.Random(seed)
    parts = [
        "word ",
        "Word",
        ". ",
        "!",
        "\n",
        "\n\n",
        "- ",
        "# ",
        "```\n",
        "3.5 ",
        "。",
        "日本",
        "> ",
        "| ",
        "e.g. ",
        '"',
        " ",
    ]
    text = "".join(random_.choices(parts, k=60))
    spans = split_sentences(text)
    assert all(text[span.start : span.end].strip() == text[span.start : span.end] != "" for span in spans)
    assert all(left.end <= right.start for left, right in pairwise(spans))
    covered = "".join(pieces(text))
    assert sum(map(str.isalpha, covered)) == sum(map(str.isalpha, text))
