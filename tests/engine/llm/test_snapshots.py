"""KV snapshots: which one is found, what is evicted, and what a bad folder or file can do (nothing)."""

from __future__ import annotations

import logging
import os
import random
import shutil
import stat
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from engine.llm.snapshots import FREE_BYTES_LEFT, HEADER, SUFFIX, TEMPORARY, Snapshots

A, B, C, D = range(5), range(10, 15), range(20, 25), range(30, 35)
"""Tokens of four chats that have nothing in common."""
FILE_BYTES = HEADER.size + 5 * 4 + 100


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "kv"


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*" + SUFFIX), key=lambda path: path.stat().st_mtime_ns)


def state(tokens: range) -> bytes:
    return random.Random(repr(tokens)).randbytes(100)


def fill(store: Snapshots, *runs: range) -> Snapshots:
    """Put a snapshot of 100 bytes for each run of tokens."""
    for run in runs:
        store.put(run, state(run))
    return store


def saved(folder: Path, *runs: range, key: str = "model", exact: bool = False) -> list[Path]:
    """Save snapshots in a process of their own, so to speak; the files, oldest first."""
    fill(Snapshots(key, folder, exact=exact), *runs).close()
    return files(folder)


def found(store: Snapshots, prompt: range | list[int]) -> tuple[int, ...] | None:
    best = store.best(prompt, 0)
    return None if best is None else best.tokens


def has(store: Snapshots, run: range) -> bool:
    """Whether the snapshot of a run is there, with the right state."""
    best = store.best(run, 0)
    return best is not None and best.tokens == tuple(run) and best.state == state(run)


def on_disk(folder: Path, key: str = "model") -> list[range]:
    store = Snapshots(key, folder)
    return [run for run in (A, B, C, D) if has(store, run)]


def test_longest_common_prefix_wins() -> None:
    store = Snapshots("model", None)
    for tokens in ([1, 2, 3, 9], [1, 2, 3, 4, 8, 8, 8], [1, 7, 7, 7, 7, 7, 7, 7]):
        store.put(tokens, bytes(tokens))
    assert store.best([1, 2, 3, 4, 5, 6], 4) is None
    best = store.best([1, 2, 3, 4, 5, 6], 3)
    assert best is not None
    assert best.tokens == (1, 2, 3, 4, 8, 8, 8)
    assert best.state == bytes(best.tokens)


def test_among_equals_the_one_in_memory_is_taken_then_the_smallest(folder: Path) -> None:
    saved(folder, A)
    store = Snapshots("model", folder)
    store.put([0, 1, 2, 77], b"x" * 200)
    assert found(store, [0, 1, 2, 99]) == (0, 1, 2, 77)
    store.put([0, 1, 2, 88], b"x")
    assert found(store, [0, 1, 2, 99]) == (0, 1, 2, 88)


def test_best_equals_a_plain_search_on_random_snapshots(folder: Path) -> None:
    def shared(left: tuple[int, ...], right: tuple[int, ...]) -> int:
        return next(
            (i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right))
        )

    def draw(chance: random.Random, count: int) -> tuple[int, ...]:
        return tuple(chance.choices((-1, 0, 1, 2**31 - 1), weights=(1, 8, 1, 1), k=count))

    for seed in range(150):
        chance = random.Random(seed)
        exact = chance.random() < 0.5
        store = Snapshots("model", folder / str(seed), exact=exact)
        kept: dict[tuple[int, ...], bytes] = {}
        for number in range(1, chance.randrange(2, 12)):
            tokens = draw(chance, chance.randrange(1, 12))
            store.put(tokens, bytes([number]))
            kept.setdefault(tokens, bytes([number]))
            if chance.random() < 0.3:
                store.close()
        prompt, at_least = draw(chance, 12), chance.randrange(3)
        usable = [n for t in kept if (n := shared(t, prompt)) > at_least and (n == len(t) or not exact)]
        best = store.best(prompt, at_least)
        assert (best is None) == (not usable), seed
        if best is not None:
            assert shared(best.tokens, prompt) == max(usable), seed
            assert kept[best.tokens] == best.state, seed


