"""Files for the reply, which change only when it is complete."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
from pathlib import Path

from clinecli.errors import OutputError
from clinecli.streams.atomic import Replacement
from clinecli.streams.descriptors import ClosedPipe, is_terminal, write_all
from clinecli.text import escape_json

# Directories of a process's open files: on Linux, and on macOS and the BSDs.
_DESCRIPTORS = re.compile(r"(/proc/(?P<process>[0-9]+)(/task/[0-9]+)?|/dev)/fd")
_NUMBER = re.compile(r"[0-9]{1,9}")
# As many links as Linux follows.
_LINKS = 40


class FileSink:
    """A file that appears, or changes, only when the reply is complete.

    A place that cannot be written is told at once. What is no regular file (a device, a named
    pipe) is written directly, and so is an open file of a process (/dev/stdout, /proc/self/fd/1):
    what stands in it already stays. `flag` is named when it fails; a `private` file is the user's
    alone (0600), whatever was there before.
    """

    def __init__(self, path: str, *, flag: str = "--output", private: bool = False) -> None:
        self.started = False
        self._name = path
        self._private = private
        self._replacement: Replacement | None = None
        try:
            self._fd = self._open(path)
        except (OSError, ValueError) as error:
            reason = (isinstance(error, OSError) and error.strerror) or "not a valid path"
            raise OutputError(
                f"cannot write {path}: {reason}",
                hint=f"choose another place with {flag}: nothing was sent",
            ) from None
        self.terminal = is_terminal(self._fd)

    def _open(self, path: str) -> int:
        if path.endswith("/"):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if (own := own_descriptor(path)) is not None:
            return _duplicate(own)
        if is_descriptor(path) or not _is_regular(path):
            return os.open(path, os.O_WRONLY | os.O_APPEND)
        self._replacement = Replacement(Path(path), private=self._private)
        return self._replacement.fd

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
            if self._replacement:
                self._replacement.commit()
            else:
                os.close(self._fd)
        except OSError as error:
            raise OutputError(f"cannot write {self._name}: {error.strerror}") from None

    def discard(self) -> None:
        """Leave the place as it was."""
        if self._replacement:
            self._replacement.discard()


def is_same_file(one: str, other: str) -> bool:
    """Whether two paths mean one file, which need not be there yet."""
    if os.path.realpath(one) == os.path.realpath(other):
        return True
    try:
        # Names that differ in case alone, on some file systems; and hard links.
        return Path(one).samefile(other)
    except (OSError, ValueError):
        return False


def is_descriptor(path: str) -> bool:
    """Whether a path is that of an open file of a process, directly or by links."""
    return _descriptor(path) is not None


def own_descriptor(path: str) -> int | None:
    """The number of the open file of this process that a path means; None where it means none."""
    found = _descriptor(path)
    return int(found[1]) if found and found[0] in {None, str(os.getpid())} else None


def _descriptor(path: str) -> tuple[str | None, str] | None:
    """The process (None for /dev/fd, which is one's own) and the number of an open file."""
    for _ in range(_LINKS):
        directory, name = os.path.split(path)
        directory = os.path.realpath(directory)
        if (match := _DESCRIPTORS.fullmatch(directory)) and _NUMBER.fullmatch(name):
            return match["process"], name
        try:
            target = os.readlink(f"{directory}/{name}")  # noqa: PTH115 - as it is written
        except OSError:
            return None
        path = os.path.join(directory, target)  # noqa: PTH118
    return None


def _duplicate(fd: int) -> int:
    """Another number for an open file: it goes on where the file stands. Raises `OSError`."""
    if fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)


def _is_regular(path: str) -> bool:
    """Whether a path is a file, or free for one."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116 - as it is, not normalised
    except FileNotFoundError:
        return True
