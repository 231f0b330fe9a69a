"""Turn token bytes into text that never shows half a character or half a stop string."""

from __future__ import annotations

import codecs

__all__ = ["TextStream"]


class TextStream:
    """Decode UTF-8 incrementally and hold back what may still become a stop string."""

    def __init__(self, stop: tuple[str, ...] = ()) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._stop = tuple(text for text in stop if text)
        self._held = ""
        self.stopped = False
        """Whether a stop string was met; nothing comes after it."""

    def feed(self, piece: bytes) -> str:
        """Return the text that is certain after these bytes."""
        return self._release(self._decoder.decode(piece))

    def flush(self) -> str:
        """Return what is left at the end of the answer; an unfinished character is dropped."""
        rest = "" if self.stopped else self._held
        self._held = ""
        self._decoder.reset()
        return rest

    def _release(self, text: str) -> str:
        if self.stopped:
            return ""
        self._held += text
        for end in sorted(at for stop in self._stop if (at := self._held.find(stop)) >= 0)[:1]:
            self.stopped = True
            certain, self._held = self._held[:end], ""
            return certain
        keep = max((self._overlap(stop) for stop in self._stop), default=0)
        certain = self._held[: len(self._held) - keep]
        self._held = self._held[len(self._held) - keep :]
        return certain

    def _overlap(self, stop: str) -> int:
        """Return how many characters at the end of the held text begin the stop string."""
        for length in range(min(len(stop) - 1, len(self._held)), 0, -1):
            if self._held.endswith(stop[:length]):
                return length
        return 0
