"""The catalog lists what is installed, bears damaged files, and pairs drafts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine import catalog
from engine.catalog import installed, paired_draft
from engine.config import DataPaths, EngineConfig, Settings, bundled_model
from engine.errors import ModelError, ModelFileError
from engine.llm.gguf_header import Vocabulary, read_vocabulary
from engine.llm.preflight import preflight
from tests.gguf_builder import byte_vocabulary, write_llama


def configured(root: Path, model: Path | None = None) -> EngineConfig:
    data = DataPaths(root)
    data.create()
    settings = {"model": str(model)} if model else {}
    return EngineConfig(data, root, Settings.model_validate(settings))


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EngineConfig:
    """An empty models folder, and no bundled model."""

    def none() -> Path:
        raise ModelFileError("The bundled model is missing.")

    monkeypatch.setattr(catalog, "bundled_model", none)
    monkeypatch.setattr("engine.config.bundled_model", none)
    return configured(tmp_path / "données é")


def with_model(config: EngineConfig, model: Path) -> EngineConfig:
    return configured(config.data.root, model)


def test_the_bundled_model_is_installed_and_current(tmp_path: Path) -> None:
    (model,) = installed(configured(tmp_path))
    assert (model.path, model.architecture) == (bundled_model(), "llama")
    assert (model.bundled, model.current, model.problem) == (True, True, "")
    assert model.parameters == 134_515_008
    assert model.file_mb == bundled_model().stat().st_size / 2**20
    assert 5.0 < model.bits_per_weight < 6.0


def test_nothing_is_installed_where_nothing_is(config: EngineConfig) -> None:
    assert installed(config) == ()


def test_models_of_the_folder_are_listed_by_name(config: EngineConfig) -> None:
    folder = config.data.models
    for name in ("Zwei Wörter.gguf", "alpha.GGUF", "notes.txt"):
        write_llama(folder / name)
    (folder / "folder.gguf").mkdir()
    found = installed(config)
    assert [model.name for model in found] == ["alpha", "Zwei Wörter"]
    assert not any(model.current or model.bundled or model.problem for model in found)


def test_model_chosen_elsewhere_is_listed(config: EngineConfig, tmp_path: Path) -> None:
    inside = write_llama(config.data.models / "inside.gguf")
    outside = write_llama(tmp_path / "my own model ü.gguf")
    found = installed(with_model(config, outside))
    assert [(model.path, model.current) for model in found] == [(inside, False), (outside, True)]


def test_model_chosen_by_another_spelling_is_listed_once(config: EngineConfig) -> None:
    model = write_llama(config.data.models / "one.gguf")
    (found,) = installed(with_model(config, model.parent / ".." / model.parent.name / model.name))
    assert (found.path, found.current) == (model, True)


def test_chosen_model_that_is_gone_has_a_problem(config: EngineConfig, tmp_path: Path) -> None:
    (found,) = installed(with_model(config, tmp_path / "gone.gguf"))
    assert "not there" in found.problem
    assert found.current


def test_damaged_files_do_not_break_the_list(config: EngineConfig) -> None:
    folder = config.data.models
    good = write_llama(folder / "good.gguf")
    data = good.read_bytes()
    (folder / "empty.gguf").touch()
    (folder / "noise.gguf").write_bytes(bytes(range(256)))
    (folder / "header cut.gguf").write_bytes(data[:3000])
    (folder / "half.gguf").write_bytes(data[: len(data) // 2])
    write_llama(folder / "embedder.gguf", architecture="bert")
    write_llama(folder / "deep.gguf", claimed_layers=2**31)
    problems = {model.name: model.problem for model in installed(config)}
    assert problems.pop("good") == ""
    told = {
        "empty": "is empty",
        "noise": "not a GGUF",
        "header cut": "cut off",
        "half": "cut off",
        "embedder": "is an embedding model",
        "deep": "does not say how it is built",
    }
    assert set(problems) == set(told)
    assert [name for name, words in told.items() if words not in problems[name]] == []


@pytest.mark.skipif(os.name == "nt", reason="links ask for rights there")
def test_link_to_nowhere_has_a_problem(config: EngineConfig) -> None:
    (config.data.models / "dangling.gguf").symlink_to(config.data.models / "nowhere")
    (found,) = installed(config)
    assert "not there" in found.problem


@pytest.mark.skipif(os.name == "nt", reason="links ask for rights there")
def test_link_to_a_model_is_the_same_model(config: EngineConfig) -> None:
    model = write_llama(config.data.models / "a model.gguf")
    (config.data.models / "link.gguf").symlink_to(model)
    assert [found.path for found in installed(config)] == [model]
    assert paired_draft(config, config.data.models / "link.gguf").reason == "No other model is installed."


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_pipe_in_the_place_of_a_model_does_not_block(config: EngineConfig) -> None:
    os.mkfifo(config.data.models / "pipe.gguf")
    (found,) = installed(config)
    assert "is not a file" in found.problem


def test_folder_that_is_none_is_told(config: EngineConfig) -> None:
    config.data.models.rmdir()
    assert installed(config) == ()
    config.data.models.touch()
    with pytest.raises(ModelError, match="can't be read"):
        installed(config)


# ---------------------------------------------------------------- drafts


def test_small_model_with_the_same_vocabulary_is_paired(config: EngineConfig) -> None:
    folder = config.data.models
    target = write_llama(folder / "grand modèle.gguf", layers=6)
    draft = write_llama(folder / "petit modèle.gguf", layers=1)
    broken = folder / "broken.gguf"
    broken.write_bytes(b"GGUF")
    pairing = paired_draft(config, target)
    assert pairing.draft == draft
    assert {verdict.path: verdict.chosen for verdict in pairing.verdicts} == {broken: False, draft: True}
    assert "cut off" in next(verdict.reason for verdict in pairing.verdicts if verdict.path == broken)


def test_memory_of_a_draft_is_its_weights_and_cache(config: EngineConfig) -> None:
    target = write_llama(config.data.models / "big.gguf", layers=6, context=512)
    draft = write_llama(config.data.models / "small.gguf", context=4096)
    checked = preflight(draft, 512, 2**40)
    estimate = paired_draft(config, target).memory_mb * 2**20
    # The file pads its last tensor.
    assert estimate == pytest.approx(checked.weights_bytes + checked.kv_bytes, abs=64)


def test_small_model_gets_no_draft(config: EngineConfig) -> None:
    write_llama(config.data.models / "big.gguf", layers=6)
    small = write_llama(config.data.models / "small.gguf")
    pairing = paired_draft(config, small)
    assert (pairing.draft, pairing.memory_mb) == (None, 0.0)
    assert pairing.reason == "big: It is larger than the target."


def test_model_with_another_vocabulary_is_not_paired(config: EngineConfig) -> None:
    target = write_llama(config.data.models / "big.gguf", layers=6)
    write_llama(config.data.models / "small.gguf", vocabulary=["ö", *byte_vocabulary()[1:]])
    pairing = paired_draft(config, target)
    assert pairing.draft is None
    assert pairing.reason.startswith('small: Token 0 is "ö"')


def test_draft_that_names_its_target_comes_first(config: EngineConfig) -> None:
    folder = config.data.models
    target = write_llama(folder / "target.gguf", layers=6, name="Grand modèle")
    write_llama(folder / "small.gguf", layers=1, name="Tiny")
    made = write_llama(folder / "made.gguf", layers=4, name="Tiny", draft_of="Grand modèle")
    assert paired_draft(config, target).draft == made


def test_files_of_equal_names_pair(config: EngineConfig, tmp_path: Path) -> None:
    (tmp_path / "other folder").mkdir()
    target = write_llama(tmp_path / "other folder" / "twin.gguf", layers=6)
    draft = write_llama(config.data.models / "twin.gguf")
    assert paired_draft(with_model(config, target), target).draft == draft


def test_target_that_cannot_be_read_has_no_draft(config: EngineConfig) -> None:
    write_llama(config.data.models / "small.gguf")
    pairing = paired_draft(config, config.data.models / "gone.gguf")
    assert pairing.draft is None
    assert "not there" in pairing.reason


def test_a_file_that_changes_is_read_again(config: EngineConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[Path] = []

    def read(path: Path) -> Vocabulary:
        reads.append(path)
        return read_vocabulary(path)

    monkeypatch.setattr("engine.catalog.read_vocabulary", read)
    target = write_llama(config.data.models / "big.gguf", layers=6)
    draft = write_llama(config.data.models / "small.gguf")
    assert paired_draft(config, target).draft == paired_draft(config, target).draft == draft
    assert sorted(reads) == [target, draft]
    before = draft.stat().st_mtime_ns
    write_llama(draft, eos=3)
    os.utime(draft, ns=(before + 10**9, before + 10**9))
    assert "end of a text" in paired_draft(config, target).reason
    assert reads[2:] == [draft]


def test_the_catalog_stays_light() -> None:
    code = (
        "import sys; from pathlib import Path; from engine.catalog import installed, paired_draft\n"
        "from engine.config import DataPaths, EngineConfig, Settings, bundled_model\n"
        "config = EngineConfig(DataPaths(Path('nowhere')), Path(), Settings())\n"
        "assert installed(config)[0].problem == '' and paired_draft(config, bundled_model()).draft is None\n"
        "print(*{'numpy', 'gguf', 'llama_cpp', 'PySide6'} & set(sys.modules))"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
