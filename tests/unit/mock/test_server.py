"""The mock's API and its server, over real sockets."""

from __future__ import annotations

import http.client
import json
import re
import select
import socket
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from clinecli.errors import UsageError
from clinecli.mock import mock_server
from clinecli.options.mock import MockOptions
from tests.helpers.mock_client import (
    CHAT,
    MODEL,
    ask,
    connect,
    raw_post,
    raw_socket,
    read_all,
    send,
)

QUESTION = "What is the capital of France?"
ANSWER = "The capital of France is Paris."
USAGE = {"prompt_tokens": 14, "completion_tokens": 8, "total_tokens": 22, "cost": 0.000162}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with mock_server(MockOptions()) as server:
        yield server.base_url


# Replies


def test_guide_question_gets_the_guide_answer() -> None:
    with mock_server(MockOptions()) as server:
        got = send(server.base_url, body=ask(QUESTION, stream=False))
    assert got.status == 200
    assert got.headers["Content-Type"] == "application/json"
    reply = got.json
    assert reply["usage"].items() >= USAGE.items()
    message = {"role": "assistant", "content": ANSWER}
    assert reply["choices"] == [{"index": 0, "message": message, "finish_reason": "stop"}]
    assert (reply["id"], reply["object"], reply["model"]) == (
        "gen-mock-000001",
        "chat.completion",
        MODEL,
    )


def test_same_question_gets_the_same_bytes_from_a_new_mock() -> None:
    bodies = []
    for _ in range(2):
        with mock_server(MockOptions()) as server:
            bodies.append(send(server.base_url, body=ask("anything")).body)
    assert bodies[0] == bodies[1]


@pytest.mark.parametrize("stream", [{}, {"stream": None}, {"stream": True}], ids=str)
def test_stream_is_the_default(url: str, stream: dict[str, Any]) -> None:
    got = send(url, body=ask(QUESTION, **stream))
    assert got.headers["Content-Type"] == "text/event-stream"
    first, *middle, last, done = got.chunks
    assert first["choices"] == [{"index": 0, "delta": {"role": "assistant"}, "finish_reason": None}]
    tokens = [chunk["choices"][0]["delta"]["content"] for chunk in middle]
    assert tokens == ["The", " capital", " of", " France", " is", " Paris."]
    assert all(chunk["choices"][0]["finish_reason"] is None for chunk in middle)
    assert last["choices"][0]["finish_reason"] == "stop"
    assert last["usage"].items() >= USAGE.items()
    assert done == "[DONE]"
    assert {chunk["object"] for chunk in (first, *middle, last)} == {"chat.completion.chunk"}
    assert len({chunk["id"] for chunk in (first, *middle, last)}) == 1


PARTS = [
    {"type": "text", "text": "look: "},
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
    {"type": "text", "text": "ö"},
]


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        pytest.param(
            [{"role": "user", "content": "tell\nme  more\n"}],
            "The mock read 14 characters, 3 words. The message is: tell\nme  more\n",
            id="white-space",
        ),
        pytest.param(
            [{"role": "user", "content": PARTS}],
            "The mock read 7 characters, 2 words, 1 image. The message is: look: ö",
            id="parts",
        ),
        pytest.param(
            [
                {"role": "system", "content": "be brief"},
                {"role": "user", "content": "a"},
                {"role": "assistant", "content": "b"},
                {"role": "user", "content": "c"},
            ],
            "The mock read 1 character, 1 word, after 2 earlier messages. The message is: c",
            id="turns",
        ),
        pytest.param(
            [{"role": "user", "content": "x" * 201}],
            "The mock read 201 characters, 1 word. The message begins: " + "x" * 200 + "…",
            id="long",
        ),
        pytest.param(
            [
                {"role": "user", "content": "call it"},
                {"role": "assistant", "content": None},
                {"role": "tool", "content": "result"},
            ],
            "The mock read 7 characters, 2 words. The message is: call it",
            id="tool-result-last",
        ),
    ],
)
def test_reply_shows_that_the_message_was_read(
    url: str, messages: list[dict[str, Any]], expected: str
) -> None:
    body = {"model": MODEL, "messages": messages}
    whole = send(url, body={**body, "stream": False}).json
    assert whole["choices"][0]["message"]["content"] == expected
    assert send(url, body=body).streamed_text == expected


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"type": "text"}, ANSWER),
        ({"type": "json_object"}, f'{{"reply":"{ANSWER}"}}'),
        (
            {
                "type": "json_schema",
                "json_schema": {
                    "name": "reply",
                    "schema": {"properties": {"ok": {"type": "boolean"}}},
                },
            },
            '{"ok":false}',
        ),
        ({"type": "json_schema"}, '"mock"'),
        ("json", ANSWER),
    ],
    ids=["text", "object", "schema", "no-schema", "odd"],
)
def test_reply_has_the_format_that_is_asked_for(url: str, wanted: Any, expected: str) -> None:
    body = {**ask(QUESTION), "response_format": wanted}
    assert send(url, body=body).streamed_text == expected


