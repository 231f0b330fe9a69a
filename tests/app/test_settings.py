from __future__ import annotations

import json
from pathlib import Path

import pytest
from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QLineEdit, QPlainTextEdit
from pytestqt.qtbot import QtBot

from app.settings import SettingsDialog, bounds, groups
from engine.config import EngineConfig, Settings


@pytest.fixture
def dialog(qtbot: QtBot, config: EngineConfig) -> SettingsDialog:
    dialog = SettingsDialog(config.settings, config.data)
    qtbot.addWidget(dialog)
    with qtbot.waitExposed(dialog):
        dialog.show()
    return dialog


def test_every_setting_has_a_control_with_name_and_help(dialog: SettingsDialog) -> None:
    assert set(dialog.fields) == set(Settings.model_fields)
    for name, control in dialog.fields.items():
        assert control.accessibleName() == Settings.model_fields[name].title
        assert control.accessibleDescription() == Settings.model_fields[name].description


def test_few_settings_at_first_all_behind_a_switch(dialog: SettingsDialog) -> None:
    shown = {name for name, control in dialog.fields.items() if control.isVisible()}
    assert {"theme", "model"} <= shown
    assert "top_p" not in shown
    dialog.on_advanced(True)
    assert all(control.isVisibleTo(dialog) for control in dialog.fields.values())


def test_optimising_is_a_simple_setting_beside_the_model(dialog: SettingsDialog) -> None:
    assert dialog.fields["optimize"].isVisible()
    assert groups()["General"][:3] == ("theme", "model", "optimize")
    assert dialog.optimise_box is None


def test_every_setting_stands_under_one_heading() -> None:
    names = [name for each in groups().values() for name in each]
    assert sorted(names) == sorted(Settings.model_fields)
    assert set(groups()["Drafting and speed"]) >= {"speculation", "strict", "show_drafts"}


def test_yes_or_no_is_a_box_to_tick(dialog: SettingsDialog, qtbot: QtBot) -> None:
    boxes = {name: box for name, box in dialog.fields.items() if isinstance(box, QCheckBox)}
    assert {name: box.isChecked() for name, box in boxes.items()} == {
        name: field.default for name, field in Settings.model_fields.items() if field.annotation is bool
    }
    boxes["show_drafts"].setFocus()
    boxes["show_drafts"].click()
    assert not dialog.grab().isNull()
    with qtbot.waitSignal(dialog.accepted):
        dialog.on_save()
    assert dialog.settings.show_drafts is True
    assert dialog.settings.strict is False


def test_controls_keep_the_bounds_of_the_declaration(dialog: SettingsDialog) -> None:
    for name, control in dialog.fields.items():
        if isinstance(control, QDoubleSpinBox):
            assert (control.minimum(), control.maximum()) == bounds(Settings.model_fields[name])


def test_save_writes_what_was_chosen(dialog: SettingsDialog, config: EngineConfig, qtbot: QtBot) -> None:
    theme, length = dialog.fields["theme"], dialog.fields["max_answer_tokens"]
    words, seed, model = dialog.fields["system_prompt"], dialog.fields["seed"], dialog.fields["model"]
    assert isinstance(theme, QComboBox)
    assert isinstance(length, QDoubleSpinBox)
    assert isinstance(words, QPlainTextEdit)
    assert isinstance(seed, QDoubleSpinBox)
    assert isinstance(model, QLineEdit)
    theme.setCurrentIndex(theme.findData("dark"))
    length.setValue(256)
    words.setPlainText("Antworte kurz. 短く。")
    seed.setValue(2**32 - 1)
    model.setText("/modèles/b.gguf")
    with qtbot.waitSignal(dialog.accepted):
        dialog.on_save()
    stored = json.loads(config.data.settings.read_text("utf-8"))
    assert (stored["theme"], stored["max_answer_tokens"], stored["seed"]) == ("dark", 256, 2**32 - 1)
    assert stored["system_prompt"] == "Antworte kurz. 短く。"
    assert dialog.settings == Settings.model_validate(stored)


def test_what_can_not_be_saved_is_told_and_the_dialog_stays(dialog: SettingsDialog, qtbot: QtBot) -> None:
    words = dialog.fields["system_prompt"]
    assert isinstance(words, QPlainTextEdit)
    words.setPlainText("x" * 4001)
    with qtbot.assertNotEmitted(dialog.accepted):
        dialog.on_save()
    assert "Instructions" in dialog.error_text
    assert dialog.isVisible()


def test_folders_open_in_the_file_manager(
    dialog: SettingsDialog, config: EngineConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []

    def open_url(url: QUrl) -> bool:
        opened.append(Path(url.toLocalFile()))
        return True

    monkeypatch.setattr(QDesktopServices, "openUrl", open_url)
    dialog.on_open_data()
    dialog.on_open_logs()
    assert opened == [config.data.root, config.data.logs]
