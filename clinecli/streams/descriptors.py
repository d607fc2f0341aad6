"""The three standard descriptors."""

from __future__ import annotations

import os
import select

STDIN, STDOUT, STDERR = 0, 1, 2


class ClosedPipe(Exception):
    """Nobody reads our output any more: the process ends as if of SIGPIPE, silently."""


def ensure_open() -> None:
    """Occupy closed standard descriptors, lest a socket gets number 1 and our output.

    Reading from the stand-in for stdin gives end of file; writing to the one for stdout fails.
    """
    for fd, flags in ((STDIN, os.O_RDONLY), (STDOUT, os.O_RDONLY), (STDERR, os.O_WRONLY)):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, flags)


def is_terminal(fd: int) -> bool:
    """Whether a descriptor is a terminal."""
    return os.isatty(fd)


def read_when_ready(fd: int, size: int) -> bytes:
    """Read, also from a descriptor that another process made non-blocking."""
    while True:
        try:
            return os.read(fd, size)
        except BlockingIOError:
            select.select([fd], [], [])


def write_all(fd: int, data: bytes) -> None:
    """Write everything, also to a descriptor that another process made non-blocking."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            select.select([], [fd], [])
