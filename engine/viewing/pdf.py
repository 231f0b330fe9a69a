"""Pages of a PDF: their pictures, their characters and where these stand. Sole importer of pypdfium2.

All of it runs in the viewer process. Coordinates that leave this file are shares of the page as it is shown.
"""

from __future__ import annotations

import ctypes
import itertools
import math
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from engine.errors import ViewerError
from engine.viewing.lines import Glyph, lines_of
from engine.viewing.match import Key, Run, fold
from engine.viewing.protocol import Box, Drawn

__all__ = ["Document", "opened", "picture_size"]

MOST_PIXELS = 16_000_000
"""Of one picture: 64 MB."""
MOST_SIDE = 12_000
"""Pixels of one side."""
LEAST_SIDE = 4
"""Fewer pixels than this on one side show nothing."""
MOST_CHARACTERS = 200_000
"""Characters of a page that are looked at."""
UNITS = 100.0
"""Places are rounded to hundredths of a point."""
LARGEST_COORDINATE = 2.0**30


class Document:
    """An open PDF."""

    def __init__(self, document: Any, name: str) -> None:
        self._document = document
        self._name = name

    @property
    def count(self) -> int:
        """How many pages there are."""
        return len(self._document)

    def draw(self, number: int, width: int) -> Drawn:
        """Return a picture of a page (1-based), so many pixels wide if its size allows it."""
        from pypdfium2 import raw

        with self._page(number) as page:
            size = picture_size(page.get_width(), page.get_height(), width)
            if size is None:
                raise ViewerError(
                    f"Page {number} of {self._name} has a size that can't be drawn: open it in its own program."
                )
            width, height = size
            pixels = (ctypes.c_ubyte * (width * height * 4))()
            bitmap = raw.FPDFBitmap_CreateEx(width, height, raw.FPDFBitmap_BGRx, pixels, width * 4)
            raw.FPDFBitmap_FillRect(bitmap, 0, 0, width, height, 0xFFFFFFFF)
            raw.FPDF_RenderPageBitmap(bitmap, page, 0, 0, width, height, 0, raw.FPDF_ANNOT)
            raw.FPDFBitmap_Destroy(bitmap)
        return Drawn(number, self.count, width, height, bytes(pixels))

    def key(self, number: int) -> Key:
        """Return the folded text of a page (1-based)."""
        with self._page(number) as page, closing(page.get_textpage()) as text:
            return fold(_characters(text))

    def boxes(self, number: int, runs: Sequence[Run]) -> tuple[Box, ...]:
        """Return the boxes of parts of a page's key, one for each line."""
        with self._page(number) as page, closing(page.get_textpage()) as text:
            characters = _characters(text)
            places = fold(characters).places
            plan = _Plan(page, text)
            boxes: list[Box] = []
            for run in runs:
                # What the key leaves out, such as a hyphen, is marked too if it lies in between.
                between = range(places[run.start], places[run.end - 1] + 1)
                boxes += plan.boxes(at for at in between if characters[at].strip())
            return tuple(boxes)

    @contextmanager
    def _page(self, number: int) -> Iterator[Any]:
        if not 1 <= number <= self.count:
            has = f"{self.count} page{'s' if self.count != 1 else ''}"
            raise ViewerError(f"{self._name} has {has} and no page {number}: it has changed since it was indexed.")
        with closing(self._document[number - 1]) as page:
            yield page


