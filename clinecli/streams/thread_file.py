"""Thread files: a conversation as a JSON array of messages, to which every turn is appended."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clinecli.errors import OutputError, UsageError
from clinecli.jsontext import dumps, parse_json
from clinecli.streams.atomic import Replacement
from clinecli.streams.descriptors import write_all
from clinecli.streams.inputs import Reader

# Others hold the lock for as long as it takes to write a file.
_LOCK_SECONDS = 60.0
_POLL_SECONDS = 0.02


def read_thread(path: str, reader: Reader) -> str:
    """The text of a thread file, empty when it does not exist yet.

    Raises `UsageError`, and `OutputError` when the new turn could not be appended later.
    """
    real = Path(os.path.realpath(path))
    try:
        mode = real.stat().st_mode
    except FileNotFoundError:
        mode = stat.S_IFREG
    except (OSError, ValueError) as error:
        raise _unwritable(path, getattr(error, "strerror", None) or "not a valid path") from None
    if not stat.S_ISREG(mode):
        raise UsageError(
            f"the thread {path} is not a file: it cannot be replaced",
            hint="give --thread a file, or the name of a new one",
        )
    if not os.access(real.parent, os.W_OK) or (real.exists() and not os.access(real, os.W_OK)):
        raise _unwritable(
            path, "Permission denied" if real.parent.is_dir() else "no such directory"
        )
    return reader.text(path) if real.exists() and real.stat().st_size else ""


def _unwritable(path: str, reason: str) -> OutputError:
    hint = "choose another place with --thread: nothing was sent"
    return OutputError(f"cannot write {path}: {reason}", hint=hint)


def append_turn(path: str, turn: list[dict[str, Any]]) -> None:
    """Append messages to a thread file: locked, so that no concurrent turn is lost, and atomic.

    The lock is on the directory, since the file itself is replaced. Raises `OutputError`.
    """
    real = Path(os.path.realpath(path))
    try:
        with _locked(real.parent):
            text = read_thread(path, Reader())
            messages = [*(parse_json(text, path) if text else []), *turn]
            lines = b",\n".join(dumps(message) for message in messages)
            replacement = Replacement(real)
            try:
                write_all(replacement.fd, b"[\n" + lines + b"\n]\n")
                replacement.commit()
            finally:
                replacement.discard()
    except OSError as error:
        raise OutputError(f"cannot append to {path}: {error.strerror}") from None


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Hold the lock of a directory. Raises `OSError` when others do not let go of it."""
    fd = os.open(directory, os.O_RDONLY)
    try:
        give_up = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > give_up:
                    raise
                time.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(fd)
