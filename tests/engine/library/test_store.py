from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from engine.errors import LibraryError
from engine.library.store import CANDIDATES, Row, Store

DIMENSION = 32


def vector_of(text: str) -> npt.NDArray[np.float32]:
    """A vector in which texts that share words are near."""
    vector = np.zeros(DIMENSION, np.float32)
    for word in re.findall(r"\w+", text.lower()):
        seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=4).digest(), "big")
        vector += np.random.default_rng(seed).normal(size=DIMENSION)
    return vector / max(float(np.linalg.norm(vector)), 1e-9)


def rows_of(document: str, *texts: str) -> list[Row]:
    return [
        Row(f"{document}:{number}", document, number + 1, "Head", 10 * number, 10 * number + len(text), text)
        for number, text in enumerate(texts)
    ]


def put(store: Store, document: str, *texts: str, replaced: tuple[str, ...] = ()) -> None:
    rows = rows_of(document, *texts)
    store.add(rows, np.array([vector_of(row.text) for row in rows]).reshape(-1, DIMENSION), replaced)


def by_words(store: Store, query: str) -> list[str]:
    """Return the texts that the full-text half finds, best first."""
    found = [each for each in store.candidates(query, vector_of(query)) if each.text_rank is not None]
    return [each.text for each in sorted(found, key=lambda each: each.text_rank or 0)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "bibliothék 東 x"


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    made = Store(folder, DIMENSION)
    yield made
    made.close()


def test_a_passage_comes_back_as_it_was_stored(store: Store) -> None:
    put(store, "/docs/ä.pdf", "The lighthouse is 31 metres tall.")
    [passage] = store.candidates("lighthouse", vector_of("lighthouse"))
    assert (passage.chunk_id, passage.path, passage.text) == (
        "/docs/ä.pdf:0",
        "/docs/ä.pdf",
        "The lighthouse is 31 metres tall.",
    )
    assert (passage.page, passage.heading, passage.start, passage.end) == (1, "Head", 0, 33)
    assert (passage.vector_rank, passage.text_rank) == (0, 0)
    assert passage.similarity == pytest.approx(float(vector_of(passage.text) @ vector_of("lighthouse")), abs=1e-5)
    assert (passage.text_score or 0.0) > 0.0


def test_an_empty_library_finds_nothing(store: Store) -> None:
    assert store.candidates("anything", vector_of("anything")) == ()
    assert store.count() == 0
    assert store.chunks_per_document() == {}


def test_pages_and_headings_may_be_missing(store: Store) -> None:
    store.add([Row("a:0", "a", None, "", 0, 4, "word")], vector_of("word")[None], ())
    [passage] = store.candidates("word", vector_of("word"))
    assert (passage.page, passage.heading) == (None, "")


def test_new_chunks_take_the_place_of_all_old_ones_in_one_commit(store: Store) -> None:
    put(store, "a", "old one", "old two", "old three")
    put(store, "b", "other")
    before = store._table.version
    rows = [*rows_of("a", "new one"), *rows_of("c", "more", "and more")]
    store.add(rows, np.array([vector_of(row.text) for row in rows]), ["a"])
    assert store._table.version == before + 1
    assert sorted(text for _, _, text in store.identities()) == ["and more", "more", "new one", "other"]
    assert by_words(store, "old") == []


def test_a_document_can_be_emptied_by_replacing_it_with_nothing(store: Store) -> None:
    put(store, "a", "old one")
    put(store, "b", "other")
    store.add([], np.empty((0, DIMENSION), np.float32), ["a"])
    assert store.chunks_per_document() == {"b": 1}


def test_removed_documents_are_gone_and_the_others_stay(store: Store) -> None:
    for name in "abc":
        put(store, name, f"text of {name}")
    store.remove(["a", "c", "never there"])
    store.remove([])
    assert store.chunks_per_document() == {"b": 1}


@pytest.mark.parametrize(
    "path",
    ["/it's.txt", '/say "hi".txt', "/back\\slash.txt", "/' OR 1=1 --.txt", "/new\nline.txt", "/%_.txt", "/東 😀.txt"],
)
def test_paths_of_any_kind_name_their_own_document_only(path: str, store: Store) -> None:
    put(store, path, "first version")
    put(store, "/other.txt", "untouched")
    put(store, path, "second version", replaced=(path,))
    assert store.chunks_per_document() == {path: 1, "/other.txt": 1}
    store.remove([path])
    assert store.chunks_per_document() == {"/other.txt": 1}


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("東京タワーは高さ三百三十三メートルの電波塔です。", "電波塔"),
        ("北京的长城非常古老，每年有很多游客。", "长城"),
        ("서울은 대한민국의 수도이다.", "수도이다"),
        ("Die Straßenbahn fährt über die Brücke nach Köln.", "Brücke"),
        ("Die Straßenbahn fährt über die Brücke nach Köln.", "brucke"),
        ("Die Straßenbahn fährt über die Brücke nach Köln.", "KÖLN"),
        ("Le café est situé près de la forêt.", "foret"),
        ("Москва является столицей России.", "столицей"),
    ],
)
def test_words_of_many_languages_are_found(text: str, query: str, store: Store) -> None:
    put(store, "a", text)
    put(store, "b", "Something quite different in plain English.", "鉄道の駅は町の中心にあります。")
    assert by_words(store, query)[:1] == [text]


