"""Which documents of the library a question means: filter words (from:report.pdf), and their names in plain words.

File names are data: they are compared word by word and never compiled into a pattern.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from engine.retrieval.question_phrases import (
    ASKS_OF,
    FROM_PAPER,
    IN_FOLDER,
    IN_LIBRARY,
    INTRO,
    KIND_OF_FILE,
    ONLY_IN,
    PAPER_SAYS,
    PARTLY,
    PLACE_END,
    PLACE_WORD,
    SAID_OF,
    TASK,
    THE,
)
from engine.retrieval.vocabulary import STOP

__all__ = ["DocumentInfo", "Filters", "Mention", "Names", "Scope", "read_scope", "read_typed"]


@dataclass(frozen=True, slots=True)
class DocumentInfo:
    """A document that can be searched."""

    path: str
    """Absolute path."""
    changed: float = 0.0
    """Unix time of the file's last change, in seconds."""


@dataclass(frozen=True, slots=True)
class Filters:
    """The part of the library that is searched; a document has to meet every condition that is given."""

    documents: tuple[str, ...] = ()
    """Absolute paths of the documents that are meant; empty: all."""
    kinds: tuple[str, ...] = ()
    """File suffixes without the dot, in lower case; empty: all."""
    folders: tuple[str, ...] = ()
    """Absolute paths of folders, without a slash at the end; what lies below them counts; empty: all."""
    after: float | None = None
    """Least Unix time of the file's change, in seconds, inclusive."""
    before: float | None = None
    """Unix time of the file's change, in seconds, exclusive."""

    def joined(self, other: Filters) -> Filters:
        """Return these filters with the conditions of others that they do not make themselves."""
        documents, kinds = self.documents or other.documents, self.kinds or other.kinds
        return replace(self, documents=documents, kinds=kinds, folders=self.folders or other.folders)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a question says about where to look; `text` is the question without it."""

    text: str
    filters: Filters = field(default_factory=Filters)
    problem: str = ""
    """What matches nothing, one sentence; empty if all is well."""
    is_typed: bool = False
    """Whether there was a filter word."""


@dataclass(frozen=True, slots=True)
class Mention:
    """The name of documents (paths) at `text[start:end]`, offsets in characters."""

    start: int
    end: int
    paths: tuple[str, ...]
    is_file: bool = False
    """Whether it stands there with its suffix, as a file's name."""


_KIND_WORDS = {
    **dict.fromkeys(("pdf", "pdfs"), ("pdf",)),
    **dict.fromkeys(("word", "docx"), ("docx", "doc")),
    **dict.fromkeys(("excel", "spreadsheet", "spreadsheets", "tabellen"), ("xlsx", "xls", "ods", "csv")),
    **dict.fromkeys(("powerpoint", "presentation", "presentations", "slides"), ("pptx", "ppt", "odp")),
    **dict.fromkeys(("email", "emails", "e-mails", "mails"), ("eml", "msg", "mbox")),
    **dict.fromkeys(("markdown", "md"), ("md", "markdown")),
}
"""What people call a kind of file -> its suffixes."""
MOST_ALIKE = 5  # words that occur in more names than this name no document

MOST_TYPED = 10  # more filter words in one question are text
_WORD = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]+|[^\\W_\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]+")
_SUFFIX = re.compile(r"\.([A-Za-z0-9]{1,8})(?![A-Za-z0-9])")
_SENTENCE_END = re.compile(r"[.?!;:]\s|\n")
_CJK = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]")
_KANJI = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")
_BEFORE_NAME = "结括据在把请的份看下要于照据将析绍读"  # a Chinese name begins after them


# ---------------------------------------------------------------- names


class _Name(NamedTuple):
    """A document's path, the words of its name and its suffix, ready to compare."""

    path: str
    stem: tuple[str, ...]
    suffix: str


