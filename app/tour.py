"""A first session on the real window, through real events, with a picture of each step."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QEventLoop, QMimeData, QPoint, QPointF, Qt, QTimer, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.application import has_screen, make_application
from app.paths import engine_config
from app.samples import sample_paths
from app.sources import file_name
from app.turn import TurnState
from app.window import MainWindow
from engine.errors import HolaError
from engine.messages import Citation, DocumentStatus, Route

__all__ = ["QUESTIONS", "Tour", "TourFailed", "TourQuestion", "run_tour"]


@dataclass(frozen=True, slots=True)
class TourQuestion:
    """A question of the tour and what must hold for its answer."""

    text: str
    route: Route
    file: str = ""
    """Document that must be cited; empty if none may be."""
    words: tuple[str, ...] = ()
    """Each stands in the answer or in what it cites."""


QUESTIONS = (
    TourQuestion("What is 17 * 23?", "rule", words=("391",)),
    TourQuestion("How much is the travel allowance per day?", "model", "Travel Policy.md", ("42 euros",)),
    TourQuestion(
        "How long does the warranty of the coffee machine last?",
        "model",
        "Brightwater Coffee Machine Manual.pdf",
        ("24 months",),
    ),
    TourQuestion(
        "Which damage is not covered by it?",
        "model",
        "Brightwater Coffee Machine Manual.pdf",
        ("limescale",),
    ),
    TourQuestion("Who painted the ceiling of the Sistine Chapel?", "model"),
)

_SIZE = (1280, 800)
_START_S = 15.0
_INDEX_S = 180.0
_MODEL_S = 180.0
_ANSWER_S = 240.0
_CLOSE_S = 5.0
_SETTLE_MS = 150
_RENDER_MS = 50


class TourFailed(HolaError):
    """A step of the tour did not hold; the message says which."""


def run_tour(out_dir: Path) -> int:
    """Drive the window through a first session on a temporary profile; return 0 only if every step held.

    Leaves a PNG of each step and `transcript.json` in `out_dir`.
    """
    if not has_screen():
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    out_dir.mkdir(parents=True, exist_ok=True)
    existing = QApplication.instance()
    application = existing if isinstance(existing, QApplication) else make_application(["hola"])
    with tempfile.TemporaryDirectory(prefix="hola-tour-", ignore_cleanup_errors=True) as folder:
        tour = Tour(MainWindow(engine_config(Path(folder))), out_dir)
        try:
            tour.run()
        except TourFailed as exc:
            tour.picture("failed")
            _say(f"FAILED: {exc.sentence}")
            return 1
        finally:
            tour.write_transcript()
            tour.window.close()
            application.processEvents()
    _say(f"The tour is done: see {out_dir}")
    return 0


class Tour:
    """The steps, in their order."""

    def __init__(self, window: MainWindow, out_dir: Path) -> None:
        self.window = window
        self._out_dir = out_dir
        self._pictures = 0
        self._told: list[dict[str, object]] = []
        self._samples = sample_paths(window.config.assets)

    def run(self) -> None:
        """Take every step; raise TourFailed at the first that does not hold."""
        window = self.window
        window.resize(*_SIZE)
        window.show()
        self._until(window.isVisible, _START_S, "The window did not appear.")
        self._settle()
        self.picture("start")
        self._drop_samples()
        self._wait_for_model()
        problems = [problem for question in QUESTIONS for problem in self._ask(question)]
        self._show_panels()
        use = window.engine.memory()
        _say(f"Memory: window {use.app_mb:.0f} MB, model {use.model_mb:.0f} MB, library {use.library_mb:.0f} MB")
        self._close()
        if problems:
            raise TourFailed(" ".join(problems))

    def picture(self, name: str) -> None:
        """Save the window as it is now."""
        self._pictures += 1
        file = self._out_dir / f"{self._pictures:02d}-{name}.png"
        if not self.window.grab().save(str(file)):
            raise TourFailed(
                f"The picture {file} could not be written: make room on the disk or choose another folder."
            )
        _say(f"{file.name}")

    def write_transcript(self) -> None:
        """Write what was asked and answered."""
        text = json.dumps(self._told, indent=2, ensure_ascii=False)
        (self._out_dir / "transcript.json").write_text(text + "\n", "utf-8")

    # -- steps

    def _drop_samples(self) -> None:
        window = self.window
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(path)) for path in self._samples])
        place, copy = window.rect().center(), Qt.DropAction.CopyAction
        enter = QDragEnterEvent(place, copy, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
        QApplication.sendEvent(window, enter)
        if not enter.isAccepted():
            raise TourFailed("The window did not welcome the dragged files.")
        self._settle()
        self.picture("drag")
        drop = QDropEvent(QPointF(place), copy, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
        QApplication.sendEvent(window, drop)
        self._until(lambda: window.documents.model.rowCount() > 0, _INDEX_S, "No file was listed.")
        self.picture("indexing")
        self._until(
            lambda: window.documents.model.counts()[0] == len(self._samples) and not window.library.busy,
            _INDEX_S,
            "The samples did not become ready.",
        )
        self._settle()
        self.picture("ready")

    def _wait_for_model(self) -> None:
        model = self.window.engine
        self._until(lambda: model.model.state != "loading", _MODEL_S, "The model did not load.")
        if model.model.state != "ready":
            raise TourFailed(f"The model did not load: {model.model.detail}")

    def _ask(self, question: TourQuestion) -> list[str]:
        window = self.window
        window.composer.focus()
        QTest.keyClicks(window.composer.edit, question.text)
        QTest.keyClick(window.composer.edit, Qt.Key.Key_Return)
        before = len(self._told)
        if question.route == "model":
            state = window.conversation.turns[-1]
            self._until(lambda: state.tokens > 0 or not window.conversation.busy, _ANSWER_S, "No word came.")
            QTest.qWait(_RENDER_MS)
            self.picture(f"question-{before + 1}-streaming")
        self._until(lambda: not window.conversation.busy, _ANSWER_S, f"No answer came to “{question.text}”")
        state = window.conversation.turns[-1]
        problems = self._judge(question, state)
        self._told.append(_record(state, problems))
        for problem in problems:
            _say(problem)
        view = window.transcript.views[-1]
        view.show_sources()
        self._settle()
        window.transcript.follow()
        self._settle()
        self.picture(f"question-{before + 1}")
        return problems

    def _judge(self, question: TourQuestion, state: TurnState) -> list[str]:
        problems = []
        if state.question != question.text:
            problems.append(f"“{question.text}” arrived as “{state.question}”.")
        if state.route != question.route:
            problems.append(f"“{question.text}” was answered by the {state.route}, not by the {question.route}.")
        if state.reason not in ("stop", "length") or not state.answer.strip():
            problems.append(f"“{question.text}” was not answered: {state.error or state.reason}")
        cited = {file_name(citation.path) for citation in state.citations}
        if question.file and question.file not in cited:
            problems.append(f"The answer to “{question.text}” does not cite {question.file}.")
        if not question.file and cited:
            problems.append(
                f"The answer to “{question.text}” cites {', '.join(sorted(cited))}, which say nothing of it."
            )
        said = " ".join([state.answer, *(citation.snippet for citation in state.citations)])
        problems += [
            f"“{word}” is missing in the answer to “{question.text}”." for word in question.words if word not in said
        ]
        return problems + [each for citation in state.citations for each in self._judge_span(citation)]

    def _judge_span(self, citation: Citation) -> list[str]:
        text = self.window.engine.library.text(citation.path)
        if text[citation.start : citation.end] == citation.snippet:
            return []
        return [f"Citation {citation.number} does not stand in {file_name(citation.path)} where it should."]

    def _show_panels(self) -> None:
        window = self.window
        QTest.mouseClick(window.status.line, Qt.MouseButton.LeftButton, pos=QPoint(40, 8))
        self._until(lambda: window.status.is_open, _START_S, "The status panel did not open.")
        self._until(lambda: "free" in window.status.text(), _START_S, "The memory was not shown.")
        self._settle()
        self.picture("status")
        window.theme.set_choice("dark")
        self._settle()
        window.transcript.follow()
        self._settle()
        self.picture("dark")
        QTest.keyClick(window, Qt.Key.Key_N, Qt.KeyboardModifier.ControlModifier)
        self._until(lambda: window.stack.currentWidget() is window.empty, _START_S, "No new chat was begun.")
        self._settle()
        self.picture("new-chat")
        ready = [each for each in window.engine.library.documents() if each.status is DocumentStatus.READY]
        if len(ready) != len(self._samples):
            raise TourFailed("The library lost a document during the tour.")

    def _close(self) -> None:
        began = time.monotonic()
        self.window.close()
        took = time.monotonic() - began
        if took > _CLOSE_S:
            raise TourFailed(f"Closing took {took:.1f} s.")

    # -- waiting

    def _until(self, condition: Callable[[], bool], limit_s: float, otherwise: str) -> None:
        """Run the event loop until the condition holds; raise TourFailed after the limit."""
        loop = QEventLoop()
        check = QTimer(interval=10)
        check.timeout.connect(lambda: loop.quit() if condition() else None)
        limit = QTimer(singleShot=True, interval=round(limit_s * 1000))
        limit.timeout.connect(loop.quit)
        check.start()
        limit.start()
        if not condition():
            loop.exec()
        if not condition():
            raise TourFailed(otherwise)

    def _settle(self) -> None:
        QTest.qWait(_SETTLE_MS)


def _record(state: TurnState, problems: list[str]) -> dict[str, object]:
    return {
        "question": state.question,
        "route": state.route,
        "answer": state.answer,
        "reason": state.reason,
        "citations": [
            {
                "number": each.number,
                "file": each.path,
                "page": each.page,
                "snippet": each.snippet,
                "start": each.start,
                "end": each.end,
            }
            for each in state.citations
        ],
        "metrics": dataclasses.asdict(state.metrics) if state.metrics is not None else {},
        "held": not problems,
        "problems": problems,
    }


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
