"""The right side of the window: the documents, and below them the source that is read."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt, Slot
from PySide6.QtWidgets import QApplication, QSplitter, QWidget

from app.documents import DocumentsPanel
from app.sources import SourceChoice
from app.viewer import SourceViewer

__all__ = ["SidePanel"]

_NARROW = 1100
"""A window that is less wide has no room for all panels."""
_DOCUMENTS_WIDTH = 300
_VIEWER_WIDTH = 440
"""Width at which a page can be read."""
_CENTRE_WIDTH = 560
"""What the conversation keeps of the width when a source opens, and less in a narrow window."""
_CENTRE_WIDTH_NARROW = 420
_SHARES = (32, 68)


class SidePanel(QSplitter):
    """Fold the documents away while the window is narrow; make room for a source while one is open.

    It lies in the window's horizontal splitter, to the right of the conversation.
    """

    def __init__(self, documents: DocumentsPanel, viewer: SourceViewer, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Vertical, parent)
        self._documents = documents
        self._viewer = viewer
        self._narrow = False
        self._wants_documents = True
        self._widths: tuple[int, int] | None = None
        """Its width before a source was opened, and after."""
        self.setHandleWidth(1)
        self.setChildrenCollapsible(False)
        for panel, least in ((documents, 120), (viewer, 240)):
            panel.setMinimumHeight(least)
            self.addWidget(panel)
        viewer.close_requested.connect(self.close_source)

    @property
    def wants_documents(self) -> bool:
        """Whether the documents are to be shown where there is room."""
        return self._wants_documents

    def set_wants_documents(self, wanted: bool) -> None:
        """Show or hide the documents."""
        self._wants_documents = wanted
        self._show(wanted and not self._narrow)

    def set_window_width(self, width: int) -> None:
        """Fold the documents away while there is little room."""
        narrow = width < _NARROW
        if narrow != self._narrow:
            self._narrow = narrow
            self._show(self._wants_documents and not narrow)

    @Slot()
    def on_toggle_documents(self) -> None:
        """Show or hide the documents; in a narrow window only for now."""
        shown = self._documents.isHidden()
        self._show(shown)
        if not self._narrow:
            self._wants_documents = shown

    @Slot()
    def on_added(self) -> None:
        """Show where added documents go, if there is room."""
        if not self._narrow and self._documents.isHidden():
            self.on_toggle_documents()

    @Slot(object)
    def on_view(self, choice: SourceChoice) -> None:
        """Show a source; in a narrow window it takes the place of the documents."""
        if self._viewer.isHidden():
            had_room = self.isVisible()
            self._viewer.show()
            self._show(self._wants_documents and not self._narrow)
            self._widen(self.width() if had_room else _DOCUMENTS_WIDTH)
            height = max(1, self.height())
            self.setSizes([height * share // sum(_SHARES) for share in _SHARES])
            # The viewer draws its page as wide as it is.
            QApplication.sendPostedEvents(None, QEvent.Type.LayoutRequest.value)
        self._viewer.show_source(choice)

    @Slot()
    def close_source(self) -> bool:
        """Close the source and give its room back; return whether one was open."""
        if self._viewer.isHidden():
            return False
        self._viewer.hide()
        self._viewer.forget()
        if self._widths is not None and self.width() == self._widths[1]:
            # Nobody has moved the edge meanwhile.
            self._take_width(self._widths[0])
        self._widths = None
        self._show(not self._documents.isHidden())
        return True

    def _show(self, documents: bool) -> None:
        self._documents.setVisible(documents)
        self.setVisible(documents or not self._viewer.isHidden())

    def _widen(self, before: int) -> None:
        """Take width from the conversation, as far as it can spare it; `before` is what there is to go back to."""
        least = _CENTRE_WIDTH_NARROW if self._narrow else _CENTRE_WIDTH
        self._take_width(max(before, min(_VIEWER_WIDTH, self._shared_width() - least)))
        self._widths = before, self.width()

    def _shared_width(self) -> int:
        """Return what the conversation and this side have together."""
        outer = self.parentWidget()
        at = outer.indexOf(self) if isinstance(outer, QSplitter) else -1
        return sum(outer.sizes()[at - 1 : at + 1]) if isinstance(outer, QSplitter) and at > 0 else self.width()

    def _take_width(self, width: int) -> None:
        """Be so wide; the conversation takes the rest."""
        outer = self.parentWidget()
        if isinstance(outer, QSplitter) and outer.indexOf(self) > 0:
            at, sizes = outer.indexOf(self), outer.sizes()
            sizes[at - 1 : at + 1] = [self._shared_width() - width, width]
            outer.setSizes(sizes)
