"""Run a command against the mock, as `env` or `timeout` would run it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from clinecli.errors import UsageError
from clinecli.streams.console import Console

KEY = "mock-key"
_LOCAL = ("127.0.0.1", "localhost")
# The statuses that shells and `env` use (POSIX, "Exit Status for Commands").
NOT_FOUND = 127
NOT_EXECUTABLE = 126


def command_environment(environment: Mapping[str, str], base_url: str) -> dict[str, str]:
    """The user's environment with the mock in the place of the API."""
    given = [environment.get(name, "") for name in ("NO_PROXY", "no_proxy")]
    entries = [entry.strip() for value in given for entry in value.split(",")]
    no_proxy = ",".join(dict.fromkeys([*filter(None, entries), *_LOCAL]))
    return {
        **environment,
        "CLINE_API_BASE_URL": base_url,
        "CLINE_API_KEY": KEY,
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
    }


def run_command(command: list[str], base_url: str) -> int:
    """Run a command to its end and return its status, 128+N when signal N ended it.

    One that cannot be run is told in one line: 127 when it is not there, 126 otherwise.
    """
    relay = _Relay()
    with relay.installed():
        try:
            child = subprocess.Popen(
                command,
                env=command_environment(os.environ, base_url),
                # The shell's own descriptors, such as those of <(…), go on to the command;
                # Python's are not inheritable.
                close_fds=False,
            )
        except FileNotFoundError:
            return _cannot_run(command[0], "no such command", NOT_FOUND)
        except OSError as error:
            return _cannot_run(command[0], str(error.strerror), NOT_EXECUTABLE)
        relay.start(child)
        status = child.wait()
    return status if status >= 0 else 128 - status


def _cannot_run(name: str, reason: str, status: int) -> int:
    Console().error(UsageError(f"cannot run {name}: {reason}"))
    return status


class _Relay:
    """Passes the signals that are meant for the command on to it."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Take the signals over for a while. What is ignored stays so, for the command too."""
        before = {}
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, self._receive)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def start(self, child: subprocess.Popen[bytes]) -> None:
        """Name the command, and pass on what came while it was being started."""
        self._child = child
        for number in self._early:
            child.send_signal(number)

    def _receive(self, number: int, _: object) -> None:
        if number == signal.SIGINT and _in_foreground():
            # The terminal sends it to the whole foreground group, the command included.
            return
        if self._child:
            self._child.send_signal(number)
        else:
            self._early.append(number)


def _in_foreground() -> bool:
    """Whether this process belongs to the foreground group of a terminal."""
    with suppress(OSError):
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
        try:
            return os.tcgetpgrp(terminal) == os.getpgrp()
        finally:
            os.close(terminal)
    return False
