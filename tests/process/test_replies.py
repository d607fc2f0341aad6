"""What servers say, and what a script is told of it: `ask` and `stream` agree on every row."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest

from tests.helpers.process import BOTH_COMMANDS, failure, run
from tests.helpers.replies import DONE, STREAM_HEAD, delta, http_chunk, response
from tests.helpers.servers import RawServer


class Row(NamedTuple):
    """A choice of a whole reply, the events of the same as a stream, and what comes of them."""

    choice: dict[str, Any]
    events: list[bytes]
    status: int
    words: str = ""


def event(document: Any) -> bytes:
    return f"data: {json.dumps(document)}\n\n".encode()


def finished(reason: str, status: int, words: str = "") -> Row:
    choice = {"message": {"content": "hello"}, "finish_reason": reason}
    return Row(choice, [delta("hello"), delta(finish_reason=reason), DONE], status, words)


def said(text: str, status: int, words: str = "") -> Row:
    choice = {"message": {"content": text}, "finish_reason": "stop"}
    return Row(choice, [delta(text), delta(finish_reason="stop"), DONE], status, words)


def calling(*calls: dict[str, Any], status: int, words: str = "") -> Row:
    choice = {"message": {"tool_calls": list(calls)}, "finish_reason": "tool_calls"}
    events = [event({"choices": [{"delta": {"tool_calls": [call]}}]}) for call in calls]
    return Row(choice, [*events, delta(finish_reason="tool_calls"), DONE], status, words)


ROWS: dict[str, Row] = {
    "end-turn": finished("end_turn", 0),
    "STOP": finished("STOP", 0),
    "max-tokens": finished("MAX_TOKENS", 11, "length limit"),
    "model-length": finished("model_length", 11, "length limit"),
    "safety": finished("SAFETY", 9, "content filter"),
    "network-error": finished("network_error", 10, "network_error"),
    "no-resources": finished("insufficient_system_resource", 10, "insufficient_system_resource"),
    "abort": finished("abort", 11, "broken off"),
    "zero-width": said("\u200b\ufeff", 11, "reply is empty"),
    "nul": said("\0", 11, "reply is empty"),
    "no-call": calling({}, status=11, words="reply is empty"),
    "nameless-call": calling(
        {"id": "a", "function": {"arguments": "{}"}}, status=11, words="reply is empty"
    ),
}


@BOTH_COMMANDS
@pytest.mark.parametrize("name", ROWS)
def test_how_a_reply_ends(name: str, command: str, env: dict[str, str]) -> None:
    row = ROWS[name]
    whole = response(json.dumps({"choices": [row.choice]}).encode())
    streamed = STREAM_HEAD + b"".join(map(http_chunk, [*row.events, b""]))
    with RawServer(whole if command == "ask" else streamed) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run([command, "--retries", "0", "hi"], env)
    if row.status:
        message, _ = failure(done, row.status)
        assert row.words in message
    assert done.returncode == row.status
    if command == "ask":
        assert done.stdout == (b"" if row.status else b"hello\n")


def named(call_id: str, name: str, arguments: str, **fields: Any) -> dict[str, Any]:
    return {"id": call_id, "function": {"name": name, "arguments": arguments}} | fields


@BOTH_COMMANDS
@pytest.mark.parametrize("fields", [{}, {"index": 0}], ids=["no index", "index 0"])
def test_parallel_tool_calls_stay_apart(
    fields: dict[str, Any], command: str, env: dict[str, str]
) -> None:
    calls = [named("a", "f", "{}", **fields), named("b", "g", '{"x":1}', **fields)]
    row = calling(*calls, status=0)
    whole = response(json.dumps({"choices": [row.choice]}).encode())
    streamed = STREAM_HEAD + b"".join(map(http_chunk, [*row.events, b""]))
    with RawServer(whole if command == "ask" else streamed) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run([command, "hi"], env)
    assert done.returncode == 0
    printed = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(call["id"], call["function"]["name"]) for call in printed] == [("a", "f"), ("b", "g")]
    assert [call["function"]["arguments"] for call in printed] == ["{}", '{"x":1}']


# Errors inside a reply with HTTP 200: what is sent, exit status, words.
TOLD: dict[str, tuple[Any, int, str]] = {
    "success-false": ({"success": False, "message": "quota"}, 10, "quota"),
    "object-error": ({"object": "error", "message": "no", "code": 401}, 4, "no"),
    "type-error": ({"type": "error", "message": "no"}, 10, "no"),
    "detail": ({"detail": "no such user"}, 10, "no such user"),
    "errors": ({"errors": [{"message": "busy", "code": "rate_limit"}]}, 10, "busy"),
    "array": ([{"error": {"code": 402, "message": "pay"}}], 5, "pay"),
}


@BOTH_COMMANDS
@pytest.mark.parametrize("name", TOLD)
def test_errors_after_200(name: str, command: str, env: dict[str, str]) -> None:
    document, status, words = TOLD[name]
    streamed = [delta("partial"), event(document), DONE, b""]
    answer = STREAM_HEAD + b"".join(map(http_chunk, streamed))
    if command == "ask":
        answer = response(json.dumps(document).encode())
    with RawServer(answer) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run([command, "--retries", "0", "hi"], env)
    message, _ = failure(done, status)
    assert words in message
    assert done.stdout == (b"partial\n" if command == "stream" else b"")


HARMLESS = {
    "ping": b"event: ping\ndata: ping\n\n",
    "null": b"data: null\n\n",
    "array": b"data: []\n\n",
    "end-mark-with-a-blank": b"data: [DONE] \n\n",
}


@pytest.mark.parametrize("name", HARMLESS)
def test_events_that_are_none_of_ours(name: str, env: dict[str, str]) -> None:
    events = [delta("hello"), delta(finish_reason="stop"), HARMLESS[name], b""]
    with RawServer(STREAM_HEAD + b"".join(map(http_chunk, events))) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["stream", "hi"], env)
    assert (done.returncode, done.stdout) == (0, b"hello\n")


@BOTH_COMMANDS
@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"detail":[{"loc":["body","n"],"msg":"too small"}]}', ("422", 9, "body.n: too small")),
        (b"no healthy upstream", ("503", 10, "no healthy upstream")),
        (b'[{"error":{"message":"bad"}}]', ("400", 9, "bad")),
        (b'{"error":"prompt is too long: 9 > 8"}', ("400", 9, "longer than the model's context")),
        (b'{"error":"Daily free limit reached. Try again in 19h 39m"}', ("429", 5, "19h 39m")),
        (b'{"error":{"code":402,"metadata":{"current_balance":-1}}}', ("402", 5, "balance -1")),
    ],
    ids=["fastapi", "text", "array", "context", "quota", "balance"],
)
def test_what_the_server_said(
    body: bytes, told: tuple[str, int, str], command: str, env: dict[str, str]
) -> None:
    status, code, words = told
    with RawServer(response(body, status=f"{status} X", content_type="text/plain")) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run([command, "--retries", "0", "hi"], env)
    message, _ = failure(done, code)
    assert words in message


def test_a_wait_in_prose_is_waited(env: dict[str, str]) -> None:
    busy = response(b'{"error":"rate limit: try again in 0.01s"}', status="429 X")
    good = response(b'{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]}')
    answers = iter([busy, good])
    with RawServer(lambda connection, _: connection.sendall(next(answers))) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["ask", "hi"], env)
    assert (done.returncode, done.stdout) == (0, b"hi\n")
    assert b"trying again in 0.0 s (1 of 3)" in done.stderr


def test_a_schema_that_fails_on_a_reply_is_no_bug(env: dict[str, str], tmp_path: Any) -> None:
    path = tmp_path / "s.json"
    path.write_text('{"multipleOf": 0.3}')
    number = "1" + "0" * 400
    body = {"choices": [{"message": {"content": number}, "finish_reason": "stop"}]}
    with RawServer(response(json.dumps(body).encode())) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["ask", "--schema", str(path), "hi"], env)
    message, _ = failure(done, 11)
    assert "does not match the schema at $: 1000" in message


def test_the_printed_object_is_the_one_inside(env: dict[str, str]) -> None:
    inner = '{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}],"n":1.10}'
    with RawServer(response(f'{{"data": {inner}, "requestId": 1}}'.encode())) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["ask", "--json", "hi"], env)
    assert (done.returncode, done.stdout.decode()) == (0, inner + "\n")


@BOTH_COMMANDS
def test_a_pattern_that_takes_for_ever_ends_with_the_deadline(
    command: str, env: dict[str, str], tmp_path: Any
) -> None:
    path = tmp_path / "s.json"
    path.write_text('{"type": "string", "pattern": "^(a+)+$"}')
    text = json.dumps("a" * 40 + "!")
    whole = {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
    with RawServer(response(json.dumps(whole).encode())) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run([command, "--schema", str(path), "--timeout", "3", "hi"], env)
    message, hint = failure(done, 11)
    assert "cannot be checked" in message
    assert "--timeout" in message
    assert "simplify the schema" in hint


@BOTH_COMMANDS
def test_an_unknown_finish_reason_is_complete_with_a_note(
    command: str, env: dict[str, str]
) -> None:
    whole = {"choices": [{"message": {"content": "hi"}, "finish_reason": "weird"}]}
    with RawServer(response(json.dumps(whole).encode())) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run([command, "hi"], env)
    assert (done.returncode, done.stdout) == (0, b"hi\n")
    assert b"finish_reason 'weird' is not known" in done.stderr
