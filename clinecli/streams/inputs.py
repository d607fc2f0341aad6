"""What the user names or pipes in: all of it within one limit of size, and of time."""

from __future__ import annotations

import os
import select
import stat
import time
from collections.abc import Callable
from typing import NamedTuple

from clinecli.errors import UsageError
from clinecli.reading import MIB, TooLarge, read_file
from clinecli.streams.descriptors import STDIN, read_when_ready
from clinecli.text import decode_text

INPUT_BYTES = 64 * MIB
INPUT_SECONDS = 600.0
SILENCE_SECONDS = 2.0
_PIECE_BYTES = 1 * MIB


class Limit(NamedTuple):
    """How many bytes one input may have, which inputs that holds for, and what to do then."""

    size: int
    whose: str
    hint: str


class Reader:
    """Reads inputs that have at most 64 MiB together; files take at most `seconds` together.

    Raises `UsageError` for what cannot be read.
    """

    def __init__(self, seconds: float = INPUT_SECONDS) -> None:
        self._bytes_left = INPUT_BYTES
        self._seconds = seconds
        self._seconds_left = seconds

    def read(self, path: str, limit: Limit | None = None) -> bytes:
        """The content of a file, of which `limit` may allow less than what is left."""
        most = min(self._bytes_left, limit.size) if limit else self._bytes_left
        started = time.monotonic()
        try:
            data = read_file(path, limit=most, seconds=self._seconds_left)
        except TimeoutError:
            raise UsageError(
                f"{path} could not be read within {self._seconds:g} s (--timeout)",
                hint="is it a named pipe that nobody writes, or on a disk that does not answer?",
            ) from None
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from None
        except TooLarge:
            if limit and most == limit.size:
                message = f"{path} has more than the {most // MIB} MiB that {limit.whose} may have"
                raise UsageError(message, hint=limit.hint) from None
            raise _too_large(path) from None
        self._bytes_left -= len(data)
        self._seconds_left -= time.monotonic() - started
        return data

    def text(self, path: str) -> str:
        """A file's text."""
        return decode_text(self.read(path), path)

    def stdin(
        self, on_silence: Callable[[], None] | None = None, *, is_needed: bool = False
    ) -> bytes:
        """Everything on stdin, which may take its time once it has begun.

        `on_silence` is called when nothing has come for two seconds. Where there is other input,
        nothing within the time for files is an error; where stdin `is_needed`, it is waited for.
        """
        pieces = []
        try:
            if on_silence and not stat.S_ISREG(os.fstat(STDIN).st_mode):
                self._wait_for_stdin(on_silence, None if is_needed else self._seconds)
            while piece := read_when_ready(STDIN, _PIECE_BYTES):
                pieces.append(piece)
                self._bytes_left -= len(piece)
                if self._bytes_left < 0:
                    raise _too_large("stdin")
        except OSError as error:
            raise UsageError(
                f"cannot read stdin: {error.strerror}", hint="--no-stdin does not read it"
            ) from None
        return b"".join(pieces)

    def _wait_for_stdin(self, on_silence: Callable[[], None], seconds: float | None) -> None:
        """Wait until stdin has bytes or an end."""
        first = SILENCE_SECONDS if seconds is None else min(SILENCE_SECONDS, seconds)
        if select.select([STDIN], [], [], first)[0]:
            return
        on_silence()
        if not select.select([STDIN], [], [], None if seconds is None else seconds - first)[0]:
            raise UsageError(
                f"stdin stayed silent for {seconds:g} s (--timeout)",
                hint="--no-stdin does not read it; neither does an empty one: </dev/null",
            )


def has_empty_stdin() -> bool:
    """Whether stdin, which has been read and was empty, is something that was to hold input: a
    pipe or a file, and not /dev/null."""
    mode = os.fstat(STDIN).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISREG(mode)


def read_text(path: str) -> str:
    """The text of a file that is the only input. Raises `UsageError`."""
    return Reader().text(path)


def _unreadable(path: str, error: Exception) -> UsageError:
    reason = (error.strerror if isinstance(error, OSError) else None) or "not a valid path"
    return UsageError(f"cannot read {path}: {reason}", hint="check the path and its permissions")


def _too_large(name: str) -> UsageError:
    return UsageError(
        f"with {name}, the input has more than the {INPUT_BYTES // MIB} MiB that it may have",
        hint="give less of it at a time",
    )
