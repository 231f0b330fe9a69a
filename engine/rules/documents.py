"""Answers questions about the library: what is in it, what is not, and why."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath, PureWindowsPath

from engine.messages import Document, DocumentStatus
from engine.rules.base import Request, code_span, counted

__all__ = ["count_documents", "explain_failure", "list_documents", "list_failures", "look_up", "progress"]

MAX_LISTED = 50
"""Longer lists end with how many more there are."""

_EMPTY = "Your library is empty. Drag files or folders into the window to add them."
_FILE_NAME = re.compile(
    r".+\.(?:pdf|docx?|odt|rtf|txt|md|markdown|rst|tex|epub|html?|xml|json|csv|tsv|xlsx?|ods|pptx?|odp|eml|msg|mbox"
    r"|png|jpe?g|tiff?|zip)",
    re.IGNORECASE,
)


def list_documents(request: Request) -> str | None:
    """List the documents that are ready, and say how many are not."""
    files = _files(request)
    if not files:
        return _EMPTY
    ready = [file for file in files if file.status is DocumentStatus.READY]
    if not ready:
        return " ".join(["None of your documents is ready yet.", *_rest(files)])
    lines = [f"Your library holds {counted(len(ready), 'document')}:", ""]
    lines += [f"- {code_span(name)}{_size(file)}" for name, file in _named(ready[:MAX_LISTED])]
    if len(ready) > MAX_LISTED:
        lines += ["", f"And {counted(len(ready) - MAX_LISTED, 'more document')}; the documents panel shows them all."]
    rest = _rest(files)
    return "\n".join([*lines, "", " ".join(rest)] if rest else lines)


def count_documents(request: Request) -> str | None:
    """Count documents, pages or passages."""
    files = _files(request)
    if not files:
        return _EMPTY
    ready = [file for file in files if file.status is DocumentStatus.READY]
    unit = request.match["unit"].casefold()
    documents = counted(len(ready), "document")
    if unit.startswith("page"):
        paged = [file for file in ready if file.pages]
        pages = counted(sum(file.pages for file in paged), "page")
        plain = len(ready) - len(paged)
        tail = f" {counted(plain, 'other document')} {'has' if plain == 1 else 'have'} no pages." if plain else ""
        return f"Your library holds {pages} in {counted(len(paged), 'document')}.{tail}"
    if unit.startswith(("chunk", "passage")):
        return f"Your library holds {counted(sum(file.chunks for file in ready), 'passage')} from {documents}."
    return " ".join([f"Your library holds {documents}.", *_rest(files)])


def look_up(request: Request) -> str | None:
    """Tell whether a file is in the library; a name that may be something else gives None."""
    named = _unquoted(request.match["name"])
    found = _find(_files(request), named)
    if found:
        return " ".join(_state(name, file) for name, file in _named(found[:5]))
    if _FILE_NAME.fullmatch(named) is None:
        return None
    return f"{code_span(named)} is not in your library. Drag the file into the window to add it."


def list_failures(request: Request) -> str | None:
    """List the files that gave no text, each with its reason."""
    files = _files(request)
    if not files:
        return _EMPTY
    only_skipped = "skip" in (request.match.groupdict().get("kind") or "").casefold()
    wanted = {DocumentStatus.SKIPPED} if only_skipped else {DocumentStatus.FAILED, DocumentStatus.SKIPPED}
    failed = sorted(
        (file for file in files if file.status in wanted), key=lambda file: file.status is DocumentStatus.SKIPPED
    )
    if not failed:
        return " ".join(["Every file of your library could be read.", *_rest(files)])
    lines = [f"{counted(len(failed), 'file')} could not be read:", ""]
    for name, file in _named(failed[:MAX_LISTED]):
        lines.append(f"- {code_span(name)} ({file.status.value}){_reason(file)}")
    if len(failed) > MAX_LISTED:
        lines += ["", f"And {counted(len(failed) - MAX_LISTED, 'more file')}; the documents panel shows them all."]
    return "\n".join(lines)


def explain_failure(request: Request) -> str | None:
    """Say why one file gave no text."""
    found = _find(_files(request), _unquoted(request.match["name"]))
    return " ".join(_state(name, file) for name, file in _named(found[:5])) if found else None


def progress(request: Request) -> str | None:
    """Tell whether every document is ready."""
    files = _files(request)
    if not files:
        return _EMPTY
    ready = sum(file.status is DocumentStatus.READY for file in files)
    if ready == len(files):
        return f"Indexing is done: {'your one document is' if ready == 1 else f'all {ready:,} documents are'} ready."
    waiting = any(not file.status.is_final for file in files)
    opening = "Indexing goes on:" if waiting else "Indexing is done:"
    return " ".join([f"{opening} {ready:,} of {counted(len(files), 'document')} {_be(ready)} ready.", *_rest(files)])


# ---------------------------------------------------------------- the files


def _files(request: Request) -> list[Document]:
    """Return what the library knows, sorted by name, without what was removed."""
    known = request.context.documents()
    kept = [file for file in known if file.status is not DocumentStatus.REMOVED]
    return sorted(kept, key=lambda file: (_name(file.path).casefold(), file.path))


def _find(files: Sequence[Document], named: str) -> list[Document]:
    """Return the files of this name or path; the ending may be left out."""
    wanted = named.casefold()
    exact = [file for file in files if wanted in (_name(file.path).casefold(), file.path.casefold())]
    return exact or [file for file in files if PurePath(_name(file.path)).stem.casefold() == wanted]


def _named(files: Sequence[Document]) -> list[tuple[str, Document]]:
    """Pair each file with its name, and with its folder where two share a name."""
    names = [_name(file.path) for file in files]
    return [(name if names.count(name) == 1 else file.path, file) for name, file in zip(names, files, strict=True)]


def _name(path: str) -> str:
    """Return the last part of a path of this or another system."""
    return PureWindowsPath(path).name if re.match(r"[a-zA-Z]:[\\/]|\\\\", path) else PurePath(path).name


def _unquoted(name: str) -> str:
    return name.strip().strip("\"'`«»").strip()


# ---------------------------------------------------------------- the words


def _rest(files: Sequence[Document]) -> list[str]:
    """Say in sentences what is not ready."""
    waiting = sum(not file.status.is_final for file in files)
    unread = sum(file.status in (DocumentStatus.FAILED, DocumentStatus.SKIPPED) for file in files)
    sentences = []
    if waiting:
        sentences.append(f"{waiting:,} {_be(waiting)} still being read.")
    if unread:
        sentences.append(f'{unread:,} could not be read: ask "which files failed?" for the reasons.')
    return sentences


def _size(file: Document) -> str:
    return f" ({counted(file.pages, 'page')})" if file.pages else ""


def _state(name: str, file: Document) -> str:
    """Say in one sentence how one file stands."""
    if file.status is DocumentStatus.READY:
        pages = f"{counted(file.pages, 'page')}, " if file.pages else ""
        return f"{code_span(name)} is in your library ({pages}{counted(file.chunks, 'passage')})."
    if file.status is DocumentStatus.FAILED:
        return f"{code_span(name)} could not be read{_reason(file)}"
    if file.status is DocumentStatus.SKIPPED:
        return f"{code_span(name)} was skipped{_reason(file)}"
    return f"{code_span(name)} is still being read."


def _reason(file: Document) -> str:
    """Write the reason after a colon; a name within it can't turn into markup."""
    reason = " ".join(file.reason.split())
    if not reason:
        return "."
    return ": " + re.sub(r"([\\`*_\[\]<>#|~&!])", r"\\\1", reason)


def _be(number: int) -> str:
    return "is" if number == 1 else "are"
