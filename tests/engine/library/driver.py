"""Index a folder in a process of its own, a line on stdout per event; to be killed by the tests."""

from __future__ import annotations

import sys
from pathlib import Path

from engine.config import DataPaths, EngineConfig, Settings
from engine.library.client import Library


def main() -> None:
    data, assets, documents = map(Path, sys.argv[1:4])
    config = EngineConfig(DataPaths(data), assets, Settings.model_validate({}))
    config.data.create()
    library = Library(config)
    for event in library.index([documents]):
        print(type(event).__name__, flush=True)
    library.close()


if __name__ == "__main__":
    main()
