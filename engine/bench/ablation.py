"""The ablation table of the HOLA paper (arXiv 2506.18952) on the chosen model: what each part brings, and costs.

Parts: HSD (tokens drafted and verified), AdaComp-RAG (worked examples that the real retrieval finds in an index over
the task's training set, before the question) and Lo-Bi (another file of the model). Every row has a model process of
its own, so that no row finds another's text in its KV cache; all rows are asked a question before the next one, in an
order that rotates, so that what else the machine does falls on all alike. Greedy; the prompt is the same for all rows.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Generic, Literal

from engine.bench.lobi import peak_mb, sixteen_bits
from engine.bench.tasks import (
    CHOICE_SHOTS,
    MATH_SHOTS,
    Choices,
    Problem,
    Task,
    choice_chat,
    final_number,
    likeliest,
    problem_chat,
    read_choices,
    read_problems,
    up_to_end,
    without,
)
from engine.bench.versions import versions_of
from engine.catalog import paired_draft
from engine.config import DataPaths, EngineConfig
from engine.errors import HolaError
from engine.library.client import Library
from engine.llm.client import LanguageModel
from engine.llm.protocol import MOST_DRAFTED, LoadModel, TextDelta
from engine.messages import ChatMessage, Question, Sampling
from engine.retrieval.terms import estimated_tokens
from engine.retrieving import Retriever

__all__ = ["PAPER", "ROWS", "Row", "run"]

PAPER = {"gsm8k_em": "+15.6 %", "arc_mca": "+14.3 %", "latency_ms": "-48 ms", "memory_mb": "-750 MB"}
"""What the paper reports of HOLA against a plain model of GPT-2's class: its figures, on its machines."""
GREEDY = Sampling(repetition_penalty=1.0)
CONTEXT = 2048
MOST_TOKENS = 64
"""Of an answer to a problem: the solution that the prompt shows takes 20 to 50."""
MOST_TRAINING = 1_500
"""Examples of each task that are indexed; with both tasks it takes about a minute."""
EXAMPLE_TOKENS = 128
"""Budget (estimated) of what is retrieved: reading it takes the bundled model half a second on two cores."""
MOST_PASSAGES = 3
LOADING_POLL_S = 1.0
NO_LOBI = "There is no Lo-Bi version of this model: make one with `hola models optimize`, or give its file with --lobi."


@dataclass(frozen=True, slots=True)
class Row:
    """A way to answer."""

    name: str
    file: Literal["16 bit", "shipped", "Lo-Bi"] = "shipped"
    hsd: bool = False
    rag: bool = False


ROWS = (
    Row("plain_16bit", "16 bit"),
    Row("plain"),
    Row("hsd", hsd=True),
    Row("adacomp_rag", rag=True),
    Row("lobi", "Lo-Bi"),
    Row("all", "Lo-Bi", hsd=True, rag=True),
    Row("all_without_hsd", "Lo-Bi", rag=True),
    Row("all_without_adacomp_rag", "Lo-Bi", hsd=True),
    Row("all_without_lobi", hsd=True, rag=True),
)
TWINS = {"hsd": "plain", "all": "all_without_hsd", "all_without_adacomp_rag": "lobi", "all_without_lobi": "adacomp_rag"}
"""Rows that differ by HSD alone: their texts are the same, but for rounding."""


@dataclass(frozen=True, slots=True)
class _Sets(Generic[Task]):
    """What is asked, and what may be learned from."""

    asked: Sequence[Task]
    training: Sequence[Task]


@dataclass(slots=True)
class _Measured:
    """What a row gave so far; one entry per question."""

    solved: list[bool] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    problem_ms: list[float] = field(default_factory=list)
    chosen: list[tuple[bool, bool, bool]] = field(default_factory=list)
    """Whether the right choice was the likeliest as a whole, per token and per byte."""
    choice_ms: list[float] = field(default_factory=list)
    library_mb: float = 0.0


