"""Tiny models and a service in this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.llm.service import ModelService
from tests.gguf_builder import write_llama


@pytest.fixture
def service() -> Iterator[ModelService]:
    """A model service that is closed after the test."""
    made = ModelService()
    yield made
    made.close()


@pytest.fixture(scope="session")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama with random weights: it says random bytes."""
    return write_llama(tmp_path_factory.mktemp("models") / "random.gguf", layers=2, seed=3)
