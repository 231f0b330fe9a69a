"""A page of a PDF as a picture, with the cited lines marked, that can be zoomed and scrolled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from PySide6.QtCore import QEvent, QPoint, QRectF, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QColor, QImage, QPainter, QPainterPath, QPaintEvent, QPen, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QScrollArea, QWidget

from app.theme import LIGHT, Theme
from app.widgets import IconButton
from engine.viewing.protocol import Box

__all__ = ["PageTools", "PageView"]

_STEP = 1.25
_SMALLEST, _LARGEST = 0.5, 5.0
_REDRAW_MS = 120
_DIMMED = 0.88
"""White paper in a dark window is dazzling."""
_PAD = 2.0
_READABLE_LINE = 15.0
"""Height at which a line can be read, in Qt's pixels."""
_MARGIN = 0.05
_LEAST_BY_ITSELF, _MOST_BY_ITSELF = 1.2, 2.0
"""The zoom that a page opens with: a smaller one would gain little, a larger one show too little of the page."""
_CLOSE_LINES = 0.7
"""Marked lines grow together across a gap of up to so much of their height."""


class PageView(QScrollArea):
    """Show one page; fit, it is as wide as the view."""

    picture_wanted = Signal()
    """The page is to be drawn anew, `wanted_width` pixels wide."""
    zoomed = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("page")
        self.setAccessibleName("Page")
        self._zoom = 1.0
        self._zoom_is_chosen = False
        self._asked_width = 0
        self._sheet = _Sheet(theme)
        self.setWidget(self._sheet)
        self.setAlignment(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop)
        # A bar that comes and goes would change the width that the page has to fit.
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._redraw = QTimer(self, singleShot=True, interval=_REDRAW_MS)
        self._redraw.timeout.connect(self.picture_wanted)
        theme.changed.connect(self._sheet.update)

    @property
    def zoom(self) -> float:
        """Width of the page as a factor of the view's width."""
        return self._zoom

    @property
    def can_zoom_in(self) -> bool:
        """Whether the page can be larger."""
        return self._zoom < _LARGEST

    @property
    def can_zoom_out(self) -> bool:
        """Whether the page can be smaller."""
        return self._zoom > _SMALLEST

    @property
    def wanted_width(self) -> int:
        """Width of the picture that would be sharp now, in pixels of the screen."""
        return max(1, round(self._width * self.devicePixelRatioF()))

    @property
    def image(self) -> QImage:
        """The picture that is shown."""
        return self._sheet.image

    @property
    def mark_rectangles(self) -> list[QRectF]:
        """Where the marks are, in the coordinates of the viewport."""
        place = self._sheet.mapTo(self.viewport(), QPoint(0, 0))
        return [rectangle.translated(place) for rectangle in self._sheet.rectangles()]

    def show_picture(self, image: QImage, asked_width: int, boxes: Sequence[Box], *, reveal: bool) -> None:
        """Show a page with its marks; `reveal` scrolls to the first mark, or else to the top.

        `asked_width` is the width that was asked for: where a page can't be drawn so large, it is not asked for again.
        """
        self._asked_width = asked_width
        self._sheet.set_page(image, boxes)
        if reveal and not self._zoom_is_chosen:
            self._zoom = self._readable_zoom()
            self.zoomed.emit()
        self._fit()
        if reveal:
            self._scroll_to_marks()

    def clear(self) -> None:
        """Show no page, and the next one in a size of its own."""
        self._redraw.stop()
        self._zoom_is_chosen = False
        self._sheet.set_page(QImage(), ())

    @Slot()
    def on_zoom_in(self) -> None:
        """Make the page larger."""
        self._zoom_on_marks(self._zoom * _STEP)

    @Slot()
    def on_zoom_out(self) -> None:
        """Make the page smaller."""
        self._zoom_on_marks(self._zoom / _STEP)

    @Slot()
    def on_fit(self) -> None:
        """Make the page as wide as the view."""
        self._zoom_on_marks(1.0)

    # -- events

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the page as wide as the view."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self._resize_sheet()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom with Ctrl, else scroll."""
        if not event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            super().wheelEvent(event)
            return
        if event.angleDelta().y():
            self._set_zoom(self._zoom * _STEP ** (event.angleDelta().y() / 120), event.position().toPoint())
        event.accept()

    def changeEvent(self, event: QEvent) -> None:
        """Draw the page anew on a screen of another density."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.DevicePixelRatioChange:
            self._fit()

    # -- size and place

    @property
    def _width(self) -> int:
        """Width of the page in the view, in Qt's pixels."""
        return max(1, round(self.viewport().width() * self._zoom))

    def _zoom_on_marks(self, zoom: float) -> None:
        """Change the size; marks that were in sight stay there."""
        view = QRectF(self.viewport().rect())
        were_in_sight = any(view.intersects(rectangle) for rectangle in self.mark_rectangles)
        self._set_zoom(zoom)
        if were_in_sight:
            self._scroll_to_marks()

    def _set_zoom(self, zoom: float, around: QPoint | None = None) -> None:
        self._zoom_is_chosen = True
        zoom = min(_LARGEST, max(_SMALLEST, zoom))
        if abs(zoom - 1.0) < 0.05:
            zoom = 1.0
        if zoom != self._zoom:
            self._zoom = zoom
            self._resize_sheet(around)
            self.zoomed.emit()

    def _resize_sheet(self, around: QPoint | None = None) -> None:
        """Give the page its new size; the point, or else the middle of the view, stays where it is."""
        view, sheet = around or self.viewport().rect().center(), self._sheet
        place = sheet.mapFrom(self.viewport(), view)
        across, down = place.x() / max(1, sheet.width()), place.y() / max(1, sheet.height())
        self._fit()
        self.horizontalScrollBar().setValue(round(across * sheet.width()) - view.x())
        self.verticalScrollBar().setValue(round(down * sheet.height()) - view.y())

    def _fit(self) -> None:
        """Size the page; ask for another picture if this one would not be sharp."""
        image = self._sheet.image
        if image.isNull():
            return
        self._sheet.resize(self._width, max(1, math.ceil(self._width * image.height() / image.width())))
        self._redraw.stop()
        if self.wanted_width != self._asked_width:
            self._redraw.start()

    def _scroll_to_marks(self) -> None:
        rectangles = self._sheet.rectangles()
        if not rectangles:
            self.verticalScrollBar().setValue(0)
            return
        view, shape = self.viewport().size(), _bounds(rectangles)
        # A third from the top: what leads to the passage is in sight, and most of the passage too.
        self.verticalScrollBar().setValue(round(rectangles[0].center().y() - view.height() / 3))
        fits = shape.width() <= view.width()
        self.horizontalScrollBar().setValue(round(shape.center().x() - view.width() / 2 if fits else shape.left() - 8))

    def _readable_zoom(self) -> float:
        """Return the zoom at which the marked lines can be read and are in sight as a whole; 1 if nothing is marked."""
        boxes, view, image = self._sheet.boxes, self.viewport().width(), self._sheet.image
        if not boxes:
            return 1.0
        page_height = view * image.height() / image.width()
        line = median(min(box.bottom - box.top, 1.0) for box in boxes) * page_height
        across = max(box.right for box in boxes) - min(box.left for box in boxes) + _MARGIN
        zoom = min(_READABLE_LINE / max(line, 1.0), 1.0 / across, _MOST_BY_ITSELF)
        return zoom if zoom >= _LEAST_BY_ITSELF else 1.0


