"""The right side of the window: the documents, the running index job, and what can be done with them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QPoint, Qt, Signal, Slot
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QListView,
    QMenu,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.dialogs import confirm
from app.files import FilesDelegate, FilesModel, status_text
from app.sources import file_name
from app.theme import Theme
from app.widgets import IconButton
from engine.messages import Document, DocumentStatus, IndexProgress

__all__ = ["DocumentsPanel", "job_text"]


def job_text(progress: IndexProgress) -> str:
    """Return the whole job in one line."""
    if not progress.total:
        return "Looking for new and changed files"
    words = f"{progress.done} of {progress.total} files"
    if progress.paused:
        return f"Paused at {words}"
    left = progress.seconds_left
    if left is None:
        return f"Indexing {words}"
    if left < 60:
        return f"Indexing {words}, {max(1, round(left))} s left"
    if left < 5400:
        return f"Indexing {words}, {round(left / 60)} min left"
    return f"Indexing {words}, {left / 3600:.1f} h left"


class DocumentsPanel(QWidget):
    """List the documents; ask before anything is removed or read anew."""

    add_requested = Signal(object)
    remove_requested = Signal(object)
    rebuild_requested = Signal(object)
    open_requested = Signal(str)
    ask_requested = Signal(object)
    pause_requested = Signal(bool)
    cancel_requested = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("documents")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._theme = theme
        self._paused = False
        self.model = FilesModel(self)
        self.list = self._build_list()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(9, 8, 8, 8)
        layout.setSpacing(6)
        layout.addLayout(self._build_top())
        layout.addWidget(self._build_job())
        layout.addWidget(self._build_summary())
        layout.addWidget(self.list, 1)
        layout.addWidget(self._build_empty(), 1)
        layout.addWidget(self._build_detail())
        self._refresh()

    # -- building

    def _build_top(self) -> QHBoxLayout:
        title = QLabel("Documents")
        title.setProperty("role", "title")
        self._add = IconButton(self._theme, "plus", "Add documents")
        menu = QMenu(self._add)
        menu.addAction("Add files…").triggered.connect(self.on_add_files)
        menu.addAction("Add a folder…").triggered.connect(self.on_add_folder)
        self._add.setMenu(menu)
        self._add.setPopupMode(IconButton.ToolButtonPopupMode.InstantPopup)
        self._more = IconButton(self._theme, "more", "What to do with the documents")
        more = QMenu(self._more)
        more.addAction("Rebuild all…").triggered.connect(self.on_rebuild_all)
        more.addAction("Remove all…").triggered.connect(self.on_remove_all)
        self._more.setMenu(more)
        self._more.setPopupMode(IconButton.ToolButtonPopupMode.InstantPopup)
        row = QHBoxLayout()
        row.setContentsMargins(8, 0, 0, 0)
        row.addWidget(title, 1)
        row.addWidget(self._add)
        row.addWidget(self._more)
        return row

    def _build_job(self) -> QWidget:
        self._job = QWidget()
        self._job_label = QLabel()
        self._job_label.setProperty("role", "caption")
        self._job_label.setWordWrap(True)
        self._bar = QProgressBar(textVisible=False)
        self._bar.setAccessibleName("Progress of the index job")
        self.pause_button = IconButton(self._theme, "pause", "Pause indexing")
        self.pause_button.clicked.connect(self.on_pause)
        self._cancel = IconButton(self._theme, "close", "Cancel indexing")
        self._cancel.clicked.connect(self.cancel_requested)
        row = QHBoxLayout()
        row.addWidget(self._job_label, 1)
        row.addWidget(self.pause_button)
        row.addWidget(self._cancel)
        column = QVBoxLayout(self._job)
        column.setContentsMargins(8, 0, 8, 4)
        column.setSpacing(2)
        column.addLayout(row)
        column.addWidget(self._bar)
        self._job.hide()
        return self._job

    def _build_summary(self) -> QWidget:
        self._summary = QWidget()
        self._counts = QLabel()
        self._counts.setProperty("role", "caption")
        self._trouble = QPushButton()
        self._trouble.setProperty("role", "sources")
        self._trouble.setCheckable(True)
        self._trouble.toggled.connect(self.on_only_trouble)
        row = QHBoxLayout(self._summary)
        row.setContentsMargins(8, 0, 0, 0)
        row.addWidget(self._counts)
        row.addStretch(1)
        row.addWidget(self._trouble)
        return self._summary

    def _build_list(self) -> QListView:
        view = QListView()
        view.setModel(self.model)
        view.setItemDelegate(FilesDelegate(self._theme, view))
        view.setUniformItemSizes(True)
        view.setMouseTracking(True)
        view.setAcceptDrops(False)
        view.setSelectionMode(QListView.SelectionMode.ExtendedSelection)
        view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        view.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        view.setAccessibleName("Documents")
        view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        view.customContextMenuRequested.connect(self.on_menu)
        view.selectionModel().selectionChanged.connect(self.on_selected)
        self.model.dataChanged.connect(self.on_selected)
        self.model.modelReset.connect(self.on_selected)
        self._remove_action = QAction("Remove…", view)
        self._remove_action.setShortcut(QKeySequence(Qt.Key.Key_Delete))
        self._remove_action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        self._remove_action.triggered.connect(self.on_remove_selected)
        view.addAction(self._remove_action)
        return view

    def _build_empty(self) -> QLabel:
        self.empty_hint = QLabel(
            "Drop files or folders anywhere in this window.\n\nThey stay where they are on this computer."
        )
        self.empty_hint.setProperty("role", "muted")
        self.empty_hint.setWordWrap(True)
        self.empty_hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty_hint.setMargin(16)
        return self.empty_hint

    def _build_detail(self) -> QWidget:
        self._detail = QWidget()
        self._detail_name = QLabel(wordWrap=True, textFormat=Qt.TextFormat.PlainText)
        self._detail_name.setProperty("role", "title")
        self._detail_state = QLabel(wordWrap=True, textFormat=Qt.TextFormat.PlainText)
        self._detail_state.setProperty("role", "caption")
        self._detail_state.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        buttons = QHBoxLayout()
        self._open = IconButton(self._theme, "open", "Open file in its own program")
        self._open.clicked.connect(self.on_open_selected)
        rebuild = IconButton(self._theme, "refresh", "Rebuild: read the selected documents anew")
        rebuild.clicked.connect(self.on_rebuild_selected)
        remove = IconButton(self._theme, "trash", "Remove the selected documents (Delete)")
        remove.clicked.connect(self.on_remove_selected)
        for button in (self._open, rebuild, remove):
            buttons.addWidget(button)
        buttons.addStretch(1)
        column = QVBoxLayout(self._detail)
        column.setContentsMargins(8, 4, 8, 0)
        column.setSpacing(4)
        column.addWidget(self._detail_name)
        column.addWidget(self._detail_state)
        column.addLayout(buttons)
        self._detail.hide()
        return self._detail

    # -- showing

    def show_documents(self, documents: Sequence[Document]) -> None:
        """Show the whole list anew."""
        self.model.show_documents(documents)
        self._refresh()

    def apply(self, documents: Sequence[Document], progress: IndexProgress | None) -> None:
        """Show what has changed."""
        if documents:
            self.model.apply(documents)
            self._refresh()
        if progress is not None:
            self._show_progress(progress)

    def forget(self, paths: Sequence[str]) -> None:
        """Take documents off the list."""
        self.model.forget(paths)
        self._refresh()

    def set_busy(self, busy: bool, paused: bool = False) -> None:
        """Show or hide the line of the job, which may begin paused."""
        self._job.setVisible(busy)
        if busy:
            self._job_label.setText("Paused" if paused else "Indexing…")
            self._bar.setRange(0, 1)
            self._bar.setValue(0)
            self._set_paused(paused)

    @property
    def detail_text(self) -> str:
        """What is said of the selected documents."""
        return f"{self._detail_name.text()}\n{self._detail_state.text()}"

    def selected(self) -> list[Document]:
        """Return the chosen documents."""
        found = (self.model.document(index) for index in self.list.selectionModel().selectedIndexes())
        return [document for document in found if document is not None]

    def _show_progress(self, progress: IndexProgress) -> None:
        self._job_label.setText(job_text(progress))
        self._bar.setRange(0, max(1, progress.total))
        self._bar.setValue(progress.done)
        self._set_paused(progress.paused)

    def _set_paused(self, paused: bool) -> None:
        self._paused = paused
        self.pause_button.set_icon_name(
            "play" if paused else "pause", "Resume indexing" if paused else "Pause indexing"
        )

    def _refresh(self) -> None:
        ready, trouble, total = self.model.counts()
        self.empty_hint.setVisible(not total)
        self.list.setVisible(total > 0)
        self._summary.setVisible(total > 0)
        self._more.setEnabled(total > 0)
        self._counts.setText(f"{ready} of {total} ready" if ready < total else f"{total} ready")
        self._trouble.setVisible(trouble > 0 or self._trouble.isChecked())
        self._trouble.setText("Show all" if self._trouble.isChecked() else f"{trouble} not indexed")

    # -- slots

    @Slot()
    def on_selected(self) -> None:
        """Describe what is selected, in full."""
        chosen = self.selected()
        self._detail.setVisible(bool(chosen))
        if len(chosen) == 1:
            document = chosen[0]
            self._detail_name.setText(file_name(document.path))
            state = status_text(document)
            self._detail_state.setText(f"{state}\n{Path(document.path).parent}")
        elif chosen:
            self._detail_name.setText(f"{len(chosen)} documents")
            ready = sum(each.status is DocumentStatus.READY for each in chosen)
            self._detail_state.setText(f"{ready} of them ready")
        self._open.setEnabled(len(chosen) == 1)

    @Slot(QPoint)
    def on_menu(self, place: QPoint) -> None:
        """Offer what can be done with the selected documents."""
        if not self.selected():
            return
        menu = QMenu(self)
        menu.addAction("Ask about it" if len(self.selected()) == 1 else "Ask about them").triggered.connect(self.on_ask)
        menu.addAction("Open file").triggered.connect(self.on_open_selected)
        menu.addAction("Rebuild…").triggered.connect(self.on_rebuild_selected)
        menu.addAction("Remove…").triggered.connect(self.on_remove_selected)
        menu.exec(self.list.viewport().mapToGlobal(place))
        menu.deleteLater()

    @Slot()
    def on_add_files(self) -> None:
        """Let the user pick files."""
        names, _kind = QFileDialog.getOpenFileNames(self, "Add files")
        if names:
            self.add_requested.emit(tuple(Path(name) for name in names))

    @Slot()
    def on_add_folder(self) -> None:
        """Let the user pick a folder."""
        name = QFileDialog.getExistingDirectory(self, "Add a folder")
        if name:
            self.add_requested.emit((Path(name),))

    @Slot()
    def on_pause(self) -> None:
        """Pause the job, or let it go on."""
        self._set_paused(not self._paused)
        if self._paused:
            self._job_label.setText("Paused")
        self.pause_requested.emit(self._paused)

    @Slot(bool)
    def on_only_trouble(self, only: bool) -> None:
        """List what failed or was skipped, or all."""
        self.model.show_only_trouble(only)
        self._refresh()

    @Slot()
    def on_open_selected(self) -> None:
        """Open the selected file."""
        for document in self.selected()[:1]:
            self.open_requested.emit(document.path)

    @Slot()
    def on_ask(self) -> None:
        """Limit the next question to the selected documents."""
        self.ask_requested.emit(tuple(Path(each.path).name for each in self.selected()))

    @Slot()
    def on_remove_selected(self) -> None:
        """Remove the selected documents after asking."""
        self._remove([Path(each.path) for each in self.selected()])

    @Slot()
    def on_remove_all(self) -> None:
        """Remove every document after asking."""
        self._remove([Path(path) for path in self.model.paths()])

    @Slot()
    def on_rebuild_selected(self) -> None:
        """Read the selected documents anew after a warning."""
        paths = [Path(each.path) for each in self.selected()]
        if paths and confirm(self, f"Rebuild {_these(paths)}?", "Reading documents anew takes a while.", "Rebuild"):
            self.rebuild_requested.emit(tuple(paths))

    @Slot()
    def on_rebuild_all(self) -> None:
        """Read everything anew after a warning."""
        total = self.model.counts()[2]
        detail = f"All {total} documents are read anew. This can take long; you can go on asking meanwhile."
        if confirm(self, "Rebuild the whole library?", detail, "Rebuild"):
            self.rebuild_requested.emit(())

    def _remove(self, paths: list[Path]) -> None:
        detail = "Hola forgets what is in it. The file itself stays on the disk."
        if len(paths) > 1:
            detail = "Hola forgets what is in them. The files themselves stay on the disk."
        if paths and confirm(self, f"Remove {_these(paths)} from the library?", detail, "Remove"):
            self.remove_requested.emit(tuple(paths))


def _these(paths: Sequence[Path]) -> str:
    return f"“{paths[0].name}”" if len(paths) == 1 else f"these {len(paths)} documents"