class Names:
    """The names of a library's documents, for the length of one question."""

    def __init__(self, documents: Sequence[DocumentInfo]) -> None:
        self._names = [_read_name(document.path) for document in documents]
        self._by_stem: dict[tuple[str, ...], list[_Name]] = {}
        for name in self._names:
            self._by_stem.setdefault(name.stem, []).append(name)
        self._longest = max(map(len, self._by_stem), default=0)

    @property
    def only(self) -> tuple[str, ...]:
        """Return the one document of the library; nothing if there are none or more."""
        return tuple(name.path for name in self._names) if len(self._names) == 1 else ()

    def of_kinds(self, suffixes: Collection[str]) -> tuple[str, ...]:
        """Return the documents with one of these suffixes."""
        return tuple(name.path for name in self._names if name.suffix in suffixes)

    def kinds(self, word: str) -> tuple[str, ...]:
        """Return the suffixes in the library of what a word calls a kind of file; empty if it calls none."""
        present = {name.suffix for name in self._names}
        return tuple(suffix for suffix in _KIND_WORDS.get(word, (word,)) if suffix in present)

    def mentions(self, text: str) -> tuple[Mention, ...]:
        """Return the names that stand in a text in full, with or without suffix, in order and without overlap."""
        words = [(_fold(word[0]), word.start(), word.end()) for word in _WORD.finditer(text)]
        found: list[Mention] = []
        for at, word in enumerate(words):
            found += self._mentions_at(text, words, at) if not found or word[1] >= found[-1].end else ()
        if _CJK.search(text):
            spans = [(each.start, each.end) for each in found]
            found += [each for each in self._unspaced(text) if all(each.end <= a or each.start >= b for a, b in spans)]
        return tuple(sorted(found, key=lambda mention: mention.start))

    def _mentions_at(self, text: str, words: list[tuple[str, int, int]], at: int) -> Iterator[Mention]:
        """Yield the longest name that begins with a word, if there is one."""
        start = words[at][1]
        if start and text[start - 1] in "-_.@":
            return
        for count in range(min(self._longest, len(words) - at), 0, -1):
            names = self._by_stem.get(tuple(word for word, _, _ in words[at : at + count]), [])
            end = words[at + count - 1][2]
            if not names or _SENTENCE_END.search(text, start, end):
                continue
            suffix = _SUFFIX.match(text, end)
            files = tuple(name.path for name in names if suffix and name.suffix == suffix[1].lower())
            if suffix and files:
                yield Mention(start, suffix.end(), files, is_file=True)
                return
            is_word = text[end : end + 1] not in ("-", "_", "@") or not text[end + 1 : end + 2].isalnum()
            if not suffix and is_word and (count > 1 or len(words[at][0]) > 2) and words[at][0] not in STOP:
                yield Mention(start, end, tuple(name.path for name in names))
                return

    def _unspaced(self, text: str) -> Iterator[Mention]:
        """Yield the names that stand in a text without spaces around them."""
        folded = text.casefold()
        stems = [stem[0] for stem in self._by_stem if len(stem) == 1 and len(stem[0]) > 1 and _CJK.search(stem[0])]
        reached = 0
        for at, _, stem in sorted((folded.find(stem), -len(stem), stem) for stem in stems if stem in folded):
            before, end = text[at - 1 : at], at + len(stem)
            if at < reached or (_KANJI.match(before) and before not in _BEFORE_NAME and _KANJI.match(stem)):
                continue
            suffix = _SUFFIX.match(text, end)
            files = tuple(n.path for n in self._by_stem[(stem,)] if suffix and n.suffix == suffix[1].lower())
            reached = suffix.end() if suffix and files else end
            yield Mention(at, reached, files or tuple(name.path for name in self._by_stem[(stem,)]), bool(files))

    def holding(self, words: Sequence[str]) -> tuple[str, ...]:
        """Return the few documents whose names hold all of the words, folded; none if there are many."""
        wanted = set(words)
        if not any(len(word) > 2 for word in wanted - STOP):
            return ()
        paths = tuple(name.path for name in self._names if words[0] in name.stem and wanted.issubset(name.stem))
        return paths if len(paths) <= MOST_ALIKE else ()

    def called(self, typed: str) -> tuple[str, ...]:
        """Return the documents that are called as someone typed: exactly, or else with all of its words."""
        place, _, _ = typed.replace("\\", "/").rstrip("/").rpartition("/")
        name, folder = _read_name(typed), fold_words(place)
        names = [each for each in self._by_stem.get(name.stem, ()) if name.suffix in ("", each.suffix)]
        names = names or self._by_stem.get(fold_words(typed), [])
        if names or place:
            return tuple(n.path for n in names if fold_words(_folder(n.path))[-len(folder) :] == folder or not folder)
        return tuple(path for path in self.holding(name.stem) if name.suffix in ("", _read_name(path).suffix))

    def folders(self, typed: str) -> tuple[str, ...]:
        """Return the folders of the library whose path ends so, by absolute path."""
        wanted = fold_words(typed)
        found: set[str] = set()
        for folder in {_folder(name.path) for name in self._names} if wanted else ():
            parts = folder.split(separator := "/" if "/" in folder else "\\")
            for end in range(len(parts), 0, -1):
                spelled = tuple(word for part in parts[:end] for word in fold_words(part))
                if fold_words(parts[end - 1]) and spelled[-len(wanted) :] == wanted:
                    found.add(separator.join(parts[:end]))
        return tuple(sorted(found))


