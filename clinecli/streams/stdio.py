"""The three streams: reading stdin, writing stdout, and every message on stderr."""

from __future__ import annotations

import os
import select
import signal
import stat
import sys
import threading
from collections.abc import Callable
from typing import NoReturn

from clinecli.errors import ClinecliError, OutputError, UsageError
from clinecli.streams.report import error_json, error_text
from clinecli.text import escape_json, sanitize, utf8

STDIN, STDOUT, STDERR = 0, 1, 2
SILENCE_SECONDS = 2.0
PROGRESS_SECONDS = 1.0


class ClosedPipe(Exception):
    """Nobody reads our output any more: the process ends as if of SIGPIPE, silently."""


class Terminated(BaseException):
    """A signal asked the process to end; raised so that files are left untouched."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


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


def die_of(number: int) -> NoReturn:
    """End the process by a signal, so that a shell's `for` loop ends with it."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    # Only the first process of a container outlives its own signal.
    os._exit(128 + number)


def read_stdin(on_silence: Callable[[], None] | None = None) -> bytes:
    """Everything on stdin. `on_silence` is called once when nothing has come for two seconds.

    Raises `UsageError`.
    """
    if on_silence and not stat.S_ISREG(os.fstat(STDIN).st_mode):
        readable, _, _ = select.select([STDIN], [], [], SILENCE_SECONDS)
        if not readable:
            on_silence()
    pieces = []
    try:
        while piece := _retry_when_ready(STDIN, lambda: os.read(STDIN, 1 << 20)):
            pieces.append(piece)
    except OSError as error:
        raise UsageError(
            f"cannot read stdin: {error.strerror}", hint="--no-stdin does not read it"
        ) from None
    return b"".join(pieces)


def _retry_when_ready(fd: int, read: Callable[[], bytes]) -> bytes:
    """Read from a descriptor that another process may have made non-blocking."""
    while True:
        try:
            return read()
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


class StdoutSink:
    """stdout. Raises `ClosedPipe` or `OutputError`.

    Control characters are escaped on a terminal, unless they are `ours`, as colours are.
    """

    def __init__(self, *, ours: bool = False) -> None:
        import fcntl

        self.started = False
        self._pending: list[bytes] = []
        self._terminal = is_terminal(STDOUT) and not ours
        self._failed = False
        if fcntl.fcntl(STDOUT, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OutputError("stdout is closed", hint="redirect it to a file or a pipe")

    def write(self, data: bytes) -> None:
        """Take bytes in, to be written by the next `flush`."""
        if data:
            self.started = True
            self._pending.append(data)

    def flush(self) -> None:
        """Write what is pending, in one call."""
        if not self._pending or self._failed:
            return
        data = b"".join(self._pending)
        self._pending.clear()
        # A signal may end a write that nobody reads; another one on the way out would block too.
        self._failed = True
        if self._terminal:
            # Text has been through `TextRenderer`, which leaves nothing to do; this is for JSON.
            data = escape_json(data)
        try:
            write_all(STDOUT, data)
        except BrokenPipeError:
            raise ClosedPipe from None
        except OSError as error:
            raise OutputError(f"cannot write to stdout: {error.strerror}") from None
        self._failed = False

    def commit(self) -> None:
        """Flush: what is on stdout stays."""
        self.flush()

    def discard(self) -> None:
        """Flush: partial output on stdout is kept."""
        self.flush()


class Messages:
    """All that goes to stderr: notes, details, asked-for data, one error, and a progress line."""

    def __init__(self, *, quiet: bool = False, verbose: bool = False, as_json: bool = False):
        self.verbose = verbose
        self.as_json = as_json
        self._quiet = quiet
        self._terminal = is_terminal(STDERR)
        self._progress = _Progress() if self._terminal and not quiet else None
        self._has_status = False

    def note(self, text: str) -> None:
        """Something worth knowing that is no failure; silent with `--quiet`."""
        if not self._quiet:
            self._line(f"clinecli: {text}")

    def detail(self, text: str) -> None:
        """What `--verbose` shows."""
        if self.verbose:
            self._line(text)

    def data(self, data: bytes) -> None:
        """Output that was asked for and belongs on stderr: usage, reasoning."""
        self.stop_progress()
        self.status("")
        _write_stderr(escape_json(data) if self._terminal else data)

    def error(self, error: ClinecliError) -> None:
        """The one failure that ends the process."""
        if self.as_json:
            self.data(error_json(error) + b"\n")
        else:
            self._line(error_text(error))

    def start_progress(self, label: str, after: float = PROGRESS_SECONDS) -> None:
        """Show a progress line once `after` seconds have passed; on a terminal only."""
        if self._progress:
            self._progress.start(label, after)

    def stop_progress(self) -> None:
        """Take the progress line away."""
        if self._progress:
            self._progress.stop()

    @property
    def shows_progress(self) -> bool:
        """Whether there is a terminal that shows what goes on."""
        return self._progress is not None

    def status(self, text: str) -> None:
        """Redraw a line of one's own in place, on a terminal only; an empty one goes away."""
        if self._progress and (text or self._has_status):
            self._has_status = bool(text)
            _write_stderr(utf8(f"\r{sanitize(text)}\x1b[K"))

    def _line(self, text: str) -> None:
        self.data(utf8(sanitize(text) if self._terminal else text) + b"\n")


def _write_stderr(data: bytes) -> None:
    try:
        write_all(STDERR, data)
    except OSError:
        # Where there is no stderr, there is nobody to tell.
        return


class _Progress:
    """A line that is redrawn by a thread until it is stopped."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        encoding = (sys.stderr.encoding or "ascii").lower() if sys.stderr else "ascii"
        self._frames = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏" if encoding.startswith("utf") else "|/-\\"

    def start(self, label: str, after: float) -> None:
        self.stop()
        self._stopped = threading.Event()
        label = sanitize(label).replace("\n", " ")
        self._thread = threading.Thread(
            target=self._draw, args=(label, after, self._stopped), daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        if self._thread:
            self._stopped.set()
            self._thread.join()
            self._thread = None

    def _draw(self, label: str, after: float, stopped: threading.Event) -> None:
        if stopped.wait(after):
            return
        ticks = 0
        while True:
            seconds = after + ticks / 10
            frame = self._frames[ticks % len(self._frames)]
            _write_stderr(utf8(f"\r{frame} {label} {seconds:.0f} s\x1b[K"))
            ticks += 1
            if stopped.wait(0.1):
                _write_stderr(b"\r\x1b[K")
                return
