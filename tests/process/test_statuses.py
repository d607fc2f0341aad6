"""The exit-status table: what the API, a server in its place or the input makes of both commands.

Retries are off, so that stderr holds the error and its hint alone.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.helpers.env import KEY
from tests.helpers.process import BOTH_COMMANDS, COMMANDS, failure, no_traceback, run
from tests.helpers.replies import (
    DONE,
    STOP,
    STREAM_HEAD,
    completion,
    delta,
    event_stream,
    http_chunk,
    response,
)
from tests.helpers.servers import RawServer

Answer = bytes | Callable[[socket.socket, int], None]


class Case(NamedTuple):
    """`answer` is one for both commands, or one for each."""

    answer: Answer | tuple[Answer, Answer]
    status: int
    message: tuple[str, ...]
    hint: str
    stdout: bytes = b""
    arguments: tuple[str, ...] = ()

    def answer_to(self, command: str) -> Answer:
        if isinstance(self.answer, tuple):
            return self.answer[COMMANDS.index(command)]
        return self.answer


def http_error(status: str, body: bytes | str | dict[str, Any] = b"", **options: str) -> bytes:
    if isinstance(body, dict):
        body = json.dumps(body)
    return response(body if isinstance(body, bytes) else body.encode(), status=status, **options)


def documented(code: int | str, message: str, **fields: Any) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, **fields}}


def gateway(error: str | dict[str, Any]) -> dict[str, Any]:
    """The gateway's other shape, whose text may be JSON itself."""
    return {"success": False, "error": error if isinstance(error, str) else json.dumps(error)}


def both(text: str | None, finish_reason: str = "stop", **message: Any) -> tuple[bytes, bytes]:
    """The same reply whole and streamed."""
    content: dict[str, Any] = {"content": text} | message
    choice = {"index": 0, "message": content, "finish_reason": finish_reason}
    events = [delta(delta=content), delta(finish_reason=finish_reason), DONE]
    return response(json.dumps({"choices": [choice]}).encode()), event_stream(*events)


def failed(error: Any, *, top_level: bool = False) -> tuple[bytes, bytes]:
    """An error after HTTP 200: in the first choice, or at the top level."""
    entry: dict[str, Any] = {"index": 0, "finish_reason": "error", "error": error}
    chunk = {"error": error} if top_level else {"choices": [entry]}
    whole = chunk if top_level else {"choices": [entry | {"message": {"content": ""}}]}
    event = f"data: {json.dumps(chunk)}\n\n".encode()
    return response(json.dumps(whole).encode()), event_stream(event)


def reset(connection: socket.socket, _: int) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def hang_up(connection: socket.socket, _: int) -> None:
    """Close without a byte."""


CREDITS = {
    "code": "insufficient_credits",
    "current_balance": -0.14,
    "message": "Not enough credits available",
}
SPEND_LIMIT = {
    "code": "SPEND_LIMIT_EXCEEDED",
    "limit_scope": "organization",
    "budget_period": "monthly",
    "limit_usd": 100,
    "spent_usd": 100.25,
    "resets_at": "2026-12-01T00:00:00Z",
    "message": "Budget used up",
}
SPEND_WORDS = ("spend limit", "monthly", "100.25", "2026-12-01T00:00:00Z", "SPEND_LIMIT_EXCEEDED")
CLINE_PASS = "You have reached your weekly ClinePass limit. Please try again later."
FREE_LIMIT = "free limit reached on model minimax/minimax-m2.5, try again in 3 hours"
HTML = b"<!DOCTYPE html><html><body>Sign in to the hotel's network</body></html>"
NOT_API = "the answer is not from the API"
ADMIN, DRY_RUN, CREATE_KEY, ADD_CREDITS = (
    "administrator",
    "--dry-run",
    "the key is from CLINE_API_KEY",
    "add credits",
)
LATER, PORTAL, EMPTY, AGAIN = "try again later", "captive portal", "--max-tokens", "run it again"

