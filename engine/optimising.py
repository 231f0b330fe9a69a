"""Optimise a model for this computer: which versions it lacks, and making them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from engine.config import EngineConfig
from engine.errors import LobiError, ModelFileError
from engine.llm.gguf_header import read_header
from engine.lobi.fingerprint import LOBI_KEY
from engine.lobi.messages import STOPPED, Made, Role, Step, Wish
from engine.lobi.versions import card_of, is_version, plan_hash, plans_for, ready_version, version_path
from engine.lobi.workshop import Workshop

__all__ = ["Optimiser"]

CALIBRATION = "calibration.md"


@dataclass(frozen=True, slots=True)
class _Job:
    role: Role
    plan: Path | None


class Optimiser:
    """Make the Lo-Bi versions of models in the models folder; one at a time."""

    def __init__(self, config: EngineConfig) -> None:
        self._config = config
        self._workshop = Workshop(config.data.cache, config.data.logs / "lobi.log")
        self._is_running = False
        self._stopped = threading.Event()

    @property
    def is_busy(self) -> bool:
        """Whether versions are being made."""
        return self._is_running

    def lacks(self) -> bool:
        """Tell whether versions of the chosen model are wanted: there are plans for it, and their results are not."""
        if not self._config.settings.optimize:
            return False
        try:
            source = self._config.chosen_model()
            return any(not self._is_ready(source, job) for job in self._jobs(source))
        except (ModelFileError, LobiError):
            return False

    def missing(self) -> Iterator[Step | Made]:
        """Make the versions of the chosen model that are wanted; raises like `optimise`."""
        source = self._config.chosen_model()
        jobs = [job for job in self._jobs(source) if not self._is_ready(source, job)]
        yield from self._make(source, jobs, None)

    def optimise(self, source: Path, wish: Wish = Wish()) -> Iterator[Step | Made]:
        """Make the version of a model for this computer, and its draft where there is a plan for one.

        The types are chosen for this machine, by the wish; where there is a plan for the model, its adapter is merged.
        Yields Step with the share of the whole, and Made for each version. Raises LobiError,
        ModelError or ProcessError with one sentence; then, and when it is closed, the models are what they were.
        """
        if read_header(source).text(LOBI_KEY):
            raise LobiError(f"{source.stem} is an optimised version already: optimise the model it was made of.")
        jobs = self._jobs(source)
        yield from self._make(source, jobs or [_Job("target", None)], wish)

    def stop(self) -> None:
        """End what is being made; safe from any thread."""
        if self._is_running:
            self._stopped.set()
            self._workshop.stop()

    def _jobs(self, source: Path) -> list[_Job]:
        plans = plans_for(self._config.assets / "lobi", source)
        roles: tuple[Role, ...] = ("target", "draft") if self._config.settings.speculation else ("target",)
        return [_Job(role, plans[role]) for role in roles if role in plans]

    def _is_ready(self, source: Path, job: _Job) -> bool:
        """Tell whether a job's result is there, and of the plan as it is now or of a wish of the user's own."""
        made = ready_version(self._config.model_folders, source, job.role)
        card = card_of(made) if made else None
        if card is None or job.plan is None:
            return False
        # What the user has wished for stays until the user wishes for something else.
        return card.get("wish") is not None or card.get("plan_sha256") == plan_hash(job.plan)

    def _make(self, source: Path, jobs: list[_Job], wish: Wish | None) -> Iterator[Step | Made]:
        if self._is_running:
            raise LobiError("A model is being optimised already: wait until it is ready, or stop it.")
        self._is_running = True
        try:
            for number, job in enumerate(jobs):
                if self._stopped.is_set():
                    raise LobiError(STOPPED)
                for event in self._events(source, job, wish):
                    if isinstance(event, Step):
                        yield replace(event, share=(number + event.share) / len(jobs))
                    else:
                        yield event
        finally:
            self._is_running = False
            self._stopped.clear()

    def _events(self, source: Path, job: _Job, wish: Wish | None) -> Iterator[Step | Made]:
        target = version_path(self._config.data.models, source, job.role)
        if target.exists() and card_of(target) is None and not is_version(target):
            raise LobiError(f"{target} was not made by Hola and would be replaced: give that file another name.")
        return self._workshop.make(
            source,
            target,
            self._config.assets / "lobi" / CALIBRATION,
            plan=job.plan,
            wish=wish if job.role == "target" else None,
            threads=self._config.settings.threads,
            cache=self._config.data.cache,
        )
