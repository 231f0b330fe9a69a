"""Nothing that a document or the model says is loaded from anywhere."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from pytestqt.qtbot import QtBot

from app.answer import AnswerBody
from app.sources import SourceCard
from app.textview import TextView
from app.theme import Theme
from engine.messages import Citation, Passage

QUIET_MS = 200
"""Long enough for an image that is loaded to be asked for: without the guard it is, within milliseconds."""


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A server that would hear any attempt to load something."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def hostile(listener: socket.socket) -> str:
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    return (
        f"![x]({url}/a.png) <img src='{url}/b.png'> <iframe src='{url}'></iframe> <script>fetch('{url}')</script>\n\n"
        f"[link]({url}) ![y][ref]\n\n[ref]: {url}/c.png\n\n<style>@import '{url}/d.css';</style>\n\n`![z]({url}/e.png)`"
    )


def is_silent(listener: socket.socket, qtbot: QtBot) -> bool:
    qtbot.wait(QUIET_MS)
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return True
    return False


def test_answer_loads_nothing(listener: socket.socket, qtbot: QtBot, theme: Theme) -> None:
    body = AnswerBody(theme)
    qtbot.addWidget(body)
    body.resize(600, 800)
    body.set_text(hostile(listener), final=True)
    with qtbot.waitExposed(body):
        body.show()
    body.grab()
    assert is_silent(listener, qtbot)
    images = [
        fragment
        for view in body.findChildren(TextView)
        for fragment in [view.toHtml()]
        if "<img" in fragment and "127.0.0.1" in fragment
    ]
    assert images == []


def test_source_shows_a_passage_as_plain_text(listener: socket.socket, qtbot: QtBot, theme: Theme) -> None:
    text = hostile(listener).replace("\n", " ")
    citation = Citation(1, "/docs/<b>evil</b>.html", None, text, 0, len(text), 0, 1, 0.9)
    passage = Passage("c", citation.path, text, None, "", 0, len(text), 0.5)
    card = SourceCard(theme, citation, passage)
    qtbot.addWidget(card)
    with qtbot.waitExposed(card):
        card.show()
    card.grab()
    assert is_silent(listener, qtbot)
    assert card.marked_text == " ".join(text.split())
