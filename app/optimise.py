"""Optimise the model for this computer: by itself while Hola has nothing else to do, or when the user asks for it."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

from PySide6.QtCore import QObject, Qt, QTimer, Signal, Slot

from app.lanes import Lane, Worker, boundary
from app.ports import EnginePort
from engine.config import EngineConfig, bundled_model
from engine.errors import ModelFileError
from engine.lobi.messages import Made, Step, Wish

__all__ = ["OptimiseThread", "Optimising", "Order", "Outcome"]

_log = logging.getLogger(__name__)
_REST_MS = 10_000
"""Nothing may have happened for so long before the work begins by itself."""

Occupation = Literal["model", "answer", "index"]


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be made."""

    by_itself: bool
    """Only what the chosen model lacks, as long as nothing else is to be done."""
    model: str = ""
    """Path of the model as the settings have it; empty is the bundled one."""
    wish: Wish = field(default_factory=Wish)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the work ended."""

    made: Made | None = None
    """The version that is ready, or the draft if there is no other."""
    in_use: bool = False
    """Whether answers come from it now."""
    trouble: str = ""
    """Why it failed, in one sentence; empty too if it was stopped, or if nothing was lacking."""


# -------------------------------------------------------------------- thread


class _OptimiseWorker(Worker):
    stepped = Signal(object)
    made = Signal(object)
    ended = Signal()

    def __init__(self, engine: EnginePort) -> None:
        super().__init__(engine)
        self.generation = 0

    @Slot(object, int)
    def on_order(self, order: Order, generation: int) -> None:
        """Do one piece of work to its end, unless it was cancelled before its turn."""
        if not self._is_over(generation):
            with boundary(self.failed, self.closed):
                self._work(order, generation)
        self.ended.emit()

    def _work(self, order: Order, generation: int) -> None:
        source: Path | None = None
        if not order.by_itself:
            source = Path(order.model) if order.model else bundled_model()
        elif not self._engine.optimiser.lacks():
            return
        events = self._engine.optimise(source, order.wish)
        with closing(cast("Generator[Step | Made]", events)):
            for event in events:
                if isinstance(event, Step):
                    self.stepped.emit(event)
                else:
                    self.made.emit(event)
                # A stop that came before the work began was not heard there.
                if self._is_over(generation):
                    return

    def _is_over(self, generation: int) -> bool:
        return self.closed.is_set() or generation != self.generation


class OptimiseThread(Lane):
    """Do one order after the other; `ended` follows each, in their order."""

    stepped = Signal(object)
    made = Signal(object)
    ended = Signal()
    _order = Signal(object, int)

    def __init__(self, engine: EnginePort, parent: QObject | None = None) -> None:
        self._worker = _OptimiseWorker(engine)
        super().__init__(engine, self._worker, "optimising", parent)
        self._worker.stepped.connect(self.stepped)
        self._worker.made.connect(self.made)
        self._worker.ended.connect(self.ended)
        self._order.connect(self._worker.on_order)
        self.run()

    def begin(self, order: Order) -> None:
        """Queue an order."""
        self._order.emit(order, self._worker.generation)

    def cancel(self) -> None:
        """End what is being made, and what waits behind it; returns at once."""
        self._worker.generation += 1
        self._engine.optimiser.stop()

    def request_close(self) -> None:
        """Tell the worker to end, and what it makes with it."""
        super().request_close()
        self.cancel()


# ----------------------------------------------------------------- conductor


class Optimising(QObject):
    """Decide when the model is optimised; no timer runs but in the rest before the work begins by itself."""

    stepped = Signal(object)
    """engine.lobi.messages.Step"""
    ended = Signal(object)
    """Outcome"""

    def __init__(self, engine: EnginePort, config: EngineConfig, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._config = config
        self._occupations: set[Occupation] = {"model"}
        self._is_wanted = config.settings.optimize
        self._order: Order | None = None
        self._next: Order | None = None
        self._step: Step | None = None
        self._made: Made | None = None
        self._trouble = ""
        self._is_stopping = self._is_closed = False
        self._timer = QTimer(self, singleShot=True, interval=_REST_MS)
        self._timer.setTimerType(Qt.TimerType.CoarseTimer)
        self._timer.timeout.connect(self.on_rested)
        self.lane = OptimiseThread(engine, self)
        self.lane.stepped.connect(self.on_stepped)
        self.lane.made.connect(self.on_made)
        self.lane.failed.connect(self.on_failed)
        self.lane.ended.connect(self.on_ended)

    @property
    def is_waiting(self) -> bool:
        """Whether a timer runs."""
        return self._timer.isActive()

    @property
    def step(self) -> Step | None:
        """What is done just now; None while nothing is made."""
        return self._step

    @property
    def is_by_itself(self) -> bool:
        """Whether what is made gives way to other work."""
        return self._order is not None and self._order.by_itself

    @property
    def is_followed(self) -> bool:
        """Whether the next work begins as soon as this one has ended."""
        return self._next is not None

    # -- what else goes on

    def set_occupied(self, by: Occupation, occupied: bool) -> None:
        """Note what else goes on: what is made by itself gives way to it."""
        if occupied:
            self._occupations.add(by)
        else:
            self._occupations.discard(by)
        if self._order is not None:
            if occupied and self._order.by_itself:
                self._cancel()
        else:
            self._rest()

    @Slot()
    def on_answer_began(self) -> None:
        """Give way to an answer."""
        self.set_occupied("answer", True)

    @Slot()
    def on_answer_ended(self) -> None:
        """Rest before going on."""
        self.set_occupied("answer", False)

    @Slot(bool)
    def on_indexing(self, busy: bool) -> None:
        """Give way to an index job."""
        self.set_occupied("index", busy)

    def _rest(self) -> None:
        """Wait for a while without events, if there is something to do after it."""
        if self._is_wanted and not self._occupations and not self._is_closed:
            self._timer.start()
        else:
            self._timer.stop()

    @Slot()
    def on_rested(self) -> None:
        """Make what the model lacks."""
        if self._order is None and not self._is_closed:
            self._begin(Order(by_itself=True))

    # -- what the user wants

    def begin(self, model: str, wish: Wish) -> None:
        """Make a version that the user wants; only `stop` ends it. What is made by itself gives way."""
        order = Order(by_itself=False, model=model, wish=wish)
        if self._order is None:
            self._begin(order)
        elif self._order.by_itself or self._is_stopping:
            self._next = order
            self._cancel()

    def stop(self) -> None:
        """End what is made, as the user wants; nothing is made by itself until the next start."""
        self._is_wanted, self._next = False, None
        self._timer.stop()
        if self._order is not None:
            self._cancel()

    def close(self) -> None:
        """Begin nothing more."""
        self._is_closed, self._next = True, None
        self._timer.stop()

    # -- the work

    def _begin(self, order: Order) -> None:
        self._timer.stop()
        self._order, self._step, self._made, self._trouble = order, None, None, ""
        self._is_stopping = False
        self.lane.begin(order)

    def _cancel(self) -> None:
        self._is_stopping = True
        self.lane.cancel()

    @Slot(object)
    def on_stepped(self, step: Step) -> None:
        """Hand on how far it is."""
        if not self._is_stopping:
            self._step = step
            self.stepped.emit(step)

    @Slot(object)
    def on_made(self, made: Made) -> None:
        """Remember the version; it is in use when the work has ended."""
        if self._made is None or made.role == "target":
            self._made = made

    @Slot(str)
    def on_failed(self, sentence: str) -> None:
        """Remember why; what was stopped has not failed."""
        if not self._is_stopping:
            self._trouble = sentence
            _log.warning("optimising the model: %s", sentence)

    @Slot()
    def on_ended(self) -> None:
        """Tell how it ended, and see what comes next."""
        order, self._order, self._step = self._order, None, None
        stopped, self._is_stopping = self._is_stopping, False
        if order is not None and order.by_itself and not stopped:
            # Made, failed, or nothing was lacking: each is final until the next start.
            self._is_wanted = False
        # A version that is finished counts, whatever became of its draft.
        made = self._made
        self.ended.emit(Outcome(made, made is not None and self._is_in_use(made), self._trouble))
        following, self._next = self._next, None
        if following is not None and not self._is_closed:
            self._begin(following)
        else:
            self._rest()

    def _is_in_use(self, made: Made) -> bool:
        if made.role != "target" or not self._config.settings.optimize:
            return False
        try:
            return made.source == self._config.chosen_model()
        except ModelFileError:
            return False
