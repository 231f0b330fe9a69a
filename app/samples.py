"""The sample documents that an empty window offers, each with a question that it answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["SAMPLES", "Sample", "sample_paths"]


@dataclass(frozen=True, slots=True)
class Sample:
    """A document of `assets/samples`."""

    file: str
    about: str
    """What it is, in a few words."""
    question: str
    """A question that it answers."""


SAMPLES = (
    Sample("Brightwater Coffee Machine Manual.pdf", "A coffee machine manual", "How long does the warranty last?"),
    Sample("Travel Policy.md", "A travel policy", "How much is the travel allowance per day?"),
    Sample("Fern and Finch Orders and Returns.docx", "Orders and returns of a shop", "How long is a gift card valid?"),
)


def sample_paths(assets: Path) -> tuple[Path, ...]:
    """Return the samples that the program carries."""
    return tuple(path for sample in SAMPLES if (path := assets / "samples" / sample.file).is_file())
