"""Run a command against the mock, as `env` or `timeout` would run it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from clinecli.errors import UsageError
from clinecli.mock.server import MockServer
from clinecli.streams.console import Console

KEY = "mock-key"
_PROGRAM = "clinecli"
_PR_SET_PDEATHSIG = 1
_LOCAL = ("127.0.0.1", "localhost")
# The statuses that shells and `env` use (POSIX, "Exit Status for Commands").
NOT_FOUND = 127
NOT_EXECUTABLE = 126


def command_environment(
    environment: Mapping[str, str], base_url: str, key: str = KEY
) -> dict[str, str]:
    """The user's environment with the mock in the place of the API."""
    given = [environment.get(name, "") for name in ("NO_PROXY", "no_proxy")]
    entries = [entry.strip() for value in given for entry in value.split(",")]
    no_proxy = ",".join(dict.fromkeys([*filter(None, entries), *_LOCAL]))
    return {
        **environment,
        "CLINE_API_BASE_URL": base_url,
        "CLINE_API_KEY": key,
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
    }


def with_this_program(
    command: list[str], environment: Mapping[str, str]
) -> tuple[list[str], dict[str, str]]:
    """Command and environment in which `clinecli` means this very program, if PATH finds none.

    `python -m clinecli mock` needs no PATH, but its command may be `clinecli ask`. The program's
    own directory becomes the last one of PATH, so that nothing is put in the shade. Where no
    installer has put it anywhere, the command itself can still be this program.
    """
    directories = os.get_exec_path(environment)
    if any(map(_has_program, directories)):
        return command, dict(environment)
    if own := next(filter(_has_program, _script_directories()), None):
        return command, {**environment, "PATH": os.pathsep.join([*directories, own])}
    if command[0] == _PROGRAM and sys.executable:
        command = [sys.executable, "-m", _PROGRAM, *command[1:]]
    return command, dict(environment)


def _script_directories() -> Iterator[str]:
    """Where an installer puts the programs of this Python."""
    import sysconfig

    yield sysconfig.get_path("scripts")
    yield sysconfig.get_path("scripts", sysconfig.get_preferred_scheme("user"))


def _has_program(directory: str) -> bool:
    program = Path(directory, _PROGRAM)
    return program.is_file() and os.access(program, os.X_OK)


def run_command(command: list[str], server: MockServer, key: str = KEY) -> int:
    """Run a command to its end and return its status, 128+N when signal N ended it.

    One that cannot be run is told in one line: 127 when it is not there, 126 otherwise. The
    server, which listens already, answers as soon as the command is started: there is no second
    thread before the fork, so that Python code may run after it.
    """
    environment = command_environment(os.environ, server.base_url, key)
    words, environment = with_this_program(command, environment)
    end_with_parent = _end_with(os.getpid())
    relay = _SignalRelay()
    with relay.installed():
        try:
            child = _start(words, environment, relay, end_with_parent)
        except FileNotFoundError:
            return _cannot_run(command[0], "no such command", NOT_FOUND)
        except OSError as error:
            return _cannot_run(command[0], str(error.strerror), NOT_EXECUTABLE)
        server.start()
        status = child.wait()
    return status if status >= 0 else 128 - status


def _start(
    command: list[str],
    environment: dict[str, str],
    relay: _SignalRelay,
    end_with_parent: Callable[[], object],
) -> subprocess.Popen[bytes]:
    def prepare() -> None:
        end_with_parent()
        relay.let_go()

    try:
        relay.child = subprocess.Popen(
            command,
            env=environment,
            # The shell's own descriptors, such as those of <(…), go on to the command;
            # Python's are not inheritable.
            close_fds=False,
            preexec_fn=prepare,  # noqa: PLW1509
        )
    finally:
        relay.unblock()
    return relay.child


def _end_with(parent: int) -> Callable[[], object]:
    """What a new process does so that the kernel ends it when this one is gone, by SIGKILL too.

    Nothing but Linux can do that, and Linux does not for set-user-ID programs (prctl(2)).
    """
    try:
        import ctypes

        prctl = ctypes.CDLL(None).prctl
    except (ImportError, OSError, AttributeError):
        return lambda: None

    def ask_kernel() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)

    return ask_kernel


def _cannot_run(name: str, reason: str, status: int) -> int:
    Console().error(UsageError(f"cannot run {name}: {reason}"))
    return status


class _SignalRelay:
    """Passes the signals that are meant for the command on to it.

    `numbers` are those signals; what is ignored stays so, for the command too.
    """

    def __init__(self) -> None:
        self.child: subprocess.Popen[bytes] | None = None
        self._mask: set[int] = set()
        signals = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
        self.numbers = [each for each in signals if signal.getsignal(each) is not signal.SIG_IGN]

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Take the signals over for a while. They are blocked until `unblock`.

        So none is lost before there is a command, and none comes to the handlers of this
        program in the fork that becomes the command.
        """
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, self.numbers)
        before = {number: signal.signal(number, self._receive) for number in self.numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def unblock(self) -> None:
        """Let the signals come: those that are the command's can be passed on."""
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def let_go(self) -> None:
        """In the process that becomes the command: signals are as they were before."""
        for number in self.numbers:
            signal.signal(number, signal.SIG_DFL)
        self.unblock()

    def _receive(self, number: int, _: object) -> None:
        if number == signal.SIGINT and _in_foreground():
            # The terminal sends it to the whole foreground group, the command included.
            return
        if self.child:
            self.child.send_signal(number)


def _in_foreground() -> bool:
    """Whether this process belongs to the foreground group of a terminal."""
    with suppress(OSError):
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
        try:
            return os.tcgetpgrp(terminal) == os.getpgrp()
        finally:
            os.close(terminal)
    return False