CASES: dict[str, Case] = {
    # The key and what it may do
    "401": Case(
        http_error("401 Unauthorized", documented(401, "Invalid token"), x_request_id="req_7"),
        4,
        ("refused the key", "Invalid token", "HTTP 401", "req_7"),
        CREATE_KEY,
    ),
    "401-other-shape": Case(
        http_error("401 Unauthorized", gateway("Unauthorized: no session")),
        4,
        ("refused the key", "Unauthorized: no session", "HTTP 401"),
        CREATE_KEY,
    ),
    "401-html": Case(
        http_error("401 Unauthorized", HTML), 4, ("refused the key", "HTTP 401"), CREATE_KEY
    ),
    "401-that-echoes-the-key": Case(
        http_error(f"401 Unauthorized {KEY}", documented(KEY, f"bad key '{KEY}'")),
        4,
        ("refused the key", "bad key", "HTTP 401"),
        CREATE_KEY,
    ),
    "403": Case(
        http_error("403 Forbidden", documented(403, "No access")),
        4,
        ("No access", "HTTP 403"),
        "no access",
    ),
    "403-subscription": Case(
        http_error("403 Forbidden", gateway("the user is not subscribed to required model plan")),
        4,
        ("not subscribed", "HTTP 403"),
        "ClinePass subscription",
    ),
    # Money
    "402": Case(
        http_error("402 Payment Required", documented(402, "Insufficient balance")),
        5,
        ("out of credits", "Insufficient balance", "HTTP 402"),
        ADD_CREDITS,
    ),
    "402-nested-json": Case(
        http_error("402 Payment Required", gateway(CREDITS)),
        5,
        ("out of credits", "Not enough credits available", "insufficient_credits"),
        ADD_CREDITS,
    ),
    "402-no-body": Case(
        http_error("402 Payment Required"), 5, ("out of credits", "HTTP 402"), ADD_CREDITS
    ),
    "400-credit-code": Case(
        http_error("400 Bad Request", documented("insufficient_credits", "Balance is -0.14")),
        5,
        ("out of credits", "-0.14", "HTTP 400"),
        ADD_CREDITS,
    ),
    "200-credit-code-in-envelope": Case(
        response(json.dumps(gateway(CREDITS)).encode()),
        5,
        ("out of credits", "Not enough credits available", "insufficient_credits"),
        ADD_CREDITS,
    ),
    "429-spend-limit": Case(
        http_error("429 Too Many Requests", {"error": SPEND_LIMIT}), 5, SPEND_WORDS, ADMIN
    ),
    "429-spend-limit-nested-json": Case(
        http_error("429 Too Many Requests", gateway(SPEND_LIMIT)), 5, SPEND_WORDS, ADMIN
    ),
    "429-cline-pass": Case(
        http_error("429 Too Many Requests", documented(429, CLINE_PASS)),
        5,
        ("weekly ClinePass limit", "HTTP 429"),
        "resets",
    ),
    "429-free-model": Case(
        http_error("429 Too Many Requests", gateway(FREE_LIMIT)),
        5,
        (FREE_LIMIT, "HTTP 429"),
        "resets",
    ),
    # The request
    "400": Case(
        http_error("400 Bad Request", documented(400, "temperature: must be a number")),
        9,
        ("refused the request", "temperature: must be a number", "HTTP 400"),
        DRY_RUN,
    ),
    "400-plain-text": Case(
        http_error("400 Bad Request", b"Bad Request", content_type="text/plain"),
        9,
        ("refused the request", "HTTP 400"),
        DRY_RUN,
    ),
    "400-context": Case(
        http_error("400 Bad Request", documented("context_length_exceeded", "210000 > 200000")),
        9,
        ("longer than the model's context", "210000 > 200000", "context_length_exceeded"),
        "send less",
    ),
    "400-content-filter": Case(
        http_error("400 Bad Request", documented("content_filter", "flagged")),
        9,
        ("content filter", "flagged"),
        "rephrase",
    ),
    "404": Case(
        http_error("404 Not Found", b"404 page not found", content_type="text/plain"),
        9,
        ("not found", "HTTP 404"),
        "base URL",
    ),
    "404-model": Case(
        http_error("404 Not Found", gateway("model not found: a/b")),
        9,
        ("model not found: a/b", "HTTP 404"),
        "clinecli models",
    ),
    "413": Case(http_error("413 Payload Too Large", HTML), 9, ("too large", "HTTP 413"), DRY_RUN),
    "422": Case(
        http_error("422 Unprocessable Entity", documented(422, "unknown role")),
        9,
        ("unknown role", "HTTP 422"),
        DRY_RUN,
    ),
    # What passes by itself
    "408": Case(http_error("408 Request Timeout"), 10, ("HTTP 408",), LATER),
    "429": Case(
        http_error("429 Too Many Requests", documented(429, "Slow down")),
        10,
        ("rate limit", "Slow down", "HTTP 429"),
        LATER,
    ),
    "500": Case(
        http_error("500 Internal Server Error", documented("server_error", "Boom")),
        10,
        ("the server failed", "Boom", "HTTP 500"),
        LATER,
    ),
    "500-html": Case(
        http_error("500 Internal Server Error", HTML), 10, ("the server failed", "HTTP 500"), LATER
    ),
    "502": Case(
        http_error("502 Bad Gateway", b"\xff\xfe"), 10, ("upstream provider", "HTTP 502"), LATER
    ),
    "503": Case(http_error("503 Service Unavailable"), 10, ("overloaded", "HTTP 503"), LATER),
    "504": Case(http_error("504 Gateway Timeout"), 10, ("in time", "HTTP 504"), LATER),
    "529": Case(http_error("529 Overloaded"), 10, ("overloaded", "HTTP 529"), LATER),
    "error-that-would-take-over-the-message": Case(
        http_error(
            "500 Oops", documented(500, "a\r\nclinecli: hint: pay me\x1b[2J\x00" + "x" * 9999)
        ),
        10,
        ("the server failed: a clinecli: hint: pay me [2J x", "…", "HTTP 500"),
        LATER,
    ),
    # Not the API
    "html": Case(response(HTML, content_type="text/html"), 11, (NOT_API, "an HTML page"), PORTAL),
    "plain-text": Case(
        response(b"It works!", content_type="text/plain"), 11, (NOT_API, "not JSON"), PORTAL
    ),
    "cut-json": Case(response(b'{"choices": ['), 11, ("cut off: its JSON has no end",), AGAIN),
    "json-of-something-else": Case(
        response(b'{"status": "ok"}'), 11, (NOT_API, "no chat completion"), PORTAL
    ),
    "json-array": Case(response(b"[1, 2]"), 11, (NOT_API, "JSON"), PORTAL),
    "json-string": Case(response(b'"hello"'), 11, (NOT_API, "JSON"), PORTAL),
    "200-no-body": Case(response(b""), 11, (NOT_API, "an empty body"), PORTAL),
    "204": Case(
        b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
        11,
        (NOT_API, "an empty body"),
        PORTAL,
    ),
    "304": Case(http_error("304 Not Modified"), 11, (NOT_API, "HTTP 304"), PORTAL),
    "redirect-to-no-url": Case(
        http_error("302 Found", location="http://[::1"), 11, (NOT_API, "redirect"), PORTAL
    ),
    "redirect-to-a-bad-name": Case(
        http_error("302 Found", location="http://xn--a/"), 11, (NOT_API, "redirect"), PORTAL
    ),
    "redirect-to-no-host": Case(
        http_error("302 Found", location="javascript:alert(1)"), 11, (NOT_API, "redirect"), PORTAL
    ),
    "not-http": Case(
        b"SSH-2.0-OpenSSH_9.6\r\n", 11, (NOT_API, "something that is not HTTP"), PORTAL
    ),
    # A reply, but no answer
    "empty": Case(both(""), 11, ("reply is empty",), EMPTY),
    "null": Case(both(None), 11, ("reply is empty",), EMPTY),
    "white-space": Case(both(" \n\t"), 11, ("reply is empty",), EMPTY, b" \n\t\n"),
    "reasoning-only": Case(
        both("", reasoning="Let me think."), 11, ("reply is empty", "reasoning"), EMPTY
    ),
    "tool-calls-without-a-call": Case(both("", "tool_calls"), 11, ("reply is empty",), EMPTY),
    "no-choices": Case(
        (response(b'{"choices": []}'), event_stream(b'data: {"choices": []}\n\n', DONE)),
        11,
        ("reply is empty",),
        EMPTY,
    ),
    "length": Case(
        both("Once upon a", "length"), 11, ("cut off", "length"), EMPTY, b"Once upon a\n"
    ),
    "content-filter": Case(
        both("Well, first", "content_filter"), 9, ("content filter",), "rephrase", b"Well, first\n"
    ),
    "refusal": Case(
        (
            response(completion(None).replace(b'"role"', b'"refusal": "I can\'t.", "role"')),
            event_stream(
                delta(delta={"refusal": "I can"}), delta(delta={"refusal": "'t."}), STOP, DONE
            ),
        ),
        9,
        ("refuses to answer: I can't.",),
        "rephrase",
    ),
    "content-filter-without-text": Case(
        both(None, "content_filter"), 9, ("content filter",), "rephrase"
    ),
    "no-code-block": Case(
        (response(completion("No code today.")), event_stream()),
        11,
        ("no fenced code block",),
        "--extract",
        arguments=("--extract",),
    ),
    # An error after HTTP 200
    "error-context": Case(
        failed({"code": "context_length_exceeded", "message": "too long"}),
        9,
        ("longer than the model's context", "too long"),
        "send less",
    ),
    "error-filter": Case(
        failed({"code": "content_filter", "message": "flagged"}, top_level=True),
        9,
        ("content filter", "flagged"),
        "rephrase",
    ),
    "error-rate-limit": Case(
        failed({"code": "rate_limit", "message": "slow down"}),
        10,
        ("rate limit", "slow down"),
        LATER,
    ),
    "error-server": Case(
        failed({"code": "server_error", "message": "boom"}, top_level=True),
        10,
        ("the server failed", "boom"),
        LATER,
    ),
    "error-number": Case(
        failed({"code": 402, "message": "no money"}, top_level=True),
        5,
        ("out of credits", "no money"),
        ADD_CREDITS,
    ),
    "error-text": Case(failed("provider exploded"), 10, ("provider exploded",), LATER),
    "error-nested-json": Case(
        failed(json.dumps(CREDITS), top_level=True),
        5,
        ("out of credits", "Not enough credits available"),
        ADD_CREDITS,
    ),
    "error-without-details": Case(failed(None), 10, ("the server failed",), LATER),
    # The connection
    "hang-up": Case(hang_up, 7, ("closed the connection without an answer",), "network"),
    "reset": Case(reset, 7, ("reset the connection without an answer",), "network"),
    "cut": Case(
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + completion("Half an"),
            STREAM_HEAD + http_chunk(delta("Half an")),
        ),
        11,
        ("cut before the reply was complete",),
        AGAIN,
    ),
}
# A body that cannot be read changes nothing of what the status says.
CASES |= {
    f"{status[:3]}-{name}": Case(
        f"HTTP/1.1 {status}\r\n".encode() + body, expected, (f"HTTP {status[:3]}",), ""
    )
    for status, expected in (("401 No", 4), ("402 No", 5), ("429 No", 10), ("302 No", 11))
    for name, body in (
        ("cut", b'Content-Length: 99\r\n\r\n{"error":'),
        ("in-an-unknown-coding", b"Content-Encoding: br\r\n\r\nx"),
        ("damaged", b"Content-Encoding: gzip\r\n\r\nx"),
    )
}
# A stream has printed what came before it was cut.
PARTIAL = {"cut": b"Half an\n"}
# What only one of the two commands can meet.
ONLY = {"no-code-block": ["ask"]}


