"""A rewritten GGUF file computes what transformers computes with the same changes to its weights."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf.constants import GGMLQuantizationType
from gguf.quants import dequantize
from gguf.quants import quantize as gguf_quantize

pytest.importorskip("torch", reason="transformers models need the extra [lobi]")

from engine.errors import HolaError, LobiError, ModelFileError
from engine.llm.gguf_header import read_header, read_vocabulary
from engine.llm.quantizing import quantize
from engine.lobi.adapter import Adapter, Pair, Plan
from engine.lobi.fingerprint import fingerprint
from engine.lobi.naming import to_gguf_pair
from engine.lobi.rewrite import changed_tensors, rewrite
from engine.lobi.source import Source
from tests.engine.lobi.tiny_models import (
    ARCHITECTURES,
    adapted,
    build,
    llama_logits,
    logits_of,
    pruned,
    random_pairs,
    write_gguf,
)
from tests.gguf_builder import Array
from tests.hybrid_builder import write_mamba2

EXACT = 1e-4
"""Largest difference of logits of standard deviation 1: both compute in float32."""
HALF = 2e-2
"""The same where the changed weights have 16 bits."""
LAYERS = (0, 2, 3)
Rows = tuple[tuple[int, ...], ...]
GROUPS: Rows = ((0, 2), (1, 2), (0, 1))
CHANNELS: Rows = (tuple(range(64)), tuple(range(32, 96)), tuple(sorted({*range(0, 96, 3), *range(1, 96, 3)})))

Tiny = tuple[str, Any, Path]


@pytest.fixture(scope="module", params=ARCHITECTURES)
def tiny(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """An architecture, a transformers model and the same model as GGUF."""
    model = build(request.param)
    path = write_gguf(tmp_path_factory.mktemp("tiny") / "tiny.gguf", model, request.param)
    return request.param, model, path


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gguf(tmp_path_factory.mktemp("llama") / "llama.gguf", build("llama"), "llama")


def plan_of(path: Path, **what: Any) -> Plan:
    return Plan("Tiny", fingerprint(path), **what)


def adapter_of(architecture: str, model: Any, pairs: dict[str, Pair]) -> Adapter:
    config = model.config.to_dict()
    named = [to_gguf_pair(architecture, config, name, a, b) for name, (a, b) in pairs.items()]
    return Adapter({name: (a, b) for name, a, b in named})


def difference(one: Array, other: Array) -> float:
    return float(np.abs(one - other).max())


def test_the_plain_file_computes_what_transformers_computes(tiny: Tiny) -> None:
    _, model, path = tiny
    wanted = logits_of(model)
    assert 0.3 < wanted.std() < 3
    assert difference(llama_logits(path), wanted) < EXACT


@pytest.mark.parametrize(("architecture", "mistake"), [("llama", "permutation"), ("falcon-h1", "multiplier")])
def test_a_wrong_order_or_a_missing_multiplier_would_be_seen(architecture: str, mistake: str, tmp_path: Path) -> None:
    model = build(architecture)
    path = write_gguf(tmp_path / "wrong.gguf", model, architecture, mistake=mistake)
    assert difference(llama_logits(path), logits_of(model)) > 100 * EXACT


def test_a_merged_adapter_computes_what_transformers_computes(tiny: Tiny, tmp_path: Path) -> None:
    architecture, model, path = tiny
    pairs = random_pairs(model)
    adapter = adapter_of(architecture, model, pairs)
    wanted = logits_of(adapted(model, pairs))
    assert difference(wanted, logits_of(model)) > 1000 * EXACT
    for dtype, bound in (("f32", EXACT), ("f16", HALF)):
        rewrite(path, tmp_path / "new.gguf", plan_of(path), adapter, dtype=dtype)  # type: ignore[arg-type]
        assert difference(llama_logits(tmp_path / "new.gguf"), wanted) < bound


def test_an_output_layer_with_second_moments_is_rounded_with_feedback(llama: Path, tmp_path: Path) -> None:
    width = read_header(llama).integer("llama.embedding_length")
    draw = np.random.default_rng(3)
    few = draw.normal(size=(4, width))
    moments = few.T @ few + 0.1 * np.eye(width)
    plan = plan_of(llama, types={"output.weight": "q4_0"})
    rewrite(llama, tmp_path / "fed.gguf", plan, Adapter({}, {"output.weight": moments}))
    with Source(llama) as before, Source(tmp_path / "fed.gguf") as after:
        assert after.info("output.weight").type_id == GGMLQuantizationType.Q4_0
        weights = before.array("output.weight")
        plain = dequantize(gguf_quantize(weights, GGMLQuantizationType.Q4_0), GGMLQuantizationType.Q4_0)
        errors = [
            float(np.einsum("ij,jk,ik->", off, moments, off))
            for off in (after.array("output.weight") - weights, plain - weights)
        ]
    assert errors[0] < 0.5 * errors[1]
    # What llama.cpp's quantizer then finds in the wanted type, it keeps.
    quantize(tmp_path / "fed.gguf", tmp_path / "made.gguf", plan.types, "q8_0", keep_others=False)
    with Source(tmp_path / "fed.gguf") as fed, Source(tmp_path / "made.gguf") as made:
        assert fed.raw("output.weight") == made.raw("output.weight")

    rewrite(llama, tmp_path / "other.gguf", plan_of(llama), Adapter({}, {"output.weight": moments}))
    with Source(llama) as before, Source(tmp_path / "other.gguf") as after:
        assert after.raw("output.weight") == before.raw("output.weight")


@pytest.mark.parametrize(
    ("name", "moments", "words"),
    [
        ("output.weight", np.eye(32), "another model's"),
        ("of_no_model.weight", np.eye(96), "another model's"),
        ("output.weight", -np.eye(96), "broken"),
    ],
)
def test_second_moments_of_another_model_are_refused(
    name: str, moments: Array, words: str, llama: Path, tmp_path: Path
) -> None:
    plan = plan_of(llama, types={"output.weight": "q4_0"})
    with pytest.raises(LobiError, match=words):
        rewrite(llama, tmp_path / "new.gguf", plan, Adapter({}, {name: moments}))
    assert not (tmp_path / "new.gguf").exists()


@pytest.mark.parametrize("kind", ["q_proj", "k_proj", "gate_proj", "down_proj", "in_proj"])
def test_an_adapter_of_one_kind_of_layer_that_is_left_as_it_was_would_be_seen(kind: str, tmp_path: Path) -> None:
    for architecture in ("falcon-h1",) if kind == "in_proj" else ("llama", "falcon-h1"):
        model = build(architecture)
        path = write_gguf(tmp_path / "tiny.gguf", model, architecture)
        pairs = {name: pair for name, pair in random_pairs(model).items() if name.endswith(f".{kind}")}
        named = adapter_of(architecture, model, pairs)
        names = [to_gguf_pair(architecture, model.config.to_dict(), name, *pair)[0] for name, pair in pairs.items()]
        raw = Adapter(dict(zip(names, pairs.values(), strict=True)))
        wanted = logits_of(adapted(model, pairs))
        differences = []
        for adapter in (named, raw):
            rewrite(path, tmp_path / "new.gguf", plan_of(path), adapter, dtype="f32")
            differences.append(difference(llama_logits(tmp_path / "new.gguf"), wanted))
        assert differences[0] < EXACT
        if architecture == "falcon-h1" or kind in ("q_proj", "k_proj"):
            assert differences[1] > 20 * EXACT


@pytest.mark.parametrize("what", ["layers", "kv_groups", "channels", "all"])
def test_a_pruned_file_computes_what_transformers_computes(tiny: Tiny, what: str, tmp_path: Path) -> None:
    architecture, model, path = tiny
    layers = LAYERS if what in ("layers", "all") else (0, 1, 2, 3)
    groups: Rows = GROUPS if what in ("kv_groups", "all") else ((0, 1, 2),) * 4
    channels: Rows = CHANNELS if what in ("channels", "all") else (tuple(range(96)),) * 4
    groups += ((0, 1),) * (what == "kv_groups")
    channels += (tuple(range(64)),) * (what == "channels")
    chosen: dict[str, Any] = {"layers": layers, "kv_groups": groups, "channels": channels}
    plan = plan_of(path, **(chosen if what == "all" else {what: chosen[what]}))
    rewrite(path, tmp_path / "new.gguf", plan, None, dtype="f32")
    wanted = logits_of(pruned(model, layers, groups, channels))
    assert difference(wanted, logits_of(model)) > 100 * EXACT
    assert difference(llama_logits(tmp_path / "new.gguf"), wanted) < EXACT
    header = read_header(tmp_path / "new.gguf")
    written = header.text("general.architecture")
    assert written == ("llama" if architecture == "qwen2" and what in ("kv_groups", "all") else architecture)
    assert header.integer(f"{written}.block_count") == len(layers)
    assert header.integer(f"{written}.attention.head_count_kv") == len(groups[0])
    assert header.integer(f"{written}.feed_forward_length") == len(channels[0])


def test_an_adapter_is_merged_before_the_model_is_pruned(tiny: Tiny, tmp_path: Path) -> None:
    architecture, model, path = tiny
    pairs = random_pairs(model)
    plan = plan_of(path, layers=LAYERS, kv_groups=GROUPS, channels=CHANNELS)
    rewrite(path, tmp_path / "new.gguf", plan, adapter_of(architecture, model, pairs), dtype="f32")
    wanted = logits_of(pruned(adapted(model, pairs), LAYERS, GROUPS, CHANNELS))
    assert difference(llama_logits(tmp_path / "new.gguf"), wanted) < EXACT


def test_what_does_not_change_is_copied_byte_by_byte(llama: Path, tmp_path: Path) -> None:
    name = "blk.1.ffn_up.weight"
    adapter = Adapter({name: (np.ones((1, 96), np.float32), np.ones((96, 1), np.float32))})
    new = tmp_path / "new.gguf"
    shares: list[float] = []
    rewrite(llama, new, plan_of(llama), adapter, extra={"hola.lobi": "Tiny", "hola.brief": True}, report=shares.append)
    assert changed_tensors(llama, plan_of(llama), adapter) == {name}
    with Source(llama) as before, Source(new) as after:
        assert list(before.tensors) == list(after.tensors)
        for each in before.tensors:
            assert (before.raw(each) == after.raw(each)) == (each != name)
        assert np.allclose(after.array(name), before.array(name) + 1, atol=2e-3)
        kept = {key: entry for key, entry in after.metadata().items() if not key.startswith("hola.")}
        assert kept == before.metadata()
        assert after.header.metadata["hola.lobi"] == "Tiny"
        assert after.header.metadata["hola.brief"] is True
    assert read_vocabulary(new) == read_vocabulary(llama)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert [each.name for each in tmp_path.iterdir()] == ["new.gguf"]


def test_a_file_mostly_rewritten_says_so(llama: Path, tmp_path: Path) -> None:
    plan = plan_of(llama, kv_groups=((0, 1),) * 4, channels=(tuple(range(64)),) * 4)
    rewrite(llama, tmp_path / "new.gguf", plan, None)
    assert read_header(tmp_path / "new.gguf").integer("general.file_type") == 1


def broken(path: Path) -> dict[str, tuple[Plan, Adapter | None, str]]:
    plan = plan_of(path)
    a, b = np.ones((2, 96), np.float32), np.ones((96, 2), np.float32)
    up = "blk.0.ffn_up.weight"
    return {
        "foreign": (replace(plan, fingerprint="0" * 64), None, "another model"),
        "layer": (replace(plan, layers=(0, 4)), None, "4 layers"),
        "order": (replace(plan, layers=(1, 0)), None, "broken"),
        "group": (replace(plan, kv_groups=((3,),) * 4), None, "3 heads"),
        "channel": (replace(plan, channels=((-1,),) * 4), None, "96 channels"),
        "uneven": (replace(plan, channels=((1,), (1, 2), (1,), (1,))), None, "differ by layer"),
        "rows": (replace(plan, layers=(0, 1), channels=((1,),) * 3), None, "differ by layer"),
        "unknown": (plan, Adapter({"blk.9.ffn_up.weight": (a, b)}), "no tensor"),
        "width": (plan, Adapter({up: (a[:, :64], b)}), "another size"),
        "rank": (plan, Adapter({up: (a[:1], b)}), "another size"),
        "huge": (plan, Adapter({up: (a * 1e4, b * 1e4)}), "broken"),
    }


@pytest.mark.parametrize("case", "foreign layer order group channel uneven rows unknown width rank huge".split())
def test_what_does_not_fit_is_told_in_one_sentence(case: str, llama: Path, tmp_path: Path) -> None:
    plan, adapter, words = broken(llama)[case]
    with pytest.raises(LobiError, match=words):
        rewrite(llama, tmp_path / "new.gguf", plan, adapter)
    assert list(tmp_path.iterdir()) == []


def test_cancelling_leaves_the_old_file(llama: Path, tmp_path: Path) -> None:
    target = tmp_path / "new.gguf"
    target.write_bytes(b"old")
    asked = iter([False] * 5 + [True])
    with pytest.raises(LobiError, match="cancelled"):
        rewrite(llama, target, plan_of(llama), None, is_cancelled=lambda: next(asked))
    assert target.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_full_disk_is_told_and_leaves_no_file(llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LobiError, match="no room on the disk"):
        rewrite(llama, tmp_path / "new.gguf", plan_of(llama), None)
    with pytest.raises(LobiError, match="can't be written"):
        rewrite(llama, tmp_path / "nowhere" / "new.gguf", plan_of(llama), None)
    assert list(tmp_path.iterdir()) == []


def test_a_source_that_is_cut_off_is_told(llama: Path, tmp_path: Path) -> None:
    data = llama.read_bytes()
    for length in (len(data) - 100, 2000):
        cut = tmp_path / "cut.gguf"
        cut.write_bytes(data[:length])
        with pytest.raises(ModelFileError, match="cut off"):
            rewrite(cut, tmp_path / "new.gguf", plan_of(llama), None)
    assert [each.name for each in tmp_path.iterdir()] == ["cut.gguf"]


def test_other_architectures_are_copied_only(tmp_path: Path) -> None:
    path = write_mamba2(tmp_path / "mamba.gguf")
    rewrite(path, tmp_path / "new.gguf", plan_of(path), None)
    adapter = Adapter({"blk.0.ssm_out.weight": (np.ones((1, 128), np.float32), np.ones((64, 1), np.float32))})
    for plan, pairs in ((plan_of(path, layers=(0,)), None), (plan_of(path), adapter)):
        with pytest.raises(HolaError, match="mixed precision only"):
            rewrite(path, tmp_path / "more.gguf", plan, pairs)
    assert not (tmp_path / "more.gguf").exists()
    assert fingerprint(tmp_path / "new.gguf") == fingerprint(path)
