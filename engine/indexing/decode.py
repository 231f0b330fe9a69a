"""Text of plain files: which bytes are text, and in which encoding."""

from __future__ import annotations

import codecs
import re

__all__ = ["clean", "decode", "is_text"]

SNIFFED_BYTES = 65536
MOST_CONTROLS = 0.02
"""Share of control characters above which a file is no text."""

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROL_BYTES = bytes(set(range(32)) - set(b"\t\n\r\f\x1b"))
# pdfium writes U+0002 for a hyphen at the end of a line; the word goes on in the next.
_HYPHEN = re.compile("\x02[ \t]*\r?\n?")
_LINE_END = re.compile("\r\n?|\f|\u2028|\u2029")
_NO_CHARACTER = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\ufeff\ufffe\uffff]")


def is_text(head: bytes) -> bool:
    """Tell whether the first bytes of a file look like text."""
    if any(head.startswith(bom) for bom, _ in _BOMS):
        return True
    if b"\0" in head:
        return False
    controls = len(head) - len(head.translate(None, _CONTROL_BYTES))
    return controls <= MOST_CONTROLS * len(head)


def decode(data: bytes) -> str:
    """Return the text of bytes in UTF-8, or in the encoding that they most likely have."""
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return data.decode(encoding, errors="replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode(_guess(data), errors="replace")


def clean(text: str) -> str:
    """Return the text with plain line ends and without characters that show nothing."""
    text = _HYPHEN.sub("", text)
    return _NO_CHARACTER.sub("", _LINE_END.sub("\n", text))


def _guess(data: bytes) -> str:
    from charset_normalizer import from_bytes

    # A cut in the middle of a character must not count against an encoding: cut at a line end.
    head = data[:SNIFFED_BYTES]
    head = head[: head.rfind(b"\n") + 1] or head
    best = from_bytes(head).best()
    return best.encoding if best is not None else "cp1252"
