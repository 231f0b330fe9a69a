"""The benches behind `hola bench NAME`; what a bench needs is imported when it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from engine.config import EngineConfig
from engine.errors import HolaError

__all__ = ["BENCHES", "Given"]


@dataclass(frozen=True, slots=True)
class Given:
    """What a bench is told on the command line."""

    data: Path | None = None
    books: Path | None = None
    limit: int | None = None
    held_out: bool = False
    gsm8k: Path | None = None
    arc: Path | None = None
    gsm8k_train: Path | None = None
    arc_train: Path | None = None
    text: Path | None = None
    lobi: Path | None = None
    draft: Path | None = None

    @property
    def questions(self) -> Path:
        """The file of questions; raises HolaError if none was given."""
        if self.data is None:
            raise HolaError("This bench needs questions: give a JSONL file with --data.")
        return self.data


def _startup(config: EngineConfig, given: Given) -> dict[str, Any]:
    from app.bench import startup

    return startup()


def _responsiveness(config: EngineConfig, given: Given) -> dict[str, Any]:
    from app.bench_window import responsiveness

    return responsiveness()


def _index(config: EngineConfig, given: Given) -> dict[str, Any]:
    from engine.bench import index

    return dict(index.run(config, given.data))


def _search(config: EngineConfig, given: Given) -> dict[str, Any]:
    from engine.bench import search

    return dict(search.run(config))


def _decode(config: EngineConfig, given: Given) -> dict[str, Any]:
    from app.bench_decode import decode

    return decode(config)


def _rag(config: EngineConfig, given: Given) -> dict[str, Any]:
    from engine.bench import rag

    return rag.run(config, given.questions, given.books, limit=given.limit, held_out=given.held_out)


def _answers(config: EngineConfig, given: Given) -> dict[str, Any]:
    from engine.bench import answers

    return answers.run(config, given.questions, limit=given.limit)


def _ablation(config: EngineConfig, given: Given) -> dict[str, Any]:
    from app.bench_ablation import ablation

    return ablation(
        config,
        given.gsm8k,
        given.arc,
        gsm8k_train=given.gsm8k_train,
        arc_train=given.arc_train,
        lobi=given.lobi,
        limit=given.limit,
    )


def _lobi(config: EngineConfig, given: Given) -> dict[str, Any]:
    from app.bench_ablation import lobi

    return lobi(config, text=given.text, lobi=given.lobi, draft=given.draft, limit=given.limit)


BENCHES: Mapping[str, Callable[[EngineConfig, Given], dict[str, Any]]] = MappingProxyType(
    {
        "decode": _decode,
        "startup": _startup,
        "index": _index,
        "search": _search,
        "responsiveness": _responsiveness,
        "rag": _rag,
        "answers": _answers,
        "ablation": _ablation,
        "lobi": _lobi,
    }
)
