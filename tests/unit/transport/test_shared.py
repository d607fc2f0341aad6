"""64 threads on one transport, faults in half of the replies: nothing crosses over."""

from __future__ import annotations

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest

from clinecli.config.base_url import parse_base_url
from clinecli.config.secret import Secret
from clinecli.config.settings import Settings
from clinecli.errors import ClinecliError, Code
from clinecli.transport.client import JSON, Call, Transport
from clinecli.transport.connection import Connection
from clinecli.transport.deadline import Deadline
from clinecli.transport.replies import whole_reply
from tests.helpers.kept import Close, KeptServer, Request
from tests.helpers.replies import completion
from tests.helpers.tls import Authority

THREADS, CALLS = 64, 12
PATIENCE = 120.0


class Outcome(NamedTuple):
    """What one call came to, as far as it is its own. Each call has numbers of its own."""

    text: str = ""
    request_id: str | None = None
    code: Code | None = None
    server_code: str | None = None
    http_status: int | None = None
    retry_after: float | None = None
    message: str = ""


def answered(text: bytes, number: int, status: str = "200 OK", more: str = "") -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nX-Request-Id: id-{number}\r\n"
        f"{more}Content-Length: {len(text)}\r\n\r\n"
    )
    return head.encode() + text


def whole(connection: socket.socket, number: int) -> None:
    connection.sendall(answered(completion(f"reply {number}"), number))


def chunked(connection: socket.socket, number: int) -> None:
    text = completion(f"reply {number}")
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Request-Id: id-{number}\r\n"
        f"Transfer-Encoding: chunked\r\n\r\n{len(text):x}\r\n"
    )
    connection.sendall(head.encode() + text)
    connection.sendall(b"\r\n0\r\n\r\n")


def rate_limit(connection: socket.socket, number: int) -> None:
    text = f'{{"error":{{"code":"code-{number}","message":"wait {number}"}}}}'.encode()
    more = f"Retry-After: {number}\r\n"
    connection.sendall(answered(text, number, "429 Too Many Requests", more))


def broken_server(connection: socket.socket, number: int) -> None:
    text = f'{{"error":{{"code":"code-{number}","message":"broken {number}"}}}}'.encode()
    connection.sendall(answered(text, number, "500 Internal Server Error"))


def cut(connection: socket.socket, number: int) -> None:
    connection.sendall(answered(completion(f"reply {number}"), number)[:-9])
    raise Close


def never(connection: socket.socket, _: int) -> None:
    """Until the client gives up and goes."""
    while connection.recv(65536):
        pass
    raise Close


def patience(number: int) -> float:
    """The seconds of a call that is not answered: not those of any other."""
    return round(0.2 + number / 10_000, 4)


ANSWERS: tuple[Callable[[socket.socket, int], None], ...] = (
    whole,
    rate_limit,
    chunked,
    broken_server,
    whole,
    cut,
    chunked,
    never,
)


def expected(number: int) -> Outcome:
    """What has to become of a call."""
    mine = f"id-{number}"
    answer = ANSWERS[number % len(ANSWERS)]
    if answer is rate_limit:
        return Outcome("", mine, None, f"code-{number}", 429, number, f"wait {number}")
    if answer is broken_server:
        return Outcome("", mine, None, f"code-{number}", 500, None, f"broken {number}")
    if answer is cut:
        return Outcome("", mine, Code.CUT, None, None, None, "before the reply was complete")
    if answer is never:
        return Outcome("", None, Code.TIMEOUT, message=f"within {patience(number):g} s")
    return Outcome(f"reply {number}", mine)


def serve(connection: socket.socket, request: Request) -> None:
    number = int(request.header("X-Number"))
    ANSWERS[number % len(ANSWERS)](connection, number)


def one_call(
    sender: Transport, number: int, kept: Connection | None
) -> tuple[Outcome, Connection | None]:
    is_slow = ANSWERS[number % len(ANSWERS)] is never
    call = Call(
        "POST",
        "/chat/completions",
        Deadline(patience(number) if is_slow else PATIENCE),
        body=b"{}",
        headers=(*JSON, ("X-Number", str(number))),
        key=Secret(f"sk-test-of-call-{number}"),
    )
    answer = None
    try:
        with sender.send(call, kept) as answer:
            event = whole_reply(answer)
        outcome = Outcome(event.delta.text, answer.request_id)
    except ClinecliError as error:
        wanted = expected(number)
        outcome = Outcome(
            "",
            error.request_id,
            error.code if wanted.code else None,
            error.server_code,
            error.http_status,
            error.retry_after,
            wanted.message if wanted.message in error.message else error.message,
        )
    return outcome, answer.kept if answer else None


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_nothing_crosses_over(scheme: str, authority: Authority, ca_file: str) -> None:
    context = authority.valid() if scheme == "https" else None
    with KeptServer(serve, context) as server:
        settings = Settings(
            parse_base_url(server.url, "test"), "test", "m", "test", proxy="", ca_file=ca_file
        )
        sender = Transport(settings, {})

        def work(thread: int) -> list[Outcome]:
            kept, outcomes = None, []
            for number in range(thread * CALLS, (thread + 1) * CALLS):
                outcome, kept = one_call(sender, number, kept)
                outcomes.append(outcome)
            if kept:
                kept.close()
            return outcomes

        with ThreadPoolExecutor(THREADS) as pool:
            outcomes = [outcome for done in pool.map(work, range(THREADS)) for outcome in done]
    assert outcomes == [expected(number) for number in range(THREADS * CALLS)]
    # One connection for each thread, and another one after each cut and each silence.
    faults = sum(ANSWERS[n % len(ANSWERS)] in (cut, never) for n in range(THREADS * CALLS))
    assert server.connections <= THREADS + faults
    # Every key was its own call's.
    for request in server.requests:
        key = f"sk-test-of-call-{request.header('X-Number')}"
        assert request.header("Authorization") == f"Bearer {key}"
