"""Timing of kernels: what is fitted to times, and how a run on a tiny model leaves things. No test looks at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.errors import LobiError
from engine.llm.gguf_header import read_header
from engine.lobi import kernels
from engine.lobi.kernels import KernelSpeeds, Observation, fit, fitting_types, kernel_speeds, quantizable, role_of
from tests.gguf_builder import write_llama
from tests.hybrid_builder import write_falcon_h1

TYPES = ("q4_0", "q8_0")


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_llama(tmp_path_factory.mktemp("kernels") / "llama.gguf", layers=3, seed=1)


def observations(seed: int, noise: float = 0.0) -> tuple[list[Observation], dict[str, float], dict[str, float], float]:
    """Return made-up times of a file per type, one of half the depth, and each without its head."""
    random = np.random.default_rng(seed)
    kinds = ("a", "b", "c")
    layers = {kind: float(random.uniform(0.02, 0.2)) for kind in kinds}
    heads = {kind: float(random.uniform(0.02, 0.2)) for kind in kinds}
    fixed, found = float(random.uniform(0.0, 1e-3)), []
    for kind, weights in [*((kind, 1e8) for kind in kinds), ("a", 5e7)]:
        for head in (3e7, 0.0):
            seconds = fixed + 1e-9 * (weights * layers[kind] + head * heads[kind])
            found.append(
                Observation(seconds * (1 + noise * abs(random.standard_normal())), {kind: weights}, {kind: head})
            )
    return found, layers, heads, fixed


@pytest.mark.parametrize("seed", range(5))
def test_fit_finds_what_the_times_were_made_of(seed: int) -> None:
    times, layers, heads, fixed = observations(seed)
    found = fit(times)
    assert found[0] == pytest.approx(layers, rel=1e-6)
    assert found[1] == pytest.approx(heads, rel=1e-6)
    assert found[2] == pytest.approx(fixed, rel=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_noise_leaves_the_sums_nearly_right(seed: int) -> None:
    times, *_ = observations(seed, noise=0.02)
    layers, heads, fixed = fit(times)
    assert fixed >= 0.0
    assert min(*layers.values(), *heads.values()) > 0.0
    for each in times:
        read = sum(layers[kind] * count for kind, count in each.layers.items())
        predicted = fixed + 1e-9 * (read + sum(heads.get(kind, 0.0) * count for kind, count in each.head.items()))
        assert predicted == pytest.approx(each.seconds, rel=0.1)


def test_what_the_times_leave_open_is_still_explained() -> None:
    layers, heads, fixed = fit([Observation(2.0, {"a": 1e9}, {"a": 1e9})])
    assert layers["a"] + heads["a"] + fixed == pytest.approx(2.0)


def test_roles_of_tensors(llama: Path, tmp_path: Path) -> None:
    header = read_header(llama)
    names = [tensor.name for tensor in quantizable(header)]
    assert "blk.0.attn_norm.weight" not in names
    assert {role_of(header, name) for name in names} == {"layer", "head", "embedding"}
    assert role_of(header, "token_embd.weight") == "embedding"
    hybrid = read_header(write_falcon_h1(tmp_path / "hybrid.gguf"))
    assert "blk.0.ssm_conv1d.weight" not in [tensor.name for tensor in quantizable(hybrid)]


def test_types_that_do_not_fit_are_replaced(llama: Path) -> None:
    # Rows of 320 and 32 weights are no whole blocks of 256.
    assert fitting_types(read_header(llama), ("q4_k", "q8_0", "q6_k")) == ("q8_0", "q5_0")


@pytest.mark.parametrize("kind", ["llama", "hybrid"])
def test_each_type_gets_a_speed_and_nothing_is_left(kind: str, llama: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    source = llama if kind == "llama" else write_falcon_h1(tmp_path / "hybrid.gguf", layers=3)
    found = kernel_speeds(source, TYPES, work, threads=1, seconds=0.0)
    for rates in (found.decode, found.prefill, found.head):
        assert set(rates) == set(TYPES)
        assert all(rate > 0.0 for rate in rates.values())
    assert found.decode_s >= 0.0
    assert found.threads == 1
    assert list(work.iterdir()) == []


def test_a_quiet_measurement_is_kept_for_its_machine_and_model(
    llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernels, "QUIET", 1e9)
    first = kernel_speeds(llama, TYPES, tmp_path, threads=1, seconds=0.0, cache=tmp_path / "cache")
    assert kernel_speeds(llama, TYPES, tmp_path, threads=1, seconds=0.0, cache=tmp_path / "cache") == first
    (file,) = (tmp_path / "cache" / "kernels").iterdir()
    file.write_text("{}")
    assert set(kernel_speeds(llama, TYPES, tmp_path, threads=1, seconds=0.0, cache=tmp_path / "cache").decode) == set(
        TYPES
    )
    monkeypatch.setattr(kernels, "cpu_name", lambda: "Another CPU")
    kernel_speeds(llama, TYPES, tmp_path, threads=1, seconds=0.0, cache=tmp_path / "cache")
    assert len(list((tmp_path / "cache" / "kernels").iterdir())) == 2


def test_a_busy_machine_is_not_kept(llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "QUIET", 0.0)
    found = kernel_speeds(llama, TYPES, tmp_path, threads=1, seconds=0.0, cache=tmp_path / "cache")
    assert not found.quiet
    assert not (tmp_path / "cache").exists()


def test_cancelling_leaves_nothing(llama: Path, tmp_path: Path) -> None:
    with pytest.raises(LobiError, match="stopped"):
        kernel_speeds(llama, TYPES, tmp_path, threads=1, is_cancelled=lambda: True)
    assert list(tmp_path.iterdir()) == []


def test_speeds_of_one_layer_are_told_too(tmp_path: Path) -> None:
    source = write_llama(tmp_path / "one.gguf", layers=1)
    found = kernel_speeds(source, ("q8_0",), tmp_path, threads=1, seconds=0.0)
    assert isinstance(found, KernelSpeeds)
    assert found.decode["q8_0"] > 0.0
