from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from app import paths
from engine.errors import SettingsError


def test_the_environment_moves_all_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLA_DATA_DIR", str(tmp_path / "mes données"))
    assert paths.data_dir() == tmp_path / "mes données"


def test_a_relative_data_folder_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOLA_DATA_DIR", "data")
    assert paths.data_dir() == tmp_path / "data"


@pytest.mark.parametrize("value", [None, "", "  "])
def test_without_a_choice_data_lies_in_the_users_folder(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOLA_DATA_DIR", raising=False)
    if value is not None:
        monkeypatch.setenv("HOLA_DATA_DIR", value)
    assert paths.data_dir().name == "Hola"
    assert paths.data_dir().is_absolute()


def test_assets_are_found_in_a_checkout() -> None:
    assert (paths.assets_dir() / "samples").is_dir()


def test_assets_are_found_in_a_frozen_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "assets").mkdir()
    monkeypatch.setattr(sys, "_MEIPASS", str(tmp_path), raising=False)
    assert paths.assets_dir() == tmp_path / "assets"


def test_missing_assets_are_told_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "_MEIPASS", str(tmp_path), raising=False)
    with pytest.raises(SettingsError, match="install Hola again"):
        paths.assets_dir()


def test_the_configuration_creates_the_folders_and_loads_the_settings(tmp_path: Path) -> None:
    root = tmp_path / "データ hola"
    root.mkdir()
    (root / "settings.json").write_text('{"passages": 7}', "utf-8")
    config = paths.engine_config(root)
    assert config.settings.passages == 7
    assert config.data.root == root
    assert config.data.library.is_dir()
    assert config.assets == paths.assets_dir()


@pytest.mark.skipif(sys.platform == "win32", reason="modes are of Unix")
def test_new_folders_are_private_to_the_user(tmp_path: Path) -> None:
    config = paths.engine_config(tmp_path / "data")
    for folder in (config.data.root, config.data.library, config.data.logs):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_data_folder_that_cannot_be_made_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", "utf-8")
    with pytest.raises(SettingsError, match="HOLA_DATA_DIR"):
        paths.engine_config(tmp_path / "file" / "data")