def test_longer_snapshot_takes_the_place_of_its_prefixes_unless_exact() -> None:
    cut, exact = Snapshots("model", None), Snapshots("model", None, exact=True)
    for store in (cut, exact):
        fill(store, range(2), range(1, 3), range(3))
    assert cut.memory_bytes == 200
    assert found(cut, range(2)) == (0, 1, 2)
    assert found(cut, range(1, 3)) == (1, 2)
    assert exact.memory_bytes == 300
    assert found(exact, range(2)) == (0, 1)


def test_covers_tells_when_putting_is_pointless() -> None:
    cut, exact = Snapshots("model", None), Snapshots("model", None, exact=True)
    for store in (cut, exact):
        store.put([1, 2, 3], b"state")
        assert store.covers([1, 2, 3])
        assert not store.covers([1, 2, 3, 4])
        assert not store.covers([1, 9])
        store.put([], b"state")
        store.put([7], b"")
        assert not store.covers([7]), "nothing is no snapshot"
    assert cut.covers([1, 2])
    assert not exact.covers([1, 2])


def test_memory_evicts_the_least_recently_used() -> None:
    store = fill(Snapshots("model", None, memory_limit_bytes=300), A, B, C)
    assert has(store, A)
    fill(store, D)
    assert store.memory_bytes == 300
    assert [run for run in (A, B, C, D) if has(store, run)] == [A, C, D]


def test_covered_snapshot_is_not_kept_but_counts_as_a_use() -> None:
    store = fill(Snapshots("model", None, memory_limit_bytes=250), A, B, A[:2], C)
    assert [run for run in (A, B, C) if has(store, run)] == [A, C]


def test_state_beyond_the_memory_limit_is_not_kept_and_evicts_nothing() -> None:
    store = fill(Snapshots("model", None, memory_limit_bytes=100), A)
    assert not store.fits(101)
    store.put(B, b"x" * 101)
    assert has(store, A)
    assert found(store, B) is None


def test_states_read_from_disk_count_against_memory(folder: Path) -> None:
    saved(folder, A, B, C)
    store = Snapshots("model", folder, memory_limit_bytes=250)
    for run in (A, B, C, A):
        assert has(store, run)
        assert store.memory_bytes <= 250
    small = Snapshots("model", folder, memory_limit_bytes=99)
    assert has(small, A)
    assert small.memory_bytes == 0


def test_disk_keeps_the_most_recently_used_within_its_limit(folder: Path) -> None:
    store = fill(Snapshots("model", folder, disk_limit_bytes=3 * FILE_BYTES), A, B, C, D)
    store.best(A, 0)
    store.save()
    assert sum(path.stat().st_size for path in files(folder)) == 3 * FILE_BYTES
    assert on_disk(folder) == [A, C, D]


def test_use_of_a_file_saves_it_from_eviction_by_a_later_process(folder: Path) -> None:
    saved(folder, A, B)
    assert has(Snapshots("model", folder), A)
    fill(Snapshots("model", folder, disk_limit_bytes=2 * FILE_BYTES), C).save()
    assert on_disk(folder) == [A, C]


def test_disk_limit_holds_across_models_and_when_lowered(folder: Path) -> None:
    saved(folder, A, B, key="other")
    fill(Snapshots("model", folder, disk_limit_bytes=2 * FILE_BYTES), A).save()
    assert on_disk(folder) == [A]
    assert on_disk(folder, "other") == [B]
    Snapshots("model", folder, disk_limit_bytes=0).save()
    assert files(folder) == []


