"""A line on the terminal that says what is waited for, and for how long."""

from __future__ import annotations

import errno
import fcntl
import os
import sys
import threading

from clinecli.streams.descriptors import STDERR, write_all
from clinecli.streams.signals import before_death, no_longer
from clinecli.text import cut_to_columns, sanitize, utf8

_TICK_SECONDS = 0.1
_CLEAR = b"\r\x1b[K"
_DEFAULT_COLUMNS = 80


class Progress:
    """A line that is redrawn by a thread until it is stopped.

    Where several processes share a terminal, as in a pipeline, one of them draws at a time: the
    one that has a lock on it. One in the background does not draw at all.
    """

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        # Held for every write: once the line is cleared, nothing may be drawn any more.
        self._writing = threading.Lock()
        self._is_shown = False
        encoding = (sys.stderr.encoding or "ascii").lower() if sys.stderr else "ascii"
        self._frames = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏" if encoding.startswith("utf") else "|/-\\"

    def start(self, label: str, after: float) -> None:
        """Show the line once `after` seconds have passed."""
        self.stop()
        self._stopped = threading.Event()
        label = sanitize(label).replace("\n", " ")
        thread = threading.Thread(
            target=self._draw, args=(label, after, self._stopped), daemon=True
        )
        try:
            thread.start()
        except RuntimeError:
            # No thread is to be had: then nothing is shown.
            return
        self._thread = thread
        before_death(self._end)

    def stop(self) -> None:
        """Take the line away."""
        if self._thread:
            self._stopped.set()
            self._thread.join()
            self._thread = None
            no_longer(self._end)

    def _draw(self, label: str, after: float, stopped: threading.Event) -> None:
        ticks, wait = 0, after
        while not stopped.wait(wait):
            frame = self._frames[ticks % len(self._frames)]
            seconds = after + ticks * _TICK_SECONDS
            line = progress_line(frame, label, seconds, _columns())
            with self._writing:
                if _is_ours():
                    self._is_shown = True
                    _write(b"\r" + utf8(line) + b"\x1b[K")
            ticks, wait = ticks + 1, _TICK_SECONDS
        with self._writing:
            self._clear()

    def _clear(self) -> None:
        if self._is_shown:
            _write(_CLEAR)
            self._is_shown = False
            _let_go()

    def _end(self) -> None:
        # Not released: this is the end. Nor waited for for long: this very thread may have it.
        self._writing.acquire(timeout=2 * _TICK_SECONDS)
        self._clear()


def progress_line(frame: str, label: str, seconds: float, columns: int) -> str:
    """The line for a terminal of `columns` columns, the last of which stays free."""
    took = f"{seconds:.0f} s"
    label = cut_to_columns(label, columns - 1 - len(f"{frame}  {took}"))
    return cut_to_columns(" ".join(filter(None, (frame, label, took))), columns - 1)


def _columns() -> int:
    try:
        return os.get_terminal_size(STDERR).columns or _DEFAULT_COLUMNS
    except OSError:
        return _DEFAULT_COLUMNS


def _is_ours() -> bool:
    """Whether this process may draw: it is in the foreground, and has the terminal's lock.

    The lock is one of the process and not of the open file, which a pipeline shares.
    """
    try:
        if os.tcgetpgrp(STDERR) != os.getpgrp():
            return False
    except OSError:
        pass  # It is not the terminal that controls this process: then no job control either.
    try:
        fcntl.lockf(STDERR, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in {errno.EAGAIN, errno.EACCES}
    return True


def _let_go() -> None:
    try:
        fcntl.lockf(STDERR, fcntl.LOCK_UN)
    except OSError:
        return  # There are no locks on this terminal.


def _write(data: bytes) -> None:
    try:
        write_all(STDERR, data)
    except OSError:
        return  # Where the terminal is gone, there is nobody to tell.
