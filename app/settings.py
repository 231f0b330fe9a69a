"""The settings dialog, built from the fields of `engine.config.Settings`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from PySide6.QtCore import QCoreApplication, QEvent, QObject, Qt, QTimer, QUrl, Slot
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from app.optimise import Optimising
from app.optimisebox import OptimiseBox
from app.widgets import TickBox
from engine.config import DataPaths, Settings, save_settings

__all__ = ["LIVE_FIELDS", "SettingsDialog", "bounds", "groups"]

_SIMPLE = ("theme", "model", "optimize", "system_prompt", "max_answer_tokens", "speculation", "show_drafts")
_GROUPS = {
    "General": ("theme", "model", "optimize", "system_prompt", "max_answer_tokens"),
    "Drafting and speed": ("speculation", "show_drafts", "strict", "context_tokens", "threads"),
    "Sampling": ("temperature", "top_k", "top_p", "min_p", "repetition_penalty", "seed"),
    "Documents": ("passages", "embedder_threads", "parse_timeout_s", "parse_memory_mb"),
}
_LAST_GROUP = "Other"
"""Where a setting goes that no group names."""
_LONG_TEXT = 1000
LIVE_FIELDS = frozenset(
    {
        "theme",
        "show_drafts",
        "max_answer_tokens",
        "temperature",
        "top_k",
        "top_p",
        "min_p",
        "repetition_penalty",
        "seed",
    }
)
"""Settings of the look, and those that each question carries, act at once; the others act at the next start."""


def bounds(field: FieldInfo) -> tuple[float, float]:
    """Return the least and the greatest value that a field takes."""
    low, high = 0.0, 1e9
    for each in field.metadata:
        low = float(getattr(each, "ge", getattr(each, "gt", low)))
        high = float(getattr(each, "le", getattr(each, "lt", high)))
    return low, high


def groups() -> dict[str, tuple[str, ...]]:
    """Return the names of all settings by the heading that they stand under."""
    named = {name for names in _GROUPS.values() for name in names}
    found = {title: tuple(each for each in names if each in Settings.model_fields) for title, names in _GROUPS.items()}
    found[_LAST_GROUP] = tuple(name for name in Settings.model_fields if name not in named)
    return {title: names for title, names in found.items() if names}


class SettingsDialog(QDialog):
    """Show every setting with its help; few at first, all behind a switch."""

    def __init__(
        self,
        settings: Settings,
        data: DataPaths,
        parent: QWidget | None = None,
        *,
        optimising: Optimising | None = None,
    ) -> None:
        super().__init__(parent)
        self._optimising = optimising
        self.optimise_box: OptimiseBox | None = None
        self.setWindowTitle("Settings")
        self.settings = settings
        self._data = data
        self._readers: dict[str, Callable[[], object]] = {}
        self.fields: dict[str, QWidget] = {}
        self._rows: list[tuple[str, QWidget]] = []
        self._headings: list[tuple[QLabel, tuple[str, ...]]] = []
        self._advanced = TickBox("Show advanced settings")
        self._advanced.toggled.connect(self.on_advanced)
        self._error = QLabel(wordWrap=True)
        self._error.setProperty("role", "danger")
        self._error.hide()
        buttons = QDialogButtonBox()
        self._save = buttons.addButton("Save", QDialogButtonBox.ButtonRole.AcceptRole)
        self._save.setProperty("role", "primary")
        buttons.addButton(QDialogButtonBox.StandardButton.Cancel)
        buttons.accepted.connect(self.on_save)
        buttons.rejected.connect(self.reject)
        bottom = QHBoxLayout()
        for text, slot in (("Open data folder", self.on_open_data), ("Open logs", self.on_open_logs)):
            button = QPushButton(text)
            button.setAutoDefault(False)
            button.clicked.connect(slot)
            bottom.addWidget(button)
        bottom.addStretch(1)
        bottom.addWidget(buttons)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 16, 16, 16)
        layout.setSpacing(12)
        layout.addWidget(self._build_form(), 1)
        layout.addWidget(self._advanced)
        layout.addWidget(self._error)
        layout.addLayout(bottom)
        self.resize(680, 680)
        self.on_advanced(False)

    # -- building

    def _build_form(self) -> QScrollArea:
        self._inside = inside = QWidget()
        inside.setObjectName("centre")
        form = QFormLayout(inside)
        form.setContentsMargins(0, 0, 12, 0)
        form.setVerticalSpacing(12)
        form.setHorizontalSpacing(16)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        self._form = form
        for title, names in groups().items():
            heading = QLabel(title)
            heading.setProperty("role", "title")
            heading.setContentsMargins(0, 8 if self._headings else 0, 0, 0)
            form.addRow(heading)
            self._headings.append((heading, names))
            for name in names:
                field = Settings.model_fields[name]
                row = self._build_row(name, field)
                label = QLabel(field.title or name)
                label.setBuddy(self.fields[name])
                form.addRow(label, row)
                self._rows.append((name, row))
        area = QScrollArea(widgetResizable=True)
        area.setFrameShape(QScrollArea.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(inside)
        # The area resizes the form when a row has changed; the form then takes the rows' heights at another width.
        self._settling = QTimer(self, singleShot=True, interval=0)
        self._settling.timeout.connect(self.on_settled)
        inside.installEventFilter(self)
        # There is no way to scroll sideways: nothing may be wider than what is shown.
        area.setMinimumWidth(inside.minimumSizeHint().width() + area.verticalScrollBar().sizeHint().width())
        return area

    def _build_row(self, name: str, field: FieldInfo) -> QWidget:
        control = self._build_control(name, field)
        control.setAccessibleName(field.title or name)
        control.setAccessibleDescription(field.description or "")
        self.fields[name] = control
        row = QWidget()
        column = QVBoxLayout(row)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0 if isinstance(control, TickBox) else 4)
        row.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        line = QHBoxLayout()
        line.addWidget(control, 1)
        if not isinstance(control, QLineEdit | QPlainTextEdit):
            control.setFixedWidth(160)
            line.addStretch(1)
        if name == "model":
            browse = QPushButton("Choose…")
            browse.setAutoDefault(False)
            browse.setAccessibleName("Choose a GGUF file")
            browse.clicked.connect(self.on_browse)
            line.addWidget(browse)
        column.addLayout(line)
        text = field.description or ""
        help_text = QLabel(text if name in LIVE_FIELDS else f"{text} Takes effect at the next start.", wordWrap=True)
        help_text.setProperty("role", "caption")
        column.addWidget(help_text)
        if name == "model" and self._optimising is not None and isinstance(control, QLineEdit):
            self.optimise_box = OptimiseBox(self._optimising, control)
            column.addWidget(self.optimise_box)
        return row

    def _build_control(self, name: str, field: FieldInfo) -> QWidget:
        value = getattr(self.settings, name)
        kind: Any = field.annotation
        if get_origin(kind) is Literal:
            combo = QComboBox()
            for choice in get_args(kind):
                combo.addItem(str(choice).capitalize(), choice)
            combo.setCurrentIndex(combo.findData(value))
            self._readers[name] = combo.currentData
            return combo
        if kind is bool:
            box = TickBox()
            box.setMinimumHeight(28)
            box.setChecked(bool(value))
            self._readers[name] = box.isChecked
            return box
        if kind is str:
            return self._build_text(name, field, str(value))
        # A spin box for whole numbers ends at 2^31, a seed does not.
        spin = QDoubleSpinBox()
        spin.setRange(*bounds(field))
        spin.setDecimals(0 if kind is int else 2)
        spin.setSingleStep(1 if kind is int else 0.05)
        spin.setValue(float(value))
        spin.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._readers[name] = spin.value if kind is float else lambda: int(spin.value())
        return spin

    def _build_text(self, name: str, field: FieldInfo, value: str) -> QWidget:
        longest = max((int(getattr(each, "max_length", 0)) for each in field.metadata), default=0)
        if longest >= _LONG_TEXT:
            edit = QPlainTextEdit(value)
            edit.setObjectName("longField")
            edit.setTabChangesFocus(True)
            edit.setFixedHeight(72)
            self._readers[name] = edit.toPlainText
            return edit
        line = QLineEdit(value)
        self._readers[name] = line.text
        return line

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Notice that a row wants another height."""
        if event.type() == QEvent.Type.LayoutRequest:
            self._settling.start()
        return super().eventFilter(watched, event)

    # -- slots

    @Slot()
    def on_settled(self) -> None:
        """Lay the rows out anew, once the form has its size."""
        self._form.invalidate()
        self._form.activate()
        # Invalidating has asked for what has just been done.
        QCoreApplication.removePostedEvents(self._inside, QEvent.Type.LayoutRequest.value)

    @Slot(bool)
    def on_advanced(self, shown: bool) -> None:
        """Show all settings, or the simple ones."""
        for name, row in self._rows:
            self._form.setRowVisible(row, shown or name in _SIMPLE)
        for heading, names in self._headings:
            self._form.setRowVisible(heading, shown or any(name in _SIMPLE for name in names))

    @Slot()
    def on_save(self) -> None:
        """Write the settings; say what is wrong and stay open if they can't be used."""
        try:
            values = {name: read() for name, read in self._readers.items()}
            settings = Settings.model_validate(values)
            save_settings(self._data.settings, settings)
        except ValidationError as exc:
            self._complain("; ".join(_sentence(error) for error in exc.errors()))
            return
        except OSError as exc:
            self._complain(f"The settings could not be written ({exc.strerror}): make room or check the data folder.")
            return
        self.settings = settings
        self.accept()

    @property
    def error_text(self) -> str:
        """What is wrong with the settings; empty if nothing is."""
        return self._error.text()

    def _complain(self, sentence: str) -> None:
        self._error.setText(sentence)
        self._error.show()

    @Slot()
    def on_browse(self) -> None:
        """Pick a model file."""
        name, _kind = QFileDialog.getOpenFileName(self, "Choose a model", "", "Models (*.gguf)")
        control = self.fields["model"]
        if name and isinstance(control, QLineEdit):
            control.setText(name)

    @Slot()
    def on_open_data(self) -> None:
        """Show the data folder in the system's file manager."""
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._data.root)))

    @Slot()
    def on_open_logs(self) -> None:
        """Show the folder of the log files."""
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._data.logs)))


def _sentence(error: Mapping[str, Any]) -> str:
    """Return what is wrong with one setting, under the name that the user sees."""
    name = str(error["loc"][0]) if error["loc"] else ""
    title = Settings.model_fields[name].title if name in Settings.model_fields else name
    return f"{title}: {error['msg']}."
