"""The viewer process: a request in, a picture or the place of a text out.

Pdfium is native code that reads files from anywhere, so it runs here, where a crash costs one picture. No file stays
open between two requests: a changed one is seen at once, and on Windows an open one could not be replaced.
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.service import CancelToken
from engine.viewing.pdf import opened
from engine.viewing.protocol import Draw, Drawn, Locate, Located
from engine.viewing.search import locate

__all__ = ["ViewerService"]


class ViewerService:
    """Answer Locate and Draw."""

    def handle(self, request: Locate | Draw, cancel: CancelToken) -> Iterator[Located | Drawn]:
        """Answer a request by one event; raises ViewerError."""
        if cancel.cancelled:
            return
        with opened(request.path) as document:
            if isinstance(request, Draw):
                yield document.draw(request.page, request.width)
            else:
                yield locate(document, request, lambda: cancel.cancelled)

    def close(self) -> None:
        """Nothing is held between two requests."""