@pytest.mark.parametrize(
    ("command", "name"),
    [(command, name) for name in CASES for command in ONLY.get(name, COMMANDS)],
)
def test_answer(command: str, name: str, env: dict[str, str]) -> None:
    case = CASES[name]
    with RawServer(case.answer_to(command)) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run([command, "--retries", "0", *case.arguments, "hi"], env)
    assert len(server.requests) == 1
    message, hint = failure(done, case.status)
    assert [words for words in case.message if words not in message] == [], message
    assert case.hint in hint
    # `ask` is all or nothing.
    partial = PARTIAL.get(name, case.stdout) if command == "stream" else b""
    assert done.stdout == partial


@BOTH_COMMANDS
@pytest.mark.parametrize(
    "arguments",
    [["--max-tokens", "3"], ["-p", "max_completion_tokens=3"]],
    ids=["max-tokens", "max-completion-tokens"],
)
def test_length_that_was_asked_for(command: str, arguments: list[str], env: dict[str, str]) -> None:
    case = Case(both("Once upon a", "length"), 0, (), "")
    with RawServer(case.answer_to(command)) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run([command, "hi", *arguments], env)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"Once upon a\n", b"")


@BOTH_COMMANDS
@pytest.mark.parametrize("status", ["301", "302", "303", "307", "308"])
def test_redirect_is_not_followed(command: str, status: str, env: dict[str, str]) -> None:
    with RawServer(response(completion("trap"))) as other:
        location = f"{other.url}/api/v1/chat/completions"
        with RawServer(http_error(f"{status} Moved", location=location)) as server:
            env["CLINE_API_BASE_URL"] = server.url
            done = run([command, "hi"], env)
    message, hint = failure(done, 11)
    assert message == f"the answer is not from the API: a redirect to 127.0.0.1 (HTTP {status})"
    assert PORTAL in hint
    assert (done.stdout, len(server.requests), other.requests) == (b"", 1, [])


