"""Files of results: locked, appended to in whole lines, never overwritten.

A line is written by one call, so that a killed process leaves at most one torn line, its last.
What was written reaches the disk (fdatasync) within about a second, so that a power cut loses
no more. Where lines have to go, a copy without them replaces the file at once.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import os
import stat
import tempfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, NoReturn

from clinecli.batch.checkpoint import Extent
from clinecli.errors import OutputError, UsageError
from clinecli.streams.descriptors import ClosedPipe, write_all

SYNC_SECONDS = 1.0
_BLOCK = 1 << 20
_PIECE = 1 << 14
# What file systems without locks say.
_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}


class StoredFile:
    """A file of results that is only read; there may be none."""

    def __init__(self, path: str) -> None:
        self.name = path
        # Following a link replaces its target and not the link.
        self._path = os.path.realpath(path)
        self.is_regular = is_regular(path)

    def reader(self) -> IO[bytes]:
        """The file for reading, from its beginning. Raises `OutputError`."""
        try:
            return open(self._path, "rb", buffering=_BLOCK)  # noqa: PTH123
        except FileNotFoundError:
            return io.BytesIO()
        except OSError as error:
            raise OutputError(f"cannot read {self.name}: {error.strerror}") from None


class ResultFile(StoredFile):
    """A file of results, open and locked.

    `is_regular` says whether it can be continued: a pipe or a device takes lines and no more.
    `has_lock` is false where the file system knows no locks. Raises `OutputError`, and
    `UsageError` when another process has the lock.
    """

    def __init__(self, path: str, flag: str) -> None:
        super().__init__(path)
        self._flag = flag
        self.has_lock = self.is_regular
        try:
            if self.is_regular:
                self._fd = self._open()
            else:
                self._fd = os.open(path, os.O_WRONLY | os.O_APPEND)
        except OSError as error:
            raise OutputError(
                f"cannot write {path}: {error.strerror}",
                hint=f"choose another place with {flag}: nothing was sent",
            ) from None
        self.size = os.fstat(self._fd).st_size if self.is_regular else 0
        self._syncing: threading.Thread | None = None
        self._sync_failed: OSError | None = None
        self._is_dirty = False
        # The name of a new file has to reach the disk, too.
        self._is_new = self.is_regular and not self.size

    def _open(self) -> int:
        while True:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            self._lock(fd)
            # Whoever had the lock may have replaced the file.
            if self._is_in_place(fd):
                return fd
            os.close(fd)

    def _lock(self, fd: int) -> None:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            raise UsageError(
                f"another clinecli batch is writing {self.name}: nothing was sent",
                hint=f"wait until it ends, or give another {self._flag}",
            ) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            self.has_lock = False

    def set_aside(self) -> str | None:
        """Move what is there to another name, and begin anew; that name, None for an empty file."""
        if not self.size:
            return None
        aside = set_aside(self._path)
        try:
            old, self._fd = self._fd, self._open()
        except OSError as error:
            self._fail(error)
        os.close(old)
        self.size, self._is_new = 0, True
        return aside

    def keep(self, extent: Extent) -> None:
        """Let everything go that is not in `extent`."""
        stretches = extent.stretches
        end = stretches[-1][1] if stretches else 0
        try:
            if stretches not in ([], [(0, end)]):
                self._replace(stretches)
            elif self.size > end:
                os.ftruncate(self._fd, end)
                self.size = end
        except OSError as error:
            self._fail(error)

    def rewrite(self, stretches: Iterable[tuple[int, int]]) -> None:
        """Have some stretches (begin, end) of the file alone, in their order."""
        try:
            self._replace(_joined(stretches))
        except OSError as error:
            self._fail(error)

    def _replace(self, stretches: Iterable[tuple[int, int]]) -> None:
        """Put a copy of some stretches in the file's place. It is locked before it is there."""
        directory, name = os.path.split(self._path)
        fd, temporary = tempfile.mkstemp(prefix=f".{name[:100]}.", suffix=".tmp", dir=directory)
        try:
            self._lock(fd)
            os.fchmod(fd, stat.S_IMODE(os.fstat(self._fd).st_mode))
            for begin, end in stretches:
                for at in range(begin, end, _BLOCK):
                    write_all(fd, os.pread(self._fd, min(_BLOCK, end - at), at))
            os.fsync(fd)
            Path(temporary).replace(self._path)
        except BaseException:
            os.close(fd)
            Path(temporary).unlink()
            raise
        os.close(self._fd)
        # Opened anew to append: the other descriptor keeps the lock until then.
        self._fd = fd
        flags = fcntl.fcntl(fd, fcntl.F_GETFL)
        fcntl.fcntl(fd, fcntl.F_SETFL, flags | os.O_APPEND)
        self.size = os.fstat(fd).st_size
        _sync_directory(directory)

    def append(self, data: bytes) -> int:
        """Write whole lines, in one call; gives their offset.

        Raises `OutputError`, and `ClosedPipe`.
        """
        if self._sync_failed:
            self._fail(self._sync_failed)
        try:
            written = os.write(self._fd, data)
            if written < len(data):
                # A pipe; or a full disk, which the next call tells.
                write_all(self._fd, data[written:])
        except BrokenPipeError:
            raise ClosedPipe from None
        except OSError as error:
            if self.is_regular:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._fd, self.size)
            self._fail(error)
        self.size += len(data)
        self._is_dirty = True
        return self.size - len(data)

    def line_at(self, offset: int) -> bytes:
        """The line that begins at an offset."""
        pieces: list[bytes] = []
        while piece := os.pread(self._fd, _PIECE, offset):
            end = piece.find(b"\n") + 1
            pieces.append(piece[: end or None])
            if end:
                break
            offset += len(piece)
        return b"".join(pieces)

    def sync_soon(self) -> None:
        """Have what was written reach the disk, beside whatever else is done."""
        if (
            not self._is_dirty
            or not self.is_regular
            or (self._syncing and self._syncing.is_alive())
        ):
            return
        self._is_dirty = False
        self._syncing = threading.Thread(target=self._sync, daemon=True)
        self._syncing.start()

    def sync(self) -> None:
        """Have everything reach the disk, where it is found by its name. Raises `OutputError`."""
        if self._syncing:
            self._syncing.join()
        if self.is_regular and self._is_dirty:
            self._sync()
        if self._sync_failed:
            self._fail(self._sync_failed)
        if self.is_regular and not self._is_in_place(self._fd):
            raise OutputError(
                f"{self.name} was moved or removed while it was written",
                hint="results are in the file that was moved: put it back, and run the same "
                "command again",
            )

    def _is_in_place(self, fd: int) -> bool:
        """Whether an open file is the one that has the name."""
        try:
            return os.path.samestat(os.fstat(fd), os.stat(self._path))  # noqa: PTH116
        except FileNotFoundError:
            return False

    def _sync(self) -> None:
        try:
            getattr(os, "fdatasync", os.fsync)(self._fd)
            if self._is_new:
                self._is_new = False
                _sync_directory(os.path.split(self._path)[0])
        except OSError as error:
            self._sync_failed = error

    def _fail(self, error: OSError) -> NoReturn:
        raise OutputError(
            f"cannot write {self.name}: {error.strerror}",
            hint="what is in it stays: make room or choose another place, and run the same "
            "command again to continue",
        ) from None


def set_aside(path: str) -> str:
    """Give a file the first free name of `FILE.1`, `FILE.2`, …; that name. Raises `OutputError`."""
    number = 1
    while os.path.lexists(aside := f"{path}.{number}"):
        number += 1
    try:
        Path(path).rename(aside)
    except OSError as error:
        raise OutputError(f"cannot move {path} aside: {error.strerror}") from None
    return aside


def has_content(path: str) -> bool:
    """Whether there is a file that is not empty."""
    return Path(path).is_file() and Path(path).stat().st_size > 0


def is_regular(path: str) -> bool:
    """Whether there is a regular file, or nothing yet. What is open already, as /dev/stdout is,
    counts as a stream."""
    if path.startswith("/dev/"):
        return False
    try:
        return stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116
    except OSError:
        return True


def _joined(stretches: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The same stretches, those that follow each other as one."""
    begin = end = 0
    for first, last in stretches:
        if first != end:
            if end > begin:
                yield begin, end
            begin = first
        end = last
    if end > begin:
        yield begin, end


def _sync_directory(path: str) -> None:
    """Have a new name of a file reach the disk, where the system can."""
    with contextlib.suppress(OSError):
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
