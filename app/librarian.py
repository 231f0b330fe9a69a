"""The course of the library: from drops and buttons to the index job, and from its changes to the panel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot

from app.bridge import ControlThread, LibraryThread
from app.documents import DocumentsPanel, job_text
from app.emptystate import EmptyState
from app.records import RecordsThread
from engine.messages import Document, DocumentStatus, IndexFinished, IndexProgress

__all__ = ["Librarian"]


class Librarian(QObject):
    """Connect the documents panel with the library; resume unfinished work at the start."""

    trouble = Signal(str)
    """A sentence for the banner"""
    job_changed = Signal(str)
    """The running job in one line; empty when it has ended"""
    added = Signal()

    def __init__(
        self,
        library: LibraryThread,
        control: ControlThread,
        records: RecordsThread,
        panel: DocumentsPanel,
        empty: EmptyState,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._library = library
        self._control = control
        self._records = records
        self._panel = panel
        self._empty = empty
        self._resumed = False
        records.documents.connect(self.on_documents)
        library.updated.connect(self.on_updated)
        library.busy_changed.connect(self.on_busy)
        library.finished.connect(self.on_indexed)
        library.removed.connect(self.on_removed)
        library.failed.connect(self.trouble)
        panel.add_requested.connect(self.add)
        panel.remove_requested.connect(library.remove)
        panel.rebuild_requested.connect(library.rebuild)
        panel.pause_requested.connect(self.on_pause)
        panel.cancel_requested.connect(self.on_cancel)
        empty.sample_requested.connect(self.add)

    @Slot(object)
    def add(self, paths: Sequence[Path]) -> None:
        """Index files and folders."""
        self._library.index(paths)
        self.added.emit()

    @Slot(object)
    def on_documents(self, documents: Sequence[Document]) -> None:
        """Show the library; at the start, go on where it was left."""
        self._panel.show_documents(documents)
        self._empty.show_ready({each.path for each in documents if each.status is DocumentStatus.READY})
        if not self._resumed:
            self._resumed = True
            if self._panel.model.has_unfinished():
                self._library.index(())

    @Slot(object, object)
    def on_updated(self, documents: Sequence[Document], progress: IndexProgress | None) -> None:
        """Show what moved on."""
        self._panel.apply(documents, progress)
        if progress is not None and self._library.busy:
            self.job_changed.emit(job_text(progress))

    @Slot(bool)
    def on_busy(self, busy: bool) -> None:
        """Show that a job runs, or read the list anew after it."""
        self._panel.set_busy(busy, busy and self._library.paused)
        self.job_changed.emit("Indexing…" if busy else "")
        if not busy:
            self._records.load_documents.emit()

    @Slot(object)
    def on_indexed(self, result: IndexFinished) -> None:
        """Tell of a file that could not be read."""
        failed = [each for each in result.files if each.status is DocumentStatus.FAILED]
        if len(failed) == 1:
            self.trouble.emit(f"{Path(failed[0].path).name} was not indexed: {failed[0].reason}")
        elif failed:
            self.trouble.emit(f"{len(failed)} files were not indexed: the list of documents says why for each.")

    @Slot(object)
    def on_removed(self, paths: Sequence[Path]) -> None:
        """Take documents off the list."""
        self._panel.forget([str(path) for path in paths])
        self._records.load_documents.emit()

    @Slot(bool)
    def on_pause(self, paused: bool) -> None:
        """Pause the job or let it go on."""
        self._control.pause.emit(paused)

    @Slot()
    def on_cancel(self) -> None:
        """End the job; a paused one gives no event at which it could notice."""
        self._library.cancel()
        if self._library.paused:
            self._control.pause.emit(False)
