"""Every fault of the mock, on the wire."""

from __future__ import annotations

import http.client
import json
import select
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from clinecli.errors import UsageError
from clinecli.mock import mock_server
from clinecli.options.mock import MockOptions
from tests.helpers.mock_client import CHAT, Got, ask, raw_post, raw_socket, send

QUESTION = "What is the capital of France?"
STATUSES = {
    "auth": 401,
    "forbidden": 403,
    "credit": 402,
    "spend-limit": 429,
    "rate-limit": 429,
    "server-error": 500,
    "overload": 503,
    "rejected": 400,
    "html": 200,
    "not-json": 200,
    "redirect": 302,
}
SHAPED = {"empty-reply", "cut-stream", "mid-stream-error", "length"}
NAMES = {*STATUSES, *SHAPED, "stall", "refuse", "model"}


def fault(*faults: str) -> MockOptions:
    return MockOptions(fault=list(faults))


def get(faults: str, *, stream: bool, path: str = CHAT) -> Got:
    body = ask(QUESTION, stream=stream) if path == CHAT else None
    with mock_server(fault(faults)) as server:
        return send(server.base_url, path, body)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(("name", "status"), STATUSES.items(), ids=STATUSES)
def test_status_is_the_same_in_both_modes(name: str, status: int, stream: bool) -> None:
    assert get(name, stream=stream).status == status


@pytest.mark.parametrize(
    "name", ["auth", "forbidden", "rate-limit", "server-error", "overload", "rejected"]
)
def test_documented_error_shape(name: str) -> None:
    error = get(name, stream=True).json["error"]
    assert error["code"] == STATUSES[name]
    assert error["message"]


def test_credit_error_is_json_inside_a_string() -> None:
    body = get("credit", stream=False).json
    assert body["success"] is False
    inner = json.loads(body["error"])
    assert (inner["code"], inner["current_balance"]) == ("insufficient_credits", -0.14)


def test_spend_limit_has_the_fields_of_a_budget() -> None:
    got = get("spend-limit", stream=False)
    assert got.json["error"].keys() == {
        "code",
        "message",
        "limit_scope",
        "budget_period",
        "limit_usd",
        "spent_usd",
        "resets_at",
    }
    assert got.json["error"]["code"] == "SPEND_LIMIT_EXCEEDED"
    assert got.headers["Retry-After"] is None


def test_rate_limit_says_when_to_come_back() -> None:
    assert get("rate-limit", stream=False).headers["Retry-After"] == "1"


def test_html_is_a_page() -> None:
    got = get("html", stream=True)
    assert got.headers["Content-Type"].startswith("text/html")
    assert got.body.startswith(b"<!DOCTYPE html>")


def test_not_json_claims_to_be_json() -> None:
    got = get("not-json", stream=False)
    assert got.headers["Content-Type"] == "application/json"
    with pytest.raises(json.JSONDecodeError):
        json.loads(got.body)


def test_redirect_leads_to_another_https_host() -> None:
    assert get("redirect", stream=False).headers["Location"].startswith("https://login.")


def test_empty_reply_is_billed() -> None:
    reply = get("empty-reply", stream=False).json
    assert reply["choices"][0]["message"]["content"] == ""
    assert reply["choices"][0]["finish_reason"] == "stop"
    assert reply["usage"]["cost"] == 0.000162
    streamed = get("empty-reply", stream=True)
    assert streamed.streamed_text == ""
    last, done = streamed.chunks[-2:]
    assert (last["choices"][0]["finish_reason"], done) == ("stop", "[DONE]")
    assert last["usage"]["cost"] == 0.000162


def test_cut_stream_ends_in_order_but_too_soon() -> None:
    # http.client raises IncompleteRead when the last chunk of the transfer is missing.
    chunks = get("cut-stream", stream=True).chunks
    assert [chunk["choices"][0]["delta"].get("content") for chunk in chunks] == [
        None,
        "The",
        " capital",
        " of",
    ]
    assert all(chunk["choices"][0]["finish_reason"] is None for chunk in chunks)


def test_cut_whole_reply_is_shorter_than_its_length() -> None:
    with pytest.raises(http.client.IncompleteRead) as caught:
        get("cut-stream", stream=False)
    assert caught.value.partial.startswith(b'{"id":"gen-mock-000001"')
    assert caught.value.expected


def test_mid_stream_error_comes_after_some_text() -> None:
    *text, last = get("mid-stream-error", stream=True).chunks
    assert [chunk["choices"][0]["delta"].get("content") for chunk in text][1:] == [
        "The",
        " capital",
        " of",
    ]
    choice = last["choices"][0]
    assert (choice["finish_reason"], choice["error"]["code"]) == ("error", "server_error")
    whole = get("mid-stream-error", stream=False)
    choice = whole.json["choices"][0]
    assert (choice["finish_reason"], choice["error"]["code"]) == ("error", "server_error")
    assert (whole.status, choice["message"]["content"]) == (200, "The capital of")


