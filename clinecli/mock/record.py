"""`mock --record`: requests go on to the real API, and the exchanges into a file.

Only the mock has the user's key. The command gets one that is made up for this run, and only
requests with that key are sent on with the user's.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from clinecli.config.keys import find_key
from clinecli.config.load import load_settings
from clinecli.config.secret import Redactor, Secret
from clinecli.errors import ClinecliError, UsageError
from clinecli.jsontext import dumps
from clinecli.mock.answers import Answer, Headers, Relay, Relayed, error_body
from clinecli.mock.faults import FaultPlan
from clinecli.mock.recording import Exchange, body_value
from clinecli.mock.redact import redact
from clinecli.mock.request import Request
from clinecli.options.common import NetworkOptions
from clinecli.options.mock import MockOptions
from clinecli.streams.console import Console
from clinecli.streams.output import FileSink
from clinecli.transport.client import Call, Transport
from clinecli.transport.deadline import Deadline

if TYPE_CHECKING:
    from clinecli.transport.exchange import Answer as ServerAnswer

# Where the command sees the root of the API.
_ROOT = "/api/v1"
# What a connection is about, and not a request; and what the transport says itself.
_NOT_SENT_ON = frozenset(
    {"accept", "accept-encoding", "authorization", "connection", "content-length", "cookie"}
    | {"expect", "host", "keep-alive", "proxy-authorization", "proxy-connection", "te"}
    | {"trailer", "transfer-encoding", "upgrade", "user-agent"}
)
_SENT_BACK = ("x-request-id", "retry-after", "location")
# How long answers that are under way when the command ends may still take.
_GRACE_SECONDS = 2.0
# Keys of this length are no secrets but what local servers take for one: `none`, `x`.
_NO_SECRET = 7


class Recorder:
    """An API that asks the real one, and keeps what was said."""

    misses: tuple[str, ...] = ()

    def __init__(self, transport: Transport, key: Secret, seconds: float) -> None:
        self.faults = FaultPlan()
        self.key = f"mock-{secrets.token_hex(16)}"
        self._transport = transport
        self._secret = key
        self._seconds = seconds
        # In the order in which they were asked for.
        self._exchanges: list[Exchange | None] = []
        self._left = threading.Semaphore(0)

    def answer(self, request: Request) -> Answer:
        """The answer of the real API, as it comes."""
        authorization = request.headers.get("authorization", "").encode()
        right = secrets.compare_digest(authorization, f"Bearer {self.key}".encode())
        if authorization and not right:
            return error_body(401, "this key is not that of the mock, which records")
        if not request.target.startswith(f"{_ROOT}/"):
            return error_body(404, f"no such endpoint: {request.path}")
        self._exchanges.append(None)
        return Relayed(partial(self._ask, request, len(self._exchanges) - 1, right))

    def exchanges(self) -> list[Exchange]:
        """What was recorded, redacted. Waits a moment for what is still under way."""
        end = time.monotonic() + _GRACE_SECONDS
        for _ in self._exchanges:
            self._left.acquire(timeout=max(0.0, end - time.monotonic()))
        known = self._secret if len(self._secret.reveal()) > _NO_SECRET else None
        redactor: Redactor = self._transport.redactor(known)
        return redact([each for each in self._exchanges if each], redactor)

    def _ask(self, request: Request, number: int, with_key: bool, relay: Relay) -> None:
        call = Call(
            request.method,
            request.target.removeprefix(_ROOT),
            Deadline(self._seconds),
            request.body,
            _headers(request),
            self._secret,
            sends_key=with_key,
        )
        try:
            with self._transport.send(call) as answer:
                self._relay(request, number, answer, relay)
        except ClinecliError as error:
            # One that would fail again is not to be tried again.
            status = 502 if error.retryable else 400
            relay.instead(error_body(status, f"the mock cannot ask the API: {error.text}"))
        finally:
            self._left.release()

    def _relay(self, request: Request, number: int, answer: ServerAnswer, relay: Relay) -> None:
        from clinecli.transport.exchange import MAX_BODY_BYTES

        pieces: list[tuple[float, bytes]] = []
        whole, size, last = False, 0, time.monotonic()
        try:
            relay.head(answer.status, answer.headers.get("content-type", ""), _headers_back(answer))
            while size <= MAX_BODY_BYTES and (piece := answer.read()):
                now = time.monotonic()
                pieces.append((now - last, piece))
                size, last = size + len(piece), now
                relay.data(piece)
            whole = size <= MAX_BODY_BYTES
        except ClinecliError:
            """The server broke off, and so does the mock."""
        finally:
            # Without a key, the mock itself says 401 when it replays.
            if answer.status != 401 or "authorization" in request.headers:
                self._exchanges[number] = _exchange(request, answer, pieces, cut=not whole)
        (relay.end if whole else relay.cut)()


def _headers(request: Request) -> Headers:
    """What is sent on. Header fields are bytes, which most programs mean as UTF-8."""
    return tuple(
        (name, value.encode("latin-1").decode("utf-8", "replace"))
        for name, value in request.headers.items()
        if name not in _NOT_SENT_ON
    )


def _headers_back(answer: ServerAnswer) -> Headers:
    return tuple((name, answer.headers[name]) for name in _SENT_BACK if name in answer.headers)


def _exchange(
    request: Request, answer: ServerAnswer, pieces: list[tuple[float, bytes]], *, cut: bool
) -> Exchange:
    exchange = Exchange(
        method=request.method,
        path=request.target,
        status=answer.status,
        content_type=answer.headers.get("content-type", ""),
        body=b"".join(piece for _, piece in pieces),
        request=body_value(request.body),
        retry_after=answer.headers.get("retry-after"),
        seconds=answer.timings.first_byte or 0.0,
        chunks=tuple((seconds, len(piece)) for seconds, piece in pieces),
        cut=cut,
    )
    if exchange.is_stream or cut:
        return exchange
    # Nobody sees the pieces of a whole reply.
    return exchange._replace(seconds=exchange.total_seconds, chunks=())


def record(options: MockOptions) -> int:
    """Run the command against the real API and return its status.

    Raises `ConfigError` for a missing key or a bad setting, `UsageError` for flags that are
    for a mock which answers itself, and `OutputError` for a file that cannot be written.
    """
    from clinecli.mock.server import MockServer
    from clinecli.mock.wrapper import run_command

    _check(options)
    settings = load_settings(NetworkOptions(), os.environ)
    key = find_key(settings, os.environ)
    transport = Transport(settings, os.environ)
    transport.trust()
    path = options.record or ""
    sink = FileSink(path, flag="--record", private=True)
    try:
        recorder = Recorder(transport, key.secret, settings.timeout)
        with MockServer(recorder, options.port or 0) as server:
            status = run_command(options.command or [], server, recorder.key)
        exchanges = recorder.exchanges()
        if exchanges:
            lines = b",\n".join(dumps(exchange.as_dict()) for exchange in exchanges)
            sink.write(b"[\n" + lines + b"\n]\n")
            sink.commit()
        else:
            Console().note(f"nothing was asked: {path} is not written")
    finally:
        sink.discard()
    return status


def _check(options: MockOptions) -> None:
    if not options.command:
        raise UsageError(
            "--record needs a command to run", hint="clinecli mock --record FILE -- COMMAND…"
        )
    for name in ("delay", "latency", "reply", "fault", "replay", "replay_speed", "strict"):
        if getattr(options, name) != MockOptions._field_defaults[name]:
            flag = f"--{name.replace('_', '-')}"
            raise UsageError(
                f"--record and {flag} exclude each other",
                hint="with --record, the real API answers",
            )
