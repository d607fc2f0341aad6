"""Local files, read within limits of size and time.

A file may be a device without an end, a named pipe that nobody writes, or on a disk that does not
answer: Python would wait for it, and fill the memory.
"""

from __future__ import annotations

import os
import threading

MIB = 1024 * 1024
_PIECE_BYTES = 1 * MIB


class TooLarge(Exception):
    """A file holds more bytes than it may."""


def read_file(path: str, *, limit: int, seconds: float) -> bytes:
    """The content of a file. Raises `OSError`, which is `TimeoutError` when it takes too long,
    `ValueError` for what is no path, and `TooLarge`.

    Opening and reading know no timeout: a thread does both, and is left behind when it stalls.
    """
    reading = _Reading(path, limit)
    thread = threading.Thread(target=reading.run, daemon=True)
    try:
        thread.start()
    except RuntimeError:
        # No thread is to be had: then without a limit of time.
        reading.run()
    else:
        thread.join(min(max(seconds, 0.0), threading.TIMEOUT_MAX))
    if isinstance(reading.outcome, Exception):
        raise reading.outcome
    if reading.outcome is None:
        reading.is_given_up = True
        raise TimeoutError
    return reading.outcome


class _Reading:
    """One file on its way in."""

    def __init__(self, path: str, limit: int) -> None:
        self.outcome: bytes | Exception | None = None
        self.is_given_up = False
        self._path = path
        self._limit = limit

    def run(self) -> None:
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
            try:
                self.outcome = self._read(fd)
            finally:
                os.close(fd)
        except (OSError, ValueError, MemoryError, TooLarge) as error:
            self.outcome = error

    def _read(self, fd: int) -> bytes:
        pieces: list[bytes] = []
        size = 0
        while not self.is_given_up and (piece := os.read(fd, _PIECE_BYTES)):
            pieces.append(piece)
            size += len(piece)
            if size > self._limit:
                raise TooLarge
        return b"".join(pieces)
