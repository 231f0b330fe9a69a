from __future__ import annotations

import json
from pathlib import Path

import pytest
from PySide6.QtGui import QImage

from app.samples import SAMPLES, sample_paths
from app.tour import QUESTIONS, Tour, TourFailed
from app.window import MainWindow
from engine.config import EngineConfig
from engine.messages import Citation, Passage, Question, Route
from tests.app.conftest import ASSETS
from tests.app.fakes import FakeEngine, FakeLibrary

Reply = tuple[Route, str, tuple[Citation, ...], tuple[Passage, ...]]


class TalkingLibrary(FakeLibrary):
    def text(self, path: str, /) -> str:
        return f"The text of {Path(path).name}: {', '.join(word for each in QUESTIONS for word in each.words)}."


def reply(question: Question) -> Reply:
    asked = next(each for each in QUESTIONS if each.text == question.text)
    if not asked.file:
        return asked.route, " ".join(asked.words) or "The documents do not say.", (), ()
    path = str(ASSETS / "samples" / asked.file)
    text = TalkingLibrary().text(path)
    start = text.index(asked.words[0])
    snippet = asked.words[0]
    answer = f"It is {snippet}."
    cited = Citation(1, path, None, snippet, start, start + len(snippet), 0, len(answer), 0.9)
    return asked.route, answer, (cited,), ()


@pytest.fixture
def tour(window: MainWindow, engine: FakeEngine, tmp_path: Path) -> Tour:
    engine.library = TalkingLibrary()
    engine.script = reply
    return Tour(window, tmp_path)


def test_it_asks_a_rule_two_documents_a_follow_up_and_something_unknown() -> None:
    routes = [each.route for each in QUESTIONS]
    assert routes == ["rule", "model", "model", "model", "model"]
    assert len({each.file for each in QUESTIONS if each.file}) >= 2
    assert QUESTIONS[-1].file == ""
    assert {each.file for each in QUESTIONS if each.file} <= {sample.file for sample in SAMPLES}


def test_the_samples_are_there_in_different_formats() -> None:
    assert len({path.suffix for path in sample_paths(ASSETS)}) == 3


def test_every_step_leaves_a_picture_and_the_transcript_tells_all(tour: Tour, tmp_path: Path) -> None:
    tour.run()
    tour.write_transcript()
    pictures = sorted(tmp_path.glob("*.png"))
    assert len(pictures) >= 12
    assert all(QImage(str(picture)).width() > 800 for picture in pictures)
    told = json.loads((tmp_path / "transcript.json").read_text("utf-8"))
    assert [each["question"] for each in told] == [each.text for each in QUESTIONS]
    assert all(each["held"] for each in told)
    assert set(told[1]["citations"][0]) >= {"file", "page", "snippet", "start", "end"}
    assert told[1]["metrics"]["ttft_ms"] > 0


def test_a_citation_that_does_not_stand_there_fails_the_tour(
    tour: Tour, engine: FakeEngine, config: EngineConfig, tmp_path: Path
) -> None:
    def shifted(question: Question) -> Reply:
        route, answer, citations, passages = reply(question)
        moved = tuple(
            Citation(each.number, each.path, None, each.snippet, each.start + 1, each.end + 1, 0, 5, 0.9)
            for each in citations
        )
        return route, answer, moved, passages

    engine.script = shifted
    with pytest.raises(TourFailed, match="does not stand"):
        tour.run()
    tour.write_transcript()
    told = json.loads((tmp_path / "transcript.json").read_text("utf-8"))
    assert [each["held"] for each in told] == [True, False, False, False, True]
