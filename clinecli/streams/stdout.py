"""stdout, and what else the reply may be written to."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING, TypeAlias

from clinecli.errors import OutputError
from clinecli.streams.descriptors import STDOUT, ClosedPipe, is_terminal, write_all
from clinecli.text import escape_json

if TYPE_CHECKING:
    from clinecli.streams.output import FileSink


class StdoutSink:
    """stdout. Raises `ClosedPipe` or `OutputError`.

    Control characters are escaped on a terminal, unless they are `ours`, as colours are. What is
    pending when all is discarded is written if the sink `keeps_partial` output.
    """

    def __init__(self, *, ours: bool = False, keeps_partial: bool = True) -> None:
        self.started = False
        self.terminal = is_terminal(STDOUT)
        self._pending: list[bytes] = []
        self._keeps_partial = keeps_partial
        self._escapes = self.terminal and not ours
        if fcntl.fcntl(STDOUT, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OutputError("stdout is closed", hint="redirect it to a file or a pipe")

    def write(self, data: bytes) -> None:
        """Take bytes in, to be written by the next `flush`."""
        if data:
            self.started = True
            self._pending.append(data)

    def flush(self) -> None:
        """Write what is pending, in one call."""
        if not self._pending:
            return
        data = b"".join(self._pending)
        self._pending.clear()
        if self._escapes:
            # Text has been through `TextRenderer`, which leaves nothing to do; this is for JSON.
            data = escape_json(data)
        try:
            write_all(STDOUT, data)
        except BrokenPipeError:
            raise ClosedPipe from None
        except OSError as error:
            raise OutputError(f"cannot write to stdout: {error.strerror}") from None

    def commit(self) -> None:
        """Flush: what is on stdout stays."""
        self.flush()

    def discard(self) -> None:
        """Flush partial output, or forget it."""
        if self._keeps_partial:
            self.flush()
        self._pending.clear()


Sink: TypeAlias = "StdoutSink | FileSink"


def open_sink(path: str | None, *, keeps_partial: bool = True) -> Sink:
    """stdout, or the file of `--output` (`-` is stdout), which never keeps partial output."""
    if path is None or path == "-":
        return StdoutSink(keeps_partial=keeps_partial)
    from clinecli.streams.output import FileSink

    return FileSink(path)