def run(
    config: EngineConfig,
    gsm8k: Path,
    arc: Path,
    *,
    gsm8k_train: Path | None = None,
    arc_train: Path | None = None,
    lobi: Path | None = None,
    limit: int | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Ask the first `limit` questions of both files in all rows; `tell` takes how far it is.

    Without a training file of its own a task's training set is everything in its file that is not asked; a question
    that is asked is never in it. Raises HolaError for files, a limit or a model that can't be used.

    Returns:
        `rows` {name: gsm8k_em, arc_mca (both 0 to 1), latency_ms and latency_stdev_ms (per question of both tasks, from
        asking to the final number or the scores, retrieval included), memory_mb (peak of the model process, plus the
        library's where it retrieves, in MiB)}, `by_task` (latencies apart, ARC normalised by tokens and by bytes, share
        of texts equal to the same row without HSD), `questions`, `training`, `skipped` {name: why}, `model`, `paper`.
    """
    # All is read before anything is split, so that a file that is none is told first.
    all_problems, all_choices = read_problems(gsm8k), read_choices(arc)
    problems = _sets(all_problems, read_problems(gsm8k_train) if gsm8k_train else None, limit, gsm8k.name)
    choices = _sets(all_choices, read_choices(arc_train) if arc_train else None, limit, arc.name)
    model = config.chosen_model()
    with tempfile.TemporaryDirectory(prefix="hola-bench-", ignore_cleanup_errors=True) as name, ExitStack() as opened:
        folder = Path(name)
        version = lobi or versions_of(config, folder, tell).get("target")
        rows = [row for row in ROWS if version is not None or row.file != "Lo-Bi"]
        tell("making the 16-bit file")
        files = {"16 bit": sixteen_bits(model, folder / "16 bit.gguf"), "shipped": model, "Lo-Bi": version}
        models = {}
        for row in rows:
            tell(f"loading the model of {row.name}")
            models[row.name] = opened.enter_context(_model(config, row, files[row.file]))
        measured = {row.name: _Measured() for row in rows}
        with _library(config, folder / "gsm8k", problems.training, tell) as find:
            _ask_all("GSM8K", MATH_SHOTS[0], problems.asked, rows, partial(_solve, models, measured, find), tell)
            _note_library(rows, measured, find)
        with _library(config, folder / "arc", choices.training, tell) as find_choices:
            _ask_all(
                "ARC", CHOICE_SHOTS[0], choices.asked, rows, partial(_choose, models, measured, find_choices), tell
            )
            _note_library(rows, measured, find_choices)
        memory = {row.name: peak_mb(models[row.name].pid) + measured[row.name].library_mb for row in rows}
    return {
        "rows": {name: _figures(each, memory[name]) for name, each in measured.items()},
        "by_task": {name: _by_task(name, measured) for name in measured},
        "questions": {"gsm8k": len(problems.asked), "arc": len(choices.asked)},
        "training": {"gsm8k": len(problems.training), "arc": len(choices.training)},
        "skipped": {row.name: NO_LOBI for row in ROWS if row not in rows},
        "model": model.stem,
        "paper": dict(PAPER),
    }


def _sets(found: list[Task], training: list[Task] | None, limit: int | None, name: str) -> _Sets[Task]:
    """Part what is asked from what may be learned from; the latter is spread over its file where it is too long."""
    if limit is not None and limit < 1:
        raise HolaError("Nothing is asked with a limit of 0: give --limit 1 or more.")
    asked = found[:limit]
    rest = without(found if training is None else training, asked)
    if not rest:
        raise HolaError(
            f"No question of {name} is left to retrieve examples from: give a smaller --limit, or a training file."
        )
    return _Sets(asked, rest[:: -(-len(rest) // MOST_TRAINING)])


# ---------------------------------------------------------------- the processes


@contextmanager
def _model(config: EngineConfig, row: Row, file: Path | None) -> Iterator[LanguageModel]:
    """Load the model of a row in a process of its own."""
    assert file is not None
    settings = config.settings
    # No cache on disk: it would hand the texts that one row has read to the next.
    how = LoadModel(file, min(CONTEXT, settings.context_tokens), settings.threads, strict=settings.strict)
    find_draft = partial(_draft, config, file) if row.hsd else lambda: None
    with closing(LanguageModel(how, config.data.logs / "bench.log", find_draft)) as model:
        model.start()
        while not model.wait(LOADING_POLL_S):
            continue
        yield model


def _draft(config: EngineConfig, file: Path) -> Path | None:
    return paired_draft(config, file).draft


class _Finder(Generic[Task]):
    """Find the worked examples that help with a question, as Hola retrieves passages."""

    def __init__(self, library: Library, training: Sequence[Task], most_passages: int) -> None:
        self.library = library
        self._training: Sequence[Task] = training
        self._most_passages = most_passages

    def find(self, question: str) -> list[Task]:
        """Return whole examples, the best last, next to the question; as many as AdaComp reads and the budget takes."""
        retriever = Retriever(self.library, Question(question), EXAMPLE_TOKENS, self._most_passages)
        try:
            found = retriever.search(retriever.decide(()))
        except HolaError:
            # What Hola would ask the user back about (a document that is not there) is asked without examples.
            return []
        if found.kind != "search" or found.result is None:
            return []
        numbers = dict.fromkeys(int(Path(passage.path).stem.rpartition("-")[2]) for passage in found.result.passages)
        taken: list[Task] = []
        left = EXAMPLE_TOKENS
        for number in numbers:
            example = self._training[number]
            left -= estimated_tokens(_as_text(example))
            # The best one is taken whatever its length.
            if left >= 0 or not taken:
                taken.insert(0, example)
        return taken


@contextmanager
def _library(
    config: EngineConfig, folder: Path, training: Sequence[Task], tell: Callable[[str], None]
) -> Iterator[_Finder[Task]]:
    """Index a training set, each example as a file of its own, and open the library afresh for searching."""
    documents = folder / "documents"
    documents.mkdir(parents=True)
    for number, example in enumerate(training):
        (documents / f"example-{number:06d}.txt").write_text(_as_text(example), "utf-8", "replace")
    here = replace(config, data=DataPaths(folder / "data"))
    here.data.create()
    tell(f"indexing {len(training)} examples")
    with closing(Library(here)) as library:
        for _ in library.index([documents]):
            continue
    # Another process: what indexing took is no memory of answering.
    with closing(Library(here)) as library:
        finder = _Finder(library, training, min(MOST_PASSAGES, config.settings.passages))
        finder.find(training[0].question)
        yield finder


def _as_text(example: Problem | Choices) -> str:
    told = example.solution if isinstance(example, Problem) else example.choices[example.gold]
    return f"{example.question}\n\n{told}"


def _note_library(rows: Sequence[Row], measured: dict[str, _Measured], finder: _Finder[Task]) -> None:
    peak = peak_mb(finder.library.pid)
    for row in rows:
        if row.rag:
            measured[row.name].library_mb = max(measured[row.name].library_mb, peak)


# ---------------------------------------------------------------- asking


def _ask_all(
    task: str,
    warm_up: Task,
    asked: Sequence[Task],
    rows: Sequence[Row],
    ask: Callable[[Row, Task, bool], None],
    tell: Callable[[str], None],
) -> None:
    """Ask all questions in all rows; the warm-up before them does not count: by it each has read the prompt's head."""
    for row in rows:
        ask(row, warm_up, False)
    for number, each in enumerate(asked):
        tell(f"{task}: question {number + 1} of {len(asked)}")
        turn: int = number % len(rows)
        for row in (*rows[turn:], *rows[:turn]):
            ask(row, each, True)


def _solve(
    models: dict[str, LanguageModel],
    measured: dict[str, _Measured],
    finder: _Finder[Problem],
    row: Row,
    problem: Problem,
    counts: bool,
) -> None:
    """Let a row solve a problem; the time ends with the final number."""
    begun = time.perf_counter()
    messages = problem_chat(problem, finder.find(problem.question) if row.rag else ())
    said, ended = _said(models[row.name], messages, MOST_DRAFTED if row.hsd else 0)
    if counts:
        mine = measured[row.name]
        mine.problem_ms.append((ended - begun) * 1000)
        mine.texts.append(said)
        mine.solved.append(final_number(said) == problem.gold)


def _said(model: LanguageModel, messages: tuple[ChatMessage, ...], draft_limit: int) -> tuple[str, float]:
    """Return an answer up to its final number, and when it was there (`time.perf_counter`)."""
    text, ended = "", 0.0
    for event in model.generate(messages, GREEDY, MOST_TOKENS, draft_limit):
        if isinstance(event, TextDelta) and not ended:
            text += event.text
            if up_to_end(text) is not None:
                ended = time.perf_counter()
                # Waited for beyond the time that counts: its last step must not fall on the next row.
                model.cancel()
    return up_to_end(text) or text.strip(), ended or time.perf_counter()


def _choose(
    models: dict[str, LanguageModel],
    measured: dict[str, _Measured],
    finder: _Finder[Choices],
    row: Row,
    asked: Choices,
    counts: bool,
) -> None:
    """Let a row score the choices of a question."""
    begun = time.perf_counter()
    messages = choice_chat(asked, finder.find(asked.question) if row.rag else ())
    scores = models[row.name].score(messages, asked.choices)
    elapsed = (time.perf_counter() - begun) * 1000
    if counts:
        sizes = (None, scores.tokens, [len(choice.encode()) for choice in asked.choices])
        whole, by_tokens, by_bytes = (likeliest(scores.log_likelihoods, each) == asked.gold for each in sizes)
        measured[row.name].choice_ms.append(elapsed)
        measured[row.name].chosen.append((whole, by_tokens, by_bytes))


# ---------------------------------------------------------------- the figures


def _figures(row: _Measured, memory_mb: float) -> dict[str, float]:
    latencies = [*row.problem_ms, *row.choice_ms]
    return {
        "gsm8k_em": statistics.fmean(row.solved),
        "arc_mca": statistics.fmean(whole for whole, _, _ in row.chosen),
        "latency_ms": statistics.fmean(latencies),
        "latency_stdev_ms": statistics.stdev(latencies),
        "memory_mb": memory_mb,
    }


def _by_task(name: str, measured: dict[str, _Measured]) -> dict[str, float | None]:
    row, twin = measured[name], measured.get(TWINS.get(name, ""))
    pairs = list(zip(row.texts, twin.texts, strict=True)) if twin else []
    return {
        "gsm8k_ms": statistics.fmean(row.problem_ms),
        "gsm8k_stdev_ms": statistics.pstdev(row.problem_ms),
        "arc_ms": statistics.fmean(row.choice_ms),
        "arc_stdev_ms": statistics.pstdev(row.choice_ms),
        "arc_mca_per_token": statistics.fmean(each for _, each, _ in row.chosen),
        "arc_mca_per_byte": statistics.fmean(each for _, _, each in row.chosen),
        "same_text_without_hsd": statistics.fmean(mine == other for mine, other in pairs) if pairs else None,
    }
