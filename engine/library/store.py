"""The chunks in LanceDB: vectors, text, and both kinds of search. Sole importer of lancedb.

Every change of a document's chunks is one commit of the table, so that a search sees all of the old or all of the new.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from lancedb.index import FTS, HnswSq
from lancedb.query import FullTextOperator, MatchQuery

from engine.errors import LibraryError
from engine.messages import Passage

__all__ = ["Row", "Store"]

logger = logging.getLogger(__name__)

TABLE = "chunks"
CANDIDATES = 30
"""How deep each ranking goes."""
STOP_WORDS = (
    "a about an and are as at be by can could did do does for from had has have how i if in is it its me my of on or "
    "should that the their there these they this to was we were what when where which who whom why will with would you "
    "your"
).split()
FTS_CONFIG = FTS(base_tokenizer="icu", with_position=False, stem=False, custom_stop_words=STOP_WORDS)
"""ICU finds the words of Japanese and Chinese, which have no spaces between them. English stems are not for all: with
them "strasse" and "brucke" miss their words, and without them recall@5 on Natural Questions is 0.824 against 0.838."""
VECTOR_INDEX_FROM = 20_000
"""Rows from which on a graph index beats looking at every vector."""
ROWS_PER_PARTITION = 12_500
SEARCH_EF = 200
"""Candidates that a search of the graph keeps: recall@5 of 0.98 at 100,000 chunks for questions far from the data;
60 gives 0.81 to 0.91 and saves 1.5 ms. LanceDB asks for at least limit x refine_factor."""
MOST_FRAGMENTS = 24
UNINDEXED_SHARE = 0.05
LEAST_UNINDEXED = 2_000
KEEP_VERSIONS = timedelta(minutes=1)
COLUMNS = ["id", "document", "page", "heading", "start", "end", "text"]


@dataclass(frozen=True, slots=True)
class Row:
    """A chunk to be stored."""

    id: str
    document: str
    """The document's absolute path."""
    page: int | None
    heading: str
    start: int
    end: int
    text: str