@lru_cache(maxsize=16384)
def _read_name(path: str) -> _Name:
    """Take a path apart; the same names come with every question."""
    base = path[len(_folder(path)) :].lstrip("/\\")
    stem, _, suffix = base.rpartition(".")
    if not stem or not (suffix.isascii() and suffix.isalnum() and len(suffix) <= 8):
        stem, suffix = base, ""
    return _Name(path, fold_words(stem), suffix.lower())


def fold_words(text: str) -> tuple[str, ...]:
    """Return the words that two spellings of a name share: case, blanks, _ and - do not count."""
    return tuple(_WORD.findall(_fold(text)))


def _fold(text: str) -> str:
    return text.casefold() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()


def _folder(path: str) -> str:
    """Return the path above a file; a Windows path is one that begins like one."""
    is_windows = path[1:3] == ":\\" or path.startswith("\\\\")
    return path[: max(path.rfind("/"), path.rfind("\\") if is_windows else -1, 0)]


# ---------------------------------------------------------------- filter words

_TYPED = re.compile(
    r"(?i)(?<!\S)(?P<key>from|file|in|folder|type|after|since|before|until):"
    r"(?:\"(?P<quoted>[^\"\n]{1,300})\"|(?P<plain>[^\s\"]\S{0,300}))"
)


def read_typed(text: str, names: Names) -> Scope:
    """Take the filter words from a question; those that are none stay in its text."""
    kept: list[str] = []
    scope = Scope(text)
    reached = 0
    for found in islice(_TYPED.finditer(text), MOST_TYPED):
        value = found["quoted"] or found["plain"].rstrip(",;?!").strip("'")
        added = _add(scope, found["key"].lower(), value, names) if value else None
        if added is None:
            continue
        scope = replace(added, is_typed=True)
        kept.append(text[reached : found.start()])
        reached = found.end()
    return replace(scope, text=" ".join("".join([*kept, text[reached:]]).split())) if scope.is_typed else scope


def _add(scope: Scope, key: str, value: str, names: Names) -> Scope | None:
    """Return the scope with one more filter; None if the value is none that the word can take."""
    if key in ("from", "file", "in", "folder"):
        return _add_place(scope, key, value, names)
    filters = scope.filters
    if key == "type":
        word = value.casefold().lstrip("*.")
        kinds = names.kinds(word) or _KIND_WORDS.get(word, (word,))
        absent = "" if names.of_kinds(kinds) else f"The library holds no document of the type {word}."
        return replace(scope, filters=replace(filters, kinds=filters.kinds + kinds), problem=scope.problem or absent)
    moment = _moment(value)
    if moment is None:
        problem = f'"{value}" is no date: write it as 2023, 2023-06 or 2023-06-30.'
        return replace(scope, problem=problem) if value[0].isdigit() else None
    changed = replace(filters, after=moment) if key in ("after", "since") else replace(filters, before=moment)
    return replace(scope, filters=changed)


def _add_place(scope: Scope, key: str, value: str, names: Names) -> Scope:
    """Add a document or a folder; what is none of the library is a problem."""
    filters, wants_folder = scope.filters, key in ("in", "folder") or value.endswith(("/", "\\"))
    paths = () if value.endswith(("/", "\\")) or key == "folder" else names.called(value)
    if not paths and "," in value:
        paths = tuple(path for part in value.split(",") for path in names.called(part))
    folders = names.folders(value) if wants_folder or not paths else ()
    if folders or paths:
        documents = filters.documents if folders else tuple(dict.fromkeys(filters.documents + paths))
        return replace(scope, filters=replace(filters, folders=filters.folders + folders, documents=documents))
    thing = "folder" if wants_folder else "document"
    problem = f'No {thing} in the library is called "{value}": check its name in the documents panel.'
    return replace(scope, problem=scope.problem or problem)


def _moment(value: str) -> float | None:
    """Return the Unix time at which a year, month or day begins on this machine, in seconds; None if it is no date."""
    date = re.fullmatch(r"(\d{4})(?:[-/.](\d{1,2})(?:[-/.](\d{1,2}))?)?", value)
    try:
        return datetime(int(date[1]), int(date[2] or 1), int(date[3] or 1)).timestamp() if date else None
    except (ValueError, OverflowError, OSError):
        return None