@pytest.mark.parametrize(
    "query",
    [
        'say "heron"',
        "heron AND NOT (",
        "+heron -water",
        "heron~2 water^5",
        "text:heron",
        "heron*",
        "heron'; DROP TABLE chunks; --",
        "[heron TO x]",
        "heron \\",
        "heron\nwater\t",
        "heron " * 500,
        "heron \U0001f600 \u200b",
    ],
)
def test_signs_in_a_query_are_no_operators(query: str, store: Store) -> None:
    put(store, "a", "The heron stands in the water.")
    put(store, "b", "The otter dives.")
    assert by_words(store, query)[0] == "The heron stands in the water."
    assert store.count() == 2


@pytest.mark.parametrize("query", ["", "   ", "?!", "*", '"', "()", "😀", "\n", "the", "\0"])
def test_a_query_without_words_is_answered_by_meaning_alone(query: str, store: Store) -> None:
    put(store, "a", "The heron stands in the water.")
    assert len(store.candidates(query, vector_of("heron"))) == 1


def test_candidates_of_both_searches_come_once_with_what_each_says_of_them(store: Store) -> None:
    for number in range(60):
        put(store, f"doc {number}", f"Filler {number} of words {number % 7} and stones {number % 11}.")
    put(store, "best", "The old heron sleeps.")
    found = store.candidates("old heron", vector_of("old heron"))
    assert len({each.chunk_id for each in found}) == len(found) <= 2 * CANDIDATES
    best = next(each for each in found if each.path == "best")
    assert best.text_rank == best.vector_rank == 0
    assert (best.text_score or 0.0) > 0.0
    by_meaning = [each for each in found if each.vector_rank is not None]
    assert [each.vector_rank for each in by_meaning] == list(range(CANDIDATES))
    similar = [each.similarity or 0.0 for each in by_meaning]
    assert similar == sorted(similar, reverse=True)
    assert len(store.candidates("stones", vector_of("stones"))) <= 2 * CANDIDATES


def test_candidate_found_by_words_alone_has_its_similarity_too(store: Store) -> None:
    for number in range(CANDIDATES + 5):
        put(store, f"near {number}", "stones")
    put(store, "named", "heron lake boat reed nest")
    found = store.candidates("heron", vector_of("stones"))
    [named] = [each for each in found if each.path == "named"]
    assert (named.vector_rank, named.text_rank) == (None, 0)
    assert named.similarity == pytest.approx(float(vector_of(named.text) @ vector_of("stones")), abs=1e-5)


def test_search_keeps_to_the_documents_it_is_given(store: Store) -> None:
    put(store, "/a 'quoted'.md", "The heron stands.")
    put(store, "/b.md", "The heron sleeps.")
    vector = vector_of("heron")
    assert {each.path for each in store.candidates("heron", vector)} == {"/a 'quoted'.md", "/b.md"}
    assert {each.path for each in store.candidates("heron", vector, ["/a 'quoted'.md"])} == {"/a 'quoted'.md"}
    assert store.candidates("heron", vector, []) == ()
    assert [store.count(), store.count(["/b.md"]), store.count([])] == [2, 1, 0]


def test_mentions_have_all_words_of_a_phrase(store: Store) -> None:
    put(store, "one", "The notice period is a month.", "A period of rest.")
    put(store, "two", "Give notice in the same period.")
    assert {each.path for each in store.mentions(["notice period"], 100)} == {"one", "two"}
    assert [each.text for each in store.mentions(["notice period"], 100, ["one"])] == ["The notice period is a month."]
    assert store.mentions(["walrus"], 100) == ()
    assert len(store.mentions(["period", "periods"], 100)) == 3
    assert len(store.mentions(["period"], 2)) == 2


