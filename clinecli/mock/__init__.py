"""`clinecli mock`: a local double of the API, alone or around a command."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, NoReturn

from clinecli.errors import UsageError
from clinecli.options import MockOptions

if TYPE_CHECKING:
    from clinecli.mock.replay import Recordings
    from clinecli.mock.server import MockServer

_FORMS = "clinecli mock -- COMMAND… (runs it against the mock), or clinecli mock --port 0 (serves)"


def run(options: MockOptions) -> int:
    """Run the command and return its status; without one, serve until a signal ends it.

    Raises `UsageError` for bad flags, unreadable input and a port that cannot be had.
    """
    if not options.command and options.port is None:
        raise UsageError("mock needs a command to run or a port to serve on", hint=_FORMS)
    with mock_server(options) as server:
        if not options.command:
            _serve(server.base_url)
        from clinecli.mock.wrapper import run_command

        return run_command(options.command, server.base_url)


def mock_server(options: MockOptions) -> MockServer:
    """A server as the flags describe it, already listening: a context manager that closes it.

    Raises `UsageError`.
    """
    from clinecli.mock.api import MockApi, Scenario
    from clinecli.mock.faults import FaultPlan, parse_fault
    from clinecli.mock.server import MockServer

    if not (math.isfinite(options.delay) and options.delay >= 0):
        raise UsageError(f"--delay {options.delay:g} is not a number of seconds")
    port = options.port or 0
    if not 0 <= port <= 65535:
        raise UsageError(f"--port {port} is not between 0 and 65535")
    scenario = Scenario(
        delay=options.delay,
        reply=_reply(options.reply),
        faults=FaultPlan(map(parse_fault, options.fault or [])),
        recordings=_recordings(options.replay),
    )
    return MockServer(MockApi(scenario), port)


def _reply(given: str | None) -> str | None:
    from clinecli.streams.files import read_text
    from clinecli.text import decode_text

    if given is None:
        return None
    if given.startswith("@"):
        return read_text(given[1:])
    # Arguments that are not UTF-8 come as lone surrogates.
    return decode_text(given.encode("utf-8", "surrogateescape"), "--reply")


def _recordings(path: str | None) -> Recordings | None:
    from clinecli.jsontext import parse_json
    from clinecli.mock.replay import Recordings, read_exchanges
    from clinecli.streams.files import read_text

    if path is None:
        return None
    return Recordings(read_exchanges(parse_json(read_text(path), path), path))


def _serve(base_url: str) -> NoReturn:
    from clinecli.streams.stdio import StdoutSink

    stdout = StdoutSink()
    stdout.write(base_url.encode() + b"\n")
    stdout.flush()
    # Not one endless wait: a signal that comes just before it would go unnoticed.
    while True:
        time.sleep(1.0)
