"""Pictures and boxes of real pages, whatever their rotation, crop box and size."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pypdfium2
import pytest

from engine.errors import ViewerError
from engine.viewing.pdf import opened, picture_size
from engine.viewing.protocol import Box, Drawn, Locate, Located
from engine.viewing.search import locate
from tests.engine.indexing.builders import write_pdf

LINES = ("Only this line is cited.", "Another line, which is not.")


def find(file: Path, snippet: str, page: int = 1) -> Located:
    with opened(str(file)) as document:
        return locate(document, Locate(str(file), page, snippet, 0.0), lambda: False)


def draw(file: Path, page: int = 1, width: int = 600) -> Drawn:
    with opened(str(file)) as document:
        return document.draw(page, width)


def darkness(drawn: Drawn) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Where the picture is dark, by row and column."""
    pixels = np.frombuffer(drawn.pixels, np.uint8).reshape(drawn.height, drawn.width, 4)
    dark: np.ndarray[tuple[int, int], np.dtype[np.bool_]] = pixels[:, :, :3].max(axis=2) < 128
    return dark


def ink_inside(drawn: Drawn, boxes: tuple[Box, ...]) -> float:
    """Share of the picture's ink that lies in the boxes."""
    dark = darkness(drawn)
    inside = np.zeros_like(dark)
    for box in boxes:
        rows = slice(int(box.top * drawn.height), int(box.bottom * drawn.height) + 1)
        inside[rows, int(box.left * drawn.width) : int(box.right * drawn.width) + 1] = True
    return float((dark & inside).sum() / dark.sum())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_pdf(tmp_path / "Größe a.pdf", [LINES, ["Second page."]])


def changed(file: Path, *, rotation: int = 0, crop: tuple[float, float, float, float] | None = None) -> Path:
    """Rotate and crop the first page."""
    document = pypdfium2.PdfDocument(file)
    page = document[0]
    page.set_rotation(rotation)
    if crop is not None:
        page.set_cropbox(*crop)
    other = file.with_name("changed.pdf")
    document.save(other)
    document.close()
    return other


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("crop", [None, (50.0, 600.0, 400.0, 800.0)])
def test_boxes_hold_the_ink_of_their_text_and_no_other(
    file: Path, rotation: int, crop: tuple[float, float, float, float] | None
) -> None:
    turned = changed(file, rotation=rotation, crop=crop)
    drawn = draw(turned, width=900)
    assert ink_inside(drawn, find(turned, "\n".join(LINES)).marks[0].boxes) == 1.0
    first, second = (find(turned, line).marks[0].boxes for line in LINES)
    assert len(first) == len(second) == 1
    assert 0.3 < ink_inside(drawn, first) < 0.7
    assert ink_inside(drawn, first) + ink_inside(drawn, second) == pytest.approx(1.0, abs=0.02)


def test_a_page_is_as_wide_as_wanted_and_keeps_its_shape(file: Path) -> None:
    drawn = draw(file, width=500)
    assert (drawn.page, drawn.pages, drawn.width) == (1, 2, 500)
    assert drawn.height == pytest.approx(500 * 842 / 595, abs=1)
    assert len(drawn.pixels) == drawn.width * drawn.height * 4
    assert draw(changed(file, rotation=90), width=500).height == pytest.approx(500 * 595 / 842, abs=1)


def test_what_lies_outside_the_page_is_not_marked(file: Path) -> None:
    cropped = changed(file, crop=(50.0, 600.0, 400.0, 765.0))
    assert find(cropped, LINES[0]).marks[0].boxes == ()
    assert len(find(cropped, LINES[1]).marks[0].boxes) == 1


@pytest.mark.parametrize(
    ("page", "width", "size"),
    [
        ((595.0, 842.0), 595, (595, 842)),
        ((595.0, 842.0), 0, None),
        ((1e7, 1e7), 600, (600, 600)),
        ((100.0, 100.0), 10**9, (4000, 4000)),
        ((10.0, 10_000.0), 600, (12, 12_000)),
        ((1e6, 10.0), 600, None),
        ((0.0, 100.0), 600, None),
        ((float("nan"), 100.0), 600, None),
        ((float("inf"), 100.0), 600, None),
    ],
)
def test_pictures_stay_within_their_limits(page: tuple[float, float], width: int, size: tuple[int, int] | None) -> None:
    assert picture_size(*page, width) == size


@pytest.mark.parametrize("number", [0, -1, 3, 10**9])
def test_a_page_that_is_not_there_is_named(file: Path, number: int) -> None:
    with pytest.raises(ViewerError, match=rf"Größe a\.pdf has 2 pages and no page {number}: it has changed"):
        draw(file, number)


def test_a_page_of_an_impossible_size_is_named(file: Path) -> None:
    document = pypdfium2.PdfDocument(file)
    document[0].set_mediabox(0, 0, 1e6, 2)
    document.save(file.with_name("odd.pdf"))
    document.close()
    with pytest.raises(ViewerError, match=r"Page 1 of odd\.pdf has a size that can't be drawn"):
        draw(file.with_name("odd.pdf"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ViewerError, match=r"gone\.pdf is not where it was"):
        draw(tmp_path / "gone.pdf")


def test_a_locked_file_is_named(tmp_path: Path) -> None:
    locked = write_pdf(tmp_path / "locked.pdf", [["Secret"]], locked=True)
    with pytest.raises(ViewerError, match=r"locked\.pdf is protected by a password"):
        draw(locked)


@pytest.mark.parametrize("content", [b"", b"%PDF-1.7\n", b"plain text", b"%PDF-1.4\n1 0 obj\n<<" * 1000])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    damaged = tmp_path / "damaged.pdf"
    damaged.write_bytes(content)
    with pytest.raises(ViewerError, match=r"damaged\.pdf is damaged, or is no PDF any more"):
        draw(damaged)


def test_a_cut_off_file_gives_pages_or_a_sentence(file: Path) -> None:
    whole = file.read_bytes()
    for length in range(0, len(whole), 97):
        file.write_bytes(whole[:length])
        with contextlib.suppress(ViewerError):
            assert draw(file).pages >= 1


def test_letters_outside_the_basic_plane_are_one_character(file: Path) -> None:
    with opened(str(file)) as document:
        key = document.key(1)
    assert key.text.startswith("onlythislineiscited.")
    assert list(key.places[:5]) == [0, 1, 2, 3, 5]