class PageTools(QWidget):
    """The line under a page: which one it is, the way to the others, its size."""

    turned = Signal(int)
    """By how many pages"""

    def __init__(self, theme: Theme, view: PageView, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._view = view
        self.previous_page = IconButton(theme, "chevron-left", "Previous page")
        self.previous_page.clicked.connect(self.on_previous_page)
        self._place = QLabel()
        self._place.setProperty("role", "caption")
        self.next_page = IconButton(theme, "chevron-right", "Next page")
        self.next_page.clicked.connect(self.on_next_page)
        self.zoom_out = IconButton(theme, "zoom-out", "Smaller page (Ctrl+wheel)")
        self.zoom_out.clicked.connect(view.on_zoom_out)
        self.zoom_in = IconButton(theme, "zoom-in", "Larger page (Ctrl+wheel)")
        self.zoom_in.clicked.connect(view.on_zoom_in)
        self.fit = IconButton(theme, "fit-width", "Fit the page to the width")
        self.fit.clicked.connect(view.on_fit)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2)
        row.addWidget(self.previous_page)
        row.addWidget(self._place)
        row.addWidget(self.next_page)
        row.addStretch(1)
        for button in (self.zoom_out, self.zoom_in, self.fit):
            row.addWidget(button)
        view.zoomed.connect(self.on_zoomed)
        self.on_zoomed()

    @property
    def place(self) -> str:
        """Which page it says is shown."""
        return self._place.text()

    def show_place(self, page: int, pages: int) -> None:
        """Say which page is shown; offer those before and after it, if there are any."""
        self._place.setText(f"{page} of {pages}")
        self.previous_page.setEnabled(page > 1)
        self.next_page.setEnabled(page < pages)

    @Slot()
    def on_previous_page(self) -> None:
        """Go one page back."""
        self.turned.emit(-1)

    @Slot()
    def on_next_page(self) -> None:
        """Go one page on."""
        self.turned.emit(1)

    @Slot()
    def on_zoomed(self) -> None:
        """Offer what still changes the size."""
        self.zoom_out.setEnabled(self._view.can_zoom_out)
        self.zoom_in.setEnabled(self._view.can_zoom_in)
        self.fit.setEnabled(self._view.zoom != 1.0)


