"""How well a model answers with the right passage given: exact match, F1, and whether the answer is contained."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from engine.bench.answers import right_answer
from engine.errors import HolaError
from engine.llm.client import LanguageModel
from engine.llm.gguf_header import read_header
from engine.llm.preflight import BRIEF_KEY
from engine.llm.protocol import MOST_DRAFTED, Generated, LoadModel, TextDelta
from engine.lobi.examples import Grounded, grounded_chat, held_out_share, read_grounded
from engine.messages import ChatMessage, Sampling
from engine.prompting import GROUNDED, GROUNDED_BRIEFLY

__all__ = ["held_out", "run"]

MOST_TOKENS = 64
CONTEXT = 2048
GREEDY = Sampling(temperature=0.0)


def held_out(files: Sequence[Path], limit: int | None = None) -> list[Grounded]:
    """Return questions whose passages Lo-Bi's training never sees and whose answers are words of the passage.

    In an order that depends on the questions alone. Raises HolaError if there are none.
    """
    found = [
        one
        for one in read_grounded(files)
        if one.is_held_out and not one.is_choice and any(answer in one.passage for answer in one.answers)
    ]
    if not found:
        raise HolaError("These files hold no questions on passages that were kept from training: give others.")
    return sorted(found, key=lambda one: held_out_share(one.question))[:limit]


def run(
    models: Sequence[Path],
    files: Sequence[Path],
    *,
    limit: int | None = None,
    draft: Path | None = None,
    threads: int = 0,
) -> Any:
    """Answer held-out questions greedily, each model in Hola's own prompt, question by question in turn.

    Returns:
        For each model, by file name: `em`, `f1`, `contains` (means over questions), `tokens` per answer and, with a
        draft model (for the last of the models), `drafted` and `accepted` tokens; and `questions`.
    """
    asked = held_out(files, limit)
    found: dict[str, Any] = {"questions": len(asked)}
    for number, path in enumerate(models):
        own = draft if number == len(models) - 1 else None
        with closing(LanguageModel(LoadModel(path, CONTEXT, threads), None, partial(_the, own))) as model:
            model.start()
            while not model.wait(1.0):
                continue
            is_brief = read_header(path).metadata.get(BRIEF_KEY) is True
            said = [_answer(model, one, is_brief) for one in asked]
        scores = np.array([right_answer(text, one.answers) for (text, _), one in zip(said, asked, strict=True)])
        found[path.name] = {
            **dict(zip(("em", "f1", "contains"), scores.mean(0).tolist(), strict=True)),
            "tokens": float(np.mean([end.completion_tokens for _, end in said])),
            "drafted": sum(end.drafted for _, end in said),
            "accepted": sum(end.accepted for _, end in said),
        }
    return found


def _the(draft: Path | None) -> Path | None:
    return draft


def _answer(model: LanguageModel, one: Grounded, is_brief: bool) -> tuple[str, Generated]:
    messages = grounded_chat(one.question, [one.passage])
    if not is_brief:
        text = messages[-1].content.replace(GROUNDED_BRIEFLY, GROUNDED)
        messages = (*messages[:-1], ChatMessage("user", text))
    text = ""
    for event in model.generate(messages, GREEDY, MOST_TOKENS, MOST_DRAFTED):
        if isinstance(event, TextDelta):
            text += event.text
        elif isinstance(event, Generated):
            return text.strip(), event
    raise HolaError("The model gave no answer: start again.")