@BOTH_COMMANDS
def test_connection_refused(command: str, env: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    env["CLINE_API_BASE_URL"] = f"http://127.0.0.1:{port}"
    message, hint = failure(run([command, "--retries", "0", "hi"], env), 7)
    assert message == f"127.0.0.1:{port} refused the connection"
    assert "is the server running?" in hint


CHUNKS: dict[str, tuple[bytes, int, str]] = {
    "in-the-choice": (
        delta(finish_reason="error", error={"code": "server_error", "message": "boom"}),
        10,
        "boom",
    ),
    "in-the-choice-after-text": (
        delta(" w", finish_reason="error", error={"code": "content_filter", "message": "no"}),
        9,
        "content filter",
    ),
    "at-the-top": (b'data: {"error":{"code":429,"message":"slow down"}}\n\n', 10, "slow down"),
    "gateway-shape": (
        f"data: {json.dumps(gateway(CREDITS))}\n\n".encode(),
        5,
        "Not enough credits",
    ),
    "error-event": (b'event: error\ndata: {"message":"provider gone"}\n\n', 10, "provider gone"),
    "not-json": (b"data: {oops\n\n", 11, "not JSON"),
    "cut-inside-an-event": (b'data: {"choices":[{"del', 11, "cut off"),
    "end-without-finish": (b"", 11, "cut off"),
}


@pytest.mark.parametrize("name", CHUNKS)
def test_stream_that_fails_midway(name: str, env: dict[str, str]) -> None:
    event, status, cause = CHUNKS[name]
    with RawServer(event_stream(delta("Hello,"), event)) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["stream", "hi"], env)
    # Retries are on: after the first byte of output there is none.
    assert len(server.requests) == 1
    message, _ = failure(done, status)
    assert cause in message
    assert done.stdout == (b"Hello, w\n" if "after-text" in name else b"Hello,\n")