def test_mentions_of_a_word_that_the_index_leaves_out_are_found_too(store: Store) -> None:
    put(store, "one", "The WHO's advice.", "Nothing here.")
    put(store, "two", "Ask the WHO.")
    assert {each.path for each in store.mentions(["WHO"], 100)} == {"one", "two"}
    assert [each.path for each in store.mentions(["WHO"], 100, ["two"])] == ["two"]
    assert store.mentions(["you're"], 100) == ()


def test_thousands_of_chunks_are_kept_in_order_by_upkeep(store: Store) -> None:
    count = 4_000
    for lot in range(8):
        texts = [f"Chunk {number} speaks of item{number} and stones." for number in range(lot, count, 8)]
        rows = [Row(f"{lot}:{number:06d}", f"doc {lot}", None, "", 0, 1, text) for number, text in enumerate(texts)]
        store.add(rows, np.array([vector_of(row.text) for row in rows]), ())
    assert store.needs_upkeep(at_end=True)
    store.upkeep()
    assert not store.needs_upkeep(at_end=True)
    assert store.count() == count
    assert store.chunks_per_document() == {f"doc {lot}": count // 8 for lot in range(8)}
    assert by_words(store, "item3210")[0].startswith("Chunk 3210 ")
    store.remove(["doc 2"])
    assert by_words(store, "item3210") == []
    put(store, "late", "Chunk that speaks of latecomers.")
    assert by_words(store, "latecomers") == ["Chunk that speaks of latecomers."]
    store.read_through()


def test_what_was_stored_is_there_after_opening_anew(store: Store, folder: Path) -> None:
    put(store, "a", "The heron stands.")
    again = Store(folder, DIMENSION)
    assert by_words(again, "heron") == ["The heron stands."]
    again.close()


def test_another_process_sees_new_chunks_after_a_refresh(store: Store, folder: Path) -> None:
    reader = Store(folder, DIMENSION)
    put(store, "a", "The heron stands.")
    reader.refresh()
    assert by_words(reader, "heron") == ["The heron stands."]
    reader.close()


def test_a_table_of_another_embedder_is_told(store: Store, folder: Path) -> None:
    with pytest.raises(LibraryError, match="another embedder: rebuild"):
        Store(folder, DIMENSION + 1)


def damage_data(table: Path) -> None:
    for file in (table / "data").iterdir():
        file.write_bytes(b"damaged" * 30)


def damage_versions(table: Path) -> None:
    for file in (table / "_versions").iterdir():
        file.write_bytes(b"damaged")


def lose_data(table: Path) -> None:
    shutil.rmtree(table / "data")


@pytest.mark.parametrize("damage", [damage_data, damage_versions, lose_data])
def test_a_damaged_table_is_told_in_a_sentence_and_can_be_made_anew(damage: object, store: Store, folder: Path) -> None:
    put(store, "a", "The heron stands.")
    store.close()
    assert callable(damage)
    damage(folder / "chunks.lance")
    with pytest.raises(LibraryError, match="rebuild") as caught:
        Store(folder, DIMENSION).read_through()
    assert "\n" not in caught.value.sentence
    Store.destroy(folder)
    fresh = Store(folder, DIMENSION)
    put(fresh, "a", "The heron stands.")
    assert by_words(fresh, "heron") == ["The heron stands."]
    fresh.close()


def test_a_graph_index_finds_the_same_and_lives_with_changes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.library.store.VECTOR_INDEX_FROM", 1_000)
    monkeypatch.setattr("engine.library.store.ROWS_PER_PARTITION", 500)
    texts = [f"thing{number} kind{number % 97}" for number in range(1_500)]
    rows = [Row(f"{number:06d}", f"doc {number // 10}", None, "", 0, 1, text) for number, text in enumerate(texts)]
    store.add(rows, np.array([vector_of(text) for text in texts]), ())
    store.upkeep()
    assert store._has_vector_index
    for number in (3, 700, 1_499):
        best = store.candidates("nothing of this", vector_of(texts[number]))[0]
        assert (best.text, best.vector_rank) == (texts[number], 0)
    store.remove(["doc 70"])
    put(store, "late", "latecomer thing")
    store.upkeep()
    assert texts[700] not in {each.text for each in store.candidates("x", vector_of(texts[700]))}
    assert store.candidates("x", vector_of("latecomer thing"))[0].path == "late"
