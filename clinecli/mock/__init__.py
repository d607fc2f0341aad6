"""`clinecli mock`: a local double of the API, alone or around a command."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NoReturn

from clinecli.errors import RejectedError, UsageError
from clinecli.options.mock import MockOptions

if TYPE_CHECKING:
    from clinecli.mock.server import MockServer

_FORMS = "clinecli mock -- COMMAND… (runs it against the mock), or clinecli mock --port 0 (serves)"


def run(options: MockOptions) -> int:
    """Run the command and return its status; without one, serve until a signal ends it.

    Raises `UsageError` for bad flags, unreadable input and a port that cannot be had, and
    `RejectedError` when all was well but for a request that a strict recording lacks.
    """
    if options.record is not None:
        from clinecli.mock.record import record

        return record(options)
    from clinecli.mock.server import MockServer
    from clinecli.mock.setup import make_api

    if not options.command and options.port is None:
        raise UsageError("mock needs a command to run or a port to serve on", hint=_FORMS)
    api = make_api(options)
    with MockServer(api, options.port or 0) as server:
        if not options.command:
            _serve(server.start().base_url)
        from clinecli.mock.wrapper import run_command

        status = run_command(options.command, server)
    return _judge(status, api.misses)


def mock_server(options: MockOptions) -> MockServer:
    """A server as the flags describe it, started: a context manager that closes it.

    Raises `UsageError`.
    """
    from clinecli.mock.server import MockServer
    from clinecli.mock.setup import make_api

    return MockServer(make_api(options), options.port or 0).start()


def _judge(status: int, misses: list[str]) -> int:
    """The status of the command, unless it took what was refused here for a success."""
    if misses:
        others = f" (and {len(misses) - 1} more)" if len(misses) > 1 else ""
        error = RejectedError(
            f"--strict: {misses[0]}{others}",
            hint="record it anew, or ask what was recorded",
        )
        if status == 0:
            raise error
        from clinecli.streams.console import Console

        Console().error(error)
    return status


def _serve(base_url: str) -> NoReturn:
    from clinecli.streams.stdout import StdoutSink

    stdout = StdoutSink()
    stdout.write(base_url.encode() + b"\n")
    stdout.flush()
    # Not one endless wait: a signal that comes just before it would go unnoticed.
    while True:
        time.sleep(1.0)
