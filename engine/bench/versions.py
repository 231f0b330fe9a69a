"""The Lo-Bi versions that a bench compares: those of the models folder, or made for the occasion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from engine.config import DataPaths, EngineConfig
from engine.lobi.messages import Made, Role
from engine.lobi.versions import ready_version
from engine.optimising import Optimiser

__all__ = ["versions_of"]


def versions_of(config: EngineConfig, folder: Path, tell: Callable[[str], None]) -> dict[Role, Path]:
    """Return the version of the chosen model, and its draft, as far as there are any or plans for them.

    What is not there yet is made below `folder`. Raises LobiError, ModelError or ProcessError.
    """
    source = config.chosen_model()
    roles: tuple[Role, ...] = ("target", "draft")
    found = {role: ready_version(config.model_folders, source, role) for role in roles}
    ready = {role: path for role, path in found.items() if path is not None}
    here = replace(
        config,
        data=DataPaths(folder / "versions"),
        settings=config.settings.model_copy(update={"optimize": True, "speculation": True}),
    )
    here.data.create()
    optimiser = Optimiser(here)
    if len(ready) < len(roles) and optimiser.lacks():
        tell("making the versions for this computer")
        made = {event.role: event.path for event in optimiser.missing() if isinstance(event, Made)}
        ready = {**made, **ready}
    return ready
