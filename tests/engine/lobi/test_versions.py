"""A version counts only for the very model file it was made of, and only while it is whole."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from engine.lobi.adapter import Plan, write_plan
from engine.lobi.fingerprint import LOBI_KEY, fingerprint
from engine.lobi.messages import Figures, Made
from engine.lobi.rewrite import rewrite
from engine.lobi.versions import card_of, plans_for, ready_version, version_path, write_card
from tests.gguf_builder import write_llama

FIGURES = Figures(1.0, 2.0, 3.0, 4.0)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "Model.Q4_1.gguf"
    path.write_bytes(b"model")
    return path


@pytest.fixture
def version(tmp_path: Path, source: Path) -> Path:
    path = version_path(tmp_path / "models", source)
    path.parent.mkdir()
    path.write_bytes(b"version")
    write_card(Made(path, source, "target", FIGURES, FIGURES, 0.1), {"plan_sha256": "x"})
    return path


def test_version_is_found_with_its_card(source: Path, version: Path) -> None:
    card = card_of(version)

    assert ready_version([version.parent], source) == version
    assert ready_version([version.parent], source, "draft") is None
    assert card is not None
    assert (card["source"], card["kl"], card["after"]["decode_tps"]) == (source.name, 0.1, 3.0)


def test_copied_version_is_still_one(tmp_path: Path, source: Path, version: Path) -> None:
    shipped = tmp_path / "shipped"
    shutil.copytree(version.parent, shipped, copy_function=shutil.copyfile)
    source.touch()

    assert ready_version([tmp_path / "none", shipped], source) == shipped / version.name


def test_another_file_in_the_model_s_place_has_no_version(source: Path, version: Path) -> None:
    source.write_bytes(b"another")

    assert ready_version([version.parent], source) is None


@pytest.mark.parametrize("damage", ["cut", "changed", "no card", "broken card", "other card"])
def test_damaged_version_is_none(source: Path, version: Path, damage: str) -> None:
    card = version.with_suffix(".gguf.json")
    if damage == "cut":
        version.write_bytes(b"ver")
    elif damage == "changed":
        version.write_bytes(b"versiom")
    elif damage == "no card":
        card.unlink()
    else:
        card.write_text("{" if damage == "broken card" else '{"format": 99}', "utf-8")

    assert ready_version([version.parent], source) is None


def test_version_without_its_source_is_none(source: Path, version: Path) -> None:
    source.unlink()

    assert ready_version([version.parent], source) is None


def test_plans_are_found_by_what_the_model_is(tmp_path: Path) -> None:
    model = write_llama(tmp_path / "one.gguf", name="One")
    own = fingerprint(model)
    write_plan(tmp_path / "a.json", Plan("One", own))
    write_plan(tmp_path / "b.json", Plan("One", own, role="draft"))
    write_plan(tmp_path / "c.json", Plan("Two", own))
    write_plan(tmp_path / "d.json", Plan("One", "another of this name"))
    (tmp_path / "e.json").write_text("broken", "utf-8")

    assert plans_for(tmp_path, model) == {"target": tmp_path / "a.json", "draft": tmp_path / "b.json"}
    assert plans_for(tmp_path / "none", model) == {}


def test_version_has_no_plans_of_its_own(tmp_path: Path) -> None:
    model = write_llama(tmp_path / "one.gguf", name="One")
    plan = Plan("One", fingerprint(model))
    write_plan(tmp_path / "a.json", plan)
    rewrite(model, tmp_path / "two.gguf", plan, None, extra={LOBI_KEY: "One"})

    assert fingerprint(tmp_path / "two.gguf") == plan.fingerprint
    assert plans_for(tmp_path, tmp_path / "two.gguf") == {}
