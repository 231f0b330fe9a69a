"""One tree of errors; every message is a sentence that says what to do.

HolaError
├── SettingsError           a setting is out of its range
├── ModelError              the language model
│   ├── ModelFileError      the GGUF file is missing, damaged or of an unknown kind
│   ├── ModelMemoryError    the model does not fit into the memory that is free now
│   └── ContextError        a question is longer than the model can read
├── LobiError               a model could not be optimised; the old one is still in use
├── LibraryError            the document library
│   ├── ExtractionError     one file gave no text
│   │   └── UnsupportedFile the file is of a kind that Hola does not read
│   └── EmbedderError       the embedding model is missing or damaged
├── HistoryError            the stored chats
├── ViewerError             a page can't be shown
└── ProcessError            a child process
    ├── ProcessCrashed      it ended on its own (the reason is in the message)
    └── ProcessTimeout      it did not answer in time and was ended
"""

from __future__ import annotations

__all__ = [
    "ContextError",
    "EmbedderError",
    "ExtractionError",
    "HistoryError",
    "HolaError",
    "LibraryError",
    "LobiError",
    "ModelError",
    "ModelFileError",
    "ModelMemoryError",
    "ProcessCrashed",
    "ProcessError",
    "ProcessTimeout",
    "SettingsError",
    "UnsupportedFile",
    "ViewerError",
]


class HolaError(Exception):
    """Tell the user in one sentence what went wrong and what to do."""

    @property
    def sentence(self) -> str:
        """The message, as it is shown to the user."""
        return str(self.args[0]) if self.args else type(self).__name__


class SettingsError(HolaError):
    """A setting is unknown or out of its range."""


class ModelError(HolaError):
    """The language model can't be used."""


class ModelFileError(ModelError):
    """The model file is missing, damaged or of an unknown kind."""


class ModelMemoryError(ModelError):
    """The model does not fit into the memory that is free now."""


class ContextError(ModelError):
    """The question alone is longer than the model can read."""


class LobiError(HolaError):
    """A model could not be optimised; the old one is still in use."""


class LibraryError(HolaError):
    """The document library can't do what was asked."""


class ExtractionError(LibraryError):
    """One file gave no text; the file is marked failed."""


class UnsupportedFile(ExtractionError):
    """The file is of a kind that is not read; the file is marked skipped."""


class EmbedderError(LibraryError):
    """The embedding model is missing or damaged."""


class HistoryError(HolaError):
    """The stored chats can't be read or written."""


class ViewerError(HolaError):
    """A page of a document can't be shown."""


class ProcessError(HolaError):
    """A child process failed."""


class ProcessCrashed(ProcessError):
    """A child process ended on its own; the message names the reason."""


class ProcessTimeout(ProcessError):
    """A child process did not answer in time and was ended."""