def test_price_follows_the_model(url: str) -> None:
    costs = [
        send(url, body={**ask(QUESTION, stream=False), "model": model}).json["usage"]["cost"]
        for model in ("minimax/minimax-m2.5", "anthropic/claude-opus-4-6", "my/own-model")
    ]
    assert costs == [0, 0.00027, 0.000162]


@pytest.mark.parametrize("text", ["", "  two\n\nlines \n", "word", "a\u2028b 👋"], ids=repr)
def test_reply_text_is_exact_in_both_modes(text: str) -> None:
    with mock_server(MockOptions(reply=text)) as server:
        assert send(server.base_url, body=ask()).streamed_text == text
        reply = send(server.base_url, body=ask(stream=False)).json
    assert reply["choices"][0]["message"]["content"] == text


def test_reply_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "reply.txt"
    file.write_bytes("ünchanged\r\n\n".encode())
    with mock_server(MockOptions(reply=f"@{file}")) as server:
        assert send(server.base_url, body=ask()).streamed_text == "ünchanged\r\n\n"


@pytest.mark.parametrize(
    ("limits", "text", "billed", "finish_reason"),
    [
        ({"max_tokens": 1}, "The", 1, "length"),
        ({"max_completion_tokens": 3}, "The capital of", 3, "length"),
        ({"max_tokens": 6}, "The capital of France is Paris", 6, "length"),
        ({"max_tokens": 7}, ANSWER, 7, "length"),
        ({"max_tokens": 8}, ANSWER, 8, "stop"),
        ({"max_tokens": 10**18}, ANSWER, 8, "stop"),
        ({"max_tokens": 2, "max_completion_tokens": 5}, "The capital", 2, "length"),
        ({"max_tokens": None}, ANSWER, 8, "stop"),
    ],
    ids=str,
)
def test_a_reply_has_at_most_the_tokens_that_are_asked_for(
    url: str, limits: dict[str, Any], text: str, billed: int, finish_reason: str
) -> None:
    whole = send(url, body=ask(QUESTION, stream=False, **limits)).json
    streamed = send(url, body=ask(QUESTION, **limits))
    last = streamed.chunks[-2]
    (choice,) = whole["choices"]
    assert choice["message"]["content"] == streamed.streamed_text == text
    assert choice["finish_reason"] == last["choices"][0]["finish_reason"] == finish_reason
    cost = (14 * 3 + billed * 15) / 1_000_000
    usage = {"completion_tokens": billed, "total_tokens": 14 + billed, "cost": cost}
    assert whole["usage"] == last["usage"]
    assert whole["usage"].items() >= usage.items()


def test_a_chosen_reply_is_limited_too() -> None:
    with mock_server(MockOptions(reply="one  two\n\nthree")) as server:
        reply = send(server.base_url, body=ask(stream=False, max_tokens=2)).json
    assert reply["choices"][0]["message"]["content"] == "one  two"


# Rules


@pytest.mark.parametrize("key", [None, "Bearer ", "Bearer", "Basic abc", "some-key"], ids=str)
@pytest.mark.parametrize(
    ("path", "body"), [(CHAT, ask()), ("/users/me", None), ("/users/usr-mock/balance", None)]
)
def test_no_bearer_key_is_401(url: str, path: str, body: Any, key: str | None) -> None:
    got = send(url, path, body, key=key)
    assert got.status == 401
    assert got.json["error"]["code"] == 401
    assert "Authorization: Bearer" in got.json["error"]["message"]


