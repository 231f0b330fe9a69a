"""A rule book over a fixed clock and a small library."""

from datetime import datetime
from pathlib import Path

import pytest

from engine.messages import Document, DocumentStatus
from engine.rules import RuleContext, Rules

BOOK = Path(__file__).parents[3] / "assets" / "rules.toml"
NOW = datetime(2026, 11, 21, 9, 5)

DOCUMENTS = (
    Document("/home/ü/Handbook 2024.pdf", DocumentStatus.READY, chunks=12, pages=9),
    Document("/home/ü/notes.md", DocumentStatus.READY, chunks=3),
    Document("/home/ü/契約書.docx", DocumentStatus.READY, chunks=5, pages=4),
    Document("/home/ü/scan.pdf", DocumentStatus.FAILED, "The file is *encrypted*: remove its password."),
    Document("/home/ü/photo.raw", DocumentStatus.SKIPPED, "Files of this kind are not read."),
    Document("/home/ü/gone.txt", DocumentStatus.REMOVED),
)


def make_rules(*documents: Document, now: datetime = NOW) -> Rules:
    """Read the real rule book."""
    return Rules(BOOK, RuleContext(now=lambda: now, documents=lambda: documents))


@pytest.fixture(scope="session")
def rules() -> Rules:
    return make_rules(*DOCUMENTS)
