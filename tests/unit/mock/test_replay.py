"""Recorded exchanges served by the mock."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Any

import pytest

from clinecli.errors import UsageError
from clinecli.mock import mock_server
from clinecli.mock.replay import split_events
from clinecli.options.mock import MockOptions
from tests.helpers.env import RECORDINGS
from tests.helpers.mock_client import CHAT, ask, raw_post, raw_socket, read_all, send

PATH = "/api/v1/chat/completions"


def exchange(response: Any, **changes: Any) -> dict[str, Any]:
    content_type = "text/event-stream" if isinstance(response, str) else "application/json"
    return {
        "method": "POST",
        "path": PATH,
        "status": 200,
        "contentType": content_type,
        "response": response,
        **changes,
    }


def chunk(delta: dict[str, Any], finish_reason: str | None = None, **fields: Any) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    document = {"id": "gen-1", "created": 5, "model": "m/x", "choices": [choice], **fields}
    return f"data: {json.dumps(document)}\n\n"


@pytest.fixture
def replay(tmp_path: Path) -> Any:
    """A function that writes a recording and gives the options that serve it."""

    def write(*exchanges: Any, **options: Any) -> MockOptions:
        file = tmp_path / "recording.json"
        file.write_text(json.dumps(exchanges))
        return MockOptions(replay=str(file), **options)

    return write


STREAM = ": hello\n\n" + chunk({"content": "a"}) + chunk({"content": "ö👋"}, "stop")


@pytest.mark.parametrize(
    "body",
    [
        STREAM + "data: [DONE]\n\n",
        STREAM.replace("\n", "\r\n"),
        STREAM.replace("\n", "\r"),
        STREAM + "\n\n\n",
        STREAM.rstrip("\n"),
        "\ufeff" + STREAM,
        "data: not JSON\n\n",
        "",
    ],
    ids=["plain", "crlf", "cr", "blank-lines", "no-end", "bom", "not-json", "empty"],
)
def test_streamed_recording_is_sent_to_the_byte(replay: Any, body: str) -> None:
    with mock_server(replay(exchange(body))) as server:
        got = send(server.base_url, body=ask())
    assert got.body.decode() == body
    assert (got.status, got.headers["Content-Type"]) == (200, "text/event-stream")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
def test_a_recorded_stream_is_sent_event_by_event(replay: Any, end: str) -> None:
    pieces = [piece.replace("\n", end).encode() for piece in (": c\n\n", "data: 1\ndata: 2\n\n")]
    assert [event.data for event in split_events(b"".join(pieces))] == pieces
    options = replay(exchange(b"".join(pieces).decode()), delay=3600.0)
    with mock_server(options) as server, raw_socket(server.base_url) as client:
        client.sendall(raw_post(ask()))
        seen = b""
        while not seen.endswith(pieces[0] + b"\r\n"):
            seen += client.recv(65536)
        server.close()
        assert read_all(client) == b""


def test_content_type_and_status_are_the_recorded_ones(replay: Any) -> None:
    recorded = exchange(STREAM, contentType="text/plain; charset=utf-8", status=418)
    with mock_server(replay(recorded)) as server:
        got = send(server.base_url, body=ask())
    assert (got.status, got.headers["Content-Type"]) == (418, "text/plain; charset=utf-8")
    assert got.body.decode() == STREAM


def test_json_keeps_its_keys_and_numbers(replay: Any, tmp_path: Path) -> None:
    options = replay(exchange("PLACE", contentType="application/json"))
    file = tmp_path / "recording.json"
    response = '{"z":1.10,"a":12345678901234567890123,"ö":[1e400,null]}'
    file.write_text(file.read_text().replace('"PLACE"', response))
    with mock_server(options) as server:
        assert send(server.base_url, body=ask(stream=False)).body.decode() == response


def test_exchanges_come_in_order_and_the_last_repeats(replay: Any) -> None:
    me = exchange({"data": "me"}, method="get", path="/api/v1/users/me")
    options = replay(exchange({"n": 1}), me, exchange({"n": 2}, status=503))
    with mock_server(options) as server:
        got = [send(server.base_url, body=ask(stream=False)) for _ in range(3)]
        assert [(one.status, one.json["n"]) for one in got] == [(200, 1), (503, 2), (503, 2)]
        assert [send(server.base_url, "/users/me").json for _ in range(2)] == [{"data": "me"}] * 2


def test_query_is_matched_where_it_was_recorded(replay: Any) -> None:
    path = "/api/v1/users/u/usages"
    plain = exchange({"page": 1}, method="GET", path=path)
    second = exchange({"page": 2}, method="GET", path=f"{path}?page=2")
    with mock_server(replay(plain, second)) as server:
        pages = [
            send(server.base_url, f"/users/u/usages{query}").json["page"]
            for query in ("?page=2", "", "?page=3")
        ]
    assert pages == [2, 1, 1]


@pytest.mark.parametrize("path", ["/users/me", "/ai/cline/models", "/nowhere"])
def test_what_was_not_recorded_is_404(replay: Any, path: str) -> None:
    with mock_server(replay(exchange(STREAM))) as server:
        got = send(server.base_url, path)
    assert got.status == 404
    assert f"GET /api/v1{path}" in got.json["error"]["message"]


def test_rules_hold_in_replay(replay: Any) -> None:
    models = exchange({"data": []}, method="GET", path="/api/v1/ai/cline/models")
    with mock_server(replay(exchange(STREAM), models)) as server:
        assert send(server.base_url, body=ask(), key=None).status == 401
        assert send(server.base_url, "/users/me", key=None).status == 401
        assert send(server.base_url, body={**ask(), "messages": []}).status == 400
        assert send(server.base_url, "/ai/cline/models", key=None).json == {"data": []}
        assert send(server.base_url, body=ask()).body.decode() == STREAM


def test_faults_come_before_recordings(replay: Any) -> None:
    options = replay(exchange({"n": 1}), exchange({"n": 2}), fault=["rate-limit:1"])
    with mock_server(options) as server:
        got = [send(server.base_url, body=ask(stream=False)) for _ in range(2)]
    assert (got[0].status, got[1].json) == (429, {"n": 1})


# A recorded stream, folded for a request that wants a whole reply


def folded(options: MockOptions) -> Any:
    with mock_server(options) as server:
        got = send(server.base_url, body=ask(stream=False))
    assert (got.status, got.headers["Content-Type"]) == (200, "application/json")
    return got.json


def call(position: int, id: str | None, name: str | None, arguments: str) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"tool_calls": [{"index": position, "id": id, "function": function}]}


def test_fold_keeps_everything(replay: Any) -> None:
    body = (
        ": OPENROUTER PROCESSING\n\n"
        + chunk({"role": "assistant", "content": None})
        + chunk({"reasoning": "I th"})
        + chunk({"reasoning": "ink"})
        + chunk({"content": "two\n"})
        + chunk({"content": " ö"})
        + chunk(call(1, "b", "second", ""))
        + chunk(call(0, "a", "first", '{"x"'))
        + chunk(call(0, None, None, ":1}"))
        + chunk({}, "tool_calls", usage={"prompt_tokens": 1, "cost": 0.00105385})
        + "data: [DONE]\n\n"
    )
    calls = [
        {"id": "a", "type": "function", "function": {"name": "first", "arguments": '{"x":1}'}},
        {"id": "b", "type": "function", "function": {"name": "second", "arguments": ""}},
    ]
    message = {"role": "assistant", "content": "two\n ö", "reasoning": "I think"}
    assert folded(replay(exchange(body))) == {
        "id": "gen-1",
        "object": "chat.completion",
        "created": 5,
        "model": "m/x",
        "choices": [
            {
                "index": 0,
                "message": {**message, "tool_calls": calls},
                "finish_reason": "tool_calls",
            }
        ],
        "usage": {"prompt_tokens": 1, "cost": 0.00105385},
    }


def test_fold_of_a_stream_labelled_plain_text(replay: Any) -> None:
    reply = folded(replay(exchange(STREAM, contentType="text/plain")))
    assert reply["choices"][0]["message"] == {"role": "assistant", "content": "aö👋"}


@pytest.mark.parametrize(
    "end",
    [
        'data: {"error":{"code":"rate_limit","message":"slow down"}}\n\n',
        'data: {"choices":[{"finish_reason":"error",'
        '"error":{"code":"rate_limit","message":"slow down"}}]}\n\n',
    ],
    ids=["top-level", "in-choice"],
)
def test_fold_of_a_stream_that_fails(replay: Any, end: str) -> None:
    choice = folded(replay(exchange(chunk({"content": "part"}) + end)))["choices"][0]
    assert choice["finish_reason"] == "error"
    assert choice["error"] == {"code": "rate_limit", "message": "slow down"}
    assert choice["message"]["content"] == "part"


def test_fold_of_a_stream_that_was_cut_is_cut_too(replay: Any) -> None:
    with (
        mock_server(replay(exchange(chunk({"content": "part"})))) as server,
        pytest.raises(http.client.IncompleteRead),
    ):
        send(server.base_url, body=ask(stream=False))


def test_fold_of_a_stream_that_is_not_json_is_not_json(replay: Any) -> None:
    with mock_server(replay(exchange(STREAM + "data: {oops\n\n"))) as server:
        assert send(server.base_url, body=ask(stream=False)).body == b"{oops"


def test_an_error_that_was_recorded_as_a_stream_is_not_folded(replay: Any) -> None:
    body = 'data: {"error":{"code":500,"message":"no"}}\n\n'
    with mock_server(replay(exchange(body, status=500))) as server:
        got = send(server.base_url, body=ask(stream=False))
    assert (got.status, got.body.decode()) == (500, body)


# Real recordings


recorded = pytest.mark.skipif(not RECORDINGS.is_dir(), reason="no recordings here")
NAMES = ["chat-text", "account-and-chat", "chat-tool-calls", "chat-reasoning"]


def load(name: str) -> tuple[str, list[dict[str, Any]]]:
    file = RECORDINGS / f"{name}.json"
    return str(file), json.loads(file.read_bytes())


@recorded
@pytest.mark.parametrize("name", NAMES)
def test_recordings_are_served_to_the_byte(name: str) -> None:
    file, exchanges = load(name)
    with mock_server(MockOptions(replay=file)) as server:
        for item in exchanges:
            path = item["path"].removeprefix("/api/v1")
            got = send(server.base_url, path, ask() if item["method"] == "POST" else None)
            assert (got.status, got.headers["Content-Type"]) == (
                item["status"],
                item["contentType"],
            )
            response = item["response"]
            assert (got.body.decode() if isinstance(response, str) else got.json) == response


@recorded
@pytest.mark.parametrize("name", NAMES)
def test_folded_recordings_are_the_joined_deltas(name: str) -> None:
    file, exchanges = load(name)
    (stream,) = (item["response"] for item in exchanges if item["path"].endswith(CHAT))
    lines = [line.removeprefix("data: ") for line in stream.splitlines() if line.startswith("data")]
    chunks = [json.loads(line) for line in lines if line != "[DONE]"]
    deltas = [item["choices"][0]["delta"] for item in chunks]
    functions = [piece["function"] for delta in deltas for piece in delta.get("tool_calls", [])]
    reply = folded(MockOptions(replay=file))
    (choice,) = reply["choices"]
    message = choice["message"]
    assert message["content"] == "".join(delta.get("content") or "" for delta in deltas)
    assert message.get("reasoning", "") == "".join(delta.get("reasoning") or "" for delta in deltas)
    calls = [each["function"]["arguments"] for each in message.get("tool_calls", [])]
    assert "".join(calls) == "".join(function.get("arguments", "") for function in functions)
    last = chunks[-1]
    assert choice["finish_reason"] == last["choices"][0]["finish_reason"]
    assert [reply[key] for key in ("id", "model", "created", "usage")] == [
        last[key] for key in ("id", "model", "created", "usage")
    ]


# What other programs leave out


@pytest.mark.parametrize(
    ("response", "content_type"),
    [
        (STREAM, "text/event-stream"),
        ("data: x", "text/event-stream"),
        ({"a": 1}, "application/json"),
        ([], "application/json"),
        ('{"a": 1}', "application/json"),
        ("hello", "text/plain; charset=utf-8"),
        (None, "application/json"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("given", [{}, {"contentType": None}], ids=["missing", "null"])
def test_content_type_may_be_missing(
    replay: Any, response: Any, content_type: str, given: dict[str, Any]
) -> None:
    recorded = {key: value for key, value in exchange(response).items() if key != "contentType"}
    with mock_server(replay(recorded | given)) as server:
        got = send(server.base_url, body=ask())
    assert (got.status, got.headers["Content-Type"]) == (200, content_type)
    assert got.body.decode() == (
        ""
        if response is None
        else response
        if isinstance(response, str)
        else json.dumps(response, separators=(",", ":"))
    )


@pytest.mark.parametrize(
    "odd",
    [
        {"status": 0},
        {"status": 101},
        {"status": None},
        {"response": 7},
        {"response": "\ud83d"},
        {"contentType": "a\nb"},
        {"chunks": [[1]]},
        {"chunks": "x"},
        {"seconds": -1},
    ],
    ids=str,
)
def test_an_odd_exchange_matters_only_when_it_is_asked_for(replay: Any, odd: Any) -> None:
    recorded = exchange(STREAM), exchange({}, method="GET", path="/api/v1/odd") | odd
    with mock_server(replay(*recorded)) as server:
        assert send(server.base_url, body=ask()).body.decode() == STREAM
        got = send(server.base_url, "/odd")
        assert (got.status, "cannot be served" in got.json["error"]["message"]) == (422, True)


def test_a_path_may_be_a_url(replay: Any) -> None:
    recorded = exchange({"a": 1}, path=f"https://api.example{PATH}?a=b")
    with mock_server(replay(recorded)) as server:
        assert send(server.base_url, f"{CHAT}?a=b", ask()).json == {"a": 1}


def test_bytes_that_are_no_text_are_encoded(replay: Any) -> None:
    recorded = exchange("/wA=", contentType="text/html", encoding="base64", retryAfter="7")
    with mock_server(replay(recorded)) as server:
        got = send(server.base_url, body=ask())
    assert (got.body, got.headers["Retry-After"]) == (b"\xff\x00", "7")


# Which exchange answers


def test_a_request_gets_its_own_answer_whatever_the_order(replay: Any) -> None:
    recorded = [exchange({"n": n}, request=ask(f"number {n}")) for n in range(4)]
    with mock_server(replay(*recorded, exchange({"n": "other"}))) as server:
        for n in (2, 0, 3, 2, 1):
            body = dict(reversed(ask(f"number {n}", stream=False).items()))
            assert send(server.base_url, body=body).json == {"n": n}
        assert send(server.base_url, body=ask("number 7")).json == {"n": "other"}


def test_the_same_request_twice_gets_both_answers(replay: Any) -> None:
    recorded = [exchange({"n": n}, request=ask()) for n in (1, 2)]
    with mock_server(replay(*recorded)) as server:
        got = [send(server.base_url, body=ask()).json["n"] for _ in range(3)]
    assert got == [1, 2, 2]


def test_the_order_of_the_file_counts_for_what_is_new(replay: Any) -> None:
    recorded = [exchange({"n": n}, request=ask(f"number {n}")) for n in (1, 2)]
    with mock_server(replay(*recorded)) as server:
        asked = ("number 1", "new", "newer")
        assert [send(server.base_url, body=ask(text)).json["n"] for text in asked] == [1, 2, 2]


EMPTY = {**ask(), "messages": []}


@pytest.mark.parametrize("status", [401, 402, 403, 429])
def test_credit_is_judged_before_the_message(replay: Any, status: int) -> None:
    recorded = [exchange({"n": 1}, status=status), exchange({"n": 2})]
    with mock_server(replay(*recorded)) as server:
        asked = (EMPTY, EMPTY, ask(), EMPTY, ask())
        assert [send(server.base_url, body=body).status for body in asked] == [
            status,
            status,
            status,
            400,
            200,
        ]


def test_a_refusal_that_was_recorded_is_served(replay: Any) -> None:
    recorded = exchange({"error": {"message": "no messages"}}, status=422, request=EMPTY)
    with mock_server(replay(recorded)) as server:
        assert send(server.base_url, body=EMPTY).status == 422


# Time


def test_pieces_come_as_they_came(replay: Any) -> None:
    body = "data: ä\n\ndata: b\n\n"
    sizes = [7, 4, len(body.encode()) - 11]
    recorded = exchange(body, seconds=0, chunks=[[0, sizes[0]], [0, sizes[1]], [3600, sizes[2]]])
    options = replay(recorded)
    with mock_server(options) as server, raw_socket(server.base_url) as client:
        client.sendall(raw_post(ask()))
        pieces = body.encode()[:7], body.encode()[7:11]
        expected = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
        seen = b""
        while not seen.endswith(expected):
            seen += client.recv(65536)
        server.close()
        assert read_all(client) == b""
    with mock_server(options._replace(replay_speed=float("inf"))) as server:
        assert send(server.base_url, body=ask()).body.decode() == body


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "folded"])
@pytest.mark.parametrize("timing", [{"seconds": 3600}, {"chunks": [[3600, 1]]}], ids=str)
def test_an_answer_takes_its_time(replay: Any, timing: dict[str, Any], stream: bool) -> None:
    body = ask(stream=stream)
    options = replay(exchange(STREAM + "data: [DONE]\n\n", **timing), replay_speed=1.0)
    with mock_server(options) as server, raw_socket(server.base_url) as client:
        client.sendall(raw_post(body))
        assert send(server.base_url, "/users/me").status == 404
        server.close()
        assert b"data" not in read_all(client)
    with mock_server(options._replace(replay_speed=float("inf"))) as server:
        assert send(server.base_url, body=body).status == 200


@pytest.mark.parametrize("response", [STREAM, '{"a":'], ids=["stream", "json"])
def test_what_was_cut_is_cut(replay: Any, response: str) -> None:
    with (
        mock_server(replay(exchange(response, cut=True))) as server,
        pytest.raises(http.client.IncompleteRead) as caught,
    ):
        send(server.base_url, body=ask())
    assert caught.value.partial.decode() == response


# Strict


def test_strict_refuses_what_was_not_recorded(replay: Any) -> None:
    recorded = [
        exchange({"n": 1}, request=ask("What is the capital of France?")),
        exchange({"n": 2}, request=ask("other", temperature=1)),
        exchange([], method="GET", path="/api/v1/ai/cline/models"),
    ]
    with mock_server(replay(*recorded, strict=True)) as server:
        assert send(server.base_url, "/ai/cline/models").json == []
        for _ in range(2):
            body = ask("What is the capital of France?", stream=False)
            assert send(server.base_url, body=body).json == {"n": 1}
        wrong = send(server.base_url, body=ask("What is the capital of Spain?"))
        other = send(server.base_url, "/users/me")
    assert (wrong.status, wrong.json["error"]["code"]) == (400, "not_recorded")
    assert (other.status, other.json["error"]["code"]) == (404, "not_recorded")
    assert wrong.json["error"]["message"] == (
        f"this was not recorded: POST {PATH}; exchange 1 is nearest: messages[0].content is "
        '"What is the capital of France?" there and "What is the capital of Spain?" here'
    )
    assert other.json["error"]["message"] == (
        "no recorded exchange for GET /api/v1/users/me; "
        f"there are POST {PATH}, GET /api/v1/ai/cline/models"
    )


def test_strict_takes_recordings_that_do_not_have_the_requests(replay: Any) -> None:
    with mock_server(replay(exchange({"n": 1}), exchange({"n": 2}), strict=True)) as server:
        got = [send(server.base_url, body=ask()).json["n"] for _ in range(3)]
    assert got == [1, 2, 2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (MockOptions(strict=True), "--strict is for recordings"),
        (MockOptions(replay_speed=2.0), "--replay-speed is for recordings"),
        (MockOptions(replay="x", replay_speed=0.0), "--replay-speed 0 is not above 0"),
        (MockOptions(replay="x", replay_speed=float("nan")), "--replay-speed nan is not"),
    ],
    ids=str,
)
def test_flags_of_recordings(options: MockOptions, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        mock_server(options)


# Bad files


GOOD = exchange("x")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON: .*line 1"),
        ("{}", "not a JSON array of exchanges"),
        ("[]", "not a JSON array of exchanges"),
        ([GOOD, 7], "exchange 2 is not an object"),
        ([{key: GOOD[key] for key in GOOD if key != "path"}], "exchange 1 has no 'path'"),
        ([{**GOOD, "status": "200"}], "exchange 1: 'status' is not a number"),
        ([{**GOOD, "status": 99}], "status 99 is no final HTTP status"),
        ([{**GOOD, "response": 1}], "'response' is not a string, an object or an array"),
        ([{**GOOD, "contentType": "a\r\nb: c"}], "'contentType' is no header value"),
        ([{**GOOD, "response": "\ud83d"}], "'response' is not Unicode text"),
        ([{**GOOD, "response": {"a": "\ud83d"}}], "'response' is not Unicode text"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "",
)
def test_bad_recording(tmp_path: Path, content: Any, message: str) -> None:
    file = tmp_path / "bad.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(UsageError, match=message) as caught:
        mock_server(MockOptions(replay=str(file)))
    assert "bad.json" in caught.value.message


def test_missing_recording() -> None:
    with pytest.raises(UsageError, match="cannot read /nonexistent"):
        mock_server(MockOptions(replay="/nonexistent"))