# ---------------------------------------------------------------- plain words


def _only_in(text: str, names: Names) -> Scope | None:
    """Take "search only the PDF files:" from a question; None if it names nothing of the library."""
    found = ONLY_IN.match(text)
    if found is None or any(mention.is_file for mention in names.mentions(found["what"])):
        return None
    what = PLACE_WORD.sub("", found["what"]).strip("\"' ")
    if kinds := names.kinds(what.casefold()) if what.casefold() in _KIND_WORDS else ():
        return Scope(text[found.end() :], Filters(kinds=kinds))
    if what != found["what"] and (folders := names.folders(what)):
        return Scope(text[found.end() :], Filters(folders=folders))
    paths = names.called(what) if what else ()
    return Scope(text[found.end() :], Filters(documents=paths)) if paths else None


def read_scope(text: str, names: Names) -> Scope:
    """Take from a question in plain words where to look; what names nothing of the library stays in its text."""
    if only := _only_in(text, names):
        scope = read_scope(only.text, names)
        return replace(scope, filters=only.filters.joined(scope.filters))
    # What a text is written from is named without "in" or "according to".
    rest, paths = _named(text, names, TASK.match(text) is not None)
    folders = kinds = tuple[str, ...]()
    place = IN_FOLDER.search(rest)
    if place and (folders := names.folders(place["after"] or place["before"])):
        rest = rest[: place.start()] + rest[place.end() :]
    for kind in KIND_OF_FILE.finditer(rest):
        word = kind["kind"].casefold()
        if (kind["files"] or word.endswith("s")) and word in _KIND_WORDS and (kinds := names.kinds(word)):
            rest = rest[: kind.start()] + rest[kind.end() :]
            break
    rest = " ".join(IN_LIBRARY.sub("", rest).split())
    return Scope(rest or text, Filters(documents=paths, kinds=kinds, folders=folders))


def _named(text: str, names: Names, is_task: bool) -> tuple[str, tuple[str, ...]]:
    """Return a question without "according to report.pdf", and the documents that it names as a place to look."""
    mentions = names.mentions(text)
    places = [each for each in mentions if each.is_file or _is_place(text, each, is_task)] or _partly(text, names)
    rest = text
    for at in range(len(places) - 1, -1, -1):
        rest = f"{rest[: places[at].start]}\x00{chr(at + 1)}{rest[places[at].end :]}"
    said = [text[place.start : place.end].rpartition(".")[0 if place.is_file else 2] for place in places]
    rest = re.sub(
        "\x00(.)", lambda mark: said[ord(mark[1]) - 1], FROM_PAPER.sub("", SAID_OF.sub("", rest)), flags=re.DOTALL
    )
    rest = re.sub(r"^\s*(?:for|about) ", "", rest) if rest != text else rest
    return rest, tuple(dict.fromkeys(path for place in places for path in place.paths))


def _is_place(text: str, mention: Mention, is_task: bool) -> bool:
    """Tell "in the lease" and "does the lease say" from a word that happens to be a name."""
    before, after = text[max(0, mention.start - 60) : mention.start], _WORD.match(text, mention.end + 1)
    has_space, says = " " in text[mention.start : mention.end], PAPER_SAYS.match(text, mention.end) is not None
    if is_task and (has_space or re.search(f"(?i){THE}$", before)):
        return True
    if after and text[mention.end] == " " and not says and _fold(after[0]) not in STOP:
        return False  # "in the report building"
    if intro := INTRO.search(before):
        return bool(intro["strong"] or intro["the"] or has_space or says or not before.isascii())
    return says and (ASKS_OF.search(before) is not None or _CJK.search(text) is not None)


def _partly(text: str, names: Names) -> list[Mention]:
    """Return the document that a question names by some words: "according to the manual" for Coffee Manual.pdf."""
    for found in PARTLY.finditer(text):
        words = list(_WORD.finditer(found["words"]))
        for count in range(len(words), 0, -1):
            start, end = found.start("words") + words[0].start(), found.start("words") + words[count - 1].end()
            paths = names.holding(last := [_fold(word[0]) for word in words[:count]])
            is_sure = found["strong"] or all(_read_name(path).stem[-1] == last[-1] and count > 1 for path in paths)
            if paths and (PAPER_SAYS.match(text, end) or (is_sure and re.match(PLACE_END, text[end:]))):
                return [Mention(start, end, paths)]
    return []
