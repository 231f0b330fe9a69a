"""Divergences of single groups on tiny models, against files in which just these tensors are quantized."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import LobiError
from engine.llm.gguf_header import read_header
from engine.llm.quantizing import quantize
from engine.lobi.evaluate import Reference, divergence, opened, windows_of
from engine.lobi.kernels import quantizable
from engine.lobi.sensitivity import Group, Sensitivities, check_additivity, groups_of, measure
from tests.gguf_builder import write_llama
from tests.hybrid_builder import F32, write_falcon_h1

TEXT = "The boat lay low in the water, and nobody wanted to be the first to say so. " * 4
OUT, MIXER = Group("out", ("output.weight",)), Group("mixer", ("blk.0.ssm_in.weight", "blk.1.ssm_in.weight"))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_falcon_h1(tmp_path_factory.mktemp("sensitivity") / "falcon.gguf", seed=5, matrix_type=F32)


@pytest.fixture(scope="module")
def found(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Sensitivities:
    return run(source, tmp_path_factory.mktemp("work"), (OUT, MIXER), ("q8_0", "q4_0"))


def run(
    source: Path, work: Path, groups: tuple[Group, ...], types: tuple[str, ...], seconds: float = 60.0
) -> Sensitivities:
    made = measure(source, groups, types, [TEXT], work, seconds=seconds, threads=1, window_tokens=64, windows=2)
    assert list(work.iterdir()) == []
    return made


def test_a_coarser_type_loses_more(found: Sensitivities) -> None:
    for group in (OUT, MIXER):
        assert found.kl[group.name]["q4_0"] > 5 * found.kl[group.name]["q8_0"] > 0.0
        for name in group.tensors:
            assert 0.0 < found.errors[name]["q8_0"] < found.errors[name]["q4_0"] < 0.02
    assert not found.estimated


def test_a_group_alone_loses_what_it_loses_in_a_file_of_its_own(
    found: Sensitivities, source: Path, tmp_path: Path
) -> None:
    names = [tensor.name for tensor in quantizable(read_header(source))]
    for group in (OUT, MIXER):
        plain, changed = tmp_path / "plain.gguf", tmp_path / "changed.gguf"
        types = {name: "q4_0" if name in group.tensors else "bf16" for name in names}
        quantize(source, plain, dict.fromkeys(names, "bf16"), "bf16", threads=1, keep_others=True)
        quantize(source, changed, types, "bf16", threads=1, keep_others=True)
        with opened(plain, 64, 1) as before, opened(changed, 64, 1) as after:
            alone = divergence(Reference.of(before, windows_of(before, [TEXT], 64, 2)), after).kl
        # The file's own kernel rounds activations too.
        assert found.kl[group.name]["q4_0"] == pytest.approx(alone, rel=0.4)


def test_bytes_are_put_back_after_each_group(found: Sensitivities, source: Path, tmp_path: Path) -> None:
    again = run(source, tmp_path, (MIXER, OUT, Group("again", OUT.tensors)), ("q4_0",))
    assert again.kl["out"]["q4_0"] == again.kl["again"]["q4_0"] == found.kl["out"]["q4_0"]
    assert again.kl["mixer"]["q4_0"] == found.kl["mixer"]["q4_0"]


def test_a_group_is_split_by_squared_error(found: Sensitivities) -> None:
    alone = found.per_tensor()
    shares = [alone[name]["q4_0"] for name in MIXER.tensors]
    assert sum(shares) == pytest.approx(found.kl["mixer"]["q4_0"])
    errors = [found.errors[name]["q4_0"] for name in MIXER.tensors]
    assert shares[0] / shares[1] == pytest.approx(errors[0] / errors[1])


def test_sums_predict_an_allocation(found: Sensitivities, source: Path, tmp_path: Path) -> None:
    types = dict.fromkeys((*OUT.tensors, *MIXER.tensors), "q4_0")
    checked = check_additivity(source, types, found, [TEXT], tmp_path, threads=1, window_tokens=64, windows=2)
    assert checked.predicted == pytest.approx(found.kl["out"]["q4_0"] + found.kl["mixer"]["q4_0"])
    assert checked.measured == pytest.approx(checked.predicted, rel=0.5)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(LobiError, match="not measured as q5_0"):
        check_additivity(source, {"output.weight": "q5_0"}, found, [TEXT], tmp_path)


def test_where_time_is_short_errors_tell_the_rest(found: Sensitivities, source: Path, tmp_path: Path) -> None:
    hasty = run(source, tmp_path, (OUT, MIXER), ("q4_0", "q8_0"), seconds=0.0)
    assert len(hasty.estimated) == 3
    assert hasty.kl["out"]["q4_0"] == found.kl["out"]["q4_0"]
    ratio = found.errors["output.weight"]["q8_0"] / found.errors["output.weight"]["q4_0"]
    assert hasty.kl["out"]["q8_0"] == pytest.approx(found.kl["out"]["q4_0"] * ratio)
    assert hasty.kl["mixer"]["q4_0"] > hasty.kl["mixer"]["q8_0"] > 0.0


def test_a_type_that_the_weights_have_loses_nothing_and_a_replacement_is_named(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    quantized = write_falcon_h1(tmp_path / "quantized.gguf")
    made = run(quantized, tmp_path / "work", (OUT,), ("q8_0", "q4_k"))
    assert made.kl["out"]["q8_0"] == 0.0
    # Its rows have 64 weights.
    assert set(made.per_tensor()["output.weight"]) == {"q8_0", "q5_0"}


def test_groups_are_tensors_or_thirds(tmp_path: Path) -> None:
    header = read_header(write_llama(tmp_path / "llama.gguf", layers=6))
    assert [len(group.tensors) for group in groups_of(header, 1000)] == [1] * (2 + 6 * 7)
    thirds = groups_of(header, 10)
    assert len(thirds) == 2 + 3 * 7
    by_name = {group.name: group.tensors for group in thirds}
    assert by_name["ffn_up.weight, third 2"] == ("blk.2.ffn_up.weight", "blk.3.ffn_up.weight")
    assert by_name["output.weight"] == ("output.weight",)


def test_what_can_not_be_measured_is_told(source: Path, tmp_path: Path) -> None:
    with pytest.raises(LobiError, match="no type to choose"):
        run(source, tmp_path, (Group("norm", ("output_norm.weight",)),), ("q4_0",))
    with pytest.raises(LobiError, match="nothing to measure"):
        run(source, tmp_path, (), ("q4_0",))
    with pytest.raises(LobiError, match="too short"):
        measure(source, (OUT,), ("q4_0",), ["word"], tmp_path, threads=1)
    assert list(tmp_path.iterdir()) == []


def test_cancelling_leaves_nothing_and_progress_ends_at_one(source: Path, tmp_path: Path) -> None:
    told: list[float] = []
    with pytest.raises(LobiError, match="stopped"):
        measure(
            source,
            (OUT, MIXER),
            ("q4_0",),
            [TEXT],
            tmp_path,
            threads=1,
            window_tokens=64,
            report=told.append,
            is_cancelled=lambda: bool(told),
        )
    assert told == [0.5]
    assert list(tmp_path.iterdir()) == []
