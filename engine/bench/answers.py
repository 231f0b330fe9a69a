"""How good answers are and what they take: the whole pipeline against five passages and no review."""

from __future__ import annotations

import re
import string
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from engine.answering import ModelAnswer, Parts
from engine.bench.questions import Case, read_cases
from engine.config import DataPaths, EngineConfig
from engine.dialogue import Dialogues
from engine.errors import HolaError
from engine.history import History
from engine.library.client import Library
from engine.library.protocol import Search
from engine.llm.client import LanguageModel
from engine.llm.protocol import MOST_DRAFTED, LoadModel, TextDelta
from engine.messages import Finished, Question, Sampling, SentenceReview
from engine.prompting import compose
from engine.retrieving import ReadingSpeed
from engine.review import review

__all__ = ["exact_match", "f1", "right_answer", "run"]

GREEDY = Sampling(temperature=0.0)
MOST_DOCUMENTS = 1_000
"""Those of the questions, and others among which they have to be found."""
FIXED_PASSAGES = 5


@dataclass(frozen=True, slots=True)
class _Said:
    """An answer with what it took."""

    text: str
    sentences: tuple[SentenceReview, ...]
    is_refusal: bool
    seconds: float


def run(config: EngineConfig, data: Path, *, limit: int | None = None) -> dict[str, Any]:
    """Answer the questions of a file greedily, each in a chat of its own.

    Rows without answers can't be answered: refusing is right, anything else is wrong; where there are any, Hola is
    asked in the mode "documents only".

    Returns:
        For `hola` and `fixed_5`: `em` (exact match), `f1`, `contains` (a right answer stands in it), `refused`,
        `supported` (of the sentences that claim something) and `seconds` per question, all means; and `questions`.
    """
    cases = read_cases(data)
    asked = cases[:limit]
    with tempfile.TemporaryDirectory(prefix="hola-bench-", ignore_cleanup_errors=True) as folder:
        here = replace(config, data=DataPaths(Path(folder) / "data"))
        here.data.create()
        with closing(Library(here)) as library, closing(_model(here)) as model:
            _index(library, Path(folder) / "documents", asked, cases)
            history = History(here.data.chats)
            try:
                parts = Parts(model, library, history, here.settings, Dialogues(), ReadingSpeed())
                only = any(not case.answers for case in asked)
                hola, fixed = [], []
                # Interleaved, so that what else the machine does falls on both alike.
                for case in asked:
                    hola.append(_by_hola(parts, case, only))
                    fixed.append(_by_fixed_depth(parts, case))
            finally:
                history.close()
    return {"hola": _figures(asked, hola), "fixed_5": _figures(asked, fixed), "questions": len(asked)}


def _model(config: EngineConfig) -> LanguageModel:
    settings = config.settings
    how = LoadModel(config.model_path(), settings.context_tokens, settings.threads, cache=config.data.cache)
    return LanguageModel(how, config.data.logs / "model.log", lambda: None)


def _index(library: Library, folder: Path, asked: Sequence[Case], cases: Sequence[Case]) -> None:
    """Index the documents of the questions and others, each as a file of its own."""
    folder.mkdir()
    texts = list(dict.fromkeys((case.title, case.text) for case in (*asked, *cases)))
    for number, (title, text) in enumerate(texts[: max(MOST_DOCUMENTS, len(asked))]):
        name = "".join(char if char.isalnum() else " " for char in title)[:60].strip() or "passage"
        (folder / f"{name} {number}.txt").write_text(f"{title}\n\n{text}" if title else text, "utf-8", "replace")
    for _ in library.index([folder]):
        continue


def _by_hola(parts: Parts, case: Case, documents_only: bool) -> _Said:
    question = Question(case.question, sampling=GREEDY, documents_only=documents_only)
    begun = time.perf_counter()
    finished: Finished | None = None
    # What can't be asked ("from:" and the name of no document) is a wrong answer.
    with suppress(HolaError):
        for event in ModelAnswer(parts, question, begun).events():
            finished = event if isinstance(event, Finished) else finished
    elapsed = time.perf_counter() - begun
    if finished is None:
        return _Said("", (), False, elapsed)
    return _Said(finished.answer, finished.sentences, finished.verdict == "refused", elapsed)


def _by_fixed_depth(parts: Parts, case: Case) -> _Said:
    """Answer from the five best passages whole, as the others do."""
    begun = time.perf_counter()
    found = parts.library.search(Search((case.question,), 0, FIXED_PASSAGES, is_fixed=True))
    settings = parts.settings
    prompt = compose(
        case.question, (), found.passages, settings.system_prompt, settings.max_answer_tokens, parts.model.count
    )
    text = "".join(_streamed(parts.model, prompt.messages, prompt.answer_tokens))
    elapsed = time.perf_counter() - begun
    checked = review(text, prompt.sources, case.question)
    return _Said(text, checked.sentences, checked.verdict == "refused", elapsed)


def _streamed(model: LanguageModel, messages: tuple[Any, ...], tokens: int) -> Iterator[str]:
    model.start()
    while not model.wait(1.0):
        continue
    for event in model.generate(messages, GREEDY, tokens, MOST_DRAFTED):
        if isinstance(event, TextDelta):
            yield event.text


def _figures(cases: Sequence[Case], said: Sequence[_Said]) -> dict[str, float]:
    right = [_right(case, one) for case, one in zip(cases, said, strict=True)]
    checked = [each.supported for one in said for each in one.sentences if each.supported is not None]
    return {
        "em": float(np.mean([each[0] for each in right])),
        "f1": float(np.mean([each[1] for each in right])),
        "contains": float(np.mean([each[2] for each in right])),
        "refused": float(np.mean([one.is_refusal for one in said])),
        "supported": float(np.mean(checked)) if checked else 0.0,
        "seconds": float(np.mean([one.seconds for one in said])),
    }


def _right(case: Case, said: _Said) -> tuple[float, float, float]:
    """Return exact match, F1 and whether a right answer is contained; without an answer whether it was refused."""
    return right_answer(said.text, case.answers) if case.answers else (float(said.is_refusal),) * 3


def right_answer(said: str, answers: Sequence[str]) -> tuple[float, float, float]:
    """Return exact match, F1 and whether a right answer is contained, each for the best of the right answers."""
    normal = f" {_normal(said)} "
    return (
        max(exact_match(said, answer) for answer in answers),
        max(f1(said, answer) for answer in answers),
        float(any(f" {_normal(answer)} " in normal for answer in answers if _normal(answer))),
    )


def exact_match(said: str, answer: str) -> float:
    """Return 1 if both are the same but for case, articles and punctuation (Rajpurkar et al. 2016), else 0."""
    return float(_normal(said) == _normal(answer))


def f1(said: str, answer: str) -> float:
    """Return the harmonic mean of precision and recall of the words of an answer (Rajpurkar et al. 2016)."""
    mine, right = _normal(said).split(), _normal(answer).split()
    common = sum((Counter(mine) & Counter(right)).values())
    return 2.0 * common / (len(mine) + len(right)) if common else 0.0


def _normal(text: str) -> str:
    bare = "".join(char for char in text.casefold() if char not in string.punctuation)
    return " ".join(re.sub(r"\b(?:a|an|the)\b", " ", bare).split())