USER_TURN = [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize(
    ("body", "about"),
    [
        (b"{", "not valid JSON"),
        (b"", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"[]", "not a JSON object"),
        ({"messages": USER_TURN}, "model"),
        ({"model": " ", "messages": USER_TURN}, "model"),
        ({"model": MODEL}, "messages is required"),
        ({"model": MODEL, "messages": []}, "messages is required"),
        ({"model": MODEL, "messages": "hi"}, "messages is required"),
        ({"model": MODEL, "messages": ["hi"]}, "role"),
        ({"model": MODEL, "messages": [{"role": ["user"], "content": "x"}]}, "role"),
        ({"model": MODEL, "messages": [{"role": "user", "content": 7}]}, "content"),
        ({"model": MODEL, "messages": [{"role": "user", "content": ["x"]}]}, "content"),
        ({"model": MODEL, "messages": [{"role": "system", "content": "x"}]}, "user message"),
        (ask(stream="false"), "stream"),
        (ask(max_tokens=0), "max_tokens"),
        (ask(max_tokens=True), "max_tokens"),
        (ask(max_tokens="5"), "max_tokens"),
        (ask(max_completion_tokens=1.5), "max_completion_tokens"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_malformed_request_is_400(url: str, body: Any, about: str) -> None:
    got = send(url, body=body)
    assert got.status == 400
    assert got.json["error"]["code"] == 400
    assert about in got.json["error"]["message"]


def test_unknown_model_is_404(url: str) -> None:
    got = send(url, body={**ask(), "model": "unknown/model"})
    assert (got.status, got.json["error"]["message"]) == (404, "model not found: unknown/model")


@pytest.mark.parametrize("path", ["/models", "/chat/completions/", "/users/a/b/balance", "/../x"])
def test_unknown_path_is_404(url: str, path: str) -> None:
    got = send(url, path, key=None)
    assert got.status == 404
    assert path in got.json["error"]["message"]


def test_prefix_is_required(url: str) -> None:
    with closing(connect(url)) as connection:
        connection.request("GET", "/users/me", headers={"Authorization": "Bearer k"})
        assert connection.getresponse().status == 404


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [("GET", CHAT, "POST"), ("DELETE", CHAT, "POST"), ("POST", "/users/me", "GET")],
)
def test_wrong_method_is_405(url: str, method: str, path: str, allow: str) -> None:
    got = send(url, path, method=method)
    assert (got.status, got.headers["Allow"], got.json["error"]["code"]) == (405, allow, 405)


def test_method_unheard_of_is_a_json_error(url: str) -> None:
    got = send(url, method="BREW")
    assert (got.status, got.json["error"]["code"]) == (501, 501)


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("/users/usr-mock/balance", {"balance": 12_500_000, "userId": "usr-mock"}),
        (
            "/organizations/org-mock/balance?x=1",
            {"balance": 12_500_000, "organizationId": "org-mock"},
        ),
    ],
)
def test_balances_are_enveloped_micro_dollars(url: str, path: str, data: Any) -> None:
    assert send(url, path).json == {"data": data, "success": True}


def test_account_leads_to_its_balance_and_usages(url: str) -> None:
    user = send(url, "/users/me").json["data"]
    assert user.keys() >= {"id", "email", "displayName", "organizations"}
    assert send(url, f"/users/{user['id']}/balance").status == 200
    assert send(url, f"/users/{user['id']}/usages").json["data"]["items"]
    (organization,) = user["organizations"]
    assert send(url, f"/organizations/{organization['organizationId']}/balance").status == 200
    assert send(url, "/users/somebody-else/balance").status == 403


def test_model_lists_need_no_key(url: str) -> None:
    models = {model["id"]: model for model in send(url, "/ai/cline/models", key=None).json["data"]}
    assert len(models) >= 12
    assert models["minimax/minimax-m2.5"]["pricing"]["prompt"] == "0"
    sonnet = models[MODEL]
    assert sonnet["pricing"]["prompt"] == "0.000003"
    assert sonnet["architecture"] == {"modality": "text+image->text"}
    assert {"tools", "reasoning"} <= set(sonnet["supported_parameters"])
    prices = [price for model in models.values() for price in model["pricing"].values()]
    assert [price for price in prices if not re.fullmatch(r"0|0\.[0-9]*[1-9]", price)] == []
    lists = send(url, "/ai/cline/recommended-models", key=None).json
    assert {entry["id"] for entries in lists.values() for entry in entries} <= set(models)
    assert [entry["id"] for entry in lists["clinePass"]] == ["cline-pass/glm-5"]


def test_every_response_has_a_date_and_its_own_request_id(url: str) -> None:
    with raw_socket(url) as garbage:
        garbage.sendall(b"GET / HTTP/9.9\r\n\r\n")
        unreadable = read_all(garbage)
    assert b"x-request-id: req-mock-" in unreadable
    paths = [(CHAT, ask()), (CHAT, b"{"), ("/nowhere", None), ("/users/me", None)]
    headers = [send(url, path, body).headers for path, body in paths]
    assert all(each["Date"] for each in headers)
    assert len({each["x-request-id"] for each in headers}) == len(paths)


# The wire


def test_each_event_is_a_chunk_of_its_own(url: str) -> None:
    with raw_socket(url) as connection:
        connection.sendall(raw_post(ask(QUESTION)).replace(b"Host", b"Connection: close\r\nHost"))
        head, _, body = read_all(connection).partition(b"\r\n\r\n")
    assert b"Transfer-Encoding: chunked" in head
    chunks = re.findall(rb"([0-9a-f]+)\r\n(data: [^\n]*\n\n)\r\n", body)
    assert all(int(size, 16) == len(data) for size, data in chunks)
    assert len(chunks) == 1 + 6 + 1 + 1
    assert b"".join(size + b"\r\n" + data + b"\r\n" for size, data in chunks) + b"0\r\n\r\n" == body


def test_an_event_is_sent_before_the_delay_of_the_next() -> None:
    with mock_server(MockOptions(delay=3600.0)) as server, raw_socket(server.base_url) as client:
        client.sendall(raw_post(ask()))
        seen = b""
        while b'"role":"assistant"' not in seen:
            seen += client.recv(65536)
        assert b'"content"' not in seen
        server.close()
        assert read_all(client) == b""


def test_delay_holds_a_whole_reply_back() -> None:
    with mock_server(MockOptions(delay=3600.0)) as server, raw_socket(server.base_url) as client:
        client.sendall(raw_post(ask(stream=False)))
        assert select.select([client], [], [], 0.2)[0] == []
        server.close()
        assert client.recv(65536) == b""


@pytest.mark.parametrize(
    ("fault", "body"),
    [
        ([], ask(stream=False)),
        ([], ask()),
        (["overload"], ask()),
        (["empty-reply"], ask()),
        ([], b"{"),
    ],
    ids=["whole", "streamed", "fault", "shaped-fault", "refused"],
)
def test_latency_comes_before_every_reply(fault: list[str], body: Any) -> None:
    options = MockOptions(latency=3600.0, fault=fault)
    with mock_server(options) as server, raw_socket(server.base_url) as client:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        client.sendall(
            b"POST /api/v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
            b"Authorization: Bearer k\r\nContent-Length: %d\r\n\r\n%b" % (len(data), data)
        )
        assert send(server.base_url, "/users/me").status == 200
        assert select.select([client], [], [], 0.2)[0] == []
        server.close()
        assert client.recv(65536) == b""


def test_connection_is_kept_alive_through_replies_and_errors(url: str) -> None:
    with closing(connect(url)) as connection:
        connection.connect()
        socket_before = connection.sock
        for body in (ask(stream=False), ask(), b"{", ask(stream=False)):
            send(url, body=body, connection=connection)
        send(url, "/users/me", connection=connection)
        assert connection.sock is socket_before


def test_http_1_0_gets_a_stream_without_chunks(url: str) -> None:
    with raw_socket(url) as connection:
        connection.sendall(raw_post(ask(QUESTION), "1.0"))
        head, _, body = read_all(connection).partition(b"\r\n\r\n")
    assert b"Transfer-Encoding" not in head
    assert body.startswith(b"data: {")
    assert body.endswith(b"data: [DONE]\n\n")


def test_chunked_request_body_is_read(url: str) -> None:
    with closing(connect(url)) as connection:
        pieces = [
            b'{"model":"m/x","stream":false,',
            b'"messages":[{"role":"user","content":"hey"}]}',
        ]
        headers = {"Authorization": "Bearer k"}
        for _ in range(2):
            connection.request("POST", f"/api/v1{CHAT}", iter(pieces), headers, encode_chunked=True)
            response = connection.getresponse()
            assert (response.status, b"hey" in response.read()) == (200, True)


@pytest.mark.parametrize(
    "headers",
    [b"Content-Length: -5", b"Content-Length: ten", b"Transfer-Encoding: chunked\r\nX: y"],
    ids=["negative", "word", "chunk-size"],
)
def test_malformed_length_is_400_and_ends_the_connection(url: str, headers: bytes) -> None:
    with raw_socket(url) as connection:
        connection.sendall(b"POST /api/v1/chat/completions HTTP/1.1\r\n%b\r\n\r\nzz\r\n" % headers)
        assert read_all(connection).startswith(b"HTTP/1.1 400 ")


def test_head_has_no_body(url: str) -> None:
    with closing(connect(url)) as connection:
        connection.request("HEAD", "/api/v1/users/me", headers={"Authorization": "Bearer k"})
        response = connection.getresponse()
        assert (response.status, response.read()) == (405, b"")


def test_a_large_body_is_read_whole(url: str) -> None:
    reply = send(url, body=ask("y" * 5_000_000, stream=False)).json
    assert "read 5000000 characters" in reply["choices"][0]["message"]["content"]


def test_a_client_that_goes_away_is_no_news(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    reply = tmp_path / "long"
    reply.write_text("word " * 200_000)
    with mock_server(MockOptions(reply=f"@{reply}")) as server:
        before = set(threading.enumerate())
        with raw_socket(server.base_url) as reset:
            reset.sendall(raw_post(ask()))
            reset.recv(1)
            reset.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with raw_socket(server.base_url) as half:
            half.sendall(raw_post(ask())[:-3])
        assert send(server.base_url, "/users/me").status == 200
        for thread in set(threading.enumerate()) - before:
            thread.join(30)
            assert not thread.is_alive()
    assert capfd.readouterr() == ("", "")


def test_many_connections_at_once(url: str) -> None:
    number = 100
    together = threading.Barrier(number)

    def one(index: int) -> str:
        with closing(connect(url)) as connection:
            connection.connect()
            together.wait(30)
            return send(url, body=ask(f"number {index}"), connection=connection).streamed_text

    with ThreadPoolExecutor(number) as pool:
        texts = list(pool.map(one, range(number)))
    assert [text.rpartition(": ")[2] for text in texts] == [f"number {i}" for i in range(number)]


def test_close_ends_connections_and_threads() -> None:
    before = set(threading.enumerate())
    server = mock_server(MockOptions(fault=["stall:5"]))
    clients = [connect(server.base_url) for _ in range(6)]
    for index, client in enumerate(clients):
        # An exchange proves that the connection was accepted; the last one then stays idle.
        assert send(server.base_url, "/users/me", connection=client).status == 200
        if index < 5:
            client.sock.sendall(raw_post(ask()))
    server.close()
    for client in clients:
        assert client.sock.recv(1) == b""
        client.close()
    for thread in set(threading.enumerate()) - before:
        thread.join(30)
        assert not thread.is_alive()
    with pytest.raises(ConnectionRefusedError):
        connect(server.base_url).connect()


def test_only_loopback_is_served(url: str) -> None:
    assert re.fullmatch(r"http://127\.0\.0\.1:[0-9]+", url)
    port = int(url.rpartition(":")[2])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port), timeout=30)


