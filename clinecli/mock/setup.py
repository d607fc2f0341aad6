"""Flags to what the mock does. Raises `UsageError` for what cannot be."""

from __future__ import annotations

import math

from clinecli.errors import UsageError
from clinecli.jsontext import parse_json
from clinecli.mock.api import MockApi, Scenario
from clinecli.mock.faults import FaultPlan, parse_fault
from clinecli.mock.recording import read_exchanges
from clinecli.mock.replay import Recordings
from clinecli.options.mock import MockOptions
from clinecli.streams.inputs import read_text
from clinecli.text import argument


def make_api(options: MockOptions) -> MockApi:
    """The API as the flags describe it."""
    for name in ("delay", "latency"):
        seconds: float = getattr(options, name)
        if not (math.isfinite(seconds) and seconds >= 0):
            raise UsageError(f"--{name} {seconds:g} is not a number of seconds")
    if not 0 <= (options.port or 0) <= 65535:
        raise UsageError(f"--port {options.port} is not between 0 and 65535")
    return MockApi(
        Scenario(
            delay=options.delay,
            latency=options.latency,
            reply=_reply(options.reply),
            faults=FaultPlan(map(parse_fault, options.fault or [])),
            recordings=_recordings(options),
            speed=1.0 if options.replay_speed is None else options.replay_speed,
        )
    )


def _reply(given: str | None) -> str | None:
    if given is None:
        return None
    if given.startswith("@"):
        return read_text(given[1:])
    # Arguments that are not UTF-8 come as lone surrogates.
    return argument(given, "--reply")


def _recordings(options: MockOptions) -> Recordings | None:
    path, speed = options.replay, options.replay_speed
    if path is None:
        if options.strict or speed is not None:
            flag = "--strict" if options.strict else "--replay-speed"
            raise UsageError(f"{flag} is for recordings", hint="name one with --replay FILE")
        return None
    if speed is not None and not speed > 0:
        raise UsageError(f"--replay-speed {speed:g} is not above 0", hint="1 is as recorded")
    exchanges = read_exchanges(parse_json(read_text(path), path), path)
    return Recordings(exchanges, strict=options.strict)
