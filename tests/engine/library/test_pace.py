from __future__ import annotations

import pytest

from engine.library.pace import REST_PER_WORK, Pace


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr("engine.library.pace.time.monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_work_goes_on_without_rest_while_nobody_is_answered(clock: Clock) -> None:
    pace = Pace(paused=False)
    pace.worked(5.0)
    assert not pace.holds


def test_beside_an_answer_the_job_rests_a_multiple_of_its_work(clock: Clock) -> None:
    pace = Pace(paused=False)
    pace.answering(True)
    pace.worked(0.5)
    rested = []
    for seconds in (0.0, 0.5 * REST_PER_WORK - 0.01, 0.02):
        clock.now += seconds
        rested.append(pace.holds)
    assert rested == [True, True, False]


def test_the_end_of_the_answer_ends_the_rest(clock: Clock) -> None:
    pace = Pace(paused=False)
    pace.answering(True)
    pace.worked(60.0)
    pace.answering(False)
    assert not pace.holds


def test_a_begin_that_is_told_twice_is_ended_by_one_end(clock: Clock) -> None:
    pace = Pace(paused=False)
    pace.answering(True)
    pace.answering(True)
    pace.answering(False)
    pace.worked(60.0)
    assert not pace.holds


def test_a_pause_holds_until_it_is_taken_back(clock: Clock) -> None:
    pace = Pace(paused=True)
    clock.now += 10_000
    assert pace.holds
    pace.paused = False
    assert not pace.holds