class _Sheet(QWidget):
    """The page itself."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self.image = QImage()
        self.boxes: Sequence[Box] = ()
        self._outline: QPainterPath | None = None

    def set_page(self, image: QImage, boxes: Sequence[Box]) -> None:
        """Take another page."""
        self.image, self.boxes, self._outline = image, boxes, None
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Let the marks grow with the page."""
        super().resizeEvent(event)
        self._outline = None

    def rectangles(self) -> list[QRectF]:
        """Return the marks in the page's present size."""
        across, down = self.width(), self.height()
        return [
            QRectF(
                box.left * across, box.top * down, (box.right - box.left) * across, (box.bottom - box.top) * down
            ).adjusted(-_PAD, -_PAD / 2, _PAD, _PAD / 2)
            for box in self.boxes
        ]

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the page and its marks: tinted, so that the text stays black, with an outline that stands out."""
        painter = QPainter(self)
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        if self._theme.is_dark:
            painter.setOpacity(_DIMMED)
        ratio = self.devicePixelRatioF()
        if self.image.width() == round(self.width() * ratio):
            # Pixel by pixel: the least scaling would blur the letters.
            painter.drawImage(QRectF(0, 0, self.image.width() / ratio, self.image.height() / ratio), self.image)
        else:
            painter.drawImage(self.rect(), self.image)
        painter.setOpacity(1.0)
        if self._outline is None:
            self._outline = _grown_together(self.rectangles())
        painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_Multiply)
        # Paper is white in a dark window too.
        painter.fillPath(self._outline, QColor(LIGHT.selection))
        painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_SourceOver)
        painter.setPen(QPen(QColor(LIGHT.accent), 1.5))
        painter.drawPath(self._outline)
        painter.end()


def _bounds(rectangles: Sequence[QRectF]) -> QRectF:
    bounds = QRectF()
    for rectangle in rectangles:
        bounds = bounds.united(rectangle)
    return bounds


def _grown_together(rectangles: Sequence[QRectF]) -> QPainterPath:
    """Return one outline around lines that follow each other closely."""
    shape = QPainterPath()
    for number, rectangle in enumerate(rectangles):
        grown = QRectF(rectangle)
        if number + 1 < len(rectangles):
            below = rectangles[number + 1]
            overlap = min(rectangle.right(), below.right()) - max(rectangle.left(), below.left())
            gap = below.top() - rectangle.bottom()
            if overlap > 0 and 0 < gap < _CLOSE_LINES * rectangle.height():
                grown.setBottom(below.top() + 0.5)
        path = QPainterPath()
        path.addRect(grown)
        shape = shape.united(path)
    return shape.simplified()
