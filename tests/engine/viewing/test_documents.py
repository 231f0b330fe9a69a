"""What is marked on the pages of many PDFs by many programs is the text that was asked for.

The check goes its own way from the boxes back to the page: its own mapping of rotation and crop box, the characters
whose middle lies in a box, and the ink of the drawn page.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pypdfium2
import pytest
from pypdfium2 import raw

from engine.errors import HolaError
from engine.indexing.extract import Extracted, extract
from engine.retrieval.sentences import split_sentences
from engine.viewing.client import PageViewer
from engine.viewing.match import fold
from engine.viewing.protocol import Box, Located

DOCUMENTS = Path(os.environ.get("HOLA_TEST_DOCUMENTS") or Path(__file__).resolve().parents[4] / "shared/data/documents")
MOST_PAGES = 4
SPANS_PER_PAGE = 6
LENGTHS = range(20, 600)
WIDTH = 700
LEAST_CONTRAST = 60
"""Of 255: a box that holds text is not of one colour."""

pytestmark = pytest.mark.skipif(not DOCUMENTS.is_dir(), reason=f"there are no documents in {DOCUMENTS}")


@dataclass
class Count:
    """What became of the spans."""

    files: set[str] = field(default_factory=set)
    spans: int = 0
    found: int = 0
    equal: int = 0
    inked: int = 0
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Span:
    """A sentence of a page."""

    page: int
    text: str
    position: float


def spans_of(extracted: Extracted) -> Iterator[Span]:
    """Take some sentences of the first pages."""
    ends = [start - 2 for start in extracted.page_starts[1:]] + [len(extracted.text)]
    pages = list(zip(extracted.page_numbers, extracted.page_starts, ends, strict=True))[:MOST_PAGES]
    for number, start, end in pages:
        text = extracted.text[start:end]
        found = [each for each in split_sentences(text) if each.end - each.start in LENGTHS]
        # From all over the page.
        for each in found[:: max(1, len(found) // SPANS_PER_PAGE)]:
            if any(character.isalnum() for character in text[each.start : each.end]):
                yield Span(number, text[each.start : each.end], each.start / len(text))


def characters_in(page: pypdfium2.PdfPage, boxes: Sequence[Box]) -> str:
    """Return the characters of a page whose middle lies in a box, in their order."""
    left, bottom, right, top = page.get_bbox()
    rotation = page.get_rotation()
    text = page.get_textpage()
    kept = []
    for at in range(text.count_chars()):
        box = text.get_charbox(at, loose=True)
        # Along the page as it lies in the file: from the left and from the top.
        x = ((box[0] + box[2]) / 2 - left) / (right - left)
        y = (top - (box[1] + box[3]) / 2) / (top - bottom)
        across, down = {0: (x, y), 90: (1 - y, x), 180: (1 - x, 1 - y), 270: (y, 1 - x)}[rotation]
        if any(each.left <= across <= each.right and each.top <= down <= each.bottom for each in boxes):
            kept.append(chr(raw.FPDFText_GetUnicode(text, at)))
    return "".join(kept)


def is_inked(picture: npt.NDArray[np.uint8], box: Box) -> bool:
    """Tell whether the drawn page shows anything in a box."""
    height, width = picture.shape[:2]
    rows = slice(int(box.top * height), int(box.bottom * height) + 1)
    part = picture[rows, int(box.left * width) : int(box.right * width) + 1].astype(int)
    return part.size > 0 and int(np.ptp(part, axis=(0, 1)).max()) >= LEAST_CONTRAST


def check(viewer: PageViewer, file: Path, extracted: Extracted, count: Count) -> None:
    """Look for the spans of a file and look at what was marked."""
    document = pypdfium2.PdfDocument(file)

    @lru_cache(maxsize=4)
    def picture(page: int) -> npt.NDArray[np.uint8]:
        drawn = viewer.draw(str(file), page, WIDTH)
        return np.frombuffer(drawn.pixels, np.uint8).reshape(drawn.height, drawn.width, 4)[:, :, :3]

    for span in spans_of(extracted):
        count.files.add(file.name)
        count.spans += 1
        located: Located = viewer.locate(str(file), span.page, span.text, span.position)
        count.found += located.match in ("whole", "part")
        boxed = "".join(characters_in(document[marks.page - 1], marks.boxes) for marks in located.marks)
        # Two extractions may put the words of a line in another order.
        is_equal = sorted(fold(boxed).text) == sorted(fold(span.text).text)
        ink = [is_inked(picture(marks.page), box) for marks in located.marks for box in marks.boxes]
        count.equal += is_equal
        count.inked += bool(ink) and all(ink)
        if not (is_equal and ink and all(ink)):
            count.wrong.append(f"{file.name}, page {span.page}, {located.match}: {span.text[:60]!r}")
    document.close()


@pytest.mark.timeout(600)
def test_marks_cover_the_text_that_was_asked_for() -> None:
    viewer, count = PageViewer(), Count()
    for file in sorted(DOCUMENTS.rglob("*.pdf")):
        try:
            extracted = extract(file)
        except HolaError:
            continue
        check(viewer, file, extracted, count)
    viewer.close()
    found, equal, inked = (each / count.spans for each in (count.found, count.equal, count.inked))
    print(f"\n{len(count.files)} PDFs, {count.spans} spans: {found:.1%} found, {equal:.1%} exact, {inked:.1%} inked")
    print(*count.wrong, sep="\n")
    assert len(count.files) >= 20
    assert found >= 0.98
    assert equal >= 0.95
    assert inked >= 0.97
