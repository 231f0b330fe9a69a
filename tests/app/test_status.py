from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot

from app.plot import WINDOW_S, Plot
from app.status import StatusPanel
from app.theme import Theme
from engine.messages import Metrics
from tests.app.fakes import DRAFTED, METRICS, FakeMemory


@pytest.fixture
def status(qtbot: QtBot, theme: Theme) -> StatusPanel:
    status = StatusPanel(theme, "Full")
    qtbot.addWidget(status)
    status.resize(1000, 40)
    with qtbot.waitExposed(status):
        status.show()
    return status


def test_it_begins_with_the_mode_alone(status: StatusPanel) -> None:
    assert status.text() == "Full"


def test_it_shows_what_an_answer_cost(status: StatusPanel) -> None:
    status.end_answer(METRICS, by_model=True)
    status.show_memory(FakeMemory())
    assert status.text() == "Full  first word 0.38 s  31 tok/s  retrieval 18 ms  Hola 626 MB, free 9.1 GB"


def test_a_rules_answer_leaves_the_figures_of_the_model(status: StatusPanel) -> None:
    status.end_answer(METRICS, by_model=True)
    status.end_answer(Metrics(ttft_ms=0.1), by_model=False)
    assert "first word 0.38 s" in status.text()


def test_the_rate_is_live(status: StatusPanel, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("app.status.time.monotonic", lambda: now)
    status.begin_answer()
    for _ in range(21):
        status.add_tokens(1)
        now += 0.1
    assert "10 tok/s" in status.text()


def test_the_rate_tells_what_drafting_brought(status: StatusPanel) -> None:
    assert "no answer" in status.drafting_text
    status.end_answer(DRAFTED, by_model=True)
    assert "31 tok/s 1.6x" in status.text()
    for part in ("n-gram", "72 %", "8.1", "1.6 times"):
        assert part in status.rate_tip
    assert "tier n-gram, acceptance 72 %, 8.1 tokens accepted per draft, 1.6x plain" in status.drafting_text


def test_nothing_drafted_is_told_in_the_open_panel_only(status: StatusPanel) -> None:
    status.end_answer(DRAFTED, by_model=True)
    status.end_answer(METRICS, by_model=True)
    assert status.text() == "Full  first word 0.38 s  31 tok/s  retrieval 18 ms"
    assert status.rate_tip == "Tokens per second"
    assert status.drafting_text.startswith("Drafting: none")


def test_the_speedup_is_plotted_for_answers_that_were_drafted(status: StatusPanel) -> None:
    for metrics in (METRICS, DRAFTED):
        status.end_answer(metrics, by_model=True)
    names = [plot.accessibleName() for plot in status.findChildren(Plot)]
    assert "Speed-up: 1.6x, last five minutes" in names
    assert [plot.values for plot in status.findChildren(Plot) if "Speed-up" in plot.accessibleName()] == [[1.6]]


def test_indexing_is_shown_and_goes(status: StatusPanel) -> None:
    status.show_indexing("Indexing 3 of 12 files")
    assert status.text().endswith("Indexing 3 of 12 files")
    assert status.is_ticking
    status.show_indexing("")
    assert status.text() == "Full"


def test_optimising_is_shown_beside_indexing_and_goes(status: StatusPanel) -> None:
    status.show_indexing("Indexing 3 of 12 files")
    status.show_optimising("Optimising 40 %", "Comparing the new version with the original.")
    assert status.text().endswith("Indexing 3 of 12 files  Optimising 40 %")
    assert status.optimising_tip == "Comparing the new version with the original."
    status.show_indexing("")
    assert status.is_ticking
    status.show_optimising("", "")
    assert status.text() == "Full"
    assert not status.is_ticking


def test_what_failed_in_the_background_is_told_in_the_tooltip_alone(status: StatusPanel) -> None:
    status.show_trouble("The disk is full: make room.")
    assert (status.text(), status.trouble_tip) == ("Full", "The disk is full: make room.")
    status.show_trouble("")
    assert status.trouble_tip == ""


def test_memory_is_asked_for_only_while_it_is_seen(status: StatusPanel, qtbot: QtBot) -> None:
    with qtbot.waitSignal(status.memory_wanted):
        status.on_toggle()
    ticking = [status.is_ticking]
    status.hide()
    ticking.append(status.is_ticking)
    assert ticking == [True, False]


def test_a_plot_forgets_what_is_older_than_five_minutes(
    qtbot: QtBot, theme: Theme, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("app.plot.time.monotonic", lambda: now)
    plot = Plot(theme, "First word", "s", "points")
    qtbot.addWidget(plot)
    plot.add(1.0)
    now += WINDOW_S - 1
    plot.add(2.0)
    now += 2
    plot.add(3.0)
    assert plot.values == [2.0, 3.0]
    assert "3.0 s" in plot.accessibleName()
    plot.resize(200, 90)
    assert not plot.grab().isNull()
