"""A draft is paired by what its file says, and every refusal is a sentence."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from engine.llm.gguf_header import Vocabulary, read_vocabulary
from engine.llm.pairing import MOST_WEIGHTS_SHARE, Candidate, Pairing, Verdict, choose_draft, compatible
from tests.gguf_builder import byte_vocabulary, write_llama


def vocabulary(tokens: Sequence[str], kind: str = "gpt2", bos: int = 1, eos: int = 2) -> Vocabulary:
    texts = [token.encode() for token in tokens]
    table = b"".join(struct.pack("<Q", len(text)) + text for text in texts)
    return Vocabulary(kind, "pre", bos, eos, None, len(texts), table)


WORDS = [f"word {number}" for number in range(500)]
ORDINARY = vocabulary(WORDS)


def model(name: str, weights_bytes: int, words: Vocabulary = ORDINARY, *, draft_of: str = "") -> Candidate:
    return Candidate(Path("/models") / name, name, weights_bytes, words, general_name="Same Name", draft_of=draft_of)


TARGET = model("target", 1000)


def reasons(pairing: Pairing) -> dict[str, str]:
    return {verdict.name: verdict.reason for verdict in pairing.verdicts}


def is_sentence(text: str) -> bool:
    return text[:1].isupper() and text.endswith(".") and "\n" not in text


# ---------------------------------------------------------------- compatible


def test_a_vocabulary_is_compatible_with_itself() -> None:
    assert compatible(ORDINARY, vocabulary(WORDS)) == ""


@pytest.mark.parametrize("smaller_is_draft", [True, False])
def test_sizes_may_differ_by_128_tokens(smaller_is_draft: bool) -> None:
    pair = (ORDINARY, vocabulary(WORDS[:-128]))
    assert compatible(*(pair if smaller_is_draft else reversed(pair))) == ""


@pytest.mark.parametrize("smaller_is_draft", [True, False])
def test_sizes_may_not_differ_by_129_tokens(smaller_is_draft: bool) -> None:
    pair = (ORDINARY, vocabulary(WORDS[:-129]))
    reason = compatible(*(pair if smaller_is_draft else reversed(pair)))
    assert is_sentence(reason)
    assert "500" in reason
    assert "371" in reason


def test_other_type_of_tokenizer_is_refused() -> None:
    reason = compatible(ORDINARY, vocabulary(WORDS, kind="llama"))
    assert reason == "Its tokenizer is of another type (llama; the target's is gpt2)."


def test_other_beginning_of_a_text_is_refused() -> None:
    reason = compatible(ORDINARY, vocabulary(WORDS, bos=7))
    assert reason == "It marks the beginning of a text by token 7, the target by token 1."


def test_other_end_of_a_text_is_refused() -> None:
    reason = compatible(ORDINARY, vocabulary(WORDS, eos=0))
    assert reason == "It marks the end of a text by token 0, the target by token 2."


def test_what_a_file_leaves_unsaid_is_no_objection() -> None:
    assert compatible(ORDINARY, vocabulary(WORDS, bos=-1, eos=-1)) == ""
    assert compatible(vocabulary(WORDS, bos=-1, eos=-1), ORDINARY) == ""
    assert compatible(ORDINARY, replace(ORDINARY, add_bos=True)) == ""


@pytest.mark.parametrize("draft_adds", [True, False])
def test_beginning_that_only_one_adds_is_refused(draft_adds: bool) -> None:
    target, draft = replace(ORDINARY, add_bos=not draft_adds), replace(ORDINARY, add_bos=draft_adds)
    assert is_sentence(compatible(target, draft))


def test_cutting_before_bpe_does_not_matter() -> None:
    assert compatible(ORDINARY, replace(ORDINARY, pre="default")) == ""


@pytest.mark.parametrize("number", [0, 4, 499])
def test_token_of_another_text_is_named(number: int) -> None:
    words = [*WORDS[:number], "other", *WORDS[number + 1 :]]
    reason = compatible(ORDINARY, vocabulary(words))
    assert reason == f'Token {number} is "other", and the target\'s is "word {number}".'


def test_different_token_is_found_where_the_sizes_differ_too() -> None:
    words = [*WORDS[:300], "other", *WORDS[301:400]]
    assert compatible(ORDINARY, vocabulary(words)).startswith('Token 300 is "other"')


def test_tokens_cut_elsewhere_are_not_taken_for_equal() -> None:
    assert compatible(vocabulary(["ab", "c"]), vocabulary(["a", "bc"])).startswith("Token 0 ")


def test_token_from_a_file_cannot_drive_the_terminal_or_flood_it() -> None:
    reason = compatible(ORDINARY, vocabulary(["\x1b[2J\n" + "x" * 10_000, *WORDS[1:]]))
    assert is_sentence(reason)
    assert "\x1b" not in reason
    assert len(reason) < 120


# ---------------------------------------------------------------- choose_draft


def test_the_smallest_that_fits_drafts() -> None:
    pairing = choose_draft(TARGET, [model("middle", 300), model("small", 80), model("medium", 200)])
    assert pairing.draft == Path("/models/small")
    assert pairing.reason == "It has a matching vocabulary and 8.0% of the target's weights."
    assert [verdict.name for verdict in pairing.verdicts if verdict.chosen] == ["small"]
    assert "small is as small or smaller" in reasons(pairing)["middle"]


def test_draft_may_weigh_its_share_and_no_more() -> None:
    most = int(1000 * MOST_WEIGHTS_SHARE)
    assert choose_draft(TARGET, [model("just", most)]).draft == Path("/models/just")
    pairing = choose_draft(TARGET, [model("over", most + 1)])
    assert pairing.draft is None
    assert pairing.reason == "over: It is too large to pay: 40.1% of the target's weights, 40% at most."


@pytest.mark.parametrize(("weight", "word"), [(1000, "not smaller"), (5000, "larger")])
def test_draft_as_large_as_its_target_is_refused(weight: int, word: str) -> None:
    assert word in choose_draft(TARGET, [model("big", weight)]).reason


def test_other_vocabulary_is_refused_with_its_reason() -> None:
    other = vocabulary(["other", *WORDS[1:]])
    pairing = choose_draft(TARGET, [model("small", 10, other), model("fitting", 200)])
    assert pairing.draft == Path("/models/fitting")
    assert reasons(pairing)["small"].startswith('Token 0 is "other"')


def test_draft_made_by_lo_bi_comes_first_though_it_weighs_more() -> None:
    made = model("made", 600, draft_of="Same Name")
    pairing = choose_draft(TARGET, [model("small", 80), made])
    assert pairing.draft == Path("/models/made")
    assert "Lo-Bi" in pairing.reason
    assert "made was made from the target" in reasons(pairing)["small"]


def test_draft_made_of_another_model_has_no_precedence() -> None:
    pairing = choose_draft(TARGET, [model("small", 80), model("made", 90, draft_of="Another")])
    assert pairing.draft == Path("/models/small")
    assert choose_draft(TARGET, [model("made", 600, draft_of="Another")]).draft is None


def test_target_without_a_name_has_no_draft_made_of_it() -> None:
    nameless = replace(TARGET, general_name="")
    assert choose_draft(nameless, [model("other", 600)]).draft is None


def test_draft_made_by_lo_bi_must_still_be_compatible() -> None:
    made = model("made", 100, vocabulary(WORDS, kind="llama"), draft_of="Same Name")
    assert choose_draft(TARGET, [made]).draft is None


def test_a_model_does_not_draft_for_itself() -> None:
    pairing = choose_draft(TARGET, [TARGET])
    assert pairing == Pairing(None, "No other model is installed.")


def test_models_of_equal_names_are_told_apart_by_their_paths() -> None:
    twins = [replace(model("twin", weight), path=Path(f"/models/{weight}/twin")) for weight in (300, 100)]
    pairing = choose_draft(TARGET, twins)
    assert pairing.draft == Path("/models/100/twin")
    assert [verdict.chosen for verdict in pairing.verdicts] == [False, True]


def test_the_order_of_equals_does_not_matter() -> None:
    equals = [model("b", 100), model("a", 100)]
    assert choose_draft(TARGET, equals).draft == choose_draft(TARGET, equals[::-1]).draft == Path("/models/a")


def test_every_candidate_gets_a_sentence() -> None:
    ruled_out = Verdict(Path("/models/broken"), "broken", "It is damaged.")
    candidates = [model("big", 900), model("other", 10, vocabulary(["x"])), model("equal", 1000)]
    pairing = choose_draft(TARGET, candidates, [ruled_out])
    assert list(reasons(pairing)) == ["big", "other", "equal", "broken"]
    assert all(is_sentence(reason) for reason in reasons(pairing).values())
    assert pairing.reason == "None of the 4 other models can draft for it."


def test_vocabularies_of_files_are_compared(tmp_path: Path) -> None:
    tokens = byte_vocabulary()
    target = read_vocabulary(write_llama(tmp_path / "Modèle cible.gguf"))
    same = read_vocabulary(write_llama(tmp_path / "same words.gguf", layers=2, name="Other"))
    shorter = read_vocabulary(write_llama(tmp_path / "kürzer.gguf", vocabulary=tokens[:-128]))
    short = read_vocabulary(write_llama(tmp_path / "zu kurz.gguf", vocabulary=tokens[:-129]))
    changed = read_vocabulary(write_llama(tmp_path / "anders.gguf", vocabulary=["§§", *tokens[1:]]))
    assert compatible(target, same) == compatible(target, shorter) == ""
    assert "differ by 128" in compatible(target, short)
    assert compatible(target, changed).startswith('Token 0 is "§§"')
    other_end = read_vocabulary(write_llama(tmp_path / "end.gguf", eos=3))
    assert "the end of a text by token 3" in compatible(target, other_end)
    other_kind = read_vocabulary(write_llama(tmp_path / "kind.gguf", tokenizer="llama"))
    assert "another type" in compatible(target, other_kind)