# Flags


def test_port_in_use_is_a_usage_error(url: str) -> None:
    port = int(url.rpartition(":")[2])
    with pytest.raises(UsageError, match=f"cannot listen on 127.0.0.1:{port}: Address") as caught:
        mock_server(MockOptions(port=port))
    assert "--port" in caught.value.hint


def test_port_that_was_closed_can_be_had_again() -> None:
    with mock_server(MockOptions()) as server:
        port = int(server.base_url.rpartition(":")[2])
        connection = connect(server.base_url)
        send(server.base_url, body=ask(), connection=connection)
    with mock_server(MockOptions(port=port)) as server:
        assert send(server.base_url, body=ask(stream=False)).status == 200
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        send(server.base_url, body=ask(), connection=connection)
    connection.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (MockOptions(delay=-1.0), "--delay"),
        (MockOptions(delay=float("nan")), "--delay"),
        (MockOptions(latency=float("inf")), "--latency"),
        (MockOptions(port=65536), "--port 65536"),
        (MockOptions(reply="@/nonexistent/reply"), "cannot read /nonexistent/reply"),
        (MockOptions(reply="@"), "cannot read"),
        (MockOptions(reply="\udcff"), "--reply is not UTF-8"),
    ],
    ids=str,
)
def test_bad_flags(options: MockOptions, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        mock_server(options)


def test_reply_file_that_is_not_utf8(tmp_path: Path) -> None:
    file = tmp_path / "latin"
    file.write_bytes(b"caf\xe9")
    with pytest.raises(UsageError, match="byte 0xe9 at offset 3"):
        mock_server(MockOptions(reply=f"@{file}"))
