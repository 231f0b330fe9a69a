"""Tooltips of text that others wrote: a document or a model can't style them, nor make them load anything."""

from __future__ import annotations

from html import escape

__all__ = ["plain_tip"]


def plain_tip(text: str) -> str:
    """Return a tooltip that shows the text as it is, wrapped; empty for none.

    Qt takes a tooltip for HTML whenever it looks like some, and would load the images that it names.
    """
    return f"<qt>{escape(text).replace(chr(10), '<br>')}</qt>" if text else ""
