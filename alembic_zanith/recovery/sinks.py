"""What stands between a stream of rows and the file that it goes to."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, cast

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class Sink(io.RawIOBase):
    """Passes bytes on, counts them, and reports the rows so far.

    `size` is the number of bytes written. Lines that a value holds are counted as rows, so the
    progress of such a table may run ahead.
    """

    def __init__(self, output: BinaryIO, on_progress: Callable[[int], None] | None = None) -> None:
        self.size = 0
        self._output = output
        self._on_progress = on_progress
        self._rows = 0
        self._abandoned = False

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        chunk = bytes(data)
        if self._abandoned:
            return len(chunk)
        self._put(self._encoded(chunk))
        if self._on_progress is not None:
            self._rows += chunk.count(b"\n")
            self._on_progress(self._rows)
        return len(chunk)

    def finish(self) -> None:
        """Write what comes after the last row."""
        self._put(self._tail())

    def abandon(self) -> None:
        """Throw away what a buffer may still hold: an error has ended the export."""
        self._abandoned = True

    def _encoded(self, chunk: bytes) -> bytes:
        return chunk

    def _tail(self) -> bytes:
        return b""

    def _put(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest.nbytes:
            # A raw file may take less than it was given.
            taken = cast("int | None", self._output.write(rest))
            rest = rest[len(rest) if taken is None else taken :]
        self.size += len(data)


class JsonArraySink(Sink):
    """Turns lines, each one JSON value, into one JSON array."""

    _started = False
    _line_ended = False

    def _encoded(self, chunk: bytes) -> bytes:
        # The end of a line becomes ",\n" only when another line follows.
        start = b",\n" if self._line_ended else b""
        if not self._started:
            self._started, start = True, b"[\n"
        self._line_ended = chunk.endswith(b"\n")
        return start + chunk.removesuffix(b"\n").replace(b"\n", b",\n")

    def _tail(self) -> bytes:
        return b"\n]\n" if self._started else b"[]\n"