def test_snapshot_larger_than_the_disk_limit_deletes_nothing(folder: Path) -> None:
    saved(folder, A)
    store = Snapshots("model", folder, disk_limit_bytes=FILE_BYTES)
    store.put(range(6), b"x" * 5000)
    assert store.save()
    assert on_disk(folder) == [A]
    assert found(store, range(6)) == tuple(range(6))


def test_file_from_the_future_goes_first(folder: Path) -> None:
    saved(folder, A)
    ahead = time.time() + 86_400
    os.utime(saved(folder, B)[-1], (ahead, ahead))
    fill(Snapshots("model", folder, disk_limit_bytes=2 * FILE_BYTES), C).save()
    assert on_disk(folder) == [A, C]


def test_saved_snapshots_are_found_by_the_next_process(folder: Path) -> None:
    tokens = [5, -3, 2**31 - 1, -(2**31)] * 1000
    store = Snapshots("model", folder)
    store.put(tokens, b"\0\xff" * 70_000)
    store.save()
    inode = files(folder)[0].stat().st_ino
    store.close()
    assert store.memory_bytes == 0
    assert [file.stat().st_ino for file in files(folder)] == [inode], "nothing is written twice"
    best = Snapshots("model", folder).best([*tokens, 1], 10)
    assert best is not None
    assert best.tokens == tuple(tokens)
    assert best.state == b"\0\xff" * 70_000


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no permission bits")
def test_files_are_private(folder: Path) -> None:
    (file,) = saved(folder, A)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_snapshot_of_another_key_is_never_loaded_and_stays(folder: Path) -> None:
    saved(folder, A, key="model, 2048 tokens")
    other = Snapshots("model, 4096 tokens", folder)
    assert other.best(A, 0) is None
    assert not other.covers(A)
    other.save()
    assert on_disk(folder, "model, 2048 tokens") == [A]


@pytest.mark.parametrize("exact", [True, False])
def test_saving_a_longer_snapshot_deletes_its_prefixes_unless_exact(folder: Path, exact: bool) -> None:
    saved(folder, A, exact=exact)
    assert len(saved(folder, range(8), exact=exact)) == 1 + exact
    assert has(Snapshots("model", folder), range(8))