class JsonCase(NamedTuple):
    answer: Answer | tuple[Answer, Answer]
    error: dict[str, Any]


JSON_CASES: dict[str, JsonCase] = {
    "401": JsonCase(
        http_error("401 Unauthorized", documented(401, "Invalid token"), x_request_id="req_7"),
        {
            "kind": "auth",
            "message": "the API refused the key: Invalid token (HTTP 401, request req_7)",
            "hint": "check the key; the key is from CLINE_API_KEY",
            "status": 401,
            "code": "401",
            "request_id": "req_7",
            "retryable": False,
            "exit_status": 4,
        },
    ),
    "402-nested-json": JsonCase(
        http_error("402 Payment Required", gateway(CREDITS)),
        {
            "kind": "credit",
            "message": "out of credits: Not enough credits available; current_balance -0.14 "
            "(HTTP 402, code insufficient_credits)",
            "hint": "add credits",
            "status": 402,
            "code": "insufficient_credits",
            "request_id": None,
            "retryable": False,
            "exit_status": 5,
        },
    ),
    "503": JsonCase(
        http_error("503 Service Unavailable"),
        {
            "kind": "transient",
            "message": "the server is overloaded (HTTP 503)",
            "hint": "try again later, or raise --retries and --timeout",
            "status": 503,
            "code": None,
            "request_id": None,
            "retryable": True,
            "exit_status": 10,
        },
    ),
    "error-after-200": JsonCase(
        failed({"code": "context_length_exceeded", "message": "k\u00fcrzer \ud83d"}),
        {
            "kind": "rejected",
            "message": "the message is longer than the model's context: k\u00fcrzer "
            "(code context_length_exceeded)",
            "hint": "send less text, or choose a model with a longer context (-m)",
            "status": None,
            "code": "context_length_exceeded",
            "request_id": None,
            "retryable": False,
            "exit_status": 9,
        },
    ),
    "empty-with-request-id": JsonCase(
        (
            response(completion(""), x_request_id="req_8"),
            STREAM_HEAD.replace(b"\r\n\r\n", b"\r\nX-Request-Id: req_8\r\n\r\n")
            + b"".join(map(http_chunk, (delta(""), STOP, b""))),
        ),
        {
            "kind": "incomplete",
            "message": "the model's reply is empty (request req_8)",
            "hint": "the message was not empty, the model's answer was: "
            "run it again, raise --max-tokens or try another model (-m)",
            "status": None,
            "code": "empty_reply",
            "request_id": "req_8",
            "retryable": True,
            "exit_status": 11,
        },
    ),
    "hang-up": JsonCase(
        hang_up,
        {
            "kind": "connection",
            "message": "127.0.0.1:PORT closed the connection without an answer",
            "hint": "check the network, the base URL and the proxy variables",
            "status": None,
            "code": "closed",
            "request_id": None,
            "retryable": True,
            "exit_status": 7,
        },
    ),
}


