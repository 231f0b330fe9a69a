"""What is measured of a model is kept, found again, and measured anew when it no longer holds."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.llm.backend import Logits, Model
from engine.llm.hsd import calibration
from engine.llm.hsd.calibration import Calibration, calibrate, fingerprint, forget
from engine.llm.hsd.cost import MOST_EXACT_ROWS, CostCurve
from engine.llm.preflight import preflight
from engine.llm.protocol import LoadModel
from tests.gguf_builder import write_llama
from tests.hybrid_builder import write_falcon_h1, write_mamba2

ENOUGH = 2**34
CURVE = CostCurve((1, 2, 8), (0.5, 0.75, 1.5))
WRITERS: dict[str, Callable[..., Path]] = {"llama": write_llama, "hybrid": write_falcon_h1, "recurrent": write_mamba2}


class Measurements:
    """Stands for `measure`: counts how often it is asked."""

    def __init__(self) -> None:
        self.count = 0
        self.quiet = True

    def __call__(self, decode: Callable[[int], None], _budget_s: float, _most: int) -> tuple[CostCurve, bool]:
        self.count += 1
        decode(3)
        return CURVE, self.quiet


@pytest.fixture
def measurements(monkeypatch: pytest.MonkeyPatch) -> Measurements:
    made = Measurements()
    monkeypatch.setattr(calibration, "measure", made)
    return made


def opened(how: LoadModel) -> Model:
    return Model(preflight(how.path, how.context_tokens, ENOUGH), how)


@pytest.fixture
def how(tmp_path: Path) -> LoadModel:
    return LoadModel(write_llama(tmp_path / "tiny.gguf"), 512, 1, cache=tmp_path / "cache")


@pytest.fixture
def model(how: LoadModel) -> Iterator[Model]:
    made = opened(how)
    yield made
    made.close()


def stored(how: LoadModel) -> Path:
    assert how.cache is not None
    [file] = (how.cache / "curves").iterdir()
    return file


def test_measurement_is_kept_and_read_back(how: LoadModel, model: Model, measurements: Measurements) -> None:
    first = calibrate(model, how)
    assert first == Calibration(CURVE, MOST_EXACT_ROWS)
    assert calibrate(model, how) == first
    assert measurements.count == 1


def test_nothing_is_kept_without_a_folder(how: LoadModel, model: Model, measurements: Measurements) -> None:
    for _ in range(2):
        calibrate(model, replace(how, cache=None))
    assert measurements.count == 2
    assert how.cache is not None
    assert not how.cache.exists()


def test_busy_machine_is_measured_again_at_the_next_load(
    how: LoadModel, model: Model, measurements: Measurements
) -> None:
    measurements.quiet = False
    assert calibrate(model, how).curve == CURVE
    measurements.quiet = True
    for _ in range(2):
        assert calibrate(model, how).curve == CURVE
    assert measurements.count == 2


def test_forgotten_measurement_is_made_anew(how: LoadModel, model: Model, measurements: Measurements) -> None:
    forget(model, how)
    calibrate(model, how)
    forget(model, replace(how, cache=None))
    forget(model, replace(how, strict=True))
    calibrate(model, how)
    assert measurements.count == 1
    forget(model, how)
    calibrate(model, how)
    assert measurements.count == 2


def test_other_thread_count_is_measured_apart(how: LoadModel, model: Model, measurements: Measurements) -> None:
    calibrate(model, how)
    with_two = replace(how, threads=2)
    other = opened(with_two)
    calibrate(other, with_two)
    other.close()
    assert measurements.count == 2
    calibrate(model, how)
    assert measurements.count == 2


def test_changed_file_is_measured_anew(how: LoadModel, model: Model, measurements: Measurements) -> None:
    calibrate(model, how)
    status = how.path.stat()
    os.utime(how.path, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000_000))
    calibrate(model, how)
    assert measurements.count == 2


def test_fingerprint_tells_apart_what_matters(how: LoadModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    same = fingerprint(how, 1)
    assert fingerprint(replace(how, context_tokens=256, cache=None), 1) == same
    others = [
        fingerprint(how, 2),
        fingerprint(replace(how, strict=True), 1),
        fingerprint(replace(how, path=write_llama(tmp_path / "other.gguf")), 1),
        fingerprint(replace(how, path=tmp_path / "missing.gguf"), 1),
    ]
    monkeypatch.setattr(calibration, "BUILD", "llama-cpp-python 99")
    others.append(fingerprint(how, 1))
    assert len({same, *others}) == 6


DAMAGE: dict[str, Callable[[dict[str, Any]], object]] = {
    "other json": lambda _: [1, 2, 3],
    "number": lambda _: 7,
    "nothing": lambda _: {},
    "no widths": lambda kept: {**kept, "widths": [], "seconds": []},
    "no single token": lambda kept: {**kept, "widths": [2, 4, 8]},
    "other lengths": lambda kept: {**kept, "widths": [1, 2]},
    "unsorted": lambda kept: {**kept, "widths": [1, 8, 2]},
    "twice the same": lambda kept: {**kept, "widths": [1, 2, 2]},
    "text": lambda kept: {**kept, "seconds": ["a", "b", "c"]},
    "null": lambda kept: {**kept, "seconds": None},
    "zero": lambda kept: {**kept, "seconds": [0.0, 1.0, 2.0]},
    "negative": lambda kept: {**kept, "seconds": [-1.0, 1.0, 2.0]},
    "infinite": lambda kept: {**kept, "seconds": [0.5, 0.75, math.inf]},
    "not a number": lambda kept: {**kept, "seconds": [math.nan, 0.75, 1.5]},
    "infinite width": lambda kept: {**kept, "widths": [1, 2, math.inf]},
    "no exact rows": lambda kept: {**kept, "exact_rows": 0},
    "infinite exact rows": lambda kept: {**kept, "exact_rows": math.inf},
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_damaged_measurement_is_made_anew(
    damage: Callable[[dict[str, Any]], object], how: LoadModel, model: Model, measurements: Measurements
) -> None:
    first = calibrate(model, how)
    file = stored(how)
    file.write_text(json.dumps(damage(json.loads(file.read_text("utf-8")))), "utf-8")
    assert calibrate(model, how) == first
    assert measurements.count == 2
    assert calibrate(model, how) == first
    assert measurements.count == 2


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe\x00", b"\x00" * 100])
def test_unreadable_measurement_is_made_anew(
    data: bytes, how: LoadModel, model: Model, measurements: Measurements
) -> None:
    calibrate(model, how)
    stored(how).write_bytes(data)
    assert calibrate(model, how).curve == CURVE
    assert measurements.count == 2


def test_folder_that_takes_no_files_is_no_error(
    how: LoadModel, model: Model, measurements: Measurements, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.NamedTemporaryFile", refused)
    for _ in range(2):
        assert calibrate(model, how).curve == CURVE
    assert measurements.count == 2


def test_file_in_place_of_the_folder_is_no_error(how: LoadModel, model: Model, measurements: Measurements) -> None:
    assert how.cache is not None
    how.cache.write_text("not a folder", "utf-8")
    assert calibrate(model, how).curve == CURVE
    assert measurements.count == 1


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("strict", [False, True])
def test_calibration_leaves_the_context_as_it_was(name: str, strict: bool, tmp_path: Path) -> None:
    how = LoadModel(WRITERS[name](tmp_path / "tiny.gguf"), 512, 1, strict=strict)
    probed, fresh = opened(how), opened(how)
    made = calibrate(probed, how)
    assert made.curve.widths[0] == 1
    assert 1 <= made.exact_rows <= made.curve.widest == MOST_EXACT_ROWS
    prompt = list(b"What is left of the probe?" * 15)
    assert np.array_equal(logits_after(probed, prompt), logits_after(fresh, prompt))
    probed.close()
    fresh.close()


def logits_after(model: Model, prompt: list[int]) -> Logits:
    assert model.decode(prompt, 0, outputs=1) == 0
    found: Logits = model.logits(0).copy()
    return found


@pytest.mark.parametrize("name", ["hybrid", "recurrent"])
def test_strict_mode_finds_the_widest_exact_batch(name: str, tmp_path: Path, measurements: Measurements) -> None:
    # These have int8 weights, whose rows are exact at any width.
    how = LoadModel(WRITERS[name](tmp_path / "tiny.gguf"), 512, 1, strict=True)
    model, right = opened(how), Model.logits
    assert calibrate(model, how).exact_rows == MOST_EXACT_ROWS

    def rounded(self: Model, row: int) -> Logits:
        found = right(self, row)
        return found + np.float32(0.001) if self._batch.n_tokens > 12 else found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Model, "logits", rounded)
        made = calibrate(model, how)
    model.close()
    assert made.exact_rows == 12
    assert measurements.count == 2


def test_small_context_is_measured_within_its_size(tmp_path: Path, measurements: Measurements) -> None:
    how = LoadModel(write_llama(tmp_path / "tiny.gguf", context=64), 64, 1, strict=True)
    model = opened(how)
    made = calibrate(model, how)
    model.close()
    assert 1 <= made.exact_rows <= 64
    assert measurements.count == 1
