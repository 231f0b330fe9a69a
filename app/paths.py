"""Where Hola finds its assets and keeps its data; the one module that knows."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import SettingsError

if TYPE_CHECKING:
    from engine.config import EngineConfig

__all__ = ["assets_dir", "data_dir", "engine_config"]


def data_dir() -> Path:
    """Return the folder of chats, library and settings: HOLA_DATA_DIR, or the user's own data folder."""
    chosen = os.environ.get("HOLA_DATA_DIR", "").strip()
    if chosen:
        return Path(chosen).expanduser().absolute()
    from platformdirs import user_data_dir

    return Path(user_data_dir("Hola", appauthor=False))


def assets_dir() -> Path:
    """Return the folder of what the program carries; raise SettingsError if it is missing."""
    frozen = getattr(sys, "_MEIPASS", None)
    root = Path(frozen) if frozen else Path(__file__).resolve().parent.parent
    folder = root / "assets"
    if not folder.is_dir():
        raise SettingsError(f"The folder {folder} with the rules and samples is missing: install Hola again.")
    return folder


def engine_config(data_dir: Path | None = None) -> EngineConfig:
    """Create the data folders, private to the user, load the settings, and return what the engine is told.

    Args:
        data_dir: Root of all data; None takes `data_dir()`.

    Raises:
        SettingsError: The folders can't be made, or the settings file is damaged.
    """
    from engine.config import DataPaths, EngineConfig, load_settings

    data = DataPaths(data_dir if data_dir is not None else _default_data_dir())
    data.create()
    return EngineConfig(data=data, assets=assets_dir(), settings=load_settings(data.settings))


_default_data_dir = data_dir
"""The function, under a name that the argument of `engine_config` does not hide."""
