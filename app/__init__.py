"""Hola's face: the window and the command line over the engine."""

__all__ = ["__version__"]

__version__ = "0.1.0"