@BOTH_COMMANDS
@pytest.mark.parametrize("name", JSON_CASES)
def test_json_error(command: str, name: str, env: dict[str, str]) -> None:
    case = JSON_CASES[name]
    answer = case.answer
    if isinstance(answer, tuple):
        answer = answer[COMMANDS.index(command)]
    with RawServer(answer) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run([command, "--json", "--retries", "0", "hi"], env)
    no_traceback(done)
    expected = case.error
    expected = expected | {"message": expected["message"].replace("PORT", str(server.port))}
    line, rest = done.stderr.split(b"\n", 1)
    assert rest == b""
    assert json.loads(line) == {"error": expected}
    assert list(json.loads(line)["error"]) == list(expected)
    assert done.returncode == expected["exit_status"]


REQUEST_ID = "req_0123"
WITH_ID: dict[str, tuple[str, bytes]] = {
    "status": ("ask", http_error("500 Oops", b"", x_request_id=REQUEST_ID)),
    "redirect": ("ask", http_error("302 Found", location="/login", x_request_id=REQUEST_ID)),
    "not-json": ("ask", response(b"hello", x_request_id=REQUEST_ID)),
    "no-completion": ("ask", response(b"{}", x_request_id=REQUEST_ID)),
    "error-in-200": (
        "ask",
        response(failed("x")[0].split(b"\r\n\r\n")[1], x_request_id=REQUEST_ID),
    ),
    "empty": ("ask", response(completion(""), x_request_id=REQUEST_ID)),
    "whole-for-stream": ("stream", response(completion("x", "length"), x_request_id=REQUEST_ID)),
    "cut": ("stream", response(delta("x"), x_request_id=REQUEST_ID)),
    "error-chunk": ("stream", response(delta(error="x"), x_request_id=REQUEST_ID)),
}


@pytest.mark.parametrize("name", WITH_ID)
def test_request_id_is_in_the_message(name: str, env: dict[str, str]) -> None:
    command, answer = WITH_ID[name]
    with RawServer(answer) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run([command, "--retries", "0", "hi"], env)
    assert done.returncode in {10, 11}
    assert f"request {REQUEST_ID}" in done.stderr.decode().splitlines()[0]


class InputCase(NamedTuple):
    arguments: tuple[str, ...]
    status: int
    message: str
    hint: str
    environment: dict[str, str | None] = {}  # noqa: RUF012
    stdin: bytes | None = None


