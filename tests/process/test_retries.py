"""Retries: what is tried again, how often, and what is never tried again.

Retry-After: 0 keeps the waits away where they are not the point.
"""

from __future__ import annotations

import json
import re
import socket
import struct
from collections.abc import Callable
from email.utils import formatdate
from typing import Any, NamedTuple

import pytest

from tests.helpers.process import BOTH_COMMANDS, failure, no_traceback, run
from tests.helpers.replies import (
    ANSWER,
    STREAM_HEAD,
    completion,
    delta,
    event_stream,
    http_chunk,
    response,
)
from tests.helpers.servers import RawServer

NOTE = r"clinecli: (.+); trying again in ([0-9.]+) s \(([0-9]+)\)"


def error(status: int, code: str | None = None, *, wait: str | None = "0") -> bytes:
    body = json.dumps({"error": {"code": code or status, "message": "no luck"}}).encode()
    headers = {"retry_after": wait} if wait else {}
    return response(body, status=f"{status} Error", **headers)


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Script:
    """A server that answers each request with the next of its answers, the last for ever."""

    def __init__(self, *answers: bytes | Callable[[socket.socket], None]) -> None:
        self._answers = answers

    def __call__(self, connection: socket.socket, number: int) -> None:
        answer = self._answers[min(number, len(self._answers) - 1)]
        if callable(answer):
            answer(connection)
        else:
            connection.sendall(answer)


class Case(NamedTuple):
    """The answers before the good one; how many requests, retries noted and status result."""

    answers: tuple[Any, ...]
    requests: int
    status: int
    arguments: tuple[str, ...] = ()


CASES: dict[str, Case] = {
    "429-once": Case((error(429),), 2, 0),
    "429-with-a-fraction": Case((error(429, wait="0.05"),), 2, 0),
    "429-with-a-past-date": Case((error(429, wait=formatdate(0, usegmt=True)),), 2, 0),
    "503-three-times": Case((error(503),) * 3, 4, 0),
    "503-four-times": Case((error(503),) * 4, 4, 10),
    "502-then-504-then-529": Case((error(502), error(504), error(529)), 4, 0),
    "500-once": Case((error(500),), 2, 0),
    "500-twice": Case((error(500),) * 2, 2, 10),
    "500-after-429": Case((error(429), error(500)), 2, 10),
    "more-retries-than-by-default": Case((error(503),) * 5, 6, 0, ("--retries", "5")),
    "no-retries": Case((error(503),), 1, 10, ("--retries", "0")),
    "hang-up": Case((lambda connection: None,), 2, 0),
    "reset": Case((reset,), 2, 0),
    "400": Case((error(400),), 1, 9),
    "401": Case((error(401),), 1, 4),
    "402": Case((error(402),), 1, 5),
    "404": Case((error(404),), 1, 9),
    "spend-limit": Case((error(429, "SPEND_LIMIT_EXCEEDED"),), 1, 5),
    "context-that-comes-as-500": Case((error(500, "context_length_exceeded"),), 1, 9),
    "empty-reply": Case((response(completion("")),), 1, 11),
    "html": Case((response(b"<html>", content_type="text/html"),), 1, 11),
    "wait-beyond-the-deadline": Case((error(429, wait="3600"),), 1, 10),
    "date-beyond-the-deadline": Case(
        (error(503, wait=formatdate(4_102_444_800, usegmt=True)),), 1, 10
    ),
    "backoff-beyond-the-deadline": Case((error(503, wait=None),), 1, 10, ("--timeout", "0.9")),
}


@BOTH_COMMANDS
@pytest.mark.parametrize("name", CASES)
def test_retries(command: str, name: str, env: dict[str, str]) -> None:
    case = CASES[name]
    with RawServer(Script(*case.answers, ANSWER[command])) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run([command, *case.arguments, "hi"], env)
    no_traceback(done)
    assert (len(server.requests), done.returncode) == (case.requests, case.status)
    assert done.stdout == (b"Paris.\n" if case.status == 0 else b"")
    lines = done.stderr.decode().splitlines()
    notes, rest = lines[: case.requests - 1], lines[case.requests - 1 :]
    told = [re.fullmatch(NOTE, line) for line in notes]
    assert [note and int(note[3]) for note in told] == list(range(1, case.requests))
    assert len(rest) == (2 if case.status else 0)
    # Nothing differs between one attempt and the next.
    assert len(set(server.requests)) == 1


def test_note_names_the_cause_and_the_wait(env: dict[str, str]) -> None:
    with RawServer(Script(error(429), ANSWER["ask"])) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["ask", "hi"], env)
    assert done.stderr.decode() == (
        "clinecli: rate limit reached: no luck (HTTP 429); trying again in 0.0 s (1)\n"
    )


