"""Replace a file as a whole: whoever reads it finds the old content or the new one.

The new content stands beside the file, under `.NAME.clinecli-TOKEN.tmp`, until it takes its place.
A signal that ends the process removes it. What a process that was killed outright leaves behind,
the next one that replaces the same file removes: a writer holds a lock on its temporary file, so
that one without a lock is nobody's any more.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from clinecli.streams.signals import before_death, no_longer

# What no file system supports everywhere: locks, syncing, foreign owners, extended attributes.
_UNSUPPORTED = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.ENOLCK, errno.EPERM, errno.EACCES}
_TOKEN_BYTES = 6
# Of 255 for a name, less what is put around it.
_LONGEST_NAME = 200


class Replacement:
    """The content that is to replace the file at `path`; `fd` is open for writing it.

    Links are followed: their target is replaced, and they stay. Owner, mode and extended
    attributes are those of the file that is there; a `private` one is the user's alone.
    Raises `OSError`, also when the place cannot be written.
    """

    def __init__(self, path: Path, *, private: bool = False) -> None:
        self.fd = -1
        self._path = Path(os.path.realpath(path))
        _remove_stale(self._path)
        earlier = _earlier(self._path)
        # Nobody else sees what the file will hold before it has its owner and mode.
        self._create(0o600 if earlier or private else 0o666)
        try:
            if earlier and not private:
                _resemble(self.fd, self._path, earlier)
        except BaseException:
            self.discard()
            raise

    def commit(self) -> None:
        """Put the content in its place, once it is on the disk."""
        with _where_supported():
            os.fsync(self.fd)
        self._temporary.replace(self._path)
        no_longer(self._unlink)
        os.close(self.fd)
        self.fd = -1

    def discard(self) -> None:
        """Leave the file as it was. Of no effect after `commit`."""
        if self.fd >= 0:
            self._unlink()
            no_longer(self._unlink)
            os.close(self.fd)
            self.fd = -1

    def _create(self, mode: int) -> None:
        while True:
            name = f"{_prefix(self._path)}{os.urandom(_TOKEN_BYTES).hex()}.tmp"
            self._temporary = self._path.parent / name
            # Before it is there, lest a signal comes between the two.
            before_death(self._unlink)
            try:
                self.fd = os.open(self._temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
            except BaseException as error:
                no_longer(self._unlink)
                if isinstance(error, FileExistsError):
                    continue
                raise
            with _where_supported():
                fcntl.flock(self.fd, fcntl.LOCK_EX)
            if os.fstat(self.fd).st_nlink:
                return
            # Another process found it before it was locked, and took it for a stale one.
            self.discard()

    def _unlink(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._temporary.unlink()


def _earlier(path: Path) -> os.stat_result | None:
    """What stands at a path. Raises `OSError` unless that is a file which may be written."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        number = errno.EISDIR if stat.S_ISDIR(found.st_mode) else errno.EINVAL
        raise OSError(number, os.strerror(number))
    if not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return found


def _resemble(fd: int, path: Path, earlier: os.stat_result) -> None:
    """Give a new file the owner, attributes (access lists are among them) and mode of another."""
    with _where_supported():
        os.fchown(fd, earlier.st_uid, earlier.st_gid)
    for name in _attributes(path):
        # What a user may not set, or a file system does not take.
        with contextlib.suppress(OSError):
            os.setxattr(fd, name, os.getxattr(path, name))
    os.fchmod(fd, stat.S_IMODE(earlier.st_mode))


def _attributes(path: Path) -> list[str]:
    """The names of a file's extended attributes, where there is such a thing."""
    try:
        return os.listxattr(path)
    except (OSError, AttributeError):
        return []


@contextlib.contextmanager
def _where_supported() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise


def _prefix(path: Path) -> str:
    name = os.fsencode(path.name)[:_LONGEST_NAME].decode("utf-8", "ignore")
    return f".{name}.clinecli-"


def _remove_stale(path: Path) -> None:
    """Remove temporary files for `path` whose writers are gone."""
    token = re.compile(f"[0-9a-f]{{{2 * _TOKEN_BYTES}}}\\.tmp")
    prefix = _prefix(path)
    with contextlib.suppress(OSError), os.scandir(path.parent) as entries:
        for entry in entries:
            if entry.name.startswith(prefix) and token.fullmatch(entry.name[len(prefix) :]):
                _remove_unlocked(entry.path)


def _remove_unlocked(path: str) -> None:
    with contextlib.suppress(OSError):
        fd = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            Path(path).unlink()
        finally:
            os.close(fd)