def test_length_is_partial_text() -> None:
    choice = get("length", stream=False).json["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("The capital of", "length")
    streamed = get("length", stream=True)
    assert streamed.streamed_text == "The capital of"
    assert streamed.chunks[-2]["choices"][0]["finish_reason"] == "length"
    assert streamed.chunks[-1] == "[DONE]"


def test_stall_sends_nothing_until_the_client_goes() -> None:
    with mock_server(fault("stall:1")) as server, raw_socket(server.base_url) as client:
        client.sendall(raw_post(ask()))
        assert select.select([client], [], [], 0.2)[0] == []
        assert send(server.base_url, body=ask()).status == 200


def test_refuse_leaves_the_port_bound_but_deaf() -> None:
    with mock_server(fault("refuse")) as server:
        for _ in range(2):
            with pytest.raises(ConnectionRefusedError):
                raw_socket(server.base_url)
        port = int(server.base_url.rpartition(":")[2])
        with pytest.raises(UsageError, match="cannot listen"):
            mock_server(MockOptions(port=port))


def send_and_read(base_url: str) -> bytes:
    # The reset may come before or after the request.
    with raw_socket(base_url) as client:
        client.sendall(raw_post(ask()))
        return client.recv(1)


def test_refuse_resets_the_first_connections() -> None:
    with mock_server(fault("refuse:2")) as server:
        for _ in range(2):
            with pytest.raises((ConnectionResetError, BrokenPipeError)):
                send_and_read(server.base_url)
        assert send(server.base_url, body=ask()).status == 200


def test_unknown_models_are_refused() -> None:
    with mock_server(fault("model")) as server:
        got = send(server.base_url, body={**ask(stream=False), "model": "my/own-model"})
        assert (got.status, got.json["error"]["code"]) == (404, 404)
        assert got.json["error"]["message"] == "model not found: my/own-model"
        known = send(server.base_url, "/ai/cline/models").json["data"]
        statuses = [
            send(server.base_url, body={**ask(stream=False), "model": model["id"]}).status
            for model in known
        ]
    assert statuses == [200] * len(known)


# How faults are counted


def test_only_unknown_models_count_as_refused() -> None:
    with mock_server(fault("model:1")) as server:
        models = [ask()["model"], "my/own-model", "my/own-model"]
        statuses = [
            send(server.base_url, body={**ask(), "model": model}).status for model in models
        ]
    assert statuses == [200, 404, 200]


@pytest.mark.parametrize("name", sorted(NAMES - {"stall", "refuse", "cut-stream", "model"}))
def test_only_the_first_n_requests_fail(name: str) -> None:
    with mock_server(fault(f"{name}:2")) as server:
        replies = [send(server.base_url, body=ask(QUESTION, stream=False)) for _ in range(4)]
    assert [b"is Paris." in reply.body for reply in replies] == [False, False, True, True]


def test_faults_take_turns_in_their_order() -> None:
    with mock_server(fault("rate-limit:1", "server-error:2", "auth")) as server:
        statuses = [send(server.base_url, body=ask()).status for _ in range(5)]
    assert statuses == [429, 500, 500, 401, 401]


def test_other_requests_do_not_count() -> None:
    with mock_server(fault("auth:1")) as server:
        assert send(server.base_url, "/users/me").status == 200
        assert send(server.base_url, "/ai/cline/models").status == 200
        assert send(server.base_url, body=ask()).status == 401
        assert send(server.base_url, body=ask()).status == 200


def test_counting_is_exact_with_many_threads() -> None:
    with mock_server(fault("server-error:17")) as server, ThreadPoolExecutor(32) as pool:
        body = ask(stream=False)
        sent = [pool.submit(send, server.base_url, CHAT, body) for _ in range(64)]
        assert Counter(one.result().status for one in sent) == {500: 17, 200: 47}


BALANCES = ("/users/usr-mock/balance", "/organizations/org-mock/balance")
LISTS = ("/ai/cline/models", "/ai/cline/recommended-models")


@pytest.mark.parametrize(
    ("name", "path", "status"),
    [
        *(("auth", path, 401) for path in ("/users/me", *BALANCES, "/users/usr-mock/usages")),
        *(("forbidden", path, 403) for path in ("/users/me", *BALANCES)),
        *((name, path, 200) for name in ("auth", "forbidden", "credit") for path in LISTS),
        *((name, "/users/me", 200) for name in ("credit", "rate-limit", "server-error", "length")),
        ("redirect", "/users/me", 302),
        ("redirect", "/ai/cline/models", 302),
    ],
)
def test_what_else_a_lasting_fault_strikes(name: str, path: str, status: int) -> None:
    assert get(name, stream=False, path=path).status == status


@pytest.mark.parametrize("path", ["/users/me", "/ai/cline/models", "/nowhere"])
def test_a_portal_does_not_look_at_paths(path: str) -> None:
    assert b"sign in" in get("html", stream=False, path=path).body


@pytest.mark.parametrize("path", BALANCES)
@pytest.mark.parametrize(("faults", "balance"), [("credit", -140_000), ("credit:1", 12_500_000)])
def test_no_credit_shows_in_the_balance(faults: str, balance: int, path: str) -> None:
    assert get(faults, stream=False, path=path).json["data"]["balance"] == balance


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nope", "no such fault: 'nope'"),
        ("", "no such fault: ''"),
        ("auth:", "'' is not a number"),
        ("auth:0", "'0' is not a number"),
        ("auth:-1", "'-1' is not a number"),
        ("auth:x", "'x' is not a number"),
        ("auth:1:2", "'1:2' is not a number"),
        ("auth:" + "9" * 5000, "is not a number"),
    ],
    ids=lambda value: value[:20],
)
def test_bad_fault(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        mock_server(fault(text))


def test_unknown_fault_lists_the_names() -> None:
    with pytest.raises(UsageError) as caught:
        mock_server(fault("nope"))
    listed: Any = caught.value.hint.removeprefix("one of ").split(", ")
    assert set(listed) == NAMES
