"""Plans and adapters survive being written, and a broken one is told from a sound one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import LobiError
from engine.lobi.adapter import Adapter, Plan, read_adapter, read_plan, write_plan
from engine.lobi.versions import plan_hash

PLAN = Plan(
    "Tiny",
    "abc",
    role="draft",
    layers=(0, 2),
    kv_groups=((0,), (1,)),
    channels=((0, 1, 5), (2, 3, 4)),
    types={"token_embd.weight": "q8_0"},
    brief=True,
    origin={"steps": 3},
)


def an_adapter(seed: int = 0) -> Adapter:
    chance = np.random.default_rng(seed)
    a, b = chance.standard_normal((4, 32)), chance.standard_normal((64, 4))
    return Adapter({"blk.0.attn_q.weight": (a.astype(np.float32), b.astype(np.float32))})


def changed(file: Path, **values: Any) -> Path:
    found = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps({**found, **values}), "utf-8")
    return file


def test_plan_and_adapter_come_back_as_they_were(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    adapter = an_adapter()

    write_plan(file, PLAN, adapter)
    found = read_adapter(file)

    assert read_plan(file) == PLAN
    assert found is not None
    for name, (a, b) in adapter.pairs.items():
        # Kept in 16 bits.
        np.testing.assert_array_equal(found.pairs[name][0], a.astype(np.float16).astype(np.float32))
        np.testing.assert_array_equal(found.pairs[name][1], b.astype(np.float16).astype(np.float32))


def test_second_moments_come_back_and_broken_ones_are_told(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    moments = np.eye(32, dtype=np.float32)
    write_plan(file, PLAN, Adapter(an_adapter().pairs, {"output.weight": moments}))
    found = read_adapter(file)
    assert found is not None
    assert list(found.pairs) == list(an_adapter().pairs)
    np.testing.assert_array_equal(found.moments["output.weight"], moments)

    for broken in (np.full((32, 32), np.nan, np.float32), np.ones((32, 64), np.float32)):
        write_plan(file, PLAN, Adapter(an_adapter().pairs, {"output.weight": broken}))
        with pytest.raises(LobiError, match=r"plan\.safetensors is broken \(tensor output\.weight"):
            read_adapter(file)


def test_same_content_gives_the_same_bytes_and_another_adapter_another_hash(tmp_path: Path) -> None:
    files = [tmp_path / f"{name}.json" for name in "abc"]
    for file, seed in zip(files, (0, 0, 1), strict=True):
        write_plan(file, PLAN, an_adapter(seed))

    hashes = [plan_hash(file) for file in files]

    assert hashes[0] == hashes[1] != hashes[2]


def test_plan_without_an_adapter_has_none(tmp_path: Path) -> None:
    write_plan(tmp_path / "plan.json", PLAN)

    assert read_adapter(tmp_path / "plan.json") is None


def test_adapter_of_another_plan_is_refused(tmp_path: Path) -> None:
    write_plan(tmp_path / "a.json", PLAN, an_adapter(0))
    write_plan(tmp_path / "b.json", PLAN, an_adapter(1))
    (tmp_path / "b.safetensors").replace(tmp_path / "a.safetensors")

    with pytest.raises(LobiError, match="is not the one of its plan"):
        read_adapter(tmp_path / "a.json")


def test_cut_off_or_missing_adapter_is_told(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    write_plan(file, PLAN, an_adapter())
    beside = file.with_suffix(".safetensors")
    beside.write_bytes(beside.read_bytes()[:-5])
    with pytest.raises(LobiError, match="get both again"):
        read_adapter(file)
    beside.unlink()
    with pytest.raises(LobiError, match="can't be read"):
        read_adapter(file)


@pytest.mark.parametrize(
    "values",
    [
        {"layers": [2, 0]},
        {"layers": [-1]},
        {"layers": "all"},
        {"layers": [float("inf")]},
        {"channels": [[0, 1], [0]]},
        {"kv_groups": [[0]]},
        {"role": "other"},
        {"kv_type": "q1"},
        {"types": {"a": 3}},
        {"types": 7},
        {"most_perplexity": "much"},
        {"unknown": 1},
    ],
)
def test_broken_plan_is_told_in_one_sentence(tmp_path: Path, values: dict[str, Any]) -> None:
    file = tmp_path / "plan.json"
    write_plan(file, PLAN)

    with pytest.raises(LobiError, match=r"The plan plan\.json is broken .* get it again, or make it anew\."):
        read_plan(changed(file, **values))


def test_plan_of_another_version_or_no_plan_is_told(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    write_plan(file, PLAN)
    with pytest.raises(LobiError, match="another version of Hola"):
        read_plan(changed(file, format=99))
    file.write_text("no json", "utf-8")
    with pytest.raises(LobiError, match="is broken"):
        read_plan(file)
    with pytest.raises(LobiError, match="can't be read"):
        read_plan(tmp_path / "none.json")
