from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app import optimise as optimise_module
from app.optimise import Optimising, Outcome
from app.optimise_words import card_words, made_report, made_words
from app.optimisebox import OptimiseBox
from app.settings import SettingsDialog
from app.window import MainWindow
from engine.config import EngineConfig, bundled_model
from engine.errors import LobiError
from engine.lobi.messages import Figures, Made, Wish
from tests.app.fakes import AFTER, BEFORE, FakeEngine, FakeModel

MADE = Made(Path("a.lobi.gguf"), Path("a.gguf"), "target", BEFORE, AFTER, 0.02)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let it begin as soon as nothing else goes on."""
    monkeypatch.setattr(optimise_module, "_REST_MS", 0)


@pytest.fixture
def optimising(qtbot: QtBot, config: EngineConfig, engine: FakeEngine) -> Iterator[Optimising]:
    optimising = Optimising(engine, config)
    yield optimising
    optimising.close()
    optimising.lane.request_close()
    optimising.lane.join()


@pytest.fixture
def dialog(qtbot: QtBot, config: EngineConfig, optimising: Optimising) -> SettingsDialog:
    dialog = SettingsDialog(config.settings, config.data, optimising=optimising)
    qtbot.addWidget(dialog)
    with qtbot.waitExposed(dialog):
        dialog.show()
    return dialog


@pytest.fixture
def box(dialog: SettingsDialog) -> OptimiseBox:
    assert dialog.optimise_box is not None
    return dialog.optimise_box


def ended(qtbot: QtBot, optimising: Optimising) -> Outcome:
    """Wait for the end of a work."""
    with qtbot.waitSignal(optimising.ended) as signal:
        pass
    assert signal.args is not None
    outcome = signal.args[0]
    assert isinstance(outcome, Outcome)
    return outcome


# ---------------------------------------------------------------- by itself


def test_what_is_lacking_is_made_once_the_model_is_ready(
    optimising: Optimising, engine: FakeEngine, qtbot: QtBot
) -> None:
    engine.optimiser.missing = True
    waiting = [optimising.is_waiting]
    optimising.set_occupied("model", False)
    waiting.append(optimising.is_waiting)
    assert waiting == [False, True]
    outcome = ended(qtbot, optimising)
    assert engine.optimiser.runs == [(None, Wish())]
    assert outcome.made is not None
    assert (outcome.made.role, outcome.in_use, outcome.trouble) == ("target", True, "")
    assert not optimising.is_waiting


def test_where_nothing_is_lacking_it_is_asked_once_and_no_timer_runs(
    optimising: Optimising, engine: FakeEngine, qtbot: QtBot
) -> None:
    optimising.set_occupied("model", False)
    assert ended(qtbot, optimising) == Outcome()
    optimising.on_indexing(True)
    optimising.on_indexing(False)
    assert not optimising.is_waiting
    assert (engine.optimiser.asked, engine.optimiser.runs) == (1, [])


def test_nobody_waits_where_it_is_not_wanted(qtbot: QtBot, config: EngineConfig, engine: FakeEngine) -> None:
    settings = config.settings.model_copy(update={"optimize": False})
    optimising = Optimising(engine, EngineConfig(config.data, config.assets, settings))
    optimising.set_occupied("model", False)
    assert not optimising.is_waiting
    optimising.lane.request_close()
    optimising.lane.join()


@pytest.mark.parametrize("what", ["answer", "index"])
def test_it_gives_way_and_is_tried_again(
    optimising: Optimising, engine: FakeEngine, qtbot: QtBot, what: optimise_module.Occupation
) -> None:
    engine.optimiser.missing = True
    engine.optimiser.gate.clear()
    optimising.set_occupied("model", False)
    qtbot.waitUntil(lambda: optimising.step is not None and optimising.step.share == 0.4)
    with qtbot.waitSignal(optimising.ended) as signal:
        optimising.set_occupied(what, True)
    assert signal.args == [Outcome()]
    assert not optimising.is_waiting
    optimising.set_occupied(what, False)
    assert ended(qtbot, optimising).made is not None
    assert len(engine.optimiser.runs) == 2


def test_a_version_that_is_finished_counts_whatever_became_of_its_draft(
    optimising: Optimising, engine: FakeEngine, qtbot: QtBot
) -> None:
    engine.optimiser.missing = True
    engine.optimiser.draft_error = LobiError("The disk is full: make room.")
    optimising.set_occupied("model", False)
    outcome = ended(qtbot, optimising)
    assert outcome.made is not None
    assert (outcome.made.role, outcome.in_use, outcome.trouble) == ("target", True, "The disk is full: make room.")


def test_a_failure_is_final_until_the_next_start(optimising: Optimising, engine: FakeEngine, qtbot: QtBot) -> None:
    engine.optimiser.missing = True
    engine.optimiser.error = LobiError("The disk is full: make room.")
    optimising.set_occupied("model", False)
    assert ended(qtbot, optimising) == Outcome(trouble="The disk is full: make room.")
    optimising.on_answer_began()
    optimising.on_answer_ended()
    assert not optimising.is_waiting


# ---------------------------------------------------------------- when the user asks


def test_the_users_own_goes_on_beside_an_answer(optimising: Optimising, engine: FakeEngine, qtbot: QtBot) -> None:
    engine.optimiser.gate.clear()
    optimising.begin("/models/b.gguf", Wish("size"))
    qtbot.waitUntil(lambda: optimising.step is not None)
    optimising.on_answer_began()
    assert not engine.optimiser.stopped.is_set()
    engine.optimiser.gate.set()
    outcome = ended(qtbot, optimising)
    assert engine.optimiser.runs == [(Path("/models/b.gguf"), Wish("size"))]
    assert outcome.made is not None
    assert not outcome.in_use


def test_the_users_own_comes_before_what_goes_on_by_itself(
    optimising: Optimising, engine: FakeEngine, qtbot: QtBot
) -> None:
    engine.optimiser.missing = True
    engine.optimiser.gate.clear()
    optimising.set_occupied("model", False)
    qtbot.waitUntil(lambda: optimising.step is not None)
    optimising.begin("", Wish("speed"))
    assert ended(qtbot, optimising).made is None
    assert ended(qtbot, optimising).in_use
    assert engine.optimiser.runs == [(None, Wish()), (bundled_model(), Wish("speed"))]


def test_the_dialog_makes_shows_and_tells(
    dialog: SettingsDialog, box: OptimiseBox, optimising: Optimising, engine: FakeEngine, qtbot: QtBot
) -> None:
    engine.optimiser.gate.clear()
    box.choice.setCurrentIndex(box.choice.findText("Faster"))
    box.button.setFocus()
    QTest.keyClick(box.button, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: box.bar.value() == 40)
    assert box.words.text().startswith("40 %: comparing the new version")
    assert box.stop.hasFocus()
    assert not box.button.isEnabled()
    engine.optimiser.gate.set()
    ended(qtbot, optimising)
    assert box.words.text() == (
        "Made for this computer: decodes 1.5 times as fast, reads 1.2 times as fast, 92 MB instead of 98 MB, "
        "perplexity 20.3 instead of 20.1. Answers come from it from now on."
    )
    assert engine.optimiser.runs == [(bundled_model(), Wish("speed"))]
    assert dialog.isVisible()
    assert box.button.hasFocus()
    qtbot.waitUntil(lambda: box.words.height() >= box.words.heightForWidth(box.words.width()))


def test_the_dialog_works_for_the_model_in_its_field(
    dialog: SettingsDialog, box: OptimiseBox, optimising: Optimising, engine: FakeEngine, qtbot: QtBot
) -> None:
    field = dialog.fields["model"]
    field.setProperty("text", "/modèles/b.gguf")
    box.on_begin()
    ended(qtbot, optimising)
    assert engine.optimiser.runs == [(Path("/modèles/b.gguf"), Wish())]
    assert box.words.text().endswith("Hola uses it when this model is chosen, from the next start.")


def test_stop_ends_it_and_nothing_begins_by_itself(
    box: OptimiseBox, optimising: Optimising, engine: FakeEngine, qtbot: QtBot
) -> None:
    engine.optimiser.missing = True
    engine.optimiser.gate.clear()
    box.on_begin()
    qtbot.waitUntil(lambda: box.bar.value() == 40)
    with qtbot.waitSignal(optimising.ended):
        box.stop.click()
    assert box.words.text() == "Stopped: the model is what it was."
    optimising.set_occupied("model", False)
    assert not optimising.is_waiting


def test_the_dialog_tells_why_it_failed(
    box: OptimiseBox, optimising: Optimising, engine: FakeEngine, qtbot: QtBot
) -> None:
    engine.optimiser.error = LobiError("The disk is full: make room.")
    box.on_begin()
    ended(qtbot, optimising)
    assert box.words.text() == "The disk is full: make room."
    assert box.button.isEnabled()


def test_the_dialog_shows_what_goes_on_already(
    qtbot: QtBot, config: EngineConfig, optimising: Optimising, engine: FakeEngine
) -> None:
    engine.optimiser.gate.clear()
    optimising.begin("", Wish())
    qtbot.waitUntil(lambda: optimising.step is not None and optimising.step.share == 0.4)
    dialog = SettingsDialog(config.settings, config.data, optimising=optimising)
    qtbot.addWidget(dialog)
    assert dialog.optimise_box is not None
    assert dialog.optimise_box.bar.value() == 40
    assert dialog.optimise_box.is_running
    assert "closing this does not end it" in dialog.optimise_box.words.text()


def test_the_dialog_says_that_what_began_by_itself_gives_way(
    box: OptimiseBox, optimising: Optimising, engine: FakeEngine, qtbot: QtBot
) -> None:
    engine.optimiser.missing = True
    engine.optimiser.gate.clear()
    optimising.set_occupied("model", False)
    qtbot.waitUntil(lambda: box.bar.value() == 40)
    assert box.words.text().endswith("It gives way to your questions and to indexing.")


# ---------------------------------------------------------------- in the window


def test_the_window_shows_it_and_then_the_new_model(window: MainWindow, engine: FakeEngine, qtbot: QtBot) -> None:
    engine.optimiser.missing = True
    engine.optimiser.gate.clear()
    qtbot.waitUntil(lambda: "Optimising 40 %" in window.status.text())
    assert "comparing the new version with the original" in window.status.optimising_tip
    engine.optimiser.gate.set()
    qtbot.waitUntil(lambda: window.header.model.text() == "SmolLM2-135M-Lobi")
    assert window.header.model.toolTip() == f"{made_words(MADE)}\nNo draft."
    assert "Optimising" not in window.status.text()
    qtbot.waitUntil(lambda: not window.care.watch.is_watching)
    assert not window.care.optimising.is_waiting


def test_a_question_ends_it_in_the_window(window: MainWindow, engine: FakeEngine, qtbot: QtBot) -> None:
    engine.optimiser.missing = True
    engine.optimiser.gate.clear()
    qtbot.waitUntil(lambda: "Optimising 40 %" in window.status.text())
    engine.gate.clear()
    with qtbot.waitSignal(window.care.optimising.ended):
        window.conversation.ask("one two")
    assert "Optimising" not in window.status.text()
    engine.gate.set()
    qtbot.waitUntil(lambda: len(engine.optimiser.runs) == 2)


def test_its_failure_is_told_in_passing(window: MainWindow, engine: FakeEngine, qtbot: QtBot) -> None:
    engine.optimiser.missing = True
    engine.optimiser.error = LobiError("The disk is full: make room.")
    qtbot.waitUntil(lambda: window.status.trouble_tip == "The disk is full: make room.")
    assert not window.banner.isVisible()


def test_closing_the_window_ends_it(window: MainWindow, engine: FakeEngine, qtbot: QtBot) -> None:
    engine.optimiser.missing = True
    engine.optimiser.gate.clear()
    qtbot.waitUntil(lambda: "Optimising 40 %" in window.status.text())
    window.close()
    assert engine.optimiser.stopped.is_set()
    assert window.care.optimising.lane.is_over


def test_a_model_that_still_loads_is_left_alone(qtbot: QtBot, config: EngineConfig, engine: FakeEngine) -> None:
    engine.model = FakeModel("Starter", "loading")
    engine.optimiser.missing = True
    window = MainWindow(config, engine)
    qtbot.addWidget(window)
    window.show()
    qtbot.waitUntil(lambda: window.header.model.text() == "Loading Starter…")
    assert not window.care.optimising.is_waiting
    window.close()


# ---------------------------------------------------------------- words


def test_words_of_a_version_tell_what_it_brings() -> None:
    assert made_words(MADE) == "Made for this computer: decodes 1.5 times as fast, 92 MB instead of 98 MB."
    assert "perplexity 20.3 instead of 20.1" in made_report(MADE)


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (Figures(98.0, 300.0, 40.4, 20.1), "decodes as fast as before, 98 MB as before"),
        (Figures(98.0, 300.0, 30.0, 20.1), "decodes 0.75 times as fast"),
    ],
)
def test_words_of_a_version_that_brings_little(after: Figures, said: str) -> None:
    made = Made(MADE.path, MADE.source, "target", BEFORE, after, 0.0)
    assert said in made_words(made)


def test_words_of_a_draft_say_that_it_is_one() -> None:
    made = Made(MADE.path, MADE.source, "draft", BEFORE, AFTER, 0.0)
    assert made_words(made).startswith("A draft model was made for this computer: 92 MB instead of 98 MB")


@pytest.mark.parametrize("card", [{}, {"before": 3, "after": None}, {"before": {"file_mb": "x"}, "after": {}}])
def test_a_damaged_card_says_nothing(card: dict[str, object]) -> None:
    assert card_words(card) == ""