class _Plan:
    """Where the characters of a page stand on it as it is shown, whatever its rotation and its crop box."""

    def __init__(self, page: Any, text: Any) -> None:
        self._page = page
        self._text = text
        self._rotation = math.radians(page.get_rotation())
        width, height = page.get_size()
        unit = min(UNITS, LARGEST_COORDINATE / max(width, height, 1.0))
        self._width, self._height = max(1, round(width * unit)), max(1, round(height * unit))

    def boxes(self, places: Iterator[int]) -> list[Box]:
        """Return the boxes of characters, one for each line; what lies outside the page is left out."""
        glyphs = (self._glyph(at) for at in places)
        lines = lines_of(glyph for glyph in glyphs if glyph is not None)
        boxes = [
            Box(
                _share(left, self._width),
                _share(top, self._height),
                _share(right, self._width),
                _share(bottom, self._height),
            )
            for left, top, right, bottom in lines
        ]
        return [box for box in boxes if box.left < box.right and box.top < box.bottom]

    def _glyph(self, at: int) -> Glyph | None:
        """Return the box of a character; None if it has none."""
        from pypdfium2 import raw

        loose = raw.FS_RECTF()
        if not raw.FPDFText_GetLooseCharBox(self._text, at, loose):
            return None
        x, y = ctypes.c_int(), ctypes.c_int()
        corners = []
        for across, up in ((loose.left, loose.top), (loose.right, loose.bottom)):
            raw.FPDF_PageToDevice(self._page, 0, 0, self._width, self._height, 0, across, up, x, y)
            corners.append((x.value, y.value))
        (left, right), (top, bottom) = (sorted(side) for side in zip(*corners, strict=True))
        if left == right or top == bottom:
            return None
        angle = raw.FPDFText_GetCharAngle(self._text, at) + self._rotation
        return Glyph((left, top, right, bottom), abs(math.sin(angle)) > math.sqrt(0.5))


@contextmanager
def opened(path: str) -> Iterator[Document]:
    """Open a PDF; raises ViewerError, also for what pdfium says about it later."""
    import pypdfium2

    name = Path(path).name
    try:
        with closing(pypdfium2.PdfDocument(Path(path))) as document:
            yield Document(document, name)
    except FileNotFoundError as exc:
        raise ViewerError(f"{name} is not where it was: it was moved, renamed or deleted.") from exc
    except OSError as exc:
        raise ViewerError(f"{name} can't be read ({exc.strerror}).") from exc
    except pypdfium2.PdfiumError as exc:
        if exc.err_code in (pypdfium2.raw.FPDF_ERR_PASSWORD, pypdfium2.raw.FPDF_ERR_SECURITY):
            raise ViewerError(f"{name} is protected by a password: open it in its own program.") from exc
        if exc.err_code == pypdfium2.raw.FPDF_ERR_FILE:
            raise ViewerError(f"{name} can't be opened: Hola may not be allowed to read it.") from exc
        raise ViewerError(f"{name} is damaged, or is no PDF any more: its pages can't be drawn.") from exc


def picture_size(page_width: float, page_height: float, width: int) -> tuple[int, int] | None:
    """Return width and height of a picture, in pixels, for a page in points.

    It is as wide as wanted, smaller where it would grow beyond the limits; None if there would be nothing to see.
    """
    if not (math.isfinite(page_width) and math.isfinite(page_height) and page_width > 0 and page_height > 0):
        return None
    scale = min(
        max(1, width) / page_width,
        MOST_SIDE / max(page_width, page_height),
        math.sqrt(MOST_PIXELS / page_width / page_height),
    )
    size = round(page_width * scale), round(page_height * scale)
    return size if min(size) >= LEAST_SIDE else None


def _characters(text: Any) -> list[str]:
    """Return the characters of a page by pdfium's numbers; the second half of a pair of surrogates is empty."""
    from pypdfium2 import raw

    count = min(text.count_chars(), MOST_CHARACTERS)
    codes = [raw.FPDFText_GetUnicode(text, at) for at in range(count)]
    characters = [chr(code) for code in codes]
    for at, (high, low) in enumerate(itertools.pairwise(codes)):
        if 0xD800 <= high < 0xDC00 <= low < 0xE000:
            characters[at], characters[at + 1] = chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)), ""
    return characters


def _share(place: float, side: int) -> float:
    return min(1.0, max(0.0, place / side))
