"""What the making of versions looks like to the commands, without its process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import HolaError
from engine.lobi.messages import Made, Step
from tests.app.fakes import AFTER, BEFORE

__all__ = ["FakeMaking"]


@dataclass
class FakeMaking:
    """Yield a step and a version, or end with an error; remembers what it was asked and whether it was closed."""

    asked: list[tuple[tuple[Any, ...], dict[str, Any]]] = field(default_factory=list)
    error: HolaError | KeyboardInterrupt | None = None
    with_draft: bool = False
    closed: bool = False

    def make(self, *arguments: Any, **options: Any) -> Iterator[Step | Made]:
        self.asked.append((arguments, options))
        source: Path = arguments[0]
        try:
            yield Step("reading", 0.0)
            if self.error is not None:
                raise self.error
            yield Made(source.with_suffix(".lobi.gguf"), source, "target", BEFORE, AFTER, 0.0213)
            if self.with_draft:
                yield Made(source.with_suffix(".draft.gguf"), source, "draft", BEFORE, AFTER, 0.4)
        finally:
            self.closed = True
