"""A version is made, checked and put in place whole, or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from engine.errors import LobiError, ModelFileError
from engine.llm.gguf_header import read_header
from engine.llm.pairing import DRAFT_OF_KEY
from engine.llm.preflight import BRIEF_KEY, KV_TYPE_KEY
from engine.lobi import apply as module
from engine.lobi.adapter import Adapter, Plan, write_plan
from engine.lobi.apply import make
from engine.lobi.fingerprint import LOBI_KEY, fingerprint
from engine.lobi.messages import Made, MakeVersion, Step, Wish
from engine.lobi.source import Source
from engine.lobi.versions import card_of, plan_hash, ready_version
from tests.gguf_builder import write_llama

TEXT = "The quick brown fox jumps over the lazy dog, and the dog sleeps on. " * 40
WIDE = 320


class Bench(NamedTuple):
    """A model, a plan for it, and a request."""

    source: Path
    plan: Path
    request: MakeVersion


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    source = write_llama(tmp_path / "Tiny.gguf", layers=2, context=1024)
    text = tmp_path / "text.md"
    text.write_text(TEXT, "utf-8")
    plan = tmp_path / "plan.json"
    write_plan(plan, a_plan(source), an_adapter())
    target = tmp_path / "models" / "Tiny.lobi.gguf"
    return Bench(source, plan, MakeVersion(source, target, tmp_path / "work" / "w", text, plan, threads=1))


def a_plan(source: Path, **more: Any) -> Plan:
    return Plan("Tiny", fingerprint(source), **{"most_perplexity": 10.0, **more})


def an_adapter(size: float = 0.01) -> Adapter:
    chance = np.random.default_rng(0)
    a, b = chance.standard_normal((2, WIDE)), size * chance.standard_normal((WIDE, 2))
    return Adapter({"blk.1.attn_q.weight": (a.astype(np.float32), b.astype(np.float32))})


def made_by(request: MakeVersion) -> tuple[list[Step], Made]:
    *steps, made = make(request)
    assert isinstance(made, Made)
    return [step for step in steps if isinstance(step, Step)], made


def types_of(path: Path) -> dict[str, int]:
    return {tensor.name: tensor.type_id for tensor in read_header(path).tensors}


def test_version_has_the_adapter_the_types_and_a_card(bench: Bench) -> None:
    write_plan(bench.plan, a_plan(bench.source, types={"output.weight": "q8_0"}, brief=True), an_adapter(1.0))

    steps, made = made_by(bench.request)

    header, types = read_header(made.path), types_of(made.path)
    assert made.path == bench.request.target
    assert ready_version([made.path.parent], bench.source) == made.path
    assert (types["output.weight"], types["blk.0.attn_q.weight"], types["output_norm.weight"]) == (8, 2, 0)
    assert (header.metadata[KV_TYPE_KEY], header.metadata[BRIEF_KEY], header.metadata[LOBI_KEY]) == (
        "q5_0_keys",
        True,
        "Tiny",
    )
    with Source(bench.source) as before, Source(made.path) as after:
        a, b = an_adapter(1.0).pairs["blk.1.attn_q.weight"]
        wanted = before.array("blk.1.attn_q.weight") + b @ a
        # Four bits of a value: an eighth of the largest of its block.
        assert np.abs(after.array("blk.1.attn_q.weight") - wanted).max() < np.abs(wanted).max() / 8
    shares = [step.share for step in steps]
    assert shares == sorted(shares)
    assert [step.stage for step in steps] == ["reading", "merging", "quantizing", "checking"]
    card = card_of(made.path)
    assert card is not None
    assert (card["plan_sha256"], card["kl"], card["before"]["file_mb"]) == (
        plan_hash(bench.plan),
        made.kl,
        bench.source.stat().st_size / 2**20,
    )
    assert min(made.before.decode_tps, made.before.prefill_tps, made.after.decode_tps, made.after.prefill_tps) > 0


def test_draft_names_its_target_and_needs_no_likeness(bench: Bench) -> None:
    write_plan(bench.plan, a_plan(bench.source, role="draft", layers=(1,), most_perplexity=1e-9))

    _, made = made_by(bench.request)

    header = read_header(made.path)
    assert (header.metadata[DRAFT_OF_KEY], header.integer("llama.block_count")) == ("Tiny", 1)


def test_too_far_from_the_original_is_discarded_and_the_old_version_stays(bench: Bench) -> None:
    _, made = made_by(bench.request)
    before = made.path.read_bytes()
    write_plan(bench.plan, a_plan(bench.source, most_perplexity=1e-9))

    with pytest.raises(LobiError, match=r"too far from the original .* discarded: the original stays in use"):
        made_by(bench.request)

    assert made.path.read_bytes() == before
    assert ready_version([made.path.parent], bench.source) == made.path


def test_without_a_plan_the_types_are_chosen_here(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.lobi.allocating.SENSITIVITY_S", 5.0)
    monkeypatch.setattr("engine.lobi.allocating.KERNELS_S", 1.0)
    monkeypatch.setattr(module, "MOST_LOSS", 100.0)
    request = replace(bench.request, plan=None, wish=Wish("size"), cache=bench.request.work.parent)

    steps, made = made_by(request)

    header = read_header(made.path)
    card = card_of(made.path)
    assert made.after.file_mb < 0.5 * made.before.file_mb
    assert KV_TYPE_KEY not in header.metadata
    assert {step.stage for step in steps} == {"reading", "merging", "measuring", "quantizing", "checking"}
    assert card is not None
    assert len(card["front"]) > 1
    assert card["wish"]["prefer"] == "size"


def test_wish_that_nothing_meets_says_what_would(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.lobi.allocating.SENSITIVITY_S", 5.0)
    monkeypatch.setattr("engine.lobi.allocating.KERNELS_S", 1.0)

    with pytest.raises(LobiError, match="MB"):
        made_by(replace(bench.request, plan=None, wish=Wish(memory_mb=0.01)))

    assert not bench.request.target.exists()


def test_version_is_no_source(bench: Bench, tmp_path: Path) -> None:
    _, made = made_by(bench.request)

    with pytest.raises(LobiError, match="is an optimised version already"):
        made_by(replace(bench.request, source=made.path, target=tmp_path / "again.gguf"))


def test_plan_of_another_model_is_refused(bench: Bench, tmp_path: Path) -> None:
    other = write_llama(tmp_path / "Other.gguf", layers=3, context=1024)
    write_plan(bench.plan, a_plan(other))

    with pytest.raises(LobiError, match="made for another model"):
        made_by(bench.request)


def test_adapter_that_does_not_fit_is_refused(bench: Bench) -> None:
    a, b = np.ones((2, 64), np.float32), np.ones((64, 2), np.float32)
    write_plan(bench.plan, a_plan(bench.source), Adapter({"blk.1.attn_q.weight": (a, b)}))

    with pytest.raises(LobiError, match="another size"):
        made_by(bench.request)

    assert not bench.request.target.exists()


def test_short_calibration_text_is_told(bench: Bench) -> None:
    bench.request.calibration.write_text("Too short.", "utf-8")

    with pytest.raises(LobiError, match="calibration text is too short"):
        made_by(bench.request)

    assert not bench.request.target.exists()


def test_full_disk_and_full_memory_are_told_before_anything_is_made(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _folder: shutil._ntuple_diskusage(10**9, 10**9, 1000))
        with pytest.raises(LobiError, match=r"needs \d+ MB of free disk, and 0 MB are free: make room"):
            made_by(bench.request)
    monkeypatch.setattr(module, "free_memory_mb", lambda: 10.0)
    with pytest.raises(LobiError, match=r"needs \d+ MB of free memory, and 10 MB are free"):
        made_by(bench.request)

    assert not bench.request.work.exists()


def test_cut_off_source_is_told(bench: Bench) -> None:
    data = bench.source.read_bytes()
    bench.source.write_bytes(data[: len(data) // 2])

    with pytest.raises((LobiError, ModelFileError), match=r"cut off|damaged"):
        made_by(bench.request)


@pytest.mark.parametrize("answers", range(1, 4))
def test_cancel_leaves_no_version(bench: Bench, answers: int) -> None:
    asked = iter([False] * answers)

    with pytest.raises(LobiError, match=r"stopped|cancelled"):
        list(make(bench.request, lambda: next(asked, True)))

    assert not bench.request.target.exists()


def test_closing_it_midway_leaves_no_version(bench: Bench) -> None:
    events: Iterator[Any] = make(bench.request)
    while next(events).stage != "checking":
        continue
    events.close()  # type: ignore[attr-defined]

    assert not bench.request.target.exists()
