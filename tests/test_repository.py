"""Habits of the repository that no linter knows."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CODE = ("app", "engine", "packaging", "tests")
LONGEST_FILE = 400
LONGEST_FUNCTION = 60
"""Lines from `def` to the last; the aim is 45, tables and docstrings included."""

SOLE_IMPORTERS = {
    "llama_cpp": "engine/llm/",
    "fastembed": "engine/library/embed.py",
    "lancedb": "engine/library/store.py",
    "kreuzberg": "engine/indexing/extract.py",
    "pypdfium2": "engine/viewing/pdf.py",
}
"""Native library -> the one file (or folder, with one file in it) of the product that imports it."""

HEAVY = ("PySide6", "torch", "llama_cpp", "lancedb", "fastembed", "kreuzberg", "onnxruntime", "pyarrow", "numpy")


def python_files(*folders: str) -> list[Path]:
    """Every Python file below the folders, sorted."""
    return sorted(
        file for folder in folders for file in (ROOT / folder).rglob("*.py") if "__pycache__" not in file.parts
    )


def name_of(file: Path) -> str:
    """The path below the root, with slashes."""
    return file.relative_to(ROOT).as_posix()


def imported_modules(file: Path) -> Iterator[str]:
    """The full name of every module that a file imports, at whatever depth the import stands."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def importers_of(library: str, *folders: str) -> list[str]:
    """The files that import a top-level package."""
    files = python_files(*folders)
    return [name_of(file) for file in files if any(name.split(".")[0] == library for name in imported_modules(file))]


def product_modules() -> list[Path]:
    """Every module of the product that may be imported without starting it."""
    return [file for file in python_files("app", "engine") if file.name != "__main__.py"]


@pytest.mark.parametrize("file", python_files(*CODE), ids=name_of)
def test_files_stay_short(file: Path) -> None:
    assert len(file.read_text("utf-8").splitlines()) < LONGEST_FILE


@pytest.mark.parametrize("file", python_files("app", "engine", "packaging"), ids=name_of)
def test_functions_stay_short(file: Path) -> None:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, functions)]
    lengths = {node.name: (node.end_lineno or node.lineno) - node.lineno + 1 for node in nodes}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION} == {}


def test_packaging_is_no_package() -> None:
    assert not (ROOT / "packaging" / "__init__.py").exists()


def test_every_test_folder_is_a_package() -> None:
    folders = {file.parent for file in python_files("tests")}
    assert [name_of(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


@pytest.mark.parametrize("module", ["engine", "engine.config", "engine.messages", "engine.errors", "engine.engine"])
def test_importing_the_engine_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) & {*HEAVY, "app"} == set()


def test_the_engine_knows_neither_qt_nor_the_window() -> None:
    assert importers_of("PySide6", "engine") == []
    assert importers_of("app", "engine") == []


@pytest.mark.parametrize(("library", "place"), SOLE_IMPORTERS.items())
def test_a_native_library_has_one_importer(library: str, place: str) -> None:
    importers = [name for name in importers_of(library, "app", "engine") if not name.startswith("engine/bench/")]
    assert len(importers) == 1
    assert importers[0].startswith(place)


@pytest.mark.parametrize("file", product_modules(), ids=name_of)
def test_every_public_name_exists(file: Path) -> None:
    module = importlib.import_module(name_of(file)[: -len(".py")].replace("/", ".").removesuffix(".__init__"))
    names = getattr(module, "__all__", None)
    assert names is not None or file.name == "__init__.py", "the module has no __all__"
    assert [name for name in names or () if not hasattr(module, name)] == []
    assert len(names or ()) == len(set(names or ()))


def test_no_path_of_a_machine_is_written_down() -> None:
    homes = ("/home" + "/", "/Users" + "/", "/root" + "/", "/work" + "/")
    files = python_files("app", "engine", "packaging")
    files += [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "pyproject.toml")]
    assert {name_of(file) for file in files if any(home in file.read_text("utf-8") for home in homes)} == set()


def test_the_readme_lists_every_setting_with_its_default() -> None:
    from engine.config import Settings

    readme = (ROOT / "README.md").read_text("utf-8")
    for name, field in Settings.model_fields.items():
        default = "" if field.default == "" else str(field.default)
        row = f"| `{name}` | {default} | {field.description} |"
        assert row in readme, f"README.md lacks the line: {row}"