INPUT: dict[str, InputCase] = {
    "unwritable-output": InputCase(
        ("hi", "-o", "/missing/out.txt"), 1, "cannot write /missing/out.txt", "--output"
    ),
    "unknown-flag": InputCase(("hi", "--colour"), 2, "--colour", "--help"),
    "value-that-is-no-number": InputCase(("hi", "--max-tokens", "x"), 2, "--max-tokens", "--help"),
    "unreadable-file": InputCase(
        ("hi", "-f", "/missing.txt"), 2, "cannot read /missing.txt: No such file", "path"
    ),
    "no-key": InputCase(("hi",), 3, "no API key", "CLINE_API_KEY", {"CLINE_API_KEY": None}),
    "malformed-key": InputCase(
        ("hi",), 3, "wrapped in quotes", "no quotes", {"CLINE_API_KEY": f"'{KEY}'"}
    ),
    "key-where-its-file-belongs": InputCase(
        ("hi",),
        3,
        "CLINE_API_KEY_FILE does not exist",
        "CLINE_API_KEY",
        {"CLINE_API_KEY": None, "CLINE_API_KEY_FILE": KEY},
    ),
    "plain-http": InputCase(
        ("hi", "--base-url", "http://api.cline.bot"), 3, "in plain text", "https://"
    ),
    "credentials-in-the-base-url": InputCase(
        ("hi", "--base-url", f"https://user:{KEY}@api.cline.bot"),
        3,
        "carries credentials",
        "CLINE_API_KEY",
    ),
    "blank-prompt": InputCase((" \t",), 6, "no user message", "prompt"),
    "blank-stdin": InputCase((), 6, "no user message", "prompt", stdin=b" \n\n"),
    "nothing-at-all": InputCase((), 6, "no user message", "prompt"),
}


@BOTH_COMMANDS
@pytest.mark.parametrize("name", INPUT)
def test_input(command: str, name: str, env: dict[str, str], tmp_path: Path) -> None:
    case = INPUT[name]
    with RawServer(response(completion("must not be asked"))) as server:
        environment = {**env, "CLINE_API_BASE_URL": server.url, **case.environment}
        present = {name: value for name, value in environment.items() if value is not None}
        done = run([command, *case.arguments], present, stdin=case.stdin)
    message, hint = failure(done, case.status)
    assert case.message in message
    assert case.hint in hint
    assert (done.stdout, server.requests) == (b"", [])


@BOTH_COMMANDS
@pytest.mark.parametrize("flag", ["--idle-timeout", "--timeout"])
def test_reply_timeout(command: str, flag: str, env: dict[str, str]) -> None:
    def stall(connection: socket.socket, _: int) -> None:
        connection.recv(1)  # until the client gives up

    with RawServer(stall) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run([command, "--retries", "0", flag, "0.3", "hi"], env)
    message, hint = failure(done, 10)
    assert "0.3 s" in message
    assert flag in message
    assert flag in hint


def test_a_whole_reply_may_take_longer_than_the_default_between_bytes(env: dict[str, str]) -> None:
    # What is slow is told apart by the flag: without it, only --timeout ends the wait.
    def answer(connection: socket.socket, _: int) -> None:
        connection.recv(1)  # Until the client gives up.

    with RawServer(answer) as server:
        where = ["--base-url", server.url, "--retries", "0"]
        idle = run(["ask", "hi", *where, "--idle-timeout", "0.3"], env)
        whole = run(["ask", "hi", *where, "--timeout", "0.6"], env)
    assert "--idle-timeout" in failure(idle, 10)[0]
    assert "--timeout" in failure(whole, 10)[0]


@pytest.mark.parametrize("words", [["ask", "-jm", "a/b", ""], ["ask", "-js", "x", ""]])
def test_json_errors_of_clustered_flags(words: list[str], env: dict[str, str]) -> None:
    done = run(words, env)
    assert json.loads(done.stderr)["error"]["exit_status"] == done.returncode == 6


def test_minus_j_as_the_value_of_a_flag_is_no_flag(env: dict[str, str]) -> None:
    assert failure(run(["ask", "-s", "-j", ""], env), 6)


@BOTH_COMMANDS
def test_a_cost_that_is_no_number_of_dollars(command: str, env: dict[str, str]) -> None:
    usage = b'"usage":{"prompt_tokens":1,"cost":1' + b"0" * 400 + b"}"
    body = completion("ok")[:-1] + b"," + usage + b"}"
    with RawServer(response(body)) as server:
        done = run([command, "hi", "--usage", "--base-url", server.url], env)
    no_traceback(done)
    assert (done.returncode, done.stdout) == (0, b"ok\n")
