"""Files that the user names: text, JSON and images in, atomic output and threads out."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clinecli.errors import OutputError, UsageError
from clinecli.jsontext import dumps, parse_json
from clinecli.streams.stdio import ClosedPipe, StdoutSink, is_terminal, write_all
from clinecli.text import decode_text, escape_json

# Open files of the process: what stands in them already must stay.
_DESCRIPTORS = ("/dev/stdout", "/dev/stderr", "/dev/fd/")


def read_bytes(path: str, limit: int = -1) -> bytes:
    """A file's content, at most `limit` bytes of it. Raises `UsageError`."""
    try:
        with Path(path).open("rb") as file:
            return file.read(limit)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: str, error: Exception) -> UsageError:
    reason = (error.strerror if isinstance(error, OSError) else None) or "not a valid path"
    return UsageError(f"cannot read {path}: {reason}", hint="check the path and its permissions")


def read_text(path: str) -> str:
    """A file's text. Raises `UsageError`."""
    return decode_text(read_bytes(path), path)


class FileSink:
    """A file that appears, or changes, only when the reply is complete.

    The temporary file stands in the same directory, so that a place that cannot be written is
    told at once. What is no regular file (a device, a named pipe) is written directly. `flag` is
    named when it fails; a `private` file is the user's alone (0600), whatever was there before.
    """

    def __init__(self, path: str, *, flag: str = "--output", private: bool = False) -> None:
        self.started = False
        self._name = path
        # Following a link replaces its target and not the link.
        self._path = Path(os.path.realpath(path))
        self._temporary: str | None = None
        try:
            # Not of `_path`: a pipe behind /dev/stdout has no path.
            self._mode = os.stat(path).st_mode  # noqa: PTH116
        except OSError:
            self._mode = stat.S_IFREG
        if private and stat.S_ISREG(self._mode):
            self._mode = stat.S_IFREG | 0o600
        try:
            if path.endswith("/"):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            if stat.S_ISREG(self._mode) and not path.startswith(_DESCRIPTORS):
                self._open_temporary()
            else:
                self._fd = os.open(path, os.O_WRONLY | os.O_APPEND)
        except OSError as error:
            raise OutputError(
                f"cannot write {path}: {error.strerror}",
                hint=f"choose another place with {flag}: nothing was sent",
            ) from None
        self.terminal = is_terminal(self._fd)

    def _open_temporary(self) -> None:
        if self._path.exists() and not os.access(self._path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        import tempfile

        self._fd, self._temporary = tempfile.mkstemp(
            prefix=f".{self._path.name[:100]}.", suffix=".tmp", dir=self._path.parent
        )
        if stat.S_IMODE(self._mode):
            os.fchmod(self._fd, stat.S_IMODE(self._mode))
        else:
            umask = os.umask(0)
            os.umask(umask)
            os.fchmod(self._fd, 0o666 & ~umask)

    def write(self, data: bytes) -> None:
        """Write at once: nobody watches a temporary file."""
        self.started = self.started or bool(data)
        try:
            write_all(self._fd, escape_json(data) if self.terminal else data)
        except BrokenPipeError:
            raise ClosedPipe from None
        except OSError as error:
            raise OutputError(f"cannot write {self._name}: {error.strerror}") from None

    def flush(self) -> None:
        """Nothing is pending."""

    def commit(self) -> None:
        """Put the file in its place."""
        try:
            os.close(self._fd)
            if self._temporary:
                Path(self._temporary).replace(self._path)
        except OSError as error:
            raise OutputError(f"cannot write {self._name}: {error.strerror}") from None
        self._temporary = None

    def discard(self) -> None:
        """Leave the place as it was."""
        if self._temporary:
            with contextlib.suppress(FileNotFoundError):
                Path(self._temporary).unlink()
            self._temporary = None


def open_sink(path: str | None) -> StdoutSink | FileSink:
    """stdout, or the file of `--output` (`-` is stdout)."""
    return StdoutSink() if path in {None, "-"} else FileSink(str(path))


def read_thread(path: str) -> str:
    """The text of a thread file, empty when it does not exist yet.

    Raises `UsageError`, and `OutputError` when the new turn could not be appended later.
    """
    real = Path(os.path.realpath(path))
    directory = real.parent
    if not os.access(directory, os.W_OK) or (real.exists() and not os.access(real, os.W_OK)):
        reason = "Permission denied" if directory.is_dir() else "no such directory"
        raise OutputError(
            f"cannot write {path}: {reason}",
            hint="choose another place with --thread: nothing was sent",
        )
    return read_text(path) if real.exists() and real.stat().st_size else ""


def append_turn(path: str, turn: list[dict[str, Any]]) -> None:
    """Append messages to a thread file: locked, so that no concurrent turn is lost, and atomic.

    The lock is on the directory, since the file itself is replaced. Raises `OutputError`.
    """
    real = Path(os.path.realpath(path))
    try:
        with _locked(real.parent):
            text = read_thread(path)
            messages = [*(parse_json(text, path) if text else []), *turn]
            sink = FileSink(path)
            try:
                lines = b",\n".join(dumps(message) for message in messages)
                sink.write(b"[\n" + lines + b"\n]\n")
                sink.commit()
            finally:
                sink.discard()
    except OSError as error:
        raise OutputError(f"cannot append to {path}: {error.strerror}") from None


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    fd = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
