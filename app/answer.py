"""The body of an answer: segments of prose and code that grow at the end."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QPlainTextEdit, QTextEdit, QVBoxLayout, QWidget

from app.drafts import drafted_marks
from app.markdown import Block, parse_blocks
from app.marks import Mark, Marks, Trace
from app.textview import CodeView, TextView
from app.theme import Theme

__all__ = ["AnswerBody"]


class AnswerBody(QWidget):
    """Show Markdown; what is final is laid out once, the last block again and again."""

    link_clicked = Signal(str)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(8)
        self._final = ""
        self._findings: tuple[Mark, ...] = ()
        self._open_prose: tuple[TextView, tuple[int, bool]] | None = None
        self._open_code: CodeView | None = None
        self._spare: list[TextView | CodeView] = []
        self.segments: list[TextView | CodeView] = []
        self.rendered_blocks = 0
        """How many blocks have been laid out, for tests."""

    def set_text(self, text: str, *, final: bool, drafted: Sequence[int] = (), findings: Sequence[Mark] = ()) -> None:
        """Show the text; if it goes on from the one before, only its last block is laid out.

        `drafted` are the edges of the words to tint (see `Drafts`), `findings` the marks of the review; both count
        characters of the text.
        """
        if not text.startswith(self._final) or tuple(findings) != self._findings:
            self._begin_anew()
        self._findings = tuple(findings)
        marks = Marks((*drafted_marks(drafted), *findings))
        tail = text[len(self._final) :]
        blocks = parse_blocks(tail)
        self._undo_open(keep_code=bool(blocks) and blocks[0].kind == "code")
        for index, block in enumerate(blocks):
            trace = Trace(text, marks, len(self._final) + block.start) if marks else None
            self._append(block, trace, final=final or index + 1 < len(blocks))
        if blocks:
            self._final += tail if final else tail[: blocks[-1].start]
        self._drop_spare()
        self.set_caret(not final)

    def set_caret(self, shown: bool) -> None:
        """Show the caret behind the last character, or none."""
        for segment in self.segments:
            if isinstance(segment, TextView):
                segment.set_caret(shown and segment is self.segments[-1])

    def texts(self) -> list[QTextEdit | QPlainTextEdit]:
        """Return the views in which find looks, top to bottom."""
        return [each.text_edit if isinstance(each, CodeView) else each for each in self.segments]

    def clear(self) -> None:
        """Begin anew."""
        self._begin_anew()
        self._drop_spare()

    def _begin_anew(self) -> None:
        """Forget the text but keep its views: they have their width, so that nothing jumps when it is replaced."""
        self._spare, self.segments = self.segments, []
        self._final, self._open_prose, self._open_code = "", None, None

    def _drop_spare(self) -> None:
        for view in self._spare:
            self._drop(view)
        self._spare.clear()

    def _append(self, block: Block, trace: Trace | None, *, final: bool) -> None:
        self.rendered_blocks += 1
        if block.kind == "code":
            view = self._open_code or self._code()
            view.set_code(_runs(block, trace), block.language, final=final)
            self._open_code = None if final else view
            return
        last = self.segments[-1] if self.segments else None
        prose = last if isinstance(last, TextView) else self._prose()
        self._open_prose = None if final else (prose, prose.writer.mark)
        prose.writer.write(block.tokens, trace)

    def _undo_open(self, *, keep_code: bool) -> None:
        if self._open_prose is not None:
            view, mark = self._open_prose
            view.writer.rewind(mark)
            self._open_prose = None
            if view.document().isEmpty() and keep_code:
                self.segments.remove(view)
                self._drop(view)
        if self._open_code is not None and not keep_code:
            self.segments.remove(self._open_code)
            self._drop(self._open_code)
            self._open_code = None

    def _prose(self) -> TextView:
        """Append a view of prose, if possible one that is there already."""
        if self._spare and isinstance(view := self._spare[0], TextView):
            del self._spare[0]
            view.restart()
        else:
            view = TextView(self._theme, "Answer")
            view.link_clicked.connect(self.link_clicked)
            self._layout.insertWidget(len(self.segments), view)
        self.segments.append(view)
        return view

    def _code(self) -> CodeView:
        """Append a view of code, if possible one that is there already."""
        if self._spare and isinstance(view := self._spare[0], CodeView):
            del self._spare[0]
            view.restart()
        else:
            view = CodeView(self._theme)
            self._layout.insertWidget(len(self.segments), view)
        self.segments.append(view)
        return view

    def _drop(self, view: TextView | CodeView) -> None:
        self._layout.removeWidget(view)
        view.hide()
        view.deleteLater()


def _runs(block: Block, trace: Trace | None) -> list[tuple[str, bool]]:
    """Return a block of code as runs that were drafted ahead or not; the review marks no code."""
    if trace is None:
        return [(block.text, False)]
    trace.pass_over(block.tokens[0].info)
    return [(run, any(mark.kind == "drafted" for mark in marks)) for run, marks in trace.take_lines(block.text)]
