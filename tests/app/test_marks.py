from __future__ import annotations

from app.markdown import with_chips
from app.marks import Mark, Marks, Trace, marks_past_chips
from engine.messages import Citation


def drafted(start: int, end: int) -> Mark:
    return Mark(start, end, "drafted", "")


def unsupported(start: int, end: int) -> Mark:
    return Mark(start, end, "unsupported", "")


def runs(trace: Trace, piece: str) -> list[tuple[str, list[str]]]:
    return [(text, [mark.kind for mark in marks]) for text, marks in trace.take(piece)]


def test_a_trace_skips_markup_only() -> None:
    trace = Trace("a **bc** de", Marks([drafted(5, 10)]))
    assert runs(trace, "a ") == [("a ", [])]
    assert runs(trace, "bc") == [("b", []), ("c", ["drafted"])]
    assert runs(trace, " de") == [(" d", ["drafted"]), ("e", [])]


def test_a_lost_trace_marks_nothing_more() -> None:
    trace = Trace("a hidden b c", Marks([drafted(0, 12)]))
    assert runs(trace, "a ") == [("a ", ["drafted"])]
    assert runs(trace, "b") == [("b", [])]
    assert runs(trace, " c") == [(" c", [])]


def test_marks_that_overlap_hold_both_where_they_do() -> None:
    trace = Trace("abcdef", Marks([drafted(0, 4), unsupported(2, 6)]))
    assert runs(trace, "abcdef") == [("ab", ["drafted"]), ("cd", ["drafted", "unsupported"]), ("ef", ["unsupported"])]


def test_marks_that_touch_or_are_empty_stay_apart() -> None:
    marks = Marks([drafted(0, 2), unsupported(2, 3), drafted(3, 3), drafted(5, 4)])
    assert runs(Trace("abcdef", marks), "abcdef") == [("ab", ["drafted"]), ("c", ["unsupported"]), ("def", [])]
    assert not Marks([drafted(3, 3)])
    assert Marks([drafted(3, 4)])


def test_marks_move_behind_the_chips() -> None:
    answer = "First. Second. Third."
    cited = [Citation(n, "/a.pdf", 1, "s", 0, 1, 0, end, 0.9) for n, end in ((1, 6), (12, 14))]
    chipped = with_chips(answer, cited)
    moved = marks_past_chips([unsupported(7, 14), unsupported(15, 21)], chipped)
    assert [chipped[mark.start : mark.end] for mark in moved] == ["Second.⸨12⸩", "Third."]