class Store:
    """The table of chunks. Used by one process only."""

    def __init__(self, folder: Path, dimension: int) -> None:
        self._dimension = dimension
        self._schema = pa.schema(
            [
                pa.field("id", pa.string(), nullable=False),
                pa.field("document", pa.string(), nullable=False),
                pa.field("page", pa.int32()),
                pa.field("heading", pa.string()),
                pa.field("start", pa.int64()),
                pa.field("end", pa.int64()),
                pa.field("text", pa.string()),
                pa.field("vector", pa.list_(pa.float32(), dimension)),
            ]
        )
        self._searchers = ThreadPoolExecutor(2, "search")
        with _mapped():
            self._database = lancedb.connect(folder)
            self._table: Any = self._open()
            self._has_vector_index = self._find_vector_index()

    def _open(self) -> Any:
        if TABLE not in self._database.list_tables().tables:
            table = self._database.create_table(TABLE, schema=self._schema)
            table.create_index("text", config=FTS_CONFIG)
            return table
        table = self._database.open_table(TABLE)
        if table.schema.field("vector").type.list_size != self._dimension:
            raise LibraryError("The library was made with another embedder: rebuild it to use this one.")
        if not any(index.index_type == "FTS" for index in table.list_indices()):
            table.create_index("text", config=FTS_CONFIG)
        return table

    def _find_vector_index(self) -> bool:
        return any("vector" in index.columns for index in self._table.list_indices())

    def close(self) -> None:
        """End the search threads."""
        self._searchers.shutdown(wait=False, cancel_futures=True)

    @staticmethod
    def destroy(folder: Path) -> None:
        """Delete the table of a folder, whatever state it is in; no store may be open there."""
        table = folder / f"{TABLE}.lance"
        try:
            if table.exists():
                shutil.rmtree(table)
        except OSError as exc:
            raise LibraryError(
                f"The damaged library {table} can't be deleted ({exc.strerror}): close other programs that use it."
            ) from exc

    # ------------------------------------------------------------ writing

    def add(self, rows: Sequence[Row], vectors: npt.NDArray[np.float32], replaced: Sequence[str]) -> None:
        """Store chunks, and drop all other chunks of the `replaced` documents, in one commit.

        `vectors` has shape (rows, dimension). Documents that are not in `replaced` must be new to the store.
        """
        if not rows and not replaced:
            return
        table = self._as_table(rows, vectors)
        with _mapped():
            if not replaced:
                self._table.add(table)
                return
            merge = self._table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
            merge.when_not_matched_by_source_delete(_any_of(replaced)).execute(table)

    def remove(self, documents: Sequence[str]) -> None:
        """Drop all chunks of documents, in one commit."""
        if documents:
            with _mapped():
                self._table.delete(_any_of(documents))

    def _as_table(self, rows: Sequence[Row], vectors: npt.NDArray[np.float32]) -> pa.Table:
        flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float32).reshape(-1))
        columns: dict[str, Any] = {name: [getattr(row, name) for row in rows] for name in COLUMNS}
        columns["vector"] = pa.FixedSizeListArray.from_arrays(flat, self._dimension)
        return pa.table(columns, schema=self._schema)

    # ------------------------------------------------------------ upkeep

    def needs_upkeep(self, *, at_end: bool) -> bool:
        """Whether fragments or rows outside the indexes slow searches down; `at_end` is less patient."""
        with _mapped():
            rows = self._table.count_rows()
            if rows >= VECTOR_INDEX_FROM and not self._has_vector_index:
                return at_end
            stats = self._table.index_stats(self._text_index())
            unindexed = stats.num_unindexed_rows if stats is not None else rows
            if at_end:
                fragments = self._table.stats()["fragment_stats"]["num_small_fragments"]
                return bool(fragments > MOST_FRAGMENTS or unindexed > 0)
            return bool(unindexed > max(LEAST_UNINDEXED, rows * UNINDEXED_SHARE))

    def upkeep(self) -> None:
        """Join fragments, bring the indexes up to date, drop old versions. Takes seconds; searches go on beside it."""
        with _mapped():
            self._table.optimize(cleanup_older_than=KEEP_VERSIONS)
            rows = self._table.count_rows()
            if rows >= VECTOR_INDEX_FROM and not self._has_vector_index:
                partitions = max(1, rows // ROWS_PER_PARTITION)
                self._table.create_index("vector", config=HnswSq(distance_type="cosine", num_partitions=partitions))
                self._has_vector_index = True

    def _text_index(self) -> str:
        names = [index.name for index in self._table.list_indices() if index.index_type == "FTS"]
        return str(names[0])

    # ------------------------------------------------------------ reading

    def refresh(self) -> None:
        """See what other processes have stored since the table was opened."""
        with _mapped():
            self._table.checkout_latest()

    def count(self, documents: Sequence[str] | None = None) -> int:
        """Return the number of chunks, of some documents or of all."""
        with _mapped():
            return int(self._table.count_rows(None if documents is None else _any_of(documents)))

    def identities(self) -> list[tuple[str, str, str]]:
        """Return (id, document, text) of every chunk, for checks."""
        with _mapped():
            found = self._table.search().select(["id", "document", "text"]).limit(None).to_arrow()
        return list(zip(*(found[name].to_pylist() for name in ("id", "document", "text")), strict=True))

    def chunks_per_document(self) -> dict[str, int]:
        """Return how many chunks each document has."""
        with _mapped():
            found = self._table.search().select(["document"]).limit(None).to_arrow()
        counted = found["document"].value_counts()
        return {row["values"]: row["counts"] for row in counted.to_pylist()}

    def read_through(self) -> None:
        """Read all that is stored and use all indexes; raises LibraryError if anything is damaged."""
        with _mapped():
            for _ in self._table.search().limit(None).to_batches():
                continue
        self.candidates("a", np.full(self._dimension, self._dimension**-0.5, np.float32))

    def bytes_on_disk(self) -> int:
        """Return the size of the table's files."""
        with _mapped():
            return int(self._table.stats()["total_bytes"])

    def candidates(
        self, query: str, vector: npt.NDArray[np.float32], documents: Sequence[str] | None = None
    ) -> tuple[Passage, ...]:
        """Search by words (BM25) and by meaning at the same time; return what either found, the nearest first.

        `vector` is the query's embedding, shape (dimension,). The query is taken as words, never as query syntax.
        `documents` limits the search to theirs. Scores are not fused yet: that is `engine.retrieval.ranking`'s.
        """
        where = None if documents is None else _any_of(documents)
        by_meaning = self._searchers.submit(self._vector_search, vector, where)
        by_words = self._searchers.submit(self._text_search, query, where)
        with _mapped():
            near, named = by_meaning.result(), by_words.result()
        nearness = {row["id"]: (rank, 1.0 - row["_distance"]) for rank, row in enumerate(near)}
        scores = {row["id"]: (rank, row["_score"]) for rank, row in enumerate(named)}
        found = []
        for row in {row["id"]: row for row in (*near, *named)}.values():
            vector_rank, similarity = nearness.get(row["id"], (None, None))
            text_rank, text_score = scores.get(row["id"], (None, None))
            if similarity is None:
                similarity = _cosine(row["vector"], vector)
            found.append(_passage(row, vector_rank, text_rank, similarity, text_score))
        return tuple(found)

    def mentions(
        self, phrases: Sequence[str], limit: int, documents: Sequence[str] | None = None
    ) -> tuple[Passage, ...]:
        """Return the chunks that have all words of one of some phrases, at most `limit` for each, and each once."""
        rows: dict[str, dict[str, Any]] = {}
        with _mapped():
            for phrase in phrases:
                for row in self._mentioning(phrase, limit, documents):
                    rows.setdefault(row["id"], row)
        return tuple(_passage(row, None, rank, None, row.get("_score")) for rank, row in enumerate(rows.values()))

    def _mentioning(self, phrase: str, limit: int, documents: Sequence[str] | None) -> list[dict[str, Any]]:
        where = None if documents is None else _any_of(documents)
        columns = [*COLUMNS, "_score"]
        if all(word in STOP_WORDS for word in phrase.lower().split()):
            # The index does not know these words: the texts are looked through.
            holds = f"contains(lower(text), {_quoted(phrase.lower())})"
            where, columns = (holds if where is None else f"{holds} AND {where}"), COLUMNS
            search = self._table.search()
        else:
            query = MatchQuery(phrase, "text", operator=FullTextOperator.AND)
            search = self._table.search(query, query_type="fts")
        if where is not None:
            search = search.where(where, prefilter=True)
        found: list[dict[str, Any]] = search.select(columns).limit(limit).to_list()
        return found

    def _vector_search(self, vector: npt.NDArray[np.float32], where: str | None) -> list[dict[str, Any]]:
        search = self._table.search(vector, query_type="vector", vector_column_name="vector").distance_type("cosine")
        if self._has_vector_index:
            partitions = max(1, self._table.count_rows() // ROWS_PER_PARTITION) + 1
            search = search.nprobes(partitions).ef(SEARCH_EF).refine_factor(2)
        if where is not None:
            search = search.where(where, prefilter=True)
        found: list[dict[str, Any]] = search.select([*COLUMNS, "_distance"]).limit(CANDIDATES).to_list()
        return found

    def _text_search(self, query: str, where: str | None) -> list[dict[str, Any]]:
        search = self._table.search(MatchQuery(query, "text"), query_type="fts")
        if where is not None:
            search = search.where(where, prefilter=True)
        found: list[dict[str, Any]] = search.select([*COLUMNS, "vector", "_score"]).limit(CANDIDATES).to_list()
        return found


def _cosine(stored: Sequence[float], query: npt.NDArray[np.float32]) -> float:
    """Return the cosine of two vectors, the query's of unit length."""
    vector = np.asarray(stored, np.float32)
    length = float(np.linalg.norm(vector))
    return float(vector @ query) / length if length else 0.0


def _passage(
    row: dict[str, Any],
    vector_rank: int | None,
    text_rank: int | None,
    similarity: float | None,
    text_score: float | None,
) -> Passage:
    return Passage(
        chunk_id=row["id"],
        path=row["document"],
        text=row["text"],
        page=row["page"],
        heading=row["heading"] or "",
        start=row["start"],
        end=row["end"],
        score=0.0,
        vector_rank=vector_rank,
        text_rank=text_rank,
        similarity=similarity,
        text_score=text_score,
    )


def _any_of(documents: Sequence[str]) -> str:
    """Return an SQL condition that holds for the chunks of these documents."""
    if not documents:
        return "false"
    return f"document IN ({', '.join(map(_quoted, documents))})"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@contextlib.contextmanager
def _mapped() -> Iterator[None]:
    """Turn LanceDB's errors (RuntimeError, ValueError, OSError) into a sentence."""
    try:
        yield
    except (RuntimeError, ValueError, OSError) as exc:
        logger.exception("LanceDB")
        text = str(exc)
        if "No space left" in text or "StorageFull" in text:
            raise LibraryError("The disk is full: free some space, then go on indexing.") from exc
        short = " ".join(text.split())[:200]
        raise LibraryError(f"The library on disk can't be used ({short}): rebuild it in the documents panel.") from exc
