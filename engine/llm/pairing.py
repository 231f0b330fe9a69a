"""Choose the draft model of a model: tier 1 of Hierarchical Speculative Decoding (HSD) pairs by itself.

A draft model proposes token ids, so its ids have to stand for the same text as the target's. Verification
keeps the answer right whatever is drafted; the rules here only keep out drafts that can't be of use. A draft
whose vocabulary is larger or smaller by a few tokens passes: whoever drafts leaves out ids that one side lacks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.llm.gguf_header import UNSTATED, Vocabulary

__all__ = [
    "DRAFT_OF_KEY",
    "MOST_SIZE_DIFFERENCE",
    "MOST_WEIGHTS_SHARE",
    "Candidate",
    "Pairing",
    "Verdict",
    "choose_draft",
    "compatible",
]

MOST_SIZE_DIFFERENCE = 128
"""Tokens by which two vocabularies may differ in size, as in llama.cpp's speculative.cpp: padding and additions."""

MOST_WEIGHTS_SHARE = 0.4
"""Bytes of the draft's weights by those of the target's, at most.

A decode step costs what reading the weights costs, so the share is the draft's cost c in target steps. Drafting
one token gives 1 + a tokens (a: acceptance rate) for C(2) + c; with a = 0.7 and a cheap C(2) = 1.3 it gains while
c < 0.4. A generous bound: the measured cost model is stricter where a machine calls for it.
"""

DRAFT_OF_KEY = "hola.draft_of"
"""Metadata key (string) of a draft made by Lo-Bi: the target's `general.name`. It stands in the GGUF file itself,
so that it survives renaming and copying, and holds for every quantization of the target."""

SHOWN_CHARACTERS = 24


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that may draft or be drafted for."""

    path: Path
    name: str
    """What people call it."""
    weights_bytes: int
    vocabulary: Vocabulary
    general_name: str = ""
    """`general.name` of its metadata."""
    draft_of: str = ""
    """`general.name` of the model for which Lo-Bi made it; empty for others."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one candidate."""

    path: Path
    name: str
    reason: str
    """Why it drafts or does not: one sentence."""
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class Pairing:
    """Which model drafts for a target, and why."""

    draft: Path | None
    reason: str
    """Why this one, or why none: one sentence."""
    verdicts: tuple[Verdict, ...] = ()
    """One for each candidate, in the order given, then those that were ruled out before."""
    memory_mb: float = 0.0
    """Memory that the draft takes beside the target, in MiB, as estimated; 0 without a draft or an estimate."""


def compatible(target: Vocabulary, draft: Vocabulary) -> str:
    """Return "" if the ids of the draft stand for the target's text, else why not, in one sentence.

    The rules are those of llama.cpp (common/speculative.cpp), but every token is compared, the first five
    too. What a file leaves unsaid is no objection.
    """
    if draft.kind != target.kind:
        return f"Its tokenizer is of another type ({_shown(draft.kind)}; the target's is {_shown(target.kind)})."
    for what, own, other in (("beginning", draft.bos, target.bos), ("end", draft.eos, target.eos)):
        if UNSTATED not in (own, other) and own != other:
            return f"It marks the {what} of a text by token {own}, the target by token {other}."
    if None not in (draft.add_bos, target.add_bos) and draft.add_bos != target.add_bos:
        whose = "its texts begin" if draft.add_bos else "the target's texts begin"
        return f"Only {whose} with a token of their own (BOS)."
    if abs(draft.size - target.size) > MOST_SIZE_DIFFERENCE:
        return (
            f"Its vocabulary has {draft.size:,} tokens, the target's {target.size:,}: "
            f"they may differ by {MOST_SIZE_DIFFERENCE}."
        )
    return _difference(target, draft)


def _difference(target: Vocabulary, draft: Vocabulary) -> str:
    short, long = sorted((target, draft), key=lambda one: one.size)
    # Each length stands before its text, so equal tokens and equal bytes are the same thing.
    if long.table.startswith(short.table):
        return ""
    for number, (own, other) in enumerate(zip(draft.tokens(), target.tokens(), strict=False)):
        if own != other:
            return f"Token {number} is {_quoted(own)}, and the target's is {_quoted(other)}."
    return ""


def choose_draft(target: Candidate, candidates: Sequence[Candidate], ruled_out: Sequence[Verdict] = ()) -> Pairing:
    """Choose the draft of a target among other models, and say of each why.

    Models that can't be loaded at all are no candidates; `ruled_out` says so of each.

    A draft that Lo-Bi made of the target comes first. Among others the smallest wins: on a CPU every draft
    step delays the answer for certain, while a larger draft is only a little more often right (the latency of
    the draft decides more than its skill: Yan et al., arXiv 2402.01528). The measured cost model decides at run time
    whether it drafts at all.
    """
    others = [one for one in candidates if one.path != target.path]
    refusals = {one.path: _refusal(target, one) for one in others}
    fitting = [one for one in others if not refusals[one.path]]
    chosen = min(fitting, key=lambda one: (not _made_for(target, one), one.weights_bytes, str(one.path)), default=None)
    verdicts = tuple(
        Verdict(one.path, one.name, refusals[one.path] or _place(target, one, chosen or one), one is chosen)
        for one in others
    ) + tuple(ruled_out)
    if chosen is None:
        return Pairing(None, _why_none(verdicts), verdicts)
    return Pairing(chosen.path, _place(target, chosen, chosen), verdicts)


def _made_for(target: Candidate, one: Candidate) -> bool:
    return bool(one.draft_of) and one.draft_of == target.general_name


def _refusal(target: Candidate, one: Candidate) -> str:
    """Say why a candidate can't draft; a Lo-Bi draft may weigh more, since it is right more often."""
    share = one.weights_bytes / max(1, target.weights_bytes)
    if share >= 1.0:
        return "It is not smaller than the target." if share < 1.005 else "It is larger than the target."
    if share > MOST_WEIGHTS_SHARE and not _made_for(target, one):
        return f"It is too large to pay: {share:.1%} of the target's weights, {MOST_WEIGHTS_SHARE:.0%} at most."
    return compatible(target.vocabulary, one.vocabulary)


def _place(target: Candidate, one: Candidate, chosen: Candidate) -> str:
    share = f"{one.weights_bytes / max(1, target.weights_bytes):.1%} of the target's weights"
    if one is chosen:
        if _made_for(target, one):
            return f"Lo-Bi made it from the target, and it has {share}."
        return f"It has a matching vocabulary and {share}."
    if _made_for(target, chosen) and not _made_for(target, one):
        return f"It would do, but {chosen.name} was made from the target."
    return f"It would do ({share}), but {chosen.name} is as small or smaller."


def _why_none(verdicts: Sequence[Verdict]) -> str:
    if not verdicts:
        return "No other model is installed."
    if len(verdicts) == 1:
        return f"{verdicts[0].name}: {verdicts[0].reason}"
    return f"None of the {len(verdicts)} other models can draft for it."


def _quoted(token: bytes) -> str:
    return f'"{_shown(token.decode("utf-8", "replace"))}"'


def _shown(text: str) -> str:
    """Return text from a file as one short printable run."""
    cut = text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"
    return "".join(letter if letter.isprintable() else "�" for letter in cut)