def test_quiet_silences_the_note_and_not_the_error(env: dict[str, str]) -> None:
    with RawServer(error(500)) as server:
        env["CLINE_API_BASE_URL"] = server.url
        message, _ = failure(run(["ask", "-q", "hi"], env), 10)
    assert len(server.requests) == 2
    assert message == "the server failed: no luck (HTTP 500)"


def test_the_first_wait_is_about_a_second(env: dict[str, str]) -> None:
    with RawServer(Script(error(503, wait=None), ANSWER["ask"])) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["ask", "hi"], env)
    note = re.fullmatch(NOTE + r"\n", done.stderr.decode())
    assert note
    # 1 s and at most a quarter of it as jitter.
    assert 1.0 <= float(note[2]) <= 1.3
    assert done.returncode == 0


def chunk(**error_fields: str) -> bytes:
    return b"data: %s\n\n" % json.dumps({"error": error_fields}).encode()


BUSY = chunk(code="rate_limit", message="slow down")
CALL = {"index": 0, "id": "call_a", "type": "function", "function": {"name": "f", "arguments": "{"}}
PIECE = delta(delta={"tool_calls": [CALL]})
END_OF_CALL = delta(
    delta={"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]}, finish_reason="tool_calls"
)
CALL_LINE = b'{"id":"call_a","type":"function","function":{"name":"f","arguments":"{}"}}\n'
LAST_WORD = delta(finish_reason="error", error={"code": "rate_limit", "message": "slow down"})


class StreamCase(NamedTuple):
    first: bytes
    second: bytes
    requests: int
    status: int
    stdout: bytes
    arguments: tuple[str, ...] = ()


# A stream that fails with HTTP 200 on its way; waits are those of the backoff.
STREAM_CASES: dict[str, StreamCase] = {
    "before-output": StreamCase(
        event_stream(b": wait\n\n", delta(""), BUSY), ANSWER["stream"], 2, 0, b"Paris.\n"
    ),
    "after-output": StreamCase(event_stream(delta("Par"), BUSY), ANSWER["stream"], 1, 10, b"Par\n"),
    "after-json-output": StreamCase(
        event_stream(delta(""), BUSY),
        ANSWER["stream"],
        1,
        10,
        delta("")[6:-1] + BUSY[6:-1],
        ("-j",),
    ),
    "pieces-of-a-call-are-not-mixed": StreamCase(
        event_stream(PIECE, BUSY), event_stream(PIECE, END_OF_CALL), 2, 0, CALL_LINE
    ),
    "finish-of-the-first-does-not-complete-the-second": StreamCase(
        event_stream(LAST_WORD), event_stream(delta("Par")), 2, 11, b"Par\n"
    ),
    "no-retry-for-what-is-not-transient": StreamCase(
        event_stream(chunk(code="content_filter", message="no")), ANSWER["stream"], 1, 9, b""
    ),
    "no-retry-for-a-cut": StreamCase(
        STREAM_HEAD + http_chunk(delta("")), ANSWER["stream"], 1, 11, b""
    ),
}


@pytest.mark.parametrize("name", STREAM_CASES)
def test_stream_that_fails_after_200(name: str, env: dict[str, str]) -> None:
    case = STREAM_CASES[name]
    with RawServer(Script(case.first, case.second)) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["stream", "-q", *case.arguments, "hi"], env)
    no_traceback(done)
    assert (len(server.requests), done.returncode) == (case.requests, case.status)
    assert done.stdout == case.stdout


def test_ask_that_fails_after_200_is_tried_again(env: dict[str, str]) -> None:
    first = response(b'{"error":{"code":"rate_limit","message":"slow down"}}')
    with RawServer(Script(first, ANSWER["ask"])) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["ask", "-q", "hi"], env)
    assert (len(server.requests), done.returncode) == (2, 0)
    assert (done.stdout, done.stderr) == (b"Paris.\n", b"")


def test_idle_timeout_is_tried_once_more(env: dict[str, str]) -> None:
    def stall(connection: socket.socket) -> None:
        connection.recv(1)

    with RawServer(Script(stall)) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["ask", "-q", "--idle-timeout", "0.2", "hi"], env)
    message, _ = failure(done, 10)
    assert "--idle-timeout" in message
    assert len(server.requests) == 2


@pytest.mark.parametrize("value", ["-1", "2.5", "many"])
def test_retries_takes_a_whole_number(value: str, env: dict[str, str]) -> None:
    message, _ = failure(run(["ask", "--retries", value, "hi"], env), 2)
    assert "--retries" in message
