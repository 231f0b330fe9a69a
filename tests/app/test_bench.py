from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app import bench, startup_report
from app.bench_window import Load, blocks, percentile, write_documents
from app.paths import engine_config
from app.window import MainWindow
from engine.errors import HolaError
from tests.app.fakes import FakeEngine


def start(code: str, limit_s: float = 30.0) -> tuple[float, dict[str, object]]:
    """Measure a program that stands in for the window."""
    return bench.start_once([sys.executable, "-c", code], dict(os.environ), limit_s)


def test_the_first_json_line_of_the_window_is_its_report() -> None:
    elapsed_ms, told = start("print('a warning'); print('{\"gui_rss_mb\": 61.5}')")
    assert told == {"gui_rss_mb": 61.5}
    assert elapsed_ms > 0


@pytest.mark.parametrize("code", ["", "raise SystemExit(3)", "print('{broken')"])
def test_a_window_that_does_not_report_is_an_error(code: str) -> None:
    with pytest.raises(HolaError, match="start `hola`"):
        start(code)


def test_a_window_that_hangs_is_ended() -> None:
    with pytest.raises(HolaError, match="did not appear"):
        start("import threading; threading.Event().wait()", limit_s=0.5)


def test_a_late_tick_is_a_block() -> None:
    late = blocks([0.0, 0.001, 0.0515, 0.0520], interval_ms=1.0)
    assert late == pytest.approx([0.0, 49.5, 0.0])


@pytest.mark.parametrize(
    ("count", "share", "expected"), [(100, 0.99, 99), (100, 1.0, 100), (1, 0.99, 1), (101, 0.99, 100), (100, 0.5, 50)]
)
def test_the_percentile_is_a_value_by_nearest_rank(count: int, share: float, expected: int) -> None:
    assert percentile(list(range(count, 0, -1)), share) == expected


def test_no_two_documents_of_the_load_are_alike(tmp_path: Path) -> None:
    write_documents(tmp_path / "documents", 12)
    texts = [file.read_text("utf-8") for file in (tmp_path / "documents").glob("*.md")]
    assert len(set(texts)) == 12
    paragraphs = [line for text in texts for line in text.splitlines() if line.startswith("The ")]
    assert len(set(paragraphs)) > 0.9 * len(paragraphs)


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path) -> Iterator[MainWindow]:
    made = MainWindow(engine_config(tmp_path / "data"), FakeEngine())
    qtbot.addWidget(made)
    yield made
    made.close()


def test_the_load_answers_and_indexes_while_it_watches(window: MainWindow, tmp_path: Path) -> None:
    write_documents(tmp_path / "documents", 5)
    window.show()
    load = Load(window)
    load.run(tmp_path / "documents", seconds=0.5)
    assert load.tokens > 0
    assert load.changes > 0
    assert len(load.ticks) > 10


def test_the_window_reports_once_it_is_painted_and_has_taken_a_letter(
    window: MainWindow, qtbot: QtBot, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(startup_report.ENVIRONMENT, "1")
    startup_report.report_if_asked(window)
    window.show()
    qtbot.waitUntil(lambda: not window.isVisible())
    told = json.loads(capsys.readouterr().out)
    assert told["took_input"] is True
    assert told["gui_rss_mb"] > 0


def test_without_the_request_no_window_is_watched(window: MainWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(startup_report.ENVIRONMENT, raising=False)
    startup_report.report_if_asked(window)
    assert window.findChild(startup_report.StartupReport) is None
    monkeypatch.setenv(startup_report.ENVIRONMENT, "1")
    startup_report.report_if_asked(window)
    assert window.findChild(startup_report.StartupReport) is not None
