"""Processes on a pseudo-terminal."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import termios
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from tests.helpers.process import CLI, PATIENCE


class Terminal:
    """A process with a pseudo-terminal for some of its standard streams.

    `streams` are the descriptors on the terminal; stdin is else /dev/null, the others are
    pipes. The terminal neither echoes nor turns LF into CRLF, so `output` is what was written;
    ^C and ^D (bytes to `type`) work, and `control` makes it the controlling terminal.
    """

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        *,
        streams: Sequence[int] = (0, 1, 2),
        control: bool = False,
    ) -> None:
        self._master, slave = os.openpty()
        mode = termios.tcgetattr(slave)
        mode[1] &= ~termios.OPOST
        mode[3] &= ~termios.ECHO
        termios.tcsetattr(slave, termios.TCSANOW, mode)
        if control:
            command = [sys.executable, "-c", _TAKE_CONTROL, *command]
        self.output = b""
        self.process = subprocess.Popen(
            command,
            env=dict(env),
            stdin=slave if 0 in streams else subprocess.DEVNULL,
            stdout=slave if 1 in streams else subprocess.PIPE,
            stderr=slave if 2 in streams else subprocess.PIPE,
        )
        os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.communicate()
        os.close(self._master)

    def type(self, data: bytes) -> None:
        """Press keys."""
        os.write(self._master, data)

    def read_until(self, marker: bytes) -> bytes:
        """Everything on the terminal so far, once `marker` is part of it."""
        while marker not in self.output:
            assert self._read_more(), f"{marker!r} never came: {self.output!r}"
        return self.output

    def finish(self) -> tuple[int, bytes, bytes]:
        """Exit status, what was written to the terminal, and what came through the pipes."""
        while self._read_more():
            pass
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, self.output, (out or b"") + (err or b"")

    def _read_more(self) -> bool:
        readable, _, _ = select.select([self._master], [], [], PATIENCE)
        assert readable, f"the terminal is silent: {self.output!r}"
        try:
            data = os.read(self._master, 65536)
        except OSError:
            return False  # Linux ends a pty with EIO.
        self.output += data
        return bool(data)


_TAKE_CONTROL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""


def run_on_terminal(
    arguments: Sequence[str], env: Mapping[str, str], **options: Any
) -> tuple[int, bytes, bytes]:
    """Run clinecli on a terminal to its end: as `Terminal.finish`."""
    with Terminal([*CLI, *arguments], env, **options) as terminal:
        return terminal.finish()