def test_interrupted_save_leaves_whole_files_and_goes_on_later(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.llm.snapshots.PIECE_BYTES", 30)
    for calls in range(11):
        store = fill(Snapshots(str(calls), folder), A, B)
        # Per file one look before it and one before each of its four pieces.
        assert store.save(iter([False] * calls + [True]).__next__) is (calls == 10)
        assert not list(folder.glob("*" + TEMPORARY))
        assert on_disk(folder, str(calls)) == ([] if calls < 5 else [B] if calls < 10 else [A, B])
        assert store.save()
        assert on_disk(folder, str(calls)) == [A, B]


def test_clear_forgets_everything_of_every_model(folder: Path) -> None:
    saved(folder, A, key="other")
    (folder / "note.txt").write_text("not ours")
    (folder / ("left" + TEMPORARY)).write_bytes(b"of a killed process")
    store = fill(Snapshots("model", folder), A, B)
    store.save()
    store.clear()
    store.save()
    assert store.best(A, 0) is None
    assert [path.name for path in folder.iterdir()] == ["note.txt"]


def test_only_old_temporary_files_are_tidied_away(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, age_s in (("old", 7200), ("young", 60)):
        (folder / (name + TEMPORARY)).write_bytes(b"x")
        os.utime(folder / (name + TEMPORARY), (time.time() - age_s,) * 2)
    Snapshots("model", folder).save()
    assert [path.name for path in folder.iterdir()] == ["young" + TEMPORARY]


def flip(offset: int) -> Callable[[bytes], bytes]:
    return lambda data: data[:offset] + bytes([data[offset] ^ 0x10]) + data[offset + 1 :]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "header cut": lambda data: data[: HEADER.size - 1],
    "tokens cut": lambda data: data[: HEADER.size + 6],
    "state cut": lambda data: data[:-1],
    "state longer": lambda data: data + b"x",
    "zeros": lambda data: bytes(len(data)),
    "a token fewer, as many more bytes of state": lambda data: data[:40] + struct.pack("<IQ", 16, 104) + data[52:],
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
@pytest.mark.parametrize("indexed", [True, False])
def test_damaged_file_is_deleted_and_the_next_best_taken(
    folder: Path, damage: Callable[[bytes], bytes], indexed: bool
) -> None:
    short, long = saved(folder, A[:3], A, exact=True)
    store = Snapshots("model", folder, exact=True)
    assert not indexed or store.covers(A)
    long.write_bytes(damage(long.read_bytes()))
    assert has(store, A[:3])
    assert found(store, range(6)) == (0, 1, 2)
    assert files(folder) == [short]
    assert not store.covers(A)


def test_every_flipped_byte_is_noticed(folder: Path) -> None:
    (file,) = saved(folder, A)
    whole = file.read_bytes()
    for offset in range(len(whole)):
        file.write_bytes(flip(offset)(whole))
        assert Snapshots("model", folder).best(A, 0) is None, offset
        assert not file.exists()


def test_file_of_a_wrong_name_or_version_is_deleted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = saved(folder, A, B)
    shutil.copy(second, first)
    foreign = saved(folder, C, key="other")[-1]
    foreign.rename(folder / (first.name[:16] + foreign.name[16:]))
    with monkeypatch.context() as newer:
        newer.setattr("engine.llm.snapshots.MAGIC", b"HOLAKV\x00\x02")
        shutil.copy(saved(folder.parent / "newer", D)[0], folder)
    assert on_disk(folder) == [B]
    assert files(folder) == [second]


def test_two_stores_share_a_folder(folder: Path) -> None:
    window, command = fill(Snapshots("model", folder), B), fill(Snapshots("model", folder), B)
    window.save()
    fill(command, A).save()
    assert len(files(folder)) == 2
    assert has(window, A)
    fill(window, range(8)).save()
    assert has(command, range(8))
    command.close()
    window.close()
    assert len(files(folder)) == 2
    assert on_disk(folder) == [B], "the longer one took the place of A"


def test_files_that_another_process_deleted_are_forgotten(folder: Path) -> None:
    saved(folder, A, B)
    store = Snapshots("model", folder)
    assert has(store, A)
    shutil.rmtree(folder)
    assert not store.covers(B)
    assert has(store, A), "it is in memory"
    store.save()
    assert on_disk(folder) == [A], "what memory still holds is written again"


def test_file_that_vanishes_between_index_and_use_is_forgotten(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(folder, A, range(0, 4, 2))
    store = Snapshots("model", folder)
    assert store.covers(A)
    monkeypatch.setattr(Snapshots, "_look", lambda self: shutil.rmtree(folder))
    assert store.best(A, 0) is None


def test_folder_that_can_not_be_used_means_memory_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    in_the_way = tmp_path / "snapshots"
    in_the_way.write_text("a file in place of the folder")
    store = fill(Snapshots("model", in_the_way), A)
    with caplog.at_level(logging.WARNING):
        assert store.save()
        assert store.save()
        assert has(store, A)
        store.close()
        store.clear()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert in_the_way.read_text() == "a file in place of the folder"


@pytest.mark.parametrize(("error", "again"), [(OSError(28, "No space left on device"), False), (OSError(2, ""), True)])
def test_failed_write_leaves_no_rest(folder: Path, error: OSError, again: bool) -> None:
    store = fill(Snapshots("model", folder), A)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.utime", Mock(side_effect=error))
        assert store.save() is not again
    assert list(folder.iterdir()) == []
    assert has(store, A)
    store.save()
    assert on_disk(folder) == ([A] if again else []), "only what another process cleared away is worth trying again"


def test_nearly_full_disk_is_not_filled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _path: SimpleNamespace(free=FREE_BYTES_LEFT))
    assert saved(folder, A) == []
